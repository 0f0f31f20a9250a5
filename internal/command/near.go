package command

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

// nearest measures rows from a point: within Min and Max they pass, with their
// distance as metadata.
type nearest struct {
	exec.Iterator
	path     []string
	center   geo.Center
	sphere   bool
	min, max float64
	scale    float64 // of the distance that is reported
	meta     expr.Meta
	vals     []bsonx.Value
}

// Next implements exec.Iterator.
func (n *nearest) Next(ctx context.Context) (exec.Row, error) {
	for {
		row, err := n.Iterator.Next(ctx)
		if err != nil {
			return row, err
		}
		n.vals = valuesAt(n.vals[:0], bsonx.DocValue(row.Doc), n.path)
		best, found := math.Inf(1), false
		var loc bsonx.Value
		for _, v := range n.vals {
			if d, l, ok := n.center.Nearest(v, n.sphere); ok && (!found || d < best) {
				best, loc, found = d, l, true
			}
		}
		if !found || best < n.min || best > n.max {
			continue
		}
		n.meta = expr.Meta{}
		if row.Meta != nil {
			n.meta = *row.Meta
		}
		n.meta.GeoDistance, n.meta.GeoPoint = bsonx.DoubleValue(best*n.scale), loc
		row.Meta = &n.meta
		return row, nil
	}
}

// valuesAt appends the values that a path leads to, through arrays of documents.
func valuesAt(dst []bsonx.Value, v bsonx.Value, path []string) []bsonx.Value {
	for i, name := range path {
		switch v.Type {
		case bsonx.Object:
			v = bsonx.Lookup(v.Data, name)
			continue
		case bsonx.Array:
			for it := bsonx.NewIter(v.Data); it.Next(); {
				if e := it.Value(); e.Type == bsonx.Object {
					dst = valuesAt(dst, e, path[i:])
				}
			}
		}
		return dst
	}
	if v.Type != bsonx.Missing {
		dst = append(dst, v)
	}
	return dst
}

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

// geoIndex reports whether a path has a geospatial index, and whether none of
// them measures in the plane.
func geoIndex(c *exec.Collection, path string) (sphere, ok bool) {
	flat := slices.Contains(geoIndexes(c, index.Geo2d), path)
	return !flat, flat || slices.Contains(geoIndexes(c, index.Geo2dsphere), path)
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

func errNoGeoIndex() error {
	return errcode.New(errcode.NoQueryExecutionPlans, "error processing query: planner returned error: unable to find index for $geoNear query")
}

// byDistance is the order of $near's rows.
var byDistance = func() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc("$distance")
	b.String("$meta", "geoNearDistance")
	b.Close(at)
	return b.Done()
}()

// near puts $near's part behind rows: distances, their limits and their order.
func (q *query) near(t *target, p *plan.Plan, it exec.Iterator, sorted bool) (exec.Iterator, error) {
	g := p.Query.Filter.Near()
	sphere, ok := geoIndex(t.coll, g.Path.Name)
	if !ok {
		_ = it.Close()
		return nil, errNoGeoIndex()
	}
	n := &nearest{Iterator: it, path: strings.Split(g.Path.Name, "."), center: g.Near.Center, sphere: g.Near.Sphere || sphere,
		min: g.Near.Min, max: g.Near.Max, scale: 1}
	if sorted {
		return n, nil
	}
	return q.sorted(n, stage.Namespace{DB: t.db.name, Coll: t.name}, byDistance, 0)
}

// geoNear is the source of $geoNear.
func (c *collections) geoNear(ctx context.Context, ns stage.Namespace, spec bsonx.Doc) (exec.Iterator, error) {
	t, err := c.q.src.target(ctx, ns.DB, ns.Coll)
	if err != nil {
		return nil, err
	}
	if t.coll == nil {
		return (&exec.Nothing{}).Open(nil, &exec.Stats{}), nil
	}
	key := bsonx.Lookup(spec, "key")
	path := ""
	if key.Type == bsonx.String {
		path = string(bsonx.Str(key))
	}
	if path == "" {
		if path, err = geoField(t); err != nil {
			return nil, err
		}
	}
	sphere, ok := geoIndex(t.coll, path)
	if !ok {
		return nil, errNoGeoIndex()
	}
	center, err := geo.ParseCenter(bsonx.Lookup(spec, "near"))
	if err != nil {
		return nil, err
	}
	center.GeoJSON = bsonx.Lookup(spec, "near").Type == bsonx.Object && bsonx.Lookup(bsonx.Lookup(spec, "near").Data, "type").Type == bsonx.String
	n := &nearest{path: strings.Split(path, "."), center: *center, max: math.Inf(1), scale: 1,
		sphere: center.GeoJSON || sphere || bsonx.Truthy(bsonx.Lookup(spec, "spherical"))}
	for _, o := range []struct {
		name string
		to   *float64
	}{{"minDistance", &n.min}, {"maxDistance", &n.max}, {"distanceMultiplier", &n.scale}} {
		if v := bsonx.Lookup(spec, o.name); bsonx.IsNumber(v) {
			*o.to = floatOf(v)
		}
	}
	f, err := c.q.filter(bsonx.Doc(bsonx.Lookup(spec, "query").Data))
	if err != nil {
		return nil, err
	}
	p, err := t.choose(ctx, &plan.Query{Filter: f, Collation: c.q.coll, All: true})
	if err != nil {
		return nil, err
	}
	n.Iterator = c.q.rows(t, p, &exec.Stats{})
	return c.q.sorted(n, ns, byDistance, 0)
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
