package equiv

import "go.mongodb.org/mongo-driver/v2/bson"

// update is an update document or pipeline, and array filters if it needs some.
func (g gen) update() (u any, arrayFilters bson.A) {
	switch {
	case g.one(6):
		return bson.A{g.pick(doc("$set", bson.D{{Key: g.word("a", "b.c", "z"), Value: g.any(2)}}), doc("$unset", bson.A{g.word("a", "b.c", "v.w")}),
			doc("$replaceWith", call("$mergeObjects", "$$ROOT", doc("c", g.any(2)))))}, nil
	case g.one(12):
		return g.fieldsOf(), nil
	}
	d, used := bson.D{}, map[byte]bool{}
	for range g.IntN(3) + 1 {
		op, path, arg := g.operator()
		if used[path[0]] || has(d, op) {
			continue
		}
		used[path[0]] = true
		d = append(d, bson.E{Key: op, Value: doc(path, arg)})
		if path == "v.$[e].w" {
			arrayFilters = bson.A{doc("e.k", doc("$gte", int32(g.IntN(4))))}
		}
		if path == "r.$[e]" {
			arrayFilters = bson.A{doc("e", doc("$lt", g.number()))}
		}
	}
	if has(d, "$rename") {
		return d[:1], arrayFilters
	}
	return d, arrayFilters
}

func has(d bson.D, key string) bool {
	for _, e := range d {
		if e.Key == key {
			return true
		}
	}
	return false
}

func (g gen) operator() (op, path string, arg any) {
	numeric := g.word("n", "n", "o.p", "v.$[].w", "v.$[e].w", "r.$[e]", "v.0.w", "q.z")
	if g.one(12) {
		numeric = g.word("a", "b.c", "s")
	}
	switch g.IntN(14) {
	case 0, 1:
		p := g.word("a", "b", "c", "n", "s", "d", "o", "r", "v", "a", "b.c", "c.d", "z", "v.0.k", "o.q")
		if p == "v.0.k" {
			return "$set", p, g.typed("v.k")
		}
		return "$set", p, g.typed(p)
	case 2:
		return "$unset", g.path(), ""
	case 3:
		return "$inc", numeric, g.number()
	case 4:
		return "$mul", numeric, g.number()
	case 5:
		return g.word("$min", "$max"), numeric, g.number()
	case 6:
		return "$rename", g.word("a", "b", "c", "b.c"), g.word("z", "y.x", "zz")
	case 7, 8:
		mods := bson.D{{Key: "$each", Value: g.list(4, g.number)}}
		if g.one(2) {
			mods = append(mods, bson.E{Key: "$slice", Value: int32(g.IntN(9) - 4)})
		}
		if g.one(2) {
			mods = append(mods, bson.E{Key: "$sort", Value: g.pick(1, -1)})
		}
		if g.one(2) {
			mods = append(mods, bson.E{Key: "$position", Value: int32(g.IntN(5) - 2)})
		}
		return "$push", "r", g.pick(mods, g.number())
	case 9:
		return "$addToSet", g.word("r", "r", "c", "z"), g.pick(g.number(), doc("$each", g.list(4, g.number)))
	case 10:
		return "$pull", g.word("r", "v", "a", "b"), g.pick(g.number(), doc("$gte", g.number()), doc("k", doc("$lt", 3)))
	case 11:
		return "$pop", g.word("r", "v", "z"), g.pick(1, -1)
	case 12:
		return "$pullAll", "r", g.list(4, g.number)
	}
	return "$bit", g.word("m", "m", "n"), doc(g.word("and", "or", "xor"), int32(g.IntN(8)))
}

// write is a command that changes documents. Which document one that takes only
// one of several takes is not fixed, so it finds it by _id or by a total order.
func (g gen) write() bson.D {
	byID := doc("_id", int32(g.IntN(70)))
	with := func(d bson.D, filters bson.A) bson.D {
		if filters != nil {
			d = append(d, bson.E{Key: "arrayFilters", Value: filters})
		}
		return d
	}
	u, filters := g.update()
	_, replaces := u.(bson.D)
	replaces = replaces && len(u.(bson.D)) > 0 && u.(bson.D)[0].Key[0] != '$' || replaces && len(u.(bson.D)) == 0
	switch n := g.IntN(12); {
	case n == 0:
		return bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{append(doc("_id", int32(60+g.IntN(20))), g.fieldsOf()...)}}}
	case n == 1:
		return bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: byID}, {Key: "limit", Value: 1}}}}}
	case n == 2:
		return bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: append(doc("_id", doc("$gte", int32(g.IntN(60)))), g.filter(1)...)}, {Key: "limit", Value: 0}}}}}
	case n == 3 && !replaces:
		return bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{with(bson.D{{Key: "q", Value: g.filter(1)}, {Key: "u", Value: u}, {Key: "multi", Value: true}}, filters)}}}
	case n == 4:
		q := append(byID, bson.E{Key: "v.k", Value: g.typed("v.k")})
		return bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: q}, {Key: "u", Value: g.pick(doc("$inc", doc("v.$.w", 1)), doc("$set", doc("v.$.k", 7)), doc("$unset", doc("v.$", 1)))}}}}}
	case n == 5 || n == 6:
		d := bson.D{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: g.filter(1)}, {Key: "sort", Value: g.totalSort()}}
		if g.one(4) {
			d = append(d, bson.E{Key: "remove", Value: true})
		} else {
			d = append(d, bson.E{Key: "update", Value: u}, bson.E{Key: "new", Value: g.one(2)})
			d = with(d, filters)
		}
		if g.one(2) {
			d = append(d, bson.E{Key: "fields", Value: g.projection()})
		}
		return d
	case n == 7:
		return bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{with(bson.D{{Key: "q", Value: append(byID, g.filter(0)...)}, {Key: "u", Value: u}, {Key: "upsert", Value: true}}, filters)}}}
	}
	return bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{with(bson.D{{Key: "q", Value: byID}, {Key: "u", Value: u}}, filters)}}}
}
