package expr

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// TestFamilies evaluates the expressions of testdata/*.jsonl. A line is
// {"expr": …, "doc": {…}, "want": value} or {…, "error": code}; no "want" is a
// missing value.
func TestFamilies(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no case files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runCases(t, file) })
	}
}

func runCases(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc, line := bufio.NewScanner(f), 1; sc.Scan(); line++ {
		if len(sc.Bytes()) == 0 || sc.Bytes()[0] == '#' {
			continue
		}
		j, err := parseJSON(sc.Bytes())
		if err != nil {
			t.Fatalf("%s:%d: %v", file, line, err)
		}
		c := toBSON(j)
		doc := bsonx.Lookup(c.Data, "doc")
		if bsonx.IsMissing(doc) {
			doc = bsonx.DocValue(bsonx.EmptyDoc)
		}
		got, err := evaluate(bsonx.Lookup(c.Data, "expr"), doc)
		if code := bsonx.Lookup(c.Data, "error"); !bsonx.IsMissing(code) {
			n, _ := bsonx.IntegralOK(code)
			if err == nil {
				t.Errorf("%s:%d: %s, want error %d", file, line, got.DebugString(), n)
			} else if errcode.As(err).Code != errcode.Code(n) {
				t.Errorf("%s:%d: %v, want error %d", file, line, err, n)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s:%d: %v", file, line, err)
		} else if want := bsonx.Lookup(c.Data, "want"); !sameValue(want, got) {
			t.Errorf("%s:%d: %s, want %s", file, line, got.DebugString(), want.DebugString())
		}
	}
}

func evaluate(e, doc bsonx.Value) (bsonx.Value, error) {
	sc := NewScope(ScopeOptions{})
	x, err := Compile(e, sc)
	if err != nil {
		return bsonx.Value{}, err
	}
	env := NewEnv(nil, sc)
	env.Root = doc
	return x.Eval(env)
}
