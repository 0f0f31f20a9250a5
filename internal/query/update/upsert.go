package update

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/match"
)

// equality is a field that a filter says is equal to a value.
type equality struct {
	path string
	val  bsonx.Value
}

// UpsertDoc returns the document that an upsert starts from: the fields that
// the filter says are equal to something, whatever the update. It is an error
// (54) if two of them are about the same field.
func UpsertDoc(f *match.Filter) (bsonx.Doc, error) {
	return upsertDoc(f.Root(), func(string) bool { return true })
}

// UpsertDoc is the function UpsertDoc as this update needs it: a replacement
// takes nothing but _id from the filter.
func (u *Update) UpsertDoc(f *match.Filter) (bsonx.Doc, error) {
	if !u.IsReplacement() {
		return UpsertDoc(f)
	}
	doc, err := upsertDoc(f.Root(), func(path string) bool { return path == "_id" || strings.HasPrefix(path, "_id.") })
	if err != nil {
		return nil, err
	}
	for _, e := range equalities(nil, f.Root()) {
		if strings.HasPrefix(e.path, "_id.") {
			return nil, errcode.New(errcode.NotExactValueField, "field at '_id' must be exactly specified, field at sub-path '%s'found", e.path)
		}
	}
	return doc, nil
}

func upsertDoc(root match.Node, want func(path string) bool) (bsonx.Doc, error) {
	var eqs []equality
	for _, e := range equalities(nil, root) {
		if want(e.path) {
			eqs = append(eqs, e)
		}
	}
	slices.SortStableFunc(eqs, func(a, b equality) int { return strings.Compare(a.path, b.path) })
	n := &node{}
	for i, e := range eqs {
		for _, o := range eqs[:i] {
			if o.path == e.path {
				return nil, errcode.New(errcode.NotSingleValueField, "cannot infer query fields to set, path '%s' is matched twice", e.path)
			}
			if strings.HasPrefix(e.path, o.path+".") {
				return nil, errcode.New(errcode.NotSingleValueField, "cannot infer query fields to set, both paths '%s' and '%s' are matched", e.path, o.path)
			}
		}
		if err := n.insertPlain(strings.Split(e.path, "."), &set{val: e.val}); err != nil {
			return nil, err
		}
	}
	a := applier{u: &Update{}}
	a.b.Begin(nil)
	if err := a.object(n, bsonx.EmptyDoc); err != nil {
		return nil, err
	}
	return idFirst(a.b.Done()), nil
}

// insertPlain is insert for a path in which "$" means nothing.
func (n *node) insertPlain(path []string, op operator) error {
	for _, name := range path {
		next := n.child(name)
		if next == nil {
			next = &node{}
			n.add(name, next)
		}
		n = next
	}
	n.op = op
	return nil
}

// equalities collects the equalities that hold for every match of n.
func equalities(dst []equality, n match.Node) []equality {
	switch n := n.(type) {
	case *match.And:
		for _, c := range n.Nodes {
			dst = equalities(dst, c)
		}
	case *match.Compare:
		if n.Op == match.Eq {
			dst = append(dst, equality{n.Path.Name, n.Value})
		}
	}
	return dst
}
