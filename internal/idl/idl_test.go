package idl_test

import (
	"errors"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var spec = idl.Command("find",
	idl.Field{Name: "find", Types: idl.String, Required: true},
	idl.Field{Name: "filter", Types: idl.Object},
	idl.Field{Name: "limit", Types: idl.Number, Max: idl.NoMax},
	idl.Field{Name: "single", Types: idl.SafeBool},
	idl.Field{Name: "hint", Types: idl.String | idl.Object},
	idl.Field{Name: "list", Types: idl.Array, Elems: idl.Object},
	idl.Field{Name: "mode", Types: idl.String, Enum: []string{"a", "b"}},
	idl.Field{Name: "any", Types: idl.Any},
)

func decode(t *testing.T, d bson.D) (*idl.Args, error) {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	a := &idl.Args{}
	return a, spec.Decode(raw, a)
}

func TestDecodeErrors(t *testing.T) {
	with := func(more ...bson.E) bson.D { return append(bson.D{{Key: "find", Value: "c"}}, more...) }
	for _, tt := range []struct {
		doc  bson.D
		code errcode.Code
		text string
	}{
		{bson.D{{Key: "find", Value: 1}}, 14, "BSON field 'find.find' is the wrong type 'int', expected type 'string'"},
		{bson.D{{Key: "find", Value: nil}}, 40414, "BSON field 'find.find' is missing but a required field"},
		{with(bson.E{Key: "foo", Value: 1}), 40415, "BSON field 'find.foo' is an unknown field."},
		{with(bson.E{Key: "filter", Value: bson.D{}}, bson.E{Key: "filter", Value: bson.D{}}), 40413, "BSON field 'find.filter' is a duplicate field"},
		{with(bson.E{Key: "find", Value: "d"}), 40413, "BSON field 'find.find' is a duplicate field"},
		{with(bson.E{Key: "limit", Value: "x"}), 14, "BSON field 'find.limit' is the wrong type 'string', expected types '[long, int, decimal, double]'"},
		{with(bson.E{Key: "single", Value: "x"}), 14, "BSON field 'find.single' is the wrong type 'string', expected types '[bool, long, int, decimal, double]'"},
		{with(bson.E{Key: "hint", Value: 1}), 14, "BSON field 'find.hint' is the wrong type 'int', expected types '[string, object]'"},
		{with(bson.E{Key: "limit", Value: -1}), 2, "BSON field 'limit' value must be >= 0, actual value '-1'"},
		{with(bson.E{Key: "list", Value: bson.A{bson.D{}, 1}}), 14, "BSON field 'find.list.1' is the wrong type 'int', expected type 'object'"},
		{with(bson.E{Key: "mode", Value: "z"}), 2, "Enumeration value 'z' for field 'find.mode' is not a valid value."},
		{with(bson.E{Key: "lsid", Value: 1}), 14, "BSON field 'lsid' is the wrong type 'int', expected type 'object'"},
	} {
		_, err := decode(t, tt.doc)
		var e *errcode.Error
		if !errors.As(err, &e) || e.Code != tt.code || e.Message != tt.text {
			t.Errorf("%v: got %v, want %d %s", tt.doc, err, tt.code, tt.text)
		}
	}
}

func TestDecode(t *testing.T) {
	a, err := decode(t, bson.D{
		{Key: "alias", Value: "c"}, {Key: "filter", Value: nil}, {Key: "limit", Value: 2.9}, {Key: "single", Value: 1},
		{Key: "list", Value: bson.A{bson.D{{Key: "x", Value: 1}}}}, {Key: "any", Value: nil}, {Key: "comment", Value: "hi"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.String("find", ""); got != "c" {
		t.Errorf("the first field counts by its place: got %q", got)
	}
	if a.Has("filter") || a.Doc("filter") != nil {
		t.Error("a null is absent where null is no type of the field")
	}
	if !a.Has("any") || a.Get("any").Type != bsonx.Null {
		t.Error("a null stays where any type is taken")
	}
	if a.Int64("limit", 0) != 2 || a.Int64("limit", 7) != 2 || !a.Bool("single", false) || !a.Bool("hint", true) {
		t.Errorf("limit %d, single %v", a.Int64("limit", 0), a.Bool("single", false))
	}
	if docs := a.Docs(nil, "list"); len(docs) != 1 || bsonx.Lookup(docs[0], "x").Type != bsonx.Int32 {
		t.Errorf("list: %v", docs)
	}
	if got := a.Generic.Get(idl.Comment); got.Type != bsonx.String {
		t.Errorf("comment: %v", got)
	}
}

// TestDecodeAgain reuses an Args: nothing of the earlier command stays.
func TestDecodeAgain(t *testing.T) {
	first, _ := bson.Marshal(bson.D{{Key: "find", Value: "c"}, {Key: "limit", Value: 1}, {Key: "comment", Value: 1}})
	second, _ := bson.Marshal(bson.D{{Key: "find", Value: "d"}})
	var a idl.Args
	for _, d := range [][]byte{first, second} {
		if err := spec.Decode(d, &a); err != nil {
			t.Fatal(err)
		}
	}
	if a.Has("limit") || a.Generic.Get(idl.Comment).Type != bsonx.Missing || a.String("find", "") != "d" {
		t.Error("arguments of the first command are left")
	}
}

func TestToInt64(t *testing.T) {
	dec := func(s string) bsonx.Value {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		typ, data, err := bson.MarshalValue(d)
		if err != nil {
			t.Fatal(err)
		}
		return bsonx.Value{Type: bsonx.Type(typ), Data: data}
	}
	for _, tt := range []struct {
		v    bsonx.Value
		want int64
	}{
		{bsonx.Int32Value(-3), -3}, {bsonx.Int64Value(1 << 40), 1 << 40}, {bsonx.DoubleValue(2.9), 2}, {bsonx.DoubleValue(-2.9), -2},
		{bsonx.DoubleValue(math.NaN()), 0}, {bsonx.DoubleValue(math.Inf(1)), math.MaxInt64}, {bsonx.DoubleValue(math.Inf(-1)), math.MinInt64},
		{bsonx.DoubleValue(1e300), math.MaxInt64}, {dec("12"), 12}, {dec("12.9"), 13}, {dec("2.5"), 2}, {dec("-3.5"), -4}, {dec("-0.5"), 0}, {dec("NaN"), 0},
		{dec("Infinity"), math.MaxInt64}, {dec("-Infinity"), math.MinInt64}, {dec("1E+30"), math.MaxInt64}, {bsonx.StringValue("1"), 0},
	} {
		if got := idl.ToInt64(tt.v); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.v, got, tt.want)
		}
	}
}
