package expr

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// arithmeticOperators: MongoDB manual, "Arithmetic Expression Operators". The
// result has the widest type of the operands.
func arithmeticOperators() []operator {
	return []operator{
		{name: "$abs", min: 1, max: 1, eval: number("$abs", absolute)},
		{name: "$add", min: 0, max: -1, assoc: leftToRight, eval: add},
		{name: "$ceil", min: 1, max: 1, eval: number("$ceil", ceil)},
		{name: "$divide", min: 2, max: 2, eval: divide},
		{name: "$exp", min: 1, max: 1, eval: number("$exp", exp)},
		{name: "$floor", min: 1, max: 1, eval: number("$floor", floor)},
		{name: "$ln", min: 1, max: 1, eval: number("$ln", naturalLog)},
		{name: "$log", min: 2, max: 2, eval: logarithm},
		{name: "$log10", min: 1, max: 1, eval: number("$log10", log10)},
		{name: "$mod", min: 2, max: 2, eval: modulo},
		{name: "$multiply", min: 0, max: -1, assoc: leftToRight, eval: multiply},
		{name: "$pow", min: 2, max: 2, eval: power},
		{name: "$round", min: 1, max: 2, eval: round},
		{name: "$sigmoid", compile: compileSigmoid},
		{name: "$sqrt", min: 1, max: 1, eval: number("$sqrt", sqrt)},
		{name: "$subtract", min: 2, max: 2, eval: subtract},
		{name: "$trunc", min: 1, max: 2, eval: trunc},
	}
}

// number is an operator on one number: null of null, an error for other types.
func number(name string, f func(env *Env, v bsonx.Value) (bsonx.Value, error)) evalFunc {
	return func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		v := args[0]
		if bsonx.IsNullish(v) {
			return bsonx.NullValue, nil
		}
		if !bsonx.IsNumber(v) {
			return bsonx.Value{}, errcode.New(errcode.Code(28765),
				"%s only supports numeric types, not %s", name, bsonx.TypeName(v.Type))
		}
		return f(env, v)
	}
}

func typeMismatch(format string, args ...any) (bsonx.Value, error) {
	return bsonx.Value{}, errcode.New(errcode.TypeMismatch, format, args...)
}

// fail is an error in place of a value.
func fail(code errcode.Code, format string, args ...any) (bsonx.Value, error) {
	return bsonx.Value{}, errcode.New(code, format, args...)
}

// sum is the running total of $add: integers until they overflow, then doubles;
// decimals from the first decimal on; a date is a total in milliseconds.
type sum struct {
	widest bsonx.Type
	date   bool
	long   int64
	double float64
	dec    *numeric.Decimal
}

func (s *sum) add(v bsonx.Value) error {
	if v.Type == bsonx.Date {
		return s.addDate(v)
	}
	if s.date {
		return s.addToDate(v)
	}
	old := s.widest
	s.widest = numeric.Widest(old, v.Type)
	if s.widest != old {
		switch {
		case s.widest == bsonx.Double:
			s.double = float64(s.long)
		case s.widest == bsonx.Decimal128 && old == bsonx.Double:
			s.dec = numeric.FromFloat(s.double)
		case s.widest == bsonx.Decimal128:
			s.dec = numeric.FromInt64(s.long)
		}
	}
	switch s.widest {
	case bsonx.Double:
		s.double += numeric.ToFloat(v)
	case bsonx.Decimal128:
		s.dec = numeric.Add(s.dec, numeric.FromValue(v))
	default:
		n, ok := numeric.AddInt64(s.long, numeric.Long(v))
		if !ok {
			s.widest = bsonx.Double
			s.double = float64(s.long) + numeric.ToFloat(v)
		}
		s.long = n
	}
	return nil
}

func (s *sum) addDate(v bsonx.Value) error {
	if s.date {
		return errcode.New(errcode.Code(16612), "only one date allowed in an $add expression")
	}
	var a bsonx.Arena
	before := s.value(&a)
	s.date, s.long = true, bsonx.I64(v)
	return s.addToDate(before)
}

