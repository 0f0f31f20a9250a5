package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
)

func endTxnArgs(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.Any}, idl.Field{Name: "recoveryToken", Types: idl.Object},
		idl.Field{Name: "commitTimestamp", Types: idl.Timestamp}, idl.Field{Name: "durableTimestamp", Types: idl.Timestamp})
}

var commitTransactionCommand = &Spec{
	Name: "commitTransaction", Args: endTxnArgs("commitTransaction"), Flags: AdminOnly | WriteConcern | TxnOK | EndsTxn | APIv1,
	Privilege: forUsers(),
	Help:      "makes a transaction's writes durable and visible", Run: runCommitTransaction,
}

var abortTransactionCommand = &Spec{
	Name: "abortTransaction", Args: endTxnArgs("abortTransaction"), Flags: AdminOnly | WriteConcern | TxnOK | EndsTxn | APIv1,
	Privilege: forUsers(),
	Help:      "ends a transaction without a trace", Run: runAbortTransaction,
}

// txnHandle is a session's open transaction. Who holds the session uses it.
type txnHandle struct {
	tx *txn.Txn
	// dbs are the databases that its statements have touched: a name means the
	// same from the first to the last of them, also when the branch moves.
	dbs []*database
	// cursors counts those that were opened in it; closeCursors closes them.
	cursors      int
	closeCursors func()
}

// Abort implements the handle of session.Transaction.
func (h *txnHandle) Abort() {
	h.endCursors()
	h.tx.Abort()
}

// endCursors closes the cursors of a transaction that is over.
func (h *txnHandle) endCursors() {
	if h.cursors > 0 {
		h.closeCursors()
	}
}

// sessionTxn returns the transaction that the command belongs to; the first
// statement that asks begins it.
func (rq *Request) sessionTxn() (*txnHandle, error) {
	t := rq.Session.Txn
	if t == nil || t.Phase != session.InProgress {
		return nil, errcode.New(errcode.NoSuchTransaction, "Given transaction number %d does not match any in-progress transactions.", rq.TxnNumber)
	}
	if h, ok := t.Handle.(*txnHandle); ok {
		return h, nil
	}
	at, err := rq.readAt()
	if err != nil {
		return nil, err
	}
	h := &txnHandle{tx: rq.Services.Txns.Begin(txn.Options{Multi: true, ReadAt: at})}
	cursors, lsid, number := rq.Services.Cursors, rq.Session.ID, rq.TxnNumber
	h.closeCursors = func() {
		cursors.KillWhere(func(c *session.Cursor) bool { return c.LSID == lsid && c.Txn == number })
	}
	t.Handle = h
	return h, nil
}

func (rq *Request) mustBeInTxn() error {
	if !rq.InTxn {
		return errcode.New(errcode.CommandFailed, "%s must be run within a transaction", rq.Name)
	}
	return nil
}

// mustBeNew refuses an index, within a transaction, on a collection that others
// can see.
func (rq *Request) mustBeNew(ctx context.Context, name string) error {
	s := &source{sv: rq.Services, about: rq.about(), tx: rq.Services.Txns.Begin(txn.Options{}), owned: true}
	defer s.close()
	t, err := s.target(ctx, rq.DB, name)
	if err == nil && t.entry != nil {
		err = errcode.New(errcode.OperationNotSupportedInTransaction,
			"Cannot create new indexes on existing collection %s in a multi-document transaction.", t.ns())
	}
	return err
}

func runCommitTransaction(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	if err := rq.mustBeInTxn(); err != nil {
		return err
	}
	t := rq.Session.Txn
	if t.Phase == session.Committed {
		return nil // a retry of the commit
	}
	h, ok := t.Handle.(*txnHandle)
	if ok {
		rq.Session.EndTxn(session.Aborted) // unless the commit succeeds
		h.endCursors()
		rq.outcome = nil
		info := rq.commitInfo()
		if h.tx.HasWrites() {
			h.tx.PutControl(retryKey(rq.Session.ID), rq.retryRecord(session.Committed))
		} else {
			info.Session = txn.SessionInfo{} // nothing to log
		}
		if _, err := h.tx.Commit(ctx, info); err != nil {
			rq.Services.Stats.TxnAborted.Add(1)
			if txn.IsStale(err) {
				return errcode.Wrap(err, errcode.WriteConflict, "Write conflict during commit: the transaction was aborted, run it again")
			}
			return err
		}
	}
	rq.Session.EndTxn(session.Committed)
	rq.Services.Stats.TxnCommitted.Add(1)
	return nil
}

func runAbortTransaction(_ context.Context, rq *Request, _ *bsonx.Builder) error {
	if err := rq.mustBeInTxn(); err != nil {
		return err
	}
	if rq.Session.Txn.Phase == session.Committed {
		return errcode.New(errcode.TransactionCommitted, "Transaction with { txnNumber: %d } has been committed.", rq.TxnNumber)
	}
	if rq.Session.AbortTxn() {
		rq.Services.Stats.TxnAborted.Add(1)
	}
	return nil
}

// commitInfo is what the log keeps about the command's commit.
func (rq *Request) commitInfo() txn.CommitInfo {
	info := txn.CommitInfo{Actor: txn.Actor{User: rq.Conn.Info.User, AppName: rq.Conn.Info.AppName, Client: rq.Conn.Info.Remote}}
	if c := rq.Args.Generic.Get(idl.Comment); c.Type != bsonx.Missing {
		info.Comment = append([]byte{byte(c.Type)}, c.Data...)
	}
	if rq.TxnNumber >= 0 {
		info.Session = txn.SessionInfo{ID: rq.Session.ID.UUID[:], TxnNumber: rq.TxnNumber}
	}
	return info
}
