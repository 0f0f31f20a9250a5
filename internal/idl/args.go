package idl

import (
	"math"
	"math/big"

	"github.com/argon-db/argon/internal/bsonx"
)

// Get returns a field's raw value, missing when it was not given (or null, for
// a field that does not take null). The name must be one of the spec's.
func (a *Args) Get(name string) bsonx.Value {
	for i := range a.spec.fields {
		if a.spec.fields[i].Name == name {
			return a.vals[i]
		}
	}
	panic("idl: " + a.spec.name + " has no argument " + name)
}

// Clear forgets the values, so that none of them outlives its document.
func (a *Args) Clear() {
	clear(a.vals)
	a.spec, a.Generic = nil, Generic{}
}

// Find is Get for an argument that not every command has: it is missing then.
func (a *Args) Find(name string) bsonx.Value {
	if a.spec == nil {
		return bsonx.Value{}
	}
	for i := range a.spec.fields {
		if a.spec.fields[i].Name == name {
			return a.vals[i]
		}
	}
	return bsonx.Value{}
}

// At returns the value of the spec's field i, as Get.
func (a *Args) At(i int) bsonx.Value { return a.vals[i] }

// Has reports whether a field was given.
func (a *Args) Has(name string) bool { return a.Get(name).Type != bsonx.Missing }

// Doc returns a field that is a document; nil when it was not given or is of
// another type.
func (a *Args) Doc(name string) bsonx.Doc {
	if v := a.Get(name); v.Type == bsonx.Object {
		return v.Data
	}
	return nil
}

// Array returns a field that is an array; nil as Doc.
func (a *Args) Array(name string) bsonx.Arr {
	if v := a.Get(name); v.Type == bsonx.Array {
		return v.Data
	}
	return nil
}

// String returns a string field, or def.
func (a *Args) String(name, def string) string {
	if v := a.Get(name); v.Type == bsonx.String {
		return string(bsonx.Str(v))
	}
	return def
}

// Bool returns a boolean (or numeric) field, or def.
func (a *Args) Bool(name string, def bool) bool {
	v := a.Get(name)
	if v.Type == bsonx.Missing {
		return def
	}
	return bsonx.Truthy(v)
}

// Int64 returns a numeric field as MongoDB's safe conversion has it, or def.
func (a *Args) Int64(name string, def int64) int64 {
	v := a.Get(name)
	if v.Type == bsonx.Missing {
		return def
	}
	return ToInt64(v)
}

// Int32 is Int64 clamped to 32 bits.
func (a *Args) Int32(name string, def int32) int32 {
	return int32(min(max(a.Int64(name, int64(def)), math.MinInt32), math.MaxInt32))
}

// Docs appends the documents of an array field to dst; elements of other types
// are left out (give the field Elems: Object to refuse them).
func (a *Args) Docs(dst []bsonx.Doc, name string) []bsonx.Doc {
	for it := bsonx.NewIter(a.Array(name)); it.Next(); {
		if it.Value().Type == bsonx.Object {
			dst = append(dst, it.Value().Data)
		}
	}
	return dst
}

// ToInt64 converts a number as MongoDB's safeNumberLong: a double is truncated
// towards zero, a decimal rounded half to even; clamped at the ends, NaN is 0.
// Other types give 0.
func ToInt64(v bsonx.Value) int64 {
	switch v.Type {
	case bsonx.Int32:
		return int64(bsonx.I32(v))
	case bsonx.Int64:
		return bsonx.I64(v)
	case bsonx.Double:
		return floatToInt64(bsonx.F64(v))
	case bsonx.Decimal128:
		return decimalToInt64(v)
	}
	return 0
}

// decimalToInt64 rounds half to even, as decimal numbers do.
func decimalToInt64(v bsonx.Value) int64 {
	if n, ok := bsonx.IntegralOK(v); ok {
		return n
	}
	f := decimalFloat(v)
	if math.IsNaN(f) || math.Abs(f) >= 1<<53 {
		return floatToInt64(math.RoundToEven(f))
	}
	coef, exp := bsonx.DecimalParts(v)
	if exp < -40 {
		return 0
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-exp)), nil)
	q, r := new(big.Int).QuoRem(new(big.Int).Abs(coef), ten, new(big.Int))
	if c := r.Lsh(r, 1).Cmp(ten); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	if f < 0 {
		q.Neg(q)
	}
	return q.Int64()
}

func floatToInt64(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= 9223372036854775807:
		return math.MaxInt64
	case f <= -9223372036854775808:
		return math.MinInt64
	}
	return int64(f)
}

// decimalFloat is close enough to truncate: whole values took the exact way.
func decimalFloat(v bsonx.Value) float64 {
	if bsonx.DecimalIsNaN(v) {
		return math.NaN()
	}
	h, l := bsonx.DecimalBits(v)
	sign := 1.0
	if h>>63 != 0 {
		sign = -1
	}
	if h>>58&0x1f == 0x1e {
		return math.Inf(int(sign))
	}
	if h>>61&3 == 3 { // a coefficient that is out of range counts as zero
		return 0
	}
	exp := int(h>>49&0x3fff) - 6176
	coef := float64(h&0x1ffffffffffff)*math.Pow(2, 64) + float64(l)
	return sign * coef * math.Pow(10, float64(exp))
}

// ToFloat64 converts a number to a double; other types give 0.
func ToFloat64(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Double:
		return bsonx.F64(v)
	case bsonx.Decimal128:
		return decimalFloat(v)
	}
	return float64(ToInt64(v))
}
