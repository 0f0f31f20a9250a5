package branch

import (
	"context"
	"sort"
	"time"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

// Info describes a branch, as createBranch and listBranches return it.
type Info struct {
	Name, Project string
	Timeline      Timeline
	Parent        string // "" for the first branch, or when the parent is gone
	ForkLSN       LSN
	ForkTime      time.Time
	HeadLSN       LSN // the newest commit on the branch, or the fork
	Created       time.Time
	Expires       time.Time // zero: never
	Protected     bool
	Default       bool
	Note          string
	Copy          CopyKind // "" for one that shares its history with its parent
	// By ListBranches only:
	Depth      int   // how many timelines are below
	OwnChanges int64 // commits since the fork
	OwnBytes   int64 // net size of the documents written since the fork
}

// info describes b. Holds s.mu.
func (s *Service) info(p *project, b *branch) Info {
	i := Info{Name: b.name, Project: p.name, Timeline: b.tl.id, ForkLSN: b.tl.fork, ForkTime: b.tl.forkTime, HeadLSN: b.tl.fork,
		Created: b.created, Expires: b.expires, Protected: b.protected, Default: b.id == p.def, Note: b.note, Copy: b.tl.root().copy}
	if up := p.byID[b.parent]; up != nil {
		i.Parent = up.name
	}
	for tl := b.tl.parent; tl != nil; tl = tl.parent {
		i.Depth++
	}
	return i
}

// CreateOptions describe a new branch.
type CreateOptions struct {
	From        string // the default branch if ""
	At          Point
	TTL         time.Duration // 0: it does not expire
	Protected   bool
	Note        string
	IfNotExists bool
}

// CreateBranch makes a branch. It costs one small durable write whatever the
// branch has. The name's rules are CheckBranch's; one that is taken is
// NamespaceExists.
func (s *Service) CreateBranch(ctx context.Context, projectName, name string, o CreateOptions) (Info, error) {
	if err := CheckBranch(name); err != nil {
		return Info{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	p, from, lsn, tl, err := s.origin(ctx, projectName, o.From, o.At)
	if err != nil {
		return Info{}, err
	}
	s.mu.RLock()
	have := p.branches[name]
	if have != nil && o.IfNotExists {
		i := s.info(p, have)
		s.mu.RUnlock()
		i.HeadLSN = max(i.HeadLSN, s.activity.last(have.tl.id))
		return i, nil
	}
	s.mu.RUnlock()
	if have != nil {
		return Info{}, errcode.New(errcode.NamespaceExists, "branch '%s' of project '%s' already exists", name, p.name)
	}
	ids, err := s.newIDs(2)
	if err != nil {
		return Info{}, err
	}
	now := s.clock.Now()
	child := s.fork(p, tl, lsn, Timeline(ids[0]))
	b := o.branch(name, ids[1], from, child, now)
	if err := s.save(ctx, kv{timelineKey(child.id), child.encode()}, kv{branchKey(p.id, b.id), b.encode()}); err != nil {
		return Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timelines[child.id] = child
	p.add(b)
	p.refresh1(b)
	return s.info(p, b), nil
}

// origin finds where a new branch or tag begins: the branch, the LSN, and the
// timeline that the LSN is on. The caller holds s.changing.
func (s *Service) origin(ctx context.Context, projectName, from string, at Point) (*project, *branch, LSN, *timeline, error) {
	r, err := s.ResolveName(ctx, Name{Project: projectName, Branch: from, Point: at})
	if err != nil {
		return nil, nil, 0, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, b, err := s.mustFind(projectName, from)
	if err != nil {
		return nil, nil, 0, nil, err
	}
	tl, lsn := b.tl, r.LSN
	if lsn == head {
		lsn = s.store.Visible().LSN
	}
	if at.Kind == PointTag {
		tl = p.tags[at.Tag].tl
	}
	return p, b, lsn, tl.at(lsn), nil
}

// fork makes a timeline of what tl has at lsn.
func (s *Service) fork(p *project, tl *timeline, lsn LSN, id Timeline) *timeline {
	n := &timeline{id: id, project: p.id, parent: tl, parentID: tl.id, fork: lsn, forkTime: p.created}
	if st, ok, err := s.store.StampOf(lsn); err == nil && ok {
		n.forkTime = st.Wall()
	}
	n.levels = n.headLevels()
	n.commit = lsn
	if s.activity.update() == nil {
		if at, err := s.activity.before(tl.id, lsn); err == nil {
			n.commit = at
		}
	}
	return n
}

func (p *project) refresh1(b *branch) {
	b.heads = &Ref{Project: p.name, Branch: b.name, Levels: b.tl.levels, Exists: true, LSN: head,
		Timeline: b.tl.id, branch: b.id, project: p.id, expires: b.expires}
}

// ListBranches returns the branches of a project by name, with their depth and
// what they own.
func (s *Service) ListBranches(_ context.Context, projectName string) ([]Info, error) {
	s.mu.RLock()
	p := s.projects[projectName]
	if p == nil {
		s.mu.RUnlock()
		return nil, errNoProject(projectName)
	}
	out := make([]Info, 0, len(p.branches))
	for _, b := range p.branches {
		out = append(out, s.info(p, b))
	}
	s.mu.RUnlock()
	if err := s.activity.update(); err != nil {
		return nil, err
	}
	for i := range out {
		if err := s.addActivity(&out[i]); err != nil {
			return nil, err
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// ownBytes sums up what a timeline has written to its collections.
func (s *Service) ownBytes(tl Timeline, colls []txn.CollectionID) (n int64, err error) {
	if len(colls) == 0 {
		return 0, nil
	}
	r := s.store.NewReader()
	defer r.Close()
	for _, c := range colls {
		t, _, err := r.Tally(Level{Timeline: tl, LSN: head}, c)
		if err != nil {
			return 0, err
		}
		n += max(t.Bytes, 0)
	}
	return n, nil
}

// GetBranch returns one branch ("": the default one), as ListBranches does.
func (s *Service) GetBranch(_ context.Context, projectName, name string) (Info, error) {
	s.mu.RLock()
	p, b, err := s.mustFind(projectName, name)
	if err != nil {
		s.mu.RUnlock()
		return Info{}, err
	}
	i := s.info(p, b)
	s.mu.RUnlock()
	if err := s.activity.update(); err != nil {
		return Info{}, err
	}
	return i, s.addActivity(&i)
}

// addActivity adds what a branch's timeline has done.
func (s *Service) addActivity(i *Info) (err error) {
	a := s.activity.of(i.Timeline)
	i.HeadLSN, i.OwnChanges = max(i.HeadLSN, a.last), a.commits
	i.OwnBytes, err = s.ownBytes(i.Timeline, a.collections)
	return err
}

// Peek returns the full name of a branch ("": the default one) and whether it
// is protected. A branch that is not there
// answers with its own name.
func (s *Service) Peek(projectName, name string) (full string, protected bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.projects[projectName]
	if p == nil {
		if name == "" {
			name = DefaultBranch
		}
		return name, false
	}
	b := p.branches[name]
	if name == "" {
		b = p.byID[p.def]
	}
	if b == nil {
		return name, false
	}
	return b.name, b.protected
}

// ParentName returns the branch that a branch was made from, "" for none.
func (s *Service) ParentName(projectName, name string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.projects[projectName]
	if p == nil || p.branches[name] == nil {
		return ""
	}
	if parent := p.byID[p.branches[name].parent]; parent != nil {
		return parent.name
	}
	return ""
}

// RenameBranch gives a branch another name.
func (s *Service) RenameBranch(ctx context.Context, projectName, name, to string) (Info, error) {
	if err := CheckBranch(to); err != nil {
		return Info{}, err
	}
	return s.edit(ctx, projectName, name, func(p *project, b *branch) error {
		if have := p.branches[to]; have != nil && have.id != b.id {
			return errcode.New(errcode.NamespaceExists, "branch '%s' of project '%s' already exists", to, p.name)
		}
		b.name = to
		return nil
	})
}

// Update says what UpdateBranch changes; nil fields stay.
type Update struct {
	Protected *bool
	TTL       *time.Duration // from now; 0 removes it
	Default   bool           // makes it the project's default branch
	Note      *string
}

// UpdateBranch changes a branch's settings.
func (s *Service) UpdateBranch(ctx context.Context, projectName, name string, u Update) (Info, error) {
	return s.edit(ctx, projectName, name, func(p *project, b *branch) error {
		if u.Protected != nil {
			b.protected = *u.Protected
		}
		if u.Note != nil {
			b.note = *u.Note
		}
		if u.TTL != nil {
			b.expires = time.Time{}
			if *u.TTL > 0 {
				b.expires = s.clock.Now().Add(*u.TTL)
			}
		}
		if u.Default {
			p.def = b.id
		}
		if p.def == b.id && !b.expires.IsZero() {
			return errcode.New(errcode.BadValue, "the default branch cannot expire; remove ttlSeconds or make another branch the default")
		}
		return nil
	})
}

// edit changes a copy of a branch and its project's default, saves it and puts
// it in place.
func (s *Service) edit(ctx context.Context, projectName, name string, f func(*project, *branch) error) (Info, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p, old, err := s.mustFind(projectName, name)
	if err != nil {
		s.mu.RUnlock()
		return Info{}, err
	}
	np, nb := *p, *old
	err = f(&np, &nb)
	s.mu.RUnlock()
	if err != nil {
		return Info{}, err
	}
	records := []kv{{branchKey(p.id, nb.id), nb.encode()}}
	if np.def != p.def {
		records = append(records, kv{projectKey(p.name), np.encode()})
	}
	if err := s.save(ctx, records...); err != nil {
		return Info{}, err
	}
	s.mu.Lock()
	p.def = np.def
	delete(p.branches, old.name)
	p.add(&nb)
	p.refresh1(&nb)
	s.names.Add(1)
	i := s.info(p, &nb)
	s.mu.Unlock()
	i.HeadLSN = max(i.HeadLSN, s.activity.last(nb.tl.id))
	return i, nil
}
