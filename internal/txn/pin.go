package txn

import (
	"sync"
	"sync/atomic"

	"github.com/argon-db/argon/internal/store"
)

// pinTable knows the snapshots that are in use, so that garbage collection keeps
// what they see.
type pinTable struct {
	next   atomic.Uint32
	shards [pinShards]pinShard
}

const pinShards = 16

type pinShard struct {
	mu   sync.Mutex
	lsns map[LSN]int
	_    [40]byte
}

// pin is one snapshot in use.
type pin struct {
	lsn   LSN
	stamp Stamp // of the newest visible commit when the pin was made
	shard *pinShard
}

// add pins lsn, or the newest visible commit if it is 0. The newest commit is
// read under the shard's lock: a collector that reads the newest commit first
// and the shards afterwards misses no pin that is older.
func (pt *pinTable) add(s *store.Store, lsn LSN) pin {
	sh := &pt.shards[pt.next.Add(1)%pinShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p := pin{lsn: lsn, stamp: s.Visible(), shard: sh}
	if lsn == 0 || lsn > p.stamp.LSN {
		p.lsn = p.stamp.LSN
	}
	if sh.lsns == nil {
		sh.lsns = map[LSN]int{}
	}
	sh.lsns[p.lsn]++
	return p
}

func (pt *pinTable) remove(p pin) {
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	if p.shard.lsns[p.lsn]--; p.shard.lsns[p.lsn] == 0 {
		delete(p.shard.lsns, p.lsn)
	}
}

// OldestSnapshot returns the oldest LSN that an open transaction or a Hold reads
// at; the newest visible commit if there is none.
func (m *Manager) OldestSnapshot() LSN {
	oldest := m.store.Visible().LSN
	for i := range m.pins.shards {
		sh := &m.pins.shards[i]
		sh.mu.Lock()
		for l := range sh.lsns {
			oldest = min(oldest, l)
		}
		sh.mu.Unlock()
	}
	return oldest
}

// Hold keeps what a snapshot at lsn sees from garbage collection until release
// is called, once; for cursors between their commands.
func (m *Manager) Hold(lsn LSN) (release func()) {
	p := m.pins.add(m.store, lsn)
	return func() { m.pins.remove(p) }
}
