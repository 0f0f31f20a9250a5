// Package project compiles and applies projections: those of find (with $slice,
// $elemMatch, the positional "$" and $meta) and those of the stages $project,
// $addFields/$set and $unset (MongoDB manual, "Project Fields to Return from
// Query" and "$project").
package project

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// Options say how a projection is compiled.
type Options struct {
	// Find allows find's own forms: $slice, $elemMatch and "a.$".
	Find bool
	// Scope resolves the variables of expressions; nil is a new scope.
	Scope *expr.Scope
	// Filter is the command's filter, which "a.$" needs. May be nil.
	Filter *match.Filter
	// Collation compares strings in $elemMatch; nil compares bytes.
	Collation bsonx.Collator
}

// Projection is a compiled projection. It is immutable and safe for concurrent
// use.
type Projection struct{}

// Compile compiles find's projection or the argument of $project.
func Compile(spec bsonx.Doc, o Options) (*Projection, error) {
	return nil, errcode.New(errcode.NotImplemented, "projections are not there yet")
}

// CompileAddFields compiles the argument of $addFields or $set.
func CompileAddFields(spec bsonx.Doc, o Options) (*Projection, error) {
	return nil, errcode.New(errcode.NotImplemented, "projections are not there yet")
}

// CompileUnset compiles the argument of $unset: a path or an array of paths.
func CompileUnset(arg bsonx.Value, o Options) (*Projection, error) {
	return nil, errcode.New(errcode.NotImplemented, "projections are not there yet")
}

// CompileReplaceRoot compiles the argument of $replaceRoot.
func CompileReplaceRoot(arg bsonx.Value, o Options) (*Projection, error) {
	return nil, errcode.New(errcode.NotImplemented, "projections are not there yet")
}

// CompileReplaceWith compiles the argument of $replaceWith.
func CompileReplaceWith(arg bsonx.Value, o Options) (*Projection, error) {
	return nil, errcode.New(errcode.NotImplemented, "projections are not there yet")
}

// Apply returns the projected document in memory of its own. env.Root is set to
// doc; env.Arena is not reset.
func (p *Projection) Apply(env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	return p.AppendTo(nil, env, doc)
}

// AppendTo is Apply that appends to dst and returns the document alone: whoever
// is done with the previous document passes its memory as dst[:0].
func (p *Projection) AppendTo(dst []byte, env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	return doc, nil
}

// Fields returns the top-level fields that the result depends on. all is true
// when it may depend on any (an exclusion, $$ROOT, …).
func (p *Projection) Fields() (names []string, all bool) { return nil, true }

// IsInclusion reports whether the projection keeps only the fields it names.
func (p *Projection) IsInclusion() bool { return false }
