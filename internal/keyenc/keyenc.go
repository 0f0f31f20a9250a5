// Package keyenc encodes BSON values as bytes whose order is MongoDB's comparison
// order: bytes.Compare of two encodings is bsonx.Compare of the values, and equal
// values (int 1, long 1, double 1.0, decimal 1.00) have equal bytes. No encoding
// is a prefix of another, so encodings can be concatenated, ascending and
// descending ones mixed. What equality hides (the numeric type, a decimal's
// exponent, symbol or string) can be kept beside a key in type bits, with which a
// key decodes to the very value it was made of. docs/format.md has the format.
package keyenc

import (
	"bytes"
	"encoding/binary"

	"github.com/argon-db/argon/internal/bsonx"
)

// First bytes of encodings. They are stored. All are between 0x10 and 0x7c; a
// descending encoding is the complement of the ascending one.
const (
	tagEnd     = 0x00 // of an object or an array
	tagMinKey  = 0x10
	tagMissing = 0x12
	tagNull    = 0x14
	// Numbers: see number.go.
	tagNaN      = 0x20
	tagNegInf   = 0x21
	tagNegLarge = 0x22
	tagNegMid   = 0x2b // minus the number of bytes, 1 to 8
	tagNegSmall = 0x2b
	tagZero     = 0x2c
	tagSmall    = 0x2d
	tagMid      = 0x2d // plus the number of bytes, 1 to 8
	tagLarge    = 0x36
	tagPosInf   = 0x37

	tagString      = 0x3c
	tagObject      = 0x40
	tagArray       = 0x44
	tagBinary      = 0x48
	tagObjectID    = 0x4c
	tagFalse       = 0x50
	tagTrue        = 0x51
	tagDate        = 0x54
	tagTimestamp   = 0x58
	tagRegex       = 0x5c
	tagDBPointer   = 0x60
	tagJavaScript  = 0x64
	tagScopedJS    = 0x68
	tagMaxKey      = 0x7c
	tagNumberFirst = tagNaN
	tagNumberLast  = tagPosInf
)

// Append appends the ascending encoding of v, strings compared as bytes.
func Append(dst []byte, v bsonx.Value) []byte { return AppendWith(dst, v, nil) }

// AppendDesc appends the descending encoding of v under a collation (nil for
// none): the bytes' order is the reverse of the values'.
func AppendDesc(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	at := len(dst)
	dst = AppendWith(dst, v, coll)
	for i := at; i < len(dst); i++ {
		dst[i] = ^dst[i]
	}
	return dst
}

// AppendWith appends the ascending encoding of v, strings at every depth compared
// by the collation (nil for none). The value must be valid BSON. Time and space
// are linear in its size; nesting costs no stack.
func AppendWith(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	switch v.Type { // the types of most keys
	case bsonx.ObjectID:
		return append(append(dst, tagObjectID), v.Data...)
	case bsonx.Int32:
		return appendInt(dst, int64(bsonx.I32(v)))
	case bsonx.String:
		return appendString(dst, bsonx.Str(v), coll)
	case bsonx.Object, bsonx.Array, bsonx.JavaScriptWithScope:
		return appendNested(dst, v, coll)
	}
	return appendScalar(dst, v, coll)
}

func appendString(dst, s []byte, coll bsonx.Collator) []byte {
	if coll != nil {
		s = coll.Key(s)
	}
	return appendEscaped(append(dst, tagString), s)
}

