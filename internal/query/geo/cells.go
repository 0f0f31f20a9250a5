package geo

import (
	"math"
	"slices"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"
)

// CellRange is a range of cells as a geospatial index orders them, both ends
// included.
type CellRange struct{ Lo, Hi int64 }

// How many cells cover a stored geometry, and the region of a query, at most
// (more where it is far from round), and how small they get.
const (
	storedCells = 16
	queryCells  = 20
	finestLevel = 23 // about a metre
)

// OnSphere reports whether the geometry can be in a 2dsphere index.
func (g *Geometry) OnSphere() bool { return g.onSphere() }

// Cells returns the cells of a 2dsphere index that together cover the geometry.
func (g *Geometry) Cells() []int64 {
	var all s2.CellUnion
	for _, p := range g.points {
		all = append(all, s2.CellFromPoint(p).ID())
	}
	all = append(all, g.cover(storedCells)...)
	all.Normalize()
	out := make([]int64, len(all))
	for i, c := range all {
		out[i] = int64(c)
	}
	return out
}

// cover covers lines and polygons.
func (g *Geometry) cover(cells int) s2.CellUnion {
	rc := s2.RegionCoverer{MaxLevel: finestLevel, MaxCells: cells}
	var all s2.CellUnion
	for _, l := range g.lines {
		all = append(all, rc.Covering(l)...)
	}
	for _, p := range g.polygons {
		if p.big != nil {
			all = append(all, rc.Covering(p.big)...)
		} else {
			all = append(all, rc.Covering(p.area)...)
		}
	}
	return all
}

// SphereRanges returns where in a 2dsphere index the geometries stand that may
// meet the condition; ok is false when it is about the plane.
func (r *Region) SphereRanges() (ranges []CellRange, ok bool) {
	switch {
	case r.cap != nil:
		return capRanges(r.cap.center, r.cap.radius), true
	case r.geo == nil || !r.geo.onSphere():
		return nil, false
	}
	all := r.geo.cover(queryCells)
	for _, p := range r.geo.points {
		all = append(all, s2.CellFromPoint(p).ID())
	}
	all.Normalize()
	all.ExpandByRadius(2*touching, 1)
	return withAncestors(all), true
}

// capRanges covers all that is not farther from a point than the radius, in
// radians.
func capRanges(center s2.Point, radius float64) []CellRange {
	if radius >= math.Pi {
		return []CellRange{{math.MinInt64, math.MaxInt64}}
	}
	rc := s2.RegionCoverer{MaxLevel: s2.MaxLevel, MaxCells: queryCells}
	return withAncestors(rc.Covering(s2.CapFromCenterAngle(center, s1.Angle(radius*(1+1e-9)+2*touching))))
}

// withAncestors turns cells into ranges: what is inside of each, and the larger
// cells that it is inside of.
func withAncestors(cells s2.CellUnion) []CellRange {
	var out []CellRange
	seen := map[s2.CellID]bool{}
	for _, c := range cells {
		out = append(out, CellRange{int64(c.RangeMin()), int64(c.RangeMax())})
		for l := c.Level() - 1; l >= 0; l-- {
			a := c.Parent(l)
			if seen[a] {
				break
			}
			seen[a] = true
			out = append(out, CellRange{int64(a), int64(a)})
		}
	}
	return merge(out)
}

// merge sorts ranges and joins those that overlap or touch.
func merge(rs []CellRange) []CellRange {
	slices.SortFunc(rs, func(a, b CellRange) int {
		switch {
		case a.Lo < b.Lo:
			return -1
		case a.Lo > b.Lo:
			return 1
		}
		return 0
	})
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && (r.Lo <= out[n-1].Hi || r.Lo == out[n-1].Hi+1 && out[n-1].Hi != math.MaxInt64) {
			out[n-1].Hi = max(out[n-1].Hi, r.Hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Within returns where in an index of the plane (grid) or the sphere (nil) the
// geometries stand that may be within a distance of the centre. The distance is
// in radians, or with flat set in units of the plane.
func (c *Center) Within(grid *Grid, flat bool, radius float64) []CellRange {
	switch {
	case grid == nil:
		return capRanges(c.At.sphere(), radius)
	case flat:
		return grid.ranges([]box{{Flat{c.At.X - radius, c.At.Y - radius}, Flat{c.At.X + radius, c.At.Y + radius}}})
	}
	return grid.ranges(capBoxes(c.At.sphere(), radius))
}

// capBoxes are boxes of longitude and latitude around a cap.
func capBoxes(center s2.Point, radius float64) []box {
	const margin = 1e-6 // degrees
	if radius >= math.Pi {
		return []box{{Flat{-180, -90}, Flat{180, 90}}}
	}
	r := s2.CapFromCenterAngle(center, s1.Angle(radius*(1+1e-9)+2*touching)).RectBound()
	lo, hi := s1.Angle(r.Lat.Lo).Degrees()-margin, s1.Angle(r.Lat.Hi).Degrees()+margin
	west, east := s1.Angle(r.Lng.Lo).Degrees()-margin, s1.Angle(r.Lng.Hi).Degrees()+margin
	if !r.Lng.IsInverted() && west > -180 && east < 180 {
		return []box{{Flat{west, lo}, Flat{east, hi}}}
	}
	if r.Lng.IsFull() {
		return []box{{Flat{-180, lo}, Flat{180, hi}}}
	}
	if !r.Lng.IsInverted() { // touches the antimeridian
		return []box{{Flat{west, lo}, Flat{east, hi}}, {Flat{-180, lo}, Flat{-180 + 2*margin, hi}}, {Flat{180 - 2*margin, lo}, Flat{180, hi}}}
	}
	return []box{{Flat{west, lo}, Flat{180, hi}}, {Flat{-180, lo}, Flat{east, hi}}}
}
