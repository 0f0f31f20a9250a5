package auth_test

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/test/harness"
)

// step is a command and what MongoDB answers: an error's code and message, or the
// values at some paths of the reply.
type step struct {
	db, command string
	code        int
	message     string
	want        map[string]string // path: Extended JSON
}

var userSteps = []step{
	{db: "shop", command: `{createUser: "ann", pwd: "pw", roles: ["readWrite"], customData: {team: 1}}`},
	{db: "shop", command: `{createUser: "ann", pwd: "pw", roles: []}`, code: 51003, message: `User "ann@shop" already exists`},
	{db: "shop", command: `{createUser: "", pwd: "pw", roles: []}`, code: 2},
	{db: "shop", command: `{createUser: "x\u0000", pwd: "pw", roles: []}`, code: 2, message: "Username cannot contain NULL characters"},
	{db: "shop", command: `{createUser: 1, pwd: "pw", roles: []}`, code: 14},
	{db: "shop", command: `{createUser: "x", pwd: "pw"}`, code: 40414},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [], nosuch: 1}`, code: 40415},
	{db: "shop", command: `{createUser: "x", roles: []}`, code: 2, message: "Must provide a 'pwd' field for all user documents, except those with '$external' as the user's source db"},
	{db: "$external", command: `{createUser: "CN=x", pwd: "pw", roles: []}`, code: 2, message: "Cannot set the password for users defined on the '$external' database"},
	{db: "local", command: `{createUser: "x", pwd: "pw", roles: []}`, code: 2, message: "Cannot create users in the local database"},
	{db: "shop", command: `{createUser: "x", pwd: "", roles: []}`, code: 50687, message: "Password cannot be empty"},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [], mechanisms: []}`, code: 2, message: "mechanisms field must not be empty"},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [], mechanisms: ["PLAIN"]}`, code: 2, message: "Unknown auth mechanism 'PLAIN'"},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [], digestPassword: false}`, code: 2, message: "Use of SCRAM-SHA-256 requires undigested passwords"},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: ["nosuch"]}`, code: 31, message: "Could not find role: nosuch@shop"},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [{role: "read", db: "a@b"}]}`, code: 2},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [1]}`, code: 2},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [{role: "read"}]}`, code: 2},
	{db: "shop", command: `{createUser: "x", pwd: "pw", roles: [], authenticationRestrictions: [{clientSource: ["no address"]}]}`, code: 12},
	{db: "shop~dev", command: `{createUser: "ben", pwd: "pw", roles: [{role: "readWrite", db: "shop~dev*"}], mechanisms: ["SCRAM-SHA-1"]}`},
	{db: "$external", command: `{createUser: "CN=carl,O=x", roles: [{role: "read", db: "shop"}]}`},

	{db: "shop", command: `{usersInfo: "ann"}`, want: map[string]string{"users.0._id": `"shop.ann"`, "users.0.user": `"ann"`, "users.0.db": `"shop"`,
		"users.0.customData": `{"team":1}`, "users.0.roles": `[{"role":"readWrite","db":"shop"}]`, "users.0.mechanisms": `["SCRAM-SHA-1","SCRAM-SHA-256"]`, "users.0.credentials": ""}},
	{db: "shop", command: `{usersInfo: 1, showCustomData: false}`, want: map[string]string{"users.0.user": `"ann"`, "users.0.customData": "", "users.1.user": `"ben"`, "users.2": ""}},
	{db: "admin", command: `{usersInfo: {forAllDBs: true}}`, want: map[string]string{"users.0.user": `"CN=carl,O=x"`, "users.0.mechanisms": `["external"]`, "users.2.user": `"ben"`, "users.3": ""}},
	{db: "admin", command: `{usersInfo: {forAllDBs: true}, filter: {roles: {$elemMatch: {db: "shop~dev*"}}}}`, want: map[string]string{"users.0.user": `"ben"`, "users.1": ""}},
	{db: "shop", command: `{usersInfo: ["ann", {user: "nosuch", db: "x"}]}`, want: map[string]string{"users.0.user": `"ann"`, "users.1": ""}},
	{db: "shop", command: `{usersInfo: "ben", showCredentials: true}`, want: map[string]string{"users.0.credentials.SCRAM-SHA-1.iterationCount": "10000", "users.0.credentials.SCRAM-SHA-256": ""}},
	{db: "shop", command: `{usersInfo: 1, showPrivileges: true}`, code: 20},
	{db: "shop", command: `{usersInfo: true}`, code: 2},
	{db: "shop", command: `{usersInfo: "ben", showPrivileges: true}`, want: map[string]string{"users.0.inheritedRoles": `[{"role":"readWrite","db":"shop~dev*"}]`,
		"users.0.inheritedPrivileges.0.resource": `{"db":"shop~dev*","collection":""}`}},

	{db: "shop", command: `{updateUser: "nosuch", pwd: "x"}`, code: 11, message: "User nosuch@shop not found"},
	{db: "shop", command: `{updateUser: "ann"}`, code: 2, message: "Must specify at least one field to update in updateUser"},
	{db: "shop", command: `{updateUser: "ben", mechanisms: ["SCRAM-SHA-256"]}`, code: 2, message: "mechanisms field must be a subset of previously set mechanisms"},
	{db: "shop", command: `{updateUser: "ann", mechanisms: ["SCRAM-SHA-256"], customData: {team: 2}}`},
	{db: "shop", command: `{usersInfo: "ann"}`, want: map[string]string{"users.0.mechanisms": `["SCRAM-SHA-256"]`, "users.0.customData": `{"team":2}`}},

	{db: "shop", command: `{grantRolesToUser: "ann", roles: []}`, code: 2, message: `grantRolesToUser command requires a non-empty "roles" array`},
	{db: "shop", command: `{grantRolesToUser: "nosuch", roles: ["read"]}`, code: 11, message: `Could not find user "nosuch" for db "shop"`},
	{db: "shop", command: `{grantRolesToUser: "ann", roles: ["r1", "r2"]}`, code: 31},
	{db: "shop", command: `{grantRolesToUser: "ann", roles: ["dbAdmin", "dbAdmin"]}`},
	{db: "shop", command: `{revokeRolesFromUser: "ann", roles: ["readWrite", "read"]}`},
	{db: "shop", command: `{usersInfo: "ann"}`, want: map[string]string{"users.0.roles": `[{"role":"dbAdmin","db":"shop"}]`}},

	{db: "shop", command: `{dropUser: "nosuch"}`, code: 11, message: "User 'nosuch@shop' not found"},
	{db: "shop", command: `{dropUser: "ann"}`},
	{db: "shop", command: `{dropAllUsersFromDatabase: 1}`, want: map[string]string{"n": "1"}},
	{db: "admin", command: `{usersInfo: {forAllDBs: true}}`, want: map[string]string{"users.0.user": `"CN=carl,O=x"`, "users.1": ""}},
	{db: "admin", command: `{invalidateUserCache: 1}`},
}

