package numeric

import (
	"math/big"

	"github.com/cockroachdb/apd/v3"
)

// Sqrt returns the square root; NaN for a negative number.
func Sqrt(d *Decimal) *Decimal {
	switch {
	case d.Form == apd.NaN || d.Negative && !d.IsZero():
		return NaN()
	case d.Form == apd.Infinite:
		return Inf(false)
	case d.IsZero():
		return &Decimal{Negative: d.Negative, Exponent: d.Exponent >> 1}
	}
	r := new(Decimal)
	// apd's own rounding condition is not exact for squares: check by squaring.
	Context(0).Sqrt(r, d)
	r.Reduce(r)
	sq := new(Decimal)
	wide(70).Mul(sq, r, r)
	if sq.Cmp(d) == 0 {
		towards(r, d.Exponent>>1)
	} else {
		towards(r, -10000)
	}
	round(r)
	return r
}

// Exp returns e to the power of d.
func Exp(d *Decimal) *Decimal {
	switch {
	case d.Form == apd.NaN:
		return NaN()
	case d.Form == apd.Infinite && d.Negative:
		return new(Decimal)
	case d.Form == apd.Infinite:
		return Inf(false)
	case d.IsZero():
		return apd.New(1, 0)
	}
	if adjusted(d) > 5 { // beyond 10^5: over- or underflow
		if d.Negative {
			return &Decimal{Exponent: minExponent}
		}
		return Inf(false)
	}
	if adjusted(d) < -40 {
		return apd.New(1, 0)
	}
	return ViaBinary(d, func(r, x *Decimal) { wide(16).Exp(r, x) })
}

// Ln returns the natural logarithm; NaN for a negative number.
func Ln(d *Decimal) *Decimal {
	if r := logSpecial(d); r != nil {
		return r
	}
	return ViaBinary(d, func(r, x *Decimal) { wide(16).Ln(r, x) })
}

// Log10 returns the decimal logarithm; NaN for a negative number.
func Log10(d *Decimal) *Decimal {
	if r := logSpecial(d); r != nil {
		return r
	}
	if n, ok := powerOfTen(d); ok {
		return apd.New(n, 0)
	}
	return ViaBinary(d, func(r, x *Decimal) { wide(16).Log10(r, x) })
}

func logSpecial(d *Decimal) *Decimal {
	switch {
	case d.Form == apd.NaN || d.Negative && !d.IsZero():
		return NaN()
	case d.Form == apd.Infinite:
		return Inf(false)
	case d.IsZero():
		return Inf(true)
	case d.Cmp(apd.New(1, 0)) == 0:
		return new(Decimal)
	}
	return nil
}

func powerOfTen(d *Decimal) (int64, bool) {
	r := new(Decimal)
	r.Reduce(d)
	return int64(r.Exponent), r.Coeff.Cmp(apd.NewBigInt(1)) == 0
}

// Pow returns x to the power of y, with the special cases of C's pow. A finite
// result has 34 digits, as MongoDB adds the zero of the smallest exponent to it.
func Pow(x, y *Decimal) *Decimal {
	return Add(pow(x, y), &Decimal{Exponent: minExponent})
}

func pow(x, y *Decimal) *Decimal {
	one := apd.New(1, 0)
	switch {
	case y.Form == apd.Finite && y.IsZero():
		return one
	case x.Form == apd.Finite && x.Cmp(one) == 0:
		return one
	case x.Form == apd.NaN || y.Form == apd.NaN:
		return NaN()
	case y.Form == apd.Infinite:
		return powInfinite(x, y)
	}
	odd, integral := parity(y)
	if x.Form == apd.Infinite || x.IsZero() {
		neg := x.Negative && odd
		if (x.Form == apd.Infinite) == !y.Negative {
			return Inf(neg)
		}
		return &Decimal{Negative: neg}
	}
	if x.Negative && !integral {
		return NaN()
	}
	r := powPositive(new(Decimal).Abs(x), y, integral)
	r.Negative = x.Negative && odd
	return r
}

