package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// Query is what the planner has to answer.
type Query struct {
	Coll   *exec.Collection
	Filter *match.Filter // nil: every document
	// Sort is a sort pattern of fields and 1 or -1; other patterns ($meta) are
	// not given to the planner. Nil: no order wanted.
	Sort bsonx.Doc
	// Needed are the paths that the query reads or returns, if All is false.
	Needed []string
	All    bool
	// Limit is how many rows will be read at most, 0 for all of them.
	Limit int64
	// Collation compares the query's strings.
	Collation bsonx.Collator
	// Vars are the values of the variables, by slot, that $expr may compare with.
	Vars []bsonx.Value
	// Hint is missing, a string (an index's name) or a document (a key pattern or
	// {$natural: ±1}).
	Hint     bsonx.Value
	Min, Max bsonx.Doc
	// Near asks for rows by distance, as $geoNear does; a filter's $near does so
	// by itself.
	Near *Near
	// NeedKeys: the caller wants each row's index key (returnKey).
	NeedKeys bool
	// Count: the caller wants to know how many, not which.
	Count bool
	// Distinct: the caller wants each value of this path once, and more do no
	// harm. DistinctMissing: it also wants to know whether some row is without it.
	Distinct        string
	DistinctMissing bool
	// Projection is a part of the query's shape, which index filters are for.
	// FilterSet: Coll has only the indexes that such a filter allows.
	Projection bsonx.Doc
	FilterSet  bool
	// Cached is asked, when there is a choice, for the plan that queries of this
	// shape had before: its identity and how many works it took to prove itself.
	// Nil, or an empty identity: nothing is known.
	Cached func() (identity string, works int64)
}

// Plan is an access path, with what it does not do by itself.
type Plan struct {
	Query  *Query
	Access exec.Access
	// Filter is what is left to apply to the rows of Access; nil if nothing.
	Filter *match.Filter
	// Sorted: the rows come in the order of Query.Sort.
	Sorted bool
	// Exact: every row of Access matches; a count need not look at documents.
	Exact bool
	// Rejected are the other plans, for explain and for planning anew.
	Rejected []*Plan
	// Trial is what a trial run of the plan did; nil when there was none.
	Trial *Trial
	// CachedWorks: the plan was taken from the cache, where it took so many works.
	CachedWorks int64

	score int
	label string
}

// Reader gives the planner what it has to know of the stored data.
type Reader interface {
	// Multikey returns where an index's paths went through arrays.
	Multikey(ctx context.Context, c *exec.Collection, ix *exec.Index) (index.Multikey, error)
	// Open starts an access path, for a trial run.
	Open(a exec.Access, st *exec.Stats) exec.Iterator
	// Env is an environment for filters.
	Env() *expr.Env
}

// Choose returns the plan for a query. Errors: BadValue (2) for a hint that
// names no index, NoQueryExecutionPlans (291) when there is no sound plan.
func Choose(ctx context.Context, q *Query, r Reader) (*Plan, error) {
	p := &planner{q: q, r: r}
	if q.Filter != nil {
		p.nodes = conjuncts(q.Filter.Root())
	}
	for _, n := range p.nodes {
		if _, ok := n.(*match.False); ok {
			return &Plan{Query: q, Access: &exec.Nothing{}, Sorted: true, Exact: true}, nil
		}
	}
	if len(p.nodes) == 1 {
		if _, ok := p.nodes[0].(*match.True); ok {
			p.nodes = nil
		}
	}
	p.preds = append(preds(p.nodes), p.exprPreds()...)
	if q.Filter != nil && q.Filter.Text() != nil {
		return p.textPlan(ctx, q.Filter.Text())
	}
	if n := q.near(); n != nil {
		return p.nearPlan(ctx, n)
	}
	if q.Min != nil || q.Max != nil {
		return p.minMax(ctx)
	}
	if err := p.candidates(ctx); err != nil {
		return nil, err
	}
	return p.best(ctx)
}

type planner struct {
	q     *Query
	r     Reader
	nodes []match.Node
	preds []pred
	plans []*Plan
	// branch: the query is a part of one.
	branch bool
	// scans are the index scans among the plans, for those that join several.
	scans []*indexBounds
}

