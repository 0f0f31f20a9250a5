package command_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/text"
	"github.com/argon-db/argon/test/seed"
)

// TestSpecialIndexesChangeNoAnswer compares what geospatial and text indexes
// answer with what the same conditions say about each document by itself.
func TestSpecialIndexesChangeNoAnswer(t *testing.T) {
	g := shapes{gen{rand.New(rand.NewPCG(seed.Of(t), 2))}}
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
	plain, indexed := cl.Database("g").Collection("plain"), cl.Database("g").Collection("indexed")
	if _, err := indexed.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "loc", Value: "2dsphere"}, {Key: "n", Value: 1}}},
		{Keys: bson.D{{Key: "n", Value: 1}, {Key: "loc", Value: "2dsphere"}}},
		{Keys: bson.D{{Key: "p", Value: "2d"}, {Key: "n", Value: 1}}},
		{Keys: bson.D{{Key: "t", Value: "text"}}},
	}); err != nil {
		t.Fatal(err)
	}
	var docs []bson.Raw
	for i := range 300 {
		d := g.document(i)
		if _, err := indexed.InsertOne(ctx, d); err != nil {
			continue // a polygon that crosses itself
		}
		if _, err := plain.InsertOne(ctx, d); err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, raw)
	}
	if len(docs) < 200 {
		t.Fatalf("only %d documents could be stored", len(docs))
	}
	for range 300 {
		f := g.condition()
		want, err1 := answer(ctx, plain, f)
		got, err2 := answer(ctx, indexed, f)
		if (err1 == nil) != (err2 == nil) || fmt.Sprint(want) != fmt.Sprint(got) {
			js, _ := bson.MarshalExtJSON(f, true, false)
			t.Fatalf("filter %s\nwithout indexes: %v %v\nwith indexes:    %v %v", js, want, err1, got, err2)
		}
	}
	for range 60 {
		g.nearest(ctx, t, indexed, docs)
		g.words(ctx, t, indexed, docs)
	}
}

func answer(ctx context.Context, c *mongo.Collection, f bson.D) ([]string, error) {
	cur, err := c.Find(ctx, f)
	if err != nil {
		return nil, err
	}
	var out []string
	for cur.Next(ctx) {
		out = append(out, cur.Current.String())
	}
	slices.Sort(out)
	return out, cur.Err()
}

type gen struct{ *rand.Rand }

func (g gen) pick(vs ...any) any { return vs[g.IntN(len(vs))] }

// shapes makes random geometries and texts.
type shapes struct{ gen }

func (g shapes) point() bson.A {
	if g.IntN(8) == 0 { // where coordinates are special
		return bson.A{g.pick(-180, 180, 0, 179.5, -179.5), g.pick(-90, 90, 0, 89.5, -45)}
	}
	return bson.A{math.Round(g.Float64()*3600-1800) / 10, math.Round(g.Float64()*1800-900) / 10}
}

func (g shapes) around(c bson.A, size float64) bson.A {
	x, y := number(c[0]), number(c[1])
	return bson.A{min(180, max(-180, x+(g.Float64()-0.5)*size)), min(90, max(-90, y+(g.Float64()-0.5)*size))}
}

func number(v any) float64 {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v.(float64)
}

func object(kind string, coordinates any) bson.D {
	return bson.D{{Key: "type", Value: kind}, {Key: "coordinates", Value: coordinates}}
}

func (g shapes) geometry() bson.D {
	c := g.point()
	size := math.Pow(10, g.Float64()*3-1.5)
	switch g.IntN(4) {
	case 0:
		return object("LineString", bson.A{c, g.around(c, size), g.around(c, size)})
	case 1:
		return g.polygon(c, size)
	case 2:
		return object("MultiPoint", bson.A{c, g.around(c, size), g.point()})
	}
	return object("Point", c)
}

// polygon is a box, so that it does not cross itself.
func (g shapes) polygon(c bson.A, size float64) bson.D {
	x, y := number(c[0]), number(c[1])
	x1, y1 := min(180, x+size+0.1), min(90, y+size+0.1)
	x, y = min(x, 179), min(y, 89)
	return object("Polygon", bson.A{bson.A{bson.A{x, y}, bson.A{x1, y}, bson.A{x1, y1}, bson.A{x, y1}, bson.A{x, y}}})
}

var vocabulary = []string{"run", "running", "Runner", "the", "Café", "cafe", "shop", "shops", "coffee", "tea", "don't", "über"}

func (g shapes) sentence(n int) string {
	s := ""
	for range g.IntN(n) + 1 {
		s += g.pick("", "", "", " - ", ", ").(string) + vocabulary[g.IntN(len(vocabulary))] + " "
	}
	return s
}

func (g shapes) document(id int) bson.D {
	d := bson.D{{Key: "_id", Value: id}, {Key: "n", Value: g.IntN(4)}, {Key: "t", Value: g.sentence(6)}}
	switch g.IntN(6) {
	case 0:
		d = append(d, bson.E{Key: "loc", Value: g.point()})
	case 1:
	default:
		d = append(d, bson.E{Key: "loc", Value: g.geometry()})
	}
	switch g.IntN(4) {
	case 0:
		d = append(d, bson.E{Key: "p", Value: bson.A{g.point(), g.point()}})
	case 1:
	default:
		d = append(d, bson.E{Key: "p", Value: g.point()})
	}
	return d
}

