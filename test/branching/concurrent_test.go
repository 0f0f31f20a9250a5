package branching

import (
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/test/harness"
)

// TestMergeUnderWrites merges again and again while others write to the documents
// that are merged: no increment of either side may be lost or come twice.
func TestMergeUnderWrites(t *testing.T) {
	c := harness.Start(t).Client(t)
	db, dev := c.Database("busy"), c.Database("busy~dev")
	const docs, rounds = 20, 25
	for i := range docs {
		if _, err := db.Collection("a").InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "t", Value: 0}, {Key: "s", Value: 0}}); err != nil {
			t.Fatal(err)
		}
	}
	harness.Run(t, db, bson.D{{Key: "createIndexes", Value: "a"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "t", Value: 1}, {Key: "s", Value: 1}}}, {Key: "name", Value: "ts"}}}}})
	harness.Run(t, db, bson.D{{Key: "createBranch", Value: "dev"}})
	var done atomic.Bool
	var wrote [docs]int
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; !done.Load(); i = (i + 4) % docs {
				if _, err := db.Collection("a").UpdateByID(t.Context(), i, bson.D{{Key: "$inc", Value: bson.D{{Key: "t", Value: 1}}}}); err != nil {
					t.Error(err)
					return
				}
				wrote[i]++
			}
		})
	}
	for range rounds {
		if _, err := dev.Collection("a").UpdateMany(t.Context(), bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "s", Value: 1}}}}); err != nil {
			t.Fatal(err)
		}
		r := harness.Run(t, db, bson.D{{Key: "mergeBranch", Value: "dev"}})
		if r.Lookup("mergedLsn").Type == 0 || r.Lookup("plan", "updates").Int64() != docs {
			t.Fatalf("%s", r)
		}
	}
	done.Store(true)
	wg.Wait()
	cur, err := db.Collection("a").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		ID   int `bson:"_id"`
		T, S int
	}
	if err := cur.All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.S != rounds || d.T != wrote[d.ID] {
			t.Errorf("document %d: s %d, want %d; t %d, want %d", d.ID, d.S, rounds, d.T, wrote[d.ID])
		}
	}
	if v := harness.Run(t, db, bson.D{{Key: "validate", Value: "a"}}); !v.Lookup("valid").Boolean() {
		t.Errorf("%s", v)
	}
}
