package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// arith does arithmetic with the type rules of the expression operators. It is
// immutable and safe for concurrent use; its environments are not.
type arith struct {
	sc   *expr.Scope
	a, b int
	ops  map[string]expr.Expr
}

// newArith compiles the operators that are asked for: "$add", "$subtract" …
func newArith(ops ...string) (*arith, error) {
	ar := &arith{ops: map[string]expr.Expr{}}
	sc, a := expr.NewScope(expr.ScopeOptions{}).Define("a")
	sc, b := sc.Define("b")
	ar.sc, ar.a, ar.b = sc, a, b
	for _, op := range ops {
		args := bsonx.AppendArray(nil, []bsonx.Value{bsonx.StringValue("$$a"), bsonx.StringValue("$$b")})
		e, err := expr.CompileOperator(op, bsonx.ArrValue(args), sc)
		if err != nil {
			return nil, err
		}
		ar.ops[op] = e
	}
	return ar, nil
}

func (ar *arith) env(q *expr.Query) *expr.Env { return expr.NewEnv(q, ar.sc) }

// do evaluates one operator; the result has memory of its own.
func (ar *arith) do(env *expr.Env, op string, a, b bsonx.Value) (bsonx.Value, error) {
	env.Arena.Reset()
	env.SetVar(ar.a, a)
	env.SetVar(ar.b, b)
	v, err := ar.ops[op].Eval(env)
	return bsonx.Clone(v), err
}
