package wire_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/test/harness"
)

// TestDriverSession is a session of the Go driver, as test/clients has them of
// other clients: data, indexes, a branch, the past by every name, restore.
func TestDriverSession(t *testing.T) {
	c := harness.Start(t).Client(t)
	ctx := t.Context()
	shop := c.Database("shop")
	orders := shop.Collection("orders")
	docs := make([]any, 250)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "sku", Value: fmt.Sprintf("s%d", i%7)}, {Key: "total", Value: i}}
	}
	_, err := orders.InsertMany(ctx, docs)
	done(t, err)
	_, err = orders.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "sku", Value: 1}, {Key: "total", Value: -1}}})
	done(t, err)
	_, err = orders.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "code", Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true)})
	done(t, err)
	_, err = orders.UpdateOne(ctx, byID(1), bson.D{{Key: "$set", Value: bson.D{{Key: "code", Value: "x"}}}})
	done(t, err)
	if _, err = orders.InsertOne(ctx, bson.D{{Key: "_id", Value: "again"}, {Key: "code", Value: "x"}}); !mongo.IsDuplicateKeyError(err) {
		t.Fatalf("a duplicate was taken: %v", err)
	}

	lsn := latest(t, shop)
	tag(t, shop, "v1")
	_, err = orders.UpdateOne(ctx, byID(3), bson.D{{Key: "$set", Value: bson.D{{Key: "total", Value: -1}}}})
	done(t, err)
	_, err = orders.DeleteOne(ctx, byID(4))
	done(t, err)
	time.Sleep(1100 * time.Millisecond) // so that an age of a second is after this
	done(t, shop.RunCommand(ctx, bson.D{{Key: "createBranch", Value: "dev"}}).Err())
	dev := c.Database("shop~dev").Collection("orders")
	_, err = dev.DeleteMany(ctx, bson.D{{Key: "sku", Value: "s1"}})
	done(t, err)

	for name, want := range map[string]int64{
		"shop": 249, "shop~main": 249, "shop~dev": 249 - 36, "shop@v1": 250,
		fmt.Sprintf("shop@%d", lsn): 250, fmt.Sprintf("shop~dev@%d", lsn): 250, "shop@-1s": 249,
		"shop~dev@" + time.Now().Add(-time.Second).UTC().Format("20060102T150405.000Z"): 249,
	} {
		n, err := c.Database(name).Collection("orders").CountDocuments(ctx, bson.D{{Key: "total", Value: bson.D{{Key: "$gte", Value: -1}}}})
		if err != nil || n != want {
			t.Errorf("%s has %d orders (%v), want %d", name, n, err, want)
		}
	}
	for name, code := range map[string]int{"shop@1000000": 246, "shop@nosuch": 26, "shop~nosuch": 26, "shop@2001-01-01T00:00:00Z": 246, "shop~a b": 73} {
		if err := c.Database(name).Collection("orders").FindOne(ctx, bson.D{}).Err(); !hasCode(err, code) {
			t.Errorf("%s: got %v, want code %d", name, err, code)
		}
	}
	past := c.Database("shop@v1")
	for what, err := range map[string]error{
		"insert": second(past.Collection("orders").InsertOne(ctx, bson.D{})),
		"update": second(past.Collection("orders").UpdateOne(ctx, byID(1), bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}})),
		"delete": second(past.Collection("orders").DeleteOne(ctx, byID(1))),
		"index":  second(past.Collection("orders").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}})),
		"create": past.CreateCollection(ctx, "new"),
		"drop":   past.Collection("orders").Drop(ctx),
		"out":    second(past.Collection("orders").Aggregate(ctx, bson.A{bson.D{{Key: "$out", Value: "copy"}}})),
	} {
		if !hasCode(err, 166) {
			t.Errorf("%s on a point: got %v, want code 166", what, err)
		}
	}

	// One pipeline over two branches.
	cur, err := orders.Aggregate(ctx, bson.A{
		bson.D{{Key: "$unionWith", Value: bson.D{{Key: "db", Value: "shop~dev"}, {Key: "coll", Value: "orders"}}}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$_id"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: 1}}}}, bson.D{{Key: "$count", Value: "onlyMain"}},
	})
	done(t, err)
	var got []struct{ OnlyMain int }
	done(t, cur.All(ctx, &got))
	if len(got) != 1 || got[0].OnlyMain != 36 {
		t.Errorf("only on main: %v, want 36", got)
	}

	var reply struct{ Backup struct{ Name string } }
	done(t, shop.RunCommand(ctx, bson.D{{Key: "restoreBranch", Value: "main"}, {Key: "to", Value: lsn}}).Decode(&reply))
	if n, err := orders.CountDocuments(ctx, bson.D{}); err != nil || n != 250 {
		t.Errorf("restored: %d orders (%v), want 250", n, err)
	}
	if n, err := c.Database("shop~"+reply.Backup.Name).Collection("orders").CountDocuments(ctx, bson.D{}); err != nil || n != 249 {
		t.Errorf("backup: %d orders (%v), want 249", n, err)
	}
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func byID(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }

func second[T any](_ T, err error) error { return err }

func hasCode(err error, code int) bool {
	var se mongo.ServerError
	return errors.As(err, &se) && se.HasErrorCode(code)
}

func latest(t *testing.T, db *mongo.Database) int64 {
	t.Helper()
	var info struct{ LatestLsn int64 }
	done(t, db.RunCommand(t.Context(), bson.D{{Key: "historyInfo", Value: "main"}}).Decode(&info))
	return info.LatestLsn
}

func tag(t *testing.T, db *mongo.Database, name string) {
	t.Helper()
	done(t, db.RunCommand(t.Context(), bson.D{{Key: "createTag", Value: name}}).Err())
}
