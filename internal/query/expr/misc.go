package expr

import (
	"crypto/md5"
	"encoding/binary"
	"math/rand/v2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

func miscOperators() []operator {
	return []operator{
		{name: "$_internalJsEmit", compile: compileEmit},
		{name: "$function", compile: compileFunction},
		{name: "$meta", compile: compileMeta},
		{name: "$rand", compile: compileRand},
		{name: "$toHashedIndexKey", min: 1, max: 1, eval: func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			return env.Arena.Int64(HashedKey(args[0])), nil
		}},
	}
}

// metas are the names of $meta; each gives the value that a document has.
func metaValue(name string, m *Meta) (v bsonx.Value, known bool) {
	switch name {
	case "textScore":
		return m.TextScore, true
	case "geoNearDistance":
		return m.GeoDistance, true
	case "geoNearPoint":
		return m.GeoPoint, true
	case "sortKey":
		return m.SortKey, true
	case "recordId":
		return m.RecordID, true
	case "indexKey":
		return m.IndexKey, true
	case "randVal":
		return m.RandVal, true
	case "searchScore", "vectorSearchScore":
		return m.SearchScore, true
	case "score":
		return m.Score, true
	case "scoreDetails":
		return m.ScoreInfo, true
	case "searchHighlights", "searchScoreDetails", "searchSequenceToken", "searchRootDocumentId",
		"timeseriesBucketMinTime", "timeseriesBucketMaxTime", "stream":
		return bsonx.Value{}, true
	}
	return bsonx.Value{}, false
}

type meta struct{ name string }

func (m *meta) Eval(env *Env) (bsonx.Value, error) {
	if env.Meta == nil {
		return bsonx.Value{}, nil
	}
	v, _ := metaValue(m.name, env.Meta)
	return v, nil
}

func compileMeta(c *call) (Expr, error) {
	if c.arg.Type != bsonx.String {
		return nil, errcode.New(errcode.Code(17307), "$meta only supports string arguments")
	}
	name := string(bsonx.Str(c.arg))
	if _, ok := metaValue(name, &Meta{}); !ok {
		return nil, errcode.New(errcode.Code(17308), "Unsupported argument to $meta: %s", name)
	}
	if c.sc.shared.metas == nil {
		c.sc.shared.metas = make(map[string]bool)
	}
	c.sc.shared.metas[name] = true
	return &meta{name}, nil
}

func compileRand(c *call) (Expr, error) {
	switch c.arg.Type {
	case bsonx.Object, bsonx.Array:
		if !bsonx.IsEmpty(c.arg.Data) {
			return nil, errcode.New(errcode.Code(3040501), "$rand does not currently accept arguments")
		}
	default:
		return nil, errcode.New(errcode.Code(10065), "invalid parameter: expected an object ($rand)")
	}
	return &strict{eval: func(env *Env, _ []bsonx.Value) (bsonx.Value, error) {
		return env.Arena.Double(rand.Float64()), nil
	}}, nil
}

// HashedKey is the key of a hashed index for a value: the first 8 bytes of an
// MD5 over the value's class and its bytes, numbers as longs.
func HashedKey(v bsonx.Value) int64 {
	if bsonx.IsMissing(v) {
		v = bsonx.NullValue
	}
	h := hashValue(make([]byte, 4, 64), v, nil)
	sum := md5.Sum(h)
	return int64(binary.LittleEndian.Uint64(sum[:]))
}

// hashValue appends what MongoDB's hash of an element reads. Documents are less
// deep than bsonx.MaxDepth.
func hashValue(dst []byte, v bsonx.Value, name []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(canonical(v.Type)))
	if name != nil {
		dst = append(append(dst, name...), 0)
	}
	switch v.Type {
	case bsonx.Object, bsonx.Array:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			dst = hashValue(dst, it.Value(), it.Key())
		}
		return binary.LittleEndian.AppendUint32(dst, 0)
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		return binary.LittleEndian.AppendUint64(dst, uint64(saturate(v)))
	}
	return append(dst, v.Data...)
}

// saturate truncates a number to a long; NaN is 0.
func saturate(v bsonx.Value) int64 {
	switch v.Type {
	case bsonx.Double, bsonx.Decimal128:
		f := numeric.ToFloat(v)
		switch {
		case f != f:
			return 0
		case f >= 9223372036854775808:
			return 1<<63 - 1
		case f < -9223372036854775808:
			return -1 << 63
		}
		return int64(f)
	}
	return numeric.Long(v)
}

// canonical is MongoDB's number of a class of types.
func canonical(t bsonx.Type) int32 {
	switch t {
	case bsonx.MinKey:
		return -1
	case bsonx.MaxKey:
		return 127
	case bsonx.Null:
		return 5
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		return 10
	case bsonx.String, bsonx.Symbol:
		return 15
	case bsonx.Object:
		return 20
	case bsonx.Array:
		return 25
	case bsonx.Binary:
		return 30
	case bsonx.ObjectID:
		return 35
	case bsonx.Bool:
		return 40
	case bsonx.Date:
		return 45
	case bsonx.Timestamp:
		return 47
	case bsonx.Regex:
		return 50
	case bsonx.DBPointer:
		return 55
	case bsonx.JavaScript:
		return 60
	case bsonx.JavaScriptWithScope:
		return 65
	}
	return 0
}
