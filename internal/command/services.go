package command

import (
	"log/slog"
	"time"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/session"
)

// Services are what commands work with. One for the whole server; its fields
// are set once at start.
type Services struct {
	Clock    clock.Clock
	Log      *slog.Logger
	Sessions *session.Sessions
	Cursors  *session.Cursors
	Ops      *session.Ops
	Params   *Params
	Stats    *Stats
	Started  time.Time
	Host     Host
	// ClusterTime returns the time of the newest commit, or the clock's.
	ClusterTime func() (t, i uint32)
	// LogLines returns the newest lines of the server's log, oldest first, and
	// how many were written in all.
	LogLines func() (lines []string, total int64)
}

// Host says where and as what the server runs.
type Host struct {
	Address  string // host:port that clients connect to
	Hostname string
	Version  string // Argon's
	Args     []string
	Dir      string
	Listen   string
}

// NewServices returns services that need no storage.
func NewServices(clk clock.Clock, log *slog.Logger) *Services {
	s := &Services{Clock: clk, Log: log, Sessions: session.NewSessions(clk), Cursors: session.NewCursors(clk),
		Ops: session.NewOps(), Params: NewParams(), Stats: &Stats{}, Started: clk.Now()}
	s.ClusterTime = func() (t, i uint32) { return uint32(clk.Now().Unix()), 1 }
	s.LogLines = func() ([]string, int64) { return nil, 0 }
	return s
}
