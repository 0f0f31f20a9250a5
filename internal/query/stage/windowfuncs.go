package stage

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
)

// windowFunc is a compiled function of an output field: immutable.
type windowFunc interface{ open(p *partition) windowRun }

// windowRun computes a function's values over one partition. value is called for
// row 0, 1, 2 …; its result is valid until the next call.
type windowRun interface {
	value(i int) (bsonx.Value, error)
}

// accFunc is an accumulator over a window.
type accFunc struct {
	acc expr.Accumulator
	b   bounds
}

// deviationFunc is $stdDevPop and $stdDevSamp over a window that rows leave, where
// MongoDB removes them one by one: unlike the accumulator it gives null for what
// is not finite, and the int 0 for no deviation.
type deviationFunc struct {
	e      expr.Expr
	b      bounds
	sample bool
}

func (f *deviationFunc) open(p *partition) windowRun { return &deviationRun{f: f, p: p, hi: -1} }

type deviationRun struct {
	f      *deviationFunc
	p      *partition
	lo, hi int // rows lo to hi are counted
	n, odd int64
	sum    float64
	m2     float64
}

func (r *deviationRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil {
		return bsonx.Value{}, err
	}
	if !ok || lo > r.hi { // nothing in common with the window before
		*r = deviationRun{f: r.f, p: r.p, lo: lo, hi: lo - 1}
	}
	if !ok {
		return bsonx.NullValue, nil
	}
	for ; r.hi < hi; r.hi++ {
		if err := r.update(r.hi+1, 1); err != nil {
			return bsonx.Value{}, err
		}
	}
	for ; r.lo < lo; r.lo++ {
		if err := r.update(r.lo, -1); err != nil {
			return bsonx.Value{}, err
		}
	}
	n := r.n
	if r.f.sample {
		n--
	}
	switch {
	case r.odd > 0 || n <= 0:
		return bsonx.NullValue, nil
	case r.m2 <= 0:
		return bsonx.Int32Value(0), nil
	}
	return bsonx.DoubleValue(math.Sqrt(r.m2 / float64(n))), nil
}

// update adds a row (sign 1) or removes it (sign -1).
func (r *deviationRun) update(i int, sign int64) error {
	v, err := r.p.eval(r.f.e, i)
	if err != nil || !bsonx.IsNumber(v) {
		return err
	}
	if !finite(v) {
		r.odd += sign
		return nil
	}
	f := floatOf(v)
	switch {
	case r.n == 0:
		r.n, r.sum = 1, f
		return nil
	case r.n+sign == 0:
		r.n, r.sum, r.m2 = 0, 0, 0
		return nil
	}
	x := float64(r.n)*f - r.sum
	r.n += sign
	r.sum += f * float64(sign)
	r.m2 += x * x / float64(r.n*(r.n-sign)) * float64(sign)
	return nil
}

func (f *accFunc) open(p *partition) windowRun { return &accRun{f: f, p: p, lo: 0, hi: -1} }

// accRun adds the rows that come into the window, and begins anew when rows
// leave it.
type accRun struct {
	f      *accFunc
	p      *partition
	st     expr.State
	lo, hi int // rows lo to hi are in st
	last   bsonx.Value
	valid  bool
}

func (r *accRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil {
		return bsonx.Value{}, err
	}
	if !ok {
		lo, hi = i, i-1 // an empty window
	}
	if r.valid && lo == r.lo && hi == r.hi {
		return r.last, nil
	}
	if r.st == nil || lo != r.lo || hi < r.hi {
		if err := r.begin(lo); err != nil {
			return bsonx.Value{}, err
		}
	}
	for r.hi < hi {
		r.hi++
		if err := r.p.at(r.hi); err != nil {
			return bsonx.Value{}, err
		}
		if err := r.st.Add(r.p.env); err != nil {
			return bsonx.Value{}, err
		}
	}
	v, err := r.st.Result(r.p.env)
	if v.Type == bsonx.Missing {
		v = bsonx.NullValue
	}
	r.last, r.valid = bsonx.Clone(v), true
	return r.last, err
}

