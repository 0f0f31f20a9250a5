package match

import (
	"encoding/binary"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// bitMask is the set of bits that a bitwise operator looks at.
type bitMask struct {
	low  uint64 // bits 0 to 63
	high []int  // positions from 64 on
}

func bitTest(o operand, all, set bool) (Node, error) {
	n := &Bits{Path: o.Path, All: all, Set: set}
	v := o.Value
	switch {
	case v.Type == bsonx.Array:
		return n, n.mask.positions(v.Data)
	case bsonx.IsNumber(v):
		i, err := integer(v)
		if err != nil {
			return nil, err
		}
		if i < 0 {
			return nil, errcode.New(errcode.FailedToParse, "Expected a non-negative number in: %s: %d", o.name, i)
		}
		n.mask.low = uint64(i)
	case v.Type == bsonx.Binary:
		b := v.Data[5:]
		for i := range 8 * len(b) {
			if b[i/8]>>(i%8)&1 == 1 {
				n.mask.add(i)
			}
		}
	default:
		return nil, bad("%s takes an Array, a number, or a BinData but received: %s", o.name, bsonx.TypeName(v.Type))
	}
	return n, nil
}

func (m *bitMask) add(pos int) {
	if pos < 64 {
		m.low |= 1 << pos
	} else {
		m.high = append(m.high, pos)
	}
}

func (m *bitMask) positions(arr []byte) error {
	for it := bsonx.NewIter(arr); it.Next(); {
		v := it.Value()
		pos, ok := bsonx.IntegralOK(v)
		switch {
		case !ok:
			return bad("bit positions must be an integer but got a value of type %s", bsonx.TypeName(v.Type))
		case pos > math.MaxInt32 || pos < math.MinInt32:
			return bad("bit positions cannot be represented as a 32-bit signed integer: %d", pos)
		case pos < 0:
			return bad("bit positions must be >= 0 but got: %d", pos)
		}
		m.add(int(pos))
	}
	return nil
}

// test tests a value. Numbers are two's complement, extended by their sign; a
// number that is no whole 64-bit one does not match. Binaries are little-endian,
// extended by zeros. Other types do not match.
func (m *bitMask) test(v bsonx.Value, all, set bool) bool {
	var low uint64
	var bin []byte
	ext := false
	switch {
	case v.Type == bsonx.Binary:
		bin = v.Data[5:] // with the inner length of subtype 2, as MongoDB reads it
		if len(bin) >= 8 {
			low = binary.LittleEndian.Uint64(bin)
		} else {
			for i, b := range bin {
				low |= uint64(b) << (8 * i)
			}
		}
	case bsonx.IsNumber(v):
		i, ok := bsonx.IntegralOK(v)
		if !ok {
			return false
		}
		low, ext = uint64(i), i < 0
	default:
		return false
	}
	if !set {
		low = ^low
	}
	hits := low & m.low
	if all && hits != m.low {
		return false
	}
	if !all && hits != 0 {
		return true
	}
	for _, pos := range m.high {
		bit := ext
		if bin != nil {
			bit = pos/8 < len(bin) && bin[pos/8]>>(pos%8)&1 == 1
		}
		if hit := bit == set; hit != all {
			return hit
		}
	}
	return all
}
