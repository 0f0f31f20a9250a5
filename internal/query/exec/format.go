package exec

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Format prints a value as MongoDB's messages do: { a: 1, b: "x" }. Documents
// that a client sent are at most MaxDepth deep.
func Format(v bsonx.Value) string {
	var sb strings.Builder
	formatValue(&sb, v)
	return sb.String()
}

func formatValue(sb *strings.Builder, v bsonx.Value) {
	switch v.Type {
	case bsonx.Missing:
		sb.WriteString("EOO")
	case bsonx.Object:
		formatFields(sb, v, "{", "}", true)
	case bsonx.Array:
		formatFields(sb, v, "[", "]", false)
	case bsonx.String, bsonx.Symbol:
		sb.WriteString(`"` + string(bsonx.Str(v)) + `"`)
	case bsonx.Int32:
		sb.WriteString(strconv.Itoa(int(bsonx.I32(v))))
	case bsonx.Int64:
		sb.WriteString(strconv.FormatInt(bsonx.I64(v), 10))
	case bsonx.Double:
		sb.WriteString(formatDouble(bsonx.F64(v)))
	case bsonx.Decimal128:
		h, l := bsonx.DecimalBits(v)
		sb.WriteString(bson.NewDecimal128(h, l).String())
	case bsonx.Bool:
		sb.WriteString(strconv.FormatBool(v.Data[0] != 0))
	case bsonx.ObjectID:
		sb.WriteString("ObjectId('" + hex.EncodeToString(v.Data) + "')")
	case bsonx.Date:
		formatDate(sb, bsonx.I64(v))
	case bsonx.Timestamp:
		n := uint64(bsonx.I64(v))
		fmt.Fprintf(sb, "Timestamp(%d, %d)", n>>32, uint32(n))
	case bsonx.Binary:
		sub, data := bsonx.Bin(v)
		if sub == 4 && len(data) == 16 {
			h := hex.EncodeToString(data)
			fmt.Fprintf(sb, `UUID("%s-%s-%s-%s-%s")`, h[:8], h[8:12], h[12:16], h[16:20], h[20:])
			return
		}
		fmt.Fprintf(sb, "BinData(%d, %s)", sub, strings.ToUpper(hex.EncodeToString(data)))
	case bsonx.Regex:
		i := strings.IndexByte(string(v.Data), 0)
		fmt.Fprintf(sb, "/%s/%s", v.Data[:i], v.Data[i+1:len(v.Data)-1])
	case bsonx.Null:
		sb.WriteString("null")
	case bsonx.Undefined:
		sb.WriteString("undefined")
	case bsonx.MinKey:
		sb.WriteString("MinKey")
	case bsonx.MaxKey:
		sb.WriteString("MaxKey")
	case bsonx.JavaScript:
		sb.Write(bsonx.Str(v))
	default:
		sb.WriteString(bsonx.TypeName(v.Type))
	}
}

func formatFields(sb *strings.Builder, v bsonx.Value, open, end string, names bool) {
	sb.WriteString(open)
	n := 0
	for it := bsonx.NewIter(v.Data); it.Next(); n++ {
		if n > 0 {
			sb.WriteByte(',')
		}
		sb.WriteByte(' ')
		if names {
			sb.Write(it.Key())
			sb.WriteString(": ")
		}
		formatValue(sb, it.Value())
	}
	if n > 0 {
		sb.WriteByte(' ')
	}
	sb.WriteString(end)
}

func formatDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan.0"
	case math.IsInf(f, 1):
		return "inf.0"
	case math.IsInf(f, -1):
		return "-inf.0"
	}
	s := strconv.FormatFloat(f, 'g', 16, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func formatDate(sb *strings.Builder, ms int64) {
	if ms < -62135596800000 || ms > 253402300799999 {
		fmt.Fprintf(sb, "new Date(%d)", ms)
		return
	}
	fmt.Fprintf(sb, "new Date(%d)", time.UnixMilli(ms).UnixMilli())
}
