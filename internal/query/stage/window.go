package stage

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// windowStage is $setWindowFields: fields computed over the documents around
// each one, within a partition and in an order.
type windowStage struct {
	named
	pc        *ParseContext
	partition expr.Expr // nil: one partition
	order     *SortOrder
	outputs   []windowOutput
}

type windowOutput struct {
	path []string
	fn   windowFunc
}

func windowSpec() *idl.Spec {
	return idl.New("$setWindowFields",
		idl.Field{Name: "partitionBy", Types: idl.Any},
		idl.Field{Name: "sortBy", Types: idl.Object},
		idl.Field{Name: "output", Types: idl.Object, Required: true})
}

func parseWindow(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "the $setWindowFields stage specification must be an object, found %s", bsonx.TypeName(arg.Type))
	}
	s := &windowStage{named: name("$setWindowFields", arg), pc: pc}
	var a idl.Args
	if err := windowSpec().Decode(bsonx.Doc(s.spec.Data), &a); err != nil {
		return nil, err
	}
	if err := s.parsePartition(a.Get("partitionBy")); err != nil {
		return nil, err
	}
	if a.Has("sortBy") {
		var err error
		if s.order, err = CompileSort(a.Doc("sortBy"), pc.Collation); err != nil {
			return nil, err
		}
	}
	return one(s, s.parseOutput(a.Doc("output")))
}

// parsePartition compiles partitionBy; by a constant there is one partition.
func (s *windowStage) parsePartition(v bsonx.Value) error {
	if v.Type == bsonx.Missing {
		return nil
	}
	e, err := expr.Compile(v, s.pc.Scope)
	if err != nil {
		return err
	}
	if c, ok := expr.Constant(e); ok {
		if c.Type == bsonx.Array {
			return errcode.New(errcode.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
		}
		return nil
	}
	s.partition = e
	return nil
}

func (s *windowStage) parseOutput(output bsonx.Doc) error {
	var seen []string
	for it := bsonx.NewIter(output); it.Next(); {
		field := string(it.Key())
		for _, o := range seen {
			if field == o || strings.HasPrefix(field, o+".") || strings.HasPrefix(o, field+".") {
				return errcode.New(6307900, "$setWindowFields 'output' specification contains two conflicting paths")
			}
		}
		seen = append(seen, field)
		if it.Value().Type != bsonx.Object {
			return errcode.New(errcode.FailedToParse, "The field '%s' must be an object", field)
		}
		path, err := expr.SplitPath(field)
		if err != nil {
			return err
		}
		fn, err := parseWindowFunc(it.Value().Data, s.order, s.pc)
		if err != nil {
			return err
		}
		s.outputs = append(s.outputs, windowOutput{path, fn})
	}
	return nil
}

func (s *windowStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	it := &windowIter{s: s, oc: oc, in: in, env: oc.env(s.pc)}
	if s.partition != nil || s.order != nil {
		it.in = s.sorted(oc, in)
	}
	ar, err := newArith("$add", "$subtract", "$multiply", "$divide")
	it.p = &partition{s: s, env: oc.env(s.pc), query: oc.Query, ar: ar,
		rows: &rowStore{mem: oc.Memory.of(oc.Memory.Window), stage: "$setWindowFields"}}
	if ar != nil {
		it.p.arEnv = ar.env(oc.Query)
	}
	return it, err
}

// sorted orders the rows by partition, then by sortBy.
func (s *windowStage) sorted(oc *OpenContext, in exec.Iterator) exec.Iterator {
	env := oc.env(s.pc)
	return sortBy(oc, in, "$setWindowFields", func(dst []byte, r exec.Row) ([]byte, error) {
		var err error
		if s.partition != nil {
			if dst, err = s.partitionKey(dst, env, r); err != nil {
				return dst, err
			}
		}
		if s.order != nil {
			dst, err = s.order.AppendKey(dst, r)
		}
		return dst, err
	})
}

// partitionKey appends the key of a row's partition; missing counts as null.
func (s *windowStage) partitionKey(dst []byte, env *expr.Env, r exec.Row) ([]byte, error) {
	at(env, r)
	v, err := s.partition.Eval(env)
	if err != nil {
		return dst, err
	}
	if v.Type == bsonx.Array {
		return dst, errcode.New(errcode.TypeMismatch, "Cannot 'partitionBy' an expression of type array")
	}
	return appendSortValue(dst, v, false, s.pc.Collation), nil
}

// setThrough appends doc's fields with a value set as $addFields does it: an array
// on the way is gone through, a missing value removes the field.
func setThrough(b *bsonx.Builder, doc []byte, path []string, v bsonx.Value) {
	found := false
	for it := bsonx.NewIter(doc); it.Next(); {
		if found || string(it.Key()) != path[0] {
			b.Element(it.Element())
			continue
		}
		found = true
		setWithin(b, path[0], it.Value(), path[1:], v)
	}
	if !found {
		setWithin(b, path[0], bsonx.Value{}, path[1:], v)
	}
}

func setWithin(b *bsonx.Builder, key string, old bsonx.Value, rest []string, v bsonx.Value) {
	if len(rest) == 0 {
		b.Value(key, v)
		return
	}
	if old.Type == bsonx.Array {
		at, n := b.OpenArray(key), 0
		for it := bsonx.NewIter(old.Data); it.Next(); n++ {
			setWithin(b, bsonx.Index(n), it.Value(), rest, v)
		}
		b.Close(at)
		return
	}
	if old.Type != bsonx.Object {
		old.Data = bsonx.EmptyDoc
	}
	at := b.OpenDoc(key)
	setThrough(b, old.Data, rest, v)
	b.Close(at)
}

// modifies reports whether the stage writes a path, a part of it or around it.
func (s *windowStage) modifies(path []string) bool {
	return slices.ContainsFunc(s.outputs, func(o windowOutput) bool { return overlap(o.path, path) })
}

// overlap reports whether one path is the other or leads to it.
func overlap(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}
