package command

import (
	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// auditAuth records an attempt to authenticate.
func (rq *Request) auditAuth(mechanism string, n auth.Name, err error) {
	b := bsonx.NewDoc(nil)
	b.String("user", n.Name)
	b.String("db", n.DB)
	b.String("mechanism", mechanism)
	rq.audit("authenticate", b.Done(), err)
}

// audit records an event of the request's connection.
func (rq *Request) audit(kind string, param bsonx.Doc, err error) {
	if rq.Services.Audit == nil {
		return
	}
	e := auth.Event{Type: kind, Time: rq.Services.Clock.Now(), Remote: rq.Conn.Info.Remote, App: rq.Conn.Info.AppName,
		User: rq.Conn.Info.User, DB: rq.DB, Param: param}
	if err != nil {
		e.Result = int32(errcode.As(err).Code)
	}
	rq.Services.Audit.Record(e)
}

// auditCommand records a command that changes the catalog, the branches, users,
// roles or the server, and every refusal, with what came of it.
func (rq *Request) auditCommand(err error) {
	if rq.Services.Audit == nil || rq.Spec == nil {
		return
	}
	switch refused := err != nil && errcode.As(err).Code == errcode.Unauthorized; {
	case refused:
		rq.audit("authCheck", rq.auditParam(), err)
	case rq.Spec.Flags&(DDL|Audited) != 0:
		rq.audit(rq.Name, rq.auditParam(), err)
	}
}

// auditParam is the command with its arguments, less what every command has.
func (rq *Request) auditParam() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc("args")
	for it := bsonx.NewIter(rq.shownBody()); it.Next(); {
		switch string(it.Key()) {
		case "lsid", "$db", "$clusterTime", "$readPreference", "documents", "updates", "deletes":
		default:
			b.Element(it.Element())
		}
	}
	b.Close(at)
	b.String("command", rq.Name)
	return b.Done()
}
