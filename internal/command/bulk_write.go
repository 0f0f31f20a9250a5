package command

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/session"
)

var bulkWriteCommand = &Spec{
	Name: "bulkWrite",
	Args: idl.Command("bulkWrite",
		idl.Field{Name: "bulkWrite", Types: idl.Any, Required: true},
		idl.Field{Name: "ops", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "nsInfo", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "cursor", Types: idl.Object},
		idl.Field{Name: "ordered", Types: idl.Bool}, idl.Field{Name: "errorsOnly", Types: idl.Bool},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool}, idl.Field{Name: "bypassEmptyTsReplacement", Types: idl.SafeBool},
		idl.Field{Name: "let", Types: idl.Object}),
	Flags:     AdminOnly | Write | TxnOK | Retryable | APIv1,
	Privilege: forUsers(bulkWriteNeeds),
	Help:      "inserts, updates and deletes in several collections",
	OpKind:    "bulkWrite",
	Run:       runBulkWrite,
}

var (
	bulkCursor = idl.New("bulkWrite.cursor", idl.Field{Name: "batchSize", Types: idl.Number})
	bulkNS     = idl.New("bulkWrite.nsInfo", idl.Field{Name: "ns", Types: idl.String, Required: true},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "encryptionInformation", Types: idl.Object})
	bulkInsert = idl.New("bulkWrite.ops", idl.Field{Name: "insert", Types: idl.Number, Required: true},
		idl.Field{Name: "document", Types: idl.Object, Required: true})
	bulkUpdate = idl.New("bulkWrite.ops", idl.Field{Name: "update", Types: idl.Number, Required: true},
		idl.Field{Name: "filter", Types: idl.Object, Required: true},
		idl.Field{Name: "updateMods", Types: idl.Any, Required: true, Check: func(v bsonx.Value) error {
			if v.Type != bsonx.Object && v.Type != bsonx.Array {
				return errcode.New(errcode.FailedToParse, "Update argument must be either an object or an array")
			}
			return nil
		}},
		idl.Field{Name: "sort", Types: idl.Object}, idl.Field{Name: "arrayFilters", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "multi", Types: idl.Bool}, hintField, idl.Field{Name: "constants", Types: idl.Object},
		idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "upsert", Types: idl.Bool}, idl.Field{Name: "upsertSupplied", Types: idl.Bool},
		idl.Field{Name: "sampleId", Types: idl.Binary}, idl.Field{Name: "allowShardKeyUpdatesWithoutFullShardKeyInQuery", Types: idl.Bool})
	bulkDelete = idl.New("bulkWrite.ops", idl.Field{Name: "delete", Types: idl.Number, Required: true},
		idl.Field{Name: "filter", Types: idl.Object, Required: true}, idl.Field{Name: "multi", Types: idl.Bool},
		hintField, idl.Field{Name: "collation", Types: idl.Object}, idl.Field{Name: "sampleId", Types: idl.Binary})
)

// bulkOp is one operation: an insert, or a modification.
type bulkOp struct {
	ns  int
	doc bsonx.Doc
	mod *modification
}

// bulkResult is what one operation did.
type bulkResult struct {
	index, n  int
	nModified int64 // -1: not an update
	upserted  bsonx.Value
	err       *errcode.Error
}

// bulk is a bulkWrite that runs.
type bulk struct {
	rq      *Request
	ns      []string
	uuids   []bsonx.Value // that the namespaces are expected to have
	ops     []bulkOp
	ordered bool

	results                                             []bulkResult
	errors, inserted, matched, modified, upserted, gone int64
}

func runBulkWrite(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	x := &bulk{rq: rq, ordered: rq.Args.Bool("ordered", true)}
	if err := x.read(); err != nil {
		return err
	}
	batch, err := rq.bulkBatch()
	if err != nil {
		return err
	}
	if rq.retryable() && slices.ContainsFunc(x.ops, func(op bulkOp) bool { return op.mod != nil && op.mod.multi }) {
		return errcode.New(errcode.InvalidOptions, "Cannot use retryable writes with multi=true: leave txnNumber out")
	}
	first := true
	err = rq.writeReply(ctx, b, func(s *source) error { return x.run(ctx, s) }, func(kept *bsonx.Builder) {
		if kept != b && first { // what a retry gets: all results at once
			x.appendKept(kept)
		}
		first = false
	})
	if err != nil {
		return err
	}
	if err := rq.bulkCursor(ctx, b, x.documents(rq.Args.Bool("errorsOnly", false)), batch); err != nil {
		return err
	}
	x.appendCounts(b)
	return nil
}

