// Package hostile sends a server what no driver would: it must answer with
// MongoDB's error or close the connection, and go on for everybody else.
package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/wire"
	"github.com/argon-db/argon/test/harness"
)

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	d, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func opMsg(flags uint32, sections ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, flags)
	return frame(wire.OpMsg, append(b, bytes.Join(sections, nil)...))
}

func frame(op wire.OpCode, body []byte) []byte {
	m := binary.LittleEndian.AppendUint32(nil, uint32(wire.HeaderSize+len(body)))
	m = binary.LittleEndian.AppendUint32(m, 1)
	m = binary.LittleEndian.AppendUint32(m, 0)
	m = binary.LittleEndian.AppendUint32(m, uint32(op))
	return append(m, body...)
}

func section(d []byte) []byte { return append([]byte{0}, d...) }

func ping(t testing.TB) []byte {
	return marshal(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
}

// nest puts a document of n levels into a ping.
func nest(n int) []byte {
	d := []byte{5, 0, 0, 0, 0}
	for range n - 2 {
		b := bsonx.NewDoc(nil)
		b.Doc("a", d)
		d = b.Done()
	}
	b := bsonx.NewDoc(nil)
	b.Int32("ping", 1)
	b.Doc("comment", d)
	b.String("$db", "admin")
	return b.Done()
}

// nestMany is nest for very many levels, in linear time.
func nestMany(n int) []byte {
	d := make([]byte, 0, 9*n)
	for size := 8*n - 3; n > 1; n, size = n-1, size-8 {
		d = binary.LittleEndian.AppendUint32(d, uint32(size))
		d = append(d, 3, 'a', 0)
	}
	d = append(d, 5, 0, 0, 0, 0)
	for len(d) < int(binary.LittleEndian.Uint32(d)) {
		d = append(d, 0)
	}
	return d
}

// exchange sends raw bytes on a new connection and returns the code of the
// reply: 0 for success, closed when the server closed the connection instead.
const closed = -1

func exchange(t *testing.T, s *harness.Server, raw []byte) int {
	t.Helper()
	c := s.Dial(t)
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(raw); err != nil && !errors.Is(err, net.ErrClosed) {
		return closed
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	reply, err := wire.NewReader(c).Next()
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the server neither answered nor closed")
		}
		return closed
	}
	if code := bson.Raw(replyDoc(reply)).Lookup("code"); code.Type != 0 {
		return int(code.AsInt64())
	}
	return 0
}

// replyDoc is the document of an OP_MSG or an OP_REPLY.
func replyDoc(m []byte) []byte {
	if binary.LittleEndian.Uint32(m[12:]) == uint32(wire.OpReply) {
		return m[36:]
	}
	return m[21:]
}

func TestMalformedMessages(t *testing.T) {
	s := harness.Start(t)
	ok := ping(t)
	badUTF8 := marshal(t, bson.D{{Key: "ping", Value: "\xff\xfe"}, {Key: "$db", Value: "admin"}})
	query := func(ns string, d []byte) []byte {
		b := append([]byte{0, 0, 0, 0}, ns...)
		b = append(b, 0, 0, 0, 0, 0, 1, 0, 0, 0)
		return frame(wire.OpQuery, append(b, d...))
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		want int
	}{
		{"a good one", opMsg(0, section(ok)), 0},
		{"nothing", nil, closed},
		{"half a header", opMsg(0, section(ok))[:7], closed},
		{"half a message", opMsg(0, section(ok))[:30], closed},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), closed},
		{"length 0", make([]byte, 64), closed},
		{"length of two gigabytes", append([]byte{0xff, 0xff, 0xff, 0x7f}, make([]byte, 64)...), closed},
		{"48 MB that never come", append([]byte{0, 0x6c, 0xdc, 2}, make([]byte, 64)...), closed},
		{"unknown opcode", frame(77, ok), closed},
		{"a required flag that nobody knows", opMsg(1<<9, section(ok)), 223},
		{"no body", opMsg(0), 40587},
		{"empty body", opMsg(0, section(marshal(t, bson.D{}))), 59},
		{"body without $db", opMsg(0, section(marshal(t, bson.D{{Key: "ping", Value: 1}}))), 40571},
		{"$db of a wrong type", opMsg(0, section(marshal(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: 5}}))), 14},
		{"$db that cannot be", opMsg(0, section(marshal(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "a b"}}))), 73},
		{"document cut off", opMsg(0, section(ok[:len(ok)-3])), 22},
		{"document of a giant length", opMsg(0, []byte{0, 0xff, 0xff, 0xff, 0x7f}), 22},
		{"document of a negative length", opMsg(0, []byte{0, 0xff, 0xff, 0xff, 0xff}), 22},
		{"text that is not UTF-8", opMsg(0, section(badUTF8)), 22},
		{"201 levels", opMsg(0, section(nest(201))), 0},
		{"202 levels", opMsg(0, section(nest(202))), 15},
		{"a million levels", opMsg(0, section(nestMany(1_000_000))), 15},
		{"legacy hello", query("admin.$cmd", marshal(t, bson.D{{Key: "isMaster", Value: 1}})), 0},
		{"legacy insert", query("db.$cmd", marshal(t, bson.D{{Key: "insert", Value: "c"}})), 352},
		{"legacy query", query("db.c", marshal(t, bson.D{})), 5739101},
	} {
		if got := exchange(t, s, tt.raw); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	harness.Run(t, s.Client(t).Database("admin"), bson.D{{Key: "ping", Value: 1}})
}

