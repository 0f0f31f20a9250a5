// Package crash runs whole servers that lose their power. A server works on an
// in-memory file system that remembers what was synced; under load the test takes
// copies of it as a power loss would leave it, with an arbitrary part of what was
// not synced, and checks each: every acknowledged write is there, and fsck finds
// rows, index entries, counts, log and catalog agreeing.
package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/fsck"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

var (
	crashes = flag.Int("crashes", 150, "how many crashes to simulate")
)

const dir = "data"

// TestPowerLoss crashes a loaded server again and again.
func TestPowerLoss(t *testing.T) {
	n := seed.Of(t)
	rng := rand.New(rand.NewPCG(n, 1))
	fs := vfs.NewCrashableMem()
	srv := harness.StartWith(t, daemon.Options{Dir: dir, FS: fs})
	l := &load{acked: map[string]int32{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.start(ctx, t, srv.Client(t))

	var checks sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i := range *crashes {
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		must := l.snapshot() // acknowledged before the crash
		clone := fs.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: rng.IntN(101),
			RNG:                 rand.New(rand.NewPCG(n, uint64(i)+2)),
		})
		slots <- struct{}{}
		checks.Add(1)
		go func() {
			defer func() { <-slots; checks.Done() }()
			check(t, i, clone, must)
		}()
		if t.Failed() {
			break
		}
	}
	checks.Wait()
	stop()
	l.wg.Wait()
	if len(l.acked) == 0 {
		t.Fatal("no write was acknowledged: the load did not run")
	}
}

// check opens one crashed copy.
func check(t *testing.T, i int, fs vfs.FS, must map[string]int32) {
	s, err := store.Open(store.Options{Dir: dir, FS: fs})
	if err != nil {
		t.Errorf("crash %d: the data does not open: %v", i, err)
		return
	}
	rep, err := fsck.Store(t.Context(), s, fsck.Options{Problem: func(p string) { t.Errorf("crash %d: %s", i, p) }, MaxProblems: 5})
	if err != nil {
		t.Errorf("crash %d: fsck: %v", i, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("crash %d: close: %v", i, err)
	}
	if rep.Problems > 0 || err != nil {
		return
	}
	srv, err := daemon.Start(daemon.Options{Dir: dir, FS: fs, Listen: "127.0.0.1:0", LogTo: discard{}})
	if err != nil {
		t.Errorf("crash %d: the server does not start: %v", i, err)
		return
	}
	defer func() { _ = srv.Close() }()
	c, err := mongo.Connect(options.Client().ApplyURI(srv.URI()))
	if err != nil {
		t.Errorf("crash %d: %v", i, err)
		return
	}
	defer func() { _ = c.Disconnect(context.Background()) }()
	for _, db := range databases {
		have, err := counters(t.Context(), c, db)
		if err != nil {
			t.Errorf("crash %d: read %s: %v", i, db, err)
			return
		}
		for id, n := range must {
			if id[:len(db)+1] == db+"/" && have[id] < n {
				t.Errorf("crash %d: %s is %d, but %d was acknowledged", i, id, have[id], n)
			}
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func counters(ctx context.Context, c *mongo.Client, db string) (map[string]int32, error) {
	cur, err := c.Database(db).Collection("c").Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	out := map[string]int32{}
	for cur.Next(ctx) {
		var d struct {
			ID string `bson:"_id"`
			N  int32  `bson:"n"`
		}
		if err := cur.Decode(&d); err != nil {
			return nil, err
		}
		out[db+"/"+d.ID] = d.N
	}
	return out, cur.Err()
}

// databases are the branches that the load writes to.
var databases = []string{"shop", "shop~dev"}

// load is writers that count up documents of their own; acked has, by branch and
// document, the highest count that was acknowledged.
type load struct {
	mu    sync.Mutex
	acked map[string]int32
	wg    sync.WaitGroup
}

func (l *load) snapshot() map[string]int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]int32, len(l.acked))
	for k, v := range l.acked {
		out[k] = v
	}
	return out
}

func (l *load) start(ctx context.Context, t *testing.T, c *mongo.Client) {
	t.Helper()
	main := c.Database("shop")
	for _, keys := range []bson.D{{{Key: "n", Value: 1}}, {{Key: "tags", Value: 1}, {Key: "n", Value: -1}}} {
		if _, err := main.Collection("c").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
	if err := main.RunCommand(ctx, bson.D{{Key: "createBranch", Value: "dev"}}).Err(); err != nil {
		t.Fatal(err)
	}
	for w := range 8 {
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			db := databases[w%len(databases)]
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("w%d-%d", w, i%16)
				n := int32(i/16 + 1)
				if err := write(ctx, c.Database(db), id, n, i); err != nil {
					if ctx.Err() == nil {
						t.Errorf("write: %v", err)
					}
					return
				}
				l.mu.Lock()
				l.acked[db+"/"+id] = n
				l.mu.Unlock()
			}
		}()
	}
	l.wg.Add(1)
	go func() { // changes of the catalog and of branches beside the writes
		defer l.wg.Done()
		for i := 0; ctx.Err() == nil; i++ {
			if err := churn(ctx, main, i); err != nil && ctx.Err() == nil {
				t.Errorf("churn: %v", err)
				return
			}
		}
	}()
}

func write(ctx context.Context, db *mongo.Database, id string, n int32, i int) error {
	_, err := db.Collection("c").UpdateOne(ctx, bson.D{{Key: "_id", Value: id}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}, {Key: "tags", Value: bson.A{i % 3, i % 5, "x"}}}}},
		options.UpdateOne().SetUpsert(true))
	return err
}

func churn(ctx context.Context, db *mongo.Database, i int) error {
	name := fmt.Sprintf("tmp%d", i%4)
	coll := db.Collection(name)
	if _, err := coll.InsertMany(ctx, []any{bson.D{{Key: "_id", Value: i}}, bson.D{{Key: "_id", Value: i + 1000000}, {Key: "a", Value: i}}}); err != nil {
		return err
	}
	if _, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}}); err != nil {
		return err
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "createBranch", Value: name}}).Err(); err != nil {
		return err
	}
	if err := coll.Drop(ctx); err != nil {
		return err
	}
	return db.RunCommand(ctx, bson.D{{Key: "dropBranch", Value: name}}).Err()
}