func (r *accRun) begin(lo int) error {
	r.st, r.lo, r.hi = r.f.acc.New(), lo, lo-1
	return startState(r.st, r.p.env, bsonx.DocValue(bsonx.EmptyDoc))
}

// startState gives a state that reads the group's _id that _id.
func startState(st expr.State, env *expr.Env, id bsonx.Value) error {
	s, ok := st.(expr.Starter)
	if !ok {
		return nil
	}
	root := env.Root
	env.Root = id
	err := s.Start(env)
	env.Root = root
	return err
}

// edgeFunc is $first, $last and $shift: an expression on one row of the window.
type edgeFunc struct {
	e    expr.Expr
	b    bounds
	last bool
	def  bsonx.Value // for an empty window
}

func (f *edgeFunc) open(p *partition) windowRun { return &edgeRun{f, p} }

type edgeRun struct {
	f *edgeFunc
	p *partition
}

func (r *edgeRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil || !ok {
		return r.f.def, err
	}
	if r.f.last {
		lo = hi
	}
	return r.p.eval(r.f.e, lo)
}

// rankFunc is $rank, $denseRank and $documentNumber.
type rankFunc struct{ kind string }

func (f *rankFunc) open(p *partition) windowRun { return &rankRun{kind: f.kind, p: p} }

type rankRun struct {
	kind string
	p    *partition
	key  []byte
	rank int64
	out  bsonx.Arena
}

func (r *rankRun) value(i int) (bsonx.Value, error) {
	row, err := r.p.rows.row(i)
	if err != nil {
		return bsonx.Value{}, err
	}
	key, err := r.p.s.order.AppendKey(nil, row)
	if err != nil {
		return bsonx.Value{}, err
	}
	same := i > 0 && string(key) == string(r.key)
	r.key = key
	switch {
	case r.kind == "$documentNumber":
		r.rank = int64(i) + 1
	case same:
	case r.kind == "$rank":
		r.rank = int64(i) + 1
	default:
		r.rank++
	}
	r.out.Reset()
	return numeric.IntOrLong(&r.out, r.rank), nil
}

// locfFunc is $locf: the last value that was not null.
type locfFunc struct{ e expr.Expr }

func (f *locfFunc) open(p *partition) windowRun { return &locfRun{f: f, p: p, last: bsonx.NullValue} }

type locfRun struct {
	f    *locfFunc
	p    *partition
	last bsonx.Value
}

func (r *locfRun) value(i int) (bsonx.Value, error) {
	v, err := r.p.eval(r.f.e, i)
	if err == nil && !bsonx.IsNullish(v) {
		r.last = bsonx.Clone(v)
	}
	return r.last, err
}

// movingFunc is $expMovingAvg.
type movingFunc struct {
	e     expr.Expr
	alpha *numeric.Decimal
}

func (f *movingFunc) open(p *partition) windowRun {
	one := numeric.FromInt64(1)
	return &movingRun{f: f, p: p, rest: numeric.Sub(one, f.alpha)}
}

type movingRun struct {
	f       *movingFunc
	p       *partition
	rest    *numeric.Decimal
	sum     *numeric.Decimal
	decimal bool
	out     bsonx.Arena
}

func (r *movingRun) value(i int) (bsonx.Value, error) {
	v, err := r.p.eval(r.f.e, i)
	if err != nil {
		return v, err
	}
	if bsonx.IsNumber(v) {
		r.decimal = r.decimal || v.Type == bsonx.Decimal128
		d := numeric.FromValue(v)
		if r.sum == nil {
			r.sum = d
		} else {
			r.sum = numeric.Add(numeric.Mul(d, r.f.alpha), numeric.Mul(r.sum, r.rest))
		}
	}
	r.out.Reset()
	switch {
	case r.sum == nil:
		return bsonx.NullValue, nil
	case r.decimal:
		return numeric.Put(&r.out, r.sum), nil
	}
	return r.out.Double(numeric.Float(r.sum)), nil
}

