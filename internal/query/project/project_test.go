package project_test

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/project"
)

func parse(t *testing.T, s string) bsonx.Value {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+s+`}`), true, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return bsonx.Lookup(raw, "v")
}

// TestRules reads testdata/rules.txt. A rule is "KIND SPEC | DOC => RESULT" or
// "KIND SPEC error CODE", where KIND is find, project, addFields, unset,
// replaceRoot or replaceWith; "find FILTER ? SPEC | …" has a filter. Results are
// compared byte for byte, so the order of fields counts.
func TestRules(t *testing.T) {
	f, err := os.Open("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc, n := bufio.NewScanner(f), 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		t.Run("line "+strconv.Itoa(n), func(t *testing.T) { checkRule(t, line) })
	}
}

func compile(t *testing.T, kind, spec string) (*project.Projection, error) {
	var o project.Options
	switch kind {
	case "find":
		o.Find = true
		if filter, rest, ok := strings.Cut(spec, " ? "); ok {
			spec = rest
			f, err := match.Compile(parse(t, filter).Data, match.Options{})
			if err != nil {
				t.Fatal(err)
			}
			o.Filter = f
		}
		fallthrough
	case "project":
		return project.Compile(parse(t, spec).Data, o)
	case "addFields":
		return project.CompileAddFields(parse(t, spec).Data, o)
	case "unset":
		return project.CompileUnset(parse(t, spec), o)
	case "replaceRoot":
		return project.CompileReplaceRoot(parse(t, spec), o)
	case "replaceWith":
		return project.CompileReplaceWith(parse(t, spec), o)
	}
	t.Fatalf("unknown kind %s", kind)
	return nil, nil
}

func checkRule(t *testing.T, line string) {
	kind, rest, _ := strings.Cut(line, " ")
	if spec, code, ok := strings.Cut(rest, " error "); ok {
		spec, doc, run := strings.Cut(spec, " | ")
		p, err := compile(t, kind, spec)
		if run && err == nil {
			_, err = p.Apply(expr.NewEnv(nil, nil), parse(t, doc).Data)
		}
		if err == nil {
			t.Fatalf("%s: no error", line)
		}
		if got := strconv.Itoa(int(errcode.As(err).Code)); got != code {
			t.Fatalf("%s: got %s (%v)", line, got, err)
		}
		return
	}
	spec, rest, _ := strings.Cut(rest, " | ")
	doc, want, ok := strings.Cut(rest, " => ")
	if !ok {
		t.Fatalf("not a rule: %s", line)
	}
	p, err := compile(t, kind, spec)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	got, err := p.Apply(expr.NewEnv(nil, nil), parse(t, doc).Data)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if !bytes.Equal(got, parse(t, want).Data) {
		t.Fatalf("%s: got %s", line, got)
	}
}

// TestAppendTo: the memory of the previous document is used again.
func TestAppendTo(t *testing.T) {
	p, err := compile(t, "find", `{"a":1,"_id":0}`)
	if err != nil {
		t.Fatal(err)
	}
	env, doc := expr.NewEnv(nil, nil), parse(t, `{"_id":1,"a":5,"b":6}`).Data
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		if buf, err = p.AppendTo(buf[:0], env, doc); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		spec string
		want string
		all  bool
	}{
		{`{"a":1,"b.c":1}`, "a b _id", false},
		{`{"a":1,"_id":0}`, "a", false},
		{`{"a":0}`, "", true},
		{`{"a":"$b"}`, "", true},
	} {
		p, err := compile(t, "project", c.spec)
		if err != nil {
			t.Fatal(err)
		}
		names, all := p.Fields()
		if got := strings.Join(names, " "); got != c.want || all != c.all {
			t.Errorf("%s: %q, %v", c.spec, got, all)
		}
	}
}
