package command

import (
	"context"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

var convertToCappedCommand = &Spec{
	Name: "convertToCapped",
	Args: idl.Command("convertToCapped", idl.Field{Name: "convertToCapped", Types: idl.Any, Required: true},
		idl.Field{Name: "size", Types: idl.Any}).Lenient(),
	Flags: DDL, Privilege: onCollection(auth.ConvertToCapped), Help: "makes a collection a capped one: the newest documents that fit stay, without indexes", Run: runConvertToCapped,
}

var cloneCollectionAsCappedCommand = &Spec{
	Name: "cloneCollectionAsCapped",
	Args: idl.Command("cloneCollectionAsCapped", idl.Field{Name: "cloneCollectionAsCapped", Types: idl.Any},
		idl.Field{Name: "toCollection", Types: idl.Any}, idl.Field{Name: "size", Types: idl.Any}).Lenient(),
	Flags: DDL, Privilege: forUsers(cloneNeeds), Help: "copies a collection's newest documents into a new capped collection", Run: runCloneAsCapped,
}

// cappedOptions checks the size of a capped collection to be.
func cappedOptions(v bsonx.Value) (catalog.CreateOptions, int64, error) {
	var n int64
	if bsonx.IsNumber(v) {
		n = idl.ToInt64(v)
	}
	switch {
	case n <= 0:
		return catalog.CreateOptions{}, 0, invalidOptions("Capped collection size must be greater than zero")
	case n > maxCappedSize:
		return catalog.CreateOptions{}, 0, errcode.New(errcode.BadValue, "Capped collection size cannot exceed 1 PB")
	}
	b := bsonx.NewDoc(nil)
	b.Bool("capped", true)
	appendNumber(b, "size", n)
	return catalog.CreateOptions{Type: catalog.TypeCollection, Options: b.Done(), ByRecordID: true}, n, nil
}

func runConvertToCapped(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if err := refuseBuckets(rq.DB, name); err != nil {
		return err
	}
	if name == viewsNS {
		return errcode.New(errcode.BadValue, "Cannot convert %s.%s to a capped collection", rq.DB, name)
	}
	return rq.write(ctx, func(s *source) error {
		t, err := s.source(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		o, size, err := cappedOptions(rq.Args.Get("size"))
		if err != nil {
			return err
		}
		o.IDSpec = t.entry.Indexes[0].Spec
		if isClustered(t.entry) {
			o.IDSpec = nil
		}
		docs, err := newest(ctx, t, size)
		if err != nil {
			return err
		}
		if _, err := s.sv.Catalog.Drop(ctx, t.db.view, name); err != nil {
			return err
		}
		return s.fillNew(ctx, rq.DB, name, o, docs)
	})
}

func runCloneAsCapped(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	from, err := nameArg(rq, "cloneCollectionAsCapped")
	if err != nil {
		return err
	}
	to, err := nameArg(rq, "toCollection")
	if err != nil {
		return err
	}
	if strings.HasPrefix(from, bucketsPrefix) || strings.HasPrefix(to, bucketsPrefix) {
		return errcode.New(errcode.IllegalOperation, "cloneCollectionAsCapped is not supported on the buckets of time-series collections")
	}
	if err := checkNewCollection(rq.DB, to); err != nil {
		return err
	}
	if strings.ContainsRune(from, '$') {
		return errcode.New(errcode.InvalidNamespace, "Invalid source namespace: %s.%s", rq.DB, from)
	}
	o, size, err := cappedOptions(rq.Args.Get("size"))
	if err != nil {
		return err
	}
	return rq.write(ctx, func(s *source) error {
		t, err := s.source(ctx, rq.DB, from)
		if err != nil {
			return err
		}
		switch d, err := s.target(ctx, rq.DB, to); {
		case err != nil:
			return err
		case d.isView():
			return errcode.New(errcode.CommandNotSupportedOnView, "cloneCollectionAsCapped not supported for views: %s", d.ns())
		case d.entry != nil:
			return errcode.New(errcode.NamespaceExists, "cloneCollectionAsCapped failed - destination collection %s already exists.", d.ns())
		}
		docs, err := newest(ctx, t, size)
		if err != nil {
			return err
		}
		return s.fillNew(ctx, rq.DB, to, o, docs)
	})
}

// nameArg reads a collection's name from a command that takes it as a string.
func nameArg(rq *Request, arg string) (string, error) {
	v := rq.Args.Get(arg)
	if v.Type != bsonx.String {
		return "", errcode.New(errcode.TypeMismatch, "'%s' has to be a string: the name of a collection", arg)
	}
	name := string(bsonx.Str(v))
	return name, CheckCollection(rq.DB, name)
}

func refuseBuckets(db, name string) error {
	if strings.HasPrefix(name, bucketsPrefix) {
		return errcode.New(errcode.IllegalOperation, "%s.%s is a part of a time-series collection; run this on %s instead", db, name, name[len(bucketsPrefix):])
	}
	return nil
}

// source finds a collection that a command makes another of. Errors:
// NamespaceNotFound; CommandNotSupportedOnView for views, time-series collections
// and points in the past.
func (s *source) source(ctx context.Context, db, name string) (*target, error) {
	d, err := s.changeable(ctx, db)
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, db, name)
	if err != nil {
		return nil, err
	}
	if err := mustBeCollection(t); err != nil {
		return nil, err
	}
	if t.entry.Type == catalog.TypeTimeseries {
		return nil, errcode.New(errcode.CommandNotSupportedOnView, "Namespace %s.%s is a timeseries collection", d.name, name)
	}
	return t, nil
}

// newest returns the newest documents that fit into size bytes, oldest first.
func newest(ctx context.Context, t *target, size int64) ([]bsonx.Doc, error) {
	it := t.db.view.Scan(t.entry.ID, txn.ScanOptions{Reverse: true})
	defer func() { _ = it.Close() }()
	var docs []bsonx.Doc
	for it.Next() {
		if err := exec.Interrupted(ctx); err != nil {
			return nil, err
		}
		d := it.Value()
		if size -= int64(len(d)); size < 0 {
			break
		}
		docs = append(docs, append(bsonx.Doc(nil), d...))
	}
	slices.Reverse(docs)
	return docs, it.Err()
}

// fillNew makes a collection with these documents.
func (s *source) fillNew(ctx context.Context, db, name string, o catalog.CreateOptions, docs []bsonx.Doc) error {
	d, err := s.writeDB(ctx, db)
	if err != nil {
		return err
	}
	entry, err := s.sv.Catalog.Create(ctx, d.view, name, o)
	if err != nil {
		return err
	}
	return s.insertAll(ctx, &target{db: d, name: name, entry: entry}, docs)
}

// insertAll inserts documents that have been checked before.
func (s *source) insertAll(ctx context.Context, t *target, docs []bsonx.Doc) error {
	coll, err := exec.Compile(t.entry)
	if err != nil {
		return err
	}
	q, err := s.newQuery(ctx, t, nil, nil)
	if err != nil {
		return err
	}
	w := &exec.Writer{View: t.db.view, Coll: coll, NS: t.ns(), Env: q.env(), Bypass: true}
	for _, d := range docs {
		if err := w.Insert(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
