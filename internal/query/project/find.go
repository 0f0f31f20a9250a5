package project

import (
	"math"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// post is a step after the projection proper.
type post interface {
	// apply changes out, which was projected from doc.
	apply(env *expr.Env, doc, out bsonx.Doc) (bsonx.Doc, error)
}

// elemMatchField is {a: {$elemMatch: …}}: the first element that matches.
func (p *parser) elemMatchField(path []string, arg bsonx.Value) error {
	switch {
	case arg.Type != bsonx.Object:
		return errcode.New(errcode.Code(31274), "elemMatch: Invalid argument, object required, but got %s", bsonx.TypeName(arg.Type))
	case p.position:
		return errcode.New(errcode.Code(31255), "Cannot specify positional operator and $elemMatch.")
	case len(path) != 1:
		return errcode.New(errcode.Code(31275), "Cannot use $elemMatch projection on a nested field.")
	}
	m, err := match.CompileElemMatch(arg, p.matchOptions())
	if err != nil {
		return err
	}
	p.elemMatch = true
	return p.root.add(path, field{kind: compute, expr: &elemMatchExpr{name: path[0], match: m}})
}

type elemMatchExpr struct {
	name  string
	match *match.ElemMatch
}

// Eval returns [element], or missing when none matches.
func (e *elemMatchExpr) Eval(env *expr.Env) (bsonx.Value, error) {
	v := bsonx.Lookup(env.Root.Data, e.name)
	if v.Type != bsonx.Array {
		return bsonx.Value{}, nil
	}
	i, err := e.match.Find(env, v)
	if err != nil || i < 0 {
		return bsonx.Value{}, err
	}
	return env.Arena.Array([]bsonx.Value{bsonx.LookupIndex(v.Data, i)}), nil
}

// slice is find's $slice on a path.
type slice struct {
	path        []string
	hasSkip     bool
	skip, limit int
}

// findSlice parses the argument of find's own $slice; anything else is taken
// for the aggregation operator.
func findSlice(arg bsonx.Value) (slice, bool) {
	if bsonx.IsNumber(arg) {
		return slice{limit: clampInt(arg)}, true
	}
	if arg.Type != bsonx.Array {
		return slice{}, false
	}
	vals := bsonx.Values(nil, arg.Data)
	if len(vals) != 2 || !bsonx.IsNumber(vals[0]) || !bsonx.IsNumber(vals[1]) {
		return slice{}, false
	}
	s := slice{hasSkip: true, skip: clampInt(vals[0]), limit: clampInt(vals[1])}
	return s, s.limit > 0
}

// clampInt returns the whole part of a number within 32 bits; NaN is 0.
func clampInt(v bsonx.Value) int {
	f := match.Float(v)
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	}
	return int(f)
}

func (p *parser) sliceField(path []string, s slice) error {
	s.path = path
	p.slices = true
	p.post = append(p.post, &s)
	return p.root.add(path, field{kind: keep})
}

func (s *slice) apply(_ *expr.Env, _, out bsonx.Doc) (bsonx.Doc, error) {
	b := bsonx.NewDoc(make([]byte, 0, len(out)))
	s.document(b, out, s.path)
	return b.Done(), nil
}

func (s *slice) document(b *bsonx.Builder, doc []byte, path []string) {
	for it := bsonx.NewIter(doc); it.Next(); {
		v := it.Value()
		if string(it.Key()) != path[0] || v.Type != bsonx.Object && v.Type != bsonx.Array {
			b.Element(it.Element())
			continue
		}
		s.value(b, path[0], v, path[1:])
	}
}

