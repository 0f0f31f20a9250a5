package equiv

import "go.mongodb.org/mongo-driver/v2/bson"

// pipe makes a pipeline and keeps track of what is known of its documents.
type pipe struct {
	gen
	depth   int
	stages  bson.A
	ordered bool // the documents come in one order whatever the access path
	unique  bool // no two documents have the same _id
	loose   bool // which of several equal numbers stands for all of them is open
	has     map[string]bool
}

func (g gen) pipeline(depth, n int) *pipe {
	p := &pipe{gen: g, depth: depth, unique: true, stages: bson.A{}, has: map[string]bool{}}
	if g.one(2) {
		p.add("$match", g.filter(1))
	}
	for range g.IntN(n + 1) {
		p.stage()
	}
	return p
}

func (p *pipe) add(name string, arg any) {
	p.stages = append(p.stages, doc(name, arg))
	p.has[name] = true
}

// order sorts the documents unless they are in order; it fails when nothing
// tells them apart.
func (p *pipe) order() bool {
	if !p.ordered && p.unique {
		p.add("$sort", p.totalSort())
		p.ordered = true
	}
	return p.ordered
}

func (p *pipe) stage() {
	table := []func(){p.match, p.match, p.sets, p.sets, p.project, p.sortLimit, p.sortLimit, p.group, p.group, p.unwind, p.replace, p.lookup, p.window, p.fill, p.rare}
	if p.depth > 0 {
		table = append(table, p.lookupPipeline, p.facet, p.union)
	}
	table[p.IntN(len(table))]()
}

func (p *pipe) match() { p.add("$match", p.filter(1)) }

func (p *pipe) sets() {
	d := bson.D{}
	for _, k := range []string{"x", "y", "a", "b.c"}[:p.IntN(4)+1] {
		d = append(d, bson.E{Key: k, Value: p.any(2)})
	}
	p.add(p.word("$set", "$addFields"), d)
}

func (p *pipe) project() {
	switch p.IntN(3) {
	case 0:
		p.add("$unset", p.pick("a", bson.A{"b.c", "v.w", "s"}))
	case 1:
		d := p.projection()
		if p.one(3) {
			d = append(d, bson.E{Key: "_id", Value: 0})
			p.unique = false
		}
		if len(d) == 0 {
			d = doc("n", 1)
		}
		p.add("$project", d)
	default:
		p.add("$project", bson.D{{Key: "n", Value: 1}, {Key: "x", Value: p.any(2)}, {Key: "r", Value: p.array(1)}, {Key: "s", Value: p.str(1)}})
	}
}

func (p *pipe) sortLimit() {
	if !p.order() {
		return
	}
	if p.one(2) {
		p.add("$skip", int32(p.IntN(4)))
	}
	if p.one(2) {
		p.add("$limit", int32(p.IntN(12)+1))
	}
}

// accumulators: those in the second list ask for an order.
func (p *pipe) accumulator(ordered bool) any {
	n := p.IntN(8)
	if ordered {
		n = p.IntN(16)
	}
	switch n {
	case 0, 1:
		return doc("$sum", p.pick(1, p.num(1), "$r"))
	case 2:
		return doc(p.word("$min", "$max"), p.any(1))
	case 3:
		return doc("$count", bson.D{})
	case 4, 5:
		return doc(p.word("$maxN", "$minN"), bson.D{{Key: "input", Value: p.num(0)}, {Key: "n", Value: int32(p.IntN(3) + 1)}})
	case 6:
		return doc("$sum", "$n")
	case 7:
		return doc("$max", "$d")
	case 8:
		return doc(p.word("$first", "$last", "$push"), p.any(1))
	case 9:
		return doc(p.word("$avg", "$stdDevPop", "$stdDevSamp"), p.num(1))
	case 10:
		return doc(p.word("$top", "$bottom"), bson.D{{Key: "sortBy", Value: bson.D{{Key: "s", Value: 1}, {Key: "_id", Value: -1}}}, {Key: "output", Value: p.any(0)}})
	case 11:
		return doc(p.word("$firstN", "$lastN"), bson.D{{Key: "input", Value: p.any(0)}, {Key: "n", Value: 2}})
	case 12:
		return doc("$mergeObjects", p.pick("$o", p.document(1)))
	case 13:
		return doc(p.word("$topN", "$bottomN"), bson.D{{Key: "n", Value: int32(2)}, {Key: "sortBy", Value: doc("_id", p.pick(1, -1))}, {Key: "output", Value: bson.A{"$n", "$s"}}})
	case 14:
		return doc("$median", bson.D{{Key: "input", Value: p.num(0)}, {Key: "method", Value: "approximate"}})
	}
	return doc("$push", bson.D{{Key: "n", Value: "$n"}, {Key: "k", Value: "$v.k"}})
}

