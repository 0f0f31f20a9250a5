package stage

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// joiner finds the documents of a namespace that are equal to given values in
// one path: by an index if there is one, else by a hash table of the whole
// collection as long as that fits into the stage's memory, else by reading the
// collection again and again.
type joiner struct {
	oc   *OpenContext
	ns   Namespace
	path string
	keys *index.Spec
	pc   *ParseContext
	env  *expr.Env

	ready  bool
	prober Prober
	docs   []bsonx.Doc      // all documents of the collection …
	table  map[string][]int // … by the keys that an index would have
	key    []byte
	found  []int
	ixKeys []index.Key
}

func newJoiner(oc *OpenContext, ns Namespace, path string, keys *index.Spec, pc *ParseContext) *joiner {
	return &joiner{oc: oc, ns: ns, path: path, keys: keys, pc: pc, env: oc.env(pc)}
}

func (j *joiner) prepare(ctx context.Context) (err error) {
	j.ready = true
	if j.ns.Coll == "" || positional(j.path) {
		return nil
	}
	if j.prober, err = j.oc.Collections.Prober(ctx, j.oc, j.ns, j.path, j.pc.Collation); err != nil || j.prober != nil {
		return err
	}
	return j.build(ctx)
}

// positional reports whether a path has a number in it. Such a path is a place in
// an array and a field of its elements at once for a filter, but not for the keys
// of an index, which therefore do not tell all that matches.
func positional(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "."), func(name string) bool {
		return name != "" && strings.Trim(name, "0123456789") == ""
	})
}

// build fills the hash table; it gives up when the memory does not suffice.
func (j *joiner) build(ctx context.Context) error {
	in, err := j.scan(ctx, nil)
	if err != nil {
		return err
	}
	defer in.Close()
	j.table = make(map[string][]int)
	var size int64
	err = each(ctx, in, func(r exec.Row) error {
		keys, _, err := j.keys.Keys(j.ixKeys[:0], r.Doc)
		if err != nil {
			return err
		}
		j.ixKeys = keys
		size += int64(len(r.Doc)) + entryOverhead*int64(len(keys)+1)
		if size > j.oc.Memory.limit() {
			return errTooLarge
		}
		n := len(j.docs)
		j.docs = append(j.docs, clone(r.Doc))
		for _, k := range keys {
			j.key = appendKey(j.key[:0], k.Values[0], j.pc.Collation)
			if at := j.table[string(j.key)]; len(at) == 0 || at[len(at)-1] != n {
				j.table[string(j.key)] = append(at, n)
			}
		}
		return nil
	})
	if err == error(errTooLarge) {
		j.docs, j.table = nil, nil
		return nil
	}
	return err
}

// scan reads the collection, through a filter if it is not nil.
func (j *joiner) scan(ctx context.Context, filter bsonx.Doc) (exec.Iterator, error) {
	p := &Pipeline{pc: j.pc}
	if filter != nil {
		m, err := newMatch(filter, j.pc)
		if err != nil {
			return nil, err
		}
		p.stages = []Stage{m}
	}
	return runOn(ctx, j.oc, j.ns, p)
}

// find returns the documents that equal one of the values. The iterator is valid
// until the next call.
func (j *joiner) find(ctx context.Context, vals []bsonx.Value) (exec.Iterator, error) {
	if !j.ready {
		if err := j.prepare(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case j.prober != nil:
		rows, err := j.prober.Probe(ctx, vals)
		if err != nil || exact(vals) {
			return rows, err
		}
		return j.filtered(rows, vals)
	case j.table != nil && hashable(vals):
		return j.lookUp(vals)
	}
	return j.scan(ctx, equalTo(j.path, vals))
}

// exact: the keys of an index tell all about scalars but null, which also
// stands for what is not there.
func exact(vals []bsonx.Value) bool {
	return !slices.ContainsFunc(vals, func(v bsonx.Value) bool {
		return v.Type == bsonx.Array || v.Type == bsonx.Null || v.Type == bsonx.Undefined
	})
}

// hashable: an array is equal to an array, and to one of its elements, which the
// table does not tell.
func hashable(vals []bsonx.Value) bool {
	return !slices.ContainsFunc(vals, func(v bsonx.Value) bool { return v.Type == bsonx.Array || v.Type == bsonx.Undefined })
}

func (j *joiner) lookUp(vals []bsonx.Value) (exec.Iterator, error) {
	j.found = j.found[:0]
	for _, v := range vals {
		j.key = appendKey(j.key[:0], v, j.pc.Collation)
		j.found = append(j.found, j.table[string(j.key)]...)
	}
	if len(vals) > 1 {
		slices.Sort(j.found)
		j.found = slices.Compact(j.found)
	}
	it := &pickIter{docs: j.docs, at: j.found}
	if exact(vals) {
		return it, nil
	}
	return j.filtered(it, vals)
}

func (j *joiner) filtered(in exec.Iterator, vals []bsonx.Value) (exec.Iterator, error) {
	f, err := match.Compile(equalTo(j.path, vals), match.Options{Scope: j.pc.Scope, Collation: j.pc.Collation})
	if err != nil {
		return nil, err
	}
	return &mapIter{in: in, env: j.env, fn: func(env *expr.Env, r exec.Row) (exec.Row, bool, error) {
		ok, err := f.Matches(env, r.Doc)
		return r, ok, err
	}}, nil
}

func (j *joiner) Close() error {
	j.docs, j.table = nil, nil
	if j.prober != nil {
		return j.prober.Close()
	}
	return nil
}

// equalTo returns the filter {path: {$in: vals}}; regular expressions are
// compared as values, which takes $eq.
func equalTo(path string, vals []bsonx.Value) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	if !slices.ContainsFunc(vals, func(v bsonx.Value) bool { return v.Type == bsonx.Regex }) {
		at := b.OpenDoc(path)
		b.Array("$in", bsonx.AppendArray(nil, vals))
		b.Close(at)
		return b.Done()
	}
	or := b.OpenArray("$or")
	for i, v := range vals {
		at := b.OpenDoc(bsonx.Index(i))
		eq := b.OpenDoc(path)
		b.Value("$eq", v)
		b.Close(eq)
		b.Close(at)
	}
	b.Close(or)
	return b.Done()
}

// pickIter yields some of the documents in memory.
type pickIter struct {
	docs []bsonx.Doc
	at   []int
}

func (it *pickIter) Next(context.Context) (exec.Row, error) {
	if len(it.at) == 0 {
		return exec.Row{}, io.EOF
	}
	d := it.docs[it.at[0]]
	it.at = it.at[1:]
	return exec.Row{Doc: d}, nil
}

func (it *pickIter) Close() error { return nil }
