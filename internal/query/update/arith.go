package update

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// arith is $inc or $mul. The result has the wider type of the two; an int that
// overflows becomes a long, a long that overflows is an error.
type arith struct {
	always
	mul bool
	val bsonx.Value
}

func parseInc(_ *parser, path string, v bsonx.Value) (operator, error) {
	if !bsonx.IsNumber(v) {
		return nil, errcode.New(errcode.TypeMismatch, "Cannot increment with non-numeric argument: {%s: %s}", path, show(v))
	}
	return &arith{val: v}, nil
}

func parseMul(_ *parser, path string, v bsonx.Value) (operator, error) {
	if !bsonx.IsNumber(v) {
		return nil, errcode.New(errcode.TypeMismatch, "Cannot multiply with non-numeric argument: {%s: %s}", path, show(v))
	}
	return &arith{val: v, mul: true}, nil
}

func (n *arith) name() string {
	if n.mul {
		return "$mul"
	}
	return "$inc"
}

func (n *arith) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	var arena bsonx.Arena
	if v.Type == bsonx.Missing {
		if !n.mul {
			a.b.Value(key, n.val)
			return nil
		}
		v = bsonx.Int32Value(0)
	}
	if !bsonx.IsNumber(v) {
		return errcode.New(errcode.TypeMismatch, "Cannot apply %s to a value of non-numeric type. {_id: %s} has the field '%s' of non-numeric type %s",
			n.name(), show(bsonx.Lookup(a.doc, "_id")), key, bsonx.TypeName(v.Type))
	}
	r, ok := n.compute(&arena, v)
	if !ok {
		return bad("Failed to apply %s operations to current value (%s) for document {_id: %s}", n.name(), show(v), show(bsonx.Lookup(a.doc, "_id")))
	}
	a.b.Value(key, r)
	return nil
}

func (n *arith) compute(arena *bsonx.Arena, v bsonx.Value) (bsonx.Value, bool) {
	switch numeric.Widest(v.Type, n.val.Type) {
	case bsonx.Decimal128:
		x, y := numeric.FromValue(v), numeric.FromValue(n.val)
		if n.mul {
			return numeric.Put(arena, numeric.Mul(x, y)), true
		}
		return numeric.Put(arena, numeric.Add(x, y)), true
	case bsonx.Double:
		x, y := numeric.ToFloat(v), numeric.ToFloat(n.val)
		if n.mul {
			return arena.Double(x * y), true
		}
		return arena.Double(x + y), true
	case bsonx.Int32:
		x, y := numeric.Long(v), numeric.Long(n.val)
		if n.mul {
			return numeric.IntOrLong(arena, x*y), true
		}
		return numeric.IntOrLong(arena, x+y), true
	}
	f := numeric.AddInt64
	if n.mul {
		f = numeric.MulInt64
	}
	r, ok := f(numeric.Long(v), numeric.Long(n.val))
	return arena.Int64(r), ok
}

// bit is $bit: operations in turn.
type bit struct {
	always
	steps []bitStep
}

type bitStep struct {
	op  func(x, y int64) int64
	val bsonx.Value
}

func parseBit(_ *parser, path string, v bsonx.Value) (operator, error) {
	if v.Type != bsonx.Object {
		return nil, bad("The $bit modifier is not compatible with a %s. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}", bsonx.TypeName(v.Type))
	}
	ops := map[string]func(x, y int64) int64{
		"and": func(x, y int64) int64 { return x & y },
		"or":  func(x, y int64) int64 { return x | y },
		"xor": func(x, y int64) int64 { return x ^ y },
	}
	b := &bit{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		op, arg := ops[string(it.Key())], it.Value()
		if op == nil {
			return nil, bad("The $bit modifier only supports 'and', 'or', and 'xor', not '%s' which is an unknown operator: {%s: %s}", it.Key(), it.Key(), show(arg))
		}
		if arg.Type != bsonx.Int32 && arg.Type != bsonx.Int64 {
			return nil, bad("The $bit modifier field must be an Integer(32/64 bit); a '%s' is not supported here: {%s: %s}", bsonx.TypeName(arg.Type), it.Key(), show(arg))
		}
		b.steps = append(b.steps, bitStep{op, arg})
	}
	if len(b.steps) == 0 {
		return nil, bad("You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}")
	}
	return b, nil
}

func (b *bit) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	t, x := v.Type, int64(0)
	switch t {
	case bsonx.Missing:
		t = bsonx.Int32
	case bsonx.Int32, bsonx.Int64:
		x = numeric.Long(v)
	default:
		return bad("Cannot apply $bit to a value of non-integral type. {_id: %s} has the field %s of non-integer type %s",
			show(bsonx.Lookup(a.doc, "_id")), key, bsonx.TypeName(t))
	}
	for _, s := range b.steps {
		x = s.op(x, numeric.Long(s.val))
		t = numeric.Widest(t, s.val.Type)
	}
	if t == bsonx.Int32 {
		a.b.Int32(key, int32(x))
	} else {
		a.b.Int64(key, x)
	}
	return nil
}
