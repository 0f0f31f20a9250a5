// Package harness runs a whole server inside a test and gives clients of it.
package harness

import (
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/wire"
)

// Server is a server that ends with its test.
type Server struct {
	*daemon.Server
	o daemon.Options
}

// Start runs a server on a free port over a directory of the test's own.
func Start(t testing.TB) *Server { return StartWith(t, daemon.Options{}) }

// StartWith is Start with options; an empty Dir or Listen is filled in.
func StartWith(t testing.TB, o daemon.Options) *Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.LogTo == nil {
		o.LogTo = testLog{t}
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 5 * time.Second
	}
	s, err := daemon.Start(o)
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return &Server{Server: s, o: o}
}

// testLog keeps the server's log with the test. Not for t.Log after the test,
// so it is best effort: a log line after the end is dropped.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Logf("%s", p)
	}
	return len(p), nil
}

// Client returns a connected driver that is closed with the test.
func (s *Server) Client(t testing.TB, more ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	o := append([]*options.ClientOptions{options.Client().ApplyURI(s.URI()).SetServerSelectionTimeout(5 * time.Second)}, more...)
	c, err := mongo.Connect(o...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Disconnect(ctx); err != nil {
			t.Errorf("disconnect: %v", err)
		}
	})
	return c
}

// Run runs a command and returns its reply; it fails the test on an error.
func Run(t testing.TB, db *mongo.Database, cmd any) bson.Raw {
	t.Helper()
	raw, err := db.RunCommand(t.Context(), cmd).Raw()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return raw
}

// Code runs a command that must fail and returns MongoDB's error code.
func Code(t testing.TB, db *mongo.Database, cmd any) int {
	t.Helper()
	err := db.RunCommand(t.Context(), cmd).Err()
	if err == nil {
		t.Errorf("%v succeeded", cmd)
		return 0
	}
	se, ok := err.(mongo.ServerError)
	if !ok {
		t.Errorf("%v: %v is not a server's error", cmd, err)
		return 0
	}
	return int(se.ErrorCodes()[0])
}

// Dial opens a bare connection to the wire protocol that is closed with the test.
func (s *Server) Dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ServicesOf returns the services of a running server, for what no command shows.
func (s *Server) ServicesOf() *command.Services { return s.Services() }

// Raw sends a command as it is, on a connection of its own, and returns the
// reply as it is.
func (s *Server) Raw(t testing.TB, cmd bson.D) bson.Raw {
	t.Helper()
	d, err := bson.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	m := make([]byte, 21, 21+len(d))
	binary.LittleEndian.PutUint32(m, uint32(21+len(d)))
	binary.LittleEndian.PutUint32(m[12:], uint32(wire.OpMsg))
	c := s.Dial(t)
	if _, err := c.Write(append(m, d...)); err != nil {
		t.Fatal(err)
	}
	reply, err := wire.NewReader(c).Next()
	if err != nil {
		t.Fatal(err)
	}
	return bson.Raw(reply[21:])
}
