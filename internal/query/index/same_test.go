package index_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/test/seed"
)

// TestSameFields: documents whose fields an index reads are the same have the
// same keys, and a change elsewhere is no change.
func TestSameFields(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.Of(t), 1))
	for _, tt := range []struct {
		spec  bson.D
		reads string // top-level fields, of a to d
	}{
		{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}}, "a"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "a.b", Value: 1}, {Key: "c", Value: -1}}}}, "ac"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "b", Value: "hashed"}}}}, "b"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "partialFilterExpression", Value: bson.D{{Key: "d.x", Value: 1}}}}, "ad"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "partialFilterExpression", Value: bson.D{{Key: "$or", Value: bson.A{bson.D{{Key: "d", Value: 1}}}}}}}, "abcd"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}}, "abcd"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "c.$**", Value: 1}}}}, "c"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}, {Key: "c.$**", Value: 1}}}}, "ac"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "_fts", Value: "text"}, {Key: "_ftsx", Value: 1}}},
			{Key: "weights", Value: bson.D{{Key: "a.b", Value: 1}}}, {Key: "language_override", Value: "d"}, {Key: "default_language", Value: "english"}}, "ad"},
		{bson.D{{Key: "key", Value: bson.D{{Key: "_fts", Value: "text"}, {Key: "_ftsx", Value: 1}}},
			{Key: "weights", Value: bson.D{{Key: "$**", Value: 1}}}, {Key: "language_override", Value: "language"}, {Key: "default_language", Value: "english"}}, "abcd"},
	} {
		raw := marshal(t, append(bson.D{{Key: "v", Value: 2}, {Key: "name", Value: "x"}}, tt.spec...))
		s, err := index.Compile(raw)
		if err != nil {
			t.Fatal(err)
		}
		reads := map[string]bool{}
		for _, c := range tt.reads {
			reads[string(c)] = true
		}
		for range 200 {
			doc := bson.D{}
			for _, f := range []string{"a", "b", "c", "d"} {
				doc = append(doc, bson.E{Key: f, Value: value(rng, 2)})
			}
			i := rng.IntN(len(doc))
			changed := append(bson.D(nil), doc...)
			changed[i].Value = fmt.Sprint("changed ", rng.Uint64())
			x, y := marshal(t, doc), marshal(t, changed)
			if got, want := s.SameFields(x, y), !reads[doc[i].Key]; got != want {
				t.Fatalf("%v, a change of %s: %v", tt.spec, doc[i].Key, got)
			}
			if !s.SameFields(x, y) {
				continue
			}
			k1, _, err1 := s.Keys(nil, x)
			k2, _, err2 := s.Keys(nil, y)
			if fmt.Sprint(k1, err1) != fmt.Sprint(k2, err2) {
				t.Fatalf("%v: the keys of %v and %v differ", tt.spec, doc, changed)
			}
		}
	}
}

func value(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(6); {
	case n == 0 && depth > 0:
		return bson.D{{Key: "b", Value: value(rng, depth-1)}, {Key: "x", Value: value(rng, depth-1)}}
	case n == 1 && depth > 0:
		return bson.A{value(rng, depth-1), value(rng, depth-1)}
	case n < 4:
		return rng.IntN(3)
	default:
		return "some words"
	}
}

func marshal(t *testing.T, d bson.D) []byte {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
