package command

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

var countCommand = &Spec{
	Name: "count",
	Args: idl.Command("count",
		idl.Field{Name: "count", Types: idl.Any, Required: true},
		idl.Field{Name: "query", Types: idl.Object},
		idl.Field{Name: "limit", Types: idl.Number | idl.Null, Check: countLimit}, nonNegative("skip"),
		hintField, idl.Field{Name: "collation", Types: idl.Object},
		idl.Field{Name: "fields", Types: idl.Any}, idl.Field{Name: "queryOptions", Types: idl.Object},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "encryptionInformation", Types: idl.Object}),
	Flags:     Read | APIv1,
	Privilege: onCollection(auth.Find),
	Help:      "how many documents match",
	Run:       runCount,
}

// countLimit: a negative limit counts as its absolute value, but the smallest
// long has none.
func countLimit(v bsonx.Value) error {
	if v.Type == bsonx.Null {
		return errcode.New(errcode.BadValue, "BSON field 'count.limit' must be a number, not null")
	}
	if idl.ToInt64(v) == -1<<63 {
		return errcode.New(errcode.BadValue, "Limit value for count cannot be min long")
	}
	return nil
}

type countArgs struct {
	name             string
	query, collation bsonx.Doc
	hint             bsonx.Value
	skip, limit      int64
}

func readCountArgs(name string, a *idl.Args) *countArgs {
	c := &countArgs{name: name, query: a.Doc("query"), collation: a.Doc("collation"), hint: a.Get("hint"),
		skip: a.Int64("skip", 0), limit: a.Int64("limit", 0)}
	if c.limit < 0 {
		c.limit = -c.limit
	}
	return c
}

func runCount(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if rq.ReadConcern.Level == "snapshot" && !rq.InTxn {
		return errcode.New(errcode.InvalidOptions, "Command count does not support read concern level snapshot outside of a transaction: use an aggregation with $count")
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	n, err := src.count(ctx, readCountArgs(name, &rq.Args))
	if err != nil {
		return err
	}
	if n > 1<<31-1 {
		b.Int64("n", n)
	} else {
		b.Int32("n", int32(n))
	}
	return nil
}

func (s *source) count(ctx context.Context, a *countArgs) (int64, error) {
	t, err := s.target(ctx, s.about.db, a.name)
	if err != nil {
		return 0, err
	}
	if err := t.checkUUID(s.about.uuid); err != nil {
		return 0, err
	}
	if t.isView() {
		return s.countView(ctx, t, a)
	}
	q, p, err := s.planCount(ctx, t, a)
	if err != nil || p == nil {
		return 0, err
	}
	if _, whole := p.Access.(*exec.CollScan); whole && p.Filter == nil {
		n, _, err := t.db.view.Count(t.coll.ID)
		return windowed(n, a.skip, a.limit), err
	}
	it := exec.NewWindow(q.rows(t, p, &exec.Stats{}), a.skip, a.limit)
	return countRows(ctx, it)
}

func (s *source) planCount(ctx context.Context, t *target, a *countArgs) (*query, *plan.Plan, error) {
	q, err := s.newQuery(ctx, t, a.collation, nil)
	if err != nil {
		return nil, nil, err
	}
	q.withoutNow()
	f, err := q.filter(a.query)
	if err == nil {
		err = specialTarget(t, f)
	}
	if err != nil {
		return nil, nil, err
	}
	if t.coll == nil {
		if a.hint.Type == bsonx.String || a.hint.Type == bsonx.Object && !bsonx.IsEmpty(a.hint.Data) && bsonx.IsMissing(bsonx.Lookup(a.hint.Data, "$natural")) {
			return q, nil, nil
		}
		return q, nil, nil
	}
	p, err := q.choose(ctx, t, &plan.Query{Filter: f, Vars: q.vars, Collation: q.coll, Hint: a.hint, Count: true})
	return q, p, err
}

// windowed is how many of n rows lie in a window.
func windowed(n, skip, limit int64) int64 {
	n = max(n-skip, 0)
	if limit > 0 {
		n = min(n, limit)
	}
	return n
}

func countRows(ctx context.Context, it exec.Iterator) (int64, error) {
	defer func() { _ = it.Close() }()
	for n := int64(0); ; n++ {
		if _, err := it.Next(ctx); err == io.EOF {
			return n, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// countView counts a view's documents by its pipeline.
func (s *source) countView(ctx context.Context, t *target, a *countArgs) (int64, error) {
	it, err := s.aggregate(ctx, viewCount(t, a))
	if err != nil {
		return 0, err
	}
	return countRows(ctx, exec.NewWindow(it, a.skip, a.limit))
}

// viewCount is the pipeline whose documents a count on a view counts.
func viewCount(t *target, a *countArgs) *aggregateArgs {
	return viewQuery(t, a.query, a.collation, a.hint)
}

// viewQuery is a filter on a view as a pipeline.
func viewQuery(t *target, query, collation bsonx.Doc, hint bsonx.Value) *aggregateArgs {
	ag := &aggregateArgs{ns: stage.Namespace{DB: t.db.name, Coll: t.name}, hint: hint, collation: collation, allowDisk: true}
	if notEmpty(query) != nil {
		b := bsonx.NewDoc(nil)
		b.Doc("$match", query)
		ag.pipeline = append(ag.pipeline, b.Done())
	}
	return ag
}