var roleSteps = []step{
	{db: "shop", command: `{createRole: "r", privileges: [{resource: {db: "shop", collection: "a"}, actions: ["find"]}, {resource: {db: "shop", collection: "a"}, actions: ["insert"]}], roles: ["read"]}`},
	{db: "shop", command: `{createRole: "r", privileges: [], roles: []}`, code: 51002, message: `Role "r@shop" already exists`},
	{db: "shop", command: `{createRole: "", privileges: [], roles: []}`, code: 2, message: "Role name must be non-empty"},
	{db: "shop", command: `{createRole: "read", privileges: [], roles: []}`, code: 2, message: "Cannot create roles with the same name as a built-in role"},
	{db: "shop", command: `{createRole: "x", privileges: []}`, code: 40414},
	{db: "local", command: `{createRole: "x", privileges: [], roles: []}`, code: 2, message: "Cannot create roles in the local database"},
	{db: "$external", command: `{createRole: "x", privileges: [], roles: []}`, code: 2, message: "Cannot create roles in the $external database"},
	{db: "shop", command: `{createRole: "x", privileges: [], roles: ["nosuch"]}`, code: 31, message: "Cannot grant roles to 'x@shop': Could not find role: nosuch@shop"},
	{db: "shop", command: `{createRole: "x", privileges: [], roles: ["x"]}`, code: 49, message: "Cannot grant role x@shop to itself."},
	{db: "shop", command: `{createRole: "x", privileges: [], roles: [{role: "read", db: "other"}]}`, code: 49, message: "Roles on the 'shop' database cannot be granted roles from other databases"},
	{db: "shop", command: `{createRole: "x", privileges: [{resource: {cluster: true}, actions: ["inprog"]}], roles: []}`, code: 49,
		message: "Roles on the 'shop' database cannot be granted privileges that target other databases or the cluster"},
	{db: "shop", command: `{createRole: "x", privileges: [{resource: {db: "shop", collection: ""}, actions: ["fly", "dig", "fly"]}], roles: []}`, code: 2,
		message: "Unknown action types in privilege set: 'dig', 'fly'"},
	{db: "shop", command: `{createRole: "x", privileges: [{resource: {db: "shop"}, actions: ["find"]}], roles: []}`, code: 2},
	{db: "shop", command: `{createRole: "x", privileges: [{resource: {db: "shop@5", collection: ""}, actions: ["find"]}], roles: []}`, code: 2},
	{db: "shop", command: `{createRole: "x", privileges: [{actions: ["find"]}], roles: []}`, code: 40414},
	{db: "shop", command: `{createRole: "dev", privileges: [{resource: {db: "shop~dev-*", collection: ""}, actions: ["find", "insert"]}], roles: [{role: "read", db: "shop~main"}, "r"]}`},

	{db: "shop", command: `{rolesInfo: "r", showPrivileges: true}`, want: map[string]string{"roles.0.role": `"r"`, "roles.0.isBuiltin": "false",
		"roles.0.privileges": `[{"resource":{"db":"shop","collection":"a"},"actions":["find","insert"]}]`, "roles.0.roles": `[{"role":"read","db":"shop"}]`,
		"roles.0.inheritedPrivileges.0.resource": `{"db":"shop","collection":"a"}`}},
	{db: "shop", command: `{rolesInfo: 1}`, want: map[string]string{"roles.0.role": `"dev"`, "roles.1.role": `"r"`, "roles.2": "", "roles.0.privileges": ""}},
	{db: "shop", command: `{rolesInfo: {role: "read", db: "any"}}`, want: map[string]string{"roles.0.isBuiltin": "true", "roles.0.roles": "[]"}},
	{db: "shop", command: `{rolesInfo: "nosuch"}`, want: map[string]string{"roles": "[]"}},
	{db: "shop", command: `{rolesInfo: "dev", showPrivileges: "asUserFragment"}`, want: map[string]string{"userFragment.roles": `[{"role":"dev","db":"shop"}]`}},
	{db: "shop", command: `{rolesInfo: "dev", showPrivileges: "x"}`, code: 2},

	{db: "shop", command: `{updateRole: "r"}`, code: 2, message: "Must specify at least one field to update in updateRole"},
	{db: "shop", command: `{updateRole: "nosuch", roles: []}`, code: 31, message: "Could not find role: nosuch@shop"},
	{db: "shop", command: `{updateRole: "read", roles: []}`, code: 31, message: "Role read@shop not found"},
	{db: "shop", command: `{updateRole: "r", roles: ["dev"]}`, code: 49, message: "Granting roles to r@shop would introduce a cycle in the role graph"},
	{db: "shop", command: `{updateRole: "r", privileges: []}`},
	{db: "shop", command: `{rolesInfo: "r", showPrivileges: true}`, want: map[string]string{"roles.0.privileges": "[]", "roles.0.roles": `[{"role":"read","db":"shop"}]`}},
	{db: "shop", command: `{grantPrivilegesToRole: "r", privileges: []}`, code: 2, message: `grantPrivilegesToRole command requires a non-empty "privileges" array`},
	{db: "shop", command: `{grantPrivilegesToRole: "read", privileges: [{resource: {db: "shop", collection: ""}, actions: ["find"]}]}`, code: 2, message: "read@shop is a built-in role and cannot be modified"},
	{db: "shop", command: `{grantPrivilegesToRole: "nosuch", privileges: [{resource: {db: "shop", collection: ""}, actions: ["find"]}]}`, code: 31},
	{db: "shop", command: `{grantPrivilegesToRole: "r", privileges: [{resource: {db: "shop", collection: "b"}, actions: ["find", "remove"]}]}`},
	{db: "shop", command: `{revokePrivilegesFromRole: "r", privileges: [{resource: {db: "shop", collection: "b"}, actions: ["find"]}]}`},
	{db: "shop", command: `{rolesInfo: "r", showPrivileges: true}`, want: map[string]string{"roles.0.privileges": `[{"resource":{"db":"shop","collection":"b"},"actions":["remove"]}]`}},
	{db: "shop", command: `{grantRolesToRole: "r", roles: ["dbAdmin"]}`},
	{db: "shop", command: `{revokeRolesFromRole: "r", roles: ["read"]}`},
	{db: "shop", command: `{rolesInfo: "r"}`, want: map[string]string{"roles.0.roles": `[{"role":"dbAdmin","db":"shop"}]`}},

	{db: "shop", command: `{createUser: "ann", pwd: "pw", roles: ["r", "dev"]}`},
	{db: "shop", command: `{dropRole: "read"}`, code: 2, message: "read@shop is a built-in role and cannot be modified"},
	{db: "shop", command: `{dropRole: "nosuch"}`, code: 31, message: "Could not find role: nosuch@shop"},
	{db: "shop", command: `{dropRole: "r"}`},
	{db: "shop", command: `{usersInfo: "ann"}`, want: map[string]string{"users.0.roles": `[{"role":"dev","db":"shop"}]`}},
	{db: "shop", command: `{rolesInfo: "dev"}`, want: map[string]string{"roles.0.roles": `[{"role":"read","db":"shop~main"}]`}},
	{db: "shop", command: `{dropAllRolesFromDatabase: 1}`, want: map[string]string{"n": "1"}},
	{db: "shop", command: `{usersInfo: "ann"}`, want: map[string]string{"users.0.roles": `[]`}},
}

