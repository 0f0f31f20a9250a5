package expr

import (
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// SortBy is a compiled sort order of values: ±1 for the whole value, or a
// document of paths and directions. Immutable, safe for concurrent use.
type SortBy struct {
	whole bool
	keys  []sortKey
}

type sortKey struct {
	path []string
	desc bool
	meta Expr // {$meta: …} instead of a path
}

// CompileSortBy compiles the sortBy of $sortArray: ±1 or a document.
func CompileSortBy(v bsonx.Value, _ *Scope) (*SortBy, error) {
	if bsonx.IsNumber(v) {
		n, ok := bsonx.IntegralOK(v)
		if !ok || n != 1 && n != -1 {
			return nil, errcode.New(errcode.BadValue, "The $sort element value must be either 1 or -1")
		}
		return &SortBy{whole: true, keys: []sortKey{{desc: n < 0}}}, nil
	}
	if v.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(2942507),
			"$sortArray requires 'sortBy' to be an object or a number, found: %s", bsonx.TypeName(v.Type))
	}
	s := &SortBy{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		n, ok := bsonx.IntegralOK(it.Value())
		if !ok || n != 1 && n != -1 {
			return nil, errcode.New(errcode.BadValue, "The $sort element value must be either 1 or -1")
		}
		path := strings.Split(string(it.Key()), ".")
		for _, p := range path {
			if p == "" {
				return nil, errcode.New(errcode.BadValue, "The $sort field '%s' is empty or has an empty part", it.Key())
			}
		}
		s.keys = append(s.keys, sortKey{path: path, desc: n < 0})
	}
	if len(s.keys) == 0 {
		return nil, errcode.New(errcode.BadValue, "The $sort pattern is empty when it should be a set of fields.")
	}
	return s, nil
}

// compileOrder compiles the sortBy of $top and its like: a document as $sort has.
func compileOrder(v bsonx.Value, sc *Scope) (*SortBy, error) {
	s := &SortBy{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if it.Value().Type == bsonx.Object {
			m := bsonx.NewIter(it.Value().Data)
			if !m.Next() || string(m.Key()) != "$meta" {
				return nil, errcode.New(errcode.Code(17312), "$meta is the only expression supported by $sort right now")
			}
			e, err := CompileOperator("$meta", m.Value(), sc)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, sortKey{meta: e, desc: true})
			continue
		}
		if !bsonx.IsNumber(it.Value()) {
			return nil, errcode.New(errcode.Code(15974),
				"Illegal key in $sort specification: %s: %s", it.Key(), render(it.Value()))
		}
		n, ok := bsonx.IntegralOK(it.Value())
		if !ok || n != 1 && n != -1 {
			return nil, errcode.New(errcode.Code(15975), "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		path, err := SplitPath(string(it.Key()))
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sortKey{path: path, desc: n < 0})
	}
	if len(s.keys) == 0 {
		return nil, errcode.New(errcode.Code(15976), "$sort stage must have at least one sort key")
	}
	return s, nil
}

// sorted sorts vals in place, stably. Missing fields sort as null.
func (s *SortBy) sorted(env *Env, vals []bsonx.Value) []bsonx.Value {
	if s.whole {
		desc := s.keys[0].desc
		sort.SliceStable(vals, func(i, j int) bool {
			c := env.Compare(vals[i], vals[j])
			return c < 0 && !desc || c > 0 && desc
		})
		return vals
	}
	n := len(s.keys)
	keys := make([]bsonx.Value, 0, n*len(vals))
	at := make([]int, len(vals))
	for i, v := range vals {
		at[i] = i
		for _, k := range s.keys {
			keys = append(keys, orNull(dotted(v, k.path)))
		}
	}
	sort.SliceStable(at, func(i, j int) bool {
		return s.compareKeys(env, keys[at[i]*n:at[i]*n+n], keys[at[j]*n:at[j]*n+n]) < 0
	})
	out := make([]bsonx.Value, len(vals))
	for i, a := range at {
		out[i] = vals[a]
	}
	return out
}

func orNull(v bsonx.Value) bsonx.Value {
	if bsonx.IsMissing(v) {
		return bsonx.NullValue
	}
	return v
}

// compareKeys compares two rows of key values, directions included.
func (s *SortBy) compareKeys(env *Env, a, b []bsonx.Value) int {
	for i, k := range s.keys {
		if c := env.Compare(a[i], b[i]); c != 0 {
			if k.desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// dotted follows a path through documents, and through arrays by index.
func dotted(v bsonx.Value, path []string) bsonx.Value {
	for _, p := range path {
		if v.Type != bsonx.Object && v.Type != bsonx.Array {
			return bsonx.Value{}
		}
		v = bsonx.Lookup(v.Data, p)
	}
	return v
}

// keysOf appends the sort keys of env's document: for an array, the element
// that comes first in the key's direction, as in $sort.
func (s *SortBy) keysOf(env *Env, dst []bsonx.Value) ([]bsonx.Value, error) {
	for _, k := range s.keys {
		if k.meta != nil {
			v, err := k.meta.Eval(env)
			if err != nil {
				return dst, err
			}
			dst = append(dst, orNull(v))
			continue
		}
		v, err := walk(env, env.Root, k.path)
		if err != nil {
			return dst, err
		}
		best, found := bsonx.Value{}, false
		eachElement(v, func(v bsonx.Value) {
			if !found || (env.Compare(v, best) < 0) != k.desc {
				best, found = v, true
			}
		})
		dst = append(dst, orNull(best))
	}
	return dst, nil
}

// eachElement calls f with the elements of an array, with undefined for an empty
// one, and with what is no array itself.
func eachElement(v bsonx.Value, f func(bsonx.Value)) {
	if v.Type != bsonx.Array {
		f(orNull(v))
		return
	}
	if bsonx.IsEmpty(v.Data) {
		f(bsonx.Value{Type: bsonx.Undefined})
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		f(it.Value())
	}
}
