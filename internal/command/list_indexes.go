package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var listIndexesCommand = &Spec{
	Name: "listIndexes",
	Args: idl.Command("listIndexes",
		idl.Field{Name: "listIndexes", Types: idl.Any, Required: true},
		cursorField,
		idl.Field{Name: "includeBuildUUIDs", Types: idl.SafeBool},
		idl.Field{Name: "includeIndexBuildInfo", Types: idl.SafeBool},
	),
	Flags:     Read | APIv1,
	Privilege: onCollection(auth.ListIndexes),
	Help:      "lists the indexes of a collection, at its point",
	Run:       runListIndexes,
}

func runListIndexes(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	info := rq.Args.Bool("includeIndexBuildInfo", false)
	if info && rq.Args.Bool("includeBuildUUIDs", false) {
		return errcode.New(errcode.InvalidOptions, "The includeBuildUUIDs flag and includeIndexBuildInfo flag cannot both be set to true")
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.db(ctx, rq.DB)
	if err != nil {
		return err
	}
	docs, shown := shownIndexes(rq, d.snap, name)
	if !shown {
		t, err := s.target(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		if err := mustBeCollection(t); err != nil {
			return err
		}
		for _, ix := range listedIndexes(t.entry) {
			docs = append(docs, ix.Spec)
		}
	}
	for i := range docs {
		docs[i] = withDoubles(docs[i])
		if info {
			b := bsonx.NewDoc(nil)
			b.Doc("spec", docs[i])
			docs[i] = b.Done()
		}
	}
	return rq.inBatches(ctx, reply, name, docs)
}

// withDoubles shows the bounds of a 2d index as doubles, as MongoDB's reply has them.
func withDoubles(spec bsonx.Doc) bsonx.Doc {
	for _, f := range []string{"min", "max"} {
		if v := bsonx.Lookup(spec, f); bsonx.IsNumber(v) && v.Type != bsonx.Double {
			spec = withField(spec, f, bsonx.DoubleValue(idl.ToFloat64(v)))
		}
	}
	return spec
}

// shownIndexes are the indexes of a namespace that is only shown: system.views,
// system.profile and the buckets of a time-series collection.
func shownIndexes(rq *Request, snap *catalog.Snapshot, name string) (docs []bsonx.Doc, ok bool) {
	if _, stored := snap.Collection(name); stored {
		return nil, false
	}
	if name == profileNS && rq.Services.profiles.used(rq.DB) {
		return nil, true
	}
	if name == viewsNS {
		for _, n := range snap.Names() {
			if e, _ := snap.Collection(n); e.Type != catalog.TypeCollection {
				return []bsonx.Doc{defaultIDIndex()}, true
			}
		}
		return nil, false
	}
	of, ok := strings.CutPrefix(name, bucketsPrefix)
	if !ok {
		return nil, false
	}
	e, ok := snap.Collection(of)
	if !ok || e.Type != catalog.TypeTimeseries {
		return nil, false
	}
	for _, ix := range listedIndexes(e) {
		docs = append(docs, bucketIndex(e.Options, ix.Spec))
	}
	return docs, true
}

// bucketIndex is an index of a time-series collection as it would be on buckets.
func bucketIndex(options, spec bsonx.Doc) bsonx.Doc {
	ts := bsonx.Lookup(options, "timeseries").Data
	time, meta := bsonx.Lookup(ts, "timeField"), bsonx.Lookup(ts, "metaField")
	b := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(spec); it.Next(); {
		if string(it.Key()) != "key" {
			b.Element(it.Element())
			continue
		}
		at := b.OpenDoc("key")
		for k := bsonx.NewIter(it.Value().Data); k.Next(); {
			path := string(k.Key())
			field, rest, _ := strings.Cut(path, ".")
			switch {
			case path == string(bsonx.Str(time)):
				b.Value("control.min."+path, k.Value())
				b.Value("control.max."+path, k.Value())
			case meta.Type == bsonx.String && field == string(bsonx.Str(meta)):
				b.Value(strings.TrimSuffix("meta."+rest, "."), k.Value())
			default:
				b.Value("control.min."+path, k.Value())
				b.Value("control.max."+path, k.Value())
			}
		}
		b.Close(at)
	}
	return b.Done()
}

// isClustered reports whether a collection was made with clusteredIndex.
func isClustered(c *catalog.Collection) bool { return c.Option("clusteredIndex").Type == bsonx.Object }

// listedIndexes are the indexes that a client sees: a time-series collection has
// none on _id.
func listedIndexes(c *catalog.Collection) []*catalog.Index {
	if c.Type == catalog.TypeTimeseries && len(c.Indexes) > 0 {
		return c.Indexes[1:]
	}
	return c.Indexes
}

// countIndexes counts them as MongoDB does, which does not count a clustered one.
func countIndexes(c *catalog.Collection) int {
	n := len(listedIndexes(c))
	if isClustered(c) {
		n--
	}
	return n
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
