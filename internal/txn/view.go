package txn

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
)

// View is a transaction's view of one timeline and its ancestors. Bytes that it
// returns must not be changed; they stay valid after the transaction. Keys and
// documents that are given to it must not be changed until the transaction has
// ended; ids are keyenc's keys of _id (or record ids).
type View struct {
	t        *Txn
	raw      []Level // as given: what a newest read sees
	levels   []Level // no newer than the snapshot
	writable bool
	writes   *writes
}

// cap computes the levels that the snapshot sees.
func (v *View) cap() {
	v.levels = v.levels[:0]
	for _, l := range v.raw {
		l.LSN = min(l.LSN, v.t.snapshot)
		v.levels = append(v.levels, l)
	}
}

// Txn returns the transaction.
func (v *View) Txn() *Txn { return v.t }

// Timeline returns the timeline that the view writes to.
func (v *View) Timeline() Timeline { return v.raw[0].Timeline }

// Levels returns the levels of the view's reads, capped by the snapshot. They
// must not be changed.
func (v *View) Levels() []Level { return v.levels }

// ReadLSN returns the LSN as of which the view reads its own timeline.
func (v *View) ReadLSN() LSN { return v.levels[0].LSN }

// Writable reports whether the view may write.
func (v *View) Writable() bool { return v.writable }

// AtHead reports whether the view reads its timeline's present, as of the
// snapshot, and not an older point.
func (v *View) AtHead() bool { return v.raw[0].LSN == store.Head }

// Get returns a document; nil when there is none.
func (v *View) Get(ctx context.Context, coll CollectionID, id []byte) (bsonx.Doc, error) {
	val, _, err := v.get(ctx, v.levels, store.Rows(coll), id)
	return bsonx.Doc(val), err
}

// GetVersion returns a document and the LSN of its version; LSN 0 for a write of
// this transaction.
func (v *View) GetVersion(ctx context.Context, coll CollectionID, id []byte) (bsonx.Doc, LSN, error) {
	val, at, err := v.get(ctx, v.levels, store.Rows(coll), id)
	return bsonx.Doc(val), at, err
}

func (v *View) get(ctx context.Context, levels []Level, sp store.Space, key []byte) ([]byte, LSN, error) {
	if b := v.writes.find(sp); b != nil {
		if w := b.get(key); w != nil {
			return w.value, 0, nil
		}
	}
	if ctx.Err() != nil {
		return nil, 0, ctxError(ctx)
	}
	val, at, ok, err := v.t.m.store.Get(levels, sp, key)
	if err != nil || !ok {
		return nil, 0, err
	}
	return val, at, nil
}

// latest reads the newest committed version of a key, whatever the snapshot. A
// lock on the key is released only after its commit is visible, so what is
// visible now has everything that the lock's owners before have written.
func (v *View) latest(sp store.Space, key []byte) ([]byte, LSN, error) {
	val, at, ok, err := v.t.m.store.Get(v.raw, sp, key)
	if err != nil || !ok {
		return nil, at, err
	}
	return val, at, nil
}

// begin checks that the view may write to a collection and passes its gates.
func (v *View) begin(ctx context.Context, coll CollectionID) error {
	if err := v.mayWrite(ctx); err != nil {
		return err
	}
	return v.t.enter(ctx, gateID{v.Timeline(), coll})
}

func (v *View) mayWrite(ctx context.Context) error {
	switch {
	case v.t.ended:
		return errcode.New(errcode.IllegalOperation, "the transaction has ended")
	case !v.writable:
		return errcode.New(errcode.CommandNotSupportedOnView, "this is a read-only point in the past")
	case v.Timeline() == 0: // of a project that did not exist; it may by now
		return v.t.stale(staleBranch)
	}
	return v.t.enter(ctx, gateID{timeline: v.Timeline()})
}

// lockRow locks a row and, if the lock is new or want is set, reads its newest
// committed version. at is 0 when it was not read.
func (v *View) lockRow(ctx context.Context, b *buffer, key []byte, want bool) (val []byte, at LSN, err error) {
	fresh, err := v.t.lockKey(ctx, v.lockName(b.kind, b.coll, 0, key))
	if err != nil || !fresh && !want {
		return nil, 0, err
	}
	val, at, err = v.latest(b.space, key)
	if err == nil && at > v.t.snapshot && v.t.multi {
		err = v.t.stale(staleRow)
	}
	return val, at, err
}

