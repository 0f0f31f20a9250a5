// Package plan chooses how a query is answered: it derives index bounds from a
// filter's tree, ranks the access paths that are sound, tries those that tie,
// and describes the choice as explain does. Bounds may always be wider than the
// filter: the filter itself is applied to what an access path yields.
package plan

import (
	"math"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
)

// Interval is a range of values in MongoDB's order.
type Interval struct {
	Lo, Hi     bsonx.Value
	LoIn, HiIn bool
}

// Intervals are sorted and do not overlap. Nil or empty: nothing.
type Intervals []Interval

var (
	minKey = bsonx.Value{Type: bsonx.MinKey}
	maxKey = bsonx.Value{Type: bsonx.MaxKey}
)

// allValues is [MinKey, MaxKey].
func allValues() Intervals { return Intervals{{minKey, maxKey, true, true}} }

func point(v bsonx.Value) Interval { return Interval{v, v, true, true} }

func nan() float64 { return math.NaN() }

// isAll reports whether the intervals hold every value.
func (iv Intervals) isAll() bool {
	return len(iv) == 1 && iv[0].Lo.Type == bsonx.MinKey && iv[0].Hi.Type == bsonx.MaxKey && iv[0].LoIn && iv[0].HiIn
}

// isPoint reports whether the interval is one value.
func (i Interval) isPoint() bool {
	return i.LoIn && i.HiIn && bsonx.Compare(i.Lo, i.Hi) == 0
}

// points reports whether all intervals are single values.
func (iv Intervals) points() bool {
	for _, i := range iv {
		if !i.isPoint() {
			return false
		}
	}
	return true
}

func (i Interval) empty() bool {
	c := bsonx.Compare(i.Lo, i.Hi)
	return c > 0 || c == 0 && !(i.LoIn && i.HiIn)
}

// compareLo orders lower ends: an included value comes before an excluded one.
func compareLo(a, b Interval) int {
	if c := bsonx.Compare(a.Lo, b.Lo); c != 0 {
		return c
	}
	switch {
	case a.LoIn == b.LoIn:
		return 0
	case a.LoIn:
		return -1
	}
	return 1
}

// compareHi orders upper ends: an excluded value comes before an included one.
func compareHi(a, b Interval) int {
	if c := bsonx.Compare(a.Hi, b.Hi); c != 0 {
		return c
	}
	switch {
	case a.HiIn == b.HiIn:
		return 0
	case a.HiIn:
		return 1
	}
	return -1
}

// normalize sorts, drops empty intervals and joins those that touch.
func normalize(iv Intervals) Intervals {
	iv = slices.DeleteFunc(slices.Clone(iv), Interval.empty)
	slices.SortFunc(iv, compareLo)
	out := iv[:0]
	for _, i := range iv {
		if n := len(out); n > 0 && touches(out[n-1], i) {
			if compareHi(out[n-1], i) < 0 {
				out[n-1].Hi, out[n-1].HiIn = i.Hi, i.HiIn
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// touches reports whether a, which begins no later than b, overlaps b or leaves
// no value between them.
func touches(a, b Interval) bool {
	c := bsonx.Compare(a.Hi, b.Lo)
	return c > 0 || c == 0 && (a.HiIn || b.LoIn)
}

func union(a, b Intervals) Intervals {
	return normalize(append(slices.Clone(a), b...))
}

func intersect(a, b Intervals) Intervals {
	var out Intervals
	for i, j := 0, 0; i < len(a) && j < len(b); {
		n := a[i]
		if compareLo(n, b[j]) < 0 {
			n.Lo, n.LoIn = b[j].Lo, b[j].LoIn
		}
		if compareHi(n, b[j]) > 0 {
			n.Hi, n.HiIn = b[j].Hi, b[j].HiIn
		}
		if !n.empty() {
			out = append(out, n)
		}
		if compareHi(a[i], b[j]) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}

func complement(a Intervals) Intervals {
	var out Intervals
	lo, in := minKey, true
	for _, i := range a {
		if n := (Interval{lo, i.Lo, in, !i.LoIn}); !n.empty() {
			out = append(out, n)
		}
		lo, in = i.Hi, !i.HiIn
	}
	if n := (Interval{lo, maxKey, in, true}); !n.empty() {
		out = append(out, n)
	}
	return out
}

// bracket returns the range of all values that compare with values of type t:
// its class, as $lt and its kin see it. NaN is not in the range of numbers.
func bracket(t bsonx.Type) Interval {
	switch t {
	case bsonx.Int32, bsonx.Int64, bsonx.Double, bsonx.Decimal128:
		return Interval{bsonx.DoubleValue(math.Inf(-1)), bsonx.DoubleValue(math.Inf(1)), true, true}
	case bsonx.String, bsonx.Symbol:
		return Interval{bsonx.StringValue(""), bsonx.DocValue(bsonx.EmptyDoc), true, false}
	case bsonx.Object:
		return Interval{bsonx.DocValue(bsonx.EmptyDoc), emptyArray, true, false}
	case bsonx.Array:
		return Interval{emptyArray, emptyBinary, true, false}
	case bsonx.Binary:
		return Interval{emptyBinary, bsonx.Value{Type: bsonx.ObjectID, Data: make([]byte, 12)}, true, false}
	case bsonx.ObjectID:
		return Interval{bsonx.Value{Type: t, Data: make([]byte, 12)}, bsonx.Value{Type: t, Data: slices.Repeat([]byte{0xff}, 12)}, true, true}
	case bsonx.Bool:
		return Interval{bsonx.False, bsonx.True, true, true}
	case bsonx.Date:
		return Interval{bsonx.DateValue(math.MinInt64), bsonx.DateValue(math.MaxInt64), true, true}
	case bsonx.Timestamp:
		return Interval{bsonx.TimestampValue(0, 0), bsonx.TimestampValue(math.MaxUint32, math.MaxUint32), true, true}
	case bsonx.Null, bsonx.Undefined, bsonx.Missing:
		return Interval{bsonx.Value{}, bsonx.NullValue, true, true}
	case bsonx.Regex:
		return Interval{bsonx.Value{Type: t, Data: []byte{0, 0}}, minDBPointer, true, false}
	case bsonx.DBPointer:
		return Interval{minDBPointer, emptyCode, true, false}
	case bsonx.JavaScript:
		return Interval{emptyCode, emptyScoped, true, false}
	case bsonx.JavaScriptWithScope:
		return Interval{emptyScoped, maxKey, true, false}
	}
	return point(bsonx.Value{Type: t})
}

// The smallest values of some types.
var (
	emptyArray   = bsonx.ArrValue(bsonx.Arr(bsonx.EmptyDoc))
	emptyBinary  = bsonx.Value{Type: bsonx.Binary, Data: make([]byte, 5)}
	minDBPointer = bsonx.Value{Type: bsonx.DBPointer, Data: append([]byte{1, 0, 0, 0, 0}, make([]byte, 12)...)}
	emptyCode    = bsonx.Value{Type: bsonx.JavaScript, Data: []byte{1, 0, 0, 0, 0}}
	emptyScoped  = bsonx.Value{Type: bsonx.JavaScriptWithScope, Data: []byte{14, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0}}
)
