// Package project compiles and applies projections: those of find (with $slice,
// $elemMatch, the positional "$" and $meta) and those of the stages $project,
// $addFields/$set, $unset and $replaceRoot (MongoDB manual, "Project Fields to
// Return from Query" and "$project").
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
type Projection struct {
	root    *node
	post    []post    // what find does to the projected document, in turn
	replace expr.Expr // of $replaceRoot; then there is nothing else
}

// Apply returns the projected document in memory of its own. env.Root is set to
// doc; env.Arena is not reset.
func (p *Projection) Apply(env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	return p.AppendTo(make([]byte, 0, len(doc)+64), env, doc)
}

// AppendTo is Apply that appends to dst and returns the document alone: whoever
// is done with the previous document passes its memory as dst[:0].
func (p *Projection) AppendTo(dst []byte, env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	env.Root = bsonx.DocValue(doc)
	if p.replace != nil {
		return p.replaceRoot(dst, env)
	}
	w := writer{env: env}
	w.b.Begin(dst)
	if err := w.fields(p.root, doc); err != nil {
		return nil, err
	}
	out := w.b.Done()
	for _, step := range p.post {
		var err error
		if out, err = step.apply(env, doc, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *Projection) replaceRoot(dst []byte, env *expr.Env) (bsonx.Doc, error) {
	v, err := p.replace.Eval(env)
	if err != nil {
		return nil, err
	}
	if v.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(40228),
			"'newRoot' expression must evaluate to an object, but resulting value was: %s. Type of resulting value: '%s'.",
			shortText(v), bsonx.TypeName(v.Type))
	}
	return append(dst, v.Data...)[len(dst):], nil
}

func shortText(v bsonx.Value) string {
	if v.Type == bsonx.Missing {
		return "MISSING"
	}
	if len(v.Data) > 1024 {
		return "(too long to show)"
	}
	return v.String()
}

// Fields returns the top-level fields that the result depends on. all is true
// when it may depend on any (an exclusion, an expression, …).
func (p *Projection) Fields() (names []string, all bool) {
	if p.root == nil || !p.root.inclusion || p.root.computed || len(p.post) > 0 {
		return nil, true
	}
	for _, f := range p.root.fields {
		if f.kind == keep || f.kind == sub {
			names = append(names, f.name)
		}
	}
	return names, false
}

// IsInclusion reports whether the projection keeps only the fields it names.
func (p *Projection) IsInclusion() bool { return p.root != nil && p.root.inclusion }

// NeedsFilter reports whether applying matches the filter again, for "a.$".
func (p *Projection) NeedsFilter() bool {
	for _, s := range p.post {
		if _, ok := s.(*positional); ok {
			return true
		}
	}
	return false
}
