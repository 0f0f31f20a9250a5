package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Whole numbers are exchanged among each other, so that two different ones never
// become the same: they are identifiers as often as not. A number stays within its
// range of those below, and so within its type, and is the same whatever the type.
var ranges = []struct {
	lo, hi uint64
	half   uint // bits of half a block that holds hi
}{
	{0, 1 << 31, 16},
	{1 << 31, 1 << 53, 27},
	{1 << 53, 1 << 63, 32},
}

// permute exchanges a whole number.
func (r *Rules) permute(n int64) int64 {
	if n < 0 {
		return -r.permute(-(n + 1)) - 1
	}
	x := uint64(n)
	for _, g := range ranges {
		if x >= g.hi {
			continue
		}
		// What falls out of the range is exchanged again, until it is within.
		for x = r.feistel(x, g.half); x < g.lo || x >= g.hi; {
			x = r.feistel(x, g.half)
		}
		break
	}
	return int64(x)
}

// feistel is a network of four rounds over blocks of twice half bits.
func (r *Rules) feistel(x uint64, half uint) uint64 {
	low := uint64(1)<<half - 1
	a, b := x>>half, x&low
	for round := range byte(4) {
		h := hmac.New(sha256.New, r.key)
		_, _ = h.Write(binary.BigEndian.AppendUint64([]byte{'f', byte(half), round}, b))
		a, b = b, a^binary.BigEndian.Uint64(h.Sum(nil))&low
	}
	return a<<half | b
}
