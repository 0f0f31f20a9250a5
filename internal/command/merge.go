package command

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
	"github.com/argon-db/argon/internal/session"
)

// merges are the services of package merge.
func (s *Services) merges() *merge.Service {
	return &merge.Service{Branches: s.Branches, Txns: s.Txns, Catalog: s.Catalog, Clock: s.Clock}
}

var diffBranchCommand = &Spec{
	Name: "diffBranch",
	Args: idl.Command("diffBranch",
		idl.Field{Name: "diffBranch", Types: idl.String, Required: true},
		idl.Field{Name: "against", Types: idl.String},
		idl.Field{Name: "from", Types: pointTypes},
		idl.Field{Name: "to", Types: pointTypes},
		idl.Field{Name: "base", Types: idl.String, Enum: []string{baseMerge, basePoint}},
		idl.Field{Name: "collection", Types: idl.String},
		idl.Field{Name: "summary", Types: idl.Bool},
		cursorField,
	),
	Flags:     Read,
	Privilege: forUsers(diffNeeds),
	Help:      "shows what differs between a branch and another one, or its own past",
	Run:       runDiffBranch,
}

// What a branch is compared with: the merge base with the other branch (what this
// branch has changed), or the other branch's point itself.
const (
	baseMerge = "mergeBase"
	basePoint = "point"
)

// diffSpec says which two points are compared.
type diffSpec struct {
	branch, against string
	from, to        branch.Point
	hasFrom         bool
	base            string
}

// ends resolves both points: from a point of the other branch, or without one of
// the branch itself, to a point of the branch.
func (d *diffSpec) ends(ctx context.Context, sv *branch.Service, project string) (from, to []branch.Level, err error) {
	b, err := sv.ResolveName(ctx, branch.Name{Project: project, Branch: d.branch, Point: d.to})
	if err != nil {
		return nil, nil, err
	}
	if !b.Exists {
		return nil, nil, errcode.New(errcode.NamespaceNotFound, "project '%s' does not exist; a first write to it creates it", project)
	}
	if d.against == "" && !d.hasFrom {
		if d.against, err = sv.ParentOf(project, d.branch); err != nil {
			return nil, nil, err
		}
	}
	if d.against == "" {
		if d.base == baseMerge {
			return nil, nil, errcode.New(errcode.InvalidOptions, "base: 'mergeBase' needs 'against', the other branch")
		}
		d.against, d.base = d.branch, basePoint
	}
	if d.base == "" {
		if d.base = baseMerge; d.hasFrom {
			d.base = basePoint
		}
	}
	o, err := sv.ResolveName(ctx, branch.Name{Project: project, Branch: d.against, Point: d.from})
	if err != nil {
		return nil, nil, err
	}
	if err := sv.Related(b, o); err != nil {
		return nil, nil, err
	}
	if d.base == basePoint {
		return o.Levels, b.Levels, nil
	}
	bases, err := sv.Bases(b.Levels, o.Levels)
	if err != nil {
		return nil, nil, err
	}
	if len(bases) == 0 {
		return nil, nil, errcode.New(errcode.BadValue, "branches '%s' and '%s' have nothing in common; compare them with base: 'point'", d.branch, d.against)
	}
	return bases[0], b.Levels, nil
}

func runDiffBranch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	d := diffSpec{branch: rq.branchName(), against: rq.Args.String("against", ""), base: rq.Args.String("base", ""), hasFrom: rq.Args.Has("from")}
	var err error
	if d.from, err = rq.point("from"); err != nil {
		return err
	}
	if d.to, err = rq.point("to"); err != nil {
		return err
	}
	batch, err := rq.cursorBatch()
	if err != nil {
		return err
	}
	project, err := rq.project()
	if err != nil {
		return err
	}
	from, to, err := d.ends(ctx, rq.Services.Branches, project)
	if err != nil {
		return err
	}
	diff, err := rq.Services.merges().Diff(from, to, merge.DiffOptions{
		Collection: rq.Args.String("collection", ""), Summary: rq.Args.Bool("summary", false)})
	if err != nil {
		return err
	}
	return rq.FirstBatch(ctx, reply, session.NewCursor(rq.NS("$cmd.diffBranch"), diff), batch, false)
}

