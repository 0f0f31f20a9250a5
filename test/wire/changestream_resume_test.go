package wire

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

// stream runs an aggregate with a $changeStream of these options and returns its
// reply, or the code of its error.
func stream(t *testing.T, db *mongo.Database, target any, spec d, more ...d) (bson.Raw, int) {
	t.Helper()
	p := bson.A{d{{Key: "$changeStream", Value: spec}}}
	for _, st := range more {
		p = append(p, st)
	}
	raw, err := db.RunCommand(t.Context(), d{{Key: "aggregate", Value: target}, {Key: "pipeline", Value: p}, {Key: "cursor", Value: d{}}}).Raw()
	if err != nil {
		return nil, code(t, err)
	}
	return raw, 0
}

func insert(t *testing.T, c *mongo.Collection, ids ...any) {
	t.Helper()
	for _, id := range ids {
		must[*mongo.InsertOneResult](t)(c.InsertOne(t.Context(), d{{Key: "_id", Value: id}}))
	}
}

func TestChangeStreamArguments(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	insert(t, db.Collection("c"), 1)
	harness.Run(t, db, d{{Key: "create", Value: "v"}, {Key: "viewOn", Value: "c"}})
	reply, _ := stream(t, db, "c", d{})
	token := reply.Lookup("cursor", "postBatchResumeToken")
	data := token.Document().Lookup("_data").StringValue()
	cut := d{{Key: "_data", Value: data[:20]}}
	insert(t, client.Database("else").Collection("c"), 1)
	reply, _ = stream(t, client.Database("else"), "c", d{})
	others := reply.Lookup("cursor", "postBatchResumeToken")
	version := d{{Key: "_data", Value: data[:18] + "07" + data[20:]}}
	for name, c := range map[string]struct {
		db     string
		target any
		spec   d
		more   []d
		code   int
	}{
		"both tokens":        {spec: d{{Key: "resumeAfter", Value: token}, {Key: "startAfter", Value: token}}, code: 50865},
		"token and time":     {spec: d{{Key: "resumeAfter", Value: token}, {Key: "startAtOperationTime", Value: bson.Timestamp{T: 1}}}, code: 40674},
		"token without data": {spec: d{{Key: "resumeAfter", Value: d{}}}, code: 40647},
		"token's bits":       {spec: d{{Key: "resumeAfter", Value: d{{Key: "_data", Value: data}, {Key: "_typeBits", Value: 1}}}}, code: 40648},
		"empty token":        {spec: d{{Key: "startAfter", Value: d{{Key: "_data", Value: ""}}}}, code: 40649},
		"token not hex":      {spec: d{{Key: "resumeAfter", Value: d{{Key: "_data", Value: "xyz"}}}}, code: 9},
		"token cut off":      {spec: d{{Key: "resumeAfter", Value: cut}}, code: 260},
		"token's version":    {spec: d{{Key: "resumeAfter", Value: version}}, code: 260},
		"token of another":   {spec: d{{Key: "resumeAfter", Value: others}}, code: 280},
		"not first":          {more: []d{{{Key: "$changeStream", Value: d{}}}}, code: 40602},
		"forbidden stage":    {more: []d{{{Key: "$group", Value: d{{Key: "_id", Value: 1}}}}}, code: 20},
		"split not last":     {more: []d{{{Key: "$changeStreamSplitLargeEvent", Value: d{}}}, {{Key: "$match", Value: d{}}}}, code: 7182802},
		"a view":             {target: "v", code: 166},
		"the past":           {db: "shop@-0s", code: 166},
		"no such branch":     {db: "shop~nope", code: 26},
		"admin":              {db: "admin", target: 1, code: 73},
		"cluster elsewhere":  {target: 1, spec: d{{Key: "allChangesForCluster", Value: true}}, code: 72},
		"unknown option":     {spec: d{{Key: "what", Value: 1}}, code: 40415},
		"_id removed":        {spec: d{{Key: "startAtOperationTime", Value: bson.Timestamp{}}}, more: []d{{{Key: "$unset", Value: "_id"}}}, code: 280},
		"the future":         {spec: d{{Key: "startAtOperationTime", Value: bson.Timestamp{T: 4e9}}}},
	} {
		on, target := db, c.target
		if c.db != "" {
			on = client.Database(c.db)
		}
		if target == nil {
			target = "c"
		}
		if c.spec == nil {
			c.spec = d{}
		}
		if _, got := stream(t, on, target, c.spec, c.more...); got != c.code {
			t.Errorf("%s: code %d, want %d", name, got, c.code)
		}
	}
	for _, level := range []string{"local", "linearizable", "snapshot"} {
		got := harness.Code(t, db, d{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{d{{Key: "$changeStream", Value: d{}}}}}, {Key: "cursor", Value: d{}}, {Key: "readConcern", Value: d{{Key: "level", Value: level}}}})
		if got != 72 {
			t.Errorf("read concern %s: code %d, want 72", level, got)
		}
	}
}

