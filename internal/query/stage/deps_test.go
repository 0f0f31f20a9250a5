package stage

import (
	"strings"
	"testing"

	"github.com/argon-db/argon/internal/query/expr"
)

// TestPrefix: what a planner is told of a pipeline's front.
func TestPrefix(t *testing.T) {
	cases := []struct{ name, pipeline, want string }{
		{"all", `[{"$match": {"a": 1}}]`, `filter {"a": 1} all`},
		{"group", `[{"$match": {"a": 1}}, {"$group": {"_id": "$b.c", "n": {"$sum": "$d"}}}]`, `filter {"a": 1} needs a b.c d`},
		{"nothing", `[{"$count": "n"}]`, `needs`},
		{"inclusion", `[{"$sort": {"s": 1}}, {"$skip": 2}, {"$limit": 3}, {"$project": {"_id": 0, "x": 1, "y": "$z"}}]`, `sort {"s": 1} skip 2 limit 3 needs s x z`},
		{"a filter from behind", `[{"$set": {"x": 1}}, {"$match": {"a": 1, "x": 1}}]`, `filter {"a": 1} all`},
		{"root", `[{"$group": {"_id": "$a", "d": {"$push": "$$ROOT"}}}]`, `all`},
		{"top", `[{"$group": {"_id": "$a", "t": {"$top": {"sortBy": {"k": 1}, "output": "$v"}}}}]`, `needs a k v`},
		{"field by name", `[{"$group": {"_id": {"$getField": "a"}}}]`, `all`},
	}
	for _, c := range cases {
		p, err := Parse(parsePipeline(t, c.pipeline), &ParseContext{NS: Namespace{"db", "c"}, Scope: expr.NewScope(expr.ScopeOptions{})})
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := describe(p.Prefix()); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func describe(x Prefix) string {
	var s []string
	if x.Filter != nil {
		s = append(s, "filter "+plainNumbers(x.Filter.String()))
	}
	if x.Sort != nil {
		s = append(s, "sort "+plainNumbers(x.Sort.String()))
	}
	if x.Skip > 0 {
		s = append(s, "skip 2")
	}
	if x.Limit > 0 {
		s = append(s, "limit 3")
	}
	if x.Needed == nil {
		return strings.Join(append(s, "all"), " ")
	}
	return strings.TrimSpace(strings.Join(append(append(s, "needs"), x.Needed...), " "))
}

func plainNumbers(s string) string {
	return strings.NewReplacer(`{"$numberInt":"`, "", `"}`, "").Replace(s)
}
