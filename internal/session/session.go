// Package session keeps what outlives a command: logical sessions with their
// transactions and the outcomes of retryable writes, open cursors, and the
// operations that run right now.
package session

import (
	"context"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
)

// Timeout is how long a session lives without being used.
const Timeout = 30 * time.Minute

// SessionID is a logical session's id: the UUID that the driver chose and the
// user it belongs to ("" without access control). The zero value is no session.
type SessionID struct {
	UUID [16]byte
	User string
}

// IsZero reports whether there is no session.
func (id SessionID) IsZero() bool { return id.UUID == [16]byte{} }

// Session is a logical session. Its id and creation never change; the rest is
// guarded by Lock, which a command with a transaction number holds while it
// runs, so that two statements of one transaction never overlap.
type Session struct {
	ID      SessionID
	Created time.Time

	registry *Sessions
	held     chan struct{} // has room for one: who put it in holds the session
	lastUse  time.Time     // guarded by Sessions.mu
	ended    bool          // no longer in the registry; guarded by Lock

	// Txn is the state that belongs to the newest transaction number: nil until
	// a command brought one. Guarded by Lock.
	Txn *Transaction
	// Loaded says that what earlier runs of the server kept was looked up.
	// Guarded by Lock.
	Loaded bool
}

// Lock gives the caller the session's transaction state, or returns the context's
// error when that ends first.
func (s *Session) Lock(ctx context.Context) error {
	if s.tryLock() {
		return nil
	}
	select {
	case s.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) tryLock() bool {
	select {
	case s.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// Unlock gives it back.
func (s *Session) Unlock() { <-s.held }

// Sessions is the registry of logical sessions. Safe for concurrent use.
type Sessions struct {
	clk clock.Clock
	mu  sync.Mutex
	m   map[SessionID]*Session
	// open are the sessions with a transaction in progress.
	open map[*Session]openTxn
}

// openTxn is what the registry knows of a transaction in progress.
type openTxn struct {
	number           int64
	started, expires time.Time
}

// maxSessions is MongoDB's default limit of cached sessions.
const maxSessions = 1_000_000

// NewSessions returns an empty registry.
func NewSessions(clk clock.Clock) *Sessions {
	return &Sessions{clk: clk, m: make(map[SessionID]*Session), open: make(map[*Session]openTxn)}
}

// Use returns the session with that id, which is created when there is none,
// and counts as a use of it.
func (r *Sessions) Use(id SessionID) (*Session, error) {
	now := r.clk.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.m[id]
	if !ok {
		if len(r.m) >= maxSessions {
			return nil, errcode.New(errcode.TooManyLogicalSessions, "cannot add session into the cache: there are too many sessions; end some")
		}
		s = &Session{ID: id, Created: now, registry: r, held: make(chan struct{}, 1)}
		r.m[id] = s
	}
	s.lastUse = now
	return s, nil
}

// CheckOut is Use and Lock: it never returns a session that was ended meanwhile.
func (r *Sessions) CheckOut(ctx context.Context, id SessionID) (*Session, error) {
	for {
		s, err := r.Use(id)
		if err != nil {
			return nil, err
		}
		if err := s.Lock(ctx); err != nil {
			return nil, err
		}
		if !s.ended {
			return s, nil
		}
		s.Unlock()
	}
}

// Find returns the session with that id without using it; nil if none.
func (r *Sessions) Find(id SessionID) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[id]
}

// End removes sessions and aborts their transactions; it waits for the statements
// that run in these.
func (r *Sessions) End(ids ...SessionID) {
	var gone []*Session
	r.mu.Lock()
	for _, id := range ids {
		if s, ok := r.m[id]; ok {
			delete(r.m, id)
			gone = append(gone, s)
		}
	}
	r.mu.Unlock()
	for _, s := range gone {
		_ = s.Lock(context.Background())
		s.ended = true
		s.AbortTxn()
		s.Unlock()
	}
}

// Expire ends sessions that were not used for Timeout and returns their ids, so
// that their cursors can be closed too.
func (r *Sessions) Expire() []SessionID {
	limit := r.clk.Now().Add(-Timeout)
	var ids []SessionID
	r.mu.Lock()
	for id, s := range r.m {
		if s.lastUse.Before(limit) && len(s.held) == 0 {
			ids = append(ids, id)
		}
	}
	r.mu.Unlock()
	r.End(ids...)
	return ids
}

// Info is what $listLocalSessions shows of a session.
type Info struct {
	ID               SessionID
	Created, LastUse time.Time
	// InTxn: a transaction is open and no command runs in it.
	InTxn bool
	// TxnNumber and TxnStarted are that transaction's.
	TxnNumber  int64
	TxnStarted time.Time
}

// List returns all sessions.
func (r *Sessions) List() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Info, 0, len(r.m))
	for id, s := range r.m {
		info := Info{ID: id, Created: s.Created, LastUse: s.lastUse}
		if t, open := r.open[s]; open && len(s.held) == 0 {
			info.InTxn, info.TxnNumber, info.TxnStarted = true, t.number, t.started
		}
		out = append(out, info)
	}
	return out
}

// Len returns how many sessions there are.
func (r *Sessions) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.m)
}
