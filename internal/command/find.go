package command

import (
	"bytes"
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/project"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/session"
)

// strictObject takes a document and, unlike most arguments, no null.
func strictObject(command, name string) idl.Field {
	return idl.Field{Name: name, Types: idl.Any, Check: func(v bsonx.Value) error {
		if v.Type != bsonx.Object {
			return idl.WrongType(command+"."+name, v.Type, idl.Object)
		}
		return nil
	}}
}

// nonNegative takes a number that is not below zero.
func nonNegative(name string) idl.Field {
	return idl.Field{Name: name, Types: idl.Number, Check: func(v bsonx.Value) error {
		if n := idl.ToInt64(v); n < 0 {
			return errcode.New(errcode.BadValue, "BSON field '%s' value must be >= 0, actual value '%d'", name, n)
		}
		return nil
	}}
}

var findCommand = &Spec{
	Name: "find",
	Args: idl.Command("find",
		idl.Field{Name: "find", Types: idl.Any, Required: true},
		strictObject("find", "filter"),
		idl.Field{Name: "projection", Types: idl.Object},
		idl.Field{Name: "sort", Types: idl.Object},
		hintField,
		nonNegative("skip"), nonNegative("limit"), nonNegative("batchSize"), nonNegative("ntoreturn"),
		idl.Field{Name: "singleBatch", Types: idl.SafeBool},
		idl.Field{Name: "max", Types: idl.Object}, idl.Field{Name: "min", Types: idl.Object},
		idl.Field{Name: "returnKey", Types: idl.SafeBool}, idl.Field{Name: "showRecordId", Types: idl.SafeBool},
		idl.Field{Name: "tailable", Types: idl.SafeBool}, idl.Field{Name: "awaitData", Types: idl.SafeBool},
		idl.Field{Name: "oplogReplay", Types: idl.SafeBool}, idl.Field{Name: "noCursorTimeout", Types: idl.SafeBool},
		idl.Field{Name: "allowPartialResults", Types: idl.SafeBool}, idl.Field{Name: "mirrored", Types: idl.SafeBool},
		idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "allowDiskUse", Types: idl.SafeBool},
		idl.Field{Name: "let", Types: idl.Object}, idl.Field{Name: "options", Types: idl.Object},
		idl.Field{Name: "term", Types: idl.Int64}, idl.Field{Name: "resumeAfter", Types: idl.Object},
		idl.Field{Name: "startAt", Types: idl.Object}, idl.Field{Name: "requestResumeToken", Types: idl.SafeBool},
		idl.Field{Name: "includeQueryStatsMetrics", Types: idl.Bool}, idl.Field{Name: "querySettings", Types: idl.Object},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "encryptionInformation", Types: idl.Object}),
	Flags:     Read | Snapshot | TxnOK | APIv1,
	Privilege: onCollection(auth.Find),
	Help:      "documents of a collection that match a filter",
	OpKind:    "query",
	Run:       runFind,
}

// findArgs are find's arguments, as explain gives them too.
type findArgs struct {
	name                              string
	filter, projection, sort          bsonx.Doc
	hint                              bsonx.Value
	min, max, collation, let          bsonx.Doc
	skip, limit                       int64
	returnKey, showRecordID, tailable bool
	awaitData, allowDisk              bool
}

