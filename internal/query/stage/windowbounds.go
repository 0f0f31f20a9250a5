package stage

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/expr"
)

// bound is one end of a window.
type bound struct {
	unbounded bool
	current   bool
	n         bsonx.Value // otherwise: so many documents, or so far in value
}

// offset returns a bound in documents.
func (b bound) offset() int {
	if b.current {
		return 0
	}
	n, _ := bsonx.IntegralOK(b.n)
	return int(n)
}

// bounds are the ends of a window, in documents or in values of sortBy.
type bounds struct {
	lower, upper bound
	byRange      bool
	unit         dates.Unit
	hasUnit      bool
}

func wholePartition() bounds {
	return bounds{lower: bound{unbounded: true}, upper: bound{unbounded: true}}
}

func errBounds(format string, args ...any) error {
	return errcode.New(errcode.FailedToParse, format, args...)
}

// parseBounds reads a window: {documents: […]}, {range: […], unit} or {}.
func parseBounds(v bsonx.Value, order *SortOrder, sc *expr.Scope) (bounds, error) {
	if v.Type != bsonx.Object {
		return bounds{}, errBounds("'window' field must be an object")
	}
	docs, rng, unit := bsonx.Lookup(v.Data, "documents"), bsonx.Lookup(v.Data, "range"), bsonx.Lookup(v.Data, "unit")
	n := bsonx.Len(v.Data)
	switch {
	case docs.Type != bsonx.Missing && rng.Type != bsonx.Missing:
		return bounds{}, errBounds("Window bounds can specify either 'documents' or 'unit', not both.")
	case rng.Type == bsonx.Missing && unit.Type != bsonx.Missing:
		return bounds{}, errBounds("Window bounds can only specify 'unit' with range-based bounds.")
	case docs.Type == bsonx.Missing && rng.Type == bsonx.Missing:
		if n != 0 {
			return bounds{}, errBounds("'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field")
		}
		return wholePartition(), nil
	case docs.Type != bsonx.Missing:
		if n != 1 {
			return bounds{}, errBounds("'window' field that specifies documents cannot have other fields")
		}
		return documentBounds(docs, order, sc)
	}
	return rangeBounds(rng, unit, n, order, sc)
}

func documentBounds(v bsonx.Value, order *SortOrder, sc *expr.Scope) (bounds, error) {
	whole := func(v bsonx.Value) error {
		if n, ok := bsonx.IntegralOK(v); !ok || n > math.MaxInt32 || n < math.MinInt32 {
			return errBounds("Numeric document-based bounds must be an integer")
		}
		return nil
	}
	b, err := twoBounds(v, sc, whole)
	if err == nil && order == nil && !(b.lower.unbounded && b.upper.unbounded) {
		err = errcode.New(5339901, "Document-based bounds require a sortBy")
	}
	return b, err
}

func rangeBounds(v, unit bsonx.Value, n int, order *SortOrder, sc *expr.Scope) (bounds, error) {
	var u dates.Unit
	check := func(v bsonx.Value) error {
		if !bsonx.IsNumber(v) {
			return errBounds("Range-based bounds expression must be a number")
		}
		return nil
	}
	extra := 1
	if unit.Type != bsonx.Missing {
		extra = 2
		s, ok := stringOf(unit)
		if !ok {
			return bounds{}, errBounds("'unit' must be a string")
		}
		if u, ok = dates.ParseUnit(s); !ok {
			return bounds{}, errBounds("unknown time unit value: %s", s)
		}
		check = func(v bsonx.Value) error {
			if _, ok := bsonx.IntegralOK(v); !ok {
				return errBounds("With 'unit', range-based bounds must be an integer")
			}
			return nil
		}
	}
	if n != extra {
		return bounds{}, errBounds("'window' field that specifies range cannot have other fields besides 'unit'")
	}
	b, err := twoBounds(v, sc, check)
	b.byRange, b.unit, b.hasUnit = true, u, unit.Type != bsonx.Missing
	switch {
	case err != nil:
	case order == nil || len(order.keys) != 1:
		err = errcode.New(5339902, "Range-based bounds require sortBy a single field")
	case order.keys[0].meta != "":
		err = errcode.New(8947400, "Range-based bounds require a non-expression sortBy")
	case order.keys[0].desc:
		err = errcode.New(8947401, "Range-based bounds require an ascending sortBy")
	}
	return b, err
}

func twoBounds(v bsonx.Value, sc *expr.Scope, check func(bsonx.Value) error) (b bounds, err error) {
	if v.Type != bsonx.Array || bsonx.Len(v.Data) != 2 {
		return b, errBounds("Window bounds must be a 2-element array")
	}
	ends := bsonx.Values(nil, v.Data)
	if b.lower, err = oneBound(ends[0], sc, check); err != nil {
		return b, err
	}
	if b.upper, err = oneBound(ends[1], sc, check); err != nil {
		return b, err
	}
	lo, up := b.lower, b.upper
	zero := bsonx.Int32Value(0)
	if lo.current {
		lo.n = zero
	}
	if up.current {
		up.n = zero
	}
	if !lo.unbounded && !up.unbounded && bsonx.Compare(lo.n, up.n) > 0 {
		err = errcode.New(5339900, "Lower bound must not exceed upper bound")
	}
	return b, err
}

