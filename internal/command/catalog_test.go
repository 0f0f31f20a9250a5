package command_test

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/txn"
)

func start(t *testing.T, dir string) (*daemon.Server, *mongo.Client) {
	t.Helper()
	s, err := daemon.Start(daemon.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.Addr() + "/"))
	if err != nil {
		t.Fatal(err)
	}
	return s, cl
}

// TestResumeIndexBuild leaves an index as the end of a server in the middle of a
// build does, and finds it whole after the next start.
func TestResumeIndexBuild(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s, cl := start(t, dir)
	c := cl.Database("r").Collection("c")
	for i := range 50 {
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i % 5}}); err != nil {
			t.Fatal(err)
		}
	}
	beginIndex(t, s)
	_ = cl.Disconnect(ctx)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, cl = start(t, dir)
	defer func() { _ = cl.Disconnect(ctx); _ = s.Close() }()
	c = cl.Database("r").Collection("c")
	if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 100}, {Key: "a", Value: 3}}); err != nil {
		t.Fatal(err)
	}
	for tries := 0; ; tries++ { // the build goes on in the background
		n, err := c.CountDocuments(ctx, bson.D{{Key: "a", Value: 3}}, options.Count().SetHint("a_1"))
		if err == nil && n == 11 {
			break
		}
		if tries == 10_000 {
			t.Fatalf("the index has %d documents, want 11 (%v)", n, err)
		}
	}
	var r struct{ Valid bool }
	if err := cl.Database("r").RunCommand(ctx, bson.D{{Key: "validate", Value: "c"}}).Decode(&r); err != nil || !r.Valid {
		t.Errorf("validate: %v %v", r, err)
	}
}

// beginIndex is the first step of a long build.
func beginIndex(t *testing.T, s *daemon.Server) {
	t.Helper()
	ctx, sv := context.Background(), s.Services()
	ref, err := sv.Branches.Resolve(ctx, "r")
	if err != nil {
		t.Fatal(err)
	}
	tx := sv.Txns.Begin(txn.Options{})
	spec, _ := bson.Marshal(bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}})
	if _, err := sv.Catalog.BeginIndexes(ctx, tx.View(ref.Levels, true), "c", []bsonx.Doc{spec}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx, txn.CommitInfo{}); err != nil {
		t.Fatal(err)
	}
}

