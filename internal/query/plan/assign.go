package plan

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// pred is a condition on a path that has to hold: a conjunct of the filter, or
// one inside of $elemMatch.
type pred struct {
	path  string
	node  match.Node
	elems []elem // the $elemMatch that it stands in, outermost first
	agg   bool   // a comparison of $expr
}

// elem is an $elemMatch on the first n components of a path.
type elem struct {
	id *match.ElemMatchObject
	n  int
}

// conjuncts flattens the top-level $and.
func conjuncts(n match.Node) []match.Node {
	if a, ok := n.(*match.And); ok {
		var out []match.Node
		for _, c := range a.Nodes {
			out = append(out, conjuncts(c)...)
		}
		return out
	}
	return []match.Node{n}
}

// preds lists the conditions on paths among the conjuncts.
func preds(nodes []match.Node) []pred {
	var out []pred
	for _, n := range nodes {
		out = appendPreds(out, n, "", nil, 0)
	}
	return out
}

func appendPreds(out []pred, n match.Node, prefix string, elems []elem, depth int) []pred {
	if depth > bsonx.MaxDepth {
		return out
	}
	switch n := n.(type) {
	case *match.And:
		for _, c := range n.Nodes {
			out = appendPreds(out, c, prefix, elems, depth+1)
		}
		return out
	case *match.ElemMatchObject:
		path := prefix + n.Path.Name
		e := append(elems[:len(elems):len(elems)], elem{n, strings.Count(path, ".") + 1})
		return appendPreds(out, n.Node, path+".", e, depth+1)
	}
	if path, ok := pathOf(n); ok && path != "" {
		out = append(out, pred{path: prefix + path, node: n, elems: elems})
	}
	return out
}

// pathOf returns the path of a condition that has one.
func pathOf(n match.Node) (string, bool) {
	switch n := n.(type) {
	case *match.Compare:
		return n.Path.Name, true
	case *match.In:
		return n.Path.Name, true
	case *match.Exists:
		return n.Path.Name, true
	case *match.Type:
		return n.Path.Name, true
	case *match.Mod:
		return n.Path.Name, true
	case *match.Bits:
		return n.Path.Name, true
	case *match.Regex:
		return n.Path.Name, true
	case *match.ElemMatchValue:
		return n.Path.Name, true
	case *match.Geo:
		return n.Path.Name, true
	case *match.Not:
		return pathOf(n.Node)
	}
	return "", false
}

// fieldBound is what an index field is bounded by.
type fieldBound struct {
	iv    Intervals
	exact bool // all conditions on the field are decided by the bounds
	preds []pred
}

// indexBounds is an index with its bounds.
type indexBounds struct {
	ix     *exec.Index
	spec   *index.Spec
	mk     index.Multikey
	fields []fieldBound
	// eq counts leading fields with a single value; bounded, fields with bounds.
	eq, bounded int
	// used are the conditions that the bounds decide exactly.
	used []match.Node
}

// assign derives the bounds of an index from the conditions. All sides of the
// bounds may be used at once only where they speak about the same array element.
func assign(ix *exec.Index, spec *index.Spec, mk index.Multikey, ps []pred, coll bsonx.Collator) *indexBounds {
	ib := &indexBounds{ix: ix, spec: spec, mk: mk, fields: make([]fieldBound, len(spec.Fields))}
	same := SameCollation(spec.Collator, coll)
	for i, f := range spec.Fields {
		b := builder{indexColl: spec.Collator, sameColl: same, multikey: bits(mk, i) != 0}
		if spec.GeoOpts != nil {
			b.grid = spec.GeoOpts.Grid()
		}
		fb := fieldBound{iv: allValues()}
		for _, p := range ps {
			if p.path != f.Path {
				continue
			}
			if !needsField(p.node) && hasPosition(f.Parts) {
				continue
			}
			bd, ok := b.pred(f.Kind, p)
			if !ok || !ib.compatible(i, p, fb.preds) {
				continue
			}
			if len(fb.preds) == 0 {
				fb = fieldBound{bd.iv, bd.exact, []pred{p}}
				continue
			}
			if !ib.together(i, p, fb.preds) { // only one can be used: the narrower
				if narrower(bd.iv, fb.iv) {
					fb = fieldBound{bd.iv, bd.exact, []pred{p}}
				}
				continue
			}
			fb.iv, fb.exact = intersect(fb.iv, bd.iv), fb.exact && bd.exact
			fb.preds = append(fb.preds, p)
		}
		ib.fields[i] = fb
	}
	ib.count()
	return ib
}

// hasPosition reports whether a path has a number after its first name. To a
// filter that is an array's position and the name of a field of its elements, which
// most often is not there and so matches null; the index has no key that says so.
func hasPosition(parts []string) bool {
	return slices.ContainsFunc(parts[1:], func(part string) bool {
		_, ok := bsonx.ArrayIndex(part)
		return ok
	})
}

func bits(mk index.Multikey, i int) uint64 {
	if i < len(mk) {
		return mk[i]
	}
	return 0
}

// pred returns the bounds of a condition on an index field.
func (b *builder) pred(k index.Kind, p pred) (bound, bool) {
	switch {
	case !p.agg:
		return b.field(k, p.node)
	case k == index.Ordered:
		return b.aggregate(p.node)
	}
	return bound{}, false
}

