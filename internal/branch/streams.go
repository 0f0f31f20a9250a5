package branch

import (
	"github.com/argon-db/argon/internal/catalog"
)

// Changes of branches in the log, with the branch's name. A timeline that a
// branch leaves has one as its last operation; for OpRestore the timeline that
// the branch points to from then on has one too, with To set.
const (
	OpRestore     = "restoreBranch"
	OpDropBranch  = "dropBranch"
	OpDropProject = "dropProject"
)

// Leaves reports whether a change of the log is the last of its timeline: no
// branch points to it afterwards.
func Leaves(ch catalog.Change) bool {
	switch string(ch.Op) {
	case OpRestore:
		return ch.To == ""
	case OpDropBranch, OpDropProject:
		return true
	}
	return false
}

// Holder is where a timeline belongs.
type Holder struct {
	Project string // "" when it is gone
	// Branch points to the timeline; "" when none does any more.
	Branch  string
	Default bool // of the branch
	// Levels are the timeline's at head; nil when it is gone.
	Levels []Level
}

// Holder returns where a timeline belongs now.
func (s *Service) Holder(id Timeline) Holder {
	s.mu.RLock()
	defer s.mu.RUnlock()
	tl := s.timelines[id]
	if tl == nil {
		return Holder{}
	}
	h := Holder{Levels: tl.levels}
	p := s.byID[tl.project]
	if p == nil {
		return h
	}
	h.Project = p.name
	for _, b := range p.branches {
		if b.tl.id == id {
			h.Branch, h.Default = b.name, b.id == p.def
		}
	}
	return h
}

// HistoryLost reports whether changes of a branch after an LSN may no longer be
// there.
func (s *Service) HistoryLost(r *Ref, after LSN) (bool, error) {
	if !r.Exists {
		return false, nil
	}
	s.mu.RLock()
	p := s.byID[r.project]
	s.mu.RUnlock()
	if p == nil {
		return false, nil
	}
	return s.lost(p, after)
}

// AnyHistoryLost is HistoryLost for all projects.
func (s *Service) AnyHistoryLost(after LSN) (bool, error) {
	s.mu.RLock()
	all := make([]*project, 0, len(s.projects))
	for _, p := range s.projects {
		all = append(all, p)
	}
	s.mu.RUnlock()
	for _, p := range all {
		if lost, err := s.lost(p, after); lost || err != nil {
			return lost, err
		}
	}
	return false, nil
}

func (s *Service) lost(p *project, after LSN) (bool, error) {
	first, err := s.earliest(p)
	if err != nil {
		return false, err
	}
	s.mu.RLock()
	root := p.root()
	s.mu.RUnlock()
	// What is before the project's first timeline is not the project's.
	return root != nil && first > root.fork && after < first, nil
}
