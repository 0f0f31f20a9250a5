// Package ejson reads and writes Extended JSON as the tests have it: every value has
// one form, and what is not one of the forms of version 2 is an ordinary document,
// also {"$regex": …} and {"$type": …}, which are operators here.
package ejson

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// Parse reads one JSON value. The canonical forms of Extended JSON v2 stand for
// values of their own, and a $date may be ISO 8601 text; a number with neither a
// point nor an exponent is an int or, if it is too large, a long, others are
// doubles. Every other object is a document in the order of its fields.
func Parse(data []byte) (bsonx.Value, error) {
	v, rest, err := Next(data)
	if err == nil && len(bytes.TrimSpace(rest)) > 0 {
		err = fmt.Errorf("more after the value: %s", rest)
	}
	return v, err
}

// Next is Parse for the first of several values; rest is what follows it.
func Next(data []byte) (v bsonx.Value, rest []byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := readNode(dec)
	if err != nil {
		return bsonx.Value{}, nil, err
	}
	v, err = n.value()
	return v, data[dec.InputOffset():], err
}

// node is a JSON value that keeps the order of an object's fields.
type node struct {
	scalar any // string, json.Number, bool or nil
	keys   []string
	items  []node // of an object (with keys) or an array
	kind   byte   // 's' scalar, 'o' object, 'a' array
}

