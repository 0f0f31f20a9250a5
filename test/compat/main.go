// Command compat replays recorded answers of MongoDB over the wire and reports,
// family by family, how many hold on Argon.
//
// Cases use the database "db" and the collection "coll" as they are recorded, so
// each worker has a server of its own. -addr runs them, one after the other, on a
// server that is already there.
//
//	go run ./test/compat                      all cases, compared with counts.txt
//	go run ./test/compat -run operator-update -failed
//	go run ./test/compat -run 'test_eq_bson' -v
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"sync"
	"time"
)

type options struct {
	dir, run, addr, argon, counts, known string
	workers                              int
	failed, verbose, update              bool
	timeout                              time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "../shared/recorded", "folder of the recorded cases")
	flag.StringVar(&o.run, "run", ".", "run only the families or case ids that match this expression")
	flag.StringVar(&o.addr, "addr", "", "host:port of a running server (default: start some)")
	flag.StringVar(&o.argon, "argon", "bin/argon", "the server's binary")
	flag.StringVar(&o.counts, "counts", "test/compat/counts.txt", "passed cases for each family: may only rise")
	flag.StringVar(&o.known, "known", "test/compat/known.txt", "cases that do not apply, by id, with the reason")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "servers to run at once")
	flag.BoolVar(&o.failed, "failed", false, "list the cases that failed, with the difference")
	flag.BoolVar(&o.verbose, "v", false, "list every case")
	flag.BoolVar(&o.update, "update", false, "write the counts file")
	flag.DurationVar(&o.timeout, "timeout", 20*time.Second, "time limit of one command")
	flag.Parse()
	ok, err := conform(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

type result struct {
	c    testCase
	diff string
}

func conform(ctx context.Context, o options) (bool, error) {
	run, err := regexp.Compile(o.run)
	if err != nil {
		return false, err
	}
	cases, err := loadCases(o.dir, run)
	if err != nil {
		return false, err
	}
	known, err := readKnown(o.known)
	if err != nil {
		return false, err
	}
	start := time.Now()
	results, err := playAll(ctx, o, cases)
	if err != nil {
		return false, err
	}
	t := tally(results, known)
	for _, r := range results {
		switch {
		case r.diff != "" && (o.failed || o.verbose):
			fmt.Printf("FAIL %s %s\n     %s\n", r.c.file, r.c.id, r.diff)
		case o.verbose:
			fmt.Printf("ok   %s %s\n", r.c.file, r.c.id)
		}
	}
	t.print(os.Stdout)
	fmt.Printf("%d cases in %.0f s\n", len(results), time.Since(start).Seconds())
	if o.run != "." {
		return true, nil
	}
	if o.update {
		return true, t.write(o.counts)
	}
	return t.compare(os.Stdout, o.counts)
}

func playAll(ctx context.Context, o options, cases []testCase) ([]result, error) {
	if o.addr != "" {
		o.workers = 1
	}
	queue := make(chan testCase)
	var (
		mu      sync.Mutex
		results []result
		failure error
		wg      sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for w := range o.workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := work(ctx, o, w, queue, func(r result) {
				mu.Lock()
				results = append(results, r)
				mu.Unlock()
			})
			if err != nil {
				mu.Lock()
				failure = err
				mu.Unlock()
				cancel()
			}
		}()
	}
feed:
	for _, c := range cases {
		select {
		case queue <- c:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	wg.Wait()
	sort.Slice(results, func(i, j int) bool {
		if a, b := results[i].c.file, results[j].c.file; a != b {
			return a < b
		}
		return results[i].c.id < results[j].c.id
	})
	return results, failure
}

// work plays cases on one server until the queue is empty. A case that breaks
// the connection fails; a server that ended is started anew.
func work(ctx context.Context, o options, n int, queue <-chan testCase, report func(result)) error {
	addr := o.addr
	var srv *server
	var cl *client
	defer func() {
		if cl != nil {
			cl.close()
		}
		if srv != nil {
			srv.stop()
		}
	}()
	for c := range queue {
		if cl == nil {
			if o.addr == "" && (srv == nil || srv.ended()) {
				if srv != nil {
					srv.stop()
				}
				var err error
				if srv, err = startServer(ctx, o.argon); err != nil {
					return err
				}
				addr = srv.addr
			}
			var err error
			if cl, err = dial(ctx, addr, byte(n)); err != nil {
				return err
			}
		}
		diff, err := c.play(cl, o.timeout)
		if err == nil {
			err = c.clean(cl, o.timeout)
			if err != nil {
				diff = ""
			}
		}
		if err != nil {
			diff = "connection: " + err.Error()
			cl.close()
			cl = nil
		}
		report(result{c, diff})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func absolute(path string) string {
	p, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return p
}