// TestResumeEverywhere resumes a stream of random operations after each of its
// tokens, also with a pipeline that leaves the token's event out.
func TestResumeEverywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.Of(t), 1))
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	cs := open(t, db, nil, opts())
	ctx := t.Context()
	for i := range 60 {
		c := db.Collection(string(rune('a' + rng.IntN(3))))
		switch rng.IntN(6) {
		case 0:
			if err := c.Drop(ctx); err != nil {
				t.Fatal(err)
			}
		case 1:
			_, _ = c.UpdateMany(ctx, d{}, d{{Key: "$inc", Value: d{{Key: "n", Value: 1}}}})
		case 2:
			_, _ = c.DeleteOne(ctx, d{})
		default:
			insert(t, c, i)
		}
	}
	insert(t, db.Collection("a"), "end")
	var events []bson.M
	var tokens []bson.Raw
	for len(events) == 0 || ej(t, events[len(events)-1]["documentKey"]) != `{"_id":"end"}` {
		events = append(events, next(t, cs))
		tokens = append(tokens, cs.ResumeToken())
	}
	for i, token := range tokens[:len(tokens)-1] {
		skipped := mongo.Pipeline{{{Key: "$match", Value: d{{Key: "operationType", Value: d{{Key: "$ne", Value: events[i]["operationType"]}}}}}}}
		want := events[i+1:]
		pipeline := mongo.Pipeline{}
		if i%2 == 0 {
			pipeline = skipped
			want = nil
			for _, e := range events[i+1:] {
				if e["operationType"] != events[i]["operationType"] {
					want = append(want, e)
				}
			}
		}
		o := opts().SetResumeAfter(token).SetMaxAwaitTime(time.Millisecond)
		if i%3 == 0 {
			o = opts().SetStartAfter(token).SetBatchSize(int32(1 + i%5)).SetMaxAwaitTime(time.Millisecond)
		}
		cs := open(t, db, pipeline, o)
		for j, w := range want {
			if got := next(t, cs); !reflect.DeepEqual(got, w) {
				t.Fatalf("after event %d, event %d: %v, want %v", i, j, got, w)
			}
		}
		if cs.TryNext(ctx) {
			t.Fatalf("after event %d: more than is there: %v", i, cs.Current)
		}
		if err := cs.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHighWaterMark: the token of a stream to which nothing happened moves on
// with what happens elsewhere, and a stream resumes from it.
func TestHighWaterMark(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	c, other := db.Collection("c"), db.Collection("other")
	insert(t, c, 0)
	cs := open(t, c, nil, opts().SetMaxAwaitTime(time.Millisecond))
	first := cs.ResumeToken().String()
	insert(t, other, 1, 2, 3)
	for cs.ResumeToken().String() == first {
		if cs.TryNext(t.Context()) || cs.Err() != nil {
			t.Fatalf("%v %v", cs.Current, cs.Err())
		}
	}
	// A filtered-out event of the collection itself moves it, too.
	filtered := open(t, c, mongo.Pipeline{{{Key: "$match", Value: d{{Key: "operationType", Value: "delete"}}}}}, opts().SetMaxAwaitTime(time.Millisecond))
	before := filtered.ResumeToken().String()
	insert(t, c, 1)
	for filtered.ResumeToken().String() == before {
		if filtered.TryNext(t.Context()) || filtered.Err() != nil {
			t.Fatalf("%v %v", filtered.Current, filtered.Err())
		}
	}
	if strings.Compare(before, filtered.ResumeToken().String()) >= 0 {
		t.Error("tokens do not ascend")
	}
	insert(t, c, 2)
	resumed := open(t, c, nil, opts().SetResumeAfter(cs.ResumeToken()))
	want(t, next(t, resumed), map[string]string{"documentKey": `{"_id":1}`})
	want(t, next(t, resumed), map[string]string{"documentKey": `{"_id":2}`})
	resumed = open(t, c, nil, opts().SetStartAfter(filtered.ResumeToken()))
	want(t, next(t, resumed), map[string]string{"documentKey": `{"_id":2}`})
}

// TestStartAtOperationTime: what is at the time is seen, what is before is not.
func TestStartAtOperationTime(t *testing.T) {
	client := harness.Start(t).Client(t)
	c := client.Database("shop").Collection("c")
	cs := open(t, c, nil, opts())
	insert(t, c, 0, 1, 2)
	next(t, cs)
	at := next(t, cs)["clusterTime"].(bson.Timestamp)
	cs = open(t, c, nil, opts().SetStartAtOperationTime(&at))
	want(t, next(t, cs), map[string]string{"documentKey": `{"_id":1}`})
	at.I++
	cs = open(t, c, nil, opts().SetStartAtOperationTime(&at))
	want(t, next(t, cs), map[string]string{"documentKey": `{"_id":2}`})
	// A time to come: nothing before it is seen.
	soon := bson.Timestamp{T: at.T + 3600}
	cs = open(t, c, nil, opts().SetStartAtOperationTime(&soon).SetMaxAwaitTime(10*time.Millisecond))
	insert(t, c, 3)
	if cs.TryNext(t.Context()) || cs.TryNext(t.Context()) || cs.Err() != nil {
		t.Fatalf("%v %v", cs.Current, cs.Err())
	}
}

// TestAwait: a waiting getMore answers when something happens, not before, and
// at the end of its time.
func TestAwait(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	c := db.Collection("c")
	insert(t, c, 0)
	sess := must[*mongo.Session](t)(client.StartSession())
	defer sess.EndSession(t.Context())
	ctx := mongo.NewSessionContext(t.Context(), sess)
	reply := must[bson.Raw](t)(db.RunCommand(ctx, d{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{d{{Key: "$changeStream", Value: d{}}}}}, {Key: "cursor", Value: d{}}}).Raw())
	id := reply.Lookup("cursor", "id").Int64()
	getMore := func(ms int) (int, error) {
		raw, err := db.RunCommand(ctx, d{{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}, {Key: "maxTimeMS", Value: ms}}).Raw()
		if err != nil {
			return 0, err
		}
		vals, err := raw.Lookup("cursor", "nextBatch").Array().Values()
		return len(vals), err
	}
	if n := must[int](t)(getMore(50)); n != 0 {
		t.Fatalf("%d events of nothing", n)
	}
	type result struct {
		n   int
		err error
	}
	got := make(chan result, 1)
	go func() { n, err := getMore(60_000); got <- result{n, err} }()
	insert(t, db.Collection("other"), 1) // does not end the waiting
	insert(t, c, 1)
	if r := <-got; r.n != 1 {
		t.Fatalf("%d events, want 1: %v", r.n, r.err)
	}
	failed := make(chan error, 1)
	go func() { _, err := getMore(60_000); failed <- err }()
	for { // killed while it waits
		raw := harness.Run(t, db, d{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: bson.A{id}}})
		if n, _ := raw.Lookup("cursorsKilled").Array().Values(); len(n) == 1 {
			break
		}
	}
	if err := <-failed; code(t, err) != 43 && code(t, err) != 237 {
		t.Errorf("a killed cursor's getMore: %v", err)
	}
}

