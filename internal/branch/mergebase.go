package branch

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// Where a merge took its changes from stands in the catalog space of the timeline
// that was merged into, in the same commit as the changes: one entry for each
// timeline that is part of it by merges, with the LSN up to which it is. Entries
// are versioned and inherited by children as all of the catalog is, so what a
// point of a branch contains is one scan of them, together with the branch's own
// ancestors.
//
//	m TIMELINE(8 bytes, big endian) → LSN(8 bytes, big endian)
const kindMerged = 'm'

func mergedKey(tl Timeline) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindMerged}, uint64(tl))
}

// vector says what a point contains: of each timeline all up to an LSN, which is
// that of a commit.
type vector map[Timeline]LSN

// contents returns what a view contains.
func (s *Service) contents(levels []Level) (vector, error) {
	v := vector{}
	s.mu.RLock()
	for i, l := range levels {
		lsn := l.LSN
		if i == 0 {
			if a := s.activity.of(l.Timeline); a.last < lsn {
				lsn = a.last
			}
		} else if child := s.timelines[levels[i-1].Timeline]; child != nil && child.fork == lsn {
			lsn = child.commit
		}
		v[l.Timeline] = lsn
	}
	s.mu.RUnlock()
	merged, err := s.merged(levels)
	for tl, lsn := range merged {
		v[tl] = max(v[tl], lsn)
	}
	return v, err
}

// merged reads the entries of merges that a view sees.
func (s *Service) merged(levels []Level) (vector, error) {
	v := vector{}
	it := s.store.NewIter(levels, store.IterOptions{Space: store.Meta(), Lower: []byte{kindMerged}, Upper: []byte{kindMerged + 1}})
	defer it.Close()
	for it.Next() {
		if k, val := it.Key(), it.Value(); len(k) == 9 && len(val) == 8 {
			v[Timeline(binary.BigEndian.Uint64(k[1:]))] = LSN(binary.BigEndian.Uint64(val))
		}
	}
	return v, it.Err()
}

// owners knows which timelines have an entry of their own for a timeline.
type owners map[Timeline]map[Timeline]bool

func (o owners) add(from, into Timeline) {
	if o[from] == nil {
		o[from] = map[Timeline]bool{}
	}
	o[from][into] = true
}

// loadOwners reads them from the timelines' own entries.
func (s *Service) loadOwners() error {
	for id := range s.timelines {
		m, err := s.merged([]Level{{Timeline: id, LSN: head}})
		if err != nil {
			return err
		}
		for from := range m {
			s.owners.add(from, id)
		}
	}
	return nil
}

// maxBasePairs bounds how many pairs are looked at to find out whether a timeline
// is still a merge base; with more it is taken for one.
const maxBasePairs = 1000

// basesOf returns which of the timelines without use are a merge base of others,
// with their ancestors: a branch that was merged into two others and dropped is
// where these two have parted.
func (s *Service) basesOf(dead []Timeline) (map[Timeline]bool, error) {
	kept := map[Timeline]bool{}
	for _, id := range dead {
		s.mu.RLock()
		var heads [][]Level
		for t := range s.owners[id] {
			if tl := s.timelines[t]; tl != nil && !slices.Contains(dead, t) {
				heads = append(heads, tl.levels)
			}
		}
		tl := s.timelines[id]
		s.mu.RUnlock()
		if tl == nil {
			continue
		}
		need, err := s.isBase(id, heads)
		if err != nil {
			return nil, err
		}
		for ; need && tl != nil; tl = tl.parent {
			kept[tl.id] = true
		}
	}
	return kept, nil
}

