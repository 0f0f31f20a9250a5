package branch

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// Op is one row, or one change of the catalog, that a commit wrote.
type Op struct {
	Collection txn.CollectionID
	Kind       txn.Kind
	Key        []byte // of the row; for a change of the catalog its description
}

// Commits calls f for every operation of the branch's commits from one LSN to
// another, both included, newest first. actor, if not "", is a user or an
// appName. An operation is valid during the call only.
func (s *Service) Commits(ctx context.Context, r *Ref, from, to LSN, actor string, f func(st txn.Stamp, op *Op) error) error {
	it := s.store.Log(max(from, 1), min(to, s.store.Visible().LSN), true)
	defer it.Close()
	for n := 0; it.Next(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rec := it.Record()
		if !isActor(rec, actor) {
			continue
		}
		for i := range rec.Ops {
			op := &rec.Ops[i]
			if !sees(r.Levels, op, rec.LSN) {
				continue
			}
			if err := f(rec.Stamp, &Op{op.Collection, op.Kind, op.Key}); err != nil {
				return err
			}
		}
	}
	return it.Err()
}

// isActor reports whether a commit is of an actor: a user, with or without its
// database, or an appName. "" is everyone.
func isActor(rec *wal.Record, actor string) bool {
	if actor == "" || rec.Actor.User == actor || rec.Actor.AppName == actor {
		return true
	}
	i := strings.LastIndexByte(rec.Actor.User, '@')
	return i >= 0 && rec.Actor.User[:i] == actor
}

// ChangesCatalog reports whether an operation changes what users see of the
// catalog: not branches, and not what the server does for itself.
func (o *Op) ChangesCatalog() bool {
	if o.Kind != wal.DDL {
		return false
	}
	ch, shown, err := catalog.DecodeChange(o.Key)
	return err == nil && shown && (o.Collection != 0 || ch.Type != "")
}

// Earliest returns the oldest LSN that r's project can be read at.
func (s *Service) Earliest(r *Ref) (LSN, error) {
	s.mu.RLock()
	p := s.byID[r.project]
	s.mu.RUnlock()
	if p == nil {
		return 0, errNoProject(r.Project)
	}
	return s.earliest(p)
}

// Scan walks the rows of a collection in a view, in the order of their keys. Close
// it.
func (s *Service) Scan(levels []Level, coll txn.CollectionID) *store.Iter {
	return s.store.NewIter(levels, store.IterOptions{Space: store.Rows(coll)})
}

// Rows reads single rows at any point. Not safe for concurrent use; Close it.
type Rows struct{ r *store.Reader }

// Rows returns a reader of rows.
func (s *Service) Rows() *Rows { return &Rows{s.store.NewReader()} }

// Get returns a row of a view as of an LSN (no newer than the view itself) and
// the LSN of the version; a nil document is not there, with the LSN of its
// deletion or 0. The document is valid until the next call.
func (r *Rows) Get(levels []Level, at LSN, coll txn.CollectionID, key []byte) (bsonx.Doc, LSN, error) {
	v, lsn, ok, err := r.r.Get(capLevels(levels, at), store.Rows(coll), key)
	if err != nil || !ok {
		return nil, lsn, err
	}
	return v, lsn, nil
}

// Versions returns the LSNs of the versions of a row that a view has had, newest
// first.
func (r *Rows) Versions(levels []Level, coll txn.CollectionID, key []byte) (lsns []LSN, err error) {
	last := ^LSN(0)
	err = r.r.Versions(levels, store.Rows(coll), key, func(v store.Version) bool {
		if v.LSN < last { // an ancestor's later ones are not this view's
			lsns = append(lsns, v.LSN)
			last = v.LSN
		}
		return true
	})
	return lsns, err
}

// Close frees the reader.
func (r *Rows) Close() error { return r.r.Close() }

// Commit is who made a commit and how it wrote one row.
type Commit struct {
	Stamp   txn.Stamp
	Actor   txn.Actor
	Comment bsonx.Value
	Kind    txn.Kind // of the row's operation; 0 when the log no longer has it
}

// CommitOf reads the log's record of a commit. ok is false when the log no longer
// has it.
func (s *Service) CommitOf(lsn LSN, coll txn.CollectionID, key []byte) (c Commit, ok bool, err error) {
	it := s.store.Log(lsn, lsn, false)
	defer it.Close()
	if !it.Next() {
		return c, false, it.Err()
	}
	rec := it.Record()
	c.Stamp, c.Actor = rec.Stamp, rec.Actor
	if len(rec.Comment) > 0 {
		c.Comment = bsonx.Clone(bsonx.Value{Type: bsonx.Type(rec.Comment[0]), Data: rec.Comment[1:]})
	}
	for i := range rec.Ops {
		op := &rec.Ops[i]
		if op.Collection == coll && string(op.Key) == string(key) && op.Kind != wal.DDL {
			c.Kind = op.Kind
			break
		}
	}
	return c, true, nil
}

// Bound turns a point of since or until into an LSN of r's branch. Points before
// and after the history bound nothing. since asks for the first commit that a
// lower bound includes.
func (s *Service) Bound(ctx context.Context, r *Ref, pt Point, since bool) (LSN, error) {
	s.mu.RLock()
	p := s.byID[r.project]
	s.mu.RUnlock()
	if p == nil {
		return 0, errNoProject(r.Project)
	}
	lsn, err := s.bound(ctx, p, r, pt)
	if err != nil || !since || pt.Kind != PointTime && pt.Kind != PointAge {
		return lsn, err
	}
	if st, ok, err := s.store.StampOf(lsn); err != nil || ok && !st.Wall().Before(s.when(pt)) {
		return lsn, err
	}
	return lsn + 1, nil
}
