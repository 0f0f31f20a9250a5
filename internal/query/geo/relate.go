package geo

import (
	"math"

	"github.com/golang/geo/s2"
)

// contains reports whether p is inside of the area; edges and vertices belong
// to one of the areas that share them.
func (p *polygon) contains(q s2.Point) bool {
	if p.big != nil {
		return p.big.ContainsPoint(q)
	}
	return p.area.ContainsPoint(q)
}

// covers is contains, or on an edge.
func (p *polygon) covers(q s2.Point) bool {
	if p.contains(q) {
		return true
	}
	for _, l := range p.loops() {
		for i := 0; i < l.NumVertices(); i++ {
			if float64(s2.DistanceFromSegment(q, l.Vertex(i), l.Vertex(i+1))) < touching {
				return true
			}
		}
	}
	return false
}

// distance is 0 inside of the area, else the angle to its nearest edge.
func (p *polygon) distance(q s2.Point) float64 {
	if p.contains(q) {
		return 0
	}
	d := math.Inf(1)
	for _, l := range p.loops() {
		for i := 0; i < l.NumVertices(); i++ {
			d = min(d, float64(s2.DistanceFromSegment(q, l.Vertex(i), l.Vertex(i+1))))
		}
	}
	return d
}

func lineDistance(l *s2.Polyline, q s2.Point) float64 {
	d := math.Inf(1)
	for i := 0; i+1 < len(*l); i++ {
		d = min(d, float64(s2.DistanceFromSegment(q, (*l)[i], (*l)[i+1])))
	}
	return d
}

// crosses reports whether edges of a and b cross at an inner point of both.
func crosses(a, b []*s2.Loop) bool {
	for _, l := range a {
		for i := 0; i < l.NumVertices(); i++ {
			box := edgeBound(l.Vertex(i), l.Vertex(i+1))
			for _, m := range b {
				if !box.Intersects(m.RectBound()) {
					continue
				}
				for j := 0; j < m.NumVertices(); j++ {
					if s2.CrossingSign(l.Vertex(i), l.Vertex(i+1), m.Vertex(j), m.Vertex(j+1)) == s2.Cross {
						return true
					}
				}
			}
		}
	}
	return false
}

func (p *polygon) crossesLine(line *s2.Polyline) bool {
	for _, l := range p.loops() {
		for i := 0; i < l.NumVertices(); i++ {
			for j := 0; j+1 < len(*line); j++ {
				if s2.CrossingSign(l.Vertex(i), l.Vertex(i+1), (*line)[j], (*line)[j+1]) == s2.Cross {
					return true
				}
			}
		}
	}
	return false
}

// coversLine: all vertices and the middles of the edges are covered, and no edge
// of the area is crossed.
func (p *polygon) coversLine(line *s2.Polyline) bool {
	for i, q := range *line {
		if !p.covers(q) {
			return false
		}
		if i > 0 && !p.covers(s2.Interpolate(0.5, (*line)[i-1], q)) {
			return false
		}
	}
	return !p.crossesLine(line)
}

func (p *polygon) coversPolygon(o *polygon) bool {
	if p.big == nil && o.big == nil {
		return p.area.Contains(o.area)
	}
	for _, l := range o.loops() {
		for _, q := range l.Vertices() {
			if !p.covers(q) {
				return false
			}
		}
	}
	return !crosses(p.loops(), o.loops())
}

func (p *polygon) intersectsPolygon(o *polygon) bool {
	if p.big == nil && o.big == nil {
		return p.area.Intersects(o.area)
	}
	for _, l := range o.loops() {
		if p.contains(l.Vertex(0)) {
			return true
		}
	}
	for _, l := range p.loops() {
		if o.contains(l.Vertex(0)) {
			return true
		}
	}
	return crosses(p.loops(), o.loops())
}

func (p *polygon) intersectsLine(line *s2.Polyline) bool {
	for _, q := range *line {
		if p.covers(q) {
			return true
		}
	}
	return p.crossesLine(line)
}

// Within reports whether all of o lies in g's polygons.
func (g *Geometry) Within(o *Geometry) bool {
	for _, q := range o.points {
		if !g.anyPolygon(func(p *polygon) bool { return p.covers(q) }) {
			return false
		}
	}
	for _, l := range o.lines {
		if !g.anyPolygon(func(p *polygon) bool { return p.coversLine(l) }) {
			return false
		}
	}
	for _, a := range o.polygons {
		if !g.anyPolygon(func(p *polygon) bool { return p.coversPolygon(a) }) {
			return false
		}
	}
	return o.onSphere()
}

// onSphere is false for a legacy point that is no longitude and latitude.
func (g *Geometry) onSphere() bool { return len(g.points)+len(g.lines)+len(g.polygons) > 0 }

func (g *Geometry) anyPolygon(f func(p *polygon) bool) bool {
	for _, p := range g.polygons {
		if f(p) {
			return true
		}
	}
	return false
}

// Intersects reports whether g and o share a point.
func (g *Geometry) Intersects(o *Geometry) bool {
	return g.intersectsParts(o) || o.intersectsParts(g)
}

// intersectsParts compares parts of g with those of o that are of the same or a
// lower dimension.
func (g *Geometry) intersectsParts(o *Geometry) bool {
	for _, q := range o.points {
		if g.distance(q) < touching {
			return true
		}
	}
	for _, l := range o.lines {
		for _, m := range g.lines {
			if m.Intersects(l) || touchesLine(m, l) {
				return true
			}
		}
		if g.anyPolygon(func(p *polygon) bool { return p.intersectsLine(l) }) {
			return true
		}
	}
	for _, a := range o.polygons {
		if g.anyPolygon(func(p *polygon) bool { return p.intersectsPolygon(a) }) {
			return true
		}
	}
	return false
}

// touchesLine: a vertex of one lies on the other.
func touchesLine(a, b *s2.Polyline) bool {
	for _, q := range *a {
		if lineDistance(b, q) < touching {
			return true
		}
	}
	for _, q := range *b {
		if lineDistance(a, q) < touching {
			return true
		}
	}
	return false
}

// distance is the smallest angle from q to a part of g; infinite when g is not
// on the sphere.
func (g *Geometry) distance(q s2.Point) float64 {
	d := math.Inf(1)
	for _, p := range g.points {
		d = min(d, float64(p.Distance(q)))
	}
	for _, l := range g.lines {
		d = min(d, lineDistance(l, q))
	}
	for _, p := range g.polygons {
		d = min(d, p.distance(q))
	}
	return d
}

// withinCap reports whether all of g lies in a cap. Geodesics between points of
// a cap that is no more than a hemisphere stay in it.
func (g *Geometry) withinCap(center s2.Point, radius float64) bool {
	in := func(q s2.Point) bool { return float64(center.Distance(q)) <= radius }
	for _, q := range g.points {
		if !in(q) {
			return false
		}
	}
	for _, l := range g.lines {
		for _, q := range *l {
			if !in(q) {
				return false
			}
		}
	}
	for _, p := range g.polygons {
		for _, l := range p.loops() {
			for _, q := range l.Vertices() {
				if !in(q) {
					return false
				}
			}
		}
	}
	return g.onSphere()
}
