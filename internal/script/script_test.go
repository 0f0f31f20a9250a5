package script

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// inProcess is a session whose worker runs in this process.
func inProcess(t *testing.T, interrupt func() error) *Session {
	t.Helper()
	p := &Pool{Start: func() (Link, error) {
		a, b := net.Pipe()
		go Serve(b)
		return a, nil
	}}
	s := p.Session(interrupt)
	t.Cleanup(func() { s.Close(); _ = p.Close() })
	return s
}

// value parses one value of Extended JSON.
func value(t *testing.T, text string) bsonx.Value {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v": `+text+`}`), true, &d); err != nil {
		t.Fatal(err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return bsonx.Lookup(raw, "v")
}

func show(v bsonx.Value) string {
	var b bsonx.Builder
	b.Begin(nil)
	b.Value("v", v)
	text, err := bson.MarshalExtJSON(bson.Raw(b.Done()), true, false)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(text), `{"v":`), "}")
}

func TestCall(t *testing.T) {
	s := inProcess(t, nil)
	for _, c := range []struct{ code, args, want string }{
		{"function (x) { return x * 2; }", `[{"$numberInt": "5"}]`, `{"$numberDouble":"10.0"}`},
		{"(a, b) => a + b", `["x", "y"]`, `"xy"`},
		{"function () {}", `[]`, `{"$undefined":true}`},
		{"function (d) { d.b = 2; return d; }", `[{"a": {"$numberInt": "1"}, "n": {"x": {"$numberInt": "3"}}}]`,
			`{"a":{"$numberInt":"1"},"n":{"x":{"$numberInt":"3"}},"b":{"$numberDouble":"2.0"}}`},
		{"function (d) { return [d, null, true]; }", `[{"$date": {"$numberLong": "5"}}]`, `[{"$date":{"$numberLong":"5"}},null,true]`},
		{"function (n) { return [n, n + 1, n.toString()]; }", `[{"$numberLong": "7"}]`, `[{"$numberLong":"7"},{"$numberDouble":"8.0"},"NumberLong(7)"]`},
		{"function (i) { return [i, i.str.length, i.equals(i)]; }", `[{"$oid": "0102030405060708090a0b0c"}]`,
			`[{"$oid":"0102030405060708090a0b0c"},{"$numberDouble":"24.0"},true]`},
		{"function () { return {l: NumberLong('9007199254740993'), i: NumberInt(3), d: NumberDecimal('1.50'), t: Timestamp(4, 5)}; }", `[]`,
			`{"l":{"$numberLong":"9007199254740993"},"i":{"$numberInt":"3"},"d":{"$numberDecimal":"1.50"},"t":{"$timestamp":{"t":4,"i":5}}}`},
		{"function () { return [new NumberLong(2), BinData(0, 'aGk='), UUID('01020304-0506-0708-090a-0b0c0d0e0f10'), MinKey(), ISODate('1970-01-01T00:00:01Z')]; }", `[]`,
			`[{"$numberLong":"2"},{"$binary":{"base64":"aGk=","subType":"00"}},{"$binary":{"base64":"AQIDBAUGBwgJCgsMDQ4PEA==","subType":"04"}},{"$minKey":1},{"$date":{"$numberLong":"1000"}}]`},
		{"function (r) { return [r, r.test('XAB')]; }", `[{"$regularExpression": {"pattern": "ab", "options": "i"}}]`,
			`[{"$regularExpression":{"pattern":"ab","options":"i"}},true]`},
		{"function (o) { return Object.keys(o).concat(Object.getPrototypeOf(o) === Object.prototype); }", `[{"__proto__": {"a": null}}]`, `["__proto__",true]`},
		{"function () { return tojson({a: [1, 'x'], n: NumberLong(3)}, '', true); }", `[]`, `"{ \"a\" : [ 1, \"x\" ], \"n\" : NumberLong(3) }"`},
		{"function () { return typeof require + typeof process + typeof fetch; }", `[]`, `"undefinedundefinedundefined"`},
	} {
		got, err := s.Call(c.code, bsonx.Value{}, bsonx.Values(nil, value(t, c.args).Data))
		if err != nil || show(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.code, show(got), err, c.want)
		}
	}
}

func TestWhereForms(t *testing.T) {
	s := inProcess(t, nil)
	doc := value(t, `{"x": {"$numberInt": "3"}}`)
	for _, code := range []string{"this.x == 3", "obj.x == 3", "function () { return this.x == 3; }", "return this.x == 3",
		"var y = this.x; return y > 2;", "() => obj.x === 3"} {
		got, err := s.Call(code, doc, nil)
		if err != nil || show(got) != "true" {
			t.Errorf("%s: %s, %v", code, show(got), err)
		}
	}
}

func TestFoldAndEmit(t *testing.T) {
	s := inProcess(t, nil)
	s.SetGlobals(value(t, `{"step": {"$numberInt": "10"}}`).Data)
	got, err := s.Fold("function (state, x) { state.sum += x * step; return state; }", value(t, `{"sum": {"$numberInt": "1"}}`),
		bsonx.Values(nil, value(t, `[[{"$numberInt": "1"}], [{"$numberInt": "2"}]]`).Data))
	if err != nil || show(got) != `{"sum":{"$numberInt":"31"}}` {
		t.Errorf("fold: %s, %v", show(got), err)
	}
	got, err = s.Emit("function () { emit(this.k, 1); emit(undefined, this.k); }", value(t, `{"k": "a"}`))
	if err != nil || show(got) != `[{"k":"a","v":{"$numberDouble":"1.0"}},{"k":null,"v":"a"}]` {
		t.Errorf("emit: %s, %v", show(got), err)
	}
}

func TestErrors(t *testing.T) {
	s := inProcess(t, nil)
	for code, want := range map[string]string{
		"function ( {":                                                  "SyntaxError",
		"function () { nope(); }":                                       "ReferenceError",
		"function () { throw 'x' }":                                     "uncaught exception: x",
		"function f() { return f() + 1; }":                              "RangeError",
		"function () { ObjectId('z'); }":                                "invalid object id",
		"function () { var a = {}; a.a = a; return a; }":                "depth limit",
		"function () { return {get x() { throw new Error('boom') }}; }": "boom",
	} {
		_, err := s.Call(code, bsonx.Value{}, nil)
		var e *errcode.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", code, err, want)
		}
	}
}

// TestInterrupt: a script that does not end is ended with the command's error, and
// the session goes on with a new worker.
func TestInterrupt(t *testing.T) {
	stop := errors.New("out of time")
	var asked int
	s := inProcess(t, func() error {
		if asked++; asked > 2 {
			return stop
		}
		return nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := s.Call("sleep(100000)", bsonx.Value{}, nil)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, stop) {
			t.Fatalf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
}
