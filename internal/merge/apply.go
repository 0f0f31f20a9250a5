package merge

import (
	"context"
	"errors"
	"time"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/txn"
)

// errMoved says that the target is not what the plan was made for.
var errMoved = errors.New("the target has moved")

// A merge is planned anew when others write to the target meanwhile. After a few
// times it keeps them out while it plans and writes; that waits for their open
// transactions, at most so long.
const (
	freeAttempts = 8
	maxAttempts  = 20
	shutWait     = 2 * time.Second
)

// shut keeps the target's writers out for a merge that was overtaken too often.
func (s *Service) shut(ctx context.Context, target *branch.Ref) (*txn.Txn, error) {
	ctx, cancel := context.WithTimeout(ctx, shutWait)
	defer cancel()
	tx := s.Txns.Begin(txn.Options{})
	if err := tx.Shut(ctx, target.Timeline); err != nil {
		tx.Abort()
		if ctx.Err() != nil && !txn.IsStale(err) {
			return nil, errMoved
		}
		return nil, err
	}
	return tx, nil
}

// retry reports whether a merge has to be planned anew.
func retry(err error) bool { return errors.Is(err, errMoved) || txn.IsStale(err) }

func errBusy() error {
	return errcode.New(errcode.WriteConflict, "the target branch changes faster than the merge can be planned; try again")
}

// applier writes a plan in one transaction.
type applier struct {
	*planner
	tx   *txn.Txn
	view *txn.View
	env  *expr.Env
	ns   string // of the target, with a dot
}

// apply writes the plan to the target branch in one commit. before, when not nil,
// adds to the transaction. errMoved and stale errors ask for a new plan; nothing
// is written then.
func (p *planner) apply(ctx context.Context, levels []Level, ns string, before func(ctx context.Context, v *txn.View) error) (txn.Stamp, error) {
	tx := p.hold
	if tx == nil {
		tx = p.Txns.Begin(txn.Options{})
	} else {
		tx.Refresh()
	}
	defer tx.Abort()
	sec, inc := uint32(p.Clock.Now().Unix()), uint32(1)
	q := &expr.Query{Now: p.Clock.Now().UnixMilli(), ClusterTime: bsonx.TimestampValue(sec, inc),
		Interrupt: func() error { return exec.Interrupted(ctx) }}
	a := &applier{planner: p, tx: tx, view: tx.View(levels, true), ns: ns + ".",
		env: expr.NewEnv(q, expr.NewScope(expr.ScopeOptions{}))}
	for _, f := range []func(context.Context) error{a.drops, a.define, a.documents, a.indexes} {
		if err := f(ctx); err != nil {
			return txn.Stamp{}, err
		}
	}
	if before != nil {
		if err := before(ctx, a.view); err != nil {
			return txn.Stamp{}, err
		}
	}
	return tx.Commit(ctx, p.o.Info)
}

// current finds the target's entry of a triple; it has to be what was planned on.
func (a *applier) current(t *triple) error {
	snap, err := a.Catalog.Snapshot(a.view)
	if err != nil {
		return err
	}
	c, ok := snap.Collection(t.target.Name)
	if !ok || c.ID != t.target.ID || !sameDefinition(c, t.target) {
		return errMoved
	}
	return nil
}

// drops drops collections. Renames come before creations, and drops before both,
// so that names are free.
func (a *applier) drops(ctx context.Context) error {
	for _, t := range a.triples {
		if !t.drop {
			continue
		}
		if err := a.current(t); err != nil {
			return err
		}
		if _, err := a.Catalog.Drop(ctx, a.view, t.target.Name); err != nil {
			return err
		}
		if t.target.ID == 0 {
			continue
		}
		// Its writers are shut out now: has one changed it since the plan?
		c := a.Branches.Changes(a.target.levels, a.view.Levels(), t.target.ID, t.target.ID)
		moved := c.Next()
		if err := c.Close(); err != nil {
			return err
		}
		if moved {
			return errMoved
		}
	}
	return nil
}

