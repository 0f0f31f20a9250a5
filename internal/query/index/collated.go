package index

import (
	"encoding/binary"

	"github.com/argon-db/argon/internal/bsonx"
)

// Collated returns v with every string in it replaced by its sort key, which is
// how an index with a collation holds it. A nil collator changes nothing.
func Collated(v bsonx.Value, coll bsonx.Collator) bsonx.Value {
	if coll == nil {
		return v
	}
	switch v.Type {
	case bsonx.String, bsonx.Symbol:
		k := coll.Key(bsonx.Str(v))
		data := binary.LittleEndian.AppendUint32(make([]byte, 0, len(k)+5), uint32(len(k)+1))
		return bsonx.Value{Type: bsonx.String, Data: append(append(data, k...), 0)}
	case bsonx.Object, bsonx.Array: // documents are at most MaxDepth deep
		b := bsonx.NewDoc(make([]byte, 0, len(v.Data)+16))
		for it := bsonx.NewIter(v.Data); it.Next(); {
			b.ValueBytes(it.Key(), Collated(it.Value(), coll))
		}
		return bsonx.Value{Type: v.Type, Data: b.Done()}
	}
	return v
}
