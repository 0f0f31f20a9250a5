package match

import (
	"sync"

	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// maxDepth is a limit on the nesting of a filter, which its BSON cannot reach.
const maxDepth = 2 * bsonx.MaxDepth

// compiler compiles one filter.
type compiler struct {
	Options
	need  needs
	depth int
	inner bool // within $elemMatch or another place that is not the document
	ops   map[string]fieldOp
	tops  map[string]topOp
}

// Compile compiles a filter document.
func Compile(filter bsonx.Doc, o Options) (*Filter, error) {
	c := newCompiler(o)
	n, err := c.document(filter)
	if err != nil {
		return nil, err
	}
	if err := c.need.checkPlaces(n); err != nil {
		return nil, err
	}
	return &Filter{root: n, coll: o.Collation, need: c.need, spec: filter}, nil
}

func newCompiler(o Options) *compiler {
	if o.Scope == nil {
		o.Scope = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	t := operatorTables()
	return &compiler{Options: o, ops: t.field, tops: t.top}
}

// tables are the operator tables, made at the first use: their rows refer to the
// compiler, so they cannot be initialized statically. They never change.
var tables tablesOnce

type tablesOnce struct {
	once  sync.Once
	field map[string]fieldOp
	top   map[string]topOp
}

func operatorTables() *tablesOnce {
	tables.once.Do(func() { tables.field, tables.top = fieldOps(), topOps() })
	return &tables
}

func bad(format string, args ...any) error {
	return errcode.New(errcode.BadValue, format, args...)
}

// enter counts a level of nesting; the caller calls leave.
func (c *compiler) enter() error {
	c.depth++
	if c.depth > maxDepth {
		return bad("exceeded maximum query tree depth of %d; nest the conditions less deeply", maxDepth)
	}
	return nil
}

func (c *compiler) leave() { c.depth-- }

// document compiles {field: condition, $and: […], …}.
func (c *compiler) document(doc bsonx.Doc) (Node, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	var parts []Node
	for it := bsonx.NewIter(doc); it.Next(); {
		name := string(it.Key())
		n, err := c.field(name, it.Value())
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
	}
	return and(parts), nil
}

func (c *compiler) field(name string, v bsonx.Value) (Node, error) {
	if strings.HasPrefix(name, "$") {
		top, ok := c.tops[name]
		if !ok && name == "$not" {
			return nil, bad("unknown top level operator: $not. If you are trying to negate an entire expression, use $nor.")
		}
		if !ok {
			return nil, bad("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", name)
		}
		return top(c, name, v)
	}
	if strings.Count(name, ".") >= bsonx.MaxDepth {
		return nil, errcode.New(errcode.Code(5729100), "FieldPath is too long")
	}
	return c.condition(ParsePath(name), v)
}

// condition compiles what stands for a field: operators, a regular expression
// or a value that it equals.
func (c *compiler) condition(p Path, v bsonx.Value) (Node, error) {
	if IsOperators(v) {
		parts, err := c.operators(p, v.Data)
		if err != nil {
			return nil, err
		}
		return and(parts), nil
	}
	if v.Type == bsonx.Regex {
		return regexOf(p, v)
	}
	return c.compare(p, Eq, v)
}

// IsOperators reports whether v is a document of operators: its first field
// starts with "$" and it is no DBRef.
func IsOperators(v bsonx.Value) bool { return startsWithDollar(v) && !isDBRef(v.Data) }

func startsWithDollar(v bsonx.Value) bool {
	if v.Type != bsonx.Object {
		return false
	}
	it := bsonx.NewIter(v.Data)
	return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$'
}

// isDBRef reports whether a document is a reference: it has $ref and $id.
func isDBRef(doc []byte) bool {
	return bsonx.Lookup(doc, "$ref").Type != bsonx.Missing && bsonx.Lookup(doc, "$id").Type != bsonx.Missing
}

// operators compiles {$gt: 1, $lt: 5, …} on a path.
func (c *compiler) operators(p Path, doc bsonx.Doc) ([]Node, error) {
	var parts []Node
	for it := bsonx.NewIter(doc); it.Next(); {
		name := string(it.Key())
		op, ok := c.ops[name]
		if !ok {
			if name == "$where" {
				return nil, bad("$where cannot be applied to a field")
			}
			return nil, bad("unknown operator: %s", name)
		}
		n, err := op(c, operand{Path: p, name: name, Value: it.Value(), all: doc})
		if err != nil {
			return nil, err
		}
		if n != nil {
			parts = append(parts, n)
		}
		if isGeoNear(name) { // it takes the rest of the document
			break
		}
	}
	return parts, nil
}

// and joins parts: nested ands are flattened, True is dropped, False wins.
func and(parts []Node) Node {
	flat := make([]Node, 0, len(parts))
	for _, n := range parts {
		switch n := n.(type) {
		case *True:
		case *False:
			return n
		case *And:
			flat = append(flat, n.Nodes...)
		default:
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return &True{}
	case 1:
		return flat[0]
	}
	sort.SliceStable(flat, func(i, j int) bool { return less(flat[i], flat[j]) })
	return &And{flat}
}

// less is MongoDB's order of the parts of an $and: by kind, then by path. It
// matters for "$", which the last part that went through an array decides.
func less(a, b Node) bool {
	ra, pa := rank(a)
	rb, pb := rank(b)
	if ra != rb {
		return ra < rb
	}
	return pa < pb
}

func rank(n Node) (kind int, path string) {
	switch n := n.(type) {
	case *Or:
		return 1, ""
	case *ElemMatchObject:
		return 2, n.Path.Name
	case *ElemMatchValue:
		return 3, n.Path.Name
	case *Size:
		return 4, n.Path.Name
	case *Compare:
		return 5 + opRank[n.Op], n.Path.Name
	case *Regex:
		return 10, n.Path.Name
	case *Mod:
		return 11, n.Path.Name
	case *Exists:
		return 12, n.Path.Name
	case *In:
		return 13, n.Path.Name
	case *Bits:
		return 14, n.Path.Name
	case *Not:
		_, path = rank(n.Node)
		return 15, path
	case *Nor:
		return 16, ""
	case *Type:
		return 17, n.Path.Name
	case *Geo:
		return 18, n.Path.Name
	}
	return 19, "" // of the whole document
}

var opRank = [...]int{Eq: 0, Lte: 1, Lt: 2, Gt: 3, Gte: 4}

// or joins parts: nested ors are flattened, False is dropped, True wins.
func or(parts []Node) Node {
	flat := make([]Node, 0, len(parts))
	for _, n := range parts {
		switch n := n.(type) {
		case *False:
		case *True:
			return n
		case *Or:
			flat = append(flat, n.Nodes...)
		default:
			flat = append(flat, n)
		}
	}
	switch len(flat) {
	case 0:
		return &False{}
	case 1:
		return flat[0]
	}
	return &Or{flat}
}

// not negates a node.
func not(n Node) Node {
	switch n := n.(type) {
	case *True:
		return &False{}
	case *False:
		return &True{}
	case *Not:
		return n.Node
	}
	return &Not{n}
}

// StartsWithOperator reports whether the first field of a document is an
// operator on a field's value ($gt, $in, …).
func StartsWithOperator(doc bsonx.Doc) bool {
	return operatorTables().field[firstKey(bsonx.DocValue(doc))] != nil
}
