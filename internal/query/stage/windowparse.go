package stage

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
)

// windowCall is one function of an output field, taken apart.
type windowCall struct {
	name   string
	arg    bsonx.Value
	window bsonx.Value // missing if there is none
	b      bounds
	order  *SortOrder
	pc     *ParseContext
}

func (c *windowCall) fail(format string, args ...any) error {
	return errcode.New(errcode.FailedToParse, format, args...)
}

func (c *windowCall) compile(v bsonx.Value) (expr.Expr, error) { return expr.Compile(v, c.pc.Scope) }

// windowRow is a row of the table of window functions.
type windowRow struct {
	name    string
	compile func(c *windowCall) (windowFunc, error)
	bare    bool // takes no window
}

// windowFunctions lists the functions that are not accumulators as well.
func windowFunctions() []windowRow {
	return []windowRow{
		{"$covariancePop", compileCovariance, false},
		{"$covarianceSamp", compileCovariance, false},
		{"$denseRank", compileRank, true},
		{"$derivative", compileDerivative, false},
		{"$documentNumber", compileRank, true},
		{"$expMovingAvg", compileMoving, true},
		{"$first", compileEdge, false},
		{"$integral", compileIntegral, false},
		{"$last", compileEdge, false},
		{"$linearFill", compileLinearFill, true},
		{"$locf", compileLocf, true},
		{"$minMaxScaler", compileScaler, false},
		{"$rank", compileRank, true},
		{"$shift", compileShift, true},
	}
}

func findWindow(n string) *windowRow {
	rows := windowFunctions()
	for i := range rows {
		if rows[i].name == n {
			return &rows[i]
		}
	}
	if expr.IsAccumulator(n) && n != "$accumulator" {
		return &windowRow{n, compileWindowAcc, false}
	}
	return nil
}

// parseWindowFunc parses {$function: …, window: {…}}.
func parseWindowFunc(spec []byte, order *SortOrder, pc *ParseContext) (windowFunc, error) {
	c := &windowCall{order: order, pc: pc, b: wholePartition()}
	var row *windowRow
	for it := bsonx.NewIter(spec); it.Next() && row == nil; {
		if k := string(it.Key()); k != "" && k[0] == '$' {
			if row = findWindow(k); row == nil {
				return nil, c.fail("Unrecognized window function, %s", k)
			}
			c.name, c.arg = k, it.Value()
		}
	}
	if row == nil {
		return nil, c.fail("Expected a $-prefixed window function")
	}
	for it := bsonx.NewIter(spec); it.Next(); {
		switch k := string(it.Key()); {
		case k == "window":
			c.window = it.Value()
		case k != c.name && len(k) > 0 && k[0] == '$' && findWindow(k) != nil:
			return nil, c.fail("Cannot specify two functions in window function spec")
		case k != c.name:
			return nil, c.unknown(k)
		}
	}
	if row.bare && c.window.Type != bsonx.Missing {
		return nil, c.noWindow()
	}
	if c.window.Type != bsonx.Missing {
		var err error
		if c.b, err = parseBounds(c.window, order, pc.Scope); err != nil {
			return nil, err
		}
	}
	return row.compile(c)
}

func isRank(n string) bool { return n == "$rank" || n == "$denseRank" || n == "$documentNumber" }

func (c *windowCall) unknown(k string) error {
	if isRank(c.name) {
		return errcode.New(5371601, "Rank style window functions take no other arguments")
	}
	return c.fail("Window function found an unknown argument: %s", k)
}

func (c *windowCall) noWindow() error {
	if isRank(c.name) {
		return errcode.New(5371601, "Rank style window functions take no other arguments")
	}
	return c.fail("'window' field is not allowed in %s", c.name)
}

// compileWindowAcc compiles an accumulator; unlike in $group its argument may be
// an array of expressions.
func compileWindowAcc(c *windowCall) (windowFunc, error) {
	arg := c.arg
	if arg.Type == bsonx.Array {
		b := bsonx.NewDoc(nil)
		let := b.OpenDoc("$let")
		b.Doc("vars", bsonx.EmptyDoc)
		b.Value("in", arg)
		b.Close(let)
		arg = bsonx.DocValue(b.Done())
	}
	acc, err := expr.CompileAccumulator(c.name, arg, c.pc.Scope)
	if err != nil {
		return nil, err
	}
	if (c.name == "$stdDevPop" || c.name == "$stdDevSamp") && !c.b.lower.unbounded {
		e, err := c.compile(c.arg)
		return &deviationFunc{e: e, b: c.b, sample: c.name == "$stdDevSamp"}, err
	}
	if f, err := c.sliding(); f != nil || err != nil {
		return f, err
	}
	return &accFunc{acc: acc, b: c.b}, nil
}

