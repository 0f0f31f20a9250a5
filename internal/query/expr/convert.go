package expr

import (
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// typeOperators are MongoDB's type expression operators.
func typeOperators() []operator {
	ops := []operator{
		{name: "$binarySize", min: 1, max: 1, eval: binarySize},
		{name: "$bsonSize", min: 1, max: 1, eval: bsonSize},
		{name: "$convert", compile: compileConvert},
		{name: "$isNumber", min: 1, max: 1, eval: func(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
			return bsonx.BoolValue(bsonx.IsNumber(args[0])), nil
		}},
		{name: "$type", min: 1, max: 1, eval: func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			return env.Arena.String(bsonx.TypeName(args[0].Type)), nil
		}},
	}
	for _, s := range shortConversions {
		ops = append(ops, operator{name: s.name, compile: shortConversion(s.to)})
	}
	return ops
}

// target is what $convert converts to, and how.
type target struct {
	typ     bsonx.Type
	subtype byte
	// subtypeArg is the subtype as it was given; it is looked at by conversions
	// to binData only.
	subtypeArg bsonx.Value
	format     string // "" when it was not given
	bigEndian  bool
}

var shortConversions = []struct {
	name string
	to   target
}{
	{"$toBool", target{typ: bsonx.Bool}},
	{"$toDate", target{typ: bsonx.Date}},
	{"$toDecimal", target{typ: bsonx.Decimal128}},
	{"$toDouble", target{typ: bsonx.Double}},
	{"$toInt", target{typ: bsonx.Int32}},
	{"$toLong", target{typ: bsonx.Int64}},
	{"$toObjectId", target{typ: bsonx.ObjectID}},
	{"$toString", target{typ: bsonx.String, format: "auto"}},
	{"$toUUID", target{typ: bsonx.Binary, subtype: uuidSubtype, format: "uuid"}},
}

// shortConversion compiles {$toInt: x}, which is {$convert: {input: x, to: "int"}}.
func shortConversion(to target) func(*call) (Expr, error) {
	return func(c *call) (Expr, error) {
		operands := c.operands()
		if len(operands) != 1 {
			return nil, errcode.New(errcode.Code(50723), "%s requires a single argument, got %d", c.name, len(operands))
		}
		args, err := compileAll(operands, c.sc)
		if err != nil {
			return nil, err
		}
		return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			if bsonx.IsNullish(args[0]) {
				return bsonx.NullValue, nil
			}
			return convert(env, args[0], &to)
		}, args, c.sc)
	}
}

var convertSpec = namedSpec{
	names:     []string{"input", "to", "format", "byteOrder", "onError", "onNull"},
	notObject: errcode.FailedToParse, unknown: errcode.FailedToParse,
}

// convertCall is a $convert. Its onError and onNull are evaluated only when they
// are needed.
type convertCall struct {
	input, to, format, order, onError, onNull Expr
}

func compileConvert(c *call) (Expr, error) {
	vals, err := c.named(&convertSpec)
	if err != nil {
		return nil, err
	}
	if err := c.require(vals[0], "input", errcode.FailedToParse); err != nil {
		return nil, err
	}
	if err := c.require(vals[1], "to", errcode.FailedToParse); err != nil {
		return nil, err
	}
	es := make([]Expr, len(vals))
	for i, v := range vals {
		if v.Type == bsonx.Missing {
			continue
		}
		if es[i], err = Compile(v, c.sc); err != nil {
			return nil, err
		}
	}
	return foldIf(&convertCall{es[0], es[1], es[2], es[3], es[4], es[5]}, es, c.sc)
}

func evalOr(e Expr, env *Env) (bsonx.Value, error) {
	if e == nil {
		return bsonx.Value{}, nil
	}
	return e.Eval(env)
}

