package geo

import "math"

// Grid numbers the cells of a 2d index: the bits of both coordinates take turns,
// so that a square of the plane is a range of numbers. Coordinates are between
// Min and Max.
type Grid struct{ Min, Max float64 }

// Contains reports whether the index can hold the point.
func (g *Grid) Contains(p Flat) bool {
	return p.X >= g.Min && p.X <= g.Max && p.Y >= g.Min && p.Y <= g.Max
}

// quantum is how many steps a coordinate has.
const quantum = 1 << 32

func (g *Grid) step(x float64) uint64 {
	f := (x - g.Min) / (g.Max - g.Min) * quantum
	switch {
	case !(f > 0):
		return 0
	case f >= quantum-1:
		return quantum - 1
	}
	return uint64(f)
}

// Cell returns the number of a point's cell.
func (g *Grid) Cell(p Flat) int64 { return signed(spread(g.step(p.X))<<1 | spread(g.step(p.Y))) }

// signed keeps the order of unsigned numbers.
func signed(u uint64) int64 { return int64(u ^ 1<<63) }

// spread puts a zero bit before each of 32 bits.
func spread(x uint64) uint64 {
	x &= 0xffffffff
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// tile is the cells whose coordinates begin with x and y, of which size bits
// are left open.
type tile struct {
	x, y uint64
	size int
}

// ranges covers boxes by about queryCells squares.
func (g *Grid) ranges(boxes []box) []CellRange {
	type rect struct{ x0, x1, y0, y1 uint64 }
	rects := make([]rect, len(boxes))
	for i, b := range boxes {
		r := rect{g.step(b.lo.X), g.step(b.hi.X), g.step(b.lo.Y), g.step(b.hi.Y)}
		rects[i] = rect{r.x0 - min(r.x0, 1), min(r.x1+1, quantum-1), r.y0 - min(r.y0, 1), min(r.y1+1, quantum-1)}
	}
	var done, open, next []tile
	for open = append(open, tile{0, 0, 32}); len(open) > 0 && len(open)+len(done) < queryCells; open, next = next, open[:0] {
		next = next[:0]
		for _, s := range open {
			touch, inside := false, s.size == 0
			side := uint64(1)<<s.size - 1
			for _, r := range rects {
				if s.x > r.x1 || s.x+side < r.x0 || s.y > r.y1 || s.y+side < r.y0 {
					continue
				}
				touch = true
				inside = inside || s.x >= r.x0 && s.x+side <= r.x1 && s.y >= r.y0 && s.y+side <= r.y1
			}
			switch {
			case !touch:
			case inside:
				done = append(done, s)
			default:
				h := uint64(1) << (s.size - 1)
				next = append(next, tile{s.x, s.y, s.size - 1}, tile{s.x + h, s.y, s.size - 1},
					tile{s.x, s.y + h, s.size - 1}, tile{s.x + h, s.y + h, s.size - 1})
			}
		}
	}
	var out []CellRange
	for _, s := range append(done, open...) {
		lo := spread(s.x)<<1 | spread(s.y)
		n := uint64(math.MaxUint64)
		if s.size < 32 {
			n = 1<<(2*s.size) - 1
		}
		out = append(out, CellRange{signed(lo), signed(lo + n)})
	}
	return merge(out)
}

// FlatRanges returns where in a 2d index the points stand that may meet the
// condition; ok is false when it is about geometries on the sphere.
func (r *Region) FlatRanges(g *Grid) (ranges []CellRange, ok bool) {
	switch s := r.flat.(type) {
	case box:
		return g.ranges([]box{s}), true
	case circle:
		d := s.radius * (1 + 1e-9)
		return g.ranges([]box{{Flat{s.center.X - d, s.center.Y - d}, Flat{s.center.X + d, s.center.Y + d}}}), true
	case flatPolygon:
		b := newBox(s[0], s[0])
		for _, p := range s {
			b.lo = Flat{min(b.lo.X, p.X), min(b.lo.Y, p.Y)}
			b.hi = Flat{max(b.hi.X, p.X), max(b.hi.Y, p.Y)}
		}
		return g.ranges([]box{b}), true
	}
	if r.cap != nil {
		return g.ranges(capBoxes(r.cap.center, r.cap.radius)), true
	}
	return nil, false
}
