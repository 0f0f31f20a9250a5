package update

import (
	"strings"
	"sync"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// parser compiles a document of operators.
type parser struct {
	u    *Update
	used map[string]bool // array filters
}

// parseOperand compiles what an operator does to one field.
type parseOperand func(p *parser, path string, v bsonx.Value) (operator, error)

// operators are the update operators. The rows refer to nothing that refers back
// here, and the table never changes.
var operators = sync.OnceValue(func() map[string]parseOperand {
	return map[string]parseOperand{
		"$set":         parseSet,
		"$setOnInsert": parseSetOnInsert,
		"$unset":       parseUnset,
		"$inc":         parseInc,
		"$mul":         parseMul,
		"$min":         parseMin,
		"$max":         parseMax,
		"$bit":         parseBit,
		"$currentDate": parseCurrentDate,
		"$push":        parsePush,
		"$addToSet":    parseAddToSet,
		"$pop":         parsePop,
		"$pull":        parsePull,
		"$pullAll":     parsePullAll,
	}
})

func compileOperators(doc bsonx.Doc, o Options) (*Update, error) {
	u := &Update{root: &node{}, coll: o.Collation}
	var err error
	if u.filters, err = compileFilters(o.ArrayFilters, o.Collation); err != nil {
		return nil, err
	}
	p := parser{u: u, used: map[string]bool{}}
	ops := operators()
	for it := bsonx.NewIter(doc); it.Next(); {
		name, arg := string(it.Key()), it.Value()
		parse := ops[name]
		if parse == nil && name != "$rename" {
			return nil, failed("Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", name)
		}
		if arg.Type != bsonx.Object {
			return nil, failed("Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: %s}",
				bsonx.TypeName(arg.Type), name, show(arg))
		}
		for f := bsonx.NewIter(arg.Data); f.Next(); {
			if err := p.field(parse, string(f.Key()), f.Value()); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range u.filters {
		if !p.used[f.id] {
			return nil, failed("The array filter for identifier '%s' was not used in the update %s", f.id, show(bsonx.DocValue(doc)))
		}
	}
	return u, nil
}

func (p *parser) field(parse parseOperand, path string, v bsonx.Value) error {
	if parse == nil {
		return p.rename(path, v)
	}
	parts, err := p.path(path)
	if err != nil {
		return err
	}
	op, err := parse(p, path, v)
	if err != nil {
		return err
	}
	return p.u.root.insert(parts, op)
}

// path splits a path and checks its components.
func (p *parser) path(path string) ([]string, error) {
	if path == "" {
		return nil, errcode.New(errcode.EmptyFieldName, "An empty update path is not valid.")
	}
	parts := strings.Split(path, ".")
	if len(parts) > 255 {
		return nil, errcode.New(errcode.Overflow, "the update path has more than 255 components")
	}
	positional := 0
	for i, s := range parts {
		if s == "" {
			return nil, errcode.New(errcode.EmptyFieldName, "The update path '%s' contains an empty field name, which is not allowed.", path)
		}
		id, elements := isArrayPart(s)
		switch {
		case s == "$":
			if i == 0 {
				return nil, bad("Cannot have positional (i.e. '$') element in the first position in path '%s'", path)
			}
			positional++
			p.u.position = true
		case elements:
			if i == 0 {
				return nil, bad("Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path '%s'", path)
			}
			if err := p.identifier(id, path); err != nil {
				return nil, err
			}
		}
	}
	if positional > 1 {
		return nil, bad("Too many positional (i.e. '$') elements found in path '%s'", path)
	}
	return parts, nil
}

func (p *parser) identifier(id, path string) error {
	if id == "" {
		return nil
	}
	for _, f := range p.u.filters {
		if f.id == id {
			p.used[id] = true
			return nil
		}
	}
	return bad("No array filter found for identifier '%s' in path '%s'", id, path)
}

func dynamic(parts []string) bool {
	for _, s := range parts {
		if _, ok := isArrayPart(s); ok || s == "$" {
			return true
		}
	}
	return false
}

// rename is {from: to}: two places of the tree.
func (p *parser) rename(from string, v bsonx.Value) error {
	if v.Type != bsonx.String {
		return bad("The 'to' field for $rename must be a string: %s: %s", from, show(v))
	}
	to := string(bsonx.Str(v))
	if strings.IndexByte(to, 0) >= 0 {
		return errcode.New(errcode.Code(9867600), "The 'to' field for $rename cannot contain an embedded null byte")
	}
	src, err := p.path(from)
	if err != nil {
		return err
	}
	dst, err := p.path(to)
	if err != nil {
		return err
	}
	switch {
	case dynamic(src):
		return bad("The source field for $rename may not be dynamic: %s", from)
	case dynamic(dst):
		return bad("The destination field for $rename may not be dynamic: %s", to)
	case from == to:
		return bad("The source and target field for $rename must differ: %s: \"%s\"", from, to)
	case strings.HasPrefix(from, to+".") || strings.HasPrefix(to, from+"."):
		return bad("The source and target field for $rename must not be on the same path: %s: \"%s\"", from, to)
	}
	if err := p.u.root.insert(dst, &renameTo{from: src}); err != nil {
		return err
	}
	return p.u.root.insert(src, &renameFrom{})
}
