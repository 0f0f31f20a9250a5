package update

import (
	"bytes"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// maxPadding is how many elements an update may add to an array to reach an
// index.
const maxPadding = 1_500_000

// applier applies operators to one document.
type applier struct {
	u    *Update
	b    bsonx.Builder
	doc  bsonx.Doc // as it was
	in   Input
	path []string
	// whole is Result.Whole.
	whole []byte
}

func (a *applier) where() string { return strings.Join(a.path, ".") }

// resolve gives what is below n by name, with "$" in its place.
func (a *applier) resolve(n *node) (*node, error) {
	if n.position == nil {
		return n, nil
	}
	if len(a.in.Pos) == 0 {
		return nil, bad("The positional operator did not find the match needed from the query.")
	}
	r := &node{children: append([]child(nil), n.children...)}
	return r, r.mergeChild(bsonx.Index(a.in.Pos[0]), n.position, a.where())
}

// object writes a document's fields: those that are there in their place, then
// new ones in the order of their names.
func (a *applier) object(n *node, doc []byte) error {
	n, err := a.resolve(n)
	if err != nil {
		return err
	}
	var few [32]bool
	done := few[:]
	if len(n.children) > len(few) {
		done = make([]bool, len(n.children))
	}
	for it := bsonx.NewIter(doc); it.Next(); {
		i := n.find(it.Key())
		if i < 0 || done[i] {
			a.b.Element(it.Element())
			continue
		}
		done[i] = true
		if err := a.value(n.children[i].node, n.children[i].name, it.Value(), false); err != nil {
			return err
		}
	}
	for i, c := range n.children {
		if !done[i] {
			if err := a.value(c.node, c.name, bsonx.Value{}, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) find(name []byte) int {
	for i := range n.children {
		if n.children[i].name == string(name) {
			return i
		}
	}
	return -1
}

// value writes what becomes of a field.
func (a *applier) value(n *node, key string, v bsonx.Value, inArray bool) error {
	a.path = append(a.path, key)
	defer func() { a.path = a.path[:len(a.path)-1] }()
	switch {
	case n.op != nil:
		return a.operate(n.op, key, v, inArray)
	case len(n.elements) > 0:
		return a.elements(n, key, v)
	}
	n, err := a.resolve(n)
	if err != nil {
		return err
	}
	switch v.Type {
	case bsonx.Object:
		at := a.b.OpenDoc(key)
		err := a.object(n, v.Data)
		a.b.Close(at)
		return err
	case bsonx.Array:
		at := a.b.OpenArray(key)
		err := a.array(n, v.Data)
		a.b.Close(at)
		return err
	}
	if n.hasElements() {
		return a.errNoArray()
	}
	if v.Type != bsonx.Missing {
		if n.any(func(op operator) bool { return !op.lenient(a) }) {
			return a.errNotViable(n, v)
		}
		a.b.Value(key, v)
		return nil
	}
	if n.any(func(op operator) bool { return op.creates(a) }) {
		at := a.b.OpenDoc(key)
		err := a.object(n, bsonx.EmptyDoc)
		a.b.Close(at)
		return err
	}
	return nil
}

// maxWhole bounds Result.Whole, in bytes.
const maxWhole = 64 << 10

// operate applies an operator to a field. What it makes of a document or an array
// is noted as given as a whole: MongoDB shows all of it, also when a part stayed
// the same, but for what $push appends.
func (a *applier) operate(op operator, key string, v bsonx.Value, inArray bool) error {
	at := len(a.b.Bytes())
	err := op.apply(a, key, v, inArray)
	if err != nil || v.Type != bsonx.Object && v.Type != bsonx.Array {
		return err
	}
	e := a.b.Bytes()[at:]
	if len(e) == 0 || bsonx.Type(e[0]) != v.Type {
		return nil
	}
	now := e[1+len(key)+1:]
	if bytes.Equal(now, v.Data) || len(a.whole) > maxWhole {
		return nil
	}
	if _, ok := op.(*push); ok && bytes.HasPrefix(now[4:], v.Data[4:len(v.Data)-1]) {
		return nil
	}
	if len(a.whole) > 0 {
		a.whole = append(a.whole, 0)
	}
	a.whole = append(a.whole, a.where()...)
	return nil
}

func (a *applier) errNoArray() error {
	return bad("The path '%s' must exist in the document in order to apply array updates.", a.where())
}

func (a *applier) errNotViable(n *node, v bsonx.Value) error {
	name := "$"
	if len(n.children) > 0 {
		name = n.children[0].name
	}
	return errcode.New(errcode.PathNotViable, "Cannot create field '%s' in element {%s: %s}", name, a.path[len(a.path)-1], show(v))
}

// show prints a value for a message, cut to a bearable length.
func show(v bsonx.Value) string {
	if v.Type == bsonx.Missing {
		return "missing"
	}
	s := v.String()
	if len(s) > 256 {
		s = s[:256] + "…"
	}
	return s
}

// array writes an array's elements, of which some are named by their index.
func (a *applier) array(n *node, arr []byte) error {
	count := 0
	for it := bsonx.NewIter(arr); it.Next(); count++ {
		c := n.child(bsonx.Index(count))
		if c == nil {
			a.b.Element(it.Element())
			continue
		}
		if err := a.value(c, bsonx.Index(count), it.Value(), true); err != nil {
			return err
		}
	}
	for _, c := range n.children {
		i, ok := bsonx.ArrayIndex(c.name)
		switch {
		case ok && i < count && c.name == bsonx.Index(i):
			continue // written above
		case c.node.hasElements():
			a.path = append(a.path, c.name)
			return a.errNoArray()
		case !ok:
			if c.node.any(func(op operator) bool { return !op.lenient(a) }) {
				return a.errNotViable(&node{children: []child{c}}, bsonx.ArrValue(arr))
			}
			continue
		case !c.node.any(func(op operator) bool { return op.creates(a) }):
			continue
		case i-count > maxPadding:
			return errcode.New(errcode.CannotBackfillArray, "can't backfill more than %d elements", maxPadding)
		}
		for ; count < i; count++ {
			a.b.Null(bsonx.Index(count))
		}
		count++
		if err := a.value(c.node, c.name, bsonx.Value{}, true); err != nil {
			return err
		}
	}
	return nil
}

// elements writes an array of which elements are chosen by filters.
func (a *applier) elements(n *node, key string, v bsonx.Value) error {
	switch v.Type {
	case bsonx.Array:
	case bsonx.Missing:
		return a.errNoArray()
	default:
		return bad("Cannot apply array updates to non-array element %s: %s", key, show(v))
	}
	at := a.b.OpenArray(key)
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		var chosen *node
		for _, e := range n.elements {
			ok, err := a.u.chooses(e.id, it.Value())
			if err != nil {
				return err
			}
			if ok {
				if chosen, err = merge(chosen, e.node, a.where()+"."+bsonx.Index(i)); err != nil {
					return err
				}
			}
		}
		if chosen == nil {
			a.b.Element(it.Element())
			continue
		}
		if err := a.value(chosen, bsonx.Index(i), it.Value(), true); err != nil {
			return err
		}
	}
	a.b.Close(at)
	return nil
}
