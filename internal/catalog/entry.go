package catalog

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

// Keys of the catalog's space: a kind and a name.
const kindCollection = 'c'

func metaKey(name string) []byte { return append([]byte{kindCollection}, name...) }

func newUUID() (u [16]byte) {
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

func defaultIDSpec() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("v", 2)
	at := b.OpenDoc("key")
	b.Int32("_id", 1)
	b.Close(at)
	b.String("name", IDIndexName)
	return b.Done()
}

func docOf(key string, docs []bsonx.Doc) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	at := b.OpenArray(key)
	for i, d := range docs {
		b.Doc(bsonx.Index(i), d)
	}
	b.Close(at)
	return b.Done()
}

func (c *Collection) clone() *Collection {
	n := &Collection{Name: c.Name, ID: c.ID, UUID: c.UUID, Type: c.Type, Options: c.Options,
		Created: c.Created, ByRecordID: c.ByRecordID, nextIndex: c.nextIndex}
	for _, ix := range c.Indexes {
		cp := *ix
		n.Indexes = append(n.Indexes, &cp)
	}
	return n
}

// encode writes an entry as it is stored: a document, so that later versions can
// add fields. Its form is in docs/formats.md.
func encode(c *Collection) []byte {
	b := bsonx.NewDoc(nil)
	b.String("type", string(c.Type))
	b.Int64("id", int64(c.ID))
	b.Binary("uuid", 4, c.UUID[:])
	b.Doc("options", c.Options)
	b.Int64("created", int64(c.Created))
	b.Int64("nextIndex", int64(c.nextIndex))
	if c.ByRecordID {
		b.Bool("byRecordId", true)
	}
	at := b.OpenArray("indexes")
	for i, ix := range c.Indexes {
		x := b.OpenDoc(bsonx.Index(i))
		b.Int64("id", int64(ix.ID))
		b.String("name", ix.Name)
		b.Doc("spec", ix.Spec)
		if ix.Building {
			b.Bool("building", true)
		}
		b.Close(x)
	}
	b.Close(at)
	return b.Done()
}

// decode reads what encode wrote and keeps raw.
func decode(name string, raw []byte) (*Collection, error) {
	bad := func() error {
		return errcode.New(errcode.InternalError, "the catalog's entry of %q is damaged; run fsck", name)
	}
	c := &Collection{Name: name, raw: raw}
	for it := bsonx.NewIter(raw); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "type":
			s, _ := v.StringValueOK()
			c.Type = Type(s)
		case "id":
			n, _ := v.Int64OK()
			c.ID = txn.CollectionID(n)
		case "uuid":
			_, b, ok := v.BinaryOK()
			if !ok || len(b) != 16 {
				return nil, bad()
			}
			copy(c.UUID[:], b)
		case "options":
			c.Options, _ = v.DocumentOK()
		case "created":
			n, _ := v.Int64OK()
			c.Created = txn.LSN(n)
		case "nextIndex":
			n, _ := v.Int64OK()
			c.nextIndex = txn.IndexID(n)
		case "byRecordId":
			c.ByRecordID = bsonx.Truthy(v)
		case "indexes":
			for el := bsonx.NewIter(v.Data); el.Next(); {
				ix, ok := decodeIndex(el.Value())
				if !ok {
					return nil, bad()
				}
				c.Indexes = append(c.Indexes, ix)
			}
		}
	}
	if c.Type == "" || c.Options == nil || c.Type != TypeView && (c.ID == 0 || len(c.Indexes) == 0) {
		return nil, bad()
	}
	return c, nil
}

func decodeIndex(v bsonx.Value) (*Index, bool) {
	d, ok := v.DocumentOK()
	if !ok {
		return nil, false
	}
	id, ok1 := bsonx.Lookup(d, "id").Int64OK()
	name, ok2 := bsonx.Lookup(d, "name").StringValueOK()
	spec, ok3 := bsonx.Lookup(d, "spec").DocumentOK()
	return &Index{ID: txn.IndexID(id), Name: name, Spec: spec, Building: bsonx.Truthy(bsonx.Lookup(d, "building"))},
		ok1 && ok2 && ok3
}

