package stage

import (
	"context"
	"math/rand/v2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
)

// maxSortKeys is how many fields a sort may have, $meta left out.
const maxSortKeys = 32

// sortStage is $sort, with the limit of a $limit that was joined to it.
type sortStage struct {
	named
	order   *SortOrder
	limit   int64 // 0: none
	wantKey bool  // a later stage reads {$meta: "sortKey"}
}

func parseSort(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(15973, "the $sort key specification must be an object")
	}
	o, err := CompileSort(bsonx.Doc(arg.Data), pc.Collation)
	if err != nil {
		return nil, err
	}
	return []Stage{&sortStage{named: name("$sort", arg), order: o}}, nil
}

// SortOrder makes keys that compare as bytes from rows. It is immutable and safe
// for concurrent use.
type SortOrder struct {
	// Doc is the specification.
	Doc  bsonx.Doc
	keys []sortKey
	spec *index.Spec // makes the keys of documents with arrays
	coll bsonx.Collator
	meta bool // some key is a $meta
}

// sortKey is one field of a sort, or one $meta.
type sortKey struct {
	path []string
	desc bool
	meta string
}

// CompileSort compiles a sort specification ($sort's argument, or find's sort).
func CompileSort(doc bsonx.Doc, coll bsonx.Collator) (*SortOrder, error) {
	o := &SortOrder{Doc: clone(doc), coll: coll}
	seen := map[string]bool{}
	pattern := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(doc); it.Next(); {
		field := string(it.Key())
		k, err := compileSortKey(field, it.Value())
		if err != nil {
			return nil, err
		}
		if seen[field] {
			return nil, errcode.New(7472500, "$sort key must not contain duplicate keys (duplicate: '%s')", field)
		}
		seen[field] = true
		o.keys = append(o.keys, k)
		if k.meta != "" {
			o.meta = true
			continue
		}
		pattern.Int32(field, 1)
	}
	if len(o.keys) == 0 {
		return nil, errcode.New(15976, "$sort stage must have at least one sort key")
	}
	key := pattern.Done()
	if bsonx.Len(key) > maxSortKeys {
		return nil, errcode.New(13103, "too many compound keys")
	}
	var err error
	if !bsonx.IsEmpty(key) {
		spec := bsonx.NewDoc(nil)
		spec.Doc("key", key)
		o.spec, err = index.Compile(spec.Done())
	}
	return o, err
}

func compileSortKey(field string, v bsonx.Value) (sortKey, error) {
	if v.Type == bsonx.Object {
		return compileSortMeta(v.Data)
	}
	if !bsonx.IsNumber(v) {
		return sortKey{}, errcode.New(15974, "$sort key ordering must be specified using a number or {$meta: 'text'}")
	}
	n := clampedLong(v)
	if n != 1 && n != -1 {
		return sortKey{}, errcode.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
	}
	path, err := expr.SplitPath(field)
	return sortKey{path: path, desc: n < 0}, err
}

func compileSortMeta(d []byte) (sortKey, error) {
	it := bsonx.NewIter(d)
	if !it.Next() || string(it.Key()) != "$meta" {
		return sortKey{}, errcode.New(17312, "$meta is the only expression supported by $sort right now")
	}
	v := it.Value()
	if it.Next() {
		return sortKey{}, errcode.New(errcode.FailedToParse, "Cannot have additional keys in a $meta sort specification")
	}
	m, _ := stringOf(v)
	switch m {
	case "textScore", "geoNearDistance", "vectorSearchScore", "randVal", "searchScore", "score":
		return sortKey{meta: m, desc: true}, nil
	}
	return sortKey{}, errcode.New(31138, "Illegal $meta sort: $meta: \"%s\"", m)
}

// AppendKey appends the key of a row to dst. Arrays count with their smallest
// element (their largest when descending), [] comes before null.
func (o *SortOrder) AppendKey(dst []byte, r exec.Row) ([]byte, error) {
	start := len(dst)
	for i := range o.keys {
		k := &o.keys[i]
		if k.meta != "" {
			dst = appendSortValue(dst, metaKey(k.meta, r.Meta), k.desc, nil)
			continue
		}
		v, plain := leaf(r.Doc, k.path)
		if !plain {
			return o.appendArrayKey(dst[:start], r)
		}
		dst = appendSortValue(dst, v, k.desc, o.coll)
	}
	return dst, nil
}

// leaf returns the value at a path; plain is false if an array is met.
func leaf(doc []byte, path []string) (v bsonx.Value, plain bool) {
	v = bsonx.DocValue(doc)
	for _, name := range path {
		if v.Type != bsonx.Object {
			return bsonx.Value{}, v.Type != bsonx.Array
		}
		v = bsonx.Lookup(v.Data, name)
	}
	return v, v.Type != bsonx.Array
}

