package numeric

import (
	"math/big"
	"sync"

	"github.com/cockroachdb/apd/v3"
)

// trigExtra are the digits beyond 34 of what trigonometric functions compute
// with, so that what cancels does not show.
const trigExtra = 60

// nearlyLinear is the exponent below which sin x, tan x, sinh x and their like
// are x to all of 34 digits.
const nearlyLinear = -25

// odd computes an odd function that is x near zero and has a limit at infinity.
func odd(d *Decimal, limit func(negative bool) *Decimal, f func(c *apd.Context, x *Decimal) *Decimal) *Decimal {
	switch {
	case d.Form == apd.NaN:
		return NaN()
	case d.Form == apd.Infinite:
		return limit(d.Negative)
	case d.IsZero(), adjusted(d) < nearlyLinear:
		return d
	}
	return viaWide(d, f)
}

func viaWide(d *Decimal, f func(c *apd.Context, x *Decimal) *Decimal) *Decimal {
	return ViaBinary(d, func(r, x *Decimal) { r.Set(f(wide(trigExtra), x)) })
}

func limitNaN(bool) *Decimal { return NaN() }

func limitHalfPi(negative bool) *Decimal {
	r := new(Decimal)
	wide(0).Quo(r, pi(MaxDigits+10), apd.New(2, 0))
	r.Negative = negative
	return r
}

func limitOne(negative bool) *Decimal { return &Decimal{Negative: negative, Coeff: *apd.NewBigInt(1)} }

// Sin, Cos and Tan take radians; of an infinity they are NaN.
func Sin(d *Decimal) *Decimal {
	return odd(d, limitNaN, func(c *apd.Context, x *Decimal) *Decimal { s, _ := sinCos(c, x); return s })
}

// Cos returns the cosine.
func Cos(d *Decimal) *Decimal {
	switch {
	case d.Form != apd.Finite:
		return NaN()
	case d.IsZero():
		return apd.New(1, 0)
	}
	return viaWide(d, func(c *apd.Context, x *Decimal) *Decimal { _, k := sinCos(c, x); return k })
}

// Tan returns the tangent.
func Tan(d *Decimal) *Decimal {
	return odd(d, limitNaN, func(c *apd.Context, x *Decimal) *Decimal {
		s, k := sinCos(c, x)
		r := new(Decimal)
		c.Quo(r, s, k)
		return r
	})
}

// Asin returns the inverse sine of a number of [-1, 1].
func Asin(d *Decimal) *Decimal {
	return odd(d, limitNaN, func(c *apd.Context, x *Decimal) *Decimal { return atan2(c, x, cofactor(c, x)) })
}

// Acos returns the inverse cosine of a number of [-1, 1].
func Acos(d *Decimal) *Decimal {
	if d.Form != apd.Finite {
		return NaN()
	}
	return viaWide(d, func(c *apd.Context, x *Decimal) *Decimal { return atan2(c, cofactor(c, x), x) })
}

// cofactor is the root of 1-x².
func cofactor(c *apd.Context, x *Decimal) *Decimal {
	r := new(Decimal)
	c.Mul(r, x, x)
	c.Sub(r, apd.New(1, 0), r)
	if r.Negative {
		return new(Decimal)
	}
	c.Sqrt(r, r)
	return r
}

// Atan returns the inverse tangent.
func Atan(d *Decimal) *Decimal { return odd(d, limitHalfPi, atan) }

// Atan2 returns the angle of the point (x, y).
func Atan2(y, x *Decimal) *Decimal {
	if y.Form == apd.NaN || x.Form == apd.NaN {
		return NaN()
	}
	if y.IsZero() && !x.Negative {
		return y
	}
	unit := func(d *Decimal) *Decimal { // infinities count as ±1 against 0
		switch {
		case d.Form == apd.Infinite:
			return limitOne(d.Negative)
		case y.Form == apd.Infinite || x.Form == apd.Infinite:
			return &Decimal{Negative: d.Negative}
		}
		return d
	}
	a, b := unit(y), unit(x)
	r := new(Decimal)
	r.Set(atan2(wide(trigExtra), a, b))
	round(r)
	return r
}

