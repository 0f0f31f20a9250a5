package expr

import (
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// js reads canonical Extended JSON.
func js(t *testing.T, s string) bsonx.Value {
	t.Helper()
	j, err := parseJSON([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return toBSON(j)
}

// accumulate runs an accumulator, {name: argument}, over documents.
func accumulate(t *testing.T, acc, docs string) (bsonx.Value, error) {
	t.Helper()
	sc := NewScope(ScopeOptions{})
	it := bsonx.NewIter(js(t, acc).Data)
	it.Next()
	a, err := CompileAccumulator(string(it.Key()), it.Value(), sc)
	if err != nil {
		return bsonx.Value{}, err
	}
	env, s := NewEnv(nil, sc), a.New()
	for _, d := range bsonx.Values(nil, js(t, docs).Data) {
		env.Root = d
		if err := s.Add(env); err != nil {
			return bsonx.Value{}, err
		}
		env.Arena.Reset()
	}
	return s.Result(env)
}

func TestAccumulators(t *testing.T) {
	const docs = `[{"k": {"$numberInt": "2"}, "v": "a"}, {"k": {"$numberInt": "1"}, "v": "b"},
		{"k": {"$numberInt": "2"}, "v": "c"}, {"k": null}, {"k": {"$numberDouble": "1.0"}, "v": "b"}]`
	const one, two = `{"$numberInt": "1"}`, `{"$numberInt": "2"}`
	for _, c := range []struct{ acc, want string }{
		{`{"$sum": "$k"}`, `{"$numberDouble": "6.0"}`},
		{`{"$avg": "$k"}`, `{"$numberDouble": "1.5"}`},
		{`{"$count": {}}`, `{"$numberInt": "5"}`},
		{`{"$min": "$k"}`, one},
		{`{"$max": "$v"}`, `"c"`},
		{`{"$first": "$v"}`, `"a"`},
		{`{"$last": "$v"}`, `"b"`},
		{`{"$push": "$v"}`, `["a", "b", "c", "b"]`},
		{`{"$addToSet": "$k"}`, `[` + two + `, ` + one + `, null]`},
		{`{"$mergeObjects": {"x": "$v"}}`, `{"x": "b"}`},
		{`{"$firstN": {"n": ` + two + `, "input": "$v"}}`, `["a", "b"]`},
		{`{"$lastN": {"n": ` + two + `, "input": "$v"}}`, `[null, "b"]`},
		{`{"$maxN": {"n": ` + two + `, "input": "$v"}}`, `["c", "b"]`},
		{`{"$minN": {"n": ` + two + `, "input": "$v"}}`, `["a", "b"]`},
		{`{"$top": {"sortBy": {"k": ` + one + `}, "output": "$v"}}`, `null`},
		{`{"$bottom": {"sortBy": {"k": ` + one + `}, "output": "$v"}}`, `"a"`},
		{`{"$topN": {"n": ` + two + `, "sortBy": {"k": {"$numberInt": "-1"}}, "output": "$v"}}`, `["a", "c"]`},
		{`{"$bottomN": {"n": ` + two + `, "sortBy": {"k": ` + one + `}, "output": "$v"}}`, `["a", "c"]`},
		{`{"$concatArrays": ["$v"]}`, ``},
		{`{"$setUnion": {"$concatArrays": [["x"], ["$k"]]}}`, `["x", ` + two + `, ` + one + `, null]`},
		{`{"$median": {"input": "$k", "method": "approximate"}}`, `{"$numberDouble": "1.0"}`},
		{`{"$stdDevPop": "$k"}`, `{"$numberDouble": "0.5"}`},
	} {
		got, err := accumulate(t, c.acc, docs)
		if c.want == "" {
			if !errcode.Has(err, 40237) {
				t.Errorf("%s: %v", c.acc, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.acc, err)
		} else if want := js(t, c.want); !sameValue(want, got) {
			t.Errorf("%s: %s, want %s", c.acc, got.DebugString(), want.DebugString())
		}
	}
}

func TestAccumulatorErrors(t *testing.T) {
	for acc, code := range map[string]errcode.Code{
		`{"$nope": "x"}`:               15952,
		`{"$sum": ["$x"]}`:             40237,
		`{"$count": "x"}`:              errcode.TypeMismatch,
		`{"$mergeObjects": "$s"}`:      5911200,
		`{"$concatArrays": "$s"}`:      errcode.TypeMismatch,
		`{"$top": "x"}`:                5788001,
		`{"$top": {"output": "$s"}}`:   5788005,
		`{"$top": {"sortBy": {}}}`:     5788004,
		`{"$topN": {"output": "$s"}}`:  5788003,
		`{"$firstN": {"input": "$s"}}`: 5787906,
		`{"$firstN": {"n": {"$numberDouble": "1.5"}, "input": "$s"}}`: 5787903,
		`{"$push": {"$divide": [{"$numberInt": "1"}, "$z"]}}`:         4848401,
		`{"$push": {"$mod": [{"$numberInt": "1"}, "$z"]}}`:            4848403,
	} {
		if _, err := accumulate(t, acc, `[{"s": "s", "z": {"$numberInt": "0"}}]`); !errcode.Has(err, code) {
			t.Errorf("%s: %v, want %d", acc, err, code)
		}
	}
}

// A state keeps copies: the document and the arena may be used again.
func TestAccumulatorKeepsCopies(t *testing.T) {
	sc := NewScope(ScopeOptions{})
	for _, name := range []string{"$push", "$min", "$first", "$last", "$addToSet"} {
		a, err := CompileAccumulator(name, js(t, `{"$concat": ["$v", "x"]}`), sc)
		if err != nil {
			t.Fatal(err)
		}
		env, s := NewEnv(nil, sc), a.New()
		doc := js(t, `{"v": "one"}`)
		env.Root = doc
		if err := s.Add(env); err != nil {
			t.Fatal(err)
		}
		env.Arena.Reset()
		env.Arena.String("overwritten, surely")
		copy(doc.Data[4:], make([]byte, len(doc.Data)-4))
		got, err := s.Result(env)
		if err != nil {
			t.Fatal(err)
		}
		want := js(t, `"onex"`)
		if got.Type == bsonx.Array {
			got = bsonx.LookupIndex(got.Data, 0)
		}
		if !sameValue(want, got) {
			t.Errorf("%s: %s", name, got.DebugString())
		}
	}
}

// Evaluating a path, a comparison and a sum allocates nothing once the arena
// and the stack have grown.
func TestEvalDoesNotAllocate(t *testing.T) {
	sc := NewScope(ScopeOptions{})
	doc := js(t, `{"x": "y", "a": {"b": {"$numberInt": "3"}}}`)
	for _, src := range []string{`"$a.b"`, `{"$gt": ["$a.b", {"$numberInt": "1"}]}`, `{"$add": ["$a.b", {"$numberDouble": "0.5"}]}`} {
		e, err := Compile(js(t, src), sc)
		if err != nil {
			t.Fatal(err)
		}
		env := NewEnv(nil, sc)
		env.Root = doc
		if n := testing.AllocsPerRun(100, func() {
			if _, err := e.Eval(env); err != nil {
				t.Fatal(err)
			}
			env.Arena.Reset()
		}); n > 0 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}

// Expressions that build without bound end with an error.
func TestBombs(t *testing.T) {
	double := func(op, what string) string {
		return `{"$reduce": {"input": {"$range": [{"$numberInt": "0"}, {"$numberInt": "64"}]}, "initialValue": ` + what +
			`, "in": {"` + op + `": ["$$value", "$$value"]}}}`
	}
	for _, src := range []string{double("$concatArrays", `["0123456789"]`), double("$concat", `"0123456789"`)} {
		sc := NewScope(ScopeOptions{})
		e, err := Compile(js(t, src), sc)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := e.Eval(NewEnv(nil, sc)); err == nil {
			t.Errorf("%s: %d bytes, no error", src, len(v.Data))
		}
	}
	deep := bsonx.StringValue("$a")
	for range 300 {
		deep = bsonx.ArrValue(bsonx.AppendArray(nil, []bsonx.Value{deep}))
	}
	if _, err := Compile(deep, NewScope(ScopeOptions{})); !errcode.Has(err, errcode.Overflow) {
		t.Errorf("deep expression: %v", err)
	}
}