// LockRow locks a row for writing and returns its newest state: the document
// (nil: it is gone) and whether that differs from what the snapshot sees, so that
// the caller has to match and apply its update again. Within a transaction of
// several statements moved is never true: the error is WriteConflict instead.
// After LockRow a Put or Delete of the row does not conflict.
func (v *View) LockRow(ctx context.Context, coll CollectionID, id []byte) (doc bsonx.Doc, moved bool, err error) {
	if err := v.begin(ctx, coll); err != nil {
		return nil, false, err
	}
	b := v.writes.rows(coll)
	if w := b.get(id); w != nil {
		return bsonx.Doc(w.value), false, nil
	}
	val, at, err := v.lockRow(ctx, b, id, true)
	if err != nil {
		return nil, false, err
	}
	return bsonx.Doc(val), at > v.t.snapshot, nil
}

// Insert adds a document. A *DuplicateError says that its id is taken, also by a
// document that the snapshot does not see.
func (v *View) Insert(ctx context.Context, coll CollectionID, id []byte, doc bsonx.Doc) error {
	if err := v.begin(ctx, coll); err != nil {
		return err
	}
	b := v.writes.rows(coll)
	old := b.get(id)
	kind := Insert
	switch {
	case old != nil && old.value != nil:
		return &DuplicateError{Collection: coll, ID: id}
	case old != nil && old.kind == Delete:
		kind = Replace // deleted and inserted again: one version to the log
	case old == nil:
		val, _, err := v.lockRow(ctx, b, id, true)
		if err != nil {
			return err
		}
		if val != nil {
			return &DuplicateError{Collection: coll, ID: id}
		}
	}
	w := &write{key: id, value: doc, kind: kind, buf: b}
	if old != nil {
		w.prev = old.prev
	}
	return v.t.record(w, old)
}

// Put writes the new version of a document that exists. old is the document that
// the caller has read and changed, kind is Update or Replace, whole is wal.Op.Whole
// of an update (nil for none). If the row's newest
// version is not the snapshot's, the result is a *StaleError (or WriteConflict)
// unless LockRow was called before.
func (v *View) Put(ctx context.Context, coll CollectionID, id []byte, old, doc bsonx.Doc, kind Kind, whole []byte) error {
	return v.change(ctx, coll, id, old, doc, kind, whole)
}

// Delete removes a document; old is the document that the caller has read.
// Conflicts are as for Put.
func (v *View) Delete(ctx context.Context, coll CollectionID, id []byte, old bsonx.Doc) error {
	return v.change(ctx, coll, id, old, nil, Delete, nil)
}

func (v *View) change(ctx context.Context, coll CollectionID, id []byte, old, doc bsonx.Doc, kind Kind, whole []byte) error {
	if err := v.begin(ctx, coll); err != nil {
		return err
	}
	b := v.writes.rows(coll)
	was := b.get(id)
	if was == nil {
		_, at, err := v.lockRow(ctx, b, id, false)
		if err != nil {
			return err
		}
		if at > v.t.snapshot {
			return v.t.stale(staleRow)
		}
	} else {
		kind = mergeKinds(was.kind, kind)
	}
	w := &write{key: id, value: doc, kind: kind, whole: whole, prev: len(old), buf: b}
	if was != nil {
		w.prev = was.prev
		w.whole = mergeWhole(was.whole, whole)
	}
	return v.t.record(w, was)
}

// maxWhole bounds what a row's Whole takes in the log, in bytes: without the rest
// an event shows an array's elements one by one.
const maxWhole = 64 << 10

// mergeWhole joins what two updates of one row gave as a whole.
func mergeWhole(first, second []byte) []byte {
	if len(first) == 0 || len(second) == 0 || len(first)+len(second) > maxWhole {
		if len(first) == 0 {
			return second
		}
		return first
	}
	return append(append(first[:len(first):len(first)], 0), second...)
}