// define creates, renames and changes collections, but for new indexes.
func (a *applier) define(ctx context.Context) error {
	for _, t := range a.renamed {
		if err := a.current(t); err != nil {
			return err
		}
		if _, err := a.Catalog.Rename(ctx, a.view, t.target.Name, t.name, false); err != nil {
			return err
		}
	}
	for _, t := range a.triples {
		var err error
		switch {
		case t.create:
			err = a.create(ctx, t)
		case t.target != nil && (t.options != nil || len(t.dropped)+len(t.changed) > 0):
			err = a.modify(ctx, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) create(ctx context.Context, t *triple) error {
	if t.source.ID == 0 && t.source.Type != catalog.TypeView { // a patch names it only
		_, err := a.Catalog.Create(ctx, a.view, t.name, catalog.CreateOptions{})
		if errcode.Has(err, errcode.NamespaceExists) {
			return errMoved
		}
		return err
	}
	newID := false
	if t.source.ID != 0 && !t.revive {
		n, _, err := a.view.Count(t.source.ID)
		if err != nil {
			return err
		}
		newID = n != 0
	}
	_, err := a.Catalog.Revive(ctx, a.view, t.source.Name, t.source, t.revive, newID)
	if errcode.Has(err, errcode.NamespaceExists) {
		return errMoved
	}
	return err
}

func (a *applier) modify(ctx context.Context, t *triple) error {
	if !t.rename {
		if err := a.current(t); err != nil {
			return err
		}
	}
	if len(t.dropped) > 0 {
		if _, err := a.Catalog.DropIndexes(ctx, a.view, t.name, t.dropped); err != nil {
			return err
		}
	}
	if t.options == nil && len(t.changed) == 0 {
		return nil
	}
	detail := t.options
	if detail == nil {
		detail = bsonx.EmptyDoc
	}
	_, err := a.Catalog.Update(ctx, a.view, t.name, catalog.Change{Op: catalog.OpModify, Detail: detail}, func(c *catalog.Collection) error {
		if t.options != nil {
			c.Options = t.options
		}
		for _, spec := range t.changed {
			name, _ := bsonx.Lookup(spec, "name").StringValueOK()
			if ix := c.Index(name); ix != nil {
				ix.Spec = spec // c is a copy
			}
		}
		return nil
	})
	return err
}

// writer returns the writer of a triple's collection as it is now.
func (a *applier) writer(t *triple) (*exec.Writer, error) {
	snap, err := a.Catalog.Snapshot(a.view)
	if err != nil {
		return nil, err
	}
	c, ok := snap.Collection(t.name)
	if !ok {
		return nil, errMoved
	}
	coll, err := exec.Compile(c)
	if err != nil {
		return nil, err
	}
	return &exec.Writer{View: a.view, Coll: coll, NS: a.ns + t.name, Env: a.env}, nil
}

// documents writes the documents: deletions first, then changes, then inserts.
// Where a unique index stands, the keys that changes give up are free before any
// is taken, so that two documents can swap theirs.
func (a *applier) documents(ctx context.Context) error {
	writers := map[*triple]*exec.Writer{}
	for i := range a.ops {
		t := a.ops[i].t
		if writers[t] != nil {
			continue
		}
		w, err := a.writer(t)
		if err != nil {
			return err
		}
		writers[t] = w
	}
	passes := []func(ctx context.Context, w *exec.Writer, op *docOp) error{a.remove, a.release, a.update, a.insert}
	for _, pass := range passes {
		for i := range a.ops {
			if i%1024 == 0 {
				if err := exec.Interrupted(ctx); err != nil {
					return err
				}
			}
			op := &a.ops[i]
			if err := pass(ctx, writers[op.t], op); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock locks a row that must be as the plan saw it.
func (a *applier) lock(ctx context.Context, w *exec.Writer, op *docOp) (bsonx.Doc, error) {
	doc, _, err := a.view.LockRow(ctx, w.Coll.ID, op.key)
	if err == nil && hashOf(a.seed, doc) != op.had {
		err = errMoved
	}
	return doc, err
}

func (a *applier) remove(ctx context.Context, w *exec.Writer, op *docOp) error {
	if op.doc != nil {
		return nil
	}
	old, err := a.lock(ctx, w, op)
	if err != nil {
		return err
	}
	return w.Delete(ctx, op.key, old)
}

// release frees the keys in unique indexes that a change gives up.
func (a *applier) release(ctx context.Context, w *exec.Writer, op *docOp) error {
	if op.doc == nil || op.had == 0 {
		return nil
	}
	old := bsonx.Doc(nil)
	for _, ix := range w.Coll.Indexes {
		if !ix.Spec.Unique {
			continue
		}
		if old == nil {
			var err error
			if old, err = a.lock(ctx, w, op); err != nil {
				return err
			}
		}
		if err := a.releaseKeys(ctx, w, ix, op, old); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) releaseKeys(ctx context.Context, w *exec.Writer, ix *exec.Index, op *docOp, old bsonx.Doc) error {
	keeps := map[string]bool{}
	if err := w.Entries(ix, op.doc, func(key, _ []byte) error { keeps[string(key)] = true; return nil }); err != nil {
		return err
	}
	return w.Entries(ix, old, func(key, _ []byte) error {
		if keeps[string(key)] {
			return nil
		}
		return a.view.DeleteEntry(ctx, w.Coll.ID, ix.ID, append([]byte(nil), key...), op.key)
	})
}

func (a *applier) update(ctx context.Context, w *exec.Writer, op *docOp) error {
	if op.doc == nil || op.had == 0 {
		return nil
	}
	old, err := a.lock(ctx, w, op)
	if err != nil {
		return err
	}
	return w.Update(ctx, op.key, old, op.doc, txn.Update, nil)
}

func (a *applier) insert(ctx context.Context, w *exec.Writer, op *docOp) error {
	if op.had != 0 || op.doc == nil {
		return nil
	}
	if !w.Coll.Catalog.ByRecordID {
		key := w.Coll.RowKey(bsonx.Lookup(op.doc, "_id"))
		doc, _, err := a.view.LockRow(ctx, w.Coll.ID, key)
		if err != nil {
			return err
		}
		if doc != nil {
			return errMoved
		}
	}
	return w.Insert(ctx, op.doc)
}

// indexes builds the new indexes, over what was written too.
func (a *applier) indexes(ctx context.Context) error {
	for _, t := range a.triples {
		if len(t.added) == 0 || t.skip || t.revive {
			continue
		}
		c, err := a.Catalog.AddIndexes(ctx, a.view, t.name, t.added)
		if err != nil {
			return err
		}
		coll, err := exec.Compile(c)
		if err != nil {
			return err
		}
		w := &exec.Writer{View: a.view, Coll: coll, NS: a.ns + t.name, Env: a.env}
		for _, name := range specNames(t.added) {
			if ix := coll.Index(name); ix != nil {
				if _, err := w.Fill(ctx, ix, nil, 1<<62); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
