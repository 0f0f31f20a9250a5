package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// server is an argon process on a free port with a data directory of its own.
type server struct {
	addr string
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
}

func startServer(ctx context.Context, binary string) (*server, error) {
	dir, err := os.MkdirTemp("", "argon-compat-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &server{addr: addr, dir: dir, done: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, absolute(binary), "serve", "--dir", filepath.Join(dir, "data"), "--listen", addr, "--http", "", "--javascript")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w (run `make build` first)", binary, err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	for range 200 {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = conn.Close()
			return s, nil
		}
		if s.ended() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, _ := os.ReadFile(filepath.Join(dir, "log"))
	return nil, fmt.Errorf("%s serve did not come up: %s", binary, out)
}

func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *server) stop() {
	if !s.ended() {
		_ = s.cmd.Process.Signal(os.Interrupt)
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.done
		}
	} else if out, err := os.ReadFile(filepath.Join(s.dir, "log")); err == nil {
		fmt.Fprintf(os.Stderr, "a server ended early; its log ends with:\n%s\n", out[max(0, len(out)-3000):])
	}
	_ = os.RemoveAll(s.dir)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
