package auth_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/idl"
)

// states of a connection, by what was done on it before.
var states = []string{
	"none",    // nothing
	"half",    // an authentication has begun and not ended
	"wrong",   // the right password, on another database: refused
	"dropped", // authenticated; then the user was dropped
	"bare",    // authenticated; the user has no role
	"foreign", // authenticated; the user owns another project
	"read",    // authenticated; the user reads the project
}

// TestPrivilegeMatrix runs every command of the table in every state: it is refused
// with code 13, unless testdata/matrix.txt lists it, and then it is not.
func TestPrivilegeMatrix(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}]}`, `{createBranch: "dev"}`, `{createUser: "gone", pwd: "pw", roles: ["dbOwner"]}`,
		`{createUser: "reader", pwd: "pw", roles: ["read"]}`, `{createUser: "bare", pwd: "pw", roles: []}`)
	ok(t, root, "other", `{createUser: "stranger", pwd: "pw", roles: ["dbOwner"]}`)
	gone, reader, bare, stranger := scramClient(t, "gone", "pw"), scramClient(t, "reader", "pw"), scramClient(t, "bare", "pw"), scramClient(t, "stranger", "pw")
	must := func(code, want int) {
		t.Helper()
		if code != want {
			t.Fatalf("code %d, want %d", code, want)
		}
	}
	enter := map[string]func(c *rawConn){
		"none": func(*rawConn) {},
		"half": func(c *rawConn) {
			must(replyCode(c.saslStart("shop", "SCRAM-SHA-256", "n,,n=reader,r=abcdefghijklmnop")), 0)
		},
		"wrong":   func(c *rawConn) { must(c.authenticate(reader, "admin"), 18) },
		"dropped": func(c *rawConn) { must(c.authenticate(gone, "shop"), 0) },
		"bare":    func(c *rawConn) { must(c.authenticate(bare, "shop"), 0) },
		"foreign": func(c *rawConn) { must(c.authenticate(stranger, "other"), 0) },
		"read":    func(c *rawConn) { must(c.authenticate(reader, "shop"), 0) },
	}
	specs := command.NewDispatcher(s.Services()).Specs()
	args := commandArguments(t)
	allowed := matrixFile(t)
	conns := map[string][]*rawConn{}
	for _, st := range states {
		for range specs {
			c := dial(t, s)
			defer c.close()
			enter[st](c)
			conns[st] = append(conns[st], c)
		}
	}
	ok(t, root, "shop", `{dropUser: "gone"}`)
	for i, spec := range specs {
		db := "shop"
		if spec.Flags&command.AdminOnly != 0 {
			db = "admin"
		}
		cmd := sample(spec, args[spec.Name])
		for _, st := range states {
			conns[st][i].what = spec.Name + " in state " + st
			reply := conns[st][i].run(db, cmd)
			switch refused, listed := replyCode(reply) == 13, slices.Contains(allowed[spec.Name], st); {
			case !refused && !listed:
				t.Errorf("%s in state %s is not refused: %v: %v", spec.Name, st, cmd, reply)
			case refused && listed:
				t.Errorf("%s in state %s is refused: %v", spec.Name, st, cmd)
			}
		}
		delete(allowed, spec.Name)
	}
	for name := range allowed {
		t.Errorf("testdata/matrix.txt lists %s, which is no command", name)
	}
}

// matrixFile reads the commands that are not refused, with the states.
func matrixFile(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, line := range lines(t, "testdata/matrix.txt") {
		f := strings.Fields(line)
		if len(f) < 2 {
			t.Fatalf("matrix.txt: %q has no state", line)
		}
		for _, st := range f[1:] {
			switch {
			case st == "all":
				out[f[0]] = states
			case st == "users":
				out[f[0]] = append(out[f[0]], "bare", "foreign", "read")
			case slices.Contains(states, st):
				out[f[0]] = append(out[f[0]], st)
			default:
				t.Fatalf("matrix.txt: there is no state %s", st)
			}
		}
	}
	return out
}

// commandArguments reads the arguments of commands that cannot be made up.
func commandArguments(t *testing.T) map[string]bson.D {
	t.Helper()
	out := map[string]bson.D{}
	for _, line := range lines(t, "testdata/arguments.txt") {
		d := parse(t, line)
		out[d[0].Key] = d
	}
	return out
}

// lines are those of a file that are neither empty nor comments.
func lines(t *testing.T, file string) (out []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if l := strings.TrimSpace(sc.Text()); l != "" && l[0] != '#' {
			out = append(out, l)
		}
	}
	return out
}

// sample is a command that its argument table accepts: the given one, or its
// required arguments with values of their types.
func sample(spec *command.Spec, given bson.D) bson.D {
	if given != nil {
		return given
	}
	var cmd bson.D
	for i, f := range spec.Args.Fields() {
		if i > 0 && !f.Required {
			continue
		}
		var v any = int32(1)
		switch {
		case len(f.Enum) > 0:
			v = f.Enum[0]
		case f.Types == idl.Any:
		case f.Types.Has(bsonx.String):
			v = "c"
		case f.Types.Has(bsonx.Int64) && !f.Types.Has(bsonx.Int32):
			v = int64(1)
		case f.Types.Has(bsonx.Int32):
		case f.Types.Has(bsonx.Array):
			v = bson.A{}
		case f.Types.Has(bsonx.Bool):
			v = true
		case f.Types.Has(bsonx.Object):
			v = bson.D{}
		}
		name := f.Name
		if i == 0 {
			name = spec.Name
		}
		cmd = append(cmd, bson.E{Key: name, Value: v})
	}
	return cmd
}
