package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

func absolute(env *Env, v bsonx.Value) (bsonx.Value, error) {
	switch v.Type {
	case bsonx.Double:
		return env.Arena.Double(math.Abs(bsonx.F64(v))), nil
	case bsonx.Decimal128:
		h, l := bsonx.DecimalBits(v)
		return env.Arena.Decimal(h&^(1<<63), l), nil
	}
	n := numeric.Long(v)
	if n == math.MinInt64 {
		return fail(errcode.Code(28680), "can't take $abs of long long min")
	}
	if n < 0 {
		n = -n
	}
	if v.Type == bsonx.Int64 {
		return env.Arena.Int64(n), nil
	}
	return numeric.IntOrLong(&env.Arena, n), nil
}

func ceil(env *Env, v bsonx.Value) (bsonx.Value, error) {
	return toWhole(env, v, math.Ceil, apd.RoundCeiling)
}

func floor(env *Env, v bsonx.Value) (bsonx.Value, error) {
	return toWhole(env, v, math.Floor, apd.RoundFloor)
}

// toWhole: an infinite decimal becomes NaN, as decimal128's quantize has it.
func toWhole(env *Env, v bsonx.Value, f func(float64) float64, mode apd.Rounder) (bsonx.Value, error) {
	switch v.Type {
	case bsonx.Double:
		return env.Arena.Double(f(bsonx.F64(v))), nil
	case bsonx.Decimal128:
		d := numeric.FromValue(v)
		if d.Form != apd.Finite {
			d = numeric.NaN()
		}
		return numeric.Put(&env.Arena, numeric.Fixed(d, 0, mode)), nil
	}
	return v, nil
}

// real applies a function to a number as a decimal if it is one, else a double.
func real(env *Env, v bsonx.Value, f func(float64) float64, d func(*numeric.Decimal) *numeric.Decimal) bsonx.Value {
	if v.Type == bsonx.Decimal128 {
		return numeric.Put(&env.Arena, d(numeric.FromValue(v)))
	}
	return env.Arena.Double(f(numeric.ToFloat(v)))
}

func exp(env *Env, v bsonx.Value) (bsonx.Value, error) {
	return real(env, v, math.Exp, numeric.Exp), nil
}

func sqrt(env *Env, v bsonx.Value) (bsonx.Value, error) {
	if isNegative(v) {
		return fail(errcode.Code(28714), "$sqrt's argument must be greater than or equal to 0")
	}
	return real(env, v, math.Sqrt, numeric.Sqrt), nil
}

func naturalLog(env *Env, v bsonx.Value) (bsonx.Value, error) {
	if isNaN(v) {
		return env.Arena.Double(math.NaN()), nil
	}
	if !isPositive(v) {
		return fail(errcode.Code(28766), "$ln's argument must be a positive number, but is %s", render(v))
	}
	return real(env, v, lnFloat, numeric.Ln), nil
}

func log10(env *Env, v bsonx.Value) (bsonx.Value, error) {
	if isNaN(v) {
		return env.Arena.Double(math.NaN()), nil
	}
	if !isPositive(v) {
		return fail(errcode.Code(28761), "$log10's argument must be a positive number, but is %s", render(v))
	}
	return real(env, v, log10Float, numeric.Log10), nil
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

// isNegative is false for NaN and -0.
func isNegative(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		return bsonx.F64(v) < 0
	case bsonx.Decimal128:
		h, _ := bsonx.DecimalBits(v)
		return h>>63 != 0 && !bsonx.DecimalIsNaN(v) && !bsonx.DecimalIsZero(v)
	}
	return numeric.Long(v) < 0
}

// isPositive is true for NaN.
func isPositive(v bsonx.Value) bool { return !isNegative(v) && bsonx.Truthy(v) }

func logarithm(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	v, base := args[0], args[1]
	if bsonx.IsNullish(v) || bsonx.IsNullish(base) {
		return bsonx.NullValue, nil
	}
	if !bsonx.IsNumber(v) {
		return fail(errcode.Code(28756), "$log's argument must be numeric, not %s", bsonx.TypeName(v.Type))
	}
	if !bsonx.IsNumber(base) {
		return fail(errcode.Code(28757), "$log's base must be numeric, not %s", bsonx.TypeName(base.Type))
	}
	if !isPositive(v) {
		return fail(errcode.Code(28758), "$log's argument must be a positive number, but is %s", render(v))
	}
	if !isPositive(base) || bsonx.Equal(base, bsonx.Int32Value(1)) {
		return fail(errcode.Code(28759),
			"$log's base must be a positive number not equal to 1, but is %s", render(base))
	}
	if isNaN(v) || isNaN(base) {
		return env.Arena.Double(math.NaN()), nil
	}
	if numeric.Widest(v.Type, base.Type) == bsonx.Decimal128 {
		return numeric.Put(&env.Arena, numeric.Log(numeric.FromValue(v), numeric.FromValue(base))), nil
	}
	return env.Arena.Double(lnFloat(numeric.ToFloat(v)) / lnFloat(numeric.ToFloat(base))), nil
}

