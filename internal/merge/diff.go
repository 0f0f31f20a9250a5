package merge

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// DiffOptions say what of a difference is shown.
type DiffOptions struct {
	Collection string // "": all
	Summary    bool   // counts of each collection instead of the documents
	NoDDL      bool
}

// Diff is a running comparison of two views: differences of the catalog first,
// then documents, collection by collection in the order of their keys. It never
// holds more than one document (of a capped collection: its changes). Not safe for
// concurrent use; Close it.
type Diff struct {
	s       *Service
	o       DiffOptions
	tx      *txn.Txn
	from    []Level
	to      []Level
	ddl     []DDLChange
	triples []*triple
	now     *triple
	changes *branch.Changes
	byID    []step
	release func()
}

// Diff compares two views.
func (s *Service) Diff(from, to []Level, o DiffOptions) (*Diff, error) {
	p := &planner{Service: s, o: &Options{Strategy: Source, DryRun: true}, plan: &Plan{}, tx: s.Txns.Begin(txn.Options{})}
	d := &Diff{s: s, o: o, tx: p.tx}
	a, err := p.side(from)
	if err == nil {
		p.bases = []side{a}
		p.target = a
		p.source, err = p.side(to)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	d.from, d.to = a.levels, p.source.levels
	d.release = s.Branches.Hold(d.from, d.to)
	snaps := [2]*catalog.Snapshot{a.snap, p.source.snap}
	if o.Collection != "" {
		snaps[0], snaps[1] = snaps[0].Only(o.Collection), snaps[1].Only(o.Collection)
		p.target.snap = snaps[0]
	}
	p.triples = pair(snaps[0], snaps[1], snaps[0])
	d.triples = p.triples
	if !o.NoDDL {
		if err := p.definitions(); err != nil {
			d.Close()
			return nil, err
		}
		d.ddl = p.plan.DDL
	}
	return d, nil
}

// Next returns the next difference as a document, io.EOF after the last.
func (d *Diff) Next(ctx context.Context) (bsonx.Doc, error) {
	if len(d.ddl) > 0 {
		c := d.ddl[0]
		d.ddl = d.ddl[1:]
		b := bsonx.NewDoc(nil)
		b.String("collection", c.Collection)
		b.String("kind", "ddl")
		AppendDDL(b, &c)
		return b.Done(), nil
	}
	for {
		if d.now == nil {
			if len(d.triples) == 0 {
				return nil, io.EOF
			}
			d.open()
		}
		if d.o.Summary {
			if doc, err := d.summary(ctx); doc != nil || err != nil {
				return doc, err
			}
			continue
		}
		s, err := d.change()
		if err != nil {
			return nil, err
		}
		if s != nil {
			return d.show(s), exec.Interrupted(ctx)
		}
		d.now = nil
	}
}

// AppendDDL writes the fields of a change of the catalog, but for the collection.
func AppendDDL(b *bsonx.Builder, c *DDLChange) {
	b.String("op", c.Op)
	if c.To != "" {
		b.String("to", c.To)
	}
	if len(c.Indexes) > 0 {
		at := b.OpenArray("indexes")
		for i, n := range c.Indexes {
			b.String(bsonx.Index(i), n)
		}
		b.Close(at)
	}
	if len(c.Specs) > 0 {
		at := b.OpenArray("specs")
		for i, d := range c.Specs {
			b.Doc(bsonx.Index(i), d)
		}
		b.Close(at)
	}
	if c.Type != "" {
		b.String("type", c.Type)
	}
	if c.Options != nil {
		b.Doc("options", c.Options)
	}
}

// open begins with the next collection.
func (d *Diff) open() {
	d.now, d.triples = d.triples[0], d.triples[1:]
	d.changes = d.s.Branches.Changes(d.from, d.to, idOf(d.now.base), idOf(d.now.source))
	d.byID = nil
}

func (t *triple) byRecordID() bool {
	return t.base != nil && t.base.ByRecordID || t.source != nil && t.source.ByRecordID
}

// change returns the next change of the collection, nil after the last.
func (d *Diff) change() (*step, error) {
	if d.now.byRecordID() {
		if d.changes != nil {
			var err error
			d.byID, err = byID(d.changes)
			d.changes = nil
			if err != nil {
				return nil, err
			}
		}
		if len(d.byID) == 0 {
			return nil, nil
		}
		s := &d.byID[0]
		d.byID = d.byID[1:]
		return s, nil
	}
	if d.changes.Next() {
		return &step{base: d.changes.Before(), source: d.changes.After()}, nil
	}
	err := d.changes.Close()
	d.changes = nil
	return nil, err
}

func (d *Diff) name() string {
	if d.now.source != nil {
		return d.now.source.Name
	}
	return d.now.base.Name
}

func (d *Diff) summary(ctx context.Context) (bsonx.Doc, error) {
	n := branch.CollectionChanges{Name: d.name()}
	for i := 0; ; i++ {
		if i%1024 == 0 {
			if err := exec.Interrupted(ctx); err != nil {
				return nil, err
			}
		}
		s, err := d.change()
		if err != nil {
			return nil, err
		}
		if s == nil {
			break
		}
		n.Add(s.base != nil, s.source != nil)
	}
	d.now = nil
	if n.Inserts+n.Updates+n.Deletes == 0 {
		return nil, nil
	}
	b := bsonx.NewDoc(nil)
	b.String("collection", n.Name)
	b.String("kind", "summary")
	b.Int64("inserts", n.Inserts)
	b.Int64("updates", n.Updates)
	b.Int64("deletes", n.Deletes)
	return b.Done(), nil
}

// show renders a change.
func (d *Diff) show(s *step) bsonx.Doc {
	b := bsonx.NewDoc(make([]byte, 0, 128+2*(len(s.base)+len(s.source))))
	b.String("collection", d.name())
	b.Value("_id", idOfDoc(s.source, s.base))
	kind := "update"
	switch {
	case s.base == nil:
		kind = "insert"
	case s.source == nil:
		kind = "delete"
	}
	b.String("kind", kind)
	if len(s.base)+len(s.source) > bsonx.MaxDocSize-4096 {
		// Both do not fit into one document: the newer one does.
		b.Bool("truncated", true)
		if s.source != nil {
			s = &step{source: s.source}
		}
	}
	AppendDoc(b, "before", s.base)
	AppendDoc(b, "after", s.source)
	if kind == "update" && s.base != nil {
		AppendFields(b, "changes", Fields(s.base, s.source))
	}
	return b.Done()
}

// AppendDoc writes a document, or null where there is none.
func AppendDoc(b *bsonx.Builder, key string, d bsonx.Doc) {
	if d == nil {
		b.Null(key)
		return
	}
	b.Doc(key, d)
}

// AppendFields writes a list of field changes as {path, before, after}; what was
// not there is left out. Where the values would not fit into a document beside
// what b has, the paths stand alone.
func AppendFields(b *bsonx.Builder, key string, list []FieldChange) {
	at := b.OpenArray(key)
	for i, c := range list {
		one := b.OpenDoc(bsonx.Index(i))
		b.String("path", c.Path)
		if b.Size()+len(c.Before.Data)+len(c.After.Data) < bsonx.MaxDocSize-4096 {
			b.Value("before", c.Before)
			b.Value("after", c.After)
		}
		b.Close(one)
	}
	b.Close(at)
}

// Close ends the comparison.
func (d *Diff) Close() error {
	var err error
	if d.changes != nil {
		err = d.changes.Close()
		d.changes = nil
	}
	if d.release != nil {
		d.release()
		d.release = nil
	}
	d.tx.Abort()
	return err
}
