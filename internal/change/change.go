// Package change is change streams: the commits of a collection, a branch or the
// whole server as MongoDB's events, read from the commit log. A stream holds
// nothing but its position; images of documents are read at the event's own LSN,
// so they are exact for as long as the history is kept.
package change

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// Service opens streams. It is safe for concurrent use.
type Service struct {
	store    *store.Store
	txns     *txn.Manager
	catalog  *catalog.Catalog
	branches *branch.Service
	hub      *hub
	large    large
}

// New returns a service over the data.
func New(m *txn.Manager, c *catalog.Catalog, b *branch.Service) *Service {
	s := &Service{store: m.Store(), txns: m, catalog: c, branches: b, hub: newHub(m.Store())}
	b.ReadBy(s.hub.behind)
	return s
}

// Open opens a stream on a collection, on a database (coll is ""), or, with
// Spec.Cluster, on the whole server. split says that the reader splits events
// that are too large. Errors: CommandNotSupportedOnView for a view and a point in
// the past, ChangeStreamHistoryLost, ChangeStreamFatalError for a token of
// another stream.
func (s *Service) Open(ctx context.Context, db, coll string, spec *Spec, split bool) (*Stream, error) {
	st := &Stream{s: s, spec: spec, db: db, coll: coll, w: &waiter{ch: make(chan struct{}, 1)}, lines: map[wal.Timeline]*line{}}
	if !spec.Cluster {
		if err := st.resolve(ctx); err != nil {
			return nil, err
		}
		if err := st.checkTarget(); err != nil {
			return nil, err
		}
	}
	if err := st.start(split); err != nil {
		return nil, err
	}
	s.hub.join(st.w, st.timeline, spec.Cluster)
	return st, nil
}

// resolve finds the branch that the stream is on.
func (st *Stream) resolve(ctx context.Context) error {
	ref, err := st.s.branches.Resolve(ctx, st.db)
	if err != nil {
		return err
	}
	if ref.ReadOnly {
		return errcode.New(errcode.CommandNotSupportedOnView,
			"'%s' is a point in the past, where nothing changes; open the change stream on the branch '%s', with startAtOperationTime to begin in the past", st.db, ref.Branch)
	}
	st.ref = ref
	if ref.Exists {
		st.timeline, st.levels = ref.Timeline, ref.Levels
	}
	return nil
}

// checkTarget refuses views and time-series collections, which are views in
// MongoDB.
func (st *Stream) checkTarget() error {
	if st.coll == "" || !st.ref.Exists {
		return nil
	}
	tx := st.s.txns.Begin(txn.Options{})
	defer tx.Abort()
	snap, err := st.s.catalog.Snapshot(tx.View(st.ref.Levels, false))
	if err != nil {
		return err
	}
	if c, ok := snap.Collection(st.coll); ok && c.Type != catalog.TypeCollection {
		return errcode.New(errcode.CommandNotSupportedOnView, "$changeStream is not supported on %s.%s, which is a %s", st.db, st.coll, c.Type)
	}
	return nil
}

// start sets the position.
func (st *Stream) start(split bool) error {
	st.done = st.s.store.Visible()
	st.after = after(st.done.LSN)
	st.token = st.between()
	switch {
	case st.spec.start != nil:
		if err := st.resume(*st.spec.start, split); err != nil {
			return err
		}
	case st.spec.startAt != 0:
		at, err := st.s.store.AtTimestamp(st.spec.startAt - 1) // what is at that time is seen
		if err != nil {
			return err
		}
		st.done, st.after, st.notBefore = at, after(at.LSN), st.spec.startAt
		st.token = st.between()
	}
	st.next = st.after.nextOp()
	st.keep()
	err := st.checkHistory(false)
	if err != nil {
		st.release()
	}
	return err
}

