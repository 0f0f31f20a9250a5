package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

var startSessionCommand = &Spec{
	Name: "startSession", Args: nameOnly("startSession"), Flags: APIv1, Privilege: forUsers(), Help: "begins a logical session",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		id := session.SessionID{User: rq.Conn.Info.User}
		_, _ = rand.Read(id.UUID[:]) // never fails
		id.UUID[6], id.UUID[8] = id.UUID[6]&0x0f|0x40, id.UUID[8]&0x3f|0x80
		if _, err := rq.Services.Sessions.Use(id); err != nil {
			return err
		}
		at := b.OpenDoc("id")
		b.Binary("id", 4, id.UUID[:])
		b.Close(at)
		b.Int32("timeoutMinutes", int32(session.Timeout/time.Minute))
		return nil
	},
}

// sessionList are the arguments of a command that names sessions.
func sessionList(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.Array, Elems: idl.Object, Required: true})
}

// eachSession calls f with the sessions that a command lists.
func (rq *Request) eachSession(f func(session.SessionID) error) error {
	for it := bsonx.NewIter(rq.Args.Array(rq.Name)); it.Next(); {
		id, err := rq.sessionID(it.Value().Data)
		if err != nil {
			return err
		}
		if err := f(id); err != nil {
			return err
		}
	}
	return nil
}

var refreshSessionsCommand = &Spec{
	Name: "refreshSessions", Args: sessionList("refreshSessions"), Flags: APIv1, Privilege: forUsers(), Help: "keeps sessions alive",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.eachSession(func(id session.SessionID) error {
			_, err := rq.Services.Sessions.Use(id)
			return err
		})
	},
}

var endSessionsCommand = &Spec{
	Name: "endSessions", Args: sessionList("endSessions"), Flags: APIv1, Privilege: forUsers(), Help: "ends sessions", Run: runEndSessions,
}

func runEndSessions(_ context.Context, rq *Request, _ *bsonx.Builder) error {
	var ids []session.SessionID
	err := rq.eachSession(func(id session.SessionID) error {
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return err
	}
	rq.Services.Sessions.End(ids...)
	rq.Services.endCursors(ids)
	return nil
}

var killSessionsCommand = &Spec{
	Name: "killSessions", Args: sessionList("killSessions"), Flags: OthersSessions, Privilege: forUsers(), Help: "ends sessions and what they run",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		var ids []session.SessionID
		err := rq.eachSession(func(id session.SessionID) error {
			ids = append(ids, id)
			return nil
		})
		if err == nil && len(ids) == 0 {
			ids = rq.sessionsOf(func(id session.SessionID) bool { return id.User == rq.Conn.Info.User })
		}
		if err == nil {
			rq.killSessions(ids)
		}
		return err
	},
}

var killAllSessionsCommand = &Spec{
	Name: "killAllSessions", Args: sessionList("killAllSessions"), Privilege: onCluster(auth.KillAnySession), Help: "ends the sessions of users and what they run",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		users := map[string]bool{}
		for it := bsonx.NewIter(rq.Args.Array("killAllSessions")); it.Next(); {
			user, db := bsonx.Lookup(it.Value().Data, "user"), bsonx.Lookup(it.Value().Data, "db")
			if user.Type != bsonx.String || db.Type != bsonx.String {
				return errcode.New(40414, "BSON field 'KillAllSessions.user' is missing but a required field")
			}
			users[auth.Name{Name: string(bsonx.Str(user)), DB: string(bsonx.Str(db))}.String()] = true
		}
		rq.killSessions(rq.sessionsOf(func(id session.SessionID) bool { return len(users) == 0 || users[id.User] }))
		return nil
	},
}

var killAllSessionsByPatternCommand = &Spec{
	Name: "killAllSessionsByPattern", Args: sessionList("killAllSessionsByPattern"), Flags: OthersSessions, Privilege: onCluster(auth.KillAnySession), Help: "ends sessions that match a pattern and what they run",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		var patterns []sessionPattern
		for it := bsonx.NewIter(rq.Args.Array("killAllSessionsByPattern")); it.Next(); {
			p, err := rq.sessionPattern(it.Value().Data)
			if err != nil {
				return err
			}
			patterns = append(patterns, p)
		}
		rq.killSessions(rq.sessionsOf(func(id session.SessionID) bool {
			return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p sessionPattern) bool { return p.fits(id) })
		}))
		return nil
	},
}

// sessionPattern is one pattern of killAllSessionsByPattern: a session, the digest
// of a user's name, or users.
type sessionPattern struct {
	id    *session.SessionID
	uid   []byte
	users []string
}

func (rq *Request) sessionPattern(d bsonx.Doc) (p sessionPattern, err error) {
	if l := bsonx.Lookup(d, "lsid"); l.Type == bsonx.Object {
		id, err := rq.sessionID(l.Data)
		if err != nil {
			return p, err
		}
		p.id = &id
	}
	if u := bsonx.Lookup(d, "uid"); u.Type == bsonx.Binary {
		_, p.uid = bsonx.Bin(u)
	}
	if list := bsonx.Lookup(d, "users"); list.Type == bsonx.Array {
		p.users = []string{}
		for it := bsonx.NewIter(list.Data); it.Next(); {
			u := objectOf(it.Value())
			p.users = append(p.users, auth.Name{Name: stringOf(u, "user"), DB: stringOf(u, "db")}.String())
		}
	}
	return p, nil
}

func (p *sessionPattern) fits(id session.SessionID) bool {
	return (p.id == nil || *p.id == id) && (p.uid == nil || bytes.Equal(p.uid, userDigest(id.User))) &&
		(p.users == nil || slices.Contains(p.users, id.User))
}

// sessionsOf lists the sessions that match accepts, but for the request's own.
func (rq *Request) sessionsOf(match func(session.SessionID) bool) []session.SessionID {
	var ids []session.SessionID
	for _, s := range rq.Services.Sessions.List() {
		if match(s.ID) && (rq.Session == nil || s.ID != rq.Session.ID) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (rq *Request) killSessions(ids []session.SessionID) {
	gone := make(map[session.SessionID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	rq.Services.Ops.KillWhere(func(op *session.Op) bool { return op != rq.Op && gone[op.LSID] },
		errcode.New(errcode.Interrupted, "operation was interrupted because its session was killed"))
	rq.Services.Sessions.End(ids...)
	rq.Services.endCursors(ids)
}

// listSessions is $listLocalSessions and $listSessions: the sessions of the
// command's own user, of all, or of those that are named.
func (c *collections) listSessions(spec bsonx.Value) []bsonx.Doc {
	users := []string{c.q.src.about.commit.Actor.User}
	if bsonx.Truthy(bsonx.Lookup(spec.Data, "allUsers")) {
		users = nil
	}
	if v := bsonx.Lookup(spec.Data, "users"); v.Type == bsonx.Array && !bsonx.IsEmpty(v.Data) {
		users = []string{}
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if u := it.Value(); u.Type == bsonx.Object {
				users = append(users, auth.Name{Name: stringOf(u.Data, "user"), DB: stringOf(u.Data, "db")}.String())
			}
		}
	}
	return c.q.src.sv.LocalSessions(users)
}
