package store

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// A branch deep in a line of branches reads through all of its ancestors, and each
// costs a seek. But below its fork an ancestor never changes, so what the ancestors
// have in a space can be put together once, in memory: a fold. A read then asks
// the branch itself, the fold, and those few ancestors that are too large for it
// (the root, as a rule). A fold is made when its ancestors have been read a few
// times, is bounded, and is a cache: what it knows stays true, because versions are
// never added below a visible LSN, and collection takes only what no readable
// point sees.
const (
	// minFold is how many ancestors make a fold worth its memory.
	minFold = 3
	// maxFoldBytes bounds the memory of all folds, maxFoldSlots their number.
	maxFoldBytes = 64 << 20
	maxFoldSlots = 20_000
)

// foldLimits are what one fold may take; tests have smaller ones.
type foldLimits struct {
	// after is how many reads an ancestry must have had.
	after int32
	// leafBytes is up to which size an ancestor's keys and values of a space are kept
	// in memory; beyond it only the hashes of its keys are, up to leafKeys.
	leafBytes, leafKeys int
	// refs bounds one fold, in keys.
	refs int
}

var defaultFold = foldLimits{after: 4, leafBytes: 128 << 10, leafKeys: 128 << 10, refs: 512 << 10}

// foldKey names an ancestry: its first level decides the others.
type foldKey struct {
	Level
	space Space
}

type foldCache struct {
	limits foldLimits
	mu     sync.RWMutex
	seed   maphash.Seed
	slots  map[foldKey]*foldSlot
	leaves map[foldKey]*leaf
	bytes  int
}

type foldSlot struct {
	asked atomic.Int32
	fold  atomic.Pointer[ancestry]
}

// leaf is what one ancestor has in a space up to its LSN: of each key the newest
// version.
type leaf struct {
	hashes []uint64
	// Of a small one also, in the order of the keys:
	inline  bool
	entries []leafEntry
	data    []byte
	// tooLarge: there are more keys than may be kept, and none are.
	tooLarge bool
}

type leafEntry struct {
	at, mid, end int // key data[at:mid], value data[mid:end]
	lsn          LSN
}

func (l *leaf) bytes() int { return 8*len(l.hashes) + 32*len(l.entries) + len(l.data) + 128 }

func (l *leaf) key(i uint32) []byte {
	e := &l.entries[i]
	return l.data[e.at:e.mid:e.mid]
}

func (l *leaf) value(i uint32) []byte {
	e := &l.entries[i]
	return l.data[e.mid:e.end:e.end]
}

// ref is an entry of a leaf: the level's place in the view (never 0, which is the
// branch itself), and the entry's in the leaf.
type ref struct{ level, i uint32 }

// ancestry is a fold: the leaves of an ancestry, put together.
type ancestry struct {
	levels []Level // the view without its first level
	seed   maphash.Seed
	leaves []*leaf // by the place in the view; nil: nothing, or not in the fold
	// table finds the first level that has a key, by its hash; linear probing.
	table []ref
	// sorted are the keys of the inline leaves, each of the first level that has it.
	sorted []ref
	// seeks and scans are the places of the levels that a point read and an iterator
	// have to ask themselves.
	seeks, scans []int
}

// folded returns the fold of a view's ancestors; nil when there is none.
func (s *Store) folded(v []Level, sp Space, asOf LSN) (*ancestry, error) {
	if len(v) <= minFold || v[1].LSN > asOf {
		return nil, nil
	}
	k := foldKey{v[1], sp}
	f := &s.folds
	f.mu.RLock()
	slot := f.slots[k]
	f.mu.RUnlock()
	if slot == nil {
		slot = f.slot(k)
	}
	if c := slot.fold.Load(); c != nil {
		if !slices.Equal(c.levels, v[1:]) {
			return nil, nil
		}
		return c, nil
	}
	if slot.asked.Add(1) != f.limits.after {
		return nil, nil
	}
	c, err := s.fold(v, sp)
	if err != nil {
		slot.asked.Store(0)
		return nil, err
	}
	if c == nil {
		return nil, nil // and never again: the slot stays as it is
	}
	slot.fold.Store(c)
	f.charge(8 * (len(c.table) + len(c.sorted) + 4*len(v)))
	return c, nil
}