// value: a path goes through arrays to their documents, not to arrays in them.
func (s *slice) value(b *bsonx.Builder, name string, v bsonx.Value, path []string) {
	switch {
	case v.Type == bsonx.Array && len(path) == 0:
		at := b.OpenArray(name)
		from, to := s.bounds(bsonx.Len(v.Data))
		i := 0
		for it := bsonx.NewIter(v.Data); it.Next(); i++ {
			if i >= from && i < to {
				b.Value(bsonx.Index(i-from), it.Value())
			}
		}
		b.Close(at)
	case v.Type == bsonx.Object && len(path) > 0:
		at := b.OpenDoc(name)
		s.document(b, v.Data, path)
		b.Close(at)
	case v.Type == bsonx.Array:
		at := b.OpenArray(name)
		i := 0
		for it := bsonx.NewIter(v.Data); it.Next(); i++ {
			if e := it.Value(); e.Type == bsonx.Object {
				s.value(b, bsonx.Index(i), e, path)
			} else {
				b.Value(bsonx.Index(i), e)
			}
		}
		b.Close(at)
	default:
		b.Value(name, v)
	}
}

// bounds returns the part of n elements that is kept.
func (s *slice) bounds(n int) (from, to int) {
	switch {
	case !s.hasSkip && s.limit >= 0:
		return 0, min(s.limit, n)
	case !s.hasSkip:
		return max(0, n+s.limit), n
	case s.skip >= 0:
		from = min(s.skip, n)
	default:
		from = max(0, n+s.skip)
	}
	return from, min(n, from+s.limit)
}

// positionalField is {"a.$": 1}: the element that the filter matched.
func (p *parser) positionalField(prefix []string, name string) error {
	switch {
	case p.position:
		return errcode.New(errcode.Code(31276), "Cannot specify more than one positional projection per query.")
	case p.elemMatch:
		return errcode.New(errcode.Code(31256), "Cannot specify positional operator and $elemMatch.")
	case p.Filter == nil:
		return errcode.New(errcode.Code(51050), "Projections with a positional operator require a matcher")
	case name == ".$":
		return errcode.New(errcode.Code(5392900), "Projection on field .$ is invalid")
	}
	path, err := p.path(prefix, strings.TrimSuffix(name, ".$"))
	if err != nil {
		return err
	}
	if err := p.Filter.Plain(); err != nil {
		return err
	}
	p.position = true
	p.post = append([]post{&positional{path: path, filter: p.Filter}}, p.post...)
	if err := p.root.add(path, field{kind: keep}); err != nil {
		return err
	}
	return p.setIncluding(name)
}

type positional struct {
	path   []string
	filter *match.Filter
}

// apply cuts the first array on the path down to the element that the filter
// matched in the stored document.
func (p *positional) apply(env *expr.Env, doc, out bsonx.Doc) (bsonx.Doc, error) {
	v := bsonx.DocValue(out)
	depth := 0
	for _, name := range p.path {
		if v.Type != bsonx.Object {
			break
		}
		v = bsonx.Lookup(v.Data, name)
		depth++
	}
	if v.Type != bsonx.Array {
		return out, nil
	}
	_, pos, err := p.filter.MatchesAt(env, doc)
	if err != nil {
		return nil, err
	}
	if len(pos) == 0 {
		return nil, errcode.New(errcode.Code(51246), "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array")
	}
	e := bsonx.LookupIndex(v.Data, pos[0])
	if e.Type == bsonx.Missing {
		return nil, errcode.New(errcode.Code(51247), "Executor error during find command :: caused by :: positional operator '.$' element mismatch")
	}
	b := bsonx.NewDoc(make([]byte, 0, len(out)))
	replaceArray(b, out, p.path[:depth], e)
	return b.Done(), nil
}

func replaceArray(b *bsonx.Builder, doc []byte, path []string, e bsonx.Value) {
	for it := bsonx.NewIter(doc); it.Next(); {
		switch {
		case string(it.Key()) != path[0]:
			b.Element(it.Element())
		case len(path) > 1:
			at := b.OpenDoc(path[0])
			replaceArray(b, it.Value().Data, path[1:], e)
			b.Close(at)
		default:
			at := b.OpenArray(path[0])
			b.Value("0", e)
			b.Close(at)
		}
	}
}
