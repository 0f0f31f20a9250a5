package auth_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/seed"
)

// canaryMark begins every canary; what follows tells whose it is.
const canaryMark = "canary-"

// TestCanary: many connections at once, each of a user with documents of its own
// that are full of a mark. No reply to one may have a byte of another one's mark,
// whatever sizes, compressors, errors and killed cursors there are.
func TestCanary(t *testing.T) {
	const clients, rounds = 12, 30
	s, root := guarded(t, daemon.Options{})
	base := seed.Of(t)
	var all sync.WaitGroup
	for i := range clients {
		own := fmt.Sprintf("%s%02d-", canaryMark, i)
		db := fmt.Sprintf("p%02d", i)
		ok(t, root, db, `{createUser: "u", pwd: "pw", roles: ["readWrite"]}`)
		o := as("u", "pw", db, "SCRAM-SHA-256")
		switch i % 4 {
		case 1:
			o.SetCompressors([]string{"snappy"})
		case 2:
			o.SetCompressors([]string{"zlib"})
		case 3:
			o.SetCompressors([]string{"zstd"})
		}
		replies := 0
		look := func(reply []byte) {
			replies++
			if n, m := bytes.Count(reply, []byte(canaryMark)), bytes.Count(reply, []byte(own)); n != m {
				t.Errorf("client %d got %d marks of others", i, n-m)
			}
		}
		o.SetMonitor(&event.CommandMonitor{
			Succeeded: func(_ context, e *event.CommandSucceededEvent) { look(e.Reply) },
			Failed:    func(_ context, e *event.CommandFailedEvent) { look([]byte(fmt.Sprint(e.Failure))) },
		})
		c := s.Client(t, o)
		all.Go(func() {
			sing(t, c.Database(db), own, rand.New(rand.NewPCG(base, uint64(i))), rounds)
			if replies < rounds {
				t.Errorf("client %d looked at %d replies", i, replies)
			}
		})
	}
	all.Wait()
}

// sing does in each round what makes the server use its buffers again: documents of
// odd sizes, cursors read in part and killed, errors that repeat what was sent.
func sing(t *testing.T, db *mongo.Database, own string, rnd *rand.Rand, rounds int) {
	c := db.Collection("c")
	ctx := t.Context()
	sizes := []int{1, 15, 16, 17, 255, 1000, 4095, 4096, 4097, 65_535, 70_001, 300_003}
	for i := range rounds {
		text := bytes.Repeat([]byte(own), 1+sizes[rnd.IntN(len(sizes))]/len(own))
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "text", Value: string(text)}}); err != nil {
			t.Errorf("insert: %v", err)
			return
		}
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "text", Value: own}}); !mongo.IsDuplicateKeyError(err) {
			t.Errorf("a duplicate: %v", err)
		}
		if err := db.RunCommand(ctx, bson.D{{Key: own + "unknown", Value: 1}}).Err(); err == nil {
			t.Error("an unknown command succeeded")
		}
		if err := c.FindOne(ctx, bson.D{{Key: "$" + own, Value: 1}}).Err(); err == nil {
			t.Error("an unknown operator succeeded")
		}
		cur, err := c.Find(ctx, bson.D{}, options.Find().SetBatchSize(int32(1+rnd.IntN(3))).SetComment(own))
		if err != nil {
			t.Errorf("find: %v", err)
			return
		}
		for range rnd.IntN(i + 1) {
			if !cur.Next(ctx) {
				break
			}
			if got := cur.Current.Lookup("text").StringValue(); !bytes.HasPrefix([]byte(got), []byte(own)) {
				t.Errorf("a document begins with %.20s", got)
			}
		}
		if err := cur.Close(ctx); err != nil { // kills it when it has more
			t.Errorf("close: %v", err)
		}
	}
}