// bulkBatch is how many results the first batch may have.
func (rq *Request) bulkBatch() (int, error) {
	const all = 1<<31 - 1
	c := rq.Args.Doc("cursor")
	if c == nil {
		return all, nil
	}
	var a idl.Args
	if err := bulkCursor.Decode(c, &a); err != nil {
		return 0, err
	}
	n := a.Int64("batchSize", all)
	if n < 0 {
		return 0, errcode.New(51024, "BSON field 'batchSize' value must be >= 0, actual value '%d'", n)
	}
	return int(min(n, all)), nil
}

func (rq *Request) bulkCursor(ctx context.Context, b *bsonx.Builder, results []bsonx.Doc, batch int) error {
	return rq.FirstBatch(ctx, b, session.NewCursor("admin.$cmd.bulkWrite", &docsIter{docs: results}), batch, false)
}

// repeatBulk answers a retry with what was kept: the results may need several
// batches.
func (rq *Request) repeatBulk(ctx context.Context, b *bsonx.Builder, kept bsonx.Doc) error {
	batch, err := rq.bulkBatch()
	if err != nil {
		return err
	}
	var results []bsonx.Doc
	for it := bsonx.NewIter(kept); it.Next(); {
		if string(it.Key()) != "cursor" {
			b.Element(it.Element())
			continue
		}
		for r := bsonx.NewIter(bsonx.Lookup(it.Value().Data, "firstBatch").Data); r.Next(); {
			results = append(results, r.Value().Data)
		}
	}
	return rq.bulkCursor(ctx, b, results, batch)
}

// appendKept appends the whole reply with all results in its first batch.
func (x *bulk) appendKept(b *bsonx.Builder) {
	at := b.OpenDoc("cursor")
	arr := b.OpenArray("firstBatch")
	for i, d := range x.documents(x.rq.Args.Bool("errorsOnly", false)) {
		b.Doc(bsonx.Index(i), d)
	}
	b.Close(arr)
	b.Int64("id", 0)
	b.String("ns", "admin.$cmd.bulkWrite")
	b.Close(at)
	x.appendCounts(b)
}

func (x *bulk) appendCounts(b *bsonx.Builder) {
	for _, f := range []struct {
		name string
		n    int64
	}{{"nErrors", x.errors}, {"nInserted", x.inserted}, {"nMatched", x.matched}, {"nModified", x.modified}, {"nUpserted", x.upserted}, {"nDeleted", x.gone}} {
		b.Int32(f.name, int32(f.n))
	}
}

// read decodes the namespaces and the operations.
func (x *bulk) read() error {
	for _, d := range x.rq.Docs("nsInfo") {
		var a idl.Args
		if err := bulkNS.Decode(d, &a); err != nil {
			return err
		}
		ns := a.String("ns", "")
		db, coll, ok := strings.Cut(ns, ".")
		if !ok || CheckDatabase(db) != nil || CheckCollection(db, coll) != nil {
			return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified for bulkWrite: '%s'", ns)
		}
		x.ns, x.uuids = append(x.ns, ns), append(x.uuids, a.Get("collectionUUID"))
	}
	docs := x.rq.Docs("ops")
	for _, d := range docs {
		op, err := x.readOp(d)
		if err != nil {
			return err
		}
		if op.ns < 0 || op.ns >= len(x.ns) {
			return errcode.New(errcode.BadValue, "BulkWrite ops entry has an invalid nsInfo index: %d of %d", op.ns, len(x.ns))
		}
		x.ops = append(x.ops, op)
	}
	return checkBatch(len(docs))
}

func (x *bulk) readOp(d bsonx.Doc) (bulkOp, error) {
	it := bsonx.NewIter(d)
	it.Next()
	var a idl.Args
	let, bypass := x.rq.Args.Doc("let"), x.rq.Args.Bool("bypassDocumentValidation", false)
	switch string(it.Key()) {
	case "insert":
		err := bulkInsert.Decode(d, &a)
		if err != nil {
			return bulkOp{}, err
		}
		return bulkOp{ns: nsIndex(a), doc: a.Doc("document")}, nil
	case "update":
		if err := bulkUpdate.Decode(d, &a); err != nil {
			return bulkOp{}, err
		}
		m := &modification{filter: a.Doc("filter"), update: a.Get("updateMods"), constants: a.Doc("constants"), multi: a.Bool("multi", false),
			upsert: a.Bool("upsert", false), arrayFilters: a.Docs(nil, "arrayFilters"), hint: a.Get("hint"), collation: a.Doc("collation"),
			sort: a.Doc("sort"), let: let, bypass: bypass}
		if m.multi && a.Has("sort") {
			return bulkOp{}, errcode.New(errcode.FailedToParse, "Cannot specify sort with multi=true")
		}
		return bulkOp{ns: nsIndex(a), mod: m}, nil
	case "delete":
		if err := bulkDelete.Decode(d, &a); err != nil {
			return bulkOp{}, err
		}
		return bulkOp{ns: nsIndex(a), mod: &modification{filter: a.Doc("filter"), multi: a.Bool("multi", false), hint: a.Get("hint"),
			collation: a.Doc("collation"), let: let}}, nil
	}
	return bulkOp{}, errcode.New(40415, "BSON field 'bulkWrite.ops.%s' is an unknown field.", string(it.Key()))
}

