package command

import (
	"context"
	"hash/fnv"
	"io"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/version"
)

// verbosity of explain.
type verbosity int

const (
	queryPlanner verbosity = iota
	executionStats
	allPlansExecution
)

var verbosities = map[string]verbosity{"queryPlanner": queryPlanner, "executionStats": executionStats, "allPlansExecution": allPlansExecution}

var explainCommand = &Spec{
	Name: "explain",
	Args: idl.Command("explain",
		idl.Field{Name: "explain", Types: idl.Object, Required: true},
		idl.Field{Name: "verbosity", Types: idl.String, Enum: []string{"queryPlanner", "executionStats", "allPlansExecution"}}),
	Flags:     Read | APIv1,
	Privilege: forUsers(explainNeeds),
	Help:      "how a command would be answered",
	Run:       runExplain,
}

func runExplain(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	v := verbosities[rq.Args.String("verbosity", "allPlansExecution")]
	inner, err := rq.explained()
	if err != nil {
		return err
	}
	switch inner.Name {
	case "find":
		return inner.explainFind(ctx, b, v)
	case "aggregate":
		a, err := inner.readAggregateArgs()
		if err != nil {
			return err
		}
		return inner.explainAggregate(ctx, b, a, v)
	case "count":
		return inner.explainCount(ctx, b, v)
	case "distinct":
		return inner.explainDistinct(ctx, b, v)
	case "update", "delete", "findAndModify":
		return inner.explainModify(ctx, b, v)
	}
	return errcode.New(errcode.IllegalOperation, "Explain is not supported for command %s", inner.Name)
}

// explained returns the request for the command that is to be explained.
func (rq *Request) explained() (*Request, error) {
	body := rq.Args.Doc("explain")
	it := bsonx.NewIter(body)
	if !it.Next() {
		return nil, errcode.New(errcode.CommandNotFound, "Explain failed due to unknown command: ")
	}
	spec, ok := rq.dispatcher.byName[string(it.Key())]
	if !ok {
		return nil, errcode.New(errcode.CommandNotFound, "Explain failed due to unknown command: %s", string(it.Key()))
	}
	inner := *rq
	inner.Body, inner.Spec, inner.Name, inner.Sequences = body, spec, spec.Name, nil
	if db := bsonx.Lookup(body, "$db"); db.Type == bsonx.String && string(bsonx.Str(db)) != rq.DB {
		return nil, errcode.New(errcode.InvalidNamespace, "Mismatched $db in explain command. Expected %s but got %s", rq.DB, string(bsonx.Str(db)))
	}
	inner.Args = idl.Args{}
	if err := spec.Args.Decode(body, &inner.Args); err != nil {
		return nil, err
	}
	return &inner, nil
}

// explained is a plan with its stages, ready to be run and shown.
type explained struct {
	rq    *Request
	ns    string
	plan  *plan.Plan // nil: the namespace is not there
	st    exec.Stats
	rows  int64 // that passed the filter
	out   int64
	root  *plan.Node
	open  func() (exec.Iterator, error)
	took  time.Duration
	ready bool
}

// run executes the plan and counts.
func (x *explained) run(ctx context.Context) error {
	start := x.rq.Services.Clock.Now()
	it, err := x.open()
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }()
	for {
		if _, err := it.Next(ctx); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		x.out++
	}
	x.took = x.rq.Services.Clock.Now().Sub(start)
	x.ready = true
	return nil
}

// base describes the plan itself.
func (x *explained) base() {
	if x.plan == nil {
		x.root = &plan.Node{Stage: "EOF", Describe: func(b *bsonx.Builder) { b.String("type", "nonExistentNamespace") }}
		return
	}
	x.root = x.plan.Tree(&x.st, &x.rows)
}

// over puts a stage on top.
func (x *explained) over(stage string, returned func() int64, describe func(b *bsonx.Builder)) {
	x.root = &plan.Node{Stage: stage, Describe: describe, Returned: returned, Inputs: []*plan.Node{x.root}}
}

// write writes the whole reply.
func (x *explained) write(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	b.String("explainVersion", "1")
	if err := x.body(ctx, b, v); err != nil {
		return err
	}
	x.rq.explainTail(b)
	return nil
}

