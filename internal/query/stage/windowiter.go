package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// partition is the rows of one partition while its windows are computed.
type partition struct {
	s     *windowStage
	env   *expr.Env
	query *expr.Query
	rows  *rowStore
	ar    *arith
	arEnv *expr.Env
	ticks uint32
}

// at points the environment to row i.
func (p *partition) at(i int) error {
	if p.ticks++; p.ticks&1023 == 0 && p.query != nil && p.query.Interrupt != nil {
		if err := p.query.Interrupt(); err != nil {
			return err
		}
	}
	r, err := p.rows.row(i)
	if err == nil {
		at(p.env, r)
	}
	return err
}

// eval evaluates an expression on row i.
func (p *partition) eval(e expr.Expr, i int) (bsonx.Value, error) {
	if err := p.at(i); err != nil {
		return bsonx.Value{}, err
	}
	return e.Eval(p.env)
}

// sortValue returns row i's value of the one field of sortBy.
func (p *partition) sortValue(i int) (bsonx.Value, error) {
	if err := p.at(i); err != nil {
		return bsonx.Value{}, err
	}
	return expr.Walk(p.env, p.env.Root, p.s.order.keys[0].path)
}

// do is arithmetic by MongoDB's rules.
func (p *partition) do(op string, a, b bsonx.Value) (bsonx.Value, error) {
	return p.ar.do(p.arEnv, op, a, b)
}

type windowIter struct {
	s   *windowStage
	oc  *OpenContext
	in  exec.Iterator
	env *expr.Env
	p   *partition

	runs    []windowRun
	i       int
	held    bool // next holds the first row of the next partition
	next    exec.Row
	nextKey []byte
	done    bool
	bufs    [2][]byte
}

func (it *windowIter) Next(ctx context.Context) (exec.Row, error) {
	if it.i >= it.p.rows.len() {
		if err := it.load(ctx); err != nil {
			return exec.Row{}, err
		}
	}
	if it.i&255 == 0 {
		if err := interrupted(ctx, it.oc.Query); err != nil {
			return exec.Row{}, err
		}
	}
	r, err := it.p.rows.row(it.i)
	if err != nil {
		return exec.Row{}, err
	}
	doc := r.Doc
	for k, run := range it.runs {
		v, err := run.value(it.i)
		if err != nil {
			return exec.Row{}, err
		}
		var b bsonx.Builder
		b.Begin(it.bufs[k&1][:0])
		setThrough(&b, doc, it.s.outputs[k].path, v)
		doc = b.Done()
		it.bufs[k&1] = doc
	}
	it.i++
	return exec.Row{Doc: doc, Meta: r.Meta}, checkDocSize(doc)
}

// load reads the next partition.
func (it *windowIter) load(ctx context.Context) error {
	it.p.rows.reset()
	it.i = 0
	var key []byte
	if it.held {
		it.held = false
		key = append(key, it.nextKey...)
		if err := it.p.rows.add(it.next); err != nil {
			return err
		}
	}
	for !it.done {
		r, err := it.in.Next(ctx)
		if err == io.EOF {
			it.done = true
			break
		}
		if err != nil {
			return err
		}
		if it.s.partition != nil {
			if it.nextKey, err = it.s.partitionKey(it.nextKey[:0], it.env, r); err != nil {
				return err
			}
			if it.p.rows.len() > 0 && string(key) != string(it.nextKey) {
				it.held, it.next = true, cloneRow(r)
				break
			}
			key = append(key[:0], it.nextKey...)
		}
		if err := it.p.rows.add(r); err != nil {
			return err
		}
	}
	if it.p.rows.len() == 0 {
		return io.EOF
	}
	it.runs = it.runs[:0]
	for _, o := range it.s.outputs {
		it.runs = append(it.runs, o.fn.open(it.p))
	}
	return nil
}

func (it *windowIter) Close() error {
	it.p.rows.reset()
	it.done = true
	return it.in.Close()
}
