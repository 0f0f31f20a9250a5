package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"

	"github.com/argon-db/argon/internal/wal"
)

// CheckOptions of Store.Check.
type CheckOptions struct {
	// Document says whether a row's value is a valid document; nil checks no more
	// than its length.
	Document func(doc []byte) error
	// Problem is called for every broken invariant, at most MaxProblems times.
	Problem func(string)
	// MaxProblems is 1000 when 0.
	MaxProblems int
}

// CheckReport says what was looked at.
type CheckReport struct {
	Keys, Rows, Entries, Meta, Commits, Control int64
	Problems                                    int64
}

// Check reads the whole store and verifies what can be known without MongoDB's
// semantics: every block's checksum; every key parses and is no newer than the
// log; the log has every LSN from its first to its last, with times and timestamps
// that do not go backwards; every operation in the log has its row version or
// tombstone and every version its operation, where history was not collected or
// dropped; catalog versions have a DDL operation; tallies do not fall. It looks at
// what is visible when it starts and may run beside commits.
func (s *Store) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	if s.closed.Load() {
		return CheckReport{}, ErrClosed
	}
	if o.MaxProblems == 0 {
		o.MaxProblems = 1000
	}
	c := &checker{s: s, o: o, ctx: ctx, last: s.Visible().LSN, seed: maphash.MakeSeed(), drops: map[tallyKey]bool{}}
	var err error
	if c.horizons, err = s.horizons(); err != nil {
		return c.rep, err
	}
	err = s.scanPlain(spaceSystem, []byte(sysDrop), func(k, _ []byte) error {
		tl, rest, err := readUint(k[len(sysDrop):])
		var coll uint64
		if err == nil && len(rest) > 0 {
			coll, _, err = readUint(rest)
		}
		c.drops[tallyKey{Timeline(tl), CollectionID(coll)}] = true
		return err
	})
	if err != nil {
		return c.rep, err
	}
	if err := c.keys(); err != nil {
		return c.rep, err
	}
	first, err := s.FirstLogged()
	if err != nil {
		return c.rep, err
	}
	for from := first.LSN; from != 0 && from <= c.last; from += checkWindow {
		if err := c.window(from, min(c.last, from+checkWindow-1)); err != nil {
			return c.rep, err
		}
	}
	return c.rep, nil
}

// checkWindow is how many commits are compared with the rows at a time (16 bytes
// of memory each).
const checkWindow = 1 << 20

type checker struct {
	s        *Store
	o        CheckOptions
	ctx      context.Context
	rep      CheckReport
	last     LSN
	seed     maphash.Seed
	horizons map[Timeline]LSN
	drops    map[tallyKey]bool
	prevLog  Stamp
	// the tally seen before: a newer version of the same key
	tallyKey  []byte
	tallyLast Tally
}

func (c *checker) problem(format string, args ...any) {
	c.rep.Problems++
	if c.o.Problem != nil && c.rep.Problems <= int64(c.o.MaxProblems) {
		c.o.Problem(fmt.Sprintf(format, args...))
	}
}

// gone reports whether a version may be missing: collected or dropped.
func (c *checker) gone(tl Timeline, coll CollectionID, lsn LSN) bool {
	return lsn <= c.horizons[tl] || c.drops[tallyKey{tl, 0}] || c.drops[tallyKey{tl, coll}]
}

// keys reads every key and value once.
func (c *checker) keys() (err error) {
	it, err := c.s.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if c.rep.Keys++; c.rep.Keys%4096 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		p, err := parseKey(it.Key())
		if err != nil {
			c.problem("key %x does not parse", it.Key())
			continue
		}
		if p.lsn > c.last {
			if p.lsn > c.s.LastAssigned().LSN {
				c.problem("a key in the %s is of LSN %d, the log ends at %d", p.space, p.lsn, c.last)
			}
			continue // a commit that came after the start
		}
		c.key(p, it.Key(), v)
	}
	return it.Error()
}

