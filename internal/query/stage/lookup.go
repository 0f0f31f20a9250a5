package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// maxLookupArray is the most that $lookup puts into one document, in bytes.
const maxLookupArray = bsonx.MaxInternalDocSize

func (s *lookupStage) namespaces() []Namespace { return []Namespace{s.ns} }

func (s *lookupStage) pipelines() []*Pipeline {
	if s.p == nil {
		return nil
	}
	return []*Pipeline{s.p}
}

func (s *lookupStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	it := &lookupIter{s: s, oc: oc, in: in, env: oc.env(s.pc)}
	if s.local != nil {
		it.join = newJoiner(oc, s.ns, s.foreign, s.keys, s.pc)
	}
	return it, nil
}

type lookupIter struct {
	s    *lookupStage
	oc   *OpenContext
	in   exec.Iterator
	env  *expr.Env
	join *joiner

	kept    *rowBuffer // what an uncorrelated pipeline yields
	buf     []byte
	arr     []byte // of the matches, used again
	vals    []bsonx.Value
	row     exec.Row      // with a $unwind: whose matches are being yielded
	matches exec.Iterator // of row
	n       int64
}

func (it *lookupIter) Next(ctx context.Context) (exec.Row, error) {
	if it.s.unwind != nil {
		return it.nextUnwound(ctx)
	}
	r, err := it.in.Next(ctx)
	if err != nil {
		return exec.Row{}, err
	}
	m, err := it.open(ctx, r)
	if err != nil {
		return exec.Row{}, err
	}
	defer m.Close()
	arr, err := it.array(ctx, m)
	if err != nil {
		return exec.Row{}, err
	}
	it.buf = withField(it.buf[:0], r.Doc, it.s.as, bsonx.ArrValue(arr))
	return exec.Row{Doc: it.buf, Meta: r.Meta}, nil
}

// array gathers the matches of a document.
func (it *lookupIter) array(ctx context.Context, m exec.Iterator) (bsonx.Arr, error) {
	b, n := bsonx.NewDoc(it.arr[:0]), 0
	err := each(ctx, m, func(r exec.Row) error {
		b.Doc(bsonx.Index(n), r.Doc)
		if n++; b.Size() > maxLookupArray {
			return errcode.New(4568, "Total size of documents in %s matching pipeline's $lookup stage exceeds %d bytes", it.s.ns.Coll, maxLookupArray)
		}
		return nil
	})
	it.arr = b.Done()
	return bsonx.Arr(it.arr), err
}

// nextUnwound yields a row for each match, without an array.
func (it *lookupIter) nextUnwound(ctx context.Context) (exec.Row, error) {
	u := it.s.unwind
	for {
		if it.matches != nil {
			m, err := it.matches.Next(ctx)
			if err == nil {
				it.n++
				return it.unwound(bsonx.DocValue(m.Doc), bsonx.Int64Value(it.n-1)), nil
			}
			it.matches.Close()
			it.matches = nil
			if err != io.EOF {
				return exec.Row{}, err
			}
			if it.n == 0 && u.preserve {
				return it.unwound(bsonx.Value{}, bsonx.NullValue), nil
			}
		}
		r, err := it.in.Next(ctx)
		if err != nil {
			return exec.Row{}, err
		}
		it.row, it.n = r, 0
		if it.matches, err = it.open(ctx, r); err != nil {
			return exec.Row{}, err
		}
	}
}

func (it *lookupIter) unwound(v, index bsonx.Value) exec.Row {
	it.buf = withField(it.buf[:0], it.row.Doc, it.s.as, v)
	doc := bsonx.Doc(it.buf)
	if it.s.unwind.index != nil {
		doc = withField(nil, doc, it.s.unwind.index, index)
	}
	return exec.Row{Doc: doc, Meta: it.row.Meta}
}

