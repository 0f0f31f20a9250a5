// Package match compiles filters (MongoDB manual, "Query and Projection
// Operators") to a tree, and matches raw documents against it without decoding
// them: for a filter of plain comparisons nothing is allocated.
//
// The planner reads the tree (Filter.Root); its node types are exported for
// that. A tree does not change once it is compiled.
package match

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// Options say what a filter may hold and how it compares.
type Options struct {
	// Scope resolves the variables of $expr. Nil stands for a new scope under
	// Collation.
	Scope *expr.Scope
	// Collation compares strings; nil compares bytes.
	Collation bsonx.Collator
	// NoText, NoNear, NoExpr, NoSchema and NoWhere refuse $text,
	// $near/$nearSphere, $expr, $jsonSchema and $where: each is the error to
	// return, or nil.
	NoText, NoNear, NoExpr, NoSchema, NoWhere error
}

// Plain returns options that refuse what only the filter of a command may hold.
func Plain() Options {
	return Options{
		NoExpr:   errcode.New(errcode.QueryFeatureNotAllowed, "$expr is not allowed in this context"),
		NoSchema: errcode.New(errcode.QueryFeatureNotAllowed, "$jsonSchema is not allowed in this context"),
		NoText:   bad("$text is not allowed in this context"),
		NoWhere:  bad("$where is not allowed in this context"),
		NoNear: errcode.New(errcode.Code(5626500), "$geoNear, $near, and $nearSphere are not allowed in this context, "+
			"as these operators require sorting geospatial data. If you do not need sort, consider using $geoWithin instead."),
	}
}

// Filter is a compiled filter. It is immutable and safe for concurrent use.
type Filter struct {
	root Node
	coll bsonx.Collator
	need needs
	spec bsonx.Doc
}

// Spec returns what the filter was compiled from.
func (f *Filter) Spec() bsonx.Doc { return f.spec }

// needs are facts about the whole tree.
type needs struct {
	text   *Text
	near   *Geo
	where  bool
	expr   bool
	schema bool
}

// Plain returns the error with which Options of the function Plain would have
// refused the filter, or nil.
func (f *Filter) Plain() error {
	o := Plain()
	switch {
	case f.need.expr:
		return o.NoExpr
	case f.need.schema:
		return o.NoSchema
	case f.need.text != nil:
		return o.NoText
	case f.need.where:
		return o.NoWhere
	case f.need.near != nil:
		return o.NoNear
	}
	return nil
}

// Root returns the simplified tree: True for a filter that matches all.
func (f *Filter) Root() Node { return f.root }

// Rest returns the filter with only some of its top-level conditions, for a plan
// that has decided the others. There is at least one.
func (f *Filter) Rest(nodes []Node) *Filter {
	rest := *f
	rest.root = &And{Nodes: nodes}
	if len(nodes) == 1 {
		rest.root = nodes[0]
	}
	return &rest
}

// Collation returns the collation that the filter was compiled with; may be nil.
func (f *Filter) Collation() bsonx.Collator { return f.coll }

// MatchesAll reports whether the filter matches every document.
func (f *Filter) MatchesAll() bool { _, ok := f.root.(*True); return ok }

// Text returns the filter's $text, or nil.
func (f *Filter) Text() *Text { return f.need.text }

// Near returns the filter's $near or $nearSphere, or nil. It sorts the results
// by distance, which is the planner's and executor's part.
func (f *Filter) Near() *Geo { return f.need.near }

// HasExpr reports whether some part of the filter is an $expr.
func (f *Filter) HasExpr() bool { return f.need.expr }

// Matches reports whether doc matches. env is needed by $expr and may be nil
// without it; env.Root is set. Errors come from $expr ($divide by zero, …),
// regular expressions that run out of their limits, and JavaScript.
func (f *Filter) Matches(env *expr.Env, doc bsonx.Doc) (bool, error) {
	return f.root.match(env, doc, nil)
}

// MatchesAt is Matches that also says at which array element the filter matched,
// for the positional operator "$". pos is empty when no array was gone through
// implicitly; otherwise its only element is the index within the outermost such
// array, of the last condition that went through one.
func (f *Filter) MatchesAt(env *expr.Env, doc bsonx.Doc) (ok bool, pos []int, err error) {
	d := details{pos: -1}
	ok, err = f.root.match(env, doc, &d)
	if ok && err == nil && d.pos >= 0 {
		pos = []int{d.pos}
	}
	return ok, pos, err
}

// details collects the position for "$".
type details struct{ pos int }

// ElemMatch is a compiled $elemMatch, apart from any path.
type ElemMatch struct{ find finder }

// CompileElemMatch compiles the argument of $elemMatch, for projections.
func CompileElemMatch(arg bsonx.Value, o Options) (*ElemMatch, error) {
	n, err := elemMatch(newCompiler(o), operand{name: "$elemMatch", Value: arg})
	if err != nil {
		return nil, err
	}
	return &ElemMatch{find: n.(finder)}, nil
}

// Find returns the index of the first element of an array that matches, or -1.
func (e *ElemMatch) Find(env *expr.Env, array bsonx.Value) (int, error) {
	return e.find.find(env, array)
}
