package bsonx

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Builder appends a document or an array to a byte slice. Nested documents are
// built in place. The zero value is not ready; use NewDoc or Begin.
//
//	b := bsonx.NewDoc(nil)
//	b.Int32("n", 1)
//	at := b.OpenDoc("cursor"); b.String("ns", ns); b.Close(at)
//	doc := b.Done()
type Builder struct {
	buf  []byte
	root int
}

// NewDoc begins a document that is appended to dst (nil is fine).
func NewDoc(dst []byte) *Builder {
	b := &Builder{}
	b.Begin(dst)
	return b
}

// Begin resets b to begin a document (or array) that is appended to dst.
func (b *Builder) Begin(dst []byte) {
	b.root = len(dst)
	b.buf = append(dst, 0, 0, 0, 0)
}

// Reset drops what was appended since Begin, but what dst held.
func (b *Builder) Reset() { b.buf = append(b.buf[:b.root], 0, 0, 0, 0) }

// Done ends the document and returns it, without what dst held before.
func (b *Builder) Done() Doc {
	b.Close(b.root)
	return Doc(b.buf[b.root:len(b.buf):len(b.buf)])
}

// Bytes returns all that was written so far, dst included.
func (b *Builder) Bytes() []byte { return b.buf }

// Size returns how many bytes the document has so far.
func (b *Builder) Size() int { return len(b.buf) - b.root }

func (b *Builder) head(t Type, key string) {
	b.buf = append(b.buf, byte(t))
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, 0)
}

// Value appends a field. A missing value appends nothing.
func (b *Builder) Value(key string, v Value) {
	if v.Type == Missing {
		return
	}
	b.head(v.Type, key)
	b.buf = append(b.buf, v.Data...)
}

// ValueBytes is Value for a name in bytes.
func (b *Builder) ValueBytes(key []byte, v Value) {
	if v.Type == Missing {
		return
	}
	b.buf = append(b.buf, byte(v.Type))
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, 0)
	b.buf = append(b.buf, v.Data...)
}

// Element appends a field as Iter.Element returned it.
func (b *Builder) Element(e []byte) { b.buf = append(b.buf, e...) }

// OpenDoc begins a nested document; Close(at) ends it.
func (b *Builder) OpenDoc(key string) (at int) { return b.open(Object, key) }

// OpenArray begins a nested array; Close(at) ends it.
func (b *Builder) OpenArray(key string) (at int) { return b.open(Array, key) }

func (b *Builder) open(t Type, key string) int {
	b.head(t, key)
	at := len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0)
	return at
}

// Close ends the nested document or array that began at at.
func (b *Builder) Close(at int) {
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf[at:], uint32(len(b.buf)-at))
}

// Int32 appends an int.
func (b *Builder) Int32(key string, n int32) {
	b.head(Int32, key)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(n))
}

// Int64 appends a long.
func (b *Builder) Int64(key string, n int64) {
	b.head(Int64, key)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(n))
}

// Double appends a double.
func (b *Builder) Double(key string, f float64) {
	b.head(Double, key)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, math.Float64bits(f))
}

// Bool appends a boolean.
func (b *Builder) Bool(key string, v bool) {
	b.head(Bool, key)
	b.buf = append(b.buf, BoolValue(v).Data[0])
}

// String appends a string.
func (b *Builder) String(key, s string) {
	b.head(String, key)
	b.buf = AppendString(b.buf, s)
}

// Date appends a date, in milliseconds since the Unix epoch.
func (b *Builder) Date(key string, ms int64) {
	b.head(Date, key)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(ms))
}

// Timestamp appends a timestamp: seconds and increment.
func (b *Builder) Timestamp(key string, t, i uint32) {
	b.head(Timestamp, key)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, i)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, t)
}

// Null appends a null.
func (b *Builder) Null(key string) { b.head(Null, key) }

// Doc appends a finished document.
func (b *Builder) Doc(key string, d Doc) { b.Value(key, DocValue(d)) }

// Array appends a finished array.
func (b *Builder) Array(key string, a Arr) { b.Value(key, ArrValue(a)) }

// Binary appends a binary.
func (b *Builder) Binary(key string, subtype byte, data []byte) {
	b.head(Binary, key)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(data)))
	b.buf = append(b.buf, subtype)
	b.buf = append(b.buf, data...)
}

// Index returns the array key of element i: "0", "1", …
func Index(i int) string {
	if i < len(smallIndexes) {
		return smallIndexes[i]
	}
	return strconv.Itoa(i)
}

var smallIndexes = func() (s [256]string) {
	for i := range s {
		s[i] = strconv.Itoa(i)
	}
	return s
}()

