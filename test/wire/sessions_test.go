package wire_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

func lsid(name string) bson.D {
	return d("id", bson.Binary{Subtype: 4, Data: []byte((name + "----------------")[:16])})
}

// sessions returns the session ids that $listLocalSessions shows, by name.
func sessions(t *testing.T, s *harness.Server) map[string]bool {
	t.Helper()
	r := s.Raw(t, d("aggregate", 1, "pipeline", bson.A{d("$listLocalSessions", d("allUsers", true))}, "cursor", d("batchSize", 1000), "$db", "admin"))
	all, err := r.Lookup("cursor", "firstBatch").Array().Values()
	if err != nil {
		t.Fatal(r)
	}
	names := map[string]bool{}
	for _, v := range all {
		_, id := v.Document().Lookup("_id", "id").Binary()
		names[string(id[:1])] = true
	}
	return names
}

// open begins a cursor, and a transaction that holds a document, on a session.
func open(t *testing.T, s *harness.Server, name string, doc int, number int64) (cursor int64) {
	t.Helper()
	r := s.Raw(t, d("find", "c", "batchSize", 1, "lsid", lsid(name), "$db", "db"))
	cursor = r.Lookup("cursor", "id").Int64()
	r = s.Raw(t, d("update", "c", "updates", bson.A{d("q", d("_id", doc), "u", d("$set", d("by", name)))},
		"lsid", lsid(name), "txnNumber", number, "autocommit", false, "startTransaction", true, "$db", "db"))
	if cursor == 0 || r.Lookup("ok").Double() != 1 {
		t.Fatalf("cursor %d, update %v", cursor, r)
	}
	return cursor
}

func code(r bson.Raw) int64 {
	n, _ := r.Lookup("code").AsInt64OK()
	return n
}

// TestSessionsExpire: a session that nobody has used for 30 minutes is gone with
// its cursors and its transaction; one that is refreshed, or used, is not.
func TestSessionsExpire(t *testing.T) {
	clk := clock.NewManual(time.Now())
	s := harness.StartWith(t, daemon.Options{Clock: clk})
	c := s.Client(t).Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1), d("_id", 2), d("_id", 3))
	harness.Run(t, s.Client(t).Database("admin"), d("setParameter", 1, "transactionLifetimeLimitSeconds", 1_000_000, "cursorTimeoutMillis", 1_000_000_000))
	cursor := open(t, s, "idle", 1, 1)
	kept := open(t, s, "kept", 2, 1)
	s.Raw(t, d("ping", 1, "lsid", lsid("used"), "$db", "db"))
	clk.Advance(29 * time.Minute)
	s.Raw(t, d("refreshSessions", bson.A{lsid("kept")}, "$db", "admin"))
	s.Raw(t, d("ping", 1, "lsid", lsid("used"), "$db", "db"))
	s.Services().Expire()
	if have := sessions(t, s); !have["i"] || !have["k"] || !have["u"] {
		t.Errorf("after 29 minutes there are %v", have)
	}
	clk.Advance(2 * time.Minute)
	s.Services().Expire()
	if have := sessions(t, s); have["i"] || !have["k"] || !have["u"] {
		t.Errorf("after 31 minutes there are %v", have)
	}
	if r := s.Raw(t, d("getMore", cursor, "collection", "c", "lsid", lsid("idle"), "$db", "db")); code(r) != 43 {
		t.Errorf("the idle session's cursor: %v", r)
	}
	if r := s.Raw(t, d("getMore", kept, "collection", "c", "lsid", lsid("kept"), "$db", "db")); code(r) != 0 {
		t.Errorf("the refreshed session's cursor: %v", r)
	}
	if _, err := c.UpdateOne(t.Context(), d("_id", 1), d("$set", d("by", "other"))); err != nil {
		t.Errorf("the idle session's document: %v", err)
	}
	r := s.Raw(t, d("commitTransaction", 1, "lsid", lsid("kept"), "txnNumber", int64(1), "autocommit", false, "$db", "admin"))
	if code(r) != 0 || value(t.Context(), t, c, 2, "by").StringValue() != "kept" {
		t.Errorf("the refreshed session's transaction: %v", r)
	}
}