// mergeKinds is what two writes of one row in one commit are to the log, which
// has one version for both.
func mergeKinds(first, second Kind) Kind {
	switch {
	case first == Insert && second == Delete:
		return 0
	case first == Insert:
		return Insert
	case first == Replace && second == Update:
		return Replace
	}
	return second
}

// PutEntry adds an index entry for the row id: values is keyenc's key of the
// indexed values, payload what a covered read needs to decode them. With unique
// a *DuplicateError says that another row has the same values. The row must have
// been written (or locked) by this transaction before, except while an index is
// built under LockCollection.
func (v *View) PutEntry(ctx context.Context, coll CollectionID, index IndexID, values, id, payload []byte, unique bool) error {
	if err := v.begin(ctx, coll); err != nil {
		return err
	}
	sp := store.Entries(coll, index)
	if unique {
		if _, err := v.t.lockKey(ctx, v.lockName(bufEntries, coll, index, values)); err != nil {
			return err
		}
		if err := v.checkUnique(coll, index, sp, values, id); err != nil {
			return err
		}
	}
	if payload == nil {
		payload = emptyBytes
	}
	return v.putKey(v.writes.entries(coll, index), v.t.join(values, id), payload)
}

// HasEntry reports whether an index entry is there.
func (v *View) HasEntry(ctx context.Context, coll CollectionID, index IndexID, values, id []byte) (bool, error) {
	key := append(append(make([]byte, 0, len(values)+len(id)), values...), id...)
	if b := v.writes.find(store.Entries(coll, index)); b != nil {
		if w := b.get(key); w != nil {
			return w.value != nil, nil
		}
	}
	if ctx.Err() != nil {
		return false, ctxError(ctx)
	}
	_, _, ok, err := v.t.m.store.Get(v.levels, store.Entries(coll, index), key)
	return ok, err
}

// DeleteEntry removes an index entry.
func (v *View) DeleteEntry(ctx context.Context, coll CollectionID, index IndexID, values, id []byte) error {
	if err := v.begin(ctx, coll); err != nil {
		return err
	}
	return v.putKey(v.writes.entries(coll, index), v.t.join(values, id), nil)
}

// Present value of an entry without a payload: empty, but not a deletion.
var emptyBytes = []byte{}

func (v *View) putKey(b *buffer, key, value []byte) error {
	return v.t.record(&write{key: key, value: value, buf: b}, b.get(key))
}

// checkUnique looks for another row with the same values: in the newest
// committed state, under the lock on the values, and within a transaction also
// in its snapshot.
func (v *View) checkUnique(coll CollectionID, index IndexID, sp store.Space, values, id []byte) error {
	upper := prefixEnd(values)
	other, at, err := v.findOther(v.raw, sp, values, upper, id)
	if err != nil {
		return err
	}
	if other != nil {
		if v.t.multi && at > v.t.snapshot {
			return v.t.stale(staleRow)
		}
		return &DuplicateError{Collection: coll, Index: index, ID: other}
	}
	if !v.t.multi {
		return nil
	}
	other, _, err = v.findOther(v.levels, sp, values, upper, id)
	if err == nil && other != nil {
		err = v.t.stale(staleRow) // it was there, and is gone by now
	}
	return err
}

func (v *View) findOther(levels []Level, sp store.Space, lower, upper, id []byte) ([]byte, LSN, error) {
	it := v.iter(levels, sp, ScanOptions{Lower: lower, Upper: upper})
	defer it.Close()
	for it.Next() {
		if other := it.Key()[len(lower):]; !bytes.Equal(other, id) {
			return bytes.Clone(other), it.LSN(), nil
		}
	}
	return nil, 0, it.Err()
}

// Count returns how many documents a collection has and their size in bytes,
// without reading them; the transaction's own writes included.
func (v *View) Count(coll CollectionID) (n, size int64, err error) {
	r := v.t.m.store.NewReader()
	defer r.Close()
	if n, size, err = r.Count(v.levels, coll); err != nil {
		return 0, 0, err
	}
	if b := v.writes.find(store.Rows(coll)); b != nil {
		for _, w := range b.ordered() {
			switch {
			case w.kind == Insert:
				n++
			case w.kind == Delete:
				n--
			}
			if w.kind != 0 {
				size += int64(len(w.value) - w.prev)
			}
		}
	}
	return n, size, nil
}

