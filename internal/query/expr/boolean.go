package expr

import "github.com/argon-db/argon/internal/bsonx"

// booleanOperators: MongoDB manual, "Boolean Expression Operators".
func booleanOperators() []operator {
	return []operator{
		{name: "$and", compile: func(c *call) (Expr, error) { return compileLogic(c, false) }},
		{name: "$or", compile: func(c *call) (Expr, error) { return compileLogic(c, true) }},
		{name: "$not", min: 1, max: 1, eval: func(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
			return bsonx.BoolValue(!bsonx.Truthy(args[0])), nil
		}},
	}
}

// logic is $and (stops at the first false) or $or (stops at the first true).
type logic struct {
	args []Expr
	stop bool
}

// compileLogic: a constant decides, or does not count.
func compileLogic(c *call, stop bool) (Expr, error) {
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	rest := args[:0]
	for _, a := range args {
		v, ok := Constant(a)
		if ok && bsonx.Truthy(v) == stop {
			return Literal(bsonx.BoolValue(stop)), nil
		}
		if !ok {
			rest = append(rest, a)
		}
	}
	if len(rest) == 0 {
		return Literal(bsonx.BoolValue(!stop)), nil
	}
	return &logic{rest, stop}, nil
}

func (l *logic) Eval(env *Env) (bsonx.Value, error) {
	for _, a := range l.args {
		v, err := a.Eval(env)
		if err != nil {
			return v, err
		}
		if bsonx.Truthy(v) == l.stop {
			return bsonx.BoolValue(l.stop), nil
		}
	}
	return bsonx.BoolValue(!l.stop), nil
}

// Logic returns the operands of an $and (or) expression, for a planner.
func Logic(e Expr) (operands []Expr, or, ok bool) {
	l, ok := e.(*logic)
	if !ok {
		return nil, false, false
	}
	return l.args, l.stop, true
}
