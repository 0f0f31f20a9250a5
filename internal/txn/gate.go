package txn

import (
	"context"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/store"
)

// A gate keeps writes to documents and changes of the catalog apart. There is
// one for each (timeline, collection) and, with collection 0, one for each
// timeline. A transaction passes the gate (shared) before its first write and
// holds it to its end; who changes the collection's catalog entry closes the
// gate (exclusive), which waits until nobody is inside. So between a writer's
// check of the catalog's version and its commit the catalog cannot change, and
// no row or index entry is orphaned or missed.
//
// Gates are never removed: they remember the newest change (changed), which a
// writer with an older snapshot must not miss.
type gate struct {
	mu      sync.Mutex
	inside  int           // transactions that hold it shared
	owner   *Txn          // who holds it exclusive
	changed store.LSN     // commit of the newest change
	retired bool          // the branch has left this timeline: no more writes
	wake    chan struct{} // closed when the gate's state changes; nil if nobody waits
}

type gateID struct {
	timeline   store.Timeline
	collection store.CollectionID
}

type gateTable struct{ m sync.Map } // gateID → *gate

func (gt *gateTable) get(id gateID) *gate {
	if g, ok := gt.m.Load(id); ok {
		return g.(*gate)
	}
	g, _ := gt.m.LoadOrStore(id, &gate{})
	return g.(*gate)
}

// Waits at a gate are bounded when the waiter holds other locks, because gates
// take no part in the search for deadlocks.
const (
	gateWaitHolding = 100 * time.Millisecond // a statement that then starts anew
	gateWaitShut    = time.Second            // a change of the catalog that then starts anew
	gateWaitMulti   = 5 * time.Millisecond   // MongoDB's maxTransactionLockRequestTimeoutMillis
)

// held is one gate that a transaction holds.
type heldGate struct {
	id        gateID
	g         *gate
	exclusive bool
	shared    bool
}

// pass takes g shared for t.
func (g *gate) pass(ctx context.Context, t *Txn) error {
	var limit time.Duration
	switch {
	case t.multi:
		limit = gateWaitMulti
	case len(t.locks) > 0 || t.holds(func(h *heldGate) bool { return h.id.collection != 0 }):
		limit = gateWaitHolding
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.await(ctx, limit, func() bool { return g.owner == nil || g.owner == t }); err != nil {
		return t.gateTimeout(ctx, err)
	}
	if g.retired {
		return t.stale(staleBranch)
	}
	if g.changed > t.snapshot {
		return t.stale(staleCatalog)
	}
	g.inside++
	return nil
}

// shut takes g exclusive for t; t's own shared hold (own > 0) is not waited for.
func (g *gate) shut(ctx context.Context, t *Txn, own int) error {
	var limit time.Duration
	switch {
	case t.multi:
		limit = gateWaitMulti
	case t.holds(func(h *heldGate) bool { return h.exclusive }):
		limit = gateWaitShut
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.await(ctx, limit, func() bool { return g.owner == nil || g.owner == t }); err != nil {
		return t.gateTimeout(ctx, err)
	}
	g.owner = t // from here on nobody enters
	if err := g.await(ctx, limit, func() bool { return g.inside == own }); err != nil {
		g.owner = nil
		g.signal()
		return t.gateTimeout(ctx, err)
	}
	if g.retired || g.changed > t.snapshot {
		why := staleCatalog
		if g.retired {
			why = staleBranch
		}
		g.owner = nil
		g.signal()
		return t.stale(why)
	}
	return nil
}

// await blocks, with g.mu released, until ok. A limit of 0 is none but ctx's.
func (g *gate) await(ctx context.Context, limit time.Duration, ok func() bool) error {
	if ok() {
		return nil
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for !ok() {
		if g.wake == nil {
			g.wake = make(chan struct{})
		}
		wake := g.wake
		g.mu.Unlock()
		var err error
		select {
		case <-wake:
		case <-ctx.Done():
			err = ctx.Err()
		}
		g.mu.Lock()
		if err != nil && !ok() {
			return err
		}
	}
	return nil
}

func (g *gate) signal() {
	if g.wake != nil {
		close(g.wake)
		g.wake = nil
	}
}

// leave gives back what h holds. A change that committed at lsn (not 0) is
// remembered.
func (h *heldGate) leave(t *Txn, lsn store.LSN, retire bool) {
	g := h.g
	g.mu.Lock()
	if h.shared {
		g.inside--
	}
	if h.exclusive {
		if lsn > g.changed {
			g.changed = lsn
		}
		g.retired = g.retired || retire
		if g.owner == t {
			g.owner = nil
		}
	}
	g.signal()
	g.mu.Unlock()
}
