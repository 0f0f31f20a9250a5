package change

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
)

// description is what an update did, as the updateDescription of an event shows
// it ("update Event" in MongoDB's manual).
type description struct {
	updated   *bsonx.Builder
	removed   []string
	truncated []truncation
	ambiguous *bsonx.Builder
	path      []step
	whole     map[string]struct{} // paths of what the update gave as a whole
}

type truncation struct {
	field string
	size  int
}

// step is one part of a path: a field's name or an array's index.
type step struct {
	name      string
	index     int // -1 for a field
	ambiguous bool
}

type field struct {
	name string
	v    bsonx.Value
}

// appendDescription appends the field updateDescription to an event. whole is
// wal.Op.Whole.
func appendDescription(b *bsonx.Builder, before, after bsonx.Doc, whole []byte, expanded bool) {
	d := &description{updated: bsonx.NewDoc(nil), ambiguous: bsonx.NewDoc(nil)}
	if len(whole) > 0 {
		d.whole = map[string]struct{}{}
		for p := range bytes.SplitSeq(whole, []byte{0}) {
			d.whole[string(p)] = struct{}{}
		}
	}
	d.document(before, after)
	at := b.OpenDoc("updateDescription")
	b.Doc("updatedFields", d.updated.Done())
	arr := b.OpenArray("removedFields")
	for i, f := range d.removed {
		b.String(bsonx.Index(i), f)
	}
	b.Close(arr)
	arr = b.OpenArray("truncatedArrays")
	for i, t := range d.truncated {
		x := b.OpenDoc(bsonx.Index(i))
		b.String("field", t.field)
		b.Int32("newSize", int32(t.size))
		b.Close(x)
	}
	b.Close(arr)
	if expanded {
		b.Doc("disambiguatedPaths", d.ambiguous.Done())
	}
	b.Close(at)
}

// document compares two documents field by field in their order: where the names
// differ the old field was removed; what remains of the new document was added.
func (d *description) document(before, after []byte) {
	var updates, inserts, subs []field
	var olds []bsonx.Value // of subs
	var removed []string
	a, b := bsonx.NewIter(before), bsonx.NewIter(after)
	okA, okB := a.Next(), b.Next()
	for okA && okB {
		if !bytes.Equal(a.Key(), b.Key()) {
			removed = append(removed, string(a.Key()))
			okA = a.Next()
			continue
		}
		if x, y := a.Value(), b.Value(); !same(x, y) {
			if d.within(string(b.Key()), x, y) {
				subs, olds = append(subs, field{string(b.Key()), y}), append(olds, x)
			} else {
				updates = append(updates, field{string(b.Key()), y})
			}
		}
		okA, okB = a.Next(), b.Next()
	}
	for ; okA; okA = a.Next() {
		removed = append(removed, string(a.Key()))
	}
	for ; okB; okB = b.Next() {
		inserts = append(inserts, field{string(b.Key()), b.Value()})
	}
	again := map[string]bool{}
	for _, f := range inserts {
		again[f.name] = true
	}
	for _, f := range append(updates, inserts...) {
		d.update(step{name: f.name, index: -1}, f.v)
	}
	for _, name := range removed {
		if !again[name] {
			d.push(step{name: name, index: -1})
			d.removed = append(d.removed, d.note())
			d.pop()
		}
	}
	for i, f := range subs {
		d.push(step{name: f.name, index: -1})
		d.inside(olds[i], f.v)
		d.pop()
	}
}

// array compares two arrays position by position.
func (d *description) array(before, after []byte) {
	a, b := bsonx.NewIter(before), bsonx.NewIter(after)
	n, m := bsonx.Len(before), bsonx.Len(after)
	if m < n {
		d.truncated = append(d.truncated, truncation{d.note(), m})
	}
	for i := 0; b.Next(); i++ {
		y := b.Value()
		if !a.Next() {
			d.update(step{index: i}, y)
			continue
		}
		switch x := a.Value(); {
		case same(x, y):
		case d.within(strconv.Itoa(i), x, y):
			d.push(step{index: i})
			d.inside(x, y)
			d.pop()
		default:
			d.update(step{index: i}, y)
		}
	}
}

func (d *description) inside(x, y bsonx.Value) {
	if y.Type == bsonx.Array {
		d.array(x.Data, y.Data)
	} else {
		d.document(x.Data, y.Data)
	}
}

func same(x, y bsonx.Value) bool { return x.Type == y.Type && bytes.Equal(x.Data, y.Data) }

// within reports whether two values of a field are compared part by part.
func (d *description) within(name string, x, y bsonx.Value) bool {
	if x.Type != y.Type || x.Type != bsonx.Object && x.Type != bsonx.Array {
		return false
	}
	if d.whole == nil {
		return true
	}
	if len(d.path) > 0 {
		name = d.where() + "." + name
	}
	_, whole := d.whole[name]
	return !whole
}

func (d *description) update(s step, v bsonx.Value) {
	d.push(s)
	d.updated.Value(d.note(), v)
	d.pop()
}

// push adds a part to the path. A path is ambiguous from a field on whose name
// has a dot, or is a number and not the first of the path.
func (d *description) push(s step) {
	n := len(d.path)
	if s.index >= 0 {
		s.name = strconv.Itoa(s.index)
	} else {
		_, number := bsonx.ArrayIndex(s.name)
		s.ambiguous = strings.Contains(s.name, ".") || number && n > 0
	}
	if n > 0 && d.path[n-1].ambiguous {
		s.ambiguous = true
	}
	d.path = append(d.path, s)
}

func (d *description) pop() { d.path = d.path[:len(d.path)-1] }

// note returns the path with dots, and keeps its parts when it is ambiguous.
func (d *description) note() string {
	where := d.where()
	if d.path[len(d.path)-1].ambiguous {
		at := d.ambiguous.OpenArray(where)
		for i, s := range d.path {
			if s.index >= 0 {
				d.ambiguous.Int32(bsonx.Index(i), int32(s.index))
			} else {
				d.ambiguous.String(bsonx.Index(i), s.name)
			}
		}
		d.ambiguous.Close(at)
	}
	return where
}

// where returns the path with dots.
func (d *description) where() string {
	var sb strings.Builder
	for i, s := range d.path {
		if i > 0 {
			sb.WriteByte('.')
		}
		sb.WriteString(s.name)
	}
	return sb.String()
}
