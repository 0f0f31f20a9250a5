package expr

import (
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/numeric"
)

// maxRendered bounds a value shown in an error message, in bytes.
const maxRendered = 150

// render shows a value in an error message, as MongoDB writes values there.
func render(v bsonx.Value) string {
	var b strings.Builder
	renderTo(&b, v, 0)
	if b.Len() > maxRendered {
		return strings.ToValidUTF8(b.String()[:maxRendered], "") + "..."
	}
	return b.String()
}

func renderTo(b *strings.Builder, v bsonx.Value, depth int) {
	if b.Len() > maxRendered {
		return
	}
	switch v.Type {
	case bsonx.Missing:
		b.WriteString("MISSING")
	case bsonx.Null:
		b.WriteString("null")
	case bsonx.Bool:
		b.WriteString(strconv.FormatBool(v.Data[0] != 0))
	case bsonx.Int32, bsonx.Int64:
		b.WriteString(strconv.FormatInt(numeric.Long(v), 10))
	case bsonx.Double:
		b.WriteString(strconv.FormatFloat(bsonx.F64(v), 'g', -1, 64))
	case bsonx.Decimal128:
		b.WriteString(numeric.Format(numeric.FromValue(v)))
	case bsonx.String:
		b.WriteByte('"')
		b.Write(bsonx.Str(v)[:min(len(bsonx.Str(v)), maxRendered)])
		b.WriteByte('"')
	case bsonx.Object, bsonx.Array:
		renderFields(b, v, depth)
	default:
		b.WriteString(v.DebugString())
	}
}

func renderFields(b *strings.Builder, v bsonx.Value, depth int) {
	open, end := "{", "}"
	if v.Type == bsonx.Array {
		open, end = "[", "]"
	}
	b.WriteString(open)
	if depth > 10 {
		b.WriteString("..." + end)
		return
	}
	first := true
	for it := bsonx.NewIter(v.Data); it.Next() && b.Len() <= maxRendered; first = false {
		if !first {
			b.WriteString(", ")
		}
		if v.Type == bsonx.Object {
			b.Write(it.Key())
			b.WriteString(": ")
		}
		renderTo(b, it.Value(), depth+1)
	}
	b.WriteString(end)
}