// AppendString appends the value bytes of a BSON string.
func AppendString(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)+1))
	dst = append(dst, s...)
	return append(dst, 0)
}

// AppendArray appends an array of the values as a whole (length to NUL).
// Missing values become null.
func AppendArray(dst []byte, vals []Value) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for i, v := range vals {
		if v.Type == Missing {
			v = NullValue
		}
		dst = append(dst, byte(v.Type))
		dst = append(dst, Index(i)...)
		dst = append(dst, 0)
		dst = append(dst, v.Data...)
	}
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

// Arena builds values in chunks, so that an expression's results cost one
// allocation for many. Values stay valid after Reset only if they were copied.
// Not safe for concurrent use. The zero value is ready.
type Arena struct{ buf []byte }

const arenaChunk = 4096

// Reserve makes sure that n more bytes fit without a copy of what was built.
func (a *Arena) reserve(n int) int {
	if cap(a.buf)-len(a.buf) < n {
		a.buf = make([]byte, 0, max(arenaChunk, n))
	}
	return len(a.buf)
}

func (a *Arena) from(t Type, at int) Value {
	return Value{Type: t, Data: a.buf[at:len(a.buf):len(a.buf)]}
}

// Reset lets the arena's space be used again: every value made since the last
// Reset becomes invalid.
func (a *Arena) Reset() { a.buf = a.buf[:0] }

// Int32 makes an int.
func (a *Arena) Int32(n int32) Value {
	at := a.reserve(4)
	a.buf = binary.LittleEndian.AppendUint32(a.buf, uint32(n))
	return a.from(Int32, at)
}

// Int64 makes a long.
func (a *Arena) Int64(n int64) Value { return a.word(Int64, uint64(n)) }

// Double makes a double.
func (a *Arena) Double(f float64) Value { return a.word(Double, math.Float64bits(f)) }

// Date makes a date, in milliseconds since the Unix epoch.
func (a *Arena) Date(ms int64) Value { return a.word(Date, uint64(ms)) }

// Timestamp makes a timestamp.
func (a *Arena) Timestamp(t, i uint32) Value { return a.word(Timestamp, uint64(t)<<32|uint64(i)) }

func (a *Arena) word(t Type, w uint64) Value {
	at := a.reserve(8)
	a.buf = binary.LittleEndian.AppendUint64(a.buf, w)
	return a.from(t, at)
}

// Decimal makes a decimal from its two halves.
func (a *Arena) Decimal(high, low uint64) Value {
	at := a.reserve(16)
	a.buf = binary.LittleEndian.AppendUint64(a.buf, low)
	a.buf = binary.LittleEndian.AppendUint64(a.buf, high)
	return a.from(Decimal128, at)
}

// String makes a string.
func (a *Arena) String(s string) Value {
	at := a.reserve(len(s) + 5)
	a.buf = AppendString(a.buf, s)
	return a.from(String, at)
}

// Array makes an array; missing values become null.
func (a *Arena) Array(vals []Value) Value {
	n := 5
	for _, v := range vals {
		n += len(v.Data) + 12
	}
	at := a.reserve(n)
	a.buf = AppendArray(a.buf, vals)
	return a.from(Array, at)
}

// Bytes copies b into the arena as the data of a value of type t.
func (a *Arena) Bytes(t Type, b []byte) Value {
	at := a.reserve(len(b))
	a.buf = append(a.buf, b...)
	return a.from(t, at)
}

// Doc makes a document with build, which appends fields to the builder.
func (a *Arena) Doc(build func(b *Builder)) Value {
	var b Builder
	b.Begin(nil)
	build(&b)
	return DocValue(b.Done())
}

// StringValue makes a string value in memory of its own.
func StringValue(s string) Value {
	return Value{Type: String, Data: AppendString(make([]byte, 0, len(s)+5), s)}
}

// Int32Value makes an int value in memory of its own.
func Int32Value(n int32) Value {
	return Value{Type: Int32, Data: binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

// Int64Value makes a long value in memory of its own.
func Int64Value(n int64) Value {
	return Value{Type: Int64, Data: binary.LittleEndian.AppendUint64(nil, uint64(n))}
}

// DoubleValue makes a double value in memory of its own.
func DoubleValue(f float64) Value {
	return Value{Type: Double, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))}
}

// DateValue makes a date value in memory of its own.
func DateValue(ms int64) Value {
	return Value{Type: Date, Data: binary.LittleEndian.AppendUint64(nil, uint64(ms))}
}

// TimestampValue makes a timestamp value in memory of its own.
func TimestampValue(t, i uint32) Value {
	return Value{Type: Timestamp, Data: binary.LittleEndian.AppendUint64(nil, uint64(t)<<32|uint64(i))}
}
