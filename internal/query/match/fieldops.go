package match

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// operand is an operator of a field with its value.
type operand struct {
	Path  Path
	name  string
	Value bsonx.Value
	all   bsonx.Doc // the document that the operator stands in
}

// fieldOp compiles an operator on a path. It returns nil when the operator is
// part of another one ($options).
type fieldOp func(c *compiler, o operand) (Node, error)

func fieldOps() map[string]fieldOp {
	comparison := func(op Op) fieldOp {
		return func(c *compiler, o operand) (Node, error) { return c.compare(o.Path, op, o.Value) }
	}
	bits := func(all, set bool) fieldOp {
		return func(_ *compiler, o operand) (Node, error) { return bitTest(o, all, set) }
	}
	return map[string]fieldOp{
		"$eq":            comparison(Eq),
		"$lt":            comparison(Lt),
		"$lte":           comparison(Lte),
		"$gt":            comparison(Gt),
		"$gte":           comparison(Gte),
		"$ne":            notEqual,
		"$in":            in,
		"$nin":           notIn,
		"$not":           negation,
		"$exists":        exists,
		"$type":          typeOf,
		"$mod":           mod,
		"$size":          size,
		"$all":           all,
		"$elemMatch":     elemMatch,
		"$regex":         regex,
		"$options":       regexOptions,
		"$bitsAllSet":    bits(true, true),
		"$bitsAllClear":  bits(true, false),
		"$bitsAnySet":    bits(false, true),
		"$bitsAnyClear":  bits(false, false),
		"$geoWithin":     geoShape,
		"$within":        geoShape,
		"$geoIntersects": geoShape,
		"$near":          geoNear,
		"$nearSphere":    geoNear,
		"$geoNear":       geoNear,
		"$maxDistance":   geoOption,
		"$minDistance":   geoOption,
	}
}

func (c *compiler) compare(p Path, op Op, v bsonx.Value) (Node, error) {
	switch v.Type {
	case bsonx.Undefined:
		return nil, bad("cannot compare to undefined")
	case bsonx.Regex:
		if op != Eq {
			return nil, bad("Can't have RegEx as arg to non-equality predicate over field '%s'.", p)
		}
	}
	return &Compare{Path: p, Op: op, Value: v, coll: c.Collation}, nil
}

func notEqual(c *compiler, o operand) (Node, error) {
	if o.Value.Type == bsonx.Regex {
		return nil, bad("Can't have regex as arg to $ne.")
	}
	n, err := c.compare(o.Path, Eq, o.Value)
	if err != nil {
		return nil, err
	}
	return not(n), nil
}

func in(c *compiler, o operand) (Node, error) {
	if o.Value.Type != bsonx.Array {
		return nil, bad("%s needs an array", o.name)
	}
	n := &In{Path: o.Path, coll: c.Collation}
	for it := bsonx.NewIter(o.Value.Data); it.Next(); {
		v := it.Value()
		switch {
		case IsOperators(v):
			return nil, bad("cannot nest $ under %s", o.name)
		case v.Type == bsonx.Regex:
			r, err := regexOf(o.Path, v)
			if err != nil {
				return nil, err
			}
			n.Regexes = append(n.Regexes, r)
			continue
		case v.Type == bsonx.Undefined:
			return nil, bad("cannot compare to undefined")
		case v.Type == bsonx.Null:
			n.hasNull = true
		}
		n.Values = append(n.Values, v)
	}
	order := func(a, b bsonx.Value) int { return bsonx.CompareWith(a, b, c.Collation) }
	slices.SortStableFunc(n.Values, order)
	n.Values = slices.CompactFunc(n.Values, func(a, b bsonx.Value) bool { return order(a, b) == 0 })
	switch {
	case len(n.Values) == 0 && len(n.Regexes) == 0:
		return &False{}, nil
	case len(n.Values) == 1 && len(n.Regexes) == 0:
		return c.compare(o.Path, Eq, n.Values[0])
	case len(n.Values) == 0 && len(n.Regexes) == 1:
		return n.Regexes[0], nil
	}
	return n, nil
}

