package project

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// kind is what happens to a field.
type kind uint8

const (
	keep    kind = iota + 1 // as it is
	drop                    // it is left out
	sub                     // a node of its own
	compute                 // an expression's value
)

type field struct {
	name string
	kind kind
	node *node     // of sub
	expr expr.Expr // of compute
}

// node is a level of a projection's tree.
type node struct {
	inclusion bool // fields that are not named are dropped
	computed  bool // it or a node below has an expression
	fields    []field
	index     map[string]int // by name, when there are many
}

// manyFields is from where on a map is faster than a walk.
const manyFields = 12

func (n *node) find(name []byte) int {
	if n.index != nil {
		if i, ok := n.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i := range n.fields {
		if n.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// finish computes what applying needs, from the leaves up.
func (n *node) finish(inclusion bool) {
	n.inclusion = inclusion
	for i := range n.fields {
		f := &n.fields[i]
		switch f.kind {
		case sub:
			f.node.finish(inclusion)
			n.computed = n.computed || f.node.computed
		case compute:
			n.computed = true
		}
	}
	if len(n.fields) > manyFields {
		n.index = make(map[string]int, len(n.fields))
		for i := range n.fields {
			n.index[n.fields[i].name] = i
		}
	}
}

// add puts a field at a path. It is an error if the path or a part of it has
// one already (codes of the two cases: 31249 below a field, 31250 at or above).
func (n *node) add(path []string, f field) error {
	full := dotted(path)
	for i, name := range path[:len(path)-1] {
		at := n.find([]byte(name))
		if at < 0 {
			n.fields = append(n.fields, field{name: name, kind: sub, node: &node{}})
			at = len(n.fields) - 1
		}
		if n.fields[at].kind != sub {
			return errcode.New(errcode.Code(31249), "Path collision at %s remaining portion %s", full, dotted(path[i+1:]))
		}
		n = n.fields[at].node
	}
	f.name = path[len(path)-1]
	if n.find([]byte(f.name)) >= 0 {
		return errcode.New(errcode.Code(31250), "Path collision at %s", full)
	}
	n.fields = append(n.fields, f)
	return nil
}

// isLeaf reports whether a field stands at a path, and no further node.
func (n *node) isLeaf(path []string) bool {
	for i, name := range path {
		at := n.find([]byte(name))
		if at < 0 {
			return false
		}
		if n.fields[at].kind != sub {
			return i == len(path)-1
		}
		n = n.fields[at].node
	}
	return false
}

func dotted(path []string) string { return strings.Join(path, ".") }

// writer applies nodes to documents.
type writer struct {
	b   bsonx.Builder
	env *expr.Env
}

// fields writes what a node makes of a document's fields: those that are there
// in their place, then what expressions add, in the order of the projection.
func (w *writer) fields(n *node, doc []byte) error {
	var few [64]bool
	done := few[:]
	if len(n.fields) > len(few) {
		done = make([]bool, len(n.fields))
	}
	for it := bsonx.NewIter(doc); it.Next(); {
		i := n.find(it.Key())
		if i < 0 {
			if !n.inclusion {
				w.b.Element(it.Element())
			}
			continue
		}
		f := &n.fields[i]
		switch f.kind {
		case keep:
			w.b.Element(it.Element())
		case sub:
			if done[i] {
				continue
			}
			done[i] = true
			if _, err := w.value(f.node, f.name, it.Value()); err != nil {
				return err
			}
		case compute:
			if n.inclusion || done[i] { // it comes after the fields that are kept
				continue
			}
			done[i] = true
			if err := w.compute(f); err != nil {
				return err
			}
		}
	}
	if !n.computed {
		return nil
	}
	for i := range n.fields {
		f := &n.fields[i]
		var err error
		switch {
		case done[i]:
		case f.kind == compute:
			err = w.compute(f)
		case f.kind == sub && f.node.computed:
			_, err = w.value(f.node, f.name, bsonx.Value{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) compute(f *field) error {
	v, err := f.expr.Eval(w.env)
	if err != nil {
		return err
	}
	w.b.Value(f.name, v)
	return nil
}

// value writes what a node makes of a field's value, if anything. An array's
// elements are taken one by one. In place of what has no fields stand the
// expressions of the node, if it has some; otherwise an inclusion drops it.
func (w *writer) value(n *node, name string, v bsonx.Value) (written bool, err error) {
	switch v.Type {
	case bsonx.Object:
		at := w.b.OpenDoc(name)
		err := w.fields(n, v.Data)
		w.b.Close(at)
		return true, err
	case bsonx.Array:
		at := w.b.OpenArray(name)
		i := 0
		for it := bsonx.NewIter(v.Data); it.Next(); {
			ok, err := w.value(n, bsonx.Index(i), it.Value())
			if err != nil {
				return false, err
			}
			if ok {
				i++
			}
		}
		w.b.Close(at)
		return true, nil
	}
	switch {
	case n.computed:
		at := w.b.OpenDoc(name)
		err := w.fields(n, bsonx.EmptyDoc)
		w.b.Close(at)
		return true, err
	case n.inclusion || v.Type == bsonx.Missing:
		return false, nil
	}
	w.b.Value(name, v)
	return true, nil
}
