// Package daemon puts a whole server together: storage, services, the wire-protocol
// listener and the HTTP one, and the work that goes on in the background.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/rest"
	"github.com/argon-db/argon/internal/script"
	"github.com/argon-db/argon/internal/server"
	"github.com/argon-db/argon/internal/version"
)

// Options of a server. Zero values are usable but for Dir.
type Options struct {
	Dir            string // data; made when it is not there
	Listen         string // host:port of the wire protocol; port 0 for any free one
	HTTP           string // host:port of HTTP; "" for none
	Profile        bool   // serve Go's profiles under /debug/pprof
	MaxConnections int
	DrainTimeout   time.Duration
	LogTo          io.Writer
	LogLevel       slog.Level
	Args           []string // the command line, for getCmdLineOpts
	Clock          clock.Clock
	// Parameters are server parameters (as setParameter has them) by name.
	Parameters map[string]string
	// JavaScript: $function, $accumulator, $where and mapReduce are on.
	JavaScript bool
	FS         vfs.FS // where the data is; the machine's when nil
	Access
}

// Server is a running server.
type Server struct {
	o        Options
	log      *slog.Logger
	services *command.Services
	wire     *server.Server
	http     *http.Server
	addr     net.Addr
	httpAddr net.Addr
	failed   chan error
	asked    chan string        // why a client wants the server to end
	stop     context.CancelFunc // ends the background work
	idle     chan struct{}      // closed when it has ended
	closers  []func() error
	certs    *auth.Certificates // nil without TLS
}

// Start opens the data and begins to listen. Call Wait or Close after it.
func Start(o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.LogTo == nil {
		o.LogTo = io.Discard
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 15 * time.Second
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 20_000
	}
	lines := newLogLines(o.LogTo)
	s := &Server{o: o, log: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: o.LogLevel})),
		failed: make(chan error, 3), asked: make(chan string, 1), idle: make(chan struct{})}
	s.services = command.NewServices(o.Clock, s.log)
	s.services.LogLines = lines.Lines
	if o.JavaScript {
		s.services.Scripts = &script.Pool{}
		s.closers = append(s.closers, s.services.Scripts.Close)
	}
	s.services.Shutdown = func(reason string) {
		select {
		case s.asked <- reason:
		default: // it ends already
		}
	}
	for name, text := range o.Parameters {
		if err := s.services.Params.SetAtStart(name, text); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	if err := s.start(); err != nil {
		_ = s.closeAll()
		return nil, err
	}
	return s, nil
}

func (s *Server) start() error {
	if err := s.o.check(); err != nil {
		return err
	}
	if err := s.openStorage(); err != nil {
		return err
	}
	if err := s.control(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.o.Listen, err)
	}
	s.addr = l.Addr()
	hostname, _ := os.Hostname()
	s.services.Host = command.Host{Address: s.addr.String(), Hostname: hostname, Version: version.Argon, Args: s.o.Args, Parameters: s.o.Parameters,
		Dir: s.o.Dir, Listen: s.o.Listen, MaxConnections: int64(s.o.MaxConnections)}
	s.wire = server.New(server.Options{Dispatcher: command.NewDispatcher(s.services), Log: s.log, MaxConnections: s.o.MaxConnections, TLS: s.tls()})
	if err := s.startHTTP(); err != nil {
		_ = l.Close()
		return err
	}
	go func() {
		if err := s.wire.Serve(l); !errors.Is(err, server.ErrClosed) {
			s.failed <- err
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go s.background(ctx)
	s.log.Info("listening", "wire", s.addr.String(), "http", s.HTTPAddr(), "dir", s.o.Dir, "version", version.Argon)
	return nil
}

func (s *Server) startHTTP() error {
	if s.o.HTTP == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.o.HTTP)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.o.HTTP, err)
	}
	s.httpAddr = l.Addr()
	s.http = &http.Server{Handler: rest.NewHandler(s.services, s.o.Profile), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return nil
}

// Addr returns the wire protocol's address.
func (s *Server) Addr() string { return s.addr.String() }

// HTTPAddr returns HTTP's address, "" without HTTP.
func (s *Server) HTTPAddr() string {
	if s.httpAddr == nil {
		return ""
	}
	return s.httpAddr.String()
}

// URI returns the connection string for clients on the same machine.
func (s *Server) URI() string {
	uri := "mongodb://" + s.Addr() + "/"
	if s.certs != nil {
		uri += "?tls=true"
	}
	return uri
}

// Services returns the running services.
func (s *Server) Services() *command.Services { return s.services }

// Wait runs until ctx ends, a client sends shutdown or a listener fails, and then
// closes the server.
func (s *Server) Wait(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
		s.log.Info("shutting down", "drain_timeout", s.o.DrainTimeout)
	case reason := <-s.asked:
		s.log.Info("shutting down", "reason", reason, "drain_timeout", s.o.DrainTimeout)
	case failure = <-s.failed:
	}
	return errors.Join(failure, s.Close())
}

// Close answers running commands, closes every connection and the data.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.DrainTimeout)
	defer cancel()
	s.stop()
	<-s.idle
	err := s.wire.Shutdown(ctx)
	if s.http != nil {
		err = errors.Join(err, s.http.Shutdown(ctx))
	}
	s.services.CloseAll()
	return errors.Join(err, s.closeAll())
}

func (s *Server) closeAll() error {
	var err error
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	s.closers = nil
	return err
}
