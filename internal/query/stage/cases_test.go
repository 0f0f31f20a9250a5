package stage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// caseFile is one file of testdata: collections, and pipelines over them with
// what they yield. Documents are Extended JSON; field order counts.
type caseFile struct {
	Collections map[string][]json.RawMessage
	Cases       []caseOf
}

type caseOf struct {
	Name     string
	On       string // the collection; "" is {aggregate: 1}
	Pipeline json.RawMessage
	Command  json.RawMessage // further fields of the command
	Docs     []json.RawMessage
	Error    int
	Then     string // compare this collection's documents instead
	Any      bool   // in any order
}

// parsePipeline reads a pipeline in Extended JSON.
func parsePipeline(t testing.TB, s string) []bsonx.Doc {
	t.Helper()
	var wrapped bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"p": `+s+`}`), false, &wrapped); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	docs, err := docsOf(bsonx.Lookup(bsonx.Doc(wrapped), "p"), errcode.TypeMismatch, "no document")
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func parseDoc(t testing.TB, s []byte) bsonx.Doc {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON(s, false, &d); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return bsonx.Doc(d)
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no case files", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var cf caseFile
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&cf); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, c := range cf.Cases {
			t.Run(strings.TrimSuffix(filepath.Base(f), ".json")+"/"+c.Name, func(t *testing.T) {
				for _, v := range variants() {
					runCase(t, &cf, &c, v)
				}
			})
		}
	}
}

// variant is a way to run a case; the answer must be the same.
type variant struct {
	name  string
	probe bool  // with indexes for $lookup
	plain bool  // without the optimizer
	mem   int64 // memory of a blocking stage, in bytes
}

func variants() []variant {
	return []variant{{name: "as it is"}, {name: "with indexes", probe: true}, {name: "unoptimized", plain: true}, {name: "spilling", mem: 200}}
}

func runCase(t *testing.T, cf *caseFile, c *caseOf, v variant) {
	t.Helper()
	m := newMemory()
	m.probe, m.plain, m.mem.MaxBytes, m.mem.TempDir = v.probe, v.plain, v.mem, t.TempDir()
	for name, docs := range cf.Collections {
		for _, d := range docs {
			if err := m.insert(Namespace{"db", name}, parseDoc(t, d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := bsonx.NewDoc(nil)
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"pipeline": `+string(c.Pipeline)+`}`), false, &raw); err != nil {
		t.Fatal(err)
	}
	cmd.Value("pipeline", bsonx.Lookup(bsonx.Doc(raw), "pipeline"))
	if c.Command != nil {
		for it := bsonx.NewIter(parseDoc(t, c.Command)); it.Next(); {
			cmd.Element(it.Element())
		}
	}
	docs, err := m.aggregate(Namespace{"db", c.On}, cmd.Done())
	if c.Error != 0 {
		if err == nil || errcode.As(err).Code != errcode.Code(c.Error) {
			t.Errorf("%s: want error %d, got %v, %d documents", v.name, c.Error, err, len(docs))
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", v.name, err)
		return
	}
	if c.Then != "" {
		docs = m.coll(Namespace{"db", c.Then}).docs
	}
	compareDocs(t, v.name, docs, c)
	if left, _ := os.ReadDir(m.mem.TempDir); len(left) > 0 {
		t.Errorf("%s: %d temporary files are left", v.name, len(left))
	}
}

func compareDocs(t *testing.T, variant string, docs []bsonx.Doc, c *caseOf) {
	t.Helper()
	var got, want []string
	for _, d := range docs {
		got = append(got, bson.Raw(d).String())
	}
	for _, d := range c.Docs {
		want = append(want, bson.Raw(parseDoc(t, d)).String())
	}
	if c.Any {
		slices.Sort(got)
		slices.Sort(want)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %s\nwant %s", variant, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}
