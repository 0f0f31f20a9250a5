// Package wire holds the driver specifications' behaviour as tests through the
// official driver.
package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
)

type d = bson.D

// open is a change stream on a collection, database or client that ends with the
// test.
func open(t *testing.T, w interface {
	Watch(context.Context, any, ...options.Lister[options.ChangeStreamOptions]) (*mongo.ChangeStream, error)
}, pipeline any, o ...options.Lister[options.ChangeStreamOptions]) *mongo.ChangeStream {
	t.Helper()
	if pipeline == nil {
		pipeline = mongo.Pipeline{}
	}
	cs, err := w.Watch(t.Context(), pipeline, o...)
	if err != nil {
		t.Fatalf("watch: %v", err)
	}
	t.Cleanup(func() { _ = cs.Close(context.Background()) })
	return cs
}

func opts() *options.ChangeStreamOptionsBuilder {
	return options.ChangeStream().SetMaxAwaitTime(2 * time.Second)
}

// next returns the next event.
func next(t *testing.T, cs *mongo.ChangeStream) bson.M {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if !cs.Next(ctx) {
		t.Fatalf("no event: %v", cs.Err())
	}
	var m bson.M
	if err := cs.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// ej writes a value as relaxed Extended JSON, for comparisons.
func ej(t *testing.T, v any) string {
	t.Helper()
	if v == nil {
		return "none"
	}
	b, err := bson.MarshalExtJSON(d{{Key: "v", Value: v}}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(b), `{"v":`), "}")
}

// want compares fields of an event, as Extended JSON.
func want(t *testing.T, ev bson.M, fields map[string]string) {
	t.Helper()
	for k, w := range fields {
		v, there := ev[k]
		got := "none"
		if there {
			got = "null"
			if v != nil {
				got = ej(t, v)
			}
		}
		if got != w {
			t.Errorf("%s event: %s is %s, want %s", ev["operationType"], k, got, w)
		}
	}
}

