package branch

import (
	"context"
	"time"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
)

// SetRetention sets how far back a project's history is kept; Forever is allowed.
func (s *Service) SetRetention(ctx context.Context, projectName string, d time.Duration) error {
	if d <= 0 {
		return errcode.New(errcode.BadValue, "the retention is a positive number of seconds or 'forever'")
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.projects[projectName]
	s.mu.RUnlock()
	if p == nil {
		return errNoProject(projectName)
	}
	np := *p
	np.retention = d
	if err := s.save(ctx, kv{projectKey(p.name), np.encode()}); err != nil {
		return err
	}
	s.mu.Lock()
	p.retention, p.horizonAt = d, time.Time{}
	s.mu.Unlock()
	return nil
}

// Retention returns how far back a project's history is kept.
func (s *Service) Retention(projectName string) (time.Duration, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.projects[projectName]; p != nil {
		return p.retention, nil
	}
	return 0, errNoProject(projectName)
}

// History is the range of points that a branch can be read at.
type History struct {
	EarliestLSN, LatestLSN   LSN
	EarliestTime, LatestTime time.Time
	Commits                  int64 // of the branch and its ancestors in that range
	Retention                time.Duration
}

// HistoryInfo returns the history of a branch.
func (s *Service) HistoryInfo(_ context.Context, r *Ref) (History, error) {
	var h History
	if !r.Exists {
		return h, errNoProject(r.Project)
	}
	s.mu.RLock()
	p, tl := s.byID[r.project], s.timelines[r.Timeline]
	if p != nil {
		h.Retention = p.retention
	}
	s.mu.RUnlock()
	if p == nil || tl == nil {
		return h, errNoProject(r.Project)
	}
	first, err := s.earliest(p)
	if err != nil {
		return h, err
	}
	if root := tl.root(); root.copy != "" {
		first = max(first, root.fork)
	}
	last := s.store.Visible()
	h.EarliestLSN, h.LatestLSN = first, last.LSN
	h.EarliestTime, h.LatestTime = p.created, last.Wall()
	if st, ok, err := s.store.StampOf(first); err == nil && ok && st.Wall().After(p.created) {
		h.EarliestTime = st.Wall()
	}
	if h.LatestTime.Before(h.EarliestTime) {
		h.LatestTime = h.EarliestTime
	}
	h.Commits, err = s.commitsSince(tl.levelsAt(last.LSN), first)
	return h, err
}

// Kept says what of one timeline has to stay readable: everything from Horizon
// on, and the points in LSNs.
type Kept struct {
	Timeline Timeline
	Horizon  LSN
	LSNs     []LSN
}

// gcHorizon is the oldest LSN of a project that collection must leave readable.
func (s *Service) gcHorizon(p *project) (LSN, error) {
	s.mu.RLock()
	window, first := p.retention, max(p.born, p.collected)
	s.mu.RUnlock()
	if window == Forever {
		return first, nil
	}
	st, err := s.store.AtTime(s.clock.Now().Add(-window - gcSlack))
	return max(first, st.LSN), err
}

// Keep returns what garbage collection must keep: each project's window, tags,
// the forks of children and open snapshots.
func (s *Service) Keep() ([]Kept, error) { return s.keep(nil) }

// keep is Keep as if some timelines were gone already.
func (s *Service) keep(without map[Timeline]bool) ([]Kept, error) {
	s.mu.RLock()
	var projects []*project
	for _, p := range s.projects {
		projects = append(projects, p)
	}
	s.mu.RUnlock()
	horizons := map[uint64]LSN{}
	oldest := s.txns.OldestSnapshot()
	for _, p := range projects {
		h, err := s.gcHorizon(p)
		if err != nil {
			return nil, err
		}
		horizons[p.id] = min(h, oldest)
	}
	m, lines := s.keepPoints(projects, horizons, without)
	if err := s.keepMerges(m, lines); err != nil {
		return nil, err
	}
	out := make([]Kept, 0, len(m))
	for _, k := range m {
		out = append(out, *k)
	}
	return out, nil
}

// keepPoints returns what the windows, forks and tags keep, and the timelines.
func (s *Service) keepPoints(projects []*project, horizons map[uint64]LSN, without map[Timeline]bool) (map[Timeline]*Kept, []*timeline) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := map[Timeline]*Kept{}
	var lines []*timeline
	for id, tl := range s.timelines {
		if without[id] {
			continue
		}
		h, known := horizons[tl.project]
		if !known {
			h = store.Head // of a project that was deleted: all of it goes
		}
		m[id] = &Kept{Timeline: id, Horizon: h}
		lines = append(lines, tl)
	}
	for _, tl := range s.timelines {
		if tl.parent != nil && !without[tl.id] {
			k := m[tl.parent.id]
			k.LSNs = append(k.LSNs, tl.fork)
		}
	}
	for _, p := range projects {
		for _, t := range p.tags {
			lsn := t.lsn
			for tl := t.tl; tl != nil; tl = tl.parent {
				m[tl.id].LSNs = append(m[tl.id].LSNs, lsn)
				lsn = min(lsn, tl.fork)
			}
		}
	}
	return m, lines
}
