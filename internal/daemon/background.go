package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/command"
)

// tick is how often the background work looks whether something is due.
const tick = time.Second

// gcBudget bounds one garbage collection; the next one goes on.
const gcBudget = 10 * time.Minute

// job is work that comes again. Jobs run beside each other, each of them one run
// at a time.
type job struct {
	name string
	// every returns the pause between two runs: it is asked again at each tick,
	// because a parameter may say so. 0: not now.
	every func() time.Duration
	run   func(ctx context.Context) error
}

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func (s *Server) jobs() []job {
	sv := s.services
	return []job{
		{"abort old transactions", fixed(tick), func(context.Context) error {
			sv.ExpireTransactions()
			return nil
		}},
		{"close idle sessions and cursors", fixed(30 * time.Second), func(context.Context) error {
			sv.Expire()
			return nil
		}},
		{"drop outcomes of old retryable writes", fixed(time.Minute), func(ctx context.Context) error {
			_, err := sv.ExpireRetries(ctx)
			return err
		}},
		{"drop expired branches", fixed(30 * time.Second), func(ctx context.Context) error {
			return sv.DropExpiredBranches(ctx)
		}},
		{"collect garbage", fixed(time.Hour), func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, gcBudget)
			defer cancel()
			_, err := sv.Branches.RunGC(ctx, "")
			if ctx.Err() != nil {
				return nil
			}
			return err
		}},
		{"remove expired documents", s.ttlPause, func(ctx context.Context) error {
			sv.ExpireDocuments(ctx)
			return nil
		}},
	}
}

// ttlPause is the pause between two passes of the TTL monitor.
func (s *Server) ttlPause() time.Duration {
	p := s.services.Params
	if !p.Bool("ttlMonitorEnabled") {
		return 0
	}
	return time.Duration(max(p.Int64("ttlMonitorSleepSecs"), 1)) * time.Second
}

// background runs the jobs until ctx ends, and ends when they have.
func (s *Server) background(ctx context.Context) {
	defer close(s.idle)
	var all sync.WaitGroup
	all.Go(func() { command.ResumeIndexBuilds(ctx, s.services) })
	for _, j := range s.jobs() {
		all.Go(func() { s.repeat(ctx, j) })
	}
	all.Wait()
}

func (s *Server) repeat(ctx context.Context, j job) {
	t := time.NewTicker(tick)
	defer t.Stop()
	last := s.o.Clock.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		pause := j.every()
		if pause == 0 || s.o.Clock.Now().Sub(last) < pause && pause > tick {
			continue
		}
		if err := j.run(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("background work failed", "job", j.name, "error", err)
		}
		last = s.o.Clock.Now()
	}
}
