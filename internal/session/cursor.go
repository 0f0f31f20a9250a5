package session

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
)

// Iterator yields the documents of a result. A document is valid until the
// next call of Next or Close. At the end Next returns io.EOF; a tailable
// iterator returns ErrWait when there is nothing more for now. An iterator that
// can tell without reading that nothing follows (a limit was reached) also has
// Exhausted() bool; one that returns ErrWait has Wait(context.Context) error,
// which returns nil when there may be more and the context's error otherwise.
type Iterator interface {
	Next(ctx context.Context) (bsonx.Doc, error)
	Close() error
}

// ErrWait is what a tailable Iterator returns instead of io.EOF when more may
// come later: the batch ends, the cursor stays.
var ErrWait = errors.New("session: no more documents for now")

// CursorTimeout is how long an idle cursor lives without a session.
const CursorTimeout = 10 * time.Minute

// maxBatchBytes bounds the documents of a batch, as MongoDB's 16 MiB reply.
const maxBatchBytes = bsonx.MaxDocSize

// DefaultFirstBatch is how many documents a first batch has when the client
// does not say.
const DefaultFirstBatch = 101

// Cursor is an open result. Between commands it belongs to the registry; a
// command that has taken it is its only user.
type Cursor struct {
	ID int64
	// NS is the namespace that getMore must name: "db.collection".
	NS string
	// LSID is the owner's session, empty when there is none; Txn the number of
	// the transaction that it was opened in, -1 outside of one.
	LSID SessionID
	Txn  int64
	// User is who opened the cursor ("" without access control).
	User string
	// Needs is what its command asked of the user's privileges, for who checks them
	// again at each batch.
	Needs any
	// AtClusterTime is the timestamp that a snapshot read is of; 0: none.
	AtClusterTime int64
	// NoTimeout keeps an idle cursor until its session ends.
	NoTimeout bool
	// Tailable and AwaitData say how getMore behaves at the end.
	Tailable, AwaitData bool
	// Command is the command that opened it, for currentOp.
	Command bsonx.Doc
	// PostBatchToken, when set, is called after each batch for a change stream's
	// postBatchResumeToken; held says that the last document that the iterator
	// returned did not fit in the batch.
	PostBatchToken func(held bool) bsonx.Doc

	it       Iterator
	held     bsonx.Doc // read, but did not fit in the last batch
	lastUse  time.Time
	created  time.Time
	returned int64
	batches  int64
	inUse    bool
	user     *Op // what uses it; may be nil
	killed   bool
}

// NewCursor makes a cursor that is not registered yet.
func NewCursor(ns string, it Iterator) *Cursor { return &Cursor{NS: ns, Txn: -1, it: it} }

// Close releases the iterator. Only for a cursor that is not registered.
func (c *Cursor) Close() error {
	c.held = nil
	return c.it.Close()
}

// Batch appends up to limit documents (limit < 0: no limit) to the open array
// of b, as many as fit in 16 MiB, and reports whether the result is exhausted.
func (c *Cursor) Batch(ctx context.Context, b *bsonx.Builder, limit int) (n int, done bool, err error) {
	start := b.Size()
	for limit < 0 || n < limit {
		d := c.held
		if c.held = nil; d == nil {
			if d, err = c.it.Next(ctx); err != nil {
				c.count(n)
				return n, err == io.EOF, endOfBatch(err)
			}
		}
		if n > 0 && b.Size()-start+len(d)+16 > maxBatchBytes {
			c.held = append(bsonx.Doc(nil), d...)
			break
		}
		b.Doc(bsonx.Index(n), d)
		n++
	}
	c.count(n)
	if e, ok := c.it.(interface{ Exhausted() bool }); ok && c.held == nil {
		done = e.Exhausted()
	}
	return n, done, nil
}

// AppendPostBatchToken appends a change stream's postBatchResumeToken to a reply.
func (c *Cursor) AppendPostBatchToken(b *bsonx.Builder) {
	if c.PostBatchToken != nil {
		b.Doc("postBatchResumeToken", c.PostBatchToken(c.held != nil))
	}
}

