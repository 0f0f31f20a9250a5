package project

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// maxDepth is how deep a specification may be nested.
const maxDepth = 200

// parser compiles find's projection or the argument of $project.
type parser struct {
	Options
	root  node
	post  []post
	state state
	// of _id, which may differ from the rest
	idIn, idOut         bool
	position, elemMatch bool
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
	if bsonx.IsEmpty(spec) && !o.Find {
		return nil, errcode.New(errcode.Code(51272), "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	p := parser{Options: o}
	if p.Scope == nil {
		p.Scope = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	if err := p.document("", spec, 0); err != nil {
		return nil, err
	}
	if p.state == undecided {
		p.state = excluding
		if p.idIn || p.elemMatch {
			p.state = including
		}
	}
	if err := p.settle(); err != nil {
		return nil, err
	}
	p.root.finish(p.state == including)
	return &Projection{root: &p.root, post: p.post, stage: "$project"}, nil
}

// settle adds what an inclusion implies: _id, and the fields that $slice works
// on. (An exclusion keeps them anyway.)
func (p *parser) settle() error {
	if p.state == excluding {
		return nil
	}
	if p.root.find([]byte("_id")) < 0 {
		p.root.fields = append(p.root.fields, field{name: "_id", kind: keep})
	}
	return nil
}

func (p *parser) document(prefix string, doc bsonx.Doc, depth int) error {
	if depth > maxDepth {
		return errcode.New(errcode.Overflow, "the projection is nested more than %d levels deep", maxDepth)
	}
	for it := bsonx.NewIter(doc); it.Next(); {
		path := prefix + string(it.Key())
		if err := p.element(path, it.Value(), depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) element(path string, v bsonx.Value, depth int) error {
	positional := strings.HasSuffix(path, ".$")
	if positional && !p.Find {
		return errcode.New(errcode.Code(31324), "Cannot use positional projection in aggregation projection")
	}
	if v.Type == bsonx.Object {
		if positional {
			return errcode.New(errcode.Code(31271), "positional projection cannot be used with an expression or sub object")
		}
		return p.object(path, v, depth)
	}
	if v.Type == bsonx.Bool || bsonx.IsNumber(v) {
		if bsonx.Truthy(v) {
			return p.include(path, positional)
		}
		return p.exclude(path, positional)
	}
	if positional {
		return errcode.New(errcode.Code(31308), "positional projection cannot be used with a literal")
	}
	if p.state == excluding {
		return errcode.New(errcode.Code(31310), "Cannot use an expression %s in an exclusion projection", path)
	}
	return p.computed(path, v)
}

// object is a sub-projection, or an expression.
func (p *parser) object(path string, v bsonx.Value, depth int) error {
	it := bsonx.NewIter(v.Data)
	if !it.Next() {
		return errcode.New(errcode.Code(51270), "An empty sub-projection is not a valid value. Found empty object at path %s", path)
	}
	name := string(it.Key())
	if !strings.HasPrefix(name, "$") {
		if _, err := splitPath(path); err != nil {
			return err
		}
		return p.document(path+".", v.Data, depth+1)
	}
	arg := it.Value()
	if p.Find {
		switch name {
		case "$elemMatch":
			return p.elemMatchField(path, v, arg)
		case "$slice":
			if s, ok := findSlice(arg); ok {
				return p.sliceField(path, v, s)
			}
		}
	}
	if name == "$meta" {
		return p.meta(path, v)
	}
	if p.state == excluding {
		return errcode.New(errcode.Code(31252), "Cannot use expression other than $meta in exclusion projection")
	}
	return p.computed(path, v)
}

// meta adds a field from the document's metadata, to an exclusion as well.
func (p *parser) meta(path string, v bsonx.Value) error {
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	e, err := expr.Compile(v, p.Scope)
	if err != nil {
		return err
	}
	return p.root.add(parts, path, field{kind: compute, expr: e})
}

func (p *parser) computed(path string, v bsonx.Value) error {
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	e, err := expr.Compile(v, p.Scope)
	if err != nil {
		return err
	}
	p.state = including
	return p.root.add(parts, path, field{kind: compute, expr: e})
}

func (p *parser) include(path string, positional bool) error {
	if positional {
		return p.positionalField(path)
	}
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	if path == "_id" {
		p.idIn = true
	} else if err := p.setIncluding(path); err != nil {
		return err
	}
	return p.root.add(parts, path, field{kind: keep})
}

func (p *parser) setIncluding(path string) error {
	if p.state == excluding {
		return errcode.New(errcode.Code(31253), "Cannot do inclusion on field %s in exclusion projection", path)
	}
	p.state = including
	return nil
}

func (p *parser) exclude(path string, positional bool) error {
	if positional {
		return errcode.New(errcode.Code(31395), "positional projection cannot be used with exclusion")
	}
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	if path == "_id" {
		p.idOut = true
	} else {
		if p.state == including {
			return errcode.New(errcode.Code(31254), "Cannot do exclusion on field %s in inclusion projection", path)
		}
		p.state = excluding
	}
	return p.root.add(parts, path, field{kind: drop})
}

// splitPath splits a path, and says what to do about a "$" within it.
func splitPath(path string) ([]string, error) {
	if strings.Contains(path, ".$.") {
		return nil, errcode.New(errcode.Code(31394), "As of 4.4, it's illegal to specify positional operator in the middle of a path. Positional projection may only be used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, remove the parts following the '$' and the results will be equivalent.")
	}
	return expr.SplitPath(path)
}

func (p *parser) matchOptions() match.Options {
	return match.Options{Scope: p.Scope, Collation: p.Collation}
}
