// Package server accepts connections and runs their commands: one goroutine a
// connection, limits on connections and on the memory of messages in flight,
// and an orderly end in which running commands are answered.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/errcode"
)

// Options of a server. The zero value of a limit is its default.
type Options struct {
	Dispatcher *command.Dispatcher
	Log        *slog.Logger
	// MaxConnections is how many clients may be connected; default 20,000.
	MaxConnections int
	// MaxMessageMemory bounds the bytes of large messages (over 256 KiB) that are
	// being received or handled at the same time; default 1 GiB.
	MaxMessageMemory int64
	// TLS, when set, is what every connection has to begin with.
	TLS *tls.Config
}

// Server is a running wire-protocol server. Safe for concurrent use.
type Server struct {
	o        Options
	ctx      context.Context // of every command; ends when a drain runs out of time
	cancel   context.CancelFunc
	memory   atomic.Int64
	nextConn atomic.Int64

	mu        sync.Mutex
	conns     map[*conn]struct{}
	listeners []net.Listener
	draining  bool
	idle      chan struct{} // closed when draining and no connection is left
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	if o.MaxConnections == 0 {
		o.MaxConnections = 20_000
	}
	if o.MaxMessageMemory == 0 {
		o.MaxMessageMemory = 1 << 30
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{o: o, ctx: ctx, cancel: cancel, conns: make(map[*conn]struct{}), idle: make(chan struct{})}
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("server: closed")

// Serve accepts connections of l until Shutdown or a permanent error.
func (s *Server) Serve(l net.Listener) error {
	if !s.addListener(l) {
		_ = l.Close()
		return ErrClosed
	}
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		if err != nil {
			if s.isDraining() || errors.Is(err, net.ErrClosed) {
				return ErrClosed
			}
			// Out of file descriptors, for example: wait for some to be free.
			pause = min(max(5*time.Millisecond, 2*pause), time.Second)
			s.o.Log.Warn("cannot accept a connection", "error", err, "retry_in", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.start(nc)
	}
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners = append(s.listeners, l)
	return true
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) start(nc net.Conn) {
	stats := s.o.Dispatcher.Services().Stats
	stats.TotalConnections.Add(1)
	c := newConn(s, nc)
	s.mu.Lock()
	refuse := s.draining || len(s.conns) >= s.o.MaxConnections
	if !refuse {
		s.conns[c] = struct{}{}
		stats.Connections.Store(int64(len(s.conns)))
	}
	n := len(s.conns)
	s.mu.Unlock()
	if refuse {
		stats.RejectedConnections.Add(1)
		s.o.Log.Warn("connection refused", "remote", nc.RemoteAddr().String(), "connections", n)
		_ = nc.Close()
		return
	}
	go func() {
		c.serve(s.ctx)
		s.forget(c)
	}()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.o.Dispatcher.Services().Stats.Connections.Store(int64(len(s.conns)))
	s.signalLocked()
}

func (s *Server) signalLocked() {
	if s.draining && len(s.conns) == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// Shutdown stops accepting, lets running commands end and answers them, closes
// idle connections at once and the rest when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.signalLocked()
	s.mu.Unlock()
	s.o.Dispatcher.Services().Quiesce()
	select {
	case <-s.idle:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	n := len(s.conns)
	for c := range s.conns {
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	<-s.idle
	return fmt.Errorf("server: %d connections were cut off: %w", n, ctx.Err())
}

// reserve admits n more bytes of large messages, or refuses.
func (s *Server) reserve(n int) error {
	if s.memory.Add(int64(n)) > s.o.MaxMessageMemory {
		s.memory.Add(int64(-n))
		return errcode.New(errcode.ExceededMemoryLimit, "too many large messages at the same time; try again")
	}
	return nil
}

func (s *Server) release(n int) { s.memory.Add(int64(-n)) }
