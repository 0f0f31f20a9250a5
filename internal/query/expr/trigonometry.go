package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// trigFunc is a row of the table of trigonometric functions. Decimals give
// decimals, other numbers doubles.
type trigFunc struct {
	name    string
	double  func(float64) float64
	decimal func(*numeric.Decimal) *numeric.Decimal
	// lo and hi bound what the function is defined for; open bounds are not
	// included.
	lo, hi float64
	open   bool
}

var trigFuncs = []trigFunc{
	{"$acos", numeric.AcosFloat, numeric.Acos, -1, 1, false},
	{"$acosh", math.Acosh, numeric.Acosh, 1, math.Inf(1), false},
	{"$asin", numeric.AsinFloat, numeric.Asin, -1, 1, false},
	{"$asinh", math.Asinh, numeric.Asinh, math.Inf(-1), math.Inf(1), false},
	{"$atan", math.Atan, numeric.Atan, math.Inf(-1), math.Inf(1), false},
	{"$atanh", math.Atanh, numeric.Atanh, -1, 1, false},
	{"$cos", numeric.CosFloat, numeric.Cos, math.Inf(-1), math.Inf(1), true},
	{"$cosh", math.Cosh, numeric.Cosh, math.Inf(-1), math.Inf(1), false},
	{"$degreesToRadians", func(f float64) float64 { return f * (math.Pi / 180) }, numeric.Radians, math.Inf(-1), math.Inf(1), false},
	{"$radiansToDegrees", func(f float64) float64 { return f * (180 / math.Pi) }, numeric.Degrees, math.Inf(-1), math.Inf(1), false},
	{"$sin", numeric.SinFloat, numeric.Sin, math.Inf(-1), math.Inf(1), true},
	{"$sinh", math.Sinh, numeric.Sinh, math.Inf(-1), math.Inf(1), false},
	{"$tan", numeric.TanFloat, numeric.Tan, math.Inf(-1), math.Inf(1), true},
	{"$tanh", math.Tanh, numeric.Tanh, math.Inf(-1), math.Inf(1), false},
}

// trigonometryOperators are MongoDB's trigonometry operators.
func trigonometryOperators() []operator {
	ops := []operator{{name: "$atan2", min: 2, max: 2, eval: atan2}}
	for i := range trigFuncs {
		f := &trigFuncs[i]
		ops = append(ops, operator{name: f.name, min: 1, max: 1, eval: f.eval})
	}
	return ops
}

func (f *trigFunc) eval(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	v := args[0]
	if bsonx.IsNullish(v) {
		return bsonx.NullValue, nil
	}
	if !bsonx.IsNumber(v) {
		return bsonx.Value{}, errcode.New(errcode.Code(28765), "%s only supports numeric types, not %s", f.name, bsonx.TypeName(v.Type))
	}
	if v.Type == bsonx.Decimal128 {
		d := numeric.FromValue(v)
		if d.Form != apd.NaN && !f.covers(d) {
			return f.outside(numeric.Format(d))
		}
		return numeric.Put(&env.Arena, f.decimal(d)), nil
	}
	x := numeric.ToFloat(v)
	if x == x && (x < f.lo || x > f.hi || f.open && math.IsInf(x, 0)) {
		return f.outside(formatDouble(x, 6, "inf", "-inf", "nan"))
	}
	return env.Arena.Double(f.double(x)), nil
}

// covers compares exactly: a decimal just above 1 is not rounded into the range.
func (f *trigFunc) covers(d *numeric.Decimal) bool {
	if d.Form == apd.Infinite {
		inf := math.Inf(1)
		if d.Negative {
			inf = math.Inf(-1)
		}
		return !f.open && inf >= f.lo && inf <= f.hi
	}
	return (math.IsInf(f.lo, -1) || d.Cmp(numeric.FromInt64(int64(f.lo))) >= 0) &&
		(math.IsInf(f.hi, 1) || d.Cmp(numeric.FromInt64(int64(f.hi))) <= 0)
}

func (f *trigFunc) outside(v string) (bsonx.Value, error) {
	left, right := "[", "]"
	if f.open {
		left, right = "(", ")"
	}
	bound := func(x float64) string { return formatDouble(x, 6, "inf", "-inf", "nan") }
	return bsonx.Value{}, errcode.New(errcode.Code(50989), "cannot apply %s to %s, value must be in %s%s,%s%s",
		f.name, v, left, bound(f.lo), bound(f.hi), right)
}

func atan2(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	y, x := args[0], args[1]
	if bsonx.IsNullish(y) || bsonx.IsNullish(x) {
		return bsonx.NullValue, nil
	}
	for i, code := range []errcode.Code{51044, 51045} {
		if !bsonx.IsNumber(args[i]) {
			return bsonx.Value{}, errcode.New(code, "$atan2 only supports numeric types, not %s", bsonx.TypeName(args[i].Type))
		}
	}
	if y.Type == bsonx.Decimal128 || x.Type == bsonx.Decimal128 {
		return numeric.Put(&env.Arena, numeric.Atan2(numeric.FromValue(y), numeric.FromValue(x))), nil
	}
	return env.Arena.Double(math.Atan2(numeric.ToFloat(y), numeric.ToFloat(x))), nil
}
