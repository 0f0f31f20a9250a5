package expr

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// uuidSubtype is the subtype of UUIDs in binData.
const uuidSubtype = 4

var (
	errSyntax   = errors.New("Did not consume whole string.")
	errOverflow = errors.New("Out of range")
	errEmpty    = errors.New("No digits")
	errHex      = errors.New("Illegal hexadecimal input")
)

// parseInteger reads a decimal integer with an optional sign and nothing else.
func parseInteger(s string) (int64, error) {
	body := strings.TrimPrefix(s, "-")
	if body == s {
		body = strings.TrimPrefix(s, "+")
	}
	if body == "" {
		return 0, errEmpty
	}
	for i := 0; i < len(body); i++ {
		if body[i] < '0' || body[i] > '9' {
			if i == 1 && body[0] == '0' && body[i]|0x20 == 'x' {
				return 0, errHex
			}
			return 0, errSyntax
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errOverflow
	}
	return n, nil
}

// parseDouble reads a double as C's strtod does, but no hexadecimal and no
// white space; what is too large or too small for a double is refused.
func parseDouble(s string) (float64, error) {
	body := strings.ToLower(strings.TrimLeft(s, "+-"))
	switch body {
	case "":
		return 0, errEmpty
	case "nan", "inf", "infinity":
		if len(s)-len(body) > 1 {
			return 0, errSyntax
		}
		return strconv.ParseFloat(s, 64)
	}
	if strings.HasPrefix(body, "0x") {
		return 0, errHex
	}
	if strings.Trim(body, "0123456789.e+-") != "" {
		return 0, errSyntax
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return 0, errOverflow
		}
		return 0, errSyntax
	}
	if f == 0 {
		mantissa, _, _ := strings.Cut(body, "e")
		if strings.Trim(mantissa, "0.") != "" {
			return 0, errOverflow
		}
	}
	return f, nil
}

// parseDecimal reads a decimal; what is too large, or too small to be kept
// exactly, is refused.
func parseDecimal(s string) (*numeric.Decimal, error) {
	if body := strings.ToLower(strings.TrimLeft(s, "+-")); strings.HasPrefix(body, "0x") {
		return nil, errHex
	}
	d, ok := numeric.Parse(s)
	if !ok {
		return nil, errSyntax
	}
	if d.Form == apd.Infinite && strings.IndexAny(s, "0123456789") >= 0 {
		return nil, errOverflow
	}
	const least = -6176
	if d.Form == apd.Finite && d.Exponent <= least {
		mantissa, exp, _ := strings.Cut(strings.ToLower(s), "e")
		mantissa = strings.TrimLeft(mantissa, "+-0")
		_, frac, _ := strings.Cut(mantissa, ".")
		digits := strings.TrimRight(strings.Replace(mantissa, ".", "", 1), "0")
		dropped := len(strings.Replace(mantissa, ".", "", 1)) - len(digits)
		e, err := strconv.Atoi(exp)
		if exp != "" && err != nil {
			e = least * 2
		}
		if digits != "" && e-len(frac)+dropped < least {
			return nil, errOverflow
		}
	}
	return d, nil
}

func toString(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	switch v.Type {
	case bsonx.String:
		return v, nil
	case bsonx.Bool:
		return env.Arena.String(strconv.FormatBool(bsonx.Truthy(v))), nil
	case bsonx.ObjectID:
		return env.Arena.String(hex.EncodeToString(v.Data)), nil
	case bsonx.Double:
		return env.Arena.String(formatDouble(bsonx.F64(v), -1, "Infinity", "-Infinity", "NaN")), nil
	case bsonx.Int32, bsonx.Int64, bsonx.Decimal128, bsonx.Date:
		s, err := coerceString(v)
		return env.Arena.String(s), err
	case bsonx.Binary:
		return binaryString(env, v, t)
	}
	return unsupported(v.Type, bsonx.String)
}

func toObjectID(env *Env, v bsonx.Value) (bsonx.Value, error) {
	switch v.Type {
	case bsonx.ObjectID:
		return v, nil
	case bsonx.String:
		s := string(bsonx.Str(v))
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != 12 {
			return failed("Failed to parse objectId '%s' in $convert with no onError value", s)
		}
		return env.Arena.Bytes(bsonx.ObjectID, b), nil
	}
	return unsupported(v.Type, bsonx.ObjectID)
}

// toDate: numbers are milliseconds, but for ints, which are not converted.
func toDate(env *Env, v bsonx.Value) (bsonx.Value, error) {
	if ms, ok := dateOf(v); ok {
		return env.Arena.Date(ms), nil
	}
	switch v.Type {
	case bsonx.Int64:
		return env.Arena.Date(bsonx.I64(v)), nil
	case bsonx.Double, bsonx.Decimal128:
		n, err := toInteger(env, v, &target{typ: bsonx.Int64}, math.MinInt64, math.MaxInt64)
		if err != nil {
			return n, err
		}
		return env.Arena.Date(bsonx.I64(n)), nil
	case bsonx.String:
		ms, err := dates.Parse(string(bsonx.Str(v)), dates.UTC)
		if err != nil {
			return bsonx.Value{}, errcode.Wrap(err, errcode.ConversionFailure, "%v", err)
		}
		return env.Arena.Date(ms), nil
	}
	return unsupported(v.Type, bsonx.Date)
}

