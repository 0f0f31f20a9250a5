package expr

import (
	"slices"
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// setOperators: MongoDB manual, "Set Expression Operators". Duplicates and order
// do not count; nested arrays are elements as a whole.
func setOperators() []operator {
	return []operator{
		{name: "$allElementsTrue", min: 1, max: 1, eval: elementsTrue("$allElementsTrue", 17040, false)},
		{name: "$anyElementTrue", min: 1, max: 1, eval: elementsTrue("$anyElementTrue", 17041, true)},
		{name: "$setDifference", min: 2, max: 2, eval: setDifference},
		{name: "$setEquals", compile: compileSetEquals},
		{name: "$setIntersection", min: 0, max: -1, assoc: anyOrder, eval: setIntersection},
		{name: "$setIsSubset", min: 2, max: 2, eval: setIsSubset},
		{name: "$setUnion", min: 0, max: -1, assoc: anyOrder, eval: setUnion},
	}
}

func elementsTrue(name string, code errcode.Code, any bool) evalFunc {
	return func(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
		if args[0].Type != bsonx.Array {
			return fail(code, "%s's argument must be an array, but is %s", name, bsonx.TypeName(args[0].Type))
		}
		for it := bsonx.NewIter(args[0].Data); it.Next(); {
			if bsonx.Truthy(it.Value()) == any {
				return bsonx.BoolValue(any), nil
			}
		}
		return bsonx.BoolValue(!any), nil
	}
}

// sortedSet returns the distinct elements of an array in order.
func sortedSet(env *Env, arr bsonx.Value) []bsonx.Value {
	return env.distinct(bsonx.Values(nil, arr.Data))
}

// distinct sorts vals in place and drops what is equal to its predecessor.
func (env *Env) distinct(vals []bsonx.Value) []bsonx.Value {
	sort.SliceStable(vals, func(i, j int) bool { return env.Compare(vals[i], vals[j]) < 0 })
	return slices.CompactFunc(vals, func(a, b bsonx.Value) bool { return env.Compare(a, b) == 0 })
}

// contains looks v up in a sorted set.
func (env *Env) contains(set []bsonx.Value, v bsonx.Value) bool {
	_, ok := slices.BinarySearchFunc(set, v, env.Compare)
	return ok
}

func setDifference(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	l, r := args[0], args[1]
	if bsonx.IsNullish(l) || bsonx.IsNullish(r) {
		return bsonx.NullValue, nil
	}
	if l.Type != bsonx.Array {
		return fail(errcode.Code(17048), "both operands of $setDifference must be arrays. First argument is of type: %s",
			bsonx.TypeName(l.Type))
	}
	if r.Type != bsonx.Array {
		return fail(errcode.Code(17049), "both operands of $setDifference must be arrays. Second argument is of type: %s",
			bsonx.TypeName(r.Type))
	}
	drop, seen := sortedSet(env, r), sortedSet(env, l)
	used := make([]bool, len(seen))
	var out []bsonx.Value
	for it := bsonx.NewIter(l.Data); it.Next(); {
		v := it.Value()
		i, _ := slices.BinarySearchFunc(seen, v, env.Compare)
		if !used[i] && !env.contains(drop, v) {
			out = append(out, v)
		}
		used[i] = true
	}
	return env.array(out)
}

// compileSetEquals refuses a constant that is no array at once.
func compileSetEquals(c *call) (Expr, error) {
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, errcode.New(errcode.Code(17045), "$setEquals needs at least two arguments had: %d", len(args))
	}
	for _, a := range args {
		if v, ok := Constant(a); ok && v.Type != bsonx.Array {
			return nil, errcode.New(errcode.Code(5887502),
				"All operands of $setEquals must be arrays. One argument is of type: %s", bsonx.TypeName(v.Type))
		}
	}
	return foldStrict(setEquals, args, c.sc)
}

func setEquals(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	var first []bsonx.Value
	equal := true
	for i, a := range args {
		if a.Type != bsonx.Array {
			return fail(errcode.Code(17044), "All operands of $setEquals must be arrays. One argument is of type: %s",
				bsonx.TypeName(a.Type))
		}
		if s := sortedSet(env, a); i == 0 {
			first = s
		} else if equal = slices.EqualFunc(first, s, func(a, b bsonx.Value) bool { return env.Compare(a, b) == 0 }); !equal {
			return bsonx.False, nil
		}
	}
	return bsonx.True, nil
}

func setIntersection(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	var common []bsonx.Value
	for i, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.NullValue, nil
		}
		if a.Type != bsonx.Array {
			return fail(errcode.Code(17047), "All operands of $setIntersection must be arrays. One argument is of type: %s",
				bsonx.TypeName(a.Type))
		}
		s := sortedSet(env, a)
		if i == 0 {
			common = s
			continue
		}
		common = slices.DeleteFunc(common, func(v bsonx.Value) bool { return !env.contains(s, v) })
	}
	return env.array(common)
}

func setIsSubset(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	l, r := args[0], args[1]
	if l.Type != bsonx.Array {
		return fail(errcode.Code(17046), "both operands of $setIsSubset must be arrays. First argument is of type: %s",
			bsonx.TypeName(l.Type))
	}
	if r.Type != bsonx.Array {
		return fail(errcode.Code(17042), "both operands of $setIsSubset must be arrays. Second argument is of type: %s",
			bsonx.TypeName(r.Type))
	}
	all := sortedSet(env, r)
	for it := bsonx.NewIter(l.Data); it.Next(); {
		if !env.contains(all, it.Value()) {
			return bsonx.False, nil
		}
	}
	return bsonx.True, nil
}

func setUnion(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	var all []bsonx.Value
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.NullValue, nil
		}
		if a.Type != bsonx.Array {
			return fail(errcode.Code(17043), "All operands of $setUnion must be arrays. One argument is of type: %s",
				bsonx.TypeName(a.Type))
		}
		all = bsonx.Values(all, a.Data)
	}
	return env.array(env.distinct(all))
}
