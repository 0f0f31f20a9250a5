package command_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// TestDistinctScan: the values of an indexed field are read by jumping from one
// to the next.
func TestDistinctScan(t *testing.T) {
	s, cl := start(t, t.TempDir())
	defer func() { _ = s.Close() }()
	ctx := context.Background()
	db := cl.Database("distinct")
	c := db.Collection("c")
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{{Keys: bson.D{{Key: "kind", Value: 1}, {Key: "n", Value: -1}}}}); err != nil {
		t.Fatal(err)
	}
	var docs []any
	for i := range 500 {
		docs = append(docs, bson.D{{Key: "kind", Value: i % 5}, {Key: "n", Value: i % 7}})
	}
	if _, err := c.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
	match := func(f bson.D) bson.D { return bson.D{{Key: "$match", Value: f}} }
	group := func(path string) bson.D {
		return bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: path}}}}
	}
	for _, tt := range []struct {
		name string
		cmd  bson.D
		keys int // at most
	}{
		{"first field", bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "kind"}}, 12},
		{"second field under one value of the first", bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "n"},
			{Key: "query", Value: bson.D{{Key: "kind", Value: 3}}}}, 16},
		{"with a range", bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "kind"},
			{Key: "query", Value: bson.D{{Key: "kind", Value: bson.D{{Key: "$gt", Value: 2}}}}}}, 6},
		{"group", bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{group("$kind")}}, {Key: "cursor", Value: bson.D{}}}, 12},
		{"group of what matches", bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{match(bson.D{{Key: "kind", Value: 1}}), group("$n")}},
			{Key: "cursor", Value: bson.D{}}}, 16},
	} {
		var r bson.M
		if err := db.RunCommand(ctx, bson.D{{Key: "explain", Value: tt.cmd}, {Key: "verbosity", Value: "executionStats"}}).Decode(&r); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		raw, _ := bson.Marshal(r)
		stats := find(raw, "totalKeysExamined")
		if n, ok := stats.AsInt64OK(); !ok || int(n) > tt.keys || n == 0 {
			js, _ := bson.MarshalExtJSON(r, false, false)
			t.Errorf("%s: %v keys were looked at, want at most %d: %s", tt.name, stats, tt.keys, js)
		}
	}
}

// find returns the first field of that name, at any depth.
func find(doc bson.Raw, name string) bson.RawValue {
	elems, _ := doc.Elements()
	for _, e := range elems {
		if e.Key() == name {
			return e.Value()
		}
		switch v := e.Value(); v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if f := find(bson.Raw(v.Value), name); f.Type != 0 {
				return f
			}
		}
	}
	return bson.RawValue{}
}
