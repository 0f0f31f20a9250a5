package store

import "sync"

// touchCache remembers which timelines ever wrote to which collections, so that a
// read through many ancestors passes over those that did not. Versions are never
// added below a visible LSN, so what it knows stays true; what it says about a
// dropped timeline costs a seek for nothing.
type touchCache struct {
	mu    sync.RWMutex
	known map[tallyKey]touch
}

// touch: up to LSN none nothing was written, up to some (0: not known) something.
type touch struct{ none, some LSN }

// maxTouched bounds the cache (about 64 bytes each).
const maxTouched = 100_000

// touched reports whether a level wrote to a collection. It may say so wrongly,
// never the opposite.
func (r *Reader) touched(l Level, c CollectionID) (bool, error) {
	k, tc := tallyKey{l.Timeline, c}, &r.s.touches
	tc.mu.RLock()
	t := tc.known[k]
	tc.mu.RUnlock()
	l.LSN = min(l.LSN, r.asOf)
	switch {
	case l.LSN <= t.none:
		return false, nil
	case t.some != 0 && l.LSN >= t.some:
		return true, nil
	}
	_, at, err := r.Tally(l, c)
	if err != nil {
		return true, err
	}
	tc.mu.Lock()
	defer tc.mu.Unlock()
	if tc.known == nil || len(tc.known) >= maxTouched {
		tc.known = map[tallyKey]touch{}
	}
	t = tc.known[k]
	switch {
	case at == 0:
		t.none = max(t.none, l.LSN)
	case t.some == 0 || at < t.some:
		t.some = at
	}
	tc.known[k] = t
	return at != 0, nil
}
