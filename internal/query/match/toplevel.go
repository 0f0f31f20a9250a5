package match

import (
	"math/rand/v2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// topOp compiles an operator that stands in the place of a field.
type topOp func(c *compiler, name string, v bsonx.Value) (Node, error)

func topOps() map[string]topOp {
	return map[string]topOp{
		"$and":         logical,
		"$or":          logical,
		"$nor":         logical,
		"$expr":        expression,
		"$jsonSchema":  jsonSchema,
		"$text":        text,
		"$where":       where,
		"$comment":     comment,
		"$alwaysTrue":  always,
		"$alwaysFalse": always,
		"$sampleRate":  sampleRate,
		"$ref":         reference,
		"$id":          reference,
		"$db":          reference,
	}
}

func logical(c *compiler, name string, v bsonx.Value) (Node, error) {
	if v.Type != bsonx.Array {
		return nil, bad("%s argument must be an array", name)
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	var parts []Node
	n := 0
	for it := bsonx.NewIter(v.Data); it.Next(); n++ {
		if it.Value().Type != bsonx.Object {
			return nil, bad("%s argument's entries must be objects", name)
		}
		p, err := c.document(it.Value().Data)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if n == 0 {
		return nil, bad("%s argument must be a non-empty array", name)
	}
	switch name {
	case "$and":
		return and(parts), nil
	case "$or":
		return or(parts), nil
	}
	switch o := or(parts).(type) {
	case *True, *False:
		return not(o), nil
	case *Or:
		return &Nor{o.Nodes}, nil
	default:
		return &Nor{[]Node{o}}, nil
	}
}

func expression(c *compiler, name string, v bsonx.Value) (Node, error) {
	if c.inner {
		return nil, bad("$expr can only be applied to the top-level document")
	}
	if c.NoExpr != nil {
		return nil, c.NoExpr
	}
	e, err := expr.Compile(v, c.Scope)
	if err != nil {
		return nil, err
	}
	c.need.expr = true
	n := &Expr{Expr: e, Spec: v}
	if c.Collation != nil {
		n.bytes, err = inByBytes(c, v)
	}
	return n, err
}

// inByBytes is the condition that MongoDB derives from {$in: ["$path", [constants]]}
// at the top of $expr: it compares strings byte by byte, whatever the collation.
// Nil for another expression.
func inByBytes(c *compiler, v bsonx.Value) (Node, error) {
	list := bsonx.Lookup(v.Data, "$in")
	if v.Type != bsonx.Object || bsonx.Len(v.Data) != 1 || list.Type != bsonx.Array {
		return nil, nil
	}
	args := bsonx.Values(nil, list.Data)
	if len(args) != 2 || args[0].Type != bsonx.String || args[1].Type != bsonx.Array {
		return nil, nil
	}
	path := string(bsonx.Str(args[0]))
	if len(path) < 2 || path[0] != '$' || path[1] == '$' {
		return nil, nil
	}
	for it := bsonx.NewIter(args[1].Data); it.Next(); {
		switch e := it.Value(); e.Type {
		case bsonx.Object, bsonx.Array, bsonx.Regex, bsonx.Undefined:
			return nil, nil
		case bsonx.String:
			if s := bsonx.Str(e); len(s) > 0 && s[0] == '$' {
				return nil, nil
			}
		}
	}
	plain := *c
	plain.Collation = nil
	return in(&plain, operand{name: "$in", Path: ParsePath(path[1:]), Value: args[1]})
}

func where(c *compiler, name string, v bsonx.Value) (Node, error) {
	if c.NoWhere != nil {
		return nil, c.NoWhere
	}
	if c.inner {
		return nil, bad("$where can only be applied to the top-level document")
	}
	switch v.Type {
	case bsonx.String, bsonx.JavaScript, bsonx.JavaScriptWithScope:
	default:
		return nil, bad("$where got bad type")
	}
	if !c.Scope.JavaScript() {
		return nil, errWhere()
	}
	code, _ := expr.IsCode(v)
	c.need.where = true
	return &Where{Code: code}, nil
}

func errWhere() error {
	return bad("no globalScriptEngine in $where parsing: server-side JavaScript is off")
}

func comment(*compiler, string, bsonx.Value) (Node, error) { return &True{}, nil }

// always is {$alwaysTrue: 1} or {$alwaysFalse: 1}.
func always(c *compiler, name string, v bsonx.Value) (Node, error) {
	n, err := integer(v)
	if err != nil {
		return nil, err
	}
	if n != 1 {
		return nil, errcode.New(errcode.FailedToParse, "%s must be an integer value of 1", name)
	}
	if name == "$alwaysTrue" {
		return &True{}, nil
	}
	return &False{}, nil
}

func sampleRate(c *compiler, _ string, v bsonx.Value) (Node, error) {
	if c.inner {
		return nil, bad("$sampleRate can only be applied to the top-level document")
	}
	if !bsonx.IsNumber(v) {
		return nil, bad("argument to $sampleRate must be a numeric type")
	}
	rate := Float(v)
	if !(rate >= 0 && rate <= 1) {
		return nil, bad("numeric argument to $sampleRate must be in [0, 1]")
	}
	switch rate {
	case 0:
		return &False{}, nil
	case 1:
		return &True{}, nil
	}
	return &Sample{Rate: rate}, nil
}

func (n *Sample) match(*expr.Env, []byte, *details) (bool, error) {
	return rand.Float64() < n.Rate, nil
}

// reference compares a field of a DBRef, of which the document (within
// $elemMatch, say) is one.
func reference(c *compiler, name string, v bsonx.Value) (Node, error) {
	return c.compare(ParsePath(name), Eq, v)
}

func text(c *compiler, name string, v bsonx.Value) (Node, error) {
	if c.inner {
		return nil, bad("$text can only be applied to the top-level document")
	}
	if c.NoText != nil {
		return nil, c.NoText
	}
	if v.Type != bsonx.Object {
		return nil, bad("$text expects an object")
	}
	t := &Text{}
	fields := map[string]struct {
		typ bsonx.Type
		set func(v bsonx.Value)
	}{
		"$search":             {bsonx.String, func(v bsonx.Value) { t.Search = string(bsonx.Str(v)) }},
		"$language":           {bsonx.String, func(v bsonx.Value) { t.Language = string(bsonx.Str(v)) }},
		"$caseSensitive":      {bsonx.Bool, func(v bsonx.Value) { t.CaseSensitive = bsonx.Truthy(v) }},
		"$diacriticSensitive": {bsonx.Bool, func(v bsonx.Value) { t.DiacriticSensitive = bsonx.Truthy(v) }},
	}
	for _, f := range []string{"$search", "$language", "$caseSensitive", "$diacriticSensitive"} {
		fv := bsonx.Lookup(v.Data, f)
		if fv.Type == bsonx.Missing {
			if f == "$search" {
				return nil, errcode.New(errcode.NoSuchKey, "Missing expected field \"$search\"")
			}
			continue
		}
		if fv.Type != fields[f].typ {
			return nil, errcode.New(errcode.TypeMismatch, "\"%s\" had the wrong type. Expected %s, found %s",
				f, bsonx.TypeName(fields[f].typ), bsonx.TypeName(fv.Type))
		}
		fields[f].set(fv)
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if _, ok := fields[string(it.Key())]; !ok {
			return nil, bad("extra fields in $text: %s", it.Key())
		}
	}
	if c.need.text != nil {
		return nil, bad("Too many text expressions")
	}
	c.need.text = t
	return t, nil
}