func code(t *testing.T, err error) int {
	t.Helper()
	var se mongo.ServerError
	if !errors.As(err, &se) || len(se.ErrorCodes()) == 0 {
		t.Fatalf("%v is not a server's error", err)
	}
	return int(se.ErrorCodes()[0])
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestEventsOfACollection(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	c := db.Collection("orders")
	cs := open(t, c, nil, opts()) // before there is a database
	if cs.TryNext(t.Context()) || cs.Err() != nil {
		t.Fatalf("an event of nothing, or %v", cs.Err())
	}
	ctx := t.Context()
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 1}, {Key: "x", Value: 1}, {Key: "o", Value: d{{Key: "y", Value: 1}, {Key: "z", Value: 1}}}, {Key: "a", Value: bson.A{1, 2, 3}}}))
	must[*mongo.InsertOneResult](t)(db.Collection("other").InsertOne(ctx, d{{Key: "_id", Value: 9}}))
	must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, d{{Key: "$set", Value: d{{Key: "o.y", Value: 2}, {Key: "a.1", Value: 5}, {Key: "n", Value: "new"}}}, {Key: "$unset", Value: d{{Key: "x", Value: ""}}}}))
	must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, mongo.Pipeline{{{Key: "$set", Value: d{{Key: "a", Value: bson.A{1}}}}}}))
	must[*mongo.UpdateResult](t)(c.ReplaceOne(ctx, d{}, d{{Key: "r", Value: true}}))
	must[*mongo.DeleteResult](t)(c.DeleteOne(ctx, d{{Key: "_id", Value: 1}}))
	if err := c.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	ns := `{"db":"shop","coll":"orders"}`
	ev := next(t, cs)
	want(t, ev, map[string]string{"operationType": `"insert"`, "ns": ns, "documentKey": `{"_id":1}`, "fullDocument": `{"_id":1,"x":1,"o":{"y":1,"z":1},"a":[1,2,3]}`, "updateDescription": "none", "lsid": "none", "collectionUUID": "none"})
	if _, ok := ev["clusterTime"].(bson.Timestamp); !ok {
		t.Errorf("clusterTime is %T", ev["clusterTime"])
	}
	if _, ok := ev["wallTime"].(bson.DateTime); !ok {
		t.Errorf("wallTime is %T", ev["wallTime"])
	}
	want(t, next(t, cs), map[string]string{"operationType": `"update"`, "ns": ns, "documentKey": `{"_id":1}`, "fullDocument": "none",
		"updateDescription": `{"updatedFields":{"n":"new","o.y":2,"a.1":5},"removedFields":["x"],"truncatedArrays":[]}`})
	want(t, next(t, cs), map[string]string{"operationType": `"update"`, "updateDescription": `{"updatedFields":{},"removedFields":[],"truncatedArrays":[{"field":"a","newSize":1}]}`})
	want(t, next(t, cs), map[string]string{"operationType": `"replace"`, "documentKey": `{"_id":1}`, "fullDocument": `{"_id":1,"r":true}`, "updateDescription": "none"})
	want(t, next(t, cs), map[string]string{"operationType": `"delete"`, "documentKey": `{"_id":1}`, "fullDocument": "none"})
	want(t, next(t, cs), map[string]string{"operationType": `"drop"`, "ns": ns, "documentKey": "none"})
	ev = next(t, cs)
	want(t, ev, map[string]string{"operationType": `"invalidate"`, "ns": "none"})
	if cs.ID() != 0 {
		t.Error("the cursor is open after an invalidation")
	}
	// resumeAfter an invalidation is refused, startAfter goes on.
	if _, err := c.Watch(ctx, mongo.Pipeline{}, opts().SetResumeAfter(cs.ResumeToken())); code(t, err) != 260 {
		t.Errorf("resumeAfter an invalidation: %v", err)
	}
	cs = open(t, c, nil, opts().SetStartAfter(cs.ResumeToken()))
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 2}}))
	want(t, next(t, cs), map[string]string{"operationType": `"insert"`, "documentKey": `{"_id":2}`})
}

func TestImages(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	c := db.Collection("c")
	ctx := t.Context()
	start := open(t, c, nil, opts()).ResumeToken()
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 1}, {Key: "v", Value: 0}}))
	for i := 1; i < 3; i++ {
		must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, d{{Key: "$set", Value: d{{Key: "v", Value: i}}}}))
	}
	must[*mongo.DeleteResult](t)(c.DeleteOne(ctx, d{}))
	for mode, full := range map[options.FullDocument][2]string{
		options.Default: {"none", "none"}, options.UpdateLookup: {"null", "null"},
		options.WhenAvailable: {`{"_id":1,"v":1}`, `{"_id":1,"v":2}`}, options.Required: {`{"_id":1,"v":1}`, `{"_id":1,"v":2}`},
	} {
		cs := open(t, c, nil, opts().SetResumeAfter(start).SetFullDocument(mode))
		want(t, next(t, cs), map[string]string{"fullDocument": `{"_id":1,"v":0}`})
		want(t, next(t, cs), map[string]string{"fullDocument": full[0], "fullDocumentBeforeChange": "none"})
		want(t, next(t, cs), map[string]string{"fullDocument": full[1]})
		want(t, next(t, cs), map[string]string{"fullDocument": "none", "operationType": `"delete"`})
	}
	for mode, before := range map[options.FullDocument][3]string{
		options.Off:           {"none", "none", "none"},
		options.WhenAvailable: {`{"_id":1,"v":0}`, `{"_id":1,"v":1}`, `{"_id":1,"v":2}`}, options.Required: {`{"_id":1,"v":0}`, `{"_id":1,"v":1}`, `{"_id":1,"v":2}`},
	} {
		cs := open(t, c, nil, opts().SetResumeAfter(start).SetFullDocumentBeforeChange(mode))
		want(t, next(t, cs), map[string]string{"fullDocumentBeforeChange": "none"})
		for i := range 3 {
			want(t, next(t, cs), map[string]string{"fullDocumentBeforeChange": before[i]})
		}
	}
}

