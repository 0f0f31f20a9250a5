package geo

import "math"

// flatShape is a shape of the plane: it contains points.
type flatShape interface{ contains(p Flat) bool }

type box struct{ lo, hi Flat }

func newBox(a, b Flat) box {
	return box{Flat{min(a.X, b.X), min(a.Y, b.Y)}, Flat{max(a.X, b.X), max(a.Y, b.Y)}}
}

func (b box) contains(p Flat) bool {
	return p.X >= b.lo.X && p.X <= b.hi.X && p.Y >= b.lo.Y && p.Y <= b.hi.Y
}

type circle struct {
	center Flat
	radius float64
}

func (c circle) contains(p Flat) bool { return flatDistance(c.center, p) <= c.radius }

// flatDistance is Euclid's, without overflow.
func flatDistance(a, b Flat) float64 {
	dx, dy := a.X-b.X, a.Y-b.Y
	switch {
	case dx == 0:
		return math.Abs(dy)
	case dy == 0:
		return math.Abs(dx)
	}
	return math.Sqrt(dx*dx + dy*dy)
}

// flatPolygon counts the edges that a ray from a point crosses. Vertices and
// points of horizontal and vertical edges are inside.
type flatPolygon []Flat

func (ps flatPolygon) contains(p Flat) bool {
	inside := false
	a := ps[len(ps)-1]
	for _, b := range ps {
		switch {
		case p == b:
			return true
		case a.Y == b.Y:
			if p.Y == a.Y && p.X >= min(a.X, b.X) && p.X <= max(a.X, b.X) {
				return true
			}
		case p.Y > min(a.Y, b.Y) && p.Y <= max(a.Y, b.Y) && p.X <= max(a.X, b.X):
			if a.X == b.X && p.X == a.X {
				return true
			}
			if a.X == b.X || p.X <= (p.Y-a.Y)*(b.X-a.X)/(b.Y-a.Y)+a.X {
				inside = !inside
			}
		}
		a = b
	}
	return inside
}
