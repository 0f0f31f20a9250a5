package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/project"
)

var findAndModifyCommand = &Spec{
	Name:    "findAndModify",
	Aliases: []string{"findandmodify"},
	Args: idl.Command("findAndModify",
		idl.Field{Name: "findAndModify", Types: idl.Any, Required: true},
		idl.Field{Name: "query", Types: idl.Object}, idl.Field{Name: "fields", Types: idl.Object},
		idl.Field{Name: "sort", Types: idl.Object}, hintField,
		idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "arrayFilters", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "remove", Types: idl.SafeBool}, idl.Field{Name: "update", Types: idl.Object | idl.Array},
		idl.Field{Name: "upsert", Types: idl.SafeBool}, idl.Field{Name: "new", Types: idl.SafeBool},
		idl.Field{Name: "let", Types: idl.Object}, idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool},
		idl.Field{Name: "sampleId", Types: idl.Binary}, idl.Field{Name: "encryptionInformation", Types: idl.Object},
		idl.Field{Name: "runtimeConstants", Types: idl.Object}, idl.Field{Name: "legacyRuntimeConstants", Types: idl.Object},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "originalQuery", Types: idl.Object},
		idl.Field{Name: "originalCollation", Types: idl.Object}, idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.Bool}),
	Flags:     Write | TxnOK | Retryable | APIv1,
	Privilege: onCollection(auth.Find).and(findAndModifyNeeds),
	Help:      "changes or removes one document and returns it",
	OpKind:    "command",
	Run:       runFindAndModify,
}

// readFindAndModify checks which arguments go together.
func (rq *Request) readFindAndModify() (*modification, error) {
	a := &rq.Args
	m := &modification{filter: a.Doc("query"), sort: a.Doc("sort"), hint: a.Get("hint"), collation: a.Doc("collation"),
		arrayFilters: a.Docs(nil, "arrayFilters"), update: a.Get("update"), upsert: a.Bool("upsert", false), let: a.Doc("let"),
		bypass: a.Bool("bypassDocumentValidation", false)}
	remove, returnNew := a.Bool("remove", false), a.Bool("new", false)
	switch {
	case remove && a.Has("update"):
		return nil, errcode.New(errcode.FailedToParse, "Cannot specify both an update and remove=true")
	case remove && m.upsert:
		return nil, errcode.New(errcode.FailedToParse, "Cannot specify both upsert=true and remove=true")
	case remove && returnNew:
		return nil, errcode.New(errcode.FailedToParse, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document")
	case remove && a.Has("arrayFilters"):
		return nil, errcode.New(errcode.FailedToParse, "Cannot specify arrayFilters and remove=true")
	case !remove && !a.Has("update"):
		return nil, errcode.New(errcode.FailedToParse, "Either an update or remove=true must be specified")
	case m.update.Type == bsonx.Array && a.Has("arrayFilters"):
		return nil, errcode.New(errcode.FailedToParse, "Cannot specify arrayFilters with a pipeline update")
	}
	m.keepNew, m.keepOld = returnNew, !returnNew
	return m, nil
}

func runFindAndModify(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	m, err := rq.readFindAndModify()
	if err != nil {
		return err
	}
	var done *modified
	var value bsonx.Doc
	return rq.writeReply(ctx, b, func(s *source) error {
		if err := s.expectUUID(ctx, rq.DB, name, s.about.uuid); err != nil {
			return err
		}
		t, err := s.writable(ctx, rq.DB, name, false)
		if err != nil {
			return err
		}
		if done, err = s.modify(ctx, t, m); err != nil {
			return err
		}
		value = done.old
		if m.keepNew {
			value = done.new
		}
		value, err = rq.projectResult(ctx, s, t, m, value)
		return err
	}, func(b *bsonx.Builder) { m.reply(b, done, value) })
}

// reply appends the fields of findAndModify's reply.
func (m *modification) reply(b *bsonx.Builder, done *modified, value bsonx.Doc) {
	at := b.OpenDoc("lastErrorObject")
	n := done.matched
	if done.upserted.Type != bsonx.Missing {
		n = 1
	}
	b.Int32("n", int32(n))
	if m.update.Type != bsonx.Missing {
		b.Bool("updatedExisting", done.matched > 0)
		b.Value("upserted", done.upserted)
	}
	b.Close(at)
	if value == nil {
		b.Null("value")
	} else {
		b.Doc("value", value)
	}
}

// projectResult applies the fields argument to the returned document.
func (rq *Request) projectResult(ctx context.Context, s *source, t *target, m *modification, doc bsonx.Doc) (bsonx.Doc, error) {
	fields := notEmpty(rq.Args.Doc("fields"))
	if fields == nil {
		return doc, nil
	}
	q, err := s.newQuery(ctx, t, m.collation, m.let)
	if err != nil {
		return nil, err
	}
	f, err := q.filter(m.filter)
	if err != nil {
		return nil, err
	}
	p, err := project.Compile(fields, project.Options{Find: true, Scope: q.scope, Filter: f, Collation: q.coll})
	if err != nil || doc == nil {
		return nil, err
	}
	env := q.env()
	env.Root = bsonx.DocValue(doc)
	return p.Apply(env, doc)
}