func TestDatabaseAndCluster(t *testing.T) {
	client := harness.Start(t).Client(t)
	db, dev := client.Database("shop"), client.Database("shop~dev")
	ctx := t.Context()
	must[*mongo.InsertOneResult](t)(db.Collection("c").InsertOne(ctx, d{{Key: "_id", Value: 0}}))
	harness.Run(t, db, d{{Key: "createBranch", Value: "dev"}})
	all, onMain, onDev, early := open(t, client, nil, opts()), open(t, db, nil, opts()), open(t, dev, nil, opts()),
		open(t, dev, nil, opts().SetStartAtOperationTime(&bson.Timestamp{T: 1, I: 1}))
	must[*mongo.InsertOneResult](t)(db.Collection("c").InsertOne(ctx, d{{Key: "_id", Value: "main"}}))
	must[*mongo.InsertOneResult](t)(dev.Collection("c").InsertOne(ctx, d{{Key: "_id", Value: "dev"}}))
	must[*mongo.InsertOneResult](t)(client.Database("else").Collection("e").InsertOne(ctx, d{{Key: "_id", Value: "else"}}))
	harness.Run(t, client.Database("admin"), d{{Key: "renameCollection", Value: "shop.c"}, {Key: "to", Value: "shop.e"}})
	if err := dev.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	type step struct{ op, ns, more string }
	play := func(name string, cs *mongo.ChangeStream, steps ...step) {
		t.Helper()
		for _, s := range steps {
			ev := next(t, cs)
			want(t, ev, map[string]string{"operationType": `"` + s.op + `"`, "ns": s.ns})
			if got := ej(t, ev["documentKey"]) + ej(t, ev["to"]); got != s.more {
				t.Errorf("%s: %s has %s, want %s", name, s.op, got, s.more)
			}
		}
	}
	id := func(s string) string { return fmt.Sprintf(`{"_id":"%s"}none`, s) }
	onC, onE := `{"db":"shop","coll":"c"}`, `{"db":"shop","coll":"e"}`
	devC := `{"db":"shop~dev","coll":"c"}`
	play("cluster", all, step{"insert", onC, id("main")}, step{"insert", devC, id("dev")}, step{"insert", `{"db":"else","coll":"e"}`, id("else")},
		step{"rename", onC, "none" + onE}, step{"drop", devC, "nonenone"}, step{"dropDatabase", `{"db":"shop~dev"}`, "nonenone"},
		step{"drop", onE, "nonenone"}, step{"dropDatabase", `{"db":"shop"}`, "nonenone"})
	play("main", onMain, step{"insert", onC, id("main")}, step{"rename", onC, "none" + onE}, step{"drop", onE, "nonenone"},
		step{"dropDatabase", `{"db":"shop"}`, "nonenone"}, step{"invalidate", "none", "nonenone"})
	play("dev", onDev, step{"insert", devC, id("dev")}, step{"drop", devC, "nonenone"}, step{"dropDatabase", `{"db":"shop~dev"}`, "nonenone"}, step{"invalidate", "none", "nonenone"})
	play("dev with what it was made of", early, step{"insert", devC, `{"_id":0}none`}, step{"insert", devC, id("dev")})
}