func (s *sum) addToDate(v bsonx.Value) error {
	n, ok := millis(v)
	if ok {
		s.long, ok = numeric.AddInt64(s.long, n)
	}
	if !ok {
		return errcode.New(errcode.Overflow, "date overflow in $add")
	}
	return nil
}

// millis rounds a number to a count of milliseconds.
func millis(v bsonx.Value) (int64, bool) {
	switch v.Type {
	case bsonx.Double:
		return numeric.FloatToInt64(bsonx.F64(v))
	case bsonx.Decimal128:
		return numeric.ToInt64(numeric.FromValue(v))
	}
	return numeric.Long(v), true
}

func (s *sum) value(a *bsonx.Arena) bsonx.Value {
	switch {
	case s.date:
		return a.Date(s.long)
	case s.widest == bsonx.Int64:
		return a.Int64(s.long)
	case s.widest == bsonx.Double:
		return a.Double(s.double)
	case s.widest == bsonx.Decimal128:
		return numeric.Put(a, s.dec)
	}
	return numeric.IntOrLong(a, s.long)
}

func add(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	s := sum{widest: bsonx.Int32}
	for _, v := range args {
		if bsonx.IsNullish(v) {
			return bsonx.NullValue, nil
		}
		if !bsonx.IsNumber(v) && v.Type != bsonx.Date {
			return typeMismatch("$add only supports numeric or date types, not %s", bsonx.TypeName(v.Type))
		}
		if err := s.add(v); err != nil {
			return bsonx.Value{}, err
		}
	}
	return s.value(&env.Arena), nil
}

func subtract(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	l, r := args[0], args[1]
	switch {
	case bsonx.IsNumber(l) && bsonx.IsNumber(r):
		return subtractNumbers(env, l, r), nil
	case bsonx.IsNullish(l) || bsonx.IsNullish(r):
		return bsonx.NullValue, nil
	case l.Type != bsonx.Date:
		return typeMismatch("can't $subtract %s from %s", bsonx.TypeName(r.Type), bsonx.TypeName(l.Type))
	case r.Type == bsonx.Date:
		d, ok := numeric.SubInt64(bsonx.I64(l), bsonx.I64(r))
		if !ok {
			return fail(errcode.Overflow, "date overflow in $subtract")
		}
		return env.Arena.Int64(d), nil
	case !bsonx.IsNumber(r):
		return typeMismatch("can't $subtract %s from Date", bsonx.TypeName(r.Type))
	}
	n, ok := millis(r)
	if ok {
		n, ok = numeric.SubInt64(bsonx.I64(l), n)
	}
	if !ok {
		return fail(errcode.Overflow, "date overflow in $subtract")
	}
	return env.Arena.Date(n), nil
}

func subtractNumbers(env *Env, l, r bsonx.Value) bsonx.Value {
	switch numeric.Widest(l.Type, r.Type) {
	case bsonx.Decimal128:
		return numeric.Put(&env.Arena, numeric.Sub(numeric.FromValue(l), numeric.FromValue(r)))
	case bsonx.Double:
		return env.Arena.Double(numeric.ToFloat(l) - numeric.ToFloat(r))
	case bsonx.Int64:
		d, ok := numeric.SubInt64(numeric.Long(l), numeric.Long(r))
		if !ok {
			return env.Arena.Double(numeric.ToFloat(l) - numeric.ToFloat(r))
		}
		return env.Arena.Int64(d)
	}
	return numeric.IntOrLong(&env.Arena, numeric.Long(l)-numeric.Long(r))
}

