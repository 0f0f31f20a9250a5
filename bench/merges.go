package main

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// merges measures what follows the changes alone, among docs documents that the
// branches share: a difference, its summary, a dry and a real merge, and the
// revert of the merge, each after some changes spread over the collection.
func merges(docs int, changes ...int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database("merging")
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		var out []figure
		for _, n := range changes {
			n = min(n, docs)
			figures, err := mergeRound(ctx, e, db, docs, n)
			if err != nil {
				return nil, fmt.Errorf("%d changes: %w", n, err)
			}
			out = append(out, figures...)
		}
		return out, nil
	}
}

func mergeRound(ctx context.Context, e *environment, db *mongo.Database, docs, n int) ([]figure, error) {
	steps := []string{"diff", "diff summary", "merge plan", "merge", "revert of the merge"}
	took := make([][]float64, len(steps))
	rounds := e.config.rounds
	if n >= 100_000 {
		rounds = min(rounds, 2)
	}
	for range rounds {
		name := fmt.Sprintf("m%d", time.Now().UnixNano())
		if err := createBranch(ctx, db, name, "main"); err != nil {
			return nil, err
		}
		if err := spread(ctx, e.argon.Database("merging~"+name).Collection("docs"), docs, n); err != nil {
			return nil, err
		}
		var merged int64
		for i, f := range []func() error{
			func() error { return drain(ctx, db, bson.D{{Key: "diffBranch", Value: name}}, n) },
			func() error {
				return drain(ctx, db, bson.D{{Key: "diffBranch", Value: name}, {Key: "summary", Value: true}}, 1)
			},
			func() error {
				return db.RunCommand(ctx, bson.D{{Key: "mergeBranch", Value: name}, {Key: "dryRun", Value: true}}).Err()
			},
			func() error {
				var r struct {
					MergedLsn int64 `bson:"mergedLsn"`
				}
				err := db.RunCommand(ctx, bson.D{{Key: "mergeBranch", Value: name}}).Decode(&r)
				merged = r.MergedLsn
				return err
			},
			func() error {
				return db.RunCommand(ctx, bson.D{{Key: "revertCommits", Value: "main"}, {Key: "from", Value: merged}, {Key: "to", Value: merged}}).Err()
			},
		} {
			start := time.Now()
			if err := f(); err != nil {
				return nil, fmt.Errorf("%s: %w", steps[i], err)
			}
			took[i] = append(took[i], float64(time.Since(start).Microseconds())/1000)
		}
	}
	var out []figure
	for i, s := range steps {
		out = append(out, figure{Name: fmt.Sprintf("%s, %d of %d changed", s, n, docs), Unit: "ms", Value: median(took[i])})
	}
	return out, nil
}

// spread changes n documents with even distances, one field each.
func spread(ctx context.Context, c *mongo.Collection, docs, n int) error {
	var models []mongo.WriteModel
	for i := range n {
		models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: int64(i) * int64(docs/n)}}).
			SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "seq", Value: 1}}}}))
		if len(models) == 1000 || i == n-1 {
			if _, err := c.BulkWrite(ctx, models); err != nil {
				return err
			}
			models = models[:0]
		}
	}
	return nil
}

// drain reads a cursor, which must have so many documents.
func drain(ctx context.Context, db *mongo.Database, cmd bson.D, want int) error {
	cur, err := db.RunCommandCursor(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close(ctx) }()
	n := 0
	for cur.Next(ctx) {
		n++
	}
	if err := cur.Err(); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d documents instead of %d", n, want)
	}
	return nil
}
