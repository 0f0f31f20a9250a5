package change

import (
	"crypto/sha256"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// keepBuffer is the largest buffer that a stream keeps for its next event.
const keepBuffer = 1 << 20

// event builds the event of the next item, and moves on.
func (st *Stream) event(it *item) (exec.Row, error) {
	t := token{ts: it.stamp.Timestamp, position: it.position, timeline: it.timeline}
	if cap(st.buf) > keepBuffer {
		st.buf = nil
	}
	b := bsonx.NewDoc(st.buf[:0])
	b.Doc("_id", t.doc())
	b.String("operationType", it.event)
	b.Timestamp("clusterTime", it.stamp.Timestamp.T(), it.stamp.Timestamp.I())
	if st.spec.Expanded {
		if u := it.uuid(); u != [16]byte{} {
			b.Binary("collectionUUID", 4, u[:])
		}
	}
	b.Date("wallTime", it.stamp.Time)
	if it.txn != nil {
		b.Int64("txnNumber", it.txn.number)
		at := b.OpenDoc("lsid")
		b.Binary("id", 4, it.txn.id[:min(16, len(it.txn.id))])
		uid := sha256.Sum256([]byte(it.txn.user))
		b.Binary("uid", 0, uid[:])
		b.Close(at)
	}
	var err error
	switch {
	case it.coll != nil:
		err = st.document(b, it)
	case it.event != "invalidate":
		err = st.catalogEvent(b, it)
	}
	if err != nil {
		return exec.Row{}, err
	}
	st.head++
	st.token = t
	st.buf = b.Done()
	return exec.Row{Doc: st.buf}, nil
}

// uuid returns the UUID of the item's collection; zero if it has none.
func (it *item) uuid() [16]byte {
	switch {
	case it.coll != nil:
		return it.coll.UUID
	case it.event == "invalidate":
		return [16]byte{}
	}
	return it.change.UUID
}

func appendNS(b *bsonx.Builder, field, db, coll string) {
	at := b.OpenDoc(field)
	b.String("db", db)
	if coll != "" {
		b.String("coll", coll)
	}
	b.Close(at)
}

// document appends the fields of an event of one document.
func (st *Stream) document(b *bsonx.Builder, it *item) error {
	var before, now bsonx.Doc
	var err error
	if it.kind != wal.Insert {
		if before, _, err = st.image(it, it.lsn-1); err != nil {
			return err
		}
	}
	key := before
	if it.kind != wal.Delete {
		at, of := wal.LSN(0), it.lsn
		if it.back {
			of--
		}
		if now, at, err = st.image(it, of); err == nil && (now == nil || !it.back && at != of) {
			err = errLost(nil)
		}
		if err != nil {
			return err
		}
		key = now
	}
	// Looked at after the images were read: what is collected from here on was there.
	if lost, err := st.s.branches.HistoryLost(it.timeline, it.lsn-1, true); lost || err != nil {
		return errLost(err)
	}
	if key == nil || it.kind == wal.Update && before == nil {
		return errLost(nil)
	}
	if err := st.fullDocument(b, it, now); err != nil {
		return err
	}
	appendNS(b, "ns", it.line.db, it.coll.Name)
	at := b.OpenDoc("documentKey")
	b.Value("_id", bsonx.Lookup(key, "_id"))
	b.Close(at)
	if it.kind == wal.Update {
		appendDescription(b, before, now, it.whole, st.spec.Expanded)
	}
	if it.kind == wal.Insert || st.spec.BeforeChange == ImageOff {
		return nil
	}
	switch {
	case before != nil:
		b.Doc("fullDocumentBeforeChange", before)
	case st.spec.BeforeChange == ImageWhenAvailable:
		b.Null("fullDocumentBeforeChange")
	default:
		return errcode.New(errcode.NoMatchingDocument, "Change stream was configured to require a pre-image for all update, delete and replace events, but the pre-image was not found for an event of LSN %d", it.lsn)
	}
	return nil
}

// image reads a document as of an LSN; nil when there was none.
func (st *Stream) image(it *item, lsn wal.LSN) (bsonx.Doc, wal.LSN, error) {
	v, at, ok, err := st.s.store.Get(upTo(it.line.levels, lsn), store.Rows(it.coll.ID), it.key)
	if err != nil || !ok {
		return nil, at, err
	}
	return v, at, nil
}

// fullDocument appends the document itself: always for an insert and a replace,
// on demand for an update.
func (st *Stream) fullDocument(b *bsonx.Builder, it *item, now bsonx.Doc) error {
	switch {
	case it.kind == wal.Delete:
	case it.kind != wal.Update || st.spec.FullDocument >= ImageWhenAvailable:
		b.Doc("fullDocument", now)
	case st.spec.FullDocument == ImageLookup:
		d, err := st.lookup(it)
		if err != nil {
			return err
		}
		if d == nil {
			b.Null("fullDocument")
		} else {
			b.Doc("fullDocument", d)
		}
	}
	return nil
}

// lookup reads a document as it is now, in the collection that has its name now;
// nil when there is none.
func (st *Stream) lookup(it *item) (bsonx.Doc, error) {
	tx := st.s.txns.Begin(txn.Options{})
	defer tx.Abort()
	snap, err := st.s.catalog.Snapshot(tx.View(it.line.levels, false))
	if err != nil {
		return nil, err
	}
	if c, ok := snap.Collection(it.coll.Name); !ok || c.ID != it.coll.ID {
		return nil, nil
	}
	d, _, err := st.image(it, store.Head)
	return d, err
}

// catalogEvent appends the fields of an event of the catalog.
func (st *Stream) catalogEvent(b *bsonx.Builder, it *item) error {
	ch, db := &it.change, it.line.db
	if it.event == string(catalog.OpDropDatabase) {
		appendNS(b, "ns", db, "")
		return nil
	}
	if it.event == branch.OpRestore {
		appendNS(b, "ns", db, "")
		at := b.OpenDoc("operationDescription")
		b.Value("to", branch.RestoredTo(*ch))
		b.Close(at)
		return nil
	}
	appendNS(b, "ns", db, ch.Name)
	if ch.Op == catalog.OpRename {
		appendNS(b, "to", db, ch.To)
	}
	if !st.spec.Expanded {
		return nil
	}
	switch ch.Op {
	case catalog.OpRename:
		at := b.OpenDoc("operationDescription")
		appendNS(b, "to", db, ch.To)
		if ch.DropUUID != [16]byte{} {
			b.Binary("dropTarget", 4, ch.DropUUID[:])
		}
		b.Close(at)
	case catalog.OpCreate:
		return st.created(b, it)
	case catalog.OpModify:
		return st.modified(b, it)
	case catalog.OpCreateIndexes, catalog.OpDropIndexes:
		b.Doc("operationDescription", orEmpty(ch.Detail))
	}
	return nil
}

func orEmpty(d bsonx.Doc) bsonx.Doc {
	if d == nil {
		return bsonx.EmptyDoc
	}
	return d
}

// created appends what a create says: the options, and the index on _id.
func (st *Stream) created(b *bsonx.Builder, it *item) error {
	snap, err := st.catalog(it.line, it.lsn)
	if err != nil {
		return err
	}
	at := b.OpenDoc("operationDescription")
	for d := bsonx.NewIter(it.change.Detail); d.Next(); {
		b.Element(d.Element())
	}
	if c, ok := snap.Collection(it.change.Name); ok && c.UUID == it.change.UUID && len(c.Indexes) > 0 {
		b.Doc("idIndex", c.Indexes[0].Spec)
	}
	b.Close(at)
	b.String("nsType", string(it.change.Type))
	return nil
}

// modified appends what a collMod says, and the options before it.
func (st *Stream) modified(b *bsonx.Builder, it *item) error {
	ch := &it.change
	b.Doc("operationDescription", orEmpty(ch.Detail))
	snap, err := st.catalog(it.line, it.lsn-1)
	if err != nil {
		return err
	}
	old, ok := snap.Collection(ch.Name)
	if !ok {
		return nil
	}
	at := b.OpenDoc("stateBeforeChange")
	opts := b.OpenDoc("collectionOptions")
	if old.UUID != [16]byte{} {
		b.Binary("uuid", 4, old.UUID[:])
	}
	for d := bsonx.NewIter(old.Options); d.Next(); {
		b.Element(d.Element())
	}
	b.Close(opts)
	if ix, ok := bsonx.Lookup(ch.Detail, "index").DocumentOK(); ok {
		st.indexBefore(b, old, ix)
	}
	b.Close(at)
	return nil
}

// indexBefore appends the options that a collMod of an index changes.
func (st *Stream) indexBefore(b *bsonx.Builder, old *catalog.Collection, ix bsonx.Doc) {
	name, _ := bsonx.Lookup(ix, "name").StringValueOK()
	for _, o := range old.Indexes {
		if o.Name != name && !bsonx.Equal(bsonx.Lookup(o.Spec, "key"), bsonx.Lookup(ix, "keyPattern")) {
			continue
		}
		at := b.OpenDoc("indexOptions")
		for _, f := range []string{"expireAfterSeconds", "hidden", "unique", "prepareUnique"} {
			if v := bsonx.Lookup(o.Spec, f); v.Type != bsonx.Missing {
				b.Value(f, v)
			} else if f == "hidden" && bsonx.Lookup(ix, f).Type != bsonx.Missing {
				b.Bool(f, false)
			}
		}
		b.Close(at)
		return
	}
}
