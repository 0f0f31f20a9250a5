package session_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/session"
)

type handle struct{ aborted bool }

func (h *handle) Abort() { h.aborted = true }

// TestEnter walks a session through statements; each wants a code, 0 for in.
func TestEnter(t *testing.T) {
	retry := func(n int64) session.TxnStatement { return session.TxnStatement{Number: n} }
	start := func(n int64) session.TxnStatement { return session.TxnStatement{Number: n, InTxn: true, Start: true} }
	next := func(n int64) session.TxnStatement { return session.TxnStatement{Number: n, InTxn: true} }
	commit := func(n int64) session.TxnStatement { return session.TxnStatement{Number: n, InTxn: true, Ends: true} }
	type step struct {
		st    session.TxnStatement
		code  errcode.Code
		phase session.TxnPhase // to set after it; 0 leaves it
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a transaction", []step{{st: start(1)}, {st: next(1)}, {st: commit(1), phase: session.Committed}, {st: commit(1)},
			{st: next(1), code: errcode.TransactionCommitted}, {st: start(1), code: errcode.ConflictingOperationInProgress}, {st: start(2)}}},
		{"never begun", []step{{st: next(1), code: errcode.NoSuchTransaction}, {st: commit(1), code: errcode.NoSuchTransaction}}},
		{"another number", []step{{st: start(5)}, {st: next(6), code: errcode.NoSuchTransaction}, {st: next(4), code: errcode.TransactionTooOld}, {st: next(5)}}},
		{"after an abort", []step{{st: start(1), phase: session.Aborted}, {st: next(1), code: errcode.NoSuchTransaction},
			{st: commit(1), code: errcode.NoSuchTransaction}, {st: start(2)}}},
		{"retryable writes", []step{{st: retry(3)}, {st: retry(3)}, {st: retry(2), code: errcode.TransactionTooOld}, {st: retry(4)},
			{st: next(4), code: errcode.NoSuchTransaction}, {st: start(4), code: errcode.ConflictingOperationInProgress}}},
		{"a retryable write with a transaction's number", []step{{st: start(1)}, {st: retry(1), code: errcode.ConflictingOperationInProgress}, {st: next(1)}}},
		{"expired", []step{{st: start(1)}, {st: session.TxnStatement{Number: 1, InTxn: true, Now: time.Unix(61, 0)}, code: errcode.NoSuchTransaction}}},
	} {
		s := checkOut(t)
		for i, st := range tt.steps {
			st.st.Life = time.Minute
			if st.st.Now.IsZero() {
				st.st.Now = time.Unix(0, 0)
			}
			err := s.Enter(st.st)
			if st.code == 0 && err != nil || st.code != 0 && !errcode.Has(err, st.code) {
				t.Errorf("%s, step %d: got %v, want code %d", tt.name, i, err, st.code)
			}
			if st.phase != 0 {
				s.Txn.Phase = st.phase
			}
		}
	}
}

