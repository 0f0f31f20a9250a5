package stage

import (
	"context"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// graphStage is $graphLookup: all documents that can be reached from a value by
// following a field to another, breadth first.
type graphStage struct {
	named
	pc       *ParseContext
	ns       Namespace
	start    expr.Expr
	from     []string // connectFromField
	to       string   // connectToField
	keys     *index.Spec
	as       []string
	depth    []string // depthField; nil: not wanted
	maxDepth int64
	restrict *match.Filter
}

func parseGraphLookup(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "the $graphLookup stage specification must be an object, but found %s", bsonx.TypeName(arg.Type))
	}
	if bsonx.IsMissing(bsonx.Lookup(arg.Data, "from")) { // looked at before all other options
		return nil, errcode.New(errcode.FailedToParse, "missing 'from' option to $graphLookup stage specification: %s", exec.Format(arg))
	}
	s := &graphStage{named: name("$graphLookup", arg), pc: pc, maxDepth: math.MaxInt64}
	for it := bsonx.NewIter(s.spec.Data); it.Next(); {
		if err := s.option(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	if s.ns.Coll == "" || s.start == nil || s.from == nil || s.to == "" || s.as == nil {
		return nil, errcode.New(40105, "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.")
	}
	var err error
	s.keys, err = keysOf(s.to)
	return one(s, err)
}

func (s *graphStage) option(key string, v bsonx.Value) (err error) {
	switch key {
	case "startWith":
		s.start, err = expr.Compile(v, s.pc.Scope)
		return err
	case "maxDepth":
		return s.parseMaxDepth(v)
	case "restrictSearchWithMatch":
		if v.Type != bsonx.Object {
			return errcode.New(40185, "restrictSearchWithMatch must be an object, found %s", bsonx.TypeName(v.Type))
		}
		s.restrict, err = match.Compile(bsonx.Doc(v.Data), match.Options{
			Scope: s.pc.Scope, Collation: s.pc.Collation,
			NoNear: errcode.New(40186, "Failed to parse 'restrictSearchWithMatch' option to $graphLookup: $near is not allowed"),
			NoText: errcode.New(errcode.BadValue, "$text is not allowed in 'restrictSearchWithMatch'"),
		})
		return err
	case "from":
		if v.Type != bsonx.String && v.Type != bsonx.Object {
			return errcode.New(errcode.FailedToParse, "$graphLookup 'from' field must be a string, but found %s", bsonx.TypeName(v.Type))
		}
		s.ns, err = namespaceOf(v, "$graphLookup", "from", s.pc)
		return err
	}
	str, ok := stringOf(v)
	switch key {
	case "as", "connectFromField", "connectToField", "depthField":
		if !ok {
			return errcode.New(40103, "expected string as argument for %s, found: %s", key, bsonx.TypeName(v.Type))
		}
	default:
		return errcode.New(40104, "Unknown argument to $graphLookup: %s", key)
	}
	path, err := expr.SplitPath(str)
	switch key {
	case "as":
		s.as = path
	case "connectFromField":
		s.from = path
	case "connectToField":
		s.to = str
	case "depthField":
		s.depth = path
	}
	return err
}

func (s *graphStage) parseMaxDepth(v bsonx.Value) error {
	if !bsonx.IsNumber(v) {
		return errcode.New(40100, "maxDepth requires numeric argument, found type %s", bsonx.TypeName(v.Type))
	}
	if floatOf(v) < 0 {
		return errcode.New(40101, "maxDepth requires a nonnegative argument")
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok {
		return errcode.New(40102, "maxDepth could not be represented as a long long")
	}
	s.maxDepth = n
	return nil
}

func (s *graphStage) namespaces() []Namespace { return []Namespace{s.ns} }

func (s *graphStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &graphIter{s: s, oc: oc, in: in, env: oc.env(s.pc), sub: oc.env(s.pc),
		join: newJoiner(oc, s.ns, s.to, s.keys, s.pc)}, nil
}

type graphIter struct {
	s    *graphStage
	oc   *OpenContext
	in   exec.Iterator
	env  *expr.Env
	sub  *expr.Env // for restrict
	join *joiner
	key  []byte
	buf  []byte
}

func (it *graphIter) Next(ctx context.Context) (exec.Row, error) {
	r, err := it.in.Next(ctx)
	if err != nil {
		return exec.Row{}, err
	}
	at(it.env, r)
	start, err := it.s.start.Eval(it.env)
	if err != nil {
		return exec.Row{}, err
	}
	found, err := it.search(ctx, start)
	if err != nil {
		return exec.Row{}, err
	}
	vals := make([]bsonx.Value, len(found))
	for i, d := range found {
		vals[i] = bsonx.DocValue(d)
	}
	it.buf = withField(it.buf[:0], r.Doc, it.s.as, bsonx.ArrValue(bsonx.AppendArray(nil, vals)))
	return exec.Row{Doc: it.buf, Meta: r.Meta}, nil
}

// search follows the links from a value (each element, if it is an array).
func (it *graphIter) search(ctx context.Context, start bsonx.Value) ([]bsonx.Doc, error) {
	var found []bsonx.Doc
	seen, asked := map[string]bool{}, map[string]bool{}
	var size int64
	front := it.fresh(nil, asked, valuesAt(nil, start, nil))
	for depth := int64(0); len(front) > 0 && depth <= it.s.maxDepth; depth++ {
		var next []bsonx.Value
		rows, err := it.join.find(ctx, front)
		if err != nil {
			return nil, err
		}
		err = each(ctx, rows, func(r exec.Row) error {
			it.key = appendKey(it.key[:0], bsonx.Lookup(r.Doc, "_id"), nil)
			if seen[string(it.key)] {
				return nil
			}
			if ok, err := it.wanted(r); err != nil || !ok {
				return err
			}
			seen[string(it.key)] = true
			doc := clone(r.Doc)
			next = it.fresh(next, asked, valuesAt(nil, bsonx.DocValue(doc), it.s.from))
			if it.s.depth != nil {
				doc = withField(nil, doc, it.s.depth, bsonx.Int64Value(depth))
			}
			found = append(found, doc)
			if size += int64(len(doc)) + entryOverhead; size > max(defaultMemory, it.oc.Memory.limit()) {
				return errcode.New(40099, "$graphLookup reached maximum memory consumption")
			}
			return nil
		})
		rows.Close()
		if err != nil {
			return nil, err
		}
		front = next
	}
	return found, nil
}

// fresh appends the values that were not asked for yet.
func (it *graphIter) fresh(dst []bsonx.Value, asked map[string]bool, vals []bsonx.Value) []bsonx.Value {
	for _, v := range vals {
		k := string(appendKey(nil, v, it.s.pc.Collation))
		if !asked[k] {
			asked[k] = true
			dst = append(dst, bsonx.Clone(v))
		}
	}
	return dst
}

func (it *graphIter) wanted(r exec.Row) (bool, error) {
	if it.s.restrict == nil {
		return true, nil
	}
	at(it.sub, r)
	return it.s.restrict.Matches(it.sub, r.Doc)
}

func (it *graphIter) Close() error {
	it.join.Close()
	return it.in.Close()
}
