package harness_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/test/harness"
)

func TestPing(t *testing.T) {
	db := harness.Start(t).Client(t).Database("admin")
	if got := harness.Run(t, db, bson.D{{Key: "ping", Value: 1}}).Lookup("ok"); got.Double() != 1 {
		t.Errorf("ping: ok is %v", got)
	}
	if got := harness.Code(t, db, bson.D{{Key: "noSuchThing", Value: 1}}); got != 59 {
		t.Errorf("an unknown command: code %d, want 59", got)
	}
}
