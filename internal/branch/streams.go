package branch

import (
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/wal"
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

// Left returns the database that a timeline was until a change that Leaves.
func Left(ch catalog.Change) string {
	db, _ := bsonx.Lookup(ch.Detail, "db").StringValueOK()
	return db
}

// RestoredTo returns the LSN that a branch was restored to by a change that Leaves;
// missing for others.
func RestoredTo(ch catalog.Change) bsonx.Value { return bsonx.Lookup(ch.Detail, "lsn") }

// leaving describes a change with which a branch leaves its timeline.
func leaving(op string, p *project, b *branch, to LSN) catalog.Change {
	ch := changeOf(op, b.name)
	d := bsonx.NewDoc(nil)
	d.String("db", dbName(p.name, b.name, b.id == p.def))
	if op == OpRestore {
		d.Int64("lsn", int64(to))
	}
	ch.Detail = d.Done()
	return ch
}

func dbName(project, branch string, def bool) string {
	if def {
		return project
	}
	return project + "~" + branch
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

// DB returns the database that the timeline is; "" when none is it any more.
func (h Holder) DB() string {
	if h.Branch == "" {
		return ""
	}
	return dbName(h.Project, h.Branch, h.Default)
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

// Names is a number that is another one after each change of what a known
// timeline's Holder is.
func (s *Service) Names() uint64 { return s.names.Load() }

// Successor returns what a commit put in the place of a timeline that a branch
// left with it: another timeline, or 0. left is false when no branch left it.
func Successor(rec *wal.Record, id Timeline) (next Timeline, left bool, err error) {
	var name string
	for i := range rec.Ops {
		op := &rec.Ops[i]
		if op.Kind != wal.DDL {
			continue
		}
		ch, ok, err := catalog.DecodeChange(op.Key)
		switch {
		case err != nil:
			return 0, false, err
		case ok && op.Timeline == id && Leaves(ch):
			left, name = true, ch.Name
		case ok && left && string(ch.Op) == OpRestore && ch.To == name:
			return op.Timeline, true, nil
		}
	}
	return 0, left, nil
}

// ReadBy sets who knows whether anybody still reads a timeline, which no branch
// points to since a commit, up to that commit. Such a timeline stays a little
// longer. Call it before the service is used.
func (s *Service) ReadBy(reads func(id Timeline, upTo LSN) bool) { s.reads = reads }

// drainTime is how long a timeline waits for its readers.
const drainTime = time.Minute

// draining reports whether a dead timeline waits for its readers.
func (s *Service) draining(id Timeline, since LSN) bool {
	if s.reads == nil || !s.reads(id, since) {
		return false
	}
	st, ok, err := s.store.StampOf(since)
	return err == nil && ok && s.clock.Now().Sub(st.Wall()) < drainTime
}

// HistoryLost reports whether what a timeline had after an LSN may no longer be
// there: it is before the window, or, with collected, it was collected. Whoever holds
// an LSN (txn.Manager.Hold) asks for collected: what is held stays, however old.
func (s *Service) HistoryLost(id Timeline, after LSN, collected bool) (bool, error) {
	s.mu.RLock()
	var p *project
	if tl := s.timelines[id]; tl != nil {
		p = s.byID[tl.project]
	}
	s.mu.RUnlock()
	if p == nil {
		return false, nil
	}
	return s.lost(p, after, collected)
}

// AnyHistoryLost is HistoryLost for all projects.
func (s *Service) AnyHistoryLost(after LSN, collected bool) (bool, error) {
	s.mu.RLock()
	all := make([]*project, 0, len(s.projects))
	for _, p := range s.projects {
		all = append(all, p)
	}
	s.mu.RUnlock()
	for _, p := range all {
		if lost, err := s.lost(p, after, collected); lost || err != nil {
			return lost, err
		}
	}
	return false, nil
}

func (s *Service) lost(p *project, after LSN, collected bool) (bool, error) {
	if collected {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return p.collected > p.born && after < p.collected, nil
	}
	first, err := s.earliest(p)
	if err != nil {
		return false, err
	}
	// What is before the project's first timeline is not the project's.
	return first > p.born && after < first, nil
}