// sliding returns the function as one that rows can leave; nil if there is none,
// or none leave: a sum that only grows is exact.
func (c *windowCall) sliding() (windowFunc, error) {
	arg := c.arg
	if c.name == "$count" {
		arg = bsonx.Int32Value(1)
	}
	if c.b.lower.unbounded || newSlider(c.name, nil) == nil {
		return nil, nil
	}
	e, err := c.compile(arg)
	return &slideFunc{b: c.b, new: newSlider(c.name, e)}, err
}

func compileEdge(c *windowCall) (windowFunc, error) {
	e, err := c.compile(c.arg)
	return &edgeFunc{e: e, b: c.b, last: c.name == "$last", def: bsonx.NullValue}, err
}

func compileRank(c *windowCall) (windowFunc, error) {
	if c.arg.Type != bsonx.Object || !bsonx.IsEmpty(c.arg.Data) {
		return nil, errcode.New(5371603, "%s must be specified with '{}' as the value", c.name)
	}
	// $documentNumber needs an order only; ranks are about one value.
	if c.order == nil || len(c.order.keys) != 1 && c.name != "$documentNumber" {
		return nil, errcode.New(5371602, "%s must be specified with a top level sortBy expression with exactly one element", c.name)
	}
	return &rankFunc{c.name}, nil
}

func compileLocf(c *windowCall) (windowFunc, error) {
	e, err := c.compile(c.arg)
	return &locfFunc{e}, err
}

func compileLinearFill(c *windowCall) (windowFunc, error) {
	e, err := c.compile(c.arg)
	if err == nil && (c.order == nil || len(c.order.keys) != 1) {
		err = errcode.New(605001, "$linearFill must be specified with a top level sortBy expression with exactly one element")
	}
	return &fillFunc{e}, err
}

func compileCovariance(c *windowCall) (windowFunc, error) {
	e, err := c.compile(c.arg)
	return &covarianceFunc{e: e, b: c.b, sample: c.name == "$covarianceSamp"}, err
}

func compileMoving(c *windowCall) (windowFunc, error) {
	if c.arg.Type != bsonx.Object {
		return nil, c.fail("$expMovingAvg must have exactly one argument that is an object")
	}
	input := bsonx.Lookup(c.arg.Data, "input")
	if bsonx.Len(c.arg.Data) != 2 || input.Type == bsonx.Missing {
		return nil, c.fail("$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an 'alpha' field")
	}
	if c.order == nil {
		return nil, c.fail("$expMovingAvg requires an explicit 'sortBy'")
	}
	e, err := c.compile(input)
	if err != nil {
		return nil, err
	}
	alpha, err := c.alpha(bsonx.Lookup(c.arg.Data, "N"), bsonx.Lookup(c.arg.Data, "alpha"))
	return &movingFunc{e: e, alpha: alpha}, err
}

// alpha returns the weight of a new value: given, or 2 / (N + 1).
func (c *windowCall) alpha(n, alpha bsonx.Value) (*numeric.Decimal, error) {
	one := numeric.FromInt64(1)
	switch {
	case n.Type != bsonx.Missing:
		whole, ok := bsonx.IntegralOK(n)
		if !ok {
			return nil, c.fail("'N' field must be an integer")
		}
		if whole <= 0 {
			return nil, c.fail("'N' must be greater than zero. Got %d", whole)
		}
		return numeric.Quo(numeric.FromInt64(2), numeric.Add(numeric.FromInt64(whole), one)), nil
	case alpha.Type == bsonx.Missing:
		return nil, c.fail("Got unrecognized field in $expMovingAvg")
	case !bsonx.IsNumber(alpha):
		return nil, c.fail("'alpha' must be a number")
	}
	a := numeric.FromValue(alpha)
	if f := floatOf(alpha); !(f > 0 && f < 1) {
		return nil, c.fail("'alpha' must be between 0 and 1 (exclusive)")
	}
	return a, nil
}

