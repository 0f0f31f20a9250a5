package wire_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/argon-db/argon/test/harness"
)

// TestTransactionIsolation: a transaction sees its own writes and the moment of
// its first statement; others see it as a whole or not at all.
func TestTransactionIsolation(t *testing.T) {
	client := harness.Start(t).Client(t)
	a, b := client.Database("one").Collection("a"), client.Database("two").Collection("b")
	insert(t.Context(), t, a, d("_id", 1, "n", 1))
	insert(t.Context(), t, b, d("_id", 1, "n", 1))

	s, in := begin(t, client)
	if n := value(in, t, a, 1, "n").Int32(); n != 1 {
		t.Fatalf("n = %d", n)
	}
	must[*mongo.UpdateResult](t)(b.UpdateOne(t.Context(), d("_id", 1), d("$set", d("n", 2))))
	if n := value(in, t, b, 1, "n").Int32(); n != 1 {
		t.Errorf("the transaction sees a later commit: n = %d", n)
	}
	insert(in, t, a, d("_id", 2), d("_id", 3))
	must[*mongo.UpdateResult](t)(a.ReplaceOne(in, d("_id", 1), d("_id", 1, "n", 10, "long", "a text that has to outlive its message")))
	must[*mongo.DeleteResult](t)(a.DeleteOne(in, d("_id", 2)))
	for i := range 20 { // other commands over the same connections
		must[*mongo.InsertOneResult](t)(client.Database("three").Collection("c").InsertOne(t.Context(), d("_id", i, "text", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")))
	}
	if n := must[int64](t)(a.CountDocuments(in, bson.D{})); n != 2 {
		t.Errorf("the transaction counts %d of its own documents, want 2", n)
	}
	if n := count(t, a); n != 1 {
		t.Errorf("others see %d documents before the commit", n)
	}
	if err := s.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	if n, v := count(t, a), value(t.Context(), t, a, 1, "long"); n != 2 || v.StringValue() != "a text that has to outlive its message" {
		t.Errorf("after the commit: %d documents, %v", n, v)
	}
}

// TestFirstCommitterWins: a transaction that writes what was changed since it
// began fails with a label that says to run it again.
func TestFirstCommitterWins(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1, "n", 0), d("_id", 2, "n", 0))
	_, in := begin(t, client)
	value(in, t, c, 2, "n") // takes the snapshot
	must[*mongo.UpdateResult](t)(c.UpdateOne(t.Context(), d("_id", 1), d("$inc", d("n", 1))))
	_, err := c.UpdateOne(in, d("_id", 1), d("$inc", d("n", 1)))
	if !is(err, 112) || !hasLabel(err, "TransientTransactionError") {
		t.Errorf("want a WriteConflict that is transient, got %v", err)
	}
	// The failure has aborted it.
	if _, err = c.UpdateOne(in, d("_id", 2), d("$inc", d("n", 1))); !is(err, 251) || !hasLabel(err, "TransientTransactionError") {
		t.Errorf("want NoSuchTransaction, got %v", err)
	}
	// A plain write waits for the transaction that holds the document.
	s, in := begin(t, client)
	must[*mongo.UpdateResult](t)(c.UpdateOne(in, d("_id", 1), d("$inc", d("n", 10))))
	done := make(chan error)
	go func() {
		_, err := c.UpdateOne(context.Background(), d("_id", 1), d("$inc", d("n", 100)))
		done <- err
	}()
	if err := s.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := value(t.Context(), t, c, 1, "n").Int32(); n != 111 {
		t.Errorf("n = %d, want 111", n)
	}
}

// TestFailedStatementAborts: after a duplicate key the transaction is gone.
func TestFailedStatementAborts(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1))
	s, in := begin(t, client)
	insert(in, t, c, d("_id", 2))
	_, err := c.InsertOne(in, d("_id", 1))
	if !mongo.IsDuplicateKeyError(err) || hasLabel(err, "TransientTransactionError") {
		t.Errorf("want a duplicate key, got %v", err)
	}
	if err := s.CommitTransaction(in); !is(err, 251) {
		t.Errorf("the commit of an aborted transaction: %v", err)
	}
	if n := count(t, c); n != 1 {
		t.Errorf("%d documents, want 1", n)
	}
}

