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
func encodeEntry(s *index.Spec, values []bsonx.Value) entry {
	key := make([]byte, 0, 16*len(values)+16)
	var bits []byte
	for i, v := range values {
		if s.Descending(i) {
			key = keyenc.AppendDesc(key, v, s.Collator)
		} else {
			key = keyenc.AppendWith(key, v, s.Collator)
		}
		bits = keyenc.AppendTypeBits(bits, v)
	}
	return entry{key: key, payload: keyenc.TrimBits(bits), values: values}
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
