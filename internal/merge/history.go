package merge

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// HistoryOptions select versions of documents.
type HistoryOptions struct {
	Collection   string
	ID           bsonx.Value // missing: all documents
	Since, Until LSN         // both included; Until 0: to the end
	Changes      bool        // with what changed against the version before
}

// History steps over versions of documents, newest first. Not safe for concurrent
// use; Close it.
type History struct {
	s      *Service
	ref    *branch.Ref
	coll   *catalog.Collection
	rows   *branch.Rows
	first  LSN
	levels []Level
	key    []byte
	lsns   []LSN // of the one document, or of all that is left of a block of commits
	log    *block
	o      HistoryOptions
	free   func()
}

// block is a part of the log whose versions wait to be shown.
type block struct {
	next LSN // the log is read from here downwards
	rows []rowVersion
}

type rowVersion struct {
	lsn LSN
	key []byte
}

// blockSize is how many LSNs of the log are looked at together.
const blockSize = 1024

// DocHistory shows the versions of one document, or of all of a collection. A
// collection that is not there any more is looked for among those that were
// dropped within the history.
func (s *Service) DocHistory(ctx context.Context, r *branch.Ref, o HistoryOptions) (*History, error) {
	first, err := s.Branches.Earliest(r)
	if err != nil {
		return nil, err
	}
	h := &History{s: s, ref: r, levels: r.Levels, o: o, first: max(first, o.Since)}
	if h.o.Until == 0 || h.o.Until > s.Branches.Visible() {
		h.o.Until = s.Branches.Visible()
	}
	at, err := h.find(ctx)
	if err != nil {
		return nil, err
	}
	h.rows = s.Branches.Rows()
	h.free = s.Branches.Hold(r.Levels)
	if bsonx.IsMissing(o.ID) {
		h.log = &block{next: min(h.o.Until, r.LSN)}
		return h, nil
	}
	if err = h.findKey(ctx, at); err == nil && h.key != nil {
		h.lsns, err = h.rows.Versions(h.levels, h.coll.ID, h.key)
	}
	if err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// find looks for the collection: at the view's end, or as of its drop. It returns
// the levels that have it.
func (h *History) find(ctx context.Context) ([]Level, error) {
	snaps, err := h.s.Branches.Snapshots(h.levels)
	if err != nil {
		return nil, err
	}
	if c, ok := snaps[0].Collection(h.o.Collection); ok && c.ID != 0 {
		h.coll = c
		return h.levels, nil
	}
	var dropped LSN
	stop := errcode.New(errcode.OK, "found")
	err = h.s.Branches.Commits(ctx, h.ref, h.first, h.o.Until, "", func(st txn.Stamp, op *branch.Op) error {
		ch, ok, err := catalog.DecodeChange(op.Key)
		if op.Kind == txn.DDL && err == nil && ok && ch.Name == h.o.Collection && ch.Op == catalog.OpDrop {
			dropped = st.LSN
			return stop
		}
		return nil
	})
	if err != nil && dropped == 0 {
		return nil, err
	}
	if dropped > 0 {
		before, err := h.s.Branches.At(h.ref, dropped-1)
		if err != nil {
			return nil, err
		}
		if snaps, err = h.s.Branches.Snapshots(before.Levels); err != nil {
			return nil, err
		}
		if c, ok := snaps[0].Collection(h.o.Collection); ok && c.ID != 0 {
			h.coll = c
			return before.Levels, nil
		}
	}
	return nil, errcode.New(errcode.NamespaceNotFound, "branch '%s' of project '%s' has no collection '%s', and had none in its history",
		h.ref.Branch, h.ref.Project, h.o.Collection)
}

func (h *History) findKey(ctx context.Context, levels []Level) error {
	coll, err := exec.Compile(h.coll)
	if err != nil {
		return err
	}
	if coll.IDEntries == nil {
		h.key = coll.RowKey(h.o.ID)
		return nil
	}
	tx := h.s.Txns.Begin(txn.Options{})
	defer tx.Abort()
	h.key, err = exec.FindKey(ctx, tx.View(levels, false), coll, h.o.ID)
	return err
}

// Next returns the next version as a document, io.EOF after the last.
func (h *History) Next(ctx context.Context) (bsonx.Doc, error) {
	if err := exec.Interrupted(ctx); err != nil {
		return nil, err
	}
	if h.log == nil {
		for len(h.lsns) > 0 {
			lsn := h.lsns[0]
			h.lsns = h.lsns[1:]
			if lsn > h.o.Until {
				continue
			}
			if lsn < h.o.Since {
				break
			}
			return h.show(lsn, h.key)
		}
		return nil, io.EOF
	}
	for len(h.log.rows) == 0 {
		if h.log.next < h.first || h.log.next == 0 {
			return nil, io.EOF
		}
		low := max(h.first, 1)
		if h.log.next >= blockSize && h.log.next-blockSize+1 > low {
			low = h.log.next - blockSize + 1
		}
		err := h.s.Branches.Commits(ctx, h.ref, low, h.log.next, "", func(st txn.Stamp, op *branch.Op) error {
			if op.Kind != txn.DDL && op.Collection == h.coll.ID {
				h.log.rows = append(h.log.rows, rowVersion{st.LSN, append([]byte(nil), op.Key...)})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		h.log.next = low - 1
	}
	v := h.log.rows[0]
	h.log.rows = h.log.rows[1:]
	return h.show(v.lsn, v.key)
}

// show renders one version.
func (h *History) show(lsn LSN, key []byte) (bsonx.Doc, error) {
	doc, _, err := h.rows.Get(h.levels, lsn, h.coll.ID, key)
	if err != nil {
		return nil, err
	}
	doc = append(bsonx.Doc(nil), doc...)
	before, _, err := h.rows.Get(h.levels, lsn-1, h.coll.ID, key)
	if err != nil {
		return nil, err
	}
	c, known, err := h.s.Branches.CommitOf(lsn, h.coll.ID, key)
	if err != nil {
		return nil, err
	}
	b := bsonx.NewDoc(nil)
	b.Int64("lsn", int64(lsn))
	if known {
		b.Date("time", c.Stamp.Time)
		AppendActor(b, c.Actor)
		b.Value("comment", c.Comment)
	}
	if len(doc) == 0 {
		doc = nil
	}
	b.String("op", opName(c.Kind, before, doc))
	b.Value("_id", idOfDoc(doc, before))
	AppendDoc(b, "document", doc)
	if h.o.Changes && doc != nil && len(before)+2*len(doc) < bsonx.MaxDocSize {
		AppendFields(b, "changes", Fields(before, doc))
	}
	return b.Done(), nil
}

func opName(k txn.Kind, before, after bsonx.Doc) string {
	switch {
	case after == nil:
		return txn.Delete.String()
	case k == txn.Insert || k == txn.Update || k == txn.Replace:
		return k.String()
	case before == nil:
		return txn.Insert.String()
	}
	return txn.Replace.String()
}

// AppendActor writes who made a commit.
func AppendActor(b *bsonx.Builder, a txn.Actor) {
	at := b.OpenDoc("actor")
	for _, f := range []struct{ key, value string }{{"user", a.User}, {"appName", a.AppName}, {"client", a.Client}} {
		if f.value != "" {
			b.String(f.key, f.value)
		}
	}
	b.Close(at)
}

// Close ends it.
func (h *History) Close() error {
	if h.free != nil {
		h.free()
		h.free = nil
	}
	if h.rows == nil {
		return nil
	}
	err := h.rows.Close()
	h.rows = nil
	return err
}