// Wait returns nil when there may be more documents, after ErrWait ended a batch.
func (c *Cursor) Wait(ctx context.Context) error {
	if w, ok := c.it.(interface{ Wait(context.Context) error }); ok {
		return w.Wait(ctx)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (c *Cursor) count(n int) {
	c.returned += int64(n)
	c.batches++
}

func endOfBatch(err error) error {
	if err == io.EOF || errors.Is(err, ErrWait) {
		return nil
	}
	return err
}

// Cursors is the registry of open cursors. Safe for concurrent use.
type Cursors struct {
	clk clock.Clock
	mu  sync.Mutex
	m   map[int64]*Cursor
	// timedOut counts cursors that were closed for being idle.
	timedOut int64
}

// NewCursors returns an empty registry.
func NewCursors(clk clock.Clock) *Cursors {
	return &Cursors{clk: clk, m: make(map[int64]*Cursor)}
}

// Add registers c and gives it an id.
func (r *Cursors) Add(c *Cursor) int64 {
	now := r.clk.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		c.ID = rand.Int64()
		if _, dup := r.m[c.ID]; c.ID != 0 && !dup {
			break
		}
	}
	c.created, c.lastUse = now, now
	r.m[c.ID] = c
	return c.ID
}

// Take gives the caller the cursor for a getMore; give it back with Put. user, if
// not nil, is cancelled with CursorKilled when the cursor is killed meanwhile.
// Errors: CursorNotFound, CursorInUse, Unauthorized (another namespace).
func (r *Cursors) Take(id int64, ns string, user *Op) (*Cursor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.m[id]
	switch {
	case !ok || c.killed:
		return nil, errcode.New(errcode.CursorNotFound, "cursor id %d not found", id)
	case c.inUse:
		return nil, errcode.New(errcode.CursorInUse, "cursor id %d is already in use", id)
	case c.NS != ns:
		return nil, errcode.New(errcode.Unauthorized,
			"Requested getMore on namespace '%s', but cursor belongs to a different namespace %s", ns, c.NS)
	}
	c.inUse, c.user = true, user
	return c, nil
}

// Put gives a taken cursor back; done closes it.
func (r *Cursors) Put(c *Cursor, done bool) {
	now := r.clk.Now()
	r.mu.Lock()
	c.inUse, c.user, c.lastUse = false, nil, now
	done = done || c.killed
	if done {
		delete(r.m, c.ID)
	}
	r.mu.Unlock()
	if done {
		_ = c.Close()
	}
}

// Kill closes a cursor, at once or when the command that uses it, which it ends,
// gives it back, and reports whether there was one that owns accepts (nil: all).
func (r *Cursors) Kill(id int64, owns func(*Cursor) bool) bool {
	r.mu.Lock()
	c, ok := r.m[id]
	ok = ok && !c.killed && (owns == nil || owns(c))
	var closing *Cursor
	if ok {
		closing = r.killLocked(c)
	}
	r.mu.Unlock()
	if closing != nil {
		_ = closing.Close()
	}
	return ok
}

// Is reports whether there is such a cursor and test accepts it.
func (r *Cursors) Is(id int64, test func(*Cursor) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.m[id]
	return ok && !c.killed && test(c)
}

// killLocked marks or removes c and returns it when the caller has to close it.
func (r *Cursors) killLocked(c *Cursor) *Cursor {
	if c.inUse {
		c.killed = true
		if c.user != nil {
			c.user.Cancel(errcode.New(errcode.CursorKilled, "cursor id %d was killed", c.ID))
		}
		return nil
	}
	delete(r.m, c.ID)
	return c
}

// KillWhere closes every cursor that match accepts and returns how many.
func (r *Cursors) KillWhere(match func(*Cursor) bool) int {
	var closing []*Cursor
	n := 0
	r.mu.Lock()
	for _, c := range r.m {
		if !c.killed && match(c) {
			n++
			if k := r.killLocked(c); k != nil {
				closing = append(closing, k)
			}
		}
	}
	r.mu.Unlock()
	for _, c := range closing {
		_ = c.Close()
	}
	return n
}

// Expire closes cursors that were idle for too long; call it now and then.
func (r *Cursors) Expire() {
	limit := r.clk.Now().Add(-CursorTimeout)
	n := r.KillWhere(func(c *Cursor) bool {
		return !c.inUse && !c.NoTimeout && c.LSID.IsZero() && c.lastUse.Before(limit)
	})
	r.mu.Lock()
	r.timedOut += int64(n)
	r.mu.Unlock()
}

// CursorInfo is what currentOp and serverStatus show of a cursor.
type CursorInfo struct {
	ID                  int64
	NS                  string
	LSID                SessionID
	Txn                 int64
	NoTimeout, Tailable bool
	AwaitData, InUse    bool
	Created, LastUse    time.Time
	Returned, Batches   int64
	Command             bsonx.Doc
	User                string
}

// List returns a picture of all open cursors, and how many timed out so far.
func (r *Cursors) List() (open []CursorInfo, timedOut int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open = make([]CursorInfo, 0, len(r.m))
	for _, c := range r.m {
		info := CursorInfo{ID: c.ID, NS: c.NS, LSID: c.LSID, Txn: c.Txn, NoTimeout: c.NoTimeout,
			Tailable: c.Tailable, AwaitData: c.AwaitData, InUse: c.inUse, Created: c.created,
			LastUse: c.lastUse, Command: c.Command, User: c.User}
		if !c.inUse { // else its user is writing these
			info.Returned, info.Batches = c.returned, c.batches
		}
		open = append(open, info)
	}
	return open, r.timedOut
}

// Len returns how many cursors are open.
func (r *Cursors) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.m)
}
