package exec

import (
	"bytes"
	"context"
	"errors"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/txn"
)

// Writer changes the documents of a collection together with their index
// entries. It belongs to one statement of one transaction.
type Writer struct {
	View *txn.View
	Coll *Collection
	NS   string    // database.collection as the client named it, for messages
	Env  *expr.Env // for validators and partial filters
	// Bypass skips the validator.
	Bypass bool

	keys []index.Key
}

// RowKey returns the key of the row with that _id, in a collection that stores
// its rows by _id.
func (c *Collection) RowKey(id bsonx.Value) []byte {
	if c.IDIndex != nil {
		id = index.Collated(id, c.IDIndex.Collator)
	}
	return appendKey(make([]byte, 0, 16), id, false)
}

// Insert adds a document, which has its _id already (PrepareInsert). The
// document must not be changed afterwards. Errors: DuplicateKey (11000),
// DocumentValidationFailure (121), those of index keys; *txn.StaleError when the
// statement has to start anew.
func (w *Writer) Insert(ctx context.Context, doc bsonx.Doc) error {
	if err := w.validate(doc, nil); err != nil {
		return err
	}
	id := bsonx.Lookup(doc, "_id")
	var key []byte
	var err error
	if w.Coll.IDEntries != nil {
		key, err = w.nextCapped(ctx)
	} else {
		key = w.Coll.RowKey(id)
	}
	if err != nil {
		return err
	}
	if err := w.View.Insert(ctx, w.Coll.ID, key, doc); err != nil {
		return w.explain(err, w.Coll.IDIndex, []bsonx.Value{id})
	}
	for _, ix := range w.entries() {
		if err := w.addKeys(ctx, ix, doc, key); err != nil {
			return err
		}
	}
	if w.Coll.Capped {
		return w.evict(ctx)
	}
	return nil
}

// entries lists the indexes that have entries.
func (w *Writer) entries() []*Index {
	if w.Coll.IDEntries == nil {
		return w.Coll.Indexes
	}
	return append([]*Index{w.Coll.IDEntries}, w.Coll.Indexes...)
}

