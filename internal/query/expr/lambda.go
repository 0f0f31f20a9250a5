package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// lambdaOperators evaluate an expression for each element of an array, or take
// named arguments about arrays.
func lambdaOperators() []operator {
	return []operator{
		{name: "$filter", compile: compileFilter},
		{name: "$map", compile: compileMap},
		{name: "$reduce", compile: compileReduce},
		{name: "$sortArray", compile: compileSortArray},
		{name: "$zip", compile: compileZip},
	}
}

// as reads the name of the variable for the element.
func (c *call) as(v bsonx.Value) (string, error) {
	if bsonx.IsMissing(v) {
		return "this", nil
	}
	if v.Type != bsonx.String {
		return "", errcode.New(errcode.FailedToParse, "%s requires 'as' to be a string, not %s", c.name, bsonx.TypeName(v.Type))
	}
	name := string(bsonx.Str(v))
	return name, CheckVariableName(name)
}

// each is $map and $filter.
type each struct {
	name   string
	input  Expr
	slot   int
	body   Expr
	filter bool
	limit  Expr // of $filter; may be nil
	code   errcode.Code
}

func (m *each) Eval(env *Env) (bsonx.Value, error) {
	arr, err := m.input.Eval(env)
	if err != nil {
		return arr, err
	}
	if bsonx.IsNullish(arr) {
		return bsonx.NullValue, nil
	}
	if arr.Type != bsonx.Array {
		return fail(m.code, "input to %s must be an array not %s", m.name, bsonx.TypeName(arr.Type))
	}
	limit, err := m.evalLimit(env)
	if err != nil {
		return bsonx.Value{}, err
	}
	base := len(env.stack)
	err = m.run(env, arr, limit)
	var v bsonx.Value
	if err == nil {
		v, err = env.array(env.stack[base:])
	}
	env.stack = env.stack[:base]
	return v, err
}

// run leaves the result's elements on env's stack.
func (m *each) run(env *Env, arr bsonx.Value, limit int) error {
	base, size := len(env.stack), 0
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		e := it.Value()
		env.SetVar(m.slot, e)
		v, err := m.body.Eval(env)
		if err != nil {
			return err
		}
		if m.filter {
			if !bsonx.Truthy(v) {
				continue
			}
			v = e
		}
		env.stack = append(env.stack, v)
		if size += len(v.Data) + 3; size > maxResultSize {
			return checkSize(size)
		}
		if len(env.stack)-base == limit {
			return nil
		}
		if err := env.tick(); err != nil {
			return err
		}
	}
	return nil
}

func (m *each) evalLimit(env *Env) (int, error) {
	if m.limit == nil {
		return -1, nil
	}
	v, err := m.limit.Eval(env)
	if err != nil || bsonx.IsNullish(v) {
		return -1, err
	}
	n, ok := int32Of(v)
	if !ok {
		return 0, errcode.New(errcode.Code(327391),
			"$filter: limit must be represented as a 32-bit integral value: %s", render(v))
	}
	if n < 1 {
		return 0, errcode.New(errcode.Code(327392), "$filter: limit must be greater than 0: %d", n)
	}
	return n, nil
}

func compileFilter(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"input", "as", "cond", "limit"}, notObject: 28646, unknown: 28647})
	if err != nil {
		return nil, err
	}
	if err := c.require(a[0], "input", 28648); err != nil {
		return nil, err
	}
	if err := c.require(a[2], "cond", 28650); err != nil {
		return nil, err
	}
	m := &each{name: c.name, filter: true, code: 28651}
	if err := m.compile(c, a[0], a[1], a[2]); err != nil {
		return nil, err
	}
	if !bsonx.IsMissing(a[3]) {
		if m.limit, err = Compile(a[3], c.sc); err != nil {
			return nil, err
		}
	}
	return foldIf(m, []Expr{m.input, m.body, m.limit}, c.sc)
}

func compileMap(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"input", "as", "in"}, notObject: 16878, unknown: 16879})
	if err != nil {
		return nil, err
	}
	if err := c.require(a[0], "input", 16880); err != nil {
		return nil, err
	}
	if err := c.require(a[2], "in", 16882); err != nil {
		return nil, err
	}
	m := &each{name: c.name, code: 16883}
	if err := m.compile(c, a[0], a[1], a[2]); err != nil {
		return nil, err
	}
	return foldIf(m, []Expr{m.input, m.body}, c.sc)
}

func (m *each) compile(c *call, input, as, body bsonx.Value) error {
	name, err := c.as(as)
	if err != nil {
		return err
	}
	if m.input, err = Compile(input, c.sc); err != nil {
		return err
	}
	inner, slot := c.sc.Define(name)
	m.slot = slot
	m.body, err = Compile(body, inner)
	return err
}

// reduce folds an array from the left: $$value is the result so far, $$this the
// element.
type reduce struct {
	input, initial, in Expr
	this, value        int
}

func (r *reduce) Eval(env *Env) (bsonx.Value, error) {
	arr, err := r.input.Eval(env)
	if err != nil {
		return arr, err
	}
	if bsonx.IsNullish(arr) {
		return bsonx.NullValue, nil
	}
	if arr.Type != bsonx.Array {
		return fail(errcode.Code(40080), "$reduce requires that 'input' be an array, found: %s", bsonx.TypeName(arr.Type))
	}
	acc, err := r.initial.Eval(env)
	if err != nil {
		return acc, err
	}
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		env.SetVar(r.this, it.Value())
		env.SetVar(r.value, acc)
		if acc, err = r.in.Eval(env); err != nil {
			return acc, err
		}
		if err := checkSize(len(acc.Data)); err != nil {
			return bsonx.Value{}, err
		}
		if err := checkDepth(acc); err != nil {
			return bsonx.Value{}, err
		}
		if err := env.tick(); err != nil {
			return bsonx.Value{}, err
		}
	}
	return acc, nil
}

