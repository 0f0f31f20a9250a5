package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// manyBranches makes n branches of one project, one in ten with a change of its
// own, and measures what a server has to do with all of them.
func manyBranches(docs, n int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		db := e.argon.Database("many")
		if err := fill(ctx, db, "docs", docs); err != nil {
			return nil, err
		}
		var out []figure
		add := func(name, unit string, v float64) { out = append(out, figure{Name: name, Unit: unit, Value: v}) }
		timed := func(name, unit string, scale float64, f func() error) error {
			start := time.Now()
			err := f()
			add(name, unit, scale*float64(time.Since(start).Microseconds())/1000)
			return err
		}
		before := e.residentMiB()
		steps := []struct {
			name, unit string
			scale      float64
			run        func() error
		}{
			{fmt.Sprintf("create %d branches, each", n), "µs", 1000 / float64(n), func() error { return makeBranches(ctx, e, db, n) }},
			{"list them", "ms", 1, func() error { return drain(ctx, db, bson.D{{Key: "listBranches", Value: 1}}, n+1) }},
			{"one more", "ms", 1, func() error { return createBranch(ctx, db, "extra", "main") }},
			{"collect garbage", "ms", 1, func() error { return db.RunCommand(ctx, bson.D{{Key: "runGC", Value: 1}}).Err() }},
			{"restart", "ms", 1, func() error { return e.restart(ctx) }},
			{"drop 1,000, each", "µs", 1, func() error {
				for i := range 1000 {
					if err := db.RunCommand(ctx, bson.D{{Key: "dropBranch", Value: fmt.Sprintf("b%d", i)}}).Err(); err != nil {
						return err
					}
				}
				return nil
			}},
		}
		for i, s := range steps {
			if err := timed(s.name, s.unit, s.scale, s.run); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if i == 0 {
				add("  resident memory, more by", "MiB", e.residentMiB()-before)
			}
		}
		return out, nil
	}
}

func makeBranches(ctx context.Context, e *environment, db *mongo.Database, n int) error {
	for i := range n {
		name := fmt.Sprintf("b%d", i)
		if err := createBranch(ctx, db, name, "main"); err != nil {
			return err
		}
		if i%10 > 0 {
			continue
		}
		_, err := e.argon.Database("many~"+name).Collection("docs").UpdateOne(ctx, bson.D{{Key: "_id", Value: i % 1000}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "branch", Value: name}}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// restart ends the server under test and waits until the new one answers.
func (e *environment) restart(ctx context.Context) error {
	if e.config.uri != "" {
		return nil
	}
	if err := e.procs[0].Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = e.procs[0].Wait()
	rest := e.procs[1:]
	e.procs = nil
	err := e.start(e.addr, e.config.argon, "serve", "--dir", filepath.Join(e.dir, "data"), "--listen", e.addr, "--http", "")
	e.procs = append(e.procs, rest...)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(e.dir, "log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	return e.argon.Ping(ctx, nil)
}