// key checks one key on its own.
func (c *checker) key(p parsedKey, stored, v []byte) {
	switch p.space.kind {
	case spaceRow:
		c.rep.Rows++
		switch {
		case len(v) > 0 && len(v) < 5:
			c.problem("a document of %d bytes in the %s, LSN %d", len(v), p.space, p.lsn)
		case len(v) > 0 && c.o.Document != nil:
			if err := c.o.Document(v); err != nil {
				c.problem("a document in the %s of timeline %d, LSN %d: %v", p.space, p.timeline, p.lsn, err)
			}
		}
	case spaceIndex:
		c.rep.Entries++
		if len(v) > 0 && v[0] != entryPresent {
			c.problem("an entry in the %s has an unknown value %x", p.space, v)
		}
	case spaceMeta:
		c.rep.Meta++
		if !c.gone(p.timeline, 0, p.lsn) {
			c.meta(p)
		}
	case spaceTally:
		c.tally(p, stored, v)
	case spaceLog:
		c.record(p.lsn, v)
	case spaceControl:
		c.rep.Control++
	}
}

// meta checks that the log says that the catalog changed.
func (c *checker) meta(p parsedKey) {
	rec, ok, err := c.s.RecordOf(p.lsn)
	if err != nil || !ok {
		return // reported with the log, or trimmed
	}
	for _, op := range rec.Ops {
		if op.Kind == wal.DDL && op.Timeline == p.timeline {
			return
		}
	}
	c.problem("catalog key %x of timeline %d changed at LSN %d without a DDL operation in the log", p.key, p.timeline, p.lsn)
}

func (c *checker) tally(p parsedKey, stored, v []byte) {
	t, err := decodeTally(v)
	if err != nil {
		c.problem("%s of timeline %d: %v", p.space, p.timeline, err)
		return
	}
	prefix, _ := splitKey(stored)
	n := c.tallyLast
	if bytes.Equal(prefix, c.tallyKey) && (t.Inserts > n.Inserts || t.Updates > n.Updates || t.Deletes > n.Deletes) {
		c.problem("%s of timeline %d falls after LSN %d", p.space, p.timeline, p.lsn)
	}
	c.tallyKey, c.tallyLast = append(c.tallyKey[:0], prefix...), t
}

// record checks one log record and its place after the one before.
func (c *checker) record(lsn LSN, v []byte) {
	c.rep.Commits++
	var r wal.Record
	if err := r.Decode(lsn, v); err != nil {
		c.problem("log record %d: %v", lsn, err)
		return
	}
	if p := c.prevLog; p.LSN != 0 {
		switch {
		case lsn != p.LSN+1:
			c.problem("the log has no records between LSN %d and %d", p.LSN, lsn)
		case r.Time < p.Time || r.Timestamp <= p.Timestamp:
			c.problem("log record %d is of an earlier time than the one before", lsn)
		}
	}
	c.prevLog = r.Stamp
}

// print is what must agree between the log's operations and the rows of a commit:
// the number and the sum of their hashes.
type print struct {
	sum uint64
	n   int32
}

func (c *checker) hash(tl Timeline, coll CollectionID, key []byte, deleted bool) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	var b [24]byte
	_, _ = h.Write(appendUint(appendUint(b[:0], uint64(tl)), uint64(coll)))
	if deleted {
		_ = h.WriteByte(1)
	} else {
		_ = h.WriteByte(0)
	}
	_, _ = h.Write(key)
	return h.Sum64()
}

// window compares the commits from lo to hi with the rows that have these LSNs.
func (c *checker) window(lo, hi LSN) error {
	prints := make([]print, hi-lo+1)
	if err := c.logged(lo, hi, prints); err != nil {
		return err
	}
	if err := c.written(lo, hi, prints); err != nil {
		return err
	}
	for i, p := range prints {
		if p != (print{}) {
			c.problem("the rows of LSN %d are not those that the log names (%+d)", lo+LSN(i), p.n)
		}
	}
	return nil
}

