package spec

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// absent stands for a field that is not there.
type absent struct{}

// matcher compares actual values with expected ones by the rules of the unified
// format: a document at the root may have more fields than expected, one below
// may not; numbers are equal when their values are.
type matcher struct {
	entity func(name string) (any, error)
}

func lookup(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return absent{}
}

// match returns why actual is not what is expected; nil when it is.
func (m matcher) match(want, got any, root bool) error {
	if d, ok := want.(bson.D); ok {
		if len(d) == 1 && strings.HasPrefix(d[0].Key, "$$") {
			return m.special(d[0].Key, d[0].Value, got, root)
		}
		return m.document(d, got, root)
	}
	if _, no := got.(absent); no {
		return fmt.Errorf("is missing, want %v", want)
	}
	if a, ok := want.(bson.A); ok {
		b, ok := got.(bson.A)
		if !ok || len(a) != len(b) {
			return fmt.Errorf("is %v, want %v", got, want)
		}
		for i := range a {
			if err := m.match(a[i], b[i], root); err != nil {
				return fmt.Errorf("[%d] %w", i, err)
			}
		}
		return nil
	}
	x, isNum := number(want)
	y, isNum2 := number(got)
	if isNum && isNum2 && (x == y || math.IsNaN(x) && math.IsNaN(y)) {
		return nil
	}
	if !isNum && !isNum2 && equal(want, got) {
		return nil
	}
	return fmt.Errorf("is %v (%T), want %v (%T)", got, got, want, want)
}

func (m matcher) document(want bson.D, got any, root bool) error {
	d, ok := got.(bson.D)
	if !ok {
		return fmt.Errorf("is %v (%T), want the document %v", got, got, want)
	}
	for _, e := range want {
		if err := m.match(e.Value, lookup(d, e.Key), false); err != nil {
			return fmt.Errorf("%s: %w", e.Key, err)
		}
	}
	if root {
		return nil
	}
	for _, e := range d {
		if _, no := lookup(want, e.Key).(absent); no {
			return fmt.Errorf("has a field more than %v: %s: %v", want, e.Key, e.Value)
		}
	}
	return nil
}

func (m matcher) special(op string, arg, got any, root bool) error {
	_, missing := got.(absent)
	switch op {
	case "$$exists":
		if arg.(bool) == missing {
			return fmt.Errorf("exists: %v, want %v", !missing, arg)
		}
		return nil
	case "$$unsetOrMatches":
		if missing || got == nil {
			return nil
		}
		return m.match(arg, got, root)
	}
	if missing {
		return fmt.Errorf("is missing, want %s %v", op, arg)
	}
	switch op {
	case "$$type":
		return hasType(arg, got)
	case "$$lte":
		x, _ := number(arg)
		if y, ok := number(got); !ok || y > x {
			return fmt.Errorf("is %v, want at most %v", got, arg)
		}
		return nil
	case "$$matchesEntity":
		e, err := m.entity(arg.(string))
		if err != nil {
			return err
		}
		return m.match(plain(e), got, root)
	case "$$sessionLsid":
		e, err := m.entity(arg.(string))
		if err != nil {
			return err
		}
		return m.match(toD(e.(*sessionEntity).lsid), got, false)
	case "$$matchesHexBytes":
		if b, ok := got.(bson.Binary); !ok || hex.EncodeToString(b.Data) != arg {
			return fmt.Errorf("is %v, want the bytes %v", got, arg)
		}
		return nil
	case "$$matchAsRoot":
		return m.match(arg, got, true)
	case "$$matchAsDocument":
		s, ok := got.(string)
		var d bson.D
		if !ok || bson.UnmarshalExtJSON([]byte(s), false, &d) != nil {
			return fmt.Errorf("is %v, want a document's text", got)
		}
		return m.match(arg, d, root)
	}
	return fmt.Errorf("%s is not known to the runner", op)
}

// typeNames are the names of BSON types that values decode to.
func typeName(v any) string {
	switch v.(type) {
	case float64:
		return "double"
	case string:
		return "string"
	case bson.D:
		return "object"
	case bson.A:
		return "array"
	case bson.Binary:
		return "binData"
	case bson.ObjectID:
		return "objectId"
	case bool:
		return "bool"
	case bson.DateTime:
		return "date"
	case nil:
		return "null"
	case int32:
		return "int"
	case int64:
		return "long"
	case bson.Timestamp:
		return "timestamp"
	case bson.Decimal128:
		return "decimal"
	}
	return fmt.Sprintf("%T", v)
}

func hasType(want, got any) error {
	names, ok := want.(bson.A)
	if !ok {
		names = bson.A{want}
	}
	t := typeName(got)
	for _, n := range names {
		if n == t || n == "number" && (t == "int" || t == "long" || t == "double" || t == "decimal") {
			return nil
		}
	}
	return fmt.Errorf("is %v of type %s, want %v", got, t, want)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func equal(a, b any) bool {
	x, err1 := bson.Marshal(bson.D{{Key: "v", Value: a}})
	y, err2 := bson.Marshal(bson.D{{Key: "v", Value: b}})
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// plain turns a value into what decoding gives: bson.D, bson.A and scalars.
func plain(v any) any {
	raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		return v
	}
	return toD(raw)[0].Value
}

func toD(raw bson.Raw) bson.D {
	var d bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return bson.D{{Key: "not a document", Value: err.Error()}}
	}
	return d
}