func TestUserCommands(t *testing.T) { runSteps(t, userSteps) }

func TestRoleCommands(t *testing.T) { runSteps(t, roleSteps) }

func runSteps(t *testing.T, steps []step) {
	c := harness.Start(t).Client(t)
	for _, s := range steps {
		raw, err := c.Database(s.db).RunCommand(t.Context(), parse(t, s.command)).Raw()
		var ce mongo.CommandError
		switch {
		case s.code == 0 && err != nil:
			t.Errorf("%s: %v", s.command, err)
		case s.code != 0 && (!errors.As(err, &ce) || int(ce.Code) != s.code):
			t.Errorf("%s: got %v, want code %d", s.command, err, s.code)
		case s.message != "" && ce.Message != s.message:
			t.Errorf("%s: got %q, want %q", s.command, ce.Message, s.message)
		}
		for path, want := range s.want {
			if got := valueAt(raw, path); got != want {
				t.Errorf("%s: %s is %s, want %s", s.command, path, got, want)
			}
		}
	}
}

// parse reads a document as a person writes it: Extended JSON whose field names
// need no quotation marks.
func parse(t testing.TB, text string) bson.D {
	t.Helper()
	var sb strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		ch := text[i]
		if ch == '"' && (i == 0 || text[i-1] != '\\') {
			quoted = !quoted
		}
		word := 0
		for !quoted && i+word < len(text) && (text[i+word] == '$' || text[i+word] == '_' || text[i+word]|0x20 >= 'a' && text[i+word]|0x20 <= 'z' || word > 0 && text[i+word] >= '0' && text[i+word] <= '9') {
			word++
		}
		if word > 0 && i+word < len(text) && text[i+word] == ':' {
			sb.WriteString(`"` + text[i:i+word] + `"`)
			i += word - 1
			continue
		}
		if word > 0 { // true, false, null
			sb.WriteString(text[i : i+word])
			i += word - 1
			continue
		}
		sb.WriteByte(ch)
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(sb.String()), false, &d); err != nil {
		t.Fatalf("%s: %v", sb.String(), err)
	}
	return d
}

// valueAt is what stands at a path, in Extended JSON; "" for nothing.
func valueAt(raw bson.Raw, path string) string {
	v, err := raw.LookupErr(strings.Split(path, ".")...)
	if err != nil {
		return ""
	}
	out, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(out), `{"v":`), "}")
}
