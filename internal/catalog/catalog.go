// Package catalog is the collections, views and indexes of a timeline. Its
// entries are versioned as documents are, so a branch or a moment of the past
// has the collections, options and indexes that it had then.
//
// A Snapshot is immutable and cached: at head for as long as nobody changes the
// catalog, for the past in a small list of the last used.
package catalog

import (
	"context"
	"sort"
	"sync"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// Type is the type of a namespace, as listCollections reports it.
type Type string

// Types of namespaces.
const (
	TypeCollection Type = "collection"
	TypeView       Type = "view"
	TypeTimeseries Type = "timeseries"
)

// IDIndexName is the name of the index on _id, and IDIndex its id. Where rows are
// clustered by _id it has no entries.
const (
	IDIndexName             = "_id_"
	IDIndex     txn.IndexID = 1
)

// Collection is one entry: a collection, view or time-series collection. It is
// immutable. Snapshots share it for as long as it does not change, so its address
// identifies one version of it.
type Collection struct {
	Name string
	ID   txn.CollectionID // 0 for a view
	UUID [16]byte         // zero for a view
	Type Type
	// Options are the options of create, as the command layer has normalized them:
	// validator, capped, collation, viewOn, pipeline, timeseries, ….
	Options bsonx.Doc
	// Indexes in the order of their creation; the first is the one on _id. Views
	// have none.
	Indexes []*Index
	// Created is the LSN of the snapshot that the creation was made on.
	Created txn.LSN
	// ByRecordID: rows are in the order of insertion, under record ids (see
	// txn.RecordIDKey), and the index on _id has entries. Otherwise rows are
	// clustered by keyenc(_id).
	ByRecordID bool

	nextIndex txn.IndexID
	raw       []byte // the stored entry
	memo      sync.Map
}

// Index is one index of a collection. It is immutable.
type Index struct {
	ID   txn.IndexID
	Name string
	// Spec is the specification as listIndexes returns it: v, key, name and
	// options, also "hidden".
	Spec bsonx.Doc
	// Building: writes maintain it, reads do not use it.
	Building bool
}

// Option returns one of the collection's options; missing if it is not set.
func (c *Collection) Option(name string) bsonx.Value { return bsonx.Lookup(c.Options, name) }

// Index returns the index of that name, nil if there is none.
func (c *Collection) Index(name string) *Index {
	for _, ix := range c.Indexes {
		if ix.Name == name {
			return ix
		}
	}
	return nil
}

// Memo returns what was computed before for key from this version of the
// collection, or computes it. Computations of one key may happen more than once
// at the same time; one result is kept.
func (c *Collection) Memo(key any, compute func() (any, error)) (any, error) {
	if v, ok := c.memo.Load(key); ok {
		return v, nil
	}
	v, err := compute()
	if err != nil {
		return nil, err
	}
	v, _ = c.memo.LoadOrStore(key, v)
	return v, nil
}

// Snapshot is the catalog of one timeline at one point. It is immutable and safe
// for concurrent use.
type Snapshot struct {
	byName map[string]*Collection
	names  []string
}

// Collection returns the entry of that name.
func (s *Snapshot) Collection(name string) (*Collection, bool) {
	c, ok := s.byName[name]
	return c, ok
}

// ByID returns the collection with that id; it looks at all.
func (s *Snapshot) ByID(id txn.CollectionID) (*Collection, bool) {
	for _, c := range s.byName {
		if c.ID == id && id != 0 {
			return c, true
		}
	}
	return nil, false
}

// Only returns the snapshot with the entry of that name alone.
func (s *Snapshot) Only(name string) *Snapshot {
	out := &Snapshot{byName: map[string]*Collection{}}
	if c, ok := s.byName[name]; ok {
		out.byName[name], out.names = c, []string{name}
	}
	return out
}

// Names returns all names in order. The slice must not be changed.
func (s *Snapshot) Names() []string { return s.names }

// Len returns how many entries there are.
func (s *Snapshot) Len() int { return len(s.names) }

// Catalog reads and changes catalogs. It is safe for concurrent use.
type Catalog struct {
	store *store.Store
	head  sync.Map // txn.Timeline → *headEntry
	past  lru
}

type headEntry struct {
	at   txn.LSN
	snap *Snapshot
}

// New returns a catalog over a store.
func New(s *store.Store) *Catalog { return &Catalog{store: s, past: lru{limit: 256}} }

// Snapshot returns the catalog that v sees, with the transaction's own changes.
func (c *Catalog) Snapshot(v *txn.View) (*Snapshot, error) {
	if n := v.MetaVersion(); n != 0 {
		memo := v.Memo()
		if memo.Version == n && memo.Value != nil {
			return memo.Value.(*Snapshot), nil
		}
		s, err := load(v, nil)
		if err == nil {
			*memo = txn.Memo{Version: n, Value: s}
		}
		return s, err
	}
	if !v.AtHead() || !v.SeesAncestorsWhole() {
		return c.pastSnapshot(v)
	}
	last, known := v.CatalogLSN()
	if known && v.ReadLSN() < last {
		return c.pastSnapshot(v)
	}
	var old *Snapshot
	if e, ok := c.head.Load(v.Timeline()); ok {
		h := e.(*headEntry)
		if known && h.at == last {
			return h.snap, nil
		}
		old = h.snap
	}
	s, err := load(v, old)
	if err == nil && known {
		c.head.Store(v.Timeline(), &headEntry{last, s})
	}
	return s, err
}

// Forget drops what is cached of a timeline that is gone.
func (c *Catalog) Forget(tl txn.Timeline) { c.head.Delete(tl) }

func (c *Catalog) pastSnapshot(v *txn.View) (*Snapshot, error) {
	key := levelsKey(v.Levels())
	if s := c.past.get(key); s != nil {
		return s, nil
	}
	var old *Snapshot // collections that have not changed since are shared with head
	if e, ok := c.head.Load(v.Timeline()); ok {
		old = e.(*headEntry).snap
	}
	s, err := load(v, old)
	if err == nil {
		c.past.put(key, s)
	}
	return s, err
}

// load reads a catalog. Entries that are the same as in old are shared with it.
func load(v *txn.View, old *Snapshot) (*Snapshot, error) {
	s := &Snapshot{byName: map[string]*Collection{}}
	it := v.ScanMeta(txn.ScanOptions{Lower: []byte{kindCollection}, Upper: []byte{kindCollection + 1}})
	defer it.Close()
	for it.Next() {
		name, raw := string(it.Key()[1:]), it.Value()
		c := (*Collection)(nil)
		if old != nil {
			if o := old.byName[name]; o != nil && string(o.raw) == string(raw) {
				c = o
			}
		}
		if c == nil {
			var err error
			if c, err = decode(name, append([]byte(nil), raw...)); err != nil {
				return nil, err
			}
		}
		s.byName[name] = c
		s.names = append(s.names, name)
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	sort.Strings(s.names)
	return s, nil
}

// errExists is MongoDB's error for a name that is taken.
func errExists(name string) error {
	return errcode.New(errcode.NamespaceExists, "Collection %s already exists.", name)
}

func errNotFound(name string) error {
	return errcode.New(errcode.NamespaceNotFound, "ns not found: %s", name)
}

// CreateOptions describe a new collection or view.
type CreateOptions struct {
	Type    Type // TypeCollection if ""
	Options bsonx.Doc
	UUID    [16]byte // random if zero
	// IDSpec is the specification of the index on _id as listIndexes shows it;
	// {v: 2, key: {_id: 1}, name: "_id_"} if nil.
	IDSpec bsonx.Doc
	// ByRecordID keeps rows in the order of insertion: for capped collections.
	ByRecordID bool
}

// Create adds a collection or view. A name that is taken is NamespaceExists.
func (c *Catalog) Create(ctx context.Context, v *txn.View, name string, o CreateOptions) (*Collection, error) {
	snap, err := c.Snapshot(v)
	if err != nil {
		return nil, err
	}
	if _, taken := snap.Collection(name); taken {
		return nil, errExists(name)
	}
	n := &Collection{Name: name, Type: o.Type, Options: o.Options, UUID: o.UUID, Created: v.Txn().Snapshot(),
		ByRecordID: o.ByRecordID, nextIndex: IDIndex + 1}
	if n.Type == "" {
		n.Type = TypeCollection
	}
	if n.Options == nil {
		n.Options = bsonx.EmptyDoc
	}
	if n.Type != TypeView {
		id, err := c.store.NewID()
		if err != nil {
			return nil, err
		}
		n.ID = txn.CollectionID(id)
		if n.UUID == [16]byte{} {
			n.UUID = newUUID()
		}
		spec := o.IDSpec
		if spec == nil {
			spec = defaultIDSpec()
		}
		n.Indexes = []*Index{{ID: IDIndex, Name: IDIndexName, Spec: spec}}
	}
	return c.put(ctx, v, n, Change{Op: OpCreate, Name: name, UUID: n.UUID, Type: n.Type, Detail: n.Options})
}

// Ensure returns the collection of that name and creates it, as an ordinary one,
// if there is none: what a first insert does.
func (c *Catalog) Ensure(ctx context.Context, v *txn.View, name string) (*Collection, error) {
	snap, err := c.Snapshot(v)
	if err != nil {
		return nil, err
	}
	if have, ok := snap.Collection(name); ok {
		return have, nil
	}
	return c.Create(ctx, v, name, CreateOptions{})
}

// put writes an entry and its log record.
func (c *Catalog) put(ctx context.Context, v *txn.View, n *Collection, ch Change) (*Collection, error) {
	n.raw = encode(n)
	if err := v.PutMeta(ctx, metaKey(n.Name), n.raw); err != nil {
		return nil, err
	}
	ch.log(v, n.ID)
	return n, nil
}

// lock keeps writers away from a collection and returns it as it is then.
func (c *Catalog) lock(ctx context.Context, v *txn.View, name string) (*Collection, error) {
	for {
		snap, err := c.Snapshot(v)
		if err != nil {
			return nil, err
		}
		have, ok := snap.Collection(name)
		if !ok {
			return nil, errNotFound(name)
		}
		if have.ID == 0 {
			return have, nil
		}
		if err := v.LockCollection(ctx, have.ID); err != nil {
			return nil, err
		}
		// The lock has refreshed the snapshot: is it still the same collection?
		if snap, err = c.Snapshot(v); err != nil {
			return nil, err
		}
		if now, ok := snap.Collection(name); ok && now.ID == have.ID {
			return now, nil
		}
	}
}

// Drop removes a collection or view and returns what it was. Its rows stay for
// the past until garbage collection takes them.
func (c *Catalog) Drop(ctx context.Context, v *txn.View, name string) (*Collection, error) {
	old, err := c.lock(ctx, v, name)
	if err != nil {
		return nil, err
	}
	if err := v.PutMeta(ctx, metaKey(name), nil); err != nil {
		return nil, err
	}
	Change{Op: OpDrop, Name: name, UUID: old.UUID, Type: old.Type}.log(v, old.ID)
	return old, nil
}

// DropAll removes every collection and view of the timeline (dropDatabase) and
// returns what they were, in the order of their names.
func (c *Catalog) DropAll(ctx context.Context, v *txn.View) ([]*Collection, error) {
	snap, err := c.Snapshot(v)
	if err != nil {
		return nil, err
	}
	var out []*Collection
	for _, name := range snap.Names() {
		old, err := c.Drop(ctx, v, name)
		if errcode.Has(err, errcode.NamespaceNotFound) {
			continue // dropped by another meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, old)
	}
	Change{Op: OpDropDatabase}.log(v, 0)
	return out, nil
}

// Rename gives a collection another name on the same timeline. A target that is
// there is NamespaceExists unless dropTarget.
func (c *Catalog) Rename(ctx context.Context, v *txn.View, from, to string, dropTarget bool) (*Collection, error) {
	old, err := c.lock(ctx, v, from)
	if err != nil {
		return nil, err
	}
	ch := Change{Op: OpRename, Name: from, To: to, UUID: old.UUID, Type: old.Type}
	target, err := c.lock(ctx, v, to)
	switch {
	case err == nil && !dropTarget:
		return nil, errcode.New(errcode.NamespaceExists, "target namespace exists")
	case err == nil:
		ch.DropUUID = target.UUID
	case !errcode.Has(err, errcode.NamespaceNotFound):
		return nil, err
	}
	if err := v.PutMeta(ctx, metaKey(from), nil); err != nil {
		return nil, err
	}
	n := old.clone()
	n.Name = to
	return c.put(ctx, v, n, ch)
}

// Update changes a collection's entry: edit gets a copy, whose Options and
// Indexes it may replace (not change in place). It is for collMod; ch.Op and
// ch.Detail say in the log what was done. Writers of the collection are kept out
// until the transaction ends.
func (c *Catalog) Update(ctx context.Context, v *txn.View, name string, ch Change, edit func(*Collection) error) (*Collection, error) {
	old, err := c.lock(ctx, v, name)
	if err != nil {
		return nil, err
	}
	n := old.clone()
	if err := edit(n); err != nil {
		return nil, err
	}
	ch.Name, ch.UUID, ch.Type = name, n.UUID, n.Type
	return c.put(ctx, v, n, ch)
}

// AddIndexes adds indexes to a collection, in the order of the specifications,
// and returns the collection with them. The caller has checked the
// specifications against the indexes that are there, and writes the entries of
// the documents that are there in the same transaction: the collection stays
// locked to its end.
func (c *Catalog) AddIndexes(ctx context.Context, v *txn.View, name string, specs []bsonx.Doc) (*Collection, error) {
	return c.addIndexes(ctx, v, name, specs, false)
}

// BeginIndexes adds indexes like AddIndexes, but as Building: from its commit on
// writers maintain them and readers do not use them. The caller then writes the
// entries of the documents that are there in as many transactions as it wants
// (LockRow each document, so that its newest version is indexed), and ends with
// FinishIndexes. For collections that are too large for one transaction.
func (c *Catalog) BeginIndexes(ctx context.Context, v *txn.View, name string, specs []bsonx.Doc) (*Collection, error) {
	return c.addIndexes(ctx, v, name, specs, true)
}

// FinishIndexes lets readers use indexes that were Building.
func (c *Catalog) FinishIndexes(ctx context.Context, v *txn.View, name string, names []string) (*Collection, error) {
	var specs []bsonx.Doc
	old, err := c.lock(ctx, v, name)
	if err != nil {
		return nil, err
	}
	for _, nm := range names {
		if ix := old.Index(nm); ix != nil {
			specs = append(specs, ix.Spec)
		}
	}
	ch := Change{Op: OpCreateIndexes, Detail: docOf("indexes", specs)}
	return c.Update(ctx, v, name, ch, func(n *Collection) error {
		for _, nm := range names {
			ix := n.Index(nm)
			if ix == nil {
				return errcode.New(errcode.IndexNotFound, "index not found with name [%s]", nm)
			}
			ix.Building = false // n is a deep copy
		}
		return nil
	})
}

func (c *Catalog) addIndexes(ctx context.Context, v *txn.View, name string, specs []bsonx.Doc, building bool) (*Collection, error) {
	ch := Change{Op: OpCreateIndexes, Detail: docOf("indexes", specs)}
	if building {
		ch = Change{Op: OpStartIndexes, Detail: ch.Detail}
	}
	return c.Update(ctx, v, name, ch, func(n *Collection) error {
		for _, spec := range specs {
			nm, _ := bsonx.Lookup(spec, "name").StringValueOK()
			if n.Index(nm) != nil {
				return errcode.New(errcode.IndexOptionsConflict, "Index already exists with a different name or options: %s", nm)
			}
			n.Indexes = append(n.Indexes, &Index{ID: n.nextIndex, Name: nm, Spec: spec, Building: building})
			n.nextIndex++
		}
		return nil
	})
}

// DropIndexes removes indexes by name. A name that is not there is IndexNotFound.
// Their entries stay for the past.
func (c *Catalog) DropIndexes(ctx context.Context, v *txn.View, name string, names []string) (*Collection, error) {
	var specs []bsonx.Doc
	ch := Change{Op: OpDropIndexes}
	old, err := c.lock(ctx, v, name)
	if err != nil {
		return nil, err
	}
	for _, nm := range names {
		ix := old.Index(nm)
		if ix == nil || ix.ID == IDIndex {
			return nil, errcode.New(errcode.IndexNotFound, "index not found with name [%s]", nm)
		}
		specs = append(specs, ix.Spec)
	}
	ch.Detail = docOf("indexes", specs)
	return c.Update(ctx, v, name, ch, func(n *Collection) error {
		var keep []*Index
		for _, ix := range n.Indexes {
			gone := false
			for _, nm := range names {
				gone = gone || ix.Name == nm
			}
			if !gone {
				keep = append(keep, ix)
			}
		}
		n.Indexes = keep
		return nil
	})
}
