package command

import (
	"context"
	"encoding/base64"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var saslStartCommand = &Spec{
	Name: "saslStart",
	Args: idl.Command("saslStart",
		idl.Field{Name: "saslStart", Types: idl.Any},
		idl.Field{Name: "mechanism", Types: idl.String, Required: true},
		idl.Field{Name: "payload", Types: idl.Any, Required: true},
		idl.Field{Name: "db", Types: idl.String},
		idl.Field{Name: "autoAuthorize", Types: idl.Any},
		idl.Field{Name: "options", Types: idl.Object}),
	Flags: Secret, Privilege: forAnyone(), Help: "begins an authentication by SCRAM", Run: runSASLStart,
}

func runSASLStart(_ context.Context, rq *Request, b *bsonx.Builder) error {
	payload, err := saslPayload(rq.Args.Get("payload"))
	if err != nil {
		return err
	}
	skip := bsonx.Truthy(bsonx.Lookup(objectOf(rq.Args.Get("options")), "skipEmptyExchange"))
	return rq.saslStart(b, rq.Args.String("mechanism", ""), rq.DB, payload, skip)
}

// saslStart begins a conversation, in place of one that was under way.
func (rq *Request) saslStart(b *bsonx.Builder, mechanism, db string, payload []byte, skipEmpty bool) error {
	rq.Conn.Auth.conversation = nil
	if rq.Services.Users == nil {
		return errcode.New(errcode.AuthenticationFailed, "Authentication failed.")
	}
	c, out, err := rq.Services.Users.Start(mechanism, db, payload)
	if err != nil {
		var n auth.Name
		if c != nil {
			n = c.Name()
		}
		rq.auditAuth(mechanism, n, err)
		return err
	}
	c.SkipEmpty = skipEmpty
	rq.Conn.Auth.conversation = c
	appendSASL(b, c.ID, false, out)
	return nil
}

func appendSASL(b *bsonx.Builder, id int32, done bool, payload []byte) {
	b.Int32("conversationId", id)
	b.Bool("done", done)
	b.Binary("payload", 0, payload)
}

// saslPayload reads a message: a binary, or a string in base64.
func saslPayload(v bsonx.Value) ([]byte, error) {
	switch v.Type {
	case bsonx.Binary:
		_, data := bsonx.Bin(v)
		return data, nil
	case bsonx.String:
		data, err := base64.StdEncoding.DecodeString(string(bsonx.Str(v)))
		if err != nil {
			return nil, errcode.New(errcode.FailedToParse, "the SASL payload is not base64")
		}
		return data, nil
	}
	return nil, errcode.New(errcode.TypeMismatch, "Wrong type for field; expected BinData or String for payload")
}

var saslContinueCommand = &Spec{
	Name: "saslContinue",
	Args: idl.Command("saslContinue",
		idl.Field{Name: "saslContinue", Types: idl.Any},
		idl.Field{Name: "conversationId", Types: idl.Integer, Required: true},
		idl.Field{Name: "payload", Types: idl.Any, Required: true}),
	Flags: Secret, Privilege: forAnyone(), Help: "goes on with an authentication by SCRAM", Run: runSASLContinue,
}

func runSASLContinue(_ context.Context, rq *Request, b *bsonx.Builder) error {
	c := rq.Conn.Auth.conversation
	if c == nil {
		return errcode.New(errcode.ProtocolError, "No SASL session state found")
	}
	payload, err := saslPayload(rq.Args.Get("payload"))
	if err == nil && idl.ToInt64(rq.Args.Get("conversationId")) != int64(c.ID) {
		err = errcode.New(errcode.ProtocolError, "sasl: Mismatched conversation id")
	}
	if err == nil && auth.HomeDB(rq.DB) != c.DB {
		err = errcode.New(errcode.ProtocolError, "Attempt to switch database target during SASL authentication.")
	}
	var out []byte
	var done bool
	if err == nil {
		out, done, err = c.Step(payload)
	}
	if err == nil && done {
		var p *auth.Principal
		if p, err = c.Principal(rq.Conn.Info.Remote, rq.Conn.LocalAddr); err == nil {
			err = rq.become(p)
		}
	}
	if err != nil || done {
		rq.Conn.Auth.conversation = nil
		rq.auditAuth(c.Mechanism, c.Name(), err)
	}
	if err != nil {
		return err
	}
	appendSASL(b, c.ID, done, out)
	return nil
}

var authenticateCommand = &Spec{
	Name: "authenticate",
	Args: idl.Command("authenticate",
		idl.Field{Name: "authenticate", Types: idl.Any},
		idl.Field{Name: "mechanism", Types: idl.String, Required: true},
		idl.Field{Name: "user", Types: idl.String},
		idl.Field{Name: "db", Types: idl.String}).Lenient(),
	Flags: Secret, Privilege: forAnyone(), Help: "authenticates by the client's certificate",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		return rq.authenticate(b, rq.Args.String("mechanism", ""), rq.Args.String("user", ""), rq.DB)
	},
}