// open returns the matches of a document.
func (it *lookupIter) open(ctx context.Context, r exec.Row) (exec.Iterator, error) {
	if it.join != nil && it.s.ns.Coll == "" {
		return it.openMade(r)
	}
	var rows exec.Iterator
	if it.join != nil {
		it.vals = localValues(it.vals[:0], r.Doc, it.s.local)
		var err error
		if rows, err = it.join.find(ctx, it.vals); err != nil || it.s.p == nil {
			return rows, err
		}
	}
	if it.s.p == nil {
		return rows, nil
	}
	if it.kept != nil {
		return it.kept.rows()
	}
	at(it.env, r)
	sub, err := bindLet(it.oc, it.env, it.s.lets)
	if err != nil {
		return nil, err
	}
	if rows != nil {
		return it.s.p.Open(sub, rows)
	}
	m, err := runOn(ctx, sub, it.s.ns, it.s.p)
	if err != nil || it.s.correlated {
		return m, err
	}
	return it.keep(ctx, m)
}

// openMade joins with the documents that the pipeline's $documents makes.
func (it *lookupIter) openMade(r exec.Row) (exec.Iterator, error) {
	it.vals = localValues(it.vals[:0], r.Doc, it.s.local)
	m, err := newMatch(equalTo(it.s.foreign, it.vals), it.s.p.pc)
	if err != nil {
		return nil, err
	}
	at(it.env, r)
	sub, err := bindLet(it.oc, it.env, it.s.lets)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{pc: it.s.p.pc, stages: append([]Stage{it.s.p.stages[0], m}, it.s.p.stages[1:]...)}
	return p.Open(sub, Empty{})
}

// keep stores the result of an uncorrelated pipeline for all documents.
func (it *lookupIter) keep(ctx context.Context, m exec.Iterator) (exec.Iterator, error) {
	defer m.Close()
	buf := newRowBuffer(it.oc.Memory)
	if err := each(ctx, m, buf.add); err != nil {
		buf.Close()
		return nil, err
	}
	it.kept = buf
	return buf.rows()
}

// bindLet evaluates a stage's let and returns the context of its pipeline.
func bindLet(oc *OpenContext, env *expr.Env, lets []letVar) (*OpenContext, error) {
	vars := append([]bsonx.Value(nil), env.Vars...)
	for _, l := range lets {
		v, err := l.e.Eval(env)
		if err != nil {
			return nil, err
		}
		for len(vars) <= l.slot {
			vars = append(vars, bsonx.Value{})
		}
		vars[l.slot] = bsonx.Clone(v)
	}
	return oc.with(vars), nil
}

func (it *lookupIter) Close() error {
	if it.matches != nil {
		it.matches.Close()
		it.matches = nil
	}
	if it.kept != nil {
		it.kept.Close()
	}
	if it.join != nil {
		it.join.Close()
	}
	return it.in.Close()
}

// localValues appends the values that a document joins by: those at a path,
// each element of arrays on its own (a number in the path is an array's index
// as well); null if there is none.
func localValues(dst []bsonx.Value, doc []byte, path []string) []bsonx.Value {
	n := len(dst)
	dst = valuesAt(dst, bsonx.DocValue(doc), path)
	if len(dst) == n {
		dst = append(dst, bsonx.NullValue)
	}
	return dst
}

func valuesAt(dst []bsonx.Value, v bsonx.Value, path []string) []bsonx.Value {
	switch {
	case len(path) == 0 && v.Type == bsonx.Array:
		return bsonx.Values(dst, v.Data)
	case len(path) == 0 && v.Type != bsonx.Missing:
		return append(dst, v)
	case len(path) == 0:
		return dst
	case v.Type == bsonx.Object:
		return valuesAt(dst, bsonx.Lookup(v.Data, path[0]), path[1:])
	case v.Type == bsonx.Array:
		if i, ok := bsonx.ArrayIndex(path[0]); ok {
			return valuesAt(dst, bsonx.LookupIndex(v.Data, i), path[1:])
		}
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if it.Value().Type == bsonx.Object {
				dst = valuesAt(dst, it.Value(), path)
			}
		}
	}
	return dst
}
