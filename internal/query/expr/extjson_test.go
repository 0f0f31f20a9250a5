package expr

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/argon-db/argon/internal/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// jsonField is a field of a JSON object, in the order of the text.
type jsonField struct {
	key string
	val any
}
type jsonObject []jsonField

func (o jsonObject) get(key string) (any, bool) {
	for _, f := range o {
		if f.key == key {
			return f.val, true
		}
	}
	return nil, false
}

func decodeJSON(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := jsonObject{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeJSON(d)
			if err != nil {
				return nil, err
			}
			o = append(o, jsonField{k.(string), v})
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		a := []any{}
		for d.More() {
			v, err := decodeJSON(d)
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		_, err = d.Token()
		return a, err
	}
	return tok, nil
}

func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return decodeJSON(d)
}

// toBSON turns canonical Extended JSON into a value; only canonical forms stand
// for values of their own.
func toBSON(j any) bsonx.Value {
	switch j := j.(type) {
	case nil:
		return bsonx.NullValue
	case bool:
		return bsonx.BoolValue(j)
	case string:
		return bsonx.StringValue(j)
	case json.Number:
		if n, err := strconv.ParseInt(j.String(), 10, 64); err == nil {
			if n == int64(int32(n)) {
				return bsonx.Int32Value(int32(n))
			}
			return bsonx.Int64Value(n)
		}
		f, _ := j.Float64()
		return bsonx.DoubleValue(f)
	case []any:
		vals := make([]bsonx.Value, len(j))
		for i := range j {
			vals[i] = toBSON(j[i])
		}
		return bsonx.ArrValue(bsonx.AppendArray(nil, vals))
	case jsonObject:
		if len(j) > 0 && len(j[0].key) > 0 && j[0].key[0] == '$' {
			if v, ok := special(j); ok {
				return v
			}
		}
		b := bsonx.NewDoc(nil)
		for _, f := range j {
			b.Value(f.key, toBSON(f.val))
		}
		return bsonx.DocValue(b.Done())
	}
	panic(fmt.Sprintf("no BSON for %T", j))
}

func special(o jsonObject) (bsonx.Value, bool) {
	s, isStr := o[0].val.(string)
	if len(o) == 2 && o[0].key == "$code" && o[1].key == "$scope" && isStr {
		scope := toBSON(o[1].val)
		data := bsonx.AppendString(make([]byte, 4), s)
		data = append(data, scope.Data...)
		binary.LittleEndian.PutUint32(data, uint32(len(data)))
		return bsonx.Value{Type: bsonx.JavaScriptWithScope, Data: data}, true
	}
	if len(o) != 1 {
		return bsonx.Value{}, false
	}
	if isStr {
		return specialString(o[0].key, s)
	}
	switch in := o[0].val.(type) {
	case jsonObject:
		return specialObject(o[0].key, in)
	case bool:
		if o[0].key == "$undefined" && in {
			return bsonx.Value{Type: bsonx.Undefined}, true
		}
	case json.Number:
		switch o[0].key {
		case "$minKey":
			return bsonx.Value{Type: bsonx.MinKey}, true
		case "$maxKey":
			return bsonx.Value{Type: bsonx.MaxKey}, true
		}
	}
	return bsonx.Value{}, false
}

func specialString(key, s string) (bsonx.Value, bool) {
	switch key {
	case "$numberInt":
		n, err := strconv.ParseInt(s, 10, 32)
		return bsonx.Int32Value(int32(n)), err == nil
	case "$numberLong":
		n, err := strconv.ParseInt(s, 10, 64)
		return bsonx.Int64Value(n), err == nil
	case "$numberDouble":
		switch s {
		case "NaN":
			return bsonx.DoubleValue(math.NaN()), true
		}
		f, err := strconv.ParseFloat(s, 64)
		return bsonx.DoubleValue(f), err == nil
	case "$numberDecimal":
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			return bsonx.Value{}, false
		}
		h, l := d.GetBytes()
		var a bsonx.Arena
		return a.Decimal(h, l), true
	case "$oid":
		b, err := hex.DecodeString(s)
		return bsonx.Value{Type: bsonx.ObjectID, Data: b}, err == nil && len(b) == 12
	case "$symbol":
		v := bsonx.StringValue(s)
		v.Type = bsonx.Symbol
		return v, true
	case "$code":
		v := bsonx.StringValue(s)
		v.Type = bsonx.JavaScript
		return v, true
	}
	return bsonx.Value{}, false
}

