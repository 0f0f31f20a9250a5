package store

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
)

// cursor walks the keys of one level of a view: for each key the newest version
// that is not newer than the cap. Keys with no such version are passed over;
// tombstones are not.
//
// In the engine versions stand newest first. Forwards, the cursor rests on the
// version itself. Backwards it has to look past a version to know that there is
// no newer one, so it keeps a copy and rests on the key before.
type cursor struct {
	it    *pebble.Iterator
	fold  *foldCursor // instead of it: walks the fold of several levels
	order int         // place of the level in the view
	tl    Timeline
	base  []byte // timeline and space: what all keys here begin with
	cap   LSN
	since LSN
	back  bool
	// patience is how many versions are stepped over before the next seek.
	patience int

	key  []byte // without base and sentinel
	lsn  LSN
	size int // of the value; 0 for a tombstone

	// When back, copies: the value is read only when it is asked for, because
	// those of old versions stand in blocks of their own.
	value   pebble.LazyValue
	fetcher pebble.LazyFetcher
	held    []byte // backing of key and value
	buf     []byte // for values that are read late
	seek    []byte
	err     error
}

// maxPatience is how many versions are stepped over before a seek is cheaper, at
// first: once a key needed a seek, the next ones are expected to, too.
const maxPatience = 16

// openCursor opens level l; lower and upper are keys within the space, nil for
// none.
func (s *Store) openCursor(l Level, order int, sp Space, o *IterOptions) (*cursor, error) {
	c := &cursor{order: order, tl: l.Timeline, cap: l.LSN, since: o.Since, back: o.Reverse, patience: maxPatience}
	c.base = appendSpace(nil, l.Timeline, sp)
	po := pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly}
	po.LowerBound = append(append(append([]byte(nil), c.base...), o.Lower...), sentinel)
	if o.Upper != nil {
		po.UpperBound = append(append(append([]byte(nil), c.base...), o.Upper...), sentinel)
	} else {
		po.UpperBound = append(prefixEnd(nil, c.base), sentinel)
	}
	if o.Since > 0 {
		po.PointKeyFilters = []pebble.BlockPropertyFilter{
			cockroachkvs.NewMVCCTimeIntervalFilter(uint64(o.Since)+1, uint64(l.LSN)),
		}
	}
	it, err := s.db.NewIter(&po)
	if err != nil {
		return nil, err
	}
	c.it = it
	return c, nil
}

// start moves to the first key in the cursor's direction.
func (c *cursor) start() bool {
	if c.fold != nil {
		return c.startFold()
	}
	if c.back {
		return c.settleBack(c.it.Last())
	}
	return c.settle(c.it.First())
}

// next moves to the next key.
func (c *cursor) next() bool {
	if c.fold != nil {
		return c.nextFold()
	}
	if c.back {
		return c.settleBack(c.it.Valid())
	}
	return c.settle(c.it.NextPrefix())
}

// seekTo moves to the first key at or after key; backwards to the last key
// before it.
func (c *cursor) seekTo(key []byte) bool {
	if c.fold != nil {
		return c.seekFold(key)
	}
	c.seek = append(append(append(c.seek[:0], c.base...), key...), sentinel)
	if c.back {
		return c.settleBack(c.it.SeekLT(c.seek))
	}
	return c.settle(c.it.SeekGE(c.seek))
}

// settle finds the first version in reach at or after the engine's position.
func (c *cursor) settle(ok bool) bool {
	for ok {
		prefix, lsn := splitKey(c.it.Key())
		for n := 0; lsn > c.cap; n++ {
			// Too new. Older versions of the key follow, then other keys.
			if n == c.patience {
				c.patience = 1
				n = -1
				c.seek = appendSuffix(append(c.seek[:0], prefix...), c.cap)
				ok = c.it.SeekGE(c.seek)
			} else {
				ok = c.it.Next()
			}
			if !ok {
				return c.end()
			}
			prefix, lsn = splitKey(c.it.Key())
		}
		c.patience = min(2*c.patience, maxPatience)
		if lsn <= c.since { // a block filter only skips
			ok = c.it.NextPrefix()
			continue
		}
		if !c.accept(prefix, lsn) {
			return false
		}
		lv := c.it.LazyValue()
		c.size = lv.Len()
		return true
	}
	return c.end()
}

func (c *cursor) accept(prefix []byte, lsn LSN) bool {
	if lsn == 0 || len(prefix) <= len(c.base) || !bytes.HasPrefix(prefix, c.base) {
		c.err = fmt.Errorf("store: %w: %x", errBadKey, prefix)
		return false
	}
	c.key, c.lsn = prefix[len(c.base):len(prefix)-1], lsn
	return true
}

func (c *cursor) end() bool {
	c.err = c.it.Error()
	c.key = nil
	return false
}

// settleBack takes the key on whose oldest version the engine stands, or the
// last one before it that has a version in reach, and leaves the engine on the
// oldest version of the key before that.
func (c *cursor) settleBack(ok bool) bool {
	for ok {
		prefix, lsn := splitKey(c.it.Key())
		if lsn > c.cap { // the oldest is too new
			c.seek = append(c.seek[:0], prefix...)
			ok = c.it.SeekLT(c.seek)
			continue
		}
		found, more := c.newestBack(prefix)
		if c.err != nil {
			return false
		}
		if found {
			return true
		}
		ok = more
	}
	return c.end()
}

// newestBack copies the newest version in reach of the key that the engine stands
// on and moves before the key. found is false when it is not newer than since.
func (c *cursor) newestBack(prefix []byte) (found, more bool) {
	c.seek = append(c.seek[:0], prefix...) // a copy: the engine's key will change
	n := len(c.seek)
	for steps := 0; ; steps++ {
		if !c.hold() {
			return false, false
		}
		if steps == c.patience {
			c.patience = 1
			c.seek = appendSuffix(c.seek, c.cap)
			ok := c.it.SeekGE(c.seek)
			if !ok || !c.hold() {
				c.fail()
				return false, false
			}
			more = c.it.SeekLT(c.seek[:n])
			break
		}
		if more = c.it.Prev(); !more {
			break
		}
		p, lsn := splitKey(c.it.Key())
		if !bytes.Equal(p, c.seek[:n]) {
			c.patience = min(2*c.patience, maxPatience)
			break
		}
		if lsn > c.cap {
			more = c.it.SeekLT(c.seek[:n])
			break
		}
	}
	if !more {
		if c.err = c.it.Error(); c.err != nil {
			return false, false
		}
	}
	return c.lsn > c.since, more
}

func (c *cursor) fail() {
	if c.err == nil {
		if c.err = c.it.Error(); c.err == nil {
			c.err = fmt.Errorf("store: lost a version while stepping backwards")
		}
	}
}

// hold copies the engine's current version.
func (c *cursor) hold() bool {
	prefix, lsn := splitKey(c.it.Key())
	c.held = append(c.held[:0], prefix...)
	v := c.it.LazyValue()
	c.size = v.Len()
	c.value, c.held = v.Clone(c.held, &c.fetcher)
	return c.accept(c.held[:len(prefix)], lsn)
}

// get returns the current value.
func (c *cursor) get() ([]byte, error) {
	if c.fold != nil {
		return c.fold.value(), nil
	}
	if c.back {
		v, own, err := c.value.Value(c.buf)
		if own {
			c.buf = v[:0]
		}
		return v, err
	}
	return c.it.ValueAndErr()
}

func (c *cursor) close() error {
	if c.fold != nil {
		return nil
	}
	return c.it.Close()
}
