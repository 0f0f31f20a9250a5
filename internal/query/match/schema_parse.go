package match

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	re "github.com/argon-db/argon/internal/regex"
)

// schemaParser compiles $jsonSchema: draft 4 of JSON Schema as MongoDB has it.
type schemaParser struct {
	keywords map[string]keyword
	depth    int
}

// keyword compiles the argument of a keyword; all is the schema it stands in.
// A nil check adds nothing.
type keyword func(p *schemaParser, name string, v bsonx.Value, all bsonx.Doc) (schemaCheck, error)

func jsonSchema(c *compiler, _ string, v bsonx.Value) (Node, error) {
	if c.NoSchema != nil {
		return nil, c.NoSchema
	}
	c.need.schema = true
	if v.Type != bsonx.Object {
		return nil, errcode.New(errcode.TypeMismatch, "$jsonSchema must be an object, but found an element of type %s", bsonx.TypeName(v.Type))
	}
	p := schemaParser{keywords: keywords()}
	s, err := p.schema(v.Data)
	if err != nil {
		return nil, err
	}
	return &Schema{Spec: v.Data, schema: s}, nil
}

func keywords() map[string]keyword {
	k := map[string]keyword{
		"type":                 schemaType,
		"bsonType":             schemaType,
		"enum":                 schemaEnum,
		"maximum":              schemaBound,
		"minimum":              schemaBound,
		"exclusiveMaximum":     schemaExclusive,
		"exclusiveMinimum":     schemaExclusive,
		"multipleOf":           schemaMultiple,
		"pattern":              schemaPatternOf,
		"allOf":                schemaList,
		"anyOf":                schemaList,
		"oneOf":                schemaList,
		"not":                  schemaNegation,
		"required":             schemaRequiredOf,
		"properties":           schemaPropertiesOf,
		"patternProperties":    schemaFieldsOf,
		"additionalProperties": schemaFieldsOf,
		"dependencies":         schemaDependenciesOf,
		"items":                schemaItemsOf,
		"additionalItems":      schemaAdditionalItems,
		"uniqueItems":          schemaUnique,
		"title":                schemaText,
		"description":          schemaText,
		"encrypt":              schemaEncrypt,
		"encryptMetadata":      schemaEncrypt,
	}
	for _, name := range []string{"maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"} {
		k[name] = schemaCount
	}
	return k
}

// notSupported are keywords of JSON Schema that MongoDB refuses.
var notSupported = [...]string{"$ref", "$schema", "default", "definitions", "format", "id"}

func schemaFailed(format string, args ...any) error {
	return errcode.New(errcode.FailedToParse, format, args...)
}

func schemaMismatch(name, want string) error {
	return errcode.New(errcode.TypeMismatch, "$jsonSchema keyword '%s' must be %s", name, want)
}

func (p *schemaParser) schema(doc bsonx.Doc) (*schema, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > bsonx.MaxDepth {
		return nil, schemaFailed("$jsonSchema is nested more than %d levels deep", bsonx.MaxDepth)
	}
	seen := map[string]bool{}
	for it := bsonx.NewIter(doc); it.Next(); {
		name := string(it.Key())
		switch {
		case slices.Contains(notSupported[:], name):
			return nil, schemaFailed("$jsonSchema keyword '%s' is not currently supported", name)
		case p.keywords[name] == nil:
			return nil, schemaFailed("Unknown $jsonSchema keyword: %s", name)
		case seen[name]:
			return nil, schemaFailed("Duplicate $jsonSchema keyword: %s", name)
		}
		seen[name] = true
	}
	if seen["type"] && seen["bsonType"] {
		return nil, schemaFailed("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")
	}
	if seen["encrypt"] && (seen["type"] || seen["bsonType"]) {
		return nil, schemaFailed("$jsonSchema keyword 'encrypt' cannot be used in conjunction with 'type' or 'bsonType'")
	}
	s := &schema{}
	for it := bsonx.NewIter(doc); it.Next(); {
		name, v := string(it.Key()), it.Value()
		check, err := p.keywords[name](p, name, v, doc)
		if err != nil {
			return nil, err
		}
		switch {
		case check != nil:
			s.rules = append(s.rules, schemaRule{name, v, check})
		case name == "title":
			s.title = string(bsonx.Str(v))
		case name == "description":
			s.description = string(bsonx.Str(v))
		}
	}
	return s, nil
}

