package exec

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
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
		coll := s.Collator
		if i == s.WildcardAt() {
			coll = nil // the path
		}
		typed := v
		if v.Type == bsonx.Undefined {
			v, typed = bsonx.Value{}, bsonx.Value{}
		} else if k.None>>i&1 != 0 {
			typed = index.UndefinedValue
		}
		if s.Descending(i) {
			key = keyenc.AppendDesc(key, v, coll)
		} else {
			key = keyenc.AppendWith(key, v, coll)
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

// CheckPartial compiles a partialFilterExpression and refuses what MongoDB does:
// only $and, $or, comparisons, $in, $exists: true, $type and geometry within an
// area may stand in it.
func CheckPartial(filter bsonx.Doc, coll bsonx.Collator) error {
	f, err := match.Compile(filter, match.Options{Collation: coll, Scope: scopeOf(coll),
		NoText: errcode.New(errcode.BadValue, "$text is not allowed in a partial filter"),
		NoNear: errcode.New(errcode.CannotCreateIndex, "$near is not allowed in a partial filter"),
		NoExpr: errcode.New(errcode.QueryFeatureNotAllowed, "$expr is not allowed in a partial filter")})
	if err != nil {
		return err
	}
	return checkPartialNode(f.Root(), 0)
}

func checkPartialNode(n match.Node, depth int) error {
	if depth > 4*bsonx.MaxDepth {
		return errcode.New(errcode.CannotCreateIndex, "Partial index is nested too deep")
	}
	var nodes []match.Node
	switch n := n.(type) {
	case *match.And:
		nodes = n.Nodes
	case *match.Or:
		nodes = n.Nodes
	case *match.In:
		if len(n.Regexes) == 0 {
			return nil
		}
		return errcode.New(errcode.CannotCreateIndex, "Unsupported expression in partial index: a regular expression")
	case *match.Compare, *match.Exists, *match.Type, *match.True, *match.False:
		return nil
	case *match.Geo:
		if n.Near == nil {
			return nil
		}
		return errcode.New(errcode.CannotCreateIndex, "Unsupported expression in partial index: %s", n.Op)
	default:
		return errcode.New(errcode.CannotCreateIndex, "Unsupported expression in partial index")
	}
	for _, c := range nodes {
		if err := checkPartialNode(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}
