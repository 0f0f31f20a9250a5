package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/session"
)

// CurrentOpOptions say what CurrentOps lists.
type CurrentOpOptions struct {
	AllUsers    bool
	User        string // whose operations, unless AllUsers
	IdleCursors bool
	IdleSession bool
}

// CurrentOps returns a document for each running operation, and for idle
// cursors and sessions when asked for, as $currentOp has them.
func (s *Services) CurrentOps(o CurrentOpOptions) []bsonx.Doc {
	var out []bsonx.Doc
	now := s.Clock.Now()
	s.Ops.List(func(op *session.Op) {
		if !o.AllUsers && op.Conn.User != o.User {
			return
		}
		b := bsonx.NewDoc(nil)
		b.String("type", "op")
		b.String("host", s.Host.Address)
		b.String("desc", fmt.Sprintf("conn%d", op.Conn.ID))
		b.Int64("connectionId", op.Conn.ID)
		b.String("client", op.Conn.Remote)
		if op.Conn.AppName != "" {
			b.String("appName", op.Conn.AppName)
		}
		if op.Conn.Client != nil {
			b.Doc("clientMetadata", op.Conn.Client)
		}
		appendEffectiveUsers(b, op.Conn.User)
		b.Bool("active", true)
		b.String("currentOpTime", now.Format("2006-01-02T15:04:05.000-07:00"))
		b.Int64("opid", op.ID)
		appendLSID(b, op.LSID)
		run := now.Sub(op.Started)
		b.Int64("secs_running", int64(run.Seconds()))
		b.Int64("microsecs_running", run.Microseconds())
		kind := op.Kind
		if kind == "" {
			kind = "command"
		}
		b.String("op", kind)
		b.String("ns", op.NS())
		b.Doc("command", op.Body)
		if p := op.Plan(); p != "" {
			b.String("planSummary", p)
		}
		b.Int32("numYields", 0)
		b.Close(b.OpenDoc("locks"))
		b.Bool("waitingForLock", false)
		b.Close(b.OpenDoc("lockStats"))
		b.Bool("waitingForFlowControl", false)
		b.Close(b.OpenDoc("flowControlStats"))
		out = append(out, b.Done())
	})
	if o.IdleCursors {
		out = s.idleCursors(out, o)
	}
	if o.IdleSession {
		out = s.idleSessions(out, o)
	}
	return out
}

// appendEffectiveUsers writes the user, given as name@db, whose operation it is.
func appendEffectiveUsers(b *bsonx.Builder, user string) {
	i := strings.LastIndexByte(user, '@')
	if i < 0 {
		return
	}
	list := b.OpenArray("effectiveUsers")
	at := b.OpenDoc("0")
	b.String("user", user[:i])
	b.String("db", user[i+1:])
	b.Close(at)
	b.Close(list)
}

func appendLSID(b *bsonx.Builder, id session.SessionID) {
	if id.IsZero() {
		return
	}
	at := b.OpenDoc("lsid")
	b.Binary("id", 4, id.UUID[:])
	b.Close(at)
}

func (s *Services) idleCursors(out []bsonx.Doc, o CurrentOpOptions) []bsonx.Doc {
	open, _ := s.Cursors.List()
	for _, c := range open {
		if c.InUse || !o.AllUsers && c.User != o.User {
			continue
		}
		b := bsonx.NewDoc(nil)
		b.String("type", "idleCursor")
		appendEffectiveUsers(b, c.User)
		b.String("host", s.Host.Address)
		b.String("ns", c.NS)
		appendLSID(b, c.LSID)
		at := b.OpenDoc("cursor")
		b.Int64("cursorId", c.ID)
		b.Date("createdDate", c.Created.UnixMilli())
		b.Date("lastAccessDate", c.LastUse.UnixMilli())
		b.Int64("nDocsReturned", c.Returned)
		b.Int64("nBatchesReturned", c.Batches)
		b.Bool("noCursorTimeout", c.NoTimeout)
		b.Bool("tailable", c.Tailable)
		b.Bool("awaitData", c.AwaitData)
		if c.Command != nil {
			b.Doc("originatingCommand", c.Command)
		}
		b.Close(at)
		out = append(out, b.Done())
	}
	return out
}

func (s *Services) idleSessions(out []bsonx.Doc, o CurrentOpOptions) []bsonx.Doc {
	for _, in := range s.Sessions.List() {
		if !in.InTxn || !o.AllUsers && in.ID.User != o.User {
			continue
		}
		b := bsonx.NewDoc(nil)
		b.String("type", "idleSession")
		appendEffectiveUsers(b, in.ID.User)
		b.String("host", s.Host.Address)
		b.String("desc", "inactive transaction")
		appendLSID(b, in.ID)
		at := b.OpenDoc("transaction")
		of := b.OpenDoc("parameters")
		b.Int64("txnNumber", in.TxnNumber)
		b.Bool("autocommit", false)
		b.Close(of)
		b.String("startWallClockTime", in.TxnStarted.UTC().Format("2006-01-02T15:04:05.000-07:00"))
		b.Int64("timeOpenMicros", s.Clock.Now().Sub(in.TxnStarted).Microseconds())
		b.Close(at)
		b.Bool("active", false)
		out = append(out, b.Done())
	}
	return out
}

