package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// aggregateOperators are the accumulators that are also expressions. With one
// operand that is an array they go over its elements; else over the operands.
func aggregateOperators() []operator {
	reducing := func(name string, make func() reducer) operator {
		return operator{name: name, min: 0, max: -1, eval: func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			r := make()
			if len(args) == 1 && args[0].Type == bsonx.Array {
				for it := bsonx.NewIter(args[0].Data); it.Next(); {
					if err := r.add(env, it.Value()); err != nil {
						return bsonx.Value{}, err
					}
				}
				return r.result(env)
			}
			for _, v := range args {
				if err := r.add(env, v); err != nil {
					return bsonx.Value{}, err
				}
			}
			return r.result(env)
		}}
	}
	return []operator{
		reducing("$avg", func() reducer { return &avgOf{} }),
		{name: "$firstN", compile: compileN},
		{name: "$lastN", compile: compileN},
		reducing("$max", func() reducer { return &extreme{max: true} }),
		{name: "$maxN", compile: compileN},
		{name: "$median", compile: compilePercentile},
		reducing("$min", func() reducer { return &extreme{} }),
		{name: "$minN", compile: compileN},
		{name: "$percentile", compile: compilePercentile},
		reducing("$stdDevPop", func() reducer { return &deviation{} }),
		reducing("$stdDevSamp", func() reducer { return &deviation{sample: true} }),
		reducing("$sum", func() reducer { return &sumOf{} }),
	}
}

// nth is {n, input} of $firstN, $lastN, $minN and $maxN.
type nth struct{ n, input Expr }

func compileNth(c *call) (nth, error) {
	notObject := errcode.Code(5787900)
	if c.name == "$firstN" || c.name == "$lastN" {
		notObject = 5787801
	}
	a, err := c.named(&namedSpec{names: []string{"n", "input"}, notObject: notObject, unknown: 5787901})
	if err != nil {
		return nth{}, err
	}
	if bsonx.IsMissing(a[0]) {
		return nth{}, errcode.New(errcode.Code(5787906), "Missing value for 'n'")
	}
	if bsonx.IsMissing(a[1]) {
		return nth{}, errcode.New(errcode.Code(5787907), "Missing value for 'input'")
	}
	es, err := compileAll(a, c.sc)
	if err != nil {
		return nth{}, err
	}
	return nth{es[0], es[1]}, nil
}

// checkN reads the 'n' of an accumulator.
func checkN(v bsonx.Value) (int, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(errcode.Code(5787902), "Value for 'n' must be of integral type, but found %s", render(orNull(v)))
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok {
		return 0, errcode.New(errcode.Code(5787903), "Value for 'n' must be of integral type, but found %s", render(v))
	}
	if n <= 0 {
		return 0, errcode.New(errcode.Code(5787908), "'n' must be greater than 0, found %d", n)
	}
	return int(n), nil
}

// compileN is $firstN and its like on an array.
func compileN(c *call) (Expr, error) {
	a, err := compileNth(c)
	if err != nil {
		return nil, err
	}
	name := c.name
	return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		n, err := checkN(args[0])
		if err != nil {
			return bsonx.Value{}, err
		}
		if args[1].Type != bsonx.Array {
			return fail(errcode.Code(5788200), "Input must be an array")
		}
		vals := bsonx.Values(nil, args[1].Data)
		return env.array(pickN(env, name, vals, n))
	}, []Expr{a.n, a.input}, c.sc)
}

// pickN returns the n values that $firstN, $lastN, $minN or $maxN picks.
func pickN(env *Env, name string, vals []bsonx.Value, n int) []bsonx.Value {
	if name == "$minN" || name == "$maxN" {
		order := &SortBy{whole: true, keys: []sortKey{{desc: name == "$maxN"}}}
		some := vals[:0]
		for _, v := range vals {
			if !bsonx.IsNullish(v) {
				some = append(some, v)
			}
		}
		vals = order.sorted(env, some)
	}
	n = min(n, len(vals))
	if name == "$lastN" {
		return vals[len(vals)-n:]
	}
	return vals[:n]
}
