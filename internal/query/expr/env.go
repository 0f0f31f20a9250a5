package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Query is what all evaluations of one command share. It does not change while
// the command runs.
type Query struct {
	// Now is $$NOW, in milliseconds since the Unix epoch: one value a command.
	Now int64
	// ClusterTime is $$CLUSTER_TIME, a timestamp; missing if there is none.
	ClusterTime bsonx.Value
	// UserRoles is $$USER_ROLES, an array; missing counts as [].
	UserRoles bsonx.Value
	// Collation compares strings; nil compares bytes.
	Collation bsonx.Collator
	// Script runs JavaScript; nil when it is off.
	Script Script
	// Interrupt, if set, is asked now and then in long evaluations; its error
	// (MaxTimeMSExpired, Interrupted, …) ends them.
	Interrupt func() error
}

// Meta is what stages know about a document besides its fields ($meta). Missing
// values are not known.
type Meta struct {
	TextScore   bsonx.Value // double
	GeoDistance bsonx.Value // double
	GeoPoint    bsonx.Value
	SortKey     bsonx.Value // array
	RecordID    bsonx.Value
	IndexKey    bsonx.Value // document
	RandVal     bsonx.Value // double
	SearchScore bsonx.Value
	Score       bsonx.Value
	ScoreInfo   bsonx.Value
}

// Env is what an expression is evaluated in. It belongs to one goroutine.
type Env struct {
	// Root is the document, $$ROOT.
	Root bsonx.Value
	// Meta is the document's metadata; nil if there is none.
	Meta *Meta
	// Vars are the variables' values by slot.
	Vars []bsonx.Value
	// Arena holds built values; whoever consumed them resets it.
	Arena bsonx.Arena
	// Query is of the command; never nil.
	Query *Query

	stack []bsonx.Value // operands being evaluated
	group bool          // within an accumulator
	ticks uint32
}

// NewEnv returns an environment for expressions compiled in sc or its children.
// A nil q is an empty Query.
func NewEnv(q *Query, sc *Scope) *Env {
	if q == nil {
		q = &Query{}
	}
	env := &Env{Query: q}
	if sc != nil {
		env.Vars = make([]bsonx.Value, sc.shared.slots)
	}
	return env
}

// SetVar gives the variable of a slot its value.
func (env *Env) SetVar(slot int, v bsonx.Value) {
	for slot >= len(env.Vars) {
		env.Vars = append(env.Vars, bsonx.Value{})
	}
	env.Vars[slot] = v
}

// Var returns the value of a slot's variable; missing if it was never set.
func (env *Env) Var(slot int) bsonx.Value {
	if slot < len(env.Vars) {
		return env.Vars[slot]
	}
	return bsonx.Value{}
}

// Compare orders two values under the command's collation.
func (env *Env) Compare(a, b bsonx.Value) int {
	return bsonx.CompareWith(a, b, env.Query.Collation)
}

// tick is called in loops; it reports when the command is to end.
func (env *Env) tick() error {
	env.ticks++
	if env.ticks&1023 != 0 || env.Query.Interrupt == nil {
		return nil
	}
	return env.Query.Interrupt()
}

// array builds an array, within the limit of an intermediate result.
func (env *Env) array(vals []bsonx.Value) (bsonx.Value, error) {
	size := 5
	for _, v := range vals {
		size += len(v.Data) + 3
	}
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	return env.Arena.Array(vals), nil
}

// Limits of what an expression may build, in bytes and levels.
const (
	maxResultSize  = 64 * 1024 * 1024
	maxResultDepth = 200
)

// checkSize refuses values that are larger than any BSON that could leave the
// expression (MongoDB: "BSONObj size … is invalid", code 10334).
func checkSize(size int) error {
	if size > maxResultSize {
		return errcode.New(errcode.Code(10334),
			"BSONObj size: %d is invalid. Size must be between 0 and %d", size, maxResultSize)
	}
	return nil
}

// checkDepth refuses values that are nested deeper than BSON may be.
func checkDepth(v bsonx.Value) error {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return nil
	}
	stack := append(make([]bsonx.Iter, 0, 16), bsonx.NewIter(v.Data))
	for len(stack) > 0 {
		it := &stack[len(stack)-1]
		if !it.Next() {
			stack = stack[:len(stack)-1]
			continue
		}
		if c := it.Value(); c.Type == bsonx.Object || c.Type == bsonx.Array {
			if len(stack) >= maxResultDepth {
				return errcode.New(errcode.Overflow,
					"cannot serialize the result: it exceeds the maximum nesting depth of %d", maxResultDepth)
			}
			stack = append(stack, bsonx.NewIter(c.Data))
		}
	}
	return nil
}
