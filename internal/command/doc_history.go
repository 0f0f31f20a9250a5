package command

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/session"
)

var docHistoryCommand = &Spec{
	Name: "docHistory",
	Args: idl.Command("docHistory",
		idl.Field{Name: "docHistory", Types: idl.String, Required: true},
		idl.Field{Name: "id", Types: idl.Any, Required: true},
		idl.Field{Name: "branch", Types: idl.String},
		idl.Field{Name: "since", Types: pointTypes},
		idl.Field{Name: "until", Types: pointTypes},
		cursorField,
	),
	Flags:     Read,
	Privilege: forUsers(docHistoryNeeds),
	Help:      "shows the versions of a document, newest first, with who made each and what changed",
	Run:       runDocHistory,
}

func runDocHistory(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	n, err := branch.ParseName(rq.DB)
	if err != nil {
		return err
	}
	if b := rq.Args.String("branch", ""); b != "" {
		n = branch.Name{Project: n.Project, Branch: b}
	}
	ref, err := rq.Services.Branches.ResolveName(ctx, n)
	if err == nil && !ref.Exists {
		err = errcode.New(errcode.NamespaceNotFound, "project '%s' does not exist; a first write to it creates it", ref.Project)
	}
	if err != nil {
		return err
	}
	o := merge.HistoryOptions{Collection: rq.branchName(), ID: bsonx.Clone(rq.Args.Get("id")), Changes: true}
	if o.Since, o.Until, err = rq.bounds(ctx, ref, "since", "until"); err != nil {
		return err
	}
	batch, err := rq.cursorBatch()
	if err != nil {
		return err
	}
	h, err := rq.Services.merges().DocHistory(ctx, ref, o)
	if err != nil {
		return err
	}
	return rq.FirstBatch(ctx, reply, session.NewCursor(rq.NS("$cmd.docHistory"), h), batch, false)
}

// docSource makes documents: a history or a difference.
type docSource interface {
	Next(ctx context.Context) (bsonx.Doc, error)
	Close() error
}

// docRows turns them into the rows of a pipeline.
type docRows struct{ docSource }

// Next implements exec.Iterator.
func (r docRows) Next(ctx context.Context) (exec.Row, error) {
	d, err := r.docSource.Next(ctx)
	return exec.Row{Doc: d}, err
}

// history opens $history: the versions of a collection's documents.
func (c *collections) history(ctx context.Context, ns stage.Namespace, spec bsonx.Doc) (exec.Iterator, error) {
	d, err := c.q.src.db(ctx, ns.DB)
	if err != nil {
		return nil, err
	}
	if !d.ref.Exists {
		return (&exec.Nothing{}).Open(nil, &exec.Stats{}), nil
	}
	sv := c.q.src.sv
	o := merge.HistoryOptions{Collection: ns.Coll, ID: bsonx.Clone(bsonx.Lookup(spec, "id")), Changes: true}
	for _, b := range []struct {
		name string
		lsn  *branch.LSN
	}{{"since", &o.Since}, {"until", &o.Until}} {
		v := bsonx.Lookup(spec, b.name)
		if bsonx.IsMissing(v) {
			continue
		}
		p, err := pointOf(b.name, v)
		if err != nil {
			return nil, err
		}
		if *b.lsn, err = sv.Branches.Bound(ctx, d.ref, p, b.name == "since"); err != nil {
			return nil, err
		}
	}
	h, err := sv.merges().DocHistory(ctx, d.ref, o)
	if err != nil {
		return nil, err
	}
	return docRows{h}, nil
}

// diff opens $diff: what differs in a collection.
func (c *collections) diff(ctx context.Context, ns stage.Namespace, spec bsonx.Doc) (exec.Iterator, error) {
	n, err := branch.ParseName(ns.DB)
	if err != nil {
		return nil, err
	}
	against, _ := bsonx.Lookup(spec, "against").StringValueOK()
	d := diffSpec{branch: n.Branch, against: against, to: n.Point}
	if from := bsonx.Lookup(spec, "from"); !bsonx.IsMissing(from) {
		d.hasFrom = true
		if d.from, err = pointOf("from", from); err != nil {
			return nil, err
		}
	}
	if to := bsonx.Lookup(spec, "to"); !bsonx.IsMissing(to) {
		if d.to, err = pointOf("to", to); err != nil {
			return nil, err
		}
	}
	sv := c.q.src.sv
	from, to, err := d.ends(ctx, sv.Branches, n.Project)
	if err != nil {
		return nil, err
	}
	diff, err := sv.merges().Diff(from, to, merge.DiffOptions{Collection: ns.Coll, NoDDL: true})
	if err != nil {
		return nil, err
	}
	return docRows{diff}, nil
}
