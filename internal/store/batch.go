package store

import (
	"encoding/binary"
	"math/bits"

	"github.com/cockroachdb/pebble/v2"

	"github.com/argon-db/argon/internal/wal"
)

// Info is what a commit's log record says beside its operations.
type Info struct {
	Actor   wal.Actor
	Comment []byte // a BSON value as type byte and data
	Session wal.SessionInfo
	Txn     bool
}

// Batch gathers what one commit writes. It is not safe for concurrent use, and
// is used up by Commit, whether that fails or not, except when Commit's check
// refused. Keys and values are copied. A key should be written only once; of
// several writes of a key the last counts.
type Batch struct {
	Info
	s       *Store
	pb      *pebble.Batch
	ops     []wal.Op
	arena   []byte // keys of ops
	key     []byte
	lsnAt   []int // offsets of LSNs in the batch, to be filled in
	tallies []pendingTally
	last    int // index in tallies of the collection that was counted last
	drops   []tallyKey
	sealed  bool
	recAt   int // offset of the log record's value
}

// maxBatch is the size in bytes that a commit may have; the engine holds it in
// memory twice, and panics at 4 GiB.
const maxBatch = 1 << 30

// NewBatch returns an empty batch. Commit or Close it.
func (s *Store) NewBatch() *Batch { return &Batch{s: s, pb: s.db.NewBatch()} }

// Close frees a batch that is not committed.
func (b *Batch) Close() {
	if b.pb != nil {
		_ = b.pb.Close()
		b.pb = nil
	}
}

// Len returns how many operations the batch has for the log.
func (b *Batch) Len() int { return len(b.ops) }

// Size returns how many bytes the batch has.
func (b *Batch) Size() int { return b.pb.Len() }

// PutRow writes a document: kind is wal.Insert, Update or Replace, and prevSize
// the size in bytes of the document it replaces (0 for an insert).
func (b *Batch) PutRow(tl Timeline, c CollectionID, id, doc []byte, kind wal.Kind, prevSize int) error {
	t := b.tally(tl, c)
	if kind == wal.Insert {
		t.delta.Inserts++
	} else {
		t.delta.Updates++
	}
	t.delta.Bytes += int64(len(doc) - prevSize)
	b.op(tl, c, kind, id)
	return b.put(tl, Rows(c), id, doc)
}

// SetWhole sets wal.Op.Whole of the row that was put last, which was an update.
func (b *Batch) SetWhole(whole []byte) {
	if op := &b.ops[len(b.ops)-1]; op.Kind == wal.Update && len(whole) > 0 {
		op.Whole = append([]byte(nil), whole...)
	}
}

// DeleteRow deletes a document; prevSize is its size in bytes.
func (b *Batch) DeleteRow(tl Timeline, c CollectionID, id []byte, prevSize int) error {
	t := b.tally(tl, c)
	t.delta.Deletes++
	t.delta.Bytes -= int64(prevSize)
	b.op(tl, c, wal.Delete, id)
	return b.put(tl, Rows(c), id, nil)
}

// PutEntry writes an index entry. bits may be empty.
func (b *Batch) PutEntry(tl Timeline, c CollectionID, i IndexID, key, bits []byte) error {
	// A tombstone is an empty value, so a present entry begins with a byte.
	v := append(b.arenaTail(len(bits)+1), entryPresent)
	v = append(v, bits...)
	b.tally(tl, c) // readers trust the tally to tell which timelines touched a collection
	return b.put(tl, Entries(c, i), key, v)
}

// DeleteEntry deletes an index entry.
func (b *Batch) DeleteEntry(tl Timeline, c CollectionID, i IndexID, key []byte) error {
	b.tally(tl, c)
	return b.put(tl, Entries(c, i), key, nil)
}

// PutMeta writes a catalog entry; value must not be empty. A batch that writes
// or deletes one must also call LogDDL for that timeline.
func (b *Batch) PutMeta(tl Timeline, key, value []byte) error { return b.put(tl, Meta(), key, value) }

// DeleteMeta deletes a catalog entry.
func (b *Batch) DeleteMeta(tl Timeline, key []byte) error { return b.put(tl, Meta(), key, nil) }

// LogDDL adds a change of the catalog to the log record; detail is the catalog's
// own description of it.
func (b *Batch) LogDDL(tl Timeline, c CollectionID, detail []byte) { b.op(tl, c, wal.DDL, detail) }

// SetControl writes a control record: unversioned, outside of all timelines, for
// branches, users, sessions. value may not be empty.
func (b *Batch) SetControl(key, value []byte) error {
	b.key = plainKey(b.key[:0], spaceControl, key)
	return b.pb.Set(b.key, value, nil)
}

// DeleteControl deletes a control record.
func (b *Batch) DeleteControl(key []byte) error {
	b.key = plainKey(b.key[:0], spaceControl, key)
	return b.pb.Delete(b.key, nil)
}

