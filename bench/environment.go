package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"
)

// environment has a client of the server under test and one of the null server,
// each server a process of its own.
type environment struct {
	config config
	argon  *mongo.Client
	null   *mongo.Client
	dir    string
	addr   string // of the server under test
	procs  []*exec.Cmd
}

func newEnvironment(ctx context.Context, c config) (*environment, error) {
	dir, err := os.MkdirTemp("", "argon-bench-")
	if err != nil {
		return nil, err
	}
	e := &environment{config: c, dir: dir}
	uri := c.uri
	if uri == "" {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		e.addr = addr
		if err := e.start(addr, c.argon, "serve", "--dir", filepath.Join(dir, "data"), "--listen", addr, "--http", ""); err != nil {
			return nil, err
		}
		uri = "mongodb://" + addr + "/"
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if err := e.start(addr, self, "-null", addr); err != nil {
		return nil, err
	}
	if e.argon, err = connect(uri); err != nil {
		return nil, err
	}
	if e.null, err = connect("mongodb://" + addr + "/"); err != nil {
		return nil, err
	}
	return e, e.argon.Ping(ctx, nil)
}

func connect(uri string) (*mongo.Client, error) {
	return mongo.Connect(mongooptions.Client().ApplyURI(uri).SetMaxPoolSize(300))
}

func (e *environment) start(addr, name string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	e.procs = append(e.procs, cmd)
	for range 200 {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not listen on %s", name, addr)
}

func (e *environment) close() {
	for _, p := range e.procs {
		_ = p.Process.Signal(os.Interrupt)
		_ = p.Wait()
	}
	_ = os.RemoveAll(e.dir)
}

// cpuSeconds returns the processor time that the server under test has used, 0
// when it is not a child of the benchmark. Unlike a rate it does not depend on
// what else the machine does.
func (e *environment) cpuSeconds() float64 {
	if e.config.uri != "" {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.procs[0].Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	const ticks = 100 // USER_HZ of Linux
	return (user + system) / ticks
}

// residentMiB returns the resident memory of the server under test, when it is
// a child of the benchmark.
func (e *environment) residentMiB() float64 {
	if e.config.uri != "" {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", e.procs[0].Process.Pid))
	if err != nil {
		return 0
	}
	var total, resident float64
	_, _ = fmt.Sscan(string(data), &total, &resident)
	return resident * float64(os.Getpagesize()) / (1 << 20)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// load runs op from so many clients for d, and returns operations a second.
func load(ctx context.Context, clients int, d time.Duration, op func(ctx context.Context, client, i int) error) (float64, error) {
	var n atomic.Int64
	var failure atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	end := start.Add(d)
	for c := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; time.Now().Before(end) && failure.Load() == nil; i++ {
				if err := op(ctx, c, i); err != nil {
					failure.Store(&err)
					return
				}
				n.Add(1)
			}
		}()
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(n.Load()) / time.Since(start).Seconds(), nil
}

// pair measures one load on Argon and on the null server, in turn, and scales
// operations to units (documents in a batch).
func (e *environment) pair(ctx context.Context, name, unit string, scale float64, clients int,
	op func(c *mongo.Client) func(ctx context.Context, client, i int) error) (figure, error) {
	var ours, nulls, ratios, cpu []float64
	for round := range e.config.rounds + 1 {
		before, start := e.cpuSeconds(), time.Now()
		a, err := load(ctx, clients, e.config.each, op(e.argon))
		if err != nil {
			return figure{}, err
		}
		used := (e.cpuSeconds() - before) / (a * scale * time.Since(start).Seconds())
		n, err := load(ctx, clients, e.config.each, op(e.null))
		if err != nil {
			return figure{}, fmt.Errorf("null server: %w", err)
		}
		if round == 0 {
			continue // warm-up
		}
		ours, nulls, ratios = append(ours, a*scale), append(nulls, n*scale), append(ratios, a/n)
		cpu = append(cpu, used*1e6)
	}
	return figure{Name: name, Unit: unit, Value: median(ours), Null: median(nulls), Ratio: median(ratios), CPU: median(cpu)}, nil
}
