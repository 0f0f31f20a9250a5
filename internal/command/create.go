package command

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var createCommand = &Spec{
	Name: "create",
	Args: idl.Command("create",
		idl.Field{Name: "create", Types: idl.String, Required: true},
		idl.Field{Name: "capped", Types: idl.SafeBool},
		idl.Field{Name: "autoIndexId", Types: idl.SafeBool},
		idl.Field{Name: "idIndex", Types: idl.Object},
		idl.Field{Name: "size", Types: idl.Number},
		idl.Field{Name: "max", Types: idl.Number},
		idl.Field{Name: "storageEngine", Types: idl.Object},
		idl.Field{Name: "validator", Types: idl.Object},
		idl.Field{Name: "validationLevel", Types: idl.String, Enum: []string{"off", "strict", "moderate"}},
		idl.Field{Name: "validationAction", Types: idl.String, Enum: []string{"error", "warn", "errorAndLog"}},
		idl.Field{Name: "indexOptionDefaults", Types: idl.Object},
		idl.Field{Name: "viewOn", Types: idl.String},
		idl.Field{Name: "pipeline", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "collation", Types: idl.Object},
		idl.Field{Name: "changeStreamPreAndPostImages", Types: idl.Object},
		idl.Field{Name: "timeseries", Types: idl.Object},
		idl.Field{Name: "clusteredIndex", Types: idl.Object | idl.SafeBool},
		idl.Field{Name: "expireAfterSeconds", Types: idl.Number | idl.String},
		idl.Field{Name: "encryptedFields", Types: idl.Object},
		idl.Field{Name: "temp", Types: idl.SafeBool},
		idl.Field{Name: "recordPreImages", Types: idl.SafeBool},
	),
	Flags: DDL | TxnOK | APIv1,
	Help:  "creates a collection or a view",
	Run:   runCreate,
}

func runCreate(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	o, err := createOptions(rq)
	if err != nil {
		return err
	}
	return rq.write(ctx, func(s *source) error {
		t, err := s.target(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		if t.db.ref.ReadOnly {
			return branch.ErrReadOnly(t.db.ref)
		}
		if t.entry != nil {
			if t.entry.Type == o.Type && bsonx.Equal(bsonx.DocValue(t.entry.Options), bsonx.DocValue(o.Options)) {
				return nil // the same collection again is no error
			}
			if t.entry.Type != catalog.TypeView && o.Type == catalog.TypeCollection && bsonx.IsEmpty(o.Options) && o.IDSpec == nil {
				return nil // a bare create of a collection that is there asks for nothing else
			}
			return errcode.New(errcode.NamespaceExists, "namespace %s already exists, but with different options: %s", t.ns(), t.entry.Options)
		}
		if _, err := s.writeDB(ctx, rq.DB); err != nil {
			return err
		}
		_, err = s.sv.Catalog.Create(ctx, t.db.view, name, o)
		return err
	})
}

// createOptions takes the options as they are kept and listed.
func createOptions(rq *Request) (catalog.CreateOptions, error) {
	o := catalog.CreateOptions{Type: catalog.TypeCollection}
	b := bsonx.NewDoc(nil)
	a := &rq.Args
	for _, f := range rq.Spec.Args.Fields()[1:] {
		v := a.Get(f.Name)
		if bsonx.IsMissing(v) {
			continue
		}
		switch f.Name {
		case "capped":
			if !bsonx.Truthy(v) {
				continue
			}
			v = bsonx.True
			o.ByRecordID = true
		case "size", "max":
			v = bsonx.Int64Value(idl.ToInt64(v))
		case "autoIndexId", "idIndex", "temp":
			continue
		case "viewOn":
			o.Type = catalog.TypeView
		case "timeseries":
			o.Type = catalog.TypeTimeseries
		}
		b.Value(f.Name, v)
	}
	if o.Type == catalog.TypeView && !a.Has("pipeline") {
		b.Array("pipeline", bsonx.Arr(bsonx.EmptyDoc))
	}
	o.Options = b.Done()
	return o, nil
}
