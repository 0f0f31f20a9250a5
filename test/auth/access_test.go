package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// guarded starts a server with access control and a user root, and returns a
// client of that user.
func guarded(t testing.TB, o daemon.Options) (*harness.Server, *mongo.Client) {
	t.Helper()
	o.Auth = true
	s := harness.StartWith(t, o)
	harness.Run(t, s.Client(t).Database("admin"), parse(t, `{createUser: "root", pwd: "secret", roles: ["root"]}`))
	return s, s.Client(t, as("root", "secret", "admin", ""))
}

// as are the options of a client that authenticates; mech "" lets it choose. Its
// one connection keeps a test's steps in order.
func as(user, password, db, mech string) *options.ClientOptions {
	return options.Client().SetMaxPoolSize(1).SetAuth(options.Credential{Username: user, Password: password, PasswordSet: true, AuthSource: db, AuthMechanism: mech})
}

// code runs a command and returns its error's code, 0 for none.
func code(t testing.TB, c *mongo.Client, db, command string) int {
	t.Helper()
	err := c.Database(db).RunCommand(t.Context(), parse(t, command)).Err()
	return codeOf(t, err)
}

func codeOf(t testing.TB, err error) int {
	t.Helper()
	var se mongo.ServerError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &se):
		return int(se.ErrorCodes()[0])
	}
	var ce mongo.CommandError
	if errors.As(err, &ce) {
		return int(ce.Code)
	}
	t.Errorf("%v is not a server's error", err)
	return -1
}

// check runs commands and compares the codes of their errors.
func check(t testing.TB, who string, c *mongo.Client, want []expect) {
	t.Helper()
	for _, w := range want {
		if got := code(t, c, w.db, w.command); got != w.code {
			t.Errorf("%s on %s: %s: code %d, want %d", who, w.db, w.command, got, w.code)
		}
	}
}

type expect struct {
	db, command string
	code        int
}

func ok(t testing.TB, c *mongo.Client, db string, commands ...string) {
	t.Helper()
	for _, cmd := range commands {
		harness.Run(t, c.Database(db), parse(t, cmd))
	}
}

// brief runs f with a client that is gone before the server is.
func brief(t testing.TB, s *harness.Server, o *options.ClientOptions, f func(c *mongo.Client)) {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(s.URI()), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(t.Context()) }()
	f(c)
}

func TestMechanisms(t *testing.T) {
	dir := t.TempDir()
	s := harness.StartWith(t, daemon.Options{Dir: dir, Access: daemon.Access{Auth: true}})
	brief(t, s, options.Client(), func(c *mongo.Client) { ok(t, c, "admin", `{createUser: "root", pwd: "secret", roles: ["root"]}`) })
	brief(t, s, as("root", "secret", "admin", ""), func(c *mongo.Client) {
		ok(t, c, "shop",
			`{createUser: "both", pwd: "pä ss", roles: ["readWrite"]}`,
			`{createUser: "one", pwd: "pw", roles: ["readWrite"], mechanisms: ["SCRAM-SHA-1"]}`,
			`{createUser: "a=,b", pwd: "p,=w", roles: ["readWrite"]}`)
	})
	try := func(s *harness.Server, user, pwd, db, mech string) (err error) {
		brief(t, s, as(user, pwd, db, mech), func(c *mongo.Client) {
			err = c.Database("shop").Collection("c").FindOneAndUpdate(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}}).Err()
		})
		return err
	}
	for range 2 {
		for _, good := range [][4]string{
			{"both", "pä ss", "shop", ""}, {"both", "pä ss", "shop", "SCRAM-SHA-256"}, {"both", "pä ss", "shop", "SCRAM-SHA-1"},
			{"both", "pä ss", "shop~dev", ""}, // a branch's users are its project's
			{"one", "pw", "shop", ""}, {"one", "pw", "shop", "SCRAM-SHA-1"}, {"a=,b", "p,=w", "shop", ""}, {"root", "secret", "admin", ""},
		} {
			if err := try(s, good[0], good[1], good[2], good[3]); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
				t.Errorf("%v: %v", good, err)
			}
		}
		var answer string
		for _, bad := range [][4]string{
			{"both", "pä  ss", "shop", "SCRAM-SHA-256"}, {"both", "", "shop", "SCRAM-SHA-256"}, {"nosuch", "pw", "shop", "SCRAM-SHA-256"},
			{"both", "pä ss", "admin", "SCRAM-SHA-256"}, {"one", "pw", "shop", "SCRAM-SHA-256"},
		} {
			err := try(s, bad[0], bad[1], bad[2], bad[3])
			if got := codeOf(t, err); got != 18 {
				t.Errorf("%v: %v, want code 18", bad, err)
				continue
			}
			if text := err.Error()[strings.LastIndex(err.Error(), ": ")+1:]; answer == "" {
				answer = text
			} else if text != answer {
				t.Errorf("%v is answered %q, others %q", bad, text, answer)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = harness.StartWith(t, daemon.Options{Dir: dir, Access: daemon.Access{Auth: true}}) // users outlive the server
	}
}