func specialObject(key string, in jsonObject) (bsonx.Value, bool) {
	str := func(k string) (string, bool) {
		v, _ := in.get(k)
		s, ok := v.(string)
		return s, ok
	}
	switch key {
	case "$date":
		s, ok := str("$numberLong")
		n, err := strconv.ParseInt(s, 10, 64)
		return bsonx.DateValue(n), ok && err == nil
	case "$timestamp":
		t, _ := in.get("t")
		i, _ := in.get("i")
		tn, ok1 := t.(json.Number)
		inn, ok2 := i.(json.Number)
		if !ok1 || !ok2 {
			return bsonx.Value{}, false
		}
		tt, _ := strconv.ParseUint(tn.String(), 10, 32)
		ii, _ := strconv.ParseUint(inn.String(), 10, 32)
		return bsonx.TimestampValue(uint32(tt), uint32(ii)), true
	case "$binary":
		s, ok1 := str("base64")
		sub, ok2 := str("subType")
		if !ok1 || !ok2 {
			return bsonx.Value{}, false
		}
		data, _ := base64.StdEncoding.DecodeString(s)
		st, _ := strconv.ParseUint(sub, 16, 8)
		if st == 2 { // repeats its length, as drivers send it
			data = append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
		}
		b := bsonx.NewDoc(nil)
		b.Binary("", byte(st), data)
		return bsonx.Lookup(b.Done(), ""), true
	case "$regularExpression":
		p, ok1 := str("pattern")
		o, ok2 := str("options")
		return bsonx.Value{Type: bsonx.Regex, Data: []byte(p + "\x00" + o + "\x00")}, ok1 && ok2
	case "$dbPointer":
		ref, ok := str("$ref")
		id, _ := in.get("$id")
		if idv := toBSON(id); ok && idv.Type == bsonx.ObjectID {
			return bsonx.Value{Type: bsonx.DBPointer, Data: append(bsonx.AppendString(nil, ref), idv.Data...)}, true
		}
	}
	return bsonx.Value{}, false
}

// sameValue compares a value with an expectation: types are the same, -0.0 is
// not 0.0, NaN equals NaN, the order of fields is free, {"$approx"} is a range.
func sameValue(want, got bsonx.Value) bool {
	if want.Type == bsonx.Object {
		if approx := bsonx.Lookup(want.Data, "$approx"); !bsonx.IsMissing(approx) && bsonx.IsNumber(got) {
			f, t := asFloat(approx), asFloat(bsonx.Lookup(want.Data, "tolerance"))
			return math.Abs(asFloat(got)-f) <= t
		}
	}
	if want.Type != got.Type {
		return false
	}
	switch want.Type {
	case bsonx.Object:
		if bsonx.Len(want.Data) != bsonx.Len(got.Data) {
			return false
		}
		for it := bsonx.NewIter(want.Data); it.Next(); {
			if !sameValue(it.Value(), bsonx.Lookup(got.Data, string(it.Key()))) {
				return false
			}
		}
		return true
	case bsonx.Array:
		a, b := bsonx.Values(nil, want.Data), bsonx.Values(nil, got.Data)
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case bsonx.Double:
		a, b := bsonx.F64(want), bsonx.F64(got)
		return a == b && math.Signbit(a) == math.Signbit(b) || a != a && b != b
	case bsonx.Decimal128:
		return bytes.Equal(want.Data, got.Data) || bsonx.DecimalIsNaN(want) && bsonx.DecimalIsNaN(got)
	}
	return bytes.Equal(want.Data, got.Data)
}

func asFloat(v bsonx.Value) float64 {
	switch v.Type {
	case bsonx.Int32:
		return float64(bsonx.I32(v))
	case bsonx.Int64:
		return float64(bsonx.I64(v))
	case bsonx.Double:
		return bsonx.F64(v)
	case bsonx.Decimal128:
		h, l := bsonx.DecimalBits(v)
		f, _ := strconv.ParseFloat(bson.NewDecimal128(h, l).String(), 64)
		return f
	}
	return math.NaN()
}