func (s *Service) isBase(id Timeline, heads [][]Level) (bool, error) {
	if n := len(heads); n*(n-1)/2 > maxBasePairs {
		return true, nil
	}
	for i, a := range heads {
		for _, b := range heads[:i] {
			bases, err := s.Bases(a, b)
			if err != nil {
				return false, err
			}
			for _, base := range bases {
				if base[0].Timeline == id {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// Bases returns the best common ancestors of two views: the points that both
// contain and that no other such point contains. There is one as a rule, and
// there are several after merges that crossed. ok is false when the two have
// nothing in common.
func (s *Service) Bases(a, b []Level) (bases [][]Level, err error) {
	if err := s.activity.update(); err != nil {
		return nil, err
	}
	va, err := s.contents(a)
	if err != nil {
		return nil, err
	}
	vb, err := s.contents(b)
	if err != nil {
		return nil, err
	}
	type candidate struct {
		Level
		levels []Level
		has    vector
	}
	var all []candidate
	for tl, x := range va {
		y, both := vb[tl]
		s.mu.RLock()
		line := s.timelines[tl]
		s.mu.RUnlock()
		if !both || line == nil {
			continue
		}
		c := candidate{Level: Level{Timeline: tl, LSN: min(x, y)}, levels: line.levelsAt(min(x, y))}
		c.has, err = s.contents(c.levels)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y candidate) int { return int(int64(y.Timeline) - int64(x.Timeline)) })
	for i, c := range all {
		within := slices.ContainsFunc(all, func(o candidate) bool {
			if o.Timeline == c.Timeline || o.has[c.Timeline] < c.LSN {
				return false
			}
			// Each contains the other: the same state twice, of which one is enough.
			return c.has[o.Timeline] < o.LSN || slices.IndexFunc(all, func(x candidate) bool { return x.Timeline == o.Timeline }) < i
		})
		if !within {
			bases = append(bases, c.levels)
		}
	}
	return bases, nil
}

// RecordMerge notes in v's transaction, which writes to the branch that is merged
// into, that it contains the source view from now on, and puts the merge into the
// branch's log.
func (s *Service) RecordMerge(ctx context.Context, v *txn.View, source []Level, from *Ref) error {
	if err := s.activity.update(); err != nil {
		return err
	}
	have, err := s.contents(v.Levels())
	if err != nil {
		return err
	}
	add, err := s.contents(source)
	if err != nil {
		return err
	}
	for tl, lsn := range add {
		if lsn <= have[tl] || tl == v.Timeline() {
			continue
		}
		if err := v.PutMeta(ctx, mergedKey(tl), binary.BigEndian.AppendUint64(nil, uint64(lsn))); err != nil {
			return err
		}
		s.mu.Lock()
		s.owners.add(tl, v.Timeline())
		s.mu.Unlock()
	}
	s.LogOperation(v, "mergeBranch", from.Branch)
	return nil
}

// LogOperation puts an operation on a whole branch into the log of v's branch.
func (s *Service) LogOperation(v *txn.View, op, branch string) {
	v.Txn().LogDDL(v.Timeline(), 0, changeOf(op, branch).Encode())
}

// Contains reports whether a view contains all of another already.
func (s *Service) Contains(whole, part []Level) (bool, error) {
	if err := s.activity.update(); err != nil {
		return false, err
	}
	w, err := s.contents(whole)
	if err != nil {
		return false, err
	}
	p, err := s.contents(part)
	if err != nil {
		return false, err
	}
	for tl, lsn := range p {
		if w[tl] < lsn {
			return false, nil
		}
	}
	return true, nil
}

// keepMerges adds the points that merges took their changes from to what garbage
// collection keeps: they are the bases of the next merges.
func (s *Service) keepMerges(m map[Timeline]*Kept, lines []*timeline) error {
	for _, tl := range lines {
		merged, err := s.merged(tl.levels)
		if err != nil {
			return err
		}
		for from, lsn := range merged {
			s.mu.RLock()
			src := s.timelines[from]
			s.mu.RUnlock()
			for ; src != nil && m[src.id] != nil; src = src.parent {
				if k := m[src.id]; !slices.Contains(k.LSNs, lsn) {
					k.LSNs = append(k.LSNs, lsn)
				}
				lsn = min(lsn, src.fork)
			}
		}
	}
	return nil
}

// At returns the ref of r's branch as of an LSN that may be its head: unlike
// Resolve it does not look whether the point is within the window.
func (s *Service) At(r *Ref, lsn LSN) (*Ref, error) {
	s.mu.RLock()
	tl := s.timelines[r.Timeline]
	s.mu.RUnlock()
	if tl == nil {
		return nil, errNoProject(r.Project)
	}
	out := *r
	out.LSN, out.Levels, out.ReadOnly, out.Point = lsn, tl.levelsAt(lsn), true, fmt.Sprint(lsn)
	return &out, nil
}

// Head returns the LSN of the newest commit that a branch has, its ancestors'
// up to the forks included.
func (s *Service) Head(r *Ref) (LSN, error) {
	if err := s.activity.update(); err != nil {
		return 0, err
	}
	var last LSN
	for _, l := range r.Levels {
		last = max(last, min(s.activity.of(l.Timeline).last, l.LSN))
	}
	return last, nil
}

// Visible returns the newest LSN that readers see.
func (s *Service) Visible() LSN { return s.store.Visible().LSN }

// Hold keeps views from garbage collection until release is called.
func (s *Service) Hold(views ...[]Level) (release func()) {
	var all []func()
	for _, v := range views {
		all = append(all, s.store.Pin(v))
	}
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// Snapshots reads the catalogs of views, as of now where a level is at head.
func (s *Service) Snapshots(views ...[]Level) ([]*catalog.Snapshot, error) {
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	out := make([]*catalog.Snapshot, len(views))
	for i, v := range views {
		var err error
		if out[i], err = s.catalog.Snapshot(tx.View(v, false)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ParentOf returns the name of the branch that a branch was made from.
func (s *Service) ParentOf(projectName, name string) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, b, err := s.mustFind(projectName, name)
	if err != nil {
		return "", err
	}
	up := p.byID[b.parent]
	if up == nil {
		return "", errcode.New(errcode.BadValue, "branch '%s' of project '%s' has no parent; name the other branch", b.name, p.name)
	}
	return up.name, nil
}

// IsProtected reports whether a branch is protected.
func (s *Service) IsProtected(r *Ref) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.byID[r.project]
	if p == nil {
		return false
	}
	b := p.byID[r.branch]
	return b != nil && b.protected
}
