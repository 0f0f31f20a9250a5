package merge

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
)

// immutable are the options of a collection that cannot change while it is there.
var immutable = map[string]bool{"capped": true, "timeseries": true, "collation": true, "clusteredIndex": true}

// definitions merges the catalogs: what each triple becomes on the target.
func (p *planner) definitions() error {
	taken := map[string]bool{}
	for _, n := range p.target.snap.Names() {
		taken[n] = true
	}
	// Drops and renames come before creations, so that the names are free.
	for _, t := range p.triples {
		if t.source == nil && t.base != nil && t.target != nil {
			if err := p.dropped(t); err != nil {
				return err
			}
			if t.drop {
				delete(taken, t.target.Name)
			}
		}
	}
	p.renames(taken)
	for _, t := range p.triples {
		if err := p.definition(t, taken); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) definition(t *triple, taken map[string]bool) error {
	switch {
	case t.source == nil:
		t.skip = true
		return nil
	case t.target == nil && t.base == nil:
		p.created(t, taken)
		return nil
	case t.target == nil:
		return p.gone(t, taken)
	}
	if t.source.Type != t.target.Type {
		if !p.settle(t, "options", []string{"type"}) {
			t.skip = true
		}
		return nil
	}
	p.merges(t)
	return nil
}

// change notes a change of the catalog in the plan.
func (p *planner) change(c DDLChange) { p.plan.DDL = append(p.plan.DDL, c) }

// settle handles a conflict of definitions: it reports whether the source's side
// is to be taken. Without a decision it is a conflict of the plan.
func (p *planner) settle(t *triple, what string, paths []string) (source bool) {
	for i := range p.o.Resolutions {
		r := &p.o.Resolutions[i]
		if r.Collection == t.label() && bsonx.IsMissing(r.ID) {
			p.plan.Settled++
			return r.Take == "source"
		}
	}
	if p.o.Strategy != Abort {
		p.plan.Settled++
		return p.o.Strategy == Source
	}
	p.report(Conflict{Collection: t.label(), DDL: what, Paths: paths,
		Base: describe(t.base), Source: describe(t.source), Target: describe(t.target)})
	return false
}

// describe shows a definition: name, type, options and indexes.
func describe(c *catalog.Collection) bsonx.Doc {
	if c == nil {
		return nil
	}
	b := bsonx.NewDoc(nil)
	b.String("name", c.Name)
	b.String("type", string(c.Type))
	b.Doc("options", c.Options)
	at := b.OpenArray("indexes")
	for i, ix := range c.Indexes {
		b.Doc(bsonx.Index(i), ix.Spec)
	}
	b.Close(at)
	return b.Done()
}

// dropped: the source dropped what the base had.
func (p *planner) dropped(t *triple) error {
	t.skip = true
	changed := !sameDefinition(t.base, t.target) || t.base.Name != t.target.Name
	if !changed {
		var err error
		if changed, err = p.differs(p.bases[t.baseAt], t.base, p.target, t.target); err != nil {
			return err
		}
	}
	if changed && !p.settle(t, "drop", nil) {
		return nil
	}
	t.drop = true
	p.change(DDLChange{Op: "drop", Collection: t.target.Name})
	return nil
}

// gone: the target dropped what base and source have.
func (p *planner) gone(t *triple, taken map[string]bool) error {
	changed := !sameDefinition(t.base, t.source) || t.base.Name != t.source.Name
	if !changed {
		var err error
		if changed, err = p.differs(p.bases[t.baseAt], t.base, p.source, t.source); err != nil {
			return err
		}
	}
	if !changed || !p.settle(t, "drop", nil) {
		t.skip = true
		return nil
	}
	t.base = nil // all of the source's documents come back
	p.created(t, taken)
	return nil
}

// created: the target gets a collection or view that it does not have.
func (p *planner) created(t *triple, taken map[string]bool) {
	if taken[t.source.Name] {
		p.settle(t, "name", []string{"name"})
		t.skip = true
		return
	}
	taken[t.source.Name] = true
	t.create = true
	for _, ix := range t.source.Indexes {
		if ix.ID != catalog.IDIndex {
			t.added = append(t.added, ix.Spec)
		}
	}
	p.change(DDLChange{Op: "create", Collection: t.source.Name, Type: string(t.source.Type), Options: t.source.Options})
	if names := specNames(t.added); len(names) > 0 {
		p.change(DDLChange{Op: "createIndexes", Collection: t.source.Name, Indexes: names, Specs: t.added})
	}
}

// differs reports whether the documents of a collection differ between two sides.
func (p *planner) differs(a side, ca *catalog.Collection, b side, cb *catalog.Collection) (bool, error) {
	if idOf(ca) == 0 && idOf(cb) == 0 {
		return false, nil
	}
	c := p.Branches.Changes(a.levels, b.levels, idOf(ca), idOf(cb))
	yes := c.Next()
	return yes, c.Close()
}

// renames brings new names to the target, in an order in which each is free.
func (p *planner) renames(taken map[string]bool) {
	var todo []*triple
	for _, t := range p.triples {
		if t.source != nil && t.target != nil && t.base != nil && t.source.Name != t.base.Name && t.source.Name != t.target.Name {
			todo = append(todo, t)
		}
	}
	for progress := true; progress; {
		progress = false
		for i, t := range todo {
			if t == nil || taken[t.source.Name] || t.target.Name != t.base.Name {
				continue
			}
			p.rename(t, taken)
			todo[i], progress = nil, true
		}
	}
	for _, t := range todo { // renamed on both sides, or to a name that the target uses
		if t != nil && p.settle(t, "rename", []string{"name"}) && !taken[t.source.Name] {
			p.rename(t, taken)
		}
	}
}

func (p *planner) rename(t *triple, taken map[string]bool) {
	delete(taken, t.target.Name)
	taken[t.source.Name] = true
	t.rename, t.name = true, t.source.Name
	p.renamed = append(p.renamed, t)
	p.change(DDLChange{Op: "rename", Collection: t.target.Name, To: t.name})
}

// merges merges options and indexes of a collection that both sides have.
func (p *planner) merges(t *triple) {
	base := t.base
	if base == nil {
		base = &catalog.Collection{Options: bsonx.EmptyDoc}
	}
	if string(base.Options) != string(t.source.Options) && string(t.source.Options) != string(t.target.Options) {
		if opts := p.options(t, base.Options); string(opts) != string(t.target.Options) {
			t.options = opts
			p.change(DDLChange{Op: "modify", Collection: t.name, Options: opts})
		}
	}
	p.indexes(t, base)
}

// options merges options by their names: an option is one thing.
func (p *planner) options(t *triple, base bsonx.Doc) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	var clash []string
	pick := func(key []byte, takeSource bool) {
		k := string(key)
		vb, vs, vt := bsonx.Lookup(base, k), bsonx.Lookup(t.source.Options, k), bsonx.Lookup(t.target.Options, k)
		v := vt
		switch {
		case same(vb, vs), same(vs, vt):
		case same(vb, vt) && !immutable[k]:
			v = vs
		case takeSource && !immutable[k]:
			v = vs
		default:
			clash = append(clash, k)
		}
		b.ValueBytes(key, v)
	}
	each := func(takeSource bool) {
		for it := bsonx.NewIter(t.target.Options); it.Next(); {
			pick(it.Key(), takeSource)
		}
		for it := bsonx.NewIter(t.source.Options); it.Next(); {
			if bsonx.IsMissing(bsonx.Lookup(t.target.Options, string(it.Key()))) {
				pick(it.Key(), takeSource)
			}
		}
	}
	each(false)
	if len(clash) > 0 && p.settle(t, "options", clash) {
		b = bsonx.NewDoc(nil)
		each(true)
	}
	return b.Done()
}

