package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// holds returns "" when the expectation holds on the reply, else what differs.
func holds(check bsonx.Doc, reply bsonx.Doc) string {
	unordered := bsonx.Truthy(bsonx.Lookup(check, "unordered"))
	bags := map[string]bool{}
	for _, v := range bsonx.Values(nil, bsonx.Lookup(check, "unorderedIn").Data) {
		bags[string(bsonx.Str(v))] = true
	}
	m := matcher{bags: bags}
	for it := bsonx.NewIter(check); it.Next(); {
		want := it.Value()
		var diff string
		switch key := string(it.Key()); key {
		case "docs":
			batch := lookupPath(bsonx.DocValue(reply), "cursor.firstBatch")
			if code, failed := failure(reply); failed {
				diff = fmt.Sprintf("want documents, got error %d: %s", code, message(reply))
			} else {
				diff = m.list("firstBatch", batch, want, unordered)
			}
		case "reply":
			diff = m.equal("", bsonx.DocValue(stripTimes(reply)), bsonx.DocValue(stripTimes(want.Data)))
		case "partial":
			m := m
			m.partial = true
			diff = m.equal("", bsonx.DocValue(reply), want)
		case "error":
			wantCode, _ := bsonx.IntegralOK(want)
			code, failed := failure(reply)
			if !failed || code != wantCode {
				diff = fmt.Sprintf("want error %d, got %s", wantCode, outcome(code, failed, reply))
			}
		case "ok":
			if code, failed := failure(reply); failed {
				diff = fmt.Sprintf("want ok, got %s", outcome(code, failed, reply))
			}
		case "replyHas":
			diff = m.conditions(bsonx.DocValue(reply), want)
		case "docsHave", "eachDocHas":
			diff = m.docConditions(key, reply, want)
		}
		if diff != "" {
			return diff
		}
	}
	return ""
}

func outcome(code int64, failed bool, reply bsonx.Doc) string {
	if failed {
		return fmt.Sprintf("error %d: %s", code, message(reply))
	}
	return "success: " + show(bsonx.DocValue(reply))
}

// failure returns the code of a failed command or of its first write error.
func failure(reply bsonx.Doc) (int64, bool) {
	if ok := bsonx.Lookup(reply, "ok"); !bsonx.Truthy(ok) {
		code, _ := bsonx.IntegralOK(bsonx.Lookup(reply, "code"))
		return code, true
	}
	if errs := bsonx.Lookup(reply, "writeErrors"); errs.Type == bsonx.Array {
		if first := bsonx.LookupIndex(errs.Data, 0); first.Type == bsonx.Object {
			code, _ := bsonx.IntegralOK(bsonx.Lookup(first.Data, "code"))
			return code, true
		}
	}
	return 0, false
}

func message(reply bsonx.Doc) string {
	if v := bsonx.Lookup(reply, "errmsg"); v.Type == bsonx.String {
		return string(bsonx.Str(v))
	}
	return show(bsonx.DocValue(reply))
}

func stripTimes(doc bsonx.Doc) bsonx.Doc {
	var b bsonx.Builder
	b.Begin(nil)
	for it := bsonx.NewIter(doc); it.Next(); {
		switch string(it.Key()) {
		case "$clusterTime", "operationTime", "electionId", "opTime":
		default:
			b.Element(it.Element())
		}
	}
	return b.Done()
}

// matcher compares a value with an expected one, as the recorded cases mean it.
type matcher struct {
	partial bool            // documents may have more fields than expected
	bags    map[string]bool // fields whose lists are compared as bags
}

