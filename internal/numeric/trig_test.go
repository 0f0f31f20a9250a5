package numeric

import (
	"math"
	"testing"

	"github.com/cockroachdb/apd/v3"
)

// Values to 34 digits, from tables of mathematical functions.
func TestTrigonometry(t *testing.T) {
	for _, c := range []struct {
		name    string
		f       func(*Decimal) *Decimal
		x, want string
	}{
		{"sin", Sin, "1", "0.8414709848078965066525023216302990"},
		{"cos", Cos, "1", "0.5403023058681397174009366074429766"},
		{"tan", Tan, "1", "1.557407724654902230506974807458360"},
		{"atan", Atan, "1", "0.7853981633974483096156608458198757"},
		{"asin", Asin, "1", "1.570796326794896619231321691639751"},
		{"acos", Acos, "-1", "3.141592653589793238462643383279503"},
		{"sinh", Sinh, "1", "1.175201193643801456882381850595601"},
		{"cosh", Cosh, "1", "1.543080634815243778477905620757061"},
		{"tanh", Tanh, "1", "0.7615941559557648881194582826047936"},
		{"asinh", Asinh, "1", "0.8813735870195430252326093249797923"},
		{"acosh", Acosh, "2", "1.316957896924816708625046347307968"},
		{"atanh", Atanh, "0.5", "0.5493061443340548456976226184612629"},
	} {
		x, _ := Parse(c.x)
		want, _ := Parse(c.want)
		got := c.f(x)
		diff := new(Decimal)
		wide(10).Sub(diff, got, want)
		if !diff.IsZero() && adjusted(diff) > adjusted(want)-32 {
			t.Errorf("%s(%s) = %s, want %s", c.name, c.x, Format(got), c.want)
		}
	}
}

// TestTrigonometryLikeDoubles compares with the machine's functions.
func TestTrigonometryLikeDoubles(t *testing.T) {
	for _, x := range []float64{-1e6, -3, -0.5, 1e-30, 0.3, 0.999, 2, 10, 12345.678, 1e22} {
		for _, c := range []struct {
			f func(*Decimal) *Decimal
			g func(float64) float64
		}{{Sin, math.Sin}, {Cos, math.Cos}, {Tan, math.Tan}, {Atan, math.Atan}, {Asinh, math.Asinh}, {Tanh, math.Tanh}} {
			got, want := Float(c.f(FromFloatExact(x))), c.g(x)
			if math.Abs(got-want) > 1e-9*math.Abs(want) {
				t.Errorf("at %g: %g, want %g", x, got, want)
			}
		}
		for _, y := range []float64{-2, 0, 3} {
			if got, want := Float(Atan2(FromFloatExact(y), FromFloatExact(x))), math.Atan2(y, x); math.Abs(got-want) > 1e-12 {
				t.Errorf("atan2(%g, %g) = %g, want %g", y, x, got, want)
			}
		}
	}
	huge := &Decimal{Exponent: 6111, Coeff: *apd.NewBigInt(9)}
	if s := Float(Sin(huge)); s < -1 || s > 1 || s == 0 {
		t.Errorf("sin of a huge number: %g", s)
	}
}