func oneBound(v bsonx.Value, sc *expr.Scope, check func(bsonx.Value) error) (bound, error) {
	if s, ok := stringOf(v); ok {
		switch s {
		case "unbounded":
			return bound{unbounded: true}, nil
		case "current":
			return bound{current: true}, nil
		}
		return bound{}, errBounds("Window bounds must be 'unbounded', 'current', or a number.")
	}
	e, err := expr.Compile(v, sc)
	if err != nil {
		return bound{}, err
	}
	c, ok := expr.Constant(e)
	if !ok {
		return bound{}, errBounds("Window bounds expression must be a constant.")
	}
	return bound{n: c}, check(c)
}

// ends returns the first and the last row of the window around row i; ok is
// false when it has none.
func (p *partition) ends(b *bounds, i int) (lo, hi int, ok bool, err error) {
	n := p.rows.len()
	if b.byRange {
		return p.rangeEnds(b, i)
	}
	lo, hi = 0, n-1
	if !b.lower.unbounded {
		lo = i + b.lower.offset()
	}
	if !b.upper.unbounded {
		hi = i + b.upper.offset()
	}
	if lo > n-1 || hi < 0 {
		return 0, 0, false, nil
	}
	return max(lo, 0), min(hi, n-1), true, nil
}

// rangeEnds scans for the ends by value. Rows that are not of the right type
// stand before or after those that are, and are in no window.
func (p *partition) rangeEnds(b *bounds, i int) (lo, hi int, ok bool, err error) {
	base, err := p.sortValue(i)
	if err != nil {
		return 0, 0, false, err
	}
	if err := checkRangeBase(b, base); err != nil {
		return 0, 0, false, err
	}
	n := p.rows.len()
	first, last, err := p.typed(b)
	if err != nil {
		return 0, 0, false, err
	}
	lo, hi = i, i
	switch {
	case b.lower.unbounded:
		lo = first
	case !b.lower.current:
		at, err := threshold(b, base, b.lower.n)
		if err != nil {
			return 0, 0, false, err
		}
		if lo, err = p.search(first, last+1, func(v bsonx.Value) bool { return at.compare(v) >= 0 }); err != nil {
			return 0, 0, false, err
		}
	}
	switch {
	case b.upper.unbounded:
		hi = last
	case !b.upper.current:
		at, err := threshold(b, base, b.upper.n)
		if err != nil {
			return 0, 0, false, err
		}
		if hi, err = p.search(first, last+1, func(v bsonx.Value) bool { return at.compare(v) > 0 }); err != nil {
			return 0, 0, false, err
		}
		hi--
	}
	return lo, hi, lo <= hi && lo < n && lo <= last, nil
}

func checkRangeBase(b *bounds, v bsonx.Value) error {
	switch {
	case b.hasUnit && v.Type != bsonx.Date:
		return errcode.New(5429513, "Invalid range: Expected the sortBy field to be a Date, but it was %s", bsonx.TypeName(v.Type))
	case !b.hasUnit && v.Type == bsonx.Date:
		return errcode.New(5429413, "Invalid range: For windows that involve date or time ranges, a unit must be provided.")
	case !b.hasUnit && !bsonx.IsNumber(v):
		return errcode.New(5429414, "Invalid range: Expected the sortBy field to be a number, but it was %s", bsonx.TypeName(v.Type))
	}
	return nil
}

// typed returns the first and last row whose sortBy is a number (a date).
func (p *partition) typed(b *bounds) (first, last int, err error) {
	right := func(v bsonx.Value) bool {
		return b.hasUnit && v.Type == bsonx.Date || !b.hasUnit && bsonx.IsNumber(v)
	}
	class := bsonx.Class(bsonx.Int32)
	if b.hasUnit {
		class = bsonx.Class(bsonx.Date)
	}
	n := p.rows.len()
	first, err = p.search(0, n, func(v bsonx.Value) bool { return right(v) || bsonx.Class(v.Type) > class })
	if err != nil {
		return 0, 0, err
	}
	last, err = p.search(first, n, func(v bsonx.Value) bool { return !right(v) })
	return first, last - 1, err
}

// search returns the first row from lo to hi for which is holds, which it then
// does for all later ones.
func (p *partition) search(lo, hi int, is func(bsonx.Value) bool) (int, error) {
	for lo < hi {
		m := lo + (hi-lo)/2
		v, err := p.sortValue(m)
		if err != nil {
			return 0, err
		}
		if is(v) {
			hi = m
		} else {
			lo = m + 1
		}
	}
	return lo, nil
}

// limitValue is a value that rows are compared with: a date, or a decimal, so that
// 0.1 + 0.2 is 0.3.
type limitValue struct {
	date bool
	ms   int64
	dec  *numeric.Decimal
}

func threshold(b *bounds, base, delta bsonx.Value) (limitValue, error) {
	if !b.hasUnit {
		return limitValue{dec: numeric.Add(numeric.FromValue(base), numeric.FromValue(delta))}, nil
	}
	n, _ := bsonx.IntegralOK(delta)
	ms, ok := dates.Add(bsonx.I64(base), b.unit, n, dates.UTC)
	if !ok {
		return limitValue{}, errcode.New(5166406, "$dateAdd overflowed")
	}
	return limitValue{date: true, ms: ms}, nil
}

// compare returns the order of v against the limit.
func (l limitValue) compare(v bsonx.Value) int {
	if l.date {
		switch d := bsonx.I64(v); {
		case d < l.ms:
			return -1
		case d > l.ms:
			return 1
		}
		return 0
	}
	var a bsonx.Arena
	return bsonx.Compare(numeric.Put(&a, numeric.FromValue(v)), numeric.Put(&a, l.dec))
}
