package change

import (
	"errors"
	"strings"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

// shows reports whether events of a collection are shown: MongoDB's own are not.
func (st *Stream) shows(coll string) bool {
	return st.spec.System || !strings.HasPrefix(coll, "system.")
}

// ddl queues what a change of the catalog, or of the branch itself, makes.
func (st *Stream) ddl(it item) {
	ch := &it.change
	it.event = string(ch.Op)
	if branch.Leaves(*ch) {
		st.left(it)
		return
	}
	if ch.Op == catalog.OpDropDatabase {
		if st.coll == "" {
			st.add(it)
			st.invalidate(it, !st.spec.Cluster)
		}
		return
	}
	if !st.concerns(ch) {
		return
	}
	switch ch.Op {
	case catalog.OpDrop, catalog.OpRename:
		if ch.Type == catalog.TypeCollection || st.spec.Expanded {
			st.add(it)
			st.invalidate(it, st.coll != "" && ch.Type == catalog.TypeCollection)
		}
	case catalog.OpCreate, catalog.OpModify, catalog.OpCreateIndexes, catalog.OpDropIndexes:
		if st.spec.Expanded {
			st.add(it)
		}
	}
}

// concerns reports whether a change is of the stream's collection, or of any one
// that is shown.
func (st *Stream) concerns(ch *catalog.Change) bool {
	if st.coll != "" {
		return ch.Name == st.coll || ch.Op == catalog.OpRename && ch.To == st.coll
	}
	return st.shows(ch.Name)
}

// broughtBack queues inserts of the documents that a collection had already when it
// was created: a revert or a merge has brought back one that was dropped. It begins
// with document number sub and returns from where it has to go on, 0 at the end.
func (st *Stream) broughtBack(it item, sub uint32) (rest uint32, err error) {
	if it.line.gone || it.change.Type != catalog.TypeCollection || !st.concerns(&it.change) {
		return 0, nil
	}
	if err := st.load(it.line, it.lsn); err != nil {
		return 0, err
	}
	c, ok := it.line.now.Collection(it.change.Name)
	if !ok || c.UUID != it.change.UUID {
		return 0, nil
	}
	it.coll = c
	it.event, it.kind, it.back = wal.Insert.String(), wal.Insert, true
	o := store.IterOptions{Space: store.Rows(it.coll.ID)}
	n := uint32(1)
	if sub > 1 {
		n, o.Lower = sub, st.backKey
	}
	rows := st.s.store.NewIter(upTo(it.line.levels, it.lsn-1), o)
	defer func() { err = errors.Join(err, rows.Close()) }()
	for ; n < subInvalidate && rows.Next(); n++ {
		if len(st.pending) >= maxPending {
			st.backKey = append(st.backKey[:0], rows.Key()...)
			return n, nil
		}
		it.sub, it.key = n, append([]byte(nil), rows.Key()...)
		st.add(it)
	}
	return 0, rows.Err()
}

// left queues the end of a timeline: a branch that is gone is a database that was
// dropped, and a stream on a branch that was restored begins anew.
func (st *Stream) left(it item) {
	own := it.timeline == st.timeline
	if !own && !st.spec.Cluster {
		return
	}
	switch restored := string(it.change.Op) == branch.OpRestore; {
	case st.coll != "":
	case !restored:
		it.event = string(catalog.OpDropDatabase)
		st.add(it)
	case st.spec.Expanded: // MongoDB has no such event
		st.add(it)
	}
	st.invalidate(it, own)
}

// invalidate queues the invalidation that an event causes, which ends the stream.
func (st *Stream) invalidate(it item, ends bool) {
	if !ends {
		return
	}
	it.event, it.sub = "invalidate", subInvalidate
	n := len(st.pending)
	st.add(it)
	st.over = len(st.pending) > n
}
