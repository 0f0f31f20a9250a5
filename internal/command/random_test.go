package command_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"sort"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/seed"
)

// TestIndexesChangeNoAnswer runs the same random queries on two collections with
// the same documents, one of them with many indexes: the answers are the same.
func TestIndexesChangeNoAnswer(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(seed.Of(t), 1))}
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
	plain, indexed := cl.Database("r").Collection("plain"), cl.Database("r").Collection("indexed")
	for _, k := range []bson.D{{{Key: "a", Value: 1}}, {{Key: "a", Value: -1}, {Key: "b", Value: 1}}, {{Key: "b.c", Value: 1}, {Key: "b.d", Value: -1}},
		{{Key: "c", Value: "hashed"}}, {{Key: "a", Value: 1}, {Key: "c", Value: 1}, {Key: "_id", Value: 1}}} {
		if _, err := indexed.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: k}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := indexed.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "b", Value: 1}}, Options: options.Index().SetSparse(true)},
		{Keys: bson.D{{Key: "c", Value: 1}}, Options: options.Index().SetPartialFilterExpression(bson.D{{Key: "a", Value: bson.D{{Key: "$gt", Value: 2}}}})},
		{Keys: bson.D{{Key: "$**", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 200; i++ {
		d := append(bson.D{{Key: "_id", Value: i}}, g.fields()...)
		if _, err := indexed.InsertOne(ctx, d); err != nil {
			continue // two arrays side by side, or an array in the hashed field
		}
		if _, err := plain.InsertOne(ctx, d); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			g.change(ctx, plain, indexed)
		}
	}
	for i := 0; i < 400; i++ {
		f := g.filter(2)
		want, err1 := answer(ctx, plain, f)
		got, err2 := answer(ctx, indexed, f)
		if fmt.Sprint(err1) != fmt.Sprint(err2) || fmt.Sprint(want) != fmt.Sprint(got) {
			js, _ := bson.MarshalExtJSON(f, true, false)
			t.Fatalf("filter %s\nwithout indexes: %v %v\nwith indexes:    %v %v", js, want, err1, got, err2)
		}
	}
	for i := 0; i < 200; i++ {
		f, path := bson.D{}, g.path()
		if i%2 == 1 {
			f = g.filter(1)
		}
		for _, q := range []func(c *mongo.Collection) ([]string, error){
			func(c *mongo.Collection) ([]string, error) { return distinct(ctx, c, path, f) },
			func(c *mongo.Collection) ([]string, error) { return groups(ctx, c, path, f) },
		} {
			want, err1 := q(plain)
			got, err2 := q(indexed)
			if fmt.Sprint(err1) != fmt.Sprint(err2) || fmt.Sprint(want) != fmt.Sprint(got) {
				js, _ := bson.MarshalExtJSON(f, true, false)
				t.Fatalf("values of %s where %s\nwithout indexes: %v %v\nwith indexes:    %v %v", path, js, want, err1, got, err2)
			}
		}
	}
}

// distinct returns the values of a path, sorted as text: which of two equal
// numbers stands for both is not fixed.
func distinct(ctx context.Context, c *mongo.Collection, path string, f bson.D) ([]string, error) {
	var vals []any
	err := c.Distinct(ctx, path, f).Decode(&vals)
	return texts(vals), err
}

func groups(ctx context.Context, c *mongo.Collection, path string, f bson.D) ([]string, error) {
	cur, err := c.Aggregate(ctx, bson.A{bson.D{{Key: "$match", Value: f}}, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$" + path}}}}})
	if err != nil {
		return nil, err
	}
	var docs []struct {
		ID any `bson:"_id"`
	}
	if err := cur.All(ctx, &docs); err != nil {
		return nil, err
	}
	var vals []any
	for _, d := range docs {
		vals = append(vals, d.ID)
	}
	return texts(vals), nil
}

func texts(vals []any) []string {
	out := make([]string, 0, len(vals))
	for _, v := range vals {
		out = append(out, strings.ReplaceAll(numbers.ReplaceAllString(fmt.Sprint(v), "$1"), "-0", "0"))
	}
	sort.Strings(out)
	return out
}

// numbers are those within documents.
var numbers = regexp.MustCompile(`\{"\$number[A-Z][a-z]+":"([^".]*)(?:\.0)?"\}`)

func answer(ctx context.Context, c *mongo.Collection, f bson.D) ([]string, error) {
	cur, err := c.Find(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []string
	for cur.Next(ctx) {
		out = append(out, cur.Current.String())
	}
	sort.Strings(out)
	return out, cur.Err()
}

type gen struct{ *rand.Rand }

func (g gen) pick(vs ...any) any { return vs[g.IntN(len(vs))] }

func (g gen) scalar() any {
	if g.IntN(6) == 0 {
		return g.rare()
	}
	return g.pick(int32(g.IntN(6)), int64(g.IntN(6)), float64(g.IntN(12))/2, "x", "X", "y", "xy", "", nil, true, false, bson.D{}, bson.MinKey{}, bson.MaxKey{})
}

// rare are values of the other types, and numbers that compare in their own way.
func (g gen) rare() any {
	d, _ := bson.ParseDecimal128(g.pick("2", "2.50", "NaN", "-Infinity", "1E+3", "-0").(string))
	return g.pick(d, d, math.NaN(), math.Inf(1), math.Copysign(0, -1), int64(1)<<60, float64(int64(1)<<60),
		bson.ObjectID{byte(g.IntN(3))}, bson.DateTime(g.IntN(3)), bson.Binary{Subtype: byte(g.IntN(2)), Data: []byte{byte(g.IntN(2))}},
		bson.Timestamp{T: uint32(g.IntN(3)), I: 1}, bson.Regex{Pattern: "^x"}, bson.JavaScript("x"), bson.Symbol("x"),
		bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.A{}, bson.A{bson.A{}}, bson.D{{Key: "c", Value: nil}}, "xyz", "\x00")
}

func (g gen) value(depth int) any {
	switch n := g.IntN(10); {
	case n < 6 || depth == 0:
		return g.scalar()
	case n < 8:
		a := bson.A{}
		for i := g.IntN(4); i > 0; i-- {
			a = append(a, g.value(depth-1))
		}
		return a
	}
	return g.object(depth - 1)
}

func (g gen) object(depth int) bson.D {
	d := bson.D{}
	for _, k := range []string{"c", "d"} {
		if g.IntN(3) > 0 {
			d = append(d, bson.E{Key: k, Value: g.value(depth)})
		}
	}
	return d
}

func (g gen) fields() bson.D {
	var d bson.D
	for _, k := range []string{"a", "b", "c"} {
		if g.IntN(5) > 0 {
			d = append(d, bson.E{Key: k, Value: g.value(2)})
		}
	}
	return d
}

func (g gen) change(ctx context.Context, plain, indexed *mongo.Collection) {
	f := bson.D{{Key: "_id", Value: g.IntN(200)}}
	u := bson.D{{Key: "$set", Value: bson.D{{Key: g.pick("a", "b", "c").(string), Value: g.value(2)}}}}
	if g.IntN(4) == 0 {
		_, _ = indexed.DeleteOne(ctx, f)
		_, _ = plain.DeleteOne(ctx, f)
		return
	}
	if _, err := indexed.UpdateOne(ctx, f, u); err == nil {
		_, _ = plain.UpdateOne(ctx, f, u)
	}
}

func (g gen) path() string {
	return g.pick("a", "b", "c", "b.c", "b.d", "a.c", "c.d", "_id", "b.0", "b.0.c").(string)
}

func (g gen) cond() any {
	switch g.IntN(12) {
	case 0, 1, 2:
		return g.value(1)
	case 3, 4:
		return bson.D{{Key: g.pick("$gt", "$gte", "$lt", "$lte", "$ne", "$eq").(string), Value: g.value(1)}}
	case 5:
		return bson.D{{Key: "$gte", Value: g.scalar()}, {Key: "$lt", Value: g.scalar()}}
	case 6:
		return bson.D{{Key: g.pick("$in", "$nin", "$all").(string), Value: bson.A{g.value(1), g.value(1)}}}
	case 7:
		return bson.D{{Key: "$exists", Value: g.IntN(2) == 0}}
	case 8:
		return bson.D{{Key: "$type", Value: g.pick("number", "string", "array", "object", "null", "bool")}}
	case 9:
		return bson.D{{Key: "$not", Value: bson.D{{Key: g.pick("$gt", "$lte", "$eq", "$in").(string), Value: bson.A{g.scalar()}}}}}
	case 10:
		return bson.D{{Key: "$elemMatch", Value: g.pick(bson.D{{Key: "c", Value: g.scalar()}, {Key: "d", Value: g.scalar()}},
			bson.D{{Key: "$gt", Value: g.scalar()}, {Key: "$lte", Value: g.scalar()}})}}
	}
	return bson.Regex{Pattern: g.pick("^x", "y", "^", "x$").(string)}
}

func (g gen) filter(depth int) bson.D {
	var f bson.D
	for i := g.IntN(3); i >= 0; i-- {
		if depth > 0 && g.IntN(4) == 0 {
			a := bson.A{}
			for j := g.IntN(2); j >= 0; j-- {
				a = append(a, g.filter(depth-1))
			}
			f = append(f, bson.E{Key: g.pick("$or", "$and", "$nor").(string), Value: a})
			continue
		}
		if g.IntN(5) == 0 {
			args := bson.A{"$" + g.path(), g.value(1)}
			if g.IntN(2) == 0 {
				args[0], args[1] = args[1], args[0]
			}
			f = append(f, bson.E{Key: "$expr", Value: bson.D{{Key: g.pick("$eq", "$gt", "$gte", "$lt", "$lte").(string), Value: args}}})
			continue
		}
		f = append(f, bson.E{Key: g.path(), Value: g.cond()})
	}
	return f
}