func notIn(c *compiler, o operand) (Node, error) {
	n, err := in(c, o)
	if err != nil {
		return nil, err
	}
	return not(n), nil
}

func negation(c *compiler, o operand) (Node, error) {
	switch o.Value.Type {
	case bsonx.Regex:
		n, err := regexOf(o.Path, o.Value)
		if err != nil {
			return nil, err
		}
		return not(n), nil
	case bsonx.Object:
	default:
		return nil, bad("$not argument must be a regex or an object")
	}
	if bsonx.IsEmpty(o.Value.Data) {
		return nil, bad("$not argument must be a non-empty object")
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	parts, err := c.operators(o.Path, o.Value.Data)
	if err != nil {
		return nil, err
	}
	return not(and(parts)), nil
}

func exists(_ *compiler, o operand) (Node, error) {
	if o.Value.Type == bsonx.Undefined || isFalse(o.Value) {
		return not(&Exists{Path: o.Path}), nil
	}
	return &Exists{Path: o.Path}, nil
}

// isFalse reports whether a flag of a query operator is off: false, null, or a
// zero of any type.
func isFalse(v bsonx.Value) bool { return !bsonx.Truthy(v) }

func typeOf(_ *compiler, o operand) (Node, error) {
	n := &Type{Path: o.Path}
	if o.Value.Type != bsonx.Array {
		return n, n.add(o.Value, "$type")
	}
	if bsonx.IsEmpty(o.Value.Data) {
		return nil, errcode.New(errcode.FailedToParse, "%s must match at least one type", o.Path)
	}
	for it := bsonx.NewIter(o.Value.Data); it.Next(); {
		if err := n.add(it.Value(), "$type"); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// add adds a type by its name or number, or "number".
func (n *Type) add(v bsonx.Value, op string) error {
	types, err := parseType(v)
	for _, t := range types {
		if !n.set[t] {
			n.set[t] = true
			n.Types = append(n.Types, t)
		}
	}
	return err
}

func parseType(v bsonx.Value) ([]bsonx.Type, error) {
	switch {
	case v.Type == bsonx.String:
		name := string(bsonx.Str(v))
		if types := typesNamed(name); types != nil {
			return types, nil
		}
		return nil, bad("Unknown type name alias: %s", name)
	case !bsonx.IsNumber(v):
		return nil, errcode.New(errcode.TypeMismatch, "type must be represented as a number or a string")
	}
	code, ok := bsonx.IntegralOK(v)
	if !ok {
		return nil, bad("Invalid numerical type code: %s. Type codes are whole numbers", numberText(v))
	}
	for _, t := range allTypes {
		if int64(int8(t)) == code {
			return []bsonx.Type{t}, nil
		}
	}
	if code == 0 {
		return nil, bad("Invalid numerical type code: 0. Instead use {$exists:false}.")
	}
	return nil, bad("Invalid numerical type code: %d", code)
}

var allTypes = [...]bsonx.Type{
	bsonx.Double, bsonx.String, bsonx.Object, bsonx.Array, bsonx.Binary, bsonx.Undefined, bsonx.ObjectID,
	bsonx.Bool, bsonx.Date, bsonx.Null, bsonx.Regex, bsonx.DBPointer, bsonx.JavaScript, bsonx.Symbol,
	bsonx.JavaScriptWithScope, bsonx.Int32, bsonx.Timestamp, bsonx.Int64, bsonx.Decimal128, bsonx.MinKey,
	bsonx.MaxKey,
}

var numberTypes = [...]bsonx.Type{bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128}

func typesNamed(name string) []bsonx.Type {
	if name == "number" {
		return numberTypes[:]
	}
	for i, t := range allTypes {
		if bsonx.TypeName(t) == name {
			return allTypes[i : i+1]
		}
	}
	return nil
}

func mod(_ *compiler, o operand) (Node, error) {
	if o.Value.Type != bsonx.Array {
		return nil, bad("malformed mod, needs to be an array")
	}
	args := bsonx.Values(nil, o.Value.Data)
	switch {
	case len(args) < 2:
		return nil, bad("malformed mod, not enough elements")
	case len(args) > 2:
		return nil, bad("malformed mod, too many elements")
	case !bsonx.IsNumber(args[0]):
		return nil, bad("malformed mod, divisor not a number")
	case !bsonx.IsNumber(args[1]):
		return nil, bad("malformed mod, remainder not a number")
	}
	div, ok := wholePart(args[0])
	if !ok {
		return nil, bad("malformed mod, divisor value is invalid :: caused by :: Unable to coerce NaN/Inf or a value out of range to integral type")
	}
	rest, ok := wholePart(args[1])
	if !ok {
		return nil, bad("malformed mod, remainder value is invalid :: caused by :: Unable to coerce NaN/Inf or a value out of range to integral type")
	}
	if div == 0 {
		return nil, bad("divisor cannot be 0")
	}
	return &Mod{Path: o.Path, Div: div, Rest: rest}, nil
}

func size(_ *compiler, o operand) (Node, error) {
	n, err := integer(o.Value)
	if err == nil && n > maxInt32 {
		err = errcode.New(errcode.FailedToParse, "Cannot represent as a 32-bit integer: %d", n)
	}
	if err != nil {
		return nil, bad("Failed to parse $size. %s", errcode.As(err).Message)
	}
	if n < 0 {
		return nil, bad("Failed to parse $size. Expected a non-negative number in: $size: %d", n)
	}
	return &Size{Path: o.Path, Len: n}, nil
}

// all is $all: an And of equalities, regular expressions or $elemMatch. An
// empty list matches nothing.
func all(c *compiler, o operand) (Node, error) {
	if o.Value.Type != bsonx.Array {
		return nil, bad("$all needs an array")
	}
	vals := bsonx.Values(nil, o.Value.Data)
	if len(vals) == 0 {
		return &False{}, nil
	}
	if firstKey(vals[0]) == "$elemMatch" {
		return allElemMatch(c, o, vals)
	}
	parts := make([]Node, len(vals))
	for i, v := range vals {
		var err error
		switch {
		case v.Type == bsonx.Regex:
			parts[i], err = regexOf(o.Path, v)
		case c.ops[firstKey(v)] != nil && IsOperators(v):
			err = bad("no $ expressions in $all")
		default:
			parts[i], err = c.compare(o.Path, Eq, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return and(parts), nil
}

func allElemMatch(c *compiler, o operand, vals []bsonx.Value) (Node, error) {
	parts := make([]Node, len(vals))
	for i, v := range vals {
		if firstKey(v) != "$elemMatch" {
			return nil, bad("$all/$elemMatch has to be consistent")
		}
		var err error
		arg := bsonx.Lookup(v.Data, "$elemMatch")
		if parts[i], err = elemMatch(c, operand{Path: o.Path, name: "$elemMatch", Value: arg}); err != nil {
			return nil, err
		}
	}
	return and(parts), nil
}

// firstKey returns the name of a document's first field.
func firstKey(v bsonx.Value) string {
	if v.Type != bsonx.Object {
		return ""
	}
	it := bsonx.NewIter(v.Data)
	if !it.Next() {
		return ""
	}
	return string(it.Key())
}

// elemMatch has two forms: conditions on the element itself, when its first
// field is an operator on values, and a filter on the element's fields.
func elemMatch(c *compiler, o operand) (Node, error) {
	if o.Value.Type != bsonx.Object {
		return nil, bad("$elemMatch needs an Object")
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	defer func(was bool) { c.inner = was }(c.inner)
	c.inner = true
	if first := firstKey(o.Value); startsWithDollar(o.Value) && (c.ops[first] != nil || c.tops[first] == nil) {
		parts, err := c.operators(Path{}, o.Value.Data)
		if err != nil {
			return nil, err
		}
		return &ElemMatchValue{Path: o.Path, Nodes: parts}, nil
	}
	n, err := c.document(o.Value.Data)
	if err != nil {
		return nil, err
	}
	return &ElemMatchObject{Path: o.Path, Node: n}, nil
}
