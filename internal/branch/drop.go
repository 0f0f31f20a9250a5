package branch

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// DropBranch drops a branch and, with force, those that were made from it. The
// default branch, a protected one, and one with children unless forced are
// refused (CommandFailed). It returns the names of what was dropped.
func (s *Service) DropBranch(ctx context.Context, projectName, name string, force bool) ([]string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.projects[projectName]
	if p == nil || p.branches[name] == nil {
		_, _, err := s.mustFind(projectName, name)
		s.mu.RUnlock()
		if err == nil {
			err = errcode.New(errcode.NamespaceNotFound, "name the branch to drop")
		}
		return nil, err
	}
	gone := p.withChildren(p.branches[name])
	s.mu.RUnlock()
	if err := mayDrop(p, gone, force); err != nil {
		return nil, err
	}
	return s.drop(ctx, p, gone)
}

func mayDrop(p *project, gone []*branch, force bool) error {
	name := gone[0].name
	if len(gone) > 1 && !force {
		var kids []string
		for _, b := range gone[1:] {
			kids = append(kids, b.name)
		}
		return errcode.New(errcode.CommandFailed, "branch '%s' has children (%s); drop them first, or use force", name, strings.Join(kids, ", "))
	}
	for _, b := range gone {
		switch {
		case b.id == p.def:
			return errcode.New(errcode.CommandFailed, "branch '%s' is the default branch of project '%s' and cannot be dropped; make another one the default first (updateBranch with default: true)", b.name, p.name)
		case b.protected:
			return errcode.New(errcode.CommandFailed, "branch '%s' is protected and cannot be dropped; unprotect it first (updateBranch with protected: false)", b.name)
		}
	}
	return nil
}

// withChildren returns b and all branches that descend from it, parents first.
func (p *project) withChildren(b *branch) []*branch {
	out := []*branch{b}
	if !p.hasChildren(b) {
		return out
	}
	kids := map[uint64][]*branch{}
	for _, c := range p.branches {
		kids[c.parent] = append(kids[c.parent], c)
	}
	for i := 0; i < len(out); i++ {
		next := kids[out[i].id]
		sort.Slice(next, func(i, j int) bool { return next[i].name < next[j].name })
		out = append(out, next...)
	}
	return out
}

func (p *project) hasChildren(b *branch) bool {
	for _, c := range p.branches {
		if c.parent == b.id {
			return true
		}
	}
	return false
}

// drop removes branches in one commit. Holds s.changing.
func (s *Service) drop(ctx context.Context, p *project, gone []*branch) ([]string, error) {
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	var names []string
	for _, b := range gone {
		if err := s.leave(ctx, tx, OpDropBranch, p, b, 0); err != nil {
			return nil, err
		}
		tx.PutControl(branchKey(p.id, b.id), nil)
		names = append(names, b.name)
	}
	st, err := tx.Commit(ctx, txn.CommitInfo{})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	for _, b := range gone {
		delete(p.branches, b.name)
		delete(p.byID, b.id)
	}
	for _, b := range gone {
		s.markDeadLine(b.tl, st.LSN)
	}
	s.names.Add(1)
	s.mu.Unlock()
	return names, s.sweep(ctx)
}

// DropExpired drops the branches whose time is over; those that still have
// children live on until these are gone. It returns their names by project.
func (s *Service) DropExpired(ctx context.Context) (map[string][]string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	out := map[string][]string{}
	for {
		p, gone := s.expired()
		if p == nil {
			return out, nil
		}
		names, err := s.drop(ctx, p, gone)
		if err != nil {
			return out, err
		}
		out[p.name] = append(out[p.name], names...)
	}
}

// maxDrops is how many expired branches are dropped in one commit.
const maxDrops = 100

// expired returns a few branches of one project whose time is over and that have
// no children.
func (s *Service) expired() (*project, []*branch) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.clock.Now()
	for _, p := range s.projects {
		var gone []*branch
		for _, b := range p.branches {
			if !b.expires.IsZero() && !now.Before(b.expires) && b.id != p.def && !b.protected {
				gone = append(gone, b)
			}
		}
		if len(gone) == 0 {
			continue
		}
		parents := map[uint64]bool{}
		for _, b := range p.branches {
			parents[b.parent] = true
		}
		gone = slices.DeleteFunc(gone, func(b *branch) bool { return parents[b.id] })
		if len(gone) > 0 {
			sort.Slice(gone, func(i, j int) bool { return gone[i].name < gone[j].name })
			return p, gone[:min(len(gone), maxDrops)]
		}
	}
	return nil, nil
}

