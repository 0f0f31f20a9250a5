package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

func TestMain(m *testing.M) { harness.Main(m) }

// rig is a server in a process of its own that is stopped for a while and killed,
// again and again, behind connections that are cut and held up.
type rig struct {
	t       testing.TB
	cut     *harness.Cutter
	data    string
	mu      sync.Mutex
	process *harness.Process
	start   time.Time
	stop    context.CancelFunc
	ctx     context.Context // ends with the load
	wg      sync.WaitGroup
	kills   int
}

// loadTime is how long the load runs.
func loadTime() time.Duration {
	if os.Getenv(seed.Env) == "random" { // make soak
		return time.Minute
	}
	return 6 * time.Second
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, data: t.TempDir(), start: time.Now()}
	r.process = harness.StartProcess(t, r.data, "127.0.0.1:0")
	r.cut = harness.NewCutter(t, r.process.Addr)
	r.cut.Lose, r.cut.Hold, r.cut.Pause = 0.01, 0.02, 30*time.Millisecond
	r.cut.Start()
	r.ctx, r.stop = context.WithTimeout(t.Context(), loadTime())
	return r
}

// now is the one clock of all clients, in ns.
func (r *rig) now() int64 { return time.Since(r.start).Nanoseconds() }

// clients runs f on n clients of their own until it returns.
func (r *rig) clients(n int, f func(i int, rng *rand.Rand, c *mongo.Client)) {
	s := seed.Of(r.t)
	for i := range n {
		r.wg.Go(func() {
			c := r.connect(r.cut.Addr())
			defer func() { _ = c.Disconnect(context.Background()) }()
			f(i, rand.New(rand.NewPCG(s, uint64(i))), c)
		})
	}
}

func (r *rig) connect(addr string) *mongo.Client {
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/").SetServerSelectionTimeout(5 * time.Second).
		SetHeartbeatInterval(500 * time.Millisecond).SetServerMonitoringMode(options.ServerMonitoringModePoll).SetMaxPoolSize(4))
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// faults kills the server until the load's time is over, and then waits for the
// load.
func (r *rig) faults() {
	rng := rand.New(rand.NewPCG(seed.Of(r.t), 77))
	for r.ctx.Err() == nil {
		select {
		case <-r.ctx.Done():
		case <-time.After(time.Duration(700+rng.IntN(900)) * time.Millisecond):
			if rng.IntN(3) == 0 {
				r.process.Pause(time.Duration(50+rng.IntN(200)) * time.Millisecond)
			}
			r.process.Kill()
			r.process = harness.StartProcess(r.t, r.data, r.process.Addr)
			r.kills++
		}
	}
	r.wg.Wait()
}

// TestUnderFaults runs four loads on a server that is killed, over connections that
// are cut, and checks what their clients have seen: lists against snapshot
// isolation and against their change stream, accounts whose sum never changes, registers that are linearizable, and
// counters that count every retried increment once.
func TestUnderFaults(t *testing.T) {
	r := newRig(t)
	direct := r.connect(r.process.Addr)
	defer func() { _ = direct.Disconnect(context.Background()) }()
	var l lists
	var b bank
	var g registers
	var k counters
	var w watcher
	b.prepare(t, direct)
	if err := direct.Database("lists").RunCommand(t.Context(), bson.D{{Key: "createProject", Value: "lists"}}).Err(); err != nil {
		t.Log(err)
	}
	if _, err := direct.Database("lists").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "first"}}); err != nil {
		t.Fatal(err)
	}
	for _, db := range []string{"lists", "bank"} {
		if err := direct.Database(db).RunCommand(t.Context(), bson.D{{Key: "createBranch", Value: "b"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w.run(r)
	l.run(r)
	b.run(r)
	g.run(r)
	k.run(r)
	r.faults()
	t.Logf("%d kills", r.kills)
	t.Run("lists", func(t *testing.T) { l.check(t, r, direct) })
	t.Run("events", func(t *testing.T) { w.check(t, &l, direct) })
	t.Run("bank", func(t *testing.T) { b.check(t, direct) })
	t.Run("registers", func(t *testing.T) { g.check(t) })
	t.Run("counters", func(t *testing.T) { k.check(t, direct) })
	if r.kills == 0 {
		t.Error("the server was never killed")
	}
}

func id(v any) bson.D { return bson.D{{Key: "_id", Value: v}} }

func inc(field string, n int) bson.D {
	return bson.D{{Key: "$inc", Value: bson.D{{Key: field, Value: n}}}}
}

// within runs f in a transaction of its own and says how it ended.
func within(ctx context.Context, c *mongo.Client, f func(ctx context.Context) error) (Status, error) {
	s, err := c.StartSession()
	if err != nil {
		return Aborted, err
	}
	defer s.EndSession(context.Background())
	if err := s.StartTransaction(); err != nil {
		return Aborted, err
	}
	in := mongo.NewSessionContext(ctx, s)
	if err := f(in); err != nil {
		_ = s.AbortTransaction(in)
		return Aborted, err
	}
	for try := 0; ; try++ {
		err := s.CommitTransaction(in)
		var le mongo.LabeledError
		switch labelled := errorsAs(err, &le); {
		case err == nil:
			return Committed, nil
		case labelled && le.HasErrorLabel("TransientTransactionError"):
			return Aborted, err // it did not commit, and will not
		case try == 20:
			return Unknown, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func errorsAs(err error, le *mongo.LabeledError) bool {
	l, ok := err.(mongo.LabeledError)
	*le = l
	return ok
}

func fail(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", what, err))
	}
}
