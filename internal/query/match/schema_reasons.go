package match

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
)

// schema writes which rules of a schema a value breaks.
func (x *reasoner) schema(b *bsonx.Builder, s *schema, v bsonx.Value) error {
	s.titles(b)
	at := b.OpenArray("schemaRulesNotSatisfied")
	err := x.rules(b, s, v)
	b.Close(at)
	return err
}

func (s *schema) titles(b *bsonx.Builder) {
	if s.title != "" {
		b.String("title", s.title)
	}
	if s.description != "" {
		b.String("description", s.description)
	}
}

// rules writes an array of the rules that are broken.
func (x *reasoner) rules(b *bsonx.Builder, s *schema, v bsonx.Value) error {
	n := 0
	for _, r := range s.rules {
		ok, err := r.check.holds(x.env, v)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		at := b.OpenDoc(bsonx.Index(n))
		b.String("operatorName", r.name)
		if err := x.rule(b, r, v); err != nil {
			return err
		}
		b.Close(at)
		n++
	}
	return nil
}

// details writes the broken rules of a sub-schema.
func (x *reasoner) details(b *bsonx.Builder, s *schema, v bsonx.Value) error {
	at := b.OpenArray("details")
	err := x.rules(b, s, v)
	b.Close(at)
	return err
}

func (x *reasoner) rule(b *bsonx.Builder, r schemaRule, v bsonx.Value) error {
	check := r.check
	if t, ok := check.(typed); ok {
		check = t.check
	}
	switch c := check.(type) {
	case schemaProperties:
		return x.properties(b, c, v)
	case schemaRequired:
		b.Doc("specifiedAs", single(r.name, r.spec))
		c.missing(b, v)
		return nil
	case *schemaFields:
		return x.fields(b, r, c, v)
	case schemaDependencies:
		return x.dependencies(b, c, v)
	case *schemaItems:
		return x.items(b, c, v)
	case schemaAll:
		return x.schemas(b, c, v)
	case schemaAny:
		return x.schemas(b, c, v)
	case schemaOne:
		return x.one(b, c, v)
	case schemaNot:
		b.String("reason", "child expression matched")
		return nil
	}
	b.Doc("specifiedAs", single(r.name, r.spec))
	x.simple(b, r, v)
	return nil
}

// simple is about the rules on the value itself.
func (x *reasoner) simple(b *bsonx.Builder, r schemaRule, v bsonx.Value) {
	reasons := map[string]string{
		"type": "type did not match", "bsonType": "type did not match",
		"enum":    "value was not found in enum",
		"minimum": "comparison failed", "maximum": "comparison failed",
		"multipleOf":    "considered value is not a multiple of the specified value",
		"minLength":     "specified string length was not satisfied",
		"maxLength":     "specified string length was not satisfied",
		"pattern":       "regular expression did not match",
		"minItems":      "array did not match specified length",
		"maxItems":      "array did not match specified length",
		"uniqueItems":   "found a duplicate item",
		"minProperties": "specified number of properties was not satisfied",
		"maxProperties": "specified number of properties was not satisfied",
		"encrypt":       "value was not encrypted",
	}
	b.String("reason", reasons[r.name])
	switch r.name {
	case "minProperties", "maxProperties":
		b.Int32("numberOfProperties", int32(length(v)))
		return
	case "type", "bsonType":
		considered(b, []bsonx.Value{v}, true)
		return
	}
	b.Value("consideredValue", v)
	switch r.name {
	case "minItems", "maxItems":
		b.Int32("numberOfItems", int32(length(v)))
	case "uniqueItems":
		b.Value("duplicatedValue", duplicate(v))
	}
}

