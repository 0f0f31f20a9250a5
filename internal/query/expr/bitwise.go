package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// bitwiseOperators: MongoDB manual, "Bitwise Operators": ints and longs only.
func bitwiseOperators() []operator {
	return []operator{
		{name: "$bitAnd", min: 0, max: -1, assoc: anyOrder, eval: bits("$bitAnd", -1, func(a, b int64) int64 { return a & b })},
		{name: "$bitNot", min: 1, max: 1, eval: bitNot},
		{name: "$bitOr", min: 0, max: -1, assoc: anyOrder, eval: bits("$bitOr", 0, func(a, b int64) int64 { return a | b })},
		{name: "$bitXor", min: 0, max: -1, assoc: anyOrder, eval: bits("$bitXor", 0, func(a, b int64) int64 { return a ^ b })},
	}
}

func isInteger(v bsonx.Value) bool { return v.Type == bsonx.Int32 || v.Type == bsonx.Int64 }

func bits(name string, identity int64, f func(a, b int64) int64) evalFunc {
	return func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		n, long := identity, false
		for _, v := range args {
			if bsonx.IsNullish(v) {
				return bsonx.NullValue, nil
			}
			if !isInteger(v) {
				return typeMismatch("%s only supports int and long operands, not %s", name, bsonx.TypeName(v.Type))
			}
			long = long || v.Type == bsonx.Int64
			n = f(n, numeric.Long(v))
		}
		if long {
			return env.Arena.Int64(n), nil
		}
		return env.Arena.Int32(int32(n)), nil
	}
}

func bitNot(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	switch v := args[0]; {
	case bsonx.IsNullish(v):
		return bsonx.NullValue, nil
	case v.Type == bsonx.Int32:
		return env.Arena.Int32(^bsonx.I32(v)), nil
	case v.Type == bsonx.Int64:
		return env.Arena.Int64(^bsonx.I64(v)), nil
	case !bsonx.IsNumber(v):
		return fail(28765, "$bitNot only supports numeric types, not %s", bsonx.TypeName(v.Type))
	default:
		return fail(errcode.TypeMismatch, "$bitNot only supports int and long, not %s", bsonx.TypeName(v.Type))
	}
}
