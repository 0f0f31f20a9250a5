package store

import (
	"slices"
	"sync"
)

// pinSet holds what open readers still need.
type pinSet struct {
	mu   sync.Mutex
	next uint64
	open map[uint64][]Level
}

// Pin keeps every version that a view sees from being collected until release is
// called: for cursors and snapshots that live across commands. It is forgotten at
// a restart.
func (s *Store) Pin(v []Level) (release func()) {
	p := &s.pins
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[uint64][]Level{}
	}
	id := p.next
	p.next++
	p.open[id] = slices.Clone(v)
	return func() {
		p.mu.Lock()
		delete(p.open, id)
		p.mu.Unlock()
	}
}

// pinned returns the pinned LSNs of a timeline, ascending, without duplicates.
func (p *pinSet) pinned(tl Timeline, extra []LSN) []LSN {
	out := slices.Clone(extra)
	p.mu.Lock()
	for _, v := range p.open {
		for _, l := range v {
			if l.Timeline == tl {
				out = append(out, l.LSN)
			}
		}
	}
	p.mu.Unlock()
	slices.Sort(out)
	return slices.Compact(out)
}
