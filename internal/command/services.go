package command

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/change"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/script"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
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
	// Txns, Catalog and Branches are the data; nil without storage.
	Txns     *txn.Manager
	Catalog  *catalog.Catalog
	Branches *branch.Service
	// Changes opens change streams; nil without storage.
	Changes *change.Service
	Started time.Time
	Host    Host
	// SplitWrites is how many writes of rows and index entries one commit of a
	// large multi-update or multi-delete has, about.
	SplitWrites int
	// ClusterTime returns the time of the newest commit, or the clock's.
	ClusterTime func() (t, i uint32)
	// ProcessID tells one run of the server from another.
	ProcessID [12]byte
	// Users are the users and roles; nil without storage. AuthRequired turns access
	// control on. Audit may be nil.
	Users        *auth.Service
	AuthRequired bool
	Audit        *auth.Audit
	// Scripts runs JavaScript; nil when it is off.
	Scripts *script.Pool
	// RotateCertificates, when set, reads the certificates of TLS again.
	RotateCertificates func() error
	// Shutdown, when set, asks the server to end and says why.
	Shutdown func(reason string)
	// CatalogCounts, when set, counts what serverStatus shows.
	CatalogCounts func() CatalogCounts
	// LogLines returns the newest lines of the server's log, oldest first, and
	// how many were written in all.
	LogLines func() (lines []string, total int64)

	// clusterTime is the newest one that a client brought.
	clusterTime atomic.Uint64

	writes auth.Set // see writes()
	// defaultBranch tells a project's default branch.
	defaultBranch func(project string) string

	cluster       *clusterParams
	concerns      defaultConcerns
	profiles      profiles
	fsyncLock     fsyncLock
	writesBlocked atomic.Bool // setUserWriteBlockMode
	plans         planCache
	uses          indexUses
	failPoints    failPoints
	quiescing     context.Context // ends with Quiesce
	quiesce       context.CancelFunc
}

// Host says where and as what the server runs.
type Host struct {
	Address  string // host:port that clients connect to
	Hostname string
	Version  string // Argon's
	Args     []string
	// Parameters are those that were set at start.
	Parameters map[string]string
	Dir        string
	Listen     string
	// MaxConnections is the server's limit.
	MaxConnections int64
}

// CatalogCounts are how many of each there are, over all projects' default
// branches.
type CatalogCounts struct{ Collections, Capped, Clustered, TimeSeries, Views int }

// NewServices returns services that need no storage.
func NewServices(clk clock.Clock, log *slog.Logger) *Services {
	s := &Services{Clock: clk, Log: log, Sessions: session.NewSessions(clk), Cursors: session.NewCursors(clk),
		Ops: session.NewOps(), Params: NewParams(), Stats: &Stats{}, Started: clk.Now(), writes: writes(), cluster: newClusterParams(), SplitWrites: splitWrites}
	s.quiescing, s.quiesce = context.WithCancel(context.Background())
	s.defaultBranch = s.defaultBranchOf
	_, _ = rand.Read(s.ProcessID[:]) // never fails
	s.ClusterTime = func() (t, i uint32) { return uint32(clk.Now().Unix()), 1 }
	s.LogLines = func() ([]string, int64) { return nil, 0 }
	return s
}

// Expire closes sessions and cursors that were idle for too long.
func (s *Services) Expire() {
	s.Cursors.Expire()
	s.endCursors(s.Sessions.Expire())
}

// ExpireTransactions aborts the transactions that are open for longer than
// transactionLifetimeLimitSeconds, and what runs in them.
func (s *Services) ExpireTransactions() {
	aborted, busy := s.Sessions.ExpireTransactions()
	s.Stats.TxnAborted.Add(int64(aborted))
	for _, id := range busy {
		s.Ops.KillWhere(func(op *session.Op) bool { return op.LSID == id },
			errcode.New(errcode.TransactionExceededLifetimeLimitSeconds, "the transaction was open for longer than transactionLifetimeLimitSeconds"))
	}
}

// endCursors closes the cursors of sessions that are over.
func (s *Services) endCursors(ids []session.SessionID) {
	if len(ids) == 0 {
		return
	}
	gone := make(map[session.SessionID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	s.Cursors.KillWhere(func(c *session.Cursor) bool { return gone[c.LSID] })
}

// CloseAll closes every cursor and ends every session, at the end of a server.
func (s *Services) CloseAll() {
	s.Cursors.KillWhere(func(*session.Cursor) bool { return true })
	for _, info := range s.Sessions.List() {
		s.Sessions.End(info.ID)
	}
}
