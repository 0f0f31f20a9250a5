package command

import (
	"bytes"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Quiesce makes hello answer that the server shuts down, and ends the waits of
// those who watch for it. It may be called more than once.
func (s *Services) Quiesce() { s.quiesce() }

// Quiescing reports whether Quiesce was called.
func (s *Services) Quiescing() bool {
	return s.quiescing.Err() != nil
}

// topologyCounter counts the changes of the topology: there is only one, the end.
func (s *Services) topologyCounter() int64 {
	if s.Quiescing() {
		return 1
	}
	return 0
}

func (s *Services) topologyVersion(b *bsonx.Builder) {
	at := b.OpenDoc("topologyVersion")
	b.Value("processId", bsonx.Value{Type: bsonx.ObjectID, Data: s.ProcessID[:]})
	b.Int64("counter", s.topologyCounter())
	b.Close(at)
}

// stateChange adds the topology version to an error by which a server says that
// it can no longer be used, as MongoDB does: drivers compare it with the one that
// they know. An error of a server that ends has it from when hello says so too.
func (d *Dispatcher) stateChange(b *bsonx.Builder, c errcode.Code) {
	switch c {
	case errcode.ShutdownInProgress, errcode.InterruptedAtShutdown:
		if !d.services.Quiescing() {
			return
		}
	case errcode.InterruptedDueToReplStateChange, errcode.NotWritablePrimary, errcode.NotPrimaryNoSecondaryOk,
		errcode.NotPrimaryOrSecondary, errcode.PrimarySteppedDown:
	default:
		return
	}
	d.services.topologyVersion(b)
}

// knowsTopology reports whether a client's topologyVersion is the present one.
func (s *Services) knowsTopology(tv bsonx.Doc) bool {
	id, n := bsonx.Lookup(tv, "processId"), bsonx.Lookup(tv, "counter")
	return id.Type == bsonx.ObjectID && bytes.Equal(id.Data, s.ProcessID[:]) &&
		n.Type == bsonx.Int64 && bsonx.I64(n) == s.topologyCounter()
}
