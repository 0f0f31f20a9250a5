package plan

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// builder derives bounds for one index: values are brought to what the index
// holds (collation keys of strings).
type builder struct {
	indexColl bsonx.Collator // of the index
	sameColl  bool           // the query compares strings as the index does
	multikey  bool           // the field has been an array somewhere
	grid      *geo.Grid      // of a 2d index
}

// bound is what one condition says about the values of an index field.
type bound struct {
	iv Intervals
	// exact: the document matches the condition if and only if one of its keys
	// is in the bounds.
	exact bool
}

// leaf returns the bounds of a condition on the field's own path. ok is false
// when the index cannot help.
func (b *builder) leaf(n match.Node) (bd bound, ok bool) {
	switch n := n.(type) {
	case *match.Compare:
		return b.compare(n.Op, n.Value)
	case *match.In:
		return b.in(n)
	case *match.Exists:
		return bound{iv: allValues()}, true
	case *match.Type:
		return b.types(n.Types), true
	case *match.Regex:
		return b.regex(n)
	case *match.Mod:
		return bound{iv: Intervals{bracket(bsonx.Double)}}, true
	case *match.Bits:
		return bound{iv: Intervals{bracket(bsonx.Double), bracket(bsonx.Binary)}}, true
	case *match.ElemMatchValue:
		return b.elemMatchValue(n)
	case *match.Not:
		return b.not(n)
	}
	return bound{}, false
}

// hasString reports whether a collation has a say in v.
func hasString(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.String, bsonx.Symbol, bsonx.Object, bsonx.Array:
		return true
	}
	return false
}

// key brings a value to the index's form.
func (b *builder) key(v bsonx.Value) bsonx.Value { return index.Collated(v, b.indexColl) }

func (b *builder) compare(op match.Op, v bsonx.Value) (bound, bool) {
	if hasString(v) && !b.sameColl {
		return bound{}, false
	}
	v = b.key(v)
	switch v.Type {
	case bsonx.Null, bsonx.Undefined:
		if op == match.Lt || op == match.Gt {
			return bound{}, true
		}
		return bound{iv: Intervals{bracket(bsonx.Null)}}, true
	case bsonx.Array:
		return b.compareArray(op, v), true
	case bsonx.MinKey, bsonx.MaxKey:
		return b.compareExtreme(op, v), true
	}
	if isNaN(v) {
		if op == match.Lt || op == match.Gt {
			return bound{exact: true}, true
		}
		return bound{iv: Intervals{point(v)}, exact: true}, true
	}
	r := bracket(v.Type)
	switch op {
	case match.Eq:
		r = point(v)
	case match.Lt, match.Lte:
		r.Hi, r.HiIn = v, op == match.Lte
	default:
		r.Lo, r.LoIn = v, op == match.Gte
	}
	if r.empty() {
		return bound{exact: true}, true
	}
	return bound{iv: Intervals{r}, exact: true}, true
}

// compareArray: an array is found by itself, as an element of another, or by
// its first element; for the rest any array may match. v is in the index's form.
func (b *builder) compareArray(op match.Op, v bsonx.Value) bound {
	if op != match.Eq {
		return bound{iv: allValues()}
	}
	first := bsonx.LookupIndex(v.Data, 0)
	if bsonx.IsMissing(first) { // []: indexed as undefined
		return bound{iv: normalize(Intervals{point(first), point(v)})}
	}
	return bound{iv: normalize(Intervals{point(first), point(v)})}
}

// compareExtreme: MinKey and MaxKey compare with values of all types, so an array
// is compared as a whole, too, of which the index has no key.
func (b *builder) compareExtreme(op match.Op, v bsonx.Value) bound {
	if b.multikey && op != match.Eq {
		return bound{iv: allValues()}
	}
	r := Interval{minKey, maxKey, true, true}
	switch op {
	case match.Eq:
		r = point(v)
	case match.Lt:
		r = Interval{minKey, v, true, false}
	case match.Lte:
		r = Interval{minKey, v, true, true}
	case match.Gt:
		r = Interval{v, maxKey, false, true}
	case match.Gte:
		r = Interval{v, maxKey, true, true}
	}
	return bound{iv: normalize(Intervals{r})}
}

func isNaN(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		f := bsonx.F64(v)
		return f != f
	case bsonx.Decimal128:
		return bsonx.DecimalIsNaN(v)
	}
	return false
}

func (b *builder) in(n *match.In) (bound, bool) {
	out := bound{exact: true}
	var iv Intervals
	for _, v := range n.Values {
		c, ok := b.compare(match.Eq, v)
		if !ok {
			return bound{}, false
		}
		iv = append(iv, c.iv...)
		out.exact = out.exact && c.exact
	}
	for _, r := range n.Regexes {
		c, ok := b.regex(r)
		if !ok {
			return bound{}, false
		}
		iv = append(iv, c.iv...)
		out.exact = false
	}
	out.iv = normalize(iv)
	return out, true
}

