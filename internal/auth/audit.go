package auth

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// Event is one line of the audit log.
type Event struct {
	// Type is MongoDB's name of what happened: authenticate, authCheck, createUser,
	// dropCollection …
	Type string
	Time time.Time
	// Connection tells the client's connection from every other; zero for what the
	// server does by itself.
	Connection [16]byte
	// Local and Remote are the ends of the connection, as host:port.
	Local, Remote string
	App           string
	// Who is the connection's user; nil for none.
	Who *Principal
	// Param says more; nil for nothing.
	Param bsonx.Doc
	// Result is MongoDB's error code, 0 for success.
	Result int32
}

// Audit writes the audit log: Extended JSON in the shape of MongoDB's, one event a
// line. The nil Audit writes nothing. Safe for concurrent use.
type Audit struct {
	path string
	log  *slog.Logger
	mu   sync.Mutex
	w    io.WriteCloser
}

// OpenAudit appends to a file, which only its owner may read.
func OpenAudit(path string, log *slog.Logger) (*Audit, error) {
	a := &Audit{path: path, log: log}
	return a, a.Reopen()
}

// Reopen opens the file anew, after it was renamed.
func (a *Audit) Reopen() error {
	if a == nil {
		return nil
	}
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.w != nil {
		_ = a.w.Close()
	}
	a.w = f
	return nil
}

// Close ends the log.
func (a *Audit) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.w.Close()
}

// encode is the event as the file has it (MongoDB's manual, "System Event Audit
// Messages", schema mongo).
func (e *Event) encode() ([]byte, error) {
	b := bsonx.NewDoc(nil)
	b.String("atype", e.Type)
	b.Date("ts", e.Time.UnixMilli())
	b.Binary("uuid", 4, e.Connection[:])
	appendEnd(b, "local", e.Local)
	appendEnd(b, "remote", e.Remote)
	if e.App != "" {
		b.String("appName", e.App)
	}
	users := b.OpenArray("users")
	var roles []Name
	if e.Who != nil {
		at := b.OpenDoc("0")
		b.String("user", e.Who.Name.Name)
		b.String("db", e.Who.Name.DB)
		b.Close(at)
		roles = e.Who.Roles
	}
	b.Close(users)
	AppendRoles(b, "roles", roles)
	if e.Param == nil {
		e.Param = bsonx.EmptyDoc
	}
	b.Doc("param", e.Param)
	b.Int32("result", e.Result)
	return bson.MarshalExtJSON(bson.Raw(b.Done()), false, false)
}

// appendEnd writes one end of a connection.
func appendEnd(b *bsonx.Builder, key, hostPort string) {
	at := b.OpenDoc(key)
	if ap, err := netip.ParseAddrPort(hostPort); err == nil {
		b.String("ip", ap.Addr().Unmap().String())
		b.Int32("port", int32(ap.Port()))
	}
	b.Close(at)
}

// Record writes an event. A log that cannot be written to is reported, and does
// not keep the command back.
func (a *Audit) Record(e Event) {
	if a == nil {
		return
	}
	out, err := e.encode()
	if err == nil {
		a.mu.Lock()
		_, err = a.w.Write(append(out, '\n'))
		a.mu.Unlock()
	}
	if err != nil {
		a.log.Error("cannot write to the audit log", "event", e.Type, "error", err)
	}
}
