package wire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

// anything makes one random change of a project: of documents, of collections, of
// branches.
func anything(ctx context.Context, rng *rand.Rand, client *mongo.Client) error {
	db, dev := client.Database("shop"), client.Database("shop~dev")
	name := func() string { return string(rune('a' + rng.IntN(4))) }
	on := db
	if rng.IntN(4) == 0 {
		on = dev
	}
	c, n := on.Collection(name()), rng.IntN(100)
	run := func(db *mongo.Database, cmd bson.D) error { return db.RunCommand(ctx, cmd).Err() }
	var err error
	switch rng.IntN(16) {
	case 0:
		return c.Drop(ctx)
	case 1:
		return run(client.Database("admin"), d{{Key: "renameCollection", Value: on.Name() + "." + name()}, {Key: "to", Value: on.Name() + "." + name()}, {Key: "dropTarget", Value: rng.IntN(2) == 0}})
	case 2:
		_, err = c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: name(), Value: 1}}})
	case 3:
		_, err = c.Aggregate(ctx, mongo.Pipeline{{{Key: "$set", Value: d{{Key: "copied", Value: n}}}}, {{Key: "$out", Value: name()}}})
	case 4:
		_, err = c.Aggregate(ctx, mongo.Pipeline{{{Key: "$set", Value: d{{Key: "merged", Value: n}}}}, {{Key: "$merge", Value: name()}}})
	case 5:
		return run(db, d{{Key: "mergeBranch", Value: "dev"}, {Key: "strategy", Value: "source"}})
	case 6:
		from := client.Database("shop").RunCommand(ctx, d{{Key: "historyInfo", Value: "main"}})
		raw, e := from.Raw()
		if e != nil {
			return e
		}
		last := raw.Lookup("latestLsn").AsInt64()
		return run(db, d{{Key: "revertCommits", Value: "main"}, {Key: "from", Value: last - int64(rng.IntN(3))}, {Key: "to", Value: last}, {Key: "strategy", Value: "source"}})
	case 7:
		_, err = c.DeleteMany(ctx, d{{Key: "n", Value: d{{Key: "$gt", Value: n}}}})
	case 8, 9:
		_, err = c.UpdateMany(ctx, d{{Key: "n", Value: d{{Key: "$gt", Value: n}}}}, d{{Key: "$inc", Value: d{{Key: "n", Value: 1}, {Key: "o.x", Value: 1}}}, {Key: "$push", Value: d{{Key: "l", Value: n}}}})
	case 10:
		_, err = c.UpdateOne(ctx, d{{Key: "_id", Value: n % 30}}, mongo.Pipeline{{{Key: "$replaceWith", Value: d{{Key: "$arrayToObject", Value: d{{Key: "$reverseArray", Value: d{{Key: "$objectToArray", Value: "$$ROOT"}}}}}}}}})
	case 11:
		_, err = c.ReplaceOne(ctx, d{{Key: "_id", Value: n % 30}}, d{{Key: "n", Value: n}}, options.Replace().SetUpsert(true))
	default:
		var docs []any
		for i := range 1 + rng.IntN(5) {
			docs = append(docs, d{{Key: "_id", Value: (n + i) % 30}, {Key: "n", Value: n}, {Key: "l", Value: bson.A{1, n}}})
		}
		_, err = c.InsertMany(ctx, docs)
	}
	return err
}

