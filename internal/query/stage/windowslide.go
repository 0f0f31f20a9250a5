package stage

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
)

// Functions over windows that rows leave: the work of a partition grows with its
// rows, not with rows × window. As with MongoDB, what leaves is taken back out of
// a sum, so that the sum may differ in its last digits from one made anew.

// slider takes rows into a window and out of it, each in order.
type slider interface {
	add(p *partition, i int) error
	remove(p *partition, i int) error
	reset()
	result(p *partition) (bsonx.Value, error)
}

// slideFunc is an accumulator as a slider.
type slideFunc struct {
	b   bounds
	new func() slider
}

func (f *slideFunc) open(p *partition) windowRun { return &slideRun{f: f, p: p, s: f.new(), hi: -1} }

type slideRun struct {
	f      *slideFunc
	p      *partition
	s      slider
	lo, hi int // rows lo to hi are in the window
}

func (r *slideRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil {
		return bsonx.Value{}, err
	}
	if !ok {
		lo, hi = i, i-1
	}
	if lo < r.lo || hi < r.hi || lo > r.hi+1 { // nothing to go on from
		r.s.reset()
		r.lo, r.hi = lo, lo-1
	}
	for r.hi < hi {
		r.hi++
		if err := r.s.add(r.p, r.hi); err != nil {
			return bsonx.Value{}, err
		}
	}
	for r.lo < lo {
		if err := r.s.remove(r.p, r.lo); err != nil {
			return bsonx.Value{}, err
		}
		r.lo++
	}
	return r.s.result(r.p)
}

// sumSlider is $sum, $count and $avg.
type sumSlider struct {
	e   expr.Expr
	avg bool

	ints, longs, doubles, decimals int64 // how many numbers there are of each type
	nan, up, down                  int64 // of those, how many are NaN, ∞ and -∞
	pair                           numeric.DoubleDouble
	dec                            *numeric.Decimal
	out                            bsonx.Arena
}

func (s *sumSlider) reset() { *s = sumSlider{e: s.e, avg: s.avg} }

func (s *sumSlider) add(p *partition, i int) error    { return s.update(p, i, 1) }
func (s *sumSlider) remove(p *partition, i int) error { return s.update(p, i, -1) }

func (s *sumSlider) update(p *partition, i int, sign int64) error {
	v, err := p.eval(s.e, i)
	if err != nil || !bsonx.IsNumber(v) {
		return err
	}
	switch v.Type {
	case bsonx.Int32:
		s.ints += sign
		s.pair.AddInt64(sign * int64(bsonx.I32(v)))
	case bsonx.Int64:
		s.longs += sign
		if n := bsonx.I64(v); n == math.MinInt64 { // has no negative
			s.pair.AddFloat(float64(sign) * float64(n))
		} else {
			s.pair.AddInt64(sign * n)
		}
	case bsonx.Double:
		s.doubles += sign
		if f := bsonx.F64(v); finite(v) {
			s.pair.AddFloat(float64(sign) * f)
		} else {
			s.special(f, sign)
		}
	case bsonx.Decimal128:
		s.decimals += sign
		d := numeric.FromValue(v)
		switch {
		case !finite(v):
			s.special(numeric.Float(d), sign)
		case s.dec == nil:
			s.dec = d
		case sign > 0:
			s.dec = numeric.Add(s.dec, d)
		default:
			s.dec = numeric.Sub(s.dec, d)
		}
	}
	return nil
}

func (s *sumSlider) special(f float64, sign int64) {
	switch {
	case math.IsNaN(f):
		s.nan += sign
	case f > 0:
		s.up += sign
	default:
		s.down += sign
	}
}

func (s *sumSlider) result(*partition) (bsonx.Value, error) {
	n := s.ints + s.longs + s.doubles + s.decimals
	if n == 0 {
		s.reset()
		if s.avg {
			return bsonx.NullValue, nil
		}
		return bsonx.Int32Value(0), nil
	}
	s.out.Reset()
	if s.nan+s.up+s.down > 0 {
		f := math.NaN()
		switch {
		case s.nan == 0 && s.down == 0:
			f = math.Inf(1)
		case s.nan == 0 && s.up == 0:
			f = math.Inf(-1)
		}
		if s.decimals > 0 {
			return numeric.Put(&s.out, numeric.FromFloat(f)), nil
		}
		return bsonx.DoubleValue(f), nil
	}
	if s.decimals > 0 {
		d := numeric.Add(s.dec, s.pair.Decimal())
		if s.avg {
			d = numeric.Quo(d, numeric.FromInt64(n))
		}
		return numeric.Put(&s.out, d), nil
	}
	sum, whole := s.pair.Int64()
	switch {
	case s.avg:
		return bsonx.DoubleValue(s.pair.Float() / float64(n)), nil
	case s.doubles > 0 || !whole:
		return bsonx.DoubleValue(s.pair.Float()), nil
	case s.longs > 0:
		return bsonx.Int64Value(sum), nil
	}
	return numeric.IntOrLong(&s.out, sum), nil
}

