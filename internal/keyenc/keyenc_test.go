package keyenc

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/argon-db/argon/internal/bsonx"
)

func val(t bsonx.Type, data ...byte) bsonx.Value { return bsonx.Value{Type: t, Data: data} }

func dec(s string) bsonx.Value {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		panic(s)
	}
	return decBits(d.GetBytes())
}

func decBits(h, l uint64) bsonx.Value {
	b := binary.LittleEndian.AppendUint64(nil, l)
	return val(bsonx.Decimal128, binary.LittleEndian.AppendUint64(b, h)...)
}

// numbers near each other in all four types.
func genNumber() *rapid.Generator[bsonx.Value] {
	edges := []float64{0, math.Copysign(0, -1), 1, 0.1, 0.5, 1.5, 19.99, 1e15, 1 << 53, 1<<53 + 2, 1 << 62, 1 << 63, -(1 << 63),
		math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxInt32, 1e22, 1e23}
	ints := []int64{0, 1, -1, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, math.MinInt64 + 1, 1 << 53, 1<<53 + 1, 1<<53 - 1}
	decs := []string{"0", "-0", "0E+3", "1", "1.0", "1.00", "-1", "0.1", "0.10", "0.5", "1.5", "19.99", "9007199254740993", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1E+6144", "9.999999999999999999999999999999999E+6144", "1E-6176",
		"-1E-6176", "NaN", "Infinity", "-Infinity", "0.1000000000000000055511151231257827", "0.09999999999999999999999999999999999",
		"1.000000000000000000000000000000001", "179769313486231570000000000000000000000", "1.797693134862315708145274237317044E+308",
		"4.940656458412465441765687928682214E-324", "1E+22", "1E+23", "3E-400", "0.3333333333333333333333333333333333"}
	return rapid.Custom(func(t *rapid.T) bsonx.Value {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return bsonx.Int32Value(rapid.Int32().Draw(t, "i"))
		case 1:
			n := rapid.OneOf(rapid.SampledFrom(ints), rapid.Int64(), rapid.Int64Range(-300, 300)).Draw(t, "l")
			return bsonx.Int64Value(n)
		case 2:
			return bsonx.DoubleValue(rapid.OneOf(rapid.SampledFrom(edges), rapid.Float64()).Draw(t, "d"))
		case 3: // a short one
			return bsonx.DoubleValue(float64(rapid.IntRange(-2000, 2000).Draw(t, "q")) / rapid.SampledFrom([]float64{1, 2, 4, 10, 100}).Draw(t, "by"))
		case 4:
			return dec(rapid.SampledFrom(decs).Draw(t, "dec"))
		case 5:
			c := rapid.Int64().Draw(t, "coef")
			e := rapid.OneOf(rapid.IntRange(-25, 25), rapid.IntRange(-6176, 6000)).Draw(t, "exp")
			s := uint64(0)
			if c < 0 {
				s, c = 1<<63, max(-c, 0)
			}
			return decBits(s|uint64(e+6176)<<49|rapid.Uint64Range(0, 1<<48).Draw(t, "hi"), uint64(c))
		}
		f := rapid.Float64Range(-1e6, 1e6).Draw(t, "near") // the decimal nearest to a double
		d, err := bson.ParseDecimal128(strings.TrimSpace(bsonNumber(f)))
		if err != nil {
			t.Skip()
		}
		return decBits(d.GetBytes())
	})
}

func genValue(depth int) *rapid.Generator[bsonx.Value] {
	return rapid.Custom(func(t *rapid.T) bsonx.Value {
		limit := 19
		if depth == 0 {
			limit = 16
		}
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "a\x01", "a\x01\x01", "ab", "\x00", "\x01", "\x02"}))
		raw := rapid.SliceOfN(rapid.Byte(), 0, 20)
		switch rapid.IntRange(0, limit).Draw(t, "type") {
		case 0, 1, 2, 3, 4:
			return genNumber().Draw(t, "number")
		case 5:
			return bsonx.StringValue(text.Draw(t, "s"))
		case 6:
			return bsonx.Value{Type: bsonx.Symbol, Data: bsonx.StringValue(text.Draw(t, "s")).Data}
		case 7:
			return val(bsonx.ObjectID, rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "oid")...)
		case 8:
			return bsonx.BoolValue(rapid.Bool().Draw(t, "b"))
		case 9:
			return bsonx.DateValue(rapid.Int64().Draw(t, "date"))
		case 10:
			return bsonx.TimestampValue(rapid.Uint32().Draw(t, "t"), rapid.Uint32().Draw(t, "i"))
		case 11:
			return val(rapid.SampledFrom([]bsonx.Type{bsonx.MinKey, bsonx.MaxKey, bsonx.Null, bsonx.Undefined}).Draw(t, "bare"))
		case 12:
			b := raw.Draw(t, "bin")
			if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
				b = bytes.Repeat(append(b, 7), 300)
			}
			v := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
			return val(bsonx.Binary, append(append(v, rapid.SampledFrom([]byte{0, 4, 128}).Draw(t, "sub")), b...)...)
		case 13:
			p := strings.ReplaceAll(text.Draw(t, "re"), "\x00", "")
			return val(bsonx.Regex, []byte(p+"\x00"+rapid.SampledFrom([]string{"", "i", "im"}).Draw(t, "opt")+"\x00")...)
		case 14:
			d := append(bsonx.StringValue(text.Draw(t, "ns")).Data, bytes.Repeat([]byte{1}, 12)...)
			return val(bsonx.DBPointer, d...)
		case 15:
			return bsonx.Value{Type: bsonx.JavaScript, Data: bsonx.StringValue(text.Draw(t, "js")).Data}
		case 16:
			return val(bsonx.Null)
		case 17:
			vals := rapid.SliceOfN(genValue(depth-1), 0, 4).Draw(t, "arr")
			return bsonx.ArrValue(bsonx.AppendArray(nil, vals))
		case 18:
			code := bsonx.StringValue(text.Draw(t, "js")).Data
			scope := genDoc(depth-1).Draw(t, "scope")
			d := binary.LittleEndian.AppendUint32(nil, uint32(4+len(code)+len(scope)))
			return val(bsonx.JavaScriptWithScope, append(append(d, code...), scope...)...)
		}
		return bsonx.DocValue(genDoc(depth-1).Draw(t, "doc"))
	})
}

