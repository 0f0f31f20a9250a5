package merge

import (
	"bytes"

	"github.com/argon-db/argon/internal/bsonx"
)

// merged is the outcome of a three-way merge of one document.
type merged struct {
	doc bsonx.Doc // nil: there is none; with conflicts, settled by the strategy
	// conflict: both sides changed what must not be changed twice. paths are the
	// fields; none when one side deleted the document.
	conflict bool
	paths    []string
}

// threeWay merges the change from base to source into target; nil documents are
// not there. Documents are not changed; the result may be one of them. With a
// conflict the strategy decides the conflicting fields, and only these.
func threeWay(m Mode, st Strategy, base, source, target bsonx.Doc) merged {
	switch {
	case equalDocs(base, source):
		return merged{doc: target}
	case equalDocs(base, target):
		return merged{doc: source}
	case source == nil && target == nil:
		return merged{} // deleted on both sides
	case base == nil && equalDocs(source, target):
		return merged{doc: target} // the same insert on both sides
	}
	pick := func() bsonx.Doc {
		if st == Source {
			return source
		}
		return target
	}
	if source == nil || target == nil {
		return merged{doc: pick(), conflict: true}
	}
	if m.Divergent && equalDocs(source, target) {
		return merged{doc: target}
	}
	if base == nil || m.Document {
		return merged{doc: pick(), conflict: true, paths: touched(base, source, target)}
	}
	x := fieldMerge{mode: m, strategy: st}
	doc := x.doc("", base, source, target)
	return merged{doc: doc, conflict: len(x.paths) > 0, paths: x.paths}
}

func equalDocs(a, b bsonx.Doc) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// touched lists the fields in conflict when the document as a whole is.
func touched(base, source, target bsonx.Doc) []string {
	var out []string
	seen := map[string]bool{}
	add := func(list []FieldChange) {
		for _, c := range list {
			if !seen[c.Path] {
				seen[c.Path] = true
				out = append(out, c.Path)
			}
		}
	}
	if base == nil {
		add(Fields(source, target))
		return out
	}
	add(Fields(base, source))
	add(Fields(base, target))
	return out
}

// fieldMerge merges documents by field.
type fieldMerge struct {
	mode     Mode
	strategy Strategy
	paths    []string // in conflict
	// instead, if not missing, is put in the place of what is in conflict.
	instead bsonx.Value
}

// doc merges two documents that both differ from base.
func (x *fieldMerge) doc(path string, base, source, target []byte) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	done := map[string]bool{}
	put := func(key []byte) {
		k := string(key)
		if done[k] {
			return
		}
		done[k] = true
		b.ValueBytes(key, x.value(join(path, key), bsonx.Lookup(base, k), bsonx.Lookup(source, k), bsonx.Lookup(target, k)))
	}
	// The order of fields is the target's, unless only the source has changed it.
	first, second := target, source
	if sameOrder(base, target) && !sameOrder(base, source) {
		first, second = source, target
	}
	for it := bsonx.NewIter(first); it.Next(); {
		put(it.Key())
	}
	for it := bsonx.NewIter(second); it.Next(); {
		put(it.Key())
	}
	for it := bsonx.NewIter(base); it.Next(); { // gone on both sides: who took it twice?
		put(it.Key())
	}
	return b.Done()
}

// sameOrder reports whether the fields that both have stand in the same order.
func sameOrder(a, b []byte) bool {
	it := bsonx.NewIter(b)
	for x := bsonx.NewIter(a); x.Next(); {
		if bsonx.IsMissing(bsonx.Lookup(b, string(x.Key()))) {
			continue
		}
		for {
			if !it.Next() {
				return false
			}
			if bytes.Equal(it.Key(), x.Key()) {
				break
			}
			if !bsonx.IsMissing(bsonx.Lookup(a, string(it.Key()))) {
				return false
			}
		}
	}
	return true
}

func (x *fieldMerge) value(path string, base, source, target bsonx.Value) bsonx.Value {
	switch {
	case same(base, source):
		return target
	case same(base, target):
		return source
	case x.mode.Divergent && same(source, target):
		return target
	case source.Type == bsonx.Object && target.Type == bsonx.Object && (base.Type == bsonx.Object || bsonx.IsMissing(base)):
		return bsonx.DocValue(x.doc(path, base.Data, source.Data, target.Data))
	case source.Type == bsonx.Array && target.Type == bsonx.Array && base.Type == bsonx.Array:
		return x.array(path, base, source, target)
	}
	return x.conflict(path, source, target)
}

func (x *fieldMerge) conflict(path string, source, target bsonx.Value) bsonx.Value {
	x.paths = append(x.paths, path)
	if !bsonx.IsMissing(x.instead) {
		return x.instead
	}
	if x.strategy == Source {
		return source
	}
	return target
}

// array merges two changes of an array if both are sure to be kept: no side has
// moved elements, which is so when each kept the array's length, or added or
// took elements at its end, and they changed different elements. An element is
// not merged within: the same place may hold another thing by now.
func (x *fieldMerge) array(path string, base, source, target bsonx.Value) bsonx.Value {
	b, s, t := bsonx.Values(nil, base.Data), bsonx.Values(nil, source.Data), bsonx.Values(nil, target.Data)
	if !inPlace(b, s) || !inPlace(b, t) {
		return x.conflict(path, source, target)
	}
	at := func(v []bsonx.Value, i int) bsonx.Value {
		if i < len(v) {
			return v[i]
		}
		return bsonx.Value{}
	}
	n := max(len(b), len(s), len(t))
	out := make([]bsonx.Value, 0, n)
	before := len(x.paths)
	for i := range n {
		vb, vs, vt := at(b, i), at(s, i), at(t, i)
		v := vt
		switch {
		case same(vb, vs):
		case same(vb, vt), x.mode.Divergent && same(vs, vt):
			v = vs
		default:
			v = x.conflict(join(path, []byte(bsonx.Index(i))), vs, vt)
		}
		if !bsonx.IsMissing(v) {
			out = append(out, v)
		}
	}
	if len(x.paths) > before && len(s) != len(t) {
		// One side's elements at the end meet the other's: all of it or nothing.
		x.paths = x.paths[:before]
		return x.conflict(path, source, target)
	}
	var a bsonx.Arena
	return a.Array(out)
}

// inPlace reports whether an array's elements are where they were.
func inPlace(base, now []bsonx.Value) bool {
	return len(base) == len(now) || samePrefix(base, now, min(len(base), len(now)))
}
