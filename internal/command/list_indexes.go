package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

var listIndexesCommand = &Spec{
	Name: "listIndexes",
	Args: idl.Command("listIndexes",
		idl.Field{Name: "listIndexes", Types: idl.Any, Required: true},
		cursorField,
		idl.Field{Name: "includeBuildUUIDs", Types: idl.SafeBool},
		idl.Field{Name: "includeIndexBuildInfo", Types: idl.SafeBool},
	),
	Flags: Read | APIv1,
	Help:  "lists the indexes of a collection, at its point",
	Run:   runListIndexes,
}

func runListIndexes(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if err := mustBeCollection(t); err != nil {
		return err
	}
	var docs []bsonx.Doc
	for _, ix := range t.entry.Indexes {
		docs = append(docs, ix.Spec)
	}
	batch, err := rq.cursorBatch()
	if err != nil {
		return err
	}
	return rq.FirstBatch(ctx, reply, session.NewCursor(rq.NS(name), &docList{docs: docs}), batch, false)
}

// mustBeCollection refuses a namespace that is not there, or is a view.
func mustBeCollection(t *target) error {
	switch {
	case t.entry == nil:
		return errcode.New(errcode.NamespaceNotFound, "ns does not exist: %s", t.ns())
	case t.entry.Type == catalog.TypeView:
		return errcode.New(errcode.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", t.ns())
	}
	return nil
}
