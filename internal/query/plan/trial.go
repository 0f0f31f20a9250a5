package plan

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// Trial is what a bounded run of a plan did, beside runs of the other plans.
type Trial struct {
	Stats *exec.Stats
	Rows  int64 // that passed the filter
	Works int64
	EOF   bool
	Score float64
}

// Bounds of a trial: it ends when a plan has trialRows rows or all of its rows,
// and no plan works more than trialWorks times, or branchWorks times for a branch
// of a $or, whose outcome is not cached. At most trialPlans take part.
const (
	trialRows   = 101
	trialWorks  = 10_000
	branchWorks = 500
	trialPlans  = 16
)

// best chooses among the candidates: the plan that queries of this shape had
// before, if it is known; else, where more than one plan uses indexes, the one
// that does best in a trial.
func (p *planner) best(ctx context.Context) (*Plan, error) {
	if len(p.plans) == 0 {
		return nil, errNoPlan()
	}
	slices.SortStableFunc(p.plans, func(a, b *Plan) int { return b.score - a.score })
	w := p.plans[0]
	if rest := p.plans[1:]; len(rest) > 0 && w.label != collScanLabel {
		if w.score < certainScore && !p.known() {
			if err := p.trial(ctx); err != nil {
				return nil, err
			}
		}
		w = p.plans[0]
	}
	w.Rejected = nil
	for _, o := range p.plans {
		if o != w && o.label != collScanLabel {
			w.Rejected = append(w.Rejected, o)
		}
	}
	return w, nil
}

const (
	collScanLabel = "COLLSCAN"
	// certainScore is that of a plan which no other can beat: one value of a
	// unique index, or a scan that jumps from value to value.
	certainScore = 5000
)

// known puts the plan of the cache first, if it is among the candidates.
func (p *planner) known() bool {
	if p.q.Cached == nil || p.indexed() < 2 {
		return false
	}
	id, works := p.q.Cached()
	if id == "" {
		return false
	}
	i := slices.IndexFunc(p.plans, func(pl *Plan) bool { return pl.Identity() == id })
	if i < 0 {
		return false
	}
	pl := p.plans[i]
	pl.CachedWorks = works
	copy(p.plans[1:i+1], p.plans[:i])
	p.plans[0] = pl
	return true
}

// indexed counts the candidates that use an index: they stand first.
func (p *planner) indexed() int {
	n := 0
	for n < len(p.plans) && p.plans[n].label != collScanLabel {
		n++
	}
	return n
}

// Identity names the plan among those for its query: the indexes it uses and how.
func (p *Plan) Identity() string {
	var b strings.Builder
	identity(&b, p.Access)
	return b.String()
}

func identity(b *strings.Builder, a exec.Access) {
	join := func(name string, n int, child func(i int) exec.Access) {
		b.WriteString(name)
		for i := range n {
			identity(b, child(i))
		}
		b.WriteByte(')')
	}
	switch a := a.(type) {
	case *exec.IndexScan:
		b.WriteString(a.Spec.Name + "/" + a.WildcardPath)
		if a.Reverse {
			b.WriteByte('-')
		}
		if a.Covered {
			b.WriteByte('!')
		}
		b.WriteByte(';')
	case *exec.Union:
		join("OR(", len(a.Children), func(i int) exec.Access { return a.Children[i] })
	case *exec.Merge:
		if a.Exploded { // how many scans it is depends on the values
			join("EXPLODE(", 1, func(int) exec.Access { return a.Children[0] })
			return
		}
		join("SORT_MERGE(", len(a.Children), func(i int) exec.Access { return a.Children[i] })
	case *exec.Intersect:
		join("AND(", len(a.Children), func(i int) exec.Access { return a.Children[i] })
	default:
		b.WriteString("other;")
	}
}

// runner is a plan in a trial.
type runner struct {
	*Plan
	it  exec.Iterator
	env *expr.Env
	t   *Trial
}