// types: an array is indexed by its elements, so $type: "array" may be any key.
func (b *builder) types(types []bsonx.Type) bound {
	var iv Intervals
	for _, t := range types {
		switch t {
		case bsonx.Array:
			return bound{iv: allValues()}
		case bsonx.Double, bsonx.Decimal128, bsonx.Int32, bsonx.Int64: // NaN too
			iv = append(iv, Interval{bsonx.DoubleValue(nan()), bracket(t).Hi, true, true})
		default:
			iv = append(iv, bracket(t))
		}
	}
	return bound{iv: normalize(iv)}
}

// regex: strings that begin with the pattern's literal prefix, and equal regular
// expressions. Strings of an index with a collation are sort keys, which no
// pattern can be looked up in.
func (b *builder) regex(n *match.Regex) (bound, bool) {
	if b.indexColl != nil {
		return bound{}, false
	}
	strs := bracket(bsonx.String)
	prefix, pure := regexPrefix(n.Pattern, n.Flags)
	if prefix != "" {
		strs.Lo = bsonx.StringValue(prefix)
		if next, ok := nextString(prefix); ok {
			strs.Hi = bsonx.StringValue(next)
		}
	}
	return bound{iv: normalize(Intervals{strs, bracket(bsonx.Regex)}), exact: pure && !b.multikey}, true
}

// nextString returns the smallest string above all that begin with s.
func nextString(s string) (string, bool) {
	b := []byte(s)
	for len(b) > 0 {
		if b[len(b)-1] != 0xff {
			b[len(b)-1]++
			return string(b), true
		}
		b = b[:len(b)-1]
	}
	return "", false
}

// regexPrefix returns what every match of the pattern begins with, and whether
// that is all the pattern says.
func regexPrefix(pattern, flags string) (prefix string, pure bool) {
	if strings.ContainsAny(flags, "imx") {
		return "", false
	}
	rest, ok := strings.CutPrefix(pattern, "^")
	if !ok {
		if rest, ok = strings.CutPrefix(pattern, `\A`); !ok {
			return "", false
		}
	}
	if strings.Contains(rest, "|") {
		return "", false
	}
	var sb strings.Builder
	last := 0 // where the last literal begins in sb
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '*' || c == '?' || c == '{': // the last literal is optional
			return sb.String()[:last], false
		case c == '+':
			return sb.String(), false
		case c == '\\':
			if i+1 >= len(rest) || isAlnum(rest[i+1]) || rest[i+1] >= 0x80 {
				return sb.String(), false
			}
			i++
			last = sb.Len()
			sb.WriteByte(rest[i])
		case strings.IndexByte(`^$.[]()`, c) >= 0:
			return sb.String(), c == '.' && rest[i:] == ".*"
		default:
			if c < 0x80 || c >= 0xc0 { // a rune begins
				last = sb.Len()
			}
			sb.WriteByte(c)
		}
	}
	return sb.String(), true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// elemMatchValue: all conditions hold for one element, which has one key.
func (b *builder) elemMatchValue(n *match.ElemMatchValue) (bound, bool) {
	out := bound{iv: allValues()}
	any := false
	for _, c := range n.Nodes {
		bd, ok := b.leaf(c)
		if !ok || hasNested(c) {
			continue
		}
		any = true
		out.iv = intersect(out.iv, bd.iv)
	}
	return out, any
}

// hasNested reports whether the condition looks into arrays inside of the
// element, whose own elements the index does not hold.
func hasNested(n match.Node) bool {
	switch n := n.(type) {
	case *match.ElemMatchValue, *match.ElemMatchObject, *match.Size:
		return true
	case *match.Not:
		return true
	case *match.Compare:
		return n.Value.Type == bsonx.Array
	}
	return false
}

// not: the complement holds every key of a document that does not match, as
// long as the bounds of the condition are exact.
func (b *builder) not(n *match.Not) (bound, bool) {
	switch c := n.Node.(type) {
	case *match.Compare:
		if c.Value.Type == bsonx.Null || c.Value.Type == bsonx.Undefined {
			if c.Op == match.Eq || c.Op == match.Lte || c.Op == match.Gte {
				// [] is indexed below null and is not equal to null. Under an array
				// without documents a field is indexed as null and is not equal to it.
				if b.multikey && strings.Contains(c.Path.Name, ".") {
					return bound{iv: allValues()}, true
				}
				return bound{iv: complement(Intervals{point(bsonx.NullValue)})}, true
			}
			return bound{iv: allValues()}, true
		}
		bd, ok := b.compare(c.Op, c.Value)
		if !ok || !bd.exact {
			return bound{}, false
		}
		return bound{iv: complement(bd.iv), exact: !b.multikey}, true
	case *match.In:
		bd, ok := b.in(c)
		if !ok || !bd.exact {
			return bound{}, false
		}
		return bound{iv: complement(bd.iv), exact: !b.multikey}, true
	case *match.Exists:
		return bound{iv: Intervals{bracket(bsonx.Null)}}, true
	}
	return bound{}, false
}
