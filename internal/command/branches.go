package command

import (
	"context"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/mask"
)

var createBranchCommand = &Spec{
	Name: "createBranch",
	Args: idl.Command("createBranch",
		idl.Field{Name: "createBranch", Types: idl.String, Required: true},
		idl.Field{Name: "from", Types: idl.String},
		idl.Field{Name: "at", Types: pointTypes},
		idl.Field{Name: "ttlSeconds", Types: idl.Number},
		idl.Field{Name: "protected", Types: idl.Bool},
		idl.Field{Name: "note", Types: idl.String},
		idl.Field{Name: "ifNotExists", Types: idl.Bool},
		idl.Field{Name: "schemaOnly", Types: idl.Bool},
		idl.Field{Name: "mask", Types: idl.Object},
		idl.Field{Name: "maskSecret", Types: idl.String},
	),
	Flags:     WriteConcern | Audited | Secret,
	Privilege: onBranch(auth.CreateBranch).and(createBranchNeeds),
	Help:      "makes a branch of the project: instant, nothing is copied",
	Run:       runCreateBranch,
}

func runCreateBranch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	o := branch.CreateOptions{
		From: rq.Args.String("from", ""), Protected: rq.Args.Bool("protected", false),
		Note: rq.Args.String("note", ""), IfNotExists: rq.Args.Bool("ifNotExists", false),
	}
	if o.At, err = rq.point("at"); err != nil {
		return err
	}
	if v := rq.Args.Get("ttlSeconds"); !bsonx.IsMissing(v) {
		if o.TTL, err = ttl(v); err != nil {
			return err
		}
	}
	create := rq.Services.Branches.CreateBranch
	if schema := rq.Args.Bool("schemaOnly", false); schema || rq.Args.Has("mask") {
		if create, err = rq.copier(project, schema, &o); err != nil {
			return err
		}
	}
	info, err := create(ctx, project, rq.branchName(), o)
	return rq.replyBranch(reply, "branch", info, err)
}

// copier returns what makes a branch without its parent's documents, or with
// masked ones.
func (rq *Request) copier(project string, schema bool, o *branch.CreateOptions) (func(context.Context, string, string, branch.CreateOptions) (branch.Info, error), error) {
	if schema && rq.Args.Has("mask") {
		return nil, errcode.New(errcode.InvalidOptions, "'schemaOnly' makes a branch without documents: there is nothing to mask")
	}
	if have, err := rq.Services.Branches.GetBranch(context.Background(), project, rq.branchName()); err == nil && o.IfNotExists {
		want := branch.CopyMasked
		if schema {
			want = branch.CopySchema
		}
		if have.Copy != want {
			return nil, errcode.New(errcode.NamespaceExists, "branch '%s' of project '%s' already exists, and was not made %s", have.Name, project, want)
		}
		return func(context.Context, string, string, branch.CreateOptions) (branch.Info, error) { return have, nil }, nil
	}
	var rules *mask.Rules
	if !schema {
		var err error
		if rules, err = mask.Compile(rq.Args.Doc("mask"), rq.Args.String("maskSecret", "")); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, project, name string, o branch.CreateOptions) (branch.Info, error) {
		return rq.Services.merges().Copy(ctx, project, name, rules, o, rq.commitInfo())
	}, nil
}

func (rq *Request) replyBranch(reply *bsonx.Builder, key string, info branch.Info, err error) error {
	if err != nil {
		return err
	}
	at := reply.OpenDoc(key)
	rq.appendBranch(reply, &info)
	reply.Close(at)
	return nil
}

var listBranchesCommand = &Spec{
	Name: "listBranches",
	Args: idl.Command("listBranches",
		idl.Field{Name: "listBranches", Types: idl.Any, Required: true},
		idl.Field{Name: "filter", Types: idl.Object},
		cursorField,
	),
	Flags:     Read,
	Privilege: forUsers(listBranchesNeeds),
	Help:      "lists the project's branches",
	Run:       runListBranches,
}

func runListBranches(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	infos, err := rq.Services.Branches.ListBranches(ctx, project)
	if err != nil {
		return err
	}
	docs := make([]bsonx.Doc, 0, len(infos))
	for i := range infos {
		if !rq.may(auth.BranchTarget(rq.DB, infos[i].Name), auth.ListBranches) {
			continue
		}
		b := bsonx.NewDoc(nil)
		rq.appendBranch(b, &infos[i])
		b.Int32("depth", int32(infos[i].Depth))
		b.Int64("ownChanges", infos[i].OwnChanges)
		b.Int64("ownBytes", infos[i].OwnBytes)
		docs = append(docs, b.Done())
	}
	return rq.listed(ctx, reply, "$cmd.listBranches", docs)
}

var renameBranchCommand = &Spec{
	Name: "renameBranch",
	Args: idl.Command("renameBranch",
		idl.Field{Name: "renameBranch", Types: idl.String, Required: true},
		idl.Field{Name: "to", Types: idl.String, Required: true},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.UpdateBranch).and(renameBranchNeeds),
	Help:      "renames a branch",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		info, err := rq.Services.Branches.RenameBranch(ctx, project, rq.branchName(), rq.Args.String("to", ""))
		if err == nil && info.Name != rq.branchName() {
			err = rq.Services.dropSandboxUsers(ctx, project, rq.branchName())
		}
		return rq.replyBranch(reply, "branch", info, err)
	},
}

