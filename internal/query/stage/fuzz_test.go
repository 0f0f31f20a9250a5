package stage

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// FuzzPipeline parses and runs what it is given: whatever it is, it ends in
// documents or in an error with a code, and the optimizer changes neither.
func FuzzPipeline(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var cf caseFile
		if err := json.Unmarshal(text, &cf); err != nil {
			f.Fatal(err)
		}
		for _, c := range cf.Cases {
			f.Add([]byte(`{"p": ` + string(c.Pipeline) + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var raw bson.Raw
		if err := bson.UnmarshalExtJSON(in, false, &raw); err != nil {
			return
		}
		p := bsonx.Lookup(bsonx.Doc(raw), "p")
		if p.Type != bsonx.Array {
			return
		}
		docs, err := docsOf(p, errcode.TypeMismatch, "no document")
		if err != nil {
			return
		}
		a, aerr := fuzzRun(docs, false)
		b, berr := fuzzRun(docs, true)
		if aerr == nil && berr == nil && a != b {
			t.Errorf("%d documents, unoptimized %d: %s", a, b, in)
		}
	})
}

func fuzzRun(docs []bsonx.Doc, plain bool) (int, error) {
	p, err := Parse(docs, &ParseContext{NS: Namespace{"db", "c"}, Scope: expr.NewScope(expr.ScopeOptions{}), Plain: plain})
	if err != nil {
		return 0, err
	}
	m := newMemory()
	for _, d := range benchDocs(5) {
		_ = m.insert(Namespace{"db", "c"}, d)
	}
	n := 0
	it, err := m.Run(context.Background(), &OpenContext{Query: &expr.Query{}, Collections: m, Memory: Memory{AllowDiskUse: true}}, Namespace{"db", "c"}, p)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	err = each(context.Background(), it, func(exec.Row) error {
		if n++; n > 1000 {
			return errTooLarge
		}
		return nil
	})
	return n, err
}
