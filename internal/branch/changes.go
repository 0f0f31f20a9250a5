package branch

import (
	"bytes"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wal"
)

// Changes steps over the rows of a collection that differ between two views, in
// the order of their keys. When both views have the same collection its cost
// follows the number of changes since they parted, not the number of rows. It
// sees what was visible when it was made. Not safe for concurrent use.
//
//	c := s.Changes(from, to, id, id)
//	defer c.Close()
//	for c.Next() { c.Key(); c.Before(); c.After() }
//	return c.Err()
type Changes struct {
	from, to       side
	since          LSN
	key            []byte
	before, after  []byte
	atFrom, atTo   bool // the iterator stands on a row not yet looked at
	moveFrom, move bool // whether to move it before the next look
	err            error
	done           bool
	// keys, when logged, are those that were written since, from the log.
	keys   [][]byte
	logged bool
}

// side is one of the two views.
type side struct {
	levels []Level
	coll   txn.CollectionID
	it     *store.Iter
	reader *store.Reader
}

// Changes compares collection a of one view with collection b of another; 0 is a
// collection that is not there. The two are mostly the same; different ones are
// compared row by row.
func (s *Service) Changes(from, to []Level, a, b txn.CollectionID) *Changes {
	c := &Changes{from: side{levels: from, coll: a}, to: side{levels: to, coll: b}, moveFrom: true, move: true}
	if a == b {
		c.since = base(from, to)
	}
	for _, x := range []*side{&c.from, &c.to} {
		if x.coll != 0 {
			x.reader = s.store.NewReader()
		}
	}
	if a == b && a != 0 && c.since != 0 {
		if c.keys, c.logged, c.err = s.loggedKeys(c, a); c.logged || c.err != nil {
			return c
		}
	}
	for _, x := range []*side{&c.from, &c.to} {
		if x.coll != 0 {
			x.it = s.store.NewIter(x.levels, store.IterOptions{Space: store.Rows(x.coll), Since: c.since, Tombstones: c.since != 0})
		}
	}
	return c
}

// What it costs, in about µs, to find out what was written to a collection since an
// LSN: by the log for each commit, of whatever branch, and for each key, which is
// then read on both sides; by scanning, which skips blocks of old versions, for
// each version that there is, and for each key.
const (
	costCommit, costLogged    = 1.0, 8.0
	costVersion, costIterated = 0.01, 0.3
)