func powPositive(base, y *Decimal, integral bool) *Decimal {
	r := new(Decimal)
	if n, ok := ToInt64(y); ok && integral && n >= 0 && n <= 1000 {
		exact(r, base, n)
		round(r)
		return r
	}
	l := new(Decimal)
	wide(20).Ln(l, base)
	wide(20).Mul(l, l, y)
	switch {
	case l.IsZero():
		return apd.New(1, 0)
	case adjusted(l) > 5 && l.Negative:
		return &Decimal{Exponent: minExponent}
	case adjusted(l) > 5:
		return Inf(false)
	}
	wide(20).Exp(r, l)
	round(r)
	return r
}

func powInfinite(x, y *Decimal) *Decimal {
	c := new(Decimal).Abs(x).Cmp(apd.New(1, 0))
	switch {
	case x.Form == apd.Finite && c == 0:
		return apd.New(1, 0)
	case (x.Form == apd.Infinite || c > 0) == !y.Negative:
		return Inf(false)
	}
	return new(Decimal)
}

// parity tells whether y is an odd number, and whether it is an integer.
func parity(y *Decimal) (odd, integral bool) {
	if y.Form != apd.Finite {
		return false, false
	}
	r := new(Decimal)
	r.Reduce(y)
	switch {
	case r.Exponent > 0:
		return false, true
	case r.Exponent < 0:
		return false, false
	}
	return r.Coeff.Bit(0) == 1, true
}

// exact raises base to a small power by squaring, with digits to spare.
func exact(r, base *Decimal, n int64) {
	c := wide(30)
	r.SetInt64(1)
	b := new(Decimal).Set(base)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			c.Mul(r, r, b)
		}
		if n > 1 {
			c.Mul(b, b, b)
		}
	}
}

// ViaBinary computes a function of a finite number as MongoDB's decimal library
// does: the argument and the result are rounded to the 113 bits of a binary128
// in between, where its range allows. A result that is short in decimal is then
// short; others have 34 digits. f sets r with some digits more than 34.
func ViaBinary(d *Decimal, f func(r, x *Decimal)) *Decimal {
	r := new(Decimal)
	f(r, binary(d))
	r = binary(r)
	if r.Form != apd.Finite || r.IsZero() {
		return r
	}
	c := wide(0)
	cond, _ := c.Round(r, r)
	r.Reduce(r)
	if cond.Inexact() {
		towards(r, minExponent)
	} else {
		towards(r, 0)
	}
	round(r)
	return r
}

// binary rounds d to 113 bits if it is in the range of a normal binary128.
func binary(d *Decimal) *Decimal {
	if d.Form != apd.Finite || d.IsZero() || adjusted(d) > 4930 || adjusted(d) < -4930 {
		return d
	}
	b, _, err := big.ParseFloat(d.Text('E'), 10, 113, big.ToNearestEven)
	if err != nil {
		return d
	}
	r := new(Decimal)
	if _, _, err := r.SetString(b.Text('e', 60)); err != nil {
		return d
	}
	return r
}

// wide is a context for intermediate results: more digits and a range that no
// intermediate leaves.
func wide(extra uint32) *apd.Context {
	return &apd.Context{Precision: MaxDigits + extra, MaxExponent: apd.MaxExponent,
		MinExponent: apd.MinExponent, Rounding: apd.RoundHalfEven}
}

// adjusted is the exponent of the first digit.
func adjusted(d *Decimal) int64 { return int64(d.Exponent) + d.NumDigits() - 1 }

// Log returns the logarithm of d to a base.
func Log(d, base *Decimal) *Decimal {
	if r := logSpecial(d); r != nil {
		if r.Form == apd.Finite || base.Form == apd.Finite {
			return r
		}
		return NaN()
	}
	if base.Form != apd.Finite {
		if base.Form == apd.Infinite {
			return new(Decimal)
		}
		return NaN()
	}
	return Quo(Ln(d), Ln(base))
}

// PowInt64 returns base to the power of exp if the result is a long.
func PowInt64(base, exp int64) (int64, bool) {
	switch {
	case exp == 0 || base == 1:
		return 1, true
	case base == -1:
		return 1 - 2*(exp&1), true
	case exp < 0:
		return 0, false
	case base == 0:
		return 0, true
	case exp >= 64:
		return 0, false
	}
	r, ok := int64(1), true
	for ; exp > 0 && ok; exp-- {
		r, ok = MulInt64(r, base)
	}
	return r, ok
}
