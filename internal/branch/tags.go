package branch

import (
	"context"
	"sort"
	"time"

	"github.com/argon-db/argon/internal/errcode"
)

// TagInfo describes a tag.
type TagInfo struct {
	Name, Branch string
	Timeline     Timeline
	LSN          LSN
	Time         time.Time
	Note         string
}

func (t *tag) info() TagInfo {
	return TagInfo{Name: t.name, Branch: t.branch, Timeline: t.tl.id, LSN: t.lsn, Time: t.time, Note: t.note}
}

// CreateTag names a point of a branch ("": the default one) for good. The same
// tag again at the same point does no harm; another point is NamespaceExists.
func (s *Service) CreateTag(ctx context.Context, projectName, name, branchName string, at Point, note string) (TagInfo, error) {
	if err := CheckTag(name); err != nil {
		return TagInfo{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	p, b, lsn, tl, err := s.origin(ctx, projectName, branchName, at)
	if err != nil {
		return TagInfo{}, err
	}
	s.mu.RLock()
	have := p.tags[name]
	s.mu.RUnlock()
	if have != nil {
		if have.tl == tl && have.lsn == lsn {
			return have.info(), nil
		}
		return TagInfo{}, errcode.New(errcode.NamespaceExists, "tag '%s' of project '%s' already exists, at LSN %d of branch '%s'", name, p.name, have.lsn, have.branch)
	}
	t := &tag{name: name, branch: b.name, tl: tl, lsn: lsn, time: p.created, note: note}
	if st, ok, err := s.store.StampOf(lsn); err == nil && ok {
		t.time = st.Wall()
	}
	if err := s.save(ctx, kv{tagKey(p.id, name), t.encode()}); err != nil {
		return TagInfo{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.tags[name] = t
	return t.info(), nil
}

// TagBranch returns the branch that a tag was made on.
func (s *Service) TagBranch(projectName, name string) (branchName string, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.projects[projectName]; p != nil {
		if t := p.tags[name]; t != nil {
			return t.branch, true
		}
	}
	return "", false
}

// ListTags returns a project's tags by name.
func (s *Service) ListTags(_ context.Context, projectName string) ([]TagInfo, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.projects[projectName]
	if p == nil {
		return nil, errNoProject(projectName)
	}
	out := make([]TagInfo, 0, len(p.tags))
	for _, t := range p.tags {
		out = append(out, t.info())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// DropTag removes a tag.
func (s *Service) DropTag(ctx context.Context, projectName, name string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.projects[projectName]
	var t *tag
	if p != nil {
		t = p.tags[name]
	}
	s.mu.RUnlock()
	switch {
	case p == nil:
		return errNoProject(projectName)
	case t == nil:
		return errcode.New(errcode.NamespaceNotFound, "tag '%s' of project '%s' does not exist; listTags shows its tags", name, projectName)
	}
	if err := s.save(ctx, kv{tagKey(p.id, name), nil}); err != nil {
		return err
	}
	s.mu.Lock()
	delete(p.tags, name)
	s.markDeadLine(t.tl, s.store.Visible().LSN)
	s.mu.Unlock()
	return s.sweep(ctx)
}
