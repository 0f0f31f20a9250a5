package text

import (
	"math"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

func collect(l *Language, s string, m mode) []string {
	var out []string
	l.terms(s, m, func(t string) { out = append(out, t) })
	return out
}

func TestTerms(t *testing.T) {
	for _, c := range []struct {
		lang, in, want string
		m              mode
	}{
		{"english", "Running the runners' shoes, and CAFÉS!", "run runner shoe cafe", mode{}},
		{"english", "don't stop", "stop", mode{}},
		{"english", "O'Brien's well-known e_mail 3.14", "o'brien well known e_mail 3 14", mode{}},
		{"none", "don't Stop the running", "don t stop the running", mode{}},
		{"english", "Running Café", "Run Cafe", mode{letterCase: true}},
		{"english", "Running Café", "run café", mode{diacritics: true}},
		{"es", "los niños corriendo", "nin corr", mode{}},
		{"french", "les chevaux mangés", "cheval mang", mode{}},
		{"german", "die Häuser", "haus", mode{}},
		{"russian", "и собаки", "собак", mode{}},
		{"turkish", "ISIK", "ısık", mode{}},
		{"english", " \t—…«»", "", mode{}},
		{"none", "日本語 テスト。完了", "日本語 テスト 完了", mode{}},
	} {
		got := strings.Join(collect(LanguageOf(c.lang), c.in, c.m), " ")
		if got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.lang, c.in, got, c.want)
		}
	}
}

func fields() *Fields {
	return &Fields{Weights: []Weight{{"a", 1}, {"b.c", 10}}, Default: LanguageOf("english"), Override: "language"}
}

func doc(t *testing.T, json string) bsonx.Doc {
	t.Helper()
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &raw); err != nil {
		t.Fatal(err)
	}
	return bsonx.Doc(raw)
}

// The scores that MongoDB gives.
func TestScores(t *testing.T) {
	for _, c := range []struct {
		doc, term string
		want      float64
	}{
		{`{"a": "coffee"}`, "coffe", 1},
		{`{"a": "Cake"}`, "cake", 1.1},
		{`{"a": "cake shop"}`, "cake", 0.75},
		{`{"a": "cake cake"}`, "cake", 1.5},
		{`{"a": ["cake", "cake shop", ["cake"]], "b": "cake"}`, "cake", 1.85},
		{`{"b": [{"c": "cake"}, {"c": 1}]}`, "cake", 11},
		{`{"a": "cake", "b": {"c": "cake shop"}}`, "cake", 8.6},
		{`{"a": "los perros", "language": "spanish"}`, "perr", 1},
		{`{"b": {"c": "perros", "language": "es"}}`, "perr", 10},
		{`{"a": {"c": "cake"}}`, "cake", 0},
	} {
		got, err := fields().Terms(doc(t, c.doc))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got[c.term]-c.want) > 1e-9 {
			t.Errorf("%s: %q has %v, want %v (%v)", c.doc, c.term, got[c.term], c.want, got)
		}
	}
	if _, err := fields().Terms(doc(t, `{"a": "x", "language": "klingon"}`)); err == nil {
		t.Error("an unknown language was taken")
	}
}

func TestQueries(t *testing.T) {
	for _, c := range []struct {
		search, doc string
		m           mode
		want        bool
	}{
		{"cake -shop", `{"a": "cake shop"}`, mode{}, false},
		{"cake - shop", `{"a": "cake shop"}`, mode{}, true},
		{"cake-shop", `{"a": "cake shop"}`, mode{}, true},
		{`"cake shop"`, `{"a": "the Cake Shops"}`, mode{}, true},
		{`"cake shop"`, `{"a": "shop cake"}`, mode{}, false},
		{`"cake shop" tea`, `{"a": "tea"}`, mode{}, false},
		{`"cake" "tea"`, `{"a": "tea", "b": {"c": "cake"}}`, mode{}, true},
		{`tea -"cake shop"`, `{"a": "tea", "b": {"c": "cake shop"}}`, mode{}, false},
		{`tea -"cake shop"`, `{"a": "tea cake"}`, mode{}, true},
		{"Cake", `{"a": "cake"}`, mode{letterCase: true}, false},
		{"Cake", `{"a": "Cake"}`, mode{letterCase: true}, true},
		{"cafe", `{"a": "café"}`, mode{diacritics: true}, false},
		{"café", `{"a": "Café"}`, mode{diacritics: true}, true},
		{`"CAFE au"`, `{"a": "café au lait"}`, mode{}, true},
		{"tea -cafe", `{"a": "tea café"}`, mode{}, false},
		{"tea -cafe", `{"a": "tea café"}`, mode{diacritics: true}, true},
	} {
		q := Parse(c.search, LanguageOf("english"), c.m.letterCase, c.m.diacritics)
		d := doc(t, c.doc)
		terms, err := fields().Terms(d)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(q.Terms, func(s string) bool { _, ok := terms[s]; return ok })
		ok, err := q.Matches(fields(), d)
		if err != nil {
			t.Fatal(err)
		}
		if got := found && ok; got != c.want {
			t.Errorf("%s on %s: got %v (terms %q)", c.search, c.doc, got, q.Terms)
		}
	}
	if q := Parse("-cake the", LanguageOf("english"), false, false); len(q.Terms) != 0 {
		t.Errorf("only negations and stop words: %q", q.Terms)
	}
}

func TestLongTermsAreDistinct(t *testing.T) {
	a := Key(strings.Repeat("ä", 300) + "a")
	b := Key(strings.Repeat("ä", 300) + "b")
	if a == b || len(a) > maxKey || Key("short") != "short" {
		t.Error(a, b)
	}
}
