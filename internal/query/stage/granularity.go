package stage

import (
	"math"
	"math/big"
	"math/bits"
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// rounder rounds the boundaries of $bucketAuto to a series of preferred numbers
// (Renard numbers, the E series, 1-2-5) or to powers of two. Up and down are
// strict: a number of the series goes to its neighbour. Zero stays.
type rounder struct {
	series []int // one decade, in whole numbers; nil for powers of two
}

func newRounder(v bsonx.Value) (*rounder, error) {
	s, ok := stringOf(v)
	if !ok {
		return nil, errcode.New(40261, "The $bucketAuto 'granularity' field must be a string, but found type: %s", bsonx.TypeName(v.Type))
	}
	if s == "POWERSOF2" {
		return &rounder{}, nil
	}
	if n := preferred(s); n != nil {
		return &rounder{series: n}, nil
	}
	return nil, errcode.New(40257, "Unknown rounding granularity '%s'", s)
}

func (r *rounder) up(v bsonx.Value) bsonx.Value   { return r.round(v, true) }
func (r *rounder) down(v bsonx.Value) bsonx.Value { return r.round(v, false) }

func (r *rounder) round(v bsonx.Value, up bool) bsonx.Value {
	f := floatOf(v)
	switch {
	case f == 0 || math.IsInf(f, 0):
		return v
	case r.series == nil:
		return powerOfTwo(v, f, up)
	case v.Type == bsonx.Decimal128:
		return r.decimal(v, up)
	}
	return bsonx.DoubleValue(r.double(f, up))
}

// double finds the neighbour of f among series × 10^k for any k.
func (r *rounder) double(f float64, up bool) float64 {
	first, last := float64(r.series[0]), float64(r.series[len(r.series)-1])
	m := 1.0
	if up {
		for f >= last*m {
			m *= 10
		}
		for f < first*m {
			next := first * m
			m /= 10
			if f >= last*m {
				return next
			}
		}
		i := sort.Search(len(r.series), func(i int) bool { return f < float64(r.series[i])*m })
		return float64(r.series[i]) * m
	}
	for f <= first*m {
		m /= 10
	}
	for f > last*m {
		prev := last * m
		m *= 10
		if f <= first*m {
			return prev
		}
	}
	i := sort.Search(len(r.series), func(i int) bool { return float64(r.series[i])*m >= f })
	return float64(r.series[i-1]) * m
}

// decimal is double for decimals, in exact arithmetic. A result has 15 digits,
// as a decimal that was made from a double.
func (r *rounder) decimal(v bsonx.Value, up bool) bsonx.Value {
	coef, exp := bsonx.DecimalParts(v)
	n := len(r.series)
	// Bring the value to about the size of the series, then look around there.
	shift := len(coef.String()) + exp - len(big.NewInt(int64(r.series[0])).String())
	for k := shift - 1; k <= shift+1; k++ {
		for i := range r.series {
			j := i
			if !up {
				j = n - 1 - i
			}
			kk := k
			if !up {
				kk = 2*shift - k
			}
			c := compareScaled(big.NewInt(int64(r.series[j])), kk, coef, exp)
			if up && c > 0 || !up && c < 0 {
				return seriesDecimal(r.series[j], kk)
			}
		}
	}
	return v
}

// compareScaled compares a × 10^ea with b × 10^eb.
func compareScaled(a *big.Int, ea int, b *big.Int, eb int) int {
	d := ea - eb
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(d, -d))), nil)
	if d >= 0 {
		return new(big.Int).Mul(a, p).Cmp(b)
	}
	return a.Cmp(new(big.Int).Mul(b, p))
}

func seriesDecimal(n, k int) bsonx.Value {
	c, e := big.NewInt(int64(n)), 0
	for limit := big.NewInt(100_000_000_000_000); c.Cmp(limit) < 0; e-- {
		c.Mul(c, big.NewInt(10))
	}
	if k < 0 {
		return decimalValue(c, e+k)
	}
	for ; k > 0 && len(c.String()) < 34; k-- {
		c.Mul(c, big.NewInt(10))
	}
	return decimalValue(c, e+k)
}

// decimalValue makes coef × 10^exp, which must fit.
func decimalValue(coef *big.Int, exp int) bsonx.Value {
	var sign uint64
	if coef.Sign() < 0 {
		sign = 1 << 63
	}
	abs := new(big.Int).Abs(coef)
	lo := new(big.Int).And(abs, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	hi := new(big.Int).Rsh(abs, 64).Uint64()
	var a bsonx.Arena
	return a.Decimal(sign|uint64(exp+6176)<<49|hi, lo)
}

// powerOfTwo returns the next power of two; its type is that of 2 raised to an
// int for ints and doubles, a decimal for decimals.
func powerOfTwo(v bsonx.Value, f float64, up bool) bsonx.Value {
	var e int
	switch {
	case v.Type == bsonx.Int32 || v.Type == bsonx.Int64:
		n, _ := bsonx.IntegralOK(v)
		e = bits.Len64(uint64(n)) // 2^e > n
		if !up {
			e = bits.Len64(uint64(n)-1) - 1 // 2^e < n
		}
		if n == 1 && !up {
			e = -1
		}
	case up:
		e = int(math.Floor(math.Log2(f)) + 1)
	default:
		e = int(math.Ceil(math.Log2(f)) - 1)
	}
	switch {
	case v.Type == bsonx.Decimal128:
		return decimalPower(e)
	case e >= 0 && e < 31:
		return bsonx.Int32Value(1 << e)
	case e >= 0 && e < 63:
		return bsonx.Int64Value(1 << e)
	}
	return bsonx.DoubleValue(math.Ldexp(1, e))
}

func decimalPower(e int) bsonx.Value {
	if e >= 0 {
		c, exp := new(big.Int).Lsh(big.NewInt(1), uint(e)), 0
		for len(c.String()) > 34 {
			c.Quo(c, big.NewInt(10))
			exp++
		}
		return decimalValue(c, exp)
	}
	c, exp := new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(-e)), nil), e
	for len(c.String()) > 34 {
		c.Quo(c, big.NewInt(10))
		exp++
	}
	return decimalValue(c, exp)
}
