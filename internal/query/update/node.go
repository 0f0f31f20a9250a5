package update

import (
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// node is a place in the tree of an update's paths: an operator at its end, or
// what is below: fields by name (and "$"), or array elements by filter.
type node struct {
	op       operator
	children []child // sorted by compareNames
	position *node   // of "$"
	elements []element
}

type child struct {
	name string
	node *node
}

// element is "$[]" or "$[identifier]".
type element struct {
	id   string // empty: all
	node *node
}

func (n *node) child(name string) *node {
	for i := range n.children {
		if n.children[i].name == name {
			return n.children[i].node
		}
	}
	return nil
}

func (n *node) add(name string, c *node) {
	at := sort.Search(len(n.children), func(i int) bool { return compareNames(n.children[i].name, name) >= 0 })
	n.children = append(n.children, child{})
	copy(n.children[at+1:], n.children[at:])
	n.children[at] = child{name, c}
}

// compareNames orders names by bytes, but numbers by their value. New fields
// are added in this order.
func compareNames(a, b string) int {
	if digits(a) && digits(b) {
		ta, tb := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(ta) != len(tb) {
			return len(ta) - len(tb)
		}
		if c := strings.Compare(ta, tb); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isArrayPart reports whether a component is "$[…]", and returns what is in it.
func isArrayPart(s string) (id string, ok bool) {
	if strings.HasPrefix(s, "$[") && strings.HasSuffix(s, "]") {
		return s[2 : len(s)-1], true
	}
	return "", false
}

// insert puts an operator at a path.
func (n *node) insert(path []string, op operator) error {
	full := strings.Join(path, ".")
	for i, name := range path {
		next, err := n.step(name)
		if err != nil {
			return conflict(full, path[:i])
		}
		last := i == len(path)-1
		if next == nil {
			next = &node{}
			n.put(name, next)
		} else if next.op != nil || last {
			return conflict(full, path[:i+1])
		}
		n = next
	}
	n.op = op
	return nil
}

func conflict(full string, at []string) error {
	return errcode.New(errcode.ConflictingUpdateOperators,
		"Updating the path '%s' would create a conflict at '%s'", full, strings.Join(at, "."))
}

// errMixed: fields and array elements by filter below the same place.
var errMixed = errcode.New(errcode.ConflictingUpdateOperators, "conflict")

// step returns the node below n by name, nil if there is none.
func (n *node) step(name string) (*node, error) {
	if id, ok := isArrayPart(name); ok {
		if len(n.children) > 0 || n.position != nil {
			return nil, errMixed
		}
		for _, e := range n.elements {
			if e.id == id {
				return e.node, nil
			}
		}
		return nil, nil
	}
	if len(n.elements) > 0 {
		return nil, errMixed
	}
	if name == "$" {
		return n.position, nil
	}
	return n.child(name), nil
}

func (n *node) put(name string, c *node) {
	if id, ok := isArrayPart(name); ok {
		n.elements = append(n.elements, element{id, c})
	} else if name == "$" {
		n.position = c
	} else {
		n.add(name, c)
	}
}

// merge joins two trees that turned out to be about the same place: "$" and an
// index, or two array filters. path is for the error.
func merge(a, b *node, path string) (*node, error) {
	if a == nil {
		return b, nil
	}
	if b == nil {
		return a, nil
	}
	if a.op != nil || b.op != nil || len(a.elements) > 0 != (len(b.elements) > 0) {
		return nil, errcode.New(errcode.ConflictingUpdateOperators, "Update created a conflict at '%s'", path)
	}
	m := &node{}
	var err error
	if m.position, err = merge(a.position, b.position, path+".$"); err != nil {
		return nil, err
	}
	m.children = append(m.children, a.children...)
	for _, c := range b.children {
		if err := m.mergeChild(c.name, c.node, path); err != nil {
			return nil, err
		}
	}
	m.elements = append(m.elements, a.elements...)
next:
	for _, e := range b.elements {
		for i := range m.elements {
			if m.elements[i].id == e.id {
				if m.elements[i].node, err = merge(m.elements[i].node, e.node, path+".$["+e.id+"]"); err != nil {
					return nil, err
				}
				continue next
			}
		}
		m.elements = append(m.elements, e)
	}
	return m, nil
}

// mergeChild adds a child to n, whose list of children is its own.
func (n *node) mergeChild(name string, c *node, path string) error {
	for i := range n.children {
		if n.children[i].name == name {
			m, err := merge(n.children[i].node, c, path+"."+name)
			n.children[i].node = m
			return err
		}
	}
	n.add(name, c)
	return nil
}

// any reports whether f holds for an operator at or below n.
func (n *node) any(f func(operator) bool) bool {
	if n == nil {
		return false
	}
	if n.op != nil {
		return f(n.op)
	}
	for _, c := range n.children {
		if c.node.any(f) {
			return true
		}
	}
	for _, e := range n.elements {
		if e.node.any(f) {
			return true
		}
	}
	return n.position.any(f)
}

// hasElements reports whether a path at or below n has "$[…]".
func (n *node) hasElements() bool {
	if n == nil {
		return false
	}
	if len(n.elements) > 0 {
		return true
	}
	for _, c := range n.children {
		if c.node.hasElements() {
			return true
		}
	}
	return n.position.hasElements()
}

// operator is an update operator with its operand, at the end of a path.
type operator interface {
	// creates reports whether it writes a value where there is none.
	creates(a *applier) bool
	// lenient reports whether a path that cannot exist is no error.
	lenient(a *applier) bool
	// apply writes the new value of the field key, whose value is v (missing if
	// there is none). In an array something must be written.
	apply(a *applier, key string, v bsonx.Value, inArray bool) error
}
