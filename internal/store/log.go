package store

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/argon-db/argon/internal/wal"
)

// LogIter steps over log records from an LSN upwards or downwards. It is not
// safe for concurrent use.
type LogIter struct {
	s       *Store
	it      *pebble.Iterator
	rec     wal.Record
	reverse bool
	started bool
	err     error
}

// Log returns an iterator over the records from LSN from to LSN to, both
// included, as far as they are visible now; downwards when reverse. Close it.
func (s *Store) Log(from, to LSN, reverse bool) *LogIter {
	l := &LogIter{s: s, reverse: reverse}
	if s.closed.Load() {
		l.err = ErrClosed
		return l
	}
	to = min(to, s.Visible().LSN)
	if from > to {
		return l
	}
	l.it, l.err = s.db.NewIter(&pebble.IterOptions{
		KeyTypes:   pebble.IterKeyTypePointsOnly,
		LowerBound: logKey(nil, from),
		UpperBound: logKey(nil, to+1),
	})
	return l
}

// Next moves to the next record and reports whether there is one.
func (l *LogIter) Next() bool {
	if l.it == nil || l.err != nil {
		return false
	}
	var ok bool
	switch {
	case !l.started && l.reverse:
		ok = l.it.Last()
	case !l.started:
		ok = l.it.First()
	case l.reverse:
		ok = l.it.Prev()
	default:
		ok = l.it.Next()
	}
	l.started = true
	if !ok {
		l.err = l.it.Error()
		return false
	}
	p, err := parseKey(l.it.Key())
	if err != nil {
		l.err = err
		return false
	}
	v, err := l.it.ValueAndErr()
	if err == nil {
		err = l.rec.Decode(p.lsn, v)
	}
	if err != nil {
		l.err = fmt.Errorf("store: log record %d: %w", p.lsn, err)
		return false
	}
	return true
}

// Record returns the current record; it is valid until the next move.
func (l *LogIter) Record() *wal.Record { return &l.rec }

// Err returns the error that ended the iteration.
func (l *LogIter) Err() error { return l.err }

// Close frees the iterator.
func (l *LogIter) Close() error {
	if l.it == nil {
		return nil
	}
	err := l.it.Close()
	l.it = nil
	return err
}

// lastLogged returns the stamp of the newest record in the log.
func (s *Store) lastLogged() (Stamp, error) { return s.edgeOfLog((*pebble.Iterator).Last) }

// FirstLogged returns the stamp of the oldest commit that is still in the log;
// the zero stamp when there is none.
func (s *Store) FirstLogged() (Stamp, error) { return s.edgeOfLog((*pebble.Iterator).First) }

func (s *Store) edgeOfLog(move func(*pebble.Iterator) bool) (st Stamp, err error) {
	if s.closed.Load() {
		return Stamp{}, ErrClosed
	}
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{spaceLog, sentinel},
		UpperBound: []byte{spaceLog + 1, sentinel},
	})
	if err != nil {
		return Stamp{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !move(it) {
		return Stamp{}, it.Error()
	}
	p, err := parseKey(it.Key())
	if err != nil {
		return Stamp{}, err
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return Stamp{}, err
	}
	return wal.DecodeStamp(p.lsn, v)
}

// StampOf returns the stamp of a commit; not ok when the log has no such record.
func (s *Store) StampOf(lsn LSN) (st Stamp, ok bool, err error) {
	if s.closed.Load() {
		return Stamp{}, false, ErrClosed
	}
	v, closer, err := s.db.Get(logKey(nil, lsn))
	if errors.Is(err, pebble.ErrNotFound) {
		return Stamp{}, false, nil
	}
	if err != nil {
		return Stamp{}, false, err
	}
	st, err = wal.DecodeStamp(lsn, v)
	return st, err == nil, errors.Join(err, closer.Close())
}

// RecordOf reads one log record; not ok when it is not there or not visible.
func (s *Store) RecordOf(lsn LSN) (rec *wal.Record, ok bool, err error) {
	it := s.Log(lsn, lsn, false)
	if it.Next() {
		r := it.rec
		v := append([]byte(nil), it.it.Value()...)
		rec, ok = &r, true
		err = rec.Decode(lsn, v)
	}
	return rec, ok, errors.Join(err, it.Err(), it.Close())
}

// AtTime returns the newest visible commit whose time is not after t; the zero
// stamp when t is before all that the log has. O(log n) point reads.
func (s *Store) AtTime(t time.Time) (Stamp, error) {
	ms := t.UnixMilli()
	return s.searchLog(func(st Stamp) bool { return st.Time <= ms })
}

// AtTimestamp returns the newest visible commit whose timestamp is not after ts;
// the zero stamp when ts is before all that the log has.
func (s *Store) AtTimestamp(ts wal.Timestamp) (Stamp, error) {
	return s.searchLog(func(st Stamp) bool { return st.Timestamp <= ts })
}

// searchLog returns the last commit for which ok holds; it must hold for a
// prefix of the log.
func (s *Store) searchLog(ok func(Stamp) bool) (Stamp, error) {
	last := s.Visible()
	if last.LSN == 0 || ok(last) {
		return last, nil
	}
	for {
		first, err := s.FirstLogged()
		if err != nil || first.LSN == 0 {
			return Stamp{}, err
		}
		found, gone, err := s.searchFrom(first.LSN, last.LSN, ok)
		if err != nil || gone == 0 {
			return found, err
		}
		// The log may have been trimmed meanwhile.
		if now, err := s.FirstLogged(); err != nil || now.LSN <= gone {
			return Stamp{}, errors.Join(err, fmt.Errorf("store: log record %d is not there", gone))
		}
	}
}

// searchFrom is searchLog between two LSNs. gone is a record that was not there.
func (s *Store) searchFrom(first, last LSN, ok func(Stamp) bool) (found Stamp, gone LSN, err error) {
	sort.Search(int(last-first), func(i int) bool {
		st, there, e := s.StampOf(first + LSN(i))
		switch {
		case e != nil:
			err = e
		case !there:
			gone = first + LSN(i)
		case ok(st):
			if st.LSN > found.LSN {
				found = st
			}
			return false
		}
		return true
	})
	return found, gone, err
}
