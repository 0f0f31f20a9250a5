package auth_test

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/wire"
	"github.com/argon-db/argon/test/harness"
)

// rawConn is a connection to which a test says exactly what it wants.
type rawConn struct {
	t    testing.TB
	c    net.Conn
	rd   *wire.Reader
	what string // shown when the connection breaks
}

func dial(t testing.TB, s *harness.Server) *rawConn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return &rawConn{t: t, c: c, rd: wire.NewReader(c)}
}

func (r *rawConn) close() { _ = r.c.Close() }

// run sends a command and returns the reply.
func (r *rawConn) run(db string, cmd bson.D) bson.Raw {
	r.t.Helper()
	d, err := bson.Marshal(append(append(bson.D{}, cmd...), bson.E{Key: "$db", Value: db}))
	if err != nil {
		r.t.Fatal(err)
	}
	m := make([]byte, 21, 21+len(d))
	binary.LittleEndian.PutUint32(m, uint32(21+len(d)))
	binary.LittleEndian.PutUint32(m[12:], uint32(wire.OpMsg))
	if _, err := r.c.Write(append(m, d...)); err != nil {
		r.t.Fatal(r.what, err)
	}
	reply, err := r.rd.Next()
	if err != nil {
		r.t.Fatal(r.what, err)
	}
	return bson.Raw(append([]byte(nil), reply[21:]...))
}

// saslStart begins an authentication and returns the server's message.
func (r *rawConn) saslStart(db, mech string, payload string) bson.Raw {
	return r.run(db, bson.D{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: mech}, {Key: "payload", Value: bson.Binary{Data: []byte(payload)}},
		{Key: "options", Value: bson.D{{Key: "skipEmptyExchange", Value: true}}}})
}

// authenticate proves who a client is, by SCRAM-SHA-256, and returns the error's
// code.
func (r *rawConn) authenticate(who *scram.Client, db string) int {
	r.t.Helper()
	conv := who.NewConversation()
	first, err := conv.Step("")
	if err != nil {
		r.t.Fatal(err)
	}
	reply := r.saslStart(db, "SCRAM-SHA-256", first)
	for {
		if n := replyCode(reply); n != 0 {
			return n
		}
		if reply.Lookup("done").Boolean() {
			return 0
		}
		_, data := reply.Lookup("payload").Binary()
		next, err := conv.Step(string(data))
		if err != nil {
			r.t.Fatal(err)
		}
		reply = r.run(db, bson.D{{Key: "saslContinue", Value: 1}, {Key: "conversationId", Value: reply.Lookup("conversationId").Int32()}, {Key: "payload", Value: bson.Binary{Data: []byte(next)}}})
	}
}

func replyCode(r bson.Raw) int {
	n, _ := r.Lookup("code").AsInt64OK()
	return int(n)
}

func scramClient(t testing.TB, user, pwd string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, pwd, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