func (m matcher) equal(path string, got, want bsonx.Value) string {
	if want.Type == bsonx.Object {
		if x := bsonx.Lookup(want.Data, "$approx"); !bsonx.IsMissing(x) {
			return approx(path, got, x, bsonx.Lookup(want.Data, "tolerance"))
		}
	}
	if got.Type != want.Type {
		return differ(path, got, want)
	}
	switch want.Type {
	case bsonx.Object:
		return m.document(path, got, want)
	case bsonx.Array:
		field := path[strings.LastIndexByte(path, '.')+1:]
		return m.list(path, got, want, m.bags[field])
	case bsonx.Double:
		g, w := bsonx.F64(got), bsonx.F64(want)
		if g != g && w != w || math.Float64bits(g) == math.Float64bits(w) {
			return ""
		}
		return differ(path, got, want)
	case bsonx.Decimal128:
		if bsonx.DecimalIsNaN(got) && bsonx.DecimalIsNaN(want) {
			return ""
		}
	}
	if !bytes.Equal(got.Data, want.Data) {
		return differ(path, got, want)
	}
	return ""
}

func approx(path string, got, want, tolerance bsonx.Value) string {
	g, ok := got.AsFloat64OK()
	if got.Type == bsonx.Decimal128 {
		f, err := strconv.ParseFloat(strings.Trim(show(got), `{}"$numberDecimal: `), 64)
		g, ok = f, err == nil
	}
	w, _ := want.AsFloat64OK()
	tol, _ := tolerance.AsFloat64OK()
	if !ok || math.Abs(g-w) > tol {
		return differ(path, got, want)
	}
	return ""
}

func (m matcher) document(path string, got, want bsonx.Value) string {
	for it := bsonx.NewIter(want.Data); it.Next(); {
		key := string(it.Key())
		if diff := m.equal(join(path, key), bsonx.Lookup(got.Data, key), it.Value()); diff != "" {
			return diff
		}
	}
	if m.partial {
		return ""
	}
	for it := bsonx.NewIter(got.Data); it.Next(); {
		key := string(it.Key())
		if bsonx.IsMissing(bsonx.Lookup(want.Data, key)) {
			return fmt.Sprintf("%s: not expected: %s", join(path, key), show(it.Value()))
		}
	}
	return ""
}

func (m matcher) list(path string, got, want bsonx.Value, bag bool) string {
	if got.Type != bsonx.Array || want.Type != bsonx.Array {
		return differ(path, got, want)
	}
	g, w := bsonx.Values(nil, got.Data), bsonx.Values(nil, want.Data)
	if len(g) != len(w) {
		return fmt.Sprintf("%s: %d elements, want %d: %s", path, len(g), len(w), differ(path, got, want))
	}
	for i, wv := range w {
		if !bag {
			if diff := m.equal(join(path, strconv.Itoa(i)), g[i], wv); diff != "" {
				return diff
			}
			continue
		}
		found := -1
		for j, gv := range g {
			if m.equal(path, gv, wv) == "" {
				found = j
				break
			}
		}
		if found < 0 {
			return fmt.Sprintf("%s: no element like %s in %s", path, show(wv), show(got))
		}
		g = append(g[:found:found], g[found+1:]...)
	}
	return ""
}

func (m matcher) docConditions(kind string, reply bsonx.Doc, want bsonx.Value) string {
	if code, failed := failure(reply); failed {
		return "want documents, got " + outcome(code, failed, reply)
	}
	docs := bsonx.Values(nil, lookupPath(bsonx.DocValue(reply), "cursor.firstBatch").Data)
	if kind == "docsHave" {
		for _, d := range docs {
			if diff := m.conditions(d, want); diff != "" {
				return diff
			}
		}
		return ""
	}
	each := bsonx.Values(nil, want.Data)
	if len(each) != len(docs) {
		return fmt.Sprintf("%d documents, want %d", len(docs), len(each))
	}
	for i := range docs {
		if diff := m.conditions(docs[i], each[i]); diff != "" {
			return diff
		}
	}
	return ""
}

func (m matcher) conditions(on, list bsonx.Value) string {
	for _, cond := range bsonx.Values(nil, list.Data) {
		path := string(bsonx.Str(bsonx.Lookup(cond.Data, "path")))
		got := lookupPath(on, path)
		for it := bsonx.NewIter(cond.Data); it.Next(); {
			name := string(it.Key())
			if name == "path" {
				continue
			}
			if !m.condition(name, got, it.Value()) {
				return fmt.Sprintf("%s: %s %s does not hold on %s", path, name, show(it.Value()), show(got))
			}
		}
	}
	return ""
}

