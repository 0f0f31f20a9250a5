package command

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/session"
)

var aggregateCommand = &Spec{
	Name: "aggregate",
	Args: idl.Command("aggregate",
		idl.Field{Name: "aggregate", Types: idl.Any, Required: true},
		idl.Field{Name: "pipeline", Types: idl.Array, Required: true, Elems: idl.Object},
		idl.Field{Name: "explain", Types: idl.SafeBool},
		strictTypes("aggregate", "allowDiskUse", idl.Bool),
		idl.Field{Name: "cursor", Types: idl.Object},
		strictHint, idl.Field{Name: "collation", Types: idl.Object},
		idl.Field{Name: "let", Types: idl.Object},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool},
		idl.Field{Name: "needsMerge", Types: idl.Bool}, idl.Field{Name: "fromMongos", Types: idl.Bool}, idl.Field{Name: "fromRouter", Types: idl.Bool},
		idl.Field{Name: "exchange", Types: idl.Object}, idl.Field{Name: "isMapReduceCommand", Types: idl.Bool},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "querySettings", Types: idl.Object},
		idl.Field{Name: "includeQueryStatsMetrics", Types: idl.Bool}, idl.Field{Name: "passthroughToShard", Types: idl.Object},
		idl.Field{Name: "encryptionInformation", Types: idl.Object}, idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.Bool},
		idl.Field{Name: "resumeAfter", Types: idl.Object}, idl.Field{Name: "requestResumeToken", Types: idl.Bool}),
	Flags:     Read | Snapshot | WriteConcern | TxnOK | APIv1,
	Privilege: forUsers(aggregateNeeds),
	Help:      "runs an aggregation pipeline",
	Run:       runAggregate,
}

// strictTypes takes values of these types only: a null is an error too.
func strictTypes(command, name string, types idl.TypeSet) idl.Field {
	return idl.Field{Name: name, Types: idl.Any, Check: func(v bsonx.Value) error {
		if !types.Has(v.Type) {
			return idl.WrongType(command+"."+name, v.Type, types)
		}
		return nil
	}}
}

// strictHint is aggregate's hint, whose directions are checked.
var strictHint = idl.Field{Name: "hint", Types: idl.Any, Check: func(v bsonx.Value) error {
	if err := checkHint(v); err != nil || v.Type != bsonx.Object {
		return err
	}
	return checkHintDirections(v.Data)
}}

// checkHintDirections: the values of a hint are what a key pattern may have.
func checkHintDirections(d bsonx.Doc) error {
	for it := bsonx.NewIter(d); it.Next(); {
		v := it.Value()
		if v.Type == bsonx.String {
			continue
		}
		if n, ok := bsonx.IntegralOK(v); !ok || n != 1 && n != -1 {
			return errcode.New(errcode.BadValue, "the hint's value for '%s' must be 1, -1 or an index type, but got %s", string(it.Key()), exec.Format(v))
		}
	}
	return nil
}

var aggregateCursorSpec = idl.New("aggregate.cursor", idl.Field{Name: "batchSize", Types: idl.Number})

// aggregateArgs are aggregate's arguments.
type aggregateArgs struct {
	ns             stage.Namespace
	pipeline       []bsonx.Doc
	hint           bsonx.Value
	collation, let bsonx.Doc
	allowDisk      bool
	explain        bool
}

