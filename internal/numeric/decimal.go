// Package numeric is arithmetic over BSON's four numeric types with MongoDB's
// rules of widening: int, long, double, decimal, in this order. Decimals are
// IEEE 754-2008 decimal128: 34 digits, rounded half to even, trailing zeros kept.
package numeric

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
)

// Decimal is a decimal number of any precision, NaN or an infinity.
type Decimal = apd.Decimal

// Limits of decimal128: digits, and exponents of the last digit.
const (
	MaxDigits   = 34
	maxExponent = 6111
	minExponent = -6176
	bias        = 6176
)

// Context returns the arithmetic of decimal128 with some digits more, for
// intermediate results; Context(0) is decimal128 itself. The conditions that
// apd reports are not errors: they give NaN and infinities.
func Context(extra int) *apd.Context {
	return &apd.Context{
		Precision: uint32(MaxDigits + extra), MaxExponent: 6144, MinExponent: -6143,
		Rounding: apd.RoundHalfEven,
	}
}

// Dec returns the decimal of a Decimal128's two halves. A coefficient that is
// out of range counts as zero, as the standard says.
func Dec(high, low uint64) *Decimal {
	d := new(Decimal)
	d.Negative = high>>63 != 0
	switch high >> 58 & 0x1f {
	case 0x1f:
		d.Form = apd.NaN
		d.Negative = false
		return d
	case 0x1e:
		d.Form = apd.Infinite
		return d
	}
	if high>>61&3 == 3 {
		d.Exponent = int32(high>>47&0x3fff) - bias
		return d
	}
	d.Exponent = int32(high>>49&0x3fff) - bias
	d.Coeff.SetUint64(high & 0x1ffffffffffff)
	if d.Coeff.Sign() != 0 {
		d.Coeff.Lsh(&d.Coeff, 64)
	}
	d.Coeff.Add(&d.Coeff, new(apd.BigInt).SetUint64(low))
	if d.NumDigits() > MaxDigits {
		d.Coeff.SetUint64(0)
	}
	return d
}

// FromValue returns a number as a decimal: exactly, but for a double, which is
// rounded to 15 digits as MongoDB does. v must be a number.
func FromValue(v bsonx.Value) *Decimal {
	switch v.Type {
	case bsonx.Int32:
		return apd.New(int64(bsonx.I32(v)), 0)
	case bsonx.Int64:
		return apd.New(bsonx.I64(v), 0)
	case bsonx.Double:
		return FromFloat(bsonx.F64(v))
	case bsonx.Decimal128:
		return Dec(bsonx.DecimalBits(v))
	}
	return new(Decimal)
}

// FromFloat returns a double as a decimal of exactly 15 digits.
func FromFloat(f float64) *Decimal {
	d := new(Decimal)
	switch {
	case math.IsNaN(f):
		d.Form = apd.NaN
	case math.IsInf(f, 0):
		d.Form, d.Negative = apd.Infinite, f < 0
	case f == 0:
		d.Negative = math.Signbit(f)
	default:
		s := strconv.FormatFloat(f, 'e', 14, 64)
		mant, exp, _ := strings.Cut(s, "e")
		if d.Negative = mant[0] == '-'; d.Negative {
			mant = mant[1:]
		}
		n, _ := strconv.ParseInt(mant[:1]+mant[2:], 10, 64)
		e, _ := strconv.Atoi(exp)
		d.Coeff.SetInt64(n)
		d.Exponent = int32(e - 14)
	}
	return d
}

// FromFloatExact returns a double as a decimal with up to 34 digits, without
// trailing zeros.
func FromFloatExact(f float64) *Decimal {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return FromFloat(f)
	}
	d := new(Decimal)
	s := new(big.Float).SetFloat64(f).Text('e', 1100)
	if _, _, err := d.SetString(s); err != nil {
		return FromFloat(f)
	}
	d.Reduce(d)
	round(d)
	return d
}

