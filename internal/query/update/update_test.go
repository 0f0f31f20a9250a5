package update_test

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/update"
)

func value(t *testing.T, s string) bsonx.Value {
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

// TestRules reads testdata/rules.txt. A rule is
//
//	UPDATE [with ARRAYFILTERS] [for FILTER] [upsert] | DOC => RESULT
//
// or ends in "same" when nothing changes, or in "error CODE". With upsert there
// is no DOC: the document comes from the filter. Results are compared byte for
// byte.
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

type rule struct {
	update, filters, filter, doc string
	upsert                       bool
	want, code                   string
	same                         bool
}

func parseRule(line string) (r rule) {
	line, r.code, _ = strings.Cut(line, " error ")
	line, r.want, _ = strings.Cut(line, " => ")
	line, r.same = strings.CutSuffix(line, " same")
	line, r.doc, _ = strings.Cut(line, " | ")
	line, r.upsert = strings.CutSuffix(line, " upsert")
	line, r.filter, _ = strings.Cut(line, " for ")
	r.update, r.filters, _ = strings.Cut(line, " with ")
	return r
}

func (r rule) run(t *testing.T) (update.Result, error) {
	if r.filter == "" {
		r.filter = "{}"
	}
	var o update.Options
	if r.filters != "" {
		for _, f := range bsonx.Values(nil, value(t, r.filters).Data) {
			o.ArrayFilters = append(o.ArrayFilters, f.Data)
		}
	}
	f, err := match.Compile(value(t, r.filter).Data, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := update.Compile(value(t, r.update), o)
	if err != nil {
		return update.Result{}, err
	}
	in := update.Input{Now: 1000, ClusterTime: bsonx.TimestampValue(7, 8), IsInsert: r.upsert}
	env := expr.NewEnv(nil, nil)
	doc := bsonx.EmptyDoc
	if r.upsert {
		if doc, err = u.UpsertDoc(f); err != nil {
			return update.Result{}, err
		}
	} else {
		if r.doc == "" {
			return update.Result{}, nil
		}
		doc = value(t, r.doc).Data
		ok, pos, err := f.MatchesAt(env, doc)
		if !ok || err != nil {
			t.Fatalf("the filter does not match: %v", err)
		}
		in.Pos = pos
	}
	return u.Apply(env, doc, in)
}

func checkRule(t *testing.T, line string) {
	r := parseRule(line)
	res, err := r.run(t)
	if r.code != "" {
		if err == nil {
			t.Fatalf("%s: no error", line)
		}
		if got := strconv.Itoa(int(errcode.As(err).Code)); got != r.code {
			t.Fatalf("%s: got %s (%v)", line, got, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if r.same {
		if res.Changed {
			t.Fatalf("%s: changed to %s", line, res.Doc)
		}
		return
	}
	if !res.Changed || !bytes.Equal(res.Doc, value(t, r.want).Data) {
		t.Fatalf("%s: changed %v: %s", line, res.Changed, res.Doc)
	}
}

func TestPipelineConstants(t *testing.T) {
	u, err := update.Compile(value(t, `[{"$set":{"a":"$$x"}}]`), update.Options{Constants: value(t, `{"x":5}`).Data})
	if err != nil {
		t.Fatal(err)
	}
	res, err := u.Apply(expr.NewEnv(nil, nil), value(t, `{"_id":1}`).Data, update.Input{})
	if err != nil || !bytes.Equal(res.Doc, value(t, `{"_id":1,"a":5}`).Data) {
		t.Fatal(res, err)
	}
	if _, err := update.Compile(value(t, `{"$set":{"a":1}}`), update.Options{Constants: value(t, `{"x":5}`).Data}); !errcode.Has(err, errcode.FailedToParse) {
		t.Fatal(err)
	}
}

// TestTooLarge: no update makes a document that could not be stored.
func TestTooLarge(t *testing.T) {
	b := bsonx.NewDoc(nil)
	b.Int32("_id", 1)
	b.String("a", strings.Repeat("x", 9<<20))
	doc := b.Done()
	s := bsonx.NewDoc(nil)
	at := s.OpenDoc("$set")
	s.String("b", strings.Repeat("y", 9<<20))
	s.Close(at)
	u, err := update.Compile(bsonx.DocValue(s.Done()), update.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Apply(nil, doc, update.Input{}); !errcode.Has(err, errcode.Code(17419)) {
		t.Fatal(err)
	}
}

func TestTooDeep(t *testing.T) {
	path := strings.Repeat("a.", 200) + "a"
	u, err := update.Compile(value(t, `{"$set":{"`+path+`":1}}`), update.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Apply(nil, value(t, `{"_id":1}`).Data, update.Input{}); !errcode.Has(err, errcode.Overflow) {
		t.Fatal(err)
	}
}

// TestLargeSets: $addToSet with many elements takes the same elements as with
// few, one by one.
func TestLargeSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var have, add []bsonx.Value
	for range 200 {
		have = append(have, bsonx.Int32Value(rng.Int32N(100)))
		add = append(add, bsonx.DoubleValue(float64(rng.Int32N(300))))
	}
	array := func(vals []bsonx.Value) bsonx.Value { return bsonx.ArrValue(bsonx.AppendArray(nil, vals)) }
	doc := func(build func(b *bsonx.Builder)) bsonx.Doc {
		b := bsonx.NewDoc(nil)
		build(b)
		return b.Done()
	}
	apply := func(d bsonx.Doc, vals []bsonx.Value) bsonx.Doc {
		each := doc(func(b *bsonx.Builder) { b.Value("$each", array(vals)) })
		op := doc(func(b *bsonx.Builder) { b.Doc("a", each) })
		u, err := update.Compile(bsonx.DocValue(doc(func(b *bsonx.Builder) { b.Doc("$addToSet", op) })), update.Options{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := u.Apply(nil, d, update.Input{})
		if err != nil {
			t.Fatal(err)
		}
		return res.Doc
	}
	start := doc(func(b *bsonx.Builder) { b.Value("a", array(have)) })
	want := start
	for i := range add {
		want = apply(want, add[i:i+1])
	}
	if got := apply(start, add); !bytes.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestWhole: which documents and arrays an update says it gave as a whole.
func TestWhole(t *testing.T) {
	doc := `{"_id":1,"a":[1,2,3],"o":{"x":1,"y":2,"l":[1]},"s":[{"q":[1]},{"q":[2]}],"n":5}`
	for up, want := range map[string]string{
		`{"$set":{"a":[1,2,4],"n":6}}`:                  "a",
		`{"$set":{"a.1":5,"o.x":7}}`:                    "",
		`{"$set":{"a":[1,2,3],"n":6}}`:                  "", // as it was
		`{"$set":{"a":7,"o":[1]}}`:                      "", // other types
		`{"$set":{"o.l":[2],"s.1":{"q":[3]}}}`:          "o.l s.1",
		`{"$unset":{"o":1},"$pull":{"a":2}}`:            "a",
		`{"$pop":{"o.l":1}}`:                            "o.l",
		`{"$addToSet":{"a":9}}`:                         "a",
		`{"$push":{"a":9}}`:                             "",
		`{"$push":{"a":{"$each":[9],"$position":0}}}`:   "a",
		`{"$push":{"a":{"$each":[9],"$slice":-2}}}`:     "a",
		`{"$set":{"s.$[].q":[7]}}`:                      "s.0.q s.1.q",
		`{"$rename":{"o.l":"a"}}`:                       "a",
		`[{"$set":{"a":[1,2,4]}}]`:                      "", // a pipeline shows what differs
		`{"_id":1,"a":[9]}`:                             "",
		`{"$min":{"a":[0]},"$max":{"o":{"z":1}}}`:       "a o",
		`{"$set":{"s.0.q.0":4},"$inc":{"o.y":1}}`:       "",
		`{"$pullAll":{"a":[7]},"$set":{"o.l":[1,2,3]}}`: "o.l",
	} {
		u, err := update.Compile(value(t, up), update.Options{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := u.Apply(expr.NewEnv(nil, nil), value(t, doc).Data, update.Input{})
		if err != nil {
			t.Fatalf("%s: %v", up, err)
		}
		if got := strings.ReplaceAll(string(res.Whole), "\x00", " "); got != want {
			t.Errorf("%s: %q, want %q", up, got, want)
		}
	}
}