// Eval implements Expr.
func (c *convertCall) Eval(env *Env) (bsonx.Value, error) {
	var vals [4]bsonx.Value
	for i, e := range []Expr{c.input, c.to, c.format, c.order} {
		v, err := evalOr(e, env)
		if err != nil {
			return bsonx.Value{}, err
		}
		vals[i] = v
	}
	t, null, err := readTarget(vals[1])
	if err != nil {
		return bsonx.Value{}, err
	}
	if bsonx.IsNullish(vals[0]) {
		if c.onNull != nil {
			return c.onNull.Eval(env)
		}
		return bsonx.NullValue, nil
	}
	if null {
		return bsonx.NullValue, nil
	}
	if err := t.readForms(vals[2], vals[3]); err != nil {
		return bsonx.Value{}, err
	}
	v, err := convert(env, vals[0], t)
	if err != nil && c.onError != nil && (errcode.Has(err, errcode.ConversionFailure) || errcode.Has(err, 18537)) {
		return c.onError.Eval(env)
	}
	return v, err
}

// readTarget reads 'to', which is a type or {type, subtype}; null says that the
// type is.
func readTarget(to bsonx.Value) (t *target, null bool, err error) {
	t = &target{}
	if to.Type == bsonx.Object {
		if to, t.subtypeArg, err = targetDoc(to); err != nil {
			return nil, false, err
		}
	}
	if bsonx.IsNullish(to) {
		return t, true, nil
	}
	if t.typ, err = typeArg(to); err != nil {
		return nil, false, err
	}
	return t, false, nil
}

// readForms reads 'format' and 'byteOrder'; null counts as not given.
func (t *target) readForms(format, order bsonx.Value) error {
	if !bsonx.IsNullish(format) {
		if !isString(format) {
			return typeError(4341114, "$convert", "that 'format' be a string", format)
		}
		t.format = string(bsonx.Str(format))
		if strings.IndexByte(t.format, ',') >= 0 || !strings.Contains(",auto,base64,base64url,hex,utf8,uuid,", ","+t.format+",") {
			return errcode.New(errcode.Code(4341125), "Invalid 'format' argument for $convert: %s", t.format)
		}
	}
	if !bsonx.IsNullish(order) {
		if !isString(order) {
			return typeError(9130001, "$convert", "that 'byteOrder' be a string", order)
		}
		switch s := string(bsonx.Str(order)); s {
		case "big":
			t.bigEndian = true
		case "little":
		default:
			return errcode.New(errcode.Code(9130002), "Invalid 'byteOrder' argument for $convert: %s", s)
		}
	}
	return nil
}

func targetDoc(to bsonx.Value) (typ, subtype bsonx.Value, err error) {
	for it := bsonx.NewIter(to.Data); it.Next(); {
		switch string(it.Key()) {
		case "type":
			typ = it.Value()
		case "subtype":
			subtype = it.Value()
		default:
			return typ, subtype, errcode.New(errcode.FailedToParse, "$convert's 'to' argument has an unknown field: %s", it.Key())
		}
	}
	if typ.Type == bsonx.Missing {
		err = errcode.New(errcode.FailedToParse, "$convert's 'to' argument requires 'type' when it is an object")
	}
	return typ, subtype, err
}

// typeArg reads a type by name or number.
func typeArg(v bsonx.Value) (bsonx.Type, error) {
	if isString(v) {
		name := string(bsonx.Str(v))
		if t, ok := typeByName(name); ok {
			return t, nil
		}
		return 0, errcode.New(errcode.BadValue, "Unknown type name: %s", name)
	}
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(errcode.FailedToParse, "$convert's 'to' argument must be a string or number, but is %s", bsonx.TypeName(v.Type))
	}
	n, ok := integral32(v)
	if !ok {
		return 0, errcode.New(errcode.FailedToParse, "In $convert, numeric 'to' argument is not an integer")
	}
	if n == -1 {
		return bsonx.MinKey, nil
	}
	if n == 127 {
		return bsonx.MaxKey, nil
	}
	if n < 0 || n > 19 {
		return 0, errcode.New(errcode.FailedToParse, "In $convert, numeric value for 'to' does not correspond to a BSON type: %d", n)
	}
	return bsonx.Type(n), nil
}

