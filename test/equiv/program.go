package equiv

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/cases"
	"github.com/argon-db/argon/test/ejson"
)

// program is what every side runs: the documents of two collections, c and e,
// indexes for the sides that have them, and commands.
type program struct {
	docs    map[string]bson.A
	indexes bson.A
	ops     []op
}

// op is a command, and what its answer is compared by.
type op struct {
	cmd     bson.D
	write   bool
	ordered bool // documents in one order
	loose   bool // equal numbers of any type are the same
}

func (g gen) program() *program {
	p := &program{docs: map[string]bson.A{}}
	for coll, n := range map[string]int{"c": 60, "e": 15} {
		for i := range g.IntN(n) + 1 {
			p.docs[coll] = append(p.docs[coll], append(doc("_id", int32(i)), g.fieldsOf()...))
		}
	}
	all := indexes()
	for _, i := range g.Perm(len(all))[:g.IntN(7)+2] {
		p.indexes = append(p.indexes, all[i])
	}
	for range 30 {
		if g.one(4) {
			p.ops = append(p.ops, op{cmd: g.write(), write: true, ordered: true})
			continue
		}
		p.ops = append(p.ops, g.read()...)
	}
	p.ops = append(p.ops, dump("c"))
	return p
}

func dump(coll string) op {
	return op{cmd: bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: bson.D{}}, {Key: "sort", Value: doc("_id", 1)}}, ordered: true}
}

// indexes are those that a program chooses from. A compound one has no two paths
// that may be arrays side by side, and a hashed one none.
func indexes() []bson.D {
	ix := func(key bson.D, more ...bson.E) bson.D { return append(doc("key", key), more...) }
	k := func(kv ...any) bson.D {
		d := bson.D{}
		for i := 0; i < len(kv); i += 2 {
			d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
		}
		return d
	}
	partial := func(f bson.D) bson.E { return bson.E{Key: "partialFilterExpression", Value: f} }
	return []bson.D{
		ix(k("a", 1)), ix(k("b", -1, "n", 1)), ix(k("b.c", 1, "s", -1)), ix(k("n", 1, "s", 1)), ix(k("n", -1)), ix(k("s", 1, "_id", 1)), ix(k("d", -1)),
		ix(k("v.k", 1, "n", 1)), ix(k("v.k", 1, "v.w", 1)), ix(k("v.0.k", -1)), ix(k("r.1", 1, "n", 1)), ix(k("r", 1)), ix(k("$**", 1)), ix(k("b.$**", 1)), ix(k("o.p", 1, "o.q", -1)),
		ix(k("s", 1), bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}}}),
		ix(k("c", 1), partial(doc("n", doc("$gt", 1)))), ix(k("n", 1), partial(doc("s", doc("$exists", true)))),
		ix(k("n", "hashed")), ix(k("s", "hashed", "a", 1)),
		ix(k("c.d", 1), bson.E{Key: "sparse", Value: true}), ix(k("n", 1, "a", 1, "d", 1)), ix(k("b", 1), bson.E{Key: "sparse", Value: true}),
		ix(k("$**", 1), bson.E{Key: "wildcardProjection", Value: bson.D{{Key: "b", Value: 0}, {Key: "v", Value: 0}}}),
	}
}

func (g gen) read() []op {
	switch g.IntN(10) {
	case 0:
		f := g.filter(1)
		return []op{{cmd: bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: f}}}, {cmd: g.distinct(f), loose: true}}
	case 1, 2, 3:
		return []op{g.find()}
	}
	p := g.pipeline(1, 4)
	o := op{cmd: bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: p.stages}, {Key: "cursor", Value: doc("batchSize", 10_000)}}, ordered: p.ordered, loose: p.loose}
	if g.one(8) && !p.loose { // else which of several equal strings stands for a group is open
		o.cmd = append(o.cmd, bson.E{Key: "collation", Value: g.collation()})
		o.loose = true
	}
	if g.one(10) {
		return g.output(o)
	}
	return []op{o}
}

func (g gen) distinct(f bson.D) bson.D {
	return bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: g.path()}, {Key: "query", Value: f}}
}

func (g gen) find() op {
	o := op{cmd: bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: g.filter(2)}, {Key: "batchSize", Value: 10_000}}}
	if g.one(2) {
		o.ordered = true
		o.cmd = append(o.cmd, bson.E{Key: "sort", Value: g.totalSort()})
		if g.one(2) {
			o.cmd = append(o.cmd, bson.E{Key: "limit", Value: int64(g.IntN(10) + 1)}, bson.E{Key: "skip", Value: int64(g.IntN(3))})
		}
	}
	if g.one(2) {
		o.cmd = append(o.cmd, bson.E{Key: "projection", Value: g.projection()})
	}
	if g.one(5) {
		o.cmd = append(o.cmd, bson.E{Key: "collation", Value: g.collation()})
	}
	if g.one(10) {
		o.cmd = append(o.cmd, bson.E{Key: "hint", Value: doc("$natural", 1)})
	}
	return o
}

// output writes what a pipeline yields, with an _id of its own that does not
// depend on the side, and reads it again.
func (g gen) output(o op) []op {
	if !o.ordered || o.loose {
		return []op{o}
	}
	stages := append(bson.A{}, o.cmd[1].Value.(bson.A)...)
	var last bson.D
	if g.one(3) {
		last = doc("$out", "z")
	} else {
		last = doc("$merge", bson.D{{Key: "into", Value: g.word("z", "e", "c")}, {Key: "whenMatched", Value: g.pick("replace", "keepExisting", "merge", "fail", bson.A{doc("$set", doc("m", g.any(1)))})}, {Key: "whenNotMatched", Value: g.word("insert", "discard")}})
	}
	o.cmd = bson.D{o.cmd[0], {Key: "pipeline", Value: append(stages, last)}, {Key: "cursor", Value: bson.D{}}}
	o.write = true
	return []op{o, dump("z"), dump("e")}
}

// text is the program as a file of test/cases has it.
func (p *program) text(indexes bool) string {
	var b strings.Builder
	for _, coll := range []string{"c", "e"} {
		for i, d := range p.docs[coll] {
			if i == 0 {
				b.WriteString(coll + ":")
			}
			b.WriteString(" " + ejson.Format(bsonx.DocValue(marshal(d))))
		}
		if len(p.docs[coll]) > 0 {
			b.WriteString("\n")
		}
	}
	if indexes {
		for _, ix := range p.indexes {
			d := ix.(bson.D)
			spec := ejson.Format(bsonx.DocValue(marshal(d[0].Value)))
			if len(d) > 1 {
				spec += " " + ejson.Format(bsonx.DocValue(marshal(d[1:])))
			}
			b.WriteString("> index c " + spec + "\n> index e " + spec + "\n")
		}
	}
	for _, o := range p.ops {
		b.WriteString(cases.CommandText(bson.Raw(marshal(o.cmd))) + "\n")
	}
	return b.String()
}

func marshal(v any) bsonx.Doc {
	b, err := bson.Marshal(v)
	if err != nil {
		panic(err) // what the generator makes can be written
	}
	return b
}
