package command_test

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestSplitStatements: a statement over more documents than one commit takes
// changes each of them once, also when others change them meanwhile and when a
// row fails in the middle.
func TestSplitStatements(t *testing.T) {
	s, cl := start(t, t.TempDir())
	defer func() { _ = s.Close() }()
	s.Services().SplitWrites = 50
	ctx := context.Background()
	c := cl.Database("split").Collection("c")
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "n", Value: 1}}},
		{Keys: bson.D{{Key: "u", Value: 1}}, Options: options.Index().SetUnique(true)},
	}); err != nil {
		t.Fatal(err)
	}
	const docs = 1000
	var all []any
	for i := range docs {
		all = append(all, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}, {Key: "m", Value: 0}, {Key: "u", Value: i}})
	}
	if _, err := c.InsertMany(ctx, all); err != nil {
		t.Fatal(err)
	}
	commits := func() int64 {
		var r struct{ Commits int64 }
		if err := cl.Database("split").RunCommand(ctx, bson.D{{Key: "historyInfo", Value: "main"}}).Decode(&r); err != nil {
			t.Fatal(err)
		}
		return r.Commits
	}
	count := func(f bson.D) int64 {
		n, err := c.CountDocuments(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := commits()
	failed := make(chan error, 1)
	go func() { // the other client's change of every row commutes with the update
		for i := range docs {
			if _, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: docs - 1 - i}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "m", Value: 1}}}}); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	r, err := c.UpdateMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: 0}}}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: docs}}}})
	if err != nil || r.MatchedCount != docs || r.ModifiedCount != docs {
		t.Fatalf("update: %+v, %v", r, err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if n := count(bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: docs}, {Key: "$lt", Value: 2 * docs}}}, {Key: "m", Value: 1}}); n != docs {
		t.Errorf("%d documents are as they should be, want %d", n, docs)
	}
	if n := commits() - before - docs; n < 10 {
		t.Errorf("the update was %d commits, want some", n)
	}
	// Rows up to the one that fails stay changed, as in MongoDB.
	_, err = c.UpdateMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: docs / 2}}}},
		bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "u", Value: bson.D{{Key: "$cond", Value: bson.A{
			bson.D{{Key: "$eq", Value: bson.A{"$_id", 400}}}, docs - 1, "$u"}}}}, {Key: "seen", Value: true}}}}})
	if !mongo.IsDuplicateKeyError(err) {
		t.Errorf("got %v, want a duplicate key", err)
	}
	if n := count(bson.D{{Key: "seen", Value: true}}); n != 400 {
		t.Errorf("%d documents were changed before the one that failed, want 400", n)
	}
	d, err := c.DeleteMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: docs}}}})
	if err != nil || d.DeletedCount != docs || count(bson.D{}) != 0 {
		t.Errorf("delete: %v, %v; %d are left", d, err, count(bson.D{}))
	}
	var check bson.Raw
	if err := cl.Database("split").RunCommand(ctx, bson.D{{Key: "validate", Value: "c"}}).Decode(&check); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(check.Lookup("valid")) != "true" {
		t.Errorf("validate: %v", check)
	}
}