// candidates collects every sound plan.
func (p *planner) candidates(ctx context.Context) error {
	h, err := p.hint()
	if err != nil {
		return err
	}
	if h.natural != 0 {
		p.plans = append(p.plans, p.collScan(h.natural < 0))
		return nil
	}
	if h.spec == nil {
		p.plans = append(p.plans, p.collScan(false))
	}
	if h.spec == nil || h.ix == nil {
		if err := p.idPlan(ctx, h.spec != nil); err != nil {
			return err
		}
	}
	for _, ix := range p.q.Coll.Indexes {
		forced := h.ix == ix
		if h.spec != nil && !forced || ix.Building || ix.Spec.Hidden && !forced {
			continue
		}
		if err := p.indexPlan(ctx, ix, ix.Spec, forced); err != nil {
			return err
		}
	}
	if h.spec == nil {
		if err := p.orPlan(ctx); err != nil {
			return err
		}
		p.intersections()
	}
	return nil
}

type hint struct {
	natural int
	ix      *exec.Index // nil with spec set: the index on _id
	spec    *index.Spec
}

func errHint() error {
	return errcode.New(errcode.BadValue,
		"error processing query: planner returned error: hint provided does not correspond to an existing index")
}

func (p *planner) hint() (hint, error) {
	v, c := p.q.Hint, p.q.Coll
	switch v.Type {
	case bsonx.String:
		name := string(bsonx.Str(v))
		if c.IDIndex != nil && name == c.IDIndex.Name {
			return hint{spec: c.IDIndex, ix: c.IDEntries}, nil
		}
		if ix := c.Index(name); ix != nil && !ix.Spec.Hidden {
			return hint{ix: ix, spec: ix.Spec}, nil
		}
		return hint{}, errHint()
	case bsonx.Object:
		if bsonx.IsEmpty(v.Data) {
			return hint{}, nil
		}
		if n := bsonx.Lookup(v.Data, "$natural"); !bsonx.IsMissing(n) {
			if bsonx.IsNumber(n) && bsonx.Compare(n, bsonx.Int32Value(0)) < 0 {
				return hint{natural: -1}, nil
			}
			return hint{natural: 1}, nil
		}
		if c.IDIndex != nil && samePattern(v.Data, c.IDIndex.KeyPattern) {
			return hint{spec: c.IDIndex, ix: c.IDEntries}, nil
		}
		for _, ix := range c.Indexes {
			if samePattern(v.Data, ix.Spec.KeyPattern) && !ix.Spec.Hidden {
				return hint{ix: ix, spec: ix.Spec}, nil
			}
		}
		return hint{}, errHint()
	}
	return hint{}, nil
}

// samePattern compares key patterns by value: 1 and 1.0 are the same.
func samePattern(a, b bsonx.Doc) bool {
	return bsonx.Compare(bsonx.DocValue(a), bsonx.DocValue(b)) == 0
}

// collScan is the plan that always is there: rows in their stored order, within
// the bounds of conditions on _id if rows are stored by it.
func (p *planner) collScan(reverse bool) *Plan {
	return &Plan{Query: p.q, Access: &exec.CollScan{Coll: p.q.Coll, Reverse: reverse},
		Filter: p.residual(nil), Sorted: len(p.q.Sort) == 0, Exact: len(p.nodes) == 0, label: "COLLSCAN"}
}

// residual is the filter without the conditions that bounds have decided.
func (p *planner) residual(used []match.Node) *match.Filter {
	if p.q.Filter == nil || len(p.nodes) == 0 {
		return nil
	}
	var rest []match.Node
	for _, n := range p.nodes {
		if !slices.Contains(used, n) {
			rest = append(rest, n)
		}
	}
	switch len(rest) {
	case 0:
		return nil
	case len(p.nodes):
		return p.q.Filter
	}
	return p.q.Filter.Rest(rest)
}

// idPlan looks at the index on _id, which is the rows themselves.
func (p *planner) idPlan(ctx context.Context, forced bool) error {
	c := p.q.Coll
	if c.IDIndex == nil {
		return nil
	}
	if c.IDEntries != nil {
		return p.indexPlan(ctx, c.IDEntries, c.IDIndex, forced)
	}
	ib := assign(nil, c.IDIndex, nil, p.preds, p.q.Collation)
	p.addIndex(ib, forced)
	return nil
}