// resume sets the position to that of a token.
func (st *Stream) resume(t token, split bool) error {
	at, ok, err := st.s.store.StampOf(t.lsn)
	switch {
	case err != nil:
		return err
	case !ok && t.lsn != 0:
		if first, err := st.s.store.FirstLogged(); err != nil || first.LSN > t.lsn {
			return errLost(err)
		}
		return errNotFound(t)
	case t.lsn > st.done.LSN, t.ofEvent() && t.ts != at.Timestamp, t.ts < at.Timestamp:
		return errNotFound(t)
	case t.fragment > 0 && !split:
		return errcode.New(errcode.ChangeStreamFatalError, "cannot resume from a fragment of a split event without $changeStreamSplitLargeEvent")
	}
	if t.ts > at.Timestamp {
		st.notBefore = t.ts
	}
	st.token, st.done = t, at
	st.after, st.fragment = t.position, t.fragment
	st.expect = t.ofEvent() && !t.fromInvalidate()
	if t.fragment > 0 { // the event is read once more
		st.after, st.expect = t.position.before(), false
	}
	return st.followToken(t)
}

// followToken finds the timeline that the stream goes on with: the one that the
// branch has left since, whose end is an invalidation, as an open stream has seen
// it; otherwise the branch's own, if that has the token's event. What other branches
// have left is not shown: its reader may have no right to it.
func (st *Stream) followToken(t token) error {
	if st.spec.Cluster || t.timeline == 0 {
		return nil
	}
	id := t.timeline
	if t.fromInvalidate() {
		next, left, err := st.s.successor(t)
		switch {
		case err != nil:
			return err
		case left && next == 0: // the branch was dropped: what has its name now is another one
			return nil
		case left:
			id = next
		}
	}
	h := st.s.branches.Holder(id)
	own := false // the branch itself has left it, by a restore
	if h.Branch == "" {
		st.next = st.after.nextOp()
		name, err := st.lastDB(id)
		if err != nil {
			return err
		}
		now := st.s.branches.Holder(st.timeline).DB()
		if st.timeline == 0 {
			now = st.db // the project is gone
		}
		own = name != "" && name == now
	}
	for _, l := range st.levels {
		if l.Timeline == id && t.lsn <= l.LSN && !own {
			return nil
		}
	}
	if !own {
		return errNotFound(t)
	}
	st.timeline, st.levels = id, h.Levels
	if h.Levels == nil {
		st.levels = []store.Level{{Timeline: id, LSN: store.Head}}
	}
	return nil
}

// successor returns what took the place of the timeline of an invalidation's
// token, if a branch has left it then: another timeline, or 0.
func (s *Service) successor(t token) (next wal.Timeline, left bool, err error) {
	rec, ok, err := s.store.RecordOf(t.lsn)
	if err != nil || !ok {
		return 0, false, err
	}
	return branch.Successor(rec, t.timeline)
}

func errNotFound(t token) error {
	return errcode.New(errcode.ChangeStreamFatalError, "cannot resume stream; the resume token was not found. {_data: \"%s\"}", t.data())
}

// errLost is ChangeStreamHistoryLost, or the error that kept from finding out.
func errLost(err error) error {
	if err != nil {
		return err
	}
	return errcode.New(errcode.ChangeStreamHistoryLost, "Resume of change stream was not possible, as the resume point may no longer be in the history: it is before the project's retention window")
}

// checkHistory fails with ChangeStreamHistoryLost when events after the position
// may be gone: before the window for a stream that begins, and for one that is open,
// which holds what it has not read, where it was collected nevertheless.
func (st *Stream) checkHistory(open bool) error {
	seen := st.done.LSN
	if seen >= st.s.store.Visible().LSN {
		return nil
	}
	first, err := st.s.store.FirstLogged()
	if err != nil {
		return err
	}
	if first.LSN > st.next.lsn && first.LSN > 1 {
		return errLost(nil)
	}
	var lost bool
	if st.spec.Cluster {
		lost, err = st.s.branches.AnyHistoryLost(seen, open)
	} else {
		lost, err = st.s.branches.HistoryLost(st.timeline, seen, open)
	}
	if lost || err != nil {
		return errLost(err)
	}
	return nil
}
