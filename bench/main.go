// Command bench measures Argon over the wire with the official Go driver, beside
// a null server that answers the same commands with constants: the driver takes
// most of a small machine, so only the ratio of the two says what the server
// costs. Each figure is the median of several runs, Argon and null in turn.
//
//	go run ./bench                      all scenarios
//	go run ./bench -run 'insert|read'   some of them
//	go run ./bench -large               the sizes of the targets (1 million documents and more)
//	go run ./bench -uri mongodb://host  the same load against another server
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"sort"
	"time"
)

type config struct {
	argon, uri, run, out string
	large                bool
	rounds               int
	each                 time.Duration
}

func main() {
	var c config
	var null string
	flag.StringVar(&c.argon, "argon", "bin/argon", "the server's binary")
	flag.StringVar(&c.uri, "uri", "", "measure this server instead of starting Argon")
	flag.StringVar(&c.run, "run", ".", "scenarios to run, by a regular expression")
	flag.StringVar(&c.out, "json", "", "write the figures to this file")
	flag.BoolVar(&c.large, "large", false, "use the sizes of the targets")
	flag.IntVar(&c.rounds, "rounds", 5, "runs of each scenario; the median counts")
	flag.DurationVar(&c.each, "each", 2*time.Second, "length of one run")
	flag.StringVar(&null, "null", "", "be the null server on this address (used by the benchmark itself)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if null != "" {
		err = serveNull(ctx, null)
	} else {
		err = bench(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is one measured scenario. Rates are operations or documents a second.
type figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Null  float64 `json:"null,omitempty"`  // the null server's, where it can answer
	Ratio float64 `json:"ratio,omitempty"` // value / null, pair by pair, median
	CPU   float64 `json:"cpu,omitempty"`   // the server's processor time for each unit, in µs
	Share float64 `json:"share,omitempty"` // of the store's raw scan rate, pair by pair, median
	// Target is the Share, or without one the Value, that is aimed at.
	Target float64 `json:"target,omitempty"`
}

func bench(ctx context.Context, c config) error {
	only, err := regexp.Compile(c.run)
	if err != nil {
		return err
	}
	env, err := newEnvironment(ctx, c)
	if err != nil {
		return err
	}
	defer env.close()
	var figures []figure
	for _, s := range scenarios(c) {
		if !only.MatchString(s.name) {
			continue
		}
		got, err := s.run(ctx, env)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, f := range got {
			fmt.Println(f)
			figures = append(figures, f)
		}
	}
	if c.out == "" {
		return nil
	}
	data, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.out, append(data, '\n'), 0o644)
}

// String renders a figure as one line of the report.
func (f figure) String() string {
	s := fmt.Sprintf("%-44s %12.0f %s", f.Name, f.Value, f.Unit)
	if f.Value < 10 {
		s = fmt.Sprintf("%-44s %12.2f %s", f.Name, f.Value, f.Unit)
	}
	if f.Null > 0 {
		s += fmt.Sprintf("   null %.0f, ratio %.2f, server CPU %.1f µs", f.Null, f.Ratio, f.CPU)
	}
	switch {
	case f.Share > 0 && f.Target > 0:
		s += fmt.Sprintf("   %.0f%% of the raw scan, target %.0f%%", f.Share*100, f.Target*100)
	case f.Share > 0:
		s += fmt.Sprintf("   %.0f%% of the raw scan", f.Share*100)
	case f.Target > 0:
		s += fmt.Sprintf("   target %.0f", f.Target)
	}
	return s
}

func median(v []float64) float64 {
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	if len(s) == 0 {
		return 0
	}
	return s[len(s)/2]
}