func (x *explained) body(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	at := b.OpenDoc("queryPlanner")
	b.String("namespace", x.ns)
	filter := bsonx.EmptyDoc
	if x.plan != nil && x.plan.Query.Filter != nil {
		filter = plan.FilterDoc(x.plan.Query.Filter.Root())
	}
	b.Doc("parsedQuery", filter)
	b.Bool("indexFilterSet", x.plan != nil && x.plan.Query.FilterSet)
	b.String("queryHash", shapeHash(filter, false))
	b.String("planCacheShapeHash", shapeHash(filter, false))
	b.String("planCacheKey", shapeHash(filter, true))
	b.Int32("optimizationTimeMillis", 0)
	for _, n := range []string{"maxIndexedOrSolutionsReached", "maxIndexedAndSolutionsReached", "maxScansToExplodeReached", "prunedSimilarIndexes"} {
		b.Bool(n, false)
	}
	w := b.OpenDoc("winningPlan")
	b.Bool("isCached", false)
	writeNode(b, x.root, false, 0)
	b.Close(w)
	arr := b.OpenArray("rejectedPlans")
	if x.plan != nil {
		for i, r := range x.plan.Rejected {
			d := b.OpenDoc(bsonx.Index(i))
			b.Bool("isCached", false)
			var n int64
			writeNode(b, r.Tree(&exec.Stats{}, &n), false, 0)
			b.Close(d)
		}
	}
	b.Close(arr)
	b.Close(at)
	if v == queryPlanner {
		return nil
	}
	if x.open != nil && !x.ready {
		if err := x.run(ctx); err != nil {
			return err
		}
	}
	x.stats(b, v)
	return nil
}

func (x *explained) stats(b *bsonx.Builder, v verbosity) {
	at := b.OpenDoc("executionStats")
	b.Bool("executionSuccess", true)
	b.Int32("nReturned", int32(x.out))
	b.Int32("executionTimeMillis", int32(x.took.Milliseconds()))
	keys, docs := totals(&x.st)
	b.Int32("totalKeysExamined", int32(keys))
	b.Int32("totalDocsExamined", int32(docs))
	s := b.OpenDoc("executionStages")
	b.Bool("isCached", false)
	writeNode(b, x.root, true, 0)
	b.Close(s)
	if v == allPlansExecution {
		arr := b.OpenArray("allPlansExecution")
		b.Close(arr)
	}
	b.Close(at)
}

func totals(st *exec.Stats) (keys, docs int64) {
	keys, docs = st.KeysExamined, st.DocsExamined
	for _, c := range st.Children {
		k, d := totals(c)
		keys, docs = keys+k, docs+d
	}
	return keys, docs
}

// writeNode writes a stage and those under it. A plan is a few stages deep.
func writeNode(b *bsonx.Builder, n *plan.Node, stats bool, depth int) {
	b.String("stage", n.Stage)
	if stats {
		returned := int64(0)
		if n.Returned != nil {
			returned = n.Returned()
		}
		works := returned + 1
		if n.Works != nil {
			works = max(n.Works(), works)
		}
		b.Int32("nReturned", int32(returned))
		b.Int32("executionTimeMillisEstimate", 0)
		b.Int32("works", int32(works))
		b.Int32("advanced", int32(returned))
		b.Int32("needTime", int32(max(works-returned-1, 0)))
		b.Int32("needYield", 0)
		b.Int32("saveState", 0)
		b.Int32("restoreState", 0)
		b.Int32("isEOF", 1)
	}
	if n.Describe != nil {
		n.Describe(b)
	}
	if stats && n.Stats != nil {
		n.Stats(b)
	}
	switch {
	case len(n.Inputs) == 1 && n.Stage != "OR":
		at := b.OpenDoc("inputStage")
		writeNode(b, n.Inputs[0], stats, depth+1)
		b.Close(at)
	case len(n.Inputs) > 0:
		arr := b.OpenArray("inputStages")
		for i, c := range n.Inputs {
			at := b.OpenDoc(bsonx.Index(i))
			writeNode(b, c, stats, depth+1)
			b.Close(at)
		}
		b.Close(arr)
	}
}

// shapeHash is a stable number of a filter's shape: its paths and operators.
func shapeHash(filter bsonx.Doc, key bool) string {
	h := fnv.New32a()
	shape(h, filter, 0)
	if key {
		_, _ = h.Write([]byte("key"))
	}
	const hex = "0123456789ABCDEF"
	n := h.Sum32()
	out := make([]byte, 8)
	for i := range out {
		out[i] = hex[n>>(28-4*i)&15]
	}
	return string(out)
}

