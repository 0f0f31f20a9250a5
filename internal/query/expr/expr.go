// Package expr compiles and evaluates aggregation expressions and accumulators
// over raw BSON (MongoDB manual, "Aggregation Operators").
//
// An expression is compiled once, with its field paths split, its variables
// resolved to slots and its constant parts folded, and is then evaluated for
// many documents. A family of operators is a file with its rows of the table.
package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
)

// Expr is a compiled expression. It is immutable and safe for concurrent use.
type Expr interface {
	// Eval returns the expression's value for env's document; the value is
	// missing (bsonx.Value{}) when there is none. It may alias the document,
	// the expression or env's arena.
	Eval(env *Env) (bsonx.Value, error)
}

// Constant returns e's value if it does not depend on any document.
func Constant(e Expr) (bsonx.Value, bool) {
	if c, ok := e.(*constant); ok {
		return c.val, true
	}
	return bsonx.Value{}, false
}

// constant is a literal or a folded expression.
type constant struct{ val bsonx.Value }

func (c *constant) Eval(*Env) (bsonx.Value, error) { return c.val, nil }

// Literal returns the expression that always has the value v, which must not
// change afterwards.
func Literal(v bsonx.Value) Expr { return &constant{v} }

// strict is an operator that evaluates all of its operands before itself.
type strict struct {
	eval evalFunc
	args []Expr
	name string // of a comparison, for a planner
}

func (s *strict) Eval(env *Env) (bsonx.Value, error) {
	base := len(env.stack)
	for _, a := range s.args {
		v, err := a.Eval(env)
		if err != nil {
			env.stack = env.stack[:base]
			return bsonx.Value{}, err
		}
		env.stack = append(env.stack, v)
	}
	v, err := s.eval(env, env.stack[base:len(env.stack):len(env.stack)])
	env.stack = env.stack[:base]
	return v, err
}

// object is {field: expression, …}; a missing value leaves its field out.
type object struct {
	keys []string
	vals []Expr
}

func (o *object) Eval(env *Env) (bsonx.Value, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	size := 5
	for i, e := range o.vals {
		v, err := e.Eval(env)
		if err != nil {
			return bsonx.Value{}, err
		}
		env.stack = append(env.stack, v)
		size += len(o.keys[i]) + 2 + len(v.Data)
	}
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	b := bsonx.NewDoc(make([]byte, 0, size))
	for i, k := range o.keys {
		b.Value(k, env.stack[base+i])
	}
	return bsonx.DocValue(b.Done()), nil
}

// array is [expression, …]; a missing value becomes null.
type array struct{ vals []Expr }

func (a *array) Eval(env *Env) (bsonx.Value, error) {
	base := len(env.stack)
	defer func() { env.stack = env.stack[:base] }()
	for _, e := range a.vals {
		v, err := e.Eval(env)
		if err != nil {
			return bsonx.Value{}, err
		}
		env.stack = append(env.stack, v)
	}
	return env.array(env.stack[base:])
}
