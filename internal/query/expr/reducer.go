package expr

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/numeric"
)

// reducer takes values one by one: the core of an accumulator, and of the
// operator of the same name on an array. It keeps copies of what it needs.
type reducer interface {
	add(env *Env, v bsonx.Value) error
	result(env *Env) (bsonx.Value, error)
	size() int
}

// total sums numbers: doubles and integers as a pair of doubles, whose errors
// compensate, decimals apart.
type total struct {
	pair numeric.DoubleDouble
	dec  *numeric.Decimal
	typ  bsonx.Type
}

func (t *total) add(v bsonx.Value) {
	if t.typ = numeric.Widest(t.typ, v.Type); t.typ == 0 {
		t.typ = v.Type
	}
	switch v.Type {
	case bsonx.Decimal128:
		if t.dec == nil {
			t.dec = numeric.FromValue(v)
			return
		}
		t.dec = numeric.Add(t.dec, numeric.FromValue(v))
	case bsonx.Double:
		t.pair.AddFloat(bsonx.F64(v))
	default:
		t.pair.AddInt64(numeric.Long(v))
	}
}

// decimal is the whole sum as a decimal.
func (t *total) decimal() *numeric.Decimal {
	if t.dec == nil {
		return t.pair.Decimal()
	}
	return numeric.Add(t.dec, t.pair.Decimal())
}

// sumOf is $sum: what is not a number does not count.
type sumOf struct{ total }

func (s *sumOf) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsNumber(v) {
		s.total.add(v)
	}
	return nil
}

func (s *sumOf) result(env *Env) (bsonx.Value, error) {
	switch s.typ {
	case bsonx.Decimal128:
		return numeric.Put(&env.Arena, s.decimal()), nil
	case bsonx.Double:
		return env.Arena.Double(s.pair.Float()), nil
	}
	n, ok := s.pair.Int64()
	switch {
	case !ok:
		return env.Arena.Double(s.pair.Float()), nil
	case s.typ == bsonx.Int64:
		return env.Arena.Int64(n), nil
	}
	return numeric.IntOrLong(&env.Arena, n), nil
}

func (s *sumOf) size() int { return 64 }

// avgOf is $avg; null of no numbers.
type avgOf struct {
	total
	count int64
}

func (a *avgOf) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsNumber(v) {
		a.total.add(v)
		a.count++
	}
	return nil
}

func (a *avgOf) result(env *Env) (bsonx.Value, error) {
	switch {
	case a.count == 0:
		return bsonx.NullValue, nil
	case a.dec != nil:
		return numeric.Put(&env.Arena, numeric.Quo(a.decimal(), numeric.FromInt64(a.count))), nil
	}
	return env.Arena.Double(a.pair.Float() / float64(a.count)), nil
}

func (a *avgOf) size() int { return 72 }

// kept is a value in a buffer of its own, which is used again.
type kept struct {
	typ bsonx.Type
	buf []byte
}

func (k *kept) set(v bsonx.Value) {
	k.typ, k.buf = v.Type, append(k.buf[:0], v.Data...)
}

func (k *kept) value() bsonx.Value { return bsonx.Value{Type: k.typ, Data: k.buf} }

// extreme is $min and $max; null and missing do not count.
type extreme struct {
	kept
	max bool
}

func (m *extreme) add(env *Env, v bsonx.Value) error {
	if bsonx.IsNullish(v) {
		return nil
	}
	if m.typ == bsonx.Missing || (env.Compare(v, m.value()) > 0) == m.max && env.Compare(v, m.value()) != 0 {
		m.set(v)
	}
	return nil
}

func (m *extreme) result(env *Env) (bsonx.Value, error) {
	if m.typ == bsonx.Missing {
		return bsonx.NullValue, nil
	}
	return env.Arena.Bytes(m.typ, m.buf), nil
}

func (m *extreme) size() int { return 64 + cap(m.buf) }

// deviation is $stdDevPop and $stdDevSamp, by Welford's algorithm.
type deviation struct {
	sample   bool
	count    int64
	mean, m2 float64
}

func (d *deviation) add(_ *Env, v bsonx.Value) error {
	if !bsonx.IsNumber(v) {
		return nil
	}
	f := numeric.ToFloat(v)
	d.count++
	if delta := f - d.mean; delta != 0 {
		d.mean += delta / float64(d.count)
		d.m2 += delta * (f - d.mean)
	}
	return nil
}

func (d *deviation) result(env *Env) (bsonx.Value, error) {
	n := d.count
	if d.sample {
		n--
	}
	if n <= 0 {
		return bsonx.NullValue, nil
	}
	return env.Arena.Double(math.Sqrt(d.m2 / float64(n))), nil
}

func (d *deviation) size() int { return 48 }
