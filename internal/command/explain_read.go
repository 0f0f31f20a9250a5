package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

// openExplain begins to read for explain: all plans are tried.
func (rq *Request) openExplain(ctx context.Context) (*source, error) {
	s, err := rq.openSource(ctx)
	if err == nil {
		s.explain = true
	}
	return s, err
}

func (rq *Request) explainFind(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	f, err := readFindArgs(name, &rq.Args)
	if err != nil {
		return err
	}
	src, err := rq.openExplain(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	t, err := src.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.isView() {
		a, err := viewFind(t, f)
		if err != nil {
			return err
		}
		return src.explainPipeline(ctx, rq, b, a, v)
	}
	fp, err := src.planFind(ctx, t, f)
	if err != nil {
		return err
	}
	x := &explained{rq: rq, db: t.db.name, ns: t.ns(), plan: fp.plan, query: fp.query}
	x.base()
	fp.describe(x)
	x.open = func() (exec.Iterator, error) {
		fp.counted = &x.rows
		return fp.open(&x.st)
	}
	return x.write(ctx, b, v)
}

// describe puts sort, window and projection on the plan's stages.
func (fp *findPlan) describe(x *explained) {
	f := fp.args
	if fp.plan == nil {
		return
	}
	out := func() int64 { return x.out }
	skipped := func() int64 { return x.out }
	if f.skip > 0 {
		skipped = func() int64 { return x.out + min(f.skip, x.rows) }
	}
	if notEmpty(f.sort) != nil {
		fp.q.used = &stage.Usage{}
		x.overIf(fp.sortStage, &plan.Node{Returned: skipped, Describe: sortDescription(f.sort, pushedLimit(f.skip, f.limit)), Stats: sortUsage(fp.q.used)})
	}
	if f.skip > 0 {
		x.over("SKIP", out, func(b *bsonx.Builder) { b.Int64("skipAmount", f.skip) })
	}
	if f.limit > 0 {
		x.overIf(func(p *plan.Plan) string {
			if fp.sortStage(p) != "" && f.skip == 0 {
				return "" // the sort keeps no more
			}
			return "LIMIT"
		}, &plan.Node{Returned: out, Describe: func(b *bsonx.Builder) { b.Int64("limitAmount", f.limit) }})
	}
	switch {
	case f.returnKey:
		x.over("RETURN_KEY", out, nil)
	case fp.proj != nil:
		x.overIf(func(p *plan.Plan) string { return projectionStage(p, f.projection) },
			&plan.Node{Returned: out, Describe: func(b *bsonx.Builder) { b.Doc("transformBy", f.projection) }})
	}
}

// sortStage names the sort that a plan needs, "" for none.
func (fp *findPlan) sortStage(p *plan.Plan) string {
	if fp.sort == nil && p == fp.plan || p.Sorted && len(p.Query.Sort) > 0 || !bsonx.IsMissing(bsonx.Lookup(fp.args.sort, "$natural")) {
		return ""
	}
	return "SORT"
}

func pushedLimit(skip, limit int64) int64 {
	if limit > 0 {
		return limit + skip
	}
	return 0
}

func sortDescription(sort bsonx.Doc, limit int64) func(b *bsonx.Builder) {
	return func(b *bsonx.Builder) {
		b.Doc("sortPattern", sort)
		b.Int64("memLimit", 104857600)
		if limit > 0 {
			b.Int64("limitAmount", limit)
		}
		b.String("type", "simple")
	}
}

func sortUsage(u *stage.Usage) func(b *bsonx.Builder) {
	return func(b *bsonx.Builder) {
		b.Int64("totalDataSizeSorted", u.Bytes)
		b.Bool("usedDisk", u.Files > 0)
		b.Int64("spills", u.Files)
		b.Int64("spilledRecords", u.SpilledRecords)
		b.Int64("spilledBytes", u.SpilledBytes)
		b.Int64("spilledDataStorageSize", u.SpilledBytes)
	}
}

// projectionStage names a projection as MongoDB's planner does.
func projectionStage(p *plan.Plan, spec bsonx.Doc) string {
	if x, ok := p.Access.(*exec.IndexScan); ok && x.Covered {
		return "PROJECTION_COVERED"
	}
	for it := bsonx.NewIter(spec); it.Next(); {
		v := it.Value()
		if !bsonx.IsNumber(v) && v.Type != bsonx.Bool || containsDot(it.Key()) {
			return "PROJECTION_DEFAULT"
		}
	}
	return "PROJECTION_SIMPLE"
}

func containsDot(b []byte) bool {
	for _, c := range b {
		if c == '.' {
			return true
		}
	}
	return false
}

func (rq *Request) explainCount(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	src, err := rq.openExplain(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	t, err := src.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	a := readCountArgs(name, &rq.Args)
	if t.isView() {
		return src.explainPipeline(ctx, rq, b, viewCount(t, a), v)
	}
	q, p, err := src.planCount(ctx, t, a)
	if err != nil {
		return err
	}
	x := &explained{rq: rq, db: t.db.name, ns: t.ns(), plan: p}
	if p != nil {
		x.query = p.Query
	}
	x.base()
	if p != nil {
		counted := int64(0)
		whole := false
		switch s := p.Access.(type) {
		case *exec.CollScan:
			whole = p.Filter == nil
		case *exec.IndexScan:
			if p.Filter == nil && s.Index != nil && x.root.Stage == "FETCH" {
				x.root = x.root.Inputs[0]
			}
			if p.Filter == nil && x.root.Stage == "IXSCAN" {
				plan.CountScan(x.root, s)
			}
		}
		if whole {
			x.root = &plan.Node{Stage: "RECORD_STORE_FAST_COUNT", Stats: func(b *bsonx.Builder) {
				b.Int64("nCounted", counted)
				b.Int32("nSkipped", 0)
			}}
		} else {
			x.over("COUNT", nil, nil)
			x.root.Stats = func(b *bsonx.Builder) {
				b.Int64("nCounted", counted)
				b.Int32("nSkipped", int32(a.skip))
			}
		}
		if v != queryPlanner {
			if whole {
				counted, err = src.count(ctx, a)
			} else {
				it := exec.NewCounter(q.rows(t, p, &x.st), &x.rows)
				counted, err = countRows(ctx, exec.NewWindow(it, a.skip, a.limit))
			}
			if err != nil {
				return err
			}
		}
	}
	return x.write(ctx, b, v)
}

func (rq *Request) explainDistinct(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	src, err := rq.openExplain(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	a := &distinctArgs{name: name, key: rq.Args.String("key", ""), query: rq.Args.Doc("query"),
		collation: rq.Args.Doc("collation"), hint: rq.Args.Get("hint")}
	t, err := src.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.isView() {
		return src.explainPipeline(ctx, rq, b, viewDistinct(t, a), v)
	}
	q, p, err := src.planDistinct(ctx, t, a)
	if err != nil {
		return err
	}
	x := &explained{rq: rq, db: t.db.name, ns: t.ns(), plan: p}
	if p != nil {
		x.query = p.Query
	}
	x.base()
	if p != nil {
		if x.root.Stage == "IXSCAN" {
			if s, ok := p.Access.(*exec.IndexScan); ok && s.Distinct > 0 {
				x.root.Stage = "DISTINCT_SCAN"
			}
			x.over("PROJECTION_COVERED", func() int64 { return x.out }, func(b *bsonx.Builder) {
				at := b.OpenDoc("transformBy")
				if a.key != "_id" {
					b.Int32("_id", 0)
				}
				b.Int32(a.key, 1)
				b.Close(at)
			})
		}
		x.open = func() (exec.Iterator, error) { return exec.NewCounter(q.rows(t, p, &x.st), &x.rows), nil }
	}
	return x.write(ctx, b, v)
}
