package command

import (
	"context"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var createProjectCommand = &Spec{
	Name: "createProject",
	Args: idl.Command("createProject",
		idl.Field{Name: "createProject", Types: idl.Any, Required: true},
		idl.Field{Name: "ifNotExists", Types: idl.Bool},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onProject(auth.CreateProject),
	Help:      "makes the project that the database names; a first write does so too",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		info, err := rq.Services.Branches.CreateProject(ctx, project, rq.Args.Bool("ifNotExists", false))
		if err != nil {
			return err
		}
		at := reply.OpenDoc("project")
		appendProject(reply, &info)
		reply.Close(at)
		return nil
	},
}

func appendProject(b *bsonx.Builder, p *branch.ProjectInfo) {
	b.String("name", p.Name)
	b.String("defaultBranch", p.Default)
	b.Int32("branches", int32(p.Branches))
	b.Int32("tags", int32(p.Tags))
	b.Date("createdAt", p.Created.UnixMilli())
	appendRetention(b, p.Retention)
}

// appendRetention writes a retention window: seconds, or "forever".
func appendRetention(b *bsonx.Builder, d time.Duration) {
	if d == branch.Forever {
		b.String("retention", "forever")
		return
	}
	b.Int64("retention", int64(d/time.Second))
}

var listProjectsCommand = &Spec{
	Name: "listProjects",
	Args: idl.Command("listProjects",
		idl.Field{Name: "listProjects", Types: idl.Any, Required: true},
		idl.Field{Name: "filter", Types: idl.Object},
		cursorField,
	),
	Flags:     AdminOnly | Read,
	Privilege: forUsers(),
	Help:      "lists the projects: all, or those in which the user may do something",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		var docs []bsonx.Doc
		all := rq.may(auth.ClusterTarget(), auth.ListProjects)
		for _, p := range rq.Services.Branches.ListProjects() {
			if !all && !rq.mayWithin(p.Name, auth.All()) {
				continue
			}
			b := bsonx.NewDoc(nil)
			appendProject(b, &p)
			docs = append(docs, b.Done())
		}
		return rq.listed(ctx, reply, "$cmd.listProjects", docs)
	},
}

var dropProjectCommand = &Spec{
	Name:      "dropProject",
	Args:      idl.Command("dropProject", idl.Field{Name: "dropProject", Types: idl.Any, Required: true}),
	Flags:     WriteConcern | Audited,
	Privilege: onProject(auth.DropProject),
	Help:      "drops the project with all of its branches and history",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		n, err := branch.ParseName(rq.DB)
		if err != nil {
			return err
		}
		if n.Branch != "" || n.Point.Kind != branch.PointNow {
			return errcode.New(errcode.InvalidNamespace, "dropProject runs on the project itself: %s", n.Project)
		}
		if err := rq.Services.Branches.DeleteProject(ctx, n.Project); err != nil {
			return err
		}
		reply.String("dropped", n.Project)
		return nil
	},
}

var setRetentionCommand = &Spec{
	Name:      "setRetention",
	Args:      idl.Command("setRetention", idl.Field{Name: "setRetention", Types: idl.Number | idl.String, Required: true}),
	Flags:     WriteConcern | Audited,
	Privilege: onProject(auth.SetRetention),
	Help:      "sets how far back the project's history is kept: seconds, or \"forever\"",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		d, err := retention(rq.Args.At(0))
		if err != nil {
			return err
		}
		if err := rq.Services.Branches.SetRetention(ctx, project, d); err != nil {
			return err
		}
		appendRetention(reply, d)
		return nil
	},
}

func retention(v bsonx.Value) (time.Duration, error) {
	if v.Type == bsonx.String && string(bsonx.Str(v)) == "forever" {
		return branch.Forever, nil
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok || n < 0 || n > int64(branch.Forever/time.Second) {
		return 0, errcode.New(errcode.BadValue, "retention is a whole number of seconds, or \"forever\"")
	}
	return time.Duration(n) * time.Second, nil
}

var getRetentionCommand = &Spec{
	Name:      "getRetention",
	Args:      idl.Command("getRetention", idl.Field{Name: "getRetention", Types: idl.Any, Required: true}),
	Flags:     Read,
	Privilege: forUsers(listBranchesNeeds),
	Help:      "shows how far back the project's history is kept",
	Run: func(_ context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		d, err := rq.Services.Branches.Retention(project)
		if err != nil {
			return err
		}
		appendRetention(reply, d)
		return nil
	},
}
