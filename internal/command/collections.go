package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

// collections is how the stages of a pipeline reach other namespaces: within
// the command's own transaction.
type collections struct{ q *query }

// Run implements stage.Collections.
func (c *collections) Run(ctx context.Context, oc *stage.OpenContext, ns stage.Namespace, p *stage.Pipeline) (exec.Iterator, error) {
	t, err := c.q.src.target(ctx, ns.DB, ns.Coll)
	if err != nil {
		return nil, err
	}
	sub := &query{src: c.q.src, scope: c.q.scope, q: oc.Query, vars: oc.Vars, coll: oc.Query.Collation, given: c.q.given, allowDisk: c.q.allowDisk}
	if t.isView() {
		base, stages, err := c.q.src.resolveView(ctx, t, sub.coll, true)
		if err != nil {
			return nil, err
		}
		vp, err := stage.Parse(stages, sub.parse(stage.Namespace{DB: ns.DB, Coll: base.name}))
		if err != nil {
			return nil, err
		}
		it, err := sub.pipeline(ctx, base, vp, oc, bsonx.Value{}, &exec.Stats{})
		if err != nil {
			return nil, err
		}
		return p.Open(oc, it)
	}
	return sub.pipeline(ctx, t, p, oc, bsonx.Value{}, &exec.Stats{})
}

// pipeline opens a pipeline over a target that is not a view: its front is
// served by a plan.
func (q *query) pipeline(ctx context.Context, t *target, p *stage.Pipeline, oc *stage.OpenContext, hint bsonx.Value, st *exec.Stats) (exec.Iterator, error) {
	pl, rest, sort, err := q.planPipeline(ctx, t, p, hint)
	if err != nil {
		return nil, err
	}
	if pl == nil {
		return p.Open(oc, (&exec.Nothing{}).Open(nil, st))
	}
	it := q.rows(t, pl, st)
	_ = sort
	return rest.Open(oc, it)
}

// planPipeline plans the front of a pipeline; rest is what is left of it. The
// plan is nil when the collection is not there.
func (q *query) planPipeline(ctx context.Context, t *target, p *stage.Pipeline, hint bsonx.Value) (pl *plan.Plan, rest *stage.Pipeline, sort bsonx.Doc, err error) {
	if st := p.Stages(); len(st) > 0 && st[0].Name() == "$geoNear" && hint.Type == bsonx.Object && !bsonx.IsMissing(bsonx.Lookup(hint.Data, "$natural")) {
		return nil, nil, nil, plan.ErrNearNatural()
	}
	pre := p.Prefix()
	if t.coll == nil {
		if pre.Compiled != nil && pre.Compiled.Text() != nil {
			err = plan.ErrNoTextIndex()
		}
		return nil, p, nil, err
	}
	filter := pre.Compiled // in the scope of the pipeline, which may be a $lookup's
	if filter == nil {
		if filter, err = q.filter(nil); err != nil {
			return nil, nil, nil, err
		}
	}
	pq := &plan.Query{Filter: filter, Vars: q.vars, Collation: q.coll, Hint: hint, All: pre.Needed == nil, Needed: pre.Needed, Distinct: pre.Distinct, DistinctMissing: true}
	plain := true
	for it := bsonx.NewIter(pre.Sort); it.Next(); {
		plain = plain && bsonx.IsNumber(it.Value())
	}
	if plain {
		pq.Sort = pre.Sort
	}
	if pre.Limit > 0 {
		pq.Limit = pre.Limit + pre.Skip
	}
	if pl, err = q.choose(ctx, t, pq); err != nil {
		return nil, nil, nil, err
	}
	n := pre.AfterFilter
	if pre.Sort != nil && plain && pl.Sorted {
		n = pre.AfterSort
	}
	return pl, p.From(n), pre.Sort, nil
}

// maxViewDepth is how many views may stand on each other.
const maxViewDepth = 20

// resolveView follows a view to the collection under it and joins the pipelines.
// coll is the command's collation, which has to be the view's own if given.
func (s *source) resolveView(ctx context.Context, t *target, coll bsonx.Collator, given bool) (*target, []bsonx.Doc, error) {
	var stages []bsonx.Doc
	if given && !plan.SameCollation(viewCollation(t), coll) {
		return nil, nil, errcode.New(errcode.OptionNotSupportedOnView, "Cannot override a view's default collation on %s", t.ns())
	}
	for depth := 0; t.isView(); depth++ {
		if depth >= maxViewDepth {
			return nil, nil, errcode.New(errcode.ViewDepthLimitExceeded, "View depth too deep: the limit is %d views on each other", maxViewDepth)
		}
		var own []bsonx.Doc
		for it := bsonx.NewIter(t.entry.Option("pipeline").Data); it.Next(); {
			own = append(own, bsonx.Doc(it.Value().Data))
		}
		stages = append(own, stages...)
		on := t.entry.Option("viewOn")
		if on.Type != bsonx.String {
			return nil, nil, errcode.New(errcode.InvalidViewDefinition, "the view %s names no source", t.ns())
		}
		next, err := s.target(ctx, t.db.name, string(bsonx.Str(on)))
		if err != nil {
			return nil, nil, err
		}
		t = next
	}
	return t, stages, nil
}

// viewCollation is a view's default collation.
func viewCollation(t *target) bsonx.Collator {
	if v := t.entry.Option("collation"); v.Type == bsonx.Object {
		if c, err := collate.Parse(v.Data); err == nil {
			return c.Collator()
		}
	}
	return nil
}