// logged adds the operations of the log.
func (c *checker) logged(lo, hi LSN, prints []print) (err error) {
	l := c.s.Log(lo, hi, false)
	defer func() { err = errors.Join(err, l.Close()) }()
	for l.Next() {
		r := l.Record()
		ops := map[uint64]bool{} // by place: was a delete; the last operation of a key counts
		p := &prints[r.LSN-lo]
		for _, op := range r.Ops {
			if op.Kind == wal.DDL || c.gone(op.Timeline, op.Collection, r.LSN) {
				continue
			}
			place := c.hash(op.Timeline, op.Collection, op.Key, false)
			if was, again := ops[place]; again {
				p.n--
				p.sum -= c.hash(op.Timeline, op.Collection, op.Key, was)
			}
			deleted := op.Kind == wal.Delete
			ops[place] = deleted
			p.n++
			p.sum += c.hash(op.Timeline, op.Collection, op.Key, deleted)
		}
	}
	return l.Err()
}

// written takes the versions of rows away.
func (c *checker) written(lo, hi LSN, prints []print) (err error) {
	it, err := c.s.db.NewIter(&pebble.IterOptions{
		LowerBound:      []byte{spaceRow, sentinel},
		UpperBound:      []byte{spaceRow + 1, sentinel},
		PointKeyFilters: []pebble.BlockPropertyFilter{cockroachkvs.NewMVCCTimeIntervalFilter(uint64(lo), uint64(hi))},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		p, err := parseKey(it.Key())
		if err != nil || p.lsn < lo || p.lsn > hi || c.gone(p.timeline, p.space.coll, p.lsn) {
			continue
		}
		lv := it.LazyValue()
		x := &prints[p.lsn-lo]
		x.n--
		x.sum -= c.hash(p.timeline, p.space.coll, p.key, lv.Len() == 0)
	}
	return it.Error()
}

// ExpectEntries tells which index entries a document must have: it calls emit for
// each. Whoever knows the indexes of a collection implements it.
type ExpectEntries interface {
	Entries(id, doc []byte, emit func(i IndexID, key []byte)) error
}

// CheckIndexes compares the rows of a collection in a view with the entries of
// its indexes: every expected entry is there, and no other. It returns the number
// of documents, and the number of entries by index.
func (s *Store) CheckIndexes(ctx context.Context, v []Level, c CollectionID, indexes []IndexID, x ExpectEntries, problem func(string)) (rows int64, entries map[IndexID]int64, err error) {
	it := s.NewIter(v, IterOptions{Space: Rows(c)})
	defer func() { err = errors.Join(err, it.Close()) }()
	r := s.NewReader()
	defer func() { err = errors.Join(err, r.Close()) }()
	entries = map[IndexID]int64{}
	seen := map[string]bool{}
	for it.Next() {
		if rows++; rows%1024 == 0 && ctx.Err() != nil {
			return rows, entries, ctx.Err()
		}
		clear(seen)
		id := it.Key()
		var failed error
		err := x.Entries(id, it.Value(), func(i IndexID, key []byte) {
			place := string(appendSpace(nil, 0, Entries(c, i))) + string(key)
			if seen[place] {
				return
			}
			seen[place] = true
			entries[i]++
			_, _, ok, err := r.Get(v, Entries(c, i), key)
			if failed = errors.Join(failed, err); err == nil && !ok {
				problem(fmt.Sprintf("index %d of collection %d has no entry %x for the document %x", i, c, key, id))
			}
		})
		if err := errors.Join(err, failed); err != nil {
			return rows, entries, err
		}
	}
	for _, i := range indexes {
		n, err := s.countKeys(v, Entries(c, i))
		if err != nil {
			return rows, entries, err
		}
		if n > entries[i] {
			problem(fmt.Sprintf("index %d of collection %d has %d entries for %d", i, c, n, entries[i]))
		}
	}
	return rows, entries, nil
}

func (s *Store) countKeys(v []Level, sp Space) (n int64, err error) {
	it := s.NewIter(v, IterOptions{Space: sp})
	for it.Next() {
		n++
	}
	return n, it.Close()
}
