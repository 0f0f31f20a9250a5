package expr

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// objectOperators: MongoDB manual, "Object Expression Operators".
func objectOperators() []operator {
	return []operator{
		{name: "$arrayToObject", min: 1, max: 1, eval: arrayToObject},
		{name: "$getField", compile: compileGetField},
		{name: "$mergeObjects", min: 0, max: -1, assoc: neighbours, eval: mergeObjects},
		{name: "$objectToArray", min: 1, max: 1, eval: objectToArray},
		{name: "$setField", compile: func(c *call) (Expr, error) { return compileSetField(c, false) }},
		{name: "$unsetField", compile: func(c *call) (Expr, error) { return compileSetField(c, true) }},
	}
}

// fields is an ordered set of named values.
type fields struct {
	keys []string
	vals []bsonx.Value
	at   map[string]int
}

// set gives a field its value; a field that is there keeps its place.
func (f *fields) set(key string, v bsonx.Value) {
	if f.at == nil {
		f.at = make(map[string]int)
	}
	if i, ok := f.at[key]; ok {
		f.vals[i] = v
		return
	}
	f.at[key] = len(f.keys)
	f.keys, f.vals = append(f.keys, key), append(f.vals, v)
}

func (f *fields) merge(doc bsonx.Value) {
	for it := bsonx.NewIter(doc.Data); it.Next(); {
		f.set(string(it.Key()), it.Value())
	}
}

func (f *fields) value() (bsonx.Value, error) {
	size := 5
	for i, k := range f.keys {
		size += len(k) + 2 + len(f.vals[i].Data)
	}
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	b := bsonx.NewDoc(make([]byte, 0, size))
	for i, k := range f.keys {
		b.Value(k, f.vals[i])
	}
	return bsonx.DocValue(b.Done()), nil
}

// mergeObjects: a single array stands for its elements.
func mergeObjects(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
	var f fields
	if len(args) == 1 && args[0].Type == bsonx.Array {
		args = bsonx.Values(nil, args[0].Data)
	}
	for _, v := range args {
		if bsonx.IsNullish(v) {
			continue
		}
		if v.Type != bsonx.Object {
			return fail(errcode.Code(40400), "$mergeObjects requires object inputs, but input %s is of type %s",
				render(v), bsonx.TypeName(v.Type))
		}
		f.merge(v)
	}
	return f.value()
}

func objectToArray(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	v := args[0]
	if bsonx.IsNullish(v) {
		return bsonx.NullValue, nil
	}
	if v.Type != bsonx.Object {
		return fail(errcode.Code(40390), "$objectToArray requires a document input, found: %s", bsonx.TypeName(v.Type))
	}
	b := bsonx.NewDoc(nil)
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		at := b.OpenDoc(bsonx.Index(i))
		b.String("k", string(it.Key()))
		b.Value("v", it.Value())
		b.Close(at)
		if err := checkSize(b.Size()); err != nil {
			return bsonx.Value{}, err
		}
	}
	return bsonx.ArrValue(bsonx.Arr(b.Done())), nil
}

// arrayToObject takes [[key, value], …] or [{k: key, v: value}, …].
func arrayToObject(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	v := args[0]
	if bsonx.IsNullish(v) {
		return bsonx.NullValue, nil
	}
	if v.Type != bsonx.Array {
		return fail(errcode.Code(40386), "$arrayToObject requires an array input, found: %s", bsonx.TypeName(v.Type))
	}
	var f fields
	first := bsonx.Missing
	for it := bsonx.NewIter(v.Data); it.Next(); {
		e := it.Value()
		if first == bsonx.Missing {
			if first = e.Type; first != bsonx.Array && first != bsonx.Object {
				return fail(errcode.Code(40398), "Unrecognised input type format for $arrayToObject: %s", bsonx.TypeName(first))
			}
		}
		var key, val bsonx.Value
		var err error
		if first == bsonx.Array {
			key, val, err = pairOfArray(e)
		} else {
			key, val, err = pairOfObject(e)
		}
		if err != nil {
			return bsonx.Value{}, err
		}
		k := string(bsonx.Str(key))
		if strings.IndexByte(k, 0) >= 0 {
			return fail(errcode.Code(4940400), "Key field cannot contain an embedded null byte")
		}
		f.set(k, val)
	}
	return f.value()
}

func pairOfArray(e bsonx.Value) (key, val bsonx.Value, err error) {
	if e.Type != bsonx.Array {
		return key, val, errcode.New(errcode.Code(40396),
			"$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Array was detected, now found: %s",
			bsonx.TypeName(e.Type))
	}
	if n := bsonx.Len(e.Data); n != 2 {
		return key, val, errcode.New(errcode.Code(40397),
			"$arrayToObject requires an array of size 2 arrays,found array of size: %d", n)
	}
	key, val = bsonx.LookupIndex(e.Data, 0), bsonx.LookupIndex(e.Data, 1)
	if key.Type != bsonx.String {
		return key, val, errcode.New(errcode.Code(40395),
			"$arrayToObject requires an array of key-value pairs, where the key must be of type string. Found key type: %s",
			bsonx.TypeName(key.Type))
	}
	return key, val, nil
}

func pairOfObject(e bsonx.Value) (key, val bsonx.Value, err error) {
	if e.Type != bsonx.Object {
		return key, val, errcode.New(errcode.Code(40391),
			"$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Object was detected, now found: %s",
			bsonx.TypeName(e.Type))
	}
	if n := bsonx.Len(e.Data); n != 2 {
		return key, val, errcode.New(errcode.Code(40392),
			"$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:%d", n)
	}
	key, val = bsonx.Lookup(e.Data, "k"), bsonx.Lookup(e.Data, "v")
	if bsonx.IsMissing(key) || bsonx.IsMissing(val) {
		return key, val, errcode.New(errcode.Code(40393),
			"$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys.")
	}
	if key.Type != bsonx.String {
		return key, val, errcode.New(errcode.Code(40394),
			"$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: %s",
			bsonx.TypeName(key.Type))
	}
	return key, val, nil
}

