package branching

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// TestRetention lets the window pass under everything that holds what it needs:
// open cursors at head and in the past, a transaction, a change stream, a tag, a
// fork. What nothing holds is gone, and says so.
func TestRetention(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	c := harness.StartWith(t, daemon.Options{Clock: clk}).Client(t)
	db := c.Database("r")
	coll := db.Collection("c")
	ctx := t.Context()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	harness.Run(t, db, bson.D{{Key: "createProject", Value: 1}})
	harness.Run(t, db, bson.D{{Key: "setRetention", Value: 60}})
	other := c.Database("other")
	harness.Run(t, other, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}})
	var docs []any
	for i := range 50 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: 0}})
	}
	_, err := coll.InsertMany(ctx, docs)
	fail(err)
	raise := func() int64 {
		t.Helper()
		clk.Advance(10 * time.Second)
		_, err := coll.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}})
		fail(err)
		return harness.Run(t, db, bson.D{{Key: "historyInfo", Value: "main"}}).Lookup("latestLsn").Int64()
	}
	first := raise() // v: 1
	harness.Run(t, db, bson.D{{Key: "createTag", Value: "one"}})
	raise() // v: 2
	harness.Run(t, db, bson.D{{Key: "createBranch", Value: "two"}})
	third := raise() // v: 3
	past, err := c.Database(fmt.Sprintf("r@%d", third)).Collection("c").Find(ctx, bson.D{}, options.Find().SetBatchSize(2))
	fail(err)
	raise() // v: 4
	head, err := coll.Find(ctx, bson.D{}, options.Find().SetBatchSize(2))
	fail(err)
	stream, err := coll.Watch(ctx, mongo.Pipeline{})
	fail(err)
	raise() // v: 5
	raise() // v: 6

	for range 3 {
		clk.Advance(2 * time.Minute) // in all less than idle cursors live
		harness.Run(t, other, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}}}}})
		harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}, {Key: "compact", Value: true}})
	}

	all := func(cur *mongo.Cursor, what string, want int32) {
		t.Helper()
		n := 0
		for cur.Next(ctx) {
			n++
			if v := cur.Current.Lookup("v").Int32(); v != want {
				t.Fatalf("%s: v is %d, want %d", what, v, want)
			}
		}
		if err := cur.Err(); err != nil || n != 50 {
			t.Errorf("%s: %d documents, %v", what, n, err)
		}
	}
	all(past, "the cursor in the past", 3)
	all(head, "the cursor at head", 4)
	for i := range 100 {
		if !stream.Next(ctx) {
			t.Fatalf("the stream ends after %d events: %v", i, stream.Err())
		}
		if op := stream.Current.Lookup("operationType").StringValue(); op != "update" {
			t.Fatalf("event %d is %s", i, op)
		}
	}
	fail(stream.Close(ctx))
	for name, want := range map[string]int32{"r@one": 1, "r~two": 2, "r": 6} {
		cur, err := c.Database(name).Collection("c").Find(ctx, bson.D{})
		fail(err)
		all(cur, name, want)
	}
	for _, lsn := range []int64{first, third} {
		if code := harness.Code(t, c.Database(fmt.Sprintf("r@%d", lsn)), bson.D{{Key: "find", Value: "c"}}); code != 246 {
			t.Errorf("LSN %d: code %d", lsn, code)
		}
	}
	// With the last reader gone, its versions are, too.
	removed := harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}}).Lookup("versionsRemoved").Int64()
	if removed < 100 {
		t.Errorf("%d versions removed after the cursors were read", removed)
	}
	harness.Run(t, db, bson.D{{Key: "dropTag", Value: "one"}})
	if n := harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}}).Lookup("versionsRemoved").Int64(); n < 50 {
		t.Errorf("%d versions removed with the tag", n)
	}
	harness.Run(t, db, bson.D{{Key: "setRetention", Value: "forever"}})
	if info := harness.Run(t, db, bson.D{{Key: "historyInfo", Value: "main"}}); info.Lookup("retention").StringValue() != "forever" || info.Lookup("earliestLsn").Int64() <= third {
		t.Errorf("a longer window reaches back to what is gone: %s", info)
	}
}