// held is a row's value while it is in the window.
type held struct {
	row int
	v   bsonx.Value
}

// heldOverhead is about what a held value costs besides its bytes.
const heldOverhead = 64

// queue holds values in the order of their rows.
type queue struct {
	vals  []held
	head  int
	bytes int64
}

func (q *queue) len() int { return len(q.vals) - q.head }

func (q *queue) push(h held) error {
	h.v = bsonx.Clone(h.v)
	q.vals = append(q.vals, h)
	if q.bytes += int64(len(h.v.Data)) + heldOverhead; q.bytes > defaultMemory {
		return errTooLarge
	}
	return nil
}

func (q *queue) pop() { // the oldest
	q.bytes -= int64(len(q.vals[q.head].v.Data)) + heldOverhead
	q.vals[q.head] = held{}
	q.head++
	if q.head > 1024 && q.head > len(q.vals)/2 {
		q.vals = append(q.vals[:0], q.vals[q.head:]...)
		q.head = 0
	}
}

func (q *queue) drop() { // the newest
	n := len(q.vals) - 1
	q.bytes -= int64(len(q.vals[n].v.Data)) + heldOverhead
	q.vals = q.vals[:n]
}

// extremeSlider is $min and $max: it holds what can still become the result. Of
// equal values the first is the smallest and the last the largest; null and
// missing do not count.
type extremeSlider struct {
	e   expr.Expr
	max bool
	q   queue
}

func (s *extremeSlider) reset() { s.q = queue{} }

func (s *extremeSlider) add(p *partition, i int) error {
	v, err := p.eval(s.e, i)
	if err != nil || bsonx.IsNullish(v) {
		return err
	}
	for s.q.len() > 0 {
		c := p.env.Compare(s.q.vals[len(s.q.vals)-1].v, v)
		if s.max && c > 0 || !s.max && c <= 0 {
			break
		}
		s.q.drop()
	}
	return s.q.push(held{i, v})
}

func (s *extremeSlider) remove(_ *partition, i int) error {
	if s.q.len() > 0 && s.q.vals[s.q.head].row == i {
		s.q.pop()
	}
	return nil
}

func (s *extremeSlider) result(*partition) (bsonx.Value, error) {
	if s.q.len() == 0 {
		return bsonx.NullValue, nil
	}
	return s.q.vals[s.q.head].v, nil
}

// listSlider is $push; missing values do not count.
type listSlider struct {
	e    expr.Expr
	q    queue
	vals []bsonx.Value
	buf  []byte
}

func (s *listSlider) reset() { s.q = queue{} }

func (s *listSlider) add(p *partition, i int) error {
	v, err := p.eval(s.e, i)
	if err != nil || bsonx.IsMissing(v) {
		return err
	}
	return s.q.push(held{i, v})
}

func (s *listSlider) remove(_ *partition, i int) error {
	if s.q.len() > 0 && s.q.vals[s.q.head].row == i {
		s.q.pop()
	}
	return nil
}

func (s *listSlider) result(*partition) (bsonx.Value, error) {
	s.vals = s.vals[:0]
	for _, h := range s.q.vals[s.q.head:] {
		s.vals = append(s.vals, h.v)
	}
	s.buf = bsonx.AppendArray(s.buf[:0], s.vals)
	return bsonx.ArrValue(s.buf), nil
}

// sliders are the accumulators that can take rows back.
func newSlider(name string, e expr.Expr) func() slider {
	switch name {
	case "$sum", "$count":
		return func() slider { return &sumSlider{e: e} }
	case "$avg":
		return func() slider { return &sumSlider{e: e, avg: true} }
	case "$min", "$max":
		return func() slider { return &extremeSlider{e: e, max: name == "$max"} }
	case "$push":
		return func() slider { return &listSlider{e: e} }
	}
	return nil
}
