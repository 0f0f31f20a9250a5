package index

import (
	"crypto/md5"
	"encoding/binary"

	"github.com/argon-db/argon/internal/bsonx"
)

// HashValue returns the 64-bit hash of a value that hashed indexes and
// $toHashedIndexKey use: the first half of the MD5 of a seed of 0, the value's
// class and its bytes, with numbers brought to int64 first, so that 1, 1.0 and
// NumberLong(1) hash alike. A missing value hashes as null.
func HashValue(v bsonx.Value) bsonx.Value {
	h := md5.New()
	var seed [4]byte
	h.Write(seed[:])
	hashInto(h, v, false, 0)
	return bsonx.Int64Value(int64(binary.LittleEndian.Uint64(h.Sum(nil))))
}

type writer interface{ Write(p []byte) (int, error) }

// hashInto feeds a value to the hash, at most MaxDepth deep.
func hashInto(h writer, v bsonx.Value, nested bool, depth int) {
	if v.Type == bsonx.Missing {
		v = bsonx.NullValue
	}
	var w [8]byte
	binary.LittleEndian.PutUint32(w[:4], uint32(int32(bsonx.Class(v.Type))))
	h.Write(w[:4])
	switch v.Type {
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		binary.LittleEndian.PutUint64(w[:], uint64(numberInt(v)))
		h.Write(w[:])
	case bsonx.Object, bsonx.Array:
		if depth > bsonx.MaxDepth {
			return
		}
		for it := bsonx.NewIter(v.Data); it.Next(); {
			h.Write(it.Key())
			h.Write([]byte{0})
			hashInto(h, it.Value(), true, depth+1)
		}
	default:
		h.Write(v.Data)
	}
}
