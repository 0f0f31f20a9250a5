package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// env returns an environment of its own for one iterator, with the values of
// the variables that are known.
func (oc *OpenContext) env(pc *ParseContext) *expr.Env {
	env := expr.NewEnv(oc.Query, pc.Scope)
	if len(oc.Vars) > len(env.Vars) {
		env.Vars = make([]bsonx.Value, len(oc.Vars))
	}
	copy(env.Vars, oc.Vars)
	return env
}

// with returns a context whose variables begin with vars.
func (oc *OpenContext) with(vars []bsonx.Value) *OpenContext {
	c := *oc
	c.Vars = vars
	return &c
}

// at points env to a row, after the values of the row before were consumed.
func at(env *expr.Env, r exec.Row) {
	env.Arena.Reset()
	env.Root = bsonx.DocValue(r.Doc)
	env.Meta = r.Meta
}

// Empty is an iterator without rows.
type Empty struct{}

// Next returns io.EOF.
func (Empty) Next(context.Context) (exec.Row, error) { return exec.Row{}, io.EOF }

// Close does nothing.
func (Empty) Close() error { return nil }

// FromDocs returns an iterator over documents in memory.
func FromDocs(docs []bsonx.Doc) exec.Iterator { return &docIter{docs: docs} }

type docIter struct {
	docs []bsonx.Doc
	pos  int
}

func (it *docIter) Next(context.Context) (exec.Row, error) {
	if it.pos >= len(it.docs) {
		return exec.Row{}, io.EOF
	}
	it.pos++
	return exec.Row{Doc: it.docs[it.pos-1]}, nil
}

func (it *docIter) Close() error {
	it.docs = nil
	return nil
}

// mapIter makes at most one row of each.
type mapIter struct {
	in  exec.Iterator
	env *expr.Env
	fn  func(env *expr.Env, r exec.Row) (out exec.Row, keep bool, err error)
}

func (m *mapIter) Next(ctx context.Context) (exec.Row, error) {
	for {
		r, err := m.in.Next(ctx)
		if err != nil {
			return exec.Row{}, err
		}
		at(m.env, r)
		out, keep, err := m.fn(m.env, r)
		if err != nil {
			return exec.Row{}, err
		}
		if keep {
			return out, nil
		}
		if err := interrupted(ctx, m.env.Query); err != nil {
			return exec.Row{}, err
		}
	}
}

func (m *mapIter) Close() error { return m.in.Close() }

// interrupted reports that the command is to end.
func interrupted(ctx context.Context, q *expr.Query) error {
	if q != nil && q.Interrupt != nil {
		return q.Interrupt()
	}
	return ctx.Err()
}

// lazy opens its iterator with the first Next, for stages that need a context
// to begin.
type lazy struct {
	open   func(ctx context.Context) (exec.Iterator, error)
	it     exec.Iterator
	err    error
	closed bool
	also   exec.Iterator // closed together; may be nil
}

func (l *lazy) Next(ctx context.Context) (exec.Row, error) {
	if l.it == nil && l.err == nil {
		if l.closed {
			return exec.Row{}, io.EOF
		}
		l.it, l.err = l.open(ctx)
	}
	if l.err != nil {
		return exec.Row{}, l.err
	}
	return l.it.Next(ctx)
}

func (l *lazy) Close() error {
	l.closed = true
	var err error
	if l.it != nil {
		err = l.it.Close()
	}
	if l.also != nil {
		if e := l.also.Close(); err == nil {
			err = e
		}
	}
	return err
}

// each calls fn for every row of in until fn returns an error.
func each(ctx context.Context, in exec.Iterator, fn func(exec.Row) error) error {
	for {
		r, err := in.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(r)
		}
		if err != nil {
			return err
		}
	}
}

// collect copies all documents of an iterator, up to limit bytes (0: no limit),
// and reports whether all fitted.
func collect(ctx context.Context, in exec.Iterator, limit int) (docs []bsonx.Doc, size int, err error) {
	err = each(ctx, in, func(r exec.Row) error {
		size += len(r.Doc)
		if limit > 0 && size > limit {
			return errTooLarge
		}
		docs = append(docs, append(bsonx.Doc(nil), r.Doc...))
		return nil
	})
	return docs, size, err
}
