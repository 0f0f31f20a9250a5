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

// Comparison returns the operator and the operands of a comparison, for a planner.
func Comparison(e Expr) (op string, a, b Expr, ok bool) {
	s, ok := e.(*strict)
	if !ok || len(s.args) != 2 {
		return "", nil, nil, false
	}
	switch s.name {
	case "$eq", "$gt", "$gte", "$lt", "$lte":
		return s.name, s.args[0], s.args[1], true
	}
	return "", nil, nil, false
}

// Known returns the value of a constant, or of a variable whose value stands in
// vars by its slot.
func Known(e Expr, vars []bsonx.Value) (bsonx.Value, bool) {
	if v, ok := Constant(e); ok {
		return v, true
	}
	p, ok := e.(*varPath)
	if !ok || p.slot >= len(vars) {
		return bsonx.Value{}, false
	}
	v := vars[p.slot]
	for _, name := range p.path {
		if v.Type != bsonx.Object { // through arrays: not worth it
			return bsonx.Value{}, false
		}
		v = bsonx.Lookup(v.Data, name)
	}
	return v, true
}
