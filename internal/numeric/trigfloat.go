package numeric

import "math"

// Sine, cosine, tangent and two of their inverses of doubles, to less than one
// unit in the last place: the polynomials of fdlibm (Sun Microsystems, 1993),
// which C libraries use. Go's own are from Cephes and differ from theirs in the
// last digit more often.

const (
	halfPiHigh    = 1.57079632679489655800e+00
	halfPiLow     = 6.12323399573676603587e-17
	quarterPi     = 7.85398163397448278999e-01
	quarterPiLow  = 3.06161699786838301793e-17
	maxReduced    = 1e5 // beyond it, the reduction here is not exact enough
	halfPiPart1   = 1.57079632673412561417e+00
	halfPiPart2   = 6.07710050630396597660e-11
	halfPiPart2Lo = 2.02226624879595063154e-21
)

// reduce returns x - n × π/2, within ±π/4, as a sum of two doubles.
func reduce(x float64) (n int, y, low float64) {
	if math.Abs(x) <= quarterPi {
		return 0, x, 0
	}
	f := math.RoundToEven(x * (2 / math.Pi))
	t := x - f*halfPiPart1
	w := f * halfPiPart2
	r := t - w
	w = f*halfPiPart2Lo - ((t - r) - w)
	y = r - w
	return int(f), y, (r - y) - w
}

func sinKernel(x, low float64) float64 {
	z := x * x
	v := z * x
	r := 8.33333333332248946124e-03 + z*(-1.98412698298579493134e-04+z*(2.75573137070700676789e-06+
		z*(-2.50507602534068634195e-08+z*1.58969099521155010221e-10)))
	return x - ((z*(0.5*low-v*r) - low) - v*-1.66666666666666324348e-01)
}

func cosKernel(x, low float64) float64 {
	z := x * x
	r := z * (4.16666666666666019037e-02 + z*(-1.38888888888741095749e-03+z*(2.48015872894767294178e-05+
		z*(-2.75573143513906633035e-07+z*(2.08757232129817482790e-09+z*-1.13596475577881948265e-11)))))
	h := 0.5 * z
	w := 1 - h
	return w + (((1 - w) - h) + (z*r - x*low))
}

// upper is a double without the lower half of its bits, so that its square is exact.
func upper(x float64) float64 { return math.Float64frombits(math.Float64bits(x) &^ (1<<32 - 1)) }

// tanKernel returns tan x, or -1 / tan x when inverse.
func tanKernel(x, low float64, inverse bool) float64 {
	sign, big, one := 1.0, math.Abs(x) >= 0.67434, 1.0
	if inverse {
		one = -1
	}
	if big {
		if x < 0 {
			x, low, sign = -x, -low, -1
		}
		x, low = (quarterPi-x)+(quarterPiLow-low), 0
	}
	z := x * x
	w := z * z
	r := 1.33333333333201242699e-01 + w*(2.18694882948595424599e-02+w*(3.59207910759131235356e-03+
		w*(5.88041240820264096874e-04+w*(7.81794442939557092300e-05+w*-1.85586374855275456654e-05))))
	v := z * (5.39682539762260521377e-02 + w*(8.86323982359930005737e-03+w*(1.45620945432529025516e-03+
		w*(2.46463134818469906812e-04+w*(7.14072491382608190305e-05+w*2.59073051863633712884e-05)))))
	s := z * x
	r = low + z*(s*(r+v)+low)
	r += 3.33333333333334091986e-01 * s
	w = x + r
	switch {
	case big:
		return sign * (one - 2*(x-(w*w/(w+one)-r)))
	case !inverse:
		return w
	}
	z = upper(w)
	v = r - (z - x)
	a := -1 / w
	t := upper(a)
	return t + a*(1+t*z+t*v)
}

// SinFloat returns the sine of x.
func SinFloat(x float64) float64 {
	if !(math.Abs(x) < maxReduced) {
		return math.Sin(x)
	}
	n, y, low := reduce(x)
	switch n & 3 {
	case 0:
		return sinKernel(y, low)
	case 1:
		return cosKernel(y, low)
	case 2:
		return -sinKernel(y, low)
	}
	return -cosKernel(y, low)
}

// CosFloat returns the cosine of x.
func CosFloat(x float64) float64 {
	if !(math.Abs(x) < maxReduced) {
		return math.Cos(x)
	}
	n, y, low := reduce(x)
	switch n & 3 {
	case 0:
		return cosKernel(y, low)
	case 1:
		return -sinKernel(y, low)
	case 2:
		return -cosKernel(y, low)
	}
	return sinKernel(y, low)
}

// TanFloat returns the tangent of x.
func TanFloat(x float64) float64 {
	if !(math.Abs(x) < maxReduced) {
		return math.Tan(x)
	}
	n, y, low := reduce(x)
	return tanKernel(y, low, n&1 == 1)
}

// asinRatio is (asin √z - √z) / √z.
func asinRatio(z float64) float64 {
	p := z * (1.66666666666666657415e-01 + z*(-3.25565818622400915405e-01+z*(2.01212532134862925881e-01+
		z*(-4.00555345006794114027e-02+z*(7.91534994289814532176e-04+z*3.47933107596021167570e-05)))))
	return p / (1 + z*(-2.40339491173441421878e+00+z*(2.02094576023350569471e+00+
		z*(-6.88283971605453293030e-01+z*7.70381505559019352791e-02))))
}

// AsinFloat returns the arcsine of x; NaN outside of [-1, 1].
func AsinFloat(x float64) float64 {
	a := math.Abs(x)
	switch {
	case !(a <= 1):
		return math.NaN()
	case a == 1:
		return x*halfPiHigh + x*halfPiLow
	case a < 0x1p-26:
		return x
	case a < 0.5:
		return x + x*asinRatio(x*x)
	}
	t := (1 - a) * 0.5
	s, r := math.Sqrt(t), asinRatio(t)
	if a >= 0.975 {
		return math.Copysign(halfPiHigh-(2*(s+s*r)-halfPiLow), x)
	}
	w := upper(s)
	c := (t - w*w) / (s + w)
	p := 2*s*r - (halfPiLow - 2*c)
	return math.Copysign(quarterPi-(p-(quarterPi-2*w)), x)
}

// AcosFloat returns the arccosine of x; NaN outside of [-1, 1].
func AcosFloat(x float64) float64 {
	a := math.Abs(x)
	switch {
	case !(a <= 1):
		return math.NaN()
	case x == 1:
		return 0
	case x == -1:
		return math.Pi
	case a < 0.5:
		return halfPiHigh - (x - (halfPiLow - x*asinRatio(x*x)))
	}
	z := (1 - a) * 0.5
	s, r := math.Sqrt(z), asinRatio(z)
	if x < 0 {
		return math.Pi - 2*(s+(r*s-halfPiLow))
	}
	w := upper(s)
	c := (z - w*w) / (s + w)
	return 2 * (w + (r*s + c))
}