func atan2(c *apd.Context, y, x *Decimal) *Decimal {
	r := new(Decimal)
	if x.IsZero() && y.IsZero() {
		if x.Negative {
			r.Set(pi(c.Precision))
		}
		r.Negative = y.Negative
		return r
	}
	if x.IsZero() {
		c.Quo(r, pi(c.Precision), apd.New(2, 0))
		r.Negative = y.Negative
		return r
	}
	c.Quo(r, y, x)
	r = atan(c, r)
	if x.Negative {
		p := pi(c.Precision)
		if y.Negative {
			c.Sub(r, r, p)
		} else {
			c.Add(r, r, p)
		}
	}
	return r
}

// atan halves its argument, x/(1+√(1+x²)), until the series is short.
func atan(c *apd.Context, x *Decimal) *Decimal {
	one := apd.New(1, 0)
	t := new(Decimal).Set(x)
	halvings := int64(0)
	for ; adjusted(t) > -2 && !t.IsZero(); halvings++ {
		s := new(Decimal)
		c.Mul(s, t, t)
		c.Add(s, s, one)
		c.Sqrt(s, s)
		c.Add(s, s, one)
		c.Quo(t, t, s)
	}
	sq, term, sum := new(Decimal), new(Decimal).Set(t), new(Decimal).Set(t)
	c.Mul(sq, t, t)
	for k := int64(3); ; k += 2 {
		c.Mul(term, term, sq)
		term.Negative = !term.Negative
		if !addTerm(c, sum, term, k) {
			break
		}
	}
	c.Mul(sum, sum, new(Decimal).SetInt64(1<<halvings))
	return sum
}

// addTerm adds term/k to sum and reports whether it still mattered.
func addTerm(c *apd.Context, sum, term *Decimal, k int64) bool {
	q := new(Decimal)
	c.Quo(q, term, apd.New(k, 0))
	if q.IsZero() || adjusted(q) < adjusted(sum)-int64(c.Precision) {
		return false
	}
	c.Add(sum, sum, q)
	return true
}

// sinCos reduces x to a quarter turn and sums both series.
func sinCos(c *apd.Context, x *Decimal) (s, k *Decimal) {
	big := *c
	if n := adjusted(x); n > 0 {
		big.Precision += uint32(n)
	}
	half, q, t := new(Decimal), new(Decimal), new(Decimal)
	big.Quo(half, pi(big.Precision), apd.New(2, 0))
	big.Quo(q, x, half)
	q = nearest(&big, q)
	big.Mul(t, q, half)
	big.Sub(t, x, t)
	quarter := new(Decimal)
	big.Rem(quarter, q, apd.New(4, 0))
	n, _ := quarter.Int64()
	n = (n + 4) % 4
	s = taylor(c, t, t, 1, -1)
	k = taylor(c, apd.New(1, 0), t, 0, -1)
	for ; n > 0; n-- { // sin(t+π/2) = cos t, cos(t+π/2) = -sin t
		s, k = k, new(Decimal).Neg(s)
	}
	return s, k
}

// nearest rounds q to an integer in a context.
func nearest(c *apd.Context, q *Decimal) *Decimal {
	r := new(Decimal)
	c.RoundToIntegralValue(r, q)
	return r
}

// taylor sums first, first·x²/((n+1)(n+2)), …, with signs that stay (1) or
// alternate (-1).
func taylor(c *apd.Context, first, x *Decimal, n int64, sign int) *Decimal {
	sq, term, sum := new(Decimal), new(Decimal).Set(first), new(Decimal).Set(first)
	c.Mul(sq, x, x)
	for {
		c.Mul(term, term, sq)
		c.Quo(term, term, apd.New((n+1)*(n+2), 0))
		n += 2
		if sign < 0 {
			term.Negative = !term.Negative
		}
		if !addTerm(c, sum, term, 1) {
			return sum
		}
	}
}

// Sinh returns the hyperbolic sine.
func Sinh(d *Decimal) *Decimal {
	if d.Form == apd.Finite && adjusted(d) > 5 {
		return Inf(d.Negative)
	}
	return odd(d, Inf, func(c *apd.Context, x *Decimal) *Decimal { s, _ := hyperbolic(c, x); return s })
}

// Cosh returns the hyperbolic cosine.
func Cosh(d *Decimal) *Decimal {
	switch {
	case d.Form == apd.NaN:
		return NaN()
	case d.Form == apd.Infinite || adjusted(d) > 5:
		return Inf(false)
	case d.IsZero():
		return apd.New(1, 0)
	}
	return viaWide(d, func(c *apd.Context, x *Decimal) *Decimal { _, k := hyperbolic(c, x); return k })
}

