package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/wire"
)

// conn is one client's connection. Its goroutine alone uses it, but for drain.
type conn struct {
	s        *Server
	nc       net.Conn
	tls      *tls.Conn // nc when it is one; nil without TLS
	rd       *wire.Reader
	msg      wire.Message
	reply    wire.Reply
	unpacked []byte
	rq       command.Request
	state    command.Conn
	lastID   int32 // of the replies that were sent
	draining atomic.Bool
}

// keepUnpacked is the largest buffer for decompressed messages that a
// connection keeps, in bytes.
const keepUnpacked = 256 << 10

// writeTimeout bounds how long a client may take to accept a reply.
const writeTimeout = 5 * time.Minute

func newConn(s *Server, nc net.Conn) *conn {
	if t, ok := nc.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
		_ = t.SetKeepAlive(true)
	}
	c := &conn{s: s, nc: nc}
	if s.o.TLS != nil {
		c.tls = tls.Server(nc, s.o.TLS)
		c.nc = c.tls
		c.state.Certificate = c.certificate
	}
	c.state.Gone = func() bool { return hasClosed(nc) }
	c.rd = wire.NewReader(c.nc)
	c.rd.Reserve, c.rd.Release = s.reserve, s.release
	c.state.Info = &session.ConnInfo{ID: s.nextConn.Add(1), Remote: nc.RemoteAddr().String()}
	c.state.LocalAddr = nc.LocalAddr().String()
	_, _ = rand.Read(c.state.UUID[:]) // never fails
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.state.Local = a.IP.IsLoopback()
	}
	return c
}

// handshakeTimeout bounds how long a client may take to begin TLS.
const handshakeTimeout = 30 * time.Second

// handshake begins TLS, where it is asked for.
func (c *conn) handshake(ctx context.Context) error {
	if c.tls == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	return c.tls.HandshakeContext(ctx)
}

// certificate is what the client has shown and TLS has verified; nil without.
func (c *conn) certificate() *x509.Certificate {
	if chains := c.tls.ConnectionState().VerifiedChains; len(chains) > 0 {
		return chains[0][0]
	}
	return nil
}

// drain makes an idle connection end, and a busy one after its reply.
func (c *conn) drain() {
	c.draining.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

func (c *conn) serve(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			c.s.o.Log.Error("a connection panicked", "remote", c.state.Info.Remote, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		_ = c.nc.Close()
		c.rd.Close()
	}()
	if err := c.handshake(ctx); err != nil {
		c.s.o.Log.Info("no TLS with a client", "remote", c.state.Info.Remote, "error", err)
		return
	}
	for !c.draining.Load() {
		if err := c.one(ctx); err != nil {
			c.logEnd(err)
			return
		}
	}
}

// logEnd reports a connection's end when it is not the usual one.
func (c *conn) logEnd(err error) {
	if err == io.EOF || errors.Is(err, net.ErrClosed) || c.draining.Load() {
		return
	}
	c.s.o.Log.Debug("connection ended", "remote", c.state.Info.Remote, "error", err)
}

// one reads a message, runs it and answers it. An error ends the connection.
func (c *conn) one(ctx context.Context) error {
	raw, err := c.rd.Next()
	if err != nil {
		return err
	}
	stats := c.s.o.Dispatcher.Services().Stats
	stats.Requests.Add(1)
	stats.BytesIn.Add(int64(len(raw)))
	if cap(c.unpacked) > keepUnpacked {
		c.unpacked = nil
	}
	c.unpacked, err = c.msg.Parse(raw, c.unpacked)
	if err != nil {
		return c.refuse(err)
	}
	return c.run(ctx)
}

// refuse answers a message that could not be parsed, when there is a way to.
func (c *conn) refuse(err error) error {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return err
	}
	if !c.msg.Is(wire.MoreToCome) || errors.Is(err, wire.ErrProtocol) {
		b := c.reply.Begin(&c.msg)
		c.s.o.Dispatcher.Refuse(e, b)
		if werr := c.send(false, c.msg.Header.RequestID); werr != nil {
			return werr
		}
	}
	if errors.Is(err, wire.ErrProtocol) {
		return err
	}
	return nil
}

// run executes the parsed message and writes its reply, or its replies.
func (c *conn) run(ctx context.Context) error {
	rq, m := &c.rq, &c.msg
	rq.Body, rq.Sequences, rq.Conn = m.Body, m.Sequences, &c.state
	if rq.Legacy = m.Header.Op == wire.OpQuery; rq.Legacy {
		rq.DB = m.DB
	}
	rq.NoReply, rq.ExhaustAllowed = m.Is(wire.MoreToCome), m.Is(wire.ExhaustAllowed)
	responseTo := m.Header.RequestID
	for {
		b := c.reply.Begin(m)
		c.s.o.Dispatcher.Run(ctx, rq, b)
		if rq.CloseConn {
			return errClosedOnPurpose
		}
		if rq.NoReply {
			return nil
		}
		more := rq.More && rq.ExhaustAllowed && !c.draining.Load()
		if err := c.send(more, responseTo); err != nil || !more {
			return err
		}
		responseTo = c.lastID
	}
}

// errClosedOnPurpose ends a connection that a command wants to be closed.
var errClosedOnPurpose = errors.New("closed by a fail point")

// send writes the reply that was begun in one call.
func (c *conn) send(more bool, responseTo int32) error {
	c.lastID++
	out := c.reply.Finish(&c.msg, c.lastID, responseTo, more)
	if len(out) > keepUnpacked { // small ones fit into the socket's buffer
		_ = c.nc.SetWriteDeadline(clock.System{}.Now().Add(writeTimeout))
	}
	n, err := c.nc.Write(out)
	c.s.o.Dispatcher.Services().Stats.BytesOut.Add(int64(n))
	return err
}
