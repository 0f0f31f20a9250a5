package bsonx

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
)

// Iter steps over the fields of a document or array that Validate has accepted.
// On malformed input it stops early; it never reads outside of the document.
//
//	for it := bsonx.NewIter(doc); it.Next(); {
//		it.Key(); it.Value()
//	}
type Iter struct {
	buf   []byte
	pos   int
	keyAt int
	keyTo int
	val   Value
}

// NewIter returns an iterator before the first field of a document or array.
func NewIter(doc []byte) Iter {
	if len(doc) < 5 {
		return Iter{}
	}
	return Iter{buf: doc, pos: 4}
}

// Next moves to the next field and reports whether there is one.
func (it *Iter) Next() bool {
	if it.pos >= len(it.buf)-1 {
		return false
	}
	t := Type(it.buf[it.pos])
	it.keyAt = it.pos + 1
	n := bytes.IndexByte(it.buf[it.keyAt:], 0)
	if n < 0 {
		it.pos = len(it.buf)
		return false
	}
	it.keyTo = it.keyAt + n
	at := it.keyTo + 1
	size := int(fixedSizes[t])
	if size < 0 {
		size = valueSize(t, it.buf[at:])
	}
	if size < 0 || at+size > len(it.buf)-1 {
		it.pos = len(it.buf)
		return false
	}
	it.val = Value{Type: t, Data: it.buf[at : at+size : at+size]}
	it.pos = at + size
	return true
}

// Key returns the current field's name; it aliases the document.
func (it *Iter) Key() []byte { return it.buf[it.keyAt:it.keyTo] }

// Value returns the current field's value; it aliases the document.
func (it *Iter) Value() Value { return it.val }

// Element returns the current field as it stands in the document: type byte,
// name, NUL, value.
func (it *Iter) Element() []byte { return it.buf[it.keyAt-1 : it.pos] }

// valueSize returns the size in bytes of a value of type t at the front of b,
// or -1 when it does not fit.
func valueSize(t Type, b []byte) int {
	n := -1
	switch t {
	case Double, Date, Timestamp, Int64:
		n = 8
	case Int32:
		n = 4
	case Bool:
		n = 1
	case Null, Undefined, MinKey, MaxKey:
		n = 0
	case ObjectID:
		n = 12
	case Decimal128:
		n = 16
	case String, JavaScript, Symbol:
		n = prefixed(b, 4)
	case Object, Array, JavaScriptWithScope:
		n = prefixed(b, 0)
	case Binary:
		n = prefixed(b, 5)
	case DBPointer:
		if n = prefixed(b, 4); n >= 0 {
			n += 12
		}
	case Regex:
		if i := bytes.IndexByte(b, 0); i >= 0 {
			if j := bytes.IndexByte(b[i+1:], 0); j >= 0 {
				n = i + j + 2
			}
		}
	}
	if n > len(b) {
		return -1
	}
	return n
}

func prefixed(b []byte, extra int) int {
	if len(b) < 4 {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 || n > len(b) {
		return -1
	}
	return n + extra
}

// Lookup returns the first field of doc with that name; missing if none.
// It takes O(size of the fields before it) and does not allocate.
func Lookup(doc []byte, key string) Value {
	end := len(doc) - 1
	for pos := 4; pos < end; {
		t := Type(doc[pos])
		from := pos + 1
		to := from + len(key)
		found := to < end && doc[to] == 0 && string(doc[from:to]) == key && strings.IndexByte(key, 0) < 0
		if !found {
			n := nameLen(doc[from:end])
			if n < 0 {
				break
			}
			to = from + n
		}
		at := to + 1
		size := int(fixedSizes[t])
		if size < 0 {
			if t == String {
				size = prefixed(doc[at:], 4)
			} else {
				size = valueSize(t, doc[at:])
			}
		}
		pos = at + size
		if size < 0 || pos > end {
			break
		}
		if found {
			return Value{Type: t, Data: doc[at:pos:pos]}
		}
	}
	return Value{}
}

// nameLen is the length of the name that a zero byte ends, -1 when none does. Most
// names are shorter than a word, in which the lowest zero byte is found at once
// (H. S. Warren, "Hacker's Delight", 6-1).
func nameLen(b []byte) int {
	if len(b) >= 8 {
		const ones, highs = 0x0101010101010101, 0x8080808080808080
		w := binary.LittleEndian.Uint64(b)
		if z := (w - ones) &^ w & highs; z != 0 {
			return bits.TrailingZeros64(z) >> 3
		}
	}
	return bytes.IndexByte(b, 0)
}

// fixedSizes are the sizes of the types that have one; -1 for all others.
var fixedSizes = func() (s [256]int8) {
	for i := range s {
		s[i] = -1
	}
	for t, n := range map[Type]int8{
		Double: 8, Date: 8, Timestamp: 8, Int64: 8, Int32: 4, Bool: 1, Null: 0, Undefined: 0,
		MinKey: 0, MaxKey: 0, ObjectID: 12, Decimal128: 16,
	} {
		s[t] = n
	}
	return s
}()

// LookupIndex returns element i of an array; missing if there is none.
func LookupIndex(arr []byte, i int) Value {
	for it := NewIter(arr); it.Next(); i-- {
		if i == 0 {
			return it.val
		}
	}
	return Value{}
}

// Len counts the fields of a document or the elements of an array.
func Len(doc []byte) int {
	n := 0
	for it := NewIter(doc); it.Next(); {
		n++
	}
	return n
}

// IsEmpty reports whether a document or array has no fields.
func IsEmpty(doc []byte) bool { return len(doc) <= 5 }

// Values appends the elements of an array (or a document's values) to dst.
func Values(dst []Value, arr []byte) []Value {
	for it := NewIter(arr); it.Next(); {
		dst = append(dst, it.val)
	}
	return dst
}

// ArrayIndex parses a path component as an array index: digits only, no leading
// zero but "0" itself.
func ArrayIndex(s string) (int, bool) {
	if s == "" || len(s) > 9 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
