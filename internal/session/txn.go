package session

import (
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// TxnPhase is where a transaction number is in its life.
type TxnPhase int

// The phases of a transaction number's life.
const (
	// Retryable: no transaction, but retryable writes with this number.
	Retryable TxnPhase = iota
	InProgress
	Committed
	Aborted
)

// String names the phase as MongoDB's messages do.
func (p TxnPhase) String() string {
	return [...]string{"None", "InProgress", "Committed", "Aborted"}[p]
}

// Transaction is the state of one transaction number of a session.
type Transaction struct {
	Number int64
	Phase  TxnPhase
	// Handle is the open transaction of the storage layer, while InProgress; the
	// command layer knows its type. Nil until the first statement used it.
	Handle interface{ Abort() }
	// Started and Expires bound its life.
	Started, Expires time.Time
	// ReadLevel is the read concern's level, as its first statement gave it.
	ReadLevel string
	// Outcomes are the stored replies of retryable writes by statement id: the
	// fields of the reply that a retry repeats; nil for one that is large and has
	// to be read from the store.
	Outcomes map[int32]bsonx.Doc
}

// TxnStatement is what a command says about its transaction.
type TxnStatement struct {
	Number int64
	// InTxn: it belongs to a transaction, whose first statement has Start. Without
	// it, it is a retryable write.
	InTxn, Start bool
	// Ends: commitTransaction and abortTransaction, which may be repeated.
	Ends bool
	Now  time.Time
	// Life is how long a transaction may stay open.
	Life time.Duration
}

// Enter checks a statement against the session's newest transaction number and
// makes it the newest when it begins one. The caller holds Lock until the
// statement has ended.
//
// Errors, as MongoDB's: TransactionTooOld for a number below the newest;
// NoSuchTransaction for a transaction that was never begun or has been aborted;
// TransactionCommitted for a statement after the commit;
// ConflictingOperationInProgress for a number that is used already.
func (s *Session) Enter(st TxnStatement) error {
	t := s.Txn
	if t != nil && t.Phase == InProgress && st.Now.After(t.Expires) {
		s.AbortTxn()
	}
	switch {
	case t != nil && st.Number < t.Number:
		return errcode.New(errcode.TransactionTooOld,
			"Cannot start transaction with { txnNumber: %d } on session %x because a newer transaction with txnNumber %d has already started on this session.", st.Number, s.ID.UUID, t.Number)
	case t == nil || st.Number > t.Number:
		return s.enterNew(st)
	case !st.InTxn:
		return t.enterRetryable(s)
	case st.Start:
		return errcode.New(errcode.ConflictingOperationInProgress,
			"Cannot start a transaction with given transaction number %d: the number is in use, state %s", st.Number, t.Phase)
	}
	return t.enterOpen(st)
}

// enterNew makes a number that is greater than all before the newest.
func (s *Session) enterNew(st TxnStatement) error {
	if st.InTxn && !st.Start {
		active := "there is none"
		if s.Txn != nil {
			active = "the active one has another number"
		}
		return errcode.New(errcode.NoSuchTransaction,
			"Given transaction number %d does not match any in-progress transactions: %s", st.Number, active)
	}
	s.AbortTxn()
	s.Txn = &Transaction{Number: st.Number, Started: st.Now}
	if st.InTxn {
		s.Txn.Phase, s.Txn.Expires = InProgress, st.Now.Add(st.Life)
		s.registry.mu.Lock()
		s.registry.open[s] = openTxn{st.Number, st.Now, s.Txn.Expires}
		s.registry.mu.Unlock()
	}
	return nil
}

func (t *Transaction) enterRetryable(s *Session) error {
	if t.Phase != Retryable {
		return errcode.New(errcode.ConflictingOperationInProgress,
			"Cannot run a retryable write with { txnNumber: %d } on session %x: the number belongs to a transaction", t.Number, s.ID.UUID)
	}
	return nil
}

// enterOpen lets a further statement of the newest transaction in.
func (t *Transaction) enterOpen(st TxnStatement) error {
	switch t.Phase {
	case InProgress:
		return nil
	case Committed:
		if st.Ends {
			return nil
		}
		return errcode.New(errcode.TransactionCommitted, "Transaction with { txnNumber: %d } has been committed.", t.Number)
	case Aborted:
		return errcode.New(errcode.NoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", t.Number)
	}
	return errcode.New(errcode.NoSuchTransaction,
		"Given transaction number %d does not match any in-progress transactions: it is a retryable write's", t.Number)
}

// EndTxn moves the open transaction to another phase; its handle is the
// caller's to end. The caller holds Lock.
func (s *Session) EndTxn(p TxnPhase) {
	s.Txn.Handle, s.Txn.Phase = nil, p
	s.registry.mu.Lock()
	delete(s.registry.open, s)
	s.registry.mu.Unlock()
}

// AbortTxn ends the session's transaction, if one is open, without a trace, and
// reports whether it was. The caller holds Lock.
func (s *Session) AbortTxn() bool {
	t := s.Txn
	if t == nil || t.Phase != InProgress {
		return false
	}
	h := t.Handle
	s.EndTxn(Aborted)
	if h != nil {
		h.Abort()
	}
	return true
}

// ExpireTransactions aborts the open transactions whose time is over and returns
// how many. Those that run a statement right now are left for the next time:
// busy names their sessions.
func (r *Sessions) ExpireTransactions() (aborted int, busy []SessionID) {
	now := r.clk.Now()
	var late []*Session
	r.mu.Lock()
	for s, t := range r.open {
		if now.After(t.expires) {
			late = append(late, s)
		}
	}
	r.mu.Unlock()
	for _, s := range late {
		if !s.tryLock() {
			busy = append(busy, s.ID)
			continue
		}
		if s.Txn != nil && now.After(s.Txn.Expires) && s.AbortTxn() {
			aborted++
		}
		s.Unlock()
	}
	return aborted, busy
}

// OpenTransactions counts the transactions in progress, and those of them that
// run no statement right now.
func (r *Sessions) OpenTransactions() (open, inactive int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.open {
		if len(s.held) == 0 {
			inactive++
		}
	}
	return len(r.open), inactive
}
