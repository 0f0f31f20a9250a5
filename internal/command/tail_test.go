package command_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestTail: a waiting cursor gets a document when it is inserted, long before its
// patience ends (three waits to their ends would be longer than the test), and is told when documents were overwritten before it saw them.
func TestTail(t *testing.T) {
	s, cl := start(t, t.TempDir())
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db := cl.Database("tail")
	if err := db.CreateCollection(ctx, "c", options.CreateCollection().SetCapped(true).SetSizeInBytes(1<<20).SetMaxDocuments(3)); err != nil {
		t.Fatal(err)
	}
	c := db.Collection("c")
	insert := func(ids ...int) {
		for _, id := range ids {
			if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "even", Value: id%2 == 0}}); err != nil {
				t.Error(err)
			}
		}
	}
	insert(1, 2)
	cur, err := c.Find(ctx, bson.D{{Key: "even", Value: true}}, options.Find().SetCursorType(options.TailableAwait).SetMaxAwaitTime(25*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	next := func(want int) {
		t.Helper()
		if !cur.Next(ctx) {
			t.Fatalf("no document: %v", cur.Err())
		}
		if id := int(cur.Current.Lookup("_id").AsInt64()); id != want {
			t.Errorf("got %d, want %d", id, want)
		}
	}
	next(2)
	go insert(3, 4)
	next(4)
	insert(5) // the cursor has been at 4; when it waits again, it is at 5
	go insert(6)
	next(6)
	insert(7, 9, 11, 12, 13, 15, 17)
	if cur.Next(ctx) {
		t.Errorf("got %v, want an error: documents were overwritten", cur.Current)
	}
	if e := cur.Err(); e == nil {
		t.Error("no error")
	}
}
