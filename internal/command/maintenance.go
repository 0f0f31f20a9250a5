package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// The commands of this file keep a fleet of mongod processes in order. Argon has
// nothing for most of them to do: it checks what they were given and agrees.

// nothingToDo is a handler for what Argon does by itself, or not at all.
func nothingToDo(context.Context, *Request, *bsonx.Builder) error { return nil }

var autoCompactCommand = &Spec{
	Name: "autoCompact",
	Args: idl.Command("autoCompact", idl.Field{Name: "autoCompact", Types: idl.SafeBool, Required: true},
		idl.Field{Name: "freeSpaceTargetMB", Types: idl.Number, Min: 1, Max: idl.NoMax}, idl.Field{Name: "runOnce", Types: idl.SafeBool}),
	Flags: AdminOnly, Privilege: onCluster(auth.Compact), Help: "nothing: compaction always runs in the background", Run: nothingToDo,
}

var dropConnectionsCommand = &Spec{
	Name: "dropConnections",
	Args: idl.Command("dropConnections", idl.Field{Name: "dropConnections", Types: idl.Any},
		idl.Field{Name: "hostAndPort", Types: idl.Array, Required: true, Elems: idl.String}),
	Flags: AdminOnly, Privilege: onCluster(auth.DropConnections), Help: "nothing: there are no connections to other servers", Run: nothingToDo,
}

var flushRouterConfigCommand = &Spec{
	Name: "flushRouterConfig", Args: nameOnly("flushRouterConfig").Lenient(), Flags: AdminOnly,
	Privilege: onCluster(auth.FlushRouterConfig), Help: "nothing: no routing table is cached",
	Run: func(_ context.Context, _ *Request, b *bsonx.Builder) error {
		b.Bool("flushed", true)
		return nil
	},
}

var rotateCertificatesCommand = &Spec{
	Name:  "rotateCertificates",
	Args:  idl.Command("rotateCertificates", idl.Field{Name: "rotateCertificates", Types: idl.Any}, idl.Field{Name: "message", Types: idl.String}),
	Flags: AdminOnly, Privilege: onCluster(auth.RotateCertificates), Help: "nothing: certificates are read when a connection is made", Run: nothingToDo,
}

var connPoolSyncCommand = &Spec{
	Name: "connPoolSync", Args: nameOnly("connPoolSync").Lenient(), Privilege: onCluster(auth.ConnPoolSync),
	Help: "nothing: there are no connections to other servers", Run: nothingToDo,
}

var shutdownCommand = &Spec{
	Name: "shutdown",
	Args: idl.Command("shutdown", idl.Field{Name: "shutdown", Types: idl.Any}, idl.Field{Name: "force", Types: idl.SafeBool},
		idl.Field{Name: "timeoutSecs", Types: idl.Number}),
	Flags: AdminOnly, Privilege: onCluster(auth.Shutdown), Help: "ends the server in order: running commands are answered first", Run: runShutdown,
}

// runShutdown asks the server to end. Without access control only the machine
// itself may, as in MongoDB.
func runShutdown(_ context.Context, rq *Request, _ *bsonx.Builder) error {
	s := rq.Services
	if !s.AuthRequired && !rq.Conn.Local {
		return errcode.New(errcode.Unauthorized, "shutdown must run from localhost when running without access control; end the process, or serve with --auth")
	}
	if s.Shutdown == nil {
		return errcode.New(errcode.CommandNotSupported, "this server is part of another program, which ends it")
	}
	s.Shutdown("the shutdown command from " + rq.Conn.Info.Remote)
	rq.CloseConn = true
	return nil
}

var setUserWriteBlockModeCommand = &Spec{
	Name: "setUserWriteBlockMode",
	Args: idl.Command("setUserWriteBlockMode", idl.Field{Name: "setUserWriteBlockMode", Types: idl.Any},
		idl.Field{Name: "global", Types: idl.Bool, Required: true}, idl.Field{Name: "reason", Types: idl.String}),
	Flags: AdminOnly | WriteConcern, Privilege: onCluster(auth.SetUserWriteBlockMode), Help: "refuses writes of users who may not bypass it, until the server stops",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		rq.Services.writesBlocked.Store(rq.Args.Bool("global", false))
		return nil
	},
}

// unblocked refuses a write while setUserWriteBlockMode is on. Who may bypass it
// writes on: without access control that is everyone.
func (rq *Request) unblocked() error {
	if !rq.Services.writesBlocked.Load() || rq.may(auth.ClusterTarget(), auth.BypassWriteBlockingMode) {
		return nil
	}
	return errcode.New(errcode.UserWritesBlocked, "User writes blocked")
}

// The version that clients are told of, and the one that a downgrade may name.
const (
	compatLatest = "8.2"
	compatLTS    = "8.0"
)

var setFeatureCompatibilityVersionCommand = &Spec{
	Name: "setFeatureCompatibilityVersion",
	Args: idl.Command("setFeatureCompatibilityVersion", idl.Field{Name: "setFeatureCompatibilityVersion", Types: idl.String, Required: true},
		idl.Field{Name: "confirm", Types: idl.SafeBool}, idl.Field{Name: "phase", Types: idl.String}, idl.Field{Name: "timestamp", Types: idl.Timestamp},
		idl.Field{Name: "fromConfigServer", Types: idl.SafeBool}, idl.Field{Name: "changeTimestamp", Types: idl.Timestamp}),
	Flags: AdminOnly | WriteConcern, Privilege: onCluster(auth.SetFeatureCompatibilityVersion), Help: "accepts the version of MongoDB that Argon stands for",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		v := rq.Args.String("setFeatureCompatibilityVersion", "")
		if v != compatLatest && v != compatLTS {
			return errcode.New(4926900, "Invalid feature compatibility version value '%s'; expected '%s' or '%s'", v, compatLTS, compatLatest)
		}
		if !rq.Args.Bool("confirm", false) {
			return errcode.New(7369100, "Changing the feature compatibility version cannot be undone without support: run the command again with 'confirm: true' to acknowledge this")
		}
		if v != compatLatest {
			return errcode.New(errcode.IllegalOperation, "the feature compatibility version is always '%s'", compatLatest)
		}
		return nil
	},
}

var setIndexCommitQuorumCommand = &Spec{
	Name: "setIndexCommitQuorum",
	Args: idl.Command("setIndexCommitQuorum", idl.Field{Name: "setIndexCommitQuorum", Types: idl.Any, Required: true},
		idl.Field{Name: "indexNames", Types: idl.Array, Required: true, Elems: idl.String},
		idl.Field{Name: "commitQuorum", Types: idl.String | idl.Number | idl.Object, Required: true}),
	Flags: WriteConcern, Privilege: onCollection(auth.CreateIndex), Help: "finds no index build: they need no quorum",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		name, err := rq.Collection()
		if err != nil {
			return err
		}
		s, err := rq.openSource(ctx)
		if err != nil {
			return err
		}
		defer s.close()
		t, err := s.target(ctx, rq.DB, name)
		switch {
		case err != nil:
			return err
		case t.entry == nil:
			return errcode.New(errcode.NamespaceNotFound, "Collection '%s' was not found.", t.ns())
		}
		return errcode.New(errcode.IndexNotFound, "Cannot find an index build on collection '%s' with the provided index names", t.ns())
	},
}
