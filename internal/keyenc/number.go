package keyenc

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"github.com/argon-db/argon/internal/bsonx"
)

// Numbers of all four types have one exact form, so that equal ones are equal
// bytes. The magnitude x of a number is written in one of three ways:
//
//	mid    1 <= x < 2^63   the tag says the number of bytes of (floor(x)<<1 | has
//	                       a fraction); these bytes; the fraction's binary digits
//	small  0 < x < 1       floor(log2 x) as 2 bytes; the binary digits after the
//	large  2^63 <= x       leading one
//
// Binary digits stand in bytes of 7 digits and, lowest, a bit that says that more
// follow. 56 of them hold every double. What a decimal has beyond is decided by its
// decimal digits: the exponent as 2 bytes, and pairs of digits with the same kind
// of bit. For a negative number all bytes after the tag are complemented.
const (
	fracBits  = 56
	fracBytes = 8
	expBias   = 0x8000
)

func appendInt(dst []byte, n int64) []byte {
	switch {
	case n > 0:
		return appendMid(dst, tagMid, uint64(n)<<1, 0)
	case n == 0:
		return append(dst, tagZero)
	case n == math.MinInt64:
		return appendDouble(dst, float64(n))
	}
	return appendMid(dst, tagNegMid, uint64(-n)<<1, 0xff)
}

// appendMid appends the tag and m, whose bytes are complemented when flip is 0xff.
func appendMid(dst []byte, tag byte, m uint64, flip byte) []byte {
	size := (bits.Len64(m) + 7) / 8
	if flip == 0 {
		dst = append(dst, tag+byte(size))
	} else {
		dst = append(dst, tag-byte(size))
	}
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(m>>(8*i))^flip)
	}
	return dst
}

func appendDouble(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, tagNaN)
	case f == 0:
		return append(dst, tagZero)
	case math.IsInf(f, 0):
		if f < 0 {
			return append(dst, tagNegInf)
		}
		return append(dst, tagPosInf)
	}
	var flip byte
	if f < 0 {
		f, flip = -f, 0xff
	}
	if f >= 1 && f < 1<<63 {
		n := uint64(f)
		frac := f - float64(n)
		tag := byte(tagMid)
		if flip != 0 {
			tag = tagNegMid
		}
		if frac == 0 {
			return appendMid(dst, tag, n<<1, flip)
		}
		dst = appendMid(dst, tag, n<<1|1, flip)
		return appendFraction(dst, uint64(frac*(1<<fracBits)), false, flip)
	}
	m, e := math.Frexp(f) // 0.5 <= m < 1
	dst = appendExp(dst, f >= 1, e-1, flip)
	return appendFraction(dst, uint64((2*m-1)*(1<<fracBits)), false, flip)
}

// appendExp begins the small or large form.
func appendExp(dst []byte, large bool, e int, flip byte) []byte {
	tag := byte(tagSmall)
	switch {
	case large && flip == 0:
		tag = tagLarge
	case large:
		tag = tagNegLarge
	case flip != 0:
		tag = tagNegSmall
	}
	dst = binary.BigEndian.AppendUint16(append(dst, tag), uint16(e+expBias))
	dst[len(dst)-1] ^= flip
	dst[len(dst)-2] ^= flip
	return dst
}

// appendFraction appends 56 binary digits; more says that the number has digits
// beyond them, which the caller appends.
func appendFraction(dst []byte, g uint64, more bool, flip byte) []byte {
	for i := fracBytes - 1; i >= 0; i-- {
		c := byte(g>>(7*i))&0x7f<<1 | 1
		if !more && g&(1<<(7*i)-1) == 0 {
			return append(dst, (c^1)^flip)
		}
		dst = append(dst, c^flip)
	}
	return dst
}

