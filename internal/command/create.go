package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
)

// maxCappedSize is the largest size of a capped collection, in bytes: a pebibyte.
const maxCappedSize = 1 << 50

var createCommand = &Spec{
	Name: "create",
	Args: idl.Command("create",
		idl.Field{Name: "create", Types: idl.Any, Required: true},
		idl.Field{Name: "capped", Types: idl.SafeBool},
		idl.Field{Name: "autoIndexId", Types: idl.SafeBool},
		idl.Field{Name: "idIndex", Types: idl.Object},
		idl.Field{Name: "size", Types: idl.Number, Min: 1, Max: maxCappedSize},
		idl.Field{Name: "max", Types: idl.Number, Check: checkCappedMax},
		idl.Field{Name: "storageEngine", Types: idl.Object, Check: checkStorageEngine},
		idl.Field{Name: "validator", Types: idl.Object},
		idl.Field{Name: "validationLevel", Types: idl.String, Enum: []string{"off", "strict", "moderate"}},
		idl.Field{Name: "validationAction", Types: idl.String, Enum: []string{"error", "warn", "errorAndLog"}},
		idl.Field{Name: merge.ModeOption, Types: idl.String, Enum: merge.ModeNames()},
		idl.Field{Name: "indexOptionDefaults", Types: idl.Object, Check: checkIndexOptionDefaults},
		idl.Field{Name: "viewOn", Types: idl.String, Check: checkViewOnNotEmpty},
		idl.Field{Name: "pipeline", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "collation", Types: idl.Object, Check: checkCollation},
		idl.Field{Name: "changeStreamPreAndPostImages", Types: idl.Object, Check: checkPreImages},
		idl.Field{Name: "timeseries", Types: idl.Object, Check: checkTimeseries},
		idl.Field{Name: "clusteredIndex", Types: idl.Object | idl.Bool, Check: checkClusteredIndex},
		idl.Field{Name: "expireAfterSeconds", Types: idl.Number},
		idl.Field{Name: "encryptedFields", Types: idl.Object, Check: checkEncryptedFields},
		idl.Field{Name: "temp", Types: idl.SafeBool},
		idl.Field{Name: "flags", Types: idl.Number},
		idl.Field{Name: "recordPreImages", Types: idl.SafeBool},
	),
	Flags:     DDL | TxnOK | APIv1,
	Privilege: onCollection(auth.CreateCollection).and(viewNeeds),
	Help:      "creates a collection or a view",
	Run:       runCreate,
}

func runCreate(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if err := checkNewCollection(rq.DB, name); err != nil {
		return err
	}
	if err := checkCreate(rq); err != nil {
		return err
	}
	switch special := rq.Args.Has("viewOn") || rq.Args.Has("timeseries"); {
	case special && name == profileNS:
		return errcode.New(errcode.IllegalOperation, "Cannot create system.profile as a view or a time-series collection")
	case special && rq.InTxn:
		return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot create a view or a time-series collection in a multi-document transaction.")
	case rq.InTxn && strings.HasPrefix(name, "system."):
		return errcode.New(errcode.OperationNotSupportedInTransaction, "Cannot create system collection %s within a transaction.", rq.NS(name))
	}
	o, err := createOptions(&rq.Args)
	if err != nil {
		return err
	}
	if rq.Args.Has("autoIndexId") {
		reply.String("note", "The autoIndexId option is deprecated and will be removed in a future release")
	}
	return rq.write(ctx, func(s *source) error { return s.create(ctx, rq.DB, name, o) })
}

// create adds a collection or view. The same one again is no error.
func (s *source) create(ctx context.Context, db, name string, o catalog.CreateOptions) error {
	t, err := s.target(ctx, db, name)
	if err != nil {
		return err
	}
	if t.db.ref.ReadOnly {
		return branch.ErrReadOnly(t.db.ref)
	}
	if t.entry != nil {
		if t.entry.Type == o.Type && bsonx.Equal(bsonx.DocValue(t.entry.Options), bsonx.DocValue(o.Options)) {
			return nil
		}
		return errcode.New(errcode.NamespaceExists, "namespace %s already exists, but with different options: %s", t.ns(), t.entry.Options)
	}
	if o.Type == catalog.TypeView {
		if err := s.checkView(ctx, t, o.Options); err != nil {
			return err
		}
	}
	if _, err := s.writeDB(ctx, db); err != nil {
		return err
	}
	if _, err = s.sv.Catalog.Create(ctx, t.db.view, name, o); err != nil {
		return err
	}
	if o.Type != catalog.TypeTimeseries {
		return nil
	}
	if ix := timeseriesIndex(o.Options); ix != nil {
		_, err = s.sv.Catalog.AddIndexes(ctx, t.db.view, name, []bsonx.Doc{ix})
	}
	return err
}

