package project

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// maxDepth is how many components a path may have.
const maxDepth = 200

// parser compiles find's projection or the argument of $project.
type parser struct {
	Options
	root  node
	post  []post
	state state
	// what decides an undecided state
	idIn, idOut, slices, elemMatch, meta bool
	position                             bool
}

// state says whether the fields are included or excluded.
type state uint8

const (
	undecided state = iota
	including
	excluding
)

// Compile compiles find's projection or the argument of $project. An empty one
// keeps everything in find, and is an error (51272) in $project.
func Compile(spec bsonx.Doc, o Options) (*Projection, error) {
	p := parser{Options: o}
	if p.Scope == nil {
		p.Scope = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	err := p.compile(spec)
	if err == nil {
		return &Projection{root: &p.root, post: p.post}, nil
	}
	if !o.Find {
		e := *errcode.As(err)
		e.Message = "Invalid $project :: caused by :: " + e.Message
		return nil, &e
	}
	return nil, err
}

func (p *parser) compile(spec bsonx.Doc) error {
	if bsonx.IsEmpty(spec) && !p.Find {
		return errcode.New(errcode.Code(51272), "projection specification must have at least one field")
	}
	if err := p.document(nil, spec); err != nil {
		return err
	}
	if p.state == undecided {
		p.state = p.decide()
	}
	if p.state == including && p.root.find([]byte("_id")) < 0 {
		p.root.fields = append(p.root.fields, field{name: "_id", kind: keep})
	}
	p.root.finish(p.state == including)
	return nil
}

// decide is for projections that name no field but _id, and have no expression
// but find's own and $meta.
func (p *parser) decide() state {
	switch {
	case p.slices:
		if p.idIn {
			return including
		}
	case p.elemMatch, p.meta && !p.Find, p.idIn:
		return including
	}
	return excluding
}

func (p *parser) document(prefix []string, doc bsonx.Doc) error {
	for it := bsonx.NewIter(doc); it.Next(); {
		if err := p.element(prefix, string(it.Key()), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

// path joins a name, which may be dotted, to what it stands below.
func (p *parser) path(prefix []string, name string) ([]string, error) {
	parts, err := expr.SplitPath(name)
	if err != nil {
		return nil, err
	}
	if len(prefix)+len(parts) > maxDepth {
		return nil, errcode.New(errcode.Overflow, "FieldPath is too long")
	}
	return append(append([]string(nil), prefix...), parts...), nil
}

func (p *parser) element(prefix []string, name string, v bsonx.Value) error {
	positional := strings.HasSuffix(name, ".$")
	switch {
	case positional && !p.Find:
		return errcode.New(errcode.Code(31324), "Cannot use positional projection in aggregation projection")
	case strings.Contains(name, ".$."):
		return errcode.New(errcode.Code(31394), "As of 4.4, it's illegal to specify positional operator in the middle of a path."+
			"Positional projection may only be used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, remove the parts following the '$' and the results will be equivalent.")
	case v.Type == bsonx.Object && positional:
		return errcode.New(errcode.Code(31271), "positional projection cannot be used with an expression or sub object")
	case v.Type == bsonx.Object:
		return p.object(prefix, name, v)
	case v.Type == bsonx.Bool || bsonx.IsNumber(v):
		switch {
		case bsonx.Truthy(v) && positional:
			return p.positionalField(prefix, name)
		case bsonx.Truthy(v):
			return p.include(prefix, name)
		case positional:
			return errcode.New(errcode.Code(31395), "positional projection cannot be used with exclusion")
		}
		return p.exclude(prefix, name)
	case positional:
		return errcode.New(errcode.Code(31308), "positional projection cannot be used with a literal")
	}
	return p.literal(prefix, name, v)
}

// object is a sub-projection, or an expression.
func (p *parser) object(prefix []string, name string, v bsonx.Value) error {
	if bsonx.IsEmpty(v.Data) {
		return errcode.New(errcode.Code(51270), "An empty sub-projection is not a valid value. Found empty object at path %s", name)
	}
	path, err := p.path(prefix, name)
	if err != nil {
		return err
	}
	it := bsonx.NewIter(v.Data)
	it.Next()
	if op := string(it.Key()); strings.HasPrefix(op, "$") && bsonx.Len(v.Data) == 1 {
		return p.operator(path, op, v, it.Value())
	}
	if p.root.isLeaf(path) {
		return errcode.New(errcode.Code(31250), "Path collision at %s", dotted(path))
	}
	return p.document(path, v.Data)
}

func (p *parser) operator(path []string, op string, v, arg bsonx.Value) error {
	switch op {
	case "$elemMatch":
		if !p.Find {
			return errcode.New(errcode.InvalidPipelineOperator, "Cannot use $elemMatch in this context")
		}
		return p.elemMatchField(path, arg)
	case "$slice":
		if s, ok := findSlice(arg); ok && p.Find {
			return p.sliceField(path, s)
		}
	case "$meta":
		p.meta = true
	default:
		if !expr.IsOperator(op) {
			return errcode.New(errcode.Code(31325), "Unknown expression %s", op)
		}
	}
	if op != "$meta" {
		if p.state == excluding {
			return errcode.New(errcode.Code(31252), "Cannot use expression other than $meta in exclusion projection")
		}
		p.state = including
	}
	e, err := expr.Compile(v, p.Scope)
	if err != nil {
		return err
	}
	return p.root.add(path, field{kind: compute, expr: e})
}

func (p *parser) literal(prefix []string, name string, v bsonx.Value) error {
	e, err := expr.Compile(v, p.Scope)
	if err != nil {
		return err
	}
	path, err := p.path(prefix, name)
	if err != nil {
		return err
	}
	if err := p.root.add(path, field{kind: compute, expr: e}); err != nil {
		return err
	}
	if p.state == excluding {
		return errcode.New(errcode.Code(31310), "Cannot use an expression %s: %s in an exclusion projection", name, shortText(v))
	}
	p.state = including
	return nil
}

func (p *parser) include(prefix []string, name string) error {
	path, err := p.path(prefix, name)
	if err != nil {
		return err
	}
	if err := p.root.add(path, field{kind: keep}); err != nil {
		return err
	}
	if name == "_id" && len(prefix) == 0 {
		p.idIn = true
		return nil
	}
	return p.setIncluding(name)
}

func (p *parser) setIncluding(name string) error {
	if p.state == excluding {
		return errcode.New(errcode.Code(31253), "Cannot do inclusion on field %s in exclusion projection", name)
	}
	p.state = including
	return nil
}

func (p *parser) exclude(prefix []string, name string) error {
	path, err := p.path(prefix, name)
	if err != nil {
		return err
	}
	if err := p.root.add(path, field{kind: drop}); err != nil {
		return err
	}
	if name == "_id" && len(prefix) == 0 {
		p.idOut = true
		return nil
	}
	if p.state == including {
		return errcode.New(errcode.Code(31254), "Cannot do exclusion on field %s in inclusion projection", name)
	}
	p.state = excluding
	return nil
}

// matchOptions are for $elemMatch, in which nothing but conditions may stand.
func (p *parser) matchOptions() match.Options {
	o := match.Plain()
	o.Scope, o.Collation = p.Scope, p.Collation
	return o
}
