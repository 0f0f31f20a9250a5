package command

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

// userDigest is the uid of a session id: MongoDB's SHA-256 of "user@db".
func userDigest(user string) []byte {
	d := sha256.Sum256([]byte(user))
	return d[:]
}

// fsyncLock holds writes back between fsync {lock: true} and fsyncUnlock. Safe
// for concurrent use; the zero value is unlocked.
type fsyncLock struct {
	mu    sync.Mutex
	count int64
	open  chan struct{} // closed by the last unlock; nil when unlocked
}

// wait returns when writes are allowed, or with ctx's error.
func (l *fsyncLock) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		if open == nil {
			return nil
		}
		select {
		case <-open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *fsyncLock) lock() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; l.count == 1 {
		l.open = make(chan struct{})
	}
	return l.count
}

func (l *fsyncLock) unlock() (left int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return 0, false
	}
	if l.count--; l.count == 0 {
		close(l.open)
		l.open = nil
	}
	return l.count, true
}

var fsyncCommand = &Spec{
	Name: "fsync",
	Args: idl.Command("fsync", idl.Field{Name: "fsync", Types: idl.Any}, idl.Field{Name: "lock", Types: idl.SafeBool},
		idl.Field{Name: "async", Types: idl.SafeBool}, idl.Field{Name: "fsyncLockAcquisitionTimeoutMillis", Types: idl.Number}),
	Flags: AdminOnly, Privilege: onCluster(auth.Fsync), Help: "makes data durable, which it always is, and may hold writes back", Run: runFsync,
}

func runFsync(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	if !rq.Args.Bool("lock", false) {
		b.Int32("numFiles", 1)
		return nil
	}
	l := &rq.Services.fsyncLock
	n := l.lock()
	if err := rq.awaitWrites(ctx); err != nil {
		l.unlock()
		return err
	}
	b.String("info", "now locked against writes, use db.fsyncUnlock() to unlock")
	b.Int64("lockCount", n)
	b.String("seeAlso", "http://dochub.mongodb.org/core/fsynccommand")
	return nil
}

// awaitWrites waits until the writes that run already have ended.
func (rq *Request) awaitWrites(ctx context.Context) error {
	const pause = 2 * time.Millisecond
	for {
		writes := 0
		rq.Services.Ops.List(func(op *session.Op) {
			if s := rq.dispatcher.byName[op.Command]; s != nil && s.Flags&(Write|DDL) != 0 && op.Started.Before(rq.Op.Started) {
				writes++
			}
		})
		if writes == 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var fsyncUnlockCommand = &Spec{
	Name: "fsyncUnlock", Args: nameOnly("fsyncUnlock"), Flags: AdminOnly, Privilege: onCluster(auth.Unlock), Help: "lets writes go on after fsync with lock",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		left, ok := rq.Services.fsyncLock.unlock()
		if !ok {
			return errcode.New(errcode.IllegalOperation, "fsyncUnlock called when not locked")
		}
		b.String("info", "fsyncUnlock completed")
		b.Int64("lockCount", left)
		return nil
	},
}

var logRotateCommand = &Spec{
	Name: "logRotate", Args: idl.Command("logRotate", idl.Field{Name: "logRotate", Types: idl.Any}, idl.Field{Name: "comment", Types: idl.Any}),
	Flags: AdminOnly, Privilege: onCluster(auth.LogRotate), Help: "nothing: the log goes to standard error",
	Run: func(context.Context, *Request, *bsonx.Builder) error { return nil },
}

var topCommand = &Spec{
	Name: "top", Args: nameOnly("top"), Flags: AdminOnly, Privilege: onCluster(auth.Top), Help: "time spent by collection",
	Run: func(_ context.Context, _ *Request, b *bsonx.Builder) error {
		at := b.OpenDoc("totals")
		b.String("note", "all times in microseconds")
		b.Close(at)
		return nil
	},
}

var lockInfoCommand = &Spec{
	Name: "lockInfo", Args: idl.Command("lockInfo", idl.Field{Name: "lockInfo", Types: idl.Any}, idl.Field{Name: "includeStorageEngineDump", Types: idl.Bool}),
	Flags: AdminOnly, Privilege: onCluster(auth.ServerStatus), Help: "locks that are held",
	Run: func(_ context.Context, _ *Request, b *bsonx.Builder) error {
		b.Close(b.OpenArray("lockInfo"))
		return nil
	},
}

var connPoolStatsCommand = &Spec{
	Name: "connPoolStats", Args: nameOnly("connPoolStats"), Privilege: onCluster(auth.ConnPoolStats), Help: "connections to other servers",
	Run: func(_ context.Context, _ *Request, b *bsonx.Builder) error {
		for _, n := range []string{"numClientConnections", "numAScopedConnections", "totalInUse", "totalAvailable", "totalLeased", "totalCreated", "totalRefreshing"} {
			b.Int32(n, 0)
		}
		b.Close(b.OpenDoc("pools"))
		b.Close(b.OpenDoc("hosts"))
		b.Close(b.OpenDoc("replicaSets"))
		return nil
	},
}

// noReplication is the answer to the commands of a replica set.
func noReplication(name string) *Spec {
	return &Spec{
		Name: name, Args: nameOnly(name).Lenient(), Flags: AdminOnly, Privilege: onCluster(auth.ReplSetGetStatus), Help: "of replica sets only",
		Run: func(context.Context, *Request, *bsonx.Builder) error {
			return errcode.New(errcode.NoReplicationEnabled, "not running with --replSet")
		},
	}
}