// appendDecimal appends a decimal, in the form of an int or a double when it is
// equal to one.
func appendDecimal(dst []byte, v bsonx.Value) []byte {
	high, _ := bsonx.DecimalBits(v)
	switch {
	case bsonx.DecimalIsNaN(v):
		return append(dst, tagNaN)
	case high>>58&0x1f == 0x1e:
		if high>>63 == 1 {
			return append(dst, tagNegInf)
		}
		return append(dst, tagPosInf)
	case bsonx.DecimalIsZero(v):
		return append(dst, tagZero)
	}
	if n, ok := bsonx.IntegralOK(v); ok {
		return appendInt(dst, n)
	}
	coef, exp := bsonx.DecimalParts(v)
	var flip byte
	if coef.Sign() < 0 {
		coef.Neg(coef)
		flip = 0xff
	}
	num, den := new(big.Int).Set(coef), big.NewInt(1)
	if exp >= 0 {
		num.Mul(num, pow10(exp))
	} else {
		den = pow10(-exp)
	}
	n, rem := new(big.Int).QuoRem(num, den, new(big.Int))
	var g *big.Int
	if n.Sign() > 0 && n.BitLen() <= 63 {
		tag := byte(tagMid)
		if flip != 0 {
			tag = tagNegMid
		}
		if rem.Sign() == 0 {
			return appendMid(dst, tag, n.Uint64()<<1, flip)
		}
		dst = appendMid(dst, tag, n.Uint64()<<1|1, flip)
		g, rem = rem.QuoRem(rem.Lsh(rem, fracBits), den, new(big.Int))
	} else {
		e := log2(num, den)
		dst = appendExp(dst, n.Sign() > 0, e, flip)
		if shift := fracBits - e; shift >= 0 {
			num.Lsh(num, uint(shift))
		} else {
			den.Lsh(den, uint(-shift))
		}
		g, rem = num.QuoRem(num, den, new(big.Int))
		g.SetBit(g, fracBits, 0)
	}
	more := rem.Sign() != 0
	dst = appendFraction(dst, g.Uint64(), more, flip)
	if more {
		dst = appendDigits(dst, coef, exp, flip)
	}
	return dst
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// log2 returns floor(log2(num/den)).
func log2(num, den *big.Int) int {
	e := num.BitLen() - den.BitLen()
	var c int
	if e >= 0 {
		c = num.Cmp(new(big.Int).Lsh(den, uint(e)))
	} else {
		c = new(big.Int).Lsh(num, uint(-e)).Cmp(den)
	}
	if c < 0 {
		e--
	}
	return e
}

// appendDigits appends coef × 10^exp as decimal exponent and digits.
func appendDigits(dst []byte, coef *big.Int, exp int, flip byte) []byte {
	var room [40]byte
	d := coef.Append(room[:0], 10)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exp+len(d)-1+expBias))
	dst[len(dst)-1] ^= flip
	dst[len(dst)-2] ^= flip
	for len(d) > 0 && d[len(d)-1] == '0' {
		d = d[:len(d)-1]
	}
	if len(d)%2 == 1 {
		d = append(d, '0')
	}
	for i := 0; i < len(d); i += 2 {
		c := ((d[i]-'0')*10 + d[i+1] - '0') << 1
		if i+2 < len(d) {
			c |= 1
		}
		dst = append(dst, c^flip)
	}
	return dst
}

// number is a decoded number, before its type is known.
type number struct {
	tag  byte
	neg  bool
	n    uint64 // mid: the whole part
	e    int    // small, large
	g    uint64 // fraction
	more bool   // the digits decide
	exp  int    // of the last digit
	coef *big.Int
}

