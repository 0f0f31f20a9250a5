package match

import (
	"math"
	"unsafe"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// onPath matches a condition on a path against a document.
func onPath(env *expr.Env, doc []byte, path []Part, n Node, mode leafMode, d *details) (bool, error) {
	ok, at, err := search(env, doc, path, n, mode)
	if d != nil && ok && at >= 0 {
		d.pos = at
	}
	return ok, err
}

func (n *And) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	for _, c := range n.Nodes {
		if ok, err := c.match(env, doc, d); !ok || err != nil {
			if d != nil {
				d.pos = -1
			}
			return false, err
		}
	}
	return true, nil
}

func (n *And) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, c := range n.Nodes {
		if ok, err := c.matchValue(env, v); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n *Or) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	for _, c := range n.Nodes {
		if ok, err := c.match(env, doc, d); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n *Or) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	for _, c := range n.Nodes {
		if ok, err := c.matchValue(env, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// A negation gives no position for "$".

func (n *Nor) match(env *expr.Env, doc []byte, _ *details) (bool, error) {
	ok, err := (*Or)(n).match(env, doc, nil)
	return !ok && err == nil, err
}

func (n *Nor) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	ok, err := (*Or)(n).matchValue(env, v)
	return !ok && err == nil, err
}

func (n *Not) match(env *expr.Env, doc []byte, _ *details) (bool, error) {
	ok, err := n.Node.match(env, doc, nil)
	return !ok && err == nil, err
}

func (n *Not) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	ok, err := n.Node.matchValue(env, v)
	return !ok && err == nil, err
}

func (*True) match(*expr.Env, []byte, *details) (bool, error)  { return true, nil }
func (*True) matchValue(*expr.Env, bsonx.Value) (bool, error)  { return true, nil }
func (*False) match(*expr.Env, []byte, *details) (bool, error) { return false, nil }
func (*False) matchValue(*expr.Env, bsonx.Value) (bool, error) { return false, nil }

// A $text was decided by who found the document in the text index. In a $or, a
// document that was found otherwise has metadata without a score.
func (*Text) match(env *expr.Env, _ []byte, _ *details) (bool, error) {
	return env == nil || env.Meta == nil || !bsonx.IsMissing(env.Meta.TextScore), nil
}
func (*Text) matchValue(*expr.Env, bsonx.Value) (bool, error)   { return true, nil }
func (*Where) matchValue(*expr.Env, bsonx.Value) (bool, error)  { return false, nil }
func (*Expr) matchValue(*expr.Env, bsonx.Value) (bool, error)   { return false, nil }
func (*Sample) matchValue(*expr.Env, bsonx.Value) (bool, error) { return false, nil }

func (n *Compare) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

// matchValue: values of another class of types do not match, but null is equal
// to a field that is not there, and MinKey and MaxKey are below and above all.
// NaN is equal to NaN and not below or above anything.
func (n *Compare) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	c, ok := n.compare(v)
	if !ok {
		return false, nil
	}
	switch n.Op {
	case Eq:
		return c == 0, nil
	case Lt:
		return c < 0, nil
	case Lte:
		return c <= 0, nil
	case Gt:
		return c > 0, nil
	}
	return c >= 0, nil
}

// compare orders v against the operand; ok is false when no comparison is true
// of the two.
func (n *Compare) compare(v bsonx.Value) (c int, ok bool) {
	a, b := v.Type, n.Value.Type
	if a == b && a == bsonx.Int32 {
		return cmpInt32(bsonx.I32(v), bsonx.I32(n.Value)), true
	}
	if bsonx.Class(a) != bsonx.Class(b) {
		switch {
		case a == bsonx.Missing && b == bsonx.Null:
			return 0, true
		case b == bsonx.MaxKey:
			return -1, n.Op != Eq
		case b == bsonx.MinKey:
			return 1, n.Op != Eq
		}
		return 0, false
	}
	if a == bsonx.Undefined && b == bsonx.Null {
		return 0, false
	}
	if nan := isNaN(v); nan || isNaN(n.Value) {
		return 0, nan && isNaN(n.Value) && n.Op != Lt && n.Op != Gt
	}
	return bsonx.CompareWith(v, n.Value, n.coll), true
}

func cmpInt32(a, b int32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func isNaN(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		return math.IsNaN(bsonx.F64(v))
	case bsonx.Decimal128:
		return bsonx.DecimalIsNaN(v)
	}
	return false
}

func (n *In) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *In) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	switch v.Type {
	case bsonx.Missing, bsonx.Null:
		return n.hasNull, nil
	case bsonx.Undefined:
		return false, nil
	}
	lo, hi := 0, len(n.Values)
	for lo < hi {
		mid := (lo + hi) / 2
		c := bsonx.CompareWith(n.Values[mid], v, n.coll)
		if c == 0 {
			return true, nil
		}
		if c < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for _, r := range n.Regexes {
		if ok, err := r.matchValue(env, v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n *Exists) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *Exists) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	return v.Type != bsonx.Missing, nil
}

func (n *Type) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *Type) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	return v.Type != bsonx.Missing && n.set[v.Type], nil
}

func (n *Mod) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *Mod) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	i, ok := wholePart(v)
	if !ok {
		return false, nil
	}
	if n.Div == -1 { // MinInt64 % -1 overflows
		return n.Rest == 0, nil
	}
	return i%n.Div == n.Rest, nil
}