// TestSplitLargeEvent: an event of more than 16 MB comes in fragments, and a
// stream resumes after any of them.
func TestSplitLargeEvent(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	c := db.Collection("c")
	ctx := t.Context()
	big := func(r string) string { return strings.Repeat(r, 10<<20) }
	must[*mongo.InsertOneResult](t)(c.InsertOne(ctx, d{{Key: "_id", Value: 1}, {Key: "s", Value: big("a")}}))
	start := open(t, c, nil, opts()).ResumeToken()
	must[*mongo.UpdateResult](t)(c.UpdateOne(ctx, d{}, d{{Key: "$set", Value: d{{Key: "s", Value: big("b")}}}}))
	insert(t, c, 2)
	o := func() *options.ChangeStreamOptionsBuilder {
		return opts().SetFullDocument(options.Required).SetFullDocumentBeforeChange(options.Required)
	}
	whole, err := c.Watch(ctx, mongo.Pipeline{}, o().SetResumeAfter(start))
	if err == nil {
		defer whole.Close(ctx)
		whole.Next(ctx)
		err = whole.Err()
	}
	if code(t, err) != 10334 {
		t.Errorf("an event that is too large: %v", err)
	}
	split := mongo.Pipeline{{{Key: "$changeStreamSplitLargeEvent", Value: d{}}}}
	cs := open(t, c, split, o().SetResumeAfter(start))
	event := bson.M{}
	var tokens []bson.Raw
	for n := 1; ; n++ {
		f := next(t, cs)
		tokens = append(tokens, cs.ResumeToken())
		s, _ := f["splitEvent"].(d)
		if len(s) != 2 || s[0].Value != int32(n) {
			t.Fatalf("fragment %d has splitEvent %v", n, s)
		}
		for k, v := range f {
			if _, twice := event[k]; twice && k != "_id" && k != "splitEvent" {
				t.Errorf("two fragments have %s", k)
			}
			event[k] = v
		}
		if s[1].Value == int32(n) {
			break
		}
	}
	if len(tokens) < 3 {
		t.Fatalf("%d fragments", len(tokens))
	}
	after, _ := event["fullDocument"].(d)
	before, _ := event["fullDocumentBeforeChange"].(d)
	if len(after) != 2 || after[1].Value != big("b") || len(before) != 2 || before[1].Value != big("a") || event["operationType"] != "update" {
		t.Error("the fragments do not make the event")
	}
	want(t, next(t, cs), map[string]string{"documentKey": `{"_id":2}`, "splitEvent": "none"})
	for i, token := range tokens {
		cs := open(t, c, split, o().SetResumeAfter(token))
		f := next(t, cs)
		if i == len(tokens)-1 {
			want(t, f, map[string]string{"documentKey": `{"_id":2}`})
		} else if s, _ := f["splitEvent"].(d); len(s) != 2 || s[0].Value != int32(i+2) {
			t.Errorf("after fragment %d: %v", i+1, f["splitEvent"])
		}
		_ = cs.Close(context.Background())
	}
	if _, got := stream(t, db, "c", d{{Key: "resumeAfter", Value: tokens[0]}}); got != 280 {
		t.Errorf("a fragment's token without splitting: code %d, want 280", got)
	}
}
