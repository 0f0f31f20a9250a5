package harness_test

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// TestTransaction moves money between two collections: nobody sees half of it,
// an abort leaves nothing, and two that change the same document conflict.
func TestTransaction(t *testing.T) {
	s := harness.Start(t)
	client := s.Client(t)
	db := client.Database("bank")
	a, b := db.Collection("a"), db.Collection("b")
	ctx := t.Context()
	for _, c := range []*mongo.Collection{a, b} {
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 100}}); err != nil {
			t.Fatal(err)
		}
	}
	inc := func(n int) bson.D { return bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: n}}}} }
	balance := func(c *mongo.Collection) int32 {
		raw, err := c.FindOne(ctx, bson.D{}).Raw()
		if err != nil {
			t.Fatal(err)
		}
		return raw.Lookup("n").Int32()
	}
	begin := func() *mongo.Session {
		ses, err := client.StartSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := ses.StartTransaction(); err != nil {
			t.Fatal(err)
		}
		return ses
	}

	ses := begin()
	in := mongo.NewSessionContext(ctx, ses)
	if _, err := a.UpdateOne(in, bson.D{}, inc(-30)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.UpdateOne(in, bson.D{}, inc(30)); err != nil {
		t.Fatal(err)
	}
	if balance(a) != 100 || balance(b) != 100 {
		t.Errorf("seen before the commit: %d, %d", balance(a), balance(b))
	}
	if err := ses.CommitTransaction(in); err != nil {
		t.Fatal(err)
	}
	if balance(a) != 70 || balance(b) != 130 {
		t.Errorf("after the commit: %d, %d", balance(a), balance(b))
	}
	ses.EndSession(ctx)

	ses = begin()
	in = mongo.NewSessionContext(ctx, ses)
	if _, err := a.UpdateOne(in, bson.D{}, inc(5)); err != nil {
		t.Fatal(err)
	}
	other := begin()
	inOther := mongo.NewSessionContext(ctx, other)
	_, err := a.UpdateOne(inOther, bson.D{}, inc(7))
	var se mongo.ServerError
	if !errors.As(err, &se) || !se.HasErrorCode(112) || !se.HasErrorLabel("TransientTransactionError") {
		t.Errorf("two transactions on one document: %v", err)
	}
	if err := ses.AbortTransaction(in); err != nil {
		t.Fatal(err)
	}
	if balance(a) != 70 {
		t.Errorf("after the abort: %d", balance(a))
	}
	ses.EndSession(ctx)
	other.EndSession(ctx)
}

// TestRetriedWrite sends the same numbered write twice, with a restart of the
// server between the second and the third time: it happens once.
func TestRetriedWrite(t *testing.T) {
	dir := t.TempDir()
	lsid := bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}
	send := func(s *daemon.Server) bson.Raw {
		hs := &harness.Server{Server: s}
		return hs.Raw(t, bson.D{
			{Key: "update", Value: "c"},
			{Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}},
				{Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}, {Key: "upsert", Value: true}}}},
			{Key: "lsid", Value: lsid}, {Key: "txnNumber", Value: int64(7)}, {Key: "$db", Value: "db"},
		})
	}
	var first bson.Raw
	for i := range 3 {
		s, err := daemon.Start(daemon.Options{Dir: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got := send(s)
			if first == nil {
				first = got
			}
			if !got.Lookup("upserted").Equal(first.Lookup("upserted")) || got.Lookup("n").Int32() != 1 {
				t.Errorf("run %d: %v, first was %v", i, got, first)
			}
		}
		hs := &harness.Server{Server: s}
		found := hs.Raw(t, bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: "db"}})
		if n := found.Lookup("cursor", "firstBatch", "0", "n"); n.Type != bson.TypeInt32 || n.Int32() != 1 {
			t.Errorf("run %d: n is %v, want 1", i, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
