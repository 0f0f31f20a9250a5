package branch

import (
	"context"
	"slices"
	"time"

	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// GCStats says what a garbage collection did.
type GCStats struct {
	Timelines   int   // removed as a whole
	Collections int   // of them: dropped before the window, removed as a whole
	Seen        int64 // versions looked at
	Dropped     int64 // versions removed
	Bytes       int64 // their size, uncompressed
	DiskBytes   int64 // what the whole store takes on disk now
}

// gcSlack is kept beyond every window, so that a point which was resolved a
// moment ago is still there when its reader pins it.
const gcSlack = time.Minute

// RunGC removes what can no longer be read: timelines without use, collections
// that were dropped before the window, and versions that no point of the window,
// tag, child or open snapshot sees. With a name only that project's. It may be
// interrupted at any time.
func (s *Service) RunGC(ctx context.Context, projectName string) (GCStats, error) {
	return s.gc(ctx, projectName, false)
}

// PreviewGC counts what RunGC would remove, and removes nothing.
func (s *Service) PreviewGC(ctx context.Context, projectName string) (GCStats, error) {
	return s.gc(ctx, projectName, true)
}

func (s *Service) gc(ctx context.Context, projectName string, dry bool) (GCStats, error) {
	var st GCStats
	only := uint64(0)
	if projectName != "" {
		s.mu.RLock()
		p := s.projects[projectName]
		s.mu.RUnlock()
		if p == nil {
			return st, errNoProject(projectName)
		}
		only = p.id
	}
	swept, err := s.gcTimelines(ctx, only, &st, dry)
	if err != nil {
		return st, err
	}
	kept, err := s.keep(swept)
	if err != nil {
		return st, err
	}
	if err := s.activity.update(); err != nil {
		return st, err
	}
	trim := store.Head
	for _, k := range kept {
		trim = min(trim, k.Horizon)
		s.mu.RLock()
		tl := s.timelines[k.Timeline]
		s.mu.RUnlock()
		if tl == nil || only != 0 && tl.project != only {
			continue
		}
		if s.activity.of(tl.id).commits == 0 {
			continue // it owns nothing, as most of ten thousand branches
		}
		if err := s.collect(ctx, tl, k, &st, dry); err != nil {
			return st, err
		}
	}
	if trim != store.Head && !dry {
		err = s.trimLog(ctx, trim)
	}
	st.DiskBytes = int64(s.store.DiskBytes())
	return st, err
}

// Compact gives the space of what was removed back at once; see store.Compact.
// It returns what the store takes on disk afterwards.
func (s *Service) Compact(ctx context.Context) (int64, error) {
	err := s.store.Compact(ctx)
	return int64(s.store.DiskBytes()), err
}

// gcTimelines removes the timelines without use, or, when dry, returns them.
func (s *Service) gcTimelines(ctx context.Context, only uint64, st *GCStats, dry bool) (map[Timeline]bool, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	gone, err := s.sweepable()
	if err != nil {
		return nil, err
	}
	swept := map[Timeline]bool{}
	for _, id := range gone {
		s.mu.RLock()
		tl := s.timelines[id]
		s.mu.RUnlock()
		if swept[id] = true; tl == nil || only != 0 && tl.project != only {
			continue
		}
		st.Timelines++
		if err := s.measure(ctx, id, 0, st); err != nil {
			return nil, err
		}
	}
	if dry {
		return swept, nil
	}
	return nil, s.sweep(ctx)
}

// measure adds what a timeline, or one collection of it, has to the statistics.
func (s *Service) measure(ctx context.Context, tl Timeline, c txn.CollectionID, st *GCStats) error {
	n, bytes, err := s.store.Measure(ctx, tl, c)
	st.Seen += n
	st.Dropped += n
	st.Bytes += bytes
	return err
}

// collect collects one timeline.
func (s *Service) collect(ctx context.Context, tl *timeline, k Kept, st *GCStats, dry bool) error {
	if !dry {
		if err := s.noteCollected(ctx, tl.project, k.Horizon); err != nil {
			return err
		}
	}
	gone, err := s.goneCollections(tl, k)
	if err != nil {
		return err
	}
	for _, c := range gone {
		if err := s.measure(ctx, tl.id, c, st); err != nil {
			return err
		}
	}
	if st.Collections += len(gone); len(gone) > 0 && !dry {
		b := s.store.NewBatch()
		for _, c := range gone {
			if err := b.DropCollection(tl.id, c); err != nil {
				b.Close()
				return err
			}
		}
		if err := s.commitControl(ctx, b); err != nil {
			return err
		}
		s.activity.forget(tl.id, gone)
	}
	cs, err := s.store.Collect(ctx, store.CollectOptions{Timeline: tl.id, Horizon: k.Horizon, Keep: k.LSNs, HasParent: tl.parent != nil, DryRun: dry, Skip: gone})
	st.Seen += cs.Seen
	st.Dropped += cs.Dropped
	st.Bytes += cs.Bytes
	return err
}

// noteCollected makes sure that a window that is made longer later does not reach
// back to what is gone.
func (s *Service) noteCollected(ctx context.Context, project uint64, horizon LSN) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.byID[project]
	if p == nil || p.collected >= horizon {
		s.mu.RUnlock()
		return nil
	}
	np := *p
	s.mu.RUnlock()
	np.collected = horizon
	if err := s.save(ctx, kv{projectKey(p.name), np.encode()}); err != nil {
		return err
	}
	s.mu.Lock()
	p.collected = horizon
	s.mu.Unlock()
	return nil
}

// goneCollections returns the collections that a timeline has written to and that
// no kept point of it has: they were dropped before the window.
func (s *Service) goneCollections(tl *timeline, k Kept) ([]txn.CollectionID, error) {
	all := s.activity.of(tl.id).collections
	if len(all) == 0 {
		return nil, nil
	}
	r := s.store.NewReader()
	defer r.Close()
	var old []txn.CollectionID
	for _, c := range all {
		_, at, err := r.Tally(Level{Timeline: tl.id, LSN: head}, c)
		if err != nil {
			return nil, err
		}
		if at != 0 && at < k.Horizon {
			old = append(old, c)
		}
	}
	if len(old) == 0 {
		return nil, nil
	}
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	for _, lsn := range append(slices.Clone(k.LSNs), k.Horizon, s.store.Visible().LSN) {
		snap, err := s.catalog.Snapshot(tx.View(tl.levelsAt(lsn), false))
		if err != nil {
			return nil, err
		}
		old = slices.DeleteFunc(old, func(c txn.CollectionID) bool { _, there := snap.ByID(c); return there })
	}
	return old, nil
}

// trimLog deletes the log before an LSN, and keeps what the tracker has learnt of
// it.
func (s *Service) trimLog(ctx context.Context, before LSN) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	records, err := s.activity.trim(before, func(tl Timeline) bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.timelines[tl] != nil
	})
	if err != nil {
		return err
	}
	if err := s.save(ctx, records...); err != nil {
		return err
	}
	return s.store.TrimLog(before)
}
