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
	// parts are the areas between neighbours, if rows leave the window.
	parts []bsonx.Value
}

func (r *integralRun) value(i int) (bsonx.Value, error) {
	lo, hi, ok, err := r.p.ends(&r.f.b, i)
	if err != nil || !ok {
		return bsonx.NullValue, err
	}
	if r.hi < 0 || lo < r.lo || hi < r.hi || lo > r.hi || r.nan && lo != r.lo {
		r.lo, r.hi, r.nan = lo, lo-1, false
		r.sum, r.x = bsonx.Int32Value(0), bsonx.Value{}
		r.parts = r.parts[:0]
	}
	for r.hi < hi {
		r.hi++
		if err := r.add(r.hi); err != nil {
			return bsonx.Value{}, err
		}
	}
	for ; r.lo < lo && len(r.parts) > 0; r.lo++ {
		if r.sum, err = r.p.do("$subtract", r.sum, r.parts[0]); err != nil {
			return r.sum, err
		}
		r.parts = r.parts[1:]
	}
	if r.lo = lo; len(r.parts) == 0 && !r.f.b.lower.unbounded {
		r.sum = bsonx.Int32Value(0)
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
	if !r.f.b.lower.unbounded {
		r.parts = append(r.parts, bsonx.Clone(area))
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

// covarianceRun is the online algorithm over the values themselves, so that types
// and rounding are those of the operators: means are sums over counts, and each
// pair adds (x - mean of the x before) × (y - mean of the y with it).
type covarianceRun struct {
	f      *covarianceFunc
	p      *partition
	lo, hi int
	begun  bool
	n      int64
	x, y   bsonx.Value // sums
	c      bsonx.Value
	odd    []float64 // what is not finite
	oddDec bool
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
	if !r.begun || lo < r.lo || hi < r.hi || lo > r.hi {
		r.reset(lo)
	}
	for r.hi < hi {
		r.hi++
		v, err := r.p.eval(r.f.e, r.hi)
		if err != nil {
			return v, err
		}
		if err := r.add(bsonx.Clone(v)); err != nil {
			return v, err
		}
	}
	for ; r.lo < lo; r.lo++ {
		v, err := r.p.eval(r.f.e, r.lo)
		if err != nil {
			return v, err
		}
		if err := r.remove(bsonx.Clone(v)); err != nil {
			return v, err
		}
	}
	return r.result()
}

func (r *covarianceRun) reset(lo int) {
	zero := bsonx.Int32Value(0)
	*r = covarianceRun{f: r.f, p: r.p, begun: true, lo: lo, hi: lo - 1, x: zero, y: zero, c: zero}
}

// remove takes a pair back: the inverse of add.
func (r *covarianceRun) remove(v bsonx.Value) (err error) {
	x, y, ok := pairOf(v)
	switch {
	case !ok:
		return nil
	case !finite(x) || !finite(y):
		r.odd = r.odd[1:] // they leave in the order in which they came
		return nil
	case r.n == 1:
		r.n, r.x, r.y, r.c = 0, bsonx.Int32Value(0), bsonx.Int32Value(0), bsonx.Int32Value(0)
		return nil
	}
	dy, err := r.from(y, r.y)
	if err != nil {
		return err
	}
	dy = bsonx.Clone(dy)
	r.n--
	if r.x, err = r.p.do("$subtract", r.x, x); err != nil {
		return err
	}
	if r.y, err = r.p.do("$subtract", r.y, y); err != nil {
		return err
	}
	dx, err := r.from(x, r.x)
	if err != nil {
		return err
	}
	d, err := r.p.do("$multiply", dx, dy)
	if err != nil {
		return err
	}
	r.c, err = r.p.do("$subtract", r.c, d)
	return err
}

// pairOf returns the two numbers of an input; ok is false for any other input.
func pairOf(v bsonx.Value) (x, y bsonx.Value, ok bool) {
	if v.Type != bsonx.Array || bsonx.Len(v.Data) != 2 {
		return x, y, false
	}
	x, y = bsonx.LookupIndex(v.Data, 0), bsonx.LookupIndex(v.Data, 1)
	return x, y, bsonx.IsNumber(x) && bsonx.IsNumber(y)
}

func (r *covarianceRun) add(v bsonx.Value) (err error) {
	x, y, ok := pairOf(v)
	if !ok {
		return nil
	}
	if !finite(x) || !finite(y) {
		r.odd = append(r.odd, oddOf(numeric.ToFloat(x), numeric.ToFloat(y)))
		r.oddDec = r.oddDec || x.Type == bsonx.Decimal128 || y.Type == bsonx.Decimal128
		return nil
	}
	var dx bsonx.Value
	if r.n > 0 {
		if dx, err = r.from(x, r.x); err != nil {
			return err
		}
	}
	r.n++
	if r.x, err = r.p.do("$add", r.x, x); err != nil {
		return err
	}
	if r.y, err = r.p.do("$add", r.y, y); err != nil || r.n == 1 {
		return err
	}
	dy, err := r.from(y, r.y)
	if err != nil {
		return err
	}
	d, err := r.p.do("$multiply", dx, dy)
	if err != nil {
		return err
	}
	r.c, err = r.p.do("$add", r.c, d)
	return err
}

// from returns v minus the mean of a sum.
func (r *covarianceRun) from(v, sum bsonx.Value) (bsonx.Value, error) {
	m := bsonx.DoubleValue(floatOf(sum) / float64(r.n))
	if sum.Type == bsonx.Decimal128 {
		r.out.Reset()
		m = numeric.Put(&r.out, numeric.Quo(numeric.FromValue(sum), numeric.FromInt64(r.n)))
	}
	return r.p.do("$subtract", v, m)
}

// finite reports whether a number is neither infinite nor NaN.
func finite(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		return !math.IsNaN(bsonx.F64(v)) && !math.IsInf(bsonx.F64(v), 0)
	case bsonx.Decimal128:
		h, _ := bsonx.DecimalBits(v)
		return h>>58&0x1f < 0x1e
	}
	return true
}

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

func (r *covarianceRun) result() (bsonx.Value, error) {
	if r.n == 1 && !r.f.sample {
		return bsonx.DoubleValue(0), nil
	}
	n := r.n
	if r.f.sample {
		n--
	}
	if n <= 0 {
		return bsonx.NullValue, nil
	}
	if len(r.odd) > 0 {
		var s float64
		for _, f := range r.odd {
			s += f
		}
		if r.oddDec && !math.IsNaN(s) {
			r.out.Reset()
			return numeric.Put(&r.out, numeric.FromFloat(s)), nil
		}
		return bsonx.DoubleValue(s), nil
	}
	if r.c.Type == bsonx.Decimal128 {
		r.out.Reset()
		return numeric.Put(&r.out, numeric.Quo(numeric.FromValue(r.c), numeric.FromFloat(float64(n)))), nil
	}
	return bsonx.DoubleValue(floatOf(r.c) / float64(n)), nil
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
