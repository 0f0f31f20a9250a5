package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

// follower reads a change stream and goes on after whatever happens to it.
type follower struct {
	watch  func(context.Context, ...options.Lister[options.ChangeStreamOptions]) (*mongo.ChangeStream, error)
	batch  int32
	token  bson.Raw
	events []harness.Event
	tokens []bson.Raw
	opened int
}

func (f *follower) options() *options.ChangeStreamOptionsBuilder {
	o := options.ChangeStream().SetMaxAwaitTime(100 * time.Millisecond).SetBatchSize(f.batch)
	if f.token != nil {
		o.SetResumeAfter(f.token)
	}
	return o
}

// start opens the stream for the first time, so that it misses nothing.
func (f *follower) start(t *testing.T) {
	t.Helper()
	cs, err := f.watch(t.Context(), f.options())
	if err != nil {
		t.Fatal(err)
	}
	f.token = cs.ResumeToken()
	_ = cs.Close(t.Context())
}

// run reads to the event of the document "end".
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		cs, err := f.watch(ctx, f.options())
		if err != nil {
			if se, ok := err.(mongo.ServerError); ok && !se.HasErrorLabel("ResumableChangeStreamError") && len(se.ErrorCodes()) > 0 {
				return err
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		f.opened++
		for cs.Next(ctx) {
			var e harness.Event
			if err := cs.Decode(&e); err != nil {
				return err
			}
			f.token = cs.ResumeToken()
			f.events, f.tokens = append(f.events, e), append(f.tokens, append(bson.Raw(nil), f.token...))
			if e.ID() == `"end"` {
				return cs.Close(ctx)
			}
		}
		_ = cs.Close(ctx)
	}
	return ctx.Err()
}

// scribble makes one random change of one of few documents.
func scribble(ctx context.Context, rng *rand.Rand, db *mongo.Database) error {
	c := db.Collection([]string{"a", "b"}[rng.IntN(2)])
	id := bson.D{{Key: "_id", Value: rng.IntN(20)}}
	n := rng.IntN(1000)
	var err error
	switch rng.IntN(8) {
	case 0, 1:
		_, err = c.InsertOne(ctx, bson.D{{Key: "_id", Value: id[0].Value}, {Key: "n", Value: n}, {Key: "a", Value: bson.A{1, n, bson.D{{Key: "x", Value: n}}}}, {Key: "o", Value: bson.D{{Key: "p", Value: n}, {Key: "q", Value: n}}}})
	case 2:
		_, err = c.UpdateOne(ctx, id, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}, {Key: "o.p", Value: n}, {Key: "a.1", Value: n}}}}, options.UpdateOne().SetUpsert(true))
	case 3:
		_, err = c.UpdateMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: n}}}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$push", Value: bson.D{{Key: "l", Value: bson.D{{Key: "$each", Value: bson.A{n, n}}, {Key: "$slice", Value: -5}}}}}})
	case 4:
		_, err = c.UpdateOne(ctx, id, mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: "a", Value: bson.A{1}}, {Key: "o.new", Value: "$n"}}}}, {{Key: "$unset", Value: "o.q"}}})
	case 5:
		_, err = c.ReplaceOne(ctx, id, bson.D{{Key: "r", Value: n}}, options.Replace().SetUpsert(true))
	case 6:
		_, err = c.DeleteOne(ctx, id)
	case 7:
		_, err = c.DeleteMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 900}}}})
	}
	if mongo.IsDuplicateKeyError(err) && mongo.SessionFromContext(ctx) == nil {
		return nil
	}
	return err
}

// scribbleOn writes until the server is gone, now and then in a transaction.
func scribbleOn(ctx context.Context, rng *rand.Rand, client *mongo.Client) {
	db := client.Database("shop")
	for ctx.Err() == nil {
		if rng.IntN(4) > 0 {
			_ = scribble(ctx, rng, db)
			continue
		}
		sess, err := client.StartSession()
		if err != nil {
			return
		}
		_ = sess.StartTransaction()
		in := mongo.NewSessionContext(ctx, sess)
		for range 1 + rng.IntN(4) {
			if err = scribble(in, rng, db); err != nil {
				break
			}
		}
		if err == nil && rng.IntN(5) > 0 {
			_ = sess.CommitTransaction(in)
		}
		sess.EndSession(ctx) // aborts
	}
}

