package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

func variableOperators() []operator {
	return []operator{
		{name: "$const", compile: compileLiteral},
		{name: "$let", compile: compileLet},
		{name: "$literal", compile: compileLiteral},
	}
}

func compileLiteral(c *call) (Expr, error) { return Literal(bsonx.Clone(c.arg)), nil }

// let evaluates its variables, which do not see each other, then its body.
type let struct {
	slots []int
	vals  []Expr
	in    Expr
}

func (l *let) Eval(env *Env) (bsonx.Value, error) {
	base := len(env.stack)
	for _, e := range l.vals {
		v, err := e.Eval(env)
		if err != nil {
			env.stack = env.stack[:base]
			return v, err
		}
		env.stack = append(env.stack, v)
	}
	for i, slot := range l.slots {
		env.SetVar(slot, env.stack[base+i])
	}
	env.stack = env.stack[:base]
	return l.in.Eval(env)
}

func compileLet(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"vars", "in"}, notObject: 16874, unknown: 16875})
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(a[0]) {
		return nil, errcode.New(errcode.Code(16876), "Missing 'vars' parameter to $let")
	}
	if bsonx.IsMissing(a[1]) {
		return nil, errcode.New(errcode.Code(16877), "Missing 'in' parameter to $let")
	}
	if a[0].Type != bsonx.Object && a[0].Type != bsonx.Array {
		return nil, errcode.New(errcode.Code(10065), "invalid parameter: expected an object (vars)")
	}
	l := &let{}
	inner := c.sc
	for it := bsonx.NewIter(a[0].Data); it.Next(); {
		name := string(it.Key())
		if err := CheckVariableName(name); err != nil {
			return nil, err
		}
		e, err := Compile(it.Value(), c.sc)
		if err != nil {
			return nil, err
		}
		var slot int
		inner, slot = inner.Define(name)
		l.slots, l.vals = append(l.slots, slot), append(l.vals, e)
	}
	in, err := Compile(a[1], inner)
	if err != nil {
		return nil, err
	}
	l.in = in
	return foldIf(l, append([]Expr{in}, l.vals...), c.sc)
}
