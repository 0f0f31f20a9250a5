package expr

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// coerceString turns a value into text as the string operators do with their
// operands: nullish is "", numbers and dates are written out. Doubles have six
// significant digits here, unlike in $toString.
func coerceString(v bsonx.Value) (string, error) {
	switch v.Type {
	case bsonx.Missing, bsonx.Null, bsonx.Undefined:
		return "", nil
	case bsonx.String, bsonx.Symbol, bsonx.JavaScript:
		return string(bsonx.Str(v)), nil
	case bsonx.Int32:
		return strconv.Itoa(int(bsonx.I32(v))), nil
	case bsonx.Int64:
		return strconv.FormatInt(bsonx.I64(v), 10), nil
	case bsonx.Double:
		return formatDouble(bsonx.F64(v), 6, "inf", "-inf", "nan"), nil
	case bsonx.Decimal128:
		return decimalString(v), nil
	case bsonx.Date:
		return isoString(bsonx.I64(v))
	case bsonx.Timestamp:
		t := uint64(bsonx.I64(v))
		at := time.Unix(int64(t>>32), 0).UTC()
		return at.Format("Jan _2 15:04:05:") + strconv.FormatUint(t&math.MaxUint32, 10), nil
	}
	return "", errcode.New(errcode.Code(16007),
		"can't convert from BSON type %s to String", bsonx.TypeName(v.Type))
}

// formatDouble writes f as C's %g does: the shortest form (digits -1) or so many
// significant digits, an exponent of at least two digits when it is large.
func formatDouble(f float64, digits int, inf, negInf, nan string) string {
	switch {
	case f != f:
		return nan
	case math.IsInf(f, 1):
		return inf
	case math.IsInf(f, -1):
		return negInf
	}
	precision := digits
	if digits < 0 {
		precision = 16 // where %g changes to an exponent
	}
	e := strconv.FormatFloat(f, 'e', digitsAfterPoint(digits), 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if exp < -4 || exp >= precision {
		mantissa, _, _ := strings.Cut(e, "e")
		return trimZeros(mantissa) + e[strings.IndexByte(e, 'e'):]
	}
	if digits < 0 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return trimZeros(strconv.FormatFloat(f, 'f', max(digits-1-exp, 0), 64))
}

func digitsAfterPoint(digits int) int {
	if digits < 0 {
		return -1
	}
	return digits - 1
}

func trimZeros(s string) string {
	if strings.IndexByte(s, '.') < 0 {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// decimalString writes a decimal in its canonical form ("1E-6176", "-0", …).
func decimalString(v bsonx.Value) string { return numeric.Format(numeric.FromValue(v)) }

// coerceLong turns a number into a long as the older operators do: a double is
// cut and must be in range (31109), a decimal is rounded half to even and is the
// smallest long when it is out of range.
func coerceLong(v bsonx.Value) (int64, error) {
	switch v.Type {
	case bsonx.Missing, bsonx.Null, bsonx.Undefined:
		return 0, nil
	case bsonx.Double:
		f := bsonx.F64(v)
		if !(f >= -9223372036854775808 && f < 9223372036854775808) {
			return 0, errcode.New(errcode.Code(31109), "Can't coerce out of range value %v to long", f)
		}
		return int64(f), nil
	case bsonx.Decimal128:
		n, ok := decimalRound(v, true)
		if !ok {
			return math.MinInt64, nil
		}
		return n, nil
	}
	n, _ := bsonx.IntegralOK(v)
	return n, nil
}

// integral32 returns v when it is a number whose value is exactly an int.
func integral32(v bsonx.Value) (int, bool) {
	n, ok := bsonx.IntegralOK(v)
	return int(n), ok && n >= math.MinInt32 && n <= math.MaxInt32
}

// decimalRound returns a decimal as a long, half to even or towards zero; false
// when it is not finite or out of range.
func decimalRound(v bsonx.Value, halfEven bool) (int64, bool) {
	h, _ := bsonx.DecimalBits(v)
	if h>>58&0x1f >= 0x1e {
		return 0, false
	}
	coef, exp := bsonx.DecimalParts(v)
	if coef.Sign() == 0 || exp < -40 {
		return 0, true
	}
	if exp > 20 {
		return 0, false
	}
	pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		coef.Mul(coef, pow)
		return coef.Int64(), coef.IsInt64()
	}
	q, r := new(big.Int).QuoRem(coef, pow, new(big.Int))
	if halfEven {
		r.Abs(r).Lsh(r, 1)
		if c := r.Cmp(pow); c > 0 || c == 0 && q.Bit(0) == 1 {
			q.Add(q, big.NewInt(int64(coef.Sign())))
		}
	}
	return q.Int64(), q.IsInt64()
}
