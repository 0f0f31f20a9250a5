package branch

import (
	"bytes"
	"sort"

	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// base returns the LSN up to which two views have the same versions.
func base(a, b []Level) LSN {
	for _, x := range a {
		for _, y := range b {
			if x.Timeline == y.Timeline {
				return min(x.LSN, y.LSN)
			}
		}
	}
	return 0
}

// changed calls f for every row of a collection that differs between two views
// (a nil document: it is not there), in the order of the keys. The cost follows
// the number of changes since the views parted. Key and documents are valid
// during the call only.
func (s *Service) changed(from, to []Level, coll txn.CollectionID, f func(key, before, after []byte) error) error {
	since := base(from, to)
	o := store.IterOptions{Space: store.Rows(coll), Since: since, Tombstones: true}
	a, b := s.store.NewIter(from, o), s.store.NewIter(to, o)
	defer a.Close()
	defer b.Close()
	ra, rb := s.store.NewReader(), s.store.NewReader()
	defer ra.Close()
	defer rb.Close()
	okA, okB := a.Next(), b.Next()
	for okA || okB {
		c := 0
		switch {
		case !okB:
			c = -1
		case !okA:
			c = 1
		default:
			c = bytes.Compare(a.Key(), b.Key())
		}
		var key, before, after []byte
		var err error
		switch {
		case c == 0:
			key, before, after = a.Key(), live(a), live(b)
		case c < 0:
			key, before = a.Key(), live(a)
			after, err = value(rb, to, coll, key)
		default:
			key, after = b.Key(), live(b)
			before, err = value(ra, from, coll, key)
		}
		if err != nil {
			return err
		}
		if (before != nil || after != nil) && !bytes.Equal(before, after) {
			if err := f(key, before, after); err != nil {
				return err
			}
		}
		if c <= 0 {
			okA = a.Next()
		}
		if c >= 0 {
			okB = b.Next()
		}
	}
	if a.Err() != nil {
		return a.Err()
	}
	return b.Err()
}

func live(it *store.Iter) []byte {
	if it.Deleted() {
		return nil
	}
	return it.Value()
}

func value(r *store.Reader, levels []Level, coll txn.CollectionID, key []byte) ([]byte, error) {
	v, _, ok, err := r.Get(levels, store.Rows(coll), key)
	if err != nil || !ok {
		return nil, err
	}
	return v, nil
}

// Change is one difference between two catalogs.
type Change struct {
	Op         string // create, drop, modify, createIndexes, dropIndexes
	Collection string
	Indexes    []string
}

// CollectionChanges counts the differences of one collection.
type CollectionChanges struct {
	Name                      string
	Inserts, Updates, Deletes int64
}

// snapshots reads the catalogs of two views.
func (s *Service) snapshots(from, to []Level) (a, b *catalog.Snapshot, err error) {
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	if a, err = s.catalog.Snapshot(tx.View(from, false)); err != nil {
		return nil, nil, err
	}
	b, err = s.catalog.Snapshot(tx.View(to, false))
	return a, b, err
}

// net compares what two views have: documents by collection, and the catalogs.
func (s *Service) net(from, to []Level) ([]CollectionChanges, []Change, error) {
	a, b, err := s.snapshots(from, to)
	if err != nil {
		return nil, nil, err
	}
	var docs []CollectionChanges
	var ddl []Change
	for _, name := range union(a.Names(), b.Names()) {
		ca, _ := a.Collection(name)
		cb, _ := b.Collection(name)
		ddl = append(ddl, compareEntries(name, ca, cb)...)
		n := CollectionChanges{Name: name}
		if err := s.count(&n, from, to, ca, cb); err != nil {
			return nil, nil, err
		}
		if n.Inserts+n.Updates+n.Deletes > 0 {
			docs = append(docs, n)
		}
	}
	return docs, ddl, nil
}

// count counts the differing documents of one name, whose collection may have
// been dropped and made anew.
func (s *Service) count(n *CollectionChanges, from, to []Level, a, b *catalog.Collection) error {
	if a != nil && b != nil && a.ID == b.ID {
		if a.ID == 0 {
			return nil
		}
		return s.changed(from, to, a.ID, func(_, before, after []byte) error {
			switch {
			case before == nil:
				n.Inserts++
			case after == nil:
				n.Deletes++
			default:
				n.Updates++
			}
			return nil
		})
	}
	r := s.store.NewReader()
	defer r.Close()
	var err error
	if a != nil && a.ID != 0 {
		n.Deletes, _, err = r.Count(from, a.ID)
	}
	if err == nil && b != nil && b.ID != 0 {
		n.Inserts, _, err = r.Count(to, b.ID)
	}
	return err
}

// compareEntries compares two catalog entries of one name; nil: there is none.
func compareEntries(name string, a, b *catalog.Collection) []Change {
	switch {
	case a == b:
		return nil
	case a == nil:
		return []Change{{Op: "create", Collection: name}}
	case b == nil:
		return []Change{{Op: "drop", Collection: name}}
	case a.ID != b.ID || a.Type != b.Type:
		return []Change{{Op: "drop", Collection: name}, {Op: "create", Collection: name}}
	}
	var out []Change
	if !bytes.Equal(a.Options, b.Options) {
		out = append(out, Change{Op: "modify", Collection: name})
	}
	missing := func(x, y *catalog.Collection) (names []string) {
		for _, ix := range x.Indexes {
			if o := y.Index(ix.Name); o == nil || !bytes.Equal(o.Spec, ix.Spec) {
				names = append(names, ix.Name)
			}
		}
		return names
	}
	if gone := missing(a, b); gone != nil {
		out = append(out, Change{Op: "dropIndexes", Collection: name, Indexes: gone})
	}
	if added := missing(b, a); added != nil {
		out = append(out, Change{Op: "createIndexes", Collection: name, Indexes: added})
	}
	return out
}

func union(a, b []string) []string {
	out := append([]string(nil), a...)
	for _, n := range b {
		if i := sort.SearchStrings(a, n); i == len(a) || a[i] != n {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}