func (p *pipe) group() {
	if p.one(3) {
		p.order()
	}
	if !p.ordered {
		p.loose = true
	}
	key, sortable := p.pick("$n", "$s", nil, bson.D{{Key: "p", Value: "$s"}, {Key: "q", Value: p.num(1)}}, "$o.q"), true
	if p.one(3) { // perhaps an array, which sorts by one of its elements
		key, sortable = p.pick("$"+p.path(), p.any(1)), false
	}
	switch p.IntN(7) {
	case 0:
		p.add("$sortByCount", p.pick("$s", "$n", p.str(1)))
		p.ordered, p.unique = false, true
		return
	case 1:
		p.add("$count", "n")
		p.ordered, p.unique = true, false
		return
	case 2:
		p.add("$bucket", bson.D{{Key: "groupBy", Value: "$n"}, {Key: "boundaries", Value: bson.A{int32(0), 2.5, int64(6)}}, {Key: "default", Value: p.pick("other", int32(100))}, {Key: "output", Value: doc("x", p.accumulator(p.ordered))}})
	case 3:
		p.loose = true
		p.add("$bucketAuto", bson.D{{Key: "groupBy", Value: p.pick("$n", "$s", "$_id")}, {Key: "buckets", Value: int32(p.IntN(4) + 1)}})
	default:
		d := doc("_id", key)
		for _, k := range []string{"x", "y", "n"}[:p.IntN(4)] {
			d = append(d, bson.E{Key: k, Value: p.accumulator(p.ordered)})
		}
		p.add("$group", d)
		p.ordered, p.unique = false, sortable
		return
	}
	p.ordered, p.unique = false, true
}

func (p *pipe) unwind() {
	d := doc("path", p.word("$r", "$v", "$a", "$b.c"))
	if p.one(2) {
		d = append(d, bson.E{Key: "preserveNullAndEmptyArrays", Value: true})
	}
	if p.one(2) {
		d = append(d, bson.E{Key: "includeArrayIndex", Value: "i"})
	}
	p.add("$unwind", d)
	p.unique = false
}

func (p *pipe) replace() {
	p.add(p.word("$replaceWith"), p.pick(call("$mergeObjects", "$$ROOT", p.document(1)), bson.D{{Key: "n", Value: "$n"}, {Key: "r", Value: "$v.k"}, {Key: "x", Value: p.any(1)}}))
	p.unique = false
}

// sorted puts an array of foreign documents, which come in any order, in one.
func (p *pipe) sorted(as string) {
	p.add("$set", doc(as, named("$sortArray", "input", "$"+as, "sortBy", doc("_id", 1))))
}

func (p *pipe) lookup() {
	if p.one(4) {
		d := bson.D{{Key: "from", Value: "e"}, {Key: "startWith", Value: p.pick("$n", "$r", "$v.k")}, {Key: "connectFromField", Value: p.word("n", "r", "v.k")}, {Key: "connectToField", Value: p.word("n", "r", "v.k", "_id")}, {Key: "as", Value: "g"}, {Key: "maxDepth", Value: int32(p.IntN(3))}}
		if p.one(2) {
			d = append(d, bson.E{Key: "depthField", Value: "h"})
		}
		if p.one(3) {
			d = append(d, bson.E{Key: "restrictSearchWithMatch", Value: p.filter(0)})
		}
		p.add("$graphLookup", d)
		p.sorted("g")
		return
	}
	p.add("$lookup", bson.D{{Key: "from", Value: "e"}, {Key: "localField", Value: p.path()}, {Key: "foreignField", Value: p.path()}, {Key: "as", Value: "l"}})
	if p.one(4) {
		p.add("$unwind", p.pick("$l", bson.D{{Key: "path", Value: "$l"}, {Key: "preserveNullAndEmptyArrays", Value: true}}))
		if p.one(2) {
			p.add("$match", doc("l."+p.path(), doc("$exists", true)))
		}
		p.ordered, p.unique = false, false
		return
	}
	p.sorted("l")
}

