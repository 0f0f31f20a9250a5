// Package command is the table of database commands and the frame around them:
// it decodes a command's arguments, checks where and how it may run, calls the
// services below, and builds the reply or MongoDB's error reply.
//
// A command is one file with a Spec and a handler, and one line in table.go.
package command

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/internal/wire"
)

// Handler runs a command: it appends the fields of the reply, without "ok".
// When it returns an error, what it appended is dropped; an error with labels
// or Info puts these into the reply. Documents of the request and its arguments
// alias the message: they are valid until the handler returns.
type Handler func(ctx context.Context, rq *Request, reply *bsonx.Builder) error

// Flags say where and how a command may run.
type Flags uint32

// The flags of a command.
const (
	// AdminOnly commands run on the admin database only.
	AdminOnly Flags = 1 << iota
	// Read commands take a read concern of any level.
	Read
	// Write commands change data and take a write concern.
	Write
	// DDL commands change the catalog and take a write concern.
	DDL
	// WriteConcern commands take a write concern though they are neither.
	WriteConcern
	// TxnOK commands are allowed in a multi-document transaction.
	TxnOK
	// Retryable commands take a txnNumber outside of a transaction.
	Retryable
	// APIv1 commands belong to the stable API, version 1.
	APIv1
	// Legacy commands may come as an OP_QUERY.
	Legacy
	// EndsTxn commands end a transaction and may be repeated.
	EndsTxn
	// OwnMaxTime commands apply maxTimeMS themselves (Request.MaxTime).
	OwnMaxTime
	// Secret commands have arguments that no list and no message may show.
	Secret
	// Audited commands are written to the audit log, as DDL commands are.
	Audited
	// OthersSessions commands end sessions of other users, for who may.
	OthersSessions
	// Snapshot commands take read concern "snapshot" outside of a transaction.
	Snapshot
	// APIv2, DeprecatedInV1 and DeprecatedInV2 are for tests of API versions.
	APIv2
	DeprecatedInV1
	DeprecatedInV2
	// ForTests commands are there with the parameter enableTestCommands only.
	ForTests
)

// Spec is a row of the command table.
type Spec struct {
	Name    string
	Aliases []string
	// Args is made with idl.Command; its first field is the command's name.
	Args  *idl.Spec
	Flags Flags
	// Privilege is what a user needs to run the command; every row has one.
	Privilege Privilege
	Help      string
	Run       Handler
	// OpKind is currentOp's "op"; "" is "command".
	OpKind string
}

// Sequence is a document sequence of a message: an array argument that came
// outside of the command's body.
type Sequence = wire.Sequence

// Request is one command with its surroundings.
type Request struct {
	// DB is the database's name as the client wrote it: PROJECT[~BRANCH][@POINT].
	DB   string
	Name string // the command's name as in its Spec, whatever alias was used
	Spec *Spec
	Body bsonx.Doc
	// Sequences came beside Body; Docs reads an argument from either place.
	Sequences []Sequence
	Args      idl.Args
	Conn      *Conn
	// Session is the logical session; nil when the command named none. TxnNumber
	// is -1 without one; InTxn says that it belongs to a transaction.
	Session   *session.Session
	TxnNumber int64
	InTxn     bool
	StartTxn  bool
	// ReadConcern is the checked read concern.
	ReadConcern ReadConcern
	// MaxTime is maxTimeMS; 0 for no limit. The handler's context ends with it.
	MaxTime  time.Duration
	Op       *session.Op
	Services *Services
	// NoReply: the client waits for no reply (unacknowledged write).
	NoReply bool
	// ExhaustAllowed: the client takes a stream of replies; a handler that has
	// more to say sets More, and is called again with the same request.
	ExhaustAllowed bool
	More           bool

	// Legacy: the command came as an OP_QUERY; DB was set from its namespace.
	Legacy bool

	// FailTxn is set by a handler that replies with write errors: inside a
	// transaction these abort it, as an error does.
	FailTxn bool

	// CloseConn is set when the connection is to be closed without a reply.
	CloseConn bool

	dispatcher *Dispatcher
	needed     needs     // what the user has to be allowed
	coll       string    // the collection that needed is about
	labelled   bool      // the error has its labels already
	outcome    bsonx.Doc // of a retryable write, as keepOutcome got it
	locked     bool      // the session is held
	// snapshotTime is the moment that a read of level "snapshot" reads; 0: none.
	snapshotTime txn.Timestamp
}

// Conn is what a command may know and change of its connection. Only the
// connection's own goroutine uses it, but for Info's fields, which are replaced
// as a whole.
type Conn struct {
	Info *session.ConnInfo
	// UUID tells the connection from every other.
	UUID [16]byte
	// Auth is who the connection has authenticated as.
	Auth connAuth
	// Certificate is the client's verified one; nil without.
	Certificate func() *x509.Certificate
	// LocalAddr is the server's end of the connection.
	LocalAddr string
	// Gone reports whether the client has closed the connection, as far as can be
	// told without reading from it. May be nil.
	Gone func() bool
	// Local says that the client came through the loopback interface.
	Local bool
}

// Docs returns an argument that is an array of documents, from the body or
// from a document sequence. The slice is valid until the handler returns.
func (rq *Request) Docs(name string) []bsonx.Doc {
	for i := range rq.Sequences {
		if rq.Sequences[i].Name == name {
			return rq.Sequences[i].Docs
		}
	}
	return rq.Args.Docs(nil, name)
}

// Collection returns the collection that the command's first argument names.
// Errors: InvalidNamespace.
func (rq *Request) Collection() (string, error) {
	v := rq.Args.At(0)
	if v.Type != bsonx.String && v.Type != bsonx.Symbol {
		return "", errcode.New(errcode.InvalidNamespace, "collection name has invalid type %s", bsonx.TypeName(v.Type))
	}
	name := string(bsonx.Str(v))
	if err := CheckCollection(rq.DB, name); err != nil {
		return "", err
	}
	return name, nil
}

// NS returns the full namespace of a collection of the request's database.
func (rq *Request) NS(coll string) string { return rq.DB + "." + coll }
