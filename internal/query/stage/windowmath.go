package stage

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
)

// derivativeFunc is $derivative: rise over run between the window's ends.
type derivativeFunc struct {
	e       expr.Expr
	b       bounds
	perUnit int64 // milliseconds of the unit; 0: sortBy is a number
}

func (f *derivativeFunc) open(p *partition) windowRun { return &derivativeRun{f, p} }

type derivativeRun struct {
	f *derivativeFunc
	p *partition
}

func (r *derivativeRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil || !ok {
		return bsonx.NullValue, err
	}
	x1, y1, err := r.point(lo)
	if err != nil {
		return x1, err
	}
	x2, y2, err := r.point(hi)
	if err != nil {
		return x2, err
	}
	if err := checkTimes("$derivative", r.f.perUnit, x1, x2); err != nil {
		return x1, err
	}
	run, err := r.p.do("$subtract", x2, x1)
	if err != nil {
		return run, err
	}
	rise, err := r.p.do("$subtract", y2, y1)
	if err != nil {
		return rise, err
	}
	if bsonx.IsNullish(rise) {
		return rise, errcode.New(5624903, "$derivative input must not be null or missing")
	}
	if bsonx.Equal(run, bsonx.Int32Value(0)) {
		return bsonx.NullValue, nil
	}
	v, err := r.p.do("$divide", rise, run)
	if err != nil || r.f.perUnit == 0 {
		return v, err
	}
	return r.p.do("$multiply", v, bsonx.Int64Value(r.f.perUnit))
}

func (r *derivativeRun) point(i int) (x, y bsonx.Value, err error) {
	if x, err = r.p.sortValue(i); err != nil {
		return x, y, err
	}
	x = bsonx.Clone(x)
	y, err = r.p.eval(r.f.e, i)
	return x, bsonx.Clone(y), err
}

func checkTimes(fn string, perUnit int64, x1, x2 bsonx.Value) error {
	switch {
	case perUnit > 0 && (x1.Type != bsonx.Date || x2.Type != bsonx.Date):
		return errcode.New(5624900, "%s with 'unit' expects the sortBy field to be a Date", fn)
	case perUnit == 0 && (x1.Type == bsonx.Date || x2.Type == bsonx.Date):
		return errcode.New(5624901, "%s where the sortBy is a Date requires an 'unit'", fn)
	case perUnit == 0 && !(bsonx.IsNumber(x1) && bsonx.IsNumber(x2)):
		return errcode.New(5624902, "%s (with no 'unit') expects the sortBy field to be numeric", fn)
	}
	return nil
}

// integralFunc is $integral, by the trapezoidal rule.
type integralFunc struct {
	e       expr.Expr
	b       bounds
	perUnit int64
}

func (f *integralFunc) open(p *partition) windowRun { return &integralRun{f: f, p: p, hi: -1} }

type integralRun struct {
	f      *integralFunc
	p      *partition
	lo, hi int
	sum    bsonx.Value
	nan    bool
	x, y   bsonx.Value // of row hi
}

func (r *integralRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil || !ok {
		return bsonx.NullValue, err
	}
	if r.hi < 0 || lo != r.lo || hi < r.hi {
		r.lo, r.hi, r.nan = lo, lo-1, false
		r.sum, r.x = bsonx.Int32Value(0), bsonx.Value{}
	}
	for r.hi < hi {
		r.hi++
		if err := r.add(r.hi); err != nil {
			return bsonx.Value{}, err
		}
	}
	switch {
	case r.nan:
		return bsonx.DoubleValue(math.NaN()), nil
	case r.f.perUnit > 0:
		return r.p.do("$divide", r.sum, bsonx.Int64Value(r.f.perUnit))
	}
	return r.sum, nil
}