// TestUnknownUser: what the server says before the proof does not tell who there is.
func TestUnknownUser(t *testing.T) {
	s, _ := guarded(t, daemon.Options{})
	start := func(user string) (string, string) {
		r := s.Raw(t, bson.D{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: "SCRAM-SHA-256"},
			{Key: "payload", Value: bson.Binary{Data: []byte("n,,n=" + user + ",r=abcdefghijkl")}}, {Key: "$db", Value: "admin"}})
		_, data, ok := r.Lookup("payload").BinaryOK()
		if !ok {
			t.Fatalf("%s: %v", user, r)
		}
		parts := strings.Split(string(data), ",")
		return parts[1], parts[2]
	}
	salt1, n1 := start("root")
	salt2, n2 := start("nosuch")
	again, _ := start("nosuch")
	other, _ := start("nosuch2")
	if n1 != n2 || len(salt1) != len(salt2) {
		t.Errorf("known: %s %s; unknown: %s %s", salt1, n1, salt2, n2)
	}
	if salt2 != again || salt2 == other {
		t.Errorf("the salt of an unknown user is not its own: %s, %s; another one's %s", salt2, again, other)
	}
}

func TestLocalhostException(t *testing.T) {
	s := harness.StartWith(t, daemon.Options{Access: daemon.Access{Auth: true}})
	c := s.Client(t)
	check(t, "nobody", c, []expect{
		{"admin", `{ping: 1}`, 0}, {"admin", `{hello: 1}`, 0}, {"admin", `{connectionStatus: 1}`, 0}, {"admin", `{buildInfo: 1}`, 0},
		{"admin", `{listDatabases: 1}`, 13}, {"shop", `{find: "c"}`, 13}, {"shop", `{insert: "c", documents: [{}]}`, 13}, {"admin", `{nosuch: 1}`, 59},
		{"shop", `{createUser: "x", pwd: "x", roles: []}`, 13}, {"admin", `{usersInfo: 1}`, 13},
		{"admin", `{createUser: "root", pwd: "secret", roles: ["root"]}`, 0},
		{"admin", `{createUser: "second", pwd: "secret", roles: ["root"]}`, 13}, {"admin", `{createRole: "r", privileges: [], roles: []}`, 13},
		{"admin", `{listDatabases: 1}`, 13},
	})
	check(t, "root", s.Client(t, as("root", "secret", "admin", "")), []expect{
		{"admin", `{listDatabases: 1}`, 0}, {"shop", `{insert: "c", documents: [{}]}`, 0}, {"admin", `{serverStatus: 1}`, 0},
		{"admin", `{setParameter: 1, logLevel: 1}`, 0}, {"admin", `{currentOp: 1}`, 0}, {"shop", `{createBranch: "dev"}`, 0}, {"shop", `{dropBranch: "dev"}`, 0},
	})
}

