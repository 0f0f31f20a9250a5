package script

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// defineTypes makes the types that MongoDB's shell adds to JavaScript. Their
// methods are in the prelude, on top of the natives that it is given.
func (e *engine) defineTypes() {
	for _, t := range []struct {
		name string
		typ  bsonx.Type
		make func(args []goja.Value) bsonx.Value
	}{
		{"NumberLong", bsonx.Int64, func(a []goja.Value) bsonx.Value { return bsonx.Int64Value(e.long(arg(a, 0))) }},
		{"NumberInt", bsonx.Int32, func(a []goja.Value) bsonx.Value { return bsonx.Int32Value(int32(e.long(arg(a, 0)))) }},
		{"NumberDecimal", bsonx.Decimal128, func(a []goja.Value) bsonx.Value { return e.decimal(arg(a, 0)) }},
		{"ObjectId", bsonx.ObjectID, func(a []goja.Value) bsonx.Value { return e.objectID(arg(a, 0)) }},
		{"BinData", bsonx.Binary, func(a []goja.Value) bsonx.Value {
			data, err := base64.StdEncoding.DecodeString(text(arg(a, 1)))
			e.check(err, "BinData needs a subtype and base64 text")
			return binary2(byte(number0(arg(a, 0))), data)
		}},
		{"Timestamp", bsonx.Timestamp, func(a []goja.Value) bsonx.Value {
			return bsonx.TimestampValue(uint32(number0(arg(a, 0))), uint32(number0(arg(a, 1))))
		}},
		{"MinKey", bsonx.MinKey, func([]goja.Value) bsonx.Value { return bsonx.Value{Type: bsonx.MinKey} }},
		{"MaxKey", bsonx.MaxKey, func([]goja.Value) bsonx.Value { return bsonx.Value{Type: bsonx.MaxKey} }},
	} {
		c := e.vm.ToValue(func(call goja.ConstructorCall) *goja.Object {
			return e.into(call.This, t.make(call.Arguments))
		}).ToObject(e.vm)
		_ = e.vm.Set(t.name, c)
		e.types[t.typ] = c.Get("prototype").ToObject(e.vm)
	}
	plain := e.vm.NewObject()
	for _, t := range []bsonx.Type{bsonx.DBPointer, bsonx.JavaScript, bsonx.JavaScriptWithScope, bsonx.Regex} {
		e.types[t] = plain
	}
	f, err := e.vm.RunScript("prelude", prelude)
	if err != nil {
		panic(err) // the prelude is a part of the program
	}
	run, _ := goja.AssertFunction(f)
	if _, err := run(goja.Undefined(), e.natives()); err != nil {
		panic(err)
	}
}

func arg(a []goja.Value, i int) goja.Value {
	if i < len(a) {
		return a[i]
	}
	return goja.Undefined()
}

func text(v goja.Value) string { return v.String() }