// Op is a kind of change of the catalog.
type Op string

// The changes that the log knows. Change streams report them by these names.
const (
	OpCreate        Op = "create"
	OpDrop          Op = "drop"
	OpDropDatabase  Op = "dropDatabase"
	OpRename        Op = "rename"
	OpModify        Op = "modify"
	OpCreateIndexes Op = "createIndexes"
	OpStartIndexes  Op = "startIndexBuild" // not yet to be used
	OpDropIndexes   Op = "dropIndexes"
)

// Change describes one change of the catalog in the log record.
type Change struct {
	Op       Op
	Name     string
	To       string    // rename
	UUID     [16]byte  // of the collection
	DropUUID [16]byte  // rename: of the target that it replaced
	Type     Type      // of the namespace
	Detail   bsonx.Doc // create: the options; modify: what was asked for; indexes: {indexes: [specs]}
}

func (ch Change) log(v *txn.View, id txn.CollectionID) {
	v.Txn().LogDDL(v.Timeline(), id, ch.Encode())
}

// Encode writes the description as a document.
func (ch Change) Encode() []byte {
	b := bsonx.NewDoc(nil)
	b.String("op", string(ch.Op))
	if ch.Name != "" {
		b.String("name", ch.Name)
	}
	if ch.To != "" {
		b.String("to", ch.To)
	}
	if ch.UUID != [16]byte{} {
		b.Binary("uuid", 4, ch.UUID[:])
	}
	if ch.DropUUID != [16]byte{} {
		b.Binary("dropUuid", 4, ch.DropUUID[:])
	}
	if ch.Type != "" {
		b.String("type", string(ch.Type))
	}
	if len(ch.Detail) > 0 {
		b.Doc("detail", ch.Detail)
	}
	return b.Done()
}

// DecodeChange reads a log operation's description. An empty one is a change that
// users do not see: ok is false.
func DecodeChange(key []byte) (ch Change, ok bool, err error) {
	if len(key) == 0 {
		return ch, false, nil
	}
	str := func(name string) string {
		s, _ := bsonx.Lookup(key, name).StringValueOK()
		return s
	}
	uuid := func(name string) (u [16]byte) {
		_, b, _ := bsonx.Lookup(key, name).BinaryOK()
		copy(u[:], b)
		return u
	}
	ch = Change{Op: Op(str("op")), Name: str("name"), To: str("to"), UUID: uuid("uuid"), DropUUID: uuid("dropUuid"), Type: Type(str("type"))}
	ch.Detail, _ = bsonx.Lookup(key, "detail").DocumentOK()
	if ch.Op == "" {
		return ch, false, fmt.Errorf("catalog: a change in the log has no kind")
	}
	return ch, true, nil
}

func levelsKey(ls []txn.Level) string {
	b := make([]byte, 0, 16*len(ls))
	for _, l := range ls {
		b = binary.AppendUvarint(b, uint64(l.Timeline))
		b = binary.AppendUvarint(b, uint64(l.LSN))
	}
	return string(b)
}

// lru keeps the last used snapshots of the past.
type lru struct {
	mu    sync.Mutex
	limit int
	clock uint64
	m     map[string]*lruEntry
}

type lruEntry struct {
	snap *Snapshot
	used uint64
}

func (l *lru) get(key string) *Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.m[key]
	if e == nil {
		return nil
	}
	l.clock++
	e.used = l.clock
	return e.snap
}

func (l *lru) put(key string, s *Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = map[string]*lruEntry{}
	}
	l.clock++
	l.m[key] = &lruEntry{s, l.clock}
	if len(l.m) <= l.limit {
		return
	}
	// One pass drops the older half, so that a put costs O(1) over time.
	for k, e := range l.m {
		if e.used < l.clock-uint64(l.limit/2) {
			delete(l.m, k)
		}
	}
}
