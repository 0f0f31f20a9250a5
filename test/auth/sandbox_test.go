package auth_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/cli"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// argon runs the command line and returns what it printed.
func argon(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := cli.Main(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); status != 0 {
		t.Fatalf("argon %v: status %d: %s", args, status, errs.String())
	}
	return out.String()
}

// TestSandbox: the user of a sandbox may use the sandbox and nothing else, and ends
// with it: discarded, renamed, or expired.
func TestSandbox(t *testing.T) {
	clk := clock.NewManual(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	s, root := guarded(t, daemon.Options{Clock: clk})
	ok(t, root, "shop", `{insert: "u", documents: [{_id: 1, mail: "a@b.c"}]}`, `{createTag: "v1"}`, `{createBranch: "dev"}`)
	admin := strings.Replace(s.URI(), "mongodb://", "mongodb://root:secret@", 1) + "?authSource=admin"
	create := func(args ...string) (string, *mongo.Client) {
		t.Helper()
		text := argon(t, append([]string{"--uri", admin, "sandbox", "create", "-p", "shop", "-o", "json"}, args...)...)
		var m struct{ URI, Branch, User string }
		if err := json.Unmarshal([]byte(text), &m); err != nil || m.User == "" {
			t.Fatalf("%v: %s", err, text)
		}
		c, err := mongo.Connect(options.Client().ApplyURI(m.URI).SetMaxPoolSize(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Disconnect(t.Context()) })
		return m.Branch, c
	}
	name, c := create("--mask", "u.mail=redact")
	box := "shop~" + name
	check(t, "the sandbox's user", c, []expect{
		{box, `{find: "u"}`, 0},
		{box, `{insert: "u", documents: [{_id: 2}]}`, 0},
		{box, `{createIndexes: "u", indexes: [{key: {mail: 1}, name: "m"}]}`, 0},
		{box, `{drop: "nothing"}`, 0},
		{box, `{aggregate: "u", pipeline: [{$lookup: {from: {db: "shop", coll: "u"}, pipeline: [], as: "x"}}], cursor: {}}`, 13},
		{box + "@v1", `{find: "u"}`, 13},
		{"shop", `{find: "u"}`, 13},
		{"shop~dev", `{find: "u"}`, 13},
		{"shop@v1", `{find: "u"}`, 13},
		{"shop", `{diffBranch: "` + name + `"}`, 13},
		{"shop", `{restoreBranch: "` + name + `", source: "main"}`, 13},
		{"shop", `{resetBranch: "` + name + `"}`, 13},
		{"shop", `{mergeBranch: "main", into: "` + name + `"}`, 13},
		{"shop", `{createBranch: "mine", from: "main"}`, 13},
		{"shop", `{dropBranch: "dev"}`, 13},
		{"shop", `{createUser: "other", pwd: "x", roles: []}`, 13},
	})
	mail := harness.Run(t, c.Database(box), bson.D{{Key: "find", Value: "u"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: 1}}}}).
		Lookup("cursor", "firstBatch", "0", "mail").StringValue()
	if mail != "***" {
		t.Errorf("the sandbox shows %q", mail)
	}
	users := func() int {
		t.Helper()
		list, _ := harness.Run(t, root.Database("shop"), bson.D{{Key: "usersInfo", Value: 1}}).Lookup("users").Array().Values()
		return len(list)
	}
	argon(t, "--uri", admin, "sandbox", "discard", name, "-p", "shop", "--yes")
	ok(t, root, "shop", `{createBranch: "`+name+`"}`)
	if users() != 0 || code(t, c, box, `{find: "u"}`) == 0 {
		t.Error("the user of a discarded sandbox may use a new branch of its name")
	}
	name, _ = create()
	argon(t, "--uri", admin, "sandbox", "keep", name, "-p", "shop")
	if users() != 1 {
		t.Error("the user of a kept sandbox is gone")
	}
	ok(t, root, "shop", `{renameBranch: "`+name+`", to: "other"}`)
	if users() != 0 {
		t.Error("the user of a renamed sandbox is there")
	}
	create("--ttl", "1m")
	clk.Advance(2 * time.Minute)
	for i := 0; users() > 0; i++ { // the background work comes every half minute of the clock
		if i > 200 {
			t.Fatal("the user of an expired sandbox is there")
		}
		time.Sleep(50 * time.Millisecond)
		clk.Advance(time.Second)
	}
}
