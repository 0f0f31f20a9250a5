package txn

import (
	"bytes"
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/store"
)

// ScanOptions bound a scan by keys: rows by keyenc(_id), index entries by
// keyenc(values) followed by the row's id, the catalog by its own keys.
type ScanOptions struct {
	Lower   []byte // inclusive; nil: from the first
	Upper   []byte // exclusive; nil: to the last
	Reverse bool
}

// Iter steps over keys in order: the store's, with the transaction's own writes
// as of the iterator's opening on top. It is not safe for concurrent use and
// must be closed.
//
//	for it.Next() { it.Key(); it.Value() }
//	err := it.Err()
type Iter struct {
	base    *store.Iter
	own     []*write // in the iterator's direction
	o       ScanOptions
	baseOK  bool // base stands on a key
	onOwn   bool
	started bool
	pos     int
}

// Scan iterates over the documents of a collection in the order of their ids.
func (v *View) Scan(coll CollectionID, o ScanOptions) *Iter {
	return v.iter(v.levels, store.Rows(coll), o)
}

// ScanIndex iterates over the entries of an index.
func (v *View) ScanIndex(coll CollectionID, index IndexID, o ScanOptions) *Iter {
	return v.iter(v.levels, store.Entries(coll, index), o)
}

func (v *View) iter(levels []Level, sp store.Space, o ScanOptions) *Iter {
	it := &Iter{o: o, base: v.t.m.store.NewIter(levels, store.IterOptions{
		Space: sp, Lower: o.Lower, Upper: o.Upper, Reverse: o.Reverse,
	})}
	if b := v.writes.find(sp); b != nil {
		it.own = b.within(o)
	}
	return it
}

// within returns the current writes in the bounds, in the scan's direction.
func (b *buffer) within(o ScanOptions) []*write {
	all := b.ordered()
	from, to := 0, len(all)
	if o.Lower != nil {
		from = sort.Search(len(all), func(i int) bool { return bytes.Compare(all[i].key, o.Lower) >= 0 })
	}
	if o.Upper != nil {
		to = sort.Search(len(all), func(i int) bool { return bytes.Compare(all[i].key, o.Upper) >= 0 })
	}
	if from >= to {
		return nil
	}
	all = all[from:to:to]
	if !o.Reverse {
		return all
	}
	out := make([]*write, len(all))
	for i, w := range all {
		out[len(all)-1-i] = w
	}
	return out
}

// compare orders keys in the iterator's direction.
func (it *Iter) compare(a, b []byte) int {
	if it.o.Reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}

// Next moves to the next key and reports whether there is one.
func (it *Iter) Next() bool {
	switch {
	case !it.started:
		it.started = true
		it.baseOK = it.base.Next()
	case it.onOwn:
		it.pos++
	default:
		it.baseOK = it.base.Next()
	}
	return it.settle()
}

// settle chooses between the two sources and steps over deletions.
func (it *Iter) settle() bool {
	for it.pos < len(it.own) {
		w := it.own[it.pos]
		c := -1
		if it.baseOK {
			c = it.compare(w.key, it.base.Key())
		}
		if c > 0 {
			break
		}
		if c == 0 {
			it.baseOK = it.base.Next()
		}
		if w.value != nil {
			it.onOwn = true
			return true
		}
		it.pos++
	}
	it.onOwn = false
	return it.baseOK
}

// Seek moves to the first key at or after key (when Reverse: to the last key
// before it) and reports whether there is one. It only goes onwards: where the
// iterator has already passed key, it stays.
func (it *Iter) Seek(key []byte) bool {
	if it.started && it.valid() && it.reached(it.Key(), key) {
		return true
	}
	if !it.started || it.baseOK && !it.reached(it.base.Key(), key) {
		it.base.Seek(key)
		it.baseOK = it.base.Next()
	}
	it.started = true
	rest := it.own[it.pos:]
	it.pos += sort.Search(len(rest), func(i int) bool { return it.reached(rest[i].key, key) })
	return it.settle()
}

// Rewind lets the next Seek go to any key again, also backwards.
func (it *Iter) Rewind() {
	it.started, it.baseOK, it.onOwn, it.pos = false, false, false, 0
}

// reached reports whether a is where a seek for key ends, or behind.
func (it *Iter) reached(a, key []byte) bool {
	if it.o.Reverse {
		return bytes.Compare(a, key) < 0
	}
	return bytes.Compare(a, key) >= 0
}

func (it *Iter) valid() bool { return it.onOwn && it.pos < len(it.own) || !it.onOwn && it.baseOK }

// Key returns the current key, valid until the next move.
func (it *Iter) Key() []byte {
	if it.onOwn {
		return it.own[it.pos].key
	}
	return it.base.Key()
}

// Value returns the current value, valid until the next move.
func (it *Iter) Value() []byte {
	if it.onOwn {
		return it.own[it.pos].value
	}
	return it.base.Value()
}

// Doc returns the current value of a scan of rows.
func (it *Iter) Doc() bsonx.Doc { return bsonx.Doc(it.Value()) }

// LSN returns the current version's LSN; 0 for the transaction's own writes.
func (it *Iter) LSN() LSN {
	if it.onOwn {
		return 0
	}
	return it.base.LSN()
}

// Err returns the error that ended the iteration early.
func (it *Iter) Err() error { return it.base.Err() }

// Close frees the iterator.
func (it *Iter) Close() error { return it.base.Close() }