// DropTimeline removes everything of a timeline for good. Nothing may read it or
// write to it any more.
func (b *Batch) DropTimeline(tl Timeline) error {
	for _, kind := range []byte{spaceRow, spaceIndex, spaceMeta, spaceTally} {
		if err := b.deleteRange(appendUint([]byte{kind}, uint64(tl))); err != nil {
			return err
		}
	}
	b.drops = append(b.drops, tallyKey{tl, 0})
	return b.noteDrop(tl, 0)
}

// DropCollection removes the rows, index entries and tallies of a collection of
// one timeline for good, with their history.
func (b *Batch) DropCollection(tl Timeline, c CollectionID) error {
	for _, kind := range []byte{spaceRow, spaceIndex, spaceTally} {
		if err := b.deleteRange(appendUint(appendUint([]byte{kind}, uint64(tl)), uint64(c))); err != nil {
			return err
		}
	}
	b.drops = append(b.drops, tallyKey{tl, c})
	return b.noteDrop(tl, c)
}

// DropIndex removes the entries of an index of one timeline for good.
func (b *Batch) DropIndex(tl Timeline, c CollectionID, i IndexID) error {
	return b.deleteRange(appendSpace(nil, tl, Entries(c, i)))
}

// deleteRange deletes every key that begins with p. The numbers in keys are
// prefix-free, so p ends at the end of one.
func (b *Batch) deleteRange(p []byte) error {
	end := append(prefixEnd(nil, p), sentinel)
	return b.pb.DeleteRange(append(p, sentinel), end, nil)
}

// noteDrop leaves a record that tells fsck why the log's rows are not there.
func (b *Batch) noteDrop(tl Timeline, c CollectionID) error {
	b.key = plainKey(b.key[:0], spaceSystem, dropKey(tl, c))
	return b.pb.Set(b.key, []byte{1}, nil)
}

func dropKey(tl Timeline, c CollectionID) []byte {
	k := appendUint([]byte(sysDrop), uint64(tl))
	if c != 0 {
		k = appendUint(k, uint64(c))
	}
	return k
}

const (
	sysDrop      = "drop/" // drop/timeline[collection]: dropped for good
	entryPresent = 1       // the first byte of an index entry's value
)

// put writes a version whose LSN is not known yet; an empty value is a tombstone.
func (b *Batch) put(tl Timeline, sp Space, key, value []byte) error {
	b.key = appendPrefix(b.key[:0], tl, sp, key)
	b.key = appendSuffix(b.key, 0)
	if b.pb.Len()+len(b.key)+len(value) > maxBatch {
		return ErrBatchTooLarge
	}
	if err := b.pb.Set(b.key, value, nil); err != nil {
		return err
	}
	b.lsnAt = append(b.lsnAt, b.keyEnd(value)-suffixLen)
	return nil
}

// keyEnd returns the offset of the end of the key that was set last. A set is
// kind, length, key, length, value.
func (b *Batch) keyEnd(value []byte) int {
	return len(b.pb.Repr()) - len(value) - uvarintLen(uint64(len(value)))
}

func uvarintLen(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// arenaTail returns room for n bytes that nobody else uses.
func (b *Batch) arenaTail(n int) []byte {
	if cap(b.arena)-len(b.arena) < n {
		b.arena = make([]byte, 0, max(512, 2*cap(b.arena), n))
	}
	return b.arena[len(b.arena) : len(b.arena) : len(b.arena)+n]
}

func (b *Batch) op(tl Timeline, c CollectionID, k wal.Kind, key []byte) {
	kept := append(b.arenaTail(len(key)), key...)
	b.arena = b.arena[:len(b.arena)+len(kept)]
	b.ops = append(b.ops, wal.Op{Timeline: tl, Collection: c, Kind: k, Key: kept})
}

// seal adds the tallies and the log record.
func (b *Batch) seal() error {
	if b.sealed {
		return nil
	}
	var room [tallySize]byte
	for i := range b.tallies {
		t := &b.tallies[i]
		if err := b.put(t.key.timeline, Space{kind: spaceTally, coll: t.key.coll}, nil, room[:]); err != nil {
			return err
		}
		t.at = len(b.pb.Repr()) - tallySize
	}
	rec := wal.Record{Actor: b.Actor, Comment: b.Comment, Session: b.Session, Txn: b.Txn, Ops: b.ops}
	enc := rec.Append(nil)
	b.key = logKey(b.key[:0], 0)
	if err := b.pb.Set(b.key, enc, nil); err != nil {
		return err
	}
	b.lsnAt = append(b.lsnAt, b.keyEnd(enc)-suffixLen) // 8 bytes and the sentinel
	b.recAt = len(b.pb.Repr()) - len(enc)
	b.sealed = true
	return nil
}

// stamp fills the LSN, the times and the tallies in. The caller holds s.mu.
func (b *Batch) stamp(st Stamp) error {
	repr := b.pb.Repr()
	for _, at := range b.lsnAt {
		binary.BigEndian.PutUint64(repr[at:], uint64(st.LSN))
	}
	wal.SetStamp(repr[b.recAt:], st)
	for i := range b.tallies {
		p := &b.tallies[i]
		t, err := b.s.tallyLocked(p.key)
		if err != nil {
			return err
		}
		p.total = t.plus(p.delta)
		p.total.put(repr[p.at:])
	}
	return nil
}
