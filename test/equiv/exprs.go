package equiv

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Expressions are made by the type that they have, so that most of them are not
// errors; every now and then one of another type stands in its place.

func call(name string, args ...any) bson.D { return doc(name, bson.A(args)) }

func named(name string, kv ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return doc(name, d)
}

func (g gen) orElse(e, other any) any { return call("$ifNull", e, other) }

func (g gen) anyOr(depth int, typed func(int) any) any {
	if g.one(40) {
		return g.any(depth)
	}
	if depth > 0 && g.one(8) {
		switch g.IntN(4) {
		case 0:
			return call("$cond", g.boolean(depth-1), typed(depth-1), typed(depth-1))
		case 1:
			return named("$switch", "branches", bson.A{bson.D{{Key: "case", Value: g.boolean(depth - 1)}, {Key: "then", Value: typed(depth - 1)}}}, "default", typed(depth-1))
		case 2:
			return named("$let", "vars", doc("x", typed(depth-1)), "in", g.pick("$$x", typed(depth-1)))
		}
		return call("$ifNull", typed(depth-1), typed(depth-1))
	}
	return typed(depth)
}

func (g gen) num(depth int) any { return g.anyOr(depth, g.numTyped) }

func (g gen) numTyped(depth int) any {
	if depth == 0 {
		return g.pick("$n", "$n", "$o.p", g.number(), int32(g.IntN(5)))
	}
	n := func() any { return g.num(depth - 1) }
	switch g.IntN(16) {
	case 0, 1:
		return call(g.word("$add", "$multiply"), n(), n(), n())
	case 2:
		return call("$subtract", n(), n())
	case 3:
		return call(g.word("$divide", "$mod"), n(), g.pick(int32(3), 2.0, int64(4), decimal("0.5")))
	case 4:
		return doc(g.word("$abs", "$ceil", "$floor", "$trunc", "$round"), n())
	case 5:
		return call(g.word("$round", "$trunc"), n(), int32(g.IntN(5)-2))
	case 6:
		return doc("$sqrt", doc("$abs", n()))
	case 7:
		return doc("$size", g.array(depth-1))
	case 8:
		return doc(g.word("$strLenCP", "$strLenBytes"), g.orElse(g.str(depth-1), ""))
	case 9:
		return call("$indexOfCP", g.str(depth-1), g.word("x", "b", ""))
	case 10:
		return call("$indexOfArray", g.array(depth-1), n())
	case 11:
		return call("$cmp", g.any(depth-1), g.any(depth-1))
	case 12:
		return doc(g.word("$sum", "$avg", "$min", "$max"), g.pick("$r", "$v.w", bson.A{n(), n()}))
	case 13:
		return doc(g.word("$year", "$month", "$dayOfMonth", "$hour", "$isoWeek", "$dayOfWeek", "$dayOfYear", "$millisecond"), g.pick(g.dates(depth-1), bson.D{{Key: "date", Value: g.dates(depth - 1)}, {Key: "timezone", Value: g.zone()}}))
	case 14:
		return named("$dateDiff", "startDate", g.dates(depth-1), "endDate", g.dates(depth-1), "unit", g.unit(), "timezone", g.zone())
	}
	return named("$reduce", "input", g.array(depth-1), "initialValue", g.number(), "in", call("$add", "$$value", call("$cond", doc("$isNumber", "$$this"), "$$this", 1)))
}

func (g gen) zone() string {
	return g.word("UTC", "America/New_York", "+05:30", "Europe/Berlin", "-03", "Asia/Tokyo")
}

func (g gen) unit() string {
	return g.word("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond")
}

func (g gen) str(depth int) any { return g.anyOr(depth, g.strTyped) }

