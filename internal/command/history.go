package command

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
)

var historyInfoCommand = &Spec{
	Name:      "historyInfo",
	Args:      idl.Command("historyInfo", idl.Field{Name: "historyInfo", Types: idl.String, Required: true}),
	Flags:     Read,
	Privilege: onBranch(auth.ReadHistory),
	Help:      "shows the range of points that a branch can be read at",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		ref, err := rq.branchRef(ctx, rq.branchName())
		if err != nil {
			return err
		}
		h, err := rq.Services.Branches.HistoryInfo(ctx, ref)
		if err != nil {
			return err
		}
		reply.Int64("earliestLsn", int64(h.EarliestLSN))
		optionalTime(reply, "earliestTime", h.EarliestTime)
		reply.Int64("latestLsn", int64(h.LatestLSN))
		optionalTime(reply, "latestTime", h.LatestTime)
		reply.Int64("commits", h.Commits)
		appendRetention(reply, h.Retention)
		return nil
	},
}

var branchLogCommand = &Spec{
	Name: "branchLog",
	Args: idl.Command("branchLog",
		idl.Field{Name: "branchLog", Types: idl.String, Required: true},
		idl.Field{Name: "since", Types: pointTypes},
		idl.Field{Name: "until", Types: pointTypes},
		idl.Field{Name: "collection", Types: idl.String},
		idl.Field{Name: "actor", Types: idl.String},
		idl.Field{Name: "client", Types: idl.String},
		idl.Field{Name: "session", Types: idl.Binary, Check: checkUUID},
		idl.Field{Name: "withComment", Types: idl.Any},
		idl.Field{Name: "docId", Types: idl.Any},
		idl.Field{Name: "reverse", Types: idl.Bool},
		idl.Field{Name: "limit", Types: idl.Number, Min: 0, Max: idl.NoMax},
		cursorField,
	),
	Flags:     Read,
	Privilege: onBranch(auth.ReadHistory),
	Help:      "shows the commits of a branch, newest first, or oldest first with reverse",
	Run:       runBranchLog,
}

func runBranchLog(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	ref, err := rq.branchRef(ctx, rq.branchName())
	if err != nil {
		return err
	}
	o := branch.LogOptions{
		Collection: rq.Args.String("collection", ""), Actor: rq.Args.String("actor", ""),
		Client: rq.Args.String("client", ""), Comment: bsonx.Clone(rq.Args.Get("withComment")),
		DocID: bsonx.Clone(rq.Args.Get("docId")), Limit: rq.Args.Int64("limit", 0),
		Reverse: rq.Args.Bool("reverse", false), MaxOps: maxLogOps,
	}
	if v := rq.Args.Get("session"); v.Type == bsonx.Binary {
		_, id := bsonx.Bin(v)
		o.Session = append([]byte(nil), id...)
	}
	if o.Since, err = rq.point("since"); err != nil {
		return err
	}
	if o.Until, err = rq.point("until"); err != nil {
		return err
	}
	batch, err := rq.cursorBatch()
	if err != nil {
		return err
	}
	l, err := rq.Services.Branches.Log(ctx, ref, o)
	if err != nil {
		return err
	}
	return rq.FirstBatch(ctx, reply, session.NewCursor(rq.NS("$cmd.branchLog"), &logRows{l}), batch, false)
}

// maxLogOps bounds the operations of one commit that branchLog lists, so that its
// document stays small; "moreOps" counts the others.
const maxLogOps = 10_000

// logRows turns commits into documents.
type logRows struct{ l *branch.LogReader }

// Next implements session.Iterator.
func (r *logRows) Next(ctx context.Context) (bsonx.Doc, error) {
	e, ok, err := r.l.Next(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, io.EOF
	}
	b := bsonx.NewDoc(nil)
	appendStamp(b, e.Stamp)
	merge.AppendActor(b, e.Actor)
	if e.Session != nil {
		b.Binary("session", 4, e.Session)
	}
	b.Value("comment", e.Comment)
	b.Bool("txn", e.Txn)
	list := b.OpenArray("ops")
	for i, op := range e.Ops {
		at := b.OpenDoc(bsonx.Index(i))
		b.String("ns", op.NS)
		b.String("op", op.Op)
		b.Value("_id", op.ID)
		if op.Detail != nil {
			b.Doc("detail", op.Detail)
		}
		b.Close(at)
	}
	b.Close(list)
	if e.MoreOps > 0 {
		b.Int64("moreOps", int64(e.MoreOps))
	}
	return b.Done(), nil
}

// Close implements session.Iterator.
func (r *logRows) Close() error { return r.l.Close() }

func appendStamp(b *bsonx.Builder, s txn.Stamp) {
	b.Int64("lsn", int64(s.LSN))
	b.Date("time", s.Time)
}
