package keyenc

import (
	"encoding/binary"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
)

// Type bits: for every number, string and null in the order of the key one byte,
// 0 for what decoding assumes, and for a decimal two more. Zeros at the end are
// cut off, so most keys have none.
//
// Decoding assumes: a whole number that fits is an int, else a long; another
// number is a double when it is exactly one, else a decimal; text is a string.
const (
	bitInt          = 1
	bitLong         = 2
	bitDouble       = 3
	bitNegativeZero = 4 // a double
	bitDecimal      = 5 // with sign and biased exponent in 2 bytes, big endian

	bitSymbol    = 1
	bitUndefined = 1

	decimalBias = 6176
)

// AppendTypeBits appends what Decode needs beside the encoding of v to return v
// itself. For a compound key append those of all values; then Trim.
func AppendTypeBits(dst []byte, v bsonx.Value) []byte {
	var room [16]bsonx.Iter
	stack := room[:0]
	dst, stack = appendBits(dst, stack, v)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if !top.Next() {
			stack = stack[:len(stack)-1]
			continue
		}
		dst, stack = appendBits(dst, stack, top.Value())
	}
	return dst
}

// TrimBits cuts off the zeros at the end of type bits.
func TrimBits(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func appendBits(dst []byte, stack []bsonx.Iter, v bsonx.Value) ([]byte, []bsonx.Iter) {
	switch v.Type {
	case bsonx.Object, bsonx.Array:
		return dst, append(stack, bsonx.NewIter(v.Data))
	case bsonx.JavaScriptWithScope:
		_, scope, _ := v.CodeWithScopeOK()
		return dst, append(stack, bsonx.NewIter(scope))
	case bsonx.String, bsonx.Null:
		return append(dst, 0), stack
	case bsonx.Symbol:
		return append(dst, bitSymbol), stack
	case bsonx.Undefined:
		return append(dst, bitUndefined), stack
	case bsonx.Int32:
		return append(dst, 0), stack
	case bsonx.Int64:
		if n := bsonx.I64(v); n != int64(int32(n)) {
			return append(dst, 0), stack
		}
		return append(dst, bitLong), stack
	case bsonx.Double:
		return append(dst, doubleBits(bsonx.F64(v))), stack
	case bsonx.Decimal128:
		high, _ := bsonx.DecimalBits(v)
		return binary.BigEndian.AppendUint16(append(dst, bitDecimal), decimalHead(high)), stack
	}
	return dst, stack
}

func doubleBits(f float64) byte {
	switch {
	case f == 0 && math.Signbit(f):
		return bitNegativeZero
	case f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63:
		return bitDouble
	}
	return 0
}

// decimalHead returns sign and biased exponent of a decimal.
func decimalHead(high uint64) uint16 {
	sign := uint16(high>>63) << 15
	if high>>61&3 == 3 {
		return sign | uint16(high>>47&0x3fff)
	}
	return sign | uint16(high>>49&0x3fff)
}
