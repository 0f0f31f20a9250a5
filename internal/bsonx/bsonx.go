// Package bsonx works on raw BSON: documents stay the bytes that came over the
// wire for as long as possible. It holds the one strict validator, MongoDB's
// comparison order, fast field access, and an arena for built values. It wraps
// the official driver's bsoncore, so that no other package depends on that
// package's unstable parts by more than its types.
package bsonx

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Doc is a raw document, Arr a raw array (its keys are "0", "1", …) and Value a
// raw value. A Value with Type 0 is "missing".
type (
	Doc   = bsoncore.Document
	Arr   = bsoncore.Array
	Value = bsoncore.Value
	Type  = bsoncore.Type
)

// BSON types. Missing is the type of a field that is not there.
const (
	Missing             = Type(0)
	Double              = bsoncore.TypeDouble
	String              = bsoncore.TypeString
	Object              = bsoncore.TypeEmbeddedDocument
	Array               = bsoncore.TypeArray
	Binary              = bsoncore.TypeBinary
	Undefined           = bsoncore.TypeUndefined
	ObjectID            = bsoncore.TypeObjectID
	Bool                = bsoncore.TypeBoolean
	Date                = bsoncore.TypeDateTime
	Null                = bsoncore.TypeNull
	Regex               = bsoncore.TypeRegex
	DBPointer           = bsoncore.TypeDBPointer
	JavaScript          = bsoncore.TypeJavaScript
	Symbol              = bsoncore.TypeSymbol
	JavaScriptWithScope = bsoncore.TypeCodeWithScope
	Int32               = bsoncore.TypeInt32
	Timestamp           = bsoncore.TypeTimestamp
	Int64               = bsoncore.TypeInt64
	Decimal128          = bsoncore.TypeDecimal128
	MinKey              = bsoncore.TypeMinKey
	MaxKey              = bsoncore.TypeMaxKey
)

// MongoDB's limits.
const (
	// MaxDocSize is the largest document that a client may store, in bytes.
	MaxDocSize = 16 * 1024 * 1024
	// MaxInternalDocSize leaves room for a command's envelope, in bytes.
	MaxInternalDocSize = MaxDocSize + 16*1024
	// MaxDepth is the deepest nesting that is accepted from a client.
	MaxDepth = 180
)

// NullValue is the BSON null.
var NullValue = Value{Type: Null}

// True and False are the BSON booleans. Their data must not be written to.
var (
	True  = Value{Type: Bool, Data: []byte{1}}
	False = Value{Type: Bool, Data: []byte{0}}
)

// EmptyDoc is the document {}. It must not be written to.
var EmptyDoc = Doc{5, 0, 0, 0, 0}

// BoolValue returns True or False.
func BoolValue(b bool) Value {
	if b {
		return True
	}
	return False
}

// IsMissing reports whether v is no value at all.
func IsMissing(v Value) bool { return v.Type == Missing }

// IsNullish reports whether v is missing, null or undefined, which most
// aggregation operators treat alike.
func IsNullish(v Value) bool {
	return v.Type == Missing || v.Type == Null || v.Type == Undefined
}

// IsNumber reports whether v is an int, long, double or decimal.
func IsNumber(v Value) bool {
	switch v.Type {
	case Int32, Int64, Double, Decimal128:
		return true
	}
	return false
}

// DocValue and ArrValue turn a document or an array into a value without a copy.
func DocValue(d Doc) Value { return Value{Type: Object, Data: d} }

// ArrValue turns an array into a value without a copy.
func ArrValue(a Arr) Value { return Value{Type: Array, Data: a} }

// Truthy reports whether v counts as true in an aggregation expression: all but
// missing, null, undefined, false and a zero of any numeric type. NaN is true.
func Truthy(v Value) bool {
	switch v.Type {
	case Missing, Null, Undefined:
		return false
	case Bool:
		return v.Data[0] != 0
	case Int32:
		return I32(v) != 0
	case Int64:
		return I64(v) != 0
	case Double:
		return F64(v) != 0
	case Decimal128:
		return !DecimalIsZero(v)
	}
	return true
}

// I32, I64 and F64 read a value that is known to be of that type.
func I32(v Value) int32 { return int32(binary.LittleEndian.Uint32(v.Data)) }

// I64 reads an Int64, a Date or a Timestamp's bits.
func I64(v Value) int64 { return int64(binary.LittleEndian.Uint64(v.Data)) }

// F64 reads a Double.
func F64(v Value) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(v.Data)) }

// Str returns the bytes of a String, Symbol or JavaScript without a copy.
func Str(v Value) []byte { return v.Data[4 : len(v.Data)-1] }

// Bin returns the subtype and the bytes of a Binary without a copy.
func Bin(v Value) (subtype byte, data []byte) {
	sub, b := v.Data[4], v.Data[5:]
	if sub == 2 && len(b) >= 4 { // the old binary subtype repeats its length
		b = b[4:]
	}
	return sub, b
}

// DecimalBits returns the two halves of a Decimal128.
func DecimalBits(v Value) (high, low uint64) {
	return binary.LittleEndian.Uint64(v.Data[8:]), binary.LittleEndian.Uint64(v.Data)
}

// DecimalIsZero reports whether a Decimal128 is a zero of either sign.
func DecimalIsZero(v Value) bool {
	h, l := DecimalBits(v)
	if h>>58&0x1f >= 0x1e { // infinity or NaN
		return false
	}
	if h>>61&3 == 3 { // the non-canonical large coefficient counts as zero
		return true
	}
	return h&0x1ffffffffffff == 0 && l == 0
}

// DecimalIsNaN reports whether a Decimal128 is not a number.
func DecimalIsNaN(v Value) bool {
	h, _ := DecimalBits(v)
	return h>>58&0x1f == 0x1f
}

// IntegralOK returns v as an int64 when it is a number with an exact int64 value.
func IntegralOK(v Value) (int64, bool) {
	switch v.Type {
	case Int32:
		return int64(I32(v)), true
	case Int64:
		return I64(v), true
	case Double:
		f := F64(v)
		if f == math.Trunc(f) && f >= -9223372036854775808 && f < 9223372036854775808 {
			return int64(f), true
		}
	case Decimal128:
		return decimalInt64(v)
	}
	return 0, false
}

// Clone copies v's bytes, for a value that outlives what it was read from.
func Clone(v Value) Value {
	if len(v.Data) == 0 {
		return v
	}
	return Value{Type: v.Type, Data: append([]byte(nil), v.Data...)}
}

// TypeName returns a type's name as MongoDB's $type operators and messages have
// it: "double", "string", "object", "array", "binData", … "missing".
func TypeName(t Type) string {
	switch t {
	case Missing:
		return "missing"
	case MinKey:
		return "minKey"
	case MaxKey:
		return "maxKey"
	}
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

var typeNames = [...]string{
	Double: "double", String: "string", Object: "object", Array: "array", Binary: "binData",
	Undefined: "undefined", ObjectID: "objectId", Bool: "bool", Date: "date", Null: "null",
	Regex: "regex", DBPointer: "dbPointer", JavaScript: "javascript", Symbol: "symbol",
	JavaScriptWithScope: "javascriptWithScope", Int32: "int", Timestamp: "timestamp",
	Int64: "long", Decimal128: "decimal",
}
