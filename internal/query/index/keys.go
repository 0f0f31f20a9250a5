package index

import (
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Key is one index key: the values of the fields in the pattern's order. The
// values alias the document (or memory of their own, for computed ones).
type Key struct {
	Values []bsonx.Value
	None   uint64 // bit i: value i stands for a field that is not there
}

// Multikey tells where the paths of a key pattern went through arrays: for each
// field a bit for each component of its path. Nil: nowhere.
type Multikey []uint64

// Any reports whether any path went through an array.
func (m Multikey) Any() bool {
	for _, b := range m {
		if b != 0 {
			return true
		}
	}
	return false
}

// Covers reports whether m has every bit of o.
func (m Multikey) Covers(o Multikey) bool {
	for i, b := range o {
		if b != 0 && (i >= len(m) || b&^m[i] != 0) {
			return false
		}
	}
	return true
}

// Add returns m with the bits of o.
func (m Multikey) Add(o Multikey) Multikey {
	out := make(Multikey, max(len(m), len(o)))
	copy(out, m)
	for i, b := range o {
		out[i] |= b
	}
	return out
}

// Set returns m, of n fields, with one more bit.
func (m Multikey) Set(n, field, component int) Multikey {
	if m == nil {
		m = make(Multikey, n)
	}
	m[field] |= 1 << min(max(component, 0), 63)
	return m
}

// UndefinedValue is what an empty array is indexed as: below null, as MongoDB has it.
var UndefinedValue = bsonx.Value{Type: bsonx.Undefined}

// Keys appends the document's keys to dst. A field that is not there is null; an
// array gives a key for each element, an empty one undefined. A sparse index has
// no key for a document with none of its fields. Keys may repeat: who encodes
// them drops repeated ones. It does not look at the partial filter.
//
// Errors: CannotIndexParallelArrays (171) for two arrays side by side, 16766 for
// an array in a hashed field, and those of text and geospatial values.
func (s *Spec) Keys(dst []Key, doc bsonx.Doc) ([]Key, Multikey, error) {
	if s.wildcardAt >= 0 {
		return s.wildcardKeys(dst, doc)
	}
	g := gen{spec: s, dst: dst}
	st := make([]state, len(s.Fields))
	for i := range s.Fields {
		st[i] = state{val: bsonx.DocValue(doc), rest: s.Fields[i].Parts}
		switch s.Fields[i].Kind {
		case Text, Geo2d, Geo2dsphere:
			st[i].fixed = true // computed from the whole document, below
		}
	}
	if err := g.run(st, 0); err != nil {
		return dst, nil, err
	}
	keys, mk := g.dst, g.multikey
	for i, f := range s.Fields {
		var err error
		switch f.Kind {
		case Hashed:
			for k := range keys[len(dst):] {
				v := keys[len(dst)+k].Values
				v[i] = HashValue(v[i])
			}
		case Text:
			if err = s.errTextArray(mk); err == nil {
				keys, err = s.expandText(keys, len(dst), i, doc)
			}
			mk = mk.Set(len(s.Fields), i, 0)
		case Geo2d, Geo2dsphere:
			keys, err = s.expandGeo(keys, len(dst), i, doc)
			for c := range f.Parts { // any part of the path may be an array
				mk = mk.Set(len(s.Fields), i, c)
			}
		}
		if err != nil {
			return dst, nil, err
		}
	}
	return s.sparseGeo(keys, len(dst)), mk, nil
}

// state is how far one field of the pattern has come on the way down.
type state struct {
	val   bsonx.Value // where it stands, or its final value once fixed
	rest  []string    // components of the path that are left
	fixed bool
	none  bool // fixed because the field is not there
}

type gen struct {
	spec     *Spec
	dst      []Key
	multikey Multikey
}

// run walks every field that is not fixed down to its value or to the first
// array, then steps into that array, the same one for all fields.
func (g *gen) run(st []state, depth int) error {
	var arr bsonx.Value
	var hits uint32
	first := -1
	for i := range st {
		if st[i].fixed {
			continue
		}
		hit, err := g.descend(&st[i])
		if err != nil {
			return err
		}
		if !hit {
			continue
		}
		if g.spec.Fields[i].Kind == Hashed {
			return errcode.New(16766, "hashed indexes do not currently support array values. Error while indexing field '%s'", g.spec.Fields[i].Path)
		}
		if first >= 0 && &arr.Data[0] != &st[i].val.Data[0] {
			return errcode.New(errcode.CannotIndexParallelArrays, "cannot index parallel arrays [%s] [%s]",
				last(g.spec.Fields[i].Parts, st[i].rest), last(g.spec.Fields[first].Parts, st[first].rest))
		}
		if first < 0 {
			first, arr = i, st[i].val
		}
		hits |= 1 << i
	}
	if first < 0 {
		g.emit(st)
		return nil
	}
	for i := range st {
		if hits>>i&1 != 0 {
			g.multikey = g.multikey.Set(len(st), i, len(g.spec.Fields[i].Parts)-len(st[i].rest)-1)
		}
	}
	return g.expand(st, arr, hits, depth)
}

// last names the field at which a path met an array.
func last(parts, rest []string) string {
	n := len(parts) - len(rest)
	if n < 1 {
		n = 1
	}
	return parts[n-1]
}

// descend moves a field down to an array (true) or fixes its value (false).
func (g *gen) descend(s *state) (hit bool, err error) {
	for {
		switch s.val.Type {
		case bsonx.Array:
			if len(s.rest) == 0 {
				return true, nil
			}
			n, ok := bsonx.ArrayIndex(s.rest[0])
			if !ok {
				return true, nil
			}
			if hasField(s.val.Data, s.rest[0]) {
				return false, errcode.New(16746, "Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), field: '%s'", s.rest[0])
			}
			e := bsonx.LookupIndex(s.val.Data, n)
			if bsonx.IsMissing(e) {
				return true, nil
			}
			s.val, s.rest = e, s.rest[1:]
			continue
		case bsonx.Object:
			if len(s.rest) > 0 {
				v := bsonx.Lookup(s.val.Data, s.rest[0])
				if bsonx.IsMissing(v) {
					s.fix(bsonx.NullValue, true)
					return false, nil
				}
				s.val, s.rest = v, s.rest[1:]
				continue
			}
		}
		if len(s.rest) > 0 {
			s.fix(bsonx.NullValue, true)
		} else {
			s.fix(s.val, false)
		}
		return false, nil
	}
}

// hasField reports whether a document in the array has a field of that name.
func hasField(arr []byte, name string) bool {
	for it := bsonx.NewIter(arr); it.Next(); {
		if v := it.Value(); v.Type == bsonx.Object && !bsonx.IsMissing(bsonx.Lookup(v.Data, name)) {
			return true
		}
	}
	return false
}

func (s *state) fix(v bsonx.Value, none bool) { s.val, s.fixed, s.none, s.rest = v, true, none, nil }

// expand makes the keys of each element of an array.
func (g *gen) expand(st []state, arr bsonx.Value, hits uint32, depth int) error {
	next := make([]state, len(st))
	empty := true
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		empty = false
		copy(next, st)
		for i := range next {
			if hits>>i&1 == 0 {
				continue
			}
			e := it.Value()
			switch {
			case len(next[i].rest) == 0:
				next[i].fix(e, false)
			case e.Type == bsonx.Object:
				next[i].val = e
			default:
				next[i].fix(bsonx.NullValue, true)
			}
		}
		if err := g.run(next, depth+1); err != nil {
			return err
		}
	}
	if !empty {
		return nil
	}
	copy(next, st)
	for i := range next {
		if hits>>i&1 == 0 {
			continue
		}
		if len(next[i].rest) == 0 {
			next[i].fix(UndefinedValue, false)
		} else {
			next[i].fix(bsonx.NullValue, true)
		}
	}
	g.emit(next)
	return nil
}

