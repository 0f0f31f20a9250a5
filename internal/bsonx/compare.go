package bsonx

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
)

// Collator turns a string into a sort key, so that strings compare by language
// rules. A nil Collator compares bytes.
type Collator interface {
	// Key returns the sort key of s. Safe for concurrent use.
	Key(s []byte) []byte
}

// Compare orders two values as MongoDB does ("Comparison/Sort Order" in its
// manual): first by class of type, then by value. Numbers compare across types,
// exactly; NaN is the smallest number; missing is below null. O(size).
func Compare(a, b Value) int { return CompareWith(a, b, nil) }

// CompareWith is Compare under a collation, for strings at every depth.
func CompareWith(a, b Value, coll Collator) int {
	ca, cb := Class(a.Type), Class(b.Type)
	if ca != cb {
		return cmp.Compare(ca, cb)
	}
	switch ca {
	case classNumber:
		return compareNumbers(a, b)
	case classString:
		return compareStrings(Str(a), Str(b), coll)
	case classObject:
		return compareFields(a.Data, b.Data, coll, true)
	case classArray:
		return compareFields(a.Data, b.Data, coll, false)
	case classBinary:
		return compareBinary(a, b)
	case classObjectID:
		return bytes.Compare(a.Data, b.Data)
	case classBool:
		return cmp.Compare(a.Data[0], b.Data[0])
	case classDate:
		return cmp.Compare(I64(a), I64(b))
	case classTimestamp:
		return cmp.Compare(uint64(I64(a)), uint64(I64(b)))
	case classRegex:
		return bytes.Compare(a.Data, b.Data)
	case classDBPointer:
		if c := cmp.Compare(len(a.Data), len(b.Data)); c != 0 {
			return c
		}
		return bytes.Compare(a.Data, b.Data)
	case classJavaScript:
		return bytes.Compare(Str(a), Str(b))
	case classScopedJavaScript:
		return compareScoped(a, b)
	}
	return 0 // MinKey, MaxKey, null, missing
}

// Equal reports whether two values compare as equal.
func Equal(a, b Value) bool { return Compare(a, b) == 0 }

// Classes of types, in MongoDB's order.
const (
	classMinKey = iota
	classMissing
	classNull
	classNumber
	classString
	classObject
	classArray
	classBinary
	classObjectID
	classBool
	classDate
	classTimestamp
	classRegex
	classDBPointer
	classJavaScript
	classScopedJavaScript
	classMaxKey
)

// Class returns the place of a type's class in MongoDB's order. Types of one
// class (the numbers; string and symbol) compare by value.
func Class(t Type) int {
	switch t {
	case MinKey:
		return classMinKey
	case Missing:
		return classMissing
	case Null, Undefined:
		return classNull
	case Int32, Int64, Double, Decimal128:
		return classNumber
	case String, Symbol:
		return classString
	case Object:
		return classObject
	case Array:
		return classArray
	case Binary:
		return classBinary
	case ObjectID:
		return classObjectID
	case Bool:
		return classBool
	case Date:
		return classDate
	case Timestamp:
		return classTimestamp
	case Regex:
		return classRegex
	case DBPointer:
		return classDBPointer
	case JavaScript:
		return classJavaScript
	case JavaScriptWithScope:
		return classScopedJavaScript
	}
	return classMaxKey
}

func compareStrings(a, b []byte, coll Collator) int {
	if coll == nil {
		return bytes.Compare(a, b)
	}
	return bytes.Compare(coll.Key(a), coll.Key(b))
}

// compareFields compares documents field by field: class of type, name (for
// documents), value; a document that ends first is smaller.
func compareFields(a, b []byte, coll Collator, names bool) int {
	ia, ib := NewIter(a), NewIter(b)
	for {
		na, nb := ia.Next(), ib.Next()
		if !na || !nb {
			switch {
			case na:
				return 1
			case nb:
				return -1
			}
			return 0
		}
		if names {
			if c := cmp.Compare(Class(ia.val.Type), Class(ib.val.Type)); c != 0 {
				return c
			}
			if c := bytes.Compare(ia.Key(), ib.Key()); c != 0 {
				return c
			}
		}
		if c := CompareWith(ia.val, ib.val, coll); c != 0 {
			return c
		}
	}
}

// compareBinary orders by length, then subtype, then bytes.
func compareBinary(a, b Value) int {
	if c := cmp.Compare(len(a.Data), len(b.Data)); c != 0 {
		return c
	}
	return bytes.Compare(a.Data[4:], b.Data[4:])
}

func compareScoped(a, b Value) int {
	ca, sa, _ := a.CodeWithScopeOK()
	cb, sb, _ := b.CodeWithScopeOK()
	if c := cmp.Compare(ca, cb); c != 0 {
		return c
	}
	return compareFields(sa, sb, nil, true)
}

