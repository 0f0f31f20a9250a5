package stage

import (
	"encoding/binary"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// get returns the value at a path through documents only: an array on the way
// ends it.
func get(doc []byte, path []string) bsonx.Value {
	v := bsonx.DocValue(doc)
	for _, name := range path {
		if v.Type != bsonx.Object {
			return bsonx.Value{}
		}
		v = bsonx.Lookup(v.Data, name)
	}
	return v
}

// set appends doc's fields to b with the value at a path replaced where it
// stands, or added at the end. What is no document on the way is replaced by
// one. A missing value removes the field.
func set(b *bsonx.Builder, doc []byte, path []string, v bsonx.Value) {
	found := false
	for it := bsonx.NewIter(doc); it.Next(); {
		if found || string(it.Key()) != path[0] {
			b.Element(it.Element())
			continue
		}
		found = true
		setField(b, it.Value(), path, v)
	}
	if !found {
		setField(b, bsonx.Value{}, path, v)
	}
}

func setField(b *bsonx.Builder, old bsonx.Value, path []string, v bsonx.Value) {
	if len(path) == 1 {
		b.Value(path[0], v)
		return
	}
	if old.Type != bsonx.Object {
		old.Data = bsonx.EmptyDoc
	}
	at := b.OpenDoc(path[0])
	set(b, old.Data, path[1:], v)
	b.Close(at)
}

// withField returns a copy of doc with one value set.
func withField(dst []byte, doc bsonx.Doc, path []string, v bsonx.Value) bsonx.Doc {
	var b bsonx.Builder
	b.Begin(dst)
	set(&b, doc, path, v)
	return b.Done()
}

// fieldPathOf takes "$a.b" apart; ok is false if s does not begin with "$".
func fieldPathOf(s string) (path []string, ok bool, err error) {
	if !strings.HasPrefix(s, "$") {
		return nil, false, nil
	}
	path, err = expr.SplitPath(s[1:])
	return path, true, err
}

// stringOf returns v as a Go string; ok is false for other types.
func stringOf(v bsonx.Value) (string, bool) {
	if v.Type != bsonx.String {
		return "", false
	}
	return string(bsonx.Str(v)), true
}

// docsOf returns the elements of a pipeline; each must be a document.
func docsOf(arr bsonx.Value, code errcode.Code, msg string) ([]bsonx.Doc, error) {
	var docs []bsonx.Doc
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		if it.Value().Type != bsonx.Object {
			return nil, errcode.New(code, "%s", msg)
		}
		docs = append(docs, bsonx.Doc(it.Value().Data))
	}
	return docs, nil
}

func clone(d []byte) bsonx.Doc { return append(bsonx.Doc(nil), d...) }

// docLen returns the length of the document at the front of b.
func docLen(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }

// checkDocSize refuses a document that is larger than stages may pass on.
func checkDocSize(d []byte) error {
	if len(d) > maxStageDoc {
		return errcode.New(errcode.BSONObjectTooLarge, "BSONObj size: %d is invalid. Size must be between 0 and %d", len(d), maxStageDoc)
	}
	return nil
}

// maxStageDoc is the largest document between two stages, in bytes.
const maxStageDoc = 64 * 1024 * 1024
