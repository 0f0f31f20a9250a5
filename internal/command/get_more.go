package command

import (
	"context"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
)

var getMoreCommand = &Spec{
	Name: "getMore",
	Args: idl.Command("getMore",
		idl.Field{Name: "getMore", Types: idl.Int64, Required: true},
		idl.Field{Name: "collection", Types: idl.String, Required: true},
		idl.Field{Name: "batchSize", Types: idl.Number},
		idl.Field{Name: "term", Types: idl.Int64},
		idl.Field{Name: "lastKnownCommittedOpTime", Types: idl.Object},
		idl.Field{Name: "includeQueryStatsMetrics", Types: idl.Bool}),
	Flags:     Read | Snapshot | TxnOK | APIv1 | OwnMaxTime,
	Privilege: forUsers(),
	Help:      "the next documents of a cursor",
	OpKind:    "getmore",
	Run:       runGetMore,
}

func runGetMore(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	limit := -1
	if v := rq.Args.Get("batchSize"); v.Type != bsonx.Missing {
		n := idl.ToInt64(v)
		if n < 0 || n == 0 && isNegative(v) {
			return errcode.New(errcode.BadValue, "Batch size for getMore must be non-negative, but received: %d", n)
		}
		if n > 0 { // 0 is no limit
			limit = int(min(n, 1<<31-1))
		}
	}
	id := idl.ToInt64(rq.Args.At(0))
	ns := rq.NS(rq.Args.String("collection", ""))
	c, err := rq.Services.Cursors.Take(id, ns, rq.Op)
	if err != nil {
		return err
	}
	if err := rq.mayUse(c); err != nil {
		rq.Services.Cursors.Put(c, false)
		return err
	}
	done, ok := false, false
	defer func() { rq.Services.Cursors.Put(c, done || !ok) }() // a failed cursor is over, whatever failed
	at := b.OpenDoc("cursor")
	arr := b.OpenArray("nextBatch")
	n, done, err := rq.nextBatch(ctx, c, b, limit)
	if err != nil {
		return labelled(c, err)
	}
	b.Close(arr)
	appendSnapshotTime(b, txn.Timestamp(c.AtClusterTime))
	c.AppendPostBatchToken(b)
	if done {
		id = 0
	}
	b.Int64("id", id)
	b.String("ns", c.NS)
	b.Close(at)
	ok = true
	rq.More = rq.ExhaustAllowed && !done && (n > 0 || c.AwaitData)
	return nil
}

// awaitDefault is how long a getMore on an awaitData cursor waits when the
// client does not say.
const awaitDefault = time.Second

// nextBatch reads a batch; on an awaitData cursor without documents it waits for
// one until maxTimeMS, which then is no deadline.
func (rq *Request) nextBatch(ctx context.Context, c *session.Cursor, b *bsonx.Builder, limit int) (n int, done bool, err error) {
	if !c.AwaitData {
		if rq.MaxTime > 0 {
			return 0, false, errcode.New(errcode.BadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
		}
		return c.Batch(ctx, b, limit)
	}
	wait := rq.MaxTime
	if wait == 0 {
		wait = awaitDefault
	}
	var patience context.Context
	for {
		if n, done, err = c.Batch(ctx, b, limit); n > 0 || done || err != nil {
			return n, done, err
		}
		if patience == nil {
			var end func()
			patience, end = rq.patience(wait)
			defer end()
		}
		if c.Wait(patience) != nil {
			return 0, false, rq.notAwaited(ctx)
		}
	}
}

// isNegative reports whether a number that truncates to 0 is below it.
func isNegative(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		return bsonx.F64(v) < 0
	case bsonx.Decimal128:
		h, _ := bsonx.DecimalBits(v)
		return h>>63 != 0 && !bsonx.DecimalIsZero(v) && !bsonx.DecimalIsNaN(v)
	}
	return false
}

// mayUse checks that a cursor is used from the session, the transaction and the
// user that it was opened by.
func (rq *Request) mayUse(c *session.Cursor) error {
	var lsid session.SessionID
	if rq.Session != nil {
		lsid = rq.Session.ID
	}
	txn := int64(-1)
	if rq.InTxn {
		txn = rq.TxnNumber
	}
	needs, _ := c.Needs.([]need)
	switch {
	case c.User != rq.Conn.Info.User:
		return errcode.New(errcode.Unauthorized, "cursor id %d was not created by the authenticated user", c.ID)
	case !rq.holdsAll(needs): // the user may have lost what it had
		return rq.unauthorized()
	case c.LSID.IsZero() && !lsid.IsZero() && rq.InTxn:
		return errcode.New(50800, "Cannot run getMore on cursor %d, which was not created in a session, in session %x", c.ID, lsid.UUID)
	case !c.LSID.IsZero() && c.LSID != lsid:
		return errcode.New(50738, "Cannot run getMore on cursor %d, which was created in session %x, in session %x", c.ID, c.LSID.UUID, lsid.UUID)
	case c.Txn >= 0 && c.Txn != txn:
		return errcode.New(50739, "Cannot run getMore on cursor %d, which was created in transaction %d, outside of it", c.ID, c.Txn)
	case c.Txn < 0 && txn >= 0:
		return errcode.New(50741, "Cannot run getMore on cursor %d, which was not created in a transaction, in transaction %d", c.ID, txn)
	}
	return nil
}

var killCursorsCommand = &Spec{
	Name: "killCursors",
	Args: idl.Command("killCursors",
		idl.Field{Name: "killCursors", Types: idl.String, Required: true},
		idl.Field{Name: "cursors", Types: idl.Array, Elems: idl.Int64, Required: true}),
	Flags:     TxnOK | APIv1,
	Privilege: forUsers(),
	Help:      "closes cursors",
	Run:       runKillCursors,
}

func runKillCursors(_ context.Context, rq *Request, b *bsonx.Builder) error {
	coll, err := rq.Collection()
	if err != nil {
		return err
	}
	ns := rq.NS(coll)
	ids := rq.Args.Array("cursors")
	if bsonx.IsEmpty(ids) {
		return errcode.New(errcode.BadValue, "Must specify at least one cursor id in: killCursors")
	}
	any := rq.may(auth.CollectionTarget(rq.DB, coll), auth.KillAnyCursor) || rq.may(auth.ClusterTarget(), auth.KillAnyCursor)
	owns := func(c *session.Cursor) bool { return any || c.User == rq.Conn.Info.User }
	for it := bsonx.NewIter(ids); it.Next(); {
		if rq.Services.Cursors.Is(bsonx.I64(it.Value()), func(c *session.Cursor) bool { return c.NS == ns && !owns(c) }) {
			return rq.unauthorized()
		}
	}
	var killed, missing []bsonx.Value
	for it := bsonx.NewIter(ids); it.Next(); {
		v := it.Value()
		if rq.Services.Cursors.Kill(bsonx.I64(v), func(c *session.Cursor) bool { return c.NS == ns && owns(c) }) {
			killed = append(killed, v)
		} else {
			missing = append(missing, v)
		}
	}
	for _, list := range []struct {
		name string
		ids  []bsonx.Value
	}{{"cursorsKilled", killed}, {"cursorsNotFound", missing}, {"cursorsAlive", nil}, {"cursorsUnknown", nil}} {
		at := b.OpenArray(list.name)
		for i, v := range list.ids {
			b.Value(bsonx.Index(i), v)
		}
		b.Close(at)
	}
	return nil
}
