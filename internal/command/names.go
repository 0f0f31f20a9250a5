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
