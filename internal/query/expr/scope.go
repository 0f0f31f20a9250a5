package expr

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// ScopeOptions is what compiling needs to know of the command.
type ScopeOptions struct {
	// Collation compares strings in constant parts; it must be the Query's.
	Collation bsonx.Collator
	// NoNow refuses $$NOW, for the commands that have none in MongoDB: count,
	// distinct, listCollections, listDatabases.
	NoNow bool
	// NoFolding leaves constant parts to be evaluated for each document.
	NoFolding bool
	// JavaScript allows $where; $function and $accumulator fail when they are
	// evaluated without it.
	JavaScript bool
	// Validator: the expression is a collection's validator.
	Validator bool
}

// Scope resolves variables while expressions are compiled. It is not for
// concurrent use; a child does not change its parent.
type Scope struct {
	parent *Scope
	name   string // of the variable that this scope adds
	slot   int    // of that variable; slots below it are taken
	depth  int    // nesting of expressions
	shared *shared
}

// shared is what a scope and its children have in common.
type shared struct {
	ScopeOptions
	ops   map[string]*operator
	accs  map[string]*accumulator
	slots int // the most that are in use at once
	metas map[string]bool
	// folding is set while errors of folding are collected.
	folding *foldErrors
}

// NewScope returns a scope that has the system variables only.
func NewScope(o ScopeOptions) *Scope {
	return &Scope{slot: -1, shared: &shared{ScopeOptions: o, ops: operators(), accs: accumulators()}}
}

// Define returns a child scope with one more variable, and the variable's slot.
// The name is not checked: see CheckVariableName.
func (sc *Scope) Define(name string) (*Scope, int) {
	c := &Scope{parent: sc, name: name, slot: sc.slot + 1, depth: sc.depth, shared: sc.shared}
	c.shared.slots = max(c.shared.slots, c.slot+1)
	return c, c.slot
}

// lookup returns the slot of a defined variable, or -1.
func (sc *Scope) lookup(name string) int {
	for s := sc; s != nil; s = s.parent {
		if s.name == name && s.parent != nil {
			return s.slot
		}
	}
	return -1
}

// UsesMeta reports whether an expression compiled so far reads this $meta.
func (sc *Scope) UsesMeta(name string) bool { return sc.shared.metas[name] }

// JavaScript reports whether the server runs JavaScript.
func (sc *Scope) JavaScript() bool { return sc.shared.JavaScript }

// Collation returns the collation that strings are compared under; may be nil.
func (sc *Scope) Collation() bsonx.Collator { return sc.shared.Collation }

// CheckVariableName checks a name that a user gives to a variable ($let, $map,
// the let of a stage): it starts with a lower-case letter or a byte above 127.
// "CURRENT" may be set too.
func CheckVariableName(name string) error {
	if name == "CURRENT" {
		return nil
	}
	if name == "" {
		return errcode.New(errcode.FailedToParse, "empty variable names are not allowed")
	}
	if c := name[0]; !(c >= 'a' && c <= 'z' || c >= 0x80) {
		return errcode.New(errcode.FailedToParse,
			"'%s' starts with an invalid character for a user variable name", name)
	}
	if c, bad := badVariableByte(name); bad {
		return errcode.New(errcode.FailedToParse,
			"'%s' contains an invalid character for a variable name: '%c'", name, c)
	}
	return nil
}

func badVariableByte(name string) (byte, bool) {
	for i := 1; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80) {
			return c, true
		}
	}
	return 0, false
}

// checkReadName checks a name after "$$".
func checkReadName(name string) error {
	if name == "" {
		return errcode.New(errcode.FailedToParse, "empty variable names are not allowed")
	}
	if c := name[0]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80) {
		return errcode.New(errcode.FailedToParse,
			"'%s' starts with an invalid character for a variable name", name)
	}
	if c, bad := badVariableByte(name); bad {
		return errcode.New(errcode.FailedToParse,
			"'%s' contains an invalid character for a variable name: '%c'", name, c)
	}
	return nil
}

// CheckFieldName checks one component of a field path, or the name of a field
// in an object expression.
func CheckFieldName(name string) error {
	switch {
	case name == "":
		return errcode.New(errcode.Code(15998), "FieldPath field names may not be empty strings.")
	case name[0] == '$':
		return errcode.New(errcode.Code(16410),
			"FieldPath field names may not start with '$'. Consider using $getField or $setField.")
	case strings.IndexByte(name, 0) >= 0:
		return errcode.New(errcode.Code(16411), "FieldPath field names may not contain '\\0'.")
	case strings.IndexByte(name, '.') >= 0:
		return errcode.New(errcode.Code(16412),
			"FieldPath field names may not contain '.'. Consider using $getField or $setField.")
	}
	return nil
}

// SplitPath splits "a.b.c" and checks its components.
func SplitPath(path string) ([]string, error) {
	if path == "" {
		return nil, errcode.New(errcode.Code(40352), "FieldPath cannot be constructed with empty string")
	}
	if path[len(path)-1] == '.' {
		return nil, errcode.New(errcode.Code(40353), "FieldPath must not end with a '.'.")
	}
	parts := strings.Split(path, ".")
	if len(parts) > maxResultDepth {
		return nil, errcode.New(errcode.Overflow, "FieldPath is too long")
	}
	for _, p := range parts {
		if err := CheckFieldName(p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
