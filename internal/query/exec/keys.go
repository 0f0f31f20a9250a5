package exec

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/query/index"
)

// appendKey appends one value of a key, which is in the index's form already.
func appendKey(dst []byte, v bsonx.Value, desc bool) []byte {
	if desc {
		return keyenc.AppendDesc(dst, v, nil)
	}
	return keyenc.Append(dst, v)
}

// encodeEntry encodes an index key: the values in the pattern's order and
// direction, and the type bits from which a covered read gets them back.
//
// An empty array is encoded as a missing value, which is below null; a field
// that is not there as null, with the type bits of undefined.
func encodeEntry(s *index.Spec, k index.Key) entry {
	key := make([]byte, 0, 16*len(k.Values)+16)
	var bits []byte
	for i, v := range k.Values {
		typed := v
		if v.Type == bsonx.Undefined {
			v, typed = bsonx.Value{}, bsonx.Value{}
		} else if k.None>>i&1 != 0 {
			typed = index.UndefinedValue
		}
		if s.Descending(i) {
			key = keyenc.AppendDesc(key, v, s.Collator)
		} else {
			key = keyenc.AppendWith(key, v, s.Collator)
		}
		bits = keyenc.AppendTypeBits(bits, typed)
	}
	return entry{key: key, payload: keyenc.TrimBits(bits), values: k.Values}
}

// decode reads the values of the current entry. A field that the document does
// not have is missing.
func (s *indexScan) decode(key []byte) error {
	s.dec.Reset(key, s.it.Value())
	s.vals = s.vals[:0]
	for i := range s.Bounds {
		v, err := s.dec.Next(s.Spec.Descending(i))
		if err != nil {
			return errcode.Wrap(err, errcode.DataCorruptionDetected, "an entry of index '%s' cannot be read; run fsck", s.Spec.Name)
		}
		if v.Type == bsonx.Undefined {
			v = bsonx.Value{}
		}
		s.vals = append(s.vals, v)
	}
	return nil
}
