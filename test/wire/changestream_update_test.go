package wire

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/test/harness"
)

// TestUpdateDescriptions: what each kind of update shows in its event, as in
// MongoDB: an operator shows what it was given, a pipeline what differs.
func TestUpdateDescriptions(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("shop").Collection("c")
	put(t, c, doc("_id", 1))
	cs := open(t, c, nil, opts())
	before := bson.A{doc("$set", doc("tags", bson.A{"a", "b", "c"}, "o", doc("x", 1, "y", 2), "lines", bson.A{doc("sku", 1, "l", bson.A{1}), doc("sku", 2, "l", bson.A{2})}, "n", 1))}
	for _, c1 := range []struct {
		name       string
		update     any
		want, more string
	}{
		{"$set of an array", doc("$set", doc("tags", bson.A{"a", "b"})), `{"tags":["a","b"]}`, "[][]"},
		{"$set of a document", doc("$set", doc("o", doc("x", 1, "y", 3))), `{"o":{"x":1,"y":3}}`, "[][]"},
		{"$set of a field within", doc("$set", doc("o.y", 3)), `{"o.y":3}`, "[][]"},
		{"$set of an element's array", doc("$set", doc("lines.1.l", bson.A{2, 3})), `{"lines.1.l":[2,3]}`, "[][]"},
		{"$set of what is there", doc("$set", doc("tags", bson.A{"a", "b", "c"}, "n", 2)), `{"n":2}`, "[][]"},
		{"$push", doc("$push", doc("tags", "d")), `{"tags.3":"d"}`, "[][]"},
		{"$push to the front", doc("$push", doc("tags", doc("$each", bson.A{"0"}, "$position", 0))), `{"tags":["0","a","b","c"]}`, "[][]"},
		{"$addToSet", doc("$addToSet", doc("tags", "d")), `{"tags":["a","b","c","d"]}`, "[][]"},
		{"$pull", doc("$pull", doc("tags", "b")), `{"tags":["a","c"]}`, "[][]"},
		{"$pop", doc("$pop", doc("tags", 1)), `{"tags":["a","b"]}`, "[][]"},
		{"$unset", doc("$unset", doc("o.x", "", "n", "")), `{}`, `["n","o.x"][]`},
		{"a pipeline", bson.A{doc("$set", doc("tags", bson.A{"a", "z"}, "o", doc("x", 1, "y", 3)))}, `{"tags.1":"z","o.y":3}`, `[][{"field":"tags","newSize":2}]`},
	} {
		for _, u := range []any{before, c1.update} {
			if _, err := c.UpdateOne(t.Context(), doc("_id", 1), u); err != nil {
				t.Fatal(err)
			}
		}
		next(t, cs)
		ev := next(t, cs)["updateDescription"].(bson.D)
		if got := ej(t, ev[0].Value); got != c1.want {
			t.Errorf("%s: updatedFields %s, want %s", c1.name, got, c1.want)
		}
		if got := ej(t, ev[1].Value) + ej(t, ev[2].Value); got != c1.more {
			t.Errorf("%s: removedFields and truncatedArrays %s, want %s", c1.name, got, c1.more)
		}
		if _, err := c.ReplaceOne(t.Context(), doc("_id", 1), doc("n", 0)); err != nil {
			t.Fatal(err)
		}
		next(t, cs)
	}
	// Two updates in one transaction are one event of both.
	if _, err := c.UpdateOne(t.Context(), doc("_id", 1), before); err != nil {
		t.Fatal(err)
	}
	next(t, cs)
	sess := must[*mongo.Session](t)(client.StartSession())
	defer sess.EndSession(t.Context())
	if err := sess.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	in := mongo.NewSessionContext(t.Context(), sess)
	for _, u := range []any{doc("$set", doc("tags", bson.A{"a"})), doc("$set", doc("o", doc("x", 1, "y", 9), "lines.0.sku", 5))} {
		if _, err := c.UpdateOne(in, doc("_id", 1), u); err != nil {
			t.Fatal(err)
		}
	}
	if err := sess.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	want(t, next(t, cs), map[string]string{"updateDescription": `{"updatedFields":{"tags":["a"],"o":{"x":1,"y":9},"lines.0.sku":5},"removedFields":[],"truncatedArrays":[]}`})
}

// TestCatalogReadAhead: events of the catalog are made from the catalog of their
// own time, and leave the stream's knowledge of the present alone.
func TestCatalogReadAhead(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	put(t, db.Collection("old"), doc("_id", 0))
	cs := open(t, db, nil, opts().SetShowExpandedEvents(true))
	for _, cmd := range []bson.D{doc("create", "a"), doc("create", "b"), doc("drop", "a"), doc("drop", "old")} {
		harness.Run(t, db, cmd)
	}
	for _, name := range []string{"a", "b"} {
		want(t, next(t, cs), map[string]string{"operationType": `"create"`, "ns": `{"db":"shop","coll":"` + name + `"}`,
			"operationDescription": `{"idIndex":{"v":2,"key":{"_id":1},"name":"_id_"}}`})
	}
	play(t, "after the creates", cs, "drop shop a", "drop shop old")
	put(t, db.Collection("b"), doc("_id", 1))
	play(t, "after the drops", cs, "insert shop b 1")
}

// TestLargeCommits: a commit of more changes than a stream looks at in one go is
// read to its end, by several streams in turn and from its middle.
func TestLargeCommits(t *testing.T) {
	c := harness.Start(t).Client(t).Database("shop").Collection("c")
	put(t, c, doc("_id", -1))
	const n = 10_000
	streams := []*mongo.ChangeStream{open(t, c, nil, opts().SetBatchSize(3000)), open(t, c, nil, opts().SetBatchSize(700))}
	docs := make([]any, n)
	for i := range docs {
		docs[i] = doc("_id", i)
	}
	put(t, c, docs...)
	must[*mongo.UpdateResult](t)(c.UpdateMany(t.Context(), doc("_id", doc("$gte", 0)), doc("$set", doc("x", 1))))
	follow := func(from, to int, all ...*mongo.ChangeStream) {
		t.Helper()
		for i := from; i < to; i++ {
			op, id := "insert", i
			if i >= n {
				op, id = "update", i-n
			}
			for _, cs := range all {
				if !cs.Next(t.Context()) {
					t.Fatalf("no event %d: %v", i, cs.Err())
				}
				if cs.Current.Lookup("operationType").StringValue() != op || cs.Current.Lookup("documentKey", "_id").AsInt64() != int64(id) {
					t.Fatalf("event %d is %s", i, cs.Current)
				}
			}
		}
	}
	follow(0, n+5000, streams...)
	again := open(t, c, nil, opts().SetResumeAfter(streams[0].ResumeToken()))
	follow(n+5000, 2*n, append(streams, again)...)
}
