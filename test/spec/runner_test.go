package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type runnerOp func(ctx context.Context, r *run, a bson.D) error

// runnerOps are the operations of the test runner itself; a function because
// runOnThread calls operations again.
func runnerOps() map[string]runnerOp {
	return map[string]runnerOp{
		"failPoint":                            failPoint,
		"targetedFailPoint":                    failPoint,
		"assertSessionTransactionState":        assertState,
		"assertSameLsidOnLastTwoCommands":      func(_ context.Context, r *run, a bson.D) error { return lastTwo(r, a, true) },
		"assertDifferentLsidOnLastTwoCommands": func(_ context.Context, r *run, a bson.D) error { return lastTwo(r, a, false) },
		"assertCollectionExists":               func(ctx context.Context, r *run, a bson.D) error { return collectionExists(ctx, r, a, true) },
		"assertCollectionNotExists":            func(ctx context.Context, r *run, a bson.D) error { return collectionExists(ctx, r, a, false) },
		"assertIndexExists":                    func(ctx context.Context, r *run, a bson.D) error { return indexExists(ctx, r, a, true) },
		"assertIndexNotExists":                 func(ctx context.Context, r *run, a bson.D) error { return indexExists(ctx, r, a, false) },
		"assertEventCount":                     func(_ context.Context, r *run, a bson.D) error { return eventCount(r, a, false) },
		"waitForEvent":                         func(_ context.Context, r *run, a bson.D) error { return eventCount(r, a, true) },
		"assertNumberConnectionsCheckedOut":    func(context.Context, *run, bson.D) error { return nil },
		"createEntities":                       createEntities,
		"wait":                                 wait,
		"runOnThread":                          runOnThread,
		"waitForThread":                        waitForThread,
	}
}

func failPoint(ctx context.Context, r *run, a bson.D) error {
	fp := docOf(lookup(a, "failPoint"))
	name := lookup(fp, "configureFailPoint").(string)
	if !slices.Contains(r.failPoints, name) {
		r.failPoints = append(r.failPoints, name)
	}
	return r.suite.direct.Database("admin").RunCommand(ctx, fp).Err()
}

func assertState(_ context.Context, r *run, a bson.D) error {
	s, err := entity[*sessionEntity](r, lookup(a, "session"))
	if err != nil {
		return err
	}
	if want := lookup(a, "state"); s.TransactionRunning() != (want == "starting" || want == "in_progress") {
		return fmt.Errorf("a transaction is running: %v, want state %v", s.TransactionRunning(), want)
	}
	return nil
}

func lastTwo(r *run, a bson.D, same bool) error {
	c, err := entity[*clientEntity](r, lookup(a, "client"))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.lsids)
	if n < 2 {
		return fmt.Errorf("there were only %d commands", n)
	}
	if equal(c.lsids[n-1], c.lsids[n-2]) != same {
		return fmt.Errorf("the sessions of the last two commands are the same: %v", !same)
	}
	return nil
}

func collectionExists(ctx context.Context, r *run, a bson.D, want bool) error {
	names, err := r.suite.direct.Database(lookup(a, "databaseName").(string)).ListCollectionNames(ctx, bson.D{})
	if err == nil && slices.Contains(names, lookup(a, "collectionName").(string)) != want {
		err = fmt.Errorf("%v exists: %v", lookup(a, "collectionName"), !want)
	}
	return err
}

func indexExists(ctx context.Context, r *run, a bson.D, want bool) error {
	specs, err := r.suite.direct.Database(lookup(a, "databaseName").(string)).Collection(lookup(a, "collectionName").(string)).Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	has := slices.ContainsFunc(specs, func(s mongo.IndexSpecification) bool { return s.Name == lookup(a, "indexName") })
	if has != want {
		return fmt.Errorf("index %v exists: %v", lookup(a, "indexName"), has)
	}
	return nil
}

// eventCount counts the events that match; with atLeast it waits for them.
func eventCount(r *run, a bson.D, atLeast bool) error {
	c, err := entity[*clientEntity](r, lookup(a, "client"))
	if err != nil {
		return err
	}
	want, _ := number(lookup(a, "count"))
	event := docOf(lookup(a, "event"))
	for try := 0; ; try++ {
		n := 0
		for _, s := range c.seen() {
			if r.matchEvent(event, s) == nil {
				n++
			}
		}
		switch {
		case n == int(want), atLeast && n > int(want):
			return nil
		case !atLeast || try == 500:
			return fmt.Errorf("%d events match %v, want %v", n, event, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func createEntities(_ context.Context, r *run, a bson.D) error {
	for _, e := range list(lookup(a, "entities")) {
		if err := r.create(docOf(e)); err != nil {
			return err
		}
	}
	return nil
}

func wait(_ context.Context, _ *run, a bson.D) error {
	ms, _ := number(lookup(a, "ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return nil
}

func runOnThread(ctx context.Context, r *run, a bson.D) error {
	t, err := entity[*thread](r, lookup(a, "thread"))
	if err != nil {
		return err
	}
	op, err := toOperation(docOf(lookup(a, "operation")))
	if err == nil {
		t.work <- func() error { return r.operate(ctx, op) }
	}
	return err
}

func waitForThread(_ context.Context, r *run, a bson.D) error {
	t, err := entity[*thread](r, lookup(a, "thread"))
	return errors.Join(err, t.wait())
}

// connect returns a client for the suite's own work.
func connect(uri string) (*mongo.Client, error) {
	return mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second))
}