// changeOf describes a change of a branch in the log.
func changeOf(op, branch string) catalog.Change {
	return catalog.Change{Op: catalog.Op(op), Name: branch}
}

// markDeadLine finds out whether a timeline that a branch or a tag has left, and
// its ancestors, are still of use. Holds s.mu.
func (s *Service) markDeadLine(tl *timeline, since LSN) {
	for ; tl != nil && !s.inUse(tl); tl = tl.parent {
		if _, known := s.dead[tl.id]; !known && s.timelines[tl.id] != nil {
			s.dead[tl.id] = since
		}
	}
}

// inUse reports whether a branch, a tag or a child in use has a timeline. Holds
// s.mu.
func (s *Service) inUse(tl *timeline) bool {
	if p := s.byID[tl.project]; p != nil {
		for _, b := range p.branches {
			if b.tl == tl {
				return true
			}
		}
		for _, t := range p.tags {
			if t.tl == tl {
				return true
			}
		}
	}
	for id, c := range s.timelines {
		if c.parent != tl {
			continue
		}
		if _, dead := s.dead[id]; !dead {
			return true
		}
	}
	return false
}

// markDead finds the timelines that no branch, tag or child needs.
func (s *Service) markDead(since LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markDeadLocked(since)
}

func (s *Service) markDeadLocked(since LSN) {
	used := map[Timeline]bool{}
	use := func(tl *timeline) {
		for ; tl != nil && !used[tl.id]; tl = tl.parent {
			used[tl.id] = true
		}
	}
	for _, p := range s.projects {
		for _, b := range p.branches {
			use(b.tl)
		}
		for _, t := range p.tags {
			use(t.tl)
		}
	}
	for id := range s.timelines {
		if _, known := s.dead[id]; !used[id] && !known && !s.building[id] {
			s.dead[id] = since
		}
	}
}

// Sweep removes the keys of timelines that nothing needs and that no open
// snapshot can still read. It returns how many.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	before := len(s.dead)
	err := s.sweep(ctx)
	return before - len(s.dead), err
}

// sweepable returns the timelines that Sweep may remove now.
func (s *Service) sweepable() ([]Timeline, error) {
	oldest := s.txns.OldestSnapshot()
	s.mu.RLock()
	dead := maps.Clone(s.dead)
	s.mu.RUnlock()
	var gone []Timeline
	drains := map[Timeline]bool{} // those that wait for readers, and what these see through them
	for id, since := range dead {
		switch {
		case s.draining(id, since):
			s.mu.RLock()
			for tl := s.timelines[id]; tl != nil; tl = tl.parent {
				drains[tl.id] = true
			}
			s.mu.RUnlock()
		case since <= oldest:
			gone = append(gone, id)
		}
	}
	gone = slices.DeleteFunc(gone, func(id Timeline) bool { return drains[id] })
	kept, err := s.basesOf(gone)
	return slices.DeleteFunc(gone, func(id Timeline) bool { return kept[id] }), err
}

// sweep is Sweep. Holds s.changing.
func (s *Service) sweep(ctx context.Context) error {
	gone, err := s.sweepable()
	if err != nil || len(gone) == 0 {
		return err
	}
	b := s.store.NewBatch()
	for _, id := range gone {
		if err := dropTimeline(b, id); err != nil {
			b.Close()
			return err
		}
	}
	if err := s.commitControl(ctx, b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range gone {
		delete(s.dead, id)
		delete(s.timelines, id)
		delete(s.owners, id)
		s.catalog.Forget(id)
	}
	s.names.Add(1)
	return nil
}

func dropTimeline(b *store.Batch, id Timeline) error {
	if err := b.DropTimeline(id); err != nil {
		return err
	}
	return b.DeleteControl(timelineKey(id))
}
