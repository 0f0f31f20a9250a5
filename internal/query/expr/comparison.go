package expr

import "github.com/argon-db/argon/internal/bsonx"

// comparisonOperators: MongoDB manual, "Comparison Expression Operators": the
// order of all BSON values, under the command's collation.
func comparisonOperators() []operator {
	return []operator{
		{name: "$cmp", min: 2, max: 2, eval: func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			return env.Arena.Int32(int32(env.Compare(args[0], args[1]))), nil
		}},
		{name: "$eq", min: 2, max: 2, eval: compare(func(c int) bool { return c == 0 })},
		{name: "$gt", min: 2, max: 2, eval: compare(func(c int) bool { return c > 0 })},
		{name: "$gte", min: 2, max: 2, eval: compare(func(c int) bool { return c >= 0 })},
		{name: "$lt", min: 2, max: 2, eval: compare(func(c int) bool { return c < 0 })},
		{name: "$lte", min: 2, max: 2, eval: compare(func(c int) bool { return c <= 0 })},
		{name: "$ne", min: 2, max: 2, eval: compare(func(c int) bool { return c != 0 })},
	}
}

func compare(holds func(c int) bool) evalFunc {
	return func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		return bsonx.BoolValue(holds(env.Compare(args[0], args[1]))), nil
	}
}
