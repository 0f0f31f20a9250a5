package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/change"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/session"
)

// watch runs an aggregate that begins with $changeStream.
func (rq *Request) watch(ctx context.Context, b *bsonx.Builder, a *aggregateArgs, batch int) error {
	c, err := rq.openChangeStream(ctx, a)
	if err == nil {
		err = rq.FirstBatch(ctx, b, c, batch, false)
	}
	return labelled(c, err)
}

// openChangeStream parses the pipeline and opens the stream. The cursor keeps
// nothing open between commands.
func (rq *Request) openChangeStream(ctx context.Context, a *aggregateArgs) (*session.Cursor, error) {
	src, err := rq.openSource(ctx)
	if err != nil {
		return nil, err
	}
	defer src.close()
	q, err := src.newQuery(ctx, nil, a.collation, a.let)
	if err != nil {
		return nil, err
	}
	p, err := stage.Parse(a.pipeline, q.parse(a.ns))
	if err != nil {
		return nil, err
	}
	arg, _ := p.ChangeStream()
	spec, err := change.ParseSpec(arg)
	if err != nil {
		return nil, err
	}
	st, err := rq.Services.Changes.Open(ctx, a.ns.DB, a.ns.Coll, spec, p.SplitsLargeEvents())
	if err != nil {
		return nil, err
	}
	oc := q.open(a.ns)
	oc.Collections = nil // no stage of a change stream reads other namespaces
	eq := *oc.Query
	eq.Interrupt = nil // of this command; the stream looks at each command's own context
	oc.Query = &eq
	it, err := p.From(1).Open(oc, st)
	if err != nil {
		return nil, err
	}
	cc := change.NewCursor(st, it, p.SplitsLargeEvents())
	c := session.NewCursor(a.ns.String(), cc)
	c.Tailable, c.AwaitData, c.PostBatchToken = true, true, cc.PostBatchToken
	return c, nil
}

// ofChangeStream reports whether the command opens or reads a change stream.
func (rq *Request) ofChangeStream() bool {
	switch rq.Name {
	case "getMore":
		return rq.Services.Cursors.Is(idl.ToInt64(rq.Args.Find("getMore")), func(c *session.Cursor) bool { return c.PostBatchToken != nil })
	case "aggregate":
		list := rq.Args.Find("pipeline")
		if list.Type != bsonx.Array {
			return false // also when the command was refused before its arguments were read
		}
		first := bsonx.LookupIndex(list.Data, 0)
		return first.Type == bsonx.Object && bsonx.Lookup(first.Data, "$changeStream").Type != bsonx.Missing
	}
	return false
}

// labelled adds to an error of a change stream's cursor what drivers go by:
// whether resuming the stream can help ("Resumable Error" in the drivers'
// specification of change streams). c may be nil.
func labelled(c *session.Cursor, err error) error {
	if err == nil || c != nil && c.PostBatchToken == nil {
		return err
	}
	e := errcode.As(err)
	switch e.Code {
	case errcode.ChangeStreamFatalError, errcode.ChangeStreamHistoryLost, errcode.BSONObjectTooLarge:
		return e.WithLabels(errcode.LabelNonResumable)
	case errcode.HostUnreachable, errcode.HostNotFound, errcode.NetworkTimeout, errcode.ShutdownInProgress,
		errcode.PrimarySteppedDown, errcode.ExceededTimeLimit, errcode.SocketException, errcode.NotWritablePrimary,
		errcode.InterruptedAtShutdown, errcode.InterruptedDueToReplStateChange, errcode.NotPrimaryNoSecondaryOk,
		errcode.NotPrimaryOrSecondary, errcode.RetryChangeStream, errcode.FailedToSatisfyReadPreference,
		errcode.StaleShardVersion, errcode.StaleEpoch, errcode.StaleConfig:
		return e.WithLabels(errcode.LabelResumableChangeStream)
	}
	return err
}