var updateBranchCommand = &Spec{
	Name: "updateBranch",
	Args: idl.Command("updateBranch",
		idl.Field{Name: "updateBranch", Types: idl.String, Required: true},
		idl.Field{Name: "protected", Types: idl.Bool},
		idl.Field{Name: "ttlSeconds", Types: idl.Number | idl.Null},
		idl.Field{Name: "default", Types: idl.Bool},
		idl.Field{Name: "note", Types: idl.String},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.UpdateBranch).and(updateBranchNeeds),
	Help:      "changes a branch's protection, lifetime or note, or makes it the default",
	Run:       runUpdateBranch,
}

func runUpdateBranch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	u := branch.Update{Default: rq.Args.Bool("default", false)}
	if rq.Args.Has("protected") {
		p := rq.Args.Bool("protected", false)
		u.Protected = &p
	}
	if rq.Args.Has("note") {
		n := rq.Args.String("note", "")
		u.Note = &n
	}
	switch v := rq.Args.Get("ttlSeconds"); v.Type {
	case bsonx.Missing:
	case bsonx.Null:
		u.TTL = new(time.Duration)
	default:
		d, err := ttl(v)
		if err != nil {
			return err
		}
		u.TTL = &d
	}
	info, err := rq.Services.Branches.UpdateBranch(ctx, project, rq.branchName(), u)
	return rq.replyBranch(reply, "branch", info, err)
}

var dropBranchCommand = &Spec{
	Name: "dropBranch",
	Args: idl.Command("dropBranch",
		idl.Field{Name: "dropBranch", Types: idl.String, Required: true},
		idl.Field{Name: "force", Types: idl.Bool},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.DropBranch).and(dropBranchNeeds),
	Help:      "drops a branch, with force also those made from it",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		names, err := rq.Services.Branches.DropBranch(ctx, project, rq.branchName(), rq.Args.Bool("force", false))
		if err != nil {
			return err
		}
		if err := rq.Services.dropSandboxUsers(ctx, project, names...); err != nil {
			return err
		}
		at := reply.OpenArray("dropped")
		for i, n := range names {
			reply.String(bsonx.Index(i), n)
		}
		reply.Close(at)
		return nil
	},
}

var restoreBranchCommand = &Spec{
	Name: "restoreBranch",
	Args: idl.Command("restoreBranch",
		idl.Field{Name: "restoreBranch", Types: idl.String, Required: true},
		idl.Field{Name: "to", Types: pointTypes},
		idl.Field{Name: "source", Types: idl.String},
		idl.Field{Name: "at", Types: pointTypes},
		idl.Field{Name: "backup", Types: idl.String},
		idl.Field{Name: "collection", Types: idl.String},
		idl.Field{Name: "dryRun", Types: idl.Bool},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.RestoreBranch).and(restoreNeeds),
	Help:      "restores a branch in place to a point, or to another branch's state; its state before is kept as a branch",
	Run:       runRestoreBranch,
}

func runRestoreBranch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	o := branch.RestoreOptions{
		Source: rq.Args.String("source", ""), Backup: rq.Args.String("backup", ""),
		DryRun: rq.Args.Bool("dryRun", false), Info: rq.commitInfo(),
	}
	if o.To, err = rq.point("to"); err != nil {
		return err
	}
	if o.At, err = rq.point("at"); err != nil {
		return err
	}
	if err := checkRestore(&o, rq); err != nil {
		return err
	}
	if coll := rq.Args.String("collection", ""); coll != "" {
		return rq.restoreCollection(ctx, reply, coll, &o)
	}
	return rq.restoreWhole(ctx, reply, project, o)
}

// restoreWhole restores a whole branch and writes the reply.
func (rq *Request) restoreWhole(ctx context.Context, reply *bsonx.Builder, project string, o branch.RestoreOptions) error {
	r, err := rq.Services.Branches.Restore(ctx, project, rq.branchName(), o)
	if err != nil {
		return err
	}
	appendPreview(reply, &r.Preview)
	if r.Branch != nil {
		if err := rq.replyBranch(reply, "branch", *r.Branch, nil); err != nil {
			return err
		}
	}
	if r.Backup != nil {
		return rq.replyBranch(reply, "backup", *r.Backup, nil)
	}
	return nil
}

// appendPreview writes what a restore changes.
func appendPreview(b *bsonx.Builder, p *branch.Preview) {
	at := b.OpenDoc("preview")
	b.Int64("fromLsn", int64(p.FromLSN))
	b.Int64("toLsn", int64(p.ToLSN))
	b.Int64("commits", p.Commits)
	appendCollections(b, p.Collections)
	list := b.OpenArray("ddl")
	for i, c := range p.DDL {
		one := b.OpenDoc(bsonx.Index(i))
		b.String("op", c.Op)
		b.String("collection", c.Collection)
		if len(c.Indexes) > 0 {
			names := b.OpenArray("indexes")
			for j, n := range c.Indexes {
				b.String(bsonx.Index(j), n)
			}
			b.Close(names)
		}
		b.Close(one)
	}
	b.Close(list)
	b.Close(at)
}
