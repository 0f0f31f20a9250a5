package match_test

import (
	"math/rand/v2"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/test/seed"
)

// gen makes small documents and filters from few names and values, so that they
// often have to do with each other.
type gen struct{ *rand.Rand }

func (g gen) name() string { return []string{"a", "b", "0", "1"}[g.IntN(4)] }

func (g gen) path() string {
	p := g.name()
	for g.IntN(2) == 0 && len(p) < 6 {
		p += "." + g.name()
	}
	return p
}

func (g gen) value(depth int) any {
	n := 9
	if depth <= 0 {
		n = 7
	}
	switch g.IntN(n) {
	case 0:
		return nil
	case 1:
		return "x"
	case 2:
		return 1.5
	case 3:
		return int64(g.IntN(3))
	case 4, 5:
		return g.IntN(3)
	case 6:
		return g.IntN(2) == 0
	case 7:
		a := bson.A{}
		for range g.IntN(3) {
			a = append(a, g.value(depth-1))
		}
		return a
	}
	return g.doc(depth - 1)
}

func (g gen) doc(depth int) bson.D {
	d := bson.D{}
	for _, k := range []string{"a", "b", "0"} {
		if g.IntN(2) == 0 {
			d = append(d, bson.E{Key: k, Value: g.value(depth)})
		}
	}
	return d
}

func (g gen) leaf() bson.D {
	op := []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$size", "$type", "$all", "$elemMatch"}[g.IntN(13)]
	var arg any
	switch op {
	case "$in", "$nin", "$all":
		arg = bson.A{g.value(1), g.value(1)}
	case "$exists":
		arg = g.IntN(2)
	case "$size":
		arg = g.IntN(3)
	case "$type":
		arg = []string{"int", "array", "object", "null", "number"}[g.IntN(5)]
	case "$elemMatch":
		if g.IntN(2) == 0 {
			arg = bson.D{{Key: g.path(), Value: g.IntN(3)}}
		} else {
			arg = bson.D{{Key: "$gte", Value: g.IntN(3)}}
		}
	default:
		arg = g.value(1)
	}
	return bson.D{{Key: g.path(), Value: bson.D{{Key: op, Value: arg}}}}
}

func (g gen) filter(depth int) bson.D {
	if depth > 0 && g.IntN(3) == 0 {
		op := []string{"$and", "$or", "$nor"}[g.IntN(3)]
		return bson.D{{Key: op, Value: bson.A{g.filter(depth - 1), g.filter(depth - 1)}}}
	}
	return g.leaf()
}

func raw(t *testing.T, v any) bsonx.Doc {
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLaws: what must hold whatever the filters and documents are.
func TestLaws(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(seed.Of(t), 1))}
	for range 5000 {
		doc, f, h := raw(t, g.doc(3)), g.filter(2), g.filter(1)
		ask := func(filter bson.D) bool {
			m, err := match.Compile(raw(t, filter), match.Options{})
			if err != nil {
				t.Fatalf("%v: %v", filter, err)
			}
			ok, err := m.Matches(nil, doc)
			if err != nil {
				t.Fatalf("%v: %v", filter, err)
			}
			at, _, err := m.MatchesAt(nil, doc)
			if err != nil || at != ok {
				t.Fatalf("%v on %s: Matches %v, MatchesAt %v", filter, doc, ok, at)
			}
			return ok
		}
		both := func(op string) bool { return ask(bson.D{{Key: op, Value: bson.A{f, h}}}) }
		isF, isH := ask(f), ask(h)
		if both("$and") != (isF && isH) || both("$or") != (isF || isH) || both("$nor") != (!isF && !isH) {
			t.Fatalf("logic of %v and %v on %s", f, h, doc)
		}
		path, x, y := g.path(), g.value(1), g.value(1)
		eq := func(v any) bool { return ask(bson.D{{Key: path, Value: bson.D{{Key: "$eq", Value: v}}}}) }
		in := ask(bson.D{{Key: path, Value: bson.D{{Key: "$in", Value: bson.A{x, y}}}}})
		nin := ask(bson.D{{Key: path, Value: bson.D{{Key: "$nin", Value: bson.A{x, y}}}}})
		all := ask(bson.D{{Key: path, Value: bson.D{{Key: "$all", Value: bson.A{x, y}}}}})
		if in != (eq(x) || eq(y)) || in == nin || all != (eq(x) && eq(y)) {
			t.Fatalf("%s: $in, $nin or $all of %v, %v on %s", path, x, y, doc)
		}
	}
}
