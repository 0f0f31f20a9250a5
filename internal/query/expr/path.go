package expr

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// compilePath compiles "$a.b", "$$var" and "$$var.a.b".
func compilePath(s string, sc *Scope) (Expr, error) {
	if len(s) < 2 {
		return nil, errcode.New(errcode.Code(16872), "'$' by itself is not a valid FieldPath")
	}
	if s[1] != '$' {
		path, err := SplitPath(s[1:])
		if err != nil {
			return nil, err
		}
		if slot := sc.lookup("CURRENT"); slot >= 0 {
			return &varPath{slot: slot, path: path}, nil
		}
		return &fieldPath{path: path}, nil
	}
	name, rest, dotted := strings.Cut(s[2:], ".")
	if err := checkReadName(name); err != nil {
		return nil, err
	}
	var path []string
	base, err := compileVariable(name, sc)
	if err != nil {
		return nil, err
	}
	if dotted {
		if rest == "" {
			return nil, errcode.New(errcode.Code(40353), "FieldPath must not end with a '.'.")
		}
		if path, err = SplitPath(rest); err != nil {
			return nil, err
		}
	}
	switch b := base.(type) {
	case *varPath:
		b.path = path
		return b, nil
	case *rootVar:
		if path != nil {
			return &fieldPath{path: path}, nil
		}
		return b, nil
	}
	if path == nil {
		return base, nil
	}
	return &pathOf{base: base, path: path}, nil
}

// compileVariable resolves a variable: a defined one, or one of the system's.
func compileVariable(name string, sc *Scope) (Expr, error) {
	if slot := sc.lookup(name); slot >= 0 {
		return &varPath{slot: slot}, nil
	}
	switch name {
	case "ROOT", "CURRENT":
		return &rootVar{}, nil
	case "REMOVE":
		return removeVar{}, nil
	case "NOW":
		if sc.shared.NoNow {
			return nil, errcode.New(errcode.Code(51144), "Builtin variable '$$NOW' is not available")
		}
		return nowVar{}, nil
	case "CLUSTER_TIME":
		return clusterTimeVar{}, nil
	case "USER_ROLES":
		return userRolesVar{}, nil
	}
	return nil, errcode.New(errcode.Code(17276), "Use of undefined variable: %s", name)
}

// FieldPath returns the path of e if it is a plain "$a.b" of the document, so
// that a planner may look at it.
func FieldPath(e Expr) ([]string, bool) {
	if f, ok := e.(*fieldPath); ok {
		return f.path, true
	}
	return nil, false
}

// fieldPath is "$a.b".
type fieldPath struct{ path []string }

func (f *fieldPath) Eval(env *Env) (bsonx.Value, error) { return walk(env, env.Root, f.path) }

// varPath is "$$var" or "$$var.a.b".
type varPath struct {
	slot int
	path []string
}

func (p *varPath) Eval(env *Env) (bsonx.Value, error) {
	return walk(env, env.Var(p.slot), p.path)
}

// pathOf is a path into another expression's value.
type pathOf struct {
	base Expr
	path []string
}

func (p *pathOf) Eval(env *Env) (bsonx.Value, error) {
	v, err := p.base.Eval(env)
	if err != nil {
		return v, err
	}
	return walk(env, v, p.path)
}

type rootVar struct{}

func (*rootVar) Eval(env *Env) (bsonx.Value, error) { return env.Root, nil }

type removeVar struct{}

func (removeVar) Eval(*Env) (bsonx.Value, error) { return bsonx.Value{}, nil }

type nowVar struct{}

func (nowVar) Eval(env *Env) (bsonx.Value, error) {
	return env.Arena.Date(env.Query.Now), nil
}

type clusterTimeVar struct{}

func (clusterTimeVar) Eval(env *Env) (bsonx.Value, error) {
	if v := env.Query.ClusterTime; !bsonx.IsMissing(v) {
		return v, nil
	}
	return bsonx.Value{}, errcode.New(errcode.Code(51144),
		"Builtin variable '$$CLUSTER_TIME' is not available")
}

type userRolesVar struct{}

func (userRolesVar) Eval(env *Env) (bsonx.Value, error) {
	if v := env.Query.UserRoles; !bsonx.IsMissing(v) {
		return v, nil
	}
	return env.Arena.Array(nil), nil
}

// Walk returns the value at a path, which is missing if there is none. A path
// goes through an array by going through each of its objects: the result is the
// array of what was found. Unlike in filters, "0" is no index, and an array
// directly within an array is not entered.
func Walk(env *Env, v bsonx.Value, path []string) (bsonx.Value, error) { return walk(env, v, path) }

func walk(env *Env, v bsonx.Value, path []string) (bsonx.Value, error) {
	for i, name := range path {
		switch v.Type {
		case bsonx.Object:
			v = bsonx.Lookup(v.Data, name)
		case bsonx.Array:
			return walkArray(env, v, path[i:])
		default:
			return bsonx.Value{}, nil
		}
	}
	return v, nil
}

func walkArray(env *Env, arr bsonx.Value, path []string) (bsonx.Value, error) {
	base := len(env.stack)
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		e := it.Value()
		if e.Type != bsonx.Object {
			continue
		}
		v, err := walk(env, e, path)
		if err != nil {
			env.stack = env.stack[:base]
			return v, err
		}
		if v.Type != bsonx.Missing {
			env.stack = append(env.stack, v)
		}
	}
	v, err := env.array(env.stack[base:])
	env.stack = env.stack[:base]
	return v, err
}
