package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// CollectOptions says what of a timeline's history may go.
type CollectOptions struct {
	Timeline Timeline
	// Horizon is the oldest LSN that stays readable: of each key all versions
	// after it stay, and the newest at or below it.
	Horizon LSN
	// Keep are older LSNs that stay readable: fork points of children, tags. What
	// Store.Pin holds is added.
	Keep []LSN
	// HasParent says that the timeline reads an ancestor, whose versions a
	// tombstone may hide; without one old tombstones go, too.
	HasParent bool
	// DryRun counts what would go, and changes nothing.
	DryRun bool
	// Skip are collections that are passed over, because they go as a whole.
	Skip []CollectionID
}

// CollectStats says what a collection did.
type CollectStats struct {
	Seen    int64 // versions looked at
	Dropped int64 // versions deleted
	Bytes   int64 // size of their keys and values, uncompressed
}

const (
	sysHorizon = "horizon/" // horizon/timeline: uvarint LSN, collected up to there
	// collectBatch is the size in bytes at which deletions are handed over.
	collectBatch = 256 << 10
)

func horizonKey(tl Timeline) string { return sysHorizon + string(appendUint(nil, uint64(tl))) }

// Horizon returns the LSN up to which a timeline was collected: older points are
// readable only where a Keep held them. 0 when it never was.
func (s *Store) Horizon(tl Timeline) (LSN, error) {
	n, _, err := s.getUvarint(horizonKey(tl))
	return LSN(n), err
}

// Collect deletes the versions of a timeline that can be seen from no LSN at or
// after the horizon, nor from a kept one. The horizon is recorded first, so that
// an interrupted collection leaves a directory that is in order; whoever opens a
// view of the past looks at Horizon after Pin. Deletions are not synced: losing
// them costs space only.
func (s *Store) Collect(ctx context.Context, o CollectOptions) (CollectStats, error) {
	var st CollectStats
	if err := s.writable(); err != nil {
		return st, err
	}
	o.Horizon = min(o.Horizon, s.Visible().LSN)
	old, err := s.Horizon(o.Timeline)
	if err != nil {
		return st, err
	}
	if o.Horizon > old && !o.DryRun {
		// Not synced either: the engine's log keeps the order, so no deletion outlives
		// a crash that this record does not.
		k := plainKey(nil, spaceSystem, []byte(horizonKey(o.Timeline)))
		if err := s.db.Set(k, binary.AppendUvarint(nil, uint64(o.Horizon)), pebble.NoSync); err != nil {
			return st, s.fail(err)
		}
	}
	c := &collector{s: s, o: o, st: &st, keep: s.pins.pinned(o.Timeline, o.Keep)}
	c.keep = append(slices.DeleteFunc(c.keep, func(l LSN) bool { return l >= o.Horizon }), o.Horizon)
	for _, kind := range []byte{spaceRow, spaceIndex, spaceMeta, spaceTally} {
		if err := c.space(ctx, kind); err != nil {
			return st, err
		}
	}
	return st, nil
}

type collector struct {
	s     *Store
	o     CollectOptions
	st    *CollectStats
	keep  []LSN // ascending, the horizon last
	batch *pebble.Batch
	// of the current key
	prefix []byte
	newer  LSN // of the version seen before
	last   version
	oldest bool // last was kept, and is the oldest kept so far
	skip   bool // it is of a collection that is passed over
}

type version struct {
	lsn  LSN
	size int
}

