package match

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// Path is a dotted path. The empty path stands for the value itself.
type Path struct {
	Name  string
	Parts []Part
}

// Part is a component of a path.
type Part struct {
	Name  string
	Index int // as an array index; -1 if it is none
}

// ParsePath splits a dotted path.
func ParsePath(s string) Path {
	names := strings.Split(s, ".")
	p := Path{Name: s, Parts: make([]Part, len(names))}
	for i, n := range names {
		idx, ok := bsonx.ArrayIndex(n)
		if !ok {
			idx = -1
		}
		p.Parts[i] = Part{Name: n, Index: idx}
	}
	return p
}

// String returns the dotted path.
func (p Path) String() string { return p.Name }

// leafMode is what becomes of an array at the end of a path.
type leafMode uint8

const (
	leafBoth  leafMode = iota // its elements, then the array itself
	leafArray                 // the array only
)

// search goes through the values that a path leads to, and calls test on each
// until one matches. at is the index within the outermost array that was gone
// through to reach it, or -1.
//
// A path leads through arrays to each of their documents; a number leads to the
// element at that index, too, and to a field of that name of a document in the
// array. A path that ends early leads to a missing value; but an array without
// documents leads nowhere.
func search(env *expr.Env, doc []byte, path []Part, n Node, mode leafMode) (ok bool, at int, err error) {
	last := len(path) - 1
	for i := range path {
		v := bsonx.Lookup(doc, path[i].Name)
		switch v.Type {
		case bsonx.Array:
			return searchArray(env, v, path[i+1:], n, mode)
		case bsonx.Object:
			if i < last {
				doc = v.Data
				continue
			}
		default:
			if i < last {
				v = bsonx.Value{}
			}
		}
		ok, err = n.matchValue(env, v)
		return ok, -1, err
	}
	return false, -1, nil
}

func searchArray(env *expr.Env, arr bsonx.Value, path []Part, n Node, mode leafMode) (ok bool, at int, err error) {
	if len(path) > 0 {
		return searchThrough(env, arr, path, n, mode)
	}
	if mode == leafBoth {
		i := 0
		for it := bsonx.NewIter(arr.Data); it.Next(); i++ {
			if ok, err = n.matchValue(env, it.Value()); ok || err != nil {
				return ok, i, err
			}
		}
	}
	ok, err = n.matchValue(env, arr)
	return ok, -1, err
}

// searchThrough goes on with the rest of a path within an array's elements.
func searchThrough(env *expr.Env, arr bsonx.Value, path []Part, n Node, mode leafMode) (ok bool, at int, err error) {
	i := 0
	for it := bsonx.NewIter(arr.Data); it.Next(); i++ {
		e := it.Value()
		if e.Type == bsonx.Object {
			if ok, _, err = search(env, e.Data, path, n, mode); ok || err != nil {
				return ok, i, err
			}
		}
		if i != path[0].Index {
			continue
		}
		if len(path) == 1 {
			if ok, err = n.matchValue(env, e); ok || err != nil {
				if e.Type == bsonx.Object {
					return ok, i, err
				}
				return ok, -1, err
			}
			continue
		}
		switch e.Type {
		case bsonx.Object:
			ok, at, err = search(env, e.Data, path[1:], n, mode)
		case bsonx.Array:
			ok, at, err = searchThrough(env, e, path[1:], n, mode)
		}
		if ok || err != nil {
			return ok, at, err
		}
	}
	return false, -1, nil
}
