package command

import (
	"bytes"
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// A statement on many documents outside of a transaction is one commit up to
// these limits, and several beyond them, as MongoDB's multi-updates are no
// transaction either: bytes of keys and values, and writes of rows and entries.
const (
	splitBytes  = 64 << 20
	splitWrites = 250_000
)

// large reports whether what waits in the source's own transaction is to be
// committed before a statement goes on.
func (s *source) large() bool {
	return s.owned && (s.tx.Size() > splitBytes || s.tx.Writes() > s.sv.SplitWrites)
}

// split commits what was written and goes on in a new transaction, which sees
// what others have committed. Targets and views of before are for reading only.
func (s *source) split(ctx context.Context) error {
	if _, err := s.tx.Commit(ctx, s.about.commit); err != nil {
		return err
	}
	s.tx = s.sv.Txns.Begin(txn.Options{})
	s.dbs, s.empty = nil, txn.Savepoint{}
	s.splits++
	return nil
}

// splitRows makes a statement's scan go on beyond one commit: it still reads from
// the snapshot that it began with, which release lets go.
type splitRows struct {
	x       *modifier
	release func()
}

// next changes a row in the present transaction. From the second one on, a row is
// looked at again when it is not what the scan saw, and a conflict with another
// client's change costs that row another attempt, not the statement.
func (r *splitRows) next(ctx context.Context, key []byte, doc bsonx.Doc) (done bool, err error) {
	x := r.x
	if x.s.large() {
		if err := r.split(ctx); err != nil {
			return false, err
		}
	}
	if r.release == nil {
		return x.row(ctx, key, doc)
	}
	doc = bytes.Clone(doc)
	for attempt := 1; ; attempt++ {
		sp, before := x.s.tx.Savepoint(), x.result
		done, err = x.row(ctx, key, doc)
		if err == nil {
			return done, nil
		}
		x.s.tx.RollbackTo(sp)
		x.result = before
		if !txn.IsStale(err) {
			return false, err
		}
		if attempt == maxAttempts {
			return false, conflicted(attempt)
		}
		if err := exec.Interrupted(ctx); err != nil {
			return false, err
		}
		if err := r.split(ctx); err != nil {
			return false, err
		}
	}
}

func (r *splitRows) split(ctx context.Context) error {
	x := r.x
	if r.release == nil {
		r.release = x.s.sv.Txns.Store().Pin(x.t.db.view.Levels())
	}
	was := x.t
	if err := x.s.split(ctx); err != nil {
		return err
	}
	t, err := x.s.writable(ctx, was.db.name, was.name, false)
	if err != nil {
		return err
	}
	if t.coll == nil || t.coll.ID != was.coll.ID {
		return errcode.New(errcode.QueryPlanKilled, "collection %s was dropped or renamed while the statement ran", was.ns())
	}
	x.t = t
	x.w.View, x.w.Coll = t.db.view, t.coll
	return nil
}

func (r *splitRows) close() {
	if r.release != nil {
		r.release()
	}
}

func conflicted(attempts int) error {
	return errcode.New(errcode.WriteConflict, "the write met with changes by others %d times in a row; try again", attempts)
}
