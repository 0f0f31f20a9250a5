package merge

import (
	"sort"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// triple is one collection or view as the three sides of a merge have it; nil
// where a side has none. Sides belong together by the collection's id, which a
// rename keeps, or else by name: what was dropped and made anew, or made on both
// sides, is the same thing to its users.
type triple struct {
	base, source, target *catalog.Collection
	baseAt               int // which of several bases has base

	// What the planner decided:
	name    string // the name on the target in the end
	create  bool
	revive  bool // create with all rows and indexes of the target's own past
	drop    bool
	rename  bool
	options bsonx.Doc // new options; nil: they stay
	dropped []string  // indexes to drop
	added   []bsonx.Doc
	changed []bsonx.Doc // specifications to put in the place of those of the same name
	skip    bool        // documents are not merged
	counts  branch.CollectionChanges

	coll *exec.Collection // of the target, in the apply phase and for finding rows
}

func idOf(c *catalog.Collection) txn.CollectionID {
	if c == nil {
		return 0
	}
	return c.ID
}

// label names the triple in plans.
func (t *triple) label() string {
	for _, c := range []*catalog.Collection{t.target, t.source, t.base} {
		if c != nil {
			return c.Name
		}
	}
	return ""
}

func (t *triple) isView() bool {
	for _, c := range []*catalog.Collection{t.target, t.source, t.base} {
		if c != nil {
			return c.Type == catalog.TypeView
		}
	}
	return false
}

// pair puts the entries of three catalogs together, in the order of their names.
func pair(base, source, target *catalog.Snapshot) []*triple {
	type key struct {
		id   txn.CollectionID
		view string
	}
	byKey := map[key]*triple{}
	var all []*triple
	put := func(s *catalog.Snapshot, set func(*triple, *catalog.Collection)) {
		for _, name := range s.Names() {
			c, _ := s.Collection(name)
			k := key{id: c.ID}
			if c.ID == 0 {
				k.view = name
			}
			t := byKey[k]
			if t == nil {
				t = &triple{}
				byKey[k] = t
				all = append(all, t)
			}
			set(t, c)
		}
	}
	put(base, func(t *triple, c *catalog.Collection) { t.base = c })
	put(source, func(t *triple, c *catalog.Collection) { t.source = c })
	put(target, func(t *triple, c *catalog.Collection) { t.target = c })
	all = pairNames(all)
	for _, t := range all {
		t.name = t.label()
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].label() < all[j].label() })
	return all
}

// pairNames joins the triples of which one has the source's and the other the
// target's collection of one name, and those with what only the base has of it.
func pairNames(all []*triple) []*triple {
	targets := map[string]*triple{}
	for _, t := range all {
		if t.target != nil && t.source == nil {
			targets[t.target.Name] = t
		}
	}
	gone := map[*triple]bool{}
	for _, t := range all {
		if t.source == nil || t.target != nil {
			continue
		}
		o := targets[t.source.Name]
		if o == nil || gone[o] || o.base != nil && t.base != nil {
			continue
		}
		t.target = o.target
		if t.base == nil {
			t.base = o.base
		}
		gone[o] = true
	}
	only := map[string]*triple{} // what the base alone has
	for _, t := range all {
		if t.base != nil && t.source == nil && t.target == nil {
			only[t.base.Name] = t
		}
	}
	for _, t := range all {
		if gone[t] || t.base != nil {
			continue
		}
		for _, c := range []*catalog.Collection{t.source, t.target} {
			if c != nil && t.base == nil && only[c.Name] != nil {
				t.base = only[c.Name].base
				gone[only[c.Name]] = true
				delete(only, c.Name)
			}
		}
	}
	out := all[:0]
	for _, t := range all {
		if !gone[t] {
			out = append(out, t)
		}
	}
	return out
}

// inBase finds the triple's collection in one of several bases.
func (t *triple) inBase(s *catalog.Snapshot) *catalog.Collection {
	sides := []*catalog.Collection{t.base, t.source, t.target}
	for _, c := range sides {
		if c == nil || c.ID == 0 {
			continue
		}
		if b, ok := s.ByID(c.ID); ok {
			return b
		}
	}
	for _, c := range sides {
		if c == nil {
			continue
		}
		if b, ok := s.Collection(c.Name); ok && b.Type == c.Type {
			return b
		}
	}
	return nil
}

// sameDefinition reports whether two entries mean the same, but for their names.
func sameDefinition(a, b *catalog.Collection) bool {
	if a.Type != b.Type || string(a.Options) != string(b.Options) || len(a.Indexes) != len(b.Indexes) {
		return false
	}
	for _, ix := range a.Indexes {
		if o := b.Index(ix.Name); o == nil || string(o.Spec) != string(ix.Spec) {
			return false
		}
	}
	return true
}
