package stage

import (
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// parseBucket makes a $group and a $sort of $bucket.
func parseBucket(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(40201, "Argument to $bucket stage must be an object, but found type: %s", bsonx.TypeName(arg.Type))
	}
	p := &bucketParser{pc: pc, of: bucketOf{coll: pc.Collation}}
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if err := p.option(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	return p.stages(arg)
}

type bucketParser struct {
	pc     *ParseContext
	of     bucketOf
	output bsonx.Value
	group  *groupStage
}

func (p *bucketParser) option(key string, v bsonx.Value) (err error) {
	switch key {
	case "groupBy":
		if !isExpression(v) {
			return errcode.New(40202, "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression")
		}
		p.of.by, err = expr.Compile(v, p.pc.Scope)
	case "boundaries":
		err = p.boundaries(v)
	case "default":
		e, err := expr.Compile(v, p.pc.Scope)
		if err != nil {
			return err
		}
		d, ok := expr.Constant(e)
		if !ok {
			return errcode.New(40195, "The $bucket 'default' field must be a constant expression")
		}
		p.of.def, p.of.hasDef = d, true
	case "output":
		if v.Type != bsonx.Object {
			return errcode.New(40196, "The $bucket 'output' field must be an object, but found type: %s", bsonx.TypeName(v.Type))
		}
		p.output = v
	default:
		return errcode.New(40197, "Unrecognized option to $bucket: %s", key)
	}
	return err
}

// isExpression reports whether v is "$path" or {$operator: …}.
func isExpression(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.String:
		s := bsonx.Str(v)
		return len(s) > 0 && s[0] == '$'
	case bsonx.Object:
		it := bsonx.NewIter(v.Data)
		return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$'
	}
	return false
}

func (p *bucketParser) boundaries(v bsonx.Value) error {
	if v.Type != bsonx.Array {
		return errcode.New(40200, "The $bucket 'boundaries' field must be an array, but found type: %s", bsonx.TypeName(v.Type))
	}
	var bounds []bsonx.Value
	for it := bsonx.NewIter(v.Data); it.Next(); {
		e, err := expr.Compile(it.Value(), p.pc.Scope)
		if err != nil {
			return err
		}
		c, ok := expr.Constant(e)
		if !ok {
			return errcode.New(40191, "The $bucket 'boundaries' field must be an array of constant values, but found value: %s", bsonx.TypeName(it.Value().Type))
		}
		bounds = append(bounds, c)
	}
	if len(bounds) < 2 {
		return errcode.New(40192, "The $bucket 'boundaries' field must have at least 2 values, but found %d value(s).", len(bounds))
	}
	for i := 1; i < len(bounds); i++ {
		a, b := bounds[i-1], bounds[i]
		if bsonx.Class(a.Type) != bsonx.Class(b.Type) {
			return errcode.New(40193, "All values in the 'boundaries' option to $bucket must have the same type. Found conflicting types %s and %s.", bsonx.TypeName(a.Type), bsonx.TypeName(b.Type))
		}
		if p.of.compare(a, b) >= 0 {
			return errcode.New(40194, "The 'boundaries' option to $bucket must be sorted, but elements %d and %d are not in ascending order.", i-1, i)
		}
	}
	p.of.bounds = bounds
	return nil
}

func (p *bucketParser) stages(arg bsonx.Value) ([]Stage, error) {
	b := &p.of
	if b.by == nil || b.bounds == nil {
		return nil, errcode.New(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
	}
	if b.hasDef && b.compare(b.def, b.bounds[0]) >= 0 && b.compare(b.def, b.bounds[len(b.bounds)-1]) < 0 {
		return nil, errcode.New(40199, "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.")
	}
	p.group = &groupStage{named: name("$bucket", arg), pc: p.pc, id: b}
	if err := p.group.addOutput(p.output); err != nil {
		return nil, err
	}
	order, err := CompileSort(idAscending(), p.pc.Collation)
	if err != nil {
		return nil, err
	}
	return []Stage{p.group, &sortStage{named: named{"$sort", bsonx.DocValue(order.Doc)}, order: order}}, nil
}

// addOutput adds the fields of $bucket's or $bucketAuto's output: {count: {$sum: 1}}
// if there is none.
func (s *groupStage) addOutput(output bsonx.Value) error {
	if output.Type == bsonx.Missing {
		one := bsonx.NewDoc(nil)
		one.Int32("$sum", 1)
		return s.addField("count", bsonx.DocValue(one.Done()))
	}
	for it := bsonx.NewIter(clone(output.Data)); it.Next(); {
		if string(it.Key()) == "_id" {
			return errcode.New(15948, "a group's _id may only be specified once")
		}
		if err := s.addField(string(it.Key()), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func idAscending() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("_id", 1)
	return b.Done()
}

// bucketOf is the expression that gives a document's bucket: the lower of the
// boundaries around a value, or the default.
type bucketOf struct {
	by     expr.Expr
	bounds []bsonx.Value
	def    bsonx.Value
	hasDef bool
	coll   bsonx.Collator
}

func (b *bucketOf) compare(x, y bsonx.Value) int { return bsonx.CompareWith(x, y, b.coll) }

// Eval implements expr.Expr.
func (b *bucketOf) Eval(env *expr.Env) (bsonx.Value, error) {
	v, err := b.by.Eval(env)
	if err != nil {
		return v, err
	}
	i := sort.Search(len(b.bounds), func(i int) bool { return b.compare(b.bounds[i], v) > 0 })
	if i > 0 && i < len(b.bounds) {
		return b.bounds[i-1], nil
	}
	if !b.hasDef {
		return v, errcode.New(40066, "$switch could not find a matching branch for an input, and no default was specified.")
	}
	return b.def, nil
}