// TestCommitAgain: a commit may be repeated, also after a restart; an abort after
// it may not.
func TestCommitAgain(t *testing.T) {
	s := testable(t)
	client := s.Client(t)
	c := client.Database("db").Collection("c")
	lsid := d("id", bson.Binary{Subtype: 4, Data: []byte("commits-it-again")})
	txn := func(cmd bson.D, more ...any) bson.Raw {
		cmd = append(cmd, d("lsid", lsid, "txnNumber", int64(5), "autocommit", false)...)
		return s.Raw(t, append(cmd, d(more...)...))
	}
	code := func(r bson.Raw) int32 { n, _ := r.Lookup("code").AsInt64OK(); return int32(n) }
	if r := txn(d("insert", "c", "documents", bson.A{d("_id", 1)}), "startTransaction", true, "$db", "db"); code(r) != 0 {
		t.Fatal(r)
	}
	for range 2 {
		if r := txn(d("commitTransaction", 1), "recoveryToken", bson.D{}, "$db", "admin"); code(r) != 0 {
			t.Errorf("commit: %v", r)
		}
	}
	for name, want := range map[string]int32{"abortTransaction": 256, "commitTransaction": 0} {
		if r := txn(d(name, 1), "$db", "admin"); code(r) != want {
			t.Errorf("%s after the commit: %v, want %d", name, r, want)
		}
	}
	if r := txn(d("insert", "c", "documents", bson.A{d("_id", 2)}), "$db", "db"); code(r) != 256 {
		t.Errorf("a statement after the commit: %v", r)
	}
	if r := txn(d("insert", "c", "documents", bson.A{d("_id", 2)}), "startTransaction", true, "$db", "db"); code(r) != 117 {
		t.Errorf("the number again: %v", r)
	}
	if n := count(t, c); n != 1 {
		t.Errorf("%d documents", n)
	}
}

