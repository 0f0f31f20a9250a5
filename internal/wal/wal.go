// Package wal is the commit log: what a commit is called (its LSN, time and
// timestamp), the format of its record, and waiting for the next one. The store
// keeps the records in the same batch as the rows that they name.
package wal

import (
	"cmp"
	"time"
)

type (
	// LSN is the position of one commit in the log. The first commit is 1; 0
	// means "none".
	LSN uint64
	// Timeline is an immutable line of versions: a branch points to one.
	Timeline uint64
	// CollectionID identifies a collection for as long as it exists, also across
	// renames. 0 is none.
	CollectionID uint64
	// Timestamp is a hybrid timestamp as MongoDB has it: seconds since the Unix
	// epoch in the high 32 bits, an increment in the low ones. Every commit has
	// its own, and they increase with the LSN.
	Timestamp uint64
)

// Head reads the newest version that is visible.
const Head = ^LSN(0)

// T returns the seconds of a timestamp.
func (t Timestamp) T() uint32 { return uint32(t >> 32) }

// I returns the increment of a timestamp.
func (t Timestamp) I() uint32 { return uint32(t) }

// MakeTimestamp joins seconds and increment.
func MakeTimestamp(t, i uint32) Timestamp { return Timestamp(uint64(t)<<32 | uint64(i)) }

// Stamp is what the log assigns to a commit.
type Stamp struct {
	LSN LSN
	// Time is the commit time in milliseconds since the Unix epoch. It never
	// goes backwards from one LSN to the next; it may repeat.
	Time int64
	// Timestamp is unique and increasing; operationTime and $clusterTime are
	// made of it.
	Timestamp Timestamp
}

// Wall returns the commit time.
func (s Stamp) Wall() time.Time { return time.UnixMilli(s.Time).UTC() }

// Compare orders stamps by LSN.
func (s Stamp) Compare(o Stamp) int { return cmp.Compare(s.LSN, o.LSN) }

// After returns the stamp of the commit after s, at a wall-clock time in
// milliseconds: a clock that went backwards, or that stands still, still gives
// an increasing timestamp and a time that does not go backwards.
func (s Stamp) After(ms int64) Stamp {
	n := Stamp{LSN: s.LSN + 1, Time: max(ms, s.Time)}
	n.Timestamp = max(MakeTimestamp(uint32(n.Time/1000), 1), s.Timestamp+1)
	return n
}
