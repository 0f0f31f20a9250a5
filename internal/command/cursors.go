package command

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/session"
)

// FirstBatch replies with a cursor: up to batchSize documents of c at once
// (batchSize < 0: MongoDB's 101), and c registered under an id when it has more
// and single is false. It takes c over: on an error, or when nothing is left,
// c is closed.
func (rq *Request) FirstBatch(ctx context.Context, reply *bsonx.Builder, c *session.Cursor, batchSize int, single bool) error {
	if batchSize < 0 {
		batchSize = session.DefaultFirstBatch
	}
	rq.own(c)
	at := reply.OpenDoc("cursor")
	arr := reply.OpenArray("firstBatch")
	_, done, err := c.Batch(ctx, reply, batchSize)
	if err != nil {
		_ = c.Close()
		return err
	}
	reply.Close(arr)
	if c.AtClusterTime = int64(rq.snapshotTime); c.AtClusterTime != 0 {
		appendSnapshotTime(reply, rq.snapshotTime)
	}
	c.AppendPostBatchToken(reply)
	var id int64
	if done || single {
		_ = c.Close()
	} else {
		id = rq.keep(c)
		if rq.InTxn {
			if h, ok := rq.Session.Txn.Handle.(*txnHandle); ok {
				h.cursors++
			}
		}
	}
	reply.Int64("id", id)
	reply.String("ns", c.NS)
	reply.Close(at)
	return nil
}

// keep registers a cursor, with what its batches need the user to be allowed.
func (rq *Request) keep(c *session.Cursor) int64 {
	if len(rq.needed.list) > 0 {
		c.Needs = slices.Clone(rq.needed.list)
	}
	return rq.Services.Cursors.Add(c)
}

// own makes the request's session and user the cursor's.
func (rq *Request) own(c *session.Cursor) {
	if rq.Session != nil {
		c.LSID = rq.Session.ID
	}
	if rq.InTxn {
		c.Txn = rq.TxnNumber
	}
	c.User = rq.Conn.Info.User
	if c.Command == nil {
		c.Command = append(bsonx.Doc(nil), rq.Body...)
	}
}
