// Package txn is transactions over the store: a snapshot to read, own writes on
// top of it, locks on what is written, and the commit. It knows keys, rows and
// index entries of one or more timelines, and nothing of MongoDB's query
// language.
//
// Isolation is snapshot isolation with locks at the first write. In a
// transaction of several statements (Options.Multi) a write to a key that
// another open transaction has written, or that has a version newer than the
// snapshot, fails at once with WriteConflict. A single statement waits for the
// other transaction and then goes on from the newest version: LockRow gives it
// to the caller, who looks at it again.
package txn

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

// The store's names, for packages that may not import it.
type (
	LSN          = wal.LSN
	Timeline     = wal.Timeline
	CollectionID = wal.CollectionID
	Timestamp    = wal.Timestamp
	Stamp        = wal.Stamp
	Actor        = wal.Actor
	SessionInfo  = wal.SessionInfo
	// Kind is what the log says about a write: wal.Insert, Update, …
	Kind    = wal.Kind
	IndexID = store.IndexID
	Level   = store.Level
)

// Kinds of writes in the log.
const (
	Insert  = wal.Insert
	Update  = wal.Update
	Replace = wal.Replace
	Delete  = wal.Delete
	DDL     = wal.DDL
)

// DefaultMaxBytes bounds the uncommitted writes of one transaction, in bytes of
// keys and values.
const DefaultMaxBytes = 256 << 20

// Config configures a Manager. The zero value is usable.
type Config struct {
	// MaxBytes bounds one transaction's uncommitted writes; 0 is DefaultMaxBytes.
	MaxBytes int
}

// Manager begins transactions on one store. It is safe for concurrent use.
type Manager struct {
	store *store.Store
	cfg   Config
	locks *lockTable
	gates gateTable
	pins  pinTable
	metas metaTable
}

// NewManager returns a manager of transactions on s.
func NewManager(s *store.Store, cfg Config) *Manager {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	return &Manager{store: s, cfg: cfg, locks: newLockTable(), metas: metaTable{start: s.Visible().LSN}}
}

// Store returns the store below.
func (m *Manager) Store() *store.Store { return m.store }

// Options say what a transaction is for.
type Options struct {
	// Multi: several statements, with MongoDB's rules for conflicts within a
	// transaction. Otherwise one statement.
	Multi bool
	// ReadAt is an older snapshot to read from; 0 is the newest. Writes of a
	// transaction with ReadAt conflict with everything newer.
	ReadAt LSN
}

// Txn is a transaction. It and its views are for one goroutine at a time; reads
// of several iterators may interleave. It ends with Commit or Abort.
type Txn struct {
	m        *Manager
	multi    bool
	snapshot LSN
	pin      pin
	views    []*View
	locks    []*lock
	gates    []heldGate
	waitsFor *lock // guarded by lockTable.waitMu
	journal  []change
	ddl      []wal.Op
	control  []controlWrite
	ordinal  int
	size     int
	arena    []byte // keys of index entries
	nameBuf  []byte // lockName's
	retire   []Timeline
	unpin    []func() // of views of the past
	ended    bool

	room room
}

// room is the memory that a statement of one document needs, in one allocation
// with its transaction.
type room struct {
	views   [1]*View
	locks   [2]*lock
	gates   [2]heldGate
	journal [2]change
	name    [64]byte
	view    View
	levels  [2][2]Level
	writes  writes
	buffers [2]*buffer
	rows    buffer
	few     [2]*write
}

// change is one step that a savepoint can undo.
type change struct {
	now, was *write // was is nil for the key's first write
}

type controlWrite struct{ key, value []byte }

// Begin starts a transaction.
func (m *Manager) Begin(o Options) *Txn {
	t := &Txn{m: m, multi: o.Multi}
	r := &t.room
	t.views, t.locks, t.gates, t.journal, t.nameBuf = r.views[:0], r.locks[:0], r.gates[:0], r.journal[:0], r.name[:0]
	t.pin = m.pins.add(m.store, o.ReadAt)
	t.snapshot = t.pin.lsn
	return t
}

