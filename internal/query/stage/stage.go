// Package stage is the aggregation pipeline: every stage in a file of its own
// or with its family, and one table that names them all. A pipeline is parsed
// once (Parse), optimized, and then opened over an iterator of rows as often as
// needed.
package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/match"
)

// Stage is one parsed stage. It is immutable and safe for concurrent use.
type Stage interface {
	// Name returns the stage's name with its dollar sign.
	Name() string
	// Open puts the stage behind in. A stage that makes its own documents
	// closes in. Errors of evaluation come from the iterator.
	Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error)
	// Spec returns the stage's argument as explain and views show it.
	Spec() bsonx.Value
}

// Pipeline is a parsed and optimized pipeline: immutable, safe for concurrent
// use.
type Pipeline struct {
	stages  []Stage
	pc      *ParseContext
	noFacet string // a stage that may not be in $facet, at any depth
}

// Parse parses and checks a pipeline, and optimizes it. Its errors are
// MongoDB's.
func Parse(pipeline []bsonx.Doc, pc *ParseContext) (*Pipeline, error) {
	return parse(pipeline, pc)
}

// Stages returns the stages after optimization. The slice must not be changed.
func (p *Pipeline) Stages() []Stage { return p.stages }

// From returns the pipeline without its first n stages.
func (p *Pipeline) From(n int) *Pipeline {
	return &Pipeline{stages: p.stages[n:], pc: p.pc}
}

// To returns the pipeline's first n stages.
func (p *Pipeline) To(n int) *Pipeline {
	return &Pipeline{stages: p.stages[:n], pc: p.pc}
}

// Open puts the stages behind in and returns the last one's iterator, which
// closes all when it is closed. On an error in is closed.
func (p *Pipeline) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	for _, s := range p.stages {
		out, err := s.Open(oc, in)
		if err != nil {
			in.Close()
			return nil, err
		}
		in = out
	}
	return in, nil
}

// Watched is what a stage of a pipeline that Watch opened has done so far.
type Watched struct {
	Used Usage
	Rows int64 // that it has yielded
}

// Watch is Open that counts what each stage does, for explain.
func (p *Pipeline) Watch(oc *OpenContext, in exec.Iterator) (exec.Iterator, []*Watched, error) {
	seen := make([]*Watched, len(p.stages))
	for i, s := range p.stages {
		w := &Watched{}
		seen[i] = w
		own := *oc
		own.Memory.Used = &w.Used
		out, err := s.Open(&own, in)
		if err != nil {
			in.Close()
			return nil, nil, err
		}
		in = exec.NewCounter(out, &w.Rows)
	}
	return in, seen, nil
}

// Prefix is the front of a pipeline that a planner can serve from indexes.
type Prefix struct {
	// Filter is that of the leading $match; nil when there is none. Compiled is
	// the same, compiled in the pipeline's own scope: what it reads of variables
	// is in OpenContext.Vars.
	Filter   bsonx.Doc
	Compiled *match.Filter
	// Sort is a $sort that follows at once; nil when there is none.
	Sort bsonx.Doc
	// Skip and Limit follow at once; a Limit of 0 is none.
	Skip, Limit int64
	// Needed are the fields (dotted paths) that the pipeline reads, its
	// filter and sort included; nil when it needs whole documents.
	Needed []string
	// Distinct is the path whose values the pipeline groups by, after its filter,
	// without looking at anything else: one document for each value will do.
	Distinct string
	// AfterFilter, AfterSort and AfterLimit are what Pipeline.From takes when
	// the planner serves the filter; also the sort; also skip and limit.
	AfterFilter, AfterSort, AfterLimit int
}
