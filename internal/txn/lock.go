package txn

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// lockTable holds the exclusive locks on keys that open transactions have
// written or are about to write. It is in memory only: after a crash there are
// no open transactions. Locks are queued first come, first served.
//
// Uncontended, a lock costs one shard mutex. Whoever has to wait also takes
// waitMu, under which the edges of the wait graph are stable, so that a cycle
// is always found by the waiter that closes it.
type lockTable struct {
	seed   maphash.Seed
	shards [lockShards]lockShard
	waitMu sync.Mutex
}

const lockShards = 64

type lockShard struct {
	mu    sync.Mutex
	locks map[string]*lock
	_     [40]byte // a cache line of its own
}

// lock is held by owner. Its queue is guarded by lockTable.waitMu.
type lock struct {
	key    string
	owner  atomic.Pointer[Txn]
	queue  []*waiter
	queued atomic.Int32 // len(queue); grows only under the shard's mutex
}

type waiter struct {
	t     *Txn
	ready chan struct{}
}

func newLockTable() *lockTable {
	lt := &lockTable{seed: maphash.MakeSeed()}
	for i := range lt.shards {
		lt.shards[i].locks = map[string]*lock{}
	}
	return lt
}

func (lt *lockTable) shard(key []byte) *lockShard {
	return &lt.shards[maphash.Bytes(lt.seed, key)%lockShards]
}

// lockOutcome says how an acquire ended.
type lockOutcome int

const (
	lockHeld     lockOutcome = iota // it was t's already
	lockAcquired                    // free: acquired at once
	lockWaited                      // acquired after another transaction let go of it
	lockBusy                        // another's, and t does not wait
	lockDeadlock                    // waiting would close a cycle
)

// acquire takes the lock on key for t. With wait it blocks until the lock is
// free, the context is done (its error is returned) or a deadlock is found.
func (lt *lockTable) acquire(ctx context.Context, t *Txn, key []byte, wait bool) (lockOutcome, error) {
	s := lt.shard(key)
	s.mu.Lock()
	l := s.locks[string(key)]
	if l == nil {
		l = &lock{key: string(key)}
		l.owner.Store(t)
		s.locks[l.key] = l
		s.mu.Unlock()
		t.locks = append(t.locks, l)
		return lockAcquired, nil
	}
	if l.owner.Load() == t {
		s.mu.Unlock()
		return lockHeld, nil
	}
	if !wait {
		s.mu.Unlock()
		return lockBusy, nil
	}
	lt.waitMu.Lock()
	for o := l.owner.Load(); o != nil; {
		if o == t {
			lt.waitMu.Unlock()
			s.mu.Unlock()
			return lockDeadlock, nil
		}
		if o.waitsFor == nil {
			break
		}
		o = o.waitsFor.owner.Load()
	}
	w := &waiter{t: t, ready: make(chan struct{})}
	l.queue = append(l.queue, w)
	l.queued.Add(1)
	t.waitsFor = l
	lt.waitMu.Unlock()
	s.mu.Unlock()

	select {
	case <-w.ready:
		t.locks = append(t.locks, l)
		return lockWaited, nil
	case <-ctx.Done():
		if lt.leave(l, w) {
			return lockBusy, ctx.Err()
		}
		lt.release(l) // it was handed over at the same moment
		return lockBusy, ctx.Err()
	}
}

// leave takes w out of the queue. False: the lock is w's by now.
func (lt *lockTable) leave(l *lock, w *waiter) bool {
	lt.waitMu.Lock()
	defer lt.waitMu.Unlock()
	for i, q := range l.queue {
		if q == w {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			l.queued.Add(-1)
			w.t.waitsFor = nil
			return true
		}
	}
	return false
}

// release hands the lock to the first in its queue, or frees it.
func (lt *lockTable) release(l *lock) {
	s := &lt.shards[maphash.String(lt.seed, l.key)%lockShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.queued.Load() == 0 { // and nobody joins while s.mu is held
		delete(s.locks, l.key)
		return
	}
	lt.waitMu.Lock()
	defer lt.waitMu.Unlock()
	if len(l.queue) > 0 {
		w := l.queue[0]
		l.queue = l.queue[1:]
		l.queued.Add(-1)
		l.owner.Store(w.t)
		w.t.waitsFor = nil
		close(w.ready)
	} else {
		delete(s.locks, l.key)
	}
}

// releaseAll lets go of all locks of t.
func (lt *lockTable) releaseAll(t *Txn) {
	for _, l := range t.locks {
		lt.release(l)
	}
	t.locks = nil
}

// held counts the locks in the table, for tests and metrics.
func (lt *lockTable) held() int {
	n := 0
	for i := range lt.shards {
		lt.shards[i].mu.Lock()
		n += len(lt.shards[i].locks)
		lt.shards[i].mu.Unlock()
	}
	return n
}
