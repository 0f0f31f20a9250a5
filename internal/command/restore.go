package command

import (
	"context"
	"fmt"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
)

// restoreCollection restores one collection of a branch in a commit of its own;
// the branch's state before is kept as a backup branch, as for a whole restore.
func (rq *Request) restoreCollection(ctx context.Context, reply *bsonx.Builder, coll string, o *branch.RestoreOptions) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	sv := rq.Services.Branches
	target, err := rq.existing(ctx, rq.branchName())
	if err != nil {
		return err
	}
	n := branch.Name{Project: project, Branch: rq.branchName(), Point: o.To}
	if o.Source != "" {
		n.Branch, n.Point = o.Source, o.At
	}
	point, err := sv.ResolveName(ctx, n)
	if err != nil {
		return err
	}
	if !o.DryRun && sv.IsProtected(target) {
		return errcode.New(errcode.CommandFailed, "branch '%s' is protected and cannot be restored; unprotect it first (updateBranch with protected: false)", target.Branch)
	}
	dry := merge.Options{DryRun: true, Info: o.Info}
	r, err := rq.Services.merges().RestoreCollection(ctx, target, point, coll, dry)
	if err != nil {
		return err
	}
	var backup *branch.Info
	if !o.DryRun {
		at := sv.Visible()
		name := o.Backup
		if name == "" {
			name = fmt.Sprintf("%.30s-before-%d", target.Branch, at)
		}
		info, err := sv.CreateBranch(ctx, project, name, branch.CreateOptions{From: target.Branch,
			Note: fmt.Sprintf("%s before its collection %s was restored", target.Branch, coll)})
		if err != nil {
			return err
		}
		backup = &info
		if r, err = rq.Services.merges().RestoreCollection(ctx, target, point, coll, merge.Options{Info: o.Info}); err != nil {
			_, _ = sv.DropBranch(context.WithoutCancel(ctx), project, name, false)
			return err
		}
	}
	pv := branch.Preview{FromLSN: r.Plan.Target.LSN, ToLSN: min(point.LSN, sv.Visible()), Collections: r.Plan.Collections}
	for _, d := range r.Plan.DDL {
		pv.DDL = append(pv.DDL, branch.Change{Op: d.Op, Collection: d.Collection, Indexes: d.Indexes})
	}
	appendPreview(reply, &pv)
	if backup == nil {
		return nil
	}
	info, err := sv.GetBranch(ctx, project, target.Branch)
	if err := rq.replyBranch(reply, "branch", info, err); err != nil {
		return err
	}
	return rq.replyBranch(reply, "backup", *backup, nil)
}

var resetBranchCommand = &Spec{
	Name: "resetBranch",
	Args: idl.Command("resetBranch",
		idl.Field{Name: "resetBranch", Types: idl.String, Required: true},
		idl.Field{Name: "backup", Types: idl.String},
		idl.Field{Name: "dryRun", Types: idl.Bool},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.RestoreBranch).and(resetNeeds),
	Help:      "resets a branch to its parent's head; its state before is kept as a branch",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		o := branch.RestoreOptions{Backup: rq.Args.String("backup", ""), DryRun: rq.Args.Bool("dryRun", false), Info: rq.commitInfo()}
		if o.Source, err = rq.Services.Branches.ParentOf(project, rq.branchName()); err != nil {
			return err
		}
		return rq.restoreWhole(ctx, reply, project, o)
	},
}

var runGCCommand = &Spec{
	Name: "runGC",
	Args: idl.Command("runGC",
		idl.Field{Name: "runGC", Types: idl.Any, Required: true},
		idl.Field{Name: "dryRun", Types: idl.Bool},
		idl.Field{Name: "compact", Types: idl.Bool},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onProject(auth.RunGC),
	Help:      "removes what no point of the retention window, tag, branch or open cursor can see",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		project, err := rq.project()
		if err != nil {
			return err
		}
		if project == "admin" { // of all projects
			project = ""
		}
		dry := rq.Args.Bool("dryRun", false)
		run := rq.Services.Branches.RunGC
		if dry {
			run = rq.Services.Branches.PreviewGC
		}
		st, err := run(ctx, project)
		if err != nil {
			return err
		}
		if !dry && rq.Args.Bool("compact", false) {
			if st.DiskBytes, err = rq.Services.Branches.Compact(ctx); err != nil {
				return err
			}
		}
		reply.Bool("dryRun", dry)
		reply.Int32("timelines", int32(st.Timelines))
		reply.Int32("collections", int32(st.Collections))
		reply.Int64("versionsSeen", st.Seen)
		reply.Int64("versionsRemoved", st.Dropped)
		reply.Int64("bytesRemoved", st.Bytes)
		reply.Int64("diskBytes", st.DiskBytes)
		return nil
	},
}