// compileGetField: {field, input}, or the field of the current document.
func compileGetField(c *call) (Expr, error) {
	field, input := c.arg, bsonx.StringValue("$$CURRENT")
	if it := bsonx.NewIter(c.arg.Data); c.arg.Type == bsonx.Object && (!it.Next() || len(it.Key()) == 0 || it.Key()[0] != '$') {
		a, err := c.named(&namedSpec{names: []string{"field", "input"}, unknown: 3041701})
		if err != nil {
			return nil, err
		}
		if bsonx.IsMissing(a[0]) {
			return nil, errcode.New(errcode.Code(3041702), "$getField requires 'field' to be specified")
		}
		if bsonx.IsMissing(a[1]) {
			return nil, errcode.New(errcode.Code(3041703), "$getField requires 'input' to be specified")
		}
		field, input = a[0], a[1]
	}
	args, err := compileAll([]bsonx.Value{field, input}, c.sc)
	if err != nil {
		return nil, err
	}
	if v, ok := Constant(args[0]); ok && v.Type != bsonx.String {
		return nil, errcode.New(errcode.Code(5654602),
			"$getField requires 'field' to evaluate to type String, but got %s", bsonx.TypeName(v.Type))
	}
	return foldStrict(getField, args, c.sc)
}

func getField(_ *Env, args []bsonx.Value) (bsonx.Value, error) {
	field, input := args[0], args[1]
	if field.Type != bsonx.String {
		return fail(errcode.Code(3041704), "$getField requires 'field' to evaluate to type String, but got %s",
			bsonx.TypeName(field.Type))
	}
	switch input.Type {
	case bsonx.Object:
		return bsonx.Lookup(input.Data, string(bsonx.Str(field))), nil
	case bsonx.Null, bsonx.Undefined:
		return bsonx.NullValue, nil
	}
	return bsonx.Value{}, nil
}

// setField is $setField and $unsetField: a missing value removes the field.
type setField struct {
	name, field  string
	input, value Expr
}

func (s *setField) Eval(env *Env) (bsonx.Value, error) {
	in, err := s.input.Eval(env)
	if err != nil {
		return in, err
	}
	if bsonx.IsNullish(in) {
		return bsonx.NullValue, nil
	}
	if in.Type != bsonx.Object {
		return fail(errcode.Code(4161105), "%s requires 'input' to evaluate to type Object, but got %s",
			s.name, bsonx.TypeName(in.Type))
	}
	v, err := s.value.Eval(env)
	if err != nil {
		return v, err
	}
	size := len(in.Data) + len(s.field) + 2 + len(v.Data)
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	b := bsonx.NewDoc(make([]byte, 0, size))
	for it := bsonx.NewIter(in.Data); it.Next(); {
		if string(it.Key()) == s.field {
			b.Value(s.field, v)
			v = bsonx.Value{}
			continue
		}
		b.Element(it.Element())
	}
	b.Value(s.field, v)
	return bsonx.DocValue(b.Done()), nil
}

func compileSetField(c *call, unset bool) (Expr, error) {
	names := []string{"field", "value", "input"}
	if unset {
		names = []string{"field", "input"}
	}
	a, err := c.named(&namedSpec{names: names, notObject: 4161100, unknown: 4161101})
	if err != nil {
		return nil, err
	}
	args, err := compileAll(a, c.sc)
	if err != nil {
		return nil, err
	}
	for i, code := range []errcode.Code{4161102, 4161103, 4161109}[:len(names)] {
		if unset && i == 1 {
			code = 4161109
		}
		if bsonx.IsMissing(a[i]) {
			return nil, errcode.New(code, "%s requires '%s' to be specified", c.name, names[i])
		}
	}
	s := &setField{name: c.name, value: &constant{}, input: args[len(args)-1]}
	if !unset {
		s.value = args[1]
	}
	if s.field, err = constantField(c, a[0], args[0]); err != nil {
		return nil, err
	}
	return foldIf(s, []Expr{s.input, s.value}, c.sc)
}

// constantField reads the 'field' of $setField, which must be a literal.
func constantField(c *call, v bsonx.Value, e Expr) (string, error) {
	switch v.Type {
	case bsonx.String:
		if _, ok := e.(*constant); !ok {
			return "", errcode.New(errcode.Code(4161108),
				"'%s' is a field path reference which is not allowed in this context. Did you mean {$literal: '%s'}?",
				bsonx.Str(v), bsonx.Str(v))
		}
	case bsonx.Object, bsonx.Array:
		it := bsonx.NewIter(v.Data)
		if it.Next() && string(it.Key()) != "$literal" && string(it.Key()) != "$const" {
			return "", errcode.New(errcode.Code(4161106),
				"%s requires 'field' to evaluate to a constant, but got a non-constant argument", c.name)
		}
	}
	f, _ := Constant(e)
	if f.Type != bsonx.String {
		return "", errcode.New(errcode.Code(4161107),
			"%s requires 'field' to evaluate to type String, but got %s", c.name, bsonx.TypeName(f.Type))
	}
	s := string(bsonx.Str(f))
	if strings.IndexByte(s, 0) >= 0 {
		return "", errcode.New(errcode.Code(9534700), "%s requires 'field' not to contain null bytes", c.name)
	}
	return s, nil
}