func (m matcher) condition(name string, got, want bsonx.Value) bool {
	switch name {
	case "exists":
		return bsonx.Truthy(want) == !bsonx.IsMissing(got)
	case "eq":
		return m.equal("", got, want) == ""
	case "ne":
		return m.equal("", got, want) != ""
	case "isType":
		t := bsonx.TypeName(got.Type)
		w := string(bsonx.Str(want))
		return t == w || w == "number" && bsonx.IsNumber(got) || got.Type == bsonx.Bool && w == "boolean"
	case "gt":
		return bsonx.Compare(got, want) > 0
	case "gte":
		return bsonx.Compare(got, want) >= 0
	case "lt":
		return bsonx.Compare(got, want) < 0
	case "lte":
		return bsonx.Compare(got, want) <= 0
	case "len", "lenGt", "lenLte", "byteLen":
		n := length(got, name)
		w, _ := bsonx.IntegralOK(want)
		return name == "len" && n == w || name == "byteLen" && n == w || name == "lenGt" && n > w || name == "lenLte" && n <= w
	case "contains", "notContains":
		part := m
		part.partial = true
		has := got.Type == bsonx.String && bytes.Contains(bsonx.Str(got), bsonx.Str(want))
		for _, v := range elements(got) {
			has = has || part.equal("", v, want) == ""
		}
		return has == (name == "contains")
	case "containsElement":
		partial := m
		partial.partial = true
		for _, v := range elements(got) {
			if partial.equal("", v, want) == "" {
				return true
			}
		}
		return false
	case "hasKey":
		return got.Type == bsonx.Object && !bsonx.IsMissing(bsonx.Lookup(got.Data, string(bsonx.Str(want))))
	case "orderedKeys":
		var keys []string
		for it := bsonx.NewIter(got.Data); it.Next(); {
			keys = append(keys, string(it.Key()))
		}
		var w []string
		for _, v := range bsonx.Values(nil, want.Data) {
			w = append(w, string(bsonx.Str(v)))
		}
		return strings.Join(keys, "\x00") == strings.Join(w, "\x00")
	case "nonEmptyStr":
		return got.Type == bsonx.String && len(bsonx.Str(got)) > 0
	}
	return false
}

func elements(v bsonx.Value) []bsonx.Value {
	if v.Type != bsonx.Array {
		return nil
	}
	return bsonx.Values(nil, v.Data)
}

func length(v bsonx.Value, name string) int64 {
	switch {
	case v.Type == bsonx.Array || v.Type == bsonx.Object:
		return int64(bsonx.Len(v.Data))
	case v.Type == bsonx.String:
		return int64(len(bsonx.Str(v)))
	case v.Type == bsonx.Binary:
		_, b := bsonx.Bin(v)
		return int64(len(b))
	}
	return -1
}

func lookupPath(v bsonx.Value, path string) bsonx.Value {
	if path == "" {
		return v
	}
	if v.Type == bsonx.Object { // a name may hold dots
		if whole := bsonx.Lookup(v.Data, path); !bsonx.IsMissing(whole) {
			return whole
		}
	}
	for _, part := range strings.Split(path, ".") {
		switch v.Type {
		case bsonx.Object, bsonx.Array:
			v = bsonx.Lookup(v.Data, part)
		default:
			return bsonx.Value{}
		}
	}
	return v
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func differ(path string, got, want bsonx.Value) string {
	return fmt.Sprintf("%s: got %s, want %s", path, show(got), show(want))
}

func show(v bsonx.Value) string {
	if bsonx.IsMissing(v) {
		return "nothing"
	}
	raw := bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
	s := raw.String()
	if len(s) > 600 {
		s = s[:600] + "…"
	}
	return s
}