// fillFunc is $linearFill: values between two known ones, along sortBy.
type fillFunc struct{ e expr.Expr }

func (f *fillFunc) open(p *partition) windowRun { return &fillRun{f: f, p: p} }

type point struct{ x, y bsonx.Value }

type fillRun struct {
	f       *fillFunc
	p       *partition
	lastX   bsonx.Value
	before  *point
	after   *point
	missing bool // there is no further point
}

func (r *fillRun) value(i int) (bsonx.Value, error) {
	v, err := r.p.eval(r.f.e, i)
	if err != nil {
		return v, err
	}
	y := bsonx.Clone(v)
	if !bsonx.IsNumber(y) && !bsonx.IsNullish(y) {
		return y, errcode.New(errcode.TypeMismatch, "Value to be filled must be numeric or nullish, but found %s", bsonx.TypeName(y.Type))
	}
	x, err := r.checkX(i)
	if err != nil {
		return y, err
	}
	if !bsonx.IsNullish(y) {
		r.before, r.after, r.missing = &point{x, y}, nil, false
		return y, nil
	}
	if r.before == nil {
		return bsonx.NullValue, nil
	}
	if r.after == nil && !r.missing {
		if err := r.find(i + 1); err != nil {
			return y, err
		}
	}
	if r.after == nil {
		return bsonx.NullValue, nil
	}
	return r.between(x)
}

func (r *fillRun) checkX(i int) (bsonx.Value, error) {
	v, err := r.p.sortValue(i)
	if err != nil {
		return v, err
	}
	x := bsonx.Clone(v)
	switch {
	case !bsonx.IsNumber(x) && !dateLike(x):
		return x, errcode.New(errcode.TypeMismatch, "Value of the sortBy field must be numeric or a date, but found %s", bsonx.TypeName(x.Type))
	case r.lastX.Type != bsonx.Missing && bsonx.Equal(x, r.lastX):
		return x, errcode.New(6050106, "There can be no repeated values in the sort field")
	case r.lastX.Type != bsonx.Missing && dateLike(x) != dateLike(r.lastX):
		return x, errcode.New(errcode.TypeMismatch, "Conflicting sort value types, previously received type %s, but found %s", bsonx.TypeName(r.lastX.Type), bsonx.TypeName(x.Type))
	}
	r.lastX = x
	return x, nil
}

func dateLike(v bsonx.Value) bool {
	return v.Type == bsonx.Date || v.Type == bsonx.Timestamp || v.Type == bsonx.ObjectID
}

// find looks for the next known point.
func (r *fillRun) find(from int) error {
	for i := from; i < r.p.rows.len(); i++ {
		v, err := r.p.eval(r.f.e, i)
		if err != nil {
			return err
		}
		if bsonx.IsNullish(v) {
			continue
		}
		y := bsonx.Clone(v)
		x, err := r.p.sortValue(i)
		if err != nil {
			return err
		}
		if !bsonx.IsNullish(x) {
			r.after = &point{bsonx.Clone(x), y}
			return nil
		}
	}
	r.missing = true
	return nil
}

// between returns y1 + (x - x1) × ((y2 - y1) / (x2 - x1)).
func (r *fillRun) between(x bsonx.Value) (bsonx.Value, error) {
	dy, err := r.p.do("$subtract", r.after.y, r.before.y)
	if err != nil {
		return dy, err
	}
	dx, err := r.p.do("$subtract", r.after.x, r.before.x)
	if err != nil {
		return dx, err
	}
	slope, err := r.p.do("$divide", dy, dx)
	if err != nil {
		return slope, err
	}
	run, err := r.p.do("$subtract", x, r.before.x)
	if err != nil {
		return run, err
	}
	rise, err := r.p.do("$multiply", run, slope)
	if err != nil {
		return rise, err
	}
	return r.p.do("$add", r.before.y, rise)
}