// overTime parses {input, unit} of $derivative and $integral.
func (c *windowCall) overTime() (e expr.Expr, perUnit int64, err error) {
	switch {
	case c.order == nil:
		return nil, 0, c.fail("%s requires a sortBy", c.name)
	case len(c.order.keys) != 1:
		return nil, 0, c.fail("%s requires a non-compound sortBy", c.name)
	case c.order.keys[0].meta != "":
		return nil, 0, c.fail("%s requires a non-expression sortBy", c.name)
	case c.arg.Type != bsonx.Object:
		return nil, 0, c.fail("%s expects an object, but got a %s", c.name, bsonx.TypeName(c.arg.Type))
	}
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		switch string(it.Key()) {
		case "input":
			e, err = c.compile(it.Value())
		case "unit":
			perUnit, err = c.unit(it.Value())
		default:
			err = c.fail("%s got unexpected argument: %s", c.name, it.Key())
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if e == nil {
		err = c.fail("%s requires an 'input' expression", c.name)
	}
	return e, perUnit, err
}

func (c *windowCall) unit(v bsonx.Value) (int64, error) {
	s, ok := stringOf(v)
	if !ok {
		return 0, c.fail("'unit' must be a string, but got %s", bsonx.TypeName(v.Type))
	}
	u, ok := dates.ParseUnit(s)
	if !ok {
		return 0, c.fail("unknown time unit value: %s", s)
	}
	if u > dates.UnitWeek {
		return 0, errcode.New(5490710, "unit must be 'week' or smaller")
	}
	ms, _ := dates.Add(0, u, 1, dates.UTC)
	return ms, nil
}

func compileDerivative(c *windowCall) (windowFunc, error) {
	e, per, err := c.overTime()
	if err == nil && c.window.Type == bsonx.Missing {
		err = c.fail("$derivative requires explicit window bounds")
	}
	return &derivativeFunc{e: e, b: c.b, perUnit: per}, err
}

func compileIntegral(c *windowCall) (windowFunc, error) {
	e, per, err := c.overTime()
	return &integralFunc{e: e, b: c.b, perUnit: per}, err
}

func compileShift(c *windowCall) (windowFunc, error) {
	if c.arg.Type != bsonx.Object {
		return nil, c.fail("Argument to $shift must be an object")
	}
	f := &edgeFunc{def: bsonx.NullValue}
	by := bsonx.Value{}
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		var err error
		switch string(it.Key()) {
		case "output":
			f.e, err = c.compile(it.Value())
		case "default":
			var d expr.Expr
			if d, err = c.compile(it.Value()); err == nil {
				v, ok := expr.Constant(d)
				if !ok {
					return nil, c.fail("'$shift:default' expression must yield a constant value.")
				}
				f.def = v
			}
		case "by":
			by = it.Value()
			if n, ok := bsonx.IntegralOK(by); !ok || n > math.MaxInt32 || n < math.MinInt32 {
				return nil, c.fail("'$shift:by' field must be an integer")
			}
		default:
			err = c.fail("Unknown argument in $shift")
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case f.e == nil:
		return nil, c.fail("$shift requires an 'output' expression.")
	case by.Type == bsonx.Missing:
		return nil, c.fail("$shift requires 'by' as an integer value.")
	case c.order == nil:
		return nil, c.fail("'$shift' requires a sortBy")
	}
	f.b = bounds{lower: bound{n: bsonx.Clone(by)}, upper: bound{n: bsonx.Clone(by)}}
	return f, nil
}

func compileScaler(c *windowCall) (windowFunc, error) {
	if c.arg.Type != bsonx.Object {
		return nil, c.fail("$minMaxScaler expects an object, but got a %s", bsonx.TypeName(c.arg.Type))
	}
	f := &scalerFunc{b: c.b, min: bsonx.Int32Value(0), max: bsonx.Int32Value(1)}
	given := 0
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		var err error
		switch k := string(it.Key()); k {
		case "input":
			f.e, err = c.compile(it.Value())
		case "min":
			f.min, err = c.number(k, it.Value())
			given++
		case "max":
			f.max, err = c.number(k, it.Value())
			given++
		default:
			err = c.fail("$minMaxScaler got unexpected internal argument: '%s'", k)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case f.e == nil:
		return nil, c.fail("$minMaxScaler requires an 'input' expression")
	case given == 1:
		return nil, c.fail("Only one of 'min' and 'max' were specified as an argument to $minMaxScaler. Neither or both must be specified")
	case bsonx.Compare(f.min, f.max) >= 0:
		return nil, c.fail("the 'max' must be strictly greater than 'min', as arguments to $minMaxScaler")
	}
	return f, c.aroundCurrent()
}

// aroundCurrent checks that a window has the current document in it.
func (c *windowCall) aroundCurrent() error {
	lo, hi := c.b.lower, c.b.upper
	if lo.n.Type != bsonx.Missing && floatOf(lo.n) > 0 {
		return c.fail("Lower specified bound cannot be greater than 0 (the current doc), as $minMaxScaler must ensure that the current document being processed is always within the configured window.")
	}
	if hi.n.Type != bsonx.Missing && floatOf(hi.n) < 0 {
		return c.fail("Upper specified bound cannot be less than 0 (the current doc), as $minMaxScaler must ensure that the current document being processed is always within the configured window.")
	}
	return nil
}

func (c *windowCall) number(name string, v bsonx.Value) (bsonx.Value, error) {
	e, err := c.compile(v)
	if err != nil {
		return v, err
	}
	k, ok := expr.Constant(e)
	if !ok {
		return v, c.fail("'%s' argument to $minMaxScaler must be a constant", name)
	}
	if !bsonx.IsNumber(k) {
		return v, c.fail("'%s' argument to $minMaxScaler must be a numeric type", name)
	}
	return k, nil
}
