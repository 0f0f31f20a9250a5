package branch

import (
	"context"
	"fmt"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

// RestoreOptions say what a branch is restored to: a point of its own, or of
// another branch.
type RestoreOptions struct {
	To     Point  // of the branch itself
	Source string // another branch; then At is its point
	At     Point
	Backup string // name of the backup branch; NAME-before-LSN if ""
	DryRun bool
	Info   txn.CommitInfo
}

// Preview is what a restore does, from the branch's head to the point.
type Preview struct {
	FromLSN, ToLSN LSN
	Commits        int64 // of the branch since the point
	Collections    []CollectionChanges
	DDL            []Change
}

// Restored is the result of Restore. Branch and Backup are set unless it was dry.
type Restored struct {
	Preview
	Branch, Backup *Info
}

// Restore points a branch to a new timeline that begins at the point, and keeps
// what the branch had until now as the backup branch. It waits for the branch's
// open transactions; statements that come later write to the new timeline. A
// protected branch is refused.
func (s *Service) Restore(ctx context.Context, projectName, name string, o RestoreOptions) (*Restored, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	p, b, toLSN, toTL, err := s.restorePoint(ctx, projectName, name, o)
	if err != nil {
		return nil, err
	}
	target := toTL.levelsAt(toLSN)
	if o.DryRun {
		pv, err := s.preview(b.tl, s.store.Visible().LSN, toLSN, target)
		return &Restored{Preview: pv}, err
	}
	if b.protected {
		return nil, errcode.New(errcode.CommandFailed, "branch '%s' is protected and cannot be restored; unprotect it first (updateBranch with protected: false)", b.name)
	}
	return s.restore(ctx, p, b, toLSN, toTL, o)
}

// restorePoint finds the branch and the timeline and LSN to restore it to.
func (s *Service) restorePoint(ctx context.Context, projectName, name string, o RestoreOptions) (*project, *branch, LSN, *timeline, error) {
	if o.To.Kind == PointNow && o.Source == "" {
		return nil, nil, 0, nil, errcode.New(errcode.BadValue, "say what to restore to: to: <point>, or source: BRANCH and at: <point>")
	}
	if o.To.Kind != PointNow && o.Source != "" {
		return nil, nil, 0, nil, errcode.New(errcode.BadValue, "'to' is a point of the branch itself; with 'source' write 'at'")
	}
	p, b, lsn, tl, err := s.origin(ctx, projectName, name, o.To)
	if err != nil || o.Source == "" {
		return p, b, lsn, tl, err
	}
	if _, _, lsn, tl, err = s.origin(ctx, projectName, o.Source, o.At); err == nil {
		err = sameLine(b, tl)
	}
	return p, b, lsn, tl, err
}

// preview compares the head of tl, as of LSN now, with the target.
func (s *Service) preview(tl *timeline, now, toLSN LSN, target []Level) (Preview, error) {
	pv := Preview{FromLSN: now, ToLSN: toLSN}
	from := tl.levelsAt(now)
	var err error
	if pv.Collections, pv.DDL, err = s.net(from, target); err != nil {
		return pv, err
	}
	pv.Commits, err = s.commitsSince(from, base(from, target))
	return pv, err
}

// commitsSince counts the commits that a view has after an LSN.
func (s *Service) commitsSince(levels []Level, since LSN) (n int64, err error) {
	it := s.store.Log(since+1, levels[0].LSN, false)
	defer it.Close()
	for it.Next() {
		if touches(it.Record(), levels) {
			n++
		}
	}
	return n, it.Err()
}

// restore does it. Holds s.changing.
func (s *Service) restore(ctx context.Context, p *project, b *branch, toLSN LSN, toTL *timeline, o RestoreOptions) (*Restored, error) {
	tx := s.txns.Begin(txn.Options{})
	defer tx.Abort()
	if err := s.leave(ctx, tx, OpRestore, p, b, toLSN); err != nil {
		return nil, err
	}
	now := s.store.Visible().LSN // nobody writes to the branch from here on
	backup := o.Backup
	if backup == "" {
		backup = backupName(b.name, now)
	}
	if err := CheckBranch(backup); err != nil {
		return nil, err
	}
	s.mu.RLock()
	taken := p.branches[backup] != nil
	s.mu.RUnlock()
	if taken {
		return nil, errcode.New(errcode.NamespaceExists, "branch '%s' of project '%s' already exists; name another backup", backup, p.name)
	}
	pv, err := s.preview(b.tl, now, toLSN, toTL.levelsAt(toLSN))
	if err != nil {
		return nil, err
	}
	ids, err := s.newIDs(3)
	if err != nil {
		return nil, err
	}
	at := s.clock.Now()
	saved, fresh := s.fork(p, b.tl.at(now), now, Timeline(ids[0])), s.fork(p, toTL, toLSN, Timeline(ids[1]))
	nb, bb := *b, &branch{id: ids[2], name: backup, parent: b.parent, tl: saved, created: at,
		note: fmt.Sprintf("%s before it was restored to LSN %d", b.name, toLSN)}
	nb.tl = fresh
	if bb.parent == 0 {
		bb.parent = b.id
	}
	begins := changeOf(OpRestore, b.name) // for the branch's own log
	begins.To = b.name
	tx.LogDDL(fresh.id, 0, begins.Encode())
	tx.PutControl(timelineKey(saved.id), saved.encode())
	tx.PutControl(timelineKey(fresh.id), fresh.encode())
	tx.PutControl(branchKey(p.id, nb.id), nb.encode())
	tx.PutControl(branchKey(p.id, bb.id), bb.encode())
	st, err := tx.Commit(ctx, o.Info)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timelines[saved.id], s.timelines[fresh.id] = saved, fresh
	p.add(&nb)
	p.add(bb)
	p.refresh1(&nb)
	p.refresh1(bb)
	s.markDeadLine(b.tl, st.LSN)
	s.names.Add(1)
	i, j := s.info(p, &nb), s.info(p, bb)
	return &Restored{Preview: pv, Branch: &i, Backup: &j}, nil
}

// backupName is NAME-before-LSN, with the name shortened where it has to be.
func backupName(name string, lsn LSN) string {
	suffix := fmt.Sprintf("-before-%d", lsn)
	return name[:min(len(name), maxName-len(suffix))] + suffix
}
