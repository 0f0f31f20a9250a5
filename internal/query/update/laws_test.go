package update_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/update"
	"github.com/argon-db/argon/test/seed"
)

type gen struct{ *rand.Rand }

func (g gen) pick(s ...string) string { return s[g.IntN(len(s))] }

func (g gen) value(depth int) string {
	if depth > 0 {
		switch g.IntN(3) {
		case 0:
			return "[" + g.value(depth-1) + "," + g.value(depth-1) + "]"
		case 1:
			return `{"` + g.pick("a", "b") + `":` + g.value(depth-1) + `,"0":` + g.value(depth-1) + `}`
		}
	}
	return g.pick("1", "2.5", `"x"`, "null", "true", `{"$numberLong":"7"}`)
}

func (g gen) path() string {
	p := g.pick("a", "b", "c")
	for g.IntN(2) == 0 {
		p += "." + g.pick("a", "b", "0", "1", "3", "$", "$[]", "$[e]")
	}
	return p
}

func (g gen) op() string {
	name := g.pick("$set", "$unset", "$inc", "$mul", "$min", "$max", "$push", "$addToSet", "$pull", "$pullAll", "$pop", "$rename", "$bit", "$currentDate", "$setOnInsert")
	arg := g.value(1)
	switch name {
	case "$inc", "$mul":
		arg = g.pick("1", "2.5")
	case "$pullAll":
		arg = "[1," + arg + "]"
	case "$pop":
		arg = g.pick("1", "-1")
	case "$rename":
		arg = `"` + g.pick("x", "a.x", "y.z") + `"`
	case "$bit":
		arg = `{"or":1}`
	case "$currentDate":
		arg = "true"
	case "$push":
		arg = g.pick("1", `{"$each":[3,1],"$position":1,"$sort":1,"$slice":3}`)
	}
	return fmt.Sprintf(`"%s":{"%s":%s}`, name, g.path(), arg)
}

// TestLaws: whatever an update does to a document, the result is one, keeps its
// _id, and "unchanged" means the same bytes.
func TestLaws(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(seed.Of(t), 1))}
	filter, err := match.Compile(value(t, `{"a":1}`).Data, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for range 5000 {
		doc := value(t, `{"_id":1,"a":`+g.value(2)+`,"b":`+g.value(1)+`}`).Data
		var ops []string
		for range 1 + g.IntN(2) {
			ops = append(ops, g.op())
		}
		text := "{" + strings.Join(ops, ",") + "}"
		var o update.Options
		if strings.Contains(text, "$[e]") {
			o.ArrayFilters = []bsonx.Doc{value(t, `{"e":{"$gte":1}}`).Data}
		}
		u, err := update.Compile(value(t, text), o)
		if err != nil {
			continue
		}
		_, pos, err := filter.MatchesAt(expr.NewEnv(nil, nil), doc)
		if err != nil {
			t.Fatal(err)
		}
		res, err := u.Apply(expr.NewEnv(nil, nil), doc, update.Input{Pos: pos, Now: 1})
		if err != nil {
			continue
		}
		applied++
		if err := bsonx.Validate(res.Doc); err != nil {
			t.Fatalf("%s on %s: %v", text, doc, err)
		}
		if id := bsonx.Lookup(res.Doc, "_id"); !bsonx.Equal(id, bsonx.Int32Value(1)) {
			t.Fatalf("%s on %s: _id is %s", text, doc, id)
		}
		if !res.Changed && string(res.Doc) != string(doc) {
			t.Fatalf("%s on %s: not changed, but %s", text, doc, res.Doc)
		}
	}
	if applied < 500 {
		t.Fatalf("only %d updates could be applied", applied)
	}
}
