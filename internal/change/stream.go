package change

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

const (
	// maxPending bounds the operations that are read ahead of their events, and
	// maxRecords the commits that one look at the log steps over.
	maxPending = 4096
	maxRecords = 8192
	// maxWork bounds what one document costs a reader: after so many events that
	// the pipeline filtered out, or a multiple of that in commits without an event,
	// the batch ends, so that the client learns how far the stream is.
	maxWork      = 20_000
	recordsAUnit = 16
)

// Stream is the events of a collection, a database or the server, in the order of
// the log. It implements exec.Iterator; at the end of the log Next returns
// session.ErrWait, and after an invalidation io.EOF. It is not safe for concurrent
// use.
type Stream struct {
	s        *Service
	spec     *Spec
	db, coll string
	ref      *branch.Ref // nil for the whole server
	// timeline is what the stream follows, 0 for the whole server and as long as
	// the project does not exist; levels are the timeline's.
	timeline wal.Timeline
	levels   []store.Level
	w        *waiter
	lines    map[wal.Timeline]*line

	after     position // what is not after it is skipped
	next      position // the first operation to be read
	done      wal.Stamp
	notBefore wal.Timestamp
	expect    bool   // the event at after must be there
	fragment  uint16 // of the first event, those up to here were seen

	pending []item
	head    int
	backKey []byte // of the document at next.sub, when that is one that an operation brought back
	hold    func() // of what was not read yet, until the stream is closed
	held    wal.LSN
	token   token // of the event that was returned last, or of the position
	over    bool  // invalidated
	work    int
	more    bool // work ran out, not the log
	buf     []byte
}

// item is an operation that makes an event.
type item struct {
	position
	stamp    wal.Stamp
	event    string // operationType
	timeline wal.Timeline
	line     *line
	coll     *catalog.Collection // nil for changes of the catalog
	key      []byte
	kind     wal.Kind
	whole    []byte // wal.Op.Whole
	change   catalog.Change
	back     bool     // a document of a collection that the operation has brought back
	txn      *txnInfo // nil outside of a transaction
}

type txnInfo struct {
	id     []byte
	number int64
	user   string
}

// Next implements exec.Iterator.
func (st *Stream) Next(ctx context.Context) (exec.Row, error) {
	for {
		if st.head < len(st.pending) {
			if st.work <= 0 {
				st.more = true
				return exec.Row{}, session.ErrWait
			}
			st.work--
			return st.event(&st.pending[st.head])
		}
		if st.over {
			return exec.Row{}, io.EOF
		}
		if err := exec.Interrupted(ctx); err != nil {
			return exec.Row{}, err
		}
		all, err := st.fill(ctx)
		switch {
		case err != nil:
			return exec.Row{}, err
		case len(st.pending) > 0:
		case all || st.work <= 0:
			st.more = !all
			st.token = st.between()
			return exec.Row{}, session.ErrWait
		}
	}
}

// Close implements exec.Iterator.
func (st *Stream) Close() error {
	st.s.hub.leave(st.w)
	st.release()
	st.over, st.pending, st.head = true, nil, 0
	return nil
}

// keep holds the history from the position on, for as long as the stream is open: a
// cursor that nobody reads is closed after a while.
func (st *Stream) keep() {
	at := st.next.lsn
	if at > 0 {
		at--
	}
	if st.hold != nil && at == st.held {
		return
	}
	release := st.s.txns.Hold(max(at, 1))
	st.release()
	st.hold, st.held = release, at
}

func (st *Stream) release() {
	if st.hold != nil {
		st.hold()
		st.hold = nil
	}
}

