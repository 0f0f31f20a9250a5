package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

// geoIndexes lists the paths of the geospatial indexes of a kind.
func geoIndexes(c *exec.Collection, kind index.Kind) []string {
	var out []string
	for _, ix := range c.Indexes {
		if ix.Spec.Hidden || ix.Building {
			continue
		}
		for _, f := range ix.Spec.Fields {
			if f.Kind == kind {
				out = append(out, f.Path)
			}
		}
	}
	return out
}

// geoField is the field of the only geospatial index: of a 2d index if there is
// one, else of a 2dsphere index.
func geoField(t *target) (string, error) {
	for _, k := range []struct {
		kind index.Kind
		name string
	}{{index.Geo2d, "2d"}, {index.Geo2dsphere, "2dsphere"}} {
		switch paths := geoIndexes(t.coll, k.kind); len(paths) {
		case 0:
		case 1:
			return paths[0], nil
		default:
			return "", errcode.New(errcode.IndexNotFound, "There is more than one %s index on %s; unsure which to use for $geoNear: give it the 'key' option", k.name, t.ns())
		}
	}
	return "", errcode.New(errcode.IndexNotFound, "$geoNear requires a 2d or 2dsphere index, but none were found")
}

// specialTarget checks what $text and $near need of the collection itself.
func specialTarget(t *target, f *match.Filter) error {
	switch {
	case t.coll == nil && f.Text() != nil:
		return plan.ErrNoTextIndex()
	case t.entry != nil && t.entry.Type == catalog.TypeTimeseries && f.Near() != nil:
		return match.Plain().NoNear
	}
	return nil
}

// GeoNear implements stage.Collections.
func (c *collections) GeoNear(ctx context.Context, oc *stage.OpenContext, ns stage.Namespace, args bsonx.Doc, f *match.Filter) (exec.Iterator, error) {
	near, err := parseNear(args)
	if err != nil {
		return nil, err
	}
	t, err := c.q.src.target(ctx, ns.DB, ns.Coll)
	if err != nil {
		return nil, err
	}
	if t.coll == nil {
		return nil, errcode.New(errcode.NamespaceNotFound, "$geoNear requires a geo index to run, but %s does not exist", t.ns())
	}
	if near.Path == "" {
		if near.Path, err = geoField(t); err != nil {
			return nil, err
		}
	}
	q := &query{src: c.q.src, scope: c.q.scope, q: oc.Query, vars: oc.Vars, coll: oc.Query.Collation}
	if f == nil {
		if f, err = q.filter(nil); err != nil {
			return nil, err
		}
	}
	pq := &plan.Query{Filter: f, Near: near, Vars: q.vars, Collation: q.coll, All: true}
	if ns == c.q.hintFor {
		pq.Hint = c.q.hint
	}
	p, err := q.choose(ctx, t, pq)
	if err != nil {
		return nil, err
	}
	return q.rows(t, p, &exec.Stats{}), nil
}

// parseNear reads $geoNear's arguments, which mean what $near's and $nearSphere's
// do.
func parseNear(args bsonx.Doc) (*plan.Near, error) {
	op := "$near"
	if bsonx.Truthy(bsonx.Lookup(args, "spherical")) {
		op = "$nearSphere"
	}
	out := &plan.Near{Scale: 1}
	v := bsonx.Lookup(args, "near")
	b := bsonx.NewDoc(nil)
	if first := bsonx.NewIter(v.Data); v.Type == bsonx.Object && !(first.Next() && bsonx.IsNumber(first.Value())) {
		at := b.OpenDoc(op)
		b.Value("$geometry", v)
		b.Close(at)
	} else {
		b.Value(op, v)
	}
	for it := bsonx.NewIter(args); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "key":
			out.Path = string(bsonx.Str(v))
		case "minDistance":
			b.Value("$minDistance", v)
		case "maxDistance":
			b.Value("$maxDistance", v)
		case "distanceMultiplier":
			out.Scale = floatOf(v)
		}
	}
	var err error
	out.Near, err = geo.ParseNear(b.Done())
	return out, err
}

func floatOf(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Double:
		return bsonx.F64(v)
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	}
	return decimalDouble(v)
}