func TestBuiltinRoles(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}]}`)
	ok(t, root, "other", `{insert: "c", documents: [{_id: 1}]}`)
	ok(t, root, "shop", `{createBranch: "dev"}`, `{createTag: "v1"}`,
		`{createUser: "reader", pwd: "pw", roles: ["read"]}`, `{createUser: "writer", pwd: "pw", roles: ["readWrite"]}`,
		`{createUser: "dba", pwd: "pw", roles: ["dbAdmin"]}`, `{createUser: "ua", pwd: "pw", roles: ["userAdmin"]}`,
		`{createUser: "owner", pwd: "pw", roles: ["dbOwner"]}`, `{createUser: "brancher", pwd: "pw", roles: ["branchAdmin"]}`,
		`{createUser: "monitor", pwd: "pw", roles: [{role: "clusterMonitor", db: "admin"}]}`,
		`{createUser: "none", pwd: "pw", roles: []}`)
	commands := []struct{ db, command, who string }{
		{"shop", `{find: "c"}`, "reader writer owner brancher"},
		{"shop@v1", `{find: "c"}`, "reader writer owner brancher"},
		{"shop@-1ms", `{find: "c"}`, "reader writer owner brancher"},
		{"shop~dev", `{aggregate: "c", pipeline: [{$lookup: {from: "d", as: "d", pipeline: []}}], cursor: {}}`, "reader writer owner brancher"},
		{"shop", `{aggregate: "c", pipeline: [{$lookup: {from: {db: "other", coll: "c"}, as: "d", pipeline: []}}], cursor: {}}`, ""},
		{"shop", `{aggregate: "c", pipeline: [{$facet: {a: [{$unionWith: {coll: "c", db: "other"}}]}}], cursor: {}}`, ""},
		{"shop", `{aggregate: "c", pipeline: [{$out: "d"}], cursor: {}}`, "writer owner"},
		{"shop", `{aggregate: "c", pipeline: [{$merge: {into: {db: "other", coll: "d"}}}], cursor: {}}`, ""},
		{"other", `{find: "c"}`, ""},
		{"shop", `{insert: "c", documents: [{}]}`, "writer owner"},
		{"shop", `{insert: "c", documents: [{}], bypassDocumentValidation: true}`, "owner"},
		{"shop", `{update: "c", updates: [{q: {_id: 1}, u: {$set: {a: 1}}}]}`, "writer owner"},
		{"admin", `{bulkWrite: 1, ops: [{insert: 0, document: {}}], nsInfo: [{ns: "shop.c"}]}`, "writer owner"},
		{"admin", `{bulkWrite: 1, ops: [{insert: 0, document: {}}], nsInfo: [{ns: "other.c"}]}`, ""},
		{"shop", `{findAndModify: "c", query: {_id: 1}, update: {$set: {a: 1}}}`, "writer owner"},
		{"shop", `{createIndexes: "c", indexes: [{key: {a: 1}, name: "a_1"}]}`, "writer dba owner"},
		{"shop", `{validate: "c"}`, "dba owner"},
		{"shop", `{collMod: "c", validator: {}}`, "dba owner"},
		{"shop", `{usersInfo: 1}`, "ua owner"},
		{"shop", `{createUser: "t", pwd: "t", roles: ["dbOwner"]}`, "ua owner"},
		{"shop", `{createUser: "t", pwd: "t", roles: [{role: "read", db: "other"}]}`, ""},
		{"shop", `{createUser: "t", pwd: "t", roles: [{role: "root", db: "admin"}]}`, ""},
		{"shop", `{createBranch: "tmp"}`, "owner brancher"},
		{"shop", `{branchLog: "main"}`, "reader writer dba owner brancher"},
		{"shop", `{listBranches: 1}`, "reader writer dba owner brancher monitor"},
		{"admin", `{serverStatus: 1}`, "monitor"},
		{"admin", `{setParameter: 1, logLevel: 1}`, ""},
		{"admin", `{getLog: "global"}`, "monitor"},
		{"admin", `{connectionStatus: 1, showPrivileges: true}`, "reader writer dba ua owner brancher monitor none"},
		{"shop", `{explain: {find: "c"}}`, "reader writer owner brancher"},
		{"shop", `{explain: {delete: "c", deletes: [{q: {}, limit: 0}]}}`, "writer owner"},
	}
	undo := map[string]string{`{createUser: "t", pwd: "t", roles: ["dbOwner"]}`: `{dropUser: "t"}`, `{createBranch: "tmp"}`: `{dropBranch: "tmp"}`}
	for _, user := range []string{"reader", "writer", "dba", "ua", "owner", "brancher", "monitor", "none"} {
		c := s.Client(t, as(user, "pw", "shop", ""))
		for _, cmd := range commands {
			want := 13
			if strings.Contains(" "+cmd.who+" ", " "+user+" ") {
				want = 0
			}
			got := code(t, c, cmd.db, cmd.command)
			if got != want {
				t.Errorf("%s on %s: %s: code %d, want %d", user, cmd.db, cmd.command, got, want)
			}
			if u := undo[cmd.command]; u != "" && got == 0 {
				ok(t, root, "shop", u)
			}
		}
	}
}

// TestBranchPatterns: privileges on some branches of a project are none on the
// others, whatever way leads there.
func TestBranchPatterns(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}]}`, `{createBranch: "dev-1"}`, `{createBranch: "secret"}`, `{createBranch: "pub"}`, `{createTag: "hidden", branch: "secret"}`, `{createTag: "shown", branch: "pub"}`,
		`{createUser: "dev", pwd: "pw", roles: [{role: "readWrite", db: "shop~dev-*"}, {role: "branchAdmin", db: "shop~dev-*"}, {role: "read", db: "shop~pub"}]}`,
		`{createUser: "star", pwd: "pw", roles: [{role: "read", db: "shop~*"}]}`,
		`{createUser: "main", pwd: "pw", roles: [{role: "read", db: "shop~main"}]}`)
	check(t, "dev", s.Client(t, as("dev", "pw", "shop", "")), []expect{
		{"shop~dev-1", `{find: "c"}`, 0}, {"shop~dev-1", `{insert: "c", documents: [{}]}`, 0}, {"shop~dev-1@-1ms", `{find: "c"}`, 0},
		{"shop~pub", `{find: "c"}`, 0}, {"shop~pub", `{insert: "c", documents: [{}]}`, 13}, {"shop~pub@shown", `{find: "c"}`, 0},
		{"shop", `{find: "c"}`, 13}, {"shop~main", `{find: "c"}`, 13}, {"shop~secret", `{find: "c"}`, 13},
		{"shop~pub@hidden", `{find: "c"}`, 13}, {"shop@hidden", `{find: "c"}`, 13}, {"shop@shown", `{find: "c"}`, 0},
		{"shop~dev-1", `{aggregate: "c", pipeline: [{$unionWith: {db: "shop~pub", coll: "c"}}], cursor: {}}`, 0},
		{"shop~dev-1", `{aggregate: "c", pipeline: [{$unionWith: {db: "shop~secret", coll: "c"}}], cursor: {}}`, 13},
		{"shop~dev-1", `{aggregate: "c", pipeline: [{$unionWith: {db: "shop@hidden", coll: "c"}}], cursor: {}}`, 13},
		{"shop", `{createBranch: "dev-2", from: "pub"}`, 0}, {"shop", `{createBranch: "dev-3", from: "main"}`, 13},
		{"shop", `{createBranch: "dev-3", from: "dev-1", at: "hidden"}`, 13}, {"shop", `{createBranch: "free", from: "pub"}`, 13},
		{"shop", `{restoreBranch: "dev-1", to: "hidden"}`, 13}, {"shop", `{restoreBranch: "dev-1", source: "secret", dryRun: true}`, 13},
		{"shop", `{restoreBranch: "dev-1", source: "pub", dryRun: true}`, 0}, {"shop", `{resetBranch: "dev-1", dryRun: true}`, 13},
		{"shop", `{diffBranch: "dev-1", against: "pub"}`, 0}, {"shop", `{diffBranch: "dev-1"}`, 13}, {"shop", `{diffBranch: "dev-1", against: "pub", to: "hidden"}`, 13},
		{"shop", `{mergeBranch: "dev-1", into: "pub"}`, 13}, {"shop", `{mergeBranch: "dev-2", into: "dev-1", dryRun: true}`, 0}, {"shop", `{mergeBranch: "secret", into: "dev-1"}`, 13},
		{"shop", `{renameBranch: "dev-2", to: "stolen"}`, 13}, {"shop", `{renameBranch: "secret", to: "dev-9"}`, 13}, {"shop", `{dropBranch: "secret"}`, 13},
		{"shop", `{dropBranch: "dev-2"}`, 0}, {"shop", `{branchLog: "dev-1"}`, 0}, {"shop", `{branchLog: "secret"}`, 13},
		{"shop", `{docHistory: "c", id: 1, branch: "secret"}`, 13}, {"shop", `{docHistory: "c", id: 1, branch: "dev-1"}`, 0},
		{"shop", `{updateBranch: "secret", note: "x"}`, 13}, {"shop", `{dropProject: 1}`, 13}, {"shop", `{setRetention: 1}`, 13},
		{"shop", `{createTag: "t", branch: "secret"}`, 13}, {"shop", `{createTag: "t", branch: "dev-1", at: "hidden"}`, 13},
		{"shop~dev-1", `{create: "v", viewOn: "c", pipeline: [{$unionWith: {db: "shop~secret", coll: "c"}}]}`, 13},
		{"shop", `{createUser: "x", pwd: "x", roles: []}`, 13},
	})
	check(t, "star", s.Client(t, as("star", "pw", "shop", "")), []expect{
		{"shop", `{find: "c"}`, 0}, {"shop~secret", `{find: "c"}`, 0}, {"shop@hidden", `{find: "c"}`, 0}, {"shop", `{insert: "c", documents: [{}]}`, 13}, {"shop2", `{find: "c"}`, 13},
	})
	main := s.Client(t, as("main", "pw", "shop", ""))
	check(t, "main", main, []expect{{"shop", `{find: "c"}`, 0}, {"shop~main", `{find: "c"}`, 0}, {"shop~pub", `{find: "c"}`, 13}})
	ok(t, root, "shop", `{updateBranch: "pub", default: true}`)
	check(t, "main", main, []expect{{"shop", `{find: "c"}`, 13}, {"shop~main", `{find: "c"}`, 0}})

	// Lists have what one may see.
	dev := s.Client(t, as("dev", "pw", "shop", ""))
	if got := names(harness.Run(t, dev.Database("shop"), parse(t, `{listBranches: 1}`)), "cursor", "firstBatch"); got != "dev-1 pub" {
		t.Errorf("dev sees the branches %s", got)
	}
	if got := names(harness.Run(t, dev.Database("shop"), parse(t, `{listTags: 1}`)), "cursor", "firstBatch"); got != "shown" {
		t.Errorf("dev sees the tags %s", got)
	}
	ok(t, root, "other", `{insert: "c", documents: [{}]}`)
	if got := names(harness.Run(t, dev.Database("admin"), parse(t, `{listDatabases: 1}`)), "databases"); got != "shop" {
		t.Errorf("dev sees the databases %s", got)
	}
	check(t, "dev", dev, []expect{{"admin", `{listDatabases: 1, authorizedDatabases: false}`, 13}})
}

