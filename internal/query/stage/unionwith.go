package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
)

// unionStage is $unionWith: the documents so far, then those of another
// collection through a pipeline of their own.
type unionStage struct {
	named
	ns Namespace
	p  *Pipeline
}

func parseUnionWith(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	s := &unionStage{named: name("$unionWith", arg)}
	var docs []bsonx.Doc
	var from bsonx.Value
	switch arg.Type {
	case bsonx.String:
		from = arg
	case bsonx.Object:
		var a idl.Args
		if err := unionSpec().Decode(bsonx.Doc(arg.Data), &a); err != nil {
			return nil, err
		}
		docs = a.Docs(nil, "pipeline")
		from = unionFrom(&a)
	default:
		return nil, errcode.New(errcode.FailedToParse, "the $unionWith stage specification must be an object or string, but found %s", bsonx.TypeName(arg.Type))
	}
	var err error
	if s.ns, err = sourceOf(from, docs, "$unionWith", "coll", pc); err != nil {
		return nil, err
	}
	s.p, err = parse(docs, pc.child(inUnion, s.ns))
	return one(s, err)
}

func unionSpec() *idl.Spec {
	return idl.New("$unionWith",
		idl.Field{Name: "coll", Types: idl.String},
		idl.Field{Name: "db", Types: idl.String},
		idl.Field{Name: "pipeline", Types: idl.Array, Elems: idl.Object})
}

// unionFrom returns coll, or {db, coll} when there is a db.
func unionFrom(a *idl.Args) bsonx.Value {
	if !a.Has("db") {
		return a.Get("coll")
	}
	b := bsonx.NewDoc(nil)
	b.Value("db", a.Get("db"))
	b.Value("coll", a.Get("coll"))
	return bsonx.DocValue(b.Done())
}

// sourceOf returns the namespace that a sub-pipeline reads: the one that is
// given, or none for a pipeline that begins with $documents.
func sourceOf(from bsonx.Value, docs []bsonx.Doc, stage, field string, pc *ParseContext) (Namespace, error) {
	makes := len(docs) > 0 && bsonx.Lookup(docs[0], "$documents").Type != bsonx.Missing
	if from.Type == bsonx.Missing {
		if !makes {
			return Namespace{}, errcode.New(errcode.FailedToParse, "%s stage without explicit collection must have a pipeline with $documents as first stage", stage)
		}
		return Namespace{DB: pc.NS.DB}, nil
	}
	ns, err := namespaceOf(from, stage, field, pc)
	if err == nil && makes {
		err = errcode.New(errcode.InvalidNamespace, "'$documents' can only be run with {aggregate: 1}")
	}
	return ns, err
}

func (s *unionStage) pipelines() []*Pipeline  { return []*Pipeline{s.p} }
func (s *unionStage) namespaces() []Namespace { return []Namespace{s.ns} }

func (s *unionStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &unionIter{s: s, oc: oc, in: in}, nil
}

type unionIter struct {
	s      *unionStage
	oc     *OpenContext
	in     exec.Iterator
	second bool
}

func (it *unionIter) Next(ctx context.Context) (exec.Row, error) {
	r, err := it.in.Next(ctx)
	if err != io.EOF || it.second {
		return r, err
	}
	it.second = true
	if err := it.in.Close(); err != nil {
		return exec.Row{}, err
	}
	it.in = Empty{}
	in, err := runOn(ctx, it.oc, it.s.ns, it.s.p)
	if err != nil {
		return exec.Row{}, err
	}
	it.in = in
	return it.in.Next(ctx)
}

func (it *unionIter) Close() error {
	it.second = true
	err := it.in.Close()
	it.in = Empty{}
	return err
}

// runOn opens a sub-pipeline over a namespace; over nothing when the pipeline
// makes its own documents.
func runOn(ctx context.Context, oc *OpenContext, ns Namespace, p *Pipeline) (exec.Iterator, error) {
	if ns.Coll == "" {
		return p.Open(oc, Empty{})
	}
	return oc.Collections.Run(ctx, oc, ns, p)
}
