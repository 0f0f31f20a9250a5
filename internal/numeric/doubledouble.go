package numeric

import "math"

// DoubleDouble is a sum of doubles whose rounding errors are carried along, so
// that the order of the terms does not matter to about 106 bits (Knuth's
// two-sum). The zero value is 0.
type DoubleDouble struct {
	sum, err float64
	// special is the sum of infinities and NaNs, which are not compensated.
	special float64
}

// AddFloat adds a double.
func (d *DoubleDouble) AddFloat(x float64) {
	d.special += x
	s, e := twoSum(d.sum, x)
	d.sum = s
	if math.IsInf(s, 0) || math.IsNaN(s) {
		return
	}
	d.err += e
	d.sum, d.err = fastTwoSum(d.sum, d.err)
}

// AddInt64 adds a long exactly, as two doubles.
func (d *DoubleDouble) AddInt64(n int64) {
	high := float64(n)
	if high >= 9223372036854775808 { // n rounded up to 2^63
		d.AddFloat(9223372036854774784)
		d.AddFloat(float64(n - 9223372036854774784))
		return
	}
	d.AddFloat(high)
	if low := n - int64(high); low != 0 {
		d.AddFloat(float64(low))
	}
}

func twoSum(a, b float64) (s, e float64) {
	s = a + b
	z := s - a
	return s, (a - (s - z)) + (b - z)
}

func fastTwoSum(a, b float64) (s, e float64) {
	s = a + b
	return s, b - (s - a)
}

// Float returns the sum as a double.
func (d *DoubleDouble) Float() float64 {
	if math.IsInf(d.sum, 0) || math.IsNaN(d.sum) {
		return d.special
	}
	return d.sum
}

// Decimal returns the sum as a decimal of up to 34 digits.
func (d *DoubleDouble) Decimal() *Decimal {
	if f := d.Float(); math.IsInf(f, 0) || math.IsNaN(f) {
		return FromFloat(f)
	}
	return Add(FromFloatExact(d.sum), FromFloatExact(d.err))
}

// Int64 returns the sum as a long, rounded; false if it does not fit.
func (d *DoubleDouble) Int64() (int64, bool) {
	hi, lo := d.sum, d.err
	if hi == 9223372036854775808 && lo < 0 {
		return AddInt64(math.MaxInt64, int64(lo)+1)
	}
	if !(hi >= -9223372036854775808 && hi < 9223372036854775808) {
		return 0, false
	}
	return AddInt64(int64(hi), int64(lo))
}