func checkOut(t *testing.T) *session.Session {
	t.Helper()
	s, err := session.NewSessions(clock.NewManual(time.Unix(0, 0))).CheckOut(t.Context(), session.SessionID{UUID: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNewNumberAborts begins a second transaction: the first one's storage is let go.
func TestNewNumberAborts(t *testing.T) {
	s := checkOut(t)
	h := &handle{}
	if err := s.Enter(session.TxnStatement{Number: 1, InTxn: true, Start: true, Life: time.Minute}); err != nil {
		t.Fatal(err)
	}
	s.Txn.Handle = h
	if err := s.Enter(session.TxnStatement{Number: 2}); err != nil {
		t.Fatal(err)
	}
	if !h.aborted || s.Txn.Number != 2 {
		t.Errorf("aborted %v, number %d", h.aborted, s.Txn.Number)
	}
}

func TestExpire(t *testing.T) {
	clk := clock.NewManual(time.Unix(1_000_000, 0))
	r := session.NewSessions(clk)
	id := session.SessionID{UUID: [16]byte{1}}
	s, err := r.Use(id)
	if err != nil {
		t.Fatal(err)
	}
	h := &handle{}
	if err := s.Enter(session.TxnStatement{InTxn: true, Start: true, Now: clk.Now(), Life: time.Minute}); err != nil {
		t.Fatal(err)
	}
	s.Txn.Handle = h
	if n, _ := r.ExpireTransactions(); n != 0 {
		t.Errorf("%d transactions expired at once", n)
	}
	clk.Advance(61 * time.Second)
	if n, _ := r.ExpireTransactions(); n != 1 || !h.aborted {
		t.Errorf("%d transactions expired after a minute", n)
	}
	clk.Advance(session.Timeout - time.Minute - time.Second)
	if gone := r.Expire(); len(gone) != 0 {
		t.Errorf("the session went early")
	}
	clk.Advance(2 * time.Second)
	if gone := r.Expire(); len(gone) != 1 || gone[0] != id || r.Len() != 0 {
		t.Errorf("gone: %v", gone)
	}
}

// list yields documents {n: 0} … up to n of them, each of size bytes at least.
type list struct {
	n, next, size int
	fail          error
	closed        bool
}

func (l *list) Next(context.Context) (bsonx.Doc, error) {
	if l.next == l.n {
		if l.fail != nil {
			return nil, l.fail
		}
		return nil, io.EOF
	}
	b := bsonx.NewDoc(nil)
	b.Int32("n", int32(l.next))
	b.String("pad", string(make([]byte, l.size)))
	l.next++
	return b.Done(), nil
}

func (l *list) Close() error { l.closed = true; return nil }

// batch reads a batch and returns the numbers of its documents.
func batch(t *testing.T, c *session.Cursor, limit int) (got []int32, done bool) {
	t.Helper()
	b := bsonx.NewDoc(nil)
	n, done, err := c.Batch(t.Context(), b, limit)
	if err != nil {
		t.Fatal(err)
	}
	for it := bsonx.NewIter(b.Done()); it.Next(); {
		got = append(got, bsonx.I32(bsonx.Lookup(it.Value().Data, "n")))
	}
	if len(got) != n {
		t.Errorf("%d documents, says %d", len(got), n)
	}
	return got, done
}

func TestBatch(t *testing.T) {
	c := session.NewCursor("db.c", &list{n: 5})
	for i, want := range []struct {
		limit, n int
		done     bool
	}{{0, 0, false}, {2, 2, false}, {3, 3, false}, {-1, 0, true}} {
		got, done := batch(t, c, want.limit)
		if len(got) != want.n || done != want.done {
			t.Errorf("batch %d: %v, done %v", i, got, done)
		}
	}
}

// TestBatchBytes reads large documents: a batch ends at 16 MiB, and nothing is
// lost or said twice at its edge.
func TestBatchBytes(t *testing.T) {
	c := session.NewCursor("db.c", &list{n: 5, size: 7 << 20})
	var all []int32
	for _, want := range []int{2, 2, 1} {
		got, _ := batch(t, c, -1)
		if len(got) != want {
			t.Errorf("a batch of %d, want %d", len(got), want)
		}
		all = append(all, got...)
	}
	for i, n := range all {
		if int(n) != i {
			t.Errorf("documents %v", all)
		}
	}
}

func TestCursors(t *testing.T) {
	clk := clock.NewManual(time.Unix(1_000_000, 0))
	r := session.NewCursors(clk)
	l := &list{n: 5}
	id := r.Add(session.NewCursor("db.c", l))
	if _, err := r.Take(id+1, "db.c", nil); !errcode.Has(err, errcode.CursorNotFound) {
		t.Errorf("another id: %v", err)
	}
	if _, err := r.Take(id, "db.d", nil); !errcode.Has(err, errcode.Unauthorized) {
		t.Errorf("another namespace: %v", err)
	}
	c, err := r.Take(id, "db.c", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Take(id, "db.c", nil); !errcode.Has(err, errcode.CursorInUse) {
		t.Errorf("in use: %v", err)
	}
	if !r.Kill(id, nil) || l.closed {
		t.Error("a cursor in use is killed when it is given back, not before")
	}
	r.Put(c, false)
	if !l.closed || r.Len() != 0 {
		t.Error("the killed cursor is still there")
	}

	idle, kept := &list{n: 5}, &list{n: 5}
	r.Add(session.NewCursor("db.c", idle))
	forever := session.NewCursor("db.c", kept)
	forever.NoTimeout = true
	r.Add(forever)
	clk.Advance(session.CursorTimeout + time.Second)
	r.Expire()
	if !idle.closed || kept.closed || r.Len() != 1 {
		t.Errorf("idle closed %v, noTimeout closed %v", idle.closed, kept.closed)
	}
}

func TestOpContext(t *testing.T) {
	ops := session.NewOps()
	parent, cancel := context.WithCancel(t.Context())
	op := &session.Op{Started: time.Unix(0, 0)}
	ops.Begin(parent, op)
	child, stop := context.WithCancel(op)
	defer stop()
	cause := errcode.New(errcode.Interrupted, "operation was interrupted")
	if op.Err() != nil || !ops.Kill(op.ID, cause) {
		t.Fatal("the operation is not there")
	}
	<-child.Done()
	if !errors.Is(op.Err(), cause) {
		t.Errorf("Err: %v", op.Err())
	}
	ops.End(op)
	if ops.Kill(op.ID, cause) {
		t.Error("it can be killed after its end")
	}

	other := &session.Op{}
	ops.Begin(parent, other)
	defer ops.End(other)
	done := other.Done()
	cancel()
	<-done
	if !errcode.Has(other.Err(), errcode.Interrupted) || !errors.Is(other.Err(), context.Canceled) {
		t.Errorf("Err after the parent's end: %v", other.Err())
	}

	late := &session.Op{}
	late.SetDeadline(time.Millisecond)
	ops.Begin(t.Context(), late)
	defer ops.End(late)
	<-late.Done()
	if !errcode.Has(late.Err(), errcode.MaxTimeMSExpired) {
		t.Errorf("Err after the deadline: %v", late.Err())
	}
}
