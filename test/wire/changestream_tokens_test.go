package wire

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
)

// doc makes a document of names and values in turn.
func doc(kv ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		out = append(out, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return out
}

// watchCommand is an aggregate with a $changeStream and what follows it.
func watchCommand(coll any, spec bson.D, more ...any) bson.D {
	return doc("aggregate", coll, "pipeline", append(bson.A{doc("$changeStream", spec)}, more...), "cursor", bson.D{})
}

func put(t *testing.T, c *mongo.Collection, docs ...any) {
	t.Helper()
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedStreams: what MongoDB refuses, with its codes.
func TestRefusedStreams(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	put(t, db.Collection("c"), doc("_id", 1))
	harness.Run(t, db, doc("create", "v", "viewOn", "c", "pipeline", bson.A{}))
	harness.Run(t, db, doc("create", "ts", "timeseries", doc("timeField", "t")))
	harness.Run(t, db, doc("createTag", "v1"))
	with := func(cmd bson.D, kv ...any) bson.D { return append(cmd, doc(kv...)...) }
	token := open(t, db.Collection("c"), nil, opts()).ResumeToken()
	data := token.Lookup("_data").StringValue()
	at := func(data any) bson.D { return doc("resumeAfter", doc("_data", data)) }
	for name, c := range map[string]struct {
		db   string
		cmd  bson.D
		want int
	}{
		"a view":                    {"shop", watchCommand("v", bson.D{}), 166},
		"a time series":             {"shop", watchCommand("ts", bson.D{}), 166},
		"a point in the past":       {"shop@v1", watchCommand("c", bson.D{}), 166},
		"no such branch":            {"shop~nowhere", watchCommand("c", bson.D{}), 26},
		"readConcern local":         {"shop", with(watchCommand("c", bson.D{}), "readConcern", doc("level", "local")), 72},
		"readConcern snapshot":      {"shop", with(watchCommand("c", bson.D{}), "readConcern", doc("level", "snapshot")), 72},
		"not first":                 {"shop", doc("aggregate", "c", "pipeline", bson.A{doc("$match", bson.D{}), doc("$changeStream", bson.D{})}, "cursor", bson.D{}), 40602},
		"a stage that groups":       {"shop", watchCommand("c", bson.D{}, doc("$group", doc("_id", 1))), 20},
		"a stage that sorts":        {"shop", watchCommand("c", bson.D{}, doc("$sort", doc("_id", 1))), 20},
		"split that is not last":    {"shop", watchCommand("c", bson.D{}, doc("$changeStreamSplitLargeEvent", bson.D{}), doc("$match", bson.D{})), 7182802},
		"split without a stream":    {"shop", doc("aggregate", "c", "pipeline", bson.A{doc("$changeStreamSplitLargeEvent", bson.D{})}, "cursor", bson.D{}), 20},
		"the server, not on admin":  {"shop", watchCommand(1, doc("allChangesForCluster", true)), 72},
		"admin alone":               {"admin", watchCommand(1, bson.D{}), 73},
		"system.views":              {"shop", watchCommand("system.views", bson.D{}), 73},
		"unknown option":            {"shop", watchCommand("c", doc("nonsense", 1)), 40415},
		"unknown fullDocument":      {"shop", watchCommand("c", doc("fullDocument", "nonsense")), 2},
		"two places to start":       {"shop", watchCommand("c", doc("resumeAfter", token, "startAfter", token)), 50865},
		"a place and a time":        {"shop", watchCommand("c", doc("resumeAfter", token, "startAtOperationTime", bson.Timestamp{T: 1})), 40674},
		"a token without data":      {"shop", watchCommand("c", doc("resumeAfter", bson.D{})), 40647},
		"a token of a number":       {"shop", watchCommand("c", at(1)), 40647},
		"a token that is not hex":   {"shop", watchCommand("c", at("nonsense")), 9},
		"an empty token":            {"shop", watchCommand("c", at("")), 40649},
		"another server's token":    {"shop", watchCommand("c", at("8263F1A2B3000000012B0229296E04")), 260},
		"a shorter token":           {"shop", watchCommand("c", at(data[:len(data)-2])), 260},
		"a token of a later format": {"shop", watchCommand("c", at(data[:18]+"7F"+data[20:])), 260},
		"a token that was changed":  {"shop", watchCommand("c", at(changeHex(t, data, 20))), 260},
	} {
		if got := harness.Code(t, client.Database(c.db), c.cmd); got != c.want {
			t.Errorf("%s: error %d, want %d", name, got, c.want)
		}
	}
	sess := must[*mongo.Session](t)(client.StartSession())
	defer sess.EndSession(t.Context())
	if err := sess.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	err := db.RunCommand(mongo.NewSessionContext(t.Context(), sess), watchCommand("c", bson.D{})).Err()
	if code(t, err) != 263 {
		t.Errorf("in a transaction: %v", err)
	}
}

// changeHex flips a bit of one byte of a token.
func changeHex(t *testing.T, data string, at int) string {
	t.Helper()
	raw, err := hex.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 1
	return strings.ToUpper(hex.EncodeToString(raw))
}

// TestTokens: a stream goes on after the token of an event, of one that its
// pipeline filtered out, and of a batch without events; tokens order as events.
func TestTokens(t *testing.T) {
	db := harness.Start(t).Client(t).Database("shop")
	c := db.Collection("c")
	put(t, c, doc("_id", "before"))
	cs := open(t, c, mongo.Pipeline{doc("$match", doc("fullDocument.keep", true))}, opts().SetMaxAwaitTime(50*time.Millisecond))
	start := cs.ResumeToken()
	for i := range 10 {
		put(t, c, doc("_id", i, "keep", i%5 == 0))
	}
	last := ""
	var tokens []bson.Raw
	for _, id := range []string{`{"_id":0}`, `{"_id":5}`} {
		ev := next(t, cs)
		want(t, ev, map[string]string{"documentKey": id})
		data := ev["_id"].(bson.D)[0].Value.(string)
		if data <= last || len(data) > 100 {
			t.Errorf("token %s after %s", data, last)
		}
		last = data
		tokens = append(tokens, must[[]byte](t)(bson.Marshal(ev["_id"])))
	}
	for cs.TryNext(t.Context()) {
	}
	high := cs.ResumeToken() // after events that were filtered out
	put(t, c, doc("_id", 10, "keep", true))
	put(t, db.Collection("other"), doc("_id", 10, "keep", true))
	for _, by := range []struct {
		name  string
		token bson.Raw
		want  []string
	}{
		{"the start", start, []string{`{"_id":0}`, `{"_id":5}`, `{"_id":10}`}},
		{"an event", tokens[0], []string{`{"_id":5}`, `{"_id":10}`}},
		{"the last event", tokens[1], []string{`{"_id":10}`}},
		{"a batch without events", high, []string{`{"_id":10}`}},
	} {
		for _, o := range []*options.ChangeStreamOptionsBuilder{opts().SetResumeAfter(by.token), opts().SetStartAfter(by.token)} {
			again := open(t, c, mongo.Pipeline{doc("$match", doc("fullDocument.keep", true))}, o)
			if string(again.ResumeToken()) != string(by.token) {
				t.Errorf("%s: the stream begins at %s, want %s", by.name, again.ResumeToken(), by.token)
			}
			for _, w := range by.want {
				want(t, next(t, again), map[string]string{"documentKey": w})
			}
		}
	}
	// The event of a token is none of another stream's.
	if _, err := db.Collection("other").Watch(t.Context(), mongo.Pipeline{}, opts().SetResumeAfter(tokens[0])); err == nil || code(t, err) != 280 {
		t.Errorf("a token of another collection: %v", err)
	}
	if _, err := c.Watch(t.Context(), mongo.Pipeline{doc("$project", doc("_id", 0))}, opts().SetResumeAfter(start)); err == nil || code(t, err) != 280 {
		t.Errorf("a pipeline that removes _id: %v", err)
	}
}

// TestRestoresTold: with showExpandedEvents streams of a database and of the
// server are told of a restore, and to where.
func TestRestoresTold(t *testing.T) {
	client := harness.Start(t).Client(t)
	db := client.Database("shop")
	put(t, db.Collection("c"), doc("_id", 1))
	harness.Run(t, db, doc("createBranch", "dev"))
	dev := client.Database("shop~dev")
	point := lsn(t, dev, "dev").(bson.RawValue).Int64()
	put(t, dev.Collection("c"), doc("_id", 2))
	expanded := opts().SetShowExpandedEvents(true)
	streams := map[string]*mongo.ChangeStream{"database": open(t, dev, nil, expanded), "server": open(t, client, nil, expanded)}
	harness.Run(t, db, doc("restoreBranch", "dev", "to", point))
	put(t, db.Collection("c"), doc("_id", 3))
	for name, cs := range streams {
		ev := next(t, cs)
		want(t, ev, map[string]string{"operationType": `"restoreBranch"`, "ns": `{"db":"shop~dev"}`, "operationDescription": fmt.Sprintf(`{"to":%d}`, point)})
		if name == "server" {
			play(t, name, cs, "insert shop c 3")
		} else {
			play(t, name, cs, "invalidate")
		}
	}
}

// TestAwaitedEvents: a getMore waits for an event up to maxTimeMS and comes back
// with it, or with none and the cursor still open; it ends with its cursor and
// with the server.
func TestAwaitedEvents(t *testing.T) {
	s := harness.Start(t)
	run := func(cmd bson.D) bson.Raw { return s.Raw(t, append(cmd, bson.E{Key: "$db", Value: "shop"})) }
	run(doc("create", "c"))
	watch := func() int64 { return run(watchCommand("c", bson.D{})).Lookup("cursor", "id").Int64() }
	id := watch()
	more := func(ms int) bson.Raw { return run(doc("getMore", id, "collection", "c", "maxTimeMS", ms)) }
	size := func(r bson.Raw) int {
		batch, ok := r.Lookup("cursor", "nextBatch").ArrayOK()
		if !ok {
			t.Fatalf("no batch: %v", r)
		}
		return len(must[[]bson.RawValue](t)(batch.Values()))
	}
	if r := more(10); size(r) != 0 || r.Lookup("cursor", "id").Int64() != id || r.Lookup("cursor", "postBatchResumeToken", "_data").StringValue() == "" {
		t.Fatalf("a batch of nothing: %v", r)
	}
	came := make(chan bson.Raw)
	wait := func() {
		go func() { came <- more(600_000) }()
		waiting(t, s)
	}
	wait()
	run(doc("insert", "c", "documents", bson.A{doc("_id", 1)}))
	if r := <-came; size(r) != 1 {
		t.Errorf("the awaited batch: %v", r)
	}
	wait()
	run(doc("killCursors", "c", "cursors", bson.A{id}))
	if r := <-came; r.Lookup("code").Int32() != 237 {
		t.Errorf("the getMore of a cursor that was killed: %v", r)
	}
	id = watch()
	wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	r := <-came
	if labels := r.Lookup("errorLabels").String(); r.Lookup("code").Int32() != 11600 || !strings.Contains(labels, "ResumableChangeStreamError") {
		t.Errorf("the getMore of a server that shuts down: %v", r)
	}
}

// waiting returns when a cursor is in use.
func waiting(t *testing.T, s *harness.Server) {
	t.Helper()
	for {
		open, _ := s.ServicesOf().Cursors.List()
		for _, c := range open {
			if c.InUse {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}
