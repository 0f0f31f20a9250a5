package plan

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/text"
)

// noPlan is NoQueryExecutionPlans with a reason.
func noPlan(format string, args ...any) error {
	e := errcode.New(errcode.NoQueryExecutionPlans, format, args...)
	return errcode.New(errcode.NoQueryExecutionPlans, "error processing query: planner returned error: %s", e.Message)
}

// ErrNoTextIndex is the error of a $text where there is no text index.
func ErrNoTextIndex() error {
	return errcode.New(errcode.IndexNotFound, "text index required for $text query")
}

// textPlan is the plan of a filter with $text, which only the collection's text
// index can answer.
func (p *planner) textPlan(ctx context.Context, t *match.Text) (*Plan, error) {
	if h := p.q.Hint; h.Type == bsonx.String || h.Type == bsonx.Object && !bsonx.IsEmpty(h.Data) {
		if !bsonx.IsMissing(bsonx.Lookup(h.Data, "$natural")) {
			return nil, errcode.New(errcode.BadValue, "text expression not allowed with $natural sort order or hint")
		}
		return nil, errcode.New(errcode.BadValue, "text and hint not allowed in same query")
	}
	ix, err := textIndex(p.q.Coll)
	if err != nil {
		return nil, err
	}
	opts := ix.Spec.TextOpts
	lang := opts.Fields.Default
	if t.Language != "" {
		if lang = text.LanguageOf(t.Language); lang == nil {
			return nil, errcode.New(errcode.BadValue, "unsupported language: \"%s\" for text index version %d", t.Language, opts.Version)
		}
	}
	q := text.Parse(t.Search, lang, t.CaseSensitive, t.DiacriticSensitive)
	a, err := p.textAccess(ctx, ix, q, t, p.nodes, 0)
	if err != nil {
		return nil, err
	}
	pl := &Plan{Query: p.q, Access: a, Filter: p.residual([]match.Node{t}), Sorted: len(p.q.Sort) == 0, label: ix.Spec.Name}
	pl.Exact = pl.Filter == nil
	return pl, nil
}

// textIndex returns the text index, of which a collection has at most one.
func textIndex(c *exec.Collection) (*exec.Index, error) {
	for _, ix := range c.Indexes {
		switch {
		case ix.Spec.TextAt() < 0 || ix.Building:
		case ix.Spec.Hidden:
			return nil, noPlan("the text index is hidden")
		default:
			return ix, nil
		}
	}
	return nil, ErrNoTextIndex()
}

// textAccess finds the rows for conditions that hold at once, among which, or
// among the branches of a $or of which, is the $text.
func (p *planner) textAccess(ctx context.Context, ix *exec.Index, q *text.Query, t *match.Text, nodes []match.Node, depth int) (exec.Access, error) {
	if depth > bsonx.MaxDepth {
		return nil, errNoPlan()
	}
	for i, n := range nodes {
		if n == match.Node(t) {
			return p.textScan(ix, q, nodes)
		}
		or, ok := n.(*match.Or)
		if !ok || !hasText(or, t, depth) {
			continue
		}
		u := &exec.Union{}
		var others []exec.Access
		rest := append(append([]match.Node(nil), nodes[:i]...), nodes[i+1:]...)
		for _, br := range or.Nodes {
			all := append(conjuncts(br), rest...)
			if hasText(br, t, depth) {
				a, err := p.textAccess(ctx, ix, q, t, all, depth+1)
				if err != nil {
					return nil, err
				}
				u.Children = append(u.Children, a)
				continue
			}
			w, err := p.planBranch(ctx, all)
			if err != nil {
				return nil, err
			}
			if w.label == "COLLSCAN" {
				return nil, noPlan("Failed to produce a solution for TEXT under OR - other non-TEXT clauses under OR have to be indexed as well.")
			}
			others = append(others, &exec.Scoreless{Access: w.Access})
		}
		u.Children = append(u.Children, others...) // rows with a score come first
		return u, nil
	}
	return nil, noPlan("failed to use text index to satisfy $text query")
}

// planBranch plans conditions by themselves.
func (p *planner) planBranch(ctx context.Context, nodes []match.Node) (*Plan, error) {
	sub := &planner{q: &Query{Coll: p.q.Coll, All: true, Collation: p.q.Collation}, r: p.r, nodes: nodes, branch: true}
	sub.preds = preds(sub.nodes)
	if err := sub.candidates(ctx); err != nil {
		return nil, err
	}
	return sub.best(ctx)
}

func hasText(n match.Node, t *match.Text, depth int) bool {
	if depth > bsonx.MaxDepth {
		return false
	}
	var nodes []match.Node
	switch n := n.(type) {
	case *match.Text:
		return n == t
	case *match.And:
		nodes = n.Nodes
	case *match.Or:
		nodes = n.Nodes
	}
	for _, c := range nodes {
		if hasText(c, t, depth+1) {
			return true
		}
	}
	return false
}

// textScan scans the index for each term. Fields before the terms need a single
// value, and fields after them may narrow the scan.
func (p *planner) textScan(ix *exec.Index, q *text.Query, nodes []match.Node) (exec.Access, error) {
	spec := ix.Spec
	if ix.Partial != nil && !implied(ix.Partial.Root(), nodes) {
		return nil, noPlan("failed to use text index to satisfy $text query (the query does not imply the index's partial filter)")
	}
	ib := assign(ix, spec, nil, preds(nodes), p.q.Collation)
	at := spec.TextAt()
	for i := range at {
		if f := ib.fields[i]; len(f.preds) == 0 || len(f.iv) > 1 || len(f.iv) == 1 && !f.iv[0].isPoint() && !equalsNull(f) {
			return nil, noPlan("failed to use text index to satisfy $text query (if text index is compound, are equality predicates given for all prefix fields?)")
		}
	}
	s := &exec.TextScan{Coll: p.q.Coll, Index: ix, Query: q}
	for _, term := range q.Terms {
		sc := &exec.IndexScan{Coll: p.q.Coll, Index: ix, Spec: spec, Multikey: index.Multikey(nil).Set(len(spec.Fields), at, 0), Reverse: true}
		for i, f := range ib.fields {
			iv := f.iv
			switch i {
			case at:
				iv = Intervals{point(bsonx.StringValue(text.Key(term)))}
			case at + 1:
				iv = allValues()
			}
			sc.Bounds = append(sc.Bounds, encode(iv))
		}
		s.Terms = append(s.Terms, sc)
	}
	return s, nil
}

// equalsNull reports whether the bounds are those of {field: null}.
func equalsNull(f fieldBound) bool {
	for _, p := range f.preds {
		if c, ok := p.node.(*match.Compare); ok && c.Op == match.Eq && bsonx.IsNullish(c.Value) {
			return true
		}
	}
	return false
}
