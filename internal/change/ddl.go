package change

import (
	"strings"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
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

// left queues the end of a timeline: a branch that is gone is a database that was
// dropped, and a stream on a branch that was restored begins anew.
func (st *Stream) left(it item) {
	own := it.timeline == st.timeline
	if !own && !st.spec.Cluster {
		return
	}
	if string(it.change.Op) != branch.OpRestore && st.coll == "" {
		it.event = string(catalog.OpDropDatabase)
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
