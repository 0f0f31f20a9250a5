package command

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/change"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

func (rq *Request) explainAggregate(ctx context.Context, b *bsonx.Builder, a *aggregateArgs, v verbosity) error {
	src, err := rq.openExplain(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	return src.explainPipeline(ctx, rq, b, a, v)
}

// explainPipeline shows the plan of a pipeline's front, and the stages behind it:
// as one plan where all of them are such as a find may have.
func (s *source) explainPipeline(ctx context.Context, rq *Request, b *bsonx.Builder, a *aggregateArgs, v verbosity) error {
	a.explain, s.explain = true, true
	q, t, p, err := s.parseAggregate(ctx, a)
	if err != nil {
		return err
	}
	spec, watches := p.ChangeStream()
	if watches {
		if _, err := change.ParseSpec(spec); err != nil {
			return err
		}
	}
	b.String("explainVersion", "1")
	if t == nil || watches { // nothing is planned
		arr := b.OpenArray("stages")
		writeStages(b, p.Stages(), nil, 0)
		b.Close(arr)
		rq.explainTail(b)
		return nil
	}
	pl, rest, _, err := q.planPipeline(ctx, t, p, a.hint)
	if err != nil {
		return err
	}
	x := &explained{rq: rq, db: t.db.name, ns: t.ns(), plan: pl}
	if pl != nil {
		x.query = pl.Query
		b.String("queryShapeHash", fullHash(shapeOf(pl.Query)+x.ns+"aggregate"))
	}
	x.base()
	ep := &explainedPipeline{explained: x, q: q, t: t, oc: q.open(a.ns), rest: rest}
	if ep.simple() {
		err = ep.onePlan(ctx, b, v)
	} else {
		err = ep.stages(ctx, b, v)
	}
	if err == nil {
		rq.explainTail(b)
	}
	return err
}

type explainedPipeline struct {
	*explained
	q    *query
	t    *target
	oc   *stage.OpenContext
	rest *stage.Pipeline
	seen []*stage.Watched // of the stages, once they have run
	from int64            // rows that the plan yielded to the stages
}

// simple reports whether a plan can hold all stages.
func (x *explainedPipeline) simple() bool {
	for _, st := range x.rest.Stages() {
		if pushed[st.Name()] == "" {
			return false
		}
	}
	return true
}

// reads returns the stages without one that writes: explain changes nothing.
func (x *explainedPipeline) reads() *stage.Pipeline {
	n := len(x.rest.Stages())
	if n > 0 && slices.Contains([]string{"$out", "$merge"}, x.rest.Stages()[n-1].Name()) {
		return x.rest.To(n - 1)
	}
	return x.rest
}

// start opens the plan and the stages behind it.
func (x *explainedPipeline) start() (exec.Iterator, error) {
	if x.plan == nil {
		return (&exec.Nothing{}).Open(nil, &x.st), nil
	}
	it := exec.NewCounter(exec.NewCounter(x.q.rows(x.t, x.plan, &x.st), &x.rows), &x.from)
	out, seen, err := x.reads().Watch(x.oc, it)
	x.seen = seen
	return out, err
}

// watched is what stage i did.
func (x *explainedPipeline) watched(i int) *stage.Watched {
	if i < len(x.seen) {
		return x.seen[i]
	}
	return &stage.Watched{}
}

// onePlan shows the stages as those of a plan.
func (x *explainedPipeline) onePlan(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	x.open = x.start
	for i, st := range x.rest.Stages() {
		spec := st.Spec()
		n := &plan.Node{Returned: func() int64 { return x.watched(i).Rows }}
		switch st.Name() {
		case "$project":
			n.Describe = func(b *bsonx.Builder) { b.Value("transformBy", spec) }
		case "$sort":
			limit := int64(0)
			if l, ok := st.(interface{ Limit() int64 }); ok {
				limit = l.Limit()
			}
			n.Describe = sortDescription(bsonx.Doc(spec.Data), limit)
			n.Stats = func(b *bsonx.Builder) { sortUsage(&x.watched(i).Used)(b) }
		default:
			n.Describe = func(b *bsonx.Builder) { b.Value(pushedField[st.Name()], spec) }
		}
		x.overIf(func(p *plan.Plan) string {
			if st.Name() == "$project" {
				return projectionStage(p, bsonx.Doc(spec.Data))
			}
			return pushed[st.Name()]
		}, n)
	}
	return x.body(ctx, b, v)
}

// stages shows the plan as $cursor, and the stages.
func (x *explainedPipeline) stages(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	if v != queryPlanner {
		x.open = x.start
		if err := x.run(ctx); err != nil {
			return err
		}
		x.out = x.from
	}
	arr := b.OpenArray("stages")
	d := b.OpenDoc("0")
	c := b.OpenDoc("$cursor")
	if err := x.body(ctx, b, v); err != nil {
		return err
	}
	b.Close(c)
	if v != queryPlanner {
		b.Int64("nReturned", x.from)
		b.Int64("executionTimeMillisEstimate", 0)
	}
	b.Close(d)
	var seen []*stage.Watched
	if v != queryPlanner {
		for i := range x.rest.Stages() {
			seen = append(seen, x.watched(i))
		}
	}
	writeStages(b, x.rest.Stages(), seen, 1)
	b.Close(arr)
	return nil
}

// pushed are the stages that MongoDB's planner takes into the plan.
var pushed = map[string]string{"$match": "FETCH", "$sort": "SORT", "$limit": "LIMIT", "$skip": "SKIP", "$project": "PROJECTION_DEFAULT"}

var pushedField = map[string]string{"$match": "filter", "$limit": "limitAmount", "$skip": "skipAmount"}

// writeStages writes stages, with what they did if they have run.
func writeStages(b *bsonx.Builder, stages []stage.Stage, seen []*stage.Watched, from int) {
	for i, st := range stages {
		at := b.OpenDoc(bsonx.Index(from + i))
		if st.Name() == "$sort" {
			in := b.OpenDoc("$sort")
			b.Value("sortKey", st.Spec())
			if l, ok := st.(interface{ Limit() int64 }); ok && l.Limit() > 0 {
				b.Int64("limit", l.Limit())
			}
			b.Close(in)
		} else {
			b.Value(st.Name(), st.Spec())
		}
		if i < len(seen) {
			writeUsage(b, st, seen[i])
			b.Int64("nReturned", seen[i].Rows)
			b.Int64("executionTimeMillisEstimate", 0)
		}
		b.Close(at)
	}
}

// writeUsage writes what a blocking stage held and spilled.
func writeUsage(b *bsonx.Builder, st stage.Stage, w *stage.Watched) {
	u := w.Used
	spilled := func() {
		b.Bool("usedDisk", u.Files > 0)
		b.Int64("spills", u.Files)
		b.Int64("spilledDataStorageSize", u.SpilledBytes)
		b.Int64("spilledBytes", u.SpilledBytes)
		b.Int64("spilledRecords", u.SpilledRecords)
	}
	switch st.Name() {
	case "$sort":
		b.Int64("totalDataSizeSortedBytesEstimate", u.Bytes)
		spilled()
	case "$group":
		at := b.OpenDoc("maxAccumulatorMemoryUsageBytes")
		for it := bsonx.NewIter(st.Spec().Data); it.Next(); {
			if k := string(it.Key()); k != "_id" && k[0] != '$' {
				b.Int64(k, u.Peak)
			}
		}
		b.Close(at)
		b.Int64("totalOutputDataSizeBytes", u.Peak)
		spilled()
	case "$bucketAuto", "$setWindowFields", "$_internalSetWindowFields", "$graphLookup":
		spilled()
	}
}