// authenticate is MONGODB-X509: the user is the subject of the certificate that
// the client has shown in the TLS handshake.
func (rq *Request) authenticate(b *bsonx.Builder, mechanism, user, db string) error {
	name := auth.Name{Name: user, DB: "$external"}
	p, err := rq.byCertificate(mechanism, user, db)
	if p != nil {
		name = p.Name
	}
	if err == nil {
		err = rq.become(p)
	}
	rq.auditAuth(mechanism, name, err)
	if err != nil {
		return err
	}
	b.String("dbname", "$external")
	b.String("user", p.Name.Name)
	return nil
}

func (rq *Request) byCertificate(mechanism, user, db string) (*auth.Principal, error) {
	failed := errcode.New(errcode.AuthenticationFailed, "Authentication failed.")
	if mechanism != auth.MechanismX509 || rq.Services.Users == nil {
		return nil, failed
	}
	if db != "$external" {
		return nil, errcode.New(errcode.ProtocolError, "X.509 authentication must always use the $external database.")
	}
	if rq.Conn.Certificate == nil || rq.Conn.Certificate() == nil {
		return nil, errcode.New(errcode.AuthenticationFailed, "No verified subject name available from client")
	}
	subject, err := auth.Subject(rq.Conn.Certificate())
	if err != nil || user != "" && user != subject {
		return nil, failed
	}
	return rq.Services.Users.External(subject, rq.Conn.Info.Remote, rq.Conn.LocalAddr)
}

// speculate begins the authentication that a hello carries. When that fails the
// reply has nothing of it, and the client begins in the usual way.
func (rq *Request) speculate(b *bsonx.Builder, d bsonx.Doc) {
	it := bsonx.NewIter(d)
	if !it.Next() {
		return
	}
	name := string(it.Key())
	db, mech, user := "admin", "", ""
	for _, f := range []struct {
		key string
		to  *string
	}{{"db", &db}, {"mechanism", &mech}, {"user", &user}} {
		if v := bsonx.Lookup(d, f.key); v.Type == bsonx.String {
			*f.to = string(bsonx.Str(v))
		}
	}
	reply := bsonx.NewDoc(nil)
	var err error
	switch name {
	case "saslStart":
		var payload []byte
		if payload, err = saslPayload(bsonx.Lookup(d, "payload")); err == nil {
			skip := bsonx.Truthy(bsonx.Lookup(objectOf(bsonx.Lookup(d, "options")), "skipEmptyExchange"))
			err = rq.saslStart(reply, mech, db, payload, skip)
			if c := rq.Conn.Auth.conversation; err == nil && c.Unsuited() {
				rq.Conn.Auth.conversation = nil // the client goes on with a mechanism that the hello lists
				return
			}
		}
	case "authenticate":
		err = rq.authenticate(reply, mech, user, "$external")
	default:
		return
	}
	if err == nil {
		b.Doc("speculativeAuthenticate", reply.Done())
	}
}

var logoutCommand = &Spec{
	Name: "logout", Args: nameOnly("logout").Lenient(), Flags: APIv1, Privilege: forAnyone(), Help: "ends the connection's authentication",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		if p := rq.Conn.Auth.principal; p != nil && p.Name.DB == auth.HomeDB(rq.DB) {
			rq.audit("logout", logoutParam(p.Name), nil)
			rq.Conn.Auth = connAuth{}
			rq.setUser("")
		}
		return nil
	},
}

func logoutParam(n auth.Name) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("reason", "Client has explicitly logged out")
	users := b.OpenArray("initialUsers")
	at := b.OpenDoc("0")
	b.String("user", n.Name)
	b.String("db", n.DB)
	b.Close(at)
	b.Close(users)
	b.Close(b.OpenArray("updatedUsers"))
	return b.Done()
}
