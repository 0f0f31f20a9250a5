package merge

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// RevertOptions select the commits of a branch that are undone.
type RevertOptions struct {
	Options
	From, To   LSN    // both included; To 0: the head
	Actor      string // a user or an appName; "": all
	Collection string // "": all
	DocID      bsonx.Value
}

// Revert undoes commits of a branch in a new commit. A later change of the same
// fields is a conflict.
func (s *Service) Revert(ctx context.Context, target *branch.Ref, o RevertOptions) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	first, err := s.Branches.Earliest(target)
	if err != nil {
		return nil, err
	}
	last, err := s.Branches.Head(target)
	if err != nil {
		return nil, err
	}
	if o.To == 0 {
		o.To = max(last, o.From)
	}
	if o.From == 0 {
		o.From = first + 1
	}
	switch {
	case o.From > o.To:
		return nil, errcode.New(errcode.BadValue, "'from' (LSN %d) is after 'to' (LSN %d)", o.From, o.To)
	case o.From <= first && o.Actor == "" && bsonx.IsMissing(o.DocID) || o.From > last:
		return nil, errcode.New(errcode.SnapshotUnavailable, "LSN %d cannot be reverted: the history of branch '%s' goes from LSN %d to LSN %d", o.From, target.Branch, first+1, last)
	}
	o.From = max(o.From, first+1)
	return s.replay(ctx, target, &o.Options, "revertCommits", func(ctx context.Context, p *planner) error { return p.revert(ctx, target, &o) })
}

// Pick brings single commits of a branch to another one.
func (s *Service) Pick(ctx context.Context, source, target *branch.Ref, lsns []LSN, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	lsns = slices.Sorted(slices.Values(lsns))
	if err := s.Branches.Related(source, target); err != nil {
		return nil, err
	}
	return s.replay(ctx, target, &o, "cherryPick", func(ctx context.Context, p *planner) error { return p.pick(ctx, source, lsns) })
}

// replay plans by f and applies, until the target has not moved meanwhile.
func (s *Service) replay(ctx context.Context, target *branch.Ref, o *Options, op string, f func(context.Context, *planner) error) (*Result, error) {
	for n := range maxAttempts {
		r, err := s.replayOnce(ctx, target, o, op, n, f)
		if err == nil || !retry(err) {
			return r, err
		}
		if err := exec.Interrupted(ctx); err != nil {
			return nil, err
		}
		name := branch.Name{Project: target.Project, Branch: target.Branch}
		if target, err = s.Branches.ResolveName(ctx, name); err != nil {
			return nil, err
		}
	}
	return nil, errBusy()
}

func (s *Service) replayOnce(ctx context.Context, target *branch.Ref, o *Options, op string, attempt int, f func(context.Context, *planner) error) (*Result, error) {
	p, err := s.planner(ctx, o, target, attempt)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := f(ctx, p); err != nil {
		return nil, err
	}
	p.finish()
	res := &Result{Plan: *p.plan}
	if o.DryRun || p.plan.ConflictCount > 0 {
		return res, nil
	}
	if len(p.ops) == 0 && len(p.plan.DDL) == 0 {
		res.UpToDate, res.Stamp.LSN = true, p.plan.Target.LSN
		return res, nil
	}
	res.Stamp, err = p.apply(ctx, target.Levels, nsOf(target), func(_ context.Context, v *txn.View) error {
		s.Branches.LogOperation(v, op, target.Branch)
		return nil
	})
	return res, err
}

// chains are the rows that a set of commits wrote, with the commits of each, in
// the order in which they are to be replayed.
type chains struct {
	rows  map[rowID]*chain
	order []*chain
	ddl   []LSN // commits that change the catalog
}

type rowID struct {
	coll txn.CollectionID
	key  string
}

type chain struct {
	id   rowID
	lsns []LSN
}

func (c *chains) add(lsn LSN, op *branch.Op) {
	if op.Kind == txn.DDL {
		if op.ChangesCatalog() && (len(c.ddl) == 0 || c.ddl[len(c.ddl)-1] != lsn) {
			c.ddl = append(c.ddl, lsn)
		}
		return
	}
	k := rowID{op.Collection, string(op.Key)}
	x := c.rows[k]
	if x == nil {
		x = &chain{id: k}
		c.rows[k] = x
		c.order = append(c.order, x)
	}
	if n := len(x.lsns); n == 0 || x.lsns[n-1] != lsn {
		x.lsns = append(x.lsns, lsn)
	}
}

// revert plans the undoing of commits, the newest first.
func (p *planner) revert(ctx context.Context, r *branch.Ref, o *RevertOptions) error {
	c := &chains{rows: map[rowID]*chain{}}
	rows := p.Branches.Rows()
	defer rows.Close()
	err := p.Branches.Commits(ctx, r, o.From, o.To, o.Actor, func(st txn.Stamp, op *branch.Op) error {
		if !bsonx.IsMissing(o.DocID) {
			if op.Kind == txn.DDL {
				return nil
			}
			doc, _, err := rows.Get(r.Levels, st.LSN, op.Collection, op.Key)
			if err == nil && doc == nil {
				doc, _, err = rows.Get(r.Levels, st.LSN-1, op.Collection, op.Key)
			}
			if err != nil || doc == nil || !bsonx.Equal(bsonx.Lookup(doc, "_id"), o.DocID) {
				return err
			}
		}
		c.add(st.LSN, op)
		return nil
	})
	if err != nil {
		return err
	}
	top, bottom := o.To, o.From-1
	p.plan.Base = Version{r.Branch, r.Timeline, top}
	p.plan.Source = Version{r.Branch, r.Timeline, bottom}
	if o.Actor != "" && len(c.ddl) > 0 {
		// Others' changes stand between: only what is together can be compared.
		top, bottom = c.ddl[0], c.ddl[len(c.ddl)-1]-1
	}
	if err := p.ends(r, top, bottom, len(c.ddl)); err != nil {
		return err
	}
	return p.replayRows(ctx, r, c, o.Collection, true)
}