func shape(w io.Writer, doc []byte, depth int) {
	if depth > bsonx.MaxDepth {
		return
	}
	for it := bsonx.NewIter(doc); it.Next(); {
		_, _ = w.Write(it.Key())
		if v := it.Value(); v.Type == bsonx.Object || v.Type == bsonx.Array {
			_, _ = w.Write([]byte{'{'})
			shape(w, v.Data, depth+1)
		}
	}
}

// explainTail writes what every explain ends with.
func (rq *Request) explainTail(b *bsonx.Builder) {
	c := b.OpenDoc("command")
	for it := bsonx.NewIter(rq.Body); it.Next(); {
		if k := string(it.Key()); k != "lsid" && k != "$clusterTime" && k != "explain" {
			b.Element(it.Element())
		}
	}
	if bsonx.IsMissing(bsonx.Lookup(rq.Body, "$db")) {
		b.String("$db", rq.DB)
	}
	b.Close(c)
	s := b.OpenDoc("serverInfo")
	b.String("host", rq.Services.Host.Hostname)
	b.Int32("port", 27017)
	b.String("version", version.MongoDB)
	b.String("gitVersion", rq.Services.Host.Version)
	b.Close(s)
	p := b.OpenDoc("serverParameters")
	b.Int32("internalQueryFacetBufferSizeBytes", int32(rq.Services.Params.Int64("internalQueryFacetBufferSizeBytes")))
	b.Int32("internalQueryFacetMaxOutputDocSizeBytes", 104857600)
	b.Int32("internalLookupStageIntermediateDocumentMaxSizeBytes", 104857600)
	b.Int32("internalDocumentSourceGroupMaxMemoryBytes", int32(rq.Services.Params.Int64("internalDocumentSourceGroupMaxMemoryBytes")))
	b.Int32("internalQueryMaxBlockingSortMemoryUsageBytes", int32(rq.Services.Params.Int64("internalQueryMaxBlockingSortMemoryUsageBytes")))
	b.Int32("internalQueryProhibitBlockingMergeOnMongoS", 0)
	b.Int32("internalQueryMaxAddToSetBytes", int32(rq.Services.Params.Int64("internalQueryMaxAddToSetBytes")))
	b.Int32("internalDocumentSourceSetWindowFieldsMaxMemoryBytes", int32(rq.Services.Params.Int64("internalDocumentSourceSetWindowFieldsMaxMemoryBytes")))
	b.String("internalQueryFrameworkControl", "trySbeRestricted")
	b.Int32("internalQueryPlannerIgnoreIndexWithCollationForRegex", 1)
	b.Close(p)
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
	src, err := rq.openSource(ctx)
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
	x := &explained{rq: rq, ns: t.ns(), plan: fp.plan}
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
	if fp.sort != nil {
		x.over("SORT", out, func(b *bsonx.Builder) {
			b.Doc("sortPattern", fp.sort)
			b.Int64("memLimit", 104857600)
			if f.limit > 0 {
				b.Int64("limitAmount", f.limit+f.skip)
			}
			b.String("type", "simple")
		})
	}
	if f.skip > 0 {
		x.over("SKIP", out, func(b *bsonx.Builder) { b.Int64("skipAmount", f.skip) })
	}
	if f.limit > 0 && fp.sort == nil {
		x.over("LIMIT", out, func(b *bsonx.Builder) { b.Int64("limitAmount", f.limit) })
	}
	switch {
	case f.returnKey:
		x.over("RETURN_KEY", out, nil)
	case fp.proj != nil:
		x.over(projectionStage(fp.plan, f.projection), out, func(b *bsonx.Builder) { b.Doc("transformBy", f.projection) })
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
	src, err := rq.openSource(ctx)
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
	x := &explained{rq: rq, ns: t.ns(), plan: p}
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
				x.root.Stage = "COUNT_SCAN"
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
	src, err := rq.openSource(ctx)
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
	x := &explained{rq: rq, ns: t.ns(), plan: p}
	x.base()
	if p != nil {
		if x.root.Stage == "IXSCAN" {
			if s, ok := p.Access.(*exec.IndexScan); ok && s.Distinct > 0 {
				x.root.Stage = "DISTINCT_SCAN"
			}
			x.over("PROJECTION_COVERED", func() int64 { return x.out }, nil)
		}
		x.open = func() (exec.Iterator, error) { return exec.NewCounter(q.rows(t, p, &x.st), &x.rows), nil }
	}
	return x.write(ctx, b, v)
}