func (g *gen) emit(st []state) {
	none := g.spec.Sparse
	vals := make([]bsonx.Value, len(st))
	var missing uint64
	for i := range st {
		vals[i] = st[i].val
		if st[i].none {
			missing |= 1 << i
		} else {
			switch g.spec.Fields[i].Kind {
			case Text, Geo2d, Geo2dsphere: // decided by what they expand to
			default:
				none = false
			}
		}
	}
	if none && !g.computed() {
		return
	}
	g.dst = append(g.dst, Key{vals, missing})
}

// computed reports whether a text or geospatial field decides about sparseness.
func (g *gen) computed() bool {
	for _, f := range g.spec.Fields {
		if f.Kind == Text || f.Kind == Geo2d || f.Kind == Geo2dsphere {
			return true
		}
	}
	return false
}

// wildcardKeys: for every leaf under the wildcard a key (…, path, value, …): the
// wildcard field becomes two values. A document without any such leaf has no
// key, except in a compound index, which then has one with MinKey as path.
func (s *Spec) wildcardKeys(dst []Key, doc bsonx.Doc) ([]Key, Multikey, error) {
	fixed := make([]bsonx.Value, len(s.Fields))
	for i, f := range s.Fields {
		if i == s.wildcardAt {
			continue
		}
		st := state{val: bsonx.DocValue(doc), rest: f.Parts}
		g := gen{spec: s}
		hit, err := g.descend(&st)
		if err != nil {
			return dst, nil, err
		}
		if hit {
			return dst, nil, errcode.New(7246301, "Wildcard indexes do not support arrays in their other fields: '%s'", f.Path)
		}
		fixed[i] = st.val
	}
	w := wildcardWalk{spec: s, dst: dst, fixed: fixed}
	root, ok := bsonx.DocValue(doc), true
	base := s.Fields[s.wildcardAt].Parts
	for i, p := range base {
		if root.Type == bsonx.Array {
			w.walkArray(root, strings.Join(base[:i], "."), base[i:])
			ok = false
			break
		}
		if root.Type != bsonx.Object {
			ok = false
			break
		}
		root = bsonx.Lookup(root.Data, p)
	}
	if ok && !bsonx.IsMissing(root) {
		w.value(strings.Join(base, "."), root, len(base) == 0)
	}
	if len(w.dst) == len(dst) && len(s.Fields) > 1 {
		w.emitPath(bsonx.Value{Type: bsonx.MinKey}, bsonx.Value{Type: bsonx.MinKey})
	}
	return w.dst, w.multikey, nil
}

