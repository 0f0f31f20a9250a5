package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var createTagCommand = &Spec{
	Name: "createTag",
	Args: idl.Command("createTag",
		idl.Field{Name: "createTag", Types: idl.String, Required: true},
		idl.Field{Name: "branch", Types: idl.String},
		idl.Field{Name: "at", Types: pointTypes},
		idl.Field{Name: "note", Types: idl.String},
	),
	Flags:     WriteConcern | Audited,
	Privilege: forUsers(createTagNeeds),
	Help:      "names a point of a branch; it is kept however old it gets",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		at, err := rq.point("at")
		if err != nil {
			return err
		}
		tag, err := rq.Services.Branches.CreateTag(ctx, project, rq.branchName(), rq.Args.String("branch", ""), at, rq.Args.String("note", ""))
		if err != nil {
			return err
		}
		doc := reply.OpenDoc("tag")
		appendTag(reply, &tag)
		reply.Close(doc)
		return nil
	},
}

func appendTag(b *bsonx.Builder, t *branch.TagInfo) {
	b.String("name", t.Name)
	b.String("branch", t.Branch)
	b.Int64("timeline", int64(t.Timeline))
	b.Int64("lsn", int64(t.LSN))
	optionalTime(b, "time", t.Time)
	optionalString(b, "note", t.Note)
}

var listTagsCommand = &Spec{
	Name: "listTags",
	Args: idl.Command("listTags",
		idl.Field{Name: "listTags", Types: idl.Any, Required: true},
		idl.Field{Name: "filter", Types: idl.Object},
		cursorField,
	),
	Flags:     Read,
	Privilege: forUsers(listTagsNeeds),
	Help:      "lists the project's tags",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		tags, err := rq.Services.Branches.ListTags(ctx, project)
		if err != nil {
			return err
		}
		docs := make([]bsonx.Doc, 0, len(tags))
		for i := range tags {
			if !rq.may(auth.BranchTarget(rq.DB, tags[i].Branch), auth.ListTags) {
				continue
			}
			b := bsonx.NewDoc(nil)
			appendTag(b, &tags[i])
			docs = append(docs, b.Done())
		}
		return rq.listed(ctx, reply, "$cmd.listTags", docs)
	},
}

var dropTagCommand = &Spec{
	Name:      "dropTag",
	Args:      idl.Command("dropTag", idl.Field{Name: "dropTag", Types: idl.String, Required: true}),
	Flags:     WriteConcern | Audited,
	Privilege: onProject(auth.DropTag),
	Help:      "removes a tag; its point may then be collected",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		return rq.Services.Branches.DropTag(ctx, project, rq.branchName())
	},
}

// checkRestore refuses a restore that does not say, once, where to.
func checkRestore(o *branch.RestoreOptions, rq *Request) error {
	switch to, source := rq.Args.Has("to"), o.Source != ""; {
	case to && source:
		return errcode.New(errcode.InvalidOptions, "'to' is a point of the branch itself, 'source' another branch: give one of them")
	case !to && !source:
		return errcode.New(errcode.InvalidOptions, "say where to: {to: <point>}, or {source: <branch>, at: <point>}")
	case to && rq.Args.Has("at"):
		return errcode.New(errcode.InvalidOptions, "'at' belongs to 'source'; the branch's own point is 'to'")
	}
	return nil
}