// loggedKeys returns the keys of a collection that either side has written since
// they parted, in their order, if the log is the faster way to them: where a
// large timeline has few changes.
func (s *Service) loggedKeys(c *Changes, coll txn.CollectionID) (keys [][]byte, ok bool, err error) {
	caps := map[Timeline]LSN{}
	versions, changes := 0.0, 0.0
	to := LSN(0)
	for _, x := range []*side{&c.from, &c.to} {
		for _, l := range x.levels {
			l.LSN = min(l.LSN, x.reader.AsOf())
			if l.LSN <= c.since {
				continue
			}
			now, _, err := x.reader.Tally(l, coll)
			if err != nil {
				return nil, false, err
			}
			then, _, err := x.reader.Tally(Level{Timeline: l.Timeline, LSN: c.since}, coll)
			if err != nil {
				return nil, false, err
			}
			versions, changes = versions+ops(now), changes+ops(now.Minus(then))
			caps[l.Timeline], to = max(caps[l.Timeline], l.LSN), max(to, l.LSN)
		}
	}
	if changes == 0 {
		return nil, true, nil
	}
	if float64(to-c.since)*costCommit+changes*costLogged > versions*costVersion+changes*costIterated {
		return nil, false, nil
	}
	seen := map[string]bool{}
	it := s.store.Log(c.since+1, to, false)
	defer it.Close()
	for next := c.since + 1; it.Next(); next++ {
		rec := it.Record()
		if rec.LSN != next {
			return nil, false, nil // trimmed
		}
		for i := range rec.Ops {
			op := &rec.Ops[i]
			if op.Collection == coll && op.Kind != wal.DDL && rec.LSN <= caps[op.Timeline] && !seen[string(op.Key)] {
				seen[string(op.Key)] = true
				keys = append(keys, bytes.Clone(op.Key))
			}
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys, true, it.Err()
}

// ops is how many operations a tally counts.
func ops(t store.Tally) float64 { return float64(t.Inserts + t.Updates + t.Deletes) }

// nextLogged moves to the next of the keys that differs.
func (c *Changes) nextLogged() bool {
	for c.err == nil && len(c.keys) > 0 {
		c.key, c.keys = c.keys[0], c.keys[1:]
		if c.before, c.err = value(c.from.reader, c.from.levels, c.from.coll, c.key); c.err != nil {
			return false
		}
		if c.after, c.err = value(c.to.reader, c.to.levels, c.to.coll, c.key); c.err != nil {
			return false
		}
		if (c.before != nil || c.after != nil) && !bytes.Equal(c.before, c.after) {
			return true
		}
	}
	c.done = true
	return false
}

func (x *side) next() bool { return x.it != nil && x.it.Next() }

// other reads what this side has for a key that its iterator did not show.
func (x *side) other(key []byte, since LSN) ([]byte, error) {
	if x.it == nil || since == 0 {
		return nil, nil // the iterator shows all that there is
	}
	return value(x.reader, x.levels, x.coll, key)
}

// Next moves to the next row that differs.
func (c *Changes) Next() bool {
	if c.logged {
		return c.nextLogged()
	}
	for c.err == nil && !c.done {
		if c.moveFrom {
			c.atFrom = c.from.next()
		}
		if c.move {
			c.atTo = c.to.next()
		}
		c.moveFrom, c.move = false, false
		if c.look() {
			return true
		}
	}
	return false
}

// look compares what both iterators stand on and reports whether it differs.
func (c *Changes) look() bool {
	order := 0
	switch {
	case !c.atFrom && !c.atTo:
		c.finish()
		return false
	case !c.atTo:
		order = -1
	case !c.atFrom:
		order = 1
	default:
		order = bytes.Compare(c.from.it.Key(), c.to.it.Key())
	}
	switch {
	case order == 0:
		c.key, c.before, c.after = c.from.it.Key(), live(c.from.it), live(c.to.it)
	case order < 0:
		c.key, c.before = c.from.it.Key(), live(c.from.it)
		c.after, c.err = c.to.other(c.key, c.since)
	default:
		c.key, c.after = c.to.it.Key(), live(c.to.it)
		c.before, c.err = c.from.other(c.key, c.since)
	}
	c.moveFrom, c.move = order <= 0, order >= 0
	return c.err == nil && (c.before != nil || c.after != nil) && !bytes.Equal(c.before, c.after)
}

func (c *Changes) finish() {
	c.done = true
	for _, x := range []*side{&c.from, &c.to} {
		if x.it != nil && c.err == nil {
			c.err = x.it.Err()
		}
	}
}

// Key returns the row's key. Like Before and After it is valid until the next
// move.
func (c *Changes) Key() []byte { return c.key }

// Before returns the document of the first view; nil when it has none.
func (c *Changes) Before() bsonx.Doc { return c.before }

// After returns the document of the second view; nil when it has none.
func (c *Changes) After() bsonx.Doc { return c.after }

// Err returns the error that ended the iteration.
func (c *Changes) Err() error { return c.err }

// Close frees the iterator. It may be called more than once.
func (c *Changes) Close() error {
	c.done = true
	for _, x := range []*side{&c.from, &c.to} {
		if x.it != nil {
			if err := x.it.Close(); c.err == nil {
				c.err = err
			}
		}
		if x.reader != nil {
			if err := x.reader.Close(); c.err == nil {
				c.err = err
			}
		}
		x.it, x.reader = nil, nil
	}
	return c.err
}

func live(it *store.Iter) []byte {
	if it.Deleted() {
		return nil
	}
	return it.Value()
}

func value(r *store.Reader, levels []Level, coll txn.CollectionID, key []byte) ([]byte, error) {
	v, _, ok, err := r.Get(levels, store.Rows(coll), key)
	if err != nil || !ok {
		return nil, err
	}
	return v, nil
}