// Float returns the double that is nearest to d.
func Float(d *Decimal) float64 {
	switch d.Form {
	case apd.Infinite:
		return math.Inf(1 - 2*b2i(d.Negative))
	case apd.NaN, apd.NaNSignaling:
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(d.Text('E'), 64)
	return f
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// round rounds d to 34 digits and decimal128's exponents in place.
func round(d *Decimal) {
	if d.Form != apd.Finite {
		return
	}
	c := Context(0)
	if d.Coeff.Sign() == 0 {
		d.Exponent = min(max(d.Exponent, minExponent), maxExponent)
		return
	}
	c.Round(d, d)
	if d.Form == apd.Finite && d.Exponent > maxExponent { // fold down: pad with zeros
		n := d.Exponent - maxExponent
		d.Coeff.Mul(&d.Coeff, pow10(int64(n)))
		d.Exponent = maxExponent
	}
}

func pow10(n int64) *apd.BigInt {
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

// Bits rounds d in place to decimal128 and returns its two halves.
func Bits(d *Decimal) (high, low uint64) {
	sign := uint64(b2i(d.Negative)) << 63
	round(d)
	switch d.Form {
	case apd.Infinite:
		return sign | 0x78<<56, 0
	case apd.NaN, apd.NaNSignaling:
		return 0x7c << 56, 0
	}
	var buf [16]byte
	d.Coeff.FillBytes(buf[:])
	for i := range 8 {
		high = high<<8 | uint64(buf[i])
		low = low<<8 | uint64(buf[8+i])
	}
	return sign | uint64(d.Exponent+bias)<<49 | high, low
}

// Put makes d a Decimal128 value in the arena, rounded.
func Put(a *bsonx.Arena, d *Decimal) bsonx.Value { return a.Decimal(Bits(d)) }

// Parse reads a decimal as MongoDB's NumberDecimal does: digits with an optional
// point and exponent, "Infinity", "Inf" or "NaN" in any case, with a sign. More than 34
// digits are rounded. It reports whether s is one.
func Parse(s string) (*Decimal, bool) {
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 || body == "" {
		return nil, false
	}
	d := new(Decimal)
	switch strings.ToLower(body) {
	case "nan":
		d.Form = apd.NaN
		return d, true
	case "inf", "infinity":
		d.Form, d.Negative = apd.Infinite, s[0] == '-'
		return d, true
	}
	if !decimalSyntax(body) {
		return nil, false
	}
	if !parseFinite(d, body) {
		return nil, false
	}
	d.Negative = s[0] == '-'
	return d, true
}

// decimalSyntax accepts digits[.digits][e[sign]digits] with a digit before the
// exponent.
func decimalSyntax(s string) bool {
	digits, i := 0, 0
	for point := false; i < len(s); i++ {
		if c := s[i]; c >= '0' && c <= '9' {
			digits++
		} else if c == '.' && !point {
			point = true
		} else {
			break
		}
	}
	if digits == 0 {
		return false
	}
	if i == len(s) {
		return true
	}
	if s[i] != 'e' && s[i] != 'E' {
		return false
	}
	i++
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	return i < len(s) && strings.Trim(s[i:], "0123456789") == ""
}

// parseFinite sets d from a text that decimalSyntax accepts. Digits beyond what
// could matter for rounding are not kept, so the time is linear.
func parseFinite(d *Decimal, s string) bool {
	mant, expText := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mant, expText = s[:i], s[i+1:]
	}
	exp := int64(0)
	if expText != "" {
		n, err := strconv.ParseInt(expText, 10, 32)
		if err != nil { // out of range: as far as it goes
			n = 1 << 30
			if expText[0] == '-' {
				n = -n
			}
		}
		exp = n
	}
	whole, frac, _ := strings.Cut(mant, ".")
	exp -= int64(len(frac))
	digits := strings.TrimLeft(whole+frac, "0")
	const keep = 40
	if len(digits) > keep {
		rest := strings.Trim(digits[keep:], "0")
		exp += int64(len(digits) - keep)
		digits = digits[:keep]
		if rest != "" { // sticky digit
			digits += "1"
			exp--
		}
	}
	if digits == "" {
		d.Exponent = int32(min(max(exp, minExponent), maxExponent))
		return true
	}
	d.Coeff.SetString(digits, 10)
	switch adjusted := exp + int64(len(digits)) - 1; {
	case adjusted > 6144:
		d.Form = apd.Infinite
		d.Coeff.SetUint64(0)
		return true
	case adjusted < -6300:
		d.Coeff.SetUint64(0)
		d.Exponent = minExponent
		return true
	}
	d.Exponent = int32(exp)
	round(d)
	return true
}

// Format writes a Decimal128's value as MongoDB does: plain where the exponent
// is not positive and the number not too small, else scientific.
func Format(d *Decimal) string {
	switch d.Form {
	case apd.Infinite:
		if d.Negative {
			return "-Infinity"
		}
		return "Infinity"
	case apd.NaN, apd.NaNSignaling:
		return "NaN"
	}
	if d.IsZero() && d.Exponent < -6 { // apd writes all the zeros out
		sign := ""
		if d.Negative {
			sign = "-"
		}
		return sign + "0E" + strconv.Itoa(int(d.Exponent))
	}
	return d.Text('G')
}

// ToInt64 returns d rounded half to even as a long; false if it does not fit.
func ToInt64(d *Decimal) (int64, bool) {
	if d.Form != apd.Finite {
		return 0, false
	}
	if d.Coeff.Sign() == 0 {
		return 0, true
	}
	if d.Exponent > 19 || int64(d.Exponent)+d.NumDigits() > 20 {
		return 0, false
	}
	r := Integral(d, apd.RoundHalfEven)
	n, err := r.Int64()
	return n, err == nil
}

// Integral rounds d to an integer. The result has exponent 0 unless d's was
// positive.
func Integral(d *Decimal, mode apd.Rounder) *Decimal { return Quantize(d, 0, mode) }

// Quantize rounds d to a multiple of 10^exp. A d whose exponent is not below exp
// comes back as it is.
func Quantize(d *Decimal, exp int32, mode apd.Rounder) *Decimal {
	if d.Form != apd.Finite || d.Exponent >= exp {
		return new(Decimal).Set(d)
	}
	r := new(Decimal)
	if int64(exp)-int64(d.Exponent) > d.NumDigits()+1 { // far below one unit
		r.Exponent, r.Negative = exp, d.Negative
		if d.Coeff.Sign() != 0 && mode.ShouldAddOne(&r.Coeff, d.Negative, -1) {
			r.Coeff.SetUint64(1)
		}
		return r
	}
	q, rem := new(apd.BigInt), new(apd.BigInt)
	unit := pow10(int64(exp - d.Exponent))
	q.QuoRem(&d.Coeff, unit, rem)
	r.Coeff.Set(q)
	r.Exponent, r.Negative = exp, d.Negative
	if rem.Sign() != 0 {
		half := rem.Lsh(rem, 1).Cmp(unit)
		if mode.ShouldAddOne(q, d.Negative, half) {
			r.Coeff.Add(q, apd.NewBigInt(1))
		}
	}
	return r
}

// FromInt64 returns n as a decimal.
func FromInt64(n int64) *Decimal { return apd.New(n, 0) }

// Fixed rounds d to exactly the exponent exp. A result of more than 34 digits is
// NaN, as decimal128's quantize has it.
func Fixed(d *Decimal, exp int32, mode apd.Rounder) *Decimal {
	if d.Form != apd.Finite {
		return d
	}
	if d.Exponent <= exp {
		r := Quantize(d, exp, mode)
		if r.NumDigits() > MaxDigits {
			return NaN()
		}
		return r
	}
	if !d.IsZero() && int64(d.Exponent-exp)+d.NumDigits() > MaxDigits {
		return NaN()
	}
	r := new(Decimal).Set(d)
	if !d.IsZero() {
		r.Coeff.Mul(&r.Coeff, pow10(int64(d.Exponent-exp)))
	}
	r.Exponent = exp
	return r
}