var currentOpCommand = &Spec{
	Name: "currentOp", Aliases: []string{"currentop"}, Args: nameOnly("currentOp").Lenient(), Flags: AdminOnly,
	Privilege: forUsers(currentOpNeeds),
	Help:      "what runs right now", Run: runCurrentOp,
}

// runCurrentOp lists running operations; the arguments that are no options are
// a filter on them.
func runCurrentOp(_ context.Context, rq *Request, b *bsonx.Builder) error {
	f := bsonx.NewDoc(nil)
	all := false
	for it := bsonx.NewIter(rq.Body); it.Next(); {
		switch name := string(it.Key()); {
		case name == "$all":
			all = bsonx.Truthy(it.Value())
		case name == "currentOp" || name == "currentop" || name == "$ownOps" || idl.IsGeneric(name):
		default:
			f.Element(it.Element())
		}
	}
	filter, err := match.Compile(f.Done(), match.Options{})
	if err != nil {
		return err
	}
	own := bsonx.Truthy(bsonx.Lookup(rq.Body, "$ownOps"))
	env := expr.NewEnv(&expr.Query{Now: rq.Services.Clock.Now().UnixMilli()}, nil)
	at := b.OpenArray("inprog")
	n := 0
	for _, d := range rq.Services.CurrentOps(CurrentOpOptions{AllUsers: !own, User: rq.Conn.Info.User, IdleCursors: all, IdleSession: true}) {
		ok, err := filter.Matches(env, d)
		if err != nil {
			return err
		}
		if ok {
			b.Doc(bsonx.Index(n), d)
			n++
		}
	}
	b.Close(at)
	return nil
}

var killOpCommand = &Spec{
	Name: "killOp",
	Args: idl.Command("killOp", idl.Field{Name: "killOp", Types: idl.Any},
		idl.Field{Name: "op", Types: idl.Any}),
	Flags: AdminOnly, Privilege: forUsers(), Help: "ends a running operation", Run: runKillOp,
}

func runKillOp(_ context.Context, rq *Request, b *bsonx.Builder) error {
	v := rq.Args.Get("op")
	if v.Type == bsonx.Missing {
		return errcode.New(errcode.NoSuchKey, "Missing expected field \"op\"")
	}
	if !bsonx.IsNumber(v) {
		return errcode.New(errcode.TypeMismatch, "Expected field \"op\" to have numeric type, but found %s", bsonx.TypeName(v.Type))
	}
	id, any := idl.ToInt64(v), rq.may(auth.ClusterTarget(), auth.Killop)
	n := rq.Services.Ops.KillWhere(func(op *session.Op) bool { return op.ID == id && (any || op.Conn.User == rq.Conn.Info.User) },
		errcode.New(errcode.Interrupted, "operation was interrupted"))
	if n == 0 && !any {
		return rq.unauthorized()
	}
	b.String("info", "attempting to kill op")
	return nil
}

// LocalSessions returns a document for each logical session, as
// $listLocalSessions has them; users: those of these users, nil: all.
func (s *Services) LocalSessions(users []string) []bsonx.Doc {
	var out []bsonx.Doc
	for _, in := range s.Sessions.List() {
		if users != nil && !slices.Contains(users, in.ID.User) {
			continue
		}
		b := bsonx.NewDoc(nil)
		at := b.OpenDoc("_id")
		b.Binary("id", 4, in.ID.UUID[:])
		b.Binary("uid", 0, userDigest(in.ID.User))
		b.Close(at)
		b.Date("lastUse", in.LastUse.UnixMilli())
		if in.ID.User != "" {
			b.String("user", in.ID.User)
		}
		out = append(out, b.Done())
	}
	return out
}

// currentOpOptions are $currentOp's.
func (s *source) currentOpOptions(spec bsonx.Doc) CurrentOpOptions {
	idle := bsonx.Lookup(spec, "idleSessions")
	return CurrentOpOptions{User: s.about.commit.Actor.User, AllUsers: bsonx.Truthy(bsonx.Lookup(spec, "allUsers")),
		IdleCursors: bsonx.Truthy(bsonx.Lookup(spec, "idleCursors")), IdleSession: idle.Type == bsonx.Missing || bsonx.Truthy(idle)}
}
