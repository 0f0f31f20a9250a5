package auth

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
)

// Event is one line of the audit log.
type Event struct {
	// Type is what happened: authenticate, authCheck, createUser, dropCollection …
	Type   string
	Time   time.Time
	Remote string
	App    string
	User   string // name@db; "" for none
	// DB is the database that the command ran on.
	DB string
	// Param says more; nil for nothing.
	Param bsonx.Doc
	// Result is MongoDB's error code, 0 for success.
	Result int32
}

// Audit writes the audit log: JSON, one event a line. The nil Audit writes
// nothing. Safe for concurrent use.
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

// line is an event's form in the file.
type line struct {
	Type   string          `json:"atype"`
	Time   string          `json:"ts"`
	Remote string          `json:"remote,omitempty"`
	App    string          `json:"appName,omitempty"`
	User   string          `json:"user,omitempty"`
	DB     string          `json:"db,omitempty"`
	Param  json.RawMessage `json:"param,omitempty"`
	Result int32           `json:"result"`
}

// Record writes an event. A log that cannot be written to is reported, and does
// not keep the command back.
func (a *Audit) Record(e Event) {
	if a == nil {
		return
	}
	l := line{Type: e.Type, Time: e.Time.Format(time.RFC3339Nano), Remote: e.Remote, App: e.App, User: e.User, DB: e.DB, Result: e.Result}
	var err error
	if e.Param != nil {
		l.Param, err = bson.MarshalExtJSON(bson.Raw(e.Param), false, false)
	}
	var out []byte
	if err == nil {
		out, err = json.Marshal(l)
	}
	if err == nil {
		a.mu.Lock()
		_, err = a.w.Write(append(out, '\n'))
		a.mu.Unlock()
	}
	if err != nil {
		a.log.Error("cannot write to the audit log", "event", e.Type, "error", err)
	}
}
