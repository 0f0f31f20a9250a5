package command

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/script"
	"github.com/argon-db/argon/internal/txn"
)

// source is what one command reads and writes: a transaction, and the databases
// that the command has touched, each as one view. All reads of a command go
// through it, so they see one moment.
type source struct {
	sv    *Services
	about about
	tx    *txn.Txn
	owned bool          // the command's own, not a session's transaction
	at    txn.Timestamp // every database is read as of then; 0: now
	dbs   []*database
	multi *txnHandle    // the session's transaction, when it is not owned
	empty txn.Savepoint // before any write
	// splits counts the commits that a large statement has made so far: what was
	// committed cannot start anew.
	splits int
	// explain: plans are to be shown, so that the plan cache stays out.
	explain bool
	// js runs the command's JavaScript, once it has some.
	js *script.Session
}

// about is what a source keeps of its command: a cursor outlives the request.
type about struct {
	db          string
	inTxn       bool
	apiStrict   bool
	now         int64 // $$NOW: the same for all statements of the command
	readConcern string
	// uuid is the command's collectionUUID, missing when it has none.
	uuid   bsonx.Value
	commit txn.CommitInfo
}

// database is one database (a branch, perhaps at a point) in a source.
type database struct {
	sv   *Services
	name string
	ref  *branch.Ref
	view *txn.View
	snap *catalog.Snapshot
	ver  int // of the transaction's own catalog changes, when snap was taken
}