func readNode(dec *json.Decoder) (node, error) {
	tok, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return node{kind: 's', scalar: tok}, nil
	}
	n := node{kind: 'a'}
	if delim == '{' {
		n.kind = 'o'
	}
	for dec.More() {
		if n.kind == 'o' {
			key, err := dec.Token()
			if err != nil {
				return node{}, err
			}
			n.keys = append(n.keys, key.(string))
		}
		item, err := readNode(dec)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err = dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (n node) value() (bsonx.Value, error) {
	switch n.kind {
	case 'a':
		var b bsonx.Builder
		b.Begin(nil)
		for i, item := range n.items {
			v, err := item.value()
			if err != nil {
				return v, err
			}
			b.Value(bsonx.Index(i), v)
		}
		return bsonx.Value{Type: bsonx.Array, Data: b.Done()}, nil
	case 'o':
		if v, ok, err := n.special(); ok || err != nil {
			return v, err
		}
		var b bsonx.Builder
		b.Begin(nil)
		for i, item := range n.items {
			v, err := item.value()
			if err != nil {
				return v, err
			}
			b.Value(n.keys[i], v)
		}
		return bsonx.DocValue(b.Done()), nil
	}
	switch s := n.scalar.(type) {
	case nil:
		return bsonx.NullValue, nil
	case bool:
		return bsonx.BoolValue(s), nil
	case string:
		return bsonx.StringValue(s), nil
	case json.Number:
		if i, err := strconv.ParseInt(string(s), 10, 64); err == nil {
			if i == int64(int32(i)) {
				return bsonx.Int32Value(int32(i)), nil
			}
			return bsonx.Int64Value(i), nil
		}
		f, err := s.Float64()
		return bsonx.DoubleValue(f), err
	}
	return bsonx.Value{}, fmt.Errorf("unexpected JSON value %v", n.scalar)
}

// special reads n as one of the canonical forms; ok is false when it is none.
func (n node) special() (v bsonx.Value, ok bool, err error) {
	switch len(n.keys) {
	case 1:
		if read := canonical(n.keys[0]); read != nil {
			return read(n)
		}
	case 2:
		return readScopedCode(n)
	}
	return bsonx.Value{}, false, nil
}

func (n node) field(name string) (node, bool) {
	for i, k := range n.keys {
		if k == name {
			return n.items[i], true
		}
	}
	return node{}, false
}

func (n node) str(name string) (string, bool) {
	f, ok := n.field(name)
	if !ok || f.kind != 's' {
		return "", false
	}
	s, ok := f.scalar.(string)
	return s, ok
}

// form reads one canonical Extended JSON object of one key; ok is false when the
// object only looks like one.
type form func(n node) (v bsonx.Value, ok bool, err error)

func canonical(key string) form {
	switch key {
	case "$numberInt":
		return number(func(s string) (any, error) { i, err := strconv.ParseInt(s, 10, 32); return int32(i), err }, "$numberInt")
	case "$numberLong":
		return number(func(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }, "$numberLong")
	case "$numberDouble":
		return number(func(s string) (any, error) { return strconv.ParseFloat(s, 64) }, "$numberDouble")
	case "$numberDecimal":
		return number(func(s string) (any, error) { return bson.ParseDecimal128(s) }, "$numberDecimal")
	case "$oid":
		return readOID
	case "$symbol":
		return number(func(s string) (any, error) { return bson.Symbol(s), nil }, "$symbol")
	case "$code":
		return number(func(s string) (any, error) { return bson.JavaScript(s), nil }, "$code")
	case "$date":
		return readDate
	case "$binary":
		return readBinary
	case "$timestamp":
		return readTimestamp
	case "$regularExpression":
		return readRegex
	case "$minKey":
		return func(n node) (bsonx.Value, bool, error) { return bsonx.Value{Type: bsonx.MinKey}, isOne(n), nil }
	case "$maxKey":
		return func(n node) (bsonx.Value, bool, error) { return bsonx.Value{Type: bsonx.MaxKey}, isOne(n), nil }
	case "$undefined":
		return func(n node) (bsonx.Value, bool, error) {
			b, ok := n.items[0].scalar.(bool)
			return bsonx.Value{Type: bsonx.Undefined}, ok && b, nil
		}
	case "$dbPointer":
		return readDBPointer
	}
	return nil
}

// readScopedCode is apart, since {"$code", "$scope"} has two keys and "$code" one.
func readScopedCode(n node) (bsonx.Value, bool, error) {
	code, ok := n.str("$code")
	scope, has := n.field("$scope")
	if !ok || !has {
		return bsonx.Value{}, false, nil
	}
	v, err := scope.value()
	if err != nil {
		return v, false, err
	}
	return marshal(bson.CodeWithScope{Code: bson.JavaScript(code), Scope: bson.Raw(v.Data)})
}

func isOne(n node) bool { s, ok := n.items[0].scalar.(json.Number); return ok && s == "1" }

func marshal(v any) (bsonx.Value, bool, error) {
	t, data, err := bson.MarshalValue(v)
	return bsonx.Value{Type: bsonx.Type(t), Data: data}, err == nil, err
}

func number(parse func(string) (any, error), key string) form {
	return func(n node) (bsonx.Value, bool, error) {
		s, ok := n.str(key)
		if !ok {
			return bsonx.Value{}, false, nil
		}
		v, err := parse(s)
		if err != nil {
			return bsonx.Value{}, false, fmt.Errorf("%s %q: %w", key, s, err)
		}
		return marshal(v)
	}
}

func readOID(n node) (bsonx.Value, bool, error) {
	s, ok := n.str("$oid")
	if !ok || len(s) != 24 {
		return bsonx.Value{}, false, nil
	}
	b, err := hex.DecodeString(s)
	return bsonx.Value{Type: bsonx.ObjectID, Data: b}, err == nil, err
}

func readDate(n node) (bsonx.Value, bool, error) {
	inner := n.items[0]
	if text, ok := inner.scalar.(string); ok && inner.kind == 's' {
		t, err := time.Parse(time.RFC3339Nano, text)
		return bsonx.DateValue(t.UnixMilli()), err == nil, err
	}
	s, ok := inner.str("$numberLong")
	if !ok {
		return bsonx.Value{}, false, nil
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	return bsonx.DateValue(ms), err == nil, err
}

func readBinary(n node) (bsonx.Value, bool, error) {
	inner := n.items[0]
	data, ok := inner.str("base64")
	sub, ok2 := inner.str("subType")
	if !ok || !ok2 {
		return bsonx.Value{}, false, nil
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return bsonx.Value{}, false, err
	}
	st, err := strconv.ParseUint(sub, 16, 8)
	if err != nil {
		return bsonx.Value{}, false, err
	}
	return marshal(bson.Binary{Subtype: byte(st), Data: raw})
}

func readTimestamp(n node) (bsonx.Value, bool, error) {
	t, ok := n.items[0].field("t")
	i, ok2 := n.items[0].field("i")
	if !ok || !ok2 {
		return bsonx.Value{}, false, nil
	}
	tn, _ := t.scalar.(json.Number)
	in, _ := i.scalar.(json.Number)
	tv, err := strconv.ParseUint(string(tn), 10, 32)
	if err != nil {
		return bsonx.Value{}, false, nil
	}
	iv, err := strconv.ParseUint(string(in), 10, 32)
	if err != nil {
		return bsonx.Value{}, false, nil
	}
	return bsonx.TimestampValue(uint32(tv), uint32(iv)), true, nil
}

func readRegex(n node) (bsonx.Value, bool, error) {
	p, ok := n.items[0].str("pattern")
	o, ok2 := n.items[0].str("options")
	if !ok || !ok2 {
		return bsonx.Value{}, false, nil
	}
	data := append(append(append(append([]byte(nil), p...), 0), o...), 0)
	return bsonx.Value{Type: bsonx.Regex, Data: data}, true, nil
}

func readDBPointer(n node) (bsonx.Value, bool, error) {
	ref, ok := n.items[0].str("$ref")
	id, ok2 := n.items[0].field("$id")
	if !ok || !ok2 {
		return bsonx.Value{}, false, nil
	}
	v, err := id.value()
	if err != nil || v.Type != bsonx.ObjectID {
		return v, false, err
	}
	return marshal(bson.DBPointer{DB: ref, Pointer: bson.ObjectID(v.Data)})
}
