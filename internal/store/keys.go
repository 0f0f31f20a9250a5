package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/argon-db/argon/internal/wal"
)

// Names of the log's types, so that users of the store need only one import.
type (
	// LSN is the position of a commit; 0 means "no version".
	LSN = wal.LSN
	// Timeline is an immutable line of versions.
	Timeline = wal.Timeline
	// CollectionID identifies a collection of any timeline.
	CollectionID = wal.CollectionID
	// IndexID identifies an index within its collection.
	IndexID uint32
	// Stamp is an LSN with its commit time and timestamp.
	Stamp = wal.Stamp
)

// Head reads the newest visible version.
const Head = wal.Head

// Level is one step of a view: the versions of Timeline up to and including LSN.
// A view is a list of levels, the own timeline first, then the parent up to the
// fork LSN, and so on; the first level that has a version of a key decides.
type Level struct {
	Timeline Timeline
	LSN      LSN
}

// The key spaces. These bytes are stored.
const (
	spaceControl = 'C' // C | key                                    → anything
	spaceIndex   = 'I' // I | timeline | collection | index | key    → entry
	spaceLog     = 'L' // L | lsn (8 bytes)                          → wal.Record
	spaceMeta    = 'M' // M | timeline | key                         → catalog entry
	spaceRow     = 'R' // R | timeline | collection | key            → BSON
	spaceSystem  = 'S' // S | key                                    → the store's own records
	spaceTally   = 'T' // T | timeline | collection                  → Tally
)

// Space is a part of every timeline's keys: the rows of a collection, the entries
// of an index, or the catalog. Within it keys are ordered as bytes.
type Space struct {
	kind  byte
	coll  CollectionID
	index IndexID
}

// Rows is the space of a collection's documents: key = keyenc(_id), value = BSON.
func Rows(c CollectionID) Space { return Space{kind: spaceRow, coll: c} }

// Entries is the space of an index: key = keyenc(values) and keyenc(_id), value =
// whatever the index needs to decode its key (keyenc's type bits); it may be empty.
func Entries(c CollectionID, i IndexID) Space {
	return Space{kind: spaceIndex, coll: c, index: i}
}

// Meta is the space of the catalog: key and value are the catalog's own.
func Meta() Space { return Space{kind: spaceMeta} }

// String names the space for error messages.
func (s Space) String() string {
	switch s.kind {
	case spaceRow:
		return fmt.Sprintf("rows of collection %d", s.coll)
	case spaceIndex:
		return fmt.Sprintf("entries of index %d of collection %d", s.index, s.coll)
	case spaceMeta:
		return "catalog"
	case spaceTally:
		return fmt.Sprintf("tally of collection %d", s.coll)
	}
	return fmt.Sprintf("space %q", s.kind)
}

// appendUint appends n so that the order of the bytes is the order of the
// numbers: values below 0xf0 as one byte, others as 0xf0 + (length - 1) and big
// endian bytes.
func appendUint(dst []byte, n uint64) []byte {
	if n < 0xf0 {
		return append(dst, byte(n))
	}
	size := (bits.Len64(n) + 7) / 8
	dst = append(dst, byte(0xf0+size-1))
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

var errBadKey = errors.New("store: malformed key")

// readUint reads what appendUint wrote and returns the rest.
func readUint(b []byte) (n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errBadKey
	}
	c := b[0]
	if c < 0xf0 {
		return uint64(c), b[1:], nil
	}
	size := int(c) - 0xf0 + 1
	if size > 8 || len(b) < 1+size {
		return 0, nil, errBadKey
	}
	for _, x := range b[1 : 1+size] {
		n = n<<8 | uint64(x)
	}
	if n < 0xf0 || (bits.Len64(n)+7)/8 != size {
		return 0, nil, errBadKey
	}
	return n, b[1+size:], nil
}

// Suffixes: Pebble's comparer cuts a key in a prefix, which ends with a zero
// byte (the sentinel), and a suffix: nothing, or 8 bytes of LSN and the suffix's
// length. Suffixes sort newest first. Every bound ends with the sentinel too.
const (
	sentinel  = 0
	suffixLen = 9
)

