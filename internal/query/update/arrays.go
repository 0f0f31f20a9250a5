package update

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/match"
)

func dotted(path []string) string { return strings.Join(path, ".") }

// writeArray writes an array of values.
func writeArray(b *bsonx.Builder, key string, vals []bsonx.Value) {
	at := b.OpenArray(key)
	for i, v := range vals {
		b.Value(bsonx.Index(i), v)
	}
	b.Close(at)
}

// push is $push with its modifiers: elements are added at a position, then the
// array is sorted, then cut.
type push struct {
	always
	vals     []bsonx.Value
	position *int64
	slice    *int64
	sort     *sorter
}

func parsePush(_ *parser, _ string, v bsonx.Value) (operator, error) {
	if v.Type != bsonx.Object || bsonx.Lookup(v.Data, "$each").Type == bsonx.Missing {
		return &push{vals: []bsonx.Value{v}}, nil
	}
	p := &push{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		arg := it.Value()
		switch string(it.Key()) {
		case "$each":
			if arg.Type != bsonx.Array {
				return nil, bad("The argument to $each in $push must be an array but it was of type: %s", bsonx.TypeName(arg.Type))
			}
			p.vals = bsonx.Values(nil, arg.Data)
		case "$slice":
			n, ok := bsonx.IntegralOK(arg)
			if !ok {
				return nil, bad("The value for $slice must be an integer value but was given type: %s", bsonx.TypeName(arg.Type))
			}
			p.slice = &n
		case "$position":
			n, ok := bsonx.IntegralOK(arg)
			if !ok {
				return nil, bad("The value for $position must be an integer value, not of type: %s", bsonx.TypeName(arg.Type))
			}
			p.position = &n
		case "$sort":
			s, err := parseSort(arg)
			if err != nil {
				return nil, err
			}
			p.sort = s
		default:
			return nil, bad("Unrecognized clause in $push: %s", it.Key())
		}
	}
	return p, nil
}

func (p *push) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	var vals []bsonx.Value
	switch v.Type {
	case bsonx.Missing:
	case bsonx.Array:
		vals = bsonx.Values(nil, v.Data)
	default:
		return bad("The field '%s' must be an array but is of type %s in document {_id: %s}", a.where(), bsonx.TypeName(v.Type), show(bsonx.Lookup(a.doc, "_id")))
	}
	at := int64(len(vals))
	if p.position != nil {
		at = *p.position
		if at < 0 {
			at = max(0, int64(len(vals))+at)
		}
		at = min(at, int64(len(vals)))
	}
	vals = slices.Insert(vals, int(at), p.vals...)
	if p.sort != nil {
		slices.SortStableFunc(vals, func(x, y bsonx.Value) int { return p.sort.compare(x, y, a.u.coll) })
	}
	if p.slice != nil {
		n := int64(len(vals))
		if s := *p.slice; s >= 0 {
			vals = vals[:min(s, n)]
		} else {
			vals = vals[max(0, n+s):]
		}
	}
	writeArray(&a.b, key, vals)
	return nil
}

// sorter is $sort of $push: by the elements themselves or by their fields.
type sorter struct {
	sign   int
	fields []sortField
}

type sortField struct {
	path []string
	sign int
}

func parseSort(v bsonx.Value) (*sorter, error) {
	if bsonx.IsNumber(v) {
		n, ok := bsonx.IntegralOK(v)
		if !ok || n != 1 && n != -1 {
			return nil, bad("The $sort element value must be either 1 or -1")
		}
		return &sorter{sign: int(n)}, nil
	}
	if v.Type != bsonx.Object {
		return nil, bad("The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields")
	}
	s := &sorter{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		n, ok := bsonx.IntegralOK(it.Value())
		if !ok || n != 1 && n != -1 {
			return nil, bad("The $sort element value must be either 1 or -1")
		}
		name := string(it.Key())
		if name == "" {
			return nil, bad("The $sort field cannot be empty")
		}
		path := strings.Split(name, ".")
		if slices.Contains(path, "") {
			return nil, bad("The $sort field is a dotted field but has an empty part: %s", name)
		}
		s.fields = append(s.fields, sortField{path, int(n)})
	}
	if len(s.fields) == 0 {
		return nil, bad("The $sort pattern is empty when it should be a set of fields.")
	}
	return s, nil
}

func (s *sorter) compare(x, y bsonx.Value, coll bsonx.Collator) int {
	if s.sign != 0 {
		return s.sign * bsonx.CompareWith(x, y, coll)
	}
	for _, f := range s.fields {
		if c := f.sign * bsonx.CompareWith(f.of(x), f.of(y), coll); c != 0 {
			return c
		}
	}
	return 0
}

// of returns the field's value; null if there is none.
func (f *sortField) of(v bsonx.Value) bsonx.Value {
	if v.Type != bsonx.Object {
		return bsonx.NullValue
	}
	for _, name := range f.path {
		if v.Type != bsonx.Object && v.Type != bsonx.Array {
			return bsonx.NullValue
		}
		v = bsonx.Lookup(v.Data, name)
	}
	if v.Type == bsonx.Missing {
		return bsonx.NullValue
	}
	return v
}

// addToSet is $addToSet.
type addToSet struct {
	always
	vals []bsonx.Value
}