// LockCollection keeps all writers of a collection out until the transaction
// ends, and waits for those that are inside. Whoever changes the collection's
// entry in the catalog needs it. Readers go on. A single statement's snapshot is
// refreshed afterwards, so that it sees what those writers have committed.
func (v *View) LockCollection(ctx context.Context, coll CollectionID) error {
	if err := v.mayWrite(ctx); err != nil {
		return err
	}
	if err := v.t.shut(ctx, gateID{v.Timeline(), coll}); err != nil {
		return err
	}
	v.t.Refresh()
	return nil
}

// NextRecordID returns the id for the next document of a collection that keeps
// the order of insertion (a capped one): greater than all before. It keeps other
// inserters out until the transaction ends, so that ids become visible in order,
// which tailing readers rely on.
func (v *View) NextRecordID(ctx context.Context, coll CollectionID) (int64, error) {
	if err := v.begin(ctx, coll); err != nil {
		return 0, err
	}
	if _, err := v.t.lockKey(ctx, v.lockName(bufTail, coll, 0, nil)); err != nil {
		return 0, err
	}
	last := int64(0)
	it := v.t.m.store.NewIter(v.raw, store.IterOptions{Space: store.Rows(coll), Reverse: true, Tombstones: true})
	if it.Next() {
		last = RecordIDOf(it.Key())
	}
	if err := it.Close(); err != nil {
		return 0, err
	}
	if b := v.writes.find(store.Rows(coll)); b != nil {
		if own := b.ordered(); len(own) > 0 {
			last = max(last, RecordIDOf(own[len(own)-1].key))
		}
	}
	return last + 1, nil
}

// RecordIDKey returns the row key of a record id; RecordIDOf reads it (0 for
// anything else). Keys are ordered as the ids are.
func RecordIDKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// RecordIDOf is the inverse of RecordIDKey.
func RecordIDOf(key []byte) int64 {
	if len(key) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(key))
}

// GetMeta returns an entry of the catalog; nil when there is none.
func (v *View) GetMeta(ctx context.Context, key []byte) ([]byte, error) {
	val, _, err := v.get(ctx, v.levels, store.Meta(), key)
	return val, err
}

// PutMeta writes an entry of the catalog; nil deletes it. An entry that another
// transaction has changed since the snapshot is a conflict.
func (v *View) PutMeta(ctx context.Context, key, value []byte) error {
	if err := v.mayWrite(ctx); err != nil {
		return err
	}
	b := v.writes.meta()
	_, at, err := v.lockRow(ctx, b, key, true)
	if err != nil {
		return err
	}
	if at > v.t.snapshot {
		return v.t.stale(staleCatalog)
	}
	v.writes.metaVersion++
	return v.putKey(b, key, value)
}

// ScanMeta iterates over the catalog's entries.
func (v *View) ScanMeta(o ScanOptions) *Iter { return v.iter(v.levels, store.Meta(), o) }

// MetaVersion changes with every write to the catalog by this transaction; 0
// when there was none.
func (v *View) MetaVersion() int { return v.writes.metaVersion }

// lockName is the name of a key in the lock table. It is valid until the next
// call.
func (v *View) lockName(kind bufferKind, coll CollectionID, index IndexID, key []byte) []byte {
	b := append(v.t.nameBuf[:0], byte(kind))
	b = binary.AppendUvarint(b, uint64(v.Timeline()))
	b = binary.AppendUvarint(b, uint64(coll))
	b = binary.AppendUvarint(b, uint64(index))
	b = append(b, key...)
	v.t.nameBuf = b
	return b
}

// prefixEnd returns the smallest key greater than all that begin with p; nil if
// there is none.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			e := bytes.Clone(p[:i+1])
			e[i]++
			return e
		}
	}
	return nil
}

// join returns a and b as one key in the transaction's memory.
func (t *Txn) join(a, b []byte) []byte {
	n := len(a) + len(b)
	if cap(t.arena)-len(t.arena) < n {
		t.arena = make([]byte, 0, max(n, min(max(512, 2*cap(t.arena)), 64<<10)))
	}
	at := len(t.arena)
	t.arena = append(append(t.arena, a...), b...)
	return t.arena[at:len(t.arena):len(t.arena)]
}
