package plan

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// implied reports whether every document that meets all of the query's
// conditions matches a partial filter. It may be wrong in one direction only:
// false where a cleverer proof exists.
func implied(partial match.Node, query []match.Node) bool {
	switch n := partial.(type) {
	case *match.True:
		return true
	case *match.And:
		for _, c := range n.Nodes {
			if !implied(c, query) {
				return false
			}
		}
		return true
	case *match.Or:
		for _, c := range n.Nodes {
			if implied(c, query) {
				return true
			}
		}
	}
	for _, q := range query {
		if impliedBy(partial, q, 0) {
			return true
		}
	}
	return false
}

func impliedBy(partial, q match.Node, depth int) bool {
	if depth > bsonx.MaxDepth {
		return false
	}
	switch q := q.(type) {
	case *match.Or:
		for _, c := range q.Nodes {
			if !impliedByAll(partial, conjuncts(c), depth+1) {
				return false
			}
		}
		return true
	}
	pp, ok1 := pathOf(partial)
	qp, ok2 := pathOf(q)
	if !ok1 || !ok2 || pp != qp {
		return false
	}
	if _, ok := partial.(*match.Exists); ok {
		return needsField(q)
	}
	switch partial.(type) {
	case *match.Compare, *match.In, *match.Type:
	default:
		return false
	}
	b := builder{sameColl: true, multikey: true}
	x, ok1 := b.leaf(partial)
	y, ok2 := b.leaf(q)
	if !ok1 || !ok2 {
		return false
	}
	if _, ok := partial.(*match.Type); !ok && !x.exact {
		return sameCompare(partial, q)
	}
	if !y.exact {
		if _, ok := q.(*match.Type); !ok {
			return false
		}
	}
	return subset(y.iv, x.iv)
}

func impliedByAll(partial match.Node, query []match.Node, depth int) bool {
	for _, q := range query {
		if impliedBy(partial, q, depth) {
			return true
		}
	}
	if a, ok := partial.(*match.And); ok {
		for _, c := range a.Nodes {
			if !impliedByAll(c, query, depth) {
				return false
			}
		}
		return true
	}
	return false
}

// sameCompare reports whether both are the same comparison with the same value.
func sameCompare(a, b match.Node) bool {
	x, ok1 := a.(*match.Compare)
	y, ok2 := b.(*match.Compare)
	return ok1 && ok2 && x.Op == y.Op && x.Value.Type == y.Value.Type && bsonx.Equal(x.Value, y.Value)
}

// subset reports whether all of a lies in b.
func subset(a, b Intervals) bool {
	for _, i := range a {
		ok := false
		for _, j := range b {
			ok = ok || compareLo(j, i) <= 0 && compareHi(j, i) >= 0
		}
		if !ok {
			return false
		}
	}
	return true
}

// minMax is a scan between two keys of the index that the hint names.
func (p *planner) minMax(ctx context.Context) (*Plan, error) {
	q := p.q
	h, err := p.hint()
	if err != nil {
		return nil, err
	}
	switch {
	case h.natural != 0:
		return nil, errcode.New(errcode.BadValue, "hint provided for $natural cannot be combined with min and max")
	case h.spec == nil:
		return nil, errcode.New(51173, "When using min()/max() a hint of which index to use must be provided")
	}
	lo, err := keyBound(h.spec, q.Min)
	if err != nil {
		return nil, err
	}
	hi, err := keyBound(h.spec, q.Max)
	if err != nil {
		return nil, err
	}
	if lo != nil && hi != nil && compareKeys(h.spec, lo, hi) >= 0 {
		return nil, errcode.New(51175, "The value provided for min() must be less than the value provided for max()")
	}
	var mk index.Multikey
	if h.ix != nil {
		if mk, err = p.r.Multikey(ctx, q.Coll, h.ix); err != nil {
			return nil, err
		}
	}
	ib := assign(h.ix, h.spec, mk, nil, q.Collation)
	reverse, sorted := p.sortBy(ib)
	sc := &exec.IndexScan{Coll: q.Coll, Index: h.ix, Spec: h.spec, Multikey: mk, Reverse: reverse, Min: lo, Max: hi}
	for _, f := range ib.fields {
		sc.Bounds = append(sc.Bounds, encode(f.iv))
	}
	return &Plan{Query: q, Access: sc, Filter: p.residual(nil), Sorted: sorted, label: h.spec.Name}, nil
}

// keyBound reads the values of min or max in the index's order.
func keyBound(s *index.Spec, d bsonx.Doc) ([]bsonx.Value, error) {
	if d == nil {
		return nil, nil
	}
	i := 0
	vals := make([]bsonx.Value, 0, len(s.Fields))
	for it := bsonx.NewIter(d); it.Next(); i++ {
		if i >= len(s.Fields) || s.Fields[i].Path != string(it.Key()) {
			return nil, errMinMax()
		}
		vals = append(vals, index.Collated(it.Value(), s.Collator))
	}
	if i != len(s.Fields) {
		return nil, errMinMax()
	}
	return vals, nil
}

func errMinMax() error {
	return errcode.New(51174, "The index chosen is not compatible with min/max")
}

func compareKeys(s *index.Spec, a, b []bsonx.Value) int {
	for i := range a {
		c := bsonx.Compare(a[i], b[i])
		if s.Fields[i].Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
