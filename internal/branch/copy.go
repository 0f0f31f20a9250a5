package branch

import (
	"context"
	"fmt"
	"time"

	"github.com/argon-db/argon/internal/errcode"
)

// CopyKind says what a branch that shares no history with its parent has of it.
type CopyKind string

// A branch that must not show its parent's documents cannot be a fork, which
// reads them. It is a timeline of its own, without a parent, into which the
// definitions and, if they are masked, the documents are copied before the branch
// is there. No point of it, and no merge or restore, leads to the parent.
const (
	CopySchema CopyKind = "schemaOnly"
	CopyMasked CopyKind = "masked"
)

// Copy is a branch in the making. Source is what is copied, Target where to: a
// timeline that nothing can address yet.
type Copy struct {
	Source, Target []Level
	s              *Service
	p              *project
	from           *branch
	name           string
	o              CreateOptions
	tl             *timeline
	done           bool
	release        func()
}

// BeginCopy begins a branch of its own timeline. Fill Target, then Finish; Close
// it in any case.
func (s *Service) BeginCopy(ctx context.Context, projectName, name string, kind CopyKind, o CreateOptions) (*Copy, error) {
	if err := CheckBranch(name); err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	p, from, lsn, tl, err := s.origin(ctx, projectName, o.From, o.At)
	if err != nil {
		return nil, err
	}
	if err := s.nameIsFree(p, name); err != nil {
		return nil, err
	}
	ids, err := s.newIDs(1)
	if err != nil {
		return nil, err
	}
	n := &timeline{id: Timeline(ids[0]), project: p.id, fork: s.store.Visible().LSN, forkTime: s.clock.Now(), copy: kind}
	n.levels = n.headLevels()
	c := &Copy{Source: tl.levelsAt(lsn), Target: n.levels, s: s, p: p, from: from, name: name, o: o, tl: n}
	c.release = s.store.Pin(c.Source)
	// With a record of its timeline, a restart finds what an interrupted copy left
	// and removes it.
	if err := s.save(ctx, kv{timelineKey(n.id), n.encode()}); err != nil {
		c.release()
		return nil, err
	}
	s.mu.Lock()
	s.timelines[n.id] = n
	s.building[n.id] = true
	s.mu.Unlock()
	return c, nil
}

func (s *Service) nameIsFree(p *project, name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.branches[name] != nil {
		return errcode.New(errcode.NamespaceExists, "branch '%s' of project '%s' already exists", name, p.name)
	}
	return nil
}

// Finish makes the branch: from now on it is there, with all that was copied. Its
// history begins here.
func (c *Copy) Finish(ctx context.Context) (Info, error) {
	s, p := c.s, c.p
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.nameIsFree(p, c.name); err != nil {
		return Info{}, err
	}
	s.mu.RLock()
	alive := s.byID[p.id] == p
	s.mu.RUnlock()
	if !alive {
		return Info{}, errNoProject(p.name)
	}
	ids, err := s.newIDs(1)
	if err != nil {
		return Info{}, err
	}
	tl := *c.tl
	tl.fork, tl.forkTime = s.store.Visible().LSN, s.clock.Now()
	tl.commit = tl.fork
	b := c.o.branch(c.name, ids[0], c.from, &tl, tl.forkTime)
	if err := s.save(ctx, kv{timelineKey(tl.id), tl.encode()}, kv{branchKey(p.id, b.id), b.encode()}); err != nil {
		return Info{}, err
	}
	s.mu.Lock()
	s.timelines[tl.id] = &tl
	delete(s.building, tl.id)
	p.add(b)
	p.refresh1(b)
	i := s.info(p, b)
	s.mu.Unlock()
	c.done = true
	if err := s.activity.update(); err != nil {
		return Info{}, err
	}
	return i, s.addActivity(&i)
}

// Close ends the copy; one that is not finished leaves nothing behind.
func (c *Copy) Close(ctx context.Context) error {
	c.release()
	if c.done {
		return nil
	}
	s := c.s
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	delete(s.building, c.tl.id)
	if s.timelines[c.tl.id] == c.tl {
		s.dead[c.tl.id] = s.store.Visible().LSN
	}
	s.mu.Unlock()
	return s.sweep(context.WithoutCancel(ctx))
}

// branch makes the record of a new branch.
func (o *CreateOptions) branch(name string, id uint64, from *branch, tl *timeline, now time.Time) *branch {
	b := &branch{id: id, name: name, parent: from.id, tl: tl, created: now, protected: o.Protected, note: o.Note}
	if o.TTL > 0 {
		b.expires = now.Add(o.TTL)
	}
	return b
}

// root is the first timeline of a line.
func (tl *timeline) root() *timeline {
	for tl.parent != nil {
		tl = tl.parent
	}
	return tl
}

// begins refuses points from before a line's first timeline, which has nothing
// there.
func (s *Service) begins(p *project, tl *timeline, lsn LSN) error {
	root := tl.root()
	if root.copy == "" || lsn >= root.fork {
		return nil
	}
	return s.outside(p, fmt.Sprintf("LSN %d", lsn), root.fork)
}

// Related refuses to bring the states of two branches together when one of them was
// made with masked data, and not of the other: the data would be there again.
func (s *Service) Related(a, b *Ref) error {
	s.mu.RLock()
	x, y := s.timelines[a.Timeline], s.timelines[b.Timeline]
	s.mu.RUnlock()
	if x == nil || y == nil || x.root() == y.root() || x.root().copy != CopyMasked && y.root().copy != CopyMasked {
		return nil
	}
	return errcode.New(errcode.IllegalOperation, "branches '%s' and '%s' share no history: one of the two was made with masked data, and is not compared or merged with others", a.Branch, b.Branch)
}

// sameLine refuses to put a branch to a state that shares no history with it: what
// was masked would be there again.
func sameLine(b *branch, tl *timeline) error {
	if b.tl.root() == tl.root() {
		return nil
	}
	return errcode.New(errcode.IllegalOperation, "branch '%s' cannot be set to a state that shares no history with it: one of the two was made with masked data or without data", b.name)
}
