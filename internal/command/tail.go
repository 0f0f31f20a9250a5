package command

import (
	"bytes"
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
)

// tailCursor is the cursor of a tailable find.
func (s *source) tailCursor(t *target, f *findArgs, it exec.Iterator, st *exec.Stats) *session.Cursor {
	c := session.NewCursor(t.ns(), &tail{src: s, t: t, args: f, it: it, first: st})
	c.Tailable, c.AwaitData = true, f.awaitData
	return c
}

// tail goes on after the end of a capped collection: at the end it waits for
// more, with a fresh snapshot.
type tail struct {
	src  *source
	t    *target
	args *findArgs
	it   exec.Iterator
	last []byte
	// first counts the first scan: a tailable cursor on an empty collection is
	// dead at once, as MongoDB has it. Nil later on.
	first *exec.Stats
	// seen is the newest commit that the last scan saw.
	seen txn.LSN
}

// Next implements session.Iterator.
func (c *tail) Next(ctx context.Context) (bsonx.Doc, error) {
	if c.it == nil {
		if err := c.reopen(ctx); err != nil {
			return nil, err
		}
	}
	row, err := c.it.Next(ctx)
	if err == io.EOF {
		if c.first != nil && c.first.DocsExamined == 0 {
			return nil, io.EOF
		}
		_ = c.it.Close()
		c.it, c.first = nil, nil
		if err := c.rest(); err != nil {
			return nil, err
		}
		c.src.close() // an idle cursor keeps no snapshot
		return nil, session.ErrWait
	}
	if err == nil {
		c.last = append(c.last[:0], row.Key...)
	}
	return row.Doc, err
}

// rest remembers where the scan has ended: at the newest document, whether it
// matched or not.
func (c *tail) rest() error {
	v := c.t.db.view
	c.seen = v.Txn().Snapshot()
	it := v.Scan(c.t.coll.ID, txn.ScanOptions{Reverse: true})
	defer func() { _ = it.Close() }()
	if it.Next() {
		c.last = append(c.last[:0], it.Key()...)
	}
	return it.Err()
}

// inPlace returns an error when the document at which the scan has ended was
// overwritten by newer ones: some were missed then.
func (c *tail) inPlace() error {
	if len(c.last) == 0 {
		return nil
	}
	it := c.t.db.view.Scan(c.t.coll.ID, txn.ScanOptions{})
	defer func() { _ = it.Close() }()
	if it.Next() && bytes.Compare(it.Key(), c.last) <= 0 {
		return nil
	}
	if err := it.Err(); err != nil {
		return err
	}
	return errcode.New(errcode.CappedPositionLost, "CollectionScan died due to position in capped collection being deleted. Last seen record id: RecordId(%d)", recordID(c.last))
}

// reopen scans from behind the last row on, as of now.
func (c *tail) reopen(ctx context.Context) error {
	c.src.close()
	src := &source{sv: c.src.sv, about: c.src.about, tx: c.src.sv.Txns.Begin(txn.Options{}), owned: true}
	c.src = src
	t, err := src.target(ctx, c.t.db.name, c.t.name)
	if err != nil {
		return err
	}
	if t.coll == nil || t.coll.ID != c.t.coll.ID {
		return errcode.New(errcode.QueryPlanKilled, "collection dropped between getMore calls")
	}
	c.t = t
	if err := c.inPlace(); err != nil {
		return err
	}
	fp, err := src.planFind(ctx, t, c.args)
	if err != nil {
		return err
	}
	lower := append(append([]byte(nil), c.last...), 0)
	if len(c.last) == 0 {
		lower = nil
	}
	fp.plan = &plan.Plan{Query: fp.plan.Query, Filter: fp.plan.Query.Filter, Sorted: true,
		Access: &exec.CollScan{Coll: t.coll, Lower: lower}}
	c.it, err = fp.open(&exec.Stats{})
	return err
}

// Wait returns when there was a commit, to any collection, since the last scan.
func (c *tail) Wait(ctx context.Context) error {
	_, err := c.src.sv.Txns.Store().Wait(ctx, c.seen)
	return err
}

// Close implements session.Iterator.
func (c *tail) Close() error {
	if c.it != nil {
		_ = c.it.Close()
	}
	c.src.close()
	return nil
}
