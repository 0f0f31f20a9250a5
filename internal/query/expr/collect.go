package expr

import (
	"encoding/binary"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// firstOf and lastOf keep one value; missing counts.
type firstOf struct {
	kept
	set bool
}

func (f *firstOf) add(_ *Env, v bsonx.Value) error {
	if !f.set {
		f.set = true
		f.kept.set(v)
	}
	return nil
}

func (f *firstOf) result(env *Env) (bsonx.Value, error) { return env.Arena.Bytes(f.typ, f.buf), nil }
func (f *firstOf) size() int                            { return 64 + cap(f.buf) }

type lastOf struct{ kept }

func (l *lastOf) add(_ *Env, v bsonx.Value) error {
	l.set(v)
	return nil
}

func (l *lastOf) result(env *Env) (bsonx.Value, error) { return env.Arena.Bytes(l.typ, l.buf), nil }
func (l *lastOf) size() int                            { return 64 + cap(l.buf) }

// elements builds an array: all but its length and its end.
type elements struct {
	buf []byte
	n   int
}

func (l *elements) push(v bsonx.Value) {
	l.buf = append(l.buf, byte(v.Type))
	l.buf = append(l.buf, bsonx.Index(l.n)...)
	l.buf = append(l.buf, 0)
	l.buf = append(l.buf, v.Data...)
	l.n++
}

func (l *elements) result(*Env) (bsonx.Value, error) {
	b := make([]byte, 4, len(l.buf)+5)
	b = append(append(b, l.buf...), 0)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return bsonx.ArrValue(b), nil
}

func (l *elements) size() int { return 64 + cap(l.buf) }

// listOf is $push; missing values do not count.
type listOf struct{ elements }

func (l *listOf) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	l.push(v)
	return checkMemory("$push", len(l.buf))
}

// concatOf is $concatArrays as an accumulator.
type concatOf struct{ elements }

func (l *concatOf) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	if v.Type != bsonx.Array {
		return errcode.New(errcode.TypeMismatch, "$concatArrays requires array inputs, but input %s is of type %s",
			render(v), bsonx.TypeName(v.Type))
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		l.push(it.Value())
	}
	return checkMemory("$concatArrays", len(l.buf))
}

// setOf is $addToSet: the first of equal values stays.
type setOf struct {
	elements
	at    map[string][]int // by hash key: where candidates are in buf
	types []bsonx.Type
	ends  []int
	key   []byte
	extra int
}

func (s *setOf) add(env *Env, v bsonx.Value) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	s.key = hashKey(s.key[:0], v, env.Query.Collation)
	for _, i := range s.at[string(s.key)] {
		if env.Compare(s.value(i), v) == 0 {
			return nil
		}
	}
	if s.at == nil {
		s.at = make(map[string][]int)
	}
	s.push(v)
	s.types, s.ends = append(s.types, v.Type), append(s.ends, len(s.buf))
	k := string(s.key)
	s.at[k] = append(s.at[k], len(s.ends)-1)
	s.extra += len(k) + 64
	return checkMemory("$addToSet", s.size())
}

func (s *setOf) value(i int) bsonx.Value {
	from := 0
	if i > 0 {
		from = s.ends[i-1]
	}
	from += 2 + len(bsonx.Index(i))
	return bsonx.Value{Type: s.types[i], Data: s.buf[from:s.ends[i]]}
}

func (s *setOf) size() int { return s.elements.size() + s.extra }

// unionOf is $setUnion as an accumulator.
type unionOf struct{ setOf }

func (u *unionOf) add(env *Env, v bsonx.Value) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	if v.Type != bsonx.Array {
		return errcode.New(errcode.TypeMismatch, "$setUnion requires array inputs, but input %s is of type %s",
			render(v), bsonx.TypeName(v.Type))
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if err := u.setOf.add(env, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

// hashKey appends bytes that are the same for values that compare as equal.
// Values that differ may share them.
func hashKey(dst []byte, v bsonx.Value, coll bsonx.Collator) []byte {
	dst = append(dst, byte(bsonx.Class(v.Type)))
	switch v.Type {
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		f := numeric.ToFloat(v)
		switch {
		case f == 0:
			f = 0
		case f != f:
			f = math.NaN()
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f+0))
	case bsonx.String, bsonx.Symbol:
		if coll != nil {
			return append(append(dst, coll.Key(bsonx.Str(v))...), 0)
		}
		return append(append(dst, bsonx.Str(v)...), 0)
	case bsonx.Object, bsonx.Array:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if v.Type == bsonx.Object {
				dst = append(append(dst, it.Key()...), 0)
			}
			dst = hashKey(dst, it.Value(), coll)
		}
		return append(dst, 0xff)
	case bsonx.Null, bsonx.Undefined:
		return dst
	case bsonx.JavaScriptWithScope:
		return dst
	}
	return append(dst, v.Data...)
}

// mergeOf is $mergeObjects.
type mergeOf struct {
	fields
	bytes int
}

func (m *mergeOf) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsNullish(v) {
		return nil
	}
	if v.Type != bsonx.Object {
		return errcode.New(errcode.Code(5911200), "$mergeObjects requires object inputs, but input %s is of type %s",
			render(v), bsonx.TypeName(v.Type))
	}
	m.merge(bsonx.Clone(v))
	m.bytes += len(v.Data)
	return checkMemory("$mergeObjects", m.bytes)
}

func (m *mergeOf) result(*Env) (bsonx.Value, error) { return m.value() }
func (m *mergeOf) size() int                        { return 64 + m.bytes }