func (f *foldCache) slot(k foldKey) *foldSlot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slots == nil {
		f.seed = maphash.MakeSeed()
	}
	if f.slots == nil || len(f.slots) >= maxFoldSlots {
		f.reset()
	}
	slot := f.slots[k]
	if slot == nil {
		slot = &foldSlot{}
		f.slots[k] = slot
	}
	return slot
}

// reset forgets everything; folds that are in use stay good. Holds f.mu.
func (f *foldCache) reset() {
	f.slots, f.leaves, f.bytes = map[foldKey]*foldSlot{}, map[foldKey]*leaf{}, 0
}

func (f *foldCache) charge(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bytes += n; f.bytes > maxFoldBytes {
		f.reset()
	}
}

// fold makes the fold of a view's ancestors; nil when they are not fit for one.
func (s *Store) fold(v []Level, sp Space) (*ancestry, error) {
	for i := 2; i < len(v); i++ {
		if v[i].LSN > v[i-1].LSN {
			return nil, nil // not a line of ancestors
		}
	}
	c := &ancestry{levels: slices.Clone(v[1:]), seed: s.folds.seed, leaves: make([]*leaf, len(v))}
	refs := 0
	for i := 1; i < len(v); i++ {
		l := &leaf{tooLarge: true}
		if refs < s.folds.limits.refs {
			var err error
			if l, err = s.leaf(v[i], sp); err != nil {
				return nil, err
			}
		}
		switch {
		case l.tooLarge || refs+len(l.hashes) > s.folds.limits.refs:
			c.seeks, c.scans = append(c.seeks, i), append(c.scans, i)
			continue
		case len(l.hashes) == 0:
			continue
		case !l.inline:
			c.scans = append(c.scans, i)
		}
		refs += len(l.hashes)
		c.leaves[i] = l
	}
	c.index(refs)
	c.sort()
	return c, nil
}

// index fills the table, the first levels first.
func (c *ancestry) index(refs int) {
	size := 1
	for size < 2*refs {
		size *= 2
	}
	c.table = make([]ref, size)
	for level, l := range c.leaves {
		if l == nil {
			continue
		}
		for i, h := range l.hashes {
			at := int(h) & (size - 1)
			for c.table[at].level != 0 && c.hash(c.table[at]) != h {
				at = (at + 1) & (size - 1)
			}
			if c.table[at].level == 0 {
				c.table[at] = ref{uint32(level), uint32(i)}
			}
		}
	}
}

func (c *ancestry) hash(r ref) uint64 { return c.leaves[r.level].hashes[r.i] }

// sort gathers the keys of the inline leaves.
func (c *ancestry) sort() {
	for level, l := range c.leaves {
		if l != nil && l.inline {
			for i := range l.entries {
				c.sorted = append(c.sorted, ref{uint32(level), uint32(i)})
			}
		}
	}
	slices.SortFunc(c.sorted, func(a, b ref) int {
		if n := bytes.Compare(c.key(a), c.key(b)); n != 0 {
			return n
		}
		return int(a.level) - int(b.level)
	})
	c.sorted = slices.CompactFunc(c.sorted, func(a, b ref) bool { return bytes.Equal(c.key(a), c.key(b)) })
	c.sorted = slices.Clip(c.sorted)
}

func (c *ancestry) key(r ref) []byte { return c.leaves[r.level].key(r.i) }

// find returns the first level that has a key: for certain when its leaf is
// inline, else most probably. Level 0: none has.
func (c *ancestry) find(key []byte) (r ref, sure bool) {
	h := maphash.Bytes(c.seed, key)
	for at := int(h) & (len(c.table) - 1); ; at = (at + 1) & (len(c.table) - 1) {
		r = c.table[at]
		if r.level == 0 {
			return ref{}, true
		}
		if c.hash(r) == h {
			l := c.leaves[r.level]
			return r, l.inline && bytes.Equal(l.key(r.i), key)
		}
	}
}

// leaf reads what a level has in a space, or finds it in the cache.
func (s *Store) leaf(l Level, sp Space) (*leaf, error) {
	f, k := &s.folds, foldKey{l, sp}
	f.mu.RLock()
	have := f.leaves[k]
	f.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	lf, err := s.readLeaf(l, sp)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.leaves[k] = lf
	f.mu.Unlock()
	f.charge(lf.bytes())
	return lf, nil
}

