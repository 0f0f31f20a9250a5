package exec

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/txn"
)

// NearScan yields the rows by their distance from a point, nearest first, with
// it and the location as metadata. It searches circles that grow until whoever
// reads has enough, so that the first rows need no look at the last.
type NearScan struct {
	Coll  *Collection
	Index *Index
	// Scan has the bounds of the index's other fields.
	Scan *IndexScan
	// Field is the position of the geospatial field, Grid that of a 2d index.
	Field int
	Grid  *geo.Grid
	Near  *geo.Near
	// Scale is a factor for the distance that is reported.
	Scale float64
}

// found is a row that was measured and waits for its turn.
type found struct {
	dist float64
	id   string
	loc  bsonx.Value
}

type nearScan struct {
	*NearScan
	v      *txn.View
	st     *Stats
	path   []string
	sphere bool
	unit   float64 // of distances, in radians or units of the plane
	radius float64 // that was searched, in the same
	last   bool    // nothing lies farther out
	seen   map[string]struct{}
	wait   []found // measured, but outside of the radius
	ready  []found
	meta   expr.Meta
	vals   []bsonx.Value
}

// firstRadius is the first circle: a hundred metres, in radians.
const firstRadius = 100 / geo.EarthRadius

// Open implements Access.
func (x *NearScan) Open(v *txn.View, st *Stats) Iterator {
	s := &nearScan{NearScan: x, v: v, st: st, unit: 1, seen: map[string]struct{}{},
		path: strings.Split(x.Index.Spec.Fields[x.Field].Path, "."), sphere: x.Near.Sphere || x.Grid == nil}
	if x.Near.Center.GeoJSON {
		s.unit = geo.EarthRadius
	}
	return s
}

// Next implements Iterator.
func (s *nearScan) Next(ctx context.Context) (Row, error) {
	for {
		for len(s.ready) > 0 {
			f := s.ready[0]
			s.ready = s.ready[1:]
			doc, err := s.v.Get(ctx, s.Coll.ID, []byte(f.id))
			if err != nil {
				return Row{}, err
			}
			if doc == nil {
				continue // deleted by this transaction since
			}
			s.st.Returned++
			s.meta = expr.Meta{GeoDistance: bsonx.DoubleValue(f.dist * s.Scale), GeoPoint: f.loc}
			return Row{Doc: doc, Key: []byte(f.id), Meta: &s.meta}, nil
		}
		if s.last {
			s.st.EOF = true
			return Row{}, io.EOF
		}
		if err := s.grow(ctx); err != nil {
			return Row{}, err
		}
	}
}

// end is the radius beyond which nothing lies or nothing is wanted.
func (s *nearScan) end() float64 {
	limit := s.Near.Max / s.unit
	if s.sphere {
		return min(limit, math.Pi)
	}
	g, at := s.Grid, s.Near.Center.At
	dx := max(math.Abs(at.X-g.Min), math.Abs(at.X-g.Max))
	dy := max(math.Abs(at.Y-g.Min), math.Abs(at.Y-g.Max))
	return min(limit, math.Hypot(dx, dy)*(1+1e-9))
}

// grow searches the next circle.
func (s *nearScan) grow(ctx context.Context) error {
	end := s.end()
	switch {
	case s.radius == 0:
		s.radius = firstRadius
		if !s.sphere {
			s.radius = (s.Grid.Max - s.Grid.Min) / (1 << 20)
		}
		s.radius = max(s.radius, s.Near.Min/s.unit)
	case len(s.wait) == 0:
		s.radius *= 8
	default:
		s.radius *= 2
	}
	if s.radius >= end {
		s.radius, s.last = end, true
	}
	if err := s.search(ctx); err != nil {
		return err
	}
	slices.SortFunc(s.wait, func(a, b found) int {
		switch {
		case a.dist < b.dist:
			return -1
		case a.dist > b.dist:
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	n := len(s.wait)
	if !s.last {
		inside := s.radius * s.unit * (1 - 1e-9)
		n = 0
		for n < len(s.wait) && s.wait[n].dist <= inside {
			n++
		}
	}
	s.ready, s.wait = s.wait[:n:n], slices.Clone(s.wait[n:])
	return nil
}

// search measures the rows in the circle that were not seen before.
func (s *nearScan) search(ctx context.Context) error {
	sc := *s.Scan
	sc.Bounds = slices.Clone(sc.Bounds)
	var ranges []Range
	for _, c := range s.Near.Center.Within(s.Grid, !s.sphere, s.radius) {
		ranges = append(ranges, Range{bsonx.Int64Value(c.Lo), bsonx.Int64Value(c.Hi), true, true})
	}
	sc.Bounds[s.Field] = ranges
	cs := &Stats{}
	s.st.Children = append(s.st.Children, cs)
	it := sc.Open(s.v, cs).(*indexScan)
	defer func() { _ = it.Close() }()
	for {
		key, err := it.nextKey(ctx)
		if err == io.EOF {
			s.st.KeysExamined += cs.KeysExamined
			return nil
		}
		if err != nil {
			return err
		}
		id := key[it.check.valuesLen:]
		if _, ok := s.seen[string(id)]; ok {
			continue
		}
		s.seen[string(id)] = struct{}{}
		doc, err := s.v.Get(ctx, s.Coll.ID, id)
		if err != nil {
			return err
		}
		if doc == nil {
			continue
		}
		s.st.DocsExamined++
		cs.Returned++
		s.measure(string(id), doc)
	}
}

// measure keeps a row that is within the limits.
func (s *nearScan) measure(id string, doc bsonx.Doc) {
	s.vals = index.GeoValues(s.vals[:0], bsonx.DocValue(doc), s.path)
	best := found{dist: math.Inf(1)}
	ok := false
	for _, v := range s.vals {
		if d, loc, is := s.Near.Center.Nearest(v, s.sphere); is && (!ok || d < best.dist) {
			best, ok = found{d, id, loc}, true
		}
	}
	if ok && best.dist >= s.Near.Min && best.dist <= s.Near.Max {
		best.loc = bsonx.Clone(best.loc)
		s.wait = append(s.wait, best)
	}
}

// Close implements Iterator.
func (s *nearScan) Close() error { return nil }
