package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

var renameCollectionCommand = &Spec{
	Name: "renameCollection",
	Args: idl.Command("renameCollection",
		idl.Field{Name: "renameCollection", Types: idl.String, Required: true},
		idl.Field{Name: "to", Types: idl.String, Required: true},
		idl.Field{Name: "dropTarget", Types: idl.Bool | idl.Binary | idl.Null, Check: checkDropTarget},
		idl.Field{Name: "stayTemp", Types: idl.SafeBool},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}),
	Flags:     AdminOnly | DDL | APIv1 | Audited,
	Privilege: forUsers(renameNeeds),
	Help:      "gives a collection another name; between databases and branches it copies the documents",
	Run:       runRename,
}

func checkDropTarget(v bsonx.Value) error {
	if v.Type == bsonx.Null {
		return idl.WrongType("renameCollection.dropTarget", v.Type, idl.Bool)
	}
	if v.Type == bsonx.Binary {
		if sub, data := bsonx.Bin(v); sub != 4 || len(data) != 16 {
			return idl.WrongType("renameCollection.dropTarget", v.Type, idl.Bool)
		}
	}
	return nil
}

func runRename(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	from, to := rq.Args.String("renameCollection", ""), rq.Args.String("to", "")
	fromDB, fromColl, err := splitNamespace(from)
	if err != nil {
		return err
	}
	toDB, toColl, err := splitNamespace(to)
	if err != nil {
		return err
	}
	if err := checkRename(from, to, fromColl, toColl); err != nil {
		return err
	}
	v := rq.Args.Get("dropTarget")
	drop := v.Type == bsonx.Binary || bsonx.Truthy(v)
	return rq.write(ctx, func(s *source) error {
		d, err := s.changeable(ctx, fromDB)
		if err != nil {
			return err
		}
		t, err := s.target(ctx, fromDB, fromColl)
		if err != nil {
			return err
		}
		switch {
		case t.entry == nil:
			return errcode.New(errcode.NamespaceNotFound, "Source collection %s does not exist", from)
		case t.entry.Type != catalog.TypeCollection:
			return errcode.New(errcode.CommandNotSupportedOnView, "cannot rename view: %s", from)
		}
		if _, err := s.changeable(ctx, toDB); err != nil {
			return err
		}
		if err := s.checkTarget(ctx, toDB, toColl, drop); err != nil {
			return err
		}
		if fromDB == toDB {
			_, err = s.sv.Catalog.Rename(ctx, d.view, fromColl, toColl, drop)
			return err
		}
		return s.moveCollection(ctx, t, toDB, toColl)
	})
}

func checkRename(from, to, fromColl, toColl string) error {
	illegal := func(format string, args ...any) error { return errcode.New(errcode.IllegalOperation, format, args...) }
	switch {
	case from == to:
		return illegal("Can't rename a collection to itself")
	case len(from) > maxNamespace:
		return illegal("error with source namespace: Fully qualified namespace is too long. Namespace: %s Max: %d", from, maxNamespace)
	case len(to) > maxNamespace:
		return illegal("error with target namespace: Fully qualified namespace is too long. Namespace: %s Max: %d", to, maxNamespace)
	case strings.HasPrefix(fromColl, "system."):
		return illegal("error with source namespace: renaming system collections is not allowed: %s", from)
	case strings.HasPrefix(toColl, "system."):
		return illegal("error with target namespace: renaming to a system collection is not allowed: %s", to)
	case strings.ContainsRune(toColl, '$'):
		return illegal("error with target namespace: a collection's name cannot contain '$': %s", to)
	}
	return nil
}

// checkTarget refuses a name that is taken.
func (s *source) checkTarget(ctx context.Context, db, coll string, drop bool) error {
	t, err := s.target(ctx, db, coll)
	switch {
	case err != nil:
		return err
	case t.entry == nil || drop && t.entry.Type == catalog.TypeCollection:
		return nil
	case t.entry.Type != catalog.TypeCollection:
		return errcode.New(errcode.NamespaceExists, "a view already exists with that name: %s", t.ns())
	}
	return errcode.New(errcode.NamespaceExists, "target namespace exists")
}

// moveCollection copies a collection with its options and indexes to another
// database and drops it where it was.
func (s *source) moveCollection(ctx context.Context, from *target, db, name string) error {
	d, err := s.writeDB(ctx, db)
	if err != nil {
		return err
	}
	if _, taken := d.snap.Collection(name); taken {
		if _, err := s.sv.Catalog.Drop(ctx, d.view, name); err != nil {
			return err
		}
	}
	o := catalog.CreateOptions{Type: from.entry.Type, Options: from.entry.Options, IDSpec: from.entry.Indexes[0].Spec, ByRecordID: from.entry.ByRecordID}
	entry, err := s.sv.Catalog.Create(ctx, d.view, name, o)
	if err != nil {
		return err
	}
	var specs []bsonx.Doc
	for _, ix := range from.entry.Indexes[1:] {
		specs = append(specs, ix.Spec)
	}
	if len(specs) > 0 {
		if entry, err = s.sv.Catalog.AddIndexes(ctx, d.view, name, specs); err != nil {
			return err
		}
	}
	t := &target{db: d, name: name, entry: entry}
	it := from.db.view.Scan(from.entry.ID, txn.ScanOptions{})
	defer func() { _ = it.Close() }()
	var batch []bsonx.Doc
	for it.Next() {
		if batch = append(batch, append(bsonx.Doc(nil), it.Value()...)); len(batch) < 1000 {
			continue
		}
		if err := exec.Interrupted(ctx); err != nil {
			return err
		}
		if err := s.insertAll(ctx, t, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if err := it.Err(); err != nil {
		return err
	}
	if err := s.insertAll(ctx, t, batch); err != nil {
		return err
	}
	_, err = s.sv.Catalog.Drop(ctx, from.db.view, from.name)
	return err
}
