package hostile

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestScripts: scripts that loop, allocate, recurse or nest without end are
// MongoDB's error, and the server goes on.
func TestScripts(t *testing.T) {
	s := harness.StartWith(t, daemon.Options{JavaScript: true})
	db := s.Client(t).Database("scripts")
	harness.Run(t, db, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "x", Value: 5}}}}})
	for _, c := range []struct {
		name, code string
		want       int
	}{
		{"loop", "while (true) {}", 50},
		{"recursion", "function f() { return f() + 1; }", 139},
		{"memory", "var s = 'x'; while (true) s += s;", 139},
		{"native recursion", "var a = []; for (var i = 0; i < 3e6; i++) a = [a]; return String(a);", 139},
		{"syntax", "function (", 139},
		{"brackets", strings.Repeat("(", 100_000), 139},
		{"no host", "return typeof require !== 'undefined' || typeof process !== 'undefined' || nothing", 139},
	} {
		find := bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$where", Value: c.code}}}}
		if c.want == 50 {
			find = append(find, bson.E{Key: "maxTimeMS", Value: 100})
		}
		if got := harness.Code(t, db, find); got != c.want {
			t.Errorf("%s: code %d, want %d", c.name, got, c.want)
		}
	}
	reply := harness.Run(t, db, bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{{Key: "$where", Value: "this.x === 5"}}}})
	if n := reply.Lookup("n").AsInt64(); n != 1 {
		t.Errorf("afterwards %d documents match, want 1", n)
	}
}

// TestScriptsAreOff without the option.
func TestScriptsAreOff(t *testing.T) {
	db := harness.Start(t).Client(t).Database("scripts")
	harness.Run(t, db, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}})
	function := bson.D{{Key: "$function", Value: bson.D{{Key: "body", Value: "function () {}"}, {Key: "args", Value: bson.A{}}, {Key: "lang", Value: "js"}}}}
	for want, cmd := range map[int]bson.D{
		2:     {{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$where", Value: "true"}}}},
		31264: {{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$project", Value: bson.D{{Key: "r", Value: function}}}}}}, {Key: "cursor", Value: bson.D{}}},
	} {
		if got := harness.Code(t, db, cmd); got != want {
			t.Errorf("%v: code %d, want %d", cmd, got, want)
		}
	}
}
