package hostile

import (
	"runtime"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/test/harness"
)

// nested wraps v n times in {key: …} or, for an operator that takes a list, [ … ].
func nested(n int, v any, wrap func(any) any) any {
	for range n {
		v = wrap(v)
	}
	return v
}

func op(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }

// repeat is a list of n times v.
func repeat(n int, v any) bson.A {
	a := make(bson.A, n)
	for i := range a {
		a[i] = v
	}
	return a
}

// doubled is an expression that joins its value to itself, n times over.
func doubled(n int, join string, v any) any {
	e := any("$$v")
	for range n {
		e = bson.D{{Key: "$let", Value: bson.D{{Key: "vars", Value: op("v", op(join, bson.A{"$$v", "$$v"}))}, {Key: "in", Value: e}}}}
	}
	return bson.D{{Key: "$let", Value: bson.D{{Key: "vars", Value: op("v", v)}, {Key: "in", Value: e}}}}
}

// TestBombs sends commands that are small and would be large, deep or endless: each
// ends in MongoDB's error (or, where that is fine, in an answer), and the server is
// there for the next.
func TestBombs(t *testing.T) {
	s := harness.Start(t)
	db := s.Client(t).Database("bombs")
	big := strings.Repeat("x", 1<<20)
	docs := bson.A{}
	for i := range 8 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: big}, {Key: "a", Value: repeat(1000, 1)}})
	}
	harness.Run(t, db, bson.D{{Key: "insert", Value: "big"}, {Key: "documents", Value: docs}})
	harness.Run(t, db, bson.D{{Key: "insert", Value: "one"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 1}, {Key: "r", Value: strings.Repeat("a", 40)}}}}})
	pipeline := func(coll string, stages ...any) bson.D {
		return bson.D{{Key: "aggregate", Value: coll}, {Key: "pipeline", Value: bson.A(stages)}, {Key: "cursor", Value: bson.D{}}}
	}
	project := func(e any) bson.D { return pipeline("one", op("$project", op("x", e))) }
	find := func(filter any) bson.D { return bson.D{{Key: "find", Value: "one"}, {Key: "filter", Value: filter}} }
	update := func(u any) bson.D {
		return bson.D{{Key: "update", Value: "one"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: u}}}}}
	}
	join := op("$lookup", bson.D{{Key: "from", Value: "big"}, {Key: "pipeline", Value: bson.A{}}, {Key: "as", Value: "l"}})
	for _, tt := range []struct {
		name string
		cmd  bson.D
		want []int // any of these; 0 is success
	}{
		{"$range of two billion", project(op("$range", bson.A{0, 2147483647})), []int{146}},
		{"$reduce that doubles a string", project(doubled(40, "$concat", "xxxxxxxx")), []int{10334, 16702, 17419, 146, 10329}},
		{"$reduce that doubles a list", project(doubled(40, "$concatArrays", bson.A{1, 2, 3})), []int{10334, 146, 17419}},
		{"$concat over $reduce", project(op("$reduce", bson.D{{Key: "input", Value: op("$range", bson.A{0, 60})}, {Key: "initialValue", Value: "x"}, {Key: "in", Value: op("$concat", bson.A{"$$value", "$$value"})}})), []int{10334, 146, 17419}},
		{"$map in $map in $map", project(nested(4, 1, func(v any) any {
			return op("$map", bson.D{{Key: "input", Value: op("$range", bson.A{0, 1000})}, {Key: "in", Value: v}})
		})), []int{10334, 146, 17419, 50}},
		{"$lookup of $lookup of $lookup", pipeline("big", join, op("$unwind", "$l"), op("$set", op("m", "$l")), op("$lookup", bson.D{{Key: "from", Value: "big"}, {Key: "pipeline", Value: bson.A{join}}, {Key: "as", Value: "k"}})), []int{4568, 10334, 17419}},
		{"$push of everything", pipeline("big", join, op("$unwind", "$l"), op("$group", bson.D{{Key: "_id", Value: nil}, {Key: "all", Value: op("$push", "$$ROOT")}})), []int{146, 10334, 17419}},
		{"$facet of everything", pipeline("big", op("$facet", op("a", bson.A{join, op("$unwind", "$l")}))), []int{4031700, 10334, 17419}},
		{"1000 stages", pipeline("one", repeat(1000, op("$set", op("x", op("$add", bson.A{"$n", 1}))))...), []int{0}},
		{"1001 stages", pipeline("one", repeat(1001, op("$skip", 0))...), []int{7749501}},
		{"pipelines in pipelines", pipeline("one", nested(30, op("$match", bson.D{}), func(v any) any {
			return op("$lookup", bson.D{{Key: "from", Value: "one"}, {Key: "pipeline", Value: bson.A{v}}, {Key: "as", Value: "l"}})
		})), []int{232}},
		{"deep expression", project(nested(150, 1, func(v any) any { return op("$abs", v) })), []int{0, 15}},
		{"deep $and", find(nested(90, op("n", 1), func(v any) any { return op("$and", bson.A{v}) })), []int{0, 2}},
		{"deep $elemMatch", find(op("a", nested(140, op("$gt", 1), func(v any) any { return op("$elemMatch", v) }))), []int{0, 2, 15}},
		{"a regular expression that backtracks", find(op("r", bson.Regex{Pattern: "^(a+)+$|^(a|aa)+b$"})), []int{0}},
		{"a back reference that backtracks", find(op("r", bson.Regex{Pattern: `^(a*)*\1(a*)*\2(a*)*\3b$`})), []int{0, 51156}},
		{"a pattern that is too long", find(op("r", bson.Regex{Pattern: strings.Repeat("(a|b)", 40_000)})), []int{51091, 2}},
		{"a repeat of repeats", find(op("r", bson.Regex{Pattern: "((((a{1000}){1000}){1000}){1000})"})), []int{51091, 2}},
		{"$regexFindAll of nothing", project(op("$regexFindAll", bson.D{{Key: "input", Value: strings.Repeat("a", 10_000)}, {Key: "regex", Value: "(?:)"}})), []int{0}},
		{"$in of 100,000", find(op("n", op("$in", repeat(100_000, 1)))), []int{0}},
		{"10,000 branches of $or", find(op("$or", repeat(10_000, op("n", 1)))), []int{0}},
		{"$push a million times", update(op("$push", op("p", op("$each", repeat(1_000_000, "xxxxxxxxxx"))))), []int{0, 10334, 17419, 17280}},
		{"$set at array place two billion", update(op("$set", op("arr.2147483647", 1))), []int{0}},
		{"a field with 300 dots", update(op("$set", op(strings.Repeat("a.", 300)+"b", 1))), []int{2, 15}},
		{"$bucketAuto of two billion", pipeline("one", op("$bucketAuto", bson.D{{Key: "groupBy", Value: "$n"}, {Key: "buckets", Value: 2147483647}})), []int{0}},
		{"the first batch of a $densify of a billion", pipeline("one", op("$densify", bson.D{{Key: "field", Value: "n"}, {Key: "range", Value: bson.D{{Key: "step", Value: 1}, {Key: "bounds", Value: bson.A{0, 1_000_000_000}}}}})), []int{0}},
		{"all of a $densify of a billion", pipeline("one", op("$densify", bson.D{{Key: "field", Value: "n"}, {Key: "range", Value: bson.D{{Key: "step", Value: 1}, {Key: "bounds", Value: bson.A{0, 1_000_000_000}}}}}), op("$count", "n")), []int{5897900}},
		{"$setUnion over $range", project(op("$size", op("$setUnion", bson.A{op("$range", bson.A{0, 1_000_000}), op("$range", bson.A{500_000, 1_500_000})}))), []int{0, 146}},
		{"$zip of long lists", project(op("$size", op("$zip", op("inputs", repeat(40, op("$range", bson.A{0, 100_000})))))), []int{0, 146, 10334}},
		{"$replaceAll that grows", project(op("$strLenBytes", op("$replaceAll", bson.D{{Key: "input", Value: big}, {Key: "find", Value: "x"}, {Key: "replacement", Value: strings.Repeat("y", 1000)}}))), []int{10334, 146, 17419}},
	} {
		cmd := append(tt.cmd, bson.E{Key: "maxTimeMS", Value: 30_000})
		reply := s.Raw(t, append(cmd, bson.E{Key: "$db", Value: "bombs"}))
		code := 0
		if c, err := reply.LookupErr("code"); err == nil {
			code = int(c.AsInt64())
		} else if c, err := reply.LookupErr("writeErrors", "0", "code"); err == nil {
			code = int(c.AsInt64())
		}
		ok := false
		for _, w := range tt.want {
			ok = ok || code == w
		}
		if !ok {
			msg, _ := reply.Lookup("errmsg").StringValueOK()
			t.Errorf("%s: got %d %.200s, want one of %v", tt.name, code, msg, tt.want)
		}
	}
	harness.Run(t, db, bson.D{{Key: "ping", Value: 1}})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d MB", m.Sys>>20)
	if m.Sys > mostMemory {
		t.Errorf("the server took %d MB", m.Sys>>20)
	}
}

// mostMemory is what the server may have taken from the system at its worst.
const mostMemory = 2 << 30
