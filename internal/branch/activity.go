package branch

import (
	"slices"
	"sync"

	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// tracker knows how many commits each timeline has and which is its newest. It
// reads the log when it is asked, each record once.
type tracker struct {
	store *store.Store
	mu    sync.Mutex
	upTo  LSN
	m     map[Timeline]*activity
}

// activity is what a timeline's own commits did.
type activity struct {
	first, last LSN
	commits     int64
	collections []txn.CollectionID
}

func (t *tracker) update() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updateLocked()
}

func (t *tracker) updateLocked() error {
	if t.m == nil {
		t.m = map[Timeline]*activity{}
	}
	it := t.store.Log(t.upTo+1, head-1, false)
	defer it.Close()
	for it.Next() {
		rec := it.Record()
		for i := range rec.Ops {
			op := &rec.Ops[i]
			a := t.m[op.Timeline]
			if a == nil {
				a = &activity{first: rec.LSN}
				t.m[op.Timeline] = a
			}
			if a.last != rec.LSN {
				a.last = rec.LSN
				a.commits++
			}
			if n := len(a.collections); op.Collection != 0 && (n == 0 || a.collections[n-1] != op.Collection) && !slices.Contains(a.collections, op.Collection) {
				a.collections = append(a.collections, op.Collection)
			}
		}
		t.upTo = rec.LSN
	}
	return it.Err()
}

// of returns a timeline's activity as of the last update.
func (t *tracker) of(tl Timeline) activity {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.m[tl]; a != nil {
		return *a
	}
	return activity{}
}

// last returns the newest commit of a timeline, 0 if there is none or the log
// cannot be read.
func (t *tracker) last(tl Timeline) LSN {
	if t.update() != nil {
		return 0
	}
	return t.of(tl).last
}

// forget drops collections that are no longer stored.
func (t *tracker) forget(tl Timeline, gone []txn.CollectionID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.m[tl]; a != nil {
		keep := make([]txn.CollectionID, 0, len(a.collections))
		for _, c := range a.collections {
			if !slices.Contains(gone, c) {
				keep = append(keep, c)
			}
		}
		a.collections = keep // a copy: of hands the old one out
	}
}
