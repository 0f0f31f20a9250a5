package auth_test

import (
	"testing"

	"github.com/argon-db/argon/internal/daemon"
)

// TestChangeStreamPrivileges: a stream needs find and changeStream on all that it
// watches, and its reader needs them for each batch.
func TestChangeStreamPrivileges(t *testing.T) {
	s, root := guarded(t, daemon.Options{})
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 1}]}`, `{createBranch: "dev"}`,
		`{createRole: "finder", roles: [], privileges: [{resource: {db: "shop", collection: "c"}, actions: ["find"]}]}`,
		`{createRole: "watcher", roles: [], privileges: [{resource: {db: "shop", collection: "c"}, actions: ["find", "changeStream"]}]}`,
		`{createUser: "finder", pwd: "pw", roles: ["finder"]}`, `{createUser: "watcher", pwd: "pw", roles: ["watcher"]}`,
		`{createUser: "reader", pwd: "pw", roles: ["read"]}`, `{createUser: "dev", pwd: "pw", roles: [{role: "read", db: "shop~dev"}]}`)
	ok(t, root, "admin", `{createUser: "all", pwd: "pw", roles: ["readAnyDatabase"]}`)
	const onC, onDB = `{aggregate: "c", pipeline: [{$changeStream: {}}], cursor: {}}`, `{aggregate: 1, pipeline: [{$changeStream: {}}], cursor: {}}`
	const all = `{aggregate: 1, pipeline: [{$changeStream: {allChangesForCluster: true}}], cursor: {}}`
	for user, may := range map[string][]expect{
		"finder":  {{"shop", onC, 13}, {"shop", onDB, 13}, {"admin", all, 13}},
		"watcher": {{"shop", onC, 0}, {"shop", onDB, 13}, {"admin", all, 13}},
		"reader":  {{"shop", onC, 0}, {"shop", onDB, 0}, {"shop~dev", onDB, 0}, {"other", onDB, 13}, {"admin", all, 13}},
		"dev":     {{"shop", onC, 13}, {"shop~dev", onC, 0}, {"shop~dev", onDB, 0}, {"admin", all, 13}},
	} {
		check(t, user, s.Client(t, as(user, "pw", "shop", "")), may)
	}
	check(t, "all", s.Client(t, as("all", "pw", "admin", "")), []expect{{"shop", onC, 0}, {"other", onDB, 0}, {"admin", all, 0}})

	c := s.Client(t, as("watcher", "pw", "shop", ""))
	cs, err := c.Database("shop").Collection("c").Watch(t.Context(), []any{})
	if err != nil {
		t.Fatal(err)
	}
	defer cs.Close(t.Context())
	ok(t, root, "shop", `{insert: "c", documents: [{_id: 2}]}`)
	if !cs.Next(t.Context()) {
		t.Fatal(cs.Err())
	}
	ok(t, root, "shop", `{revokeRolesFromUser: "watcher", roles: ["watcher"]}`, `{insert: "c", documents: [{_id: 3}]}`)
	if cs.Next(t.Context()) || codeOf(t, cs.Err()) != 13 {
		t.Errorf("after the right was revoked: %v, %v", cs.Current, cs.Err())
	}
}