// pick plans single commits of a branch, in the order of their LSNs.
func (p *planner) pick(ctx context.Context, r *branch.Ref, lsns []LSN) error {
	first, err := p.Branches.Earliest(r)
	if err != nil {
		return err
	}
	c := &chains{rows: map[rowID]*chain{}}
	low, high := lsns[0], lsns[0]
	for _, lsn := range lsns {
		n := 0
		if lsn > first {
			err = p.Branches.Commits(ctx, r, lsn, lsn, "", func(_ txn.Stamp, op *branch.Op) error { n++; c.add(lsn, op); return nil })
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errcode.New(errcode.BadValue, "branch '%s' has no commit with LSN %d within its history; branchLog shows its commits", r.Branch, lsn)
		}
		low, high = min(low, lsn), max(high, lsn)
	}
	p.plan.Base = Version{r.Branch, r.Timeline, low - 1}
	p.plan.Source = Version{r.Branch, r.Timeline, high}
	if len(c.ddl) > 0 {
		low, high = c.ddl[0], c.ddl[len(c.ddl)-1]
	}
	if err := p.ends(r, low-1, high, len(c.ddl)); err != nil {
		return err
	}
	return p.replayRows(ctx, r, c, "", false)
}

// ends reads the catalogs of both ends and, if the commits change the catalog,
// plans that.
func (p *planner) ends(r *branch.Ref, base, source LSN, ddl int) error {
	b, err := p.Branches.At(r, base)
	if err != nil {
		return err
	}
	s, err := p.Branches.At(r, source)
	if err != nil {
		return err
	}
	bs, err := p.side(b.Levels)
	if err != nil {
		return err
	}
	if p.source, err = p.side(s.Levels); err != nil {
		return err
	}
	p.bases = []side{bs}
	p.triples = pair(bs.snap, p.source.snap, p.target.snap)
	if ddl == 0 {
		return nil
	}
	// What one commit dropped on this line comes back with its rows and index
	// entries, which are there. After more changes they may not fit together.
	// Rows of an ancestor it may collect: only this timeline's catalog keeps its own.
	own := ddl == 1 && b.Levels[0].Timeline == p.plan.Target.Timeline
	for _, t := range p.triples {
		t.revive = t.base == nil && t.target == nil && t.source != nil && own && source < base
	}
	return p.definitions()
}

// replayRows plans the rows.
func (p *planner) replayRows(ctx context.Context, r *branch.Ref, c *chains, only string, undo bool) error {
	rows := p.Branches.Rows()
	defer rows.Close()
	copied := map[*triple]bool{}
	for _, t := range p.triples {
		if undo && t.create && !t.revive && t.source.ID != 0 {
			copied[t] = true
			if err := p.mergeDocs(ctx, t); err != nil {
				return err
			}
		}
	}
	// In the order of the keys: neighbours stand in one block.
	slices.SortFunc(c.order, func(x, y *chain) int {
		return cmp.Or(cmp.Compare(x.id.coll, y.id.coll), strings.Compare(x.id.key, y.id.key))
	})
	for n, x := range c.order {
		if n%256 == 0 {
			if err := exec.Interrupted(ctx); err != nil {
				return err
			}
		}
		t := p.find(x.id.coll)
		if t == nil || copied[t] || only != "" && t.label() != only {
			continue
		}
		steps, err := p.steps(rows, r, x, undo)
		if err != nil {
			return err
		}
		switch {
		case len(steps) == 0, t.drop, t.skip:
		case t.target == nil && !t.create: // the collection is gone: there is nowhere to put it
			if s := steps[len(steps)-1]; s.source != nil {
				p.report(Conflict{Collection: t.label(), ID: bsonx.Lookup(s.source, "_id"), Base: s.base, Source: s.source})
			}
		default:
			if t.revive && t.target == nil {
				t.target = t.source // its rows are where they were
			}
			if err := p.decide(ctx, t, []byte(x.id.key), steps); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns the triple that a collection belongs to.
func (p *planner) find(id txn.CollectionID) *triple {
	for _, t := range p.triples {
		if idOf(t.base) == id || idOf(t.source) == id || idOf(t.target) == id {
			return t
		}
	}
	return nil
}

// steps reads what the commits of a chain did to the row. Commits that follow
// each other directly are one step.
func (p *planner) steps(rows *branch.Rows, r *branch.Ref, x *chain, undo bool) ([]step, error) {
	read := func(at LSN) (bsonx.Doc, LSN, error) {
		d, lsn, err := rows.Get(r.Levels, at, x.id.coll, []byte(x.id.key))
		if d != nil {
			d = append(bsonx.Doc(nil), d...)
		}
		return d, lsn, err
	}
	var out []step
	for i := 0; i < len(x.lsns); {
		first := x.lsns[i]
		last := first
		for i++; i < len(x.lsns); i++ {
			newer, older := last, x.lsns[i]
			if !undo {
				newer, older = older, newer
			}
			_, before, err := read(newer - 1)
			if err != nil {
				return nil, err
			}
			if before != older {
				break
			}
			last = x.lsns[i]
		}
		newest, oldest := first, last
		if !undo {
			newest, oldest = last, first
		}
		after, _, err := read(newest)
		if err != nil {
			return nil, err
		}
		before, _, err := read(oldest - 1)
		if err != nil {
			return nil, err
		}
		s := step{base: before, source: after}
		if undo {
			s = step{base: after, source: before}
		}
		if !equalDocs(s.base, s.source) {
			out = append(out, s)
		}
	}
	return out, nil
}