var mergeBranchCommand = &Spec{
	Name: "mergeBranch",
	Args: idl.Command("mergeBranch",
		idl.Field{Name: "mergeBranch", Types: idl.String, Required: true},
		idl.Field{Name: "into", Types: idl.String},
		idl.Field{Name: "strategy", Types: idl.String, Enum: merge.Strategies()},
		idl.Field{Name: "resolutions", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "dryRun", Types: idl.Bool},
		idl.Field{Name: "squash", Types: idl.Bool},
		idl.Field{Name: "commits", Types: idl.Array, Elems: idl.Number},
		idl.Field{Name: "planToken", Types: idl.String},
	),
	Flags:     WriteConcern | Audited,
	Privilege: forUsers(mergeNeeds),
	Help:      "merges a branch into its parent or another branch: three-way, by field, in one commit",
	Run:       runMergeBranch,
}

var resolutionArgs = idl.New("resolutions",
	idl.Field{Name: "collection", Types: idl.String, Required: true},
	idl.Field{Name: "_id", Types: idl.Any},
	idl.Field{Name: "take", Types: idl.String},
	idl.Field{Name: "document", Types: idl.Object | idl.Null},
)

// mergeOptions reads what merges and reverts have in common.
func (rq *Request) mergeOptions() (merge.Options, error) {
	o := merge.Options{Strategy: merge.Strategy(rq.Args.String("strategy", "")), DryRun: rq.Args.Bool("dryRun", false), Info: rq.commitInfo()}
	for _, d := range rq.Args.Docs(nil, "resolutions") {
		var a idl.Args
		if err := resolutionArgs.Decode(d, &a); err != nil {
			return o, err
		}
		o.Resolutions = append(o.Resolutions, merge.Resolution{Collection: a.String("collection", ""), ID: a.Get("_id"),
			Take: a.String("take", ""), Document: a.Get("document")})
	}
	return o, nil
}

func runMergeBranch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	project, err := rq.project()
	if err != nil {
		return err
	}
	o, err := rq.mergeOptions()
	if err != nil {
		return err
	}
	into := rq.Args.String("into", "")
	if into == "" {
		if into, err = rq.Services.Branches.ParentOf(project, rq.branchName()); err != nil {
			return err
		}
	}
	source, err := rq.existing(ctx, rq.branchName())
	if err != nil {
		return err
	}
	target, err := rq.existing(ctx, into)
	if err != nil {
		return err
	}
	var r *merge.Result
	if rq.Args.Has("commits") {
		if rq.Args.Has("planToken") || rq.Args.Has("squash") {
			return errcode.New(errcode.InvalidOptions, "'commits' picks single commits: it goes with neither 'planToken' nor 'squash'")
		}
		lsns, err := rq.lsns("commits")
		if err != nil {
			return err
		}
		r, err = rq.Services.merges().Pick(ctx, source, target, lsns, o)
		return appendResult(reply, r, err)
	}
	r, err = rq.Services.merges().Merge(ctx, source, target, merge.MergeOptions{Options: o,
		Squash: rq.Args.Bool("squash", false), Token: rq.Args.String("planToken", "")})
	return appendResult(reply, r, err)
}

// existing resolves a branch of the request's project, which must be there.
func (rq *Request) existing(ctx context.Context, name string) (*branch.Ref, error) {
	ref, err := rq.branchRef(ctx, name)
	if err == nil && !ref.Exists {
		err = errcode.New(errcode.NamespaceNotFound, "project '%s' does not exist; a first write to it creates it", ref.Project)
	}
	return ref, err
}

// lsns reads an argument that is a list of LSNs.
func (rq *Request) lsns(name string) ([]branch.LSN, error) {
	var out []branch.LSN
	for _, v := range bsonx.Values(nil, rq.Args.Array(name)) {
		p, err := pointOf(name, v)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p.LSN) {
			out = append(out, p.LSN)
		}
	}
	if len(out) == 0 {
		return nil, errcode.New(errcode.BadValue, "'%s' names no commit", name)
	}
	return out, nil
}

var revertCommitsCommand = &Spec{
	Name: "revertCommits",
	Args: idl.Command("revertCommits",
		idl.Field{Name: "revertCommits", Types: idl.String, Required: true},
		idl.Field{Name: "from", Types: pointTypes},
		idl.Field{Name: "to", Types: pointTypes},
		idl.Field{Name: "actor", Types: idl.String},
		idl.Field{Name: "docId", Types: idl.Any},
		idl.Field{Name: "collection", Types: idl.String},
		idl.Field{Name: "dryRun", Types: idl.Bool},
		idl.Field{Name: "strategy", Types: idl.String, Enum: merge.Strategies()},
		idl.Field{Name: "resolutions", Types: idl.Array, Elems: idl.Object},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.RevertCommits, auth.ReadHistory),
	Help:      "undoes commits of a branch in a new commit; what was changed again later is a conflict",
	Run:       runRevertCommits,
}

