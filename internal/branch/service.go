// Package branch is projects, their branches and tags, and the points in time
// that database names can address. Branches, timelines and tags are small
// control records in the store and an index of them in memory; making a branch
// writes one record and copies nothing.
package branch

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// Names of lower packages' types.
type (
	LSN      = txn.LSN
	Timeline = txn.Timeline
	Level    = txn.Level
)

const head = store.Head

// DefaultBranch is the name of a new project's branch.
const DefaultBranch = "main"

// Service knows all projects of a store. It is safe for concurrent use.
type Service struct {
	store   *store.Store
	txns    *txn.Manager
	catalog *catalog.Catalog
	clock   clock.Clock

	// changing orders changes of the records, which are slow (fsync); mu guards
	// the index in memory and is held shortly.
	changing  sync.Mutex
	mu        sync.RWMutex
	projects  map[string]*project
	folded    map[string]*project // by the name in lower case
	byID      map[uint64]*project
	timelines map[Timeline]*timeline
	dead      map[Timeline]LSN  // timelines without use, and since when
	building  map[Timeline]bool // of copies that are not finished

	owners   owners
	activity tracker
	names    atomic.Uint64 // see Names
	reads    func(Timeline, LSN) bool
}

// Open reads the control records of a store.
func Open(s *store.Store, m *txn.Manager, c *catalog.Catalog, clk clock.Clock) (*Service, error) {
	sv := &Service{store: s, txns: m, catalog: c, clock: clk, projects: map[string]*project{}, folded: map[string]*project{},
		byID: map[uint64]*project{}, timelines: map[Timeline]*timeline{}, dead: map[Timeline]LSN{}, building: map[Timeline]bool{}, owners: owners{}, activity: tracker{store: s}}
	sv.activity.store = s
	if err := sv.load(); err != nil {
		return nil, fmt.Errorf("branches: %w", err)
	}
	if err := sv.loadOwners(); err != nil {
		return nil, fmt.Errorf("branches: %w", err)
	}
	for _, p := range sv.projects {
		sv.folded[strings.ToLower(p.name)] = p
		if p.byID[p.def] == nil {
			return nil, fmt.Errorf("branches: %w", damaged(projectKey(p.name)))
		}
		p.refresh()
	}
	sv.markDead(s.Visible().LSN)
	return sv, nil
}

// Ref is a resolved database name. It is immutable.
type Ref struct {
	Project, Branch string
	// Point is what the name had after "@", "" at head.
	Point string
	// Levels are what a view of the txn package is made of. Never empty.
	Levels []Level
	// ReadOnly: a point in the past.
	ReadOnly bool
	// Exists is false for a project that is not there yet. Reads find nothing
	// there; a write has to resolve the name by ResolveForWrite.
	Exists bool
	// LSN is the point's, or store.Head.
	LSN LSN
	// Timeline is the branch's own timeline, also when the point is before its
	// fork.
	Timeline Timeline

	branch  uint64
	project uint64
	expires time.Time
}

// noTimeline is the timeline of projects that do not exist: it is never written.
const noTimeline Timeline = 0

// refresh makes the refs of the branches' heads; refresh1 that of one branch.
func (p *project) refresh() {
	for _, b := range p.branches {
		p.refresh1(b)
	}
}

// Resolve finds what a database name addresses. An unknown branch or tag is
// NamespaceNotFound (26), a name that breaks the grammar InvalidNamespace (73),
// a point outside of the history SnapshotUnavailable (246). An unknown project
// is not an error, unless the name asks for its past.
func (s *Service) Resolve(ctx context.Context, db string) (*Ref, error) {
	if strings.IndexByte(db, '@') < 0 {
		project, name, named := strings.Cut(db, "~")
		s.mu.RLock()
		if p := s.projects[project]; p != nil {
			b := p.byID[p.def]
			if named {
				b = p.branches[name]
			}
			if b != nil && b.expires.IsZero() {
				r := b.heads
				s.mu.RUnlock()
				return r, nil
			}
		}
		s.mu.RUnlock()
	}
	n, err := ParseName(db)
	if err != nil {
		return nil, err
	}
	return s.ResolveName(ctx, n)
}