// readAggregateArgs copies the arguments: a cursor outlives the message.
func (rq *Request) readAggregateArgs() (*aggregateArgs, error) {
	ns, err := rq.aggregateNamespace(rq.Args.At(0))
	if err != nil {
		return nil, err
	}
	a := &aggregateArgs{ns: ns, hint: bsonx.Clone(rq.Args.Get("hint")), collation: keep(rq.Args.Doc("collation")),
		let: keep(rq.Args.Doc("let")), allowDisk: rq.Args.Bool("allowDiskUse", true), explain: rq.Args.Bool("explain", false)}
	pipeline := append(bsonx.Arr(nil), rq.Args.Array("pipeline")...)
	for it := bsonx.NewIter(pipeline); it.Next(); {
		if it.Value().Type != bsonx.Object {
			return nil, errcode.New(errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		a.pipeline = append(a.pipeline, bsonx.Doc(it.Value().Data))
	}
	return a, nil
}

func (rq *Request) aggregateNamespace(v bsonx.Value) (stage.Namespace, error) {
	if bsonx.IsNumber(v) {
		if n, ok := bsonx.IntegralOK(v); (!ok || n != 1) && !nearlyOne(v) {
			return stage.Namespace{}, errcode.New(errcode.BadValue, "Invalid command format: the 'aggregate' field must specify a collection name or 1")
		}
		return stage.Namespace{DB: rq.DB}, nil
	}
	name, err := rq.Collection()
	return stage.Namespace{DB: rq.DB, Coll: name}, err
}

// nearlyOne: a decimal counts as the double that is nearest to it.
func nearlyOne(v bsonx.Value) bool {
	return v.Type == bsonx.Decimal128 && decimalDouble(v) == 1
}

// decimalDouble returns the double that is nearest to a decimal.
func decimalDouble(v bsonx.Value) float64 {
	h, l := bsonx.DecimalBits(v)
	f, err := strconv.ParseFloat(bson.NewDecimal128(h, l).String(), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return math.NaN()
	}
	return f
}

func runAggregate(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	a, err := rq.readAggregateArgs()
	if err != nil {
		return err
	}
	batch := -1
	if c := rq.Args.Get("cursor"); c.Type == bsonx.Object {
		var ca idl.Args
		if err := aggregateCursorSpec.Decode(c.Data, &ca); err != nil {
			return err
		}
		n := ca.Int64("batchSize", -1)
		if n < 0 && ca.Has("batchSize") {
			return errcode.New(errcode.BadValue, "cursor.batchSize must not be negative")
		}
		batch = int(min(n, 1<<31-1))
	} else if !a.explain {
		return errcode.New(errcode.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	if a.explain && rq.Args.Generic.Get(idl.WriteConcern).Type != bsonx.Missing {
		return errcode.New(errcode.FailedToParse, "Aggregate command does not support writeConcern with explain")
	}
	if a.explain {
		return rq.explainAggregate(ctx, b, a, queryPlanner)
	}
	if stage.IsChangeStream(a.pipeline) {
		return rq.watch(ctx, b, a, batch)
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	it, err := src.aggregate(ctx, a)
	if err != nil {
		src.close()
		return err
	}
	return rq.FirstBatch(ctx, b, session.NewCursor(a.ns.String(), &cursorRows{it, src}), batch, false)
}

// aggregate opens a pipeline.
func (s *source) aggregate(ctx context.Context, a *aggregateArgs) (exec.Iterator, error) {
	q, t, p, err := s.parseAggregate(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, d := range a.pipeline {
		q.wantKeys = q.wantKeys || bytes.Contains(d, []byte("indexKey"))
	}
	oc := q.open(a.ns)
	if t == nil {
		return p.Open(oc, (&exec.Nothing{}).Open(nil, &exec.Stats{}))
	}
	return q.pipeline(ctx, t, p, oc, a.hint, &exec.Stats{})
}

// parseAggregate resolves views and parses the whole pipeline. The target is nil
// for {aggregate: 1}.
func (s *source) parseAggregate(ctx context.Context, a *aggregateArgs) (*query, *target, *stage.Pipeline, error) {
	if a.ns.Coll == "" {
		q, err := s.newQuery(ctx, nil, a.collation, a.let)
		if err != nil {
			return nil, nil, nil, err
		}
		q.allowDisk = a.allowDisk
		p, err := stage.Parse(a.pipeline, q.parse(a.ns))
		return q, nil, p, err
	}
	t, err := s.target(ctx, a.ns.DB, a.ns.Coll)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := t.checkUUID(s.about.uuid); err != nil {
		return nil, nil, nil, err
	}
	if err := t.checkFusion(a.pipeline); err != nil {
		return nil, nil, nil, err
	}
	q, err := s.newQuery(ctx, t, a.collation, a.let)
	if err != nil {
		return nil, nil, nil, err
	}
	q.allowDisk, q.hint, q.hintFor = a.allowDisk, a.hint, a.ns
	pipeline, fromView := a.pipeline, 0
	if t.isView() {
		if _, err := stage.Parse(pipeline, q.parse(a.ns)); err != nil {
			return nil, nil, nil, err
		}
		if !q.given {
			q.setCollation(viewCollation(t))
		}
		base, stages, err := s.resolveView(ctx, t, q.coll, q.given)
		if err != nil {
			return nil, nil, nil, err
		}
		t, pipeline = base, append(append([]bsonx.Doc(nil), stages...), pipeline...)
		fromView = len(stages)
	}
	pc := q.parse(a.ns)
	pc.FromView = fromView
	p, err := stage.Parse(pipeline, pc)
	return q, t, p, err
}
