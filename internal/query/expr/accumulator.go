package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Accumulator is a compiled {$sum: expression} of a $group or a window. It is
// immutable and safe for concurrent use.
type Accumulator interface {
	// New returns the state of an empty group.
	New() State
}

// State is one group's running result. It belongs to one goroutine and keeps
// copies, not references, of what it was given.
type State interface {
	// Add takes env's document into account.
	Add(env *Env) error
	// Result returns the value so far; it may be called again after further Adds.
	Result(env *Env) (bsonx.Value, error)
	// Size returns about how many bytes of memory the state holds.
	Size() int
}

// CompileAccumulator compiles {name: arg} as an accumulator.
func CompileAccumulator(name string, arg bsonx.Value, sc *Scope) (Accumulator, error) {
	a := sc.shared.accs[name]
	if a == nil {
		return nil, errcode.New(errcode.Code(15952), "unknown group operator '%s'", name)
	}
	return a.compile(&call{name: name, arg: arg, sc: sc})
}

// IsAccumulator reports whether there is an accumulator of that name.
func IsAccumulator(name string) bool { return accumulators()[name] != nil }
