package keyenc

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"

	"github.com/argon-db/argon/internal/bsonx"
)

// ErrMalformed is returned for bytes that are not an encoding.
var ErrMalformed = errors.New("keyenc: malformed key")

// Decoder turns the values of a key back into BSON, one after another. It is for
// keys without a collation, whose strings cannot be read back.
type Decoder struct {
	key  []byte
	bits []byte
	out  []byte
	flip byte
	open []frame
}

// frame is an object, array or scope that is being decoded.
type frame struct {
	at    int // where its length stands
	names bool
	scope int // where the length of the code with scope stands, -1 for none
	index int
}

// Reset begins to decode a key with its type bits (nil: what decoding assumes).
// Values decoded before become invalid.
func (d *Decoder) Reset(key, typeBits []byte) {
	d.key, d.bits, d.out = key, typeBits, d.out[:0]
}

// Rest returns what of the key is not decoded yet.
func (d *Decoder) Rest() []byte { return d.key }

// Next decodes the next value; desc says that its encoding is descending. The
// value is valid until Reset.
func (d *Decoder) Next(desc bool) (bsonx.Value, error) {
	d.flip = 0
	if desc {
		d.flip = 0xff
	}
	at := len(d.out)
	d.open = d.open[:0]
	t, ok := d.one()
	for ok && len(d.open) > 0 {
		ok = d.field()
	}
	if !ok {
		return bsonx.Value{}, ErrMalformed
	}
	return bsonx.Value{Type: t, Data: d.out[at:len(d.out):len(d.out)]}, nil
}

// field decodes one field of the innermost open value, or closes it.
func (d *Decoder) field() bool {
	if len(d.key) == 0 {
		return false
	}
	f := &d.open[len(d.open)-1]
	if d.key[0]^d.flip == tagEnd {
		d.key = d.key[1:]
		d.out = append(d.out, 0)
		binary.LittleEndian.PutUint32(d.out[f.at:], uint32(len(d.out)-f.at))
		if f.scope >= 0 {
			binary.LittleEndian.PutUint32(d.out[f.scope:], uint32(len(d.out)-f.scope))
		}
		d.open = d.open[:len(d.open)-1]
		return true
	}
	at := len(d.out)
	d.out = append(d.out, 0)
	if f.names {
		d.key = d.key[1:] // the class, which the value tells again
		for {
			c, ok := d.byte()
			if !ok {
				return false
			}
			d.out = append(d.out, c)
			if c == 0 {
				break
			}
		}
	} else {
		d.out = append(append(d.out, bsonx.Index(f.index)...), 0)
		f.index++
	}
	t, ok := d.one()
	d.out[at] = byte(t)
	return ok
}

func (d *Decoder) byte() (byte, bool) {
	if len(d.key) == 0 {
		return 0, false
	}
	c := d.key[0] ^ d.flip
	d.key = d.key[1:]
	return c, true
}

// take copies n bytes to out.
func (d *Decoder) take(n int) bool {
	if len(d.key) < n {
		return false
	}
	for _, c := range d.key[:n] {
		d.out = append(d.out, c^d.flip)
	}
	d.key = d.key[n:]
	return true
}

func (d *Decoder) bit() byte {
	if len(d.bits) == 0 {
		return 0
	}
	c := d.bits[0]
	d.bits = d.bits[1:]
	return c
}

func (d *Decoder) begin(names bool, scope int) {
	d.open = append(d.open, frame{at: len(d.out), names: names, scope: scope})
	d.out = append(d.out, 0, 0, 0, 0)
}

// one decodes a scalar or opens an object, array or scope.
func (d *Decoder) one() (bsonx.Type, bool) {
	tag, ok := d.byte()
	if !ok {
		return 0, false
	}
	switch tag {
	case tagMinKey:
		return bsonx.MinKey, true
	case tagMaxKey:
		return bsonx.MaxKey, true
	case tagMissing:
		return bsonx.Missing, len(d.open) == 0
	case tagNull:
		if d.bit() == bitUndefined {
			return bsonx.Undefined, true
		}
		return bsonx.Null, true
	case tagFalse, tagTrue:
		d.out = append(d.out, tag-tagFalse)
		return bsonx.Bool, true
	case tagString:
		t := bsonx.String
		if d.bit() == bitSymbol {
			t = bsonx.Symbol
		}
		return t, d.text()
	case tagJavaScript:
		return bsonx.JavaScript, d.text()
	case tagObjectID:
		return bsonx.ObjectID, d.take(12)
	case tagObject:
		d.begin(true, -1)
		return bsonx.Object, true
	case tagArray:
		d.begin(false, -1)
		return bsonx.Array, true
	case tagScopedJS:
		at := len(d.out)
		d.out = append(d.out, 0, 0, 0, 0)
		if !d.text() {
			return 0, false
		}
		d.begin(true, at)
		return bsonx.JavaScriptWithScope, true
	}
	return d.plain(tag)
}

