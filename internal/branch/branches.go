package branch

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
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
	// By ListBranches only:
	Depth      int   // how many timelines are below
	OwnChanges int64 // commits since the fork
	OwnBytes   int64 // net size of the documents written since the fork
}

// info describes b. Holds s.mu.
func (s *Service) info(p *project, b *branch) Info {
	i := Info{Name: b.name, Project: p.name, Timeline: b.tl.id, ForkLSN: b.tl.fork, ForkTime: b.tl.forkTime, HeadLSN: b.tl.fork,
		Created: b.created, Expires: b.expires, Protected: b.protected, Default: b.id == p.def, Note: b.note}
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
	b := &branch{id: ids[1], name: name, parent: from.id, tl: child, created: now, protected: o.Protected, note: o.Note}
	if o.TTL > 0 {
		b.expires = now.Add(o.TTL)
	}
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
		a := s.activity.of(out[i].Timeline)
		out[i].HeadLSN, out[i].OwnChanges = max(out[i].HeadLSN, a.last), a.commits
		n, err := s.ownBytes(out[i].Timeline, a.collections)
		if err != nil {
			return nil, err
		}
		out[i].OwnBytes = n
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// ownBytes sums up what a timeline has written to its collections.
func (s *Service) ownBytes(tl Timeline, colls []txn.CollectionID) (n int64, err error) {
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

// GetBranch returns one branch ("": the default one), as CreateBranch does.
func (s *Service) GetBranch(ctx context.Context, projectName, name string) (Info, error) {
	all, err := s.ListBranches(ctx, projectName)
	if err != nil {
		return Info{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, b, err := s.mustFind(projectName, name)
	if err != nil {
		return Info{}, err
	}
	for _, i := range all {
		if i.Name == b.name {
			return i, nil
		}
	}
	return s.info(s.projects[projectName], b), nil
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
	i := s.info(p, &nb)
	s.mu.Unlock()
	i.HeadLSN = max(i.HeadLSN, s.activity.last(nb.tl.id))
	return i, nil
}

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
	kids := map[uint64][]*branch{}
	for _, c := range p.branches {
		kids[c.parent] = append(kids[c.parent], c)
	}
	out := []*branch{b}
	for i := 0; i < len(out); i++ {
		next := kids[out[i].id]
		sort.Slice(next, func(i, j int) bool { return next[i].name < next[j].name })
		out = append(out, next...)
	}
	return out
}

// drop removes branches in one commit. Holds s.changing.
func (s *Service) drop(ctx context.Context, p *project, gone []*branch) ([]string, error) {
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	var names []string
	for _, b := range gone {
		if err := s.leave(ctx, tx, b.tl, "dropBranch", b.name); err != nil {
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
	s.markDeadLocked(st.LSN)
	s.mu.Unlock()
	return names, s.sweep(ctx)
}

// DropExpired drops the branches whose time is over; those that still have
// children live on until these are gone. It returns their names by project.
func (s *Service) DropExpired(ctx context.Context) (map[string][]string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	now := s.clock.Now()
	out := map[string][]string{}
	for {
		s.mu.RLock()
		var p *project
		var gone *branch
		for _, q := range s.projects {
			for _, b := range q.branches {
				if !b.expires.IsZero() && !now.Before(b.expires) && b.id != q.def && !b.protected && len(q.withChildren(b)) == 1 {
					p, gone = q, b
				}
			}
		}
		s.mu.RUnlock()
		if gone == nil {
			return out, nil
		}
		names, err := s.drop(ctx, p, []*branch{gone})
		if err != nil {
			return out, err
		}
		out[p.name] = append(out[p.name], names...)
	}
}

// changeOf describes a change of a branch in the log.
func changeOf(op, branch string) catalog.Change {
	return catalog.Change{Op: catalog.Op(op), Name: branch}
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
		if _, known := s.dead[id]; !used[id] && !known {
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

// sweep is Sweep. Holds s.changing.
func (s *Service) sweep(ctx context.Context) error {
	oldest := s.txns.OldestSnapshot()
	s.mu.RLock()
	var gone []Timeline
	for id, since := range s.dead {
		if since <= oldest {
			gone = append(gone, id)
		}
	}
	s.mu.RUnlock()
	if len(gone) == 0 {
		return nil
	}
	kept, err := s.basesOf(gone)
	if err != nil {
		return err
	}
	gone = slices.DeleteFunc(gone, func(id Timeline) bool { return kept[id] })
	if len(gone) == 0 {
		return nil
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
	return nil
}

func dropTimeline(b *store.Batch, id Timeline) error {
	if err := b.DropTimeline(id); err != nil {
		return err
	}
	return b.DeleteControl(timelineKey(id))
}
