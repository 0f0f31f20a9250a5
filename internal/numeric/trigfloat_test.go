package numeric

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/argon-db/argon/test/seed"
)

// TestTrigFloat compares with the decimal functions, which are exact to more digits
// than a double has.
func TestTrigFloat(t *testing.T) {
	for _, c := range []struct{ got, want float64 }{
		{TanFloat(1), 1.5574077246549023}, {AcosFloat(0.5), 1.0471975511965979}, {AsinFloat(0.5), 0.5235987755982989},
		{SinFloat(0), 0}, {CosFloat(0), 1}, {AcosFloat(-1), math.Pi}, {AsinFloat(1), math.Pi / 2},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	r := rand.New(rand.NewPCG(seed.Of(t), 0))
	for range 300 {
		x := (r.Float64() - 0.5) * []float64{2, 2, 20, 2000}[r.IntN(4)]
		check(t, "sin", x, SinFloat(x), Sin)
		check(t, "cos", x, CosFloat(x), Cos)
		check(t, "tan", x, TanFloat(x), Tan)
		if math.Abs(x) <= 1 {
			check(t, "asin", x, AsinFloat(x), Asin)
			check(t, "acos", x, AcosFloat(x), Acos)
		}
	}
}

func check(t *testing.T, name string, x, got float64, exact func(*Decimal) *Decimal) {
	t.Helper()
	want := Float(exact(FromFloatExact(x)))
	if ulp := math.Abs(math.Nextafter(want, 2*want) - want); math.Abs(got-want) > ulp {
		t.Errorf("%s(%v): got %v, want %v", name, x, got, want)
	}
}