// Snapshot returns the LSN that the transaction reads at.
func (t *Txn) Snapshot() LSN { return t.snapshot }

// Multi reports whether this is a transaction of several statements.
func (t *Txn) Multi() bool { return t.multi }

// HasWrites reports whether a commit would write anything.
func (t *Txn) HasWrites() bool { return len(t.journal) > 0 || len(t.ddl) > 0 || len(t.control) > 0 }

// Size returns the bytes of keys and values that wait to be committed.
func (t *Txn) Size() int { return t.size }

// Writes returns how many writes of rows, index entries and the catalog wait to be
// committed.
func (t *Txn) Writes() int { return len(t.journal) }

// Refresh moves the snapshot of a single statement to the newest commit. Open
// iterators go on with what they saw.
func (t *Txn) Refresh() {
	if t.multi || t.ended {
		return
	}
	p := t.m.pins.add(t.m.store, 0)
	t.m.pins.remove(t.pin)
	t.pin, t.snapshot = p, p.lsn
	for _, v := range t.views {
		v.cap()
	}
}

// View returns the transaction's view of one timeline: levels[0] is the timeline
// itself, then its ancestors. Views of the same timeline share their writes.
func (t *Txn) View(levels []Level, writable bool) *View {
	for _, v := range t.views {
		if v.writable == writable && slices.Equal(v.raw, levels) {
			return v
		}
	}
	first := len(t.views) == 0
	v := &View{t: t, writable: writable}
	if first {
		v = &t.room.view
		*v = View{t: t, writable: writable, raw: t.room.levels[0][:0], levels: t.room.levels[1][:0]}
	}
	v.raw = append(v.raw, levels...)
	for _, o := range t.views { // read the writes of the same timeline at head
		if len(levels) > 0 && o.writes != nil && o.raw[0] == levels[0] {
			v.writes = o.writes
		}
	}
	if v.writes == nil {
		v.writes = &writes{}
		if first {
			v.writes = &t.room.writes
			v.writes.buffers, v.writes.room = t.room.buffers[:0], &t.room
		}
		v.writes.timeline = levels[0].Timeline
	}
	v.cap()
	t.views = append(t.views, v)
	if !v.AtHead() { // the snapshot's own pin does not cover it
		t.unpin = append(t.unpin, t.m.store.Pin(levels))
	}
	return v
}

// Savepoint marks the state to which RollbackTo returns.
type Savepoint struct{ journal, ddl, control, retire int }

// Savepoint returns a mark of the present state, to undo one failed statement.
// Call it before each statement of a transaction.
func (t *Txn) Savepoint() Savepoint {
	return Savepoint{len(t.journal), len(t.ddl), len(t.control), len(t.retire)}
}

// RollbackTo undoes all writes since sp. Locks stay held.
func (t *Txn) RollbackTo(sp Savepoint) {
	for i := len(t.journal) - 1; i >= sp.journal; i-- {
		c := &t.journal[i]
		c.now.buf.unset(c.now, c.was)
		t.size -= len(c.now.key) + len(c.now.value)
		if c.now.buf.kind == bufMeta {
			c.now.buf.writes.metaVersion++
		}
	}
	t.journal = t.journal[:sp.journal]
	t.ddl = t.ddl[:sp.ddl]
	t.control = t.control[:sp.control]
	t.retire = t.retire[:sp.retire]
}

// record puts w in its buffer and in the journal.
func (t *Txn) record(w, old *write) error {
	n := len(w.key) + len(w.value)
	if t.size+n > t.m.cfg.MaxBytes {
		return errcode.New(errcode.TransactionTooLarge,
			"the uncommitted writes of one operation exceed the limit of %d bytes; write in smaller batches", t.m.cfg.MaxBytes)
	}
	t.size += n
	if old != nil {
		w.ordinal = old.ordinal
	} else {
		w.ordinal = t.ordinal
		t.ordinal++
	}
	w.buf.set(w, old)
	t.journal = append(t.journal, change{w, old})
	return nil
}