// appendArrayKey takes the smallest of all the keys that an index on the same
// fields would have for the document.
func (o *SortOrder) appendArrayKey(dst []byte, r exec.Row) ([]byte, error) {
	keys, _, err := o.spec.Keys(nil, r.Doc)
	if errcode.Has(err, errcode.CannotIndexParallelArrays) {
		return dst, errcode.New(errcode.BadValue, "cannot sort with keys that are parallel arrays")
	}
	if err != nil {
		return dst, err
	}
	start := len(dst)
	var best []byte
	for _, key := range keys {
		at := len(dst)
		dst = o.appendKeyValues(dst, key.Values, r.Meta)
		if best == nil || string(dst[at:]) < string(best) {
			best = append(best[:0], dst[at:]...)
		}
		dst = dst[:at]
	}
	return append(dst[:start], best...), nil
}

func (o *SortOrder) appendKeyValues(dst []byte, vals []bsonx.Value, m *expr.Meta) []byte {
	for i := range o.keys {
		k := &o.keys[i]
		if k.meta != "" {
			dst = appendSortValue(dst, metaKey(k.meta, m), k.desc, nil)
			continue
		}
		v := vals[0]
		vals = vals[1:]
		if v.Type == bsonx.Undefined {
			dst = appendEmptyArray(dst, k.desc)
			continue
		}
		dst = appendSortValue(dst, v, k.desc, o.coll)
	}
	return dst
}

// Values returns the row's sort key as {$meta: "sortKey"} shows it.
func (o *SortOrder) Values(r exec.Row) []bsonx.Value {
	vals := make([]bsonx.Value, len(o.keys))
	for i, k := range o.keys {
		if k.meta != "" {
			vals[i] = bsonx.Clone(metaKey(k.meta, r.Meta))
			continue
		}
		v, plain := leaf(r.Doc, k.path)
		if !plain {
			v = o.arrayValue(r.Doc, k)
		}
		vals[i] = bsonx.Clone(v)
	}
	return vals
}

// arrayValue picks the element of one path that its sort looks at.
func (o *SortOrder) arrayValue(doc bsonx.Doc, k sortKey) bsonx.Value {
	one := &SortOrder{keys: []sortKey{k}, coll: o.coll}
	pattern, spec := bsonx.NewDoc(nil), bsonx.NewDoc(nil)
	pattern.Int32(joinPath(k.path), 1)
	spec.Doc("key", pattern.Done())
	ix, err := index.Compile(spec.Done())
	if err != nil {
		return bsonx.Value{}
	}
	keys, _, err := ix.Keys(nil, doc)
	if err != nil {
		return bsonx.Value{}
	}
	var best bsonx.Value
	var bestKey []byte
	for _, key := range keys {
		b := one.appendKeyValues(nil, key.Values, nil)
		if bestKey == nil || string(b) < string(bestKey) {
			best, bestKey = key.Values[0], b
		}
	}
	return best
}

func metaKey(kind string, m *expr.Meta) bsonx.Value {
	if kind == "randVal" {
		if m != nil && m.RandVal.Type != bsonx.Missing {
			return m.RandVal
		}
		return bsonx.DoubleValue(rand.Float64())
	}
	if m == nil {
		return bsonx.Value{}
	}
	switch kind {
	case "textScore":
		return m.TextScore
	case "geoNearDistance":
		return m.GeoDistance
	case "searchScore":
		return m.SearchScore
	}
	return m.Score
}

func (s *sortStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return NewSort(oc, in, s.order, s.limit, s.wantKey), nil
}

// NewSort returns the rows of in sorted, only the first limit ones if it is not
// 0, within the stage's memory. withKey puts the sort key into the rows' meta.
func NewSort(oc *OpenContext, in exec.Iterator, o *SortOrder, limit int64, withKey bool) exec.Iterator {
	return sortRows(oc, in, sorterOptions{stage: "Sort", limit: limit, limited: limit > 0}, func(dst []byte, r *exec.Row) ([]byte, error) {
		if withKey {
			r.Meta = withSortKey(r.Meta, o.Values(*r))
		}
		return o.AppendKey(dst, *r)
	})
}

// sortBy orders rows by the bytes that key appends.
func sortBy(oc *OpenContext, in exec.Iterator, stage string, key func(dst []byte, r exec.Row) ([]byte, error)) exec.Iterator {
	return sortRows(oc, in, sorterOptions{stage: stage}, func(dst []byte, r *exec.Row) ([]byte, error) { return key(dst, *r) })
}

func sortRows(oc *OpenContext, in exec.Iterator, o sorterOptions, keyOf func(dst []byte, r *exec.Row) ([]byte, error)) exec.Iterator {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		defer in.Close()
		st := newSorter(oc, o)
		var key []byte
		err := each(ctx, in, func(r exec.Row) (err error) {
			if key, err = keyOf(key[:0], &r); err != nil {
				return err
			}
			return st.addKey(ctx, key, r)
		})
		if err != nil {
			st.Close()
			return nil, err
		}
		return st.finish(ctx)
	}}
}

func withSortKey(m *expr.Meta, vals []bsonx.Value) *expr.Meta {
	c := expr.Meta{}
	if m != nil {
		c = *m
	}
	c.SortKey = bsonx.ArrValue(bsonx.AppendArray(nil, vals))
	return &c
}

// Limit is how many rows the sort keeps; 0 for all of them.
func (s *sortStage) Limit() int64 { return s.limit }