func genDoc(depth int) *rapid.Generator[bsonx.Doc] {
	return rapid.Custom(func(t *rapid.T) bsonx.Doc {
		b := bsonx.NewDoc(nil)
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			b.Value(rapid.SampledFrom([]string{"a", "b", "a\x01", "ab", ""}).Draw(t, "name"), genValue(max(depth, 0)).Draw(t, "v"))
		}
		return b.Done()
	})
}

func bsonNumber(f float64) string {
	d, _ := bson.MarshalExtJSON(bson.D{{Key: "a", Value: f}}, false, false)
	s := string(d)
	return s[strings.Index(s, ":")+1 : len(s)-1]
}

func TestOrderIsCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genValue(3).Draw(t, "a"), genValue(3).Draw(t, "b")
		checkOrder(t, a, b)
	})
}

func TestOrderOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkOrder(t, genNumber().Draw(t, "a"), genNumber().Draw(t, "b"))
	})
}

// TestNeighbours compares numbers that are next to each other: a decimal with the
// decimals and the doubles around it.
func TestNeighbours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hi, lo := rapid.Uint64Range(0, 1<<48).Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")
		if rapid.Bool().Draw(t, "short") {
			hi, lo = 0, lo%1000
		}
		e := rapid.OneOf(rapid.IntRange(-40, 3), rapid.IntRange(-400, 320), rapid.IntRange(-6000, 6000)).Draw(t, "exp")
		head := rapid.Uint64Range(0, 1).Draw(t, "sign")<<63 | uint64(e+6176)<<49 | hi
		a := decBits(head, lo)
		near := []bsonx.Value{a, decBits(head, lo+1), decBits(head, lo+12345), decBits(head+1<<49, lo)}
		f, _ := strconv.ParseFloat(bson.NewDecimal128(head, lo).String(), 64)
		for _, f := range []float64{f, math.Nextafter(f, math.Inf(1)), math.Nextafter(f, math.Inf(-1)), math.Trunc(f)} {
			near = append(near, bsonx.DoubleValue(f))
			if n, ok := bsonx.IntegralOK(bsonx.DoubleValue(f)); ok {
				near = append(near, bsonx.Int64Value(n))
			}
		}
		for _, a := range near {
			for _, b := range near {
				checkOrder(t, a, b)
			}
		}
	})
}

type fataler interface{ Fatalf(string, ...any) }

func checkOrder(t fataler, a, b bsonx.Value) {
	want := bsonx.Compare(a, b)
	ka, kb := Append(nil, a), Append(nil, b)
	if got := bytes.Compare(ka, kb); got != want {
		t.Fatalf("compare %v, %v: keys say %d, values %d\n%x\n%x", a, b, got, want, ka, kb)
	}
	if want != 0 && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
		t.Fatalf("%v, %v: one key is a prefix of the other", a, b)
	}
	da, db := AppendDesc(nil, a, nil), AppendDesc(nil, b, nil)
	if got := bytes.Compare(da, db); got != -want {
		t.Fatalf("descending %v, %v: %d instead of %d", a, b, got, -want)
	}
	lo, hi := ClassBounds(a.Type)
	if ka[0] < lo || ka[0] > hi {
		t.Fatalf("%v is outside of its class", a)
	}
	in := kb[0] >= lo && kb[0] <= hi
	if same := bsonx.Class(a.Type) == bsonx.Class(b.Type); in != same {
		t.Fatalf("%v, %v: class bounds say %v", a, b, in)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vals := rapid.SliceOfN(genValue(3), 1, 4).Draw(t, "vals")
		desc := rapid.SliceOfN(rapid.Bool(), len(vals), len(vals)).Draw(t, "desc")
		var key, bits []byte
		for i, v := range vals {
			at := len(key)
			if desc[i] {
				key = AppendDesc(key, v, nil)
			} else {
				key = Append(key, v)
			}
			bits = AppendTypeBits(bits, v)
			if n := Skip(append(key[at:], 0xab, 0), desc[i]); n != len(key)-at {
				t.Fatalf("Skip of %v: %d of %d", v, n, len(key)-at)
			}
		}
		var d Decoder
		d.Reset(key, TrimBits(bits))
		for i, v := range vals {
			got, err := d.Next(desc[i])
			if err != nil {
				t.Fatalf("decode %v: %v", v, err)
			}
			if !same(got, v) {
				t.Fatalf("decoded %v as %v", v, got)
			}
		}
		if len(d.Rest()) != 0 {
			t.Fatalf("%d bytes left", len(d.Rest()))
		}
	})
}

