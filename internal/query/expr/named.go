package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// namedSpec describes the arguments of an operator that takes an object, with
// the codes that MongoDB gives each mistake.
type namedSpec struct {
	names     []string
	notObject errcode.Code
	unknown   errcode.Code
}

// named reads the arguments in the order of s.names; one that was not given is
// missing.
func (c *call) named(s *namedSpec) ([]bsonx.Value, error) {
	if c.arg.Type != bsonx.Object {
		return nil, errcode.New(s.notObject,
			"%s only supports an object as its argument, but found: %s", c.name, bsonx.TypeName(c.arg.Type))
	}
	vals := make([]bsonx.Value, len(s.names))
next:
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		for i, n := range s.names {
			if n == string(it.Key()) {
				vals[i] = it.Value()
				continue next
			}
		}
		return nil, errcode.New(s.unknown, "%s found an unknown argument: %s", c.name, it.Key())
	}
	return vals, nil
}

// require refuses a missing argument.
func (c *call) require(v bsonx.Value, name string, code errcode.Code) error {
	if v.Type == bsonx.Missing {
		return errcode.New(code, "%s requires '%s' to be specified", c.name, name)
	}
	return nil
}

// isString reports whether v is a string. A symbol is not one.
func isString(v bsonx.Value) bool { return v.Type == bsonx.String }

// typeError refuses a value of a wrong type.
func typeError(code errcode.Code, op, what string, v bsonx.Value) error {
	return errcode.New(code, "%s requires %s, found: %s", op, what, bsonx.TypeName(v.Type))
}