// names joins the names in a list of a reply.
func names(raw bson.Raw, path ...string) string {
	var out []string
	values, _ := raw.Lookup(path...).Array().Values()
	for _, v := range values {
		out = append(out, v.Document().Lookup("name").StringValue())
	}
	return strings.Join(out, " ")
}

func TestProtectedBranch(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}]}`, `{createBranch: "dev"}`, `{updateBranch: "main", protected: true}`,
		`{createRole: "release", privileges: [{resource: {db: "shop~main", collection: ""}, actions: ["writeProtectedBranch"]}], roles: []}`,
		`{createUser: "writer", pwd: "pw", roles: ["readWrite"]}`, `{createUser: "manager", pwd: "pw", roles: ["readWrite", "release"]}`,
		`{createUser: "ops", pwd: "pw", roles: ["branchAdmin", "readWrite"]}`)
	check(t, "writer", s.Client(t, as("writer", "pw", "shop", "")), []expect{
		{"shop", `{find: "c"}`, 0}, {"shop~dev", `{insert: "c", documents: [{}]}`, 0},
		{"shop", `{insert: "c", documents: [{}]}`, 13}, {"shop~main", `{update: "c", updates: [{q: {}, u: {$set: {a: 1}}}]}`, 13},
		{"shop", `{delete: "c", deletes: [{q: {}, limit: 0}]}`, 13}, {"shop", `{drop: "c"}`, 13}, {"shop", `{create: "d"}`, 13},
		{"shop", `{createIndexes: "c", indexes: [{key: {a: 1}, name: "a"}]}`, 13}, {"shop~dev", `{aggregate: "c", pipeline: [{$out: {db: "shop", coll: "d"}}], cursor: {}}`, 13},
		{"admin", `{bulkWrite: 1, ops: [{insert: 0, document: {}}], nsInfo: [{ns: "shop.c"}]}`, 13},
		{"admin", `{renameCollection: "shop.c", to: "shop.d"}`, 13}, {"shop", `{updateBranch: "main", protected: false}`, 13},
		{"shop", `{mergeBranch: "dev", into: "main"}`, 13},
	})
	check(t, "manager", s.Client(t, as("manager", "pw", "shop", "")), []expect{
		{"shop", `{insert: "c", documents: [{}]}`, 0}, {"shop~main", `{update: "c", updates: [{q: {}, u: {$set: {a: 1}}}]}`, 0}, {"shop", `{createIndexes: "c", indexes: [{key: {a: 1}, name: "a"}]}`, 0},
	})
	check(t, "ops", s.Client(t, as("ops", "pw", "shop", "")), []expect{{"shop", `{insert: "c", documents: [{}]}`, 0}, {"shop", `{updateBranch: "main", protected: false}`, 0}})
	check(t, "writer", s.Client(t, as("writer", "pw", "shop", "")), []expect{{"shop", `{insert: "c", documents: [{}]}`, 0}})
}

// TestChangesAreSeenAtOnce: a connection that is open has what its user has now.
func TestChangesAreSeenAtOnce(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}, {_id: 2}, {_id: 3}]}`, `{createRole: "in", privileges: [], roles: []}`, `{createRole: "out", privileges: [], roles: ["in"]}`, `{createUser: "ann", pwd: "pw", roles: ["out"]}`)
	ann := s.Client(t, as("ann", "pw", "shop", ""))
	find := []expect{{"shop", `{find: "c"}`, 0}}
	no := []expect{{"shop", `{find: "c"}`, 13}}
	check(t, "ann", ann, no)
	ok(t, root, "shop", `{grantPrivilegesToRole: "in", privileges: [{resource: {db: "shop", collection: "c"}, actions: ["find"]}]}`)
	check(t, "ann", ann, find)
	check(t, "ann", ann, []expect{{"shop", `{find: "d"}`, 13}})
	cursor := harness.Run(t, ann.Database("shop"), parse(t, `{find: "c", batchSize: 1}`)).Lookup("cursor", "id").Int64()
	more := func(want int) {
		t.Helper()
		err := ann.Database("shop").RunCommand(t.Context(), bson.D{{Key: "getMore", Value: cursor}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 1}}).Err()
		if got := codeOf(t, err); got != want {
			t.Errorf("getMore: code %d, want %d", got, want)
		}
	}
	more(0)
	ok(t, root, "shop", `{revokeRolesFromRole: "out", roles: ["in"]}`)
	more(13)
	check(t, "ann", ann, no)
	ok(t, root, "shop", `{grantRolesToUser: "ann", roles: ["read"]}`)
	check(t, "ann", ann, find)
	more(0)
	ok(t, root, "shop", `{revokeRolesFromUser: "ann", roles: ["read"]}`)
	check(t, "ann", ann, no)
	ok(t, root, "shop", `{grantRolesToRole: "out", roles: ["in"]}`)
	check(t, "ann", ann, find)
	ok(t, root, "shop", `{dropRole: "in"}`)
	check(t, "ann", ann, no)
	ok(t, root, "shop", `{updateUser: "ann", roles: ["read"]}`)
	check(t, "ann", ann, find)
	ok(t, root, "shop", `{dropUser: "ann"}`)
	check(t, "ann", ann, no)
	ok(t, root, "shop", `{createUser: "ann", pwd: "other", roles: ["read"]}`) // another user of the same name
	check(t, "ann", ann, no)
}

