package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// memory is a server's worth of collections, as far as stages see it.
type memory struct {
	colls map[Namespace]*memColl
	mem   Memory
	probe bool // whether indexes serve $lookup
	plain bool // whether pipelines are left as they are
}

type memColl struct {
	docs    []bsonx.Doc
	indexes []*index.Spec
	view    *memView
	opts    bsonx.Doc
}

type memView struct {
	on       Namespace
	pipeline []bsonx.Doc
}

func newMemory() *memory {
	return &memory{colls: map[Namespace]*memColl{}, mem: Memory{AllowDiskUse: true}}
}

func (m *memory) coll(ns Namespace) *memColl {
	c := m.colls[ns]
	if c == nil {
		c = &memColl{}
		m.colls[ns] = c
	}
	return c
}

func (m *memory) insert(ns Namespace, doc bsonx.Doc) error {
	c := m.coll(ns)
	doc = withID(doc)
	if err := c.unique(doc, nil); err != nil {
		return err
	}
	c.docs = append(c.docs, doc)
	return nil
}

func withID(doc bsonx.Doc) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	id := bsonx.Lookup(doc, "_id")
	if id.Type == bsonx.Missing {
		o := bson.NewObjectID()
		id = bsonx.Value{Type: bsonx.ObjectID, Data: o[:]}
	}
	b.Value("_id", id)
	for it := bsonx.NewIter(doc); it.Next(); {
		if string(it.Key()) != "_id" {
			b.Element(it.Element())
		}
	}
	return b.Done()
}

// unique checks a document against the unique indexes, old left out.
func (c *memColl) unique(doc, old bsonx.Doc) error {
	id, _ := keysOf("_id")
	for _, ix := range append([]*index.Spec{id}, c.indexes...) {
		if ix != id && !ix.Unique {
			continue
		}
		mine := keySet(ix, doc)
		for _, d := range c.docs {
			if old != nil && &d[0] == &old[0] {
				continue
			}
			for k := range keySet(ix, d) {
				if mine[k] {
					return errcode.New(errcode.DuplicateKey, "E11000 duplicate key error")
				}
			}
		}
	}
	return nil
}

func keySet(ix *index.Spec, doc bsonx.Doc) map[string]bool {
	keys, _, _ := ix.Keys(nil, doc)
	set := map[string]bool{}
	for _, k := range keys {
		var b []byte
		for _, v := range k.Values {
			b = appendKey(b, v, ix.Collator)
		}
		set[string(b)] = true
	}
	return set
}

func (m *memory) Run(ctx context.Context, oc *OpenContext, ns Namespace, p *Pipeline) (exec.Iterator, error) {
	c := m.colls[ns]
	switch {
	case c == nil:
		return p.Open(oc, Empty{})
	case c.view != nil:
		vp, err := Parse(c.view.pipeline, &ParseContext{NS: c.view.on, Scope: expr.NewScope(expr.ScopeOptions{}), View: true})
		if err != nil {
			return nil, err
		}
		in, err := m.Run(ctx, oc, c.view.on, vp)
		if err != nil {
			return nil, err
		}
		return p.Open(oc, in)
	}
	return p.Open(oc, FromDocs(slices.Clone(c.docs)))
}

type memProber struct {
	c  *memColl
	ix *index.Spec
}

func (m *memory) Prober(_ context.Context, _ *OpenContext, ns Namespace, path string, _ bsonx.Collator) (Prober, error) {
	if c := m.colls[ns]; c != nil && c.view == nil && m.probe {
		ix, err := keysOf(path)
		return &memProber{c, ix}, err
	}
	return nil, nil
}

func (p *memProber) Probe(_ context.Context, vals []bsonx.Value) (exec.Iterator, error) {
	want := map[string]bool{}
	for _, v := range vals {
		if v.Type == bsonx.Array {
			return FromDocs(p.c.docs), nil // whoever asks filters
		}
		want[string(appendKey(nil, v, nil))] = true
	}
	var docs []bsonx.Doc
	for _, d := range p.c.docs {
		for k := range keySet(p.ix, d) {
			if want[k] {
				docs = append(docs, d)
				break
			}
		}
	}
	return FromDocs(docs), nil
}

func (p *memProber) Close() error { return nil }

func (m *memory) GeoNear(context.Context, *OpenContext, Namespace, bsonx.Doc, *match.Filter) (exec.Iterator, error) {
	return nil, errors.New("not here")
}

func (m *memory) Source(_ context.Context, _ *OpenContext, ns Namespace, stage string, _ bsonx.Value) (exec.Iterator, error) {
	switch stage {
	case "$indexStats":
		var docs []bsonx.Doc
		for _, ix := range m.coll(ns).indexes {
			b := bsonx.NewDoc(nil)
			b.String("name", ix.Name)
			b.Doc("key", ix.KeyPattern)
			docs = append(docs, b.Done())
		}
		return FromDocs(docs), nil
	case "$collStats":
		b := bsonx.NewDoc(nil)
		b.String("ns", ns.String())
		b.Int32("count", int32(len(m.coll(ns).docs)))
		return FromDocs([]bsonx.Doc{b.Done()}), nil
	}
	return Empty{}, nil
}

type memOutput struct {
	m    *memory
	ns   Namespace
	docs []bsonx.Doc
}

func (m *memory) Output(_ context.Context, _ *OpenContext, ns Namespace, _ OutputOptions) (Output, error) {
	if c := m.colls[ns]; c != nil && c.view != nil {
		return nil, errcode.New(errcode.CommandNotSupportedOnView, "a view")
	}
	return &memOutput{m: m, ns: ns}, nil
}

func (o *memOutput) Write(_ context.Context, doc bsonx.Doc) error {
	o.docs = append(o.docs, withID(doc))
	return nil
}

