package equiv

import (
	"math"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// gen makes random things. Fields a, b and c of its documents hold anything; n is
// a number, s a string, d a date, o a document of these, r an array of numbers and
// v an array of documents, if they are there and not null.
type gen struct{ *rand.Rand }

func doc(key string, v any) bson.D { return bson.D{{Key: key, Value: v}} }

func (g gen) pick(vs ...any) any           { return vs[g.IntN(len(vs))] }
func (g gen) word(vs ...string) string     { return vs[g.IntN(len(vs))] }
func (g gen) one(in int) bool              { return g.IntN(in) == 0 }
func oneOf[T any](g gen, fs ...func() T) T { return fs[g.IntN(len(fs))]() }

func (g gen) number() any {
	if g.one(10) {
		return g.pick(math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), int64(1)<<60, math.Pow(2, 53), int32(math.MaxInt32), decimal("NaN"), decimal("-Infinity"), decimal("1E+3"), decimal("-0"), decimal("0.1"))
	}
	return g.pick(int32(g.IntN(8)-1), int32(g.IntN(100)), int64(g.IntN(8)-1), float64(g.IntN(16))/2, float64(g.IntN(16))/4-2, decimal("2"), decimal("2.50"))
}

func decimal(s string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		panic(err)
	}
	return d
}

func (g gen) text() string {
	return g.word("", "x", "X", "y", "xy", "Xyz", "abc", "aBc", "ä", "日本", "a b c", " pad ", "a-b-c", "10", "9", "2.5", "$x", "a.b", "yes", "\x00z")
}

func (g gen) date() bson.DateTime {
	return bson.DateTime(g.pick(int64(0), int64(1582934400000), int64(1616893200000+3600_000*int64(g.IntN(5))), int64(-1), int64(1704067199999), 1600000000000+86400_000*int64(g.IntN(20)), int64(253402300799999)).(int64))
}

// rare are values of the types that have no field of their own.
func (g gen) rare() any {
	return g.pick(bson.ObjectID{byte(g.IntN(3))}, bson.Binary{Subtype: byte(g.IntN(2)), Data: []byte{byte(g.IntN(2))}}, bson.Timestamp{T: uint32(g.IntN(3)), I: 1},
		bson.Regex{Pattern: "^x", Options: g.word("", "i")}, bson.JavaScript("x"), bson.Symbol("x"), bson.MinKey{}, bson.MaxKey{}, bson.Undefined{},
		bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.A{}, bson.A{bson.A{}}, bson.D{}, doc("c", nil), bson.DBPointer{DB: "q", Pointer: bson.ObjectID{1}})
}

func (g gen) scalar() any {
	switch g.IntN(8) {
	case 0:
		return g.rare()
	case 1, 2:
		return g.text()
	case 3:
		return g.pick(nil, true, false, g.date())
	}
	return g.number()
}

func (g gen) value(depth int) any {
	switch n := g.IntN(10); {
	case n < 6 || depth == 0:
		return g.scalar()
	case n < 8:
		return g.list(4, func() any { return g.value(depth - 1) })
	}
	return g.object(depth - 1)
}

func (g gen) list(n int, item func() any) bson.A {
	a := bson.A{}
	for i := g.IntN(n); i > 0; i-- {
		a = append(a, item())
	}
	return a
}

func (g gen) object(depth int) bson.D {
	d := bson.D{}
	for _, k := range []string{"c", "d", "0"} {
		if g.IntN(3) > 0 && (k != "0" || g.one(4)) {
			d = append(d, bson.E{Key: k, Value: g.value(depth)})
		}
	}
	return d
}

// typed is a value of one of the fields that have a type.
func (g gen) typed(field string) any {
	switch field {
	case "n", "o.p", "v.w":
		return g.number()
	case "v.k":
		return int32(g.IntN(5))
	case "s", "o.q":
		return g.text()
	case "d":
		return g.date()
	case "r":
		return g.list(5, g.number)
	case "o":
		return bson.D{{Key: "p", Value: g.number()}, {Key: "q", Value: g.text()}}
	case "v":
		return g.list(4, func() any { return bson.D{{Key: "k", Value: g.typed("v.k")}, {Key: "w", Value: g.number()}} })
	}
	return g.value(2)
}

var fields = []string{"a", "b", "c", "n", "s", "d", "o", "r", "v"}

// fieldsOf are the fields of a document but _id, in a random order.
func (g gen) fieldsOf() bson.D {
	d := bson.D{}
	for _, i := range g.Perm(len(fields)) {
		switch f := fields[i]; g.IntN(8) {
		case 0:
		case 1:
			d = append(d, bson.E{Key: f, Value: nil})
		default:
			d = append(d, bson.E{Key: f, Value: g.typed(f)})
		}
	}
	return d
}

func (g gen) path() string {
	return g.word("a", "b", "c", "n", "s", "d", "r", "n", "s", "b.c", "b.d", "a.c", "c.d", "_id", "o.p", "o.q", "v.k", "v.w", "v", "o", "b.0", "r.1", "v.0.k", "b.0.c")
}