func TestOwnPassword(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "admin", `{createRole: "self", privileges: [{resource: {db: "shop", collection: ""}, actions: ["changeOwnPassword", "changeOwnCustomData"]}], roles: []}`)
	ok(t, root, "shop", `{createUser: "ann", pwd: "pw", roles: [{role: "self", db: "admin"}]}`, `{createUser: "ben", pwd: "pw", roles: []}`)
	check(t, "ann", s.Client(t, as("ann", "pw", "shop", "")), []expect{
		{"shop", `{usersInfo: "ann"}`, 0}, {"shop", `{usersInfo: "ben"}`, 13}, {"shop", `{usersInfo: 1}`, 13}, {"admin", `{rolesInfo: "self"}`, 0}, {"admin", `{rolesInfo: "root"}`, 13},
		{"shop", `{updateUser: "ann", customData: {a: 1}}`, 0}, {"shop", `{updateUser: "ann", roles: ["dbOwner"]}`, 13}, {"shop", `{updateUser: "ben", pwd: "x"}`, 13},
		{"shop", `{updateUser: "ann", pwd: "new"}`, 0},
	})
	check(t, "ann", s.Client(t, as("ann", "new", "shop", "")), []expect{{"shop", `{usersInfo: "ann"}`, 0}})
	check(t, "ben", s.Client(t, as("ben", "pw", "shop", "")), []expect{{"shop", `{updateUser: "ben", pwd: "x"}`, 13}})
}