// TestCatalogCommands runs commands one after the other on one database; code 0
// is success.
func TestCatalogCommands(t *testing.T) {
	ctx := context.Background()
	s, cl := start(t, t.TempDir())
	defer func() { _ = cl.Disconnect(ctx); _ = s.Close() }()
	for _, step := range []struct {
		command string
		code    int32
	}{
		{`{"create": "v1", "viewOn": "v2"}`, 0},
		{`{"create": "v2", "viewOn": "v1"}`, 5},
		{`{"create": "v2", "viewOn": "c", "pipeline": [{"$lookup": {"from": "v1", "localField": "a", "foreignField": "a", "as": "x"}}]}`, 5},
		{`{"create": "v2", "viewOn": "c", "collation": {"locale": "en"}}`, 0},
		{`{"create": "v3", "viewOn": "v2"}`, 167},
		{`{"create": "cap", "capped": true, "size": 100000, "max": 3}`, 0},
		{`{"create": "cap", "capped": true, "size": 100000, "max": 3}`, 0},
		{`{"create": "cap"}`, 48},
		{`{"collMod": "cap", "cappedMax": 5}`, 0},
		{`{"collMod": "v1", "validator": {}}`, 72},
		{`{"create": "ts", "timeseries": {"timeField": "t", "metaField": "m"}}`, 0},
		{`{"insert": "ts", "documents": [{"t": {"$date": "2026-01-01T00:00:00Z"}, "m": 1, "_id": 1}, {"t": {"$date": "2026-01-01T00:00:00Z"}, "m": 1, "_id": 1}]}`, 0},
		{`{"insert": "ts", "documents": [{"m": 1}]}`, 2},
		{`{"createIndexes": "ts", "indexes": [{"key": {"m": 1}, "name": "m", "unique": true}]}`, 72},
		{`{"insert": "u", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]}`, 0},
		{`{"createIndexes": "u", "indexes": [{"key": {"a": 1}, "name": "a_1"}]}`, 0},
		{`{"collMod": "u", "index": {"name": "a_1", "unique": true}}`, 72},
		{`{"collMod": "u", "index": {"name": "a_1", "prepareUnique": true}}`, 0},
		{`{"insert": "u", "documents": [{"_id": 3, "a": 1}]}`, 11000},
		{`{"collMod": "u", "index": {"name": "a_1", "unique": true}}`, 359},
		{`{"delete": "u", "deletes": [{"q": {"_id": 2}, "limit": 1}]}`, 0},
		{`{"collMod": "u", "index": {"name": "a_1", "unique": true}}`, 0},
		{`{"insert": "u", "documents": [{"_id": 3, "a": 1}]}`, 11000},
		{`{"convertToCapped": "u", "size": 4096}`, 0},
		{`{"convertToCapped": "v1", "size": 4096}`, 166},
		{`{"cloneCollectionAsCapped": "u", "toCollection": "w", "size": 4096}`, 0},
		{`{"create": "system.other"}`, 73},
		{`{"validate": "w"}`, 0},
		{`{"reIndex": "w"}`, 20},
	} {
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(step.command), false, &d); err != nil {
			t.Fatal(err)
		}
		var reply struct{ WriteErrors []struct{ Code int32 } }
		err := cl.Database("d").RunCommand(ctx, d).Decode(&reply)
		var code int32
		var ce mongo.CommandError
		switch {
		case errors.As(err, &ce):
			code = ce.Code
		case err != nil:
			var we mongo.WriteException
			if !errors.As(err, &we) || len(we.WriteErrors) == 0 {
				t.Fatalf("%s: %v", step.command, err)
			}
			code = int32(we.WriteErrors[0].Code)
		case len(reply.WriteErrors) > 0:
			code = reply.WriteErrors[0].Code
		}
		if code != step.code {
			t.Errorf("%s: got %d, want %d (%v)", step.command, code, step.code, err)
		}
	}
}

// TestIndexFilter restricts a shape to one index, which the planner then takes.
func TestIndexFilter(t *testing.T) {
	ctx := context.Background()
	s, cl := start(t, t.TempDir())
	defer func() { _ = cl.Disconnect(ctx); _ = s.Close() }()
	db := cl.Database("d")
	if _, err := db.Collection("c").Indexes().CreateMany(ctx, []mongo.IndexModel{{Keys: bson.D{{Key: "a", Value: 1}}}, {Keys: bson.D{{Key: "b", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	chosen := func(a, b int) (name string, set bool) {
		var r struct {
			QueryPlanner struct {
				IndexFilterSet bool
				WinningPlan    struct{ InputStage struct{ IndexName string } }
			}
		}
		find := bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "a", Value: a}, {Key: "b", Value: b}}}}
		if err := db.RunCommand(ctx, bson.D{{Key: "explain", Value: find}}).Decode(&r); err != nil {
			t.Fatal(err)
		}
		return r.QueryPlanner.WinningPlan.InputStage.IndexName, r.QueryPlanner.IndexFilterSet
	}
	for _, ix := range []string{"a_1", "b_1"} {
		cmd := bson.D{{Key: "planCacheSetFilter", Value: "c"}, {Key: "query", Value: bson.D{{Key: "b", Value: 1}, {Key: "a", Value: 1}}}, {Key: "indexes", Value: bson.A{ix}}}
		if err := db.RunCommand(ctx, cmd).Err(); err != nil {
			t.Fatal(err)
		}
		if got, set := chosen(7, 8); got != ix || !set {
			t.Errorf("with the filter %s: index %q, filter set: %v", ix, got, set)
		}
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "planCacheClearFilters", Value: "c"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, set := chosen(7, 8); set {
		t.Error("the filter is still there")
	}
}
