package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/stage"
)

func (rq *Request) explainAggregate(ctx context.Context, b *bsonx.Builder, a *aggregateArgs, v verbosity) error {
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	return src.explainPipeline(ctx, rq, b, a, v)
}

// explainPipeline shows the plan of a pipeline's front, and the stages behind it.
func (s *source) explainPipeline(ctx context.Context, rq *Request, b *bsonx.Builder, a *aggregateArgs, v verbosity) error {
	a.explain = true
	q, t, p, err := s.parseAggregate(ctx, a)
	if err != nil {
		return err
	}
	b.String("explainVersion", "1")
	if t == nil {
		arr := b.OpenArray("stages")
		writeStages(b, p.Stages(), 0)
		b.Close(arr)
		rq.explainTail(b)
		return nil
	}
	pl, rest, _, err := q.planPipeline(ctx, t, p, a.hint)
	if err != nil {
		return err
	}
	x := &explained{rq: rq, ns: t.ns(), plan: pl}
	x.base()
	simple := true
	for _, st := range rest.Stages() {
		simple = simple && pushed[st.Name()] != ""
	}
	oc := q.open(a.ns)
	x.open = func() (exec.Iterator, error) {
		if pl == nil {
			return (&exec.Nothing{}).Open(nil, &x.st), nil
		}
		it := exec.NewCounter(q.rows(t, pl, &x.st), &x.rows)
		if simple {
			return rest.Open(oc, it)
		}
		return it, nil
	}
	if simple {
		for _, st := range rest.Stages() {
			spec := st.Spec()
			x.over(pushed[st.Name()], func() int64 { return x.out }, func(b *bsonx.Builder) {
				if st.Name() == "$project" {
					b.Value("transformBy", spec)
				} else if st.Name() == "$sort" {
					b.Value("sortPattern", spec)
				} else {
					b.Value(pushedField[st.Name()], spec)
				}
			})
		}
		if err := x.body(ctx, b, v); err != nil {
			return err
		}
		rq.explainTail(b)
		return nil
	}
	arr := b.OpenArray("stages")
	d := b.OpenDoc("0")
	c := b.OpenDoc("$cursor")
	if err := x.body(ctx, b, v); err != nil {
		return err
	}
	b.Close(c)
	b.Close(d)
	writeStages(b, rest.Stages(), 1)
	b.Close(arr)
	rq.explainTail(b)
	return nil
}

// pushed are the stages that MongoDB's planner takes into the plan.
var pushed = map[string]string{"$match": "FETCH", "$sort": "SORT", "$limit": "LIMIT", "$skip": "SKIP", "$project": "PROJECTION_DEFAULT"}

var pushedField = map[string]string{"$match": "filter", "$limit": "limitAmount", "$skip": "skipAmount"}

func writeStages(b *bsonx.Builder, stages []stage.Stage, from int) {
	for i, st := range stages {
		at := b.OpenDoc(bsonx.Index(from + i))
		b.Value(st.Name(), st.Spec())
		b.Close(at)
	}
}
