package expr

import (
	"encoding/binary"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// arrayOperators: MongoDB manual, "Array Expression Operators"; those that
// evaluate an expression for each element are in lambda.go.
func arrayOperators() []operator {
	return []operator{
		{name: "$arrayElemAt", min: 2, max: 2, eval: arrayElemAt},
		{name: "$concatArrays", min: 0, max: -1, assoc: neighbours, eval: concatArrays},
		{name: "$first", min: 1, max: 1, eval: endOfArray("$first", 0)},
		{name: "$in", min: 2, max: 2, eval: in},
		{name: "$indexOfArray", min: 2, max: 4, eval: indexOfArray},
		{name: "$isArray", min: 1, max: 1, eval: func(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
			return bsonx.BoolValue(args[0].Type == bsonx.Array), nil
		}},
		{name: "$last", min: 1, max: 1, eval: endOfArray("$last", -1)},
		{name: "$range", min: 2, max: 3, eval: rangeOf},
		{name: "$reverseArray", min: 1, max: 1, eval: reverseArray},
		{name: "$size", min: 1, max: 1, eval: size},
		{name: "$slice", min: 2, max: 3, eval: slice},
	}
}

// int32Of returns a number that is exactly an int.
func int32Of(v bsonx.Value) (int, bool) {
	n, ok := bsonx.IntegralOK(v)
	return int(n), ok && n >= math.MinInt32 && n <= math.MaxInt32
}

// elementAt returns element i, from the end if negative; missing if none.
func elementAt(arr bsonx.Value, i int) bsonx.Value {
	if i < 0 {
		if i += bsonx.Len(arr.Data); i < 0 {
			return bsonx.Value{}
		}
	}
	return bsonx.LookupIndex(arr.Data, i)
}

func arrayElemAt(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
	arr, idx := args[0], args[1]
	if bsonx.IsNullish(arr) || bsonx.IsNullish(idx) {
		return bsonx.NullValue, nil
	}
	if arr.Type != bsonx.Array {
		return fail(errcode.Code(28689), "$arrayElemAt's first argument must be an array, but is %s", bsonx.TypeName(arr.Type))
	}
	if !bsonx.IsNumber(idx) {
		return fail(errcode.Code(28690), "$arrayElemAt's second argument must be a numeric value, but is %s", bsonx.TypeName(idx.Type))
	}
	i, ok := int32Of(idx)
	if !ok {
		return fail(errcode.Code(28691),
			"$arrayElemAt's second argument must be representable as a 32-bit integer: %s", render(idx))
	}
	return elementAt(arr, i), nil
}

func endOfArray(name string, i int) evalFunc {
	return func(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
		arr := args[0]
		if bsonx.IsNullish(arr) {
			return bsonx.NullValue, nil
		}
		if arr.Type != bsonx.Array {
			return fail(errcode.Code(28689), "%s's argument must be an array, but is %s", name, bsonx.TypeName(arr.Type))
		}
		return elementAt(arr, i), nil
	}
}

func concatArrays(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
	size := 5
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.NullValue, nil
		}
		if a.Type != bsonx.Array {
			return fail(errcode.Code(28664), "$concatArrays only supports arrays, not %s", bsonx.TypeName(a.Type))
		}
		size += len(a.Data)
	}
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	all := elements{buf: make([]byte, 4, size)}
	for i, a := range args {
		if i == 0 { // its keys stay
			all.n, all.buf = bsonx.Len(a.Data), append(all.buf, a.Data[4:len(a.Data)-1]...)
			continue
		}
		for it := bsonx.NewIter(a.Data); it.Next(); {
			all.push(it.Value())
		}
	}
	all.buf = append(all.buf, 0)
	binary.LittleEndian.PutUint32(all.buf, uint32(len(all.buf)))
	return bsonx.ArrValue(all.buf), nil
}

func in(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	if args[1].Type != bsonx.Array {
		return fail(errcode.Code(40081), "$in requires an array as a second argument, found: %s", bsonx.TypeName(args[1].Type))
	}
	for it := bsonx.NewIter(args[1].Data); it.Next(); {
		if env.Compare(args[0], it.Value()) == 0 {
			return bsonx.True, nil
		}
	}
	return bsonx.False, nil
}

func indexOfArray(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	arr := args[0]
	if bsonx.IsNullish(arr) {
		return bsonx.NullValue, nil
	}
	if arr.Type != bsonx.Array {
		return fail(errcode.Code(40090), "$indexOfArray requires an array as a first argument, found: %s", bsonx.TypeName(arr.Type))
	}
	bounds := [2]int{0, math.MaxInt32}
	for i, v := range args[2:] {
		n, err := indexBound("$indexOfArray", []string{"starting", "ending"}[i], v)
		if err != nil {
			return bsonx.Value{}, err
		}
		bounds[i] = n
	}
	i := 0
	for it := bsonx.NewIter(arr.Data); it.Next() && i < bounds[1]; i++ {
		if i >= bounds[0] && env.Compare(it.Value(), args[1]) == 0 {
			return env.Arena.Int32(int32(i)), nil
		}
	}
	return env.Arena.Int32(-1), nil
}