// appendEscaped appends bytes and a terminator: 00 becomes 01 01 and 01 becomes
// 01 02, so that the terminator 00 is smaller than whatever may follow.
func appendEscaped(dst, s []byte) []byte {
	from := 0
	for i, c := range s {
		if c <= 1 {
			dst = append(dst, s[from:i]...)
			dst = append(dst, 1, c+1)
			from = i + 1
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, 0)
}

// appendSized appends the length and then the bytes, for types that compare by
// length first.
func appendSized(dst, s []byte) []byte {
	if len(s) < 0xff {
		dst = append(dst, byte(len(s)))
	} else {
		dst = binary.BigEndian.AppendUint32(append(dst, 0xff), uint32(len(s)))
	}
	return append(dst, s...)
}

const signBit = 1 << 63

// appendScalar appends what has no values inside.
func appendScalar(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	switch v.Type {
	case bsonx.Int32:
		return appendInt(dst, int64(bsonx.I32(v)))
	case bsonx.Int64:
		return appendInt(dst, bsonx.I64(v))
	case bsonx.Double:
		return appendDouble(dst, bsonx.F64(v))
	case bsonx.Decimal128:
		return appendDecimal(dst, v)
	case bsonx.String, bsonx.Symbol:
		return appendString(dst, bsonx.Str(v), coll)
	case bsonx.ObjectID:
		return append(append(dst, tagObjectID), v.Data...)
	case bsonx.Bool:
		return append(dst, tagFalse+v.Data[0]&1)
	case bsonx.Date:
		return binary.BigEndian.AppendUint64(append(dst, tagDate), uint64(bsonx.I64(v))^signBit)
	case bsonx.Timestamp:
		return binary.BigEndian.AppendUint64(append(dst, tagTimestamp), uint64(bsonx.I64(v)))
	case bsonx.Null, bsonx.Undefined:
		return append(dst, tagNull)
	case bsonx.Binary:
		return appendSized(append(dst, tagBinary), v.Data[4:]) // subtype and bytes
	case bsonx.Regex:
		return append(append(dst, tagRegex), v.Data...) // two NUL-terminated strings
	case bsonx.DBPointer:
		return appendSized(append(dst, tagDBPointer), v.Data[4:])
	case bsonx.JavaScript:
		return appendEscaped(append(dst, tagJavaScript), bsonx.Str(v))
	case bsonx.MinKey:
		return append(dst, tagMinKey)
	case bsonx.Missing:
		return append(dst, tagMissing)
	}
	return append(dst, tagMaxKey)
}

// nest is an object or array that is being encoded.
type nest struct {
	it    bsonx.Iter
	names bool
	coll  bsonx.Collator
}

// appendNested encodes an object (class, name and value of each field), an array
// (its values), or code with a scope (the code, then as an object).
func appendNested(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	var room [16]nest
	var n nest
	dst, n = openNested(dst, v, coll)
	stack := append(room[:0], n)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if !top.it.Next() {
			dst = append(dst, tagEnd)
			stack = stack[:len(stack)-1]
			continue
		}
		v := top.it.Value()
		if top.names {
			dst = append(dst, byte(bsonx.Class(v.Type))+1)
			dst = append(append(dst, top.it.Key()...), 0) // names have no NUL
		}
		switch v.Type {
		case bsonx.Object, bsonx.Array, bsonx.JavaScriptWithScope:
			dst, n = openNested(dst, v, top.coll)
			stack = append(stack, n)
		default:
			dst = appendScalar(dst, v, top.coll)
		}
	}
	return dst
}

func openNested(dst []byte, v bsonx.Value, coll bsonx.Collator) ([]byte, nest) {
	switch v.Type {
	case bsonx.Object:
		return append(dst, tagObject), nest{bsonx.NewIter(v.Data), true, coll}
	case bsonx.Array:
		return append(dst, tagArray), nest{bsonx.NewIter(v.Data), false, coll}
	}
	code, scope, _ := v.CodeWithScopeOK()
	dst = appendEscaped(append(dst, tagScopedJS), []byte(code))
	return dst, nest{bsonx.NewIter(scope), true, nil} // scopes compare without collation
}

// PrefixEnd appends to dst the smallest bytes that are greater than everything
// that begins with p; nothing when there are none (p is all 0xff).
func PrefixEnd(dst, p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			dst = append(dst, p[:i+1]...)
			dst[len(dst)-1]++
			return dst
		}
	}
	return dst
}

// ClassBounds returns the first bytes of the ascending encodings of all values
// that compare within one class of types with values of type t: from lo to hi,
// both included. Type bracketing makes bounds of them. For descending encodings
// they are ^hi to ^lo.
func ClassBounds(t bsonx.Type) (lo, hi byte) {
	switch t {
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		return tagNumberFirst, tagNumberLast
	case bsonx.Bool:
		return tagFalse, tagTrue
	}
	for _, r := range classTags {
		if r.t == t {
			return r.tag, r.tag
		}
	}
	return tagMaxKey, tagMaxKey
}

