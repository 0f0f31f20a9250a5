package txn

import (
	"context"
	"errors"

	"github.com/argon-db/argon/internal/errcode"
)

// StaleError is the signal that a single statement has to start anew: what it
// has read is no longer the newest state. The caller aborts the transaction,
// begins another one and runs the statement again (resolving the branch again
// when Branch is set). It never reaches a client.
type StaleError struct {
	// Branch: the branch points to another timeline by now (it was restored,
	// reset or dropped).
	Branch bool
	why    string
}

func (e *StaleError) Error() string { return "the statement's snapshot is out of date: " + e.why }

// IsStale reports whether err asks for the statement to be run again.
func IsStale(err error) bool {
	var s *StaleError
	return errors.As(err, &s)
}

// DuplicateError says that a unique key is taken. exec makes MongoDB's error
// 11000 of it, which names the index and the key.
type DuplicateError struct {
	Collection CollectionID
	Index      IndexID // 0: the row's own key
	ID         []byte  // the id of the row that has the key
}

func (e *DuplicateError) Error() string { return "duplicate key" }

// staleReason is why a snapshot cannot be written on.
type staleReason int

const (
	staleRow staleReason = iota
	staleCatalog
	staleBranch
	staleDeadlock
)

var staleReasons = [...]struct{ why, message string }{
	staleRow: {"a newer version of a document exists",
		"Write conflict during plan execution and yielding is disabled. Please retry your operation or multi-document transaction."},
	staleCatalog: {"the collection's definition has changed",
		"Unable to write to a collection due to pending or newer catalog changes; please retry the operation."},
	staleBranch: {"the branch has moved to another timeline",
		"The branch was restored, reset or dropped while the transaction was open; please retry the transaction."},
	staleDeadlock: {"a deadlock was found",
		"Write conflict during plan execution and yielding is disabled. Please retry your operation or multi-document transaction."},
}

// stale is the error for a write on an outdated snapshot: WriteConflict within a
// transaction, the signal to start anew for a single statement.
func (t *Txn) stale(r staleReason) error {
	if t.multi {
		return errcode.New(errcode.WriteConflict, "%s", staleReasons[r].message).
			WithLabels(errcode.LabelTransientTransaction)
	}
	return &StaleError{Branch: r == staleBranch, why: staleReasons[r].why}
}

// gateTimeout is the error for a wait at a gate that ended without success.
func (t *Txn) gateTimeout(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctxError(ctx)
	}
	if t.multi {
		return errcode.Wrap(err, errcode.LockTimeout,
			"Unable to acquire the collection's lock within 5ms: its definition is being changed. Please retry the transaction.").
			WithLabels(errcode.LabelTransientTransaction)
	}
	return t.stale(staleCatalog)
}

// ctxError turns a done context into MongoDB's error.
func ctxError(ctx context.Context) error {
	cause := context.Cause(ctx)
	var e *errcode.Error
	switch {
	case errors.As(cause, &e):
		return e
	case errors.Is(cause, context.DeadlineExceeded):
		return errcode.Wrap(cause, errcode.MaxTimeMSExpired, "operation exceeded time limit")
	}
	return errcode.Wrap(cause, errcode.Interrupted, "operation was interrupted")
}
