package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/stage"
)

// Search indexes belong to a search node, which a server alone does not have:
// their commands say so, as MongoDB's do outside of Atlas.

var createSearchIndexesCommand = searchCommand("createSearchIndexes", auth.CreateSearchIndexes, idl.Field{Name: "indexes", Types: idl.Array})

var updateSearchIndexCommand = searchCommand("updateSearchIndex", auth.UpdateSearchIndex,
	idl.Field{Name: "id", Types: idl.String}, idl.Field{Name: "name", Types: idl.String}, idl.Field{Name: "definition", Types: idl.Object})

var dropSearchIndexCommand = searchCommand("dropSearchIndex", auth.DropSearchIndex,
	idl.Field{Name: "id", Types: idl.String}, idl.Field{Name: "name", Types: idl.String})

func searchCommand(name string, action auth.Action, args ...idl.Field) *Spec {
	return &Spec{
		Name: name, Args: idl.Command(name, append([]idl.Field{{Name: name, Types: idl.String, Required: true}}, args...)...),
		Flags: APIv1, Privilege: onCollection(action), Help: "for search indexes: this server has none",
		Run: func(context.Context, *Request, *bsonx.Builder) error {
			return errcode.New(errcode.SearchNotEnabled, stage.NoSearchIndexes)
		},
	}
}
