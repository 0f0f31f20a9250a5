package change

import (
	"context"
	"sync"

	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

// hub reads each new log record once for all streams and tells those that the
// commit may concern. A stream that is not told has nothing to read. The hub runs
// while there is a stream.
type hub struct {
	store *store.Store

	mu       sync.Mutex
	stop     context.CancelFunc // of the running loop; nil when there is none
	scanned  wal.Stamp          // everything up to here has been told
	byLine   map[wal.Timeline]map[wal.CollectionID]waiters
	all      waiters
	homeless waiters // of projects that do not exist: told of every change of a catalog
}

type waiters map[*waiter]struct{}

// What a waiter waits for on its timelines, besides changes of the catalog.
const (
	anyCollection wal.CollectionID = 0
	noCollection                   = ^wal.CollectionID(0)
)

// waiter is one stream in the hub. Its fields are guarded by hub.mu.
type waiter struct {
	ch   chan struct{} // has a token when told
	told bool
	busy bool // has operations of which its reader has not seen the events
	coll wal.CollectionID
	line wal.Timeline
	in   waiters // the set that it is in; nil for none
}

func newHub(s *store.Store) *hub {
	return &hub{store: s, byLine: map[wal.Timeline]map[wal.CollectionID]waiters{}, all: waiters{}, homeless: waiters{}}
}

// join adds a waiter for a timeline (0: none yet) or for all. It is told at once.
func (h *hub) join(w *waiter, line wal.Timeline, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		h.stop, h.scanned = cancel, h.store.Visible()
		go h.run(ctx, h.scanned)
	}
	h.leaveSet(w)
	switch {
	case all:
		h.enter(w, h.all)
	case line == 0:
		h.enter(w, h.homeless)
	default:
		h.enterLine(w, line, anyCollection)
	}
	w.told = true
}

func (h *hub) enter(w *waiter, set waiters) {
	w.in = set
	set[w] = struct{}{}
}

// enterLine lets a waiter wait for a timeline.
func (h *hub) enterLine(w *waiter, line wal.Timeline, coll wal.CollectionID) {
	m := h.byLine[line]
	if m == nil {
		m = map[wal.CollectionID]waiters{}
		h.byLine[line] = m
	}
	if m[coll] == nil {
		m[coll] = waiters{}
	}
	w.line, w.coll = line, coll
	h.enter(w, m[coll])
}

func (h *hub) leaveSet(w *waiter) {
	if w.in == nil {
		return
	}
	delete(w.in, w)
	if m := h.byLine[w.line]; m != nil && len(w.in) == 0 {
		if delete(m, w.coll); len(m) == 0 {
			delete(h.byLine, w.line)
		}
	}
	w.in, w.line = nil, 0
}

// watch changes what a waiter on a timeline waits for.
func (h *hub) watch(w *waiter, coll wal.CollectionID) {
	if line := w.line; line != 0 && w.coll != coll {
		h.leaveSet(w)
		h.enterLine(w, line, coll)
	}
}

// leave removes a waiter; the last one ends the loop.
func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveSet(w)
	if len(h.byLine) == 0 && len(h.all) == 0 && len(h.homeless) == 0 && h.stop != nil {
		h.stop()
		h.stop = nil
	}
}

// take begins a look at the log: told reports whether that is needed. If not,
// there is nothing for the stream up to upTo. From here on every commit tells the
// waiter, until narrow.
func (h *hub) take(w *waiter) (told bool, upTo wal.Stamp) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !w.told {
		return false, h.scanned
	}
	w.told, w.busy = false, true
	h.watch(w, anyCollection)
	select {
	case <-w.ch:
	default:
	}
	return true, wal.Stamp{}
}

// narrow lets only commits to one collection tell the waiter. Whoever was told
// since take stays so.
func (h *hub) narrow(w *waiter, coll wal.CollectionID) {
	h.mu.Lock()
	h.watch(w, coll)
	h.mu.Unlock()
}

// rest notes that the reader has seen the events of all that was read.
func (h *hub) rest(w *waiter) {
	h.mu.Lock()
	w.busy = false
	h.mu.Unlock()
}

// behind reports whether a stream on a timeline, or on all, still has to read it
// up to a commit.
func (h *hub) behind(line wal.Timeline, lsn wal.LSN) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	sets := []waiters{h.all}
	for _, set := range h.byLine[line] {
		sets = append(sets, set)
	}
	for _, set := range sets {
		for w := range set {
			if w.told || w.busy || h.scanned.LSN < lsn {
				return true
			}
		}
	}
	return false
}

// again lets the next take be told.
func (h *hub) again(w *waiter) {
	h.mu.Lock()
	h.tell(w)
	h.mu.Unlock()
}

func (h *hub) tell(w *waiter) {
	w.told = true
	select {
	case w.ch <- struct{}{}:
	default:
	}
}

// touch is one collection that commits wrote to; for a change of the catalog the
// collection is 0.
type touch struct {
	line wal.Timeline
	coll wal.CollectionID
}

func (h *hub) run(ctx context.Context, from wal.Stamp) {
	for {
		st, err := h.store.Wait(ctx, from.LSN)
		if err != nil {
			return
		}
		touched, err := h.read(from.LSN+1, st.LSN)
		h.mu.Lock()
		if ctx.Err() != nil {
			h.mu.Unlock()
			return
		}
		h.deliver(touched, err != nil)
		h.scanned, from = st, st
		h.mu.Unlock()
	}
}

// read returns what the commits of a part of the log touched.
func (h *hub) read(from, to wal.LSN) (map[touch]struct{}, error) {
	touched := map[touch]struct{}{}
	it := h.store.Log(from, to, false)
	for it.Next() {
		rec := it.Record()
		last := touch{}
		for i := range rec.Ops {
			t := touch{rec.Ops[i].Timeline, rec.Ops[i].Collection}
			if rec.Ops[i].Kind == wal.DDL {
				t.coll = 0
			}
			if t != last || i == 0 {
				touched[t] = struct{}{}
			}
			last = t
		}
	}
	err := it.Err()
	if e := it.Close(); err == nil {
		err = e
	}
	return touched, err
}

// deliver tells the waiters; all of them when the log could not be read, so that
// they find the error themselves.
func (h *hub) deliver(touched map[touch]struct{}, everyone bool) {
	if everyone {
		for line := range h.byLine {
			h.tellLine(line)
		}
		h.tellSet(h.homeless)
	}
	if len(touched) > 0 || everyone {
		h.tellSet(h.all)
	}
	for t := range touched {
		if t.coll == 0 {
			h.tellLine(t.line)
			h.tellSet(h.homeless)
			continue
		}
		m := h.byLine[t.line]
		h.tellSet(m[t.coll])
		h.tellSet(m[anyCollection])
	}
}

func (h *hub) tellSet(set waiters) {
	for w := range set {
		h.tell(w)
	}
}

func (h *hub) tellLine(line wal.Timeline) {
	for _, set := range h.byLine[line] {
		h.tellSet(set)
	}
}
