package stage

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// benchDocs are n documents of a few fields.
func benchDocs(n int) []bsonx.Doc {
	docs := make([]bsonx.Doc, n)
	for i := range docs {
		b := bsonx.NewDoc(nil)
		b.Int32("_id", int32(i))
		b.String("name", fmt.Sprintf("name-%d", i%997))
		b.String("group", fmt.Sprintf("g%d", i%100))
		b.Double("price", float64(i%1000)/10)
		b.Int32("qty", int32(i%50))
		docs[i] = b.Done()
	}
	return docs
}

func benchmark(b *testing.B, pipeline string) {
	docs := benchDocs(10_000)
	p, err := Parse(parsePipeline(b, pipeline), &ParseContext{NS: Namespace{"db", "c"}, Scope: expr.NewScope(expr.ScopeOptions{})})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		it, err := p.Open(&OpenContext{Query: &expr.Query{}, Collections: newMemory()}, FromDocs(docs))
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err = it.Next(context.Background()); err != nil {
				break
			}
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		it.Close()
	}
	b.ReportMetric(float64(len(docs))*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkGroupSum(b *testing.B) {
	benchmark(b, `[{"$group": {"_id": "$group", "n": {"$sum": "$price"}}}]`)
}

func BenchmarkMatch(b *testing.B) { benchmark(b, `[{"$match": {"qty": {"$gte": 49}}}]`) }

func BenchmarkTop10(b *testing.B) {
	benchmark(b, `[{"$sort": {"price": -1, "name": 1}}, {"$limit": 10}]`)
}

func BenchmarkSort(b *testing.B) { benchmark(b, `[{"$sort": {"price": -1, "name": 1}}]`) }

func BenchmarkWindow(b *testing.B) {
	benchmark(b, `[{"$setWindowFields": {"partitionBy": "$group", "sortBy": {"_id": 1}, "output": {"s": {"$sum": "$qty", "window": {"documents": ["unbounded", "current"]}}}}}]`)
}