// TestWithTransaction runs many increments that conflict; each is counted once.
func TestWithTransaction(t *testing.T) {
	client := testable(t).Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1, "n", 0))
	// The first commit's reply says that it is not known whether it happened.
	failCommands(t, client, 1, d("errorCode", 11602, "errorLabels", bson.A{"RetryableWriteError"}), "commitTransaction")
	const clients, each = 4, 5
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			s, err := client.StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.EndSession(context.Background())
			for range each {
				_, err := s.WithTransaction(context.Background(), func(ctx context.Context) (any, error) {
					raw, err := c.FindOne(ctx, d("_id", 1)).Raw()
					if err != nil {
						return nil, err
					}
					n := raw.Lookup("n").Int32()
					return c.UpdateOne(ctx, d("_id", 1), d("$set", d("n", n+1)))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := value(t.Context(), t, c, 1, "n").Int32(); n != clients*each {
		t.Errorf("n = %d, want %d", n, clients*each)
	}
}

// TestBranchesInOneTransaction writes two branches and another project at once,
// and again with an abort.
func TestBranchesInOneTransaction(t *testing.T) {
	client := harness.Start(t).Client(t)
	main := client.Database("shop").Collection("c")
	insert(t.Context(), t, main, d("_id", 1, "n", 1))
	harness.Run(t, client.Database("shop"), d("createBranch", "dev"))
	dev, other := client.Database("shop~dev").Collection("c"), client.Database("other").Collection("c")
	write := func(n int) (*mongo.Session, context.Context) {
		s, in := begin(t, client)
		for _, c := range []*mongo.Collection{main, dev} {
			must[*mongo.UpdateResult](t)(c.UpdateOne(in, d("_id", 1), d("$inc", d("n", n))))
			n *= 10
		}
		insert(in, t, other, d("n", n))
		return s, in
	}
	s, in := write(1)
	if err := s.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	s, in = write(100)
	if err := s.AbortTransaction(in); err != nil {
		t.Fatal(err)
	}
	if a, b, n := value(t.Context(), t, main, 1, "n").Int32(), value(t.Context(), t, dev, 1, "n").Int32(), count(t, other); a != 2 || b != 11 || n != 1 {
		t.Errorf("main %d, dev %d, other %d documents", a, b, n)
	}
}

// TestBranchMovesDuringTransaction: a restore while a transaction is open makes
// its next write conflict; its reads go on at its moment.
func TestBranchMovesDuringTransaction(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	c := db.Collection("c")
	insert(t.Context(), t, c, d("_id", 1, "n", 1))
	info := harness.Run(t, db, d("historyInfo", "main"))
	must[*mongo.UpdateResult](t)(c.UpdateOne(t.Context(), d("_id", 1), d("$set", d("n", 2))))
	_, in := begin(t, client)
	value(in, t, c, 1, "n")
	harness.Run(t, db, d("restoreBranch", "main", "to", info.Lookup("latestLsn").AsInt64()))
	if n := value(t.Context(), t, c, 1, "n").Int32(); n != 1 {
		t.Errorf("after the restore n = %d", n)
	}
	if n := value(in, t, c, 1, "n").Int32(); n != 2 {
		t.Errorf("in the transaction n = %d, want 2", n)
	}
	if _, err := c.UpdateOne(in, d("_id", 1), d("$set", d("n", 3))); !is(err, 112) || !hasLabel(err, "TransientTransactionError") {
		t.Errorf("a write to the branch that moved: %v", err)
	}
}

// TestTransactionMakesCollections: a collection and its index come into being
// with the commit.
func TestTransactionMakesCollections(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("db")
	insert(t.Context(), t, db.Collection("there"), d("_id", 1))
	for _, commit := range []bool{false, true} {
		s, in := begin(t, client)
		if err := db.RunCommand(in, d("create", "made")).Err(); err != nil {
			t.Fatal(err)
		}
		must[string](t)(db.Collection("made").Indexes().CreateOne(in, mongo.IndexModel{Keys: d("a", 1), Options: options.Index().SetUnique(true)}))
		insert(in, t, db.Collection("made"), d("a", 1))
		insert(in, t, db.Collection("implicit"), d("a", 1))
		names := must[[]string](t)(db.ListCollectionNames(t.Context(), bson.D{}))
		if len(names) != 1 {
			t.Errorf("seen before the end: %v", names)
		}
		end, want := s.AbortTransaction, 1
		if commit {
			end, want = s.CommitTransaction, 3
		}
		if err := end(in); err != nil {
			t.Fatal(err)
		}
		if names := must[[]string](t)(db.ListCollectionNames(t.Context(), bson.D{})); len(names) != want {
			t.Errorf("committed %v: %v", commit, names)
		}
	}
	if _, err := db.Collection("made").InsertOne(t.Context(), d("a", 1)); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("the unique index is not there: %v", err)
	}
}

// TestTransactionCursors: a cursor belongs to its transaction and ends with it.
func TestTransactionCursors(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	c := client.Database("db").Collection("c")
	for i := range 10 {
		insert(t.Context(), t, c, d("_id", i))
	}
	ses, in := begin(t, client)
	cur := must[*mongo.Cursor](t)(c.Find(in, bson.D{}, options.Find().SetBatchSize(2)))
	must[*mongo.DeleteResult](t)(c.DeleteMany(t.Context(), bson.D{}))
	for i := range 6 {
		if !cur.Next(in) {
			t.Fatalf("document %d: %v", i, cur.Err())
		}
	}
	id := cur.ID()
	if err := ses.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	if open, _ := s.Services().Cursors.List(); len(open) != 0 {
		t.Errorf("open after the commit: %v", open)
	}
	if code := harness.Code(t, client.Database("db"), d("getMore", id, "collection", "c")); code != 43 {
		t.Errorf("getMore after the commit: %d", code)
	}
}

// TestTransactionRules are the codes of what a transaction does not take.
func TestTransactionRules(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	insert(t.Context(), t, client.Database("db").Collection("c"), d("_id", 1))
	number := int64(0)
	send := func(start bool, more ...any) int32 {
		if start {
			number++
		}
		cmd := d(more...)
		if cmd[len(cmd)-1].Key != "$db" {
			cmd = append(cmd, bson.E{Key: "$db", Value: "db"})
		}
		cmd = append(cmd, d("lsid", d("id", bson.Binary{Subtype: 4, Data: []byte("rules-rules-rule")}), "txnNumber", number, "autocommit", false)...)
		if start {
			cmd = append(cmd, bson.E{Key: "startTransaction", Value: true})
		}
		n, _ := s.Raw(t, cmd).Lookup("code").AsInt64OK()
		return int32(n)
	}
	find := []any{"find", "c"}
	with := func(more ...any) []any { return append([]any{"find", "c"}, more...) }
	for _, tt := range []struct {
		name  string
		start bool
		cmd   []any
		code  int32
	}{
		{"a statement of a transaction that was not begun", false, find, 251},
		{"begin", true, with("readConcern", d("level", "snapshot")), 0},
		{"a read concern later", false, with("readConcern", d("level", "local")), 72},
		{"which aborts it", false, find, 251},
		{"begin with linearizable", true, with("readConcern", d("level", "linearizable")), 72},
		{"a write concern", true, []any{"insert", "c", "documents", bson.A{d("_id", 9)}, "writeConcern", d("w", 1)}, 72},
		{"count", true, []any{"count", "c"}, 263},
		{"listCollections", true, []any{"listCollections", 1}, 263},
		{"drop", true, []any{"drop", "c"}, 263},
		{"the config database", true, []any{"find", "c", "$db", "config"}, 263},
		{"commit as the first", true, []any{"commitTransaction", 1, "$db", "admin"}, 263},
		{"killCursors as the first", true, []any{"killCursors", "c", "cursors", bson.A{int64(1)}}, 263},
		{"$out", true, []any{"aggregate", "c", "pipeline", bson.A{d("$out", "x")}, "cursor", bson.D{}}, 263},
		{"an index of a collection that is there", true, []any{"createIndexes", "c", "indexes", bson.A{d("key", d("a", 1), "name", "a")}}, 263},
		{"create under snapshot", true, []any{"create", "x", "readConcern", d("level", "snapshot")}, 72},
		{"commit elsewhere", true, find, 0},
		{"commit on another database", false, []any{"commitTransaction", 1, "$db", "db"}, 13},
		{"commit", false, []any{"commitTransaction", 1, "$db", "admin"}, 0},
	} {
		if got := send(tt.start, tt.cmd...); got != tt.code {
			t.Errorf("%s: code %d, want %d", tt.name, got, tt.code)
		}
	}
	number = 1
	if got := send(false, find...); got != 225 {
		t.Errorf("an old number: %d, want 225", got)
	}
}

// TestTransactionExpires: a transaction that is open for too long is aborted and
// lets its documents go.
func TestTransactionExpires(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1))
	harness.Run(t, client.Database("admin"), d("setParameter", 1, "transactionLifetimeLimitSeconds", 1))
	_, in := begin(t, client)
	must[*mongo.UpdateResult](t)(c.UpdateOne(in, d("_id", 1), d("$set", d("n", 1))))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.UpdateOne(ctx, d("_id", 1), d("$set", d("n", 2))); err != nil {
		t.Fatal(err) // it waits for the first one's end
	}
	if _, err := c.UpdateOne(in, d("_id", 1), d("$set", d("n", 3))); !is(err, 251) {
		t.Errorf("a statement after the end: %v", err)
	}
}