func specNames(specs []bsonx.Doc) []string {
	var out []string
	for _, s := range specs {
		n, _ := bsonx.Lookup(s, "name").StringValueOK()
		out = append(out, n)
	}
	return out
}

func specOf(c *catalog.Collection, name string) bsonx.Doc {
	if ix := c.Index(name); ix != nil {
		return ix.Spec
	}
	return nil
}

// indexes merges the indexes by their names.
func (p *planner) indexes(t *triple, base *catalog.Collection) {
	for _, ix := range t.source.Indexes {
		b, g := specOf(base, ix.Name), specOf(t.target, ix.Name)
		if equalDocs(b, ix.Spec) || equalDocs(g, ix.Spec) || ix.ID == catalog.IDIndex {
			continue
		}
		if !equalDocs(b, g) && !p.settle(t, "index", []string{ix.Name}) {
			continue
		}
		switch {
		case g == nil && twin(t.target, ix.Spec):
		case g == nil:
			t.added = append(t.added, ix.Spec)
		case sameKeys(g, ix.Spec):
			t.changed = append(t.changed, ix.Spec)
		default:
			t.dropped = append(t.dropped, ix.Name)
			t.added = append(t.added, ix.Spec)
		}
	}
	for _, ix := range base.Indexes {
		g := specOf(t.target, ix.Name)
		if ix.ID == catalog.IDIndex || g == nil || t.source.Index(ix.Name) != nil {
			continue
		}
		if equalDocs(ix.Spec, g) || p.settle(t, "index", []string{ix.Name}) {
			t.dropped = append(t.dropped, ix.Name)
		}
	}
	if len(t.dropped) > 0 {
		p.change(DDLChange{Op: "dropIndexes", Collection: t.name, Indexes: t.dropped})
	}
	if len(t.added) > 0 {
		p.change(DDLChange{Op: "createIndexes", Collection: t.name, Indexes: specNames(t.added), Specs: t.added})
	}
	if len(t.changed) > 0 {
		p.change(DDLChange{Op: "modify", Collection: t.name, Indexes: specNames(t.changed), Specs: t.changed})
	}
}

// keyOptions are what an index's entries depend on.
var keyOptions = []string{"key", "unique", "sparse", "partialFilterExpression", "collation", "weights", "default_language",
	"language_override", "wildcardProjection", "bits", "min", "max", "2dsphereIndexVersion", "textIndexVersion"}

// sameKeys reports whether two specifications have the same entries.
func sameKeys(a, b bsonx.Doc) bool {
	for _, o := range keyOptions {
		if !same(bsonx.Lookup(a, o), bsonx.Lookup(b, o)) {
			return false
		}
	}
	return true
}

// twin reports whether the collection has the index under another name.
func twin(c *catalog.Collection, spec bsonx.Doc) bool {
	for _, ix := range c.Indexes {
		if sameKeys(ix.Spec, spec) {
			return true
		}
	}
	return false
}
