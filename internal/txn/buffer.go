package txn

import (
	"bytes"
	"slices"

	"github.com/argon-db/argon/internal/store"
)

// write is one uncommitted change of a key. It is not changed once it is in a
// buffer: a later write of the key replaces it, and open iterators go on with
// what they saw.
type write struct {
	key     []byte
	value   []byte // nil: a deletion
	kind    Kind   // rows: what the log says; 0 for nothing
	whole   []byte // rows: wal.Op.Whole
	prev    int    // rows: size of the committed document that is replaced, in bytes
	ordinal int    // position of the key's first write in the transaction
	buf     *buffer
}

// writes are a transaction's uncommitted writes on one timeline.
type writes struct {
	timeline    Timeline
	buffers     []*buffer
	metaVersion int // counts the changes of the catalog
	memo        Memo
	room        *room
}

// find returns the buffer of a space; nil if there is none. rows, entries and
// meta make it.
func (ws *writes) find(sp store.Space) *buffer {
	for _, b := range ws.buffers {
		if b.space == sp {
			return b
		}
	}
	return nil
}

func (ws *writes) rows(coll CollectionID) *buffer {
	return ws.make(buffer{space: store.Rows(coll), kind: bufRows, coll: coll})
}

func (ws *writes) entries(coll CollectionID, index IndexID) *buffer {
	return ws.make(buffer{space: store.Entries(coll, index), kind: bufEntries, coll: coll, index: index})
}

func (ws *writes) meta() *buffer { return ws.make(buffer{space: store.Meta(), kind: bufMeta}) }

func (ws *writes) make(b buffer) *buffer {
	if have := ws.find(b.space); have != nil {
		return have
	}
	n := new(buffer)
	if ws.room != nil && len(ws.buffers) == 0 {
		n = &ws.room.rows
		b.few = ws.room.few[:0]
	}
	b.writes = ws
	*n = b
	ws.buffers = append(ws.buffers, n)
	return n
}

type bufferKind byte

const (
	bufRows bufferKind = iota
	bufEntries
	bufMeta
	bufTail // names a lock only: the end of a collection
)

// buffer holds the uncommitted writes of one collection's rows, of one index or
// of the catalog, on one timeline.
type buffer struct {
	writes *writes
	space  store.Space
	kind   bufferKind
	coll   CollectionID
	index  IndexID

	few    []*write          // while there are few, they are searched one by one
	byKey  map[string]*write // afterwards
	sorted []*write          // by key; never changed in place
	dirty  []*write          // written or rolled back since sorted was made
}

const fewWrites = 8

func (b *buffer) get(key []byte) *write {
	if b.byKey != nil {
		return b.byKey[string(key)]
	}
	for _, w := range b.few {
		if bytes.Equal(w.key, key) {
			return w
		}
	}
	return nil
}

// set puts w in the place of old, which is get(w.key).
func (b *buffer) set(w, old *write) {
	b.dirty = append(b.dirty, w)
	if b.byKey != nil {
		b.byKey[string(w.key)] = w
		return
	}
	if old != nil {
		b.few[slices.Index(b.few, old)] = w
		return
	}
	b.few = append(b.few, w)
	if len(b.few) > fewWrites {
		b.byKey = make(map[string]*write, 4*fewWrites)
		for _, w := range b.few {
			b.byKey[string(w.key)] = w
		}
		b.few = nil
	}
}

// unset undoes set: old (nil: none) is again what the buffer has for w's key.
func (b *buffer) unset(w, old *write) {
	b.dirty = append(b.dirty, w)
	switch {
	case b.byKey != nil && old != nil:
		b.byKey[string(w.key)] = old
	case b.byKey != nil:
		delete(b.byKey, string(w.key))
	case old != nil:
		b.few[slices.Index(b.few, w)] = old
	default:
		i := slices.Index(b.few, w)
		b.few = slices.Delete(b.few, i, i+1)
	}
}

// ordered returns the current writes by key. The slice is the caller's to keep
// but not to change.
func (b *buffer) ordered() []*write {
	if len(b.dirty) == 0 {
		return b.sorted
	}
	byKey := func(x, y *write) int { return bytes.Compare(x.key, y.key) }
	slices.SortStableFunc(b.dirty, byKey)
	out := make([]*write, 0, len(b.sorted)+len(b.dirty))
	i := 0
	for j := 0; j < len(b.dirty); j++ {
		key := b.dirty[j].key
		if j+1 < len(b.dirty) && bytes.Equal(key, b.dirty[j+1].key) {
			continue
		}
		for i < len(b.sorted) && bytes.Compare(b.sorted[i].key, key) < 0 {
			out = append(out, b.sorted[i])
			i++
		}
		if i < len(b.sorted) && bytes.Equal(b.sorted[i].key, key) {
			i++
		}
		if w := b.get(key); w != nil {
			out = append(out, w)
		}
	}
	b.sorted = append(out, b.sorted[i:]...)
	b.dirty = nil
	return b.sorted
}
