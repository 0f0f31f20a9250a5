package store

import (
	"bytes"
	"slices"
)

// IterOptions says what an iterator covers.
type IterOptions struct {
	// Space is what is iterated.
	Space Space
	// Lower (included) and Upper (not included) bound the keys, in bytes; nil is
	// no bound.
	Lower, Upper []byte
	// Reverse iterates from the last key to the first.
	Reverse bool
	// Since, when not 0, restricts the iterator to keys whose version in the view
	// is newer. It skips whole blocks of older versions, so the cost follows the
	// number of changes.
	Since LSN
	// Tombstones shows keys that were deleted, with an empty value, too.
	Tombstones bool
}

// Iter walks the keys of a view, merging its levels: for each key the version of
// the first level that has one. It sees what was visible when it was made. It is
// not safe for concurrent use.
//
//	it := s.NewIter(view, o)
//	defer it.Close()
//	for it.Next() {
//		it.Key(); it.Value(); it.LSN()
//	}
//	return it.Err()
type Iter struct {
	space Space
	o     IterOptions
	all   []*cursor
	// live are the cursors that stand on a key, in the order in which their keys
	// come (the same key: in the order of the levels). live[0] is the current one
	// while positioned.
	live       []*cursor
	started    bool
	positioned bool
	err        error
}

// NewIter returns an iterator over a view, before its first key. Close it.
func (s *Store) NewIter(v []Level, o IterOptions) *Iter {
	it := &Iter{space: o.Space, o: o}
	if s.closed.Load() {
		it.err = ErrClosed
		return it
	}
	now := s.Visible().LSN // before the engine's iterators: they see at least as much
	it.err = it.open(s, v, now)
	return it
}

// open opens the cursors of a view as of an LSN.
func (it *Iter) open(s *Store, v []Level, now LSN) (err error) {
	var fold *ancestry
	if len(v) > minFold && v[1].LSN > it.o.Since {
		if fold, err = s.folded(v, it.space, now); err != nil {
			return err
		}
	}
	var r *Reader
	if len(v) > 1 && fold == nil {
		r = s.borrow(v)
		defer func() { err = s.giveBack(r, err) }()
	}
	for i, l := range v {
		l.LSN = min(l.LSN, now)
		if l.LSN <= it.o.Since {
			continue
		}
		switch {
		case i == 0:
		case fold != nil:
			if !slices.Contains(fold.scans, i) {
				continue
			}
		case it.space.kind != spaceMeta:
			// Most ancestors never touched the collection: to know that costs less than
			// an iterator.
			if ok, err := r.touched(l, it.space.coll); err != nil {
				return err
			} else if !ok {
				continue
			}
		}
		c, err := s.openCursor(l, i, it.space, &it.o)
		if err != nil {
			return err
		}
		it.all = append(it.all, c)
	}
	if fold != nil && len(fold.sorted) > 0 {
		it.all = append(it.all, fold.cursor(&it.o))
	}
	return nil
}

// Next moves to the next key (the previous one when Reverse) and reports whether
// there is one. What Key and Value returned before becomes invalid.
func (it *Iter) Next() bool {
	if it.err != nil {
		return false
	}
	switch {
	case !it.started:
		it.started = true
		it.position((*cursor).start)
	case it.positioned:
		it.advance()
	}
	return it.show()
}

// Seek lets the next call of Next move to the first key at or after key; when
// Reverse, to the last key before key. It may go in either direction, within the
// bounds.
func (it *Iter) Seek(key []byte) {
	if it.err != nil {
		return
	}
	it.started = true
	it.position(func(c *cursor) bool { return c.seekTo(key) })
}

// position moves all cursors and sorts them.
func (it *Iter) position(move func(*cursor) bool) {
	it.positioned = false
	it.live = it.live[:0]
	for _, c := range it.all {
		if move(c) {
			it.live = append(it.live, c)
		} else if c.err != nil {
			it.err = c.err
			return
		}
	}
	if len(it.live) > 1 {
		slices.SortFunc(it.live, it.compare)
	}
}

func (it *Iter) compare(a, b *cursor) int {
	c := bytes.Compare(a.key, b.key)
	if it.o.Reverse {
		c = -c
	}
	if c == 0 {
		c = a.order - b.order
	}
	return c
}

// advance moves past the current key on all levels.
func (it *Iter) advance() {
	it.positioned = false
	same := 1 // how many cursors stand on the current key
	for same < len(it.live) && bytes.Equal(it.live[same].key, it.live[0].key) {
		same++
	}
	for i := same - 1; i >= 0; i-- {
		c := it.live[i]
		if !c.next() {
			if c.err != nil {
				it.err = c.err
				return
			}
			it.live = slices.Delete(it.live, i, i+1)
			continue
		}
		it.sift(i)
	}
}

// sift moves cursor i behind those whose keys come before its own. Those after i
// are in order.
func (it *Iter) sift(i int) {
	c, rest := it.live[i], it.live[i+1:]
	if len(rest) == 0 || it.compare(c, rest[0]) < 0 {
		return
	}
	n, _ := slices.BinarySearchFunc(rest, c, it.compare)
	copy(it.live[i:], rest[:n])
	it.live[i+n] = c
}

// show passes over deleted keys.
func (it *Iter) show() bool {
	for it.err == nil && len(it.live) > 0 {
		if it.live[0].size > 0 || it.o.Tombstones {
			it.positioned = true
			return true
		}
		it.advance()
	}
	return false
}

// Key returns the current key within the space, valid until the next move.
func (it *Iter) Key() []byte { return it.live[0].key }

// Value returns the current value, valid until the next move; empty for a
// tombstone. An error of reading it is kept for Err, and the value is nil.
func (it *Iter) Value() []byte {
	v, err := it.live[0].get()
	if err != nil {
		it.err = err
		return nil
	}
	return entryValue(it.space, v)
}

// Deleted reports whether the current version is a tombstone.
func (it *Iter) Deleted() bool { return it.live[0].size == 0 }

// LSN returns the commit that wrote the current version.
func (it *Iter) LSN() LSN { return it.live[0].lsn }

// Timeline returns the timeline that the current version belongs to.
func (it *Iter) Timeline() Timeline { return it.live[0].tl }

// Err returns the error that ended the iteration, nil at its ordinary end.
func (it *Iter) Err() error { return it.err }

// Close frees the iterator and returns Err.
func (it *Iter) Close() error {
	for _, c := range it.all {
		if err := c.close(); it.err == nil {
			it.err = err
		}
	}
	it.all, it.live = nil, nil
	return it.err
}

// Version is one version of a key.
type Version struct {
	Timeline Timeline
	LSN      LSN
	Value    []byte // empty for a tombstone
	Deleted  bool
}

// Versions calls f for every version of a key that a view has, newest first: the
// own timeline's, then the parent's up to the fork, and so on, also those that
// newer ones hide. It stops when f returns false. The value is valid during the
// call only.
func (r *Reader) Versions(v []Level, sp Space, key []byte, f func(Version) bool) error {
	for _, l := range v {
		value, at, ok, err := r.newest(l.Timeline, sp, key, min(l.LSN, r.asOf))
		for ; ok && err == nil; ok, err = r.it.Next(), r.it.Error() {
			if _, at = splitKey(r.it.Key()); err == nil {
				value, err = r.it.ValueAndErr()
			}
			if err != nil {
				return err
			}
			if !f(Version{l.Timeline, at, entryValue(sp, value), len(value) == 0}) {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