func TestRestrictions(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{createUser: "here", pwd: "pw", roles: ["read"], authenticationRestrictions: [{clientSource: ["127.0.0.0/8"], serverAddress: ["127.0.0.1"]}]}`,
		`{createUser: "there", pwd: "pw", roles: ["read"], authenticationRestrictions: [{clientSource: ["10.0.0.1"]}]}`,
		`{createRole: "far", privileges: [], roles: [], authenticationRestrictions: [{clientSource: ["10.0.0.1"]}]}`, `{createUser: "byRole", pwd: "pw", roles: ["far"]}`)
	for user, want := range map[string]int{"here": 0, "there": 18, "byRole": 18} {
		if got := code(t, s.Client(t, as(user, "pw", "shop", "")), "admin", `{connectionStatus: 1}`); got != want {
			t.Errorf("%s: code %d, want %d", user, got, want)
		}
	}
}

func TestOpenAddresses(t *testing.T) {
	for _, o := range []daemon.Options{
		{Listen: "0.0.0.0:0"}, {Listen: ":0"}, {Listen: "[::]:0"},
		{Listen: "127.0.0.1:0", Access: daemon.Access{Auth: true, Insecure: true}},
		{Listen: "127.0.0.1:0", HTTP: "0.0.0.0:0", Profile: true},
	} {
		o.Dir = t.TempDir()
		if s, err := daemon.Start(o); err == nil {
			t.Errorf("%s: started", o.Listen)
			_ = s.Close()
		}
	}
	for _, o := range []daemon.Options{
		{Listen: "0.0.0.0:0", Access: daemon.Access{Auth: true}}, {Listen: "0.0.0.0:0", Access: daemon.Access{Insecure: true}}, {Listen: "localhost:0"},
	} {
		harness.StartWith(t, o)
	}
}

// TestOwnership: cursors, sessions and operations belong to who began them.
func TestOwnership(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}, {_id: 2}, {_id: 3}]}`, `{createUser: "ann", pwd: "pw", roles: ["read"]}`, `{createUser: "ben", pwd: "pw", roles: ["read"]}`)
	ann, ben := s.Client(t, as("ann", "pw", "shop", "")), s.Client(t, as("ben", "pw", "shop", ""))
	cursor := func() int64 {
		return harness.Run(t, ann.Database("shop"), parse(t, `{find: "c", batchSize: 1}`)).Lookup("cursor", "id").Int64()
	}
	id := cursor()
	check(t, "ben", ben, []expect{{"shop", fmt.Sprintf(`{getMore: {$numberLong: "%d"}, collection: "c"}`, id), 13}, {"shop", fmt.Sprintf(`{killCursors: "c", cursors: [{$numberLong: "%d"}]}`, id), 13}})
	check(t, "ann", ann, []expect{{"shop", fmt.Sprintf(`{getMore: {$numberLong: "%d"}, collection: "c", batchSize: 1}`, id), 0}, {"shop", fmt.Sprintf(`{killCursors: "c", cursors: [{$numberLong: "%d"}]}`, id), 0}})
	id = cursor()
	check(t, "root", root, []expect{{"shop", fmt.Sprintf(`{getMore: {$numberLong: "%d"}, collection: "c"}`, id), 13}})
	if r := harness.Run(t, root.Database("shop"), parse(t, fmt.Sprintf(`{killCursors: "c", cursors: [{$numberLong: "%d"}]}`, id))); len(values(r, "cursorsKilled")) != 1 {
		t.Errorf("root did not kill the cursor: %v", r)
	}

	sess, err := ann.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.EndSession(t.Context())
	err = mongo.WithSession(t.Context(), sess, func(ctx context) error { return ann.Database("shop").Collection("c").FindOne(ctx, bson.D{}).Err() })
	if err != nil {
		t.Fatal(err)
	}
	_, uuid := sess.ID().Lookup("id").Binary()
	list := func(c *mongo.Client, arg string) int {
		t.Helper()
		r := harness.Run(t, c.Database("admin"), parse(t, `{aggregate: 1, pipeline: [{$listLocalSessions: `+arg+`}, {$match: {user: "ann@shop"}}], cursor: {}}`))
		n := 0
		for _, v := range values(r, "cursor", "firstBatch") {
			if _, id := v.Document().Lookup("_id", "id").Binary(); string(id) == string(uuid) {
				n++
			}
		}
		return n
	}
	if n := list(ann, `{}`); n != 1 {
		t.Errorf("ann sees %d of her sessions", n)
	}
	if n := list(ben, `{}`); n != 0 {
		t.Errorf("ben sees %d of ann's sessions", n)
	}
	if n := list(root, `{allUsers: true}`); n != 1 {
		t.Errorf("root sees %d of ann's sessions", n)
	}
	check(t, "ben", ben, []expect{{"admin", `{aggregate: 1, pipeline: [{$listLocalSessions: {allUsers: true}}], cursor: {}}`, 13},
		{"admin", `{aggregate: 1, pipeline: [{$listLocalSessions: {users: [{user: "ann", db: "shop"}]}}], cursor: {}}`, 13},
		{"admin", `{aggregate: 1, pipeline: [{$listLocalSessions: {users: [{user: "ben", db: "shop"}]}}], cursor: {}}`, 0},
		{"admin", `{killAllSessions: []}`, 13}, {"admin", `{killAllSessionsByPattern: []}`, 13}, {"admin", `{currentOp: 1}`, 13}, {"admin", `{currentOp: 1, $ownOps: true}`, 0},
		{"admin", `{aggregate: 1, pipeline: [{$currentOp: {allUsers: true}}], cursor: {}}`, 13}, {"admin", `{aggregate: 1, pipeline: [{$currentOp: {}}], cursor: {}}`, 0},
		{"admin", `{killOp: 1, op: 1}`, 13}})
	kill := func(c *mongo.Client, lsid bson.D) int {
		return codeOf(t, c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "killSessions", Value: bson.A{lsid}}}).Err())
	}
	own := bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: uuid}}}
	of := append(own, bson.E{Key: "uid", Value: bson.Binary{Data: digest("ann@shop")}})
	if n := kill(ben, own); n != 0 { // ben's own session of that id, which is not there
		t.Errorf("ben: code %d", n)
	}
	if n := kill(ben, of); n != 13 {
		t.Errorf("ben ends ann's session: code %d, want 13", n)
	}
	if n := list(root, `{allUsers: true}`); n != 1 {
		t.Errorf("ann's session is gone")
	}
	if n := kill(root, of); n != 0 {
		t.Errorf("root ends ann's session: code %d", n)
	}
	if n := list(root, `{allUsers: true}`); n != 0 {
		t.Errorf("ann's session is still there")
	}
}