func (r *integralRun) add(i int) error {
	v, err := r.p.sortValue(i)
	if err != nil {
		return err
	}
	x := bsonx.Clone(v)
	if v, err = r.p.eval(r.f.e, i); err != nil {
		return err
	}
	y := bsonx.Clone(v)
	switch {
	case !bsonx.IsNumber(y) || !bsonx.IsNumber(x) && x.Type != bsonx.Date:
		return errcode.New(5423900, "The input value of $integral window function must be a vector of 2 value, the first value must be numeric or date type and the second must be numeric.")
	case r.f.perUnit > 0 && x.Type != bsonx.Date:
		return errcode.New(5423901, "$integral with 'unit' expects the sortBy field to be a Date")
	case r.f.perUnit == 0 && x.Type == bsonx.Date:
		return errcode.New(5423902, "$integral (with no 'unit') expects the sortBy field to be numeric")
	}
	prevX, prevY := r.x, r.y
	r.x, r.y = x, y
	if isNaN(x) || isNaN(y) {
		r.nan = true
		return nil
	}
	if prevX.Type == bsonx.Missing || r.nan {
		return nil
	}
	return r.trapezoid(prevX, prevY)
}

func (r *integralRun) trapezoid(px, py bsonx.Value) error {
	dx, err := r.p.do("$subtract", r.x, px)
	if err != nil {
		return err
	}
	sy, err := r.p.do("$add", r.y, py)
	if err != nil {
		return err
	}
	area, err := r.p.do("$multiply", sy, dx)
	if err != nil {
		return err
	}
	if area, err = r.p.do("$divide", area, bsonx.DoubleValue(2)); err != nil {
		return err
	}
	r.sum, err = r.p.do("$add", r.sum, area)
	return err
}

func isNaN(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		return math.IsNaN(bsonx.F64(v))
	case bsonx.Decimal128:
		return bsonx.DecimalIsNaN(v)
	}
	return false
}

// covarianceFunc is $covariancePop and $covarianceSamp, over pairs of numbers;
// other input has no effect.
type covarianceFunc struct {
	e      expr.Expr
	b      bounds
	sample bool
}

func (f *covarianceFunc) open(p *partition) windowRun { return &covarianceRun{f: f, p: p, hi: -1} }

// covarianceRun keeps the running sums in doubles, and in decimals once there is
// one.
type covarianceRun struct {
	f      *covarianceFunc
	p      *partition
	lo, hi int
	begun  bool
	n      int64
	odd    []float64 // what is not finite
	x, y   float64   // sums
	c      float64
	dec    bool
	dx, dy *numeric.Decimal
	dc     *numeric.Decimal
	out    bsonx.Arena
}

func (r *covarianceRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil {
		return bsonx.Value{}, err
	}
	if !ok {
		return bsonx.NullValue, nil
	}
	if !r.begun || lo != r.lo || hi < r.hi {
		*r = covarianceRun{f: r.f, p: r.p, begun: true, lo: lo, hi: lo - 1,
			dx: numeric.FromInt64(0), dy: numeric.FromInt64(0), dc: numeric.FromInt64(0)}
	}
	for r.hi < hi {
		r.hi++
		v, err := r.p.eval(r.f.e, r.hi)
		if err != nil {
			return v, err
		}
		r.add(v)
	}
	return r.result(), nil
}

func (r *covarianceRun) add(v bsonx.Value) {
	if v.Type != bsonx.Array || bsonx.Len(v.Data) != 2 {
		return
	}
	a, b := bsonx.LookupIndex(v.Data, 0), bsonx.LookupIndex(v.Data, 1)
	if !bsonx.IsNumber(a) || !bsonx.IsNumber(b) {
		return
	}
	r.dec = r.dec || a.Type == bsonx.Decimal128 || b.Type == bsonx.Decimal128
	x, y := numeric.ToFloat(a), numeric.ToFloat(b)
	if !finite(x) || !finite(y) {
		r.odd = append(r.odd, oddOf(x, y))
		return
	}
	r.n++
	if r.n > 1 {
		dx := x - r.x/float64(r.n-1)
		r.c += dx * (y - (r.y+y)/float64(r.n))
	}
	r.x, r.y = r.x+x, r.y+y
	r.addDecimal(numeric.FromValue(a), numeric.FromValue(b))
}