func typeByName(name string) (bsonx.Type, bool) {
	for t := bsonx.Double; t <= bsonx.Decimal128; t++ {
		if bsonx.TypeName(t) == name {
			return t, true
		}
	}
	switch name {
	case "minKey":
		return bsonx.MinKey, true
	case "maxKey":
		return bsonx.MaxKey, true
	case "missing":
		return bsonx.Missing, true
	}
	return 0, false
}

// subtypeArg reads a subtype of binData: one of BSON's, or a user's (128 to 255).
func subtypeArg(v bsonx.Value) (byte, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(errcode.Code(4341108), "$convert's 'subtype' argument must be a number, but is %s", bsonx.TypeName(v.Type))
	}
	n, ok := integral32(v)
	if !ok {
		return 0, errcode.New(errcode.Code(4341106), "In $convert, numeric 'subtype' argument is not an integer")
	}
	if n < 0 || n > 9 && n < 128 || n > 255 {
		return 0, errcode.New(errcode.Code(4341107), "In $convert, numeric value for 'subtype' does not correspond to a BinData type: %d", n)
	}
	return byte(n), nil
}

// failed is a conversion that cannot be done; onError takes its place.
func failed(format string, args ...any) (bsonx.Value, error) {
	return bsonx.Value{}, errcode.New(errcode.ConversionFailure, format, args...)
}

func unsupported(from bsonx.Type, to bsonx.Type) (bsonx.Value, error) {
	return failed("Unsupported conversion from %s to %s in $convert with no onError value", bsonx.TypeName(from), bsonx.TypeName(to))
}