func (g gen) strTyped(depth int) any {
	if depth == 0 {
		return g.pick("$s", "$s", "$o.q", doc("$literal", g.text()), "abc")
	}
	s := func() any { return g.str(depth - 1) }
	switch g.IntN(9) {
	case 0:
		return call("$concat", s(), s())
	case 1:
		return doc(g.word("$toUpper", "$toLower"), s())
	case 2:
		return call("$substrCP", s(), int32(g.IntN(3)), int32(g.IntN(4)))
	case 3:
		return named(g.word("$trim", "$ltrim", "$rtrim"), "input", s(), "chars", g.word(" ", "xa", "c"))
	case 4:
		return named(g.word("$replaceOne", "$replaceAll"), "input", s(), "find", g.word("x", "b", "-"), "replacement", g.word("", "Q"))
	case 5:
		return named("$dateToString", "date", g.dates(depth-1), "format", g.word("%Y-%m-%dT%H:%M:%S.%L%z", "%G-W%V-%u", "%j %U %b"), "timezone", g.zone(), "onNull", "none")
	case 6:
		return doc("$toString", g.pick(int32(7), 2.5, int64(9), true, "$d", g.boolean(depth-1)))
	case 7:
		return doc("$type", g.any(depth-1))
	}
	return call("$arrayElemAt", call("$split", g.orElse(s(), ""), g.word("-", " ", "b")), int32(g.IntN(3)-1))
}

func (g gen) boolean(depth int) any { return g.anyOr(depth, g.boolTyped) }

func (g gen) boolTyped(depth int) any {
	p := g.path()
	if depth == 0 {
		return call(g.word("$eq", "$gt", "$lte", "$ne", "$lt", "$gte"), "$"+p, doc("$literal", g.like(p)))
	}
	b := func() any { return g.boolean(depth - 1) }
	switch g.IntN(9) {
	case 0:
		return call(g.word("$and", "$or"), b(), b())
	case 1:
		return call("$not", b())
	case 2:
		return call("$in", g.any(depth-1), g.array(depth-1))
	case 3:
		return doc(g.word("$isArray", "$isNumber"), bson.A{g.any(depth - 1)})
	case 4:
		return named("$regexMatch", "input", g.str(depth-1), "regex", g.word("^x", "b", "[a-c]$"), "options", g.word("", "i"))
	case 5:
		return call(g.word("$setEquals", "$setIsSubset"), g.array(depth-1), g.array(depth-1))
	case 6:
		return doc(g.word("$anyElementTrue", "$allElementsTrue"), bson.A{g.array(depth - 1)})
	case 7:
		return call(g.word("$gt", "$lt", "$eq", "$gte"), g.num(depth-1), g.num(depth-1))
	}
	return call(g.word("$eq", "$lt", "$ne"), g.any(depth-1), g.any(depth-1))
}

func (g gen) array(depth int) any { return g.anyOr(depth, g.arrayTyped) }

func (g gen) arrayTyped(depth int) any {
	if depth == 0 {
		return g.pick(g.orElse("$r", bson.A{}), g.orElse("$v", bson.A{}), g.orElse("$v.k", bson.A{}), doc("$literal", g.list(4, g.scalar)), bson.A{"$n", "$s"})
	}
	a := func() any { return g.array(depth - 1) }
	switch g.IntN(14) {
	case 0:
		return named("$map", "input", a(), "as", "e", "in", g.pick("$$e", bson.A{"$$e", g.num(0)}, bson.D{{Key: "t", Value: doc("$type", "$$e")}}))
	case 1:
		return named("$filter", "input", a(), "cond", call(g.word("$gt", "$lte", "$ne"), "$$this", g.num(0)), "limit", int32(g.IntN(3)+1))
	case 2:
		return call("$concatArrays", a(), a())
	case 3:
		return call("$slice", a(), int32(g.IntN(7)-3))
	case 4:
		return doc("$reverseArray", a())
	case 5:
		return call("$range", int32(g.IntN(4)), int32(g.IntN(9)), int32(g.IntN(3)+1))
	case 6:
		return named("$sortArray", "input", a(), "sortBy", g.pick(int32(1), int32(-1), bson.D{{Key: "k", Value: 1}, {Key: "w", Value: -1}}))
	case 7:
		return call(g.word("$setUnion", "$setIntersection", "$setDifference"), a(), a())
	case 8:
		return named("$zip", "inputs", bson.A{a(), a()}, "useLongestLength", true)
	case 9:
		return doc("$objectToArray", g.orElse(g.document(depth-1), bson.D{}))
	case 10:
		return call("$split", g.orElse(g.str(depth-1), "-"), g.word("-", " "))
	case 11:
		return named("$regexFindAll", "input", g.str(depth-1), "regex", g.word("[a-c]", "(x)(y)?", "."))
	case 12:
		return named(g.word("$firstN", "$lastN", "$maxN", "$minN"), "n", int32(g.IntN(3)+1), "input", a())
	}
	return named("$map", "input", a(), "in", doc("$toString", doc("$type", "$$this")))
}

