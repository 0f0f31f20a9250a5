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
	// The value is valid until the next Add or reset of env's arena.
	Result(env *Env) (bsonx.Value, error)
	// Size returns about how many bytes of memory the state holds.
	Size() int
}

// Starter is a State that reads something from the group's _id: the 'n' of
// $firstN and its like. Start is called before the first Add, with the group's
// _id as env's document if it is one; without it, Add starts by itself.
type Starter interface {
	Start(env *Env) error
}

// CompileAccumulator compiles {name: arg} as an accumulator.
func CompileAccumulator(name string, arg bsonx.Value, sc *Scope) (Accumulator, error) {
	if arg.Type == bsonx.Array {
		return nil, errcode.New(errcode.Code(40237), "The %s accumulator is a unary operator", name)
	}
	a := sc.shared.accs[name]
	if a == nil {
		return nil, errcode.New(errcode.Code(15952), "unknown group operator '%s'", name)
	}
	return a.compile(&call{name: name, arg: arg, sc: sc})
}

// IsAccumulator reports whether there is an accumulator of that name.
func IsAccumulator(name string) bool { return accumulators()[name] != nil }

// accumulatorRows is the table of accumulators.
func accumulatorRows() []accumulator {
	return []accumulator{
		{"$_internalJsReduce", compileReduceFunction},
		{"$accumulator", compileAccumulator},
		{"$addToSet", unary(func() reducer { return &setOf{} })},
		{"$avg", unary(func() reducer { return &avgOf{} })},
		{"$bottom", compileTop},
		{"$bottomN", compileTop},
		{"$concatArrays", unary(func() reducer { return &concatOf{} })},
		{"$count", compileCount},
		{"$first", unary(func() reducer { return &firstOf{} })},
		{"$firstN", compileAccN},
		{"$last", unary(func() reducer { return &lastOf{} })},
		{"$lastN", compileAccN},
		{"$max", unary(func() reducer { return &extreme{max: true} })},
		{"$maxN", compileAccN},
		{"$median", compileAccPercentile},
		{"$mergeObjects", unary(func() reducer { return &mergeOf{} })},
		{"$min", unary(func() reducer { return &extreme{} })},
		{"$minN", compileAccN},
		{"$percentile", compileAccPercentile},
		{"$push", unary(func() reducer { return &listOf{} })},
		{"$setUnion", unary(func() reducer { return &unionOf{} })},
		{"$stdDevPop", unary(func() reducer { return &deviation{} })},
		{"$stdDevSamp", unary(func() reducer { return &deviation{sample: true} })},
		{"$sum", unary(func() reducer { return &sumOf{} })},
		{"$top", compileTop},
		{"$topN", compileTop},
	}
}

// reducing is an accumulator of one expression.
type reducing struct {
	arg  Expr
	make func() reducer
}

func (r *reducing) New() State { return &reducingState{r.arg, r.make()} }

type reducingState struct {
	arg Expr
	r   reducer
}

func (s *reducingState) Add(env *Env) error {
	v, err := env.inGroup(s.arg)
	if err != nil {
		return err
	}
	return s.r.add(env, v)
}

func (s *reducingState) Result(env *Env) (bsonx.Value, error) { return s.r.result(env) }
func (s *reducingState) Size() int                            { return s.r.size() }

func unary(make func() reducer) func(c *call) (Accumulator, error) {
	return func(c *call) (Accumulator, error) {
		e, err := Compile(c.arg, c.sc)
		if err != nil {
			return nil, err
		}
		return &reducing{e, make}, nil
	}
}

// inGroup evaluates an accumulator's expression: MongoDB's engine for $group
// gives some errors other codes.
func (env *Env) inGroup(e Expr) (bsonx.Value, error) {
	outer := env.group
	env.group = true
	v, err := e.Eval(env)
	env.group = outer
	return v, err
}

// EvalGrouped evaluates the _id of a $group, with the codes that errors have there.
func EvalGrouped(e Expr, env *Env) (bsonx.Value, error) { return env.inGroup(e) }

// compileCount is {$count: {}}: a sum of ones.
func compileCount(c *call) (Accumulator, error) {
	if c.arg.Type != bsonx.Object || !bsonx.IsEmpty(c.arg.Data) {
		return nil, errcode.New(errcode.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
	}
	return &reducing{Literal(bsonx.Int32Value(1)), func() reducer { return &sumOf{} }}, nil
}

// maxAccumulated bounds what one group may hold in one accumulator, in bytes.
const maxAccumulated = 100 * 1024 * 1024

func checkMemory(name string, size int) error {
	if size > maxAccumulated {
		return errcode.New(errcode.ExceededMemoryLimit,
			"%s used too much memory and cannot spill to disk. Memory limit: %d bytes", name, maxAccumulated)
	}
	return nil
}
