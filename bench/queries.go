package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

// The collections of the query benchmarks. citiesFile is left out when it is not there.
const (
	queryColl  = "query"
	joinedColl = "queryjoined"
	cityColl   = "querycities"
	citiesFile = "../shared/data/cities.ndjson.gz"
)

var cityNames = []string{"Lima", "Oslo", "Cairo", "Quito", "Hanoi", "Accra", "Turin", "Perth", "Kyoto", "Riga"}

// queryDocument is document i of the query benchmarks, about 260 bytes.
func queryDocument(i int) bsonx.Doc {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	b := bsonx.NewDoc(nil)
	b.Int32("_id", int32(i))
	b.Int32("k", int32(i%1000))
	b.Int32("v", int32(r.IntN(1_000_000)))
	b.Double("price", float64(r.IntN(100_000))/100)
	b.String("city", cityNames[r.IntN(len(cityNames))])
	b.Date("at", 1_700_000_000_000+int64(i)*1000)
	at := b.OpenArray("tags")
	for t := range 3 {
		b.String(bsonx.Index(t), fmt.Sprintf("tag%02d", r.IntN(50)))
	}
	b.Close(at)
	in := b.OpenDoc("address")
	b.String("street", "a street of a usual length 12")
	b.Int32("zip", int32(r.IntN(100_000)))
	b.Close(in)
	b.String("note", "some text that a query does not look at, as in most documents")
	return b.Done()
}

// fillWith makes sure that a collection holds the documents 0 … n-1 of make.
func fillWith(ctx context.Context, coll *mongo.Collection, n int, make func(i int) bsonx.Doc) error {
	have, err := coll.CountDocuments(ctx, bson.D{})
	if err != nil || int(have) == n {
		return err
	}
	if err := coll.Drop(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for at := 0; at < n; at += 1000 {
		g.Go(func() error {
			var list []any
			for i := at; i < min(at+1000, n); i++ {
				list = append(list, bson.Raw(make(i)))
			}
			_, err := coll.InsertMany(ctx, list)
			return err
		})
	}
	return g.Wait()
}

// rawScan is the rate at which the store alone scans the same documents: what no
// query can exceed. Like the queries' it is by processor time, because on a busy
// machine the time that passes says little.
func rawScan(ctx context.Context, n int) (scan func() (float64, error), done func(), err error) {
	dir, err := os.MkdirTemp("", "argon-bench-raw-")
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		_ = s.Close()
		_ = os.RemoveAll(dir)
	}
	const timeline, coll = 1, 1
	for at := 0; at < n; at += 1000 {
		b := s.NewBatch()
		for i := at; i < min(at+1000, n); i++ {
			if err := b.PutRow(timeline, coll, keyenc.Append(nil, bsonx.Int32Value(int32(i))), queryDocument(i), wal.Insert, 0); err != nil {
				return nil, done, err
			}
		}
		if _, err := s.Commit(ctx, b, func(store.Stamp) error { return nil }); err != nil {
			return nil, done, err
		}
	}
	return func() (float64, error) {
		start := ownCPU()
		it := s.NewIter([]store.Level{{Timeline: timeline, LSN: store.Head}}, store.IterOptions{Space: store.Rows(coll)})
		got, size := 0, 0
		for it.Next() {
			got++
			size += len(it.Value())
		}
		if err := it.Close(); err != nil {
			return 0, err
		}
		if got != n || size == 0 {
			return 0, fmt.Errorf("the raw scan saw %d of %d documents", got, n)
		}
		return float64(n) / (ownCPU() - start), nil
	}, done, nil
}

// ownCPU is the processor time that this process has used, in seconds.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// stopwatch measures a query: the server's processor time if it is at hand, else
// the time that passes.
func (e *environment) stopwatch() func() float64 {
	start, cpu := time.Now(), e.cpuSeconds()
	return func() float64 {
		if used := e.cpuSeconds() - cpu; used > 0 {
			return used
		}
		return time.Since(start).Seconds()
	}
}

// shape is a query and how many units (documents, probes, entries) it goes through.
type shape struct {
	name, unit string
	coll       string
	units      int
	pipeline   bson.A
	share      bool    // its rate is compared with the raw scan's
	target     float64 // the share, or the rate, that is aimed at; 0: none
}

func stage(name string, arg any) bson.D { return bson.D{{Key: name, Value: arg}} }

