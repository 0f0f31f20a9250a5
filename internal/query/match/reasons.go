package match

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// Why returns why doc does not match, as MongoDB tells it when a document fails
// the validator of its collection (errInfo.details; manual, "Schema Validation",
// "Validation Error Details"). It takes its time: it is for errors.
func (f *Filter) Why(env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	x := reasoner{env: env, o: Options{Collation: f.coll}}
	b := bsonx.NewDoc(nil)
	err := x.filter(b, f.spec, doc, false)
	return b.Done(), err
}

// reasoner writes the reasons. Where it says inverted, the condition holds, and
// that is what is wrong: it stands below a negation.
type reasoner struct {
	env *expr.Env
	o   Options
}

// clause is a condition on its own: a filter of one operator.
type clause struct {
	path, op string
	arg      bsonx.Value
	spec     bsonx.Doc
}

// clauses takes a filter apart.
func clauses(filter bsonx.Doc) []clause {
	var out []clause
	for it := bsonx.NewIter(filter); it.Next(); {
		name, v := string(it.Key()), it.Value()
		switch {
		case name == "$comment":
		case strings.HasPrefix(name, "$"):
			out = append(out, clause{op: name, arg: v, spec: single(name, v)})
		case IsOperators(v):
			out = append(out, fieldClauses(name, v.Data)...)
		case v.Type == bsonx.Regex:
			out = append(out, clause{path: name, op: "$regex", arg: v, spec: single(name, v)})
		default:
			out = append(out, clause{path: name, op: "$eq", arg: v, spec: single(name, v)})
		}
	}
	return out
}

func fieldClauses(path string, doc bsonx.Doc) []clause {
	var out []clause
	for it := bsonx.NewIter(doc); it.Next(); {
		op, v := string(it.Key()), it.Value()
		inner := single(op, v)
		switch {
		case op == "$options":
			continue
		case op == "$regex", isGeoNear(op):
			inner = doc
		}
		out = append(out, clause{path: path, op: op, arg: v, spec: single(path, bsonx.DocValue(inner))})
	}
	return out
}

func single(name string, v bsonx.Value) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Value(name, v)
	return b.Done()
}

func (x *reasoner) holds(filter bsonx.Doc, doc []byte) (bool, error) {
	f, err := Compile(filter, x.o)
	if err != nil {
		return false, err
	}
	return f.Matches(x.env, doc)
}

// filter writes about a whole filter into b.
func (x *reasoner) filter(b *bsonx.Builder, filter bsonx.Doc, doc []byte, inverted bool) error {
	all := clauses(filter)
	if len(all) == 1 {
		return x.clause(b, all[0], doc, inverted)
	}
	specs := make([]bsonx.Doc, len(all))
	for i, c := range all {
		specs[i] = c.spec
	}
	b.String("operatorName", "$and")
	return x.list(b, specs, doc, inverted)
}

// list writes about the filters that hold (inverted) or do not.
func (x *reasoner) list(b *bsonx.Builder, filters []bsonx.Doc, doc []byte, inverted bool) error {
	name := "clausesNotSatisfied"
	if inverted {
		name = "clausesSatisfied"
	}
	at := b.OpenArray(name)
	n := 0
	for i, f := range filters {
		ok, err := x.holds(f, doc)
		if err != nil {
			return err
		}
		if ok != inverted {
			continue
		}
		e := b.OpenDoc(bsonx.Index(n))
		b.Int32("index", int32(i))
		d := b.OpenDoc("details")
		if err := x.filter(b, f, doc, inverted); err != nil {
			return err
		}
		b.Close(d)
		b.Close(e)
		n++
	}
	b.Close(at)
	return nil
}

func (x *reasoner) clause(b *bsonx.Builder, c clause, doc []byte, inverted bool) error {
	b.String("operatorName", c.op)
	switch c.op {
	case "$and", "$or", "$nor":
		var filters []bsonx.Doc
		for it := bsonx.NewIter(c.arg.Data); it.Next(); {
			filters = append(filters, it.Value().Data)
		}
		return x.list(b, filters, doc, inverted != (c.op == "$nor"))
	case "$not":
		d := b.OpenDoc("details")
		err := x.filter(b, single(c.path, c.arg), doc, !inverted)
		b.Close(d)
		return err
	case "$expr":
		return x.expr(b, c, doc, inverted)
	case "$jsonSchema":
		p := schemaParser{keywords: keywords()}
		s, err := p.schema(c.arg.Data)
		if err != nil {
			return err
		}
		if inverted {
			b.String("reason", "schema matched")
			return nil
		}
		return x.schema(b, s, bsonx.DocValue(doc))
	}
	b.Doc("specifiedAs", c.spec)
	if c.path == "" {
		return nil
	}
	x.leaf(b, c, doc, inverted)
	return nil
}