// TestKilledSessionAborts: killSessions ends a transaction that holds documents.
func TestKilledSessionAborts(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("db").Collection("c")
	insert(t.Context(), t, c, d("_id", 1))
	for _, name := range []string{"killSessions", "endSessions"} {
		s, in := begin(t, client)
		must[*mongo.UpdateResult](t)(c.UpdateOne(in, d("_id", 1), d("$set", d("n", 1))))
		harness.Run(t, client.Database("admin"), d(name, bson.A{s.ID()}))
		must[*mongo.UpdateResult](t)(c.UpdateOne(t.Context(), d("_id", 1), d("$set", d("n", 2))))
		if err := s.CommitTransaction(in); !is(err, 251) {
			t.Errorf("%s: the commit: %v", name, err)
		}
	}
}

// TestSnapshotSession reads one moment over several collections, also once it
// has passed.
func TestSnapshotSession(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("db")
	a, b := db.Collection("a"), db.Collection("b")
	for i := range 5 {
		insert(t.Context(), t, a, d("_id", i, "x", i))
		insert(t.Context(), t, b, d("_id", i, "x", i))
	}
	s, err := client.StartSession(options.Session().SetSnapshot(true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(context.Background())
	in := mongo.NewSessionContext(t.Context(), s)
	cur := must[*mongo.Cursor](t)(a.Find(in, bson.D{}, options.Find().SetBatchSize(2)))
	for _, c := range []*mongo.Collection{a, b} {
		must[*mongo.DeleteResult](t)(c.DeleteMany(t.Context(), d("x", d("$gt", 0))))
	}
	var found []bson.D
	if err := cur.All(in, &found); err != nil || len(found) != 5 {
		t.Errorf("the cursor goes on to %d documents, %v", len(found), err)
	}
	if n := must[int64](t)(b.CountDocuments(in, bson.D{})); n != 5 {
		t.Errorf("counted %d", n)
	}
	var xs []int32
	if err := b.Distinct(in, "x", bson.D{}).Decode(&xs); err != nil || len(xs) != 5 {
		t.Errorf("distinct %v, %v", xs, err)
	}
	if n := count(t, b); n != 1 {
		t.Errorf("now there are %d", n)
	}
	for name, rc := range map[string]bson.D{"far in the future": d("level", "snapshot", "atClusterTime", bson.Timestamp{T: 4_000_000_000, I: 1}),
		"before the history": d("level", "snapshot", "atClusterTime", bson.Timestamp{T: 1, I: 1})} {
		if code := harness.Code(t, db, d("find", "a", "readConcern", rc)); code != 246 {
			t.Errorf("%s: %d", name, code)
		}
	}
}

// TestCausalConsistency: a read after an operation's time sees it; a time that
// no server can have given is refused.
func TestCausalConsistency(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("db").Collection("c", options.Collection().SetReadConcern(readconcern.Majority()))
	s, err := client.StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(context.Background())
	in := mongo.NewSessionContext(t.Context(), s)
	for i := range 20 {
		insert(in, t, c, d("_id", i))
		if n := must[int64](t)(c.CountDocuments(in, bson.D{})); n != int64(i+1) {
			t.Fatalf("%d documents after %d writes", n, i+1)
		}
	}
	if s.OperationTime() == nil || s.ClusterTime() == nil {
		t.Error("the session has no times")
	}
	future := d("afterClusterTime", bson.Timestamp{T: 4_000_000_000, I: 1})
	if code := harness.Code(t, client.Database("db"), d("find", "c", "readConcern", future)); code != 72 {
		t.Errorf("afterClusterTime in the future: %d", code)
	}
}

// TestBankOnBranches moves money between accounts on three branches at once,
// within and between them: in every snapshot the sum is what it was.
func TestBankOnBranches(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("bank")
	const accounts, start = 8, 100
	for i := range accounts {
		insert(t.Context(), t, db.Collection("c"), d("_id", i, "n", start))
	}
	branches := []*mongo.Collection{db.Collection("c")}
	for _, name := range []string{"dev", "test"} {
		harness.Run(t, db, d("createBranch", name))
		branches = append(branches, client.Database("bank~"+name).Collection("c"))
	}
	sum := func(ctx context.Context, cs ...*mongo.Collection) (n int32, err error) {
		for _, c := range cs {
			cur, err := c.Aggregate(ctx, mongo.Pipeline{d("$group", d("_id", nil, "n", d("$sum", "$n")))})
			if err != nil {
				return 0, err
			}
			var got []struct{ N int32 }
			if err := cur.All(ctx, &got); err != nil {
				return 0, err
			}
			n += got[0].N
		}
		return n, nil
	}
	want := int32(len(branches) * accounts * start)
	ctx, cancel := context.WithCancel(t.Context())
	var movers, readers sync.WaitGroup
	for w := range 4 {
		movers.Go(func() {
			if err := move(client, branches, w); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			s, err := client.StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			_, err = s.WithTransaction(context.Background(), func(in context.Context) (any, error) {
				n, err := sum(in, branches...)
				if err == nil && n != want {
					t.Errorf("a snapshot's sum is %d, want %d", n, want)
				}
				return nil, err
			})
			s.EndSession(context.Background())
			if err != nil {
				t.Error(err)
			}
		}
	})
	movers.Wait()
	cancel()
	readers.Wait()
	if n := must[int32](t)(sum(t.Context(), branches...)); n != want {
		t.Errorf("the sum at the end is %d, want %d", n, want)
	}
}

// move makes 25 transfers, each in one transaction over two accounts.
func move(client *mongo.Client, branches []*mongo.Collection, seed int) error {
	s, err := client.StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(context.Background())
	for i := range 25 {
		k := seed*7 + i*3
		from, to := branches[k%3], branches[(k/3)%3]
		a, b := k%8, (k*5+1)%8
		_, err := s.WithTransaction(context.Background(), func(ctx context.Context) (any, error) {
			if _, err := from.UpdateOne(ctx, d("_id", a), d("$inc", d("n", -5))); err != nil {
				return nil, err
			}
			if i%6 == 5 {
				return nil, errGiveUp
			}
			return to.UpdateOne(ctx, d("_id", b), d("$inc", d("n", 5)))
		})
		if err != nil && !errors.Is(err, errGiveUp) {
			return fmt.Errorf("transfer %d of %d: %w", i, seed, err)
		}
	}
	return nil
}

var errGiveUp = errors.New("given up half way")