func parseAddToSet(_ *parser, _ string, v bsonx.Value) (operator, error) {
	if v.Type == bsonx.Object {
		if it := bsonx.NewIter(v.Data); it.Next() && string(it.Key()) == "$each" {
			if it.Value().Type != bsonx.Array {
				return nil, errcode.New(errcode.TypeMismatch, "The argument to $each in $addToSet must be an array but it was of type %s", bsonx.TypeName(it.Value().Type))
			}
			if bsonx.Len(v.Data) > 1 {
				return nil, bad("Found unexpected fields after $each in $addToSet: %s", show(v))
			}
			return &addToSet{vals: bsonx.Values(nil, it.Value().Data)}, nil
		}
	}
	return &addToSet{vals: []bsonx.Value{v}}, nil
}

func (s *addToSet) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	var vals []bsonx.Value
	switch v.Type {
	case bsonx.Missing:
	case bsonx.Array:
		vals = bsonx.Values(nil, v.Data)
	default:
		return bad("Cannot apply $addToSet to non-array field. Field named '%s' has non-array type %s", key, bsonx.TypeName(v.Type))
	}
	writeArray(&a.b, key, union(vals, s.vals, a.u.coll))
	return nil
}

// few is how many values are less work to look for one by one than by sorting.
const few = 16

// union appends the values of add that are in neither vals nor add before.
func union(vals, add []bsonx.Value, coll bsonx.Collator) []bsonx.Value {
	if len(add) <= few {
		for _, v := range add {
			if !slices.ContainsFunc(vals, func(x bsonx.Value) bool { return bsonx.CompareWith(x, v, coll) == 0 }) {
				vals = append(vals, v)
			}
		}
		return vals
	}
	all := append(vals[:len(vals):len(vals)], add...)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return bsonx.CompareWith(all[i], all[j], coll) })
	again := make([]bool, len(all))
	for i := 1; i < len(order); i++ {
		again[order[i]] = bsonx.CompareWith(all[order[i-1]], all[order[i]], coll) == 0
	}
	for i := len(vals); i < len(all); i++ {
		if !again[i] {
			vals = append(vals, all[i])
		}
	}
	return vals
}

// sortedSet is a set of values that is searched.
type sortedSet struct {
	vals []bsonx.Value
	coll bsonx.Collator
}

func newSortedSet(vals []bsonx.Value, coll bsonx.Collator) sortedSet {
	s := sortedSet{vals, coll}
	slices.SortFunc(s.vals, s.compare)
	return s
}

func (s sortedSet) compare(a, b bsonx.Value) int { return bsonx.CompareWith(a, b, s.coll) }

func (s sortedSet) has(v bsonx.Value) bool {
	_, ok := slices.BinarySearchFunc(s.vals, v, s.compare)
	return ok
}

// pop removes the first or the last element.
type pop struct {
	existing
	first bool
}

func parsePop(_ *parser, path string, v bsonx.Value) (operator, error) {
	n, ok := bsonx.IntegralOK(v)
	if !ok {
		return nil, failed("Expected a number in: %s: %s; $pop takes 1 or -1", path, show(v))
	}
	if n != 1 && n != -1 {
		return nil, failed("$pop expects 1 or -1, found: %d", n)
	}
	return &pop{first: n == -1}, nil
}

func (p *pop) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	switch v.Type {
	case bsonx.Missing:
		return nil
	case bsonx.Array:
	default:
		return errcode.New(errcode.TypeMismatch, "Path '%s' contains an element of non-array type '%s'", a.where(), bsonx.TypeName(v.Type))
	}
	vals := bsonx.Values(nil, v.Data)
	switch {
	case len(vals) == 0:
	case p.first:
		vals = vals[1:]
	default:
		vals = vals[:len(vals)-1]
	}
	writeArray(&a.b, key, vals)
	return nil
}

// pull removes the elements that a test chooses: $pull and $pullAll.
type pull struct {
	existing
	test func(v bsonx.Value) (bool, error)
}

func parsePullAll(p *parser, _ string, v bsonx.Value) (operator, error) {
	if v.Type != bsonx.Array {
		return nil, bad("$pullAll requires an array argument but was given a %s", bsonx.TypeName(v.Type))
	}
	gone := newSortedSet(bsonx.Values(nil, v.Data), p.u.coll)
	return &pull{test: func(e bsonx.Value) (bool, error) { return gone.has(e), nil }}, nil
}

// parsePull: a document of conditions on fields is for elements that are
// documents; operators and regular expressions are for the elements themselves;
// anything else is compared.
func parsePull(p *parser, _ string, v bsonx.Value) (operator, error) {
	o := match.Plain()
	o.Collation = p.u.coll
	switch {
	case v.Type == bsonx.Object && !match.StartsWithOperator(v.Data):
		f, err := match.Compile(v.Data, o)
		if err != nil {
			return nil, err
		}
		return &pull{test: func(e bsonx.Value) (bool, error) {
			if e.Type != bsonx.Object {
				return false, nil
			}
			return f.Matches(nil, e.Data)
		}}, nil
	case v.Type == bsonx.Object || v.Type == bsonx.Regex:
		f, err := match.Compile(wrap("", v), o)
		if err != nil {
			return nil, err
		}
		return &pull{test: func(e bsonx.Value) (bool, error) { return f.Matches(nil, wrap("", e)) }}, nil
	}
	coll := p.u.coll
	return &pull{test: func(e bsonx.Value) (bool, error) { return bsonx.CompareWith(e, v, coll) == 0, nil }}, nil
}

func (p *pull) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	switch v.Type {
	case bsonx.Missing:
		return nil
	case bsonx.Array:
	default:
		return bad("Cannot apply $pull to a non-array value")
	}
	at := a.b.OpenArray(key)
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); {
		gone, err := p.test(it.Value())
		if err != nil {
			return err
		}
		if !gone {
			a.b.Value(bsonx.Index(i), it.Value())
			i++
		}
	}
	a.b.Close(at)
	return nil
}