func number0(v goja.Value) float64 {
	f := v.ToFloat()
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// check throws when err is not nil.
func (e *engine) check(err error, message string) {
	if err != nil {
		panic(e.vm.NewTypeError(message))
	}
}

func binary2(subtype byte, data []byte) bsonx.Value {
	b := bsonx.NewDoc(nil)
	b.Binary("", subtype, data)
	return bsonx.Lookup(b.Done(), "")
}

// long is the argument of NumberLong and NumberInt.
func (e *engine) long(v goja.Value) int64 {
	if goja.IsUndefined(v) {
		return 0
	}
	if s, ok := v.Export().(string); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		e.check(err, "could not convert \""+s+"\" to a number")
		return n
	}
	if o, ok := v.(*goja.Object); ok {
		if x, ok := hidden(o, e.boxed).(*box); ok && x.v.Type == bsonx.Int64 {
			return bsonx.I64(x.v)
		}
	}
	f := number0(v)
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func (e *engine) decimal(v goja.Value) bsonx.Value {
	s := "0"
	if !goja.IsUndefined(v) {
		s = text(v)
	}
	d, err := bson.ParseDecimal128(s)
	e.check(err, "input is not a valid decimal number: "+s)
	h, l := d.GetBytes()
	var a bsonx.Arena
	return a.Decimal(h, l)
}

func (e *engine) objectID(v goja.Value) bsonx.Value {
	id := make([]byte, 12)
	if goja.IsUndefined(v) {
		_, _ = rand.Read(id)
	} else {
		raw, err := hex.DecodeString(text(v))
		if err == nil && len(raw) != 12 {
			err = errMessage
		}
		e.check(err, "invalid object id: "+text(v))
		copy(id, raw)
	}
	return bsonx.Value{Type: bsonx.ObjectID, Data: id}
}

// natives are the functions that the prelude builds on.
func (e *engine) natives() *goja.Object {
	n := e.vm.NewObject()
	value := func(v goja.Value) bsonx.Value {
		if o, ok := v.(*goja.Object); ok {
			if x, ok := hidden(o, e.boxed).(*box); ok {
				return x.v
			}
		}
		panic(e.vm.NewTypeError("not a value of this type"))
	}
	set := func(name string, f func(call goja.FunctionCall) any) {
		_ = n.Set(name, func(call goja.FunctionCall) goja.Value { return e.vm.ToValue(f(call)) })
	}
	set("num", func(c goja.FunctionCall) any { return floatOf(value(c.Argument(0))) })
	set("str", func(c goja.FunctionCall) any { return textOf(value(c.Argument(0))) })
	set("bytes", func(c goja.FunctionCall) any {
		if c.Argument(1).String() == "base64" {
			_, data := bsonx.Bin(value(c.Argument(0)))
			return base64.StdEncoding.EncodeToString(data)
		}
		return bytesOf(value(c.Argument(0)))
	})
	set("part", func(c goja.FunctionCall) any { // of a Timestamp: 0 its seconds, 1 its counter
		w := uint64(bsonx.I64(value(c.Argument(0))))
		if c.Argument(1).ToInteger() == 0 {
			return int64(w >> 32)
		}
		return int64(uint32(w))
	})
	set("subtype", func(c goja.FunctionCall) any { s, _ := bsonx.Bin(value(c.Argument(0))); return int64(s) })
	set("fromHex", func(c goja.FunctionCall) any {
		data, err := hex.DecodeString(c.Argument(1).String())
		e.check(err, "not hexadecimal: "+c.Argument(1).String())
		return e.wrap(binary2(byte(c.Argument(0).ToInteger()), data))
	})
	set("md5", func(c goja.FunctionCall) any {
		sum := md5.Sum([]byte(c.Argument(0).String()))
		return hex.EncodeToString(sum[:])
	})
	set("sleep", func(c goja.FunctionCall) any {
		time.Sleep(time.Duration(number0(c.Argument(0))) * time.Millisecond)
		return nil
	})
	set("emit", func(c goja.FunctionCall) any {
		e.emitted = append(e.emitted, c.Argument(0), c.Argument(1))
		return nil
	})
	return n
}

func floatOf(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	}
	return math.NaN()
}

func textOf(v bsonx.Value) string {
	switch v.Type {
	case bsonx.Int32:
		return strconv.Itoa(int(bsonx.I32(v)))
	case bsonx.Int64:
		return strconv.FormatInt(bsonx.I64(v), 10)
	case bsonx.Decimal128:
		return bson.NewDecimal128(bsonx.DecimalBits(v)).String()
	}
	return ""
}

// bytesOf are an ObjectId's or a BinData's bytes in hexadecimal.
func bytesOf(v bsonx.Value) string {
	if v.Type == bsonx.ObjectID {
		return hex.EncodeToString(v.Data)
	}
	if v.Type == bsonx.Binary && len(v.Data) >= 5 && int(binary.LittleEndian.Uint32(v.Data)) == len(v.Data)-5 {
		_, data := bsonx.Bin(v)
		return hex.EncodeToString(data)
	}
	return ""
}
