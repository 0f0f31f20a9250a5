package store

import (
	"encoding/binary"
	"fmt"
)

// Tally counts what was ever written to a collection on one timeline, up to an
// LSN. Tallies are versioned like rows, so the size of a collection at any point
// is a few point reads: the sum over the levels of a view.
type Tally struct {
	Inserts uint64
	Updates uint64
	Deletes uint64
	// Bytes is the net change of the size of all documents.
	Bytes int64
}

// Count returns the net number of documents.
func (t Tally) Count() int64 { return int64(t.Inserts - t.Deletes) }

const tallySize = 32

func (t Tally) plus(o Tally) Tally {
	return Tally{t.Inserts + o.Inserts, t.Updates + o.Updates, t.Deletes + o.Deletes, t.Bytes + o.Bytes}
}

// Minus returns what was written between two tallies of a timeline.
func (t Tally) Minus(o Tally) Tally {
	return Tally{t.Inserts - o.Inserts, t.Updates - o.Updates, t.Deletes - o.Deletes, t.Bytes - o.Bytes}
}

func (t Tally) put(b []byte) {
	binary.LittleEndian.PutUint64(b, t.Inserts)
	binary.LittleEndian.PutUint64(b[8:], t.Updates)
	binary.LittleEndian.PutUint64(b[16:], t.Deletes)
	binary.LittleEndian.PutUint64(b[24:], uint64(t.Bytes))
}

func decodeTally(b []byte) (Tally, error) {
	if len(b) != tallySize {
		return Tally{}, fmt.Errorf("store: a tally has %d bytes", len(b))
	}
	return Tally{
		Inserts: binary.LittleEndian.Uint64(b),
		Updates: binary.LittleEndian.Uint64(b[8:]),
		Deletes: binary.LittleEndian.Uint64(b[16:]),
		Bytes:   int64(binary.LittleEndian.Uint64(b[24:])),
	}, nil
}

type tallyKey struct {
	timeline Timeline
	coll     CollectionID
}

// pendingTally is a batch's change of a tally.
type pendingTally struct {
	key   tallyKey
	delta Tally
	total Tally // filled in by stamp
	at    int   // offset of the value in the batch
}

// tally returns the batch's counter of a collection.
func (b *Batch) tally(tl Timeline, c CollectionID) *pendingTally {
	k := tallyKey{tl, c}
	if len(b.tallies) > 0 && b.tallies[b.last].key == k {
		return &b.tallies[b.last]
	}
	for i := range b.tallies {
		if b.tallies[i].key == k {
			b.last = i
			return &b.tallies[i]
		}
	}
	b.tallies = append(b.tallies, pendingTally{key: k})
	b.last = len(b.tallies) - 1
	return &b.tallies[b.last]
}

// maxTallies bounds the cache of tallies (48 bytes each).
const maxTallies = 100_000

// tallyLocked returns a tally as of the newest assigned commit. Holds s.mu.
func (s *Store) tallyLocked(k tallyKey) (Tally, error) {
	if t, ok := s.tallies[k]; ok {
		return t, nil
	}
	r := s.NewReader()
	defer r.Close()
	v, _, ok, err := r.newest(k.timeline, Space{kind: spaceTally, coll: k.coll}, nil, Head)
	if err != nil || !ok {
		return Tally{}, err
	}
	return decodeTally(v)
}

// keepTallies remembers the totals of a batch that was applied. Holds s.mu.
func (s *Store) keepTallies(b *Batch) {
	for _, d := range b.drops {
		for k := range s.tallies {
			if k.timeline == d.timeline && (d.coll == 0 || k.coll == d.coll) {
				delete(s.tallies, k)
			}
		}
	}
	if len(s.tallies)+len(b.tallies) > maxTallies {
		clear(s.tallies)
	}
	for i := range b.tallies {
		s.tallies[b.tallies[i].key] = b.tallies[i].total
	}
}

// Tally returns what was written to a collection on one level, up to its LSN,
// and the LSN of the last such write (0 when there is none).
func (r *Reader) Tally(l Level, c CollectionID) (Tally, LSN, error) {
	v, at, ok, err := r.newest(l.Timeline, Space{kind: spaceTally, coll: c}, nil, min(l.LSN, r.asOf))
	if err != nil || !ok {
		return Tally{}, 0, err
	}
	t, err := decodeTally(v)
	return t, at, err
}

// Count returns how many documents a collection has in a view, and their size in
// bytes, without reading them.
func (r *Reader) Count(v []Level, c CollectionID) (n, bytes int64, err error) {
	var sum Tally
	for _, l := range v {
		t, _, err := r.Tally(l, c)
		if err != nil {
			return 0, 0, err
		}
		sum = sum.plus(t)
	}
	return sum.Count(), sum.Bytes, nil
}