func schemaText(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.String {
		return nil, schemaMismatch(name, "of type string")
	}
	return nil, nil
}

func schemaEncrypt(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Object {
		return nil, schemaMismatch(name, "an object")
	}
	if name == "encryptMetadata" {
		return nil, nil
	}
	return schemaFunc(func(v bsonx.Value) bool {
		return v.Type == bsonx.Binary && len(v.Data) > 4 && v.Data[4] == 6
	}), nil
}

func schemaType(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	vals := []bsonx.Value{v}
	if v.Type == bsonx.Array {
		vals = bsonx.Values(nil, v.Data)
		if len(vals) == 0 {
			return nil, schemaFailed("$jsonSchema keyword '%s' must name at least one type", name)
		}
	}
	t := &Type{}
	var names []string
	for _, v := range vals {
		if v.Type != bsonx.String {
			return nil, schemaMismatch(name, "either a string or an array of strings")
		}
		s := string(bsonx.Str(v))
		if slices.Contains(names, s) {
			return nil, schemaFailed("$jsonSchema keyword '%s' has duplicate value: %s", name, s)
		}
		names = append(names, s)
		if name == "type" {
			var err error
			if v, err = jsonType(s); err != nil {
				return nil, err
			}
		}
		if err := t.add(v, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// jsonType returns the BSON name of a JSON Schema type.
func jsonType(s string) (bsonx.Value, error) {
	switch s {
	case "array", "null", "object", "string", "number":
		return bsonx.StringValue(s), nil
	case "boolean":
		return bsonx.StringValue("bool"), nil
	case "integer":
		return bsonx.Value{}, schemaFailed("$jsonSchema type 'integer' is not currently supported.")
	}
	return bsonx.Value{}, bad("Unknown type name alias: %s", s)
}

func schemaEnum(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Array {
		return nil, schemaMismatch(name, "an array")
	}
	vals := bsonx.Values(nil, v.Data)
	if len(vals) == 0 {
		return nil, schemaFailed("$jsonSchema keyword 'enum' cannot be an empty array")
	}
	for i := range vals {
		vals[i] = sortedFields(vals[i])
	}
	slices.SortFunc(vals, bsonx.Compare)
	for i := 1; i < len(vals); i++ {
		if bsonx.Equal(vals[i-1], vals[i]) {
			return nil, schemaFailed("$jsonSchema keyword 'enum' array cannot contain duplicate values.")
		}
	}
	return schemaFunc(func(v bsonx.Value) bool {
		_, ok := slices.BinarySearchFunc(vals, sortedFields(v), bsonx.Compare)
		return ok
	}), nil
}

// schemaBound is maximum or minimum, with exclusiveMaximum or exclusiveMinimum.
func schemaBound(p *schemaParser, name string, v bsonx.Value, all bsonx.Doc) (schemaCheck, error) {
	if !bsonx.IsNumber(v) {
		return nil, schemaMismatch(name, "a number")
	}
	ops, other := [2]Op{Lte, Lt}, "exclusiveMaximum"
	if name == "minimum" {
		ops, other = [2]Op{Gte, Gt}, "exclusiveMinimum"
	}
	op := ops[0]
	if ex := bsonx.Lookup(all, other); ex.Type == bsonx.Bool && bsonx.Truthy(ex) {
		op = ops[1]
	}
	c := &Compare{Op: op, Value: v}
	return typed{isNumeric, schemaFunc(func(v bsonx.Value) bool { ok, _ := c.matchValue(nil, v); return ok })}, nil
}

func schemaExclusive(_ *schemaParser, name string, v bsonx.Value, all bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Bool {
		return nil, schemaMismatch(name, "a boolean")
	}
	other := "maximum"
	if name == "exclusiveMinimum" {
		other = "minimum"
	}
	if bsonx.Lookup(all, other).Type == bsonx.Missing {
		return nil, schemaFailed("$jsonSchema keyword '%s' must be a present if %s is present", other, name)
	}
	return nil, nil
}

func schemaMultiple(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if !bsonx.IsNumber(v) {
		return nil, schemaMismatch(name, "a number")
	}
	if bsonx.Compare(v, bsonx.Int32Value(0)) <= 0 {
		return nil, schemaFailed("$jsonSchema keyword 'multipleOf' must have a positive value")
	}
	return typed{isNumeric, multipleOf(v)}, nil
}

// schemaCount is minLength, maxItems and the like.
func schemaCount(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	n, err := integer(v)
	if err != nil {
		return nil, schemaFailed("$jsonSchema keyword '%s' must be a representable as a whole number: %s", name, errcode.As(err).Message)
	}
	if n < 0 {
		return nil, schemaFailed("$jsonSchema keyword '%s' must be a non-negative whole number, not %d", name, n)
	}
	is, count := isObject, length
	switch name[3:] {
	case "Length":
		is, count = isString, runes
	case "Items":
		is = isArray
	}
	if name[:3] == "min" {
		return typed{is, schemaFunc(func(v bsonx.Value) bool { return count(v) >= n })}, nil
	}
	return typed{is, schemaFunc(func(v bsonx.Value) bool { return count(v) <= n })}, nil
}

func schemaPatternOf(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.String {
		return nil, schemaMismatch(name, "a string")
	}
	r, err := newRegex(Path{}, string(bsonx.Str(v)), "")
	if err != nil {
		return nil, err
	}
	return typed{isString, schemaPattern{r.re}}, nil
}

func (p *schemaParser) sub(name string, v bsonx.Value) (*schema, error) {
	if v.Type != bsonx.Object {
		return nil, schemaMismatch(name, "an object, or hold objects")
	}
	return p.schema(v.Data)
}

func schemaList(p *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Array {
		return nil, schemaMismatch(name, "an array")
	}
	list, err := p.list(name, v.Data)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, bad("$jsonSchema keyword '%s' must be a non-empty array", name)
	}
	switch name {
	case "allOf":
		return schemaAll(list), nil
	case "anyOf":
		return schemaAny(list), nil
	}
	return schemaOne(list), nil
}

func (p *schemaParser) list(name string, arr []byte) ([]*schema, error) {
	var list []*schema
	for it := bsonx.NewIter(arr); it.Next(); {
		s, err := p.sub(name, it.Value())
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func schemaNegation(p *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	s, err := p.sub(name, v)
	return schemaNot{s}, err
}

func schemaNames(name string, v bsonx.Value) ([]string, error) {
	var names []string
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if it.Value().Type != bsonx.String {
			return nil, schemaMismatch(name, "an array of strings")
		}
		s := string(bsonx.Str(it.Value()))
		if slices.Contains(names, s) {
			return nil, schemaFailed("$jsonSchema keyword '%s' array cannot contain duplicate values", name)
		}
		names = append(names, s)
	}
	if len(names) == 0 {
		return nil, schemaFailed("$jsonSchema keyword '%s' cannot be an empty array", name)
	}
	return names, nil
}

func schemaRequiredOf(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Array {
		return nil, schemaMismatch(name, "an array")
	}
	names, err := schemaNames(name, v)
	return typed{isObject, schemaRequired(names)}, err
}

func schemaPropertiesOf(p *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	props, err := p.properties(name, v)
	return typed{isObject, props}, err
}

func (p *schemaParser) properties(name string, v bsonx.Value) (schemaProperties, error) {
	if v.Type != bsonx.Object {
		return nil, schemaMismatch(name, "an object")
	}
	var props schemaProperties
	for it := bsonx.NewIter(v.Data); it.Next(); {
		s, err := p.sub(name, it.Value())
		if err != nil {
			return nil, err
		}
		props = append(props, property{string(it.Key()), s})
	}
	return props, nil
}

// schemaFieldsOf is patternProperties, or additionalProperties (which does
// nothing but for the fields that the other two do not name).
func schemaFieldsOf(p *schemaParser, name string, v bsonx.Value, all bsonx.Doc) (schemaCheck, error) {
	f := &schemaFields{}
	if name == "patternProperties" {
		pats, err := p.patterns(name, v)
		f.patterns = pats
		return typed{isObject, f}, err
	}
	switch v.Type {
	case bsonx.Bool:
		f.forbidden = !bsonx.Truthy(v)
	case bsonx.Object:
		s, err := p.schema(v.Data)
		if err != nil {
			return nil, err
		}
		f.additional = s
	default:
		return nil, schemaMismatch(name, "an object or a boolean")
	}
	var err error
	if props := bsonx.Lookup(all, "properties"); props.Type == bsonx.Object {
		for it := bsonx.NewIter(props.Data); it.Next(); {
			f.named = append(f.named, property{name: string(it.Key())})
		}
	}
	if pats := bsonx.Lookup(all, "patternProperties"); pats.Type == bsonx.Object {
		f.patterns, err = p.patterns("patternProperties", pats)
		for i := range f.patterns { // patternProperties checks them
			f.patterns[i].schema = &schema{}
		}
	}
	return typed{isObject, f}, err
}

func (p *schemaParser) patterns(name string, v bsonx.Value) ([]patternProperty, error) {
	if v.Type != bsonx.Object {
		return nil, schemaMismatch(name, "an object")
	}
	var out []patternProperty
	for it := bsonx.NewIter(v.Data); it.Next(); {
		s, err := p.sub(name, it.Value())
		if err != nil {
			return nil, err
		}
		r, err := re.Compile(string(it.Key()), "")
		if err != nil {
			return nil, errcode.Wrap(err, errcode.BadValue, "invalid regular expression in $jsonSchema keyword '%s': %s", name, err)
		}
		out = append(out, patternProperty{string(it.Key()), r, s})
	}
	return out, nil
}

func schemaDependenciesOf(p *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Object {
		return nil, schemaMismatch(name, "an object")
	}
	var deps schemaDependencies
	for it := bsonx.NewIter(v.Data); it.Next(); {
		d := schemaDependency{name: string(it.Key())}
		switch arg := it.Value(); arg.Type {
		case bsonx.Object:
			s, err := p.schema(arg.Data)
			if err != nil {
				return nil, err
			}
			d.check = schemaAll{s}
		case bsonx.Array:
			names, err := schemaNames(name, arg)
			if err != nil {
				return nil, err
			}
			d.check = schemaRequired(names)
		default:
			return nil, schemaMismatch(name, "an object whose values are objects or arrays")
		}
		deps = append(deps, d)
	}
	return typed{isObject, deps}, nil
}

func schemaItemsOf(p *schemaParser, name string, v bsonx.Value, all bsonx.Doc) (schemaCheck, error) {
	s := &schemaItems{}
	var err error
	switch v.Type {
	case bsonx.Object:
		s.rest, err = p.schema(v.Data)
	case bsonx.Array:
		if s.list, err = p.list(name, v.Data); err != nil {
			return nil, err
		}
		switch more := bsonx.Lookup(all, "additionalItems"); more.Type {
		case bsonx.Bool:
			s.forbidden = !bsonx.Truthy(more)
		case bsonx.Object:
			s.rest, err = p.schema(more.Data)
		}
	default:
		err = schemaMismatch(name, "an array or an object")
	}
	return typed{isArray, s}, err
}

// schemaAdditionalItems checks its argument; items uses it, when it is a list.
func schemaAdditionalItems(p *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	switch v.Type {
	case bsonx.Bool:
		return nil, nil
	case bsonx.Object:
		_, err := p.schema(v.Data)
		return nil, err
	}
	return nil, schemaMismatch(name, "either an object or a boolean")
}

func schemaUnique(_ *schemaParser, name string, v bsonx.Value, _ bsonx.Doc) (schemaCheck, error) {
	if v.Type != bsonx.Bool {
		return nil, schemaMismatch(name, "a boolean")
	}
	if !bsonx.Truthy(v) {
		return nil, nil
	}
	return typed{isArray, schemaFunc(uniqueItems)}, nil
}