func (r *covarianceRun) addDecimal(x, y *numeric.Decimal) {
	sx, sy := numeric.Add(r.dx, x), numeric.Add(r.dy, y)
	if r.n > 1 {
		dx := numeric.Sub(x, numeric.Quo(r.dx, numeric.FromInt64(r.n-1)))
		dy := numeric.Sub(y, numeric.Quo(sy, numeric.FromInt64(r.n)))
		r.dc = numeric.Add(r.dc, numeric.Mul(dx, dy))
	}
	r.dx, r.dy = sx, sy
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// oddOf is what a pair that is not finite adds to the sum.
func oddOf(x, y float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0) && math.IsInf(y, 0) && math.Signbit(x) != math.Signbit(y):
		return math.NaN()
	case math.IsInf(x, 1) || math.IsInf(y, 1):
		return math.Inf(1)
	}
	return math.Inf(-1)
}

func (r *covarianceRun) result() bsonx.Value {
	r.out.Reset()
	if r.n == 1 && !r.f.sample {
		return r.out.Double(0)
	}
	n := r.n
	if r.f.sample {
		n--
	}
	if n <= 0 {
		return bsonx.NullValue
	}
	if len(r.odd) > 0 {
		var s float64
		for _, f := range r.odd {
			s += f
		}
		if r.dec {
			return numeric.Put(&r.out, numeric.FromFloat(s))
		}
		return r.out.Double(s)
	}
	if r.dec {
		return numeric.Put(&r.out, numeric.Quo(r.dc, numeric.FromFloat(float64(n))))
	}
	return r.out.Double(r.c / float64(n))
}

// scalerFunc is $minMaxScaler: where a value lies between the window's smallest
// and largest, scaled to [min, max].
type scalerFunc struct {
	e        expr.Expr
	b        bounds
	min, max bsonx.Value
}

func (f *scalerFunc) open(p *partition) windowRun { return &scalerRun{f: f, p: p, hi: -1} }

type scalerRun struct {
	f      *scalerFunc
	p      *partition
	lo, hi int
	begun  bool
	least  bsonx.Value
	most   bsonx.Value
}

func (r *scalerRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil || !ok {
		return bsonx.NullValue, err
	}
	if !r.begun || lo != r.lo || hi < r.hi {
		r.begun, r.lo, r.hi, r.least, r.most = true, lo, lo-1, bsonx.Value{}, bsonx.Value{}
	}
	for r.hi < hi {
		r.hi++
		v, err := r.number(r.hi)
		if err != nil {
			return v, err
		}
		if r.least.Type == bsonx.Missing || bsonx.Compare(v, r.least) < 0 {
			r.least = v
		}
		if r.most.Type == bsonx.Missing || bsonx.Compare(v, r.most) > 0 {
			r.most = v
		}
	}
	v, err := r.number(i)
	if err != nil {
		return v, err
	}
	return r.scale(v)
}

func (r *scalerRun) number(i int) (bsonx.Value, error) {
	v, err := r.p.eval(r.f.e, i)
	if err == nil && !bsonx.IsNumber(v) {
		err = errcode.New(10487000, "'input' argument to $minMaxScaler must evaluate to a numeric type, found %s", bsonx.TypeName(v.Type))
	}
	return bsonx.Clone(v), err
}

func (r *scalerRun) scale(v bsonx.Value) (bsonx.Value, error) {
	if bsonx.Equal(r.least, r.most) {
		return r.f.min, nil
	}
	a, err := r.p.do("$subtract", v, r.least)
	if err != nil {
		return a, err
	}
	b, err := r.p.do("$subtract", r.most, r.least)
	if err != nil {
		return b, err
	}
	if a, err = r.p.do("$divide", a, b); err != nil {
		return a, err
	}
	if b, err = r.p.do("$subtract", r.f.max, r.f.min); err != nil {
		return b, err
	}
	if a, err = r.p.do("$multiply", a, b); err != nil {
		return a, err
	}
	return r.p.do("$add", a, r.f.min)
}