func (g shapes) condition() bson.D {
	c := g.point()
	size := math.Pow(10, g.Float64()*4-2)
	var v bson.D
	path := "loc"
	switch g.IntN(8) {
	case 0:
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$centerSphere", Value: bson.A{c, size / 57}}}}}
	case 1:
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$geometry", Value: g.polygon(c, size)}}}}
	case 2, 3:
		v = bson.D{{Key: "$geoIntersects", Value: bson.D{{Key: "$geometry", Value: g.geometry()}}}}
	case 4:
		path = "p"
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$centerSphere", Value: bson.A{c, size / 57}}}}}
	case 5:
		path = "p"
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$center", Value: bson.A{c, size}}}}}
	case 6:
		path = "p"
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$box", Value: bson.A{c, g.around(c, size*2)}}}}}
	default:
		path = "p"
		v = bson.D{{Key: "$geoWithin", Value: bson.D{{Key: "$polygon", Value: bson.A{c, g.around(c, size*2), g.around(c, size*2)}}}}}
	}
	f := bson.D{{Key: path, Value: v}}
	if g.IntN(3) == 0 {
		f = append(f, bson.E{Key: "n", Value: g.IntN(4)})
	}
	return f
}

// nearest compares $geoNear with the distances of all documents.
func (g shapes) nearest(ctx context.Context, t *testing.T, c *mongo.Collection, docs []bson.Raw) {
	t.Helper()
	path, flat := "loc", false
	var near any = object("Point", g.point())
	if g.IntN(2) == 0 {
		path, near, flat = "p", g.point(), g.IntN(2) == 0
	}
	spec := bson.D{{Key: "near", Value: near}, {Key: "key", Value: path}, {Key: "distanceField", Value: "d"}, {Key: "spherical", Value: !flat}}
	limit := math.Inf(1)
	if g.IntN(3) > 0 {
		limit = g.Float64() * 3
		if path == "loc" {
			limit *= geo.EarthRadius
		} else if flat {
			limit *= 57
		}
		spec = append(spec, bson.E{Key: "maxDistance", Value: limit})
	}
	raw, err := bson.Marshal(bson.D{{Key: "near", Value: near}})
	if err != nil {
		t.Fatal(err)
	}
	center, err := geo.ParseCenter(bsonx.Lookup(raw, "near"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []float64
	for _, d := range docs {
		if dist, _, ok := center.Nearest(bsonx.Lookup(d, path), !flat); ok && dist <= limit {
			want = append(want, dist)
		}
	}
	slices.Sort(want)
	cur, err := c.Aggregate(ctx, mongo.Pipeline{{{Key: "$geoNear", Value: spec}}})
	if err != nil {
		t.Fatal(err)
	}
	for cur.Next(ctx) {
		got = append(got, cur.Current.Lookup("d").Double())
	}
	if err := cur.Err(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		js, _ := bson.MarshalExtJSON(spec, true, false)
		t.Fatalf("$geoNear %s:\ngot  %v\nwant %v", js, got, want)
	}
}

// words compares $text and its scores with the terms of all documents.
func (g shapes) words(ctx context.Context, t *testing.T, c *mongo.Collection, docs []bson.Raw) {
	t.Helper()
	search := g.pick("", "-", `"`).(string) + g.sentence(2) + g.pick(`"`, "-", "").(string) + g.sentence(2)
	cs, ds := g.IntN(4) == 0, g.IntN(4) == 0
	fields := &text.Fields{Weights: []text.Weight{{Path: "t", Weight: 1}}, Default: text.LanguageOf("english"), Override: "language"}
	q := text.Parse(search, fields.Default, cs, ds)
	want, got := map[int32]float64{}, map[int32]float64{}
	for _, d := range docs {
		terms, err := fields.Terms(bsonx.Doc(d))
		if err != nil {
			t.Fatal(err)
		}
		score := 0.0
		for _, term := range q.Terms {
			score += terms[term]
		}
		if ok, _ := q.Matches(fields, bsonx.Doc(d)); ok && score > 0 {
			want[d.Lookup("_id").Int32()] = score
		}
	}
	cur, err := c.Find(ctx, bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: search}, {Key: "$caseSensitive", Value: cs}, {Key: "$diacriticSensitive", Value: ds}}}},
		options.Find().SetProjection(bson.D{{Key: "s", Value: bson.D{{Key: "$meta", Value: "textScore"}}}}).SetSort(bson.D{{Key: "s", Value: bson.D{{Key: "$meta", Value: "textScore"}}}}))
	if err != nil {
		t.Fatal(err)
	}
	last := math.Inf(1)
	for cur.Next(ctx) {
		score := cur.Current.Lookup("s").Double()
		got[cur.Current.Lookup("_id").Int32()] = score
		if score > last {
			t.Fatalf("$text %q: a score of %v after %v", search, score, last)
		}
		last = score
	}
	if err := cur.Err(); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("$text %q (case %v, diacritics %v):\ngot  %v\nwant %v", search, cs, ds, got, want)
	}
}
