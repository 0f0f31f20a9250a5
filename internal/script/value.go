package script

import (
	"math"
	"strings"

	"github.com/dop251/goja"

	"github.com/argon-db/argon/internal/bsonx"
)

// maxDepth is how deep an object may be nested that becomes BSON.
const maxDepth = 150

// box is a value of a type that JavaScript does not have.
type box struct{ v bsonx.Value }

// source is the document that an object was made from: its fields that are still
// the same whole numbers keep their type.
type source struct{ doc bsonx.Doc }

func (e *engine) wrap(v bsonx.Value) goja.Value {
	return e.into(e.vm.CreateObject(e.types[v.Type]), v)
}

// into makes o the object of a value.
func (e *engine) into(o *goja.Object, v bsonx.Value) *goja.Object {
	e.hide(o, e.boxed, &box{bsonx.Clone(v)})
	return o
}

func (e *engine) hide(o *goja.Object, key *goja.Symbol, v any) {
	_ = o.DefineDataPropertySymbol(key, e.vm.ToValue(v), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
}

// hidden returns what hide put into an object, nil if nothing.
func hidden(o *goja.Object, key *goja.Symbol) any {
	v := o.GetSymbol(key)
	if v == nil {
		return nil
	}
	return v.Export()
}

// toJS returns a BSON value for JavaScript.
func (e *engine) toJS(v bsonx.Value) goja.Value {
	switch v.Type {
	case bsonx.Missing, bsonx.Undefined:
		return goja.Undefined()
	case bsonx.Null:
		return goja.Null()
	case bsonx.Bool:
		return e.vm.ToValue(v.Data[0] != 0)
	case bsonx.Int32:
		return e.vm.ToValue(bsonx.I32(v))
	case bsonx.Double:
		return e.vm.ToValue(bsonx.F64(v))
	case bsonx.String, bsonx.Symbol:
		return e.vm.ToValue(string(bsonx.Str(v)))
	case bsonx.Object:
		o := e.vm.NewObject()
		for it := bsonx.NewIter(v.Data); it.Next(); {
			_ = o.DefineDataProperty(string(it.Key()), e.toJS(it.Value()), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
		}
		e.hide(o, e.origin, &source{v.Data})
		return o
	case bsonx.Array:
		var items []any
		for it := bsonx.NewIter(v.Data); it.Next(); {
			items = append(items, e.toJS(it.Value()))
		}
		return e.vm.NewArray(items...)
	case bsonx.Date:
		d, err := e.vm.New(e.vm.Get("Date"), e.vm.ToValue(float64(bsonx.I64(v))))
		if err != nil {
			return goja.Null()
		}
		return d
	case bsonx.Regex:
		pattern, flags, _ := v.RegexOK()
		r, err := e.vm.New(e.vm.Get("RegExp"), e.vm.ToValue(pattern), e.vm.ToValue(scriptFlags(flags)))
		if err != nil { // a pattern that JavaScript has not
			return e.wrap(v)
		}
		return r
	case bsonx.JavaScript:
		if f, err := e.function(string(bsonx.Str(v))); err == nil && f != nil {
			if fn, err := e.vm.RunString("(" + string(bsonx.Str(v)) + "\n)"); err == nil {
				return fn
			}
		}
	}
	return e.wrap(v)
}

// scriptFlags are the options of a regular expression that JavaScript has too.
func scriptFlags(options string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("ims", r) {
			return r
		}
		return -1
	}, options)
}

// fromJS appends a value as a field. original, if not nil, is the document that the
// object around it was made from.
func (e *engine) fromJS(b *bsonx.Builder, key string, v goja.Value, depth int, original bsonx.Doc) error {
	if depth > maxDepth {
		return &scriptError{17279, "exceeded depth limit of 150 levels converting js object to BSON. Do you have a cycle?"}
	}
	switch {
	case v == nil || goja.IsUndefined(v):
		b.Value(key, bsonx.Value{Type: bsonx.Undefined})
		return nil
	case goja.IsNull(v):
		b.Null(key)
		return nil
	}
	if o, ok := v.(*goja.Object); ok {
		return e.fromObject(b, key, o, depth)
	}
	switch x := v.Export().(type) {
	case bool:
		b.Bool(key, x)
	case string:
		b.String(key, x)
	case int64, float64:
		number(b, key, v.ToFloat(), original)
	default: // symbols, big integers
		b.String(key, v.String())
	}
	return nil
}

// number: JavaScript's numbers are doubles, but a field that was an int and is
// the same field of the same object stays one.
func number(b *bsonx.Builder, key string, f float64, original bsonx.Doc) {
	if original != nil && f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 && bsonx.Lookup(original, key).Type == bsonx.Int32 {
		b.Int32(key, int32(f))
		return
	}
	b.Double(key, f)
}

func (e *engine) fromObject(b *bsonx.Builder, key string, o *goja.Object, depth int) error {
	if x, ok := hidden(o, e.boxed).(*box); ok {
		b.Value(key, x.v)
		return nil
	}
	switch o.ClassName() {
	case "Function":
		b.Value(key, bsonx.Value{Type: bsonx.JavaScript, Data: bsonx.AppendString(nil, o.String())})
		return nil
	case "Date":
		ms, err := e.getTime(goja.Undefined(), o)
		if err != nil {
			return describe(err)
		}
		b.Date(key, int64(ms.ToFloat()))
		return nil
	case "RegExp":
		data := append([]byte(o.Get("source").String()), 0)
		data = append(append(data, scriptFlags(o.Get("flags").String())...), 0)
		b.Value(key, bsonx.Value{Type: bsonx.Regex, Data: data})
		return nil
	case "String":
		b.String(key, o.String())
		return nil
	case "Boolean":
		b.Bool(key, o.ToBoolean())
		return nil
	case "Number":
		b.Double(key, o.ToFloat())
		return nil
	case "Array":
		return e.fromArray(b, key, o, depth)
	}
	var original bsonx.Doc
	if s, ok := hidden(o, e.origin).(*source); ok {
		original = s.doc
	}
	at := b.OpenDoc(key)
	for _, name := range o.Keys() {
		if strings.IndexByte(name, 0) >= 0 {
			return &scriptError{16985, "a field's name has a null byte"}
		}
		if err := e.fromJS(b, name, o.Get(name), depth+1, original); err != nil {
			return err
		}
		if b.Size() > maxMessage/2 {
			return &scriptError{17260, "the object is too large to become BSON"}
		}
	}
	b.Close(at)
	return nil
}

func (e *engine) fromArray(b *bsonx.Builder, key string, o *goja.Object, depth int) error {
	at := b.OpenArray(key)
	n := int(o.Get("length").ToInteger())
	for i := range n {
		name := bsonx.Index(i)
		if err := e.fromJS(b, name, o.Get(name), depth+1, nil); err != nil {
			return err
		}
		if b.Size() > maxMessage/2 {
			return &scriptError{17260, "the array is too large to become BSON"}
		}
	}
	b.Close(at)
	return nil
}
