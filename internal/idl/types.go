// Package idl decodes the arguments of commands and stages declaratively: a
// table of fields, their BSON types and whether they are required turns a raw
// document into slots, with the errors MongoDB's own argument parser gives
// (codes 14, 40413, 40414, 40415, 51024).
package idl

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
)

// TypeSet is a set of BSON types that a field may have.
type TypeSet uint32

// Single types.
const (
	Double TypeSet = 1 << iota
	String
	Object
	Array
	Binary
	ObjectID
	Bool
	Date
	Regex
	JavaScript
	Int32
	Timestamp
	Int64
	Decimal
	Null
	other
)

// Sets that MongoDB's argument tables use.
const (
	// Any accepts every type, null included; null stays a value.
	Any TypeSet = 1<<31 - 1
	// Number is any numeric type ("safeInt", "safeInt64", "safeDouble").
	Number = Double | Int32 | Int64 | Decimal
	// SafeBool is a boolean or any number.
	SafeBool = Bool | Number
	// Integer is an int or a long.
	Integer = Int32 | Int64
)

// of returns the set that holds just t.
func of(t bsonx.Type) TypeSet {
	if int(t) < len(typeBits) && typeBits[t] != 0 {
		return typeBits[t]
	}
	return other
}

var typeBits = [...]TypeSet{
	bsonx.Double: Double, bsonx.String: String, bsonx.Object: Object, bsonx.Array: Array,
	bsonx.Binary: Binary, bsonx.ObjectID: ObjectID, bsonx.Bool: Bool, bsonx.Date: Date,
	bsonx.Regex: Regex, bsonx.JavaScript: JavaScript, bsonx.Int32: Int32,
	bsonx.Timestamp: Timestamp, bsonx.Int64: Int64, bsonx.Decimal128: Decimal, bsonx.Null: Null,
}

// Has reports whether t is in the set.
func (s TypeSet) Has(t bsonx.Type) bool { return s&of(t) != 0 }

// names lists the set's types in the order that MongoDB's messages have.
func (s TypeSet) names() []string {
	order := []struct {
		t TypeSet
		n string
	}{
		{Bool, "bool"}, {String, "string"}, {Object, "object"}, {Array, "array"},
		{Int64, "long"}, {Int32, "int"}, {Decimal, "decimal"}, {Double, "double"},
		{Timestamp, "timestamp"}, {Date, "date"}, {ObjectID, "objectId"}, {Binary, "binData"},
		{Regex, "regex"}, {JavaScript, "javascript"}, {Null, "null"},
	}
	var out []string
	for _, o := range order {
		if s&o.t != 0 {
			out = append(out, o.n)
		}
	}
	return out
}

// expected is the end of a wrong-type message.
func (s TypeSet) expected() string {
	n := s.names()
	if len(n) == 1 {
		return "expected type '" + n[0] + "'"
	}
	return "expected types '[" + strings.Join(n, ", ") + "]'"
}
