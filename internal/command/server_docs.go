package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/stage"
)

// serverDocs returns the documents of a stage that asks the server, not a
// collection: the catalog's and those that nothing fills here.
func (s *source) serverDocs(ctx context.Context, ns stage.Namespace, name string, spec bsonx.Doc) ([]bsonx.Doc, error) {
	switch name {
	case "$listClusterCatalog":
		return s.clusterCatalog(ctx, ns.DB, bsonx.Truthy(bsonx.Lookup(spec, "shards")))
	case "$listCatalog":
		return s.listCatalog(ctx, ns)
	case "$querySettings", "$queryStats", "$listSampledQueries":
		return nil, nil // nothing sets or samples them
	}
	return nil, errcode.New(errcode.NotImplemented, "%s is not supported", name)
}

// listCatalog describes one namespace, or those of all databases.
func (s *source) listCatalog(ctx context.Context, ns stage.Namespace) ([]bsonx.Doc, error) {
	all, err := s.clusterCatalog(ctx, ns.DB, false)
	if err != nil {
		return nil, err
	}
	var docs []bsonx.Doc
	for _, c := range all {
		db, full := string(bsonx.Str(bsonx.Lookup(c, "db"))), string(bsonx.Str(bsonx.Lookup(c, "ns")))
		if ns.Coll != "" && full != ns.String() {
			continue
		}
		t, err := s.target(ctx, db, full[len(db)+1:])
		if err != nil {
			return nil, err
		}
		b := bsonx.NewDoc(nil)
		b.String("db", db)
		b.String("name", t.name)
		b.Value("type", bsonx.Lookup(c, "type"))
		b.String("ns", full)
		if t.coll == nil {
			for it := bsonx.NewIter(bsonx.Lookup(c, "options").Data); it.Next(); {
				b.Element(it.Element())
			}
			docs = append(docs, b.Done())
			continue
		}
		md := b.OpenDoc("md")
		b.String("ns", full)
		b.Value("options", bsonx.Lookup(c, "options"))
		arr := b.OpenArray("indexes")
		for i, ix := range listedIndexes(t.entry) {
			at := b.OpenDoc(bsonx.Index(i))
			b.Doc("spec", ix.Spec)
			b.Bool("ready", !ix.Building)
			b.Close(at)
		}
		b.Close(arr)
		b.Close(md)
		docs = append(docs, b.Done())
	}
	return docs, nil
}
