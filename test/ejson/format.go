package ejson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// Format writes a value on one line so that Parse reads the same value again.
func Format(v bsonx.Value) string {
	var b strings.Builder
	format(&b, v)
	return b.String()
}

func format(b *strings.Builder, v bsonx.Value) {
	switch v.Type {
	case bsonx.Object:
		list(b, v.Data, "{", "}", true)
	case bsonx.Array:
		list(b, v.Data, "[", "]", false)
	case bsonx.String:
		b.WriteString(quote(string(bsonx.Str(v))))
	case bsonx.Int32:
		b.WriteString(strconv.FormatInt(int64(bsonx.I32(v)), 10))
	case bsonx.Int64:
		long(b, bsonx.I64(v))
	case bsonx.Double:
		double(b, bsonx.F64(v))
	case bsonx.Bool:
		b.WriteString(strconv.FormatBool(bsonx.Truthy(v)))
	case bsonx.Null:
		b.WriteString("null")
	case bsonx.Missing:
		b.WriteString("missing")
	case bsonx.Undefined:
		b.WriteString(`{"$undefined": true}`)
	case bsonx.Date:
		date(b, bsonx.I64(v))
	default:
		other(b, v)
	}
}

func list(b *strings.Builder, d []byte, open, end string, names bool) {
	b.WriteString(open)
	for it, first := bsonx.NewIter(d), true; it.Next(); first = false {
		if !first {
			b.WriteString(", ")
		}
		if names {
			b.WriteString(quote(string(it.Key())))
			b.WriteString(": ")
		}
		format(b, it.Value())
	}
	b.WriteString(end)
}

func quote(s string) string {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(w.String(), "\n")
}

// long: what is too large for an int is a long anyway.
func long(b *strings.Builder, n int64) {
	if n != int64(int32(n)) {
		b.WriteString(strconv.FormatInt(n, 10))
		return
	}
	fmt.Fprintf(b, `{"$numberLong": "%d"}`, n)
}

func double(b *strings.Builder, f float64) {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	switch {
	case math.IsNaN(f):
		s = `{"$numberDouble": "NaN"}`
	case math.IsInf(f, 1):
		s = `{"$numberDouble": "Infinity"}`
	case math.IsInf(f, -1):
		s = `{"$numberDouble": "-Infinity"}`
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		s = strconv.FormatFloat(f, 'f', 1, 64)
	case !strings.ContainsAny(s, ".e"):
		s += ".0"
	}
	b.WriteString(s)
}

func date(b *strings.Builder, ms int64) {
	t := time.UnixMilli(ms).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		fmt.Fprintf(b, `{"$date": {"$numberLong": "%d"}}`, ms)
		return
	}
	fmt.Fprintf(b, `{"$date": "%s"}`, t.Format("2006-01-02T15:04:05.999Z07:00"))
}

func other(b *strings.Builder, v bsonx.Value) {
	doc := bsonx.NewDoc(nil)
	doc.Value("v", v)
	text, err := bson.MarshalExtJSON(bson.Raw(doc.Done()), true, false)
	if err != nil {
		fmt.Fprintf(b, "<%v>", err)
		return
	}
	b.Write(text[len(`{"v":`) : len(text)-1])
}