// nsIndex is the namespace that an operation names by its number.
func nsIndex(a idl.Args) int {
	n := idl.ToInt64(a.At(0))
	if n < 0 || n > maxBatch {
		return -1
	}
	return int(n)
}

func (x *bulk) run(ctx context.Context, s *source) error {
	*x = bulk{rq: x.rq, ns: x.ns, uuids: x.uuids, ops: x.ops, ordered: x.ordered}
	for i := range x.ops {
		r := bulkResult{index: i, nModified: -1}
		failed, stop := x.rq.statement(s, func() error { return x.one(ctx, s, &x.ops[i], &r) })
		if stop != nil {
			return stop
		}
		if failed != nil {
			x.rq.FailTxn = true
			r.err, r.n = failed, 0
			x.errors++
		}
		x.results = append(x.results, r)
		if failed != nil && (x.ordered || x.rq.InTxn) {
			break
		}
	}
	return nil
}

// one runs an operation and counts what it did.
func (x *bulk) one(ctx context.Context, s *source, op *bulkOp, r *bulkResult) error {
	db, coll, _ := strings.Cut(x.ns[op.ns], ".")
	if m := op.mod; m != nil && m.constants != nil && m.update.Type == bsonx.Object {
		return errcode.New(51198, "Constant values may only be specified for pipeline updates")
	}
	if err := s.expectUUID(ctx, db, coll, x.uuids[op.ns]); err != nil {
		return err
	}
	t, err := s.writable(ctx, db, coll, op.doc != nil)
	if err != nil {
		return err
	}
	if op.doc != nil {
		if err := s.mayWriteInTxn(t, "insert into"); err != nil {
			return err
		}
		w := exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Bypass: x.rq.Args.Bool("bypassDocumentValidation", false)}
		q, err := s.newQuery(ctx, t, nil, nil)
		if err != nil {
			return err
		}
		w.Env = q.env()
		doc, err := x.rq.prepare(op.doc)
		if err != nil {
			return err
		}
		if err := w.Insert(ctx, append(bsonx.Doc(nil), doc...)); err != nil {
			return err
		}
		r.n = 1
		x.inserted++
		return nil
	}
	done, err := s.modify(ctx, t, op.mod)
	if err != nil {
		return err
	}
	r.n = int(done.matched)
	if op.mod.update.Type == bsonx.Missing {
		x.gone += done.matched
		return nil
	}
	r.nModified = done.changed
	x.matched += done.matched
	x.modified += done.changed
	if done.upserted.Type != bsonx.Missing {
		r.n, r.upserted = 1, done.upserted
		x.upserted++
	}
	return nil
}

// documents are what the reply's cursor yields.
func (x *bulk) documents(errorsOnly bool) []bsonx.Doc {
	var out []bsonx.Doc
	for _, r := range x.results {
		if errorsOnly && r.err == nil {
			continue
		}
		b := bsonx.NewDoc(nil)
		ok := 1.0
		if r.err != nil {
			ok = 0
		}
		b.Double("ok", ok)
		b.Int32("idx", int32(r.index))
		if r.err != nil {
			b.Int32("code", int32(r.err.Code))
			b.String("errmsg", r.err.Message)
			for it := bsonx.NewIter(r.err.Info); it.Next(); {
				b.Element(it.Element())
			}
		}
		b.Int32("n", int32(r.n))
		if r.nModified >= 0 {
			b.Int32("nModified", int32(r.nModified))
		}
		if r.upserted.Type != bsonx.Missing {
			at := b.OpenDoc("upserted")
			b.Value("_id", r.upserted)
			b.Close(at)
		}
		out = append(out, b.Done())
	}
	return out
}

// docsIter yields documents that are there already.
type docsIter struct{ docs []bsonx.Doc }

// Next implements session.Iterator.
func (it *docsIter) Next(context.Context) (bsonx.Doc, error) {
	if len(it.docs) == 0 {
		return nil, io.EOF
	}
	d := it.docs[0]
	it.docs = it.docs[1:]
	return d, nil
}

// Exhausted reports that no more documents follow.
func (it *docsIter) Exhausted() bool { return len(it.docs) == 0 }

// Close implements session.Iterator.
func (it *docsIter) Close() error { return nil }
