package branching

import (
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

// TestSpace writes much, drops a branch and a collection and lets the window pass:
// a dry run says exactly what a collection then does, and the directory is small
// again, while a tag and a fork still read what they hold.
func TestSpace(t *testing.T) {
	dir := t.TempDir()
	clk := clock.NewManual(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	srv := harness.StartWith(t, daemon.Options{Dir: dir, Clock: clk})
	c := srv.Client(t)
	db := c.Database("s")
	rnd := rand.New(rand.NewPCG(seed.Of(t), 1))
	noise := func() []byte {
		b := make([]byte, 2000)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	load := func(db, coll string, round int) {
		for at := 0; at < 4000; at += 1000 {
			var docs []any
			for i := range 1000 {
				docs = append(docs, bson.D{{Key: "_id", Value: at + i}, {Key: "round", Value: round}, {Key: "noise", Value: noise()}})
			}
			if _, err := c.Database(db).Collection(coll).DeleteMany(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: at}, {Key: "$lt", Value: at + 1000}}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Database(db).Collection(coll).InsertMany(t.Context(), docs); err != nil {
				t.Fatal(err)
			}
		}
	}
	load("s", "c", 1)
	harness.Run(t, db, bson.D{{Key: "createTag", Value: "v1"}})
	load("s", "c", 2)
	harness.Run(t, db, bson.D{{Key: "createBranch", Value: "kept"}})
	harness.Run(t, db, bson.D{{Key: "createBranch", Value: "gone"}})
	load("s", "c", 3)
	load("s~gone", "c", 4)
	load("s", "dropped", 5)
	harness.Run(t, db, bson.D{{Key: "drop", Value: "dropped"}})
	if _, err := db.Collection("c").DeleteMany(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: 100}}}}); err != nil {
		t.Fatal(err)
	}
	harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}, {Key: "compact", Value: true}})
	before := diskUsage(t, dir)
	// Of five rounds of 8 MB, two stay in full (the tag, the fork).
	harness.Run(t, db, bson.D{{Key: "setRetention", Value: 60}})
	clk.Advance(time.Hour)
	harness.Run(t, db, bson.D{{Key: "insert", Value: "other"}, {Key: "documents", Value: bson.A{bson.D{}}}})
	clk.Advance(time.Hour)
	harness.Run(t, db, bson.D{{Key: "dropBranch", Value: "gone"}})

	dry := harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}, {Key: "dryRun", Value: true}})
	done := harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}, {Key: "compact", Value: true}})
	for _, f := range []string{"timelines", "collections", "versionsSeen", "versionsRemoved", "bytesRemoved"} {
		if a, b := dry.Lookup(f).AsInt64(), done.Lookup(f).AsInt64(); a != b {
			t.Errorf("%s: the dry run said %d, it was %d", f, a, b)
		}
	}
	if n := done.Lookup("bytesRemoved").AsInt64(); n < 15<<20 || n > 30<<20 {
		t.Errorf("%d bytes removed", n)
	}
	if n := done.Lookup("collections").AsInt64(); n != 1 {
		t.Errorf("%d collections removed", n)
	}
	after := diskUsage(t, dir)
	for i := 0; i < 100 && after > 18<<20; i++ { // files go in the background
		time.Sleep(100 * time.Millisecond)
		after = diskUsage(t, dir)
	}
	t.Logf("%d bytes on disk, then %d; %s", before, after, done)
	if after > 18<<20 || before < 32<<20 {
		t.Errorf("%d bytes on disk before, %d after", before, after)
	}
	again := harness.Run(t, db, bson.D{{Key: "runGC", Value: 1}})
	if n := again.Lookup("versionsRemoved").AsInt64(); n != 0 {
		t.Errorf("the second collection removed %d versions", n)
	}
	for name, want := range map[string]int64{"s": 100, "s@v1": 4000, "s~kept": 4000} {
		n, err := c.Database(name).Collection("c").CountDocuments(t.Context(), bson.D{{Key: "noise", Value: bson.D{{Key: "$type", Value: "binData"}}}})
		if err != nil || n != want {
			t.Errorf("%s has %d documents: %v", name, n, err)
		}
	}
}

// diskUsage is the size of the tables; the engine keeps a few files of its log to
// use them again.
func diskUsage(t *testing.T, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(d.Name()) == ".sst" {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