// TestErrorsKeepTheConnection sends a bad document and then a good one.
func TestErrorsKeepTheConnection(t *testing.T) {
	s := harness.Start(t)
	c := s.Dial(t)
	ok := ping(t)
	r := wire.NewReader(c)
	for _, tt := range []struct {
		raw  []byte
		code int64
	}{{opMsg(0, section(ok[:len(ok)-3])), 22}, {opMsg(0, section(ok)), 0}, {opMsg(0), 40587}, {opMsg(0, section(ok)), 0}} {
		if _, err := c.Write(tt.raw); err != nil {
			t.Fatal(err)
		}
		m, err := r.Next()
		if err != nil {
			t.Fatalf("code %d: %v", tt.code, err)
		}
		code, _ := bson.Raw(replyDoc(m)).Lookup("code").AsInt64OK()
		if code != tt.code {
			t.Errorf("code %d, want %d", code, tt.code)
		}
	}
}

// TestPipelining sends many commands before it reads the first reply.
func TestPipelining(t *testing.T) {
	c := harness.Start(t).Dial(t)
	one := opMsg(0, section(ping(t)))
	const n = 500
	go func() { _, _ = c.Write(bytes.Repeat(one, n)) }()
	r := wire.NewReader(c)
	for i := range n {
		m, err := r.Next()
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		if ok := bson.Raw(replyDoc(m)).Lookup("ok"); ok.Double() != 1 {
			t.Fatalf("reply %d: %v", i, bson.Raw(replyDoc(m)))
		}
	}
}

// TestUnacknowledged sends moreToCome: there is no reply to it, and the next
// command gets its own.
func TestUnacknowledged(t *testing.T) {
	c := harness.Start(t).Dial(t)
	quiet := opMsg(wire.MoreToCome, section(ping(t)))
	loud := opMsg(0, section(marshal(t, bson.D{{Key: "buildInfo", Value: 1}, {Key: "$db", Value: "admin"}})))
	if _, err := c.Write(append(quiet, loud...)); err != nil {
		t.Fatal(err)
	}
	m, err := wire.NewReader(c).Next()
	if err != nil {
		t.Fatal(err)
	}
	if bson.Raw(replyDoc(m)).Lookup("version").Type == 0 {
		t.Errorf("the first reply is not buildInfo's: %v", bson.Raw(replyDoc(m)))
	}
}

// TestExhaustHello takes a stream of replies to one awaitable hello, and its end
// when the server shuts down.
func TestExhaustHello(t *testing.T) {
	s, err := daemon.Start(daemon.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", DrainTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r := wire.NewReader(c)
	hello := bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}}
	if _, err := c.Write(opMsg(0, section(marshal(t, hello)))); err != nil {
		t.Fatal(err)
	}
	m, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	version := bson.Raw(replyDoc(m)).Lookup("topologyVersion").Document()
	await := append(hello, bson.E{Key: "topologyVersion", Value: version}, bson.E{Key: "maxAwaitTimeMS", Value: 10})
	if _, err := c.Write(opMsg(wire.ExhaustAllowed, section(marshal(t, await)))); err != nil {
		t.Fatal(err)
	}
	var last uint32
	for i := range 3 {
		m, err := r.Next()
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		if binary.LittleEndian.Uint32(m[16:])&wire.MoreToCome == 0 {
			t.Fatalf("reply %d is the last", i)
		}
		if to := binary.LittleEndian.Uint32(m[8:]); i > 0 && to != last {
			t.Errorf("reply %d is to %d, want to the reply before it, %d", i, to, last)
		}
		last = binary.LittleEndian.Uint32(m[4:])
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for {
		if _, err := r.Next(); err != nil {
			return // the stream ended with the server
		}
	}
}

// TestTooManyConnections fills the server and sees one refused and, when another
// leaves, one let in.
func TestTooManyConnections(t *testing.T) {
	s := harness.StartWith(t, daemon.Options{MaxConnections: 2})
	raw := opMsg(0, section(ping(t)))
	talk := func(c net.Conn) error {
		if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := c.Write(raw); err != nil {
			return err
		}
		_, err := wire.NewReader(c).Next()
		return err
	}
	a, b := s.Dial(t), s.Dial(t)
	if err := errors.Join(talk(a), talk(b)); err != nil {
		t.Fatal(err)
	}
	if err := talk(s.Dial(t)); err == nil {
		t.Error("a third connection was served")
	}
	_ = a.Close()
	for deadline := time.Now().Add(5 * time.Second); ; {
		if err := talk(s.Dial(t)); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("nobody is let in after one left: %v", err)
		}
	}
}

// TestGarbage throws random changes of good messages at the server, from several
// connections at once.
func TestGarbage(t *testing.T) {
	s := harness.Start(t)
	good := opMsg(0, section(ping(t)))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 60 {
				raw := bytes.Clone(good)
				at := (i*31 + worker*7) % len(raw)
				raw[at] ^= byte(1 + i*17)
				c, err := net.Dial("tcp", s.Addr())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = c.Write(raw)
				if tc, ok := c.(*net.TCPConn); ok {
					_ = tc.CloseWrite()
				}
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.Copy(io.Discard, c); err != nil {
					var timeout net.Error
					if errors.As(err, &timeout) && timeout.Timeout() {
						t.Errorf("worker %d, message %d: no answer and no end", worker, i)
					}
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	harness.Run(t, s.Client(t).Database("admin"), bson.D{{Key: "ping", Value: 1}})
}