// field returns the bounds of a condition by the kind of the index field.
func (b *builder) field(k index.Kind, n match.Node) (bound, bool) {
	switch k {
	case index.Ordered:
		return b.leaf(n)
	case index.Hashed:
		return b.hashed(n)
	case index.Geo2d, index.Geo2dsphere:
		return b.geo(k, n)
	}
	return bound{}, false
}

// geo: the cells that may hold what is within or intersects a region.
func (b *builder) geo(k index.Kind, n match.Node) (bound, bool) {
	g, ok := n.(*match.Geo)
	if !ok || g.Region() == nil {
		return bound{}, false
	}
	var cells []geo.CellRange
	if k == index.Geo2d {
		cells, ok = g.Region().FlatRanges(b.grid)
	} else {
		cells, ok = g.Region().SphereRanges()
	}
	if !ok {
		return bound{}, false
	}
	return bound{iv: cellIntervals(cells)}, true
}

func cellIntervals(cells []geo.CellRange) Intervals {
	iv := make(Intervals, len(cells))
	for i, c := range cells {
		iv[i] = Interval{bsonx.Int64Value(c.Lo), bsonx.Int64Value(c.Hi), true, true}
	}
	return iv
}

// hashed: only single values have a hash.
func (b *builder) hashed(n match.Node) (bound, bool) {
	var vals []bsonx.Value
	switch n := n.(type) {
	case *match.Compare:
		if n.Op != match.Eq {
			return bound{}, false
		}
		vals = []bsonx.Value{n.Value}
	case *match.In:
		if len(n.Regexes) > 0 {
			return bound{}, false
		}
		vals = n.Values
	default:
		return bound{}, false
	}
	var iv Intervals
	for _, v := range vals {
		if v.Type == bsonx.Array || hasString(v) && (!b.sameColl || b.indexColl != nil) {
			return bound{}, false
		}
		iv = append(iv, point(index.HashValue(v)))
	}
	return bound{iv: normalize(iv)}, true
}

// compatible reports whether a condition on field i may be used beside those
// that bound the fields before it: if the shared part of two paths goes through
// an array, both have to be about the same element.
func (ib *indexBounds) compatible(i int, p pred, _ []pred) bool {
	for j := 0; j < i; j++ {
		if len(ib.fields[j].preds) == 0 {
			continue
		}
		deep := deepest(bits(ib.mk, i)&bits(ib.mk, j), sharedComponents(ib.spec.Fields[i].Parts, ib.spec.Fields[j].Parts))
		for _, q := range ib.fields[j].preds {
			if deep >= 0 && !sameElem(p, q, deep) {
				return false
			}
		}
	}
	return true
}

// together reports whether p may be intersected with the conditions on the same
// field.
func (ib *indexBounds) together(i int, p pred, qs []pred) bool {
	deep := deepest(bits(ib.mk, i), len(ib.spec.Fields[i].Parts))
	for _, q := range qs {
		if deep >= 0 && !sameElem(p, q, deep) {
			return false
		}
	}
	return true
}

func sharedComponents(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// deepest returns the last of the first n components that is an array, or -1.
func deepest(mk uint64, n int) int {
	for i := min(n, 64) - 1; i >= 0; i-- {
		if mk>>i&1 != 0 {
			return i
		}
	}
	return -1
}

// sameElem reports whether one $elemMatch at or below the component makes both
// conditions about the same element.
func sameElem(p, q pred, component int) bool {
	for _, a := range p.elems {
		for _, b := range q.elems {
			if a.id == b.id && a.n > component {
				return true
			}
		}
	}
	return false
}

// narrower is a rough order of bounds: single values, then ranges, then all.
func narrower(a, b Intervals) bool { return width(a) < width(b) }

func width(iv Intervals) int {
	switch {
	case len(iv) == 0:
		return 0
	case iv.points():
		return 1 + min(len(iv), 1000)
	case iv.isAll():
		return 5000
	}
	w := 2000
	for _, i := range iv {
		if i.Lo.Type == bsonx.MinKey || i.Hi.Type == bsonx.MaxKey {
			w = 4000
		}
		if !i.LoIn && !i.HiIn || bsonx.Class(i.Lo.Type) == bsonx.Class(i.Hi.Type) {
			continue
		}
		w = max(w, 3000)
	}
	return w
}

func (ib *indexBounds) count() {
	leading := true
	for _, f := range ib.fields {
		if len(f.preds) > 0 {
			ib.bounded++
		}
		if leading && len(f.iv) == 1 && f.iv[0].isPoint() {
			ib.eq++
		} else {
			leading = false
		}
		if f.exact {
			for _, p := range f.preds {
				if len(p.elems) == 0 {
					ib.used = append(ib.used, p.node)
				}
			}
		}
	}
}

// empty reports whether no key can be in the bounds.
func (ib *indexBounds) empty() bool {
	for _, f := range ib.fields {
		if len(f.iv) == 0 {
			return true
		}
	}
	return false
}

// specer is a collator that can say what it is.
type specer interface{ Spec() bsonx.Doc }

// SameCollation compares two collators by their specifications.
func SameCollation(a, b bsonx.Collator) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, ok1 := a.(specer)
	y, ok2 := b.(specer)
	return ok1 && ok2 && string(x.Spec()) == string(y.Spec())
}