func (o *memOutput) Commit(context.Context) error {
	c := &memColl{indexes: o.m.coll(o.ns).indexes}
	for _, d := range o.docs {
		if err := c.unique(d, nil); err != nil {
			return err
		}
		c.docs = append(c.docs, d)
	}
	o.m.colls[o.ns] = c
	return nil
}

func (o *memOutput) Close() error { return nil }

type memTarget struct {
	m  *memory
	ns Namespace
}

func (m *memory) MergeInto(_ context.Context, _ *OpenContext, ns Namespace) (MergeTarget, error) {
	if c := m.colls[ns]; c != nil && c.view != nil {
		return nil, errcode.New(errcode.CommandNotSupportedOnView, "a view")
	}
	return &memTarget{m, ns}, nil
}

func (t *memTarget) UniqueOn(_ context.Context, fields []string, _ bsonx.Collator) (Uniqueness, error) {
	if len(fields) == 1 && fields[0] == "_id" {
		return FullyUnique, nil
	}
	if t.m.colls[t.ns] == nil {
		return NotUnique, nil
	}
	for _, ix := range t.m.coll(t.ns).indexes {
		var names []string
		for it := bsonx.NewIter(ix.KeyPattern); it.Next(); {
			names = append(names, string(it.Key()))
		}
		slices.Sort(names)
		want := slices.Clone(fields)
		slices.Sort(want)
		if !ix.Unique || !slices.Equal(names, want) || ix.Partial != nil || ix.Collation != nil {
			continue
		}
		if ix.Sparse {
			return UniqueNotNull, nil
		}
		return FullyUnique, nil
	}
	return NotUnique, nil
}

func (t *memTarget) Upsert(_ context.Context, fields []string, vals []bsonx.Value, change func(bsonx.Doc) (bsonx.Doc, error)) error {
	at := -1
	if c := t.m.colls[t.ns]; c != nil {
		at = slices.IndexFunc(c.docs, func(d bsonx.Doc) bool {
			for i, f := range fields {
				v := get(d, strings.Split(f, "."))
				w := vals[i]
				if bsonx.IsNullish(v) && bsonx.IsNullish(w) {
					continue
				}
				if !bsonx.Equal(v, w) {
					return false
				}
			}
			return true
		})
	}
	if at < 0 {
		doc, err := change(nil)
		if err != nil || doc == nil {
			return err
		}
		return t.m.insert(t.ns, doc)
	}
	c := t.m.coll(t.ns)
	doc, err := change(c.docs[at])
	if err != nil || doc == nil {
		return err
	}
	if err := c.unique(doc, c.docs[at]); err != nil {
		return err
	}
	c.docs[at] = clone(doc)
	return nil
}

func (t *memTarget) Close() error { return nil }

// aggregate runs a command's pipeline and returns all documents.
func (m *memory) aggregate(ns Namespace, cmd bsonx.Doc) ([]bsonx.Doc, error) {
	docs, err := docsOf(bsonx.Lookup(cmd, "pipeline"), errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
	if err != nil {
		return nil, err
	}
	pc := &ParseContext{NS: ns, Plain: m.plain, Explain: bsonx.Truthy(bsonx.Lookup(cmd, "explain")), APIStrict: bsonx.Truthy(bsonx.Lookup(cmd, "apiStrict"))}
	if rc := bsonx.Lookup(cmd, "readConcern"); rc.Type == bsonx.Object {
		pc.ReadConcern, _ = stringOf(bsonx.Lookup(rc.Data, "level"))
	}
	if spec := bsonx.Lookup(cmd, "collation"); spec.Type == bsonx.Object {
		c, err := collate.Parse(bsonx.Doc(spec.Data))
		if err != nil {
			return nil, err
		}
		pc.Collation = c.Collator()
	}
	pc.Scope = expr.NewScope(expr.ScopeOptions{Collation: pc.Collation})
	q := &expr.Query{Now: 1_700_000_000_000, Collation: pc.Collation}
	oc := &OpenContext{Query: q, Collections: m, Memory: m.mem, NS: ns}
	if d := bsonx.Lookup(cmd, "allowDiskUse"); d.Type == bsonx.Bool {
		oc.Memory.AllowDiskUse = bsonx.Truthy(d)
	}
	for it := bsonx.NewIter(bsonx.Lookup(cmd, "let").Data); it.Next(); {
		var slot int
		pc.Scope, slot = pc.Scope.Define(string(it.Key()))
		e, err := expr.Compile(it.Value(), expr.NewScope(expr.ScopeOptions{}))
		if err != nil {
			return nil, err
		}
		v, err := e.Eval(expr.NewEnv(q, nil))
		if err != nil {
			return nil, err
		}
		for len(oc.Vars) <= slot {
			oc.Vars = append(oc.Vars, bsonx.Value{})
		}
		oc.Vars[slot] = bsonx.Clone(v)
	}
	p, err := Parse(docs, pc)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	var in exec.Iterator
	if ns.Coll == "" {
		in, err = p.Open(oc, Empty{})
	} else {
		in, err = m.Run(ctx, oc, ns, p)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var out []bsonx.Doc
	err = each(ctx, in, func(r exec.Row) error {
		if len(r.Doc) > bsonx.MaxInternalDocSize {
			return errcode.New(errcode.BSONObjectTooLarge, "BSONObj size: %d is invalid", len(r.Doc))
		}
		if int(r.Doc[0])|int(r.Doc[1])<<8|int(r.Doc[2])<<16|int(r.Doc[3])<<24 != len(r.Doc) {
			return fmt.Errorf("a document of %d bytes that says otherwise", len(r.Doc))
		}
		out = append(out, clone(r.Doc))
		return nil
	})
	return out, err
}
