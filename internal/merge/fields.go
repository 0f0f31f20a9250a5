// Package merge is what makes branches a product: differences between two
// points down to the field, three-way merges with their plan and conflicts,
// reverts and cherry-picks, and the versions of a document. It reads through
// package branch and writes through exec's Writer, so that indexes, unique keys
// and validators hold as for any other write.
package merge

import (
	"bytes"

	"github.com/argon-db/argon/internal/bsonx"
)

// FieldChange is one field that differs; Before or After is missing where there
// is no such field. Path is dotted, with the index of an array's element as a
// number. The values alias the documents.
type FieldChange struct {
	Path          string
	Before, After bsonx.Value
}

// Fields lists what differs between two documents, in the order of the first and
// then of the second. Subdocuments are compared field by field. Arrays of one
// length are compared element by element, an array that got or lost elements at
// its end shows these alone; any other array shows as a whole, as does a
// subdocument whose fields are only in another order. A nil document has no
// fields.
func Fields(before, after bsonx.Doc) []FieldChange {
	d := differ{}
	d.doc("", before, after)
	return d.out
}

type differ struct{ out []FieldChange }

func same(a, b bsonx.Value) bool { return a.Type == b.Type && bytes.Equal(a.Data, b.Data) }

func join(path string, key []byte) string {
	if path == "" {
		return string(key)
	}
	return path + "." + string(key)
}

func (d *differ) add(path string, before, after bsonx.Value) {
	d.out = append(d.out, FieldChange{path, before, after})
}

// doc compares two documents that are not equal. Depth is bounded by that of
// stored documents.
func (d *differ) doc(path string, before, after []byte) {
	n := len(d.out)
	for it := bsonx.NewIter(before); it.Next(); {
		d.value(join(path, it.Key()), it.Value(), bsonx.Lookup(after, string(it.Key())))
	}
	for it := bsonx.NewIter(after); it.Next(); {
		if bsonx.IsMissing(bsonx.Lookup(before, string(it.Key()))) {
			d.add(join(path, it.Key()), bsonx.Value{}, it.Value())
		}
	}
	if len(d.out) == n && path != "" { // the same fields in another order
		d.add(path, bsonx.DocValue(before), bsonx.DocValue(after))
	}
}

func (d *differ) value(path string, before, after bsonx.Value) {
	switch {
	case same(before, after):
	case before.Type == bsonx.Object && after.Type == bsonx.Object:
		d.doc(path, before.Data, after.Data)
	case before.Type == bsonx.Array && after.Type == bsonx.Array:
		d.array(path, before, after)
	default:
		d.add(path, before, after)
	}
}

func (d *differ) array(path string, before, after bsonx.Value) {
	a, b := bsonx.Values(nil, before.Data), bsonx.Values(nil, after.Data)
	n := min(len(a), len(b))
	if len(a) != len(b) && !samePrefix(a, b, n) {
		d.add(path, before, after)
		return
	}
	at := len(d.out)
	for i := range max(len(a), len(b)) {
		var x, y bsonx.Value
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		d.value(join(path, []byte(bsonx.Index(i))), x, y)
	}
	if len(d.out) == at { // the keys of the elements differ, which MongoDB allows
		d.add(path, before, after)
	}
}

func samePrefix(a, b []bsonx.Value, n int) bool {
	for i := range n {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}