// rawBinary returns a binary's subtype and all of its bytes, with the length
// that the old subtype 2 repeats.
func rawBinary(v bsonx.Value) (byte, []byte) { return v.Data[4], v.Data[5:] }

func (t *target) order() binary.ByteOrder {
	if t.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// binaryInteger reads a signed integer of 1, 2, 4 or (for longs) 8 bytes.
func binaryInteger(v bsonx.Value, t *target) (int64, error) {
	_, b := rawBinary(v)
	o := t.order()
	switch {
	case len(b) == 1:
		return int64(int8(b[0])), nil
	case len(b) == 2:
		return int64(int16(o.Uint16(b))), nil
	case len(b) == 4:
		return int64(int32(o.Uint32(b))), nil
	case len(b) == 8 && t.typ == bsonx.Int64:
		return int64(o.Uint64(b)), nil
	}
	_, err := failed("Failed to convert '%s' to number in $convert because of invalid length: %d", v.DebugString(), len(b))
	return 0, err
}

func binaryDouble(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	_, b := rawBinary(v)
	o := t.order()
	switch len(b) {
	case 4:
		return env.Arena.Double(float64(math.Float32frombits(o.Uint32(b)))), nil
	case 8:
		return env.Arena.Double(math.Float64frombits(o.Uint64(b))), nil
	}
	return failed("Failed to convert '%s' to number in $convert because of invalid length: %d", v.DebugString(), len(b))
}

func needFormat(from, to bsonx.Type) (bsonx.Value, error) {
	return bsonx.Value{}, errcode.New(errcode.Code(4341115),
		"Format must be specified when converting from '%s' to '%s'", bsonx.TypeName(from), bsonx.TypeName(to))
}

func binaryString(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	sub, b := bsonx.Bin(v)
	format := t.format
	if format == "auto" {
		format = "base64"
		if sub == uuidSubtype && len(b) == 16 {
			format = "uuid"
		}
	}
	var s string
	switch format {
	case "":
		return needFormat(v.Type, t.typ)
	case "base64":
		s = base64.StdEncoding.EncodeToString(b)
	case "base64url":
		s = base64.RawURLEncoding.EncodeToString(b)
	case "hex":
		s = strings.ToUpper(hex.EncodeToString(b))
	case "utf8":
		if !utf8.Valid(b) {
			return failed("BinData does not represent a valid UTF-8 string in $convert with no onError value")
		}
		s = string(b)
	case "uuid":
		if sub != uuidSubtype || len(b) != 16 {
			return failed("Unsupported conversion of BinData with subtype %d to a UUID string in $convert with no onError value", sub)
		}
		h := hex.EncodeToString(b)
		s = strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	}
	return env.string(s)
}

func toBinary(env *Env, v bsonx.Value, to *target) (bsonx.Value, error) {
	t := *to
	switch v.Type {
	case bsonx.Binary, bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.String:
	default:
		return unsupported(v.Type, bsonx.Binary)
	}
	if v.Type == bsonx.String && t.format == "" {
		return needFormat(v.Type, t.typ)
	}
	if t.subtypeArg.Type != bsonx.Missing {
		var err error
		if t.subtype, err = subtypeArg(t.subtypeArg); err != nil {
			return bsonx.Value{}, err
		}
	}
	o := t.order()
	switch v.Type {
	case bsonx.Binary:
		if sub, _ := rawBinary(v); sub != t.subtype {
			return failed("Conversions between different BinData subtypes are not supported: %d to %d", sub, t.subtype)
		}
		return v, nil
	case bsonx.Int32:
		b := make([]byte, 4)
		o.PutUint32(b, uint32(bsonx.I32(v)))
		return env.binary(t.subtype, b), nil
	case bsonx.Int64, bsonx.Double:
		b := make([]byte, 8)
		o.PutUint64(b, uint64(bsonx.I64(v)))
		return env.binary(t.subtype, b), nil
	}
	return stringBinary(env, v, &t)
}

func (env *Env) binary(sub byte, b []byte) bsonx.Value {
	if sub == 2 {
		b = append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
	}
	data := binary.LittleEndian.AppendUint32(make([]byte, 0, len(b)+5), uint32(len(b)))
	return env.Arena.Bytes(bsonx.Binary, append(append(data, sub), b...))
}

func stringBinary(env *Env, v bsonx.Value, t *target) (bsonx.Value, error) {
	s := string(bsonx.Str(v))
	if (t.format == "uuid") != (t.subtype == uuidSubtype) {
		return failed("The format 'uuid' and BinData's subtype 4 need each other, found '%s' and %d", t.format, t.subtype)
	}
	var b []byte
	var err error
	switch t.format {
	case "base64":
		b, err = base64.StdEncoding.Strict().DecodeString(s)
		if strings.ContainsAny(s, "\r\n") {
			err = errSyntax
		}
	case "base64url":
		if b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "=")); strings.ContainsAny(s, "\r\n") {
			err = errSyntax
		}
	case "hex":
		b, err = hex.DecodeString(s)
	case "utf8":
		b = []byte(s)
	case "uuid":
		b, err = parseUUID(s)
	default:
		return failed("Format '%s' is not supported when converting from string to binData", t.format)
	}
	if err != nil {
		return failed("Input '%s' is not in the format '%s' in $convert with no onError value", s, t.format)
	}
	return env.binary(t.subtype, b), nil
}

func parseUUID(s string) ([]byte, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return nil, errSyntax
	}
	return hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
}