// Tanh returns the hyperbolic tangent.
func Tanh(d *Decimal) *Decimal {
	if d.Form == apd.Finite && adjusted(d) > 2 {
		return limitOne(d.Negative)
	}
	return odd(d, limitOne, func(c *apd.Context, x *Decimal) *Decimal {
		s, k := hyperbolic(c, x)
		r := new(Decimal)
		c.Quo(r, s, k)
		return r
	})
}

func hyperbolic(c *apd.Context, x *Decimal) (s, k *Decimal) {
	if adjusted(x) < 0 {
		return taylor(c, x, x, 1, 1), taylor(c, apd.New(1, 0), x, 0, 1)
	}
	e, inv, two := new(Decimal), new(Decimal), apd.New(2, 0)
	c.Exp(e, x)
	c.Quo(inv, apd.New(1, 0), e)
	s, k = new(Decimal), new(Decimal)
	c.Sub(s, e, inv)
	c.Quo(s, s, two)
	c.Add(k, e, inv)
	c.Quo(k, k, two)
	return s, k
}

// Asinh returns the inverse hyperbolic sine.
func Asinh(d *Decimal) *Decimal {
	return odd(d, Inf, func(c *apd.Context, x *Decimal) *Decimal { // ln(|x|+√(x²+1)), signed
		r, a := new(Decimal), new(Decimal).Abs(x)
		c.Mul(r, x, x)
		c.Add(r, r, apd.New(1, 0))
		c.Sqrt(r, r)
		c.Add(r, r, a)
		c.Ln(r, r)
		r.Negative = x.Negative
		return r
	})
}

// Acosh returns the inverse hyperbolic cosine of a number of at least 1.
func Acosh(d *Decimal) *Decimal {
	if d.Form != apd.Finite {
		return d
	}
	return viaWide(d, func(c *apd.Context, x *Decimal) *Decimal { // ln(x+√(x²-1))
		r := new(Decimal)
		c.Mul(r, x, x)
		c.Sub(r, r, apd.New(1, 0))
		if r.Negative || r.IsZero() {
			return new(Decimal)
		}
		c.Sqrt(r, r)
		c.Add(r, r, x)
		c.Ln(r, r)
		return r
	})
}

// Atanh returns the inverse hyperbolic tangent of a number of [-1, 1].
func Atanh(d *Decimal) *Decimal {
	one := apd.New(1, 0)
	if d.Form == apd.Finite && new(Decimal).Abs(d).Cmp(one) == 0 {
		return Inf(d.Negative)
	}
	return odd(d, limitNaN, func(c *apd.Context, x *Decimal) *Decimal { // ½ ln((1+x)/(1-x))
		a, b := new(Decimal), new(Decimal)
		c.Add(a, one, x)
		c.Sub(b, one, x)
		c.Quo(a, a, b)
		c.Ln(a, a)
		c.Quo(a, a, apd.New(2, 0))
		return a
	})
}

// Radians and Degrees convert angles.
func Radians(d *Decimal) *Decimal {
	q := new(Decimal)
	Context(0).Quo(q, pi(MaxDigits+20), apd.New(180, 0))
	return Mul(d, q)
}

// Degrees converts an angle from radians.
func Degrees(d *Decimal) *Decimal {
	q := new(Decimal)
	Context(0).Quo(q, apd.New(180, 0), pi(MaxDigits+20))
	return Mul(d, q)
}

// pi returns π with at least so many digits.
func pi(digits uint32) *Decimal {
	if digits <= commonDigits {
		return commonPi()
	}
	return machin(digits)
}

const commonDigits = 160

var commonPi = sync.OnceValue(func() *Decimal { return machin(commonDigits) })

// machin computes π = 16 atan(1/5) - 4 atan(1/239) in integers.
func machin(digits uint32) *Decimal {
	const guard = 10
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)+guard), nil)
	inverse := func(n int64) *big.Int {
		term := new(big.Int).Quo(unit, big.NewInt(n))
		sum, sq := new(big.Int).Set(term), big.NewInt(n*n)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, sq)
			q := new(big.Int).Quo(term, big.NewInt(k))
			if k%4 == 3 {
				sum.Sub(sum, q)
			} else {
				sum.Add(sum, q)
			}
		}
		return sum
	}
	v := inverse(5)
	v.Mul(v, big.NewInt(16))
	v.Sub(v, new(big.Int).Mul(inverse(239), big.NewInt(4)))
	r := new(Decimal)
	r.Coeff.SetMathBigInt(v)
	r.Exponent = -int32(digits) - guard
	return r
}
