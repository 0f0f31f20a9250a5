package match

import (
	"math"
	"math/big"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

const maxInt32 = math.MaxInt32

// integer returns a number that has an exact value as a long. Its errors are
// FailedToParse (9).
func integer(v bsonx.Value) (int64, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(errcode.FailedToParse, "Expected a number, found %s", bsonx.TypeName(v.Type))
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok {
		switch {
		case isNaN(v):
			return 0, errcode.New(errcode.FailedToParse, "Expected an integer, but found NaN")
		case math.Abs(Float(v)) >= 1<<63:
			return 0, errcode.New(errcode.FailedToParse, "Cannot represent as a 64-bit integer: %s", numberText(v))
		}
		return 0, errcode.New(errcode.FailedToParse, "Expected an integer: %s", numberText(v))
	}
	return n, nil
}

// Float returns a number as a double, rounded.
func Float(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	case bsonx.Double:
		return bsonx.F64(v)
	}
	f, _ := strconv.ParseFloat(numberText(v), 64)
	return f
}

func numberText(v bsonx.Value) string {
	switch v.Type {
	case bsonx.Int32:
		return strconv.Itoa(int(bsonx.I32(v)))
	case bsonx.Int64:
		return strconv.FormatInt(bsonx.I64(v), 10)
	case bsonx.Double:
		return strconv.FormatFloat(bsonx.F64(v), 'g', -1, 64)
	}
	h, l := bsonx.DecimalBits(v)
	return bson.NewDecimal128(h, l).String()
}

// truncDecimal cuts off a decimal's fraction; ok is false when it is not finite
// or does not fit into a long.
func truncDecimal(v bsonx.Value) (int64, bool) {
	if h, _ := bsonx.DecimalBits(v); h>>58&0x1f >= 0x1e {
		return 0, false
	}
	coef, exp := bsonx.DecimalParts(v)
	switch {
	case coef.Sign() == 0 || exp < -40:
		return 0, true
	case exp > 19:
		return 0, false
	case exp >= 0:
		coef.Mul(coef, pow10(exp))
	default:
		coef.Quo(coef, pow10(-exp))
	}
	return coef.Int64(), coef.IsInt64()
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