var classTags = []struct {
	t   bsonx.Type
	tag byte
}{
	{bsonx.MinKey, tagMinKey}, {bsonx.Missing, tagMissing}, {bsonx.Null, tagNull}, {bsonx.Undefined, tagNull},
	{bsonx.String, tagString}, {bsonx.Symbol, tagString}, {bsonx.Object, tagObject}, {bsonx.Array, tagArray},
	{bsonx.Binary, tagBinary}, {bsonx.ObjectID, tagObjectID}, {bsonx.Date, tagDate},
	{bsonx.Timestamp, tagTimestamp}, {bsonx.Regex, tagRegex}, {bsonx.DBPointer, tagDBPointer},
	{bsonx.JavaScript, tagJavaScript}, {bsonx.JavaScriptWithScope, tagScopedJS}, {bsonx.MaxKey, tagMaxKey},
}

// Skip returns how many bytes the encoding at the front of key takes, -1 when it
// is malformed. desc says that it is a descending one.
func Skip(key []byte, desc bool) int {
	var flip byte
	if desc {
		flip = 0xff
	}
	var room [16]bool
	stack := room[:0] // for each open object true, for each array false
	at := 0
	for {
		if at >= len(key) {
			return -1
		}
		if len(stack) > 0 && key[at]^flip == tagEnd {
			at++
			stack = stack[:len(stack)-1]
			if len(stack) == 0 {
				return at
			}
			continue
		}
		if len(stack) > 0 && stack[len(stack)-1] { // class and name
			n := bytes.IndexByte(key[at+1:], flip)
			if n < 0 {
				return -1
			}
			at += n + 2
			if at >= len(key) {
				return -1
			}
		}
		tag := key[at] ^ flip
		n := skipTag(tag, key[at+1:], flip)
		if n < 0 || at+1+n > len(key) {
			return -1
		}
		at += 1 + n
		switch tag {
		case tagObject, tagScopedJS:
			stack = append(stack, true)
		case tagArray:
			stack = append(stack, false)
		}
		if len(stack) == 0 {
			return at
		}
	}
}

// skipTag returns how many bytes of b belong to a value with that tag, not
// counting the fields of an object, array or scope; -1 when malformed.
func skipTag(tag byte, b []byte, flip byte) int {
	switch tag {
	case tagMinKey, tagMissing, tagNull, tagFalse, tagTrue, tagMaxKey, tagObject, tagArray:
		return 0
	case tagObjectID:
		return 12
	case tagDate, tagTimestamp:
		return 8
	case tagString, tagJavaScript, tagScopedJS:
		if i := bytes.IndexByte(b, flip); i >= 0 {
			return i + 1
		}
		return -1
	case tagRegex:
		i := bytes.IndexByte(b, flip)
		if i < 0 {
			return -1
		}
		j := bytes.IndexByte(b[i+1:], flip)
		if j < 0 {
			return -1
		}
		return i + j + 2
	case tagBinary, tagDBPointer:
		_, head, size := readSize(b, flip)
		if head < 0 {
			return -1
		}
		return head + size
	}
	if tag >= tagNumberFirst && tag <= tagNumberLast {
		_, n := readNumber(tag, b, flip)
		return n
	}
	return -1
}

// readSize reads what appendSized wrote before the bytes: head is the size of the
// length itself, -1 when malformed.
func readSize(b []byte, flip byte) (data []byte, head, size int) {
	if len(b) == 0 {
		return nil, -1, 0
	}
	head, size = 1, int(b[0]^flip)
	if size == 0xff {
		if len(b) < 5 {
			return nil, -1, 0
		}
		head, size = 5, 0
		for _, c := range b[1:5] {
			size = size<<8 | int(c^flip)
		}
		if size < 0xff {
			return nil, -1, 0
		}
	}
	if size > len(b)-head {
		return nil, -1, 0
	}
	return b[head : head+size], head, size
}
