// Package wire_test sees the server as an application does: through the official
// Go driver.
package wire_test

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// testable starts a server whose fail points can be set.
func testable(t testing.TB) *harness.Server {
	t.Helper()
	return harness.StartWith(t, daemon.Options{Parameters: map[string]string{"enableTestCommands": "1"}})
}

func d(pairs ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return out
}

// failCommands arms failCommand for the next times commands of these names.
func failCommands(t testing.TB, c *mongo.Client, times int, data bson.D, names ...string) {
	t.Helper()
	data = append(bson.D{{Key: "failCommands", Value: names}}, data...)
	harness.Run(t, c.Database("admin"), d("configureFailPoint", "failCommand", "mode", d("times", times), "data", data))
}

// is reports whether err is a server's error with that code.
func is(err error, code int) bool {
	var se mongo.ServerError
	return errors.As(err, &se) && se.HasErrorCode(code)
}

func hasLabel(err error, label string) bool {
	var se mongo.ServerError
	return errors.As(err, &se) && se.HasErrorLabel(label)
}

// count returns how many documents a collection has, outside of any session.
func count(t testing.TB, c *mongo.Collection) int64 {
	t.Helper()
	n, err := c.CountDocuments(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// begin starts a transaction on a session of its own, which ends with the test.
func begin(t testing.TB, c *mongo.Client, o ...options.Lister[options.TransactionOptions]) (*mongo.Session, context.Context) {
	t.Helper()
	s, err := c.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.EndSession(context.Background()) })
	if err := s.StartTransaction(o...); err != nil {
		t.Fatal(err)
	}
	return s, mongo.NewSessionContext(t.Context(), s)
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func insert(ctx context.Context, t testing.TB, c *mongo.Collection, docs ...bson.D) {
	t.Helper()
	if _, err := c.InsertMany(ctx, docs); err != nil {
		t.Fatal(err)
	}
}

// value reads one field of the document with that _id.
func value(ctx context.Context, t testing.TB, c *mongo.Collection, id any, field string) bson.RawValue {
	t.Helper()
	raw, err := c.FindOne(ctx, d("_id", id)).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return raw.Lookup(field)
}