// TestKillSessions: each command kills the sessions that it names, with their
// cursors and transactions, and no other.
func TestKillSessions(t *testing.T) {
	s := harness.Start(t)
	c := s.Client(t).Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1), d("_id", 2), d("_id", 3))
	_, uid := s.Raw(t, d("aggregate", 1, "pipeline", bson.A{d("$listLocalSessions", bson.D{})}, "cursor", bson.D{}, "lsid", lsid("x"), "$db", "admin")).
		Lookup("cursor", "firstBatch", "0", "_id", "uid").Binary()
	for i, kill := range []struct {
		cmd      bson.D
		both, no bool // also b dies; nobody dies
	}{
		{cmd: d("killSessions", bson.A{lsid("a")})},
		{cmd: d("endSessions", bson.A{lsid("a")})},
		{cmd: d("killAllSessionsByPattern", bson.A{d("lsid", lsid("a"))})},
		{cmd: d("killAllSessionsByPattern", bson.A{d("uid", bson.Binary{Data: uid})}), both: true},
		{cmd: d("killAllSessionsByPattern", bson.A{d("users", bson.A{d("user", "nobody", "db", "admin")})}), no: true},
		{cmd: d("killAllSessionsByPattern", bson.A{}), both: true},
		{cmd: d("killAllSessions", bson.A{d("user", "nobody", "db", "admin")}), no: true},
		{cmd: d("killAllSessions", bson.A{}), both: true},
	} {
		s.Raw(t, d("killAllSessions", bson.A{}, "$db", "admin"))
		ca, cb := open(t, s, "a", 1, int64(i)), open(t, s, "b", 2, int64(i))
		if r := s.Raw(t, append(kill.cmd, bson.E{Key: "$db", Value: "admin"})); code(r) != 0 {
			t.Errorf("%v: %v", kill.cmd, r)
		}
		for _, x := range []struct {
			name   string
			cursor int64
			doc    int
			dead   bool
		}{{"a", ca, 1, !kill.no}, {"b", cb, 2, kill.both}} {
			want := int64(0)
			if x.dead {
				want = 251
			}
			if r := s.Raw(t, d("commitTransaction", 1, "lsid", lsid(x.name), "txnNumber", int64(i), "autocommit", false, "$db", "admin")); code(r) != want {
				t.Errorf("%v: commit of %s: %v, want %d", kill.cmd, x.name, r, want)
			}
			if want != 0 {
				want = 43
			}
			if r := s.Raw(t, d("getMore", x.cursor, "collection", "c", "lsid", lsid(x.name), "$db", "db")); code(r) != want {
				t.Errorf("%v: getMore of %s: %v, want %d", kill.cmd, x.name, r, want)
			}
		}
	}
}

// TestKilledSessionInterrupts: what runs in a killed session ends.
func TestKilledSessionInterrupts(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1))
	ses, in := begin(t, client)
	must[*mongo.UpdateResult](t)(c.UpdateOne(in, d("_id", 1), d("$set", d("n", 1))))
	other, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer other.EndSession(context.Background())
	failed := make(chan error, 1)
	go func() { // it waits for the transaction
		_, err := c.UpdateOne(mongo.NewSessionContext(context.Background(), other), d("_id", 1), d("$set", d("n", 2)))
		failed <- err
	}()
	for waiting := false; !waiting; {
		cur := must[*mongo.Cursor](t)(client.Database("admin").Aggregate(t.Context(), bson.A{d("$currentOp", d("allUsers", true)),
			d("$match", d("command.update", "c", "lsid.id", d("$exists", true)))}))
		waiting = cur.Next(t.Context())
		_ = cur.Close(t.Context())
	}
	harness.Run(t, client.Database("admin"), d("killSessions", bson.A{other.ID()}))
	if err := <-failed; !is(err, 11601) {
		t.Errorf("the waiting write: %v", err)
	}
	if err := ses.CommitTransaction(in); err != nil {
		t.Errorf("the other session's transaction: %v", err)
	}
}

// TestListSessions: $listSessions and $listLocalSessions show the sessions in use
// with the time of their last use, and currentOp their idle transactions.
func TestListSessions(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	insert(t.Context(), t, client.Database("db").Collection("c"), d("_id", 1), d("_id", 2))
	r := s.Raw(t, d("startSession", 1, "$db", "admin"))
	if n := r.Lookup("timeoutMinutes").AsInt64(); n != 30 {
		t.Errorf("timeoutMinutes %d", n)
	}
	open(t, s, "z", 1, 1)
	before := time.Now().Add(-time.Minute)
	for stage, coll := range map[string]any{"$listLocalSessions": 1, "$listSessions": "system.sessions"} {
		db := client.Database("admin")
		if coll != 1 {
			db = client.Database("config")
		}
		r := harness.Run(t, db, d("aggregate", coll, "pipeline", bson.A{d(stage, bson.D{}), d("$match", d("_id.id", lsid("z")[0].Value))}, "cursor", bson.D{}))
		v, err := r.LookupErr("cursor", "firstBatch", "0")
		if err != nil || v.Document().Lookup("lastUse").Time().Before(before) {
			t.Errorf("%s: %v", stage, r)
		}
	}
	r = harness.Run(t, client.Database("admin"), d("aggregate", 1, "pipeline", bson.A{d("$currentOp", d("allUsers", true, "idleSessions", true)),
		d("$match", d("type", "idleSession"))}, "cursor", bson.D{}))
	if v, err := r.LookupErr("cursor", "firstBatch", "0", "transaction", "parameters", "txnNumber"); err != nil || v.AsInt64() != 1 {
		t.Errorf("the idle transaction: %v", r)
	}
}

// TestSessionOfAnotherClient: a cursor belongs to the session that opened it.
func TestSessionOfAnotherClient(t *testing.T) {
	s := harness.Start(t)
	insert(t.Context(), t, s.Client(t).Database("db").Collection("c"), d("_id", 1), d("_id", 2), d("_id", 3))
	r := s.Raw(t, d("find", "c", "batchSize", 1, "lsid", lsid("a"), "$db", "db"))
	id := r.Lookup("cursor", "id").Int64()
	for _, cmd := range []bson.D{d("getMore", id, "collection", "c", "lsid", lsid("b"), "$db", "db"), d("getMore", id, "collection", "c", "$db", "db")} {
		if r := s.Raw(t, cmd); code(r) == 0 {
			t.Errorf("%v was answered: %v", cmd, r)
		}
	}
	if r := s.Raw(t, d("getMore", id, "collection", "c", "lsid", lsid("a"), "$db", "db")); code(r) != 0 {
		t.Errorf("its own session: %v", r)
	}
}
