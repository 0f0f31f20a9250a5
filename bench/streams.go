package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"
)

// streams measures change streams: how long after its write an event arrives, also
// beside thousands of open streams, what those cost while nothing happens, and how
// many events a second one stream reads that is behind.
func streams(events, idle int) func(context.Context, *environment) ([]figure, error) {
	return func(ctx context.Context, e *environment) ([]figure, error) {
		var out []figure
		add := func(name, unit string, v float64) { out = append(out, figure{Name: name, Unit: unit, Value: v}) }
		db := e.argon.Database("streams")
		lag := func(beside string) error {
			l, err := latencies(ctx, db.Collection("latency"), 1000)
			if err == nil {
				add("event after its write"+beside+", median", "µs", l[len(l)/2])
				add("  99th percentile", "µs", l[len(l)*99/100])
			}
			return err
		}
		if err := lag(""); err != nil {
			return nil, err
		}
		before := e.residentMiB()
		if err := openStreams(ctx, e.argon, db, idle); err != nil {
			return nil, err
		}
		add(fmt.Sprintf("%d open streams: resident memory, more by", idle), "MiB", e.residentMiB()-before)
		cpu := e.cpuSeconds()
		time.Sleep(5 * time.Second)
		add("  their server's processor time while nothing happens", "ms/s", (e.cpuSeconds()-cpu)*1000/5)
		if err := lag(fmt.Sprintf(" beside %d", idle)); err != nil {
			return nil, err
		}
		err := catchUp(ctx, db.Collection("behind"), events, add)
		return out, err
	}
}

// latencies returns how many µs after its insert was sent each of n events arrives,
// in ascending order.
func latencies(ctx context.Context, c *mongo.Collection, n int) ([]float64, error) {
	cs, err := c.Watch(ctx, mongo.Pipeline{}, mongooptions.ChangeStream().SetMaxAwaitTime(10*time.Second))
	if err != nil {
		return nil, err
	}
	defer cs.Close(ctx)
	sent, failed := make(chan time.Time, 1), make(chan error, 1)
	arrived := make(chan struct{}, 1)
	go func() {
		for range n {
			sent <- time.Now()
			if _, err := c.InsertOne(ctx, bson.Raw(document(nextID.Add(1)))); err != nil {
				failed <- err
				return
			}
			<-arrived
		}
	}()
	var out []float64
	for range n {
		if !cs.Next(ctx) {
			return nil, cs.Err()
		}
		out = append(out, float64(time.Since(<-sent).Nanoseconds())/1000)
		arrived <- struct{}{}
		select {
		case err := <-failed:
			return nil, err
		default:
		}
	}
	slices.Sort(out)
	return out, nil
}

// catchUp reads inserts, and as many updates, with and without images.
func catchUp(ctx context.Context, c *mongo.Collection, n int, add func(string, string, float64)) error {
	cs, err := c.Watch(ctx, mongo.Pipeline{})
	if err != nil {
		return err
	}
	token := cs.ResumeToken()
	_ = cs.Close(ctx)
	for at := 0; at < n; at += 1000 {
		var docs []any
		for range 1000 {
			docs = append(docs, bson.Raw(document(nextID.Add(1))))
		}
		if _, err := c.InsertMany(ctx, docs); err != nil {
			return err
		}
	}
	if _, err := c.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "round", Value: 1}}}}); err != nil {
		return err
	}
	for _, r := range []struct {
		name string
		o    *mongooptions.ChangeStreamOptionsBuilder
	}{
		{"a stream that is behind", mongooptions.ChangeStream()},
		{"  with images before and after", mongooptions.ChangeStream().SetFullDocument(mongooptions.Required).SetFullDocumentBeforeChange(mongooptions.Required)},
	} {
		cs, err := c.Watch(ctx, mongo.Pipeline{}, r.o.SetResumeAfter(token))
		if err != nil {
			return err
		}
		start := time.Now()
		for range 2 * n {
			if !cs.Next(ctx) {
				return cs.Err()
			}
		}
		add(r.name, "events/s", float64(2*n)/time.Since(start).Seconds())
		_ = cs.Close(ctx)
	}
	return nil
}

// openStreams opens streams on a thousand collections and leaves them open.
func openStreams(ctx context.Context, client *mongo.Client, db *mongo.Database, n int) error {
	sess, err := client.StartSession()
	if err != nil {
		return err
	}
	in := mongo.NewSessionContext(ctx, sess)
	for i := range n {
		if _, err := db.Collection(fmt.Sprintf("idle%d", i%1000)).Watch(in, mongo.Pipeline{}); err != nil {
			return err
		}
	}
	return nil
}
