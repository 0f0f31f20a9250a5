package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Reader does point reads as of the moment it was made: later commits are not
// seen whatever the view says. It is not safe for concurrent use. Many gets
// through one Reader cost less than as many through the Store; an old Reader
// keeps old files from being deleted, so do not hold one for minutes.
type Reader struct {
	s    *Store
	asOf LSN
	it   *pebble.Iterator
	key  []byte
}

// NewReader returns a reader; Close it.
func (s *Store) NewReader() *Reader { return &Reader{s: s, asOf: s.Visible().LSN} }

// AsOf returns the newest LSN that the reader sees.
func (r *Reader) AsOf() LSN { return r.asOf }

// Refresh lets the reader see everything that is visible now.
func (r *Reader) Refresh() error {
	r.asOf = r.s.Visible().LSN
	return r.Close()
}

// Close frees the reader, which may be used again.
func (r *Reader) Close() error {
	it := r.it
	r.it = nil
	if it == nil {
		return nil
	}
	return it.Close()
}

// open makes the engine's iterator. It is made after asOf was read, so it sees
// at least that.
func (r *Reader) open() error {
	if r.it != nil {
		return nil
	}
	if r.s.closed.Load() {
		return ErrClosed
	}
	it, err := r.s.db.NewIter(&pebble.IterOptions{KeyTypes: pebble.IterKeyTypePointsOnly, UseL6Filters: true})
	if err != nil {
		return err
	}
	r.it = it
	return nil
}

// newest returns the newest version of a key of one timeline up to an LSN.
func (r *Reader) newest(tl Timeline, sp Space, key []byte, lsn LSN) (value []byte, at LSN, ok bool, err error) {
	if lsn == 0 {
		return nil, 0, false, nil
	}
	if err := r.open(); err != nil {
		return nil, 0, false, err
	}
	r.key = appendPrefix(r.key[:0], tl, sp, key)
	n := len(r.key)
	r.key = appendSuffix(r.key, lsn)
	if !r.it.SeekPrefixGE(r.key) {
		return nil, 0, false, r.it.Error()
	}
	prefix, at := splitKey(r.it.Key())
	if !bytes.Equal(prefix, r.key[:n]) || at == 0 || at > lsn {
		return nil, 0, false, fmt.Errorf("store: %w in the %s", errBadKey, sp)
	}
	value, err = r.it.ValueAndErr()
	return value, at, err == nil, err
}

// Get returns the value of a key in a view and the LSN that wrote it. A key that
// was deleted is not ok, and at is the LSN of the deletion; a key that never was
// has at 0. The value is valid until the next call.
func (r *Reader) Get(v []Level, sp Space, key []byte) (value []byte, at LSN, ok bool, err error) {
	if len(v) > minFold {
		c, err := r.s.folded(v, sp, r.asOf)
		if err != nil {
			return nil, 0, false, err
		}
		if c != nil {
			if value, at, ok, err = r.getFolded(c, v, sp, key); !ok || err != nil {
				return nil, 0, false, err
			}
			return entryValue(sp, value), at, len(value) > 0, nil
		}
	}
	for i, l := range v {
		if i > 0 && len(v) > 2 && sp.kind != spaceMeta {
			if ok, err := r.touched(l, sp.coll); err != nil {
				return nil, 0, false, err
			} else if !ok {
				continue
			}
		}
		value, at, ok, err = r.newest(l.Timeline, sp, key, min(l.LSN, r.asOf))
		if err != nil {
			return nil, 0, false, err
		}
		if ok {
			return entryValue(sp, value), at, len(value) > 0, nil
		}
	}
	return nil, 0, false, nil
}

// entryValue cuts off the byte that tells an empty index entry from a tombstone.
func entryValue(sp Space, value []byte) []byte {
	if sp.kind == spaceIndex && len(value) > 0 {
		return value[1:]
	}
	return value
}

// Get is Reader.Get as of now; the value is the caller's own.
func (s *Store) Get(v []Level, sp Space, key []byte) (value []byte, at LSN, ok bool, err error) {
	if s.closed.Load() {
		return nil, 0, false, ErrClosed
	}
	r := s.borrow(v)
	value, at, ok, err = r.Get(v, sp, key)
	if ok {
		value = append([]byte(nil), value...)
	}
	return value, at, ok, s.giveBack(r, err)
}

// LatestLSN returns the LSN of the newest version of a key on a timeline itself,
// a tombstone included, 0 when there is none. Unlike reads it also sees commits
// that are assigned but not yet visible: it is for the conflict check in Commit.
func (s *Store) LatestLSN(tl Timeline, sp Space, key []byte) (LSN, error) {
	r := s.NewReader()
	_, at, _, err := r.newest(tl, sp, key, Head)
	return at, errors.Join(err, r.Close())
}

// getPlain reads a key of a space without versions. The value is the caller's.
func (s *Store) getPlain(space byte, key []byte) (value []byte, ok bool, err error) {
	v, closer, err := s.db.Get(plainKey(nil, space, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value = append([]byte(nil), v...)
	return value, true, closer.Close()
}

// GetControl reads a control record. Records are readable a moment before the
// commit that wrote them is durable.
func (s *Store) GetControl(key []byte) (value []byte, ok bool, err error) {
	if s.closed.Load() {
		return nil, false, ErrClosed
	}
	return s.getPlain(spaceControl, key)
}

// ScanControl calls f for every control record whose key begins with prefix, in
// the order of the keys, until f returns an error, which it returns. Key and
// value are valid during the call only.
func (s *Store) ScanControl(prefix []byte, f func(key, value []byte) error) error {
	return s.scanPlain(spaceControl, prefix, f)
}

func (s *Store) scanPlain(space byte, prefix []byte, f func(key, value []byte) error) (err error) {
	if s.closed.Load() {
		return ErrClosed
	}
	p := append([]byte{space}, prefix...)
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: append(p, sentinel),
		UpperBound: append(prefixEnd(nil, p), sentinel),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		k := it.Key()
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f(k[1:len(k)-1], v); err != nil {
			return err
		}
	}
	return nil
}