func runRevertCommits(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	mo, err := rq.mergeOptions()
	if err != nil {
		return err
	}
	o := merge.RevertOptions{Options: mo, Actor: rq.Args.String("actor", ""), Collection: rq.Args.String("collection", ""), DocID: rq.Args.Get("docId")}
	if !rq.Args.Has("from") && !rq.Args.Has("to") && o.Actor == "" && bsonx.IsMissing(o.DocID) {
		return errcode.New(errcode.BadValue, "say what to revert: 'from' and 'to' (LSNs), 'actor', or 'docId'")
	}
	ref, err := rq.existing(ctx, rq.branchName())
	if err != nil {
		return err
	}
	if o.From, o.To, err = rq.bounds(ctx, ref, "from", "to"); err != nil {
		return err
	}
	if rq.Args.Has("to") && !rq.Args.Has("from") && o.Actor == "" && bsonx.IsMissing(o.DocID) {
		o.From = o.To // one commit
	}
	r, err := rq.Services.merges().Revert(ctx, ref, o)
	return appendResult(reply, r, err)
}

// bounds reads two points that bound commits of a branch, both included; 0 for one
// that was not given.
func (rq *Request) bounds(ctx context.Context, ref *branch.Ref, since, until string) (from, to branch.LSN, err error) {
	for _, b := range []struct {
		name string
		lsn  *branch.LSN
	}{{since, &from}, {until, &to}} {
		if !rq.Args.Has(b.name) {
			continue
		}
		p, err := rq.point(b.name)
		if err != nil {
			return 0, 0, err
		}
		if *b.lsn, err = rq.Services.Branches.Bound(ctx, ref, p, b.name == since); err != nil {
			return 0, 0, err
		}
	}
	return from, to, nil
}

// appendResult writes the reply of a merge or a revert.
func appendResult(b *bsonx.Builder, r *merge.Result, err error) error {
	if err != nil {
		return err
	}
	p := &r.Plan
	at := b.OpenDoc("plan")
	for _, v := range []struct {
		key string
		v   merge.Version
	}{{"base", p.Base}, {"source", p.Source}, {"target", p.Target}} {
		one := b.OpenDoc(v.key)
		optionalString(b, "branch", v.v.Branch)
		b.Int64("timeline", int64(v.v.Timeline))
		b.Int64("lsn", int64(v.v.LSN))
		b.Close(one)
	}
	b.Int64("inserts", p.Inserts)
	b.Int64("updates", p.Updates)
	b.Int64("deletes", p.Deletes)
	appendCollections(b, p.Collections)
	list := b.OpenArray("ddl")
	for i := range p.DDL {
		one := b.OpenDoc(bsonx.Index(i))
		b.String("collection", p.DDL[i].Collection)
		merge.AppendDDL(b, &p.DDL[i])
		b.Close(one)
	}
	b.Close(list)
	list = b.OpenArray("conflicts")
	for i := range p.Conflicts {
		one := b.OpenDoc(bsonx.Index(i))
		appendConflict(b, &p.Conflicts[i])
		b.Close(one)
	}
	b.Close(list)
	b.Int64("conflictCount", p.ConflictCount)
	b.Int64("settled", p.Settled)
	b.Close(at)
	optionalString(b, "planToken", r.Token)
	if r.UpToDate {
		b.Bool("upToDate", true)
	}
	if r.Stamp.LSN != 0 {
		b.Int64("mergedLsn", int64(r.Stamp.LSN))
	}
	return nil
}

func appendCollections(b *bsonx.Builder, list []branch.CollectionChanges) {
	at := b.OpenArray("collections")
	for i, c := range list {
		one := b.OpenDoc(bsonx.Index(i))
		b.String("name", c.Name)
		b.Int64("inserts", c.Inserts)
		b.Int64("updates", c.Updates)
		b.Int64("deletes", c.Deletes)
		b.Close(one)
	}
	b.Close(at)
}

func appendConflict(b *bsonx.Builder, c *merge.Conflict) {
	b.String("collection", c.Collection)
	b.Value("_id", c.ID)
	optionalString(b, "ddl", c.DDL)
	at := b.OpenArray("paths")
	for i, p := range c.Paths {
		b.String(bsonx.Index(i), p)
	}
	b.Close(at)
	merge.AppendDoc(b, "base", c.Base)
	merge.AppendDoc(b, "source", c.Source)
	merge.AppendDoc(b, "target", c.Target)
}