// ResolveName is Resolve for a name that was taken apart.
func (s *Service) ResolveName(ctx context.Context, n Name) (*Ref, error) {
	s.mu.RLock()
	p, b, err := s.find(n.Project, n.Branch)
	if err != nil || p == nil {
		s.mu.RUnlock()
		switch {
		case err != nil:
			return nil, err
		case n.Point.Kind != PointNow:
			return nil, errNoProject(n.Project)
		}
		return &Ref{Project: n.Project, Branch: DefaultBranch, LSN: head, Levels: []Level{{Timeline: noTimeline, LSN: head}}}, nil
	}
	r := b.heads
	s.mu.RUnlock()
	if n.Point.Kind == PointNow {
		return r, nil
	}
	return s.resolvePoint(ctx, r, n.Point)
}

// ResolveForWrite is Resolve for a statement that may create the project, which
// MongoDB's first write to a database does.
func (s *Service) ResolveForWrite(ctx context.Context, db string) (*Ref, error) {
	r, err := s.Resolve(ctx, db)
	if err != nil || r.Exists {
		return r, err
	}
	if _, err := s.CreateProject(ctx, r.Project, true); err != nil {
		return nil, err
	}
	return s.Resolve(ctx, db)
}

func errNoProject(name string) error {
	return errcode.New(errcode.NamespaceNotFound, "project '%s' does not exist; a first write to it creates it", name)
}

// find returns a project and one of its branches ("": the default). Both are nil
// when there is no such project and the branch is its default. Holds s.mu.
func (s *Service) find(project, name string) (*project, *branch, error) {
	p := s.projects[project]
	if p == nil {
		if name == "" || name == DefaultBranch {
			return nil, nil, nil
		}
		return nil, nil, errNoProject(project)
	}
	if name == "" {
		return p, p.byID[p.def], nil
	}
	b := p.branches[name]
	if b == nil {
		return nil, nil, errcode.New(errcode.NamespaceNotFound, "branch '%s' of project '%s' does not exist; it has: %s",
			name, project, p.listNames())
	}
	if !b.expires.IsZero() && !s.clock.Now().Before(b.expires) {
		return nil, nil, errcode.New(errcode.NamespaceNotFound, "branch '%s' of project '%s' expired at %s",
			name, project, b.expires.Format(time.RFC3339))
	}
	return p, b, nil
}

// mustFind is find where the project has to exist.
func (s *Service) mustFind(project, name string) (*project, *branch, error) {
	p, b, err := s.find(project, name)
	if err == nil && p == nil {
		err = errNoProject(project)
	}
	return p, b, err
}

// listNames names a project's branches for an error message.
func (p *project) listNames() string {
	var names []string
	for n := range p.branches {
		names = append(names, n)
	}
	sort.Strings(names)
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + fmt.Sprintf(" and %d more", len(names)-12)
	}
	return strings.Join(names, ", ")
}

// resolvePoint returns the ref of a past point of the branch that r is at head.
func (s *Service) resolvePoint(_ context.Context, r *Ref, pt Point) (*Ref, error) {
	s.mu.RLock()
	p := s.byID[r.project]
	tl := s.timelines[r.Timeline]
	var tg *tag
	if p != nil && pt.Kind == PointTag {
		tg = p.tags[pt.Tag]
	}
	s.mu.RUnlock()
	if p == nil || tl == nil {
		return nil, errNoProject(r.Project)
	}
	out := *r
	out.Point, out.ReadOnly = pt.String(), true
	if pt.Kind == PointTag {
		if tg == nil {
			return nil, errcode.New(errcode.NamespaceNotFound, "tag '%s' of project '%s' does not exist; listTags shows its tags", pt.Tag, r.Project)
		}
		if tg.tl.root() != tl.root() {
			return nil, errcode.New(errcode.NamespaceNotFound, "tag '%s' of project '%s' is of branch '%s', which shares no history with branch '%s'", pt.Tag, r.Project, tg.branch, r.Branch)
		}
		out.LSN, out.Levels = tg.lsn, tg.tl.levelsAt(tg.lsn)
		return &out, nil
	}
	st, err := s.locate(p, pt)
	if err != nil {
		return nil, err
	}
	if err := s.begins(p, tl, st); err != nil {
		return nil, err
	}
	out.LSN, out.Levels = st, tl.levelsAt(st)
	return &out, nil
}