func (p *pipe) lookupPipeline() {
	sub := p.pipeline(p.depth-1, 2)
	if len(sub.stages) > 0 && p.one(2) {
		sub.stages = append(bson.A{doc("$match", doc("$expr", call(p.word("$eq", "$gt", "$lte"), "$"+p.path(), p.pick("$$w", "$$w", "$_id"))))}, sub.stages...)
	}
	d := doc("from", "e")
	if p.one(2) {
		d = append(d, bson.E{Key: "localField", Value: p.path()}, bson.E{Key: "foreignField", Value: p.path()})
	}
	d = append(d, bson.E{Key: "let", Value: doc("w", p.pick("$n", "$"+p.path()))})
	sub.order()
	if !sub.ordered {
		sub.add("$count", "n")
	}
	p.loose = p.loose || sub.loose
	d = append(d, bson.E{Key: "pipeline", Value: sub.stages}, bson.E{Key: "as", Value: "m"})
	p.add("$lookup", d)
}

func (p *pipe) facet() {
	if !p.order() {
		return
	}
	d := bson.D{}
	for _, k := range []string{"f", "h"}[:p.IntN(2)+1] {
		sub := p.pipeline(0, 2)
		sub.order()
		if !sub.ordered {
			sub.add("$count", "n")
		}
		p.loose = p.loose || sub.loose
		d = append(d, bson.E{Key: k, Value: sub.stages})
	}
	p.add("$facet", d)
	p.unique = false
}

func (p *pipe) union() {
	sub := p.pipeline(p.depth-1, 2)
	p.loose = p.loose || sub.loose
	p.add("$unionWith", bson.D{{Key: "coll", Value: "e"}, {Key: "pipeline", Value: sub.stages}})
	p.ordered, p.unique = false, false
}

func (p *pipe) window() {
	if !p.unique {
		return
	}
	w := p.pick(bson.D{{Key: "documents", Value: bson.A{int32(-p.IntN(3)), int32(p.IntN(3))}}}, bson.D{{Key: "documents", Value: bson.A{"unbounded", "current"}}}, bson.D{{Key: "documents", Value: bson.A{int32(-2), "unbounded"}}}, nil)
	f := p.pick(doc("$sum", p.num(1)), doc("$push", "$n"), doc(p.word("$min", "$max"), "$n"), doc(p.word("$first", "$last"), "$s"), doc("$avg", "$n"), doc("$addToSet", "$_id"), doc("$count", bson.D{})).(bson.D)
	if w != nil {
		f = append(f, bson.E{Key: "window", Value: w})
	}
	out := doc("x", f)
	if p.one(2) {
		out = append(out, bson.E{Key: "y", Value: p.pick(doc("$documentNumber", bson.D{}), doc("$shift", bson.D{{Key: "output", Value: p.any(1)}, {Key: "by", Value: int32(p.IntN(4) - 2)}, {Key: "default", Value: "none"}}), doc("$locf", "$n"))})
	}
	d := bson.D{}
	if p.one(2) {
		d = append(d, bson.E{Key: "partitionBy", Value: p.pick("$s", doc("$type", "$n"), "$o.q")})
	}
	p.add("$setWindowFields", append(d, bson.E{Key: "sortBy", Value: p.totalSort()}, bson.E{Key: "output", Value: out}))
	if has(f, "$addToSet") {
		p.add("$set", doc("x", named("$sortArray", "input", "$x", "sortBy", 1)))
	}
	p.ordered = false
}

func (p *pipe) fill() {
	if !p.unique {
		return
	}
	p.add("$fill", bson.D{{Key: "sortBy", Value: doc("_id", 1)}, {Key: "output", Value: bson.D{{Key: "n", Value: p.pick(doc("method", "locf"), doc("value", p.num(1)))}, {Key: "s", Value: doc("value", p.str(1))}}}})
	p.ordered = false
}

func (p *pipe) rare() {
	switch p.IntN(4) {
	case 0:
		p.add("$redact", call("$cond", p.boolean(1), "$$DESCEND", p.word("$$PRUNE", "$$KEEP")))
	case 1:
		p.add("$densify", bson.D{{Key: "field", Value: "i"}, {Key: "range", Value: bson.D{{Key: "step", Value: 2}, {Key: "bounds", Value: bson.A{0, 7}}}}})
		p.ordered, p.unique = false, false
	case 2:
		p.add("$set", doc("x", p.any(3)))
	default:
		p.add("$match", doc("$expr", p.boolean(2)))
	}
}