// wholePart cuts off a number's fraction; ok is false when the rest does not
// fit into a long.
func wholePart(v bsonx.Value) (i int64, ok bool) {
	switch v.Type {
	case bsonx.Double:
		return bsonx.IntegralOK(bsonx.DoubleValue(math.Trunc(bsonx.F64(v))))
	case bsonx.Decimal128:
		return truncDecimal(v)
	}
	return bsonx.IntegralOK(v)
}

func (n *Size) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafArray, d)
}

func (n *Size) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	return v.Type == bsonx.Array && int64(bsonx.Len(v.Data)) == n.Len, nil
}

func (n *ElemMatchObject) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	ok, err := onPath(env, doc, n.Path.Parts, n, leafArray, d)
	if ok && err == nil && d != nil {
		err = elemPosition(env, doc, n.Path.Parts, n, d)
	}
	return ok, err
}

func (n *ElemMatchObject) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	at, err := n.find(env, v)
	return at >= 0, err
}

// find returns the index of the first element that matches, or -1. An array
// within the array is matched as a document with the fields "0", "1", ….
func (n *ElemMatchObject) find(env *expr.Env, v bsonx.Value) (int, error) {
	if v.Type != bsonx.Array {
		return -1, nil
	}
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		e := it.Value()
		if e.Type != bsonx.Object && e.Type != bsonx.Array {
			continue
		}
		if ok, err := n.Node.match(env, e.Data, nil); ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

func (n *ElemMatchValue) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	ok, err := onPath(env, doc, n.Path.Parts, n, leafArray, d)
	if ok && err == nil && d != nil {
		err = elemPosition(env, doc, n.Path.Parts, n, d)
	}
	return ok, err
}

func (n *ElemMatchValue) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	at, err := n.find(env, v)
	return at >= 0, err
}

func (n *ElemMatchValue) find(env *expr.Env, v bsonx.Value) (int, error) {
	if v.Type != bsonx.Array {
		return -1, nil
	}
	i := 0
	for it := bsonx.NewIter(v.Data); it.Next(); i++ {
		ok, err := (&And{n.Nodes}).matchValue(env, it.Value())
		if ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

// finder is a condition on an array's elements.
type finder interface {
	Node
	find(env *expr.Env, v bsonx.Value) (int, error)
}

// elemPosition records the element that $elemMatch matched, unless the path to
// its array went through another array: the outermost one counts.
func elemPosition(env *expr.Env, doc []byte, path []Part, n finder, d *details) error {
	p := positioner{finder: n, at: -1}
	_, outer, err := search(env, doc, path, &p, leafArray)
	if outer < 0 && p.at >= 0 {
		d.pos = p.at
	}
	return err
}

// positioner remembers where its condition matched.
type positioner struct {
	finder
	at int
}

func (p *positioner) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	at, err := p.find(env, v)
	p.at = at
	return at >= 0, err
}

func (n *Regex) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

// matchValue: a regular expression matches strings, symbols and the same
// regular expression.
func (n *Regex) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	switch v.Type {
	case bsonx.String, bsonx.Symbol:
		b := bsonx.Str(v)
		return n.re.Match(unsafe.String(unsafe.SliceData(b), len(b))) // not kept: no copy is needed
	case bsonx.Regex:
		p, f, ok := v.RegexOK()
		return ok && p == n.Pattern && f == n.Flags, nil
	}
	return false, nil
}

func (n *Bits) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *Bits) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	return n.mask.test(v, n.All, n.Set), nil
}

func (n *Geo) match(env *expr.Env, doc []byte, d *details) (bool, error) {
	return onPath(env, doc, n.Path.Parts, n, leafBoth, d)
}

func (n *Geo) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	if n.test == nil || v.Type != bsonx.Object && v.Type != bsonx.Array {
		return n.test == nil, nil
	}
	return n.test.Test(v)
}

func (n *Expr) match(env *expr.Env, doc []byte, _ *details) (bool, error) {
	env.Root = bsonx.DocValue(doc)
	v, err := n.Expr.Eval(env)
	if err != nil || !bsonx.Truthy(v) {
		return false, err
	}
	if n.bytes != nil {
		return n.bytes.match(env, doc, nil)
	}
	return true, nil
}

// match calls the function with the document as "this" and "obj"; what it returns
// counts as it does in JavaScript.
func (n *Where) match(env *expr.Env, doc []byte, _ *details) (bool, error) {
	js, err := env.Script()
	if err != nil {
		return false, err
	}
	v, err := js.Call(n.Code, bsonx.DocValue(doc), nil)
	switch v.Type {
	case bsonx.Missing, bsonx.Undefined, bsonx.Null:
		return false, err
	case bsonx.Bool:
		return v.Data[0] != 0, err
	case bsonx.Double:
		f := bsonx.F64(v)
		return f != 0 && f == f, err
	case bsonx.String:
		return len(bsonx.Str(v)) > 0, err
	}
	return true, err
}

func (n *Schema) match(env *expr.Env, doc []byte, _ *details) (bool, error) {
	return n.schema.match(env, bsonx.DocValue(doc))
}

func (n *Schema) matchValue(env *expr.Env, v bsonx.Value) (bool, error) {
	return n.schema.match(env, v)
}