func TestExpandedEvents(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	ctx := t.Context()
	cs := open(t, db, nil, opts().SetShowExpandedEvents(true))
	c := db.Collection("c")
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 1}, {Key: "home.town", Value: 1}, {Key: "a", Value: d{{Key: "0", Value: 1}, {Key: "p", Value: 1}}}, {Key: "l", Value: bson.A{d{{Key: "p", Value: 1}}}}}))
	must[string](t)(c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "a", Value: 1}}}))
	must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, mongo.Pipeline{{{Key: "$replaceWith", Value: d{{Key: "$setField", Value: d{{Key: "field", Value: "home.town"}, {Key: "input", Value: "$$ROOT"}, {Key: "value", Value: 2}}}}}}}))
	must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, d{{Key: "$set", Value: d{{Key: "a.0", Value: 2}, {Key: "l.0.p", Value: 3}}}}))
	harness.Run(t, db, d{{Key: "collMod", Value: "c"}, {Key: "validationLevel", Value: "moderate"}})
	if err := c.Indexes().DropOne(ctx, "a_1"); err != nil {
		t.Fatal(err)
	}
	harness.Run(t, db, d{{Key: "create", Value: "v"}, {Key: "viewOn", Value: "c"}, {Key: "pipeline", Value: bson.A{}}})
	ev := next(t, cs)
	want(t, ev, map[string]string{"operationType": `"create"`, "nsType": `"collection"`, "operationDescription": `{"idIndex":{"v":2,"key":{"_id":1},"name":"_id_"}}`})
	uuid := ej(t, ev["collectionUUID"])
	want(t, next(t, cs), map[string]string{"operationType": `"insert"`, "collectionUUID": uuid})
	want(t, next(t, cs), map[string]string{"operationType": `"createIndexes"`, "collectionUUID": uuid, "operationDescription": `{"indexes":[{"v":2,"key":{"a":1},"name":"a_1"}]}`})
	want(t, next(t, cs), map[string]string{"updateDescription": `{"updatedFields":{"home.town":2},"removedFields":[],"truncatedArrays":[],"disambiguatedPaths":{"home.town":["home.town"]}}`})
	want(t, next(t, cs), map[string]string{"updateDescription": `{"updatedFields":{"a.0":2,"l.0.p":3},"removedFields":[],"truncatedArrays":[],"disambiguatedPaths":{"a.0":["a","0"]}}`})
	want(t, next(t, cs), map[string]string{"operationType": `"modify"`, "ns": `{"db":"shop","coll":"c"}`})
	want(t, next(t, cs), map[string]string{"operationType": `"dropIndexes"`, "operationDescription": `{"indexes":[{"v":2,"key":{"a":1},"name":"a_1"}]}`})
	want(t, next(t, cs), map[string]string{"operationType": `"create"`, "nsType": `"view"`, "operationDescription": `{"viewOn":"c","pipeline":[]}`})
}

func TestTransactionEvents(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("shop").Collection("c")
	ctx := t.Context()
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 0}}))
	cs := open(t, c, nil, opts())
	sess := must[*mongo.Session](t)(client.StartSession())
	defer sess.EndSession(ctx)
	_, err := sess.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		if _, err := c.InsertMany(ctx, []any{d{{Key: "_id", Value: 1}}, d{{Key: "_id", Value: 2}}}); err != nil {
			return nil, err
		}
		return c.DeleteOne(ctx, d{{Key: "_id", Value: 0}})
	})
	if err != nil {
		t.Fatal(err)
	}
	var first bson.M
	for i, op := range []string{"insert", "insert", "delete"} {
		ev := next(t, cs)
		if i == 0 {
			first = ev
		}
		want(t, ev, map[string]string{"operationType": `"` + op + `"`, "clusterTime": ej(t, first["clusterTime"]), "lsid": ej(t, first["lsid"]), "txnNumber": ej(t, first["txnNumber"])})
	}
	if _, ok := first["txnNumber"].(int64); !ok {
		t.Errorf("txnNumber is %T", first["txnNumber"])
	}
	if got := first["lsid"].(bson.D); len(got) != 2 || got[0].Key != "id" || got[1].Key != "uid" {
		t.Errorf("lsid is %v", got)
	}
	// Resuming inside of the transaction.
	cs = open(t, c, nil, opts().SetResumeAfter(first["_id"]))
	want(t, next(t, cs), map[string]string{"documentKey": `{"_id":2}`})
	want(t, next(t, cs), map[string]string{"documentKey": `{"_id":0}`})
}
