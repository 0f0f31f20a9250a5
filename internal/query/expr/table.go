package expr

import (
	"sync"

	"github.com/argon-db/argon/internal/bsonx"
)

// evalFunc is an operator on its evaluated operands. The slice is valid during
// the call only.
type evalFunc func(env *Env, args []bsonx.Value) (bsonx.Value, error)

// operator is a row of the table. It has either eval with an arity, or compile.
type operator struct {
	name string
	// min and max are the number of operands; max < 0 is any number.
	min, max int
	eval     evalFunc
	// assoc is how constant operands may be brought together.
	assoc assoc
	// volatile operators are not folded although their operands are constant.
	volatile bool
	// compile is for operators with named arguments, that define variables, or
	// that do not evaluate all of their operands.
	compile func(c *call) (Expr, error)
}

// assoc is what folding may do to the operands of an operator, as MongoDB does it.
type assoc int

const (
	// apart: folded only if all operands are constant.
	apart assoc = iota
	// leftToRight: the constants at the front become one.
	leftToRight
	// neighbours: constants next to each other become one.
	neighbours
	// anyOrder: all constants become one, behind the other operands. They are
	// evaluated last then, which shows in what stops at a null.
	anyOrder
)

// operators is the table by name, made on first use. Scopes carry it, because
// the rows themselves refer to Compile.
var operators = sync.OnceValue(func() map[string]*operator {
	m := make(map[string]*operator)
	for _, family := range [][]operator{
		aggregateOperators(),
		arithmeticOperators(),
		arrayOperators(),
		bitwiseOperators(),
		booleanOperators(),
		comparisonOperators(),
		conditionalOperators(),
		dateOperators(),
		lambdaOperators(),
		miscOperators(),
		objectOperators(),
		regexOperators(),
		setOperators(),
		stringOperators(),
		trigonometryOperators(),
		typeOperators(),
		variableOperators(),
	} {
		for i := range family {
			m[family[i].name] = &family[i]
		}
	}
	return m
})

// accumulator is a row of the table of accumulators.
type accumulator struct {
	name    string
	compile func(c *call) (Accumulator, error)
}

var accumulators = sync.OnceValue(func() map[string]*accumulator {
	m := make(map[string]*accumulator)
	rows := accumulatorRows()
	for i := range rows {
		m[rows[i].name] = &rows[i]
	}
	return m
})
