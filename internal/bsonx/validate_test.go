package bsonx_test

import (
	"bytes"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// everyType is a document with a value of every BSON type.
func everyType(t testing.TB) []byte {
	t.Helper()
	d, err := bson.Marshal(bson.D{
		{Key: "double", Value: 1.5}, {Key: "str", Value: "höh"}, {Key: "doc", Value: bson.D{{Key: "a", Value: bson.A{1, "x", bson.D{}}}}},
		{Key: "bin", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}, {Key: "old", Value: bson.Binary{Subtype: 2, Data: []byte("ab")}},
		{Key: "undef", Value: bson.Undefined{}}, {Key: "oid", Value: bson.NewObjectID()}, {Key: "t", Value: true}, {Key: "f", Value: false},
		{Key: "date", Value: bson.DateTime(1)}, {Key: "null", Value: nil}, {Key: "re", Value: bson.Regex{Pattern: "a", Options: "i"}},
		{Key: "ptr", Value: bson.DBPointer{DB: "db"}}, {Key: "js", Value: bson.JavaScript("x")}, {Key: "sym", Value: bson.Symbol("s")},
		{Key: "cws", Value: bson.CodeWithScope{Code: "f", Scope: bson.D{{Key: "y", Value: 1}}}}, {Key: "i32", Value: int32(1)},
		{Key: "ts", Value: bson.Timestamp{T: 1, I: 2}}, {Key: "i64", Value: int64(1)}, {Key: "dec", Value: bson.NewDecimal128(1, 2)},
		{Key: "min", Value: bson.MinKey{}}, {Key: "max", Value: bson.MaxKey{}}, {Key: "", Value: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// nested returns a document of n levels.
func nested(n int) []byte {
	b := bsonx.NewDoc(nil)
	open := make([]int, 0, n)
	for range n - 1 {
		open = append(open, b.OpenDoc("a"))
	}
	for i := len(open) - 1; i >= 0; i-- {
		b.Close(open[i])
	}
	return b.Done()
}

func TestValidateAcceptsEveryType(t *testing.T) {
	for _, d := range [][]byte{everyType(t), {5, 0, 0, 0, 0}, nested(bsonx.MaxDepth)} {
		if err := bsonx.Validate(d); err != nil {
			t.Errorf("%x: %v", d[:5], err)
		}
	}
}

// raw builds a document around the bytes of its fields.
func raw(fields string) []byte {
	n := len(fields) + 5
	return append(append([]byte{byte(n), byte(n >> 8), 0, 0}, fields...), 0)
}

func TestValidateRefuses(t *testing.T) {
	tests := []struct {
		name string
		doc  []byte
	}{
		{"empty", nil},
		{"only a length", []byte{4, 0, 0, 0}},
		{"length too long", []byte{6, 0, 0, 0, 0}},
		{"length too short", []byte{5, 0, 0, 0, 0, 0}},
		{"negative length", []byte{0xff, 0xff, 0xff, 0xff, 0}},
		{"no final NUL", []byte{5, 0, 0, 0, 1}},
		{"type 0 inside", raw("\x00a\x00")},
		{"unknown type", raw("\x20a\x00")},
		{"name without an end", raw("\x0aabc")},
		{"name that is not UTF-8", raw("\x0a\xff\x00")},
		{"int cut off", raw("\x10a\x00\x01\x00")},
		{"bool 2", raw("\x08a\x00\x02")},
		{"bool missing", raw("\x08a\x00")},
		{"string of length 0", raw("\x02a\x00\x00\x00\x00\x00")},
		{"string of negative length", raw("\x02a\x00\xff\xff\xff\xff\x00")},
		{"string of giant length", raw("\x02a\x00\xff\xff\xff\x7f\x00")},
		{"string without its NUL", raw("\x02a\x00\x02\x00\x00\x00ab")},
		{"string that is not UTF-8", raw("\x02a\x00\x02\x00\x00\x00\xc3\x00")},
		{"binary too long", raw("\x05a\x00\x05\x00\x00\x00\x00abc")},
		{"binary of negative length", raw("\x05a\x00\xff\xff\xff\xff\x00abc")},
		{"nested too short", raw("\x03a\x00\x04\x00\x00\x00")},
		{"nested too long", raw("\x03a\x00\x06\x00\x00\x00\x00")},
		{"nested without its NUL", raw("\x03a\x00\x05\x00\x00\x00\x01")},
		{"field beyond its document", raw("\x03a\x00\x08\x00\x00\x00\x10b\x00\x00\x00")},
		{"regex without an end", raw("\x0ba\x00abc")},
		{"dbPointer cut off", raw("\x0ca\x00\x01\x00\x00\x00\x00abc")},
		{"code with scope too short", raw("\x0fa\x00\x05\x00\x00\x00\x00")},
		{"code with scope with slack", raw("\x0fa\x00\x0f\x00\x00\x00\x01\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00")},
	}
	for _, tt := range tests {
		if err := bsonx.Validate(tt.doc); !errcode.Has(err, errcode.InvalidBSON) {
			t.Errorf("%s: got %v, want InvalidBSON", tt.name, err)
		}
	}
	if err := bsonx.Validate(nested(bsonx.MaxDepth + 1)); !errcode.Has(err, errcode.Overflow) {
		t.Errorf("too deep: got %v, want Overflow", err)
	}
	if err := bsonx.Validate(nested(100_000)); !errcode.Has(err, errcode.Overflow) {
		t.Errorf("much too deep: got %v, want Overflow", err)
	}
}

func TestDepth(t *testing.T) {
	for _, n := range []int{1, 2, 7, bsonx.MaxDepth} {
		if got := bsonx.Depth(nested(n)); got != n {
			t.Errorf("Depth of %d levels = %d", n, got)
		}
	}
}

// FuzzValidate checks that what Validate accepts can be walked to its last
// byte, and that the driver's decoder agrees that it is a document.
func FuzzValidate(f *testing.F) {
	f.Add(everyType(f))
	f.Add(nested(20))
	f.Add(raw("\x0fa\x00\x0f\x00\x00\x00\x01\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, d []byte) {
		before := bytes.Clone(d)
		err := bsonx.Validate(d)
		if !bytes.Equal(before, d) {
			t.Fatal("Validate changed the document")
		}
		if err != nil {
			return
		}
		if err := bson.Raw(d).Validate(); err != nil && !strings.Contains(err.Error(), "subtype") {
			t.Fatalf("accepted %x, the driver does not: %v", d, err)
		}
		n := 5
		for it := bsonx.NewIter(d); it.Next(); {
			n += len(it.Element())
		}
		if n != len(d) {
			t.Fatalf("walked %d of %d bytes of %x", n, len(d), d)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	typical, err := bson.Marshal(bson.D{
		{Key: "_id", Value: bson.NewObjectID()}, {Key: "name", Value: "Ada Lovelace"}, {Key: "email", Value: "ada@example.com"},
		{Key: "age", Value: 36}, {Key: "address", Value: bson.D{{Key: "street", Value: "St James's Square 12"}, {Key: "city", Value: "London"}}},
		{Key: "tags", Value: bson.A{"mathematics", "poetry", "engines"}}, {Key: "created", Value: bson.DateTime(1)},
		{Key: "bio", Value: strings.Repeat("the first to publish an algorithm ", 6)},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		if err := bsonx.Validate(typical); err != nil {
			b.Fatal(err)
		}
	}
}
