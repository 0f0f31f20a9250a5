package plan

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// maxExploded is how many scans a scan with lists of values may become for the
// sake of an order.
const maxExploded = 200

// orPlan answers a $or by one index scan for each branch. Where each branch has a
// scan in the query's order, they are merged in that order.
func (p *planner) orPlan(ctx context.Context) error {
	for _, n := range p.nodes {
		or, ok := n.(*match.Or)
		if !ok {
			continue
		}
		var best []*Plan
		merge := &exec.Merge{}
		sorted := len(p.q.Sort) > 0
		for _, br := range or.Nodes {
			nodes := conjuncts(br)
			for _, o := range p.nodes { // the rest holds for every branch
				if o != n {
					nodes = append(nodes, o)
				}
			}
			w, err := p.planBranch(ctx, nodes)
			if err != nil || w.label == collScanLabel {
				return err
			}
			best = append(best, w)
			if sorted {
				sorted, err = p.mergeBranch(ctx, merge, nodes)
				if err != nil {
					return err
				}
			}
		}
		p.addUnion(best, merge, sorted)
	}
	return nil
}

func (p *planner) addUnion(best []*Plan, merge *exec.Merge, sorted bool) {
	u := &exec.Union{}
	score := 1 << 30
	for _, w := range best {
		score = min(score, w.score)
		u.Children = append(u.Children, w.Access)
	}
	p.plans = append(p.plans, &Plan{Query: p.q, Access: u, Filter: p.residual(nil),
		Sorted: len(p.q.Sort) == 0, score: score - 5, label: "OR"})
	if sorted && len(merge.Children) <= maxExploded {
		p.plans = append(p.plans, &Plan{Query: p.q, Access: merge, Filter: p.residual(nil), Sorted: true, score: score + 200, label: "SORT_MERGE"})
	}
}

// mergeBranch adds the scans of a branch that come in the query's order to a
// merge; false when the branch has none.
func (p *planner) mergeBranch(ctx context.Context, m *exec.Merge, nodes []match.Node) (bool, error) {
	sub := &planner{q: &Query{Coll: p.q.Coll, All: true, Collation: p.q.Collation, Sort: p.q.Sort}, r: p.r, nodes: nodes}
	sub.preds = preds(nodes)
	if err := sub.candidates(ctx); err != nil {
		return false, err
	}
	var w *Plan
	for _, pl := range sub.plans {
		switch a := pl.Access.(type) {
		case *exec.IndexScan:
			if a.Index == nil || a.Spec.WildcardAt() >= 0 {
				continue
			}
		case *exec.Merge:
		default:
			continue
		}
		if pl.Sorted && (w == nil || pl.score > w.score) {
			w = pl
		}
	}
	if w == nil {
		return false, nil
	}
	if a, ok := w.Access.(*exec.Merge); ok {
		m.Children, m.By, m.Desc = append(m.Children, a.Children...), append(m.By, a.By...), a.Desc
		return true, nil
	}
	scan := w.Access.(*exec.IndexScan)
	by, desc, ok := sortFields(scan.Spec, p.q.Sort)
	m.Children, m.By, m.Desc = append(m.Children, scan), append(m.By, by), desc
	return ok, nil
}

// sortFields returns where the sort's fields are in an index, and their directions.
func sortFields(s *index.Spec, sort bsonx.Doc) (by []int, desc []bool, ok bool) {
	for it := bsonx.NewIter(sort); it.Next(); {
		at := -1
		for i, f := range s.Fields {
			if f.Kind == index.Ordered && f.Path == string(it.Key()) {
				at = i
			}
		}
		if at < 0 {
			return nil, nil, false
		}
		by = append(by, at)
		desc = append(desc, bsonx.Compare(it.Value(), bsonx.Int32Value(0)) < 0)
	}
	return by, desc, true
}

// explode makes a scan with several values in its first fields into one scan for
// each of them, which merged come in the query's order.
func (p *planner) explode(ib *indexBounds, sc *exec.IndexScan, pl *Plan) {
	if len(p.q.Sort) == 0 || ib.ix == nil || !ib.spec.Ordered() {
		return
	}
	by, desc, ok := sortFields(ib.spec, p.q.Sort)
	if !ok {
		return
	}
	fields, total := 0, 1
	for fields < len(ib.fields) && ib.fields[fields].iv.points() && total*len(ib.fields[fields].iv) <= maxExploded {
		total *= len(ib.fields[fields].iv)
		fields++
	}
	if total < 2 {
		return
	}
	m := &exec.Merge{Desc: desc, Exploded: true}
	for i := range total {
		one := *ib
		one.fields = append([]fieldBound(nil), ib.fields...)
		for f, n := 0, i; f < fields; f++ {
			iv := ib.fields[f].iv
			one.fields[f].iv = iv[n%len(iv) : n%len(iv)+1]
			n /= len(iv)
		}
		reverse, sorted := p.sortBy(&one)
		if !sorted {
			return
		}
		c := *sc
		c.Reverse, c.Bounds = reverse, nil
		for _, f := range one.fields {
			c.Bounds = append(c.Bounds, encode(f.iv))
		}
		m.Children, m.By = append(m.Children, &c), append(m.By, by)
	}
	p.plans = append(p.plans, &Plan{Query: p.q, Access: m, Filter: pl.Filter, Sorted: true, Exact: pl.Exact,
		score: pl.score + 250, label: "SORT_MERGE"})
}

// intersections adds the rows that two indexes have in common, where each is
// bounded to one value, so that its rows come in the order of their keys.
func (p *planner) intersections() {
	var best []*indexBounds
	for _, ib := range p.scans {
		if ib.ix == nil || !ib.spec.Ordered() || ib.eq < len(ib.fields) || ib.spec.Unique || p.q.Count && p.residual(ib.used) == nil {
			continue
		}
		best = append(best, ib)
	}
	if len(best) > maxIntersected {
		best = best[:maxIntersected]
	}
	for i, a := range best {
		for _, b := range best[i+1:] {
			if fewerNodes(a, b) || fewerNodes(b, a) {
				continue // one of them decides all that the other does
			}
			x := &exec.Intersect{}
			for _, ib := range []*indexBounds{a, b} {
				sc := &exec.IndexScan{Coll: p.q.Coll, Index: ib.ix, Spec: ib.spec, Multikey: ib.mk}
				for _, f := range ib.fields {
					sc.Bounds = append(sc.Bounds, encode(f.iv))
				}
				x.Children = append(x.Children, sc)
			}
			used := append(append([]match.Node(nil), a.used...), b.used...)
			pl := &Plan{Query: p.q, Access: x, Filter: p.residual(used), Sorted: len(p.q.Sort) == 0, score: 1, label: "AND_SORTED"}
			pl.Exact = pl.Filter == nil
			p.plans = append(p.plans, pl)
		}
	}
}

// maxIntersected is how many indexes are looked at for an intersection.
const maxIntersected = 4

// fewerNodes reports whether all conditions that bound a also bound b.
func fewerNodes(a, b *indexBounds) bool {
	for _, f := range a.fields {
		for _, q := range f.preds {
			found := false
			for _, g := range b.fields {
				for _, r := range g.preds {
					found = found || q.node == r.node
				}
			}
			if !found {
				return false
			}
		}
	}
	return true
}