// history returns what the branch's log has of documents, in its order.
func history(t *testing.T, db *mongo.Database, coll string) (ops []string) {
	t.Helper()
	cur, err := db.RunCommandCursor(t.Context(), bson.D{{Key: "branchLog", Value: "main"}, {Key: "reverse", Value: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close(t.Context())
	for cur.Next(t.Context()) {
		var rec struct {
			Ops []struct {
				NS, Op string
				ID     bson.RawValue `bson:"_id"`
			}
			MoreOps int64
		}
		if err := cur.Decode(&rec); err != nil || rec.MoreOps > 0 {
			t.Fatalf("%v, %d operations are missing", err, rec.MoreOps)
		}
		for _, o := range rec.Ops {
			switch o.Op {
			case "insert", "update", "replace", "delete":
				if name := strings.TrimPrefix(o.NS, "shop."); coll == "" || name == coll {
					ops = append(ops, fmt.Sprintf("%s %s %s", o.Op, name, o.ID))
				}
			}
		}
	}
	if cur.Err() != nil {
		t.Fatal(cur.Err())
	}
	return ops
}

func asText(events []harness.Event) (ops []string) {
	for i := range events {
		e := &events[i]
		ops = append(ops, fmt.Sprintf("%s %s %s", e.Op, e.NS.Coll, e.ID()))
	}
	return ops
}

func compareOps(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%s: event %d of %d is %s; the log has %s (of %d)", what, i, len(got), g, w, len(want))
		}
	}
}

// TestKillStreams kills a server under writers and readers of change streams.
// Each stream must have every event of the log once and in its order, and the
// events, applied to nothing, must give the collections.
func TestKillStreams(t *testing.T) {
	n := seed.Of(t)
	rng := rand.New(rand.NewPCG(n, 4))
	data := t.TempDir()
	p := harness.StartProcess(t, data, "127.0.0.1:0")
	addr := p.Addr
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr).SetServerSelectionTimeout(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	db := client.Database("shop")
	none := mongo.Pipeline{}
	type listers = []options.Lister[options.ChangeStreamOptions]
	followers := map[string]*follower{
		"database": {watch: func(ctx context.Context, o ...options.Lister[options.ChangeStreamOptions]) (*mongo.ChangeStream, error) {
			return db.Watch(ctx, none, listers(o)...)
		}},
		"a": {batch: 3, watch: func(ctx context.Context, o ...options.Lister[options.ChangeStreamOptions]) (*mongo.ChangeStream, error) {
			return db.Collection("a").Watch(ctx, none, listers(o)...)
		}},
		"server": {batch: 1, watch: func(ctx context.Context, o ...options.Lister[options.ChangeStreamOptions]) (*mongo.ChangeStream, error) {
			return client.Watch(ctx, none, listers(o)...)
		}},
	}
	reading, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var readers sync.WaitGroup
	for name, f := range followers {
		f.start(t)
		readers.Add(1)
		go func() {
			defer readers.Done()
			if err := f.run(reading); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}()
	}
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			own := rand.New(rand.NewPCG(rng.Uint64(), 5))
			wg.Add(1)
			go func() { defer wg.Done(); scribbleOn(ctx, own, client) }()
		}
		time.Sleep(time.Duration(100+rng.IntN(300)) * time.Millisecond)
		p.Kill()
		cancel()
		wg.Wait()
		p = harness.StartProcess(t, data, addr)
	}
	if _, err := db.Collection("a").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "end"}}); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if t.Failed() {
		return
	}
	want := map[string][]string{"database": history(t, db, ""), "a": history(t, db, "a")}
	want["server"] = want["database"]
	if len(want["a"]) < 20 {
		t.Fatalf("only %d changes were made", len(want["a"]))
	}
	for name, f := range followers {
		t.Logf("%s: %d events, opened %d times", name, len(f.events), f.opened)
		compareOps(t, name, asText(f.events), want[name])
		for range 5 { // and again from anywhere
			i := rng.IntN(len(f.events) - 1)
			again := &follower{watch: f.watch, token: f.tokens[i], batch: int32(rng.IntN(50))}
			if err := again.run(reading); err != nil {
				t.Fatalf("%s from event %d: %v", name, i, err)
			}
			compareOps(t, fmt.Sprintf("%s from event %d", name, i), asText(again.events), want[name][i+1:])
		}
	}
	r := harness.Replica{}
	for i := range followers["server"].events {
		if err := r.Apply(&followers["server"].events[i]); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := r.Compare(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}
