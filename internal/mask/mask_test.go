package mask

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

func raw(t *testing.T, s string) bsonx.Doc {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		t.Fatal(err)
	}
	return bsonx.Doc(d)
}

func compile(t *testing.T, s string) *Rules {
	t.Helper()
	r, err := Compile(raw(t, s), "secret")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRules(t *testing.T) {
	r := compile(t, `{"u": {"a": "null", "b.c": "redact", "l.x": "remove", "deep": "redact", "e": {"rule": "fake", "as": "email"}, "l.0": "null"}, "*": {"a": "hash", "z": "null"}}`)
	for _, c := range []struct{ coll, in, out string }{
		{"u", `{"_id": 1, "a": "x", "k": 1}`, `{"_id": 1, "a": null, "k": 1}`},
		{"u", `{"b": {"c": "x", "d": 1}}`, `{"b": {"c": "***", "d": 1}}`},
		{"u", `{"b": [{"c": "x"}, 5, [{"c": 7}]]}`, `{"b": [{"c": "***"}, 5, [{"c": 0}]]}`},
		{"u", `{"b": 3}`, `{"b": 3}`},
		{"u", `{"l": [1, {"x": 1, "y": 2}]}`, `{"l": [null, {"y": 2}]}`},
		{"u", `{"deep": {"s": ["a", 1, null, true], "d": {"$date": {"$numberLong": "5"}}, "o": {"$oid": "000000000000000000000001"}}}`,
			`{"deep": {"s": ["***", 0, null, false], "d": {"$date": {"$numberLong": "0"}}, "o": null}}`},
		{"u", `{"z": 1}`, `{"z": null}`},
		{"v", `{"z": 1, "b": 1}`, `{"z": null, "b": 1}`},
	} {
		got, want := r.Apply(c.coll, raw(t, c.in)), raw(t, c.out)
		if string(got) != string(want) {
			t.Errorf("%s in %s became %s", c.in, c.coll, bson.Raw(got))
		}
	}
	if !compile(t, `{"u": {"a": "null"}}`).Has("u") || compile(t, `{"u": {"a": "null"}}`).Has("v") {
		t.Error("which collections have rules")
	}
}

// TestHash: values keep their type, hide what they were, and stay equal where they
// were equal; two different numbers never become one.
func TestHash(t *testing.T) {
	r := compile(t, `{"*": {"v": "hash", "_id": "hash"}}`)
	get := func(in string) bsonx.Value { return bsonx.Lookup(r.Apply("c", raw(t, in)), "v") }
	for _, v := range []string{`"x"`, `1`, `{"$numberLong": "1"}`, `1.5`, `{"$oid": "000000000000000000000001"}`,
		`{"$date": {"$numberLong": "5"}}`, `{"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}`} {
		in := raw(t, `{"v": `+v+`}`)
		was, is := bsonx.Lookup(in, "v"), get(`{"v": `+v+`}`)
		if was.Type != is.Type || string(was.Data) == string(is.Data) || len(was.Data) != len(is.Data) && was.Type != bsonx.String {
			t.Errorf("%s became %v", v, is)
		}
		again := get(`{"v": ` + v + `}`)
		if string(is.Data) != string(again.Data) {
			t.Errorf("%s is not always the same", v)
		}
	}
	a, _ := bsonx.IntegralOK(get(`{"v": 7}`))
	b, _ := bsonx.IntegralOK(get(`{"v": {"$numberLong": "7"}}`))
	c, _ := bsonx.IntegralOK(get(`{"v": {"$numberDouble": "7"}}`))
	if a != b || a != c {
		t.Errorf("7 became %d, %d and %d", a, b, c)
	}
	seen := map[int64]bool{}
	for n := int64(-2000); n < 2000; n++ {
		p := r.permute(n)
		if seen[p] || (p < 0) != (n < 0) || p != int64(int32(p)) {
			t.Fatalf("%d became %d", n, p)
		}
		seen[p] = true
	}
	for _, n := range []int64{1 << 31, 1<<53 - 1, 1 << 53, 1<<63 - 1, -1 << 63} {
		p := r.permute(n)
		if n > 0 && n < 1<<53 && (p < 1<<31 || p >= 1<<53) || p == n {
			t.Errorf("%d became %d", n, p)
		}
	}
	other, err := Compile(raw(t, `{"*": {"v": "hash"}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if string(other.Apply("c", raw(t, `{"v": "x"}`))) == string(r.Apply("c", raw(t, `{"v": "x"}`))) {
		t.Error("two secrets, one hash")
	}
}

func TestFake(t *testing.T) {
	r := compile(t, `{"*": {"email": "fake", "home_phone": "fake", "fullName": "fake", "n": "fake", "x": {"rule": "fake", "as": "zip"}}}`)
	d := r.Apply("c", raw(t, `{"email": "me@there.org", "home_phone": "12345", "fullName": "Me", "n": 3, "x": "y"}`))
	for field, has := range map[string]string{"email": "@example.com", "home_phone": "+1-555-", "fullName": " "} {
		if s, _ := bsonx.Lookup(d, field).StringValueOK(); !strings.Contains(s, has) {
			t.Errorf("%s is %q", field, s)
		}
	}
	if s, _ := bsonx.Lookup(d, "x").StringValueOK(); len(s) != 5 {
		t.Errorf("the zip code is %q", s)
	}
	if bsonx.Lookup(d, "n").Type != bsonx.Int32 {
		t.Error("a faked number is none")
	}
}

func TestErrors(t *testing.T) {
	for in, says := range map[string]string{
		`{}`:                                  "no rules",
		`{"c": 1}`:                            "mask.c",
		`{"c": {"a": "blank"}}`:               "must be",
		`{"c": {"a": 1}}`:                     "must be",
		`{"c": {"_id": "null"}}`:              "_id",
		`{"c": {"_id.x": "fake"}}`:            "_id",
		`{"c": {"a..b": "null"}}`:             "no path",
		`{"c": {"a": "null", "a.b": "null"}}`: "two rules",
		`{"c": {"a.b": "null", "a": "null"}}`: "two rules",
		`{"c": {"a": {"rule": "fake", "as": "planet"}}}`: "planet",
		`{"c": {"a": {"rule": "hash", "as": "zip"}}}`:    "'as'",
		`{"c": {"a": {"rule": "fake", "like": "zip"}}}`:  "like",
	} {
		if _, err := Compile(raw(t, in), ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