func readFindArgs(name string, a *idl.Args) (*findArgs, error) {
	f := &findArgs{name: name, filter: keep(a.Doc("filter")), projection: keep(a.Doc("projection")), sort: keep(a.Doc("sort")),
		hint: bsonx.Clone(a.Get("hint")), min: keep(notEmpty(a.Doc("min"))), max: keep(notEmpty(a.Doc("max"))),
		collation: keep(a.Doc("collation")), let: keep(a.Doc("let")),
		skip: a.Int64("skip", 0), limit: a.Int64("limit", 0),
		returnKey: a.Bool("returnKey", false), showRecordID: a.Bool("showRecordId", false),
		tailable: a.Bool("tailable", false), awaitData: a.Bool("awaitData", false), allowDisk: a.Bool("allowDiskUse", true)}
	switch {
	case f.awaitData && !f.tailable:
		return nil, errcode.New(errcode.FailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	case f.tailable && notEmpty(f.sort) != nil && !forwardNatural(f.sort):
		return nil, errcode.New(errcode.BadValue, "cannot use tailable option with a sort other than {$natural: 1}")
	case f.tailable && a.Bool("singleBatch", false):
		return nil, errcode.New(errcode.BadValue, "Cannot use tailable option with the 'singleBatch' option")
	}
	return f, nil
}

// forwardNatural: {$natural: 1} is the order that a tailable cursor has anyway.
func forwardNatural(sort bsonx.Doc) bool {
	return bsonx.Len(sort) == 1 && bsonx.Equal(bsonx.Lookup(sort, "$natural"), bsonx.Int32Value(1))
}

// keep copies a document of the message for a cursor, which outlives it.
func keep(d bsonx.Doc) bsonx.Doc {
	if d == nil {
		return nil
	}
	return append(make(bsonx.Doc, 0, len(d)), d...)
}

func notEmpty(d bsonx.Doc) bsonx.Doc {
	if bsonx.IsEmpty(d) {
		return nil
	}
	return d
}

func runFind(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if name[0] == '$' {
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified '%s'", rq.NS(name))
	}
	f, err := readFindArgs(name, &rq.Args)
	if err != nil {
		return err
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	var st exec.Stats
	it, t, err := src.find(ctx, f, &st)
	if err != nil {
		src.close()
		return err
	}
	c := session.NewCursor(t.ns(), &cursorRows{it, src})
	c.NoTimeout = rq.Args.Bool("noCursorTimeout", false)
	if f.tailable && t.coll != nil {
		if rq.snapshotTime != 0 {
			_ = c.Close()
			return errcode.New(errcode.InvalidOptions, "a tailable cursor does not support readConcern level 'snapshot'")
		}
		c = src.tailCursor(t, f, it, &st)
	}
	batch := int(min(rq.Args.Int64("batchSize", -1), 1<<31-1))
	return rq.FirstBatch(ctx, b, c, batch, rq.Args.Bool("singleBatch", false))
}

// find opens the rows of a find.
func (s *source) find(ctx context.Context, f *findArgs, st *exec.Stats) (exec.Iterator, *target, error) {
	t, err := s.target(ctx, s.about.db, f.name)
	if err != nil {
		return nil, nil, err
	}
	if err := t.checkUUID(s.about.uuid); err != nil {
		return nil, nil, err
	}
	if t.isView() {
		it, err := s.findView(ctx, t, f)
		return it, t, err
	}
	fp, err := s.planFind(ctx, t, f)
	if err != nil {
		return nil, nil, err
	}
	it, err := fp.open(st)
	return it, t, err
}

// findView runs a find on a view as the pipeline that it means.
func (s *source) findView(ctx context.Context, t *target, f *findArgs) (exec.Iterator, error) {
	a, err := viewFind(t, f)
	if err != nil {
		return nil, err
	}
	return s.aggregate(ctx, a)
}

// viewFind is the pipeline that a find on a view means.
func viewFind(t *target, f *findArgs) (*aggregateArgs, error) {
	if !bsonx.IsMissing(bsonx.Lookup(f.sort, "$natural")) {
		return nil, errcode.New(errcode.InvalidPipelineOperator, "$natural sort is not supported on a view")
	}
	for _, o := range []struct {
		set  bool
		name string
	}{{f.tailable, "tailable"}, {f.returnKey, "returnKey"}, {f.showRecordID, "showRecordId"}, {f.min != nil, "min"}, {f.max != nil, "max"}} {
		if o.set {
			return nil, errcode.New(errcode.InvalidPipelineOperator, "Option %s not supported on view %s", o.name, t.ns())
		}
	}
	a := &aggregateArgs{ns: stage.Namespace{DB: t.db.name, Coll: t.name}, hint: f.hint, collation: f.collation, let: f.let, allowDisk: f.allowDisk}
	add := func(name string, v bsonx.Value) {
		b := bsonx.NewDoc(nil)
		b.Value(name, v)
		a.pipeline = append(a.pipeline, b.Done())
	}
	if notEmpty(f.filter) != nil {
		add("$match", bsonx.DocValue(f.filter))
	}
	if notEmpty(f.sort) != nil {
		add("$sort", bsonx.DocValue(f.sort))
	}
	if f.skip > 0 {
		add("$skip", bsonx.Int64Value(f.skip))
	}
	if f.limit > 0 {
		add("$limit", bsonx.Int64Value(f.limit))
	}
	if notEmpty(f.projection) != nil {
		for it := bsonx.NewIter(f.projection); it.Next(); {
			if v := it.Value(); v.Type == bsonx.Object && !bsonx.IsMissing(bsonx.Lookup(v.Data, "$elemMatch")) {
				return nil, errcode.New(errcode.InvalidPipelineOperator, "Unrecognized expression '$elemMatch'")
			}
		}
		add("$project", bsonx.DocValue(f.projection))
	}
	return a, nil
}

// findPlan is a planned find.
type findPlan struct {
	q    *query
	t    *target
	args *findArgs
	plan *plan.Plan // nil: the collection is not there
	// query is what was planned.
	query *plan.Query
	proj  *project.Projection
	sort  bsonx.Doc // left to be done after the plan
	// counted, if set, counts the rows that pass the filter (explain).
	counted *int64
}

func (s *source) planFind(ctx context.Context, t *target, f *findArgs) (*findPlan, error) {
	q, err := s.newQuery(ctx, t, f.collation, f.let)
	if err != nil {
		return nil, err
	}
	q.allowDisk = f.allowDisk
	filter, err := q.filter(f.filter)
	if err != nil {
		return nil, err
	}
	fp := &findPlan{q: q, t: t, args: f}
	pq := &plan.Query{Filter: filter, Vars: q.vars, Collation: q.coll, Hint: f.hint, Min: f.min, Max: f.max, NeedKeys: f.returnKey, All: true}
	if err := fp.compileSort(pq); err != nil {
		return nil, err
	}
	if notEmpty(f.projection) != nil {
		fp.proj, err = project.Compile(f.projection, project.Options{Find: true, Scope: q.scope, Filter: filter, Collation: q.coll})
		if err != nil {
			return nil, err
		}
		pq.Projection = f.projection
		pq.Needed, pq.All = coverPaths(f.projection)
	}
	if err := specialTarget(t, filter); err != nil {
		return nil, err
	}
	fp.query = pq
	if t.coll == nil { // nothing to plan; a hint is not looked at
		return fp, nil
	}
	if f.tailable && t.entry.Type == catalog.TypeTimeseries {
		return nil, errcode.New(errcode.InvalidPipelineOperator, "Option tailable not supported on view %s", t.ns())
	}
	if f.tailable && !t.coll.Capped {
		return nil, errcode.New(errcode.BadValue, "error processing query: ns=%s tailable cursor requested on non capped collection", t.ns())
	}
	if f.limit > 0 {
		pq.Limit = f.limit + f.skip
	}
	if fp.plan, err = q.choose(ctx, t, pq); err != nil {
		return nil, err
	}
	q.wantSortKey = bytes.Contains(f.projection, []byte("sortKey"))
	q.wantKeys = f.returnKey || bytes.Contains(f.projection, []byte("indexKey"))
	if fp.plan.Sorted && pq.Sort != nil {
		fp.sort = nil
	}
	return fp, nil
}

// compileSort checks the sort and gives the planner what it can serve.
func (fp *findPlan) compileSort(pq *plan.Query) error {
	f := fp.args
	if notEmpty(f.sort) == nil {
		return nil
	}
	if n := bsonx.Lookup(f.sort, "$natural"); !bsonx.IsMissing(n) {
		if bsonx.Len(f.sort) != 1 {
			return errcode.New(errcode.BadValue, "$natural sort cannot be combined with other sort fields")
		}
		i, ok := bsonx.IntegralOK(n)
		if !ok || i != 1 && i != -1 {
			return errcode.New(errcode.BadValue, "$natural sort must be 1 or -1, but got %s", exec.Format(n))
		}
		if f.hint.Type != bsonx.Missing && !(f.hint.Type == bsonx.Object && !bsonx.IsMissing(bsonx.Lookup(f.hint.Data, "$natural"))) {
			return errcode.New(errcode.BadValue, "$natural sort cannot be set to a value other than -1 or 1 with a hint on an index")
		}
		if f.hint.Type == bsonx.Missing {
			pq.Hint = bsonx.DocValue(f.sort)
		}
		return nil
	}
	if _, err := stage.CompileSort(f.sort, fp.q.coll); err != nil {
		return err
	}
	for it := bsonx.NewIter(f.sort); it.Next(); {
		if !bsonx.IsNumber(it.Value()) {
			fp.sort = f.sort // by $meta: no index has it
			return nil
		}
	}
	pq.Sort, fp.sort = f.sort, f.sort
	return nil
}

// coverPaths returns the paths that a projection keeps, if it is a plain
// inclusion that an index could cover.
func coverPaths(p bsonx.Doc) (paths []string, all bool) {
	id := true
	for it := bsonx.NewIter(p); it.Next(); {
		v := it.Value()
		k := string(it.Key())
		if !bsonx.IsNumber(v) && v.Type != bsonx.Bool {
			return nil, true
		}
		if k == "_id" && !bsonx.Truthy(v) {
			id = false
			continue
		}
		if !bsonx.Truthy(v) {
			return nil, true
		}
		if k != "_id" {
			paths = append(paths, k)
		}
	}
	if id {
		paths = append(paths, "_id")
	}
	return paths, len(paths) == 0
}

// open runs the plan: rows, sort, window, projection.
func (fp *findPlan) open(st *exec.Stats) (exec.Iterator, error) {
	f := fp.args
	if fp.plan == nil {
		return (&exec.Nothing{}).Open(nil, st), nil
	}
	it := fp.q.rows(fp.t, fp.plan, st)
	if fp.counted != nil {
		it = exec.NewCounter(it, fp.counted)
	}
	if fp.sort != nil {
		limit := int64(0)
		if f.limit > 0 {
			limit = f.limit + f.skip
		}
		var err error
		if it, err = fp.q.sorted(it, stage.Namespace{DB: fp.t.db.name, Coll: fp.t.name}, fp.sort, limit); err != nil {
			return nil, err
		}
	}
	it = exec.NewWindow(it, f.skip, f.limit)
	switch {
	case f.returnKey:
		it = exec.NewMap(it, keyOnly)
	case fp.proj != nil:
		it = exec.NewProject(it, fp.proj, fp.q.env())
	}
	if f.showRecordID {
		it = exec.NewMap(it, withRecordID)
	}
	return it, nil
}

// keyOnly is returnKey: the index key that the row was found by, {} without one.
func keyOnly(r exec.Row) (exec.Row, error) {
	r.Doc = bsonx.EmptyDoc
	if r.Meta != nil && r.Meta.IndexKey.Type == bsonx.Object {
		r.Doc = r.Meta.IndexKey.Data
	}
	return r, nil
}

// withRecordID adds $recordId: a number that is the row's own.
func withRecordID(r exec.Row) (exec.Row, error) {
	b := bsonx.NewDoc(make([]byte, 0, len(r.Doc)+24))
	for it := bsonx.NewIter(r.Doc); it.Next(); {
		b.Element(it.Element())
	}
	b.Int64("$recordId", recordID(r.Key))
	r.Doc = b.Done()
	return r, nil
}

// recordID makes a stable number of a row key.
func recordID(key []byte) int64 {
	if len(key) == 8 {
		n := int64(0)
		for _, c := range key {
			n = n<<8 | int64(c)
		}
		return n
	}
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return int64(h >> 1)
}
