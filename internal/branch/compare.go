package branch

import (
	"bytes"
	"sort"

	"github.com/argon-db/argon/internal/catalog"
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
		c := s.Changes(from, to, a.ID, b.ID)
		defer c.Close()
		for c.Next() {
			n.Add(c.Before() != nil, c.After() != nil)
		}
		return c.Err()
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

// Add counts one document by where it is.
func (n *CollectionChanges) Add(before, after bool) {
	switch {
	case !before:
		n.Inserts++
	case !after:
		n.Deletes++
	default:
		n.Updates++
	}
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