func multiply(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	widest, long, double := bsonx.Int32, int64(1), 1.0
	var dec *numeric.Decimal
	for _, v := range args {
		if bsonx.IsNullish(v) {
			return bsonx.NullValue, nil
		}
		if !bsonx.IsNumber(v) {
			return typeMismatch("$multiply only supports numeric types, not %s", bsonx.TypeName(v.Type))
		}
		old := widest
		if widest = numeric.Widest(old, v.Type); widest == bsonx.Decimal128 {
			switch old {
			case bsonx.Decimal128:
			case bsonx.Double:
				dec = numeric.FromFloat(double)
			default:
				dec = numeric.FromInt64(long)
			}
			dec = numeric.Mul(dec, numeric.FromValue(v))
			continue
		}
		double *= numeric.ToFloat(v)
		if widest != bsonx.Double {
			n, ok := numeric.MulInt64(long, numeric.Long(v))
			if long = n; !ok {
				widest = bsonx.Double
			}
		}
	}
	switch widest {
	case bsonx.Decimal128:
		return numeric.Put(&env.Arena, dec), nil
	case bsonx.Double:
		return env.Arena.Double(double), nil
	case bsonx.Int64:
		return env.Arena.Int64(long), nil
	}
	return numeric.IntOrLong(&env.Arena, long), nil
}

func divide(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	l, r := args[0], args[1]
	if !bsonx.IsNumber(l) || !bsonx.IsNumber(r) {
		if bsonx.IsNullish(l) || bsonx.IsNullish(r) {
			return bsonx.NullValue, nil
		}
		return typeMismatch("$divide only supports numeric types, not %s and %s",
			bsonx.TypeName(l.Type), bsonx.TypeName(r.Type))
	}
	if !bsonx.Truthy(r) {
		if env.group {
			return fail(errcode.Code(4848401), "can't $divide by zero")
		}
		return fail(errcode.BadValue, "can't $divide by zero")
	}
	if numeric.Widest(l.Type, r.Type) == bsonx.Decimal128 {
		return numeric.Put(&env.Arena, numeric.Quo(numeric.FromValue(l), numeric.FromValue(r))), nil
	}
	return env.Arena.Double(numeric.ToFloat(l) / numeric.ToFloat(r)), nil
}

func modulo(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	l, r := args[0], args[1]
	if !bsonx.IsNumber(l) || !bsonx.IsNumber(r) {
		if bsonx.IsNullish(l) || bsonx.IsNullish(r) {
			return bsonx.NullValue, nil
		}
		return fail(errcode.Code(16611), "$mod only supports numeric types, not %s and %s",
			bsonx.TypeName(l.Type), bsonx.TypeName(r.Type))
	}
	widest := numeric.Widest(l.Type, r.Type)
	if !bsonx.Truthy(r) {
		if env.group {
			return fail(errcode.Code(4848403), "can't $mod by zero")
		}
		if widest == bsonx.Decimal128 {
			return fail(errcode.Code(5733415), "can't $mod by zero")
		}
		return fail(errcode.Code(16610), "can't $mod by zero")
	}
	switch widest {
	case bsonx.Decimal128:
		return numeric.Put(&env.Arena, numeric.Rem(numeric.FromValue(l), numeric.FromValue(r))), nil
	case bsonx.Double:
		return env.Arena.Double(math.Mod(numeric.ToFloat(l), numeric.ToFloat(r))), nil
	}
	rem := int64(0)
	if d := numeric.Long(r); d != -1 { // the smallest long by -1 overflows
		rem = numeric.Long(l) % d
	}
	if widest == bsonx.Int64 {
		return env.Arena.Int64(rem), nil
	}
	return env.Arena.Int32(int32(rem)), nil
}

// compileSigmoid: an array is an operand here, not a list of operands.
func compileSigmoid(c *call) (Expr, error) {
	e, err := Compile(c.arg, c.sc)
	if err != nil {
		return nil, err
	}
	return foldStrict(sigmoid, []Expr{e}, c.sc)
}

// sigmoid is 1 / (1 + e^-x).
func sigmoid(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	v := args[0]
	switch {
	case bsonx.IsNullish(v):
		return bsonx.NullValue, nil
	case v.Type == bsonx.Decimal128:
		one := numeric.FromInt64(1)
		d := numeric.Exp(numeric.Mul(numeric.FromInt64(-1), numeric.FromValue(v)))
		return numeric.Put(&env.Arena, numeric.Quo(one, numeric.Add(one, d))), nil
	case bsonx.IsNumber(v):
		return env.Arena.Double(1 / (1 + math.Exp(-numeric.ToFloat(v)))), nil
	}
	return typeMismatch("$sigmoid only supports numeric types, not %s", bsonx.TypeName(v.Type))
}
