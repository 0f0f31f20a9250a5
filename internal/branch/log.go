package branch

import (
	"bytes"
	"context"
	"net"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// touches reports whether a commit wrote to what the levels see.
func touches(rec *wal.Record, levels []Level) bool {
	for i := range rec.Ops {
		if sees(levels, &rec.Ops[i], rec.LSN) {
			return true
		}
	}
	return false
}

// sees reports whether levels include an operation of the commit at lsn.
func sees(levels []Level, op *wal.Op, lsn LSN) bool {
	for _, l := range levels {
		if l.Timeline == op.Timeline {
			return lsn <= l.LSN
		}
	}
	return false
}

// LogOptions select commits.
type LogOptions struct {
	Since, Until Point       // both included; now: no bound
	Collection   string      // name at the time of the commit; "": all
	Actor        string      // a user or an appName; "": all
	Client       string      // the client's address, with or without its port; "": all
	Session      []byte      // UUID of a logical session; nil: all
	Comment      bsonx.Value // missing: all
	DocID        bsonx.Value // _id of a document; missing: all
	Reverse      bool        // oldest first
	Limit        int64       // 0: no limit
	MaxOps       int         // operations shown of one commit; 0: all
}

// LogEntry is one commit as branchLog shows it.
type LogEntry struct {
	Stamp   txn.Stamp
	Actor   txn.Actor
	Comment bsonx.Value
	Session []byte // UUID; nil without
	Txn     bool
	Ops     []LogOp
	MoreOps int // operations beyond MaxOps
}

// LogOp is one operation of a commit.
type LogOp struct {
	NS string // PROJECT.COLLECTION
	// Op is insert, update, replace, delete, or a change of the catalog: create,
	// drop, ….
	Op string
	ID bsonx.Value // missing for a change of the catalog
	// Detail is the description of a change of the catalog.
	Detail bsonx.Doc
}

// LogReader steps over a branch's commits: newest first, or oldest first with
// Reverse. Close it.
type LogReader struct {
	s       *Service
	ref     *Ref
	o       LogOptions
	it      *store.LogIter
	levels  []Level
	names   map[txn.CollectionID]string
	namesAt LSN // names are the catalog's as of here, and until the next change of it
	left    int64
	reader  *store.Reader
	err     error
}

// Log begins to read the commits of a branch, those of its ancestors up to the
// forks included.
func (s *Service) Log(ctx context.Context, r *Ref, o LogOptions) (*LogReader, error) {
	if !r.Exists {
		return nil, errNoProject(r.Project)
	}
	s.mu.RLock()
	p, tl := s.byID[r.project], s.timelines[r.Timeline]
	s.mu.RUnlock()
	if p == nil || tl == nil {
		return nil, errNoProject(r.Project)
	}
	from, err := s.earliest(p)
	if err != nil {
		return nil, err
	}
	to := min(r.LSN, s.store.Visible().LSN)
	if o.Since.Kind != PointNow {
		lsn, err := s.bound(ctx, p, r, o.Since)
		if err != nil {
			return nil, err
		}
		if o.Since.Kind == PointTime || o.Since.Kind == PointAge {
			lsn++ // the commit at or before that time; the next one is included …
			if st, ok, err := s.store.StampOf(lsn - 1); err == nil && ok && !st.Wall().Before(s.when(o.Since)) {
				lsn-- // … unless it is at that time exactly
			}
		}
		from = max(from, lsn)
	}
	if o.Until.Kind != PointNow {
		lsn, err := s.bound(ctx, p, r, o.Until)
		if err != nil {
			return nil, err
		}
		to = min(to, lsn)
	}
	l := &LogReader{s: s, ref: r, o: o, levels: tl.levelsAt(min(to, r.LSN)), left: o.Limit, reader: s.store.NewReader()}
	if r.Point != "" {
		l.levels = r.Levels
	}
	if to >= from {
		l.it = s.store.Log(from, to, !o.Reverse)
	}
	return l, nil
}

func (s *Service) when(p Point) time.Time {
	if p.Kind == PointAge {
		return s.clock.Now().Add(-p.Age)
	}
	return p.Time
}

// bound turns a point of since or until into an LSN.
func (s *Service) bound(ctx context.Context, p *project, r *Ref, pt Point) (LSN, error) {
	if pt.Kind == PointLSN {
		return pt.LSN, nil // before and after the history it bounds nothing
	}
	at, err := s.resolvePoint(ctx, r, pt)
	if err == nil {
		return at.LSN, nil
	}
	if errcode.Has(err, errcode.SnapshotUnavailable) {
		if s.when(pt).After(s.clock.Now()) {
			return s.store.Visible().LSN, nil
		}
		return 0, nil
	}
	return 0, err
}

// fits reports whether a commit has the client, session and comment that are asked for.
func (o *LogOptions) fits(rec *wal.Record) bool {
	if o.Client != "" && rec.Actor.Client != o.Client {
		if host, _, err := net.SplitHostPort(rec.Actor.Client); err != nil || host != o.Client {
			return false
		}
	}
	return (o.Session == nil || bytes.Equal(o.Session, rec.Session.ID)) &&
		(bsonx.IsMissing(o.Comment) || bsonx.Equal(o.Comment, commentOf(rec)))
}

// commentOf is the comment of a commit; missing when there is none.
func commentOf(rec *wal.Record) bsonx.Value {
	if len(rec.Comment) == 0 {
		return bsonx.Value{}
	}
	return bsonx.Value{Type: bsonx.Type(rec.Comment[0]), Data: rec.Comment[1:]}
}

// Next returns the next commit; ok is false at the end.
func (l *LogReader) Next(ctx context.Context) (e LogEntry, ok bool, err error) {
	for n := 0; l.it != nil && l.it.Next(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return e, false, context.Cause(ctx)
		}
		rec := l.it.Record()
		if !touches(rec, l.levels) || !isActor(rec, l.o.Actor) || !l.o.fits(rec) {
			continue
		}
		e, match, err := l.entry(rec)
		if err != nil {
			return e, false, err
		}
		if !match {
			continue
		}
		if l.o.Limit > 0 {
			if l.left--; l.left == 0 {
				err = l.it.Close()
				l.it = nil
			}
		}
		return e, true, err
	}
	if l.it != nil {
		err = l.it.Err()
	}
	return e, false, err
}