// TestClusterTime: a client cannot push everyone's time forward.
func TestClusterTime(t *testing.T) {
	s, _ := guarded(t, daemon.Options{})
	far := bson.Timestamp{T: uint32(time.Now().Add(24 * time.Hour).Unix()), I: 1}
	s.Raw(t, bson.D{{Key: "ping", Value: 1}, {Key: "$clusterTime", Value: bson.D{{Key: "clusterTime", Value: far}}}, {Key: "$db", Value: "admin"}})
	r := s.Raw(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
	if tm, _ := r.Lookup("$clusterTime", "clusterTime").Timestamp(); tm >= far.T {
		t.Errorf("the time is %d", tm)
	}
}

// TestAttribution: commits show who made them.
func TestAttribution(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{createUser: "ann", pwd: "pw", roles: ["readWrite"]}`)
	ann := s.Client(t, as("ann", "pw", "shop", "").SetAppName("till"))
	ok(t, ann, "shop", `{insert: "c", documents: [{_id: 1}], comment: "first"}`)
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 2}]}`)
	sess, err := root.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.EndSession(t.Context())
	err = mongo.WithSession(t.Context(), sess, func(ctx context) error {
		_, err := root.Database("shop").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 3}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, uuid := sess.ID().Lookup("id").Binary()
	for _, filter := range []string{`actor: "ann@shop"`, `actor: "ann"`, `actor: "till"`, `withComment: "first", client: "127.0.0.1"`} {
		actor := filter
		r := harness.Run(t, ann.Database("shop"), parse(t, `{branchLog: "main", collection: "c", `+filter+`}`))
		list := values(r, "cursor", "firstBatch")
		if len(list) == 0 {
			t.Fatalf("no commits of %s", actor)
		}
		d := bson.Raw(list[0].Document())
		if got := valueAt(d, "actor.user") + valueAt(d, "actor.appName") + valueAt(d, "comment"); got != `"ann@shop""till""first"` {
			t.Errorf("commits of %s: %v", actor, d)
		}
		if client := d.Lookup("actor", "client").StringValue(); !strings.HasPrefix(client, "127.0.0.1:") {
			t.Errorf("client %s", client)
		}
	}
	for filter, want := range map[string]int{`actor: "nobody"`: 0, `withComment: "second"`: 0, `client: "10.0.0.1"`: 0, `actor: "root"`: 2,
		fmt.Sprintf(`session: {$uuid: "%x-%x-%x-%x-%x"}`, uuid[:4], uuid[4:6], uuid[6:8], uuid[8:10], uuid[10:]): 1, `session: {$uuid: "7a1e1a7e-0000-4000-8000-000000000002"}`: 0} {
		r := harness.Run(t, ann.Database("shop"), parse(t, `{branchLog: "main", collection: "c", `+filter+`}`))
		if n := len(values(r, "cursor", "firstBatch")); n != want {
			t.Errorf("%s: %d commits, want %d: %v", filter, n, want, r)
		}
	}
}

func values(raw bson.Raw, path ...string) []bson.RawValue {
	v, _ := raw.Lookup(path...).Array().Values()
	return v
}
