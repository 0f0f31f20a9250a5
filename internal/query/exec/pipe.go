package exec

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/project"
)

// filterIter passes the rows that match.
type filterIter struct {
	Iterator
	f   *match.Filter
	env *expr.Env
}

// NewFilter passes the rows of in that match f. The environment is the
// iterator's own.
func NewFilter(in Iterator, f *match.Filter, env *expr.Env) Iterator {
	return &filterIter{in, f, env}
}

func (it *filterIter) Next(ctx context.Context) (Row, error) {
	for {
		row, err := it.Iterator.Next(ctx)
		if err != nil {
			return row, err
		}
		it.env.Root, it.env.Meta = bsonx.DocValue(row.Doc), row.Meta
		ok, err := it.f.Matches(it.env, row.Doc)
		it.env.Arena.Reset()
		if err != nil {
			return Row{}, err
		}
		if ok {
			return row, nil
		}
	}
}

// windowIter passes the rows from skip on, limit of them at most.
type windowIter struct {
	Iterator
	skip, limit int64 // limit < 0: none
}

// NewWindow leaves out the first skip rows and passes limit rows at most; a
// limit of 0 is none.
func NewWindow(in Iterator, skip, limit int64) Iterator {
	if skip == 0 && limit == 0 {
		return in
	}
	if limit == 0 {
		limit = -1
	}
	return &windowIter{in, skip, limit}
}

func (it *windowIter) Next(ctx context.Context) (Row, error) {
	for ; it.skip > 0; it.skip-- {
		if _, err := it.Iterator.Next(ctx); err != nil {
			return Row{}, err
		}
	}
	if it.limit == 0 {
		return Row{}, io.EOF
	}
	row, err := it.Iterator.Next(ctx)
	if err == nil && it.limit > 0 {
		it.limit--
	}
	return row, err
}

// Exhausted reports that nothing follows, when that is known without reading.
func (it *windowIter) Exhausted() bool { return it.limit == 0 && it.skip == 0 }

// projectIter applies a projection.
type projectIter struct {
	Iterator
	p   *project.Projection
	env *expr.Env
	buf []byte
}

// NewProject applies a projection to every row.
func NewProject(in Iterator, p *project.Projection, env *expr.Env) Iterator {
	return &projectIter{Iterator: in, p: p, env: env}
}

func (it *projectIter) Next(ctx context.Context) (Row, error) {
	row, err := it.Iterator.Next(ctx)
	if err != nil {
		return row, err
	}
	it.env.Root, it.env.Meta = bsonx.DocValue(row.Doc), row.Meta
	row.Doc, err = it.p.AppendTo(it.buf[:0], it.env, row.Doc)
	it.env.Arena.Reset()
	if cap(row.Doc) <= 1<<20 {
		it.buf = row.Doc
	} else {
		it.buf = nil
	}
	return row, err
}

// Exhausted passes the input's knowledge on.
func (it *projectIter) Exhausted() bool { return Exhausted(it.Iterator) }

// Exhausted reports whether an iterator knows that it has no more rows.
func Exhausted(it Iterator) bool {
	e, ok := it.(interface{ Exhausted() bool })
	return ok && e.Exhausted()
}

// mapIter changes each row.
type mapIter struct {
	Iterator
	f func(Row) (Row, error)
}

// NewMap changes each row by f.
func NewMap(in Iterator, f func(Row) (Row, error)) Iterator { return &mapIter{in, f} }

func (it *mapIter) Next(ctx context.Context) (Row, error) {
	row, err := it.Iterator.Next(ctx)
	if err != nil {
		return row, err
	}
	return it.f(row)
}

// Exhausted passes the input's knowledge on.
func (it *mapIter) Exhausted() bool { return Exhausted(it.Iterator) }

// counterIter counts the rows that pass.
type counterIter struct {
	Iterator
	n *int64
}

// NewCounter counts the rows of in.
func NewCounter(in Iterator, n *int64) Iterator { return &counterIter{in, n} }

func (it *counterIter) Next(ctx context.Context) (Row, error) {
	row, err := it.Iterator.Next(ctx)
	if err == nil {
		*it.n++
	}
	return row, err
}

// Exhausted passes the input's knowledge on.
func (it *counterIter) Exhausted() bool { return Exhausted(it.Iterator) }
