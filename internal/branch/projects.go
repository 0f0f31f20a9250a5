package branch

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// ProjectInfo describes a project.
type ProjectInfo struct {
	Name      string
	Default   string // the default branch
	Created   time.Time
	Branches  int
	Tags      int
	Retention time.Duration
}

// CreateProject makes a project with an empty default branch. One that exists is
// NamespaceExists, or fine with ifNotExists.
func (s *Service) CreateProject(ctx context.Context, name string, ifNotExists bool) (ProjectInfo, error) {
	if err := CheckProject(name); err != nil {
		return ProjectInfo{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.folded[strings.ToLower(name)]
	s.mu.RUnlock()
	switch {
	case p == nil:
	case p.name == name && ifNotExists:
		s.mu.RLock()
		defer s.mu.RUnlock()
		return p.info(), nil
	case p.name == name:
		return ProjectInfo{}, errcode.New(errcode.NamespaceExists, "project '%s' already exists", name)
	default:
		return ProjectInfo{}, errcode.New(errcode.Code(13297),
			"db already exists with different case already have: [%s] trying to create [%s]", p.name, name)
	}
	ids, err := s.newIDs(3)
	if err != nil {
		return ProjectInfo{}, err
	}
	now, st := s.clock.Now(), s.store.Visible()
	p = newProject(ids[0], name, now)
	p.born = st.LSN
	tl := &timeline{id: Timeline(ids[1]), project: p.id, fork: st.LSN, forkTime: now}
	tl.levels = tl.headLevels()
	b := &branch{id: ids[2], name: DefaultBranch, tl: tl, created: now}
	p.def = b.id
	if err := s.save(ctx, kv{projectKey(name), p.encode()}, kv{timelineKey(tl.id), tl.encode()}, kv{branchKey(p.id, b.id), b.encode()}); err != nil {
		return ProjectInfo{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.add(b)
	p.refresh()
	s.projects[name], s.byID[p.id], s.timelines[tl.id] = p, p, tl
	s.folded[strings.ToLower(name)] = p
	return p.info(), nil
}

// ListProjects returns all projects by name.
func (s *Service) ListProjects() []ProjectInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]ProjectInfo, 0, len(s.projects))
	for _, p := range s.projects {
		out = append(out, p.info())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Heads returns the database names of all branches that are not expired, in
// order.
func (s *Service) Heads() []string {
	now := s.clock.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []string
	for _, p := range s.projects {
		for _, b := range p.branches {
			if b.expires.IsZero() || now.Before(b.expires) {
				out = append(out, p.name+"~"+b.name)
			}
		}
	}
	sort.Strings(out)
	return out
}

// DeleteProject removes a project with all of its branches, tags and history.
func (s *Service) DeleteProject(ctx context.Context, name string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.projects[name]
	s.mu.RUnlock()
	if p == nil {
		return errNoProject(name)
	}
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	tx.PutControl(projectKey(name), nil)
	for _, b := range p.branches {
		if err := s.leave(ctx, tx, OpDropProject, p, b, 0); err != nil {
			return err
		}
		tx.PutControl(branchKey(p.id, b.id), nil)
	}
	for n := range p.tags {
		tx.PutControl(tagKey(p.id, n), nil)
	}
	st, err := tx.Commit(ctx, txn.CommitInfo{})
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.projects, name)
	delete(s.folded, strings.ToLower(name))
	delete(s.byID, p.id)
	s.names.Add(1)
	s.markDeadLocked(st.LSN)
	s.mu.Unlock()
	return s.sweep(ctx)
}

func (p *project) info() ProjectInfo {
	return ProjectInfo{Name: p.name, Default: p.byID[p.def].name, Created: p.created, Branches: len(p.branches),
		Tags: len(p.tags), Retention: p.retention}
}

func (s *Service) newIDs(n int) ([]uint64, error) {
	ids := make([]uint64, n)
	for i := range ids {
		var err error
		if ids[i], err = s.store.NewID(); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// kv is a control record; a nil value deletes it.
type kv struct{ key, value []byte }

// save writes control records in one durable batch.
func (s *Service) save(ctx context.Context, records ...kv) error {
	b := s.store.NewBatch()
	for _, r := range records {
		var err error
		if r.value == nil {
			err = b.DeleteControl(r.key)
		} else {
			err = b.SetControl(r.key, r.value)
		}
		if err != nil {
			b.Close()
			return err
		}
	}
	return s.commitControl(ctx, b)
}

func (s *Service) commitControl(ctx context.Context, b *store.Batch) error {
	err := s.store.CommitControl(ctx, b)
	if err != nil {
		b.Close()
	}
	return err
}

// gateWait bounds how long a change of a branch waits for its open transactions.
const gateWait = 5 * time.Second

// leave tells the log and the writers of a timeline that its branch points to it
// no more. to is the point of a restore.
func (s *Service) leave(ctx context.Context, tx *txn.Txn, op string, p *project, b *branch, to LSN) error {
	wait, cancel := context.WithTimeout(ctx, gateWait)
	defer cancel()
	if err := tx.Retire(wait, b.tl.id); err != nil {
		if ctx.Err() == nil && (wait.Err() != nil || txn.IsStale(err)) {
			return errcode.New(errcode.LockTimeout, "branch '%s' has open transactions; end them, or try again", b.name)
		}
		return err
	}
	tx.LogDDL(b.tl.id, 0, leaving(op, p, b, to).Encode())
	return nil
}