// locate turns an LSN, a time or an age into an LSN within the project's history.
func (s *Service) locate(p *project, pt Point) (LSN, error) {
	now := s.clock.Now()
	last := s.store.Visible()
	first, err := s.earliest(p)
	if err != nil {
		return 0, err
	}
	if pt.Kind == PointLSN {
		if pt.LSN < first || pt.LSN > last.LSN {
			return 0, s.outside(p, fmt.Sprintf("LSN %d", pt.LSN), first)
		}
		return pt.LSN, nil
	}
	when := pt.Time
	if pt.Kind == PointAge {
		when = now.Add(-pt.Age)
	}
	created := p.created
	if when.After(now) && when.After(last.Wall()) || when.Before(created) {
		return 0, s.outside(p, when.UTC().Format(time.RFC3339Nano), first)
	}
	st, err := s.store.AtTime(when)
	if err != nil {
		return 0, err
	}
	if st.LSN < first {
		if first != p.born || p.collected > p.born {
			return 0, s.outside(p, when.UTC().Format(time.RFC3339Nano), first)
		}
		st.LSN = first // within the project's first moments, before anything was written
	}
	return st.LSN, nil
}

// outside is the error for a point that is not in a project's history.
func (s *Service) outside(p *project, what string, first LSN) error {
	last := s.store.Visible()
	from := p.created
	if st, ok, err := s.store.StampOf(first); err == nil && ok && st.Wall().After(from) {
		from = st.Wall()
	}
	return errcode.New(errcode.SnapshotUnavailable, "%s is outside of the history of project '%s', which goes from LSN %d (%s) to LSN %d (%s)",
		what, p.name, first, from.UTC().Format(time.RFC3339Nano), last.LSN, last.Wall().Format(time.RFC3339Nano))
}

// horizonEvery is for how long a computed horizon is used: the window moves with
// the clock.
const horizonEvery = time.Second

// earliest returns the oldest LSN of a project that can be read.
func (s *Service) earliest(p *project) (LSN, error) {
	now := s.clock.Now()
	s.mu.RLock()
	first := max(p.born, p.collected)
	fresh := p.retention == Forever || !p.horizonAt.IsZero() && now.Sub(p.horizonAt) < horizonEvery && !now.Before(p.horizonAt)
	horizon, window := p.horizon, p.retention
	s.mu.RUnlock()
	if window == Forever {
		return first, nil
	}
	if !fresh {
		st, err := s.store.AtTime(now.Add(-window))
		if err != nil {
			return 0, err
		}
		horizon = st.LSN
		s.mu.Lock()
		p.horizon, p.horizonAt = horizon, now
		s.mu.Unlock()
	}
	return max(first, horizon), nil
}

// ResolveAt returns the ref of r's branch as of a cluster time (readConcern
// snapshot with atClusterTime): the newest commit whose timestamp is not after
// it.
func (s *Service) ResolveAt(_ context.Context, r *Ref, ts txn.Timestamp) (*Ref, error) {
	if !r.Exists {
		return r, nil
	}
	s.mu.RLock()
	p, tl := s.byID[r.project], s.timelines[r.Timeline]
	s.mu.RUnlock()
	if p == nil || tl == nil {
		return nil, errNoProject(r.Project)
	}
	first, err := s.earliest(p)
	if err != nil {
		return nil, err
	}
	st, err := s.store.AtTimestamp(ts)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("the cluster time (%d, %d)", ts.T(), ts.I())
	if st.LSN < first || int64(ts.T()) < p.created.Unix() || int64(ts.T()) > s.clock.Now().Unix()+1 && ts > s.store.Visible().Timestamp {
		return nil, s.outside(p, what, first)
	}
	if r.LSN < st.LSN {
		st.LSN = r.LSN
	}
	if err := s.begins(p, tl, st.LSN); err != nil {
		return nil, err
	}
	out := *r
	out.ReadOnly, out.LSN, out.Levels = true, st.LSN, tl.levelsAt(st.LSN)
	if out.Point == "" {
		out.Point = Point{Kind: PointLSN, LSN: st.LSN}.String()
	}
	return &out, nil
}

// ErrReadOnly is the error for a write to a point in the past.
func ErrReadOnly(r *Ref) error {
	return errcode.New(errcode.CommandNotSupportedOnView,
		"'%s~%s@%s' is a point in the past and cannot be written to; make a branch from it: db.getSiblingDB('%s').runCommand({createBranch: 'NAME', from: '%s', at: '%s'})",
		r.Project, r.Branch, r.Point, r.Project, r.Branch, r.Point)
}
