package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// maxCompileDepth bounds the nesting of an expression. Documents from clients
// are less deep (bsonx.MaxDepth).
const maxCompileDepth = 200

// Compile compiles an expression: a literal, "$path", "$$variable", an object or
// array of expressions, or {$operator: arguments}. The result keeps no reference
// to v. An operator whose operands are constant is evaluated here, and its error
// is Compile's, as with MongoDB, if there is no error of parsing.
func Compile(v bsonx.Value, sc *Scope) (Expr, error) {
	if sc.depth >= maxCompileDepth {
		return nil, errcode.New(errcode.Overflow,
			"an expression may not be nested deeper than %d levels", maxCompileDepth)
	}
	if sc.shared.folding == nil {
		// What folding finds wrong comes after all errors of parsing.
		l, err := compileLazy(v, sc)
		if err == nil {
			err = l.err
		}
		if err != nil {
			return nil, err
		}
		return l.Expr, nil
	}
	sc.depth++
	defer func() { sc.depth-- }()
	return compile(v, sc)
}

func compile(v bsonx.Value, sc *Scope) (Expr, error) {
	switch v.Type {
	case bsonx.String:
		if s := string(bsonx.Str(v)); s != "" && s[0] == '$' {
			return compilePath(s, sc)
		}
	case bsonx.Object:
		return compileDoc(v, sc)
	case bsonx.Array:
		return compileArray(v, sc)
	case bsonx.Missing:
		return &constant{}, nil
	}
	return &constant{bsonx.Clone(v)}, nil
}

func compileArray(v bsonx.Value, sc *Scope) (Expr, error) {
	vals, err := compileAll(bsonx.Values(nil, v.Data), sc)
	if err != nil {
		return nil, err
	}
	return foldIf(&array{vals}, vals, sc)
}

// compileDoc compiles an object: an operator if its first field starts with "$".
func compileDoc(v bsonx.Value, sc *Scope) (Expr, error) {
	it := bsonx.NewIter(v.Data)
	if it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$' {
		name, arg := string(it.Key()), it.Value()
		if it.Next() {
			return nil, errcode.New(errcode.Code(15983),
				"an object representing an expression must have exactly one field, but %s has a second one: '%s'",
				name, it.Key())
		}
		return CompileOperator(name, arg, sc)
	}
	var o object
	seen := make(map[string]bool)
	for it := bsonx.NewIter(v.Data); it.Next(); {
		key := string(it.Key())
		if err := CheckFieldName(key); err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, errcode.New(errcode.Code(16406),
				"duplicate field name specified in object literal: '%s'", key)
		}
		seen[key] = true
		e, err := Compile(it.Value(), sc)
		if err != nil {
			return nil, err
		}
		o.keys, o.vals = append(o.keys, key), append(o.vals, e)
	}
	return foldIf(&o, o.vals, sc)
}

// IsOperator reports whether there is an expression operator of that name.
func IsOperator(name string) bool { return operators()[name] != nil }

// CompileOperator compiles {name: arg}.
func CompileOperator(name string, arg bsonx.Value, sc *Scope) (Expr, error) {
	op := sc.shared.ops[name]
	if op == nil {
		return nil, errcode.New(errcode.InvalidPipelineOperator, "Unrecognized expression '%s'", name)
	}
	if op.compile != nil {
		return op.compile(&call{name: name, arg: arg, sc: sc})
	}
	c := &call{name: name, arg: arg, sc: sc}
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	if err := checkArity(op, len(args)); err != nil {
		return nil, err
	}
	if op.volatile {
		return &strict{eval: op.eval, args: args}, nil
	}
	if args, err = op.gather(args, sc); err != nil {
		return nil, err
	}
	return foldIf(&strict{op.eval, args, name}, args, sc)
}

func checkArity(op *operator, n int) error {
	if n >= op.min && (op.max < 0 || n <= op.max) {
		return nil
	}
	if op.min == op.max {
		return errcode.New(errcode.Code(16020),
			"Expression %s takes exactly %d arguments. %d were passed in.", op.name, op.min, n)
	}
	if op.max < 0 {
		return errcode.New(errcode.Code(28667),
			"Expression %s takes at least %d arguments, but %d were passed in.", op.name, op.min, n)
	}
	return errcode.New(errcode.Code(28667),
		"Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", op.name, op.min, op.max, n)
}

// call is one use of an operator while it is compiled.
type call struct {
	name string
	arg  bsonx.Value
	sc   *Scope
}

// operands returns the arguments: the elements of an array, or the one value.
func (c *call) operands() []bsonx.Value {
	if c.arg.Type == bsonx.Array {
		return bsonx.Values(nil, c.arg.Data)
	}
	return []bsonx.Value{c.arg}
}

// args compiles the operands.
func (c *call) args() ([]Expr, error) { return compileAll(c.operands(), c.sc) }

func compileAll(vals []bsonx.Value, sc *Scope) ([]Expr, error) {
	es := make([]Expr, len(vals))
	for i, v := range vals {
		e, err := Compile(v, sc)
		if err != nil {
			return nil, err
		}
		es[i] = e
	}
	return es, nil
}

// foldIf replaces e by its value if all that it depends on (nil entries are
// left out arguments) is constant.
func foldIf(e Expr, deps []Expr, sc *Scope) (Expr, error) {
	if sc.shared.NoFolding {
		return e, nil
	}
	for _, d := range deps {
		if d == nil {
			continue
		}
		if _, ok := d.(*constant); !ok {
			return e, nil
		}
	}
	env := NewEnv(&Query{Collation: sc.shared.Collation}, sc)
	v, err := e.Eval(env)
	if err == nil {
		return &constant{bsonx.Clone(v)}, nil
	}
	if f := sc.shared.folding; f != nil {
		if f.first == nil {
			f.first = err
		}
		return e, nil
	}
	return nil, err
}

// gather brings constant operands together as the operator allows.
func (op *operator) gather(args []Expr, sc *Scope) ([]Expr, error) {
	if op.assoc == apart {
		return args, nil
	}
	var out, consts []Expr
	flush := func() error {
		if len(consts) > 1 {
			e, err := foldStrict(op.eval, consts, sc)
			if err != nil {
				return err
			}
			consts = []Expr{e}
		}
		out, consts = append(out, consts...), nil
		return nil
	}
	for i, a := range args {
		if _, ok := a.(*constant); ok {
			consts = append(consts, a)
			continue
		}
		if op.assoc != anyOrder {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		if out = append(out, a); op.assoc == leftToRight {
			return append(out, args[i+1:]...), nil
		}
	}
	if len(out) == 0 { // all are constant: folded as a whole
		return args, nil
	}
	err := flush()
	return out, err
}

// foldStrict is foldIf for an operator that takes its evaluated operands.
func foldStrict(eval evalFunc, args []Expr, sc *Scope) (Expr, error) {
	return foldIf(&strict{eval: eval, args: args}, args, sc)
}

// lazy is an expression, and the error that folding a part of it gave.
type lazy struct {
	Expr
	err error
}

// compileLazy compiles v, but gives an error of folding apart from one of
// parsing, for a part that may turn out not to be used.
func compileLazy(v bsonx.Value, sc *Scope) (lazy, error) {
	outer := sc.shared.folding
	sc.shared.folding = &foldErrors{}
	e, err := Compile(v, sc)
	f := sc.shared.folding
	sc.shared.folding = outer
	return lazy{e, f.first}, err
}

// foldErrors collects what folding gives while it is not to fail at once.
type foldErrors struct{ first error }
