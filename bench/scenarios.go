package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"
)

const database = "bench"

type scenario struct {
	name string
	run  func(ctx context.Context, e *environment) ([]figure, error)
}

func scenarios(c config) []scenario {
	docs := 100_000
	if c.large {
		docs = 1_000_000
	}
	return []scenario{
		{"insert-1", inserts(1, 1)},
		{"insert-64", inserts(64, 1)},
		{"insert-256", inserts(256, 1)},
		{"insert-batch-1000", inserts(8, 1000)},
		{"read-head-64", reads(docs, "head")},
		{"read-past-64", reads(docs, "past")},
		{"read-branch-1", readsThrough(docs, 1)},
		{"read-branch-5", readsThrough(docs, 5)},
		{"read-branch-20", readsThrough(docs, 20)},
		{"read-branch-100", readsThrough(docs, 100)},
		{"scan-filter-1-version", scans(docs, 1)},
		{"scan-filter-10-versions", scans(docs/10, 10)},
		{"scan-filter-100-versions", scans(docs/100, 100)},
		{"queries", queries(docs)},
		{"branch-create-1k", branchCreation(1000)},
		{"branch-create", branchCreation(docs)},
		{"branches-10k", manyBranches(docs, 10_000)},
		{"restore", restores(docs, 10, 1000, docs/10)},
		{"memory", memory(docs * 10)},
		{"merge", merges(docs, 10, 1000, docs/10)},
		{"streams", streams(docs/2, 10_000)},
	}
}

var nextID atomic.Int64

func inserts(clients, batch int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		name := fmt.Sprintf("insert, %d clients", clients)
		if batch > 1 {
			name = fmt.Sprintf("insert, batches of %d, %d clients", batch, clients)
		}
		f, err := e.pair(ctx, name, "docs/s", float64(batch), clients, func(c *mongo.Client) func(context.Context, int, int) error {
			coll := c.Database(database).Collection(fmt.Sprintf("insert%d_%d", clients, batch))
			return func(ctx context.Context, _, _ int) error {
				if batch == 1 {
					_, err := coll.InsertOne(ctx, bson.Raw(document(nextID.Add(1))))
					return err
				}
				list := make([]any, batch)
				first := nextID.Add(int64(batch))
				for i := range list {
					list[i] = bson.Raw(document(first + int64(i)))
				}
				_, err := coll.InsertMany(ctx, list)
				return err
			}
		})
		return []figure{f}, err
	}
}

// fill makes sure that collection name holds documents 0 … n-1.
func fill(ctx context.Context, db *mongo.Database, name string, n int) error {
	coll := db.Collection(name)
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
			list := make([]any, 0, 1000)
			for i := at; i < min(at+1000, n); i++ {
				list = append(list, bson.Raw(document(int64(i))))
			}
			_, err := coll.InsertMany(ctx, list)
			return err
		})
	}
	return g.Wait()
}

func headLSN(ctx context.Context, db *mongo.Database) (int64, error) {
	var info struct {
		LatestLsn int64 `bson:"latestLsn"`
	}
	err := db.RunCommand(ctx, bson.D{{Key: "historyInfo", Value: "main"}}).Decode(&info)
	return info.LatestLsn, err
}

func reads(docs int, when string) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database(database)
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		name := database
		if when == "past" {
			lsn, err := headLSN(ctx, db)
			if err != nil {
				return nil, err
			}
			if _, err := db.Collection("docs").UpdateMany(ctx, bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "seq", Value: 1}}}}); err != nil {
				return nil, err
			}
			name = fmt.Sprintf("%s@%d", database, lsn)
		}
		return pointReads(ctx, e, fmt.Sprintf("point read, %s, 64 clients", when), name, docs)
	}
}

func pointReads(ctx context.Context, e *environment, title, db string, docs int) ([]figure, error) {
	f, err := e.pair(ctx, title, "reads/s", 1, 64, func(c *mongo.Client) func(context.Context, int, int) error {
		coll := c.Database(db).Collection("docs")
		return func(ctx context.Context, _, _ int) error {
			return coll.FindOne(ctx, bson.D{{Key: "_id", Value: rand.Int64N(int64(docs))}}).Err()
		}
	})
	return []figure{f}, err
}

// readsThrough reads documents of the root from a branch that many levels deep,
// each level with changes of its own.
func readsThrough(docs, depth int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database(database)
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		from := "main"
		for level := 1; level <= depth; level++ {
			name := fmt.Sprintf("depth%d", level)
			if err := createBranch(ctx, db, name, from); err != nil {
				return nil, err
			}
			own := e.argon.Database(database + "~" + name).Collection("docs")
			if _, err := own.UpdateOne(ctx, bson.D{{Key: "_id", Value: level}}, bson.D{{Key: "$set", Value: bson.D{{Key: "level", Value: level}}}}); err != nil {
				return nil, err
			}
			from = name
		}
		return pointReads(ctx, e, fmt.Sprintf("point read, %d branches deep, 64 clients", depth), database+"~"+from, docs)
	}
}

