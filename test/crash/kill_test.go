package crash

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/fsck"
	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestKill kills the process of a loaded server with SIGKILL, starts it again on
// the same data, and goes on: every acknowledged count must be there, a write
// that the driver retried must have counted once, and the last data must be whole.
func TestKill(t *testing.T) {
	n := seed.Of(t)
	rng := rand.New(rand.NewPCG(n, 3))
	data := t.TempDir()
	p := harness.StartProcess(t, data, "127.0.0.1:0")
	addr := p.Addr
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr).SetServerSelectionTimeout(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(context.Background()) }()
	coll := c.Database("shop").Collection("c")
	if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	const writers = 8
	var acked [writers]int
	for round := range 5 {
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for ctx.Err() == nil {
					if !countUp(ctx, coll, w, acked[w]+1) {
						return
					}
					acked[w]++
				}
			}()
		}
		time.Sleep(time.Duration(50+rng.IntN(250)) * time.Millisecond)
		p.Kill()
		stop()
		wg.Wait()
		p = harness.StartProcess(t, data, addr)
		for w := range writers {
			var d struct{ N int }
			err := coll.FindOne(t.Context(), bson.D{{Key: "_id", Value: w}}).Decode(&d)
			if err != nil && acked[w] > 0 || d.N < acked[w] || d.N > acked[w]+1 {
				t.Fatalf("round %d: document %d counts %d (%v), but %d was acknowledged", round, w, d.N, err, acked[w])
			}
			acked[w] = d.N // the last write may have been made without its answer
		}
	}
	p.Kill()
	rep, err := fsck.Dir(t.Context(), data, fsck.Options{Problem: func(s string) { t.Error(s) }})
	if err != nil || rep.Problems > 0 || rep.Documents == 0 {
		t.Fatalf("fsck: %v, %d problems, %d documents", err, rep.Problems, rep.Documents)
	}
}

// countUp adds one to a document that must stand at n-1, and reports whether that
// was acknowledged.
func countUp(ctx context.Context, coll *mongo.Collection, id, n int) bool {
	res, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}},
		options.UpdateOne().SetUpsert(n == 1))
	return err == nil && res.MatchedCount+res.UpsertedCount == 1
}
