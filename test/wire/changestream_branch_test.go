package wire

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// play compares the next events of a stream: operationType, database, and _id or
// the collection.
func play(t *testing.T, name string, cs *mongo.ChangeStream, steps ...string) {
	t.Helper()
	for _, w := range steps {
		ev := next(t, cs)
		ns, _ := ev["ns"].(d)
		got := fmt.Sprint(ev["operationType"])
		for _, e := range ns {
			got += fmt.Sprintf(" %v", e.Value)
		}
		if k, ok := ev["documentKey"].(d); ok {
			got += fmt.Sprintf(" %v", k[0].Value)
		}
		if got != w {
			t.Fatalf("%s: %s, want %s", name, got, w)
		}
	}
}

func lsn(t *testing.T, db *mongo.Database, branch string) any {
	t.Helper()
	return harness.Run(t, db, d{{Key: "historyInfo", Value: branch}}).Lookup("latestLsn")
}

// TestRestoredBranch: the streams of a branch that is restored end with an
// invalidation, and go on after it; so do those that slept meanwhile.
func TestRestoredBranch(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	c := db.Collection("c")
	insert(t, c, 1)
	point := lsn(t, db, "main")
	onC, onDB, all := open(t, c, nil, opts()), open(t, db, nil, opts()), open(t, client, nil, opts())
	slept := onC.ResumeToken()
	insert(t, c, 2, 3)
	harness.Run(t, db, d{{Key: "restoreBranch", Value: "main"}, {Key: "to", Value: point}, {Key: "backup", Value: "old"}})
	insert(t, c, 4)
	lost := []string{"insert shop c 2", "insert shop c 3", "invalidate"}
	play(t, "collection", onC, lost...)
	play(t, "database", onDB, lost...)
	play(t, "server", all, "insert shop c 2", "insert shop c 3", "insert shop c 4")
	late := open(t, c, nil, opts().SetResumeAfter(slept))
	play(t, "asleep", late, lost...)
	for name, cs := range map[string]*mongo.ChangeStream{"collection": onC, "asleep": late} {
		on := open(t, c, nil, opts().SetStartAfter(cs.ResumeToken()))
		play(t, name+" goes on", on, "insert shop c 4")
	}
	first := late.ResumeToken()
	// Restored once more: who has not seen it is told so, too.
	harness.Run(t, db, d{{Key: "restoreBranch", Value: "main"}, {Key: "to", Value: point}, {Key: "backup", Value: "older"}})
	insert(t, c, 5)
	again := open(t, c, nil, opts().SetStartAfter(first))
	play(t, "restored twice", again, "insert shop c 4", "invalidate")
	again = open(t, c, nil, opts().SetStartAfter(again.ResumeToken()))
	play(t, "restored twice, goes on", again, "insert shop c 5")
	// The end of another branch's timeline is not shown.
	harness.Run(t, db, d{{Key: "createBranch", Value: "side"}})
	if _, got := stream(t, client.Database("shop~side"), "c", d{{Key: "startAfter", Value: slept}}); got != 0 {
		t.Errorf("a token of what the branch was made from: code %d", got)
	}
	if _, got := stream(t, client.Database("shop~side"), "c", d{{Key: "startAfter", Value: first}}); got != 280 {
		t.Errorf("a token of what another branch has left: code %d, want 280", got)
	}
	// What was written before lives on in the backup.
	backup := open(t, client.Database("shop~old").Collection("c"), nil, opts().SetResumeAfter(slept))
	play(t, "backup", backup, "insert shop~old c 2", "insert shop~old c 3")
}

