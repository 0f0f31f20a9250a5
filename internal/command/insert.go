package command

import (
	"context"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

var insertCommand = &Spec{
	Name: "insert",
	Args: idl.Command("insert",
		idl.Field{Name: "insert", Types: idl.Any, Required: true},
		idl.Field{Name: "documents", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "ordered", Types: idl.Bool},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool},
		idl.Field{Name: "encryptionInformation", Types: idl.Object},
		idl.Field{Name: "collectionUUID", Types: idl.Binary},
		idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.Bool}),
	Flags:     Write | TxnOK | Retryable | APIv1,
	Privilege: onCollection(auth.Insert).and(bypassNeeds),
	Help:      "adds documents to a collection, which is made if it is not there",
	OpKind:    "insert",
	Run:       runInsert,
}

// maxBatch is the most operations of one write command.
const maxBatch = 100_000

func checkBatch(n int) error {
	if n == 0 || n > maxBatch {
		return errcode.New(errcode.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxBatch, n)
	}
	return nil
}

// writeError is one entry of writeErrors.
type writeError struct {
	index int
	err   *errcode.Error
}

// results gathers what a write command did.
type results struct {
	n int64
	// changed counts the documents that an update made different.
	changed int64
	errs    []writeError
	upsert  []upserted
}

type upserted struct {
	index int
	id    bsonx.Value
}

// appendErrors appends writeErrors, if there are any.
func (r *results) appendErrors(b *bsonx.Builder) {
	if len(r.errs) == 0 {
		return
	}
	arr := b.OpenArray("writeErrors")
	for i, e := range r.errs {
		at := b.OpenDoc(bsonx.Index(i))
		b.Int32("index", int32(e.index))
		b.Int32("code", int32(e.err.Code))
		for it := bsonx.NewIter(e.err.Info); it.Next(); {
			b.Element(it.Element())
		}
		b.String("errmsg", e.err.Message)
		b.Close(at)
	}
	b.Close(arr)
}

// statement runs one operation of a write command within s, undone as a whole if
// it fails. stop is set when the command has to end with err (a conflict, the
// time limit, a transaction's failure); otherwise err is this operation's own.
func (rq *Request) statement(s *source, fn func() error) (err *errcode.Error, stop error) {
	sp, splits := s.tx.Savepoint(), s.splits
	failed := fn()
	if failed == nil {
		return nil, nil
	}
	if endsCommand(failed) {
		return nil, failed
	}
	if s.splits == splits { // otherwise what is done is done, as in MongoDB
		s.tx.RollbackTo(sp)
	}
	return errcode.As(failed), nil
}

// objectIDs makes ObjectIds for documents without an _id.
func objectIDs() [12]byte { return bson.NewObjectID() }

// timestampNow is what a null timestamp of an inserted document becomes.
func (rq *Request) timestampNow() bsonx.Value {
	t, i := rq.Services.ClusterTime()
	return bsonx.Value{Type: bsonx.Timestamp, Data: binary.LittleEndian.AppendUint64(nil, uint64(t)<<32|uint64(i))}
}

func runInsert(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	docs := rq.Docs("documents")
	if err := checkBatch(len(docs)); err != nil {
		return err
	}
	ordered := rq.Args.Bool("ordered", true)
	var res results
	return rq.writeReply(ctx, b, func(s *source) error {
		res = results{}
		return rq.insertDocs(ctx, s, name, docs, ordered, &res)
	}, func(b *bsonx.Builder) {
		b.Int32("n", int32(res.n))
		res.appendErrors(b)
	})
}

func (rq *Request) insertDocs(ctx context.Context, s *source, name string, docs []bsonx.Doc, ordered bool, res *results) error {
	if err := s.expectUUID(ctx, rq.DB, name, s.about.uuid); err != nil {
		return err
	}
	t, err := s.writable(ctx, rq.DB, name, true)
	if err != nil {
		return err
	}
	if err := s.mayWriteInTxn(t, "insert into"); err != nil {
		return err
	}
	w := exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Bypass: rq.Args.Bool("bypassDocumentValidation", false)}
	if t.coll.Validator != nil || t.coll.HasPartial() {
		w.Env = expr.NewEnv(&expr.Query{Now: s.sv.Clock.Now().UnixMilli(), Collation: t.coll.Collation}, nil)
	}
	if len(docs) == 1 && !rq.InTxn { // nothing to undo: the whole commit fails
		doc, err := rq.prepare(docs[0])
		if err == nil {
			err = w.Insert(ctx, doc)
		}
		if err == nil {
			res.n = 1
			return nil
		}
		if endsCommand(err) {
			return err
		}
		s.tx.RollbackTo(s.empty)
		res.errs = append(res.errs, writeError{0, errcode.As(err)})
		return nil
	}
	for i, d := range docs {
		failed, stop := rq.statement(s, func() error {
			doc, err := rq.prepare(d)
			if err != nil {
				return err
			}
			if rq.InTxn {
				doc = append(bsonx.Doc(nil), doc...) // outlives the message
			}
			return w.Insert(ctx, doc)
		})
		if stop != nil {
			return stop
		}
		if failed == nil {
			res.n++
			continue
		}
		res.errs = append(res.errs, writeError{i, failed})
		rq.FailTxn = true
		if ordered || rq.InTxn {
			break
		}
	}
	return nil
}

func (rq *Request) prepare(d bsonx.Doc) (bsonx.Doc, error) {
	return exec.PrepareInsert(d, objectIDs, rq.timestampNow)
}
