package wal

import (
	"context"
	"sync"
	"sync/atomic"
)

// Watch lets any number of readers wait until a newer commit is visible. The
// zero value stands at LSN 0. A commit with nobody waiting costs one atomic
// store and one load; all who wait share one channel.
type Watch struct {
	last    atomic.Pointer[Stamp]
	waiting atomic.Int64
	mu      sync.Mutex
	next    chan struct{} // closed and replaced by the next publication; nil when nobody waits
}

// Last returns the newest visible commit; the zero stamp before the first.
func (w *Watch) Last() Stamp {
	if p := w.last.Load(); p != nil {
		return *p
	}
	return Stamp{}
}

// Publish makes s the newest visible commit, unless a newer one already is, and
// wakes those who wait for it.
func (w *Watch) Publish(s Stamp) {
	p := &s
	for {
		old := w.last.Load()
		if old != nil && old.LSN >= s.LSN {
			return
		}
		if w.last.CompareAndSwap(old, p) {
			break
		}
	}
	if w.waiting.Load() == 0 {
		return
	}
	w.mu.Lock()
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
	w.mu.Unlock()
}

// Wait blocks until a commit with an LSN greater than after is visible and
// returns the newest one, or the context's error.
func (w *Watch) Wait(ctx context.Context, after LSN) (Stamp, error) {
	if s := w.Last(); s.LSN > after {
		return s, nil
	}
	// Counted before the second look: a publisher either sees the count or its
	// stamp is seen here.
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	for {
		w.mu.Lock()
		if s := w.Last(); s.LSN > after {
			w.mu.Unlock()
			return s, nil
		}
		if w.next == nil {
			w.next = make(chan struct{})
		}
		ch := w.next
		w.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return Stamp{}, ctx.Err()
		}
	}
}
