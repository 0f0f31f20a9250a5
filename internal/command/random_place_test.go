package command_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/seed"
)

// TestIndexesChangeNoAnswerAnywhere compares answers with and without indexes at
// the head, on a branch that went its own way, at a tag and with a hint for the
// stored order; with collations and sorts.
func TestIndexesChangeNoAnswerAnywhere(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(seed.Of(t), 3))}
	s, err := daemon.Start(daemon.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	cl, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.Addr() + "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cl.Disconnect(ctx) }()
	main := cl.Database("r")
	g.manyIndexes(ctx, t, main.Collection("indexed"))
	g.fill(ctx, t, main, 0, 100)
	for _, c := range []bson.D{{{Key: "createTag", Value: "v1"}}, {{Key: "createBranch", Value: "b"}}} {
		if err := main.RunCommand(ctx, c).Err(); err != nil {
			t.Fatal(err)
		}
	}
	branch := cl.Database("r~b")
	g.fill(ctx, t, main, 100, 150)
	g.fill(ctx, t, branch, 150, 200)
	if _, err := branch.Collection("indexed").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "c", Value: -1}, {Key: "a", Value: 1}}}); err != nil {
		t.Logf("no further index on the branch: %v", err)
	}
	found := 0
	for _, db := range []*mongo.Database{main, branch, cl.Database("r@v1")} {
		for range 150 {
			found += g.compare(ctx, t, db)
		}
	}
	if found < 450 {
		t.Errorf("the queries found %d documents only", found)
	}
}

func (g gen) manyIndexes(ctx context.Context, t *testing.T, c *mongo.Collection) {
	t.Helper()
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "a", Value: 1}}},
		{Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetName("folded").SetCollation(&options.Collation{Locale: "en", Strength: 2})},
		{Keys: bson.D{{Key: "b", Value: -1}, {Key: "c", Value: 1}}},
		{Keys: bson.D{{Key: "b.c", Value: 1}, {Key: "a", Value: 1}}},
		{Keys: bson.D{{Key: "b.$**", Value: 1}}},
		{Keys: bson.D{{Key: "$**", Value: 1}}, Options: options.Index().SetWildcardProjection(bson.D{{Key: "b", Value: 0}})},
		{Keys: bson.D{{Key: "c.d", Value: 1}}, Options: options.Index().SetSparse(true)},
		{Keys: bson.D{{Key: "b.d", Value: 1}}, Options: options.Index().SetPartialFilterExpression(bson.D{{Key: "c", Value: bson.D{{Key: "$exists", Value: true}}}})},
		{Keys: bson.D{{Key: "c", Value: 1}}, Options: options.Index().SetPartialFilterExpression(bson.D{{Key: "a", Value: bson.D{{Key: "$lte", Value: 3}}}})},
	}); err != nil {
		t.Fatal(err)
	}
}

func (g gen) fill(ctx context.Context, t *testing.T, db *mongo.Database, from, to int) {
	t.Helper()
	plain, indexed := db.Collection("plain"), db.Collection("indexed")
	for i := from; i < to; i++ {
		d := append(bson.D{{Key: "_id", Value: i}}, g.fields()...)
		if _, err := indexed.InsertOne(ctx, d); err != nil {
			continue // two arrays side by side
		}
		if _, err := plain.InsertOne(ctx, d); err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 {
			g.change(ctx, plain, indexed)
		}
	}
}

func (g gen) compare(ctx context.Context, t *testing.T, db *mongo.Database) int {
	t.Helper()
	f := g.filter(2)
	o := func() *options.FindOptionsBuilder { return options.Find() }
	if g.IntN(3) == 0 {
		c := &options.Collation{Locale: "en", Strength: 2}
		base := o
		o = func() *options.FindOptionsBuilder { return base().SetCollation(c) }
	}
	ordered := g.IntN(3) == 0
	if ordered {
		s := bson.D{{Key: g.path(), Value: g.pick(1, -1)}, {Key: "_id", Value: 1}}
		if s[0].Key == "_id" {
			s = s[:1]
		}
		base := o
		o = func() *options.FindOptionsBuilder { return base().SetSort(s) }
		if g.IntN(2) == 0 {
			limit := int64(g.IntN(10) + 1)
			sorted := o
			o = func() *options.FindOptionsBuilder { return sorted().SetLimit(limit) }
		}
	}
	want, err1 := rows(ctx, db.Collection("plain"), f, o(), ordered)
	for _, c := range []struct {
		name string
		o    *options.FindOptionsBuilder
	}{{"indexed", o()}, {"natural", o().SetHint(bson.D{{Key: "$natural", Value: 1}})}} {
		got, err2 := rows(ctx, db.Collection("indexed"), f, c.o, ordered)
		if (err1 == nil) != (err2 == nil) || fmt.Sprint(want) != fmt.Sprint(got) {
			js, _ := bson.MarshalExtJSON(f, true, false)
			t.Fatalf("%s, %s: filter %s\nwithout indexes only: %v %v\nwith indexes only:    %v %v", db.Name(), c.name, js,
				without(want, got), err1, without(got, want), err2)
		}
	}
	n1, err1 := db.Collection("plain").CountDocuments(ctx, f)
	var n2 struct{ N int64 }
	js, _ := bson.MarshalExtJSON(f, true, false)
	err2 := db.RunCommand(ctx, bson.D{{Key: "count", Value: "indexed"}, {Key: "query", Value: f}}).Decode(&n2)
	if (err1 == nil) != (err2 == nil) || err1 == nil && n1 != n2.N {
		t.Fatalf("%s: count %s: %d %v, with indexes %d %v", db.Name(), js, n1, err1, n2.N, err2)
	}
	return len(want)
}

func rows(ctx context.Context, c *mongo.Collection, f bson.D, o *options.FindOptionsBuilder, ordered bool) ([]string, error) {
	cur, err := c.Find(ctx, f, o)
	if err != nil {
		return nil, err
	}
	var out []string
	for cur.Next(ctx) {
		out = append(out, cur.Current.String())
	}
	if !ordered {
		sort.Strings(out)
	}
	return out, cur.Err()
}

// without returns the elements of a that b does not have.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
