package wire_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// TestCutConnections counts over connections that lose replies: what the driver
// retries happens once.
func TestCutConnections(t *testing.T) {
	s := harness.Start(t)
	cut := harness.NewCutter(t, s.Addr())
	cut.Lose = 0.03
	cut.Start()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + cut.Addr() + "/").SetServerSelectionTimeout(5 * time.Second).
		SetMaxPoolSize(4).SetServerMonitoringMode(options.ServerMonitoringModePoll))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	c, direct := client.Database("db").Collection("c"), s.Client(t).Database("db").Collection("c")
	insert(t.Context(), t, direct, d("_id", 1, "n", 0, "m", 0))
	const clients, each = 4, 40
	var mu sync.Mutex
	done, unknown := int32(0), int32(0) // unknown: both tries were lost
	var wg sync.WaitGroup
	for w := range clients {
		wg.Go(func() {
			for i := range each {
				var err error
				if i%2 == 0 {
					_, err = c.UpdateOne(context.Background(), d("_id", 1), d("$inc", d("n", 1)))
				} else {
					var before bson.D
					err = c.FindOneAndUpdate(context.Background(), d("_id", 1), d("$inc", d("n", 1))).Decode(&before)
				}
				_, ierr := c.InsertOne(context.Background(), d("_id", fmt.Sprintf("%d-%d", w, i)))
				if mongo.IsDuplicateKeyError(ierr) {
					t.Errorf("an insert was done twice: %v", ierr)
				}
				mu.Lock()
				if err == nil {
					done++
				} else {
					unknown++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := value(t.Context(), t, direct, 1, "n").Int32(); n < done || n > done+unknown {
		t.Errorf("n = %d, but %d increments were acknowledged and %d are unknown", n, done, unknown)
	}
}

// TestRetriesAreKnown sends numbered writes twice, before and after a restart:
// the second time they change nothing and answer as the first time.
func TestRetriesAreKnown(t *testing.T) {
	dir := t.TempDir()
	lsid := d("id", bson.Binary{Subtype: 4, Data: []byte("known-retries-16")})
	big := make([]byte, 2000)
	number := int64(0)
	writes := []struct {
		cmd  bson.D
		same []string // paths of the reply that have to be the same
	}{
		{d("insert", "c", "documents", bson.A{d("_id", 1, "n", 1), d("_id", 2, "n", 2, "big", big)}), []string{"n"}},
		{d("update", "c", "updates", bson.A{d("q", d("_id", 1), "u", d("$inc", d("n", 1)))}), []string{"n", "nModified"}},
		{d("findAndModify", "c", "query", d("_id", 2), "update", d("$inc", d("n", 1))), []string{"value", "lastErrorObject"}},
		{d("findAndModify", "c", "query", d("_id", 2), "remove", true), []string{"value", "lastErrorObject"}},
		{d("delete", "c", "deletes", bson.A{d("q", d("_id", 1), "limit", 1)}), []string{"n"}},
		{d("bulkWrite", 1, "ops", bson.A{d("insert", 0, "document", d("_id", 7)), d("update", 0, "filter", d("_id", 7), "updateMods", d("$inc", d("n", 1)))},
			"nsInfo", bson.A{d("ns", "db.c")}), []string{"nInserted", "nModified", "cursor"}},
	}
	for _, w := range writes {
		number++
		cmd := append(append(bson.D{}, w.cmd...), d("lsid", lsid, "txnNumber", number, "$db", "db")...)
		if cmd[0].Key == "bulkWrite" {
			cmd[len(cmd)-1].Value = "admin"
		}
		var first bson.Raw
		for run := range 3 {
			s, err := daemon.Start(daemon.Options{Dir: dir, Listen: "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			hs := &harness.Server{Server: s}
			for again := range 2 {
				r := hs.Raw(t, cmd)
				if r.Lookup("ok").Double() != 1 {
					t.Errorf("%s: %v", cmd[0].Key, r)
				}
				if first == nil {
					first = r
					continue
				}
				if r.Lookup("retriedStmtIds").Type != bson.TypeArray {
					t.Errorf("%s, run %d, %d: ran again: %v", cmd[0].Key, run, again, r)
				}
				for _, path := range w.same {
					if !r.Lookup(path).Equal(first.Lookup(path)) {
						t.Errorf("%s, run %d: %s is %v, was %v", cmd[0].Key, run, path, r.Lookup(path), first.Lookup(path))
					}
				}
			}
			old := append(append(bson.D{}, cmd...), bson.E{})
			old = old[:len(cmd)]
			for i := range old {
				if old[i].Key == "txnNumber" {
					old[i].Value = number - 1
				}
			}
			if n, _ := hs.Raw(t, old).Lookup("code").AsInt64OK(); n != 225 {
				t.Errorf("%s with an old number: %d, want 225", cmd[0].Key, n)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFailPoints: a driver gets over errors that say to retry, and over closed
// connections.
func TestFailPoints(t *testing.T) {
	client := testable(t).Client(t, options.Client().SetHeartbeatInterval(500*time.Millisecond))
	c := client.Database("db").Collection("c")
	for i, data := range []bson.D{
		d("closeConnection", true),
		d("errorCode", 91),
		d("errorCode", 11602, "errorLabels", bson.A{"RetryableWriteError"}),
		d("blockConnection", true, "blockTimeMS", 20),
		d("writeConcernError", d("code", 91, "errmsg", "on purpose"), "errorLabels", bson.A{"RetryableWriteError"}),
	} {
		failCommands(t, client, 1, data, "insert")
		if _, err := c.InsertOne(t.Context(), d("_id", i)); err != nil {
			t.Errorf("%v: %v", data, err)
		}
	}
	if n := count(t, c); n != 5 {
		t.Errorf("%d documents, want 5", n)
	}
	failCommands(t, client, 1, d("errorCode", 8, "errorLabels", bson.A{"Custom"}), "find")
	if err := c.FindOne(t.Context(), bson.D{}).Err(); !is(err, 8) || !hasLabel(err, "Custom") {
		t.Errorf("find: %v", err)
	}
	plain := harness.Start(t).Client(t)
	if code := harness.Code(t, plain.Database("admin"), d("configureFailPoint", "failCommand", "mode", "off")); code != 59 {
		t.Errorf("without test commands: %d", code)
	}
}

// register is a document with one value, for porcupine.
type registerOp struct {
	write bool
	value int32
}

var register = porcupine.Model{
	Init: func() any { return int32(0) },
	Step: func(state, in, out any) (bool, any) {
		if op := in.(registerOp); op.write {
			return true, op.value
		}
		return out.(int32) == state.(int32), state
	},
}

// TestDocumentIsLinearizable: what concurrent clients read and write of a
// document is what one copy of it would give.
func TestDocumentIsLinearizable(t *testing.T) {
	s := harness.Start(t)
	insert(t.Context(), t, s.Client(t).Database("db").Collection("c"), d("_id", 1, "n", 0))
	start := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for w := range 4 {
		c := s.Client(t).Database("db").Collection("c")
		wg.Go(func() {
			for i := range 50 {
				op := porcupine.Operation{ClientId: w, Input: registerOp{}, Call: time.Since(start).Nanoseconds()}
				if (i+w)%3 == 0 {
					n := int32(w*1000 + i + 1)
					op.Input, op.Output = registerOp{true, n}, int32(0)
					if _, err := c.UpdateOne(context.Background(), d("_id", 1), d("$set", d("n", n))); err != nil {
						t.Error(err)
					}
				} else {
					raw, err := c.FindOne(context.Background(), d("_id", 1)).Raw()
					if err != nil {
						t.Error(err)
						return
					}
					op.Output = raw.Lookup("n").Int32()
				}
				op.Return = time.Since(start).Nanoseconds()
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if !porcupine.CheckOperations(register, history) {
		t.Errorf("a history of %d operations is not linearizable", len(history))
	}
}

// TestExpiredDocumentsGo: a TTL index's documents go, on each branch by its own
// index, and history still has them.
func TestExpiredDocumentsGo(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	db := client.Database("db")
	c := db.Collection("c")
	old, fresh := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	insert(t.Context(), t, c, d("_id", 1, "at", old, "n", 1), d("_id", 2, "at", fresh, "n", 1), d("_id", 3, "at", "no date", "n", 1), d("_id", 4, "n", 1),
		d("_id", 5, "at", bson.A{fresh, old}, "n", 1), d("_id", 6, "at", old, "n", 0))
	harness.Run(t, db, d("createBranch", "dev"))
	must[string](t)(c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: d("at", 1), Options: options.Index().SetExpireAfterSeconds(60).
		SetPartialFilterExpression(d("n", d("$gt", 0)))}))
	before := harness.Run(t, db, d("historyInfo", "main")).Lookup("latestLsn").AsInt64()
	if n := s.Services().ExpireDocuments(t.Context()); n != 2 {
		t.Errorf("%d documents were removed, want 2", n)
	}
	if n := count(t, c); n != 4 {
		t.Errorf("%d documents are left, want 4", n)
	}
	if n := count(t, client.Database("db~dev").Collection("c")); n != 6 {
		t.Errorf("%d documents are left on the branch without the index, want 6", n)
	}
	if n := count(t, client.Database(fmt.Sprintf("db@%d", before)).Collection("c")); n != 6 {
		t.Errorf("%d documents before, want 6", n)
	}
	if n := s.Services().ExpireDocuments(t.Context()); n != 0 {
		t.Errorf("%d more were removed", n)
	}
}

// TestOldOutcomesGo: outcomes of sessions that are long over are dropped; those
// of others stay.
func TestOldOutcomesGo(t *testing.T) {
	clk := clock.NewManual(time.Now())
	s := harness.StartWith(t, daemon.Options{Clock: clk})
	send := func(session string) bool {
		r := s.Raw(t, d("update", "c", "updates", bson.A{d("q", d("_id", session), "u", d("$inc", d("n", 1)), "upsert", true)},
			"lsid", d("id", bson.Binary{Subtype: 4, Data: []byte(session)}), "txnNumber", int64(1), "$db", "db"))
		return r.Lookup("retriedStmtIds").Type == bson.TypeArray
	}
	send("aaaaaaaaaaaaaaaa")
	clk.Advance(55 * time.Minute)
	send("bbbbbbbbbbbbbbbb")
	clk.Advance(10 * time.Minute)
	s.Services().Expire() // the first session
	if n, err := s.Services().ExpireRetries(t.Context()); n != 1 || err != nil {
		t.Errorf("%d outcomes were dropped, %v; want 1", n, err)
	}
	if !send("bbbbbbbbbbbbbbbb") {
		t.Error("the outcome of a session in use is gone")
	}
}
