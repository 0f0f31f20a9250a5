package stage

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/keyenc"
)

func joinPath(path []string) string { return strings.Join(path, ".") }

// appendSortValue appends v so that the bytes of keys compare as values do;
// missing counts as null.
func appendSortValue(dst []byte, v bsonx.Value, desc bool, coll bsonx.Collator) []byte {
	if v.Type == bsonx.Missing {
		v = bsonx.NullValue
	}
	return invertIf(desc, appendKey(dst, v, coll), len(dst))
}

// appendEmptyArray appends what [] sorts as: below null.
func appendEmptyArray(dst []byte, desc bool) []byte {
	return invertIf(desc, appendKey(dst, bsonx.Value{}, nil), len(dst))
}

func invertIf(desc bool, b []byte, from int) []byte {
	if desc {
		for i := from; i < len(b); i++ {
			b[i] = ^b[i]
		}
	}
	return b
}

// appendKey appends bytes that are equal for equal values, and that compare as
// values do.
func appendKey(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	return keyenc.AppendWith(dst, v, coll)
}
