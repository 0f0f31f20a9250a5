package match_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/match"
)

// doc300 is a document of about 300 bytes whose fields are of the usual types.
func doc300(b *testing.B) bsonx.Doc {
	raw, err := bson.Marshal(bson.D{
		{Key: "_id", Value: bson.NewObjectID()},
		{Key: "name", Value: "a customer's name"},
		{Key: "email", Value: "someone@example.com"},
		{Key: "age", Value: 42},
		{Key: "balance", Value: 1234.5},
		{Key: "address", Value: bson.D{{Key: "street", Value: "1 Some Street"}, {Key: "city", Value: "Bern"}, {Key: "zip", Value: "3000"}}},
		{Key: "tags", Value: bson.A{"a", "b", "c", "d"}},
		{Key: "active", Value: true},
		{Key: "score", Value: int64(77)},
	})
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

func BenchmarkMatch(b *testing.B) {
	doc := doc300(b)
	for _, c := range []struct {
		name   string
		filter bson.D
	}{
		{"first", bson.D{{Key: "name", Value: "a customer's name"}}},
		{"int", bson.D{{Key: "age", Value: bson.D{{Key: "$gt", Value: 40}}}}},
		{"last", bson.D{{Key: "score", Value: int64(77)}}},
		{"dotted", bson.D{{Key: "address.city", Value: "Bern"}}},
		{"array", bson.D{{Key: "tags", Value: "d"}}},
		{"in", bson.D{{Key: "age", Value: bson.D{{Key: "$in", Value: bson.A{1, 2, 3, 40, 41, 42}}}}}},
		{"and", bson.D{{Key: "age", Value: 42}, {Key: "active", Value: true}, {Key: "score", Value: bson.D{{Key: "$lte", Value: 80}}}}},
		{"elemMatch", bson.D{{Key: "tags", Value: bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gt", Value: "c"}, {Key: "$lt", Value: "e"}}}}}}},
		{"regex", bson.D{{Key: "email", Value: bson.Regex{Pattern: "^some"}}}},
	} {
		raw, err := bson.Marshal(c.filter)
		if err != nil {
			b.Fatal(err)
		}
		f, err := match.Compile(raw, match.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := f.Matches(nil, doc); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