// TestDroppedBranch: the streams of a branch that is dropped see all of it, then
// that the database is gone.
func TestDroppedBranch(t *testing.T) {
	client := harness.Start(t).Client(t)
	db, dev := client.Database("shop"), client.Database("shop~dev")
	insert(t, db.Collection("c"), 1)
	harness.Run(t, db, d{{Key: "createBranch", Value: "dev"}})
	onC, onDB, all := open(t, dev.Collection("c"), nil, opts()), open(t, dev, nil, opts()), open(t, client, nil, opts())
	insert(t, dev.Collection("c"), 2, 3)
	slept := onC.ResumeToken()
	harness.Run(t, db, d{{Key: "dropBranch", Value: "dev"}})
	docs := []string{"insert shop~dev c 2", "insert shop~dev c 3"}
	play(t, "collection", onC, append(docs, "invalidate")...)
	play(t, "database", onDB, append(docs, "dropDatabase shop~dev", "invalidate")...)
	play(t, "server", all, append(docs, "dropDatabase shop~dev")...)
	if _, got := stream(t, dev, "c", d{{Key: "resumeAfter", Value: slept}}); got != 26 {
		t.Errorf("a stream on a branch that is not there: code %d, want 26", got)
	}
	harness.Run(t, db, d{{Key: "createBranch", Value: "dev"}})
	insert(t, dev.Collection("c"), 4)
	on := open(t, dev.Collection("c"), nil, opts().SetStartAfter(onC.ResumeToken()))
	play(t, "its namesake", on, "insert shop~dev c 4")
	// A server's stream that is far behind sees only that the branch is gone.
	harness.Run(t, db, d{{Key: "dropBranch", Value: "dev"}})
	_ = all.Close(t.Context())
	_ = on.Close(t.Context())
	harness.Run(t, db, d{{Key: "runGC", Value: 1}})
	late := open(t, client, nil, opts().SetResumeAfter(slept))
	play(t, "late", late, "dropDatabase shop~dev", "dropDatabase shop~dev")
}

// TestRenamedBranch: a stream stays on its branch when that gets another name,
// and one of the whole server uses the new one.
func TestRenamedBranch(t *testing.T) {
	client := harness.Start(t).Client(t)
	db, dev := client.Database("shop"), client.Database("shop~dev")
	insert(t, db.Collection("c"), 1)
	harness.Run(t, db, d{{Key: "createBranch", Value: "dev"}})
	onC, all := open(t, dev.Collection("c"), nil, opts()), open(t, client, nil, opts())
	insert(t, dev.Collection("c"), 2)
	play(t, "server", all, "insert shop~dev c 2")
	harness.Run(t, db, d{{Key: "renameBranch", Value: "dev"}, {Key: "to", Value: "test"}})
	test := client.Database("shop~test").Collection("c")
	insert(t, test, 3)
	play(t, "server", all, "insert shop~test c 3")
	play(t, "collection", onC, "insert shop~dev c 2", "insert shop~dev c 3")
	play(t, "resumed", open(t, test, nil, opts().SetResumeAfter(onC.ResumeToken())))
}

// TestHistoryLost: a stream that slept longer than the history is kept cannot go
// on, and says so.
func TestHistoryLost(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	client := harness.StartWith(t, daemon.Options{Clock: clk}).Client(t)
	db := client.Database("shop")
	c := db.Collection("c")
	insert(t, c, 1)
	harness.Run(t, db, d{{Key: "setRetention", Value: 60}})
	asleep, awake := open(t, c, nil, opts()), open(t, c, nil, opts())
	begin := asleep.ResumeToken()
	insert(t, c, 2, 3)
	must[*mongo.UpdateResult](t)(c.UpdateMany(t.Context(), d{}, d{{Key: "$set", Value: d{{Key: "x", Value: 1}}}}))
	play(t, "awake", awake, "insert shop c 2", "insert shop c 3", "update shop c 1", "update shop c 2", "update shop c 3")
	clk.Advance(time.Hour)
	insert(t, c, 4)
	play(t, "awake", awake, "insert shop c 4")
	clk.Advance(time.Hour)
	insert(t, c, 5)
	harness.Run(t, db, d{{Key: "runGC", Value: 1}})
	insert(t, c, 6)
	// What an open stream holds is there no longer when it is closed.
	if err := asleep.Close(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := c.Watch(t.Context(), mongo.Pipeline{}, opts().SetResumeAfter(begin))
	if se, ok := err.(mongo.ServerError); !ok || !se.HasErrorCode(286) || !se.HasErrorLabel("NonResumableChangeStreamError") {
		t.Errorf("a token of before the window: %v", err)
	}
	for name, spec := range map[string]d{
		"resumeAfter":          {{Key: "resumeAfter", Value: begin}},
		"startAtOperationTime": {{Key: "startAtOperationTime", Value: bson.Timestamp{T: uint32(clk.Now().Add(-90 * time.Minute).Unix()), I: 1}}},
	} {
		if _, got := stream(t, db, "c", spec); got != 286 {
			t.Errorf("%s before the window: code %d, want 286", name, got)
		}
		if name == "resumeAfter" {
			if _, got := stream(t, client.Database("admin"), 1, append(d{{Key: "allChangesForCluster", Value: true}}, spec...)); got != 286 {
				t.Errorf("%s of the server: code %d, want 286", name, got)
			}
		}
	}
	play(t, "awake", awake, "insert shop c 5", "insert shop c 6")
}
