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
	byLine   map[wal.Timeline]map[*waiter]struct{}
	all      map[*waiter]struct{}
	homeless map[*waiter]struct{} // of projects that do not exist: told of every change of a catalog
}

// What a waiter waits for on its timelines, besides changes of the catalog.
const (
	anyCollection wal.CollectionID = 0
	noCollection                   = ^wal.CollectionID(0)
)

// waiter is one stream in the hub. Its fields are guarded by hub.mu.
type waiter struct {
	ch   chan struct{} // has a token when told
	told bool
	coll wal.CollectionID
	line wal.Timeline
	in   map[*waiter]struct{} // the set that it is in
}

func newHub(s *store.Store) *hub {
	return &hub{store: s, byLine: map[wal.Timeline]map[*waiter]struct{}{}, all: map[*waiter]struct{}{}, homeless: map[*waiter]struct{}{}}
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
		w.in = h.all
	case line == 0:
		w.in = h.homeless
	default:
		if h.byLine[line] == nil {
			h.byLine[line] = map[*waiter]struct{}{}
		}
		w.in, w.line = h.byLine[line], line
	}
	w.in[w] = struct{}{}
	w.told = true
}

func (h *hub) leaveSet(w *waiter) {
	if w.in == nil {
		return
	}
	delete(w.in, w)
	if w.line != 0 && len(w.in) == 0 {
		delete(h.byLine, w.line)
	}
	w.in, w.line = nil, 0
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
	w.told, w.coll = false, anyCollection
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
	w.coll = coll
	h.mu.Unlock()
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
	if len(touched) > 0 || everyone {
		for w := range h.all {
			h.tell(w)
		}
	}
	for t := range touched {
		for w := range h.byLine[t.line] {
			if t.coll == 0 || w.coll == anyCollection || w.coll == t.coll {
				h.tell(w)
			}
		}
		if t.coll == 0 {
			for w := range h.homeless {
				h.tell(w)
			}
		}
	}
	if everyone {
		for _, set := range h.byLine {
			for w := range set {
				h.tell(w)
			}
		}
		for w := range h.homeless {
			h.tell(w)
		}
	}
}