// createOptions takes the options as they are kept and listed: in MongoDB's
// order, with defaults filled in where listCollections shows them.
func createOptions(a *idl.Args) (catalog.CreateOptions, error) {
	if a.Has("viewOn") {
		return viewOptions(a)
	}
	o := catalog.CreateOptions{Type: catalog.TypeCollection}
	b := bsonx.NewDoc(nil)
	if a.Bool("capped", false) {
		o.ByRecordID = true
		b.Bool("capped", true)
		appendNumber(b, "size", a.Int64("size", 0))
		if n := a.Int64("max", 0); n > 0 {
			appendNumber(b, "max", n)
		}
	}
	if p := a.Doc("changeStreamPreAndPostImages"); p != nil && bsonx.Truthy(bsonx.Lookup(p, "enabled")) {
		b.Doc("changeStreamPreAndPostImages", p)
	}
	appendNotEmpty(b, a, "storageEngine", "indexOptionDefaults", "validator")
	b.Value("validationLevel", a.Get("validationLevel"))
	b.Value("validationAction", a.Get("validationAction"))
	b.Value(merge.ModeOption, a.Get(merge.ModeOption))
	coll, err := fullCollation(a.Doc("collation"))
	if err != nil {
		return o, err
	}
	if coll != nil {
		b.Doc("collation", coll)
	}
	if ts := a.Doc("timeseries"); ts != nil {
		o.Type, o.ByRecordID = catalog.TypeTimeseries, true
		if err := appendTimeseries(b, ts); err != nil {
			return o, err
		}
	}
	idSpec, err := idIndexSpec(a, coll)
	if err != nil {
		return o, err
	}
	o.IDSpec = idSpec
	if a.Get("clusteredIndex").Type == bsonx.Object {
		b.Doc("clusteredIndex", clusteredSpec(a.Doc("clusteredIndex")))
	}
	if a.Has("expireAfterSeconds") {
		b.Int64("expireAfterSeconds", a.Int64("expireAfterSeconds", 0))
	}
	appendNotEmpty(b, a, "encryptedFields")
	o.Options = b.Done()
	return o, nil
}

// viewOptions are the options of a view: others have no meaning for one.
func viewOptions(a *idl.Args) (catalog.CreateOptions, error) {
	coll, err := fullCollation(a.Doc("collation"))
	if err != nil {
		return catalog.CreateOptions{}, err
	}
	b := bsonx.NewDoc(nil)
	b.Value("viewOn", a.Get("viewOn"))
	b.Array("pipeline", withoutNulls(a.Array("pipeline")))
	if coll != nil {
		b.Doc("collation", coll)
	}
	return catalog.CreateOptions{Type: catalog.TypeView, Options: b.Done()}, nil
}

// appendNumber appends a number as the smallest integer type that holds it.
func appendNumber(b *bsonx.Builder, name string, n int64) {
	if n == int64(int32(n)) {
		b.Int32(name, int32(n))
		return
	}
	b.Int64(name, n)
}

func appendNotEmpty(b *bsonx.Builder, a *idl.Args, names ...string) {
	for _, n := range names {
		if d := a.Doc(n); d != nil && !bsonx.IsEmpty(d) {
			b.Doc(n, d)
		}
	}
}

// withoutNulls is an array without its null elements, which MongoDB's argument
// tables pass over.
func withoutNulls(a bsonx.Arr) bsonx.Arr {
	var vals []bsonx.Value
	for _, v := range bsonx.Values(nil, a) {
		if !bsonx.IsNullish(v) {
			vals = append(vals, v)
		}
	}
	return bsonx.AppendArray(nil, vals)
}

// fullCollation expands a collation to all of its fields; nil for the simple one.
func fullCollation(spec bsonx.Doc) (bsonx.Doc, error) {
	if spec == nil {
		return nil, nil
	}
	c, err := collate.Parse(spec)
	if err != nil || c.Simple() {
		return nil, err
	}
	return c.Spec(), nil
}
