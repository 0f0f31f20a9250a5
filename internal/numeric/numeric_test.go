package numeric

import (
	"math"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
)

func dec(t *testing.T, s string) *Decimal {
	t.Helper()
	d, ok := Parse(s)
	if !ok {
		t.Fatalf("%q is no decimal", s)
	}
	return d
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]string{
		"1.50": "1.50", "-0": "-0", "0E-6176": "0E-6176", "1E+3": "1E+3", "+7": "7", ".5": "0.5", "5.": "5",
		"9.999999999999999999999999999999999E+6144": "9.999999999999999999999999999999999E+6144",
		"1E6145": "Infinity", "-1E6145": "-Infinity", "inf": "Infinity", "-Infinity": "-Infinity", "nan": "NaN",
		"1E6144":  "1.000000000000000000000000000000000E+6144",
		"1E-6176": "1E-6176", "1E-6177": "0E-6176", "0.000001": "0.000001", "0.0000001": "1E-7",
		"12345678901234567890123456789012345":            "1.234567890123456789012345678901234E+34",
		"1234567890123456789012345678901234.5":           "1234567890123456789012345678901234",
		"1234567890123456789012345678901234.50000000001": "1234567890123456789012345678901235",
	} {
		var a bsonx.Arena
		got := Format(Dec(bsonx.DecimalBits(Put(&a, dec(t, in)))))
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"", "-", "1e", "e5", "0x1", "1 ", "--1", "1.2.3", "infinit", "1e5.5"} {
		if _, ok := Parse(in); ok {
			t.Errorf("%q was accepted", in)
		}
	}
}

func TestDecimalArithmetic(t *testing.T) {
	for _, c := range []struct {
		name string
		got  *Decimal
		want string
	}{
		{"add keeps zeros", Add(dec(t, "1.10"), dec(t, "2.2")), "3.30"},
		{"sub", Sub(dec(t, "1"), dec(t, "0.9")), "0.1"},
		{"far apart", Add(dec(t, "1E+6000"), dec(t, "1E-6000")), "1.000000000000000000000000000000000E+6000"},
		{"inf - inf", Sub(Inf(false), Inf(false)), "NaN"},
		{"mul", Mul(dec(t, "1.5"), dec(t, "2.0")), "3.00"},
		{"overflow", Mul(dec(t, "1E+6000"), dec(t, "1E+6000")), "Infinity"},
		{"exact quotient", Quo(dec(t, "6.0"), dec(t, "3")), "2.0"},
		{"quotient", Quo(dec(t, "2"), dec(t, "3")), "0.6666666666666666666666666666666667"},
		{"rem", Rem(dec(t, "-7.5"), dec(t, "2")), "-1.5"},
		{"rem, far apart", Rem(dec(t, "1E+6000"), dec(t, "7")), "1"},
		{"rem inf", Rem(dec(t, "7"), Inf(false)), "7"},
		{"sqrt", Sqrt(dec(t, "2")), "1.414213562373095048801688724209698"},
		{"sqrt exact", Sqrt(dec(t, "6.25")), "2.5"},
		{"exp", Exp(dec(t, "1")), "2.718281828459045235360287471352662"},
		{"exp overflow", Exp(dec(t, "1E+10")), "Infinity"},
		{"ln", Ln(dec(t, "10")), "2.302585092994045684017991454684364"},
		{"log10", Log10(dec(t, "1000")), "3"},
		{"0.1", FromFloat(0.1), "0.100000000000000"},
		{"1/3", FromFloat(1.0 / 3), "0.333333333333333"},
		{"1e300", FromFloat(1e300), "1.00000000000000E+300"},
		{"exact 0.1", FromFloatExact(0.1), "0.1000000000000000055511151231257827"},
	} {
		if got := Format(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDoubleDouble(t *testing.T) {
	var d DoubleDouble
	d.AddFloat(1e100)
	d.AddFloat(1)
	d.AddFloat(-1e100)
	if d.Float() != 1 {
		t.Errorf("1e100 + 1 - 1e100 = %v", d.Float())
	}
	var n DoubleDouble
	n.AddInt64(math.MaxInt64)
	n.AddInt64(math.MaxInt64)
	n.AddInt64(-math.MaxInt64)
	if v, ok := n.Int64(); !ok || v != math.MaxInt64 {
		t.Errorf("sum of longs: %d, %v", v, ok)
	}
	n.AddInt64(1)
	if _, ok := n.Int64(); ok {
		t.Error("2^63 fits a long")
	}
}

func TestInt64Overflow(t *testing.T) {
	for _, c := range []struct {
		x, y int64
		ok   bool
	}{{math.MinInt64, -1, false}, {math.MinInt64, 1, true}, {math.MaxInt64, 2, false}, {-1 << 62, 2, true}, {1 << 62, 2, false}, {0, math.MinInt64, true}} {
		p, ok := MulInt64(c.x, c.y)
		if ok != c.ok || ok && p != c.x*c.y {
			t.Errorf("%d * %d: %d, %v", c.x, c.y, p, ok)
		}
	}
	if n, ok := ToInt64(dec(t, "2.5")); !ok || n != 2 {
		t.Errorf("2.5: %d", n)
	}
	if _, ok := ToInt64(dec(t, "9223372036854775808")); ok {
		t.Error("2^63 is no long")
	}
}