// space collects one key space of the timeline.
func (c *collector) space(ctx context.Context, kind byte) (err error) {
	p := appendUint([]byte{kind}, uint64(c.o.Timeline))
	it, err := c.s.db.NewIter(&pebble.IterOptions{
		LowerBound: append(slices.Clone(p), sentinel),
		UpperBound: append(prefixEnd(nil, p), sentinel),
	})
	if err != nil {
		return err
	}
	c.batch = c.s.db.NewBatch()
	defer func() { err = errors.Join(err, it.Close(), c.batch.Close()) }()
	c.prefix, c.oldest = c.prefix[:0], false
	for ok := it.First(); ok; ok = it.Next() {
		prefix, lsn := splitKey(it.Key())
		if !bytes.Equal(prefix, c.prefix) {
			if err := c.endKey(ctx); err != nil {
				return err
			}
			if kind != spaceMeta && c.skips(prefix, len(p)) {
				c.prefix = append(c.prefix[:0], prefix...)
				c.skip = true
				continue
			}
			c.skip = false
			c.prefix = append(c.prefix[:0], prefix...)
			c.newer = Head
		}
		if c.skip {
			continue
		}
		lv := it.LazyValue()
		if err := c.version(version{lsn, lv.Len()}); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	if err := c.endKey(ctx); err != nil {
		return err
	}
	return c.flush()
}

// skips reports whether a prefix, whose timeline ends at n, is of a collection to
// pass over.
func (c *collector) skips(prefix []byte, n int) bool {
	if len(c.o.Skip) == 0 {
		return false
	}
	id, _, err := readUint(prefix[n:])
	return err == nil && slices.Contains(c.o.Skip, CollectionID(id))
}

// Measure counts the versions of a timeline, or of one of its collections, and the
// size of their keys and values.
func (s *Store) Measure(ctx context.Context, tl Timeline, coll CollectionID) (n, size int64, err error) {
	kinds := []byte{spaceRow, spaceIndex, spaceTally}
	if coll == 0 {
		kinds = append(kinds, spaceMeta)
	}
	for _, kind := range kinds {
		p := appendUint([]byte{kind}, uint64(tl))
		if coll != 0 {
			p = appendUint(p, uint64(coll))
		}
		it, err := s.db.NewIter(&pebble.IterOptions{
			LowerBound: append(slices.Clone(p), sentinel),
			UpperBound: append(prefixEnd(nil, p), sentinel),
		})
		if err != nil {
			return n, size, err
		}
		for ok := it.First(); ok; ok = it.Next() {
			lv := it.LazyValue()
			n++
			size += int64(len(it.Key()) + lv.Len())
			if n%4096 == 0 && ctx.Err() != nil {
				break
			}
		}
		if err := errors.Join(it.Error(), it.Close(), ctx.Err()); err != nil {
			return n, size, err
		}
	}
	return n, size, nil
}

// version decides about one version; the newer ones of its key came before.
func (c *collector) version(v version) error {
	c.st.Seen++
	keep := v.lsn > c.o.Horizon
	if !keep {
		// Visible from the smallest kept LSN that is not below it, unless a newer
		// version is, too.
		i, _ := slices.BinarySearch(c.keep, v.lsn)
		keep = i < len(c.keep) && c.keep[i] < c.newer
	}
	c.newer = v.lsn
	if keep {
		c.last, c.oldest = v, true
		return nil
	}
	return c.drop(v)
}

// endKey drops the oldest version of a key when it is a tombstone that hides
// nothing, and hands a full batch over: all deletions of a key are in one.
func (c *collector) endKey(ctx context.Context) error {
	if c.oldest && c.last.size == 0 && c.last.lsn <= c.o.Horizon && !c.o.HasParent {
		if err := c.drop(c.last); err != nil {
			return err
		}
	}
	c.oldest = false
	if c.batch.Len() < collectBatch {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.flush()
}

func (c *collector) drop(v version) error {
	key := appendSuffix(slices.Clone(c.prefix), v.lsn)
	c.st.Dropped++
	c.st.Bytes += int64(len(key) + v.size)
	if c.o.DryRun {
		return nil
	}
	return c.batch.DeleteSized(key, uint32(v.size), nil)
}

func (c *collector) flush() error {
	if c.batch.Empty() {
		return nil
	}
	if err := c.s.db.Apply(c.batch, pebble.NoSync); err != nil {
		return c.s.fail(err)
	}
	if err := c.batch.Close(); err != nil {
		return err
	}
	c.batch = c.s.db.NewBatch()
	return c.s.Err()
}

// Compact rewrites the whole store without what was deleted, so that its space
// comes back at once and not with the writes to come. It takes minutes for a large
// store, and as much more disk space as its largest files while it runs.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.db.Flush(); err != nil {
		return err
	}
	return s.db.Compact(ctx, []byte{0, sentinel}, []byte{0xff, sentinel}, true)
}

// DiskBytes returns how much the store takes on disk.
func (s *Store) DiskBytes() uint64 { return s.db.Metrics().DiskSpaceUsage() }

// TrimLog deletes the log records before an LSN. The newest visible one stays.
func (s *Store) TrimLog(before LSN) error {
	if err := s.writable(); err != nil {
		return err
	}
	before = min(before, s.Visible().LSN)
	pb := s.db.NewBatch()
	defer pb.Close()
	if err := pb.DeleteRange(logKey(nil, 0), logKey(nil, before), nil); err != nil {
		return err
	}
	return s.apply(pb, true)
}

// horizons returns all recorded horizons.
func (s *Store) horizons() (map[Timeline]LSN, error) {
	out := map[Timeline]LSN{}
	err := s.scanPlain(spaceSystem, []byte(sysHorizon), func(k, v []byte) error {
		tl, rest, err := readUint(k[len(sysHorizon):])
		n, size := binary.Uvarint(v)
		if err != nil || len(rest) != 0 || size <= 0 {
			return fmt.Errorf("horizon record %q is corrupt", k)
		}
		out[Timeline(tl)] = LSN(n)
		return nil
	})
	return out, err
}
