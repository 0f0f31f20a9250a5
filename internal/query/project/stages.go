package project

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// adder compiles the argument of $addFields.
type adder struct {
	scope *expr.Scope
	root  node
	paths []string // that are set
}

// CompileAddFields compiles the argument of $addFields or $set, which must be a
// document (the caller checks that: 40272).
func CompileAddFields(spec bsonx.Doc, o Options) (*Projection, error) {
	a := adder{scope: o.Scope}
	if a.scope == nil {
		a.scope = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	for it := bsonx.NewIter(spec); it.Next(); {
		path := string(it.Key())
		parts, err := expr.SplitPath(path)
		if err != nil {
			return nil, err
		}
		if err := a.field(parts, path, it.Value()); err != nil {
			return nil, err
		}
	}
	a.root.finish(false)
	return &Projection{root: &a.root}, nil
}

func (a *adder) field(parts []string, path string, v bsonx.Value) error {
	if len(parts) > maxDepth {
		return errcode.New(errcode.Overflow, "the specification is nested more than %d levels deep", maxDepth)
	}
	if v.Type == bsonx.Object && !bsonx.IsEmpty(v.Data) {
		it := bsonx.NewIter(v.Data)
		it.Next()
		if string(it.Key()) == "" || it.Key()[0] != '$' {
			return a.object(parts, path, v.Data)
		}
		if n := bsonx.Len(v.Data); n != 1 {
			return errcode.New(errcode.Code(40181), "Invalid $addFields :: caused by :: an expression specification must contain exactly one field, the name of the expression. Found %d fields in the object at path '%s'", n, path)
		}
	}
	for _, p := range a.paths {
		if p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(path, p+".") {
			return errcode.New(errcode.Code(40176), "Invalid $addFields :: caused by :: specification contains two conflicting paths. Cannot specify both '%s' and '%s'", path, p)
		}
	}
	a.paths = append(a.paths, path)
	e, err := expr.Compile(v, a.scope)
	if err != nil {
		return err
	}
	return a.root.add(parts, field{kind: compute, expr: e})
}

// object is {a: {b: …}}, which adds to the fields of a.
func (a *adder) object(parts []string, path string, doc bsonx.Doc) error {
	for it := bsonx.NewIter(doc); it.Next(); {
		name := string(it.Key())
		switch {
		case strings.Contains(name, "."):
			return errcode.New(errcode.Code(40183), "Invalid $addFields :: caused by :: cannot use dotted field name '%s' in a sub object", name)
		case strings.HasPrefix(name, "$"):
			return errcode.New(errcode.Code(40182), "Invalid $addFields :: caused by :: cannot include the expression '%s' beside fields in the object at path '%s'", name, path)
		}
		if err := expr.CheckFieldName(name); err != nil {
			return err
		}
		sub := append(append([]string(nil), parts...), name)
		if err := a.field(sub, path+"."+name, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

// CompileUnset compiles the argument of $unset: a path or an array of paths.
func CompileUnset(arg bsonx.Value, _ Options) (*Projection, error) {
	vals := []bsonx.Value{arg}
	switch arg.Type {
	case bsonx.String:
	case bsonx.Array:
		vals = bsonx.Values(nil, arg.Data)
		if len(vals) == 0 {
			return nil, errcode.New(errcode.Code(31119), "$unset specification must be a string or an array with at least one field")
		}
	default:
		return nil, errcode.New(errcode.Code(31002), "$unset specification must be a string or an array")
	}
	for _, v := range vals {
		if v.Type != bsonx.String {
			return nil, errcode.New(errcode.Code(31120), "$unset specification must be a string or an array containing only string values")
		}
	}
	for _, v := range vals {
		if strings.IndexByte(string(bsonx.Str(v)), 0) >= 0 {
			return nil, errcode.New(errcode.Code(9527900), "$unset specification must not contain field names with embedded null bytes")
		}
	}
	root := &node{}
	for _, v := range vals {
		path := string(bsonx.Str(v))
		parts, err := expr.SplitPath(path)
		if err != nil {
			return nil, err
		}
		if err := root.add(parts, field{kind: drop}); err != nil {
			return nil, err
		}
	}
	root.finish(false)
	return &Projection{root: root}, nil
}

// CompileReplaceRoot compiles the argument of $replaceRoot.
func CompileReplaceRoot(arg bsonx.Value, o Options) (*Projection, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(40229), "expected an object as specification for $replaceRoot stage, got %s", bsonx.TypeName(arg.Type))
	}
	newRoot := bsonx.Lookup(arg.Data, "newRoot")
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if string(it.Key()) != "newRoot" {
			return nil, errcode.New(errcode.Code(40415), "BSON field '$replaceRoot.%s' is an unknown field.", it.Key())
		}
	}
	if newRoot.Type == bsonx.Missing {
		return nil, errcode.New(errcode.Code(40414), "BSON field '$replaceRoot.newRoot' is missing but a required field")
	}
	return CompileReplaceWith(newRoot, o)
}

// CompileReplaceWith compiles the argument of $replaceWith: an expression.
func CompileReplaceWith(arg bsonx.Value, o Options) (*Projection, error) {
	sc := o.Scope
	if sc == nil {
		sc = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	e, err := expr.Compile(arg, sc)
	if err != nil {
		return nil, err
	}
	return &Projection{replace: e}, nil
}
