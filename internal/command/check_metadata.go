package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
)

// checkMetadataConsistency compares what the nodes of a sharded cluster know of
// each other's collections. Here one node knows everything, so that there is
// nothing to report; its own storage is checked by `argon fsck`.
var checkMetadataConsistencyCommand = &Spec{
	Name: "checkMetadataConsistency",
	Args: idl.Command("checkMetadataConsistency",
		idl.Field{Name: "checkMetadataConsistency", Types: idl.Any, Required: true},
		cursorField,
		idl.Field{Name: "checkIndexes", Types: idl.SafeBool}),
	Privilege: onCluster(auth.CheckMetadataConsistency),
	Help:      "inconsistencies between the nodes of a cluster: none",
	Run: func(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
		return rq.inBatches(ctx, reply, "$cmd.aggregate", nil)
	},
}