// Close frees the reader.
func (l *LogReader) Close() error {
	err := l.reader.Close()
	if l.it != nil {
		if e := l.it.Close(); err == nil {
			err = e
		}
		l.it = nil
	}
	return err
}

// entry builds the entry of a record; match is false when the filters of
// collection and document find nothing in it.
func (l *LogReader) entry(rec *wal.Record) (e LogEntry, match bool, err error) {
	e = LogEntry{Stamp: rec.Stamp, Actor: rec.Actor, Txn: rec.Txn}
	if len(rec.Session.ID) > 0 {
		e.Session = append([]byte(nil), rec.Session.ID...)
	}
	e.Comment = bsonx.Clone(commentOf(rec))
	match = l.o.Collection == "" && bsonx.IsMissing(l.o.DocID)
	for i := range rec.Ops {
		op := &rec.Ops[i]
		if !sees(l.levels, op, rec.LSN) {
			continue
		}
		lo, hit, err := l.op(rec.LSN, op)
		if err != nil {
			return e, false, err
		}
		match = match || hit
		if lo.Op == "" {
			continue
		}
		if l.o.MaxOps > 0 && len(e.Ops) >= l.o.MaxOps {
			e.MoreOps++
			continue
		}
		e.Ops = append(e.Ops, lo)
	}
	return e, match && len(e.Ops) > 0, nil
}

// op describes one operation; an empty Op is one that users do not see.
func (l *LogReader) op(lsn LSN, op *wal.Op) (lo LogOp, hit bool, err error) {
	if op.Kind == wal.DDL {
		l.names = nil // read anew for the neighbours
		ch, shown, err := catalog.DecodeChange(op.Key)
		if err != nil || !shown {
			return lo, false, err
		}
		lo = LogOp{NS: l.ref.Project, Op: string(ch.Op), Detail: append(bsonx.Doc(nil), op.Key...)}
		if ch.Name != "" && op.Collection != 0 || ch.Type != "" {
			lo.NS += "." + ch.Name
		}
		return lo, bsonx.IsMissing(l.o.DocID) && l.o.Collection != "" && (ch.Name == l.o.Collection || ch.To == l.o.Collection), nil
	}
	name, err := l.name(lsn, op.Collection)
	if err != nil {
		return lo, false, err
	}
	lo = LogOp{NS: l.ref.Project + "." + name, Op: op.Kind.String()}
	if lo.ID, err = l.docID(lsn, op); err != nil {
		return lo, false, err
	}
	hit = (l.o.Collection == "" || l.o.Collection == name) && (bsonx.IsMissing(l.o.DocID) || bsonx.Equal(l.o.DocID, lo.ID))
	return lo, hit, nil
}

// docID reads the _id of the document that an operation wrote.
func (l *LogReader) docID(lsn LSN, op *wal.Op) (bsonx.Value, error) {
	at := lsn
	if op.Kind == wal.Delete {
		at--
	}
	doc, err := value(l.reader, capLevels(l.levels, at), op.Collection, op.Key)
	if err != nil || doc == nil {
		return bsonx.Value{}, err
	}
	return bsonx.Clone(bsonx.Lookup(doc, "_id")), nil
}

// name returns a collection's name as of a commit.
func (l *LogReader) name(lsn LSN, id txn.CollectionID) (string, error) {
	if n, ok := l.names[id]; ok {
		return n, nil
	}
	tx := l.s.txns.Begin(txn.Options{})
	defer tx.Abort()
	snap, err := l.s.catalog.Snapshot(tx.View(capLevels(l.levels, lsn), false))
	if err != nil {
		return "", err
	}
	l.names = map[txn.CollectionID]string{}
	for _, n := range snap.Names() {
		c, _ := snap.Collection(n)
		l.names[c.ID] = n
	}
	if _, ok := l.names[id]; !ok {
		l.names[id] = "" // written and dropped by one transaction
	}
	return l.names[id], nil
}

func capLevels(levels []Level, lsn LSN) []Level {
	out := make([]Level, 0, len(levels))
	for _, l := range levels {
		out = append(out, Level{Timeline: l.Timeline, LSN: min(l.LSN, lsn)})
	}
	return out
}
