package command_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/seed"
)

func planCollection(t *testing.T) (*mongo.Collection, context.Context) {
	t.Helper()
	s, err := daemon.Start(daemon.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx := context.Background()
	cl, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.Addr() + "/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Disconnect(ctx) })
	return cl.Database("plans").Collection("c"), ctx
}

func keys(pairs ...any) (out mongo.IndexModel) {
	var d bson.D
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return mongo.IndexModel{Keys: d}
}

// TestPlansChangeNoAnswer runs random filters with sorts: whatever plan is chosen
// (merged scans, exploded scans, intersections, a plan of the cache), the rows are
// those of a scan of the collection, in the sort's order.
func TestPlansChangeNoAnswer(t *testing.T) {
	c, ctx := planCollection(t)
	r := rand.New(rand.NewPCG(seed.Of(t), 3))
	odd := []any{1, 2, 3, 4.5, nil, "a", bson.A{1, 2}, bson.A{3, "a"}}
	var docs []any
	for i := range 400 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "a", Value: r.IntN(6)}, {Key: "b", Value: r.IntN(6)},
			{Key: "c", Value: odd[r.IntN(len(odd))]}, {Key: "d", Value: r.IntN(40)}})
	}
	if _, err := c.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{keys("a", 1, "d", 1), keys("b", 1, "d", -1), keys("a", 1), keys("b", 1),
		keys("c", 1, "d", 1), keys("a", 1, "b", -1, "d", 1), keys("d", 1)}); err != nil {
		t.Fatal(err)
	}
	g := planGen{r}
	for range 400 {
		f, sort := g.filter(0), g.sort()
		want, got := g.rows(ctx, t, c, f, sort, bson.D{{Key: "$natural", Value: 1}}), g.rows(ctx, t, c, f, sort, nil)
		if want != got {
			js, _ := bson.MarshalExtJSON(f, true, false)
			t.Fatalf("filter %s sort %v\nscan:    %s\nindexes: %s", js, sort, want, got)
		}
	}
}

type planGen struct{ *rand.Rand }

func (g planGen) leaf() bson.E {
	in := func(v ...any) bson.D { return bson.D{{Key: "$in", Value: bson.A(v)}} }
	vals := []any{1, 2, 3, in(1, 2, 4), in(1, "a", nil), bson.D{{Key: "$gt", Value: 2}}, bson.D{{Key: "$gte", Value: 1}, {Key: "$lt", Value: 3}}}
	return bson.E{Key: string("abcd"[g.IntN(4)]), Value: vals[g.IntN(len(vals))]}
}

func (g planGen) filter(depth int) bson.D {
	if x := g.IntN(10); x < 5 && depth < 2 {
		op := "$or"
		if x == 0 {
			op = "$and"
		}
		return bson.D{{Key: op, Value: bson.A{g.filter(depth + 1), g.filter(depth + 1)}}}
	}
	a, b := g.leaf(), g.leaf()
	if a.Key == b.Key {
		return bson.D{a}
	}
	return bson.D{a, b}
}

func (g planGen) sort() bson.D {
	d := func(p ...any) bson.D { return keys(p...).Keys.(bson.D) }
	return []bson.D{nil, d("d", 1), d("d", -1), d("b", 1, "d", -1), d("a", 1, "d", 1)}[g.IntN(5)]
}

// rows returns the sort's fields in order and the _ids as a set.
func (g planGen) rows(ctx context.Context, t *testing.T, c *mongo.Collection, f, sort, hint bson.D) string {
	t.Helper()
	o := options.Find()
	if sort != nil {
		o.SetSort(sort)
	}
	if hint != nil {
		o.SetHint(hint)
	}
	cur, err := c.Find(ctx, f, o)
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.M
	if err := cur.All(ctx, &docs); err != nil {
		t.Fatal(err)
	}
	var order []any
	var ids []int
	for _, d := range docs {
		for _, e := range sort {
			order = append(order, d[e.Key])
		}
		ids = append(ids, int(d["_id"].(int32)))
	}
	slices.Sort(ids)
	return fmt.Sprint(order, ids)
}

// TestPlanCache: the second trial of a shape makes its plan active, a later query
// takes it from the cache, and one for which it is bad is planned anew.
func TestPlanCache(t *testing.T) {
	c, ctx := planCollection(t)
	var docs []any
	for i := range 5000 { // a: 0 is rare, 1 is most; b the other way round
		a, b := 1, 0
		if i < 5 {
			a = 0
		}
		if i >= 4995 {
			b = 1
		}
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "a", Value: a}, {Key: "b", Value: b}})
	}
	if _, err := c.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{keys("a", 1), keys("b", 1)}); err != nil {
		t.Fatal(err)
	}
	find := func(a, b, want int) {
		t.Helper()
		n, err := c.Find(ctx, bson.D{{Key: "a", Value: a}, {Key: "b", Value: b}})
		if err != nil {
			t.Fatal(err)
		}
		var got []bson.M
		if err := n.All(ctx, &got); err != nil || len(got) != want {
			t.Fatalf("a %d, b %d: %d documents, want %d (%v)", a, b, len(got), want, err)
		}
	}
	entry := func() (index string, active bool) {
		t.Helper()
		cur, err := c.Aggregate(ctx, bson.A{bson.D{{Key: "$planCacheStats", Value: bson.D{}}}})
		if err != nil {
			t.Fatal(err)
		}
		var got []struct {
			IsActive   bool
			CachedPlan struct{ InputStage struct{ IndexName string } }
		}
		if err := cur.All(ctx, &got); err != nil || len(got) != 1 {
			t.Fatalf("%d entries, want 1 (%v)", len(got), err)
		}
		return got[0].CachedPlan.InputStage.IndexName, got[0].IsActive
	}
	find(0, 0, 5)
	if ix, active := entry(); ix != "a_1" || active {
		t.Fatalf("after the first query: %s, active %v", ix, active)
	}
	find(0, 0, 5)
	if ix, active := entry(); ix != "a_1" || !active {
		t.Fatalf("after the second query: %s, active %v", ix, active)
	}
	find(1, 1, 5)
	if ix, active := entry(); ix != "b_1" || !active {
		t.Fatalf("after a query for which a_1 is bad: %s, active %v", ix, active)
	}
	find(1, 1, 5)
}