// readNumber reads what follows a number's tag and returns how many bytes it
// took, -1 when malformed.
func readNumber(tag byte, b []byte, flip byte) (x number, size int) {
	x.tag = tag
	if tag == tagNaN || tag == tagNegInf || tag == tagPosInf || tag == tagZero {
		return x, 0
	}
	x.neg = tag < tagZero
	if x.neg {
		flip = ^flip
	}
	at := 0
	if tag == tagNegLarge || tag == tagNegSmall || tag == tagSmall || tag == tagLarge {
		if len(b) < 2 {
			return x, -1
		}
		x.e = int(b[0]^flip)<<8 + int(b[1]^flip) - expBias
		at = 2
	} else {
		if x.neg {
			at = tagNegMid - int(tag)
		} else {
			at = int(tag) - tagMid
		}
		if at > len(b) {
			return x, -1
		}
		var m uint64
		for _, c := range b[:at] {
			m = m<<8 | uint64(c^flip)
		}
		x.n = m >> 1
		if m&1 == 0 {
			return x, at
		}
	}
	more := true
	for i := fracBytes - 1; more; i-- {
		if i < 0 {
			n := x.readDigits(b[at:], flip)
			if n < 0 {
				return x, -1
			}
			return x, at + n
		}
		if at >= len(b) {
			return x, -1
		}
		c := b[at] ^ flip
		at++
		x.g |= uint64(c>>1) << (7 * i)
		more = c&1 == 1
	}
	return x, at
}

// maxDigits bounds the decimal digits that are read: a decimal has 34.
const maxDigits = 40

func (x *number) readDigits(b []byte, flip byte) int {
	if len(b) < 3 {
		return -1
	}
	x.more = true
	e := int(b[0]^flip)<<8 + int(b[1]^flip) - expBias
	digits := make([]byte, 0, maxDigits)
	at := 2
	for more := true; more; at++ {
		if at >= len(b) || len(digits) >= maxDigits {
			return -1
		}
		c := b[at] ^ flip
		p := c >> 1
		if p > 99 {
			return -1
		}
		digits = append(digits, '0'+p/10, '0'+p%10)
		more = c&1 == 1
	}
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	x.coef, _ = new(big.Int).SetString(string(digits), 10)
	x.exp = e - len(digits) + 1
	return at
}

// isInt reports whether the number is whole and below 2^63 in magnitude.
func (x *number) isInt() bool {
	return x.tag == tagZero || x.e == 0 && x.g == 0 && !x.more && x.n != 0 ||
		x.tag == tagNegLarge && x.e == 63 && x.g == 0 && !x.more
}

func (x *number) int() int64 {
	switch {
	case x.tag == tagNegLarge:
		return math.MinInt64
	case x.neg:
		return -int64(x.n)
	}
	return int64(x.n)
}

// double returns the number, exactly when it was made of a double.
func (x *number) double() float64 {
	var f float64
	switch x.tag {
	case tagNaN:
		return math.NaN()
	case tagNegInf:
		return math.Inf(-1)
	case tagPosInf:
		return math.Inf(1)
	case tagZero:
		return 0
	case tagSmall, tagLarge, tagNegSmall, tagNegLarge:
		f = math.Ldexp(1+float64(x.g)/(1<<fracBits), x.e)
	default:
		f = float64(x.n) + float64(x.g)/(1<<fracBits)
	}
	if x.neg {
		return -f
	}
	return f
}

// rat returns the magnitude exactly.
func (x *number) rat() *big.Rat {
	r := new(big.Rat)
	switch {
	case x.more:
		r.SetInt(x.coef)
		if x.exp >= 0 {
			return r.Mul(r, new(big.Rat).SetInt(pow10(x.exp)))
		}
		return r.Quo(r, new(big.Rat).SetInt(pow10(-x.exp)))
	case x.tag == tagZero:
		return r
	}
	whole, shift := new(big.Int).SetUint64(x.n), x.e-fracBits
	if x.n == 0 {
		whole.SetInt64(1)
	} else {
		shift = -fracBits
	}
	whole.Lsh(whole, fracBits).Or(whole, new(big.Int).SetUint64(x.g))
	r.SetInt(whole)
	if shift >= 0 {
		return r.SetInt(whole.Lsh(whole, uint(shift)))
	}
	return r.Quo(r, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(-shift))))
}
