package stage

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/seed"
)

// TestSlidingRandom: what slides over a partition is what each window gives by
// itself. The numbers are whole, so that sums are exact.
func TestSlidingRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.Of(t), 0))
	for range 150 {
		m := newMemory()
		n := 1 + r.IntN(30)
		for i := range n {
			doc := fmt.Sprintf(`{"_id": %d, "k": %d, "x": %s, "y": %s}`, i, i*r.IntN(4)/2, randomNumber(r), randomNumber(r))
			if err := m.insert(Namespace{"db", "c"}, parseDoc(t, []byte(doc))); err != nil {
				t.Fatal(err)
			}
		}
		lo := r.IntN(7) - 4
		window := fmt.Sprintf(`{documents: [%d, %d]}`, lo, lo+r.IntN(6))
		if r.IntN(4) == 0 {
			window = fmt.Sprintf(`{documents: [%d, "unbounded"]}`, lo)
		}
		if r.IntN(3) == 0 {
			window = strings.Replace(window, "documents", "range", 1)
		}
		window = strings.NewReplacer("documents", `"documents"`, "range", `"range"`).Replace(window)
		var outputs, compare []string
		for _, f := range []string{"sum", "avg", "min", "max"} {
			outputs = append(outputs, fmt.Sprintf(`"%s": {"$%s": "$x", "window": %s}`, f, f, window))
			compare = append(compare, fmt.Sprintf(`"%s": {"got": "$%s", "want": {"$%s": "$list"}}`, f, f, f))
		}
		outputs = append(outputs, fmt.Sprintf(`"list": {"$push": "$x", "window": %s}`, window),
			fmt.Sprintf(`"rows": {"$push": "$_id", "window": %s}`, window), fmt.Sprintf(`"count": {"$count": {}, "window": %s}`, window),
			fmt.Sprintf(`"set": {"$addToSet": "$_id", "window": %s}`, window))
		compare = append(compare, `"count": {"got": "$count", "want": {"$size": "$rows"}}`,
			`"rows": {"got": {"$size": "$set"}, "want": {"$size": "$rows"}}`)
		cmd := parseDoc(t, []byte(fmt.Sprintf(`{"pipeline": [{"$setWindowFields": {"sortBy": {"k": 1}, "output": {%s}}}, {"$project": {%s}}]}`,
			strings.Join(outputs, ","), strings.Join(compare, ","))))
		docs, err := m.aggregate(Namespace{"db", "c"}, cmd)
		if err != nil {
			t.Fatalf("%s: %v", window, err)
		}
		for _, d := range docs {
			for it := bsonx.NewIter(d); it.Next(); {
				v := it.Value()
				if v.Type == bsonx.Object && !bsonx.Equal(bsonx.Lookup(v.Data, "got"), bsonx.Lookup(v.Data, "want")) {
					t.Fatalf("%s %s: %s", window, it.Key(), v)
				}
			}
		}
	}
}

func randomNumber(r *rand.Rand) string {
	n := r.IntN(20) - 10
	switch r.IntN(8) {
	case 0:
		return "null"
	case 1:
		return fmt.Sprintf(`{"$numberDouble": "%d"}`, n)
	case 2:
		return fmt.Sprintf(`{"$numberLong": "%d"}`, n)
	case 3:
		return fmt.Sprintf(`{"$numberDecimal": "%d"}`, n)
	case 4:
		return []string{`{"$numberDouble": "NaN"}`, `{"$numberDouble": "Infinity"}`, `{"$numberDouble": "-Infinity"}`, `{"$numberDecimal": "Infinity"}`, `"text"`}[r.IntN(5)]
	}
	return fmt.Sprint(n)
}