// duplicate returns the first element that another one before it is equal to.
func duplicate(v bsonx.Value) bsonx.Value {
	vals := bsonx.Values(nil, v.Data)
	order := make([]int, len(vals))
	for i := range vals {
		order[i] = i
	}
	sorted := make([]bsonx.Value, len(vals))
	for i := range vals {
		sorted[i] = sortedFields(vals[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return bsonx.Compare(sorted[a], sorted[b]) })
	first := -1
	for i := 1; i < len(order); i++ {
		if at := order[i]; bsonx.Equal(sorted[order[i-1]], sorted[at]) && (first < 0 || at < first) {
			first = at
		}
	}
	if first < 0 {
		return bsonx.Value{}
	}
	return vals[first]
}

func (r schemaRequired) missing(b *bsonx.Builder, v bsonx.Value) {
	at := b.OpenArray("missingProperties")
	n := 0
	for _, name := range r {
		if bsonx.Lookup(v.Data, name).Type == bsonx.Missing {
			b.String(bsonx.Index(n), name)
			n++
		}
	}
	b.Close(at)
}

func (x *reasoner) properties(b *bsonx.Builder, props schemaProperties, v bsonx.Value) error {
	at := b.OpenArray("propertiesNotSatisfied")
	n := 0
	for _, p := range props {
		fv := bsonx.Lookup(v.Data, p.name)
		if fv.Type == bsonx.Missing {
			continue
		}
		ok, err := p.schema.match(x.env, fv)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		e := b.OpenDoc(bsonx.Index(n))
		b.String("propertyName", p.name)
		p.schema.titles(b)
		if err := x.details(b, p.schema, fv); err != nil {
			return err
		}
		b.Close(e)
		n++
	}
	b.Close(at)
	return nil
}

// fields is about patternProperties and additionalProperties.
func (x *reasoner) fields(b *bsonx.Builder, r schemaRule, c *schemaFields, v bsonx.Value) error {
	only := *c
	if c.additional != nil {
		return x.additional(b, c, v)
	}
	if r.name == "additionalProperties" {
		b.Doc("specifiedAs", single(r.name, r.spec))
		at := b.OpenArray("additionalProperties")
		n := 0
		for it := bsonx.NewIter(v.Data); it.Next(); {
			ok, err := only.field(x.env, string(it.Key()), it.Value())
			if err != nil {
				return err
			}
			if !ok {
				b.String(bsonx.Index(n), string(it.Key()))
				n++
			}
		}
		b.Close(at)
		return nil
	}
	at := b.OpenArray("details")
	n := 0
	for it := bsonx.NewIter(v.Data); it.Next(); {
		for _, p := range c.patterns {
			hit, err := p.re.Match(string(it.Key()))
			if err != nil {
				return err
			}
			ok, err := p.schema.match(x.env, it.Value())
			if err != nil {
				return err
			}
			if !hit || ok {
				continue
			}
			e := b.OpenDoc(bsonx.Index(n))
			b.String("propertyName", string(it.Key()))
			b.String("regexMatched", p.pattern)
			if err := x.details(b, p.schema, it.Value()); err != nil {
				return err
			}
			b.Close(e)
			n++
		}
	}
	b.Close(at)
	return nil
}

// additional is about additionalProperties with a schema: the first field that
// breaks it.
func (x *reasoner) additional(b *bsonx.Builder, c *schemaFields, v bsonx.Value) error {
	for it := bsonx.NewIter(v.Data); it.Next(); {
		ok, err := c.field(x.env, string(it.Key()), it.Value())
		if err != nil {
			return err
		}
		if !ok {
			c.additional.titles(b)
			b.String("reason", "at least one additional property did not match the subschema")
			b.String("failingProperty", string(it.Key()))
			return x.details(b, c.additional, it.Value())
		}
	}
	return nil
}

func (x *reasoner) dependencies(b *bsonx.Builder, deps schemaDependencies, v bsonx.Value) error {
	at := b.OpenArray("failingDependencies")
	n := 0
	for _, d := range deps {
		if bsonx.Lookup(v.Data, d.name).Type == bsonx.Missing {
			continue
		}
		ok, err := d.check.holds(x.env, v)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		e := b.OpenDoc(bsonx.Index(n))
		b.String("conditionalProperty", d.name)
		switch c := d.check.(type) {
		case schemaRequired:
			c.missing(b, v)
		case schemaAll:
			if err := x.details(b, c[0], v); err != nil {
				return err
			}
		}
		b.Close(e)
		n++
	}
	b.Close(at)
	return nil
}

func (x *reasoner) items(b *bsonx.Builder, c *schemaItems, v bsonx.Value) error {
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		s := c.rest
		if i < len(c.list) {
			s = c.list[i]
		} else if c.forbidden {
			b.String("reason", "found additional items")
			at := b.OpenArray("additionalItems")
			for n := 0; ; n++ {
				b.Value(bsonx.Index(n), it.Value())
				if !it.Next() {
					break
				}
			}
			b.Close(at)
			return nil
		}
		if s == nil {
			continue
		}
		ok, err := s.match(x.env, it.Value())
		if err != nil {
			return err
		}
		if !ok {
			b.String("reason", "At least one item did not match the sub-schema")
			b.Int32("itemIndex", int32(i))
			return x.details(b, s, it.Value())
		}
	}
	return nil
}

// schemas is about allOf and anyOf.
func (x *reasoner) schemas(b *bsonx.Builder, list []*schema, v bsonx.Value) error {
	at := b.OpenArray("schemasNotSatisfied")
	n := 0
	for i, s := range list {
		ok, err := s.match(x.env, v)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		e := b.OpenDoc(bsonx.Index(n))
		b.Int32("index", int32(i))
		s.titles(b)
		if err := x.details(b, s, v); err != nil {
			return err
		}
		b.Close(e)
		n++
	}
	b.Close(at)
	return nil
}

func (x *reasoner) one(b *bsonx.Builder, list []*schema, v bsonx.Value) error {
	var hits []int
	for i, s := range list {
		ok, err := s.match(x.env, v)
		if err != nil {
			return err
		}
		if ok {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		return x.schemas(b, list, v)
	}
	b.String("reason", "more than one subschema matched")
	at := b.OpenArray("matchingSchemaIndexes")
	for i, h := range hits {
		b.Int32(bsonx.Index(i), int32(h))
	}
	b.Close(at)
	return nil
}