// convert converts a value that is not nullish.
func convert(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	switch t.typ {
	case bsonx.Bool:
		return bsonx.BoolValue(bsonx.Truthy(v)), nil
	case bsonx.Int32:
		return toInteger(env, v, t, math.MinInt32, math.MaxInt32)
	case bsonx.Int64:
		return toInteger(env, v, t, math.MinInt64, math.MaxInt64)
	case bsonx.Double:
		return toDouble(env, v, t)
	case bsonx.Decimal128:
		return toDecimal(env, v)
	case bsonx.String:
		return toString(env, v, t)
	case bsonx.ObjectID:
		return toObjectID(env, v)
	case bsonx.Date:
		return toDate(env, v)
	case bsonx.Binary:
		return toBinary(env, v, t)
	}
	return unsupported(v.Type, t.typ)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func toInteger(env *Env, v bsonx.Value, t *target, lo, hi int64) (bsonx.Value, error) {
	var n int64
	ok := true
	switch v.Type {
	case bsonx.Bool:
		n = b2i(bsonx.Truthy(v))
	case bsonx.Int32, bsonx.Int64:
		n = numeric.Long(v)
	case bsonx.Double:
		f := bsonx.F64(v)
		if f != f {
			return failed("Attempt to convert NaN value to integer type in $convert with no onError value")
		}
		if math.IsInf(f, 0) {
			return failed("Attempt to convert infinity value to integer type in $convert with no onError value")
		}
		ok = f >= -9223372036854775808 && f < 9223372036854775808
		if ok {
			n = int64(f)
		}
	case bsonx.Decimal128:
		if d := numeric.FromValue(v); d.Form != apd.Finite {
			return failed("Attempt to convert %s value to integer type in $convert with no onError value", numeric.Format(d))
		}
		n, ok = decimalRound(v, false)
	case bsonx.Date:
		if t.typ != bsonx.Int64 {
			return unsupported(v.Type, t.typ)
		}
		n = bsonx.I64(v)
	case bsonx.String:
		s := string(bsonx.Str(v))
		var err error
		if n, err = parseInteger(s); err != nil {
			return failed("Failed to parse number '%s' in $convert with no onError value: %v", s, err)
		}
	case bsonx.Binary:
		var err error
		if n, err = binaryInteger(v, t); err != nil {
			return bsonx.Value{}, err
		}
	default:
		return unsupported(v.Type, t.typ)
	}
	if !ok || n < lo || n > hi {
		return failed("Conversion would overflow target type in $convert with no onError value: %s", v.DebugString())
	}
	if t.typ == bsonx.Int32 {
		return env.Arena.Int32(int32(n)), nil
	}
	return env.Arena.Int64(n), nil
}

// smallestNormal is the smallest double of full precision: conversion of a
// decimal below it is an underflow.
const smallestNormal = 0x1p-1022

func toDouble(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	switch v.Type {
	case bsonx.Double:
		return v, nil
	case bsonx.Bool:
		return env.Arena.Double(float64(b2i(bsonx.Truthy(v)))), nil
	case bsonx.Int32, bsonx.Int64:
		return env.Arena.Double(float64(numeric.Long(v))), nil
	case bsonx.Date:
		return env.Arena.Double(float64(bsonx.I64(v))), nil
	case bsonx.Decimal128:
		d := numeric.FromValue(v)
		f := numeric.Float(d)
		if d.Form == apd.Finite && (math.IsInf(f, 0) || !d.IsZero() && math.Abs(f) < smallestNormal) {
			return failed("Conversion would overflow target type in $convert with no onError value: %s", numeric.Format(d))
		}
		return env.Arena.Double(f), nil
	case bsonx.String:
		s := string(bsonx.Str(v))
		f, err := parseDouble(s)
		if err != nil {
			return failed("Failed to parse number '%s' in $convert with no onError value: %v", s, err)
		}
		return env.Arena.Double(f), nil
	case bsonx.Binary:
		return binaryDouble(env, v, t)
	}
	return unsupported(v.Type, bsonx.Double)
}

func toDecimal(env *Env, v bsonx.Value) (bsonx.Value, error) {
	var d *numeric.Decimal
	switch v.Type {
	case bsonx.Decimal128:
		return v, nil
	case bsonx.Bool:
		d = numeric.FromInt64(b2i(bsonx.Truthy(v)))
	case bsonx.Int32, bsonx.Int64:
		d = numeric.FromInt64(numeric.Long(v))
	case bsonx.Date:
		d = numeric.FromInt64(bsonx.I64(v))
	case bsonx.Double:
		d = numeric.FromFloat(bsonx.F64(v))
	case bsonx.String:
		s := string(bsonx.Str(v))
		var err error
		if d, err = parseDecimal(s); err != nil {
			return failed("Failed to parse number '%s' in $convert with no onError value: %v", s, err)
		}
	default:
		return unsupported(v.Type, bsonx.Decimal128)
	}
	return numeric.Put(&env.Arena, d), nil
}

func binarySize(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	switch v := args[0]; {
	case bsonx.IsNullish(v):
		return bsonx.NullValue, nil
	case isString(v):
		return env.Arena.Int32(int32(len(bsonx.Str(v)))), nil
	case v.Type == bsonx.Binary:
		return env.Arena.Int32(int32(len(v.Data) - 5)), nil
	default:
		return bsonx.Value{}, errcode.New(errcode.Code(51276), "$binarySize requires a string or BinData argument, found: %s", bsonx.TypeName(v.Type))
	}
}

func bsonSize(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	switch v := args[0]; {
	case bsonx.IsNullish(v):
		return bsonx.NullValue, nil
	case v.Type == bsonx.Object:
		return env.Arena.Int32(int32(len(v.Data))), nil
	default:
		return bsonx.Value{}, errcode.New(errcode.Code(31393), "$bsonSize requires a document input, found: %s", bsonx.TypeName(v.Type))
	}
}