func compileReduce(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"input", "initialValue", "in"}, notObject: 40075, unknown: 40076})
	if err != nil {
		return nil, err
	}
	for i, code := range []errcode.Code{40077, 40078, 40079} {
		if err := c.require(a[i], []string{"input", "initialValue", "in"}[i], code); err != nil {
			return nil, err
		}
	}
	r := &reduce{}
	if r.input, err = Compile(a[0], c.sc); err != nil {
		return nil, err
	}
	if r.initial, err = Compile(a[1], c.sc); err != nil {
		return nil, err
	}
	inner, this := c.sc.Define("this")
	inner, value := inner.Define("value")
	r.this, r.value = this, value
	if r.in, err = Compile(a[2], inner); err != nil {
		return nil, err
	}
	return foldIf(r, []Expr{r.input, r.initial, r.in}, c.sc)
}

func compileSortArray(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"input", "sortBy"}, notObject: 2942500, unknown: 2942501})
	if err != nil {
		return nil, err
	}
	if err := c.require(a[0], "input", 2942502); err != nil {
		return nil, err
	}
	if err := c.require(a[1], "sortBy", 2942503); err != nil {
		return nil, err
	}
	order, err := CompileSortBy(a[1], c.sc)
	if err != nil {
		return nil, err
	}
	input, err := Compile(a[0], c.sc)
	if err != nil {
		return nil, err
	}
	return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.NullValue, nil
		}
		if args[0].Type != bsonx.Array {
			return fail(errcode.Code(2942504), "The input argument to $sortArray must be an array, but was of type: %s",
				bsonx.TypeName(args[0].Type))
		}
		return env.array(order.sorted(env, bsonx.Values(nil, args[0].Data)))
	}, []Expr{input}, c.sc)
}

// zip transposes arrays; the shortest or the longest one counts.
type zip struct {
	inputs, defaults []Expr
	longest          bool
}

func (z *zip) Eval(env *Env) (bsonx.Value, error) {
	cols := make([][]bsonx.Value, len(z.inputs))
	shortest, longest := -1, 0
	for i, e := range z.inputs {
		v, err := e.Eval(env)
		if err != nil {
			return v, err
		}
		if bsonx.IsNullish(v) {
			return bsonx.NullValue, nil
		}
		if v.Type != bsonx.Array {
			return fail(errcode.Code(34468), "$zip found a non-array expression in input: %s", render(v))
		}
		cols[i] = bsonx.Values(nil, v.Data)
		if n := len(cols[i]); shortest < 0 || n < shortest {
			shortest = n
		}
		longest = max(longest, len(cols[i]))
	}
	rows := max(shortest, 0)
	defaults := make([]bsonx.Value, len(z.inputs))
	if z.longest {
		rows = longest
	}
	for i := range z.defaults {
		v, err := z.defaults[i].Eval(env)
		if err != nil {
			return v, err
		}
		defaults[i] = v
	}
	out := make([]bsonx.Value, rows)
	row := make([]bsonx.Value, len(cols))
	size := 0
	for r := range out {
		for i, col := range cols {
			if row[i] = defaults[i]; r < len(col) {
				row[i] = col[r]
			}
		}
		v, err := env.array(row)
		if err != nil {
			return v, err
		}
		if size += len(v.Data); size > maxResultSize {
			return bsonx.Value{}, checkSize(size)
		}
		out[r] = v
	}
	return env.array(out)
}

func compileZip(c *call) (Expr, error) {
	if c.arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(34460), "$zip only supports an object as an argument, found %s", bsonx.TypeName(c.arg.Type))
	}
	z := &zip{}
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		v := it.Value()
		var err error
		switch string(it.Key()) {
		case "inputs":
			if v.Type != bsonx.Array {
				return nil, errcode.New(errcode.Code(34461), "inputs must be an array of expressions, found %s", bsonx.TypeName(v.Type))
			}
			z.inputs, err = compileAll(bsonx.Values(nil, v.Data), c.sc)
		case "defaults":
			if v.Type != bsonx.Array {
				return nil, errcode.New(errcode.Code(34462), "defaults must be an array of expressions, found %s", bsonx.TypeName(v.Type))
			}
			z.defaults, err = compileAll(bsonx.Values(nil, v.Data), c.sc)
		case "useLongestLength":
			if v.Type != bsonx.Bool {
				return nil, errcode.New(errcode.Code(34463), "useLongestLength must be a bool, found %s", bsonx.TypeName(v.Type))
			}
			z.longest = bsonx.Truthy(v)
		default:
			err = errcode.New(errcode.Code(34464), "$zip found an unknown argument: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case len(z.inputs) == 0:
		return nil, errcode.New(errcode.Code(34465), "$zip requires at least one input array")
	case len(z.defaults) > 0 && !z.longest:
		return nil, errcode.New(errcode.Code(34466), "cannot specify defaults unless useLongestLength is true")
	case len(z.defaults) > 0 && len(z.defaults) != len(z.inputs):
		return nil, errcode.New(errcode.Code(34467), "defaults and inputs must have the same length")
	}
	return foldIf(z, append(append([]Expr(nil), z.inputs...), z.defaults...), c.sc)
}
