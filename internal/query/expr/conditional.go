package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// conditionalOperators: MongoDB manual, "Conditional Expression Operators".
func conditionalOperators() []operator {
	return []operator{
		{name: "$cond", compile: compileCond},
		{name: "$ifNull", compile: compileIfNull},
		{name: "$switch", compile: compileSwitch},
	}
}

// branch is a condition and what holds under it.
type branch struct{ when, then Expr }

// choice is $cond and $switch: the first branch whose condition is true, else
// the default. A nil default is an error.
type choice struct {
	branches []branch
	other    Expr
}

func (c *choice) Eval(env *Env) (bsonx.Value, error) {
	for _, b := range c.branches {
		v, err := b.when.Eval(env)
		if err != nil {
			return v, err
		}
		if bsonx.Truthy(v) {
			return b.then.Eval(env)
		}
	}
	if c.other == nil {
		return fail(errcode.Code(40066),
			"$switch could not find a matching branch for an input, and no default was specified.")
	}
	return c.other.Eval(env)
}

func compileCond(c *call) (Expr, error) {
	if c.arg.Type != bsonx.Object {
		args, err := c.args()
		if err != nil {
			return nil, err
		}
		if len(args) != 3 {
			return nil, errcode.New(errcode.Code(16020),
				"Expression $cond takes exactly 3 arguments. %d were passed in.", len(args))
		}
		return foldChoice(args[0], args[1], args[2]), nil
	}
	a, err := c.named(&namedSpec{names: []string{"if", "then", "else"}, unknown: 17083})
	if err != nil {
		return nil, err
	}
	for i, code := range []errcode.Code{17080, 17081, 17082} {
		if bsonx.IsMissing(a[i]) {
			return nil, errcode.New(code, "Missing '%s' parameter to $cond", []string{"if", "then", "else"}[i])
		}
	}
	args, err := compileAll(a, c.sc)
	if err != nil {
		return nil, err
	}
	return foldChoice(args[0], args[1], args[2]), nil
}

func foldChoice(when, then, other Expr) Expr {
	if v, ok := Constant(when); ok {
		if bsonx.Truthy(v) {
			return then
		}
		return other
	}
	return &choice{[]branch{{when, then}}, other}
}

// ifNull is the first operand that is not null, else the last one.
type ifNull struct{ args []Expr }

func (f *ifNull) Eval(env *Env) (v bsonx.Value, err error) {
	for _, a := range f.args {
		if v, err = a.Eval(env); err != nil || !bsonx.IsNullish(v) {
			return v, err
		}
	}
	return v, nil
}

func compileIfNull(c *call) (Expr, error) {
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, errcode.New(errcode.Code(1257300), "$ifNull needs at least two arguments, had: %d", len(args))
	}
	return foldIf(&ifNull{args}, args, c.sc)
}

// compileSwitch folds as MongoDB does: a branch whose case is constant and false
// goes, with the errors that folding its "then" would give; the first one that is
// constant and true is the default, and what comes after it goes.
func compileSwitch(c *call) (Expr, error) {
	if c.arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(40060),
			"$switch requires an object as an argument, found: %s", bsonx.TypeName(c.arg.Type))
	}
	var branches, other bsonx.Value
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		switch string(it.Key()) {
		case "branches":
			if branches = it.Value(); branches.Type != bsonx.Array {
				return nil, errcode.New(errcode.Code(40061),
					"$switch expected an array for 'branches', found: %s", bsonx.TypeName(branches.Type))
			}
		case "default":
			other = it.Value()
		default:
			return nil, errcode.New(errcode.Code(40067), "$switch found an unknown argument: %s", it.Key())
		}
	}
	var cases []lazyBranch
	for it := bsonx.NewIter(branches.Data); it.Next(); {
		b, err := compileBranch(it.Value(), c.sc)
		if err != nil {
			return nil, err
		}
		cases = append(cases, b)
	}
	if len(cases) == 0 {
		return nil, errcode.New(errcode.Code(40068), "$switch requires at least one branch.")
	}
	sw := &choice{}
	if !bsonx.IsMissing(other) {
		e, err := Compile(other, c.sc)
		if err != nil {
			return nil, err
		}
		sw.other = e
	}
	return sw.fold(cases, c.sc)
}

// lazyBranch is a branch with the errors that folding gave.
type lazyBranch struct{ when, then lazy }

func (sw *choice) fold(cases []lazyBranch, sc *Scope) (Expr, error) {
	for _, b := range cases {
		if b.when.err != nil {
			return nil, b.when.err
		}
		v, constant := Constant(b.when.Expr)
		if constant && !bsonx.Truthy(v) {
			continue
		}
		if b.then.err != nil {
			return nil, b.then.err
		}
		if constant {
			sw.other = b.then.Expr
			break
		}
		sw.branches = append(sw.branches, branch{b.when.Expr, b.then.Expr})
	}
	if len(sw.branches) > 0 {
		return sw, nil
	}
	if sw.other == nil {
		return nil, errcode.New(errcode.Code(40069),
			"Cannot execute a switch statement where all the cases evaluate to false without a default.")
	}
	return sw.other, nil
}

func compileBranch(v bsonx.Value, sc *Scope) (b lazyBranch, err error) {
	if v.Type != bsonx.Object {
		return b, errcode.New(errcode.Code(40062),
			"$switch expected each branch to be an object, found: %s", bsonx.TypeName(v.Type))
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		switch string(it.Key()) {
		case "case":
			b.when, err = compileLazy(it.Value(), sc)
		case "then":
			b.then, err = compileLazy(it.Value(), sc)
		default:
			err = errcode.New(errcode.Code(40063), "$switch found an unknown argument to a branch: '%s'", it.Key())
		}
		if err != nil {
			return b, err
		}
	}
	if b.when.Expr == nil {
		return b, errcode.New(errcode.Code(40064), "$switch requires each branch have a 'case' expression")
	}
	if b.then.Expr == nil {
		return b, errcode.New(errcode.Code(40065), "$switch requires each branch have a 'then' expression.")
	}
	return b, nil
}