// trial runs the best-ranked plans side by side, always the one that has worked
// least, and sorts the plans by what they did.
func (p *planner) trial(ctx context.Context) error {
	n := min(p.indexed(), trialPlans)
	if n < 2 {
		return nil
	}
	rs := make([]*runner, n)
	for i, pl := range p.plans[:n] {
		pl.Trial = &Trial{Stats: &exec.Stats{}}
		rs[i] = &runner{Plan: pl, it: p.r.Open(pl.Access, pl.Trial.Stats), env: p.r.Env(), t: pl.Trial}
	}
	most := int64(trialWorks)
	if p.branch {
		most = branchWorks
	}
	err := race(ctx, rs, p.q.Limit, most)
	for _, r := range rs {
		if e := r.it.Close(); e != nil && err == nil {
			err = e
		}
		r.rate(r.covers())
	}
	if err != nil {
		return err
	}
	slices.SortStableFunc(p.plans[:n], func(a, b *Plan) int {
		switch {
		case a.Trial.Score > b.Trial.Score:
			return -1
		case a.Trial.Score < b.Trial.Score:
			return 1
		}
		return b.score - a.score
	})
	return nil
}

// race works until a plan has proved itself.
func race(ctx context.Context, rs []*runner, limit, most int64) error {
	enough := int64(trialRows)
	if limit > 0 {
		enough = min(enough, limit)
	}
	for {
		next := rs[0]
		for _, r := range rs[1:] {
			if r.t.Works < next.t.Works {
				next = r
			}
		}
		if next.t.Works >= most {
			return nil
		}
		if err := next.step(ctx); err != nil {
			return err
		}
		if next.t.EOF || next.Sorted && next.t.Rows >= enough {
			return nil
		}
	}
}

// step takes one row of the access path.
func (r *runner) step(ctx context.Context) error {
	row, err := r.it.Next(ctx)
	r.t.Works = max(r.t.Stats.All(), r.t.Works+1)
	if errors.Is(err, io.EOF) {
		r.t.EOF = true
		return nil
	}
	if err != nil {
		return err
	}
	if r.Filter != nil {
		r.env.Root, r.env.Meta = bsonx.DocValue(row.Doc), row.Meta
		ok, err := r.Filter.Matches(r.env, row.Doc)
		r.env.Arena.Reset()
		if err != nil || !ok {
			return nil // an error is found again if the plan is chosen
		}
	}
	r.t.Rows++
	return nil
}

// rate scores a plan by how many rows it yields for its work, as MongoDB does: a
// plan that came to its end is worth more than any that did not, and small extras
// settle ties.
func (p *Plan) rate(covers bool) {
	t := p.Trial
	rows := t.Rows
	if !p.Sorted && !t.EOF {
		rows = 0 // the sort has to see all rows before it yields one
	}
	t.Score = 1 + float64(rows)/float64(max(t.Works, 1))
	eps := min(1/float64(10*max(t.Works, 1)), 1e-4)
	if covers {
		t.Score += eps
	}
	if p.Sorted {
		t.Score += eps
	}
	if _, ok := p.Access.(*exec.Intersect); !ok {
		t.Score += eps
	}
	if t.EOF {
		t.Score++
	}
}

func (p *Plan) covers() bool {
	s, ok := p.Access.(*exec.IndexScan)
	return ok && s.Covered
}

// Again chooses among the plan's rivals and itself by a trial, after a run has
// shown that the plan does worse than it did once. Only plans that keep the order
// of the rows are considered.
func (p *Plan) Again(ctx context.Context, r Reader) (*Plan, error) {
	q := *p.Query
	q.Cached = nil
	pl := &planner{q: &q, r: r}
	for _, o := range append([]*Plan{p}, p.Rejected...) {
		if o.Sorted || !p.Sorted {
			c := *o
			c.CachedWorks, c.Trial = 0, nil
			pl.plans = append(pl.plans, &c)
		}
	}
	return pl.best(ctx)
}