// Update replaces a row's document, whose _id stays the same. The row must have
// been locked (txn.View.LockRow) or be unchanged since the snapshot. whole is
// update.Result.Whole; nil for none.
func (w *Writer) Update(ctx context.Context, key []byte, old, doc bsonx.Doc, kind txn.Kind, whole []byte) error {
	if err := w.validate(doc, old); err != nil {
		return err
	}
	if w.Coll.Capped && len(doc) > len(old) && w.Coll.CappedSize > 0 && int64(len(doc)) > w.Coll.CappedSize {
		return errcode.New(errcode.CannotGrowDocumentInCappedNamespace, "Cannot change the size of a document in a capped collection: %d != %d", len(old), len(doc))
	}
	if err := w.View.Put(ctx, w.Coll.ID, key, old, doc, kind, whole); err != nil {
		return err
	}
	for _, ix := range w.Coll.Indexes {
		if err := w.changeKeys(ctx, ix, old, doc, key); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a row.
func (w *Writer) Delete(ctx context.Context, key []byte, old bsonx.Doc) error {
	if err := w.View.Delete(ctx, w.Coll.ID, key, old); err != nil {
		return err
	}
	for _, ix := range w.entries() {
		ents, _, err := w.entriesOf(ix, old)
		if err != nil {
			continue // it never had any
		}
		for _, e := range ents {
			if err := w.View.DeleteEntry(ctx, w.Coll.ID, ix.ID, e.key, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is an encoded index key.
type entry struct {
	key, payload []byte
	values       []bsonx.Value
}

// entriesOf returns the distinct entries of a document in an index.
func (w *Writer) entriesOf(ix *Index, doc bsonx.Doc) ([]entry, index.Multikey, error) {
	if ix.Partial != nil {
		w.Env.Root = bsonx.DocValue(doc)
		ok, err := ix.Partial.Matches(w.Env, doc)
		if err != nil || !ok {
			return nil, nil, err
		}
	}
	keys, mk, err := ix.Spec.Keys(w.keys[:0], doc)
	if err != nil {
		return nil, nil, err
	}
	w.keys = keys
	out := make([]entry, 0, len(keys))
	var seen map[string]struct{}
	if len(keys) > 1 {
		seen = make(map[string]struct{}, len(keys))
	}
	for _, k := range keys {
		e := encodeEntry(ix.Spec, k)
		if seen != nil {
			if _, dup := seen[string(e.key)]; dup {
				continue
			}
			seen[string(e.key)] = struct{}{}
		}
		out = append(out, e)
	}
	return out, mk, nil
}

func (w *Writer) addKeys(ctx context.Context, ix *Index, doc bsonx.Doc, id []byte) error {
	ents, mk, err := w.entriesOf(ix, doc)
	if err != nil {
		return err
	}
	for i := range ents {
		if err := w.put(ctx, ix, &ents[i], id); err != nil {
			return err
		}
	}
	return w.mark(ctx, ix, mk)
}

func (w *Writer) put(ctx context.Context, ix *Index, e *entry, id []byte) error {
	err := w.View.PutEntry(ctx, w.Coll.ID, ix.ID, e.key, id, e.payload, ix.Spec.Unique || ix.Spec.PrepareUnique && !ix.Building)
	if err != nil {
		return w.explain(err, ix.Spec, e.values)
	}
	return nil
}

// changeKeys writes only what differs between the old and the new entries.
func (w *Writer) changeKeys(ctx context.Context, ix *Index, old, doc bsonx.Doc, id []byte) error {
	if ix.Spec.SameFields(old, doc) {
		return nil
	}
	was, _, err := w.entriesOf(ix, old)
	if err != nil {
		was = nil
	}
	was = append([]entry(nil), was...)
	now, mk, err := w.entriesOf(ix, doc)
	if err != nil {
		return err
	}
	find := func(es []entry, k []byte) *entry {
		for i := range es {
			if bytes.Equal(es[i].key, k) {
				return &es[i]
			}
		}
		return nil
	}
	if len(was) > 32 && len(now) > 32 {
		find = finder()
	}
	for _, e := range was {
		if find(now, e.key) == nil {
			if err := w.View.DeleteEntry(ctx, w.Coll.ID, ix.ID, e.key, id); err != nil {
				return err
			}
		}
	}
	for i := range now {
		if o := find(was, now[i].key); o != nil && bytes.Equal(o.payload, now[i].payload) {
			continue
		}
		if err := w.put(ctx, ix, &now[i], id); err != nil {
			return err
		}
	}
	return w.mark(ctx, ix, mk)
}

// finder looks entries up in maps, made once for each list.
func finder() func([]entry, []byte) *entry {
	maps := map[*entry]map[string]*entry{}
	return func(es []entry, k []byte) *entry {
		m, ok := maps[&es[0]]
		if !ok {
			m = make(map[string]*entry, len(es))
			for i := range es {
				m[string(es[i].key)] = &es[i]
			}
			maps[&es[0]] = m
		}
		return m[string(k)]
	}
}

// mark notes where the index's paths went through arrays, if that is new.
func (w *Writer) mark(ctx context.Context, ix *Index, mk index.Multikey) error {
	for field, bits := range mk {
		for c := 0; bits>>c != 0; c++ {
			if bits>>c&1 == 0 {
				continue
			}
			key := []byte{byte(field), byte(c)}
			known, err := w.View.HasEntry(ctx, w.Coll.ID, ix.markers(), key, nil)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if err := w.View.PutEntry(ctx, w.Coll.ID, ix.markers(), key, nil, nil, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// Multikey reads where an index's paths have gone through arrays.
func Multikey(ctx context.Context, v *txn.View, c *Collection, ix *Index) (index.Multikey, error) {
	it := v.ScanIndex(c.ID, ix.markers(), txn.ScanOptions{})
	defer it.Close()
	var mk index.Multikey
	for it.Next() {
		if k := it.Key(); len(k) == 2 && int(k[0]) < len(ix.Spec.Fields) {
			mk = mk.Set(len(ix.Spec.Fields), int(k[0]), int(k[1]))
		}
	}
	return mk, it.Err()
}

// explain turns the store's duplicate into MongoDB's error 11000.
func (w *Writer) explain(err error, spec *index.Spec, values []bsonx.Value) error {
	var d *txn.DuplicateError
	if !errors.As(err, &d) || spec == nil {
		return err
	}
	return DuplicateKey(w.NS, spec, values)
}

// DuplicateKey is MongoDB's error for a key that a unique index has already.
func DuplicateKey(ns string, spec *index.Spec, values []bsonx.Value) error {
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc("keyValue")
	for i, f := range spec.Fields {
		v := values[i]
		if bsonx.IsNullish(v) {
			v = bsonx.NullValue
		}
		b.Value(f.Path, v)
	}
	b.Close(at)
	kv := bsonx.Lookup(b.Done(), "keyValue")
	info := bsonx.NewDoc(nil)
	info.Doc("keyPattern", spec.KeyPattern)
	info.Value("keyValue", kv)
	coll := ""
	if spec.Collation != nil {
		info.Doc("collation", spec.Collation)
		coll = " collation: " + Format(bsonx.DocValue(spec.Collation))
	}
	return errcode.New(errcode.DuplicateKey, "E11000 duplicate key error collection: %s index: %s%s dup key: %s",
		ns, spec.Name, coll, Format(kv)).WithInfo(info.Done())
}

// nextCapped returns the key after the last row. Rows of a capped collection are
// in the order of insertion.
func (w *Writer) nextCapped(ctx context.Context) ([]byte, error) {
	n, err := w.View.NextRecordID(ctx, w.Coll.ID)
	return txn.RecordIDKey(n), err
}

// evict deletes the oldest rows of a capped collection that is over its limits.
func (w *Writer) evict(ctx context.Context) error {
	count, size, err := w.View.Count(w.Coll.ID)
	if err != nil {
		return err
	}
	over := func() bool {
		return w.Coll.CappedMax > 0 && count > w.Coll.CappedMax || w.Coll.CappedSize > 0 && size > w.Coll.CappedSize
	}
	if !over() {
		return nil
	}
	type row struct{ key, doc []byte }
	var rows []row
	it := w.View.Scan(w.Coll.ID, txn.ScanOptions{})
	for over() && count > 1 && it.Next() {
		rows = append(rows, row{bytes.Clone(it.Key()), bytes.Clone(it.Doc())})
		count--
		size -= int64(len(it.Doc()))
	}
	err = it.Err()
	it.Close()
	for _, r := range rows {
		if err != nil {
			return err
		}
		err = w.Delete(ctx, r.key, r.doc)
	}
	return err
}