func (g gen) dates(depth int) any { return g.anyOr(depth, g.dateTyped) }

func (g gen) dateTyped(depth int) any {
	if depth == 0 {
		return g.pick("$d", "$d", g.date())
	}
	switch g.IntN(4) {
	case 0:
		return named(g.word("$dateAdd", "$dateSubtract"), "startDate", g.dates(depth-1), "unit", g.unit(), "amount", int32(g.IntN(30)-5), "timezone", g.zone())
	case 1:
		return named("$dateTrunc", "date", g.dates(depth-1), "unit", g.unit(), "binSize", int32(g.IntN(3)+1), "timezone", g.zone())
	case 2:
		return named("$dateFromParts", "year", int32(2020+g.IntN(3)), "month", int32(g.IntN(15)), "day", int32(g.IntN(40)-3), "hour", int32(g.IntN(30)), "timezone", g.zone())
	}
	return doc("$toDate", g.pick(int64(1600000000000), "$d", "2021-03-28T02:30:00", bson.ObjectID{1}))
}

// document is an expression that is a document.
func (g gen) document(depth int) any { return g.anyOr(depth, g.objectTyped) }

func (g gen) objectTyped(depth int) any {
	if depth == 0 {
		return g.pick("$o", doc("x", "$n"), doc("$literal", g.object(1)))
	}
	o := func() any { return g.document(depth - 1) }
	switch g.IntN(5) {
	case 0:
		return call("$mergeObjects", o(), o())
	case 1:
		return named("$setField", "field", g.word("p", "z", "$q"), "input", o(), "value", g.any(depth-1))
	case 2:
		return named("$unsetField", "field", g.word("p", "x"), "input", o())
	case 3:
		return doc("$arrayToObject", doc("$literal", bson.A{bson.A{"k", g.scalar()}, bson.A{"l", 1}}))
	}
	return bson.D{{Key: "x", Value: g.any(depth - 1)}, {Key: "y", Value: doc("z", g.any(depth-1))}}
}

func (g gen) any(depth int) any {
	if depth == 0 {
		return g.pick("$"+g.path(), "$"+g.path(), doc("$literal", g.value(1)), "$$ROOT.b", "$$REMOVE", nil)
	}
	switch g.IntN(10) {
	case 0, 1:
		return g.num(depth)
	case 2:
		return g.str(depth)
	case 3:
		return g.boolean(depth)
	case 4:
		return g.array(depth)
	case 5:
		return g.dates(depth)
	case 6:
		return g.document(depth)
	case 7:
		return named("$convert", "input", g.any(depth-1), "to", g.word("int", "long", "double", "decimal", "string", "bool", "date", "objectId"), "onError", g.pick("bad", g.scalarExpr()), "onNull", g.pick("null", nil))
	case 8:
		return doc(g.word("$first", "$last"), g.array(depth-1))
	}
	return named("$getField", "field", g.word("p", "q", "a.b", "n"), "input", g.pick("$$ROOT", "$o", g.document(depth-1)))
}

func (g gen) scalarExpr() any { return doc("$literal", g.scalar()) }
