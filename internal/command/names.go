package command

import (
	"strings"

	"github.com/argon-db/argon/internal/errcode"
)

// maxNamespace is the longest namespace, database and collection, in bytes.
const maxNamespace = 255

// maxDBName is the longest database name of MongoDB; here it bounds each part
// of PROJECT[~BRANCH].
const maxDBName = 63

// viewsNS lists the views of a database, bucketsPrefix begins the name that holds
// a time-series collection's data, profileNS is the profiler's collection. Here
// they are only shown: nothing is stored under these names.
const (
	viewsNS       = "system.views"
	bucketsPrefix = "system.buckets."
	profileNS     = "system.profile"
)

// CheckDatabase checks a database name as far as MongoDB's own rule goes; what
// stands after "~" and "@" is for the branch service. Errors: InvalidNamespace.
func CheckDatabase(name string) error {
	base, _, _ := strings.Cut(name, "@")
	project, branch, _ := strings.Cut(base, "~")
	if project == "" || len(project) > maxDBName || len(branch) > maxDBName ||
		strings.ContainsAny(base, "/\\. \"$\x00") && name != "$external" || strings.ContainsRune(name, 0) {
		return errcode.New(errcode.InvalidNamespace, "Invalid database name: '%s'", name)
	}
	return nil
}

// CheckCollection checks the name of a collection that a command addresses.
// Errors: InvalidNamespace.
func CheckCollection(db, name string) error {
	switch {
	case name == "" || name[0] == '.':
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified '%s.%s'", db, name)
	case strings.IndexByte(name, 0) >= 0:
		return errcode.New(errcode.InvalidNamespace, "namespaces cannot have embedded null characters")
	}
	return nil
}

// legalSystem are the collections below "system." that a client may make, by
// database; "" stands for every database.
var legalSystem = map[string][]string{
	"":       {"system.js", "system.users", viewsNS, profileNS},
	"admin":  {"system.roles", "system.version", "system.new_users", "system.backup_users", "system.keys"},
	"config": {"system.sessions", "system.indexBuilds", "system.preimages"},
	"local":  {"system.replset", "system.healthlog"},
}

// checkNewCollection checks the name of a collection that a command makes.
// Errors: InvalidNamespace.
func checkNewCollection(db, name string) error {
	if err := CheckCollection(db, name); err != nil {
		return err
	}
	switch {
	case strings.ContainsRune(name, '$'):
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified '%s.%s': a collection's name cannot contain '$'", db, name)
	case len(db)+1+len(name) > maxNamespace:
		return errcode.New(errcode.InvalidNamespace, "Fully qualified namespace is too long. Namespace: %s.%s Max: %d", db, name, maxNamespace)
	case strings.HasPrefix(name, "system.") && !mayBeMade(db, name):
		return errcode.New(errcode.InvalidNamespace, "Invalid system namespace: %s.%s", db, name)
	}
	return nil
}

func mayBeMade(db, name string) bool {
	for _, d := range []string{"", db} {
		for _, n := range legalSystem[d] {
			if n == name {
				return true
			}
		}
	}
	return strings.HasPrefix(name, bucketsPrefix)
}

// splitNamespace cuts "db.collection" and checks both. Errors: InvalidNamespace.
func splitNamespace(ns string) (db, coll string, err error) {
	db, coll, _ = strings.Cut(ns, ".")
	if err := CheckDatabase(db); err != nil {
		return "", "", err
	}
	return db, coll, CheckCollection(db, coll)
}