// openSource begins to read. In a transaction it is the session's.
func (rq *Request) openSource(ctx context.Context) (*source, error) {
	if rq.InTxn {
		h, err := rq.sessionTxn()
		if err != nil {
			return nil, err
		}
		return &source{sv: rq.Services, about: rq.about(), tx: h.tx, multi: h, dbs: h.dbs}, nil
	}
	s := &source{sv: rq.Services, about: rq.about(), tx: rq.Services.Txns.Begin(txn.Options{}), owned: true}
	if err := rq.snapshot(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (rq *Request) about() about {
	return about{db: rq.DB, uuid: rq.collectionUUID(), now: rq.Services.Clock.Now().UnixMilli(), inTxn: rq.InTxn, readConcern: rq.ReadConcern.Level, commit: rq.commitInfo(),
		apiStrict: bsonx.Truthy(rq.Args.Generic.Get(idl.APIStrict))}
}

// javaScript returns what runs the command's JavaScript; nil when it is off.
func (s *source) javaScript(ctx context.Context) *script.Session {
	if s.js == nil && s.sv.Scripts != nil {
		s.js = s.sv.Scripts.Session(func() error { return exec.Interrupted(ctx) })
	}
	return s.js
}

// close ends the source. A session's transaction goes on.
func (s *source) close() {
	if s.js != nil {
		s.js.Close()
	}
	if s.owned {
		s.tx.Abort()
	}
}

// db resolves a database name.
func (s *source) db(ctx context.Context, name string) (*database, error) {
	for _, d := range s.dbs {
		if d.name == name {
			return d, s.refresh(d)
		}
	}
	ref, err := s.sv.Branches.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if s.at != 0 {
		if ref, err = s.sv.Branches.ResolveAt(ctx, ref, s.at); err != nil {
			return nil, err
		}
	}
	d := &database{sv: s.sv, name: name, ref: ref, ver: -1}
	d.view = s.tx.View(ref.Levels, !ref.ReadOnly)
	s.dbs = append(s.dbs, d)
	if s.multi != nil {
		s.multi.dbs = s.dbs
	}
	return d, s.refresh(d)
}

// refresh takes the catalog's snapshot again when the transaction has changed it.
func (s *source) refresh(d *database) error {
	if v := d.view.MetaVersion(); d.snap == nil || v != d.ver {
		snap, err := s.sv.Catalog.Snapshot(d.view)
		if err != nil {
			return err
		}
		d.snap, d.ver = snap, v
	}
	return nil
}

// target is a collection as a command named it. coll is nil when there is none,
// entry when there is neither a collection nor a view.
type target struct {
	db    *database
	name  string
	entry *catalog.Collection
	coll  *exec.Collection
}

// ns is the full namespace.
func (t *target) ns() string { return t.db.name + "." + t.name }

// isView reports whether the target is a view.
func (t *target) isView() bool { return t.entry != nil && t.entry.Type == catalog.TypeView }

// target finds a collection or view.
func (s *source) target(ctx context.Context, db, name string) (*target, error) {
	d, err := s.db(ctx, db)
	if err != nil {
		return nil, err
	}
	t := &target{db: d, name: name}
	e, ok := d.snap.Collection(name)
	if !ok {
		return t, nil
	}
	t.entry = e
	if e.Type != catalog.TypeView {
		t.coll, err = exec.Compile(e)
	}
	return t, err
}

// writable finds the collection for a write, creating it if need be. Errors:
// CommandNotSupportedOnView (166) for a view and for a point in the past.
func (s *source) writable(ctx context.Context, db, name string, create bool) (*target, error) {
	t, err := s.target(ctx, db, name)
	if err != nil {
		return nil, err
	}
	switch {
	case t.db.ref.ReadOnly:
		return nil, branch.ErrReadOnly(t.db.ref)
	case t.isView():
		return nil, errcode.New(errcode.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", t.ns())
	case t.coll != nil || !create:
		return t, nil
	}
	if _, err = s.writeDB(ctx, db); err != nil {
		return nil, err
	}
	if t.entry, err = s.sv.Catalog.Ensure(ctx, t.db.view, name); err != nil {
		return nil, err
	}
	t.coll, err = exec.Compile(t.entry)
	return t, err
}

// writeDB resolves a database that is to be written to and creates its project
// if there is none. Error: CommandNotSupportedOnView (166) for a point in the past.
func (s *source) writeDB(ctx context.Context, name string) (*database, error) {
	d, err := s.db(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case d.ref.ReadOnly:
		return nil, branch.ErrReadOnly(d.ref)
	case d.ref.Exists:
		return d, nil
	}
	if d.ref, err = s.sv.Branches.ResolveForWrite(ctx, name); err != nil {
		return nil, err
	}
	d.view, d.snap = s.tx.View(d.ref.Levels, true), nil
	return d, s.refresh(d)
}

// endsCommand reports whether an error of one operation ends its whole command:
// the statement has to start anew, was interrupted, or its transaction failed.
func endsCommand(err error) bool {
	if txn.IsStale(err) {
		return true
	}
	switch e := errcode.As(err); e.Code {
	case errcode.WriteConflict, errcode.MaxTimeMSExpired, errcode.Interrupted, errcode.InterruptedAtShutdown,
		errcode.TransactionTooLarge, errcode.LockTimeout:
		return true
	}
	return false
}

// maxAttempts bounds how often a statement starts anew because of others' writes.
const maxAttempts = 1000

// write is writeReply for a command that is no retryable write.
func (rq *Request) write(ctx context.Context, fn func(s *source) error) error {
	return rq.writeReply(ctx, nil, fn, func(*bsonx.Builder) {})
}

// writeReply runs fn as one statement: in a transaction with a savepoint, otherwise
// with a transaction of its own that is committed at the end. fn is called again
// from the beginning when what it read was outdated, so it must not keep results
// of an earlier call.
//
// reply appends the fields of the command's reply to b after fn, and, for a
// retryable write, to what is stored with the commit.
func (rq *Request) writeReply(ctx context.Context, b *bsonx.Builder, fn func(s *source) error, reply func(b *bsonx.Builder)) error {
	if rq.InTxn {
		s, err := rq.openSource(ctx)
		if err != nil {
			return err
		}
		sp := s.tx.Savepoint()
		if err := fn(s); err != nil {
			s.tx.RollbackTo(sp)
			return err
		}
		reply(b)
		return nil
	}
	for attempt := 1; ; attempt++ {
		s, err := rq.openSource(ctx)
		if err != nil {
			return err
		}
		err = fn(s)
		if err == nil {
			if s.tx.HasWrites() {
				rq.keepOutcome(s.tx, reply)
				_, err = s.tx.Commit(ctx, rq.commitInfo())
			}
		}
		s.tx.Abort()
		if err == nil {
			rq.outcomeKept()
			if !rq.silent() {
				reply(b)
			}
			return nil
		}
		if !txn.IsStale(err) {
			return err
		}
		if attempt == maxAttempts || s.splits > 0 {
			return conflicted(attempt)
		}
		if err := exec.Interrupted(ctx); err != nil {
			return err
		}
	}
}
