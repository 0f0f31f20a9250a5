package change

import (
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// line is what a stream knows of one timeline: where it belongs, and its catalog
// as of where the stream reads, kept until the next change of it.
type line struct {
	levels []store.Level
	db     string // as events name it
	names  uint64 // the state of the branches' names that db was found in
	gone   bool   // the timeline was removed with all of its history
	hidden bool   // users see nothing of it

	loaded      bool
	before, now *catalog.Snapshot                        // before and after the commit that it was loaded for
	byID        map[wal.CollectionID]*catalog.Collection // those that were looked for
	watched     wal.CollectionID                         // of the stream's collection; 0 when there is none
}

// maxLines is how many timelines a stream of all keeps in memory.
const maxLines = 1024

// line returns what is known of a timeline.
func (st *Stream) line(id wal.Timeline) (*line, error) {
	names := st.s.branches.Names()
	l := st.lines[id]
	if l != nil && l.names == names {
		return l, nil
	}
	if l == nil {
		if len(st.lines) >= maxLines {
			clear(st.lines)
		}
		l = &line{}
		st.lines[id] = l
	}
	h := st.s.branches.Holder(id)
	l.names, l.db, l.levels, l.gone = names, st.db, h.Levels, h.Levels == nil
	if l.gone {
		l.loaded, l.levels = false, []store.Level{{Timeline: id, LSN: store.Head}}
	}
	if !st.spec.Cluster {
		return l, nil
	}
	if l.db = h.DB(); l.db == "" {
		var err error
		if l.db, err = st.lastDB(id); err != nil {
			return nil, err
		}
	}
	l.hidden = l.db == "" || internalDB(l.db)
	return l, nil
}

// internalDB reports whether a database is the server's own, whose changes are
// not shown.
func internalDB(name string) bool { return name == "admin" || name == "config" || name == "local" }

// lastDB returns the database that a timeline was before its branch left it, by
// the last operation of the timeline in the log; "" when there is none.
func (st *Stream) lastDB(id wal.Timeline) (string, error) {
	it := st.s.store.Log(st.next.lsn, store.Head-1, false)
	defer it.Close()
	for it.Next() {
		rec := it.Record()
		for i := range rec.Ops {
			op := &rec.Ops[i]
			if op.Timeline != id || op.Kind != wal.DDL {
				continue
			}
			ch, shown, err := catalog.DecodeChange(op.Key)
			if err != nil {
				return "", err
			}
			if shown && branch.Leaves(ch) {
				return branch.Left(ch), nil
			}
		}
	}
	return "", it.Err()
}

// load reads a timeline's catalog as of an LSN. Between two changes of it the
// catalog is the same object for all streams.
func (st *Stream) load(l *line, lsn wal.LSN) (err error) {
	if l.loaded {
		return nil
	}
	if l.before, err = st.catalog(l, max(lsn, 1)-1); err != nil { // what the commit dropped is there, too
		return err
	}
	if l.now, err = st.catalog(l, lsn); err != nil {
		return err
	}
	l.loaded, l.byID, l.watched = true, nil, 0
	if c, ok := l.now.Collection(st.coll); ok && c.Type == catalog.TypeCollection {
		l.watched = c.ID
	}
	return nil
}

// catalog returns a timeline's catalog as of an LSN.
func (st *Stream) catalog(l *line, lsn wal.LSN) (*catalog.Snapshot, error) {
	tx := st.s.txns.Begin(txn.Options{})
	defer tx.Abort()
	head := tx.View(l.levels, false)
	if last, known := head.CatalogLSN(); known && lsn >= last {
		return st.s.catalog.Snapshot(head) // nothing has changed since
	}
	return st.s.catalog.Snapshot(tx.View(upTo(l.levels, lsn), false))
}

// collection finds a collection in a catalog that was loaded; nil if there is none.
func (l *line) collection(id wal.CollectionID) *catalog.Collection {
	c, known := l.byID[id]
	if known {
		return c
	}
	var ok bool
	if c, ok = l.now.ByID(id); !ok {
		c, _ = l.before.ByID(id)
	}
	if l.byID == nil {
		l.byID = map[wal.CollectionID]*catalog.Collection{}
	}
	l.byID[id] = c
	return c
}

// upTo limits levels to an LSN.
func upTo(levels []store.Level, lsn wal.LSN) []store.Level {
	out := make([]store.Level, len(levels))
	for i, l := range levels {
		out[i] = store.Level{Timeline: l.Timeline, LSN: min(l.LSN, lsn)}
	}
	return out
}