// indexPlan adds the plan for an index, if it is sound and of use.
func (p *planner) indexPlan(ctx context.Context, ix *exec.Index, spec *index.Spec, forced bool) error {
	if spec.WildcardAt() >= 0 || spec.TextAt() >= 0 || spec.GeoOpts != nil {
		return p.specialPlan(ctx, ix, spec, forced)
	}
	if ix.Partial != nil && !forced && !implied(ix.Partial.Root(), p.nodes) {
		return nil // a hint is taken at its word: documents outside are left out
	}
	mk, err := p.r.Multikey(ctx, p.q.Coll, ix)
	if err != nil {
		return err
	}
	ib := assign(ix, spec, mk, p.preds, p.q.Collation)
	if spec.Sparse && !ib.sparseOK() && !forced {
		return nil
	}
	p.addIndex(ib, forced)
	return nil
}

func errNoPlan() error {
	return errcode.New(errcode.NoQueryExecutionPlans,
		"error processing query: planner returned error: hinted index cannot answer the query; use another hint or none")
}

// sparseOK reports whether every document that matches has a key in a sparse
// index: some field has bounds that leave out the keys of missing fields.
func (ib *indexBounds) sparseOK() bool {
	for _, f := range ib.fields {
		for _, q := range f.preds {
			if q.needs() {
				return true
			}
		}
	}
	return false
}

// needsField reports whether only documents that have the path match.
func needsField(n match.Node) bool {
	switch n := n.(type) {
	case *match.Compare:
		switch n.Value.Type {
		case bsonx.Null, bsonx.Undefined, bsonx.MinKey, bsonx.MaxKey:
			return n.Value.Type == bsonx.MaxKey && n.Op == match.Eq || n.Value.Type == bsonx.MinKey && n.Op == match.Eq
		}
		return true
	case *match.In:
		for _, v := range n.Values {
			if bsonx.IsNullish(v) {
				return false
			}
		}
		return true
	case *match.Exists, *match.Type, *match.Mod, *match.Bits, *match.Regex, *match.ElemMatchValue:
		return true
	case *match.Not:
		c, ok := n.Node.(*match.Compare)
		return ok && c.Op == match.Eq && bsonx.IsNullish(c.Value) && !strings.Contains(c.Path.Name, ".")
	}
	return false
}

// addIndex adds an index scan if it narrows, sorts, covers or was asked for.
func (p *planner) addIndex(ib *indexBounds, forced bool) {
	reverse, sorted := p.sortBy(ib)
	leading := len(ib.fields[0].preds) > 0
	covered := p.covered(ib)
	skip := p.distinct(ib, covered)
	if skip == 0 && !leading && !(sorted && len(p.q.Sort) > 0) && !forced {
		if !(covered && ib.spec.Ordered() && ib.ix != nil && !ib.spec.Sparse && ib.ix.Partial == nil && p.q.Count) {
			return
		}
	}
	sc := &exec.IndexScan{Coll: p.q.Coll, Index: ib.ix, Spec: ib.spec, Multikey: ib.mk, Reverse: reverse,
		Covered: covered && !p.q.NeedKeys, Distinct: skip}
	for _, f := range ib.fields {
		sc.Bounds = append(sc.Bounds, encode(f.iv))
	}
	pl := &Plan{Query: p.q, Access: sc, Filter: p.residual(ib.used), Sorted: sorted, label: ib.spec.Name}
	pl.Exact = pl.Filter == nil
	pl.score = p.score(ib, sorted, covered)
	if skip > 0 {
		pl.score += distinctScore
	}
	p.plans = append(p.plans, pl)
	p.scans = append(p.scans, ib)
	if !sorted && skip == 0 {
		p.explode(ib, sc, pl)
	}
}

// distinctScore puts a scan that jumps from value to value before all others.
const distinctScore = 10_000

// distinct is how many leading fields of an index tell the values of the query's
// distinct path apart, 0 if the index cannot: the bounds must decide the filter
// alone, and the fields before the path's have one value each.
func (p *planner) distinct(ib *indexBounds, covered bool) int {
	if p.q.Distinct == "" || !covered || ib.ix == nil || p.residual(ib.used) != nil || ib.spec.Sparse && p.q.DistinctMissing || !ib.spec.Ordered() {
		return 0
	}
	for i, f := range ib.spec.Fields {
		if f.Path == p.q.Distinct {
			return i + 1
		}
		if i >= ib.eq || len(ib.fields[i].iv) != 1 {
			return 0
		}
	}
	return 0
}

// encode turns intervals into what exec takes.
func encode(iv Intervals) []exec.Range {
	out := make([]exec.Range, len(iv))
	for i, v := range iv {
		out[i] = exec.Range{Lo: v.Lo, Hi: v.Hi, LoIn: v.LoIn, HiIn: v.HiIn}
	}
	return out
}

