package expr

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

func arithmeticOperators() []operator {
	return []operator{
		{name: "$sqrt", min: 1, max: 1, eval: sqrt},
	}
}

func sqrt(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	switch v := args[0]; v.Type {
	case bsonx.Missing, bsonx.Null, bsonx.Undefined:
		return bsonx.NullValue, nil
	case bsonx.Double:
		return env.Arena.Double(math.Sqrt(bsonx.F64(v))), nil
	default:
		return bsonx.Value{}, errcode.New(errcode.Code(28765),
			"$sqrt only supports numeric types, not %s", bsonx.TypeName(v.Type))
	}
}
