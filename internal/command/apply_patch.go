package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
)

var applyPatchCommand = &Spec{
	Name: "applyPatch",
	Args: idl.Command("applyPatch",
		idl.Field{Name: "applyPatch", Types: idl.String, Required: true},
		idl.Field{Name: "changes", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "dryRun", Types: idl.Bool},
		idl.Field{Name: "strategy", Types: idl.String, Enum: merge.Strategies()},
		idl.Field{Name: "resolutions", Types: idl.Array, Elems: idl.Object},
	),
	Flags:     WriteConcern | Audited,
	Privilege: onBranch(auth.Find, auth.MergeBranch),
	Help:      "brings documents' changes, as diffBranch shows them, to a branch in one commit; conflict-aware as a merge",
	Run:       runApplyPatch,
}

// patchChange is a document of diffBranch; what else it has does not count.
var patchChange = idl.New("changes",
	idl.Field{Name: "collection", Types: idl.String, Required: true},
	idl.Field{Name: "before", Types: idl.Object | idl.Null},
	idl.Field{Name: "after", Types: idl.Object | idl.Null},
).Lenient()

func runApplyPatch(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	o, err := rq.mergeOptions()
	if err != nil {
		return err
	}
	var changes []merge.Change
	for _, d := range rq.Docs("changes") {
		var a idl.Args
		if err := patchChange.Decode(d, &a); err != nil {
			return err
		}
		c := merge.Change{Collection: a.String("collection", ""), Before: a.Doc("before"), After: a.Doc("after")}
		if err := CheckCollection(rq.DB, c.Collection); err != nil {
			return err
		}
		changes = append(changes, c)
	}
	ref, err := rq.existing(ctx, rq.branchName())
	if err != nil {
		return err
	}
	r, err := rq.Services.merges().Apply(ctx, ref, changes, o)
	return appendResult(reply, r, err)
}