func appendSuffix(dst []byte, lsn LSN) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(lsn))
	return append(dst, suffixLen)
}

// appendSpace appends the part of a key that a space of a timeline shares.
func appendSpace(dst []byte, tl Timeline, s Space) []byte {
	dst = append(dst, s.kind)
	dst = appendUint(dst, uint64(tl))
	if s.kind == spaceMeta {
		return dst
	}
	dst = appendUint(dst, uint64(s.coll))
	if s.kind == spaceIndex {
		dst = appendUint(dst, uint64(s.index))
	}
	return dst
}

// appendPrefix appends a whole prefix, the sentinel included.
func appendPrefix(dst []byte, tl Timeline, s Space, key []byte) []byte {
	dst = appendSpace(dst, tl, s)
	dst = append(dst, key...)
	return append(dst, sentinel)
}

// splitKey cuts a stored key in its prefix (with the sentinel) and its LSN; LSN 0
// for a key without a version.
func splitKey(k []byte) (prefix []byte, lsn LSN) {
	n := len(k)
	if n == 0 {
		return nil, 0
	}
	if k[n-1] == suffixLen && n > suffixLen {
		return k[:n-suffixLen], LSN(binary.BigEndian.Uint64(k[n-suffixLen : n-1]))
	}
	return k, 0
}

// prefixEnd appends the smallest bytes that are greater than everything that
// begins with p (nothing when p is all 0xff).
func prefixEnd(dst, p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			dst = append(dst, p[:i+1]...)
			dst[len(dst)-1]++
			return dst
		}
	}
	return dst
}

// logKey appends the key of a log record.
func logKey(dst []byte, lsn LSN) []byte {
	dst = append(dst, spaceLog)
	dst = binary.BigEndian.AppendUint64(dst, uint64(lsn))
	return append(dst, sentinel)
}

// plainKey appends a key of a space without timelines and versions.
func plainKey(dst []byte, space byte, key []byte) []byte {
	dst = append(dst, space)
	dst = append(dst, key...)
	return append(dst, sentinel)
}

// parsedKey is a stored key taken apart, for fsck and garbage collection.
type parsedKey struct {
	space    Space
	timeline Timeline
	key      []byte // aliases the stored key
	lsn      LSN
}

// parseKey takes a stored key of any space apart.
func parseKey(k []byte) (p parsedKey, err error) {
	prefix, lsn := splitKey(k)
	if len(prefix) < 2 || prefix[len(prefix)-1] != sentinel {
		return p, errBadKey
	}
	p.lsn = lsn
	p.space.kind = prefix[0]
	rest := prefix[1 : len(prefix)-1]
	switch p.space.kind {
	case spaceControl, spaceSystem:
		p.key = rest
		if lsn != 0 {
			return p, errBadKey
		}
		return p, nil
	case spaceLog:
		if lsn != 0 || len(rest) != 8 {
			return p, errBadKey
		}
		p.lsn = LSN(binary.BigEndian.Uint64(rest))
		return p, nil
	case spaceRow, spaceIndex, spaceMeta, spaceTally:
	default:
		return p, errBadKey
	}
	if lsn == 0 {
		return p, errBadKey
	}
	var n uint64
	if n, rest, err = readUint(rest); err != nil {
		return p, err
	}
	p.timeline = Timeline(n)
	if p.space.kind != spaceMeta {
		if n, rest, err = readUint(rest); err != nil {
			return p, err
		}
		p.space.coll = CollectionID(n)
	}
	if p.space.kind == spaceIndex {
		if n, rest, err = readUint(rest); err != nil || n > 1<<32-1 {
			return p, errBadKey
		}
		p.space.index = IndexID(n)
	}
	p.key = rest
	if p.space.kind == spaceTally && len(rest) != 0 {
		return p, errBadKey
	}
	return p, nil
}
