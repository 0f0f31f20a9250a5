package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/stage"
)

// checkView checks the definition of a view that is to be made or changed: its
// source's name, its pipeline, that it does not lead back to itself, that not too
// many views stand on each other, and that all have one collation.
func (s *source) checkView(ctx context.Context, t *target, options bsonx.Doc) error {
	on := string(bsonx.Str(bsonx.Lookup(options, "viewOn")))
	if err := CheckCollection(t.db.name, on); err != nil {
		return err
	}
	if strings.HasPrefix(on, "$") {
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified '%s.%s'", t.db.name, on)
	}
	if strings.HasPrefix(t.name, "system.") {
		return errcode.New(errcode.InvalidNamespace, "invalid namespace name for a view: %s", t.ns())
	}
	pipeline := docsOf(bsonx.Lookup(options, "pipeline"))
	q, err := s.newQuery(ctx, nil, nil, nil)
	if err != nil {
		return err
	}
	pc := q.parse(stage.Namespace{DB: t.db.name, Coll: on})
	pc.View = true
	if _, err := stage.Parse(pipeline, pc); err != nil {
		return err
	}
	for _, d := range pipeline {
		if !bsonx.IsMissing(bsonx.Lookup(d, "$changeStream")) {
			return errcode.New(errcode.OptionNotSupportedOnView, "$changeStream cannot be used in a view definition")
		}
	}
	g := viewGraph{snap: t.db.snap, root: t.name, collation: bsonx.Lookup(options, "collation"), height: map[string]int{}}
	depth, err := g.visit(on, pipeline)
	if err != nil {
		return err
	}
	if depth > maxViewDepth {
		return errcode.New(errcode.ViewDepthLimitExceeded, "View depth limit exceeded: %s would stand on %d views, the limit is %d", t.ns(), depth, maxViewDepth)
	}
	return nil
}

// viewGraph follows the views that a view reads.
type viewGraph struct {
	snap      *catalog.Snapshot
	root      string
	collation bsonx.Value
	height    map[string]int // of views that are done; -1: being visited
}

// visit returns how many views stand on each other under one that reads on and
// runs the pipeline, itself included.
func (g *viewGraph) visit(on string, pipeline []bsonx.Doc) (int, error) {
	deepest := 0
	for _, name := range append([]string{on}, readsOf(pipeline, 0)...) {
		h, err := g.heightOf(name)
		if err != nil {
			return 0, err
		}
		deepest = max(deepest, h)
	}
	return deepest + 1, nil
}

func (g *viewGraph) heightOf(name string) (int, error) {
	if name == g.root {
		return 0, errcode.New(errcode.GraphContainsCycle, "View cycle detected: %s reads itself", name)
	}
	e, ok := g.snap.Collection(name)
	if !ok || e.Type != catalog.TypeView {
		return 0, nil
	}
	if !bsonx.Equal(e.Option("collation"), g.collation) {
		return 0, errcode.New(errcode.OptionNotSupportedOnView, "View %s has conflicting collation with view %s", g.root, name)
	}
	if h, seen := g.height[name]; seen {
		return max(h, 0), nil
	}
	if len(g.height) > 1000 {
		return 0, errcode.New(errcode.ViewDepthLimitExceeded, "View depth limit exceeded: more than 1000 views are read")
	}
	g.height[name] = -1
	h, err := g.visit(string(bsonx.Str(e.Option("viewOn"))), docsOf(e.Option("pipeline")))
	g.height[name] = h
	return h, err
}

func docsOf(v bsonx.Value) []bsonx.Doc {
	var out []bsonx.Doc
	if v.Type != bsonx.Array {
		return nil
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if it.Value().Type == bsonx.Object {
			out = append(out, it.Value().Data)
		}
	}
	return out
}

// readsOf lists the other collections of the same database that a pipeline
// reads. Pipelines deeper than MongoDB's limit were refused before.
func readsOf(pipeline []bsonx.Doc, depth int) (names []string) {
	if depth > maxViewDepth {
		return nil
	}
	str := func(v bsonx.Value) {
		if v.Type == bsonx.String {
			names = append(names, string(bsonx.Str(v)))
		}
	}
	inner := func(v bsonx.Value) { names = append(names, readsOf(docsOf(v), depth+1)...) }
	for _, d := range pipeline {
		it := bsonx.NewIter(d)
		if !it.Next() {
			continue
		}
		v := it.Value()
		switch string(it.Key()) {
		case "$lookup", "$graphLookup":
			str(bsonx.Lookup(v.Data, "from"))
			inner(bsonx.Lookup(v.Data, "pipeline"))
		case "$unionWith":
			if v.Type == bsonx.Object {
				str(bsonx.Lookup(v.Data, "coll"))
				inner(bsonx.Lookup(v.Data, "pipeline"))
			} else {
				str(v)
			}
		case "$facet":
			for f := bsonx.NewIter(v.Data); v.Type == bsonx.Object && f.Next(); {
				inner(f.Value())
			}
		}
	}
	return names
}
