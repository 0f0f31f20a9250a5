package command

import (
	"context"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var updateCommand = &Spec{
	Name: "update",
	Args: idl.Command("update",
		idl.Field{Name: "update", Types: idl.Any, Required: true},
		idl.Field{Name: "updates", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "ordered", Types: idl.Bool},
		idl.Field{Name: "let", Types: idl.Object},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool},
		idl.Field{Name: "runtimeConstants", Types: idl.Object}, idl.Field{Name: "legacyRuntimeConstants", Types: idl.Object},
		idl.Field{Name: "encryptionInformation", Types: idl.Object}, idl.Field{Name: "collectionUUID", Types: idl.Binary},
		idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.Bool}),
	Flags:     Write | TxnOK | Retryable | APIv1,
	Privilege: onCollection(auth.Update).and(updateNeeds),
	Help:      "changes documents",
	OpKind:    "update",
	Run:       runUpdate,
}

var updateStatement = idl.New("update.updates",
	idl.Field{Name: "q", Types: idl.Object, Required: true},
	idl.Field{Name: "u", Types: idl.Object | idl.Array, Required: true},
	idl.Field{Name: "c", Types: idl.Object},
	idl.Field{Name: "multi", Types: idl.Bool}, idl.Field{Name: "upsert", Types: idl.Bool},
	idl.Field{Name: "upsertSupplied", Types: idl.Bool},
	idl.Field{Name: "arrayFilters", Types: idl.Array, Elems: idl.Object},
	hintField, idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "sort", Types: idl.Object},
	idl.Field{Name: "sampleId", Types: idl.Binary}, idl.Field{Name: "allowShardKeyUpdatesWithoutFullShardKeyInQuery", Types: idl.Bool})

var deleteCommand = &Spec{
	Name: "delete",
	Args: idl.Command("delete",
		idl.Field{Name: "delete", Types: idl.Any, Required: true},
		idl.Field{Name: "deletes", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "ordered", Types: idl.Bool},
		idl.Field{Name: "let", Types: idl.Object},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool},
		idl.Field{Name: "runtimeConstants", Types: idl.Object}, idl.Field{Name: "legacyRuntimeConstants", Types: idl.Object},
		idl.Field{Name: "encryptionInformation", Types: idl.Object}, idl.Field{Name: "collectionUUID", Types: idl.Binary},
		idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.Bool}),
	Flags:     Write | TxnOK | Retryable | APIv1,
	Privilege: onCollection(auth.Remove),
	Help:      "removes documents",
	OpKind:    "remove",
	Run:       runDelete,
}

var deleteStatement = idl.New("delete.deletes",
	idl.Field{Name: "q", Types: idl.Object, Required: true},
	idl.Field{Name: "limit", Types: idl.Number, Required: true, Check: func(v bsonx.Value) error {
		if n, ok := bsonx.IntegralOK(v); !ok || n != 0 && n != 1 {
			return errcode.New(errcode.FailedToParse, "The limit field in delete objects must be 0 or 1. Got %d", idl.ToInt64(v))
		}
		return nil
	}},
	hintField, idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "sampleId", Types: idl.Binary})

// readUpdates decodes the statements of an update command.
func (rq *Request) readUpdates() ([]*modification, error) {
	mods := make([]*modification, 0, 1)
	for _, d := range rq.Docs("updates") {
		var a idl.Args
		if err := updateStatement.Decode(d, &a); err != nil {
			return nil, err
		}
		m := &modification{filter: a.Doc("q"), update: a.Get("u"), constants: a.Doc("c"), multi: a.Bool("multi", false),
			upsert: a.Bool("upsert", false), arrayFilters: a.Docs(nil, "arrayFilters"), hint: a.Get("hint"),
			collation: a.Doc("collation"), sort: a.Doc("sort"), let: rq.Args.Doc("let"),
			bypass: rq.Args.Bool("bypassDocumentValidation", false)}
		if m.multi && a.Has("sort") {
			return nil, errcode.New(errcode.FailedToParse, "Cannot specify sort with multi=true")
		}
		if a.Bool("upsertSupplied", false) {
			if v := bsonx.Lookup(m.constants, "new"); v.Type == bsonx.Object {
				m.supplied = v.Data
			}
			m.constants = nil
		}
		mods = append(mods, m)
	}
	return mods, nil
}

func runUpdate(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	mods, err := rq.readUpdates()
	if err != nil {
		return err
	}
	return rq.modifyAll(ctx, b, mods, appendUpdated)
}

// appendUpdated appends the fields of update's reply.
func appendUpdated(b *bsonx.Builder, res *results) {
	b.Int32("n", int32(res.n))
	if len(res.upsert) > 0 {
		arr := b.OpenArray("upserted")
		for i, u := range res.upsert {
			at := b.OpenDoc(bsonx.Index(i))
			b.Int32("index", int32(u.index))
			b.Value("_id", u.id)
			b.Close(at)
		}
		b.Close(arr)
	}
	b.Int32("nModified", int32(res.changed))
	res.appendErrors(b)
}

// readDeletes decodes the statements of a delete command.
func (rq *Request) readDeletes() ([]*modification, error) {
	mods := make([]*modification, 0, 1)
	for _, d := range rq.Docs("deletes") {
		var a idl.Args
		if err := deleteStatement.Decode(d, &a); err != nil {
			return nil, err
		}
		mods = append(mods, &modification{filter: a.Doc("q"), multi: a.Int64("limit", 0) == 0, hint: a.Get("hint"),
			collation: a.Doc("collation"), let: rq.Args.Doc("let")})
	}
	return mods, nil
}

func runDelete(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	mods, err := rq.readDeletes()
	if err != nil {
		return err
	}
	return rq.modifyAll(ctx, b, mods, func(b *bsonx.Builder, res *results) {
		b.Int32("n", int32(res.n))
		res.appendErrors(b)
	})
}

// modifyAll runs the statements of an update or delete command.
func (rq *Request) modifyAll(ctx context.Context, b *bsonx.Builder, mods []*modification, reply func(*bsonx.Builder, *results)) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if err := checkBatch(len(mods)); err != nil {
		return err
	}
	if rq.retryable() && slices.ContainsFunc(mods, func(m *modification) bool { return m.multi }) {
		return errcode.New(errcode.InvalidOptions, "Cannot use retryable writes with multi=true or limit=0: leave txnNumber out")
	}
	ordered := rq.Args.Bool("ordered", true)
	var res results
	return rq.writeReply(ctx, b, func(s *source) error {
		res = results{}
		for i, m := range mods {
			var done *modified
			failed, stop := rq.statement(s, func() error {
				if err := s.expectUUID(ctx, rq.DB, name, s.about.uuid); err != nil {
					return err
				}
				t, err := s.writable(ctx, rq.DB, name, false)
				if err == nil {
					done, err = s.modify(ctx, t, m)
				}
				return err
			})
			if stop != nil {
				return stop
			}
			if failed != nil {
				if failed.Code == errcode.CommandNotSupportedOnView {
					return failed
				}
				res.errs = append(res.errs, writeError{i, failed})
				rq.FailTxn = true
				if ordered || rq.InTxn {
					break
				}
				continue
			}
			res.n += done.matched
			res.changed += done.changed
			if done.upserted.Type != bsonx.Missing {
				res.n++
				res.upsert = append(res.upsert, upserted{i, done.upserted})
			}
		}
		return nil
	}, func(b *bsonx.Builder) { reply(b, &res) })
}