// TestStreamsModel: whatever is done to a branch, its stream's events make the
// same branch out of nothing, by a stream that keeps up and by one that reads it
// all afterwards.
func TestStreamsModel(t *testing.T) {
	n := seed.Of(t)
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	insert(t, db.Collection("a"), "first")
	harness.Run(t, db, d{{Key: "createBranch", Value: "dev"}})
	watch := func(w *mongo.Database, from bson.Raw) (*mongo.ChangeStream, error) {
		o := opts().SetBatchSize(7)
		if from != nil {
			o.SetResumeAfter(from)
		} else {
			o.SetStartAtOperationTime(&bson.Timestamp{T: 1, I: 1})
		}
		return w.Watch(t.Context(), mongo.Pipeline{}, o)
	}
	follow := func(w *mongo.Database) error {
		r := harness.Replica{}
		cs, err := watch(w, nil)
		if err != nil {
			return err
		}
		defer cs.Close(context.Background())
		for i := 0; ; i++ {
			if !cs.Next(t.Context()) {
				return fmt.Errorf("after %d events: %w", i, cs.Err())
			}
			var e harness.Event
			if err := cs.Decode(&e); err != nil {
				return err
			}
			if err := r.Apply(&e); err != nil {
				return fmt.Errorf("event %d: %w", i, err)
			}
			if e.Op == "insert" && e.ID() == `"end"` {
				return r.Compare(t.Context(), w)
			}
			if i%50 == 49 { // once more from here
				token := cs.ResumeToken()
				_ = cs.Close(context.Background())
				if cs, err = watch(w, token); err != nil {
					return err
				}
			}
		}
	}
	var readers, writers sync.WaitGroup
	check := func(what string, w *mongo.Database) {
		readers.Add(1)
		go func() {
			defer readers.Done()
			if err := follow(w); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}()
	}
	dev := client.Database("shop~dev")
	check("main", db)
	check("dev", dev)
	for w := range 3 {
		rng := rand.New(rand.NewPCG(n, uint64(w)))
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range 80 {
				_ = anything(t.Context(), rng, client)
			}
		}()
	}
	writers.Wait()
	for _, w := range []*mongo.Database{db, dev} {
		insert(t, w.Collection("z"), "end")
	}
	readers.Wait()
	check("main, afterwards", db)
	check("dev, afterwards", dev)
	readers.Wait()
}

// TestManyStreams opens thousands of streams: none of them costs a goroutine, and
// an event reaches those that it is for.
func TestManyStreams(t *testing.T) {
	const streams, collections = 5000, 50
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	sess := must[*mongo.Session](t)(client.StartSession())
	defer sess.EndSession(t.Context())
	ctx := mongo.NewSessionContext(t.Context(), sess)
	coll := func(i int) string { return fmt.Sprintf("c%d", i%collections) }
	insert(t, db.Collection(coll(7)), 0)
	before := runtime.NumGoroutine()
	ids := make([]int64, streams)
	for i := range ids {
		raw := must[bson.Raw](t)(db.RunCommand(ctx, d{{Key: "aggregate", Value: coll(i)}, {Key: "pipeline", Value: bson.A{d{{Key: "$changeStream", Value: d{}}}}}, {Key: "cursor", Value: d{}}}).Raw())
		ids[i] = raw.Lookup("cursor", "id").Int64()
	}
	if more := runtime.NumGoroutine() - before; more > 100 {
		t.Errorf("%d streams have %d goroutines", streams, more)
	}
	getMore := func(i, ms int) int {
		raw := must[bson.Raw](t)(db.RunCommand(ctx, d{{Key: "getMore", Value: ids[i]}, {Key: "collection", Value: coll(i)}, {Key: "maxTimeMS", Value: ms}}).Raw())
		return len(must[[]bson.RawValue](t)(raw.Lookup("cursor", "nextBatch").Array().Values()))
	}
	insert(t, db.Collection(coll(7)), 1)
	for i := range ids {
		switch {
		case i%collections == 7:
			if n := getMore(i, 60_000); n != 1 {
				t.Fatalf("stream %d has %d events", i, n)
			}
		case i%97 == 0:
			if n := getMore(i, 1); n != 0 {
				t.Fatalf("stream %d, on %s, has %d events", i, coll(i), n)
			}
		}
	}
	// Waiting: as many getMores as there are connections, all woken by one write.
	const waiting = 200
	got := make(chan int, waiting)
	for range waiting {
		go func() {
			n := 0
			cs, err := db.Collection(coll(7)).Watch(t.Context(), mongo.Pipeline{}, opts().SetStartAtOperationTime(&bson.Timestamp{T: 1}).SetMaxAwaitTime(time.Minute))
			for err == nil && n < 3 && cs.Next(t.Context()) {
				n++
			}
			got <- n
		}()
	}
	insert(t, db.Collection(coll(7)), 2)
	for range waiting {
		if n := <-got; n != 3 {
			t.Fatalf("%d events, want 3", n)
		}
	}
}
