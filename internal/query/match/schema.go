package match

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
	re "github.com/argon-db/argon/internal/regex"
)

// schema is a compiled $jsonSchema, or a part of one: rules that all hold. Most
// rules are about one type and hold for values of other types.
type schema struct {
	rules              []schemaRule
	title, description string
}

// schemaRule is a keyword with its argument.
type schemaRule struct {
	name  string
	spec  bsonx.Value
	check schemaCheck
}

type schemaCheck interface {
	holds(env *expr.Env, v bsonx.Value) (bool, error)
}

// schemaFunc is a check of the value alone.
type schemaFunc func(v bsonx.Value) bool

func (f schemaFunc) holds(_ *expr.Env, v bsonx.Value) (bool, error) { return f(v), nil }

func (s *schema) match(env *expr.Env, v bsonx.Value) (bool, error) {
	for i := range s.rules {
		if ok, err := s.rules[i].check.holds(env, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// typed restricts a check to values of one type.
type typed struct {
	is    func(t bsonx.Type) bool
	check schemaCheck
}

func (t typed) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	if !t.is(v.Type) {
		return true, nil
	}
	return t.check.holds(env, v)
}

func isString(t bsonx.Type) bool { return t == bsonx.String }
func isArray(t bsonx.Type) bool  { return t == bsonx.Array }
func isObject(t bsonx.Type) bool { return t == bsonx.Object }
func isNumeric(t bsonx.Type) bool {
	return slices.Contains(numberTypes[:], t)
}

func (n *Type) holds(env *expr.Env, v bsonx.Value) (bool, error) { return n.matchValue(env, v) }

// multipleOf compares as decimals, a double with 15 digits.
func multipleOf(div bsonx.Value) schemaFunc {
	d := numeric.FromValue(div)
	return func(v bsonx.Value) bool {
		r := numeric.Rem(numeric.FromValue(v), d)
		return r.Form == 0 && r.IsZero()
	}
}

func runes(v bsonx.Value) int64  { return int64(utf8.RuneCount(bsonx.Str(v))) }
func length(v bsonx.Value) int64 { return int64(bsonx.Len(v.Data)) }

type schemaPattern struct{ re *re.Regexp }

func (p schemaPattern) holds(_ *expr.Env, v bsonx.Value) (bool, error) {
	return p.re.Match(string(bsonx.Str(v)))
}

// all, any, one and none of some schemas.
type (
	schemaAll []*schema
	schemaAny []*schema
	schemaOne []*schema
	schemaNot struct{ *schema }
)

func (s schemaAll) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, c := range s {
		if ok, err := c.match(env, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (s schemaAny) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, c := range s {
		if ok, err := c.match(env, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (s schemaOne) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	n := 0
	for _, c := range s {
		ok, err := c.match(env, v)
		if err != nil {
			return false, err
		}
		if ok {
			n++
		}
	}
	return n == 1, nil
}

func (s schemaNot) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	ok, err := s.match(env, v)
	return !ok && err == nil, err
}

// schemaRequired are names of fields that must be there.
type schemaRequired []string

func (r schemaRequired) holds(_ *expr.Env, v bsonx.Value) (bool, error) {
	for _, name := range r {
		if bsonx.Lookup(v.Data, name).Type == bsonx.Missing {
			return false, nil
		}
	}
	return true, nil
}

// property is the schema of a field.
type property struct {
	name   string
	schema *schema
}

type schemaProperties []property

func (p schemaProperties) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, f := range p {
		fv := bsonx.Lookup(v.Data, f.name)
		if fv.Type == bsonx.Missing {
			continue
		}
		if ok, err := f.schema.match(env, fv); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// patternProperty is the schema of the fields whose names match.
type patternProperty struct {
	pattern string
	re      *re.Regexp
	schema  *schema
}

// schemaFields is patternProperties and additionalProperties, which is about
// the fields that neither properties nor patternProperties names.
type schemaFields struct {
	named      schemaProperties
	patterns   []patternProperty
	additional *schema // nil: anything
	forbidden  bool    // additionalProperties: false
}

func (p *schemaFields) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	for it := bsonx.NewIter(v.Data); it.Next(); {
		ok, err := p.field(env, string(it.Key()), it.Value())
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *schemaFields) field(env *expr.Env, name string, v bsonx.Value) (bool, error) {
	known := slices.ContainsFunc(p.named, func(f property) bool { return f.name == name })
	for _, pat := range p.patterns {
		hit, err := pat.re.Match(name)
		if err != nil {
			return false, err
		}
		if !hit {
			continue
		}
		known = true
		if ok, err := pat.schema.match(env, v); !ok || err != nil {
			return false, err
		}
	}
	switch {
	case known:
		return true, nil
	case p.forbidden:
		return false, nil
	case p.additional != nil:
		return p.additional.match(env, v)
	}
	return true, nil
}

// schemaDependency: a document with the field name must match the schema too.
type schemaDependency struct {
	name  string
	check schemaCheck
}

type schemaDependencies []schemaDependency

func (d schemaDependencies) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, dep := range d {
		if bsonx.Lookup(v.Data, dep.name).Type == bsonx.Missing {
			continue
		}
		if ok, err := dep.check.holds(env, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// schemaItems is items and additionalItems: the elements' schemas by position,
// and the schema of all others.
type schemaItems struct {
	list      []*schema
	rest      *schema // nil: anything
	forbidden bool    // no elements beyond the list
}

func (s *schemaItems) holds(env *expr.Env, v bsonx.Value) (bool, error) {
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		c := s.rest
		if i < len(s.list) {
			c = s.list[i]
		} else if s.forbidden {
			return false, nil
		}
		if c == nil {
			continue
		}
		if ok, err := c.match(env, it.Value()); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// uniqueItems compares documents without regard to the order of their fields.
func uniqueItems(v bsonx.Value) bool {
	vals := bsonx.Values(nil, v.Data)
	for i := range vals {
		vals[i] = sortedFields(vals[i])
	}
	slices.SortFunc(vals, bsonx.Compare)
	for i := 1; i < len(vals); i++ {
		if bsonx.Equal(vals[i-1], vals[i]) {
			return false
		}
	}
	return true
}

// sortedFields sorts the fields of documents at every depth.
func sortedFields(v bsonx.Value) bsonx.Value {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return v
	}
	type field struct {
		key []byte
		val bsonx.Value
	}
	var fields []field
	for it := bsonx.NewIter(v.Data); it.Next(); {
		fields = append(fields, field{it.Key(), sortedFields(it.Value())})
	}
	if v.Type == bsonx.Object {
		slices.SortStableFunc(fields, func(a, b field) int { return bytes.Compare(a.key, b.key) })
	}
	b := bsonx.NewDoc(make([]byte, 0, len(v.Data)))
	for _, f := range fields {
		b.ValueBytes(f.key, f.val)
	}
	return bsonx.Value{Type: v.Type, Data: b.Done()}
}