// wait blocks until there may be more events.
func (st *Stream) wait(ctx context.Context) error {
	if st.more || st.over {
		return ctx.Err()
	}
	select {
	case <-st.w.ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// between returns the token of the position between two events.
func (st *Stream) between() token {
	t := token{ts: max(st.done.Timestamp, st.notBefore), position: after(st.done.LSN)}
	if !st.spec.Cluster {
		t.timeline = st.timeline
	}
	return t
}

// fill reads operations from the log; all reports that it has come to its end.
func (st *Stream) fill(ctx context.Context) (all bool, err error) {
	st.pending, st.head = st.pending[:0], 0
	st.keep()
	told, upTo := st.s.hub.take(st.w)
	if !told {
		st.skipTo(upTo)
		return true, nil
	}
	defer func() {
		if !all {
			st.s.hub.again(st.w)
		}
		if len(st.pending) == 0 {
			st.s.hub.rest(st.w)
		}
	}()
	now := st.s.store.Visible() // before the project is looked for: what it wrote is after that
	if !st.spec.Cluster && st.timeline == 0 {
		if err := st.resolve(ctx); err != nil {
			return false, err
		}
		if st.timeline == 0 {
			st.skipTo(now)
			return true, nil
		}
		st.s.hub.join(st.w, st.timeline, false)
		return false, nil
	}
	if err := st.checkHistory(true); err != nil {
		return false, err
	}
	all, err = st.read(now.LSN)
	if err != nil || !all || st.over {
		return all, err
	}
	st.skipTo(now)
	if st.coll != "" {
		err = st.narrow(now.LSN)
	}
	return true, err
}

// skipTo notes that there is nothing up to a commit that was not read.
func (st *Stream) skipTo(to wal.Stamp) {
	if to.LSN > st.done.LSN {
		st.done = to
	}
	if st.next.lsn <= to.LSN {
		st.next = position{lsn: to.LSN + 1}
	}
}

// narrow tells the hub which collection the stream is on now.
func (st *Stream) narrow(lsn wal.LSN) error {
	l, err := st.line(st.timeline)
	if err != nil {
		return err
	}
	if err := st.load(l, lsn); err != nil {
		return err
	}
	coll := l.watched
	if coll == 0 {
		coll = noCollection
	}
	st.s.hub.narrow(st.w, coll)
	return nil
}

// read reads the log up to a commit, or as far as one look may go.
func (st *Stream) read(to wal.LSN) (all bool, err error) {
	if st.next.op > 0 || st.next.sub > 0 {
		rec, err := st.s.large.read(st.s.store, st.next.lsn)
		if err != nil {
			return false, err
		}
		if rec != nil {
			if more, err := st.take(rec); err != nil || !more {
				return st.over, err
			}
		}
	}
	it := st.s.store.Log(st.next.lsn, to, false)
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for n := 0; it.Next(); n++ {
		if n == maxRecords {
			return false, nil
		}
		if n%recordsAUnit == 0 {
			st.work--
		}
		if more, err := st.take(it.Record()); err != nil || !more {
			return st.over, err
		}
	}
	return true, it.Err()
}

// take takes a commit; more says that the next one may follow.
func (st *Stream) take(rec *wal.Record) (more bool, err error) {
	whole, err := st.record(rec)
	if err != nil || !whole {
		return false, err
	}
	st.done, st.next = rec.Stamp, position{lsn: rec.LSN + 1}
	if len(rec.Ops) > maxPending {
		st.s.large.forget(rec.LSN)
	}
	return !st.over && len(st.pending) < maxPending, nil
}

// large keeps the commit of more operations than one look takes that was read last,
// so that it is not decoded anew for each look, by any stream.
type large struct{ last atomic.Pointer[wal.Record] }

// read returns a commit; nil if it is not there.
func (l *large) read(s *store.Store, lsn wal.LSN) (*wal.Record, error) {
	if rec := l.last.Load(); rec != nil && rec.LSN == lsn {
		return rec, nil
	}
	rec, ok, err := s.RecordOf(lsn)
	if err != nil || !ok {
		return nil, err
	}
	if len(rec.Ops) > maxPending {
		l.last.Store(rec)
	}
	return rec, nil
}

// forget frees a commit that a stream has read to its end.
func (l *large) forget(lsn wal.LSN) {
	if rec := l.last.Load(); rec != nil && rec.LSN == lsn {
		l.last.CompareAndSwap(rec, nil)
	}
}

// record takes the operations of a commit from st.next on; whole is false when
// there are too many for one look.
func (st *Stream) record(rec *wal.Record) (whole bool, err error) {
	from, sub := 0, uint32(0)
	if rec.LSN == st.next.lsn {
		from, sub = int(st.next.op), st.next.sub
	}
	var tx *txnInfo
	if rec.Txn && len(rec.Session.ID) > 0 {
		tx = &txnInfo{append([]byte(nil), rec.Session.ID...), rec.Session.TxnNumber, rec.Actor.User}
	}
	for i := from; i < len(rec.Ops); i++ {
		op := &rec.Ops[i]
		if st.spec.Cluster || seen(st.levels, op.Timeline, rec.LSN) {
			rest, err := st.op(rec, uint32(i), sub, tx)
			if err != nil {
				return false, err
			}
			if sub = 0; rest > 0 {
				st.next = position{rec.LSN, uint32(i), rest}
				return false, nil
			}
		}
		if st.expect && !(position{rec.LSN, uint32(i), allSub}).less(st.after) {
			return false, errNotFound(*st.spec.start)
		}
		if st.over {
			return true, nil
		}
		if len(st.pending) >= maxPending {
			st.next = position{lsn: rec.LSN, op: uint32(i) + 1}
			return false, nil
		}
	}
	return true, nil
}

// seen reports whether levels include what a commit wrote to a timeline.
func seen(levels []store.Level, tl wal.Timeline, lsn wal.LSN) bool {
	for _, l := range levels {
		if l.Timeline == tl {
			return lsn <= l.LSN
		}
	}
	return false
}

// add queues an item, unless its place is before the stream's beginning.
func (st *Stream) add(it item) {
	if it.position == st.after {
		st.expect = false
	}
	if !st.after.less(it.position) || it.stamp.Timestamp < st.notBefore {
		return
	}
	st.pending = append(st.pending, it)
}

// op queues what one operation of the log makes, from sub on. It returns from where
// it has to go on, 0 when it has queued all.
func (st *Stream) op(rec *wal.Record, i, sub uint32, tx *txnInfo) (rest uint32, err error) {
	op := &rec.Ops[i]
	l, err := st.line(op.Timeline)
	if err != nil || l.hidden {
		return 0, err
	}
	it := item{position: position{rec.LSN, i, subEvent}, stamp: rec.Stamp, timeline: op.Timeline, line: l, kind: op.Kind, txn: tx}
	if op.Kind == wal.DDL {
		l.loaded = false
		it.change, _, err = catalog.DecodeChange(append([]byte(nil), op.Key...))
		if err != nil || it.change.Op == "" {
			return 0, err
		}
		if sub == 0 {
			st.ddl(it)
		}
		if it.change.Op == catalog.OpCreate {
			return st.broughtBack(it, max(sub, 1))
		}
		return 0, nil
	}
	if l.gone { // for a stream of all a branch that was dropped is only that
		if st.spec.Cluster {
			return 0, nil
		}
		return 0, errLost(nil)
	}
	if err := st.load(l, rec.LSN); err != nil {
		return 0, err
	}
	if st.coll != "" && op.Collection != l.watched {
		return 0, nil
	}
	c := l.collection(op.Collection)
	if c == nil || c.Type != catalog.TypeCollection || !st.shows(c.Name) {
		return 0, nil
	}
	it.coll, it.event = c, op.Kind.String()
	it.key = append([]byte(nil), op.Key...)
	if len(op.Whole) > 0 {
		it.whole = append([]byte(nil), op.Whole...)
	}
	st.add(it)
	return 0, nil
}