// same is equality of bytes, but for the payload of a NaN.
func same(a, b bsonx.Value) bool {
	if a.Type != b.Type {
		return false
	}
	if bytes.Equal(a.Data, b.Data) {
		return true
	}
	if a.Type == bsonx.Object || a.Type == bsonx.Array || a.Type == bsonx.JavaScriptWithScope {
		return len(a.Data) == len(b.Data) && bsonx.Compare(a, b) == 0
	}
	return bsonx.IsNumber(a) && bsonx.Compare(a, b) == 0 && bsonx.Compare(a, bsonx.DoubleValue(math.NaN())) == 0
}

func TestFixedForms(t *testing.T) {
	one := [][]byte{
		Append(nil, bsonx.Int32Value(1)), Append(nil, bsonx.Int64Value(1)),
		Append(nil, bsonx.DoubleValue(1)), Append(nil, dec("1.000")),
	}
	for _, k := range one {
		require.Equal(t, []byte{tagMid + 1, 2}, k) // stored: must not change
	}
	require.Equal(t, []byte{tagMid + 1, 3, 0x80}, Append(nil, bsonx.DoubleValue(1.5)))
	require.Equal(t, []byte{tagString, 'a', 1, 1, 'b', 0}, Append(nil, bsonx.StringValue("a\x00b")))
	require.Empty(t, TrimBits(AppendTypeBits(nil, bsonx.Int32Value(7))))
	require.LessOrEqual(t, len(Append(nil, bsonx.DoubleValue(19.99))), 10)
}

func TestDeepNesting(t *testing.T) {
	v := bsonx.Int32Value(1)
	for range 2000 { // quadratic, but deep enough
		v = bsonx.ArrValue(bsonx.AppendArray(nil, []bsonx.Value{v}))
	}
	k := Append(nil, v)
	require.Equal(t, len(k), Skip(k, false))
	var d Decoder
	d.Reset(k, nil)
	got, err := d.Next(false)
	require.NoError(t, err)
	require.Equal(t, v, got)
}

type upper struct{}

func (upper) Key(s []byte) []byte { return bytes.ToUpper(s) }

func TestCollation(t *testing.T) {
	a, b := bsonx.ArrValue(bsonx.AppendArray(nil, []bsonx.Value{bsonx.StringValue("ab")})), bsonx.ArrValue(bsonx.AppendArray(nil, []bsonx.Value{bsonx.StringValue("AB")}))
	require.Equal(t, AppendWith(nil, a, upper{}), AppendWith(nil, b, upper{}))
	require.NotEqual(t, Append(nil, a), Append(nil, b))
}

// FuzzDecode: no input makes the decoder panic, and what it accepts encodes to
// something that decodes again.
func FuzzDecode(f *testing.F) {
	f.Add(Append(nil, dec("0.1")), []byte{5, 1, 2}, false)
	f.Add([]byte{tagObject, 5, 'a', 0, tagMid + 1, 2, 0}, []byte{}, true)
	f.Fuzz(func(t *testing.T, key, bits []byte, desc bool) {
		var d Decoder
		d.Reset(key, bits)
		n := Skip(key, desc)
		v, err := d.Next(desc)
		if err != nil {
			return
		}
		if n != len(key)-len(d.Rest()) {
			t.Fatalf("Skip says %d, Decode %d", n, len(key)-len(d.Rest()))
		}
		Append(nil, v)
	})
}

func BenchmarkAppend(b *testing.B) {
	doc := bsonx.NewDoc(nil)
	doc.Int32("a", 5)
	doc.String("b", "hello world")
	for _, c := range []struct {
		name string
		v    bsonx.Value
	}{
		{"oid", val(bsonx.ObjectID, bytes.Repeat([]byte{9}, 12)...)},
		{"int", bsonx.Int32Value(123456)},
		{"double", bsonx.DoubleValue(19.99)},
		{"string", bsonx.StringValue("a string of thirty characters.")},
		{"decimal", dec("19.99")},
		{"doc", bsonx.DocValue(doc.Done())},
	} {
		b.Run(c.name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = Append(dst[:0], c.v)
			}
		})
	}
}