// lnFloat is math.Log, which is wrong for subnormal numbers on some machines.
func lnFloat(f float64) float64 {
	if f > 0 && f < 0x1p-1022 {
		return math.Log(f*0x1p64) - 64*math.Ln2
	}
	return math.Log(f)
}

// log10Float is exact for powers of ten, unlike math.Log10.
func log10Float(f float64) float64 {
	r := lnFloat(f) * math.Log10E
	if n := math.Round(r); math.Abs(r-n) < 1e-9 && n >= -323 && n <= 308 && math.Pow10(int(n)) == f {
		return n
	}
	return r
}

func power(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	b, e := args[0], args[1]
	if bsonx.IsNullish(b) || bsonx.IsNullish(e) {
		return bsonx.NullValue, nil
	}
	if !bsonx.IsNumber(b) {
		return fail(errcode.Code(28762), "$pow's base must be numeric, not %s", bsonx.TypeName(b.Type))
	}
	if !bsonx.IsNumber(e) {
		return fail(errcode.Code(28763), "$pow's exponent must be numeric, not %s", bsonx.TypeName(e.Type))
	}
	if isNegative(e) && !bsonx.Truthy(b) {
		return fail(errcode.Code(28764), "$pow cannot take a base of 0 and a negative exponent")
	}
	widest := numeric.Widest(b.Type, e.Type)
	if widest == bsonx.Decimal128 {
		return numeric.Put(&env.Arena, numeric.Pow(numeric.FromValue(b), numeric.FromValue(e))), nil
	}
	if widest != bsonx.Double {
		if n, ok := numeric.PowInt64(numeric.Long(b), numeric.Long(e)); ok {
			if widest == bsonx.Int64 {
				return env.Arena.Int64(n), nil
			}
			return numeric.IntOrLong(&env.Arena, n), nil
		}
	}
	return env.Arena.Double(math.Pow(numeric.ToFloat(b), numeric.ToFloat(e))), nil
}

func round(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	return roundTo(env, "$round", args, apd.RoundHalfEven)
}

func trunc(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	return roundTo(env, "$trunc", args, apd.RoundDown)
}

// roundTo rounds to a decimal place, -20 (before the point) to 100 (after).
func roundTo(env *Env, name string, args []bsonx.Value, mode apd.Rounder) (bsonx.Value, error) {
	v := args[0]
	if bsonx.IsNullish(v) {
		return bsonx.NullValue, nil
	}
	place := int64(0)
	if len(args) > 1 {
		if bsonx.IsNullish(args[1]) {
			return bsonx.NullValue, nil
		}
	}
	if !bsonx.IsNumber(v) {
		return fail(errcode.Code(51081), "%s only supports numeric types, not %s", name, bsonx.TypeName(v.Type))
	}
	if len(args) > 1 {
		var err error
		if place, err = roundingPlace(name, args[1]); err != nil {
			return bsonx.Value{}, err
		}
	}
	switch v.Type {
	case bsonx.Decimal128:
		return numeric.Put(&env.Arena, numeric.Fixed(numeric.FromValue(v), int32(-place), mode)), nil
	case bsonx.Double:
		d := numeric.FromFloatExact(bsonx.F64(v))
		if d.Form == apd.Infinite {
			return v, nil
		}
		return env.Arena.Double(numeric.Float(numeric.Quantize(d, int32(-place), mode))), nil
	}
	n := numeric.Long(v)
	if place >= 0 {
		return v, nil
	}
	r, ok := numeric.ToInt64(numeric.Quantize(numeric.FromInt64(n), int32(-place), mode))
	if !ok {
		return fail(errcode.Code(51080), "invalid conversion from Decimal128 result in %s resulting from arguments: [%d, %d]",
			name, n, place)
	}
	if v.Type == bsonx.Int64 {
		return env.Arena.Int64(r), nil
	}
	return numeric.IntOrLong(&env.Arena, r), nil
}

func roundingPlace(name string, v bsonx.Value) (int64, error) {
	place, integral := bsonx.IntegralOK(v)
	if !integral {
		switch v.Type {
		case bsonx.Double:
			if f := bsonx.F64(v); !(f >= -9223372036854775808 && f < 9223372036854775808) {
				return 0, errcode.New(errcode.Code(31109),
					"Can't coerce out of range value %v to long", f)
			}
		case bsonx.Decimal128:
		default:
			return 0, errcode.New(errcode.Code(16004),
				"can't convert from BSON type %s to long", bsonx.TypeName(v.Type))
		}
		return 0, errcode.New(errcode.Code(51082),
			"precision argument to  %s must be a integral value", name)
	}
	if place < -20 || place > 100 {
		return 0, errcode.New(errcode.Code(51083),
			"cannot apply %s with precision value %d value must be in [-20, 100]", name, place)
	}
	return place, nil
}
