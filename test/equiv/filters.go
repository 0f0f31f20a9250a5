package equiv

import "go.mongodb.org/mongo-driver/v2/bson"

// like is a value that the documents may have at a path.
func (g gen) like(path string) any {
	if g.one(5) {
		return g.value(1)
	}
	switch path {
	case "_id":
		return int32(g.IntN(60))
	case "r", "r.1":
		return g.number()
	case "v.0.k":
		return g.typed("v.k")
	case "v", "o", "n", "s", "d", "o.p", "o.q", "v.k", "v.w":
		return g.typed(path)
	}
	return g.value(1)
}

func (g gen) condition(path string) any {
	v := func() any { return g.like(path) }
	switch g.IntN(17) {
	case 0, 1, 2:
		return v()
	case 3, 4, 5:
		return doc(g.word("$gt", "$gte", "$lt", "$lte", "$ne", "$eq"), g.notRegex(v()))
	case 6, 7:
		return bson.D{{Key: g.word("$gt", "$gte"), Value: g.notRegex(v())}, {Key: g.word("$lt", "$lte"), Value: g.notRegex(v())}}
	case 8:
		return doc(g.word("$in", "$nin"), bson.A{v(), v(), v()})
	case 9:
		return doc("$exists", g.one(2))
	case 10:
		return doc("$type", g.pick("number", "string", "array", "object", "null", "bool", "date", "int", "double", bson.A{"long", "decimal"}, "regex", "minKey"))
	case 11:
		return doc("$not", doc(g.word("$gt", "$lte", "$eq", "$in"), bson.A{g.notRegex(g.scalar())}))
	case 12:
		return doc("$elemMatch", g.pick(bson.D{{Key: "k", Value: g.typed("v.k")}, {Key: "w", Value: doc("$gte", g.number())}},
			bson.D{{Key: "$gt", Value: g.number()}, {Key: "$lte", Value: g.number()}}, doc("c", g.scalar()), doc("$or", bson.A{doc("k", 1), doc("c", nil)})))
	case 13:
		return doc("$mod", bson.A{int32(g.IntN(4) + 1), int32(g.IntN(3))})
	case 14:
		return g.pick(doc("$size", int32(g.IntN(4))), doc("$all", bson.A{v(), v()}), doc("$all", bson.A{v()}))
	case 15:
		return doc(g.word("$bitsAllSet", "$bitsAnyClear", "$bitsAllClear", "$bitsAnySet"), g.pick(int32(1), int32(6), bson.A{int32(0), int32(2)}))
	}
	return bson.Regex{Pattern: g.word("^x", "y", "^", "x$", "^a.c", "[a-c]", "^\\d+$", "^X|y"), Options: g.word("", "i", "s", "x")}
}

// notRegex: comparisons do not take regular expressions.
func (g gen) notRegex(v any) any {
	if _, ok := v.(bson.Regex); ok {
		return int32(1)
	}
	return v
}

func (g gen) filter(depth int) bson.D {
	f := bson.D{}
	for i := g.IntN(3); i >= 0; i-- {
		switch {
		case depth > 0 && g.one(4):
			a := bson.A{}
			for j := g.IntN(3); j >= 0; j-- {
				a = append(a, g.filter(depth-1))
			}
			f = append(f, bson.E{Key: g.word("$or", "$and", "$nor", "$or"), Value: a})
		case g.one(7):
			f = append(f, bson.E{Key: "$expr", Value: g.boolean(1)})
		case g.one(7):
			p := g.path()
			args := bson.A{"$" + p, doc("$literal", g.like(p))}
			f = append(f, bson.E{Key: "$expr", Value: doc(g.word("$eq", "$gt", "$gte", "$lt", "$lte", "$ne"), args)})
		case g.one(25):
			f = append(f, bson.E{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"n"}}, {Key: "properties", Value: doc("n", bson.D{{Key: "bsonType", Value: "number"}, {Key: "minimum", Value: 2}})}}})
		default:
			p := g.path()
			f = append(f, bson.E{Key: p, Value: g.condition(p)})
		}
	}
	return f
}

// totalSort orders documents with unique _ids.
func (g gen) totalSort() bson.D {
	s := bson.D{}
	for _, p := range []string{g.path(), g.path()}[:g.IntN(3)] {
		if p != "_id" && (len(s) == 0 || s[0].Key != p && !under(s[0].Key, p) && !under(p, s[0].Key)) {
			s = append(s, bson.E{Key: p, Value: g.pick(1, -1)})
		}
	}
	return append(s, bson.E{Key: "_id", Value: g.pick(1, 1, -1)})
}

func under(parent, p string) bool { return len(p) > len(parent) && p[:len(parent)+1] == parent+"." }

func (g gen) projection() bson.D {
	p, keep := bson.D{}, g.IntN(2)
	used := map[string]bool{}
	for range g.IntN(4) + 1 {
		f := g.path()
		top := f[:1]
		if used[top] || f == "_id" {
			continue
		}
		used[top] = true
		switch {
		case keep == 1 && g.one(5):
			p = append(p, bson.E{Key: f, Value: g.any(1)})
		case g.one(8):
			p = append(p, bson.E{Key: f, Value: doc("$slice", g.pick(int32(1), int32(-2), bson.A{int32(1), int32(2)}))})
		case keep == 1 && g.one(10):
			p = append(p, bson.E{Key: "v", Value: doc("$elemMatch", doc("k", doc("$gt", 1)))})
			used["v"] = true
		default:
			p = append(p, bson.E{Key: f, Value: keep})
		}
	}
	return p
}

func (g gen) collation() bson.D {
	return g.pick(bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}}, bson.D{{Key: "locale", Value: "en"}, {Key: "numericOrdering", Value: true}},
		bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 1}}, bson.D{{Key: "locale", Value: "simple"}}).(bson.D)
}
