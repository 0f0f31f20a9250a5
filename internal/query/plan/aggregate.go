package plan

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// exprPreds lists the comparisons of a field with a value that is known before
// the documents are: those of $expr, alone or under an $and. The bounds that they
// give are never exact, so that $expr itself decides.
func (p *planner) exprPreds() []pred {
	var out []pred
	for _, n := range p.nodes {
		if e, ok := n.(*match.Expr); ok {
			out = p.appendExpr(out, e.Expr, 0)
		}
	}
	return out
}

func (p *planner) appendExpr(out []pred, e expr.Expr, depth int) []pred {
	if depth > bsonx.MaxDepth {
		return out
	}
	if operands, or, ok := expr.Logic(e); ok {
		for _, o := range operands {
			if !or {
				out = p.appendExpr(out, o, depth+1)
			}
		}
		return out
	}
	name, a, b, ok := expr.Comparison(e)
	if !ok {
		return out
	}
	op, known := exprOps[name]
	path, isPath := expr.FieldPath(a)
	v, isValue := expr.Known(b, p.q.Vars)
	if !isPath || !isValue {
		path, isPath = expr.FieldPath(b)
		v, isValue = expr.Known(a, p.q.Vars)
		op = mirrored[op]
	}
	if !known || !isPath || !isValue || len(path) == 0 {
		return out
	}
	for _, name := range path {
		if _, number := bsonx.ArrayIndex(name); number {
			return out // an array's position to an index, never to an expression
		}
	}
	switch v.Type {
	case bsonx.Missing, bsonx.Null, bsonx.Undefined, bsonx.MinKey, bsonx.MaxKey, bsonx.Array:
		return out // a missing field's key is null's
	}
	return append(out, pred{path: strings.Join(path, "."), node: &match.Compare{Op: op, Value: v}, agg: true})
}

var exprOps = map[string]match.Op{"$eq": match.Eq, "$lt": match.Lt, "$lte": match.Lte, "$gt": match.Gt, "$gte": match.Gte}

// mirrored are the operators with their operands exchanged.
var mirrored = map[match.Op]match.Op{match.Eq: match.Eq, match.Lt: match.Gt, match.Lte: match.Gte, match.Gt: match.Lt, match.Gte: match.Lte}

// aggregate returns the bounds of such a comparison: in the order of all values,
// where a filter's comparison stays within the types of its operand. An array is
// compared as a whole, so that a field with arrays has no bounds.
func (b *builder) aggregate(n match.Node) (bound, bool) {
	c, ok := n.(*match.Compare)
	if !ok || b.multikey || hasString(c.Value) && !b.sameColl {
		return bound{}, false
	}
	v := b.key(c.Value)
	r := Interval{minKey, maxKey, true, true}
	switch c.Op {
	case match.Eq:
		r = point(v)
	case match.Lt, match.Lte:
		r.Hi, r.HiIn = v, c.Op == match.Lte
	default:
		r.Lo, r.LoIn = v, c.Op == match.Gte
	}
	return bound{iv: Intervals{r}}, true
}

// needs reports whether only documents that have the field meet the condition.
func (q pred) needs() bool {
	if c, ok := q.node.(*match.Compare); ok && q.agg {
		return c.Op != match.Lt && c.Op != match.Lte // a missing field is below all others
	}
	return needsField(q.node)
}

// ofFilters leaves out the comparisons of $expr.
func ofFilters(ps []pred) []pred {
	for i, q := range ps {
		if q.agg {
			return ps[:i:i] // they are the last
		}
	}
	return ps
}