// lockKey takes the exclusive lock on key. It reports whether the lock is new,
// so that the caller must look at the key's newest version.
func (t *Txn) lockKey(ctx context.Context, key []byte) (fresh bool, err error) {
	out, err := t.m.locks.acquire(ctx, t, key, !t.multi)
	if err != nil {
		return false, ctxError(ctx)
	}
	switch out {
	case lockBusy:
		return false, t.stale(staleRow)
	case lockDeadlock:
		return false, t.stale(staleDeadlock)
	}
	return out != lockHeld, nil
}

// gate returns what t holds of a gate, nil if nothing. The pointer is valid
// until the next gate is taken.
func (t *Txn) gate(id gateID) *heldGate {
	for i := range t.gates {
		if t.gates[i].id == id {
			return &t.gates[i]
		}
	}
	return nil
}

// holds reports whether t holds a gate for which f is true.
func (t *Txn) holds(f func(*heldGate) bool) bool {
	for i := range t.gates {
		if f(&t.gates[i]) {
			return true
		}
	}
	return false
}

// enter passes the gate of a collection (0: of the timeline) for writing.
func (t *Txn) enter(ctx context.Context, id gateID) error {
	if t.gate(id) != nil {
		return nil
	}
	g := t.m.gates.get(id)
	if err := g.pass(ctx, t); err != nil {
		return err
	}
	t.gates = append(t.gates, heldGate{id: id, g: g, shared: true})
	return nil
}

// shut takes a gate exclusive.
func (t *Txn) shut(ctx context.Context, id gateID) error {
	h := t.gate(id)
	if h != nil && h.exclusive {
		return nil
	}
	own := 0
	if h != nil {
		own = 1
	}
	g := t.m.gates.get(id)
	if err := g.shut(ctx, t, own); err != nil {
		return err
	}
	if h != nil {
		h.exclusive = true
	} else {
		t.gates = append(t.gates, heldGate{id: id, g: g, exclusive: true})
	}
	return nil
}

// Shut keeps others from writing to a timeline until t ends. It waits for its present
// writers, and others wait for it. Refresh the snapshot after it, to see what
// they wrote.
func (t *Txn) Shut(ctx context.Context, tl Timeline) error { return t.shut(ctx, gateID{timeline: tl}) }

// Retire marks a timeline as one that no branch points to any more: once t
// commits, writers that still have it are told to resolve their branch again.
// It waits for the timeline's present writers.
func (t *Txn) Retire(ctx context.Context, tl Timeline) error {
	if err := t.shut(ctx, gateID{timeline: tl}); err != nil {
		return err
	}
	t.retire = append(t.retire, tl)
	return nil
}

// PutControl writes a record of the control space with the commit; a nil value
// deletes it.
func (t *Txn) PutControl(key, value []byte) {
	t.control = append(t.control, controlWrite{key, value})
}

// LogDDL adds a change of the catalog to the commit's log record.
func (t *Txn) LogDDL(tl Timeline, coll CollectionID, description []byte) {
	t.ddl = append(t.ddl, wal.Op{Timeline: tl, Collection: coll, Kind: wal.DDL, Key: description})
}

// Abort ends the transaction without a trace. After Commit it does nothing.
func (t *Txn) Abort() {
	if !t.ended {
		t.finish(0)
	}
}

// finish lets go of everything. lsn is the commit's, 0 for none.
func (t *Txn) finish(lsn LSN) {
	t.ended = true
	for _, f := range t.unpin {
		f()
	}
	for i := range t.gates {
		h := &t.gates[i]
		h.leave(t, lsn, lsn != 0 && h.id.collection == 0 && slices.Contains(t.retire, h.id.timeline))
	}
	t.gates = nil
	t.m.locks.releaseAll(t)
	t.m.pins.remove(t.pin)
}