func (x *reasoner) expr(b *bsonx.Builder, c clause, doc []byte, inverted bool) error {
	b.Doc("specifiedAs", c.spec)
	f, err := Compile(c.spec, x.o)
	if err != nil {
		return err
	}
	e, ok := f.root.(*Expr)
	if !ok {
		return nil
	}
	x.env.Root = bsonx.DocValue(doc)
	v, err := e.Expr.Eval(x.env)
	if err != nil {
		b.String("reason", "failed to evaluate aggregation expression")
		at := b.OpenDoc("details")
		b.Int32("code", int32(errcode.As(err).Code))
		b.String("codeName", errcode.As(err).Code.Name())
		b.String("errmsg", errcode.As(err).Message)
		b.Close(at)
		return nil
	}
	b.String("reason", pick(inverted, "expression did not match", "expression did match"))
	b.Value("expressionResult", v)
	return nil
}

func pick(inverted bool, normal, other string) string {
	if inverted {
		return other
	}
	return normal
}

// leafReasons are what is said about an operator on a field: when it does not
// hold, and when it does but should not.
func leafReasons() map[string][2]string {
	cmp := [2]string{"comparison failed", "comparison succeeded"}
	bits := [2]string{"bitwise operator failed to match", "bitwise operator matched successfully"}
	return map[string][2]string{
		"$eq": cmp, "$lt": cmp, "$lte": cmp, "$gt": cmp, "$gte": cmp,
		"$ne":            {cmp[1], cmp[0]},
		"$in":            {"no matching value found in array", "matching value found in array"},
		"$nin":           {"matching value found in array", "no matching value found in array"},
		"$exists":        {"path does not exist", "path does exist"},
		"$type":          {"type did not match", "type did match"},
		"$mod":           {"$mod did not evaluate to expected remainder", "$mod did evaluate to expected remainder"},
		"$size":          {"array length was not equal to given size", "array length was equal to given size"},
		"$all":           {"array did not contain all specified values", "array did contain all specified values"},
		"$elemMatch":     {"array did not satisfy the child predicate", "array did satisfy the child predicate"},
		"$regex":         {"regular expression did not match", "regular expression did match"},
		"$bitsAllSet":    bits,
		"$bitsAllClear":  bits,
		"$bitsAnySet":    bits,
		"$bitsAnyClear":  bits,
		"$geoWithin":     {"none of the considered geometries were contained within the expression's geometry", "at least one of the considered geometries was contained within the expression's geometry"},
		"$geoIntersects": {"none of the considered geometries intersected with the expression's geometry", "at least one of the considered geometries intersected with the expression's geometry"},
	}
}

// leaf writes the reason and the values that were looked at.
func (x *reasoner) leaf(b *bsonx.Builder, c clause, doc []byte, inverted bool) {
	mode := leafBoth
	if c.op == "$size" || c.op == "$elemMatch" {
		mode = leafArray
	}
	var seen collector
	_, _, _ = search(x.env, doc, ParsePath(c.path).Parts, &seen, mode)
	reasons := leafReasons()[c.op]
	if c.op == "$exists" {
		flip := isFalse(c.arg)
		b.String("reason", pick(inverted != flip, reasons[0], reasons[1]))
		return
	}
	if len(seen.vals) == 0 && !inverted && c.op != "$ne" && c.op != "$nin" {
		b.String("reason", "field was missing")
		return
	}
	b.String("reason", pick(inverted, reasons[0], reasons[1]))
	considered(b, seen.vals, c.op == "$type")
}

// considered writes the values, and their types if they matter.
func considered(b *bsonx.Builder, vals []bsonx.Value, types bool) {
	if len(vals) == 1 {
		b.Value("consideredValue", vals[0])
		if types {
			b.String("consideredType", bsonx.TypeName(vals[0].Type))
		}
		return
	}
	at := b.OpenArray("consideredValues")
	for i, v := range vals {
		b.Value(bsonx.Index(i), v)
	}
	b.Close(at)
	if !types {
		return
	}
	at = b.OpenArray("consideredTypes")
	n := 0
	var done [256]bool
	for _, v := range vals {
		if !done[v.Type] {
			done[v.Type] = true
			b.String(bsonx.Index(n), bsonx.TypeName(v.Type))
			n++
		}
	}
	b.Close(at)
}

// collector remembers the values that a path leads to.
type collector struct{ vals []bsonx.Value }

func (c *collector) match(*expr.Env, []byte, *details) (bool, error) { return false, nil }

func (c *collector) matchValue(_ *expr.Env, v bsonx.Value) (bool, error) {
	if v.Type != bsonx.Missing {
		c.vals = append(c.vals, v)
	}
	return false, nil
}
