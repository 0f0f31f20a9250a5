package txn

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

// CommitInfo is what the log keeps about a commit besides its writes.
type CommitInfo struct {
	Actor   Actor
	Comment []byte // a BSON value as type byte and data; nil when none
	Session SessionInfo
}

// Commit makes the transaction's writes durable and visible, all or nothing, and
// ends the transaction, whatever the result. Without writes it returns the
// snapshot's stamp. The context is looked at before the commit starts; a commit
// under way is not interrupted.
func (t *Txn) Commit(ctx context.Context, info CommitInfo) (Stamp, error) {
	if t.ended {
		return Stamp{}, errcode.New(errcode.IllegalOperation, "the transaction has ended")
	}
	if ctx.Err() != nil {
		t.Abort()
		return Stamp{}, ctxError(ctx)
	}
	if !t.HasWrites() && len(info.Session.ID) == 0 {
		t.finish(0)
		return t.pin.stamp, nil
	}
	b, metas, err := t.batch(info)
	if err != nil {
		b.Close()
		t.Abort()
		return Stamp{}, err
	}
	for _, s := range metas {
		s.begin()
	}
	stamp, err := t.m.store.Commit(ctx, b, nil)
	if err != nil {
		b.Close()
	}
	for _, s := range metas {
		s.end(stamp.LSN)
	}
	t.finish(stamp.LSN)
	if err != nil && ctx.Err() != nil {
		err = ctxError(ctx)
	}
	return stamp, err
}

// batch gathers what the commit writes, and the timelines whose catalog it
// changes.
func (t *Txn) batch(info CommitInfo) (*store.Batch, []*metaState, error) {
	b := t.m.store.NewBatch()
	b.Info = store.Info{Actor: info.Actor, Comment: info.Comment, Session: info.Session, Txn: t.multi}
	for _, d := range t.ddl {
		b.LogDDL(d.Timeline, d.Collection, d.Key)
	}
	var metas []*metaState
	for _, w := range t.final() {
		if w.buf.kind == bufMeta {
			tl := w.buf.writes.timeline
			if s := t.m.metas.get(tl); !slices.Contains(metas, s) {
				metas = append(metas, s)
				if !slices.ContainsFunc(t.ddl, func(d wal.Op) bool { return d.Timeline == tl }) {
					b.LogDDL(tl, 0, nil) // a change of the catalog that no user asked for
				}
			}
		}
		if err := w.addTo(b); err != nil {
			return b, nil, err
		}
	}
	for _, c := range t.control {
		var err error
		if c.value == nil {
			err = b.DeleteControl(c.key)
		} else {
			err = b.SetControl(c.key, c.value)
		}
		if err != nil {
			return b, nil, err
		}
	}
	return b, metas, nil
}

// addTo adds the write to a store's batch.
func (w *write) addTo(b *store.Batch) error {
	tl, coll := w.buf.writes.timeline, w.buf.coll
	switch w.buf.kind {
	case bufRows:
		switch {
		case w.kind == 0:
			return nil // inserted and deleted again
		case w.value == nil:
			return b.DeleteRow(tl, coll, w.key, w.prev)
		}
		err := b.PutRow(tl, coll, w.key, w.value, w.kind, w.prev)
		if len(w.whole) > 0 {
			b.SetWhole(w.whole)
		}
		return err
	case bufEntries:
		if w.value == nil {
			return b.DeleteEntry(tl, coll, w.buf.index, w.key)
		}
		return b.PutEntry(tl, coll, w.buf.index, w.key, w.value)
	}
	if w.value == nil {
		return b.DeleteMeta(tl, w.key)
	}
	return b.PutMeta(tl, w.key, w.value)
}

// final returns the last write of each key, in the order of the keys' first
// writes.
func (t *Txn) final() []*write {
	out := make([]*write, 0, len(t.journal))
	replaced := false
	for i := range t.journal {
		replaced = replaced || t.journal[i].was != nil
		out = append(out, t.journal[i].now)
	}
	if !replaced {
		return out
	}
	out = slices.DeleteFunc(out, func(w *write) bool { return w.buf.get(w.key) != w })
	slices.SortStableFunc(out, func(a, b *write) int { return a.ordinal - b.ordinal })
	return out
}
