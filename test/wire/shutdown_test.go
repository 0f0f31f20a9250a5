package wire_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
)

// TestShutdown: the command ends the server in order, and its data is whole.
func TestShutdown(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		s, err := daemon.Start(daemon.Options{Dir: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		c, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Database("shop").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: round}}); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Database("shop").Collection("c").CountDocuments(t.Context(), bson.D{}); n != int64(round)+1 || err != nil {
			t.Fatalf("%d documents, %v", n, err)
		}
		if err := c.Database("shop").RunCommand(t.Context(), bson.D{{Key: "shutdown", Value: 1}}).Err(); err == nil {
			t.Error("shutdown ran outside of admin")
		}
		_ = c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "shutdown", Value: 1}}).Err() // the connection may end first
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := s.Wait(ctx); err != nil || ctx.Err() != nil {
			t.Errorf("Wait: %v, %v", err, ctx.Err())
		}
		cancel()
		_ = c.Disconnect(t.Context())
	}
}