func createBranch(ctx context.Context, db *mongo.Database, name, from string) error {
	return db.RunCommand(ctx, bson.D{{Key: "createBranch", Value: name}, {Key: "from", Value: from}, {Key: "ifNotExists", Value: true}}).Err()
}

// memory holds ten million documents, and reads them at random and in order.
func memory(docs int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database("large")
		start := time.Now()
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		out := []figure{
			{Name: fmt.Sprintf("load %d documents, 4 clients", docs), Unit: "docs/s", Value: float64(docs) / time.Since(start).Seconds()},
			{Name: "  resident memory after it", Unit: "MiB", Value: e.residentMiB()},
		}
		reads, err := pointReads(ctx, e, fmt.Sprintf("point read of %d documents, 64 clients", docs), "large", docs)
		if err != nil {
			return nil, err
		}
		start = time.Now()
		if _, err := db.Collection("docs").CountDocuments(ctx, bson.D{{Key: "city", Value: "Lima"}}); err != nil {
			return nil, err
		}
		return append(append(out, reads...),
			figure{Name: fmt.Sprintf("filtered scan of %d documents", docs), Unit: "docs/s", Value: float64(docs) / time.Since(start).Seconds()},
			figure{Name: "  resident memory after it", Unit: "MiB", Value: e.residentMiB()}), nil
	}
}

// scans counts what a filter without an index matches: one document in ten.
func scans(docs, versions int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database(database)
		name := fmt.Sprintf("scan%d", versions)
		if err := fill(ctx, db, name, docs); err != nil {
			return nil, err
		}
		coll := db.Collection(name)
		for range versions - 1 {
			if _, err := coll.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "seq", Value: 1}}}}); err != nil {
				return nil, err
			}
		}
		var rates []float64
		for range e.config.rounds + 1 {
			start := time.Now()
			n, err := coll.CountDocuments(ctx, bson.D{{Key: "city", Value: "Lima"}}, mongooptions.Count())
			if err != nil {
				return nil, err
			}
			if int(n) != docs/10 {
				return nil, fmt.Errorf("%d documents matched, not %d", n, docs/10)
			}
			rates = append(rates, float64(docs)/time.Since(start).Seconds())
		}
		return []figure{
			{Name: fmt.Sprintf("filtered scan, %d documents, %d versions", docs, versions), Unit: "docs/s", Value: median(rates[1:])},
			{Name: "  resident memory after it", Unit: "MiB", Value: e.residentMiB()},
		}, nil
	}
}

func branchCreation(docs int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database(fmt.Sprintf("branching%d", docs))
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		var took, ping []float64
		for i := range 200 {
			start := time.Now()
			if err := createBranch(ctx, db, fmt.Sprintf("b%d", i), "main"); err != nil {
				return nil, err
			}
			took = append(took, float64(time.Since(start).Microseconds()))
			start = time.Now()
			if err := db.RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err(); err != nil {
				return nil, err
			}
			ping = append(ping, float64(time.Since(start).Microseconds()))
		}
		return []figure{
			{Name: fmt.Sprintf("create a branch of %d documents", docs), Unit: "µs", Value: median(took)},
			{Name: "  of which a round trip (ping)", Unit: "µs", Value: median(ping)},
		}, nil
	}
}

// restores changes some documents, spread over the collection, compares the branch
// with its past and restores it.
func restores(docs int, changes ...int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database("restoring")
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		var out []figure
		for _, n := range changes {
			steps := []string{"diff with its past, summary", "preview of a restore", "restore"}
			took := make([][]float64, len(steps))
			for range e.config.rounds {
				lsn, err := headLSN(ctx, db)
				if err != nil {
					return nil, err
				}
				if err := spread(ctx, db.Collection("docs"), docs, n); err != nil {
					return nil, err
				}
				restore := bson.D{{Key: "restoreBranch", Value: "main"}, {Key: "to", Value: lsn}}
				for i, f := range []func() error{
					func() error {
						return drain(ctx, db, bson.D{{Key: "diffBranch", Value: "main"}, {Key: "from", Value: lsn}, {Key: "summary", Value: true}}, 1)
					},
					func() error {
						return db.RunCommand(ctx, append(restore[:2:2], bson.E{Key: "dryRun", Value: true})).Err()
					},
					func() error { return db.RunCommand(ctx, restore).Err() },
				} {
					start := time.Now()
					if err := f(); err != nil {
						return nil, fmt.Errorf("%s: %w", steps[i], err)
					}
					took[i] = append(took[i], float64(time.Since(start).Microseconds())/1000)
				}
			}
			for i, s := range steps {
				out = append(out, figure{Name: fmt.Sprintf("%s, %d of %d changed", s, n, docs), Unit: "ms", Value: median(took[i])})
			}
		}
		return out, nil
	}
}
