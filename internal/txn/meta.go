package txn

import (
	"sync"
)

// metaTable knows, for every timeline, the newest commit that changed its
// catalog, so that a cached catalog can be trusted without a read.
type metaTable struct {
	m     sync.Map // Timeline → *metaState
	start LSN      // the newest commit when the manager was made
}

type metaState struct {
	mu      sync.Mutex
	pending int // commits under way that change the catalog
	last    LSN
}

func (mt *metaTable) get(tl Timeline) *metaState {
	if s, ok := mt.m.Load(tl); ok {
		return s.(*metaState)
	}
	s, _ := mt.m.LoadOrStore(tl, &metaState{last: mt.start})
	return s.(*metaState)
}

func (s *metaState) begin() {
	s.mu.Lock()
	s.pending++
	s.mu.Unlock()
}

// end notes a commit at lsn (0: it failed).
func (s *metaState) end(lsn LSN) {
	s.mu.Lock()
	s.pending--
	s.last = max(s.last, lsn)
	s.mu.Unlock()
}

// CatalogLSN returns an LSN since which the catalog of the view's timeline has
// not changed. known is false while a commit that changes it is under way: then
// the view's snapshot may or may not include it, and a cached catalog must not be
// used.
func (v *View) CatalogLSN() (lsn LSN, known bool) {
	s := v.t.m.metas.get(v.Timeline())
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.pending == 0
}

// SeesAncestorsWhole reports whether the snapshot is not older than the forks of
// the view's ancestors, so that it sees of them all that the branch has.
func (v *View) SeesAncestorsWhole() bool {
	for i := 1; i < len(v.raw); i++ {
		if v.levels[i].LSN != v.raw[i].LSN {
			return false
		}
	}
	return true
}

// Memo is a place where the catalog keeps what it has computed from this
// transaction's own changes of the catalog on the view's timeline, for as long as
// Version is MetaVersion.
type Memo struct {
	Version int
	Value   any
}

// Memo returns the place.
func (v *View) Memo() *Memo { return &v.writes.memo }
