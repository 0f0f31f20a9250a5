package match_test

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
)

func parse(t *testing.T, s string) bsonx.Doc {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), true, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestRules reads testdata/rules.txt: "FILTER ~ DOC" matches, "FILTER !~ DOC"
// does not, "FILTER ~N DOC" matches at array position N, and "error CODE FILTER"
// does not compile.
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

func checkRule(t *testing.T, line string) {
	if rest, ok := strings.CutPrefix(line, "error "); ok {
		code, filter, _ := strings.Cut(rest, " ")
		_, err := match.Compile(parse(t, filter), match.Options{})
		if err == nil {
			t.Fatalf("%s: no error", filter)
		}
		if got := strconv.Itoa(int(errcode.As(err).Code)); got != code {
			t.Fatalf("%s: want code %s, got %v (%s)", filter, code, err, got)
		}
		return
	}
	filter, rest, ok := strings.Cut(line, " ~")
	want := true
	if !ok {
		filter, rest, ok = strings.Cut(line, " !~")
		want = false
	}
	if !ok {
		t.Fatalf("not a rule: %s", line)
	}
	at, doc, _ := strings.Cut(rest, " ")
	m, err := match.Compile(parse(t, filter), match.Options{})
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	env := expr.NewEnv(nil, nil)
	d := parse(t, doc)
	got, pos, err := m.MatchesAt(env, d)
	if err != nil || got != want {
		t.Fatalf("%s on %s: %v, %v", filter, doc, got, err)
	}
	if plain, _ := m.Matches(env, d); plain != got {
		t.Fatalf("%s on %s: Matches and MatchesAt differ", filter, doc)
	}
	if at == "" {
		return
	}
	if at == "-" {
		if len(pos) != 0 {
			t.Fatalf("%s on %s: at %v, want none", filter, doc, pos)
		}
	} else if len(pos) != 1 || strconv.Itoa(pos[0]) != at {
		t.Fatalf("%s on %s: at %v, want %s", filter, doc, pos, at)
	}
}

// TestDepth: a filter may be nested only so deep, and a malicious one is an
// error, not a stack overflow.
func TestDepth(t *testing.T) {
	for _, c := range []struct {
		depth int
		ok    bool
	}{{80, true}, {400, false}} {
		doc := parse(t, `{"a":1}`)
		for range c.depth {
			b := bsonx.NewDoc(nil)
			at := b.OpenArray("$or")
			b.Doc("0", parse(t, `{"b":1}`))
			b.Doc("1", doc)
			b.Close(at)
			doc = b.Done()
		}
		_, err := match.Compile(doc, match.Options{})
		if (err == nil) != c.ok {
			t.Errorf("depth %d: %v", c.depth, err)
		}
		if err != nil && !errcode.Has(err, errcode.BadValue) {
			t.Errorf("depth %d: %v", c.depth, err)
		}
	}
}

type upper struct{}

func (upper) Key(s []byte) []byte { return []byte(strings.ToUpper(string(s))) }

