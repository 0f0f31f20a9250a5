package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Op is an operation that runs right now, as currentOp shows it, and the
// context of its command. Its exported fields are set before it is registered
// and never change.
//
// As a context, its Err is the *errcode.Error that says why it was ended
// (MaxTimeMSExpired, Interrupted, …), so a handler can return it as it is.
type Op struct {
	ID      int64
	Started time.Time
	// DB and Coll are the namespace; Coll aliases the message as Body does, and is
	// empty for a command on a database.
	DB      string
	Coll    []byte
	Command string
	// Body is the command; it aliases the message, so List's caller copies it.
	Body bsonx.Doc
	LSID SessionID
	Conn *ConnInfo
	// Kind is currentOp's "op": query, insert, update, remove, getmore, command.
	Kind string

	parent   context.Context
	deadline time.Time
	mu       sync.Mutex
	done     chan struct{}
	err      error
	timer    *time.Timer
	stop     func() bool
	onEnd    func()
	plan     atomic.Pointer[string]
}

// ConnInfo is what operations show of their connection.
type ConnInfo struct {
	ID      int64
	Remote  string
	AppName string
	Client  bsonx.Doc
	User    string
}

// NS returns the operation's namespace, which shows in currentOp.
func (o *Op) NS() string {
	if len(o.Coll) == 0 {
		return o.DB
	}
	return o.DB + "." + string(o.Coll)
}

// Deadline implements context.Context.
func (o *Op) Deadline() (time.Time, bool) { return o.deadline, !o.deadline.IsZero() }

// Done implements context.Context. The channel is made when first asked for.
func (o *Op) Done() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done == nil {
		o.done = make(chan struct{})
		if o.err != nil {
			close(o.done)
		} else if o.parent != nil && o.stop == nil {
			parent := o.parent
			o.stop = context.AfterFunc(parent, func() { o.Cancel(o.interrupted()) })
		}
	}
	return o.done
}

// Err implements context.Context.
func (o *Op) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && o.parent != nil && o.parent.Err() != nil {
		o.endLocked(o.interrupted())
	}
	return o.err
}

// Value implements context.Context.
func (o *Op) Value(key any) any {
	if o.parent == nil {
		return nil
	}
	return o.parent.Value(key)
}

func (o *Op) interrupted() error {
	return errcode.Wrap(context.Canceled, errcode.Interrupted, "operation was interrupted because the connection or the server closes")
}

// Cancel ends the operation with cause; the first cause stays.
func (o *Op) Cancel(cause error) {
	o.mu.Lock()
	o.endLocked(cause)
	o.mu.Unlock()
}

func (o *Op) endLocked(cause error) {
	if o.err != nil {
		return
	}
	o.err = cause
	if o.done != nil {
		close(o.done)
	}
	if o.onEnd != nil {
		o.onEnd()
	}
}

// OnEnd has f called when the operation is ended, at once if it was already. It
// replaces the f before; nil takes it away. f must not use the operation. Unlike a
// wait for Done it costs no goroutine.
func (o *Op) OnEnd(f func()) {
	o.Done() // so that the end of the parent ends the operation
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.onEnd = f; f != nil && o.err != nil {
		f()
	}
}

// SetDeadline ends the operation with MaxTimeMSExpired after d. Only before the
// operation is registered.
func (o *Op) SetDeadline(d time.Duration) {
	o.deadline = o.Started.Add(d)
	o.timer = time.AfterFunc(d, func() {
		o.Cancel(errcode.Wrap(context.DeadlineExceeded, errcode.MaxTimeMSExpired, "operation exceeded time limit"))
	})
}

// SetPlan records a summary of the plan ("IXSCAN { a: 1 }").
func (o *Op) SetPlan(summary string) { o.plan.Store(&summary) }

// Plan returns the summary that SetPlan recorded, or "".
func (o *Op) Plan() string {
	if p := o.plan.Load(); p != nil {
		return *p
	}
	return ""
}

// Ops is the registry of running operations. Safe for concurrent use.
type Ops struct {
	next atomic.Int64
	mu   sync.Mutex
	m    map[int64]*Op
}

// NewOps returns an empty registry.
func NewOps() *Ops { return &Ops{m: make(map[int64]*Op)} }

// Begin registers op under a context and gives it an id. Call End after.
func (r *Ops) Begin(parent context.Context, op *Op) {
	op.ID, op.parent = r.next.Add(1), parent
	r.mu.Lock()
	r.m[op.ID] = op
	r.mu.Unlock()
}

// End removes op and releases its timer. The op's context is over then.
func (r *Ops) End(op *Op) {
	r.mu.Lock()
	delete(r.m, op.ID)
	r.mu.Unlock()
	if op.timer != nil {
		op.timer.Stop()
	}
	op.mu.Lock()
	stop := op.stop
	if op.done != nil {
		op.endLocked(context.Canceled)
	}
	op.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Kill cancels the operation with that id and reports whether there was one.
func (r *Ops) Kill(id int64, cause error) bool {
	r.mu.Lock()
	op, ok := r.m[id]
	r.mu.Unlock()
	if ok {
		op.Cancel(cause)
	}
	return ok
}

// KillWhere cancels every operation that match accepts.
func (r *Ops) KillWhere(match func(*Op) bool, cause error) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, op := range r.m {
		if match(op) {
			op.Cancel(cause)
			n++
		}
	}
	return n
}

// List calls f with every running operation, while none can end: f may read
// the op's Body but must copy what it keeps.
func (r *Ops) List(f func(*Op)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range r.m {
		f(op)
	}
}

// Len returns how many operations run.
func (r *Ops) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.m)
}
