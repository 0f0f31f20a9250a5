package command

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
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
	db    string
	ns    string
	query *plan.Query
	plan  *plan.Plan // nil: the namespace is not there
	st    exec.Stats
	rows  int64 // that passed the filter
	out   int64
	root  *plan.Node
	wraps []func(p *plan.Plan, n *plan.Node) *plan.Node
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

// over puts a stage on top, of the plan and of its rivals.
func (x *explained) over(stage string, returned func() int64, describe func(b *bsonx.Builder)) {
	x.overIf(func(*plan.Plan) string { return stage }, &plan.Node{Describe: describe, Returned: returned})
}

// overIf puts a stage on top of the plans for which name is not "".
func (x *explained) overIf(name func(p *plan.Plan) string, n *plan.Node) {
	wrap := func(p *plan.Plan, in *plan.Node) *plan.Node {
		stage := name(p)
		if stage == "" {
			return in
		}
		own := *n
		own.Stage, own.Inputs = stage, []*plan.Node{in}
		return &own
	}
	x.wraps = append(x.wraps, wrap)
	x.root = wrap(x.plan, x.root)
}

// write writes the whole reply.
func (x *explained) write(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	b.String("explainVersion", "1")
	if x.query != nil {
		b.String("queryShapeHash", fullHash(shapeOf(x.query)+x.ns+x.rq.Name))
	}
	if err := x.body(ctx, b, v); err != nil {
		return err
	}
	x.rq.explainTail(b)
	return nil
}

// fullHash is the 64 hexadecimal digits of a query's shape.
func fullHash(s string) string {
	return strings.ToUpper(fmt.Sprintf("%x", sha256.Sum256([]byte(s))))
}

func (x *explained) body(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	at := b.OpenDoc("queryPlanner")
	b.String("namespace", x.ns)
	q := x.query
	if q == nil {
		q = &plan.Query{}
	}
	filter := bsonx.EmptyDoc
	if q.Filter != nil {
		filter = plan.FilterDoc(q.Filter.Root())
	}
	b.Doc("parsedQuery", filter)
	b.Bool("indexFilterSet", q.FilterSet)
	shape, key := planHashes(q)
	b.String("queryHash", shape)
	b.String("planCacheShapeHash", shape)
	b.String("planCacheKey", key)
	b.Int32("optimizationTimeMillis", 0)
	for _, n := range []string{"maxIndexedOrSolutionsReached", "maxIndexedAndSolutionsReached", "maxScansToExplodeReached", "prunedSimilarIndexes"} {
		b.Bool(n, false)
	}
	w := b.OpenDoc("winningPlan")
	b.Bool("isCached", x.cached())
	writeNode(b, x.root, false, 0)
	b.Close(w)
	x.rejected(b)
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

// cached reports whether the plan cache has this plan.
func (x *explained) cached() bool {
	if x.plan == nil {
		return false
	}
	return x.rq.Services.plans.holds(x.db, x.plan.Query, x.plan.Identity())
}

func (x *explained) rejected(b *bsonx.Builder) {
	arr := b.OpenArray("rejectedPlans")
	if x.plan != nil {
		for i, r := range x.plan.Rejected {
			d := b.OpenDoc(bsonx.Index(i))
			b.Bool("isCached", false)
			var rows int64
			n := r.Tree(&exec.Stats{}, &rows)
			for _, wrap := range x.wraps {
				n = wrap(r, n)
			}
			writeNode(b, n, false, 0)
			b.Close(d)
		}
	}
	b.Close(arr)
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
	b.Bool("isCached", x.cached())
	writeNode(b, x.root, true, 0)
	b.Close(s)
	if v == allPlansExecution {
		arr := b.OpenArray("allPlansExecution")
		if x.plan != nil && x.plan.Trial != nil {
			n := 0
			for _, p := range append([]*plan.Plan{x.plan}, x.plan.Rejected...) {
				if p.Trial != nil {
					d := b.OpenDoc(bsonx.Index(n))
					writeTrial(b, p)
					b.Close(d)
					n++
				}
			}
		}
		b.Close(arr)
	}
	b.Close(at)
}

// writeTrial writes what a plan did in its trial.
func writeTrial(b *bsonx.Builder, p *plan.Plan) {
	t := p.Trial
	keys, docs := totals(t.Stats)
	b.Int32("nReturned", int32(t.Rows))
	b.Int32("executionTimeMillisEstimate", 0)
	b.Int32("totalKeysExamined", int32(keys))
	b.Int32("totalDocsExamined", int32(docs))
	b.Double("score", t.Score)
	at := b.OpenDoc("executionStages")
	writeNode(b, p.Tree(t.Stats, &t.Rows), true, 0)
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

// works of a stage: what it counts itself, else those of the stages under it; a
// sort works once more for each row that it yields.
func works(n *plan.Node, returned int64, depth int) int64 {
	total := returned + 1
	if n.Works != nil {
		total = max(n.Works(), total)
	}
	for _, in := range n.Inputs {
		r := int64(0)
		if in.Returned != nil {
			r = in.Returned()
		}
		w := works(in, r, depth+1)
		if n.Stage == "SORT" {
			w += returned + 1
		}
		total = max(total, w)
	}
	return total
}

// writeNode writes a stage and those under it. A plan is a few stages deep.
func writeNode(b *bsonx.Builder, n *plan.Node, stats bool, depth int) {
	b.String("stage", n.Stage)
	if n.Filter != nil {
		b.Doc("filter", n.Filter)
	}
	if stats {
		writeWork(b, n)
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

// writeWork writes the counts that every stage has.
func writeWork(b *bsonx.Builder, n *plan.Node) {
	returned := int64(0)
	if n.Returned != nil {
		returned = n.Returned()
	}
	w := works(n, returned, 0)
	eof := int32(1)
	if n.EOF != nil && !n.EOF() {
		eof = 0
		w = max(w-1, returned)
	}
	b.Int32("nReturned", int32(returned))
	b.Int32("executionTimeMillisEstimate", 0)
	b.Int32("works", int32(w))
	b.Int32("advanced", int32(returned))
	b.Int32("needTime", int32(max(w-returned-int64(eof), 0)))
	b.Int32("needYield", 0)
	b.Int32("saveState", 0)
	b.Int32("restoreState", 0)
	b.Int32("isEOF", eof)
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