type wildcardWalk struct {
	spec     *Spec
	dst      []Key
	fixed    []bsonx.Value
	multikey Multikey
}

func (w *wildcardWalk) emitPath(path, v bsonx.Value) {
	at := w.spec.wildcardAt
	vals := make([]bsonx.Value, 0, len(w.fixed)+1)
	vals = append(append(vals, w.fixed[:at]...), path, v)
	vals = append(vals, w.fixed[at+1:]...)
	w.dst = append(w.dst, Key{Values: vals})
}

// value indexes v at path; documents are walked into, at most MaxDepth deep.
func (w *wildcardWalk) value(path string, v bsonx.Value, root bool) {
	switch v.Type {
	case bsonx.Object:
		if !root && bsonx.IsEmpty(v.Data) {
			w.leaf(path, v)
			return
		}
		for it := bsonx.NewIter(v.Data); it.Next(); {
			p := string(it.Key())
			if path != "" {
				p = path + "." + p
			}
			if w.mayCover(p) {
				w.value(p, it.Value(), false)
			}
		}
	case bsonx.Array:
		w.multikey = w.multikey.Set(len(w.fixed), w.spec.wildcardAt, 0)
		if bsonx.IsEmpty(v.Data) {
			w.leaf(path, UndefinedValue)
			return
		}
		w.walkArray(v, path, nil)
	default:
		w.leaf(path, v)
	}
}

// walkArray indexes the elements of an array at path; rest is what is left of
// the wildcard's base path. Arrays directly inside of arrays are leaves.
func (w *wildcardWalk) walkArray(arr bsonx.Value, path string, rest []string) {
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		e := it.Value()
		switch {
		case len(rest) > 0 && e.Type == bsonx.Object:
			if v := bsonx.Lookup(e.Data, rest[0]); !bsonx.IsMissing(v) {
				p := path + "." + rest[0]
				if len(rest) == 1 {
					w.value(p, v, false)
				} else if v.Type == bsonx.Array {
					w.walkArray(v, p, rest[1:])
				} else if v.Type == bsonx.Object {
					one := bsonx.AppendArray(nil, []bsonx.Value{v})
					w.walkArray(bsonx.ArrValue(one), p, rest[1:])
				}
			}
		case len(rest) > 0:
		case e.Type == bsonx.Array:
			w.leaf(path, e)
		default:
			w.value(path, e, false)
		}
	}
}

func (w *wildcardWalk) leaf(path string, v bsonx.Value) {
	if w.spec.WildcardCovers(path) {
		w.emitPath(bsonx.StringValue(path), v)
	}
}

// mayCover reports whether something at or below path may be indexed.
func (w *wildcardWalk) mayCover(path string) bool {
	s := w.spec
	if s.WildcardCovers(path) {
		return true
	}
	for _, p := range s.WildcardPaths {
		if !s.WildcardExclude && strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// FieldNames returns the paths of the pattern, "$**" included.
func (s *Spec) FieldNames() []string {
	out := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		out[i] = f.Path
	}
	return out
}

// DefaultName returns the name that drivers give to an index without one: the
// fields and directions joined by "_".
func DefaultName(key bsonx.Doc) string {
	var parts []string
	for it := bsonx.NewIter(key); it.Next(); {
		parts = append(parts, string(it.Key()))
		if v := it.Value(); v.Type == bsonx.String {
			parts = append(parts, string(bsonx.Str(v)))
		} else {
			parts = append(parts, strconv.FormatInt(numberInt(v), 10))
		}
	}
	return strings.Join(parts, "_")
}