func compareNumbers(a, b Value) int {
	if a.Type == Int32 && b.Type == Int32 {
		return cmp.Compare(I32(a), I32(b))
	}
	if a.Type == Double && b.Type == Double {
		return cmp.Compare(F64(a), F64(b)) // NaN first, as MongoDB has it
	}
	if a.Type == Decimal128 || b.Type == Decimal128 {
		return compareDecimals(a, b)
	}
	if a.Type == Double {
		return compareDoubleInt(F64(a), intOf(b))
	}
	if b.Type == Double {
		return -compareDoubleInt(F64(b), intOf(a))
	}
	return cmp.Compare(intOf(a), intOf(b))
}

func intOf(v Value) int64 {
	if v.Type == Int32 {
		return int64(I32(v))
	}
	return I64(v)
}

// compareDoubleInt compares without rounding: a long beyond 2^53 is not turned
// into a double.
func compareDoubleInt(f float64, n int64) int {
	switch {
	case f != f:
		return -1
	case f >= 9223372036854775808:
		return 1
	case f < -9223372036854775808:
		return -1
	}
	t := math.Trunc(f)
	if c := cmp.Compare(int64(t), n); c != 0 {
		return c
	}
	return cmp.Compare(f-t, 0)
}

// compareDecimals compares two numbers of which one is a decimal, exactly.
func compareDecimals(a, b Value) int {
	ra, rb := rankOf(a), rankOf(b)
	if ra != rb || ra != rankFinite {
		return cmp.Compare(ra, rb)
	}
	if a.Type == Decimal128 && b.Type == Decimal128 && bytes.Equal(a.Data, b.Data) {
		return 0
	}
	if c := cmp.Compare(signOf(a), signOf(b)); c != 0 {
		return c
	}
	return ratOf(a).Cmp(ratOf(b))
}

// Ranks of the numbers that are not finite, in their order.
const (
	rankNaN = iota
	rankNegInf
	rankFinite
	rankPosInf
)

func rankOf(v Value) int {
	switch v.Type {
	case Double:
		f := F64(v)
		switch {
		case f != f:
			return rankNaN
		case math.IsInf(f, -1):
			return rankNegInf
		case math.IsInf(f, 1):
			return rankPosInf
		}
	case Decimal128:
		h, _ := DecimalBits(v)
		switch {
		case h>>58&0x1f == 0x1f:
			return rankNaN
		case h>>58&0x1f == 0x1e && h>>63 == 1:
			return rankNegInf
		case h>>58&0x1f == 0x1e:
			return rankPosInf
		}
	}
	return rankFinite
}

func signOf(v Value) int {
	switch v.Type {
	case Int32:
		return cmp.Compare(I32(v), 0)
	case Int64:
		return cmp.Compare(I64(v), 0)
	case Double:
		return cmp.Compare(F64(v), 0)
	}
	if DecimalIsZero(v) {
		return 0
	}
	h, _ := DecimalBits(v)
	return 1 - 2*int(h>>63)
}

// ratOf returns a finite number exactly.
func ratOf(v Value) *big.Rat {
	switch v.Type {
	case Int32, Int64:
		return new(big.Rat).SetInt64(intOf(v))
	case Double:
		return new(big.Rat).SetFloat64(F64(v))
	}
	coef, exp := DecimalParts(v)
	r := new(big.Rat).SetInt(coef)
	pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		return r.Mul(r, new(big.Rat).SetInt(pow))
	}
	return r.Quo(r, new(big.Rat).SetInt(pow))
}

// DecimalParts returns a finite Decimal128 as coefficient × 10^exponent, the
// sign in the coefficient (the sign of a zero is lost).
func DecimalParts(v Value) (coef *big.Int, exp int) {
	h, l := DecimalBits(v)
	var hi uint64
	if h>>61&3 == 3 {
		exp = int(h>>47&0x3fff) - 6176
		l = 0 // a coefficient beyond 34 digits is not canonical and reads as zero
	} else {
		exp = int(h>>49&0x3fff) - 6176
		hi = h & 0x1ffffffffffff
	}
	coef = new(big.Int).SetUint64(hi)
	coef.Lsh(coef, 64).Or(coef, new(big.Int).SetUint64(l))
	if h>>63 == 1 {
		coef.Neg(coef)
	}
	return coef, exp
}

// decimalInt64 returns a decimal's value when it is exactly an int64.
func decimalInt64(v Value) (int64, bool) {
	if rankOf(v) != rankFinite {
		return 0, false
	}
	if DecimalIsZero(v) {
		return 0, true
	}
	coef, exp := DecimalParts(v)
	if exp > 19 {
		return 0, false
	}
	if exp >= 0 {
		coef.Mul(coef, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil))
		return coef.Int64(), coef.IsInt64()
	}
	if exp < -40 {
		return 0, false
	}
	q, r := new(big.Int).QuoRem(coef, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-exp)), nil), new(big.Int))
	return q.Int64(), r.Sign() == 0 && q.IsInt64()
}