// plain decodes numbers and what is stored by size.
func (d *Decoder) plain(tag byte) (bsonx.Type, bool) {
	switch tag {
	case tagDate, tagTimestamp:
		if len(d.key) < 8 {
			return 0, false
		}
		var w uint64
		for range 8 {
			c, _ := d.byte()
			w = w<<8 | uint64(c)
		}
		if tag == tagTimestamp {
			d.out = binary.LittleEndian.AppendUint64(d.out, w)
			return bsonx.Timestamp, true
		}
		d.out = binary.LittleEndian.AppendUint64(d.out, w^signBit)
		return bsonx.Date, true
	case tagRegex:
		n := skipTag(tag, d.key, d.flip)
		return bsonx.Regex, n >= 0 && d.take(n)
	case tagBinary, tagDBPointer:
		_, head, size := readSize(d.key, d.flip)
		if head < 0 || size == 0 || tag == tagDBPointer && size < 13 {
			return 0, false
		}
		d.key = d.key[head:]
		if tag == tagBinary { // the size counts the subtype, the length does not
			d.out = binary.LittleEndian.AppendUint32(d.out, uint32(size-1))
			return bsonx.Binary, d.take(size)
		}
		d.out = binary.LittleEndian.AppendUint32(d.out, uint32(size-12))
		return bsonx.DBPointer, d.take(size)
	}
	if tag < tagNumberFirst || tag > tagNumberLast {
		return 0, false
	}
	x, n := readNumber(tag, d.key, d.flip)
	if n < 0 {
		return 0, false
	}
	d.key = d.key[n:]
	return d.number(&x)
}

// text decodes escaped bytes into a BSON string.
func (d *Decoder) text() bool {
	at := len(d.out)
	d.out = append(d.out, 0, 0, 0, 0)
	for {
		c, ok := d.byte()
		if !ok {
			return false
		}
		if c == 0 {
			break
		}
		if c == 1 {
			if c, ok = d.byte(); !ok || c != 1 && c != 2 {
				return false
			}
			c--
		}
		d.out = append(d.out, c)
	}
	d.out = append(d.out, 0)
	binary.LittleEndian.PutUint32(d.out[at:], uint32(len(d.out)-at-4))
	return true
}

// number writes a number in the type that the type bits say.
func (d *Decoder) number(x *number) (bsonx.Type, bool) {
	bit := d.bit()
	if bit == 0 {
		switch {
		case x.isInt() && x.int() == int64(int32(x.int())):
			bit = bitInt
		case x.isInt():
			bit = bitLong
		case x.more:
			return bsonx.Decimal128, d.decimal(x, 0, false)
		default:
			bit = bitDouble
		}
	}
	switch bit {
	case bitInt:
		d.out = binary.LittleEndian.AppendUint32(d.out, uint32(x.int()))
		return bsonx.Int32, true
	case bitLong:
		d.out = binary.LittleEndian.AppendUint64(d.out, uint64(x.int()))
		return bsonx.Int64, true
	case bitDouble:
		d.out = binary.LittleEndian.AppendUint64(d.out, math.Float64bits(x.double()))
		return bsonx.Double, true
	case bitNegativeZero:
		d.out = binary.LittleEndian.AppendUint64(d.out, signBit)
		return bsonx.Double, true
	case bitDecimal:
		hi, lo := d.bit(), d.bit()
		return bsonx.Decimal128, d.decimal(x, uint16(hi)<<8|uint16(lo), true)
	}
	return 0, false
}

// decimal writes a decimal; head is its sign and exponent when known.
func (d *Decoder) decimal(x *number, head uint16, known bool) bool {
	coef, exp, sign := new(big.Int), 0, uint64(0)
	if x.neg {
		sign = signBit
	}
	switch {
	case x.tag == tagNaN:
		return d.decimalWords(uint64(head>>15)<<63|0x1f<<58, 0)
	case x.tag == tagPosInf || x.tag == tagNegInf:
		if x.tag == tagNegInf {
			sign = signBit
		}
		return d.decimalWords(sign|0x1e<<58, 0)
	case known:
		if x.tag == tagZero {
			sign = uint64(head>>15) << 63
		}
		exp = int(head&0x3fff) - decimalBias
		r := x.rat()
		p := new(big.Rat).SetInt(pow10(max(exp, -exp)))
		if exp > 0 {
			r.Quo(r, p)
		} else {
			r.Mul(r, p)
		}
		if !r.IsInt() {
			return false
		}
		coef.Set(r.Num())
	default:
		coef, exp = x.coef, x.exp
	}
	if coef.BitLen() > 113 || exp < -decimalBias || exp+decimalBias > 0x2fff {
		return false
	}
	lo := new(big.Int).And(coef, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	hi := coef.Rsh(coef, 64).Uint64()
	return d.decimalWords(sign|uint64(exp+decimalBias)<<49|hi, lo)
}

func (d *Decoder) decimalWords(high, low uint64) bool {
	d.out = binary.LittleEndian.AppendUint64(d.out, low)
	d.out = binary.LittleEndian.AppendUint64(d.out, high)
	return true
}
