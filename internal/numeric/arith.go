package numeric

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
)

// Widest returns the wider of two numeric types.
func Widest(a, b bsonx.Type) bsonx.Type {
	if rank(a) >= rank(b) {
		return a
	}
	return b
}

func rank(t bsonx.Type) int {
	switch t {
	case bsonx.Int64:
		return 1
	case bsonx.Double:
		return 2
	case bsonx.Decimal128:
		return 3
	}
	return 0
}

// Long returns an int or long as int64.
func Long(v bsonx.Value) int64 {
	if v.Type == bsonx.Int32 {
		return int64(bsonx.I32(v))
	}
	return bsonx.I64(v)
}

// ToFloat returns any number as the nearest double.
func ToFloat(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	case bsonx.Double:
		return bsonx.F64(v)
	case bsonx.Decimal128:
		return Float(Dec(bsonx.DecimalBits(v)))
	}
	return math.NaN()
}

// IntOrLong makes an int of n if it fits, else a long.
func IntOrLong(a *bsonx.Arena, n int64) bsonx.Value {
	if n == int64(int32(n)) {
		return a.Int32(int32(n))
	}
	return a.Int64(n)
}

// AddInt64 adds, and reports whether the sum fits.
func AddInt64(x, y int64) (int64, bool) {
	s := x + y
	return s, (s > x) == (y > 0)
}

// SubInt64 subtracts, and reports whether the difference fits.
func SubInt64(x, y int64) (int64, bool) {
	d := x - y
	return d, (d < x) == (y > 0)
}

// MulInt64 multiplies, and reports whether the product fits.
func MulInt64(x, y int64) (int64, bool) {
	hi, lo := bits.Mul64(abs(x), abs(y))
	neg := (x < 0) != (y < 0)
	if hi != 0 || lo > 1<<63 || lo == 1<<63 && !neg {
		return 0, false
	}
	if neg {
		return -int64(lo), true
	}
	return int64(lo), true
}

func abs(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// FloatToInt64 rounds half away from zero; false if the result is no long.
func FloatToInt64(f float64) (int64, bool) {
	if !(f >= -9223372036854775808 && f < 9223372036854775808) {
		return 0, false
	}
	r := math.Round(f)
	if r >= 9223372036854775808 {
		return 0, false
	}
	return int64(r), true
}

// Add returns x + y as decimals.
func Add(x, y *Decimal) *Decimal {
	r := new(Decimal)
	Context(0).Add(r, x, y)
	round(r)
	return r
}

// Sub returns x - y as decimals.
func Sub(x, y *Decimal) *Decimal {
	n := new(Decimal).Set(y)
	if n.Form != apd.NaN {
		n.Negative = !n.Negative
	}
	return Add(x, n)
}

// Mul returns x * y as decimals.
func Mul(x, y *Decimal) *Decimal {
	r := new(Decimal)
	Context(0).Mul(r, x, y)
	round(r)
	return r
}

// Quo returns x / y as decimals. An exact quotient has as few trailing zeros as
// its ideal exponent, the difference of the operands', allows.
func Quo(x, y *Decimal) *Decimal {
	r := new(Decimal)
	ideal := x.Exponent - y.Exponent
	cond, _ := Context(0).Quo(r, x, y)
	if r.Form != apd.Finite {
		return r
	}
	if r.Coeff.Sign() == 0 {
		r.Exponent = ideal
	} else if !cond.Inexact() {
		towards(r, ideal)
	}
	round(r)
	return r
}

// towards strips or adds trailing zeros until the exponent is ideal, as far as
// the digits allow.
func towards(d *Decimal, ideal int32) {
	ten, q, rem := apd.NewBigInt(10), new(apd.BigInt), new(apd.BigInt)
	for d.Exponent < ideal {
		q.QuoRem(&d.Coeff, ten, rem)
		if rem.Sign() != 0 {
			return
		}
		d.Coeff.Set(q)
		d.Exponent++
	}
	for d.Exponent > ideal && d.NumDigits() < MaxDigits {
		d.Coeff.Mul(&d.Coeff, ten)
		d.Exponent--
	}
}

// Rem returns the remainder of x / y with the sign of x, as C's fmod.
func Rem(x, y *Decimal) *Decimal {
	r := new(Decimal)
	switch {
	case x.Form == apd.NaN || y.Form == apd.NaN || x.Form == apd.Infinite || y.IsZero():
		r.Form = apd.NaN
		return r
	case y.Form == apd.Infinite:
		return r.Set(x)
	}
	exp := min(x.Exponent, y.Exponent)
	r.Exponent, r.Negative = exp, x.Negative
	if x.IsZero() {
		return r
	}
	// In units of 10^exp: (cx * 10^a) mod (cy * 10^b) with a or b zero.
	cy := new(apd.BigInt).Mul(&y.Coeff, pow10(int64(y.Exponent-exp)))
	p := new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(int64(x.Exponent-exp)), cy)
	if x.Exponent == exp {
		r.Coeff.Rem(&x.Coeff, cy)
	} else {
		r.Coeff.Rem(p.Mul(p, &x.Coeff), cy)
	}
	round(r)
	return r
}

// Neg returns -d.
func Neg(d *Decimal) *Decimal {
	r := new(Decimal).Set(d)
	if r.Form != apd.NaN {
		r.Negative = !r.Negative
	}
	return r
}

// NaN returns the decimal NaN.
func NaN() *Decimal { return &Decimal{Form: apd.NaN} }

// Inf returns an infinite decimal.
func Inf(negative bool) *Decimal { return &Decimal{Form: apd.Infinite, Negative: negative} }
