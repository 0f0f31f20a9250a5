package stage

import (
	"math"
	"math/big"
	"strconv"

	"github.com/argon-db/argon/internal/bsonx"
)

// clampedLong converts a number to a long as MongoDB reads most numeric
// arguments: a double's fraction is cut off, a decimal is rounded to even, what
// does not fit becomes the nearest long, NaN becomes 0.
func clampedLong(v bsonx.Value) int64 {
	if n, ok := bsonx.IntegralOK(v); ok {
		return n
	}
	f := floatOf(v)
	switch {
	case f != f:
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	case v.Type == bsonx.Decimal128:
		return roundedDecimal(v)
	}
	return int64(f)
}

// roundedDecimal rounds a finite decimal that fits into a long, half to even.
func roundedDecimal(v bsonx.Value) int64 {
	coef, exp := bsonx.DecimalParts(v)
	if exp < -40 {
		return 0
	}
	d := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-exp)), nil)
	q, r := new(big.Int).QuoRem(coef, d, new(big.Int))
	n := q.Int64()
	c := r.Lsh(r.Abs(r), 1).Cmp(d)
	if c > 0 || c == 0 && n%2 != 0 {
		n += int64(coef.Sign())
	}
	return n
}

// floatOf converts any number to the nearest double.
func floatOf(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	case bsonx.Double:
		return bsonx.F64(v)
	case bsonx.Decimal128:
		h, _ := bsonx.DecimalBits(v)
		switch {
		case h>>58&0x1f == 0x1f:
			return math.NaN()
		case h>>58&0x1f == 0x1e:
			return math.Inf(1 - 2*int(h>>63))
		}
		coef, exp := bsonx.DecimalParts(v)
		f, _ := strconv.ParseFloat(coef.String()+"e"+strconv.Itoa(exp), 64)
		return f
	}
	return math.NaN()
}