func (s *Store) readLeaf(l Level, sp Space) (lf *leaf, err error) {
	c, err := s.openCursor(l, 0, sp, &IterOptions{Space: sp})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	lf = &leaf{inline: true}
	for ok := c.start(); ok; ok = c.next() {
		if len(lf.hashes) >= s.folds.limits.leafKeys {
			return &leaf{tooLarge: true}, nil
		}
		lf.hashes = append(lf.hashes, maphash.Bytes(s.folds.seed, c.key))
		if !lf.inline {
			continue
		}
		if len(lf.data)+len(c.key)+c.size+32*len(lf.entries) > s.folds.limits.leafBytes {
			lf.inline, lf.data, lf.entries = false, nil, nil
			continue
		}
		v, err := c.get()
		if err != nil {
			return nil, err
		}
		e := leafEntry{at: len(lf.data), lsn: c.lsn}
		e.mid = e.at + len(c.key)
		e.end = e.mid + len(v)
		lf.data = append(append(lf.data, c.key...), v...)
		lf.entries = append(lf.entries, e)
	}
	return lf, c.err
}

// getFolded is Get with the fold of the view's ancestors.
func (r *Reader) getFolded(c *ancestry, v []Level, sp Space, key []byte) (value []byte, at LSN, ok bool, err error) {
	value, at, ok, err = r.newest(v[0].Timeline, sp, key, min(v[0].LSN, r.asOf))
	if ok || err != nil {
		return value, at, ok, err
	}
	hit, sure := c.find(key)
	for _, i := range c.seeks {
		if hit.level != 0 && i > int(hit.level) {
			break
		}
		if value, at, ok, err = r.newest(v[i].Timeline, sp, key, v[i].LSN); ok || err != nil {
			return value, at, ok, err
		}
	}
	if hit.level == 0 {
		return nil, 0, false, nil
	}
	if sure {
		l := c.leaves[hit.level]
		return l.value(hit.i), l.entries[hit.i].lsn, true, nil
	}
	for _, l := range v[hit.level:] {
		if value, at, ok, err = r.newest(l.Timeline, sp, key, l.LSN); ok || err != nil {
			return value, at, ok, err
		}
	}
	return nil, 0, false, nil
}

// foldCursor walks the sorted keys of a fold as a cursor does those of a level.
type foldCursor struct {
	c      *ancestry
	lo, hi int // of the bounds
	at     int
}

func (c *ancestry) cursor(o *IterOptions) *cursor {
	f := &foldCursor{c: c, hi: len(c.sorted)}
	if o.Lower != nil {
		f.lo = f.search(o.Lower)
	}
	if o.Upper != nil {
		f.hi = max(f.lo, f.search(o.Upper))
	}
	return &cursor{fold: f, since: o.Since, back: o.Reverse}
}

// search returns the place of the first key at or after key.
func (f *foldCursor) search(key []byte) int {
	n, _ := slices.BinarySearchFunc(f.c.sorted, key, func(r ref, key []byte) int { return bytes.Compare(f.c.key(r), key) })
	return n
}

// moveFold moves to place at, or the next one in the cursor's direction that is
// newer than since.
func (c *cursor) moveFold(at int) bool {
	f := c.fold
	step := 1
	if c.back {
		step = -1
	}
	for ; at >= f.lo && at < f.hi; at += step {
		r := f.c.sorted[at]
		l := f.c.leaves[r.level]
		if e := &l.entries[r.i]; e.lsn > c.since {
			f.at = at
			c.order, c.tl = int(r.level), f.c.levels[r.level-1].Timeline
			c.key, c.lsn, c.size = l.key(r.i), e.lsn, e.end-e.mid
			return true
		}
	}
	c.key = nil
	return false
}

func (c *cursor) startFold() bool {
	if c.back {
		return c.moveFold(c.fold.hi - 1)
	}
	return c.moveFold(c.fold.lo)
}

func (c *cursor) nextFold() bool {
	if c.back {
		return c.moveFold(c.fold.at - 1)
	}
	return c.moveFold(c.fold.at + 1)
}

func (c *cursor) seekFold(key []byte) bool {
	at := c.fold.search(key)
	if c.back {
		return c.moveFold(min(at, c.fold.hi) - 1)
	}
	return c.moveFold(max(at, c.fold.lo))
}

func (f *foldCursor) value() []byte {
	r := f.c.sorted[f.at]
	return f.c.leaves[r.level].value(r.i)
}