// score ranks plans: single values on leading fields, other bounds, an order
// that saves a sort, no documents to fetch. Higher is better.
func (p *planner) score(ib *indexBounds, sorted, covered bool) int {
	s := 0
	for i, f := range ib.fields {
		switch {
		case len(f.preds) == 0:
			continue
		case i < ib.eq:
			s += 100
		case f.iv.points():
			s += 60
		default:
			s += 60 - width(f.iv)/100
		}
	}
	if ib.spec.IsID && ib.eq == 1 {
		s += 1000
	}
	if ib.spec.Unique && ib.eq == len(ib.fields) {
		s += 500
	}
	if sorted && len(p.q.Sort) > 0 {
		s += 30
		if p.q.Limit > 0 {
			s += 30
		}
	}
	if covered {
		s += 10
	}
	return s*10 - len(ib.fields)
}

// covered reports whether the index holds all that the query reads.
func (p *planner) covered(ib *indexBounds) bool {
	if p.q.All && !p.q.Count || ib.mk.Any() || ib.spec.Collator != nil {
		return false
	}
	for _, path := range p.q.Needed {
		ok := false
		for _, f := range ib.spec.Fields {
			ok = ok || f.Kind == index.Ordered && f.Path == path
		}
		if !ok {
			return false
		}
	}
	for _, n := range p.nodes {
		if slices.Contains(ib.used, n) {
			continue
		}
		if !coversNode(ib.spec, n, 0) {
			return false
		}
	}
	for it := bsonx.NewIter(p.q.Sort); it.Next(); {
		if !hasPath(ib.spec, string(it.Key())) {
			return false
		}
	}
	return true
}

func hasPath(s *index.Spec, path string) bool {
	for _, f := range s.Fields {
		if f.Kind == index.Ordered && f.Path == path {
			return true
		}
	}
	return false
}

// coversNode reports whether a condition can be decided on a document that has
// the index's fields only.
func coversNode(s *index.Spec, n match.Node, depth int) bool {
	if depth > bsonx.MaxDepth {
		return false
	}
	all := func(nodes []match.Node) bool {
		for _, c := range nodes {
			if !coversNode(s, c, depth+1) {
				return false
			}
		}
		return true
	}
	switch n := n.(type) {
	case *match.And:
		return all(n.Nodes)
	case *match.Or:
		return all(n.Nodes)
	case *match.Nor:
		return all(n.Nodes)
	case *match.Not:
		return coversNode(s, n.Node, depth+1)
	}
	path, ok := pathOf(n)
	return ok && hasPath(s, path)
}

// sortBy reports whether a scan of the bounds yields the query's order, and in
// which direction. Fields with a single value do not matter.
func (p *planner) sortBy(ib *indexBounds) (reverse, ok bool) {
	if len(p.q.Sort) == 0 {
		return false, true
	}
	if !SameCollation(ib.spec.Collator, p.q.Collation) {
		return false, false
	}
	dir, i := 0, 0
	single := func(i int) bool {
		f := ib.fields[i]
		return len(f.iv) == 1 && f.iv[0].isPoint() && bits(ib.mk, i) == 0
	}
	for it := bsonx.NewIter(p.q.Sort); it.Next(); {
		path := string(it.Key())
		if ib.fixed(path) {
			continue
		}
		for i < len(ib.fields) && ib.spec.Fields[i].Path != path && single(i) {
			i++
		}
		if i == len(ib.fields) || ib.spec.Fields[i].Path != path || ib.spec.Fields[i].Kind != index.Ordered {
			return false, false
		}
		if bits(ib.mk, i) != 0 && !ib.fields[i].iv.isAll() {
			return false, false
		}
		d := 1
		if bsonx.Compare(it.Value(), bsonx.Int32Value(0)) < 0 != ib.spec.Fields[i].Desc {
			d = -1
		}
		if dir != 0 && d != dir {
			return false, false
		}
		dir = d
		i++
	}
	return dir < 0, true
}

// fixed reports whether the path has a single value in all rows of the scan.
func (ib *indexBounds) fixed(path string) bool {
	for i, f := range ib.spec.Fields {
		if f.Path == path && f.Kind == index.Ordered {
			iv := ib.fields[i].iv
			return len(iv) == 1 && iv[0].isPoint() && bits(ib.mk, i) == 0
		}
	}
	return false
}