func TestCollation(t *testing.T) {
	for _, c := range []struct {
		filter, doc string
		want        bool
	}{
		{`{"a":"x"}`, `{"a":"X"}`, true},
		{`{"a":{"$in":["y","x"]}}`, `{"a":"X"}`, true},
		{`{"a":{"$gt":"B"}}`, `{"a":"c"}`, true},
		{`{"a":{"$gt":"b"}}`, `{"a":"B"}`, false},
		{`{"a":{"b":"x"}}`, `{"a":{"b":"X"}}`, true},
		{`{"a":{"$elemMatch":{"$eq":"x"}}}`, `{"a":["X"]}`, true},
		{`{"a":{"$regularExpression":{"pattern":"x","options":""}}}`, `{"a":"X"}`, false},
	} {
		f, err := match.Compile(parse(t, c.filter), match.Options{Collation: upper{}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Matches(nil, parse(t, c.doc)); got != c.want || err != nil {
			t.Errorf("%s on %s: %v, %v", c.filter, c.doc, got, err)
		}
	}
}

// TestRoot: what a planner sees of some filters.
func TestRoot(t *testing.T) {
	root := func(s string) match.Node {
		f, err := match.Compile(parse(t, s), match.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return f.Root()
	}
	if _, ok := root(`{}`).(*match.True); !ok {
		t.Error("{} is not True")
	}
	if c, ok := root(`{"a":{"$in":[1]}}`).(*match.Compare); !ok || c.Op != match.Eq {
		t.Error("$in of one is not an equality")
	}
	if _, ok := root(`{"a":{"$in":[]}}`).(*match.False); !ok {
		t.Error("$in of none is not False")
	}
	if a, ok := root(`{"a":1,"$and":[{"b":1},{"$and":[{"c":1},{}]}]}`).(*match.And); !ok || len(a.Nodes) != 3 {
		t.Error("$and is not flat")
	}
	if in, ok := root(`{"a":{"$in":[3,1,2,1]}}`).(*match.In); !ok || len(in.Values) != 3 || bsonx.I32(in.Values[0]) != 1 {
		t.Error("$in is not sorted and distinct")
	}
	if n, ok := root(`{"a":{"$ne":1}}`).(*match.Not); !ok {
		t.Error("$ne is not a negation")
	} else if _, ok := n.Node.(*match.Compare); !ok {
		t.Error("$ne is not the negation of an equality")
	}
}

func TestNoAllocations(t *testing.T) {
	doc := parse(t, `{"_id":1,"a":{"b":[1,2,{"c":"x"}]},"s":"text","n":5.5}`)
	for _, s := range []string{
		`{"a.b.c":"x"}`, `{"a.b":2}`, `{"n":{"$gt":1,"$lt":10}}`, `{"s":{"$in":["a","b","text"]}}`,
		`{"$or":[{"s":1},{"n":{"$exists":true}}]}`, `{"a.b":{"$elemMatch":{"$gt":1}}}`, `{"a.b":{"$size":3}}`,
	} {
		f, err := match.Compile(parse(t, s), match.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if ok, err := f.Matches(nil, doc); !ok || err != nil {
				t.Fatal(s, ok, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

// TestWhy: the details of a document that fails a validator.
func TestWhy(t *testing.T) {
	for _, c := range []struct{ filter, doc, want string }{
		{`{"a":{"$gt":5}}`, `{"a":1}`,
			`{"operatorName":"$gt","specifiedAs":{"a":{"$gt":5}},"reason":"comparison failed","consideredValue":1}`},
		{`{"a":5}`, `{}`,
			`{"operatorName":"$eq","specifiedAs":{"a":5},"reason":"field was missing"}`},
		{`{"a":{"$type":"int"},"b":1}`, `{"a":"x","b":1}`,
			`{"operatorName":"$and","clausesNotSatisfied":[{"index":0,"details":{"operatorName":"$type","specifiedAs":{"a":{"$type":"int"}},"reason":"type did not match","consideredValue":"x","consideredType":"string"}}]}`},
		{`{"$nor":[{"a":1},{"b":1}]}`, `{"b":1}`,
			`{"operatorName":"$nor","clausesSatisfied":[{"index":1,"details":{"operatorName":"$eq","specifiedAs":{"b":1},"reason":"comparison succeeded","consideredValue":1}}]}`},
		{`{"a":{"$exists":false}}`, `{"a":1}`,
			`{"operatorName":"$exists","specifiedAs":{"a":{"$exists":false}},"reason":"path does exist"}`},
		{`{"a":{"$not":{"$gt":1}}}`, `{"a":[2,3]}`,
			`{"operatorName":"$not","details":{"operatorName":"$gt","specifiedAs":{"a":{"$gt":1}},"reason":"comparison succeeded","consideredValues":[2,3,[2,3]]}}`},
		{`{"$expr":{"$eq":["$a",1]}}`, `{"a":2}`,
			`{"operatorName":"$expr","specifiedAs":{"$expr":{"$eq":["$a",1]}},"reason":"expression did not match","expressionResult":false}`},
		{`{"$jsonSchema":{"required":["a","b"],"properties":{"a":{"bsonType":"int","description":"a number"}}}}`, `{"a":"x"}`,
			`{"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[` +
				`{"operatorName":"required","specifiedAs":{"required":["a","b"]},"missingProperties":["b"]},` +
				`{"operatorName":"properties","propertiesNotSatisfied":[{"propertyName":"a","description":"a number","details":[` +
				`{"operatorName":"bsonType","specifiedAs":{"bsonType":"int"},"reason":"type did not match","consideredValue":"x","consideredType":"string"}]}]}]}`},
		{`{"$jsonSchema":{"properties":{"a":{"items":{"minimum":3}}}}}`, `{"a":[5,1]}`,
			`{"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[{"operatorName":"properties","propertiesNotSatisfied":[{"propertyName":"a","details":[` +
				`{"operatorName":"items","reason":"At least one item did not match the sub-schema","itemIndex":1,"details":[` +
				`{"operatorName":"minimum","specifiedAs":{"minimum":3},"reason":"comparison failed","consideredValue":1}]}]}]}]}`},
		{`{"$jsonSchema":{"properties":{"a":{}},"additionalProperties":false}}`, `{"a":1,"b":2}`,
			`{"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[{"operatorName":"additionalProperties","specifiedAs":{"additionalProperties":false},"additionalProperties":["b"]}]}`},
		{`{"$jsonSchema":{"properties":{"a":{}},"additionalProperties":{"type":"string"}}}`, `{"a":1,"b":2}`,
			`{"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[{"operatorName":"additionalProperties","reason":"at least one additional property did not match the subschema","failingProperty":"b","details":[` +
				`{"operatorName":"type","specifiedAs":{"type":"string"},"reason":"type did not match","consideredValue":2,"consideredType":"int"}]}]}`},
		{`{"$jsonSchema":{"properties":{"a":{"uniqueItems":true}}}}`, `{"a":[1,2,1]}`,
			`{"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[{"operatorName":"properties","propertiesNotSatisfied":[{"propertyName":"a","details":[` +
				`{"operatorName":"uniqueItems","specifiedAs":{"uniqueItems":true},"reason":"found a duplicate item","consideredValue":[1,2,1],"duplicatedValue":1}]}]}]}`},
	} {
		f, err := match.Compile(parse(t, c.filter), match.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Why(expr.NewEnv(nil, nil), parse(t, c.doc))
		if err != nil || !bytes.Equal(got, parse(t, c.want)) {
			t.Errorf("%s on %s:\n got %s\nwant %s (%v)", c.filter, c.doc, got, c.want, err)
		}
	}
}
