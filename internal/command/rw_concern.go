package command

import (
	"context"
	"slices"
	"sync"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// defaultConcerns are the concerns that commands without their own have. What
// they say does not change how a single server reads and writes: every write is
// durable before it is acknowledged. Safe for concurrent use.
type defaultConcerns struct {
	mu          sync.RWMutex
	read, write bsonx.Doc // nil: the implicit default
	updated     int64     // ms since the epoch; 0: never
}

var getDefaultRWConcernCommand = &Spec{
	Name: "getDefaultRWConcern",
	Args: idl.Command("getDefaultRWConcern", idl.Field{Name: "getDefaultRWConcern", Types: idl.Any},
		idl.Field{Name: "inMemory", Types: idl.Bool}),
	Flags: AdminOnly, Privilege: onCluster(auth.GetDefaultRWConcern), Help: "the concerns of commands without their own",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		rq.Services.concerns.append(b, rq.Services)
		return nil
	},
}

func (c *defaultConcerns) append(b *bsonx.Builder, s *Services) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	read, write, readFrom, writeFrom := c.read, c.write, "global", "global"
	if read == nil {
		read, readFrom = ddoc("level", str("local")), "implicit"
	}
	if write == nil {
		w := bsonx.NewDoc(nil)
		w.String("w", "majority")
		w.Int32("wtimeout", 0)
		write, writeFrom = w.Done(), "implicit"
	}
	b.Doc("defaultReadConcern", read)
	b.Doc("defaultWriteConcern", write)
	if c.updated != 0 {
		b.Date("updateWallClockTime", c.updated)
	}
	b.String("defaultWriteConcernSource", writeFrom)
	b.String("defaultReadConcernSource", readFrom)
	b.Date("localUpdateWallClockTime", s.Started.UnixMilli())
}

var setDefaultRWConcernCommand = &Spec{
	Name: "setDefaultRWConcern",
	Args: idl.Command("setDefaultRWConcern", idl.Field{Name: "setDefaultRWConcern", Types: idl.Any},
		idl.Field{Name: "defaultReadConcern", Types: idl.Object}, idl.Field{Name: "defaultWriteConcern", Types: idl.Object}),
	Flags: AdminOnly | WriteConcern | Audited, Privilege: onCluster(auth.SetDefaultRWConcern), Help: "sets the concerns of commands without their own", Run: runSetDefaultRWConcern,
}

func runSetDefaultRWConcern(_ context.Context, rq *Request, b *bsonx.Builder) error {
	read, write := rq.Args.Doc("defaultReadConcern"), rq.Args.Doc("defaultWriteConcern")
	if read == nil && write == nil {
		return errcode.New(errcode.BadValue, "At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must be present")
	}
	if read != nil {
		rc, err := parseReadConcern(read, &Request{Name: rq.Name, Spec: &Spec{Name: rq.Name, Flags: Read | Snapshot}})
		if err != nil {
			return err
		}
		if rc.Level == "snapshot" || rc.Level == "linearizable" || rc.AfterClusterTime.Type != 0 {
			return errcode.New(errcode.BadValue, "level: '%s' is not suitable for the default read concern", rc.Level)
		}
	}
	if write != nil {
		if unmet, err := parseWriteConcern(write); err != nil {
			return err
		} else if unmet != nil {
			return unmet
		}
		if w := bsonx.Lookup(write, "w"); bsonx.IsNumber(w) && idl.ToInt64(w) < 1 {
			return errcode.New(errcode.BadValue, "Unacknowledged write concern is not suitable for the default write concern")
		} else if w.Type == bsonx.Missing && !bsonx.IsEmpty(write) {
			return errcode.New(errcode.BadValue, "w must be present in the default write concern")
		} else if bsonx.IsEmpty(write) && rq.Services.concerns.hasWrite() {
			return errcode.New(errcode.IllegalOperation, "The global default write concern cannot be unset once it is set.")
		}
	}
	c := &rq.Services.concerns
	c.mu.Lock()
	if read != nil {
		c.read = orNil(read)
	}
	if write != nil {
		c.write = orNil(write)
	}
	c.updated = rq.Services.Clock.Now().UnixMilli()
	c.mu.Unlock()
	c.append(b, rq.Services)
	return nil
}

func (c *defaultConcerns) hasWrite() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.write != nil
}

// orNil copies d; an empty document unsets.
func orNil(d bsonx.Doc) bsonx.Doc {
	if bsonx.IsEmpty(d) {
		return nil
	}
	return slices.Clone(d)
}