func shapes(n int) []shape {
	by := func(field string) bson.D {
		return stage("$group", bson.D{{Key: "_id", Value: field}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$v"}}}})
	}
	count := stage("$group", bson.D{{Key: "_id", Value: nil}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}})
	lookup := func(local, foreign string) bson.A {
		return bson.A{stage("$lookup", bson.D{{Key: "from", Value: joinedColl}, {Key: "localField", Value: local}, {Key: "foreignField", Value: foreign}, {Key: "as", Value: "found"}}),
			stage("$group", bson.D{{Key: "_id", Value: nil}, {Key: "n", Value: bson.D{{Key: "$sum", Value: bson.D{{Key: "$size", Value: "$found"}}}}}})}
	}
	top := bson.A{stage("$sort", bson.D{{Key: "v", Value: -1}}), stage("$limit", 10)}
	tags := bson.A{stage("$unwind", "$tags"), stage("$group", bson.D{{Key: "_id", Value: "$tags"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}})}
	return []shape{
		{"match without an index, 1% match", "docs/s", queryColl, n, bson.A{stage("$match", bson.D{{Key: "v", Value: bson.D{{Key: "$lt", Value: 10_000}}}}), count}, true, 0.7},
		{"group by 1,000 keys with a sum", "docs/s", queryColl, n, bson.A{by("$k")}, true, 0.5},
		{"group by 10 strings with a sum", "docs/s", queryColl, n, bson.A{by("$city")}, true, 0},
		{"sort, the top 10", "docs/s", queryColl, n, top, true, 0.6},
		{"sort of all", "docs/s", queryColl, n, bson.A{stage("$sort", bson.D{{Key: "v", Value: -1}}), count}, true, 0},
		{"unwind and group", "docs/s", queryColl, n, tags, true, 0},
		{"facet of two", "docs/s", queryColl, n, bson.A{stage("$facet", bson.D{{Key: "a", Value: bson.A{by("$k")}}, {Key: "b", Value: top}})}, true, 0},
		{"match with an index", "docs/s", queryColl, n / 100, bson.A{stage("$match", bson.D{{Key: "k", Value: bson.D{{Key: "$lt", Value: 10}}}}),
			stage("$group", bson.D{{Key: "_id", Value: nil}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$price"}}}})}, false, 0},
		{"covered by an index", "entries/s", queryColl, n, bson.A{stage("$match", bson.D{{Key: "k", Value: bson.D{{Key: "$gte", Value: 0}}}}),
			stage("$group", bson.D{{Key: "_id", Value: nil}, {Key: "sum", Value: bson.D{{Key: "$sum", Value: "$k"}}}})}, false, 500_000},
		{"lookup by _id", "probes/s", queryColl, n, lookup("k", "_id"), false, 100_000},
		{"lookup by an index", "probes/s", queryColl, n, lookup("k", "ref"), false, 100_000},
	}
}

// queries measures the common shapes of queries, in documents a second, beside the
// store's own rate of scanning the same documents.
func queries(n int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database(database)
		if err := fillWith(ctx, db.Collection(queryColl), n, queryDocument); err != nil {
			return nil, err
		}
		if err := fillWith(ctx, db.Collection(joinedColl), 1000, joinedDocument); err != nil {
			return nil, err
		}
		for coll, field := range map[string]string{queryColl: "k", joinedColl: "ref"} {
			if _, err := db.Collection(coll).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: field, Value: 1}}}); err != nil {
				return nil, err
			}
		}
		list, err := withCities(ctx, db, shapes(n))
		if err != nil {
			return nil, err
		}
		scan, done, err := rawScan(ctx, n)
		if done != nil {
			defer done()
		}
		if err != nil {
			return nil, err
		}
		return measure(ctx, e, db, list, scan)
	}
}

// measure runs each shape in turn with the raw scan.
func measure(ctx context.Context, e *environment, db *mongo.Database, list []shape, scan func() (float64, error)) ([]figure, error) {
	var out []figure
	var raws []float64
	for _, s := range list {
		var rates, shares []float64
		for round := range e.config.rounds + 1 {
			raw := 0.0
			if s.share {
				var err error
				if raw, err = scan(); err != nil {
					return nil, err
				}
				raws = append(raws, raw)
			}
			took := e.stopwatch()
			cur, err := db.Collection(s.coll).Aggregate(ctx, s.pipeline, mongooptions.Aggregate().SetAllowDiskUse(true))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			for cur.Next(ctx) {
			}
			if err := cur.Err(); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if round == 0 {
				continue // warm-up
			}
			rate := float64(s.units) / took()
			rates = append(rates, rate)
			if raw > 0 {
				shares = append(shares, rate/raw)
			}
		}
		out = append(out, figure{Name: s.name, Unit: s.unit, Value: median(rates), Share: median(shares), Target: s.target})
	}
	return append([]figure{{Name: "raw scan of the store", Unit: "docs/s", Value: median(raws)}}, out...), nil
}

func joinedDocument(i int) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("_id", int32(i))
	b.Int32("ref", int32(i))
	b.String("name", fmt.Sprintf("name of %d", i))
	return b.Done()
}

// withCities adds shapes over real data where it is there.
func withCities(ctx context.Context, db *mongo.Database, list []shape) ([]shape, error) {
	f, err := os.Open(citiesFile)
	if err != nil {
		return list, nil
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var docs []bsonx.Doc
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var d bson.D
		if err := bson.UnmarshalExtJSON(lines.Bytes(), false, &d); err != nil {
			return nil, err
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			return nil, err
		}
		docs = append(docs, raw)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if err := fillWith(ctx, db.Collection(cityColl), len(docs), func(i int) bsonx.Doc { return docs[i] }); err != nil {
		return nil, err
	}
	return append(list,
		shape{"cities: group by country", "docs/s", cityColl, len(docs), bson.A{stage("$group", bson.D{{Key: "_id", Value: "$country"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}})}, false, 0},
		shape{"cities: regular expression", "docs/s", cityColl, len(docs), bson.A{stage("$match", bson.D{{Key: "name", Value: bson.Regex{Pattern: "^San.*o$"}}}), stage("$count", "n")}, false, 0},
		shape{"cities: the last 10 by name", "docs/s", cityColl, len(docs), bson.A{stage("$sort", bson.D{{Key: "name", Value: -1}}), stage("$limit", 10)}, false, 0}), nil
}