// indexBound reads the start or end index of an $indexOf operator.
func indexBound(name, which string, v bsonx.Value) (int, error) {
	n, ok := int32Of(v)
	if !ok {
		return 0, errcode.New(errcode.Code(40096), "%s requires an integral %s index, found a value of type: %s, with value: \"%s\"",
			name, which, bsonx.TypeName(v.Type), render(v))
	}
	if n < 0 {
		return 0, errcode.New(errcode.Code(40097), "%s requires a nonnegative %s index, found: %d", name, which, n)
	}
	return n, nil
}

// maxRangeMemory bounds $range, as MongoDB's internalQueryMaxRangeBytes does.
const maxRangeMemory = 100 * 1024 * 1024

func rangeOf(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	n := [3]int{0, 0, 1}
	for i, v := range args {
		what := []string{"starting", "ending", "step"}[i]
		if !bsonx.IsNumber(v) {
			return fail(errcode.Code(34443+2*i), "$range requires a numeric %s value, found value of type: %s",
				what, bsonx.TypeName(v.Type))
		}
		var ok bool
		if n[i], ok = int32Of(v); !ok {
			return fail(errcode.Code(34444+2*i),
				"$range requires a %s value that can be represented as a 32-bit integer, found value: %s", what, render(v))
		}
	}
	start, end, step := n[0], n[1], n[2]
	if step == 0 {
		return fail(errcode.Code(34449), "$range requires a non-zero step value")
	}
	count := 0
	if d := end - start; d != 0 && (d > 0) == (step > 0) {
		count = (abs(d) + abs(step) - 1) / abs(step)
	}
	if count*16 > maxRangeMemory {
		return fail(errcode.ExceededMemoryLimit, "$range would use too much memory (%d bytes) and cannot spill to disk. Memory limit: %d bytes",
			count*16, maxRangeMemory)
	}
	b := bsonx.NewDoc(make([]byte, 0, 5+count*7))
	for i := range count {
		b.Int32(bsonx.Index(i), int32(start+i*step))
		if err := env.tick(); err != nil {
			return bsonx.Value{}, err
		}
	}
	return bsonx.ArrValue(bsonx.Arr(b.Done())), checkSize(b.Size())
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func reverseArray(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	arr := args[0]
	if bsonx.IsNullish(arr) {
		return bsonx.NullValue, nil
	}
	if arr.Type != bsonx.Array {
		return fail(errcode.Code(34435), "The argument to $reverseArray must be an array, but was of type: %s", bsonx.TypeName(arr.Type))
	}
	vals := bsonx.Values(nil, arr.Data)
	for i, j := 0, len(vals)-1; i < j; i, j = i+1, j-1 {
		vals[i], vals[j] = vals[j], vals[i]
	}
	return env.array(vals)
}

func size(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	if args[0].Type != bsonx.Array {
		return fail(errcode.Code(17124), "The argument to $size must be an array, but was of type: %s", bsonx.TypeName(args[0].Type))
	}
	return env.Arena.Int32(int32(bsonx.Len(args[0].Data))), nil
}

func slice(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	arr := args[0]
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.NullValue, nil
		}
	}
	if arr.Type != bsonx.Array {
		return fail(errcode.Code(28724), "First argument to $slice must be an array, but is of type: %s", bsonx.TypeName(arr.Type))
	}
	var n [2]int
	for i, v := range args[1:] {
		which := []string{"Second", "Third"}[i]
		if !bsonx.IsNumber(v) {
			return fail(errcode.Code(28725+2*i), "%s argument to $slice must be numeric, but is of type: %s", which, bsonx.TypeName(v.Type))
		}
		var ok bool
		if n[i], ok = int32Of(v); !ok {
			return fail(errcode.Code(28726+2*i), "%s argument to $slice can't be represented as a 32-bit integer: %s", which, render(v))
		}
	}
	vals := bsonx.Values(nil, arr.Data)
	if len(args) == 2 {
		if n[0] >= 0 {
			return env.array(vals[:min(n[0], len(vals))])
		}
		return env.array(vals[max(0, len(vals)+n[0]):])
	}
	if n[1] <= 0 {
		return fail(errcode.Code(28729), "Third argument to $slice must be positive: %d", n[1])
	}
	from := min(n[0], len(vals))
	if from < 0 {
		from = max(0, len(vals)+from)
	}
	return env.array(vals[from:min(from+n[1], len(vals))])
}
