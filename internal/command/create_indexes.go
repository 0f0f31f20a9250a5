package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
)

var createIndexesCommand = &Spec{
	Name: "createIndexes",
	Args: idl.Command("createIndexes",
		idl.Field{Name: "createIndexes", Types: idl.Any, Required: true},
		idl.Field{Name: "indexes", Types: idl.Array, Elems: idl.Object, Required: true},
		idl.Field{Name: "ignoreUnknownIndexOptions", Types: idl.SafeBool},
		idl.Field{Name: "commitQuorum", Types: idl.String | idl.Number},
		idl.Field{Name: "v", Types: idl.Any},
	),
	Flags:     DDL | TxnOK | APIv1,
	Privilege: onCollection(auth.CreateIndex),
	Help:      "creates indexes, also on existing data",
	Run:       runCreateIndexes,
}

// maxIndexes is MongoDB's limit of indexes of one collection.
const maxIndexes = 64

// smallBuild is how many documents an index is built over in the commit that
// creates it. Over more it is built in steps, while writes go on.
const smallBuild = 20_000

// buildStep bounds what one step of a build holds in memory, in bytes.
const buildStep = 8 << 20

func runCreateIndexes(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	specs, err := rq.indexSpecs()
	if err != nil {
		return err
	}
	b := &indexBuild{rq: rq, name: name, specs: specs}
	if err := rq.write(ctx, func(s *source) error { return b.begin(ctx, s) }); err != nil {
		return err
	}
	if b.staged {
		if err := b.fill(ctx); err != nil {
			return err
		}
	}
	reply.Int32("numIndexesBefore", int32(b.before))
	reply.Int32("numIndexesAfter", int32(b.after))
	reply.Bool("createdCollectionAutomatically", b.created)
	if b.before == b.after {
		reply.String("note", "all indexes already exist")
	}
	return nil
}

// indexSpecs are the specifications of the command in their stored form.
func (rq *Request) indexSpecs() ([]bsonx.Doc, error) {
	docs := rq.Docs("indexes")
	if len(docs) == 0 {
		return nil, errcode.New(errcode.BadValue, "Must specify at least one index to create")
	}
	out := make([]bsonx.Doc, 0, len(docs))
	for _, d := range docs {
		n, err := index.Normalize(d)
		if err != nil {
			return nil, err
		}
		if v := bsonx.Lookup(d, "storageEngine"); v.Type == bsonx.Object {
			if bsonx.IsEmpty(v.Data) {
				return nil, errcode.New(errcode.CannotCreateIndex, "Empty \"storageEngine\" options are invalid: remove the field or name an engine")
			}
			if err := checkStorageEngine(v); err != nil {
				return nil, err
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// newIndexes returns the specifications that the collection does not have yet.
// Errors: IndexKeySpecsConflict for a name that is taken, IndexOptionsConflict
// for the same key with other options or another name.
func newIndexes(c *catalog.Collection, specs []bsonx.Doc) ([]bsonx.Doc, error) {
	var out []bsonx.Doc
	known := make([]bsonx.Doc, 0, len(c.Indexes)+len(specs))
	for _, ix := range c.Indexes {
		known = append(known, ix.Spec)
	}
	for _, spec := range specs {
		have, err := hasIndex(known, spec)
		if err != nil {
			return nil, err
		}
		if !have {
			known = append(known, spec)
			out = append(out, spec)
		}
	}
	return out, nil
}

func hasIndex(known []bsonx.Doc, spec bsonx.Doc) (bool, error) {
	name, key := bsonx.Lookup(spec, "name"), bsonx.Lookup(spec, "key")
	for _, k := range known {
		sameName := bsonx.Equal(bsonx.Lookup(k, "name"), name)
		sameKey := bsonx.Equal(bsonx.Lookup(k, "key"), key) && sameSignature(k, spec)
		switch {
		case sameName && sameKey && sameOptions(k, spec):
			return true, nil
		case isIDKey(key.Data) && isIDKey(bsonx.Lookup(k, "key").Data):
			return true, nil
		case sameName && sameKey:
			return false, errcode.New(errcode.IndexOptionsConflict, "An equivalent index already exists with the same name but different options. Requested index: %s, existing index: %s", spec, k)
		case sameName:
			return false, errcode.New(errcode.IndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: %s, existing index: %s", spec, k)
		case sameKey:
			return false, errcode.New(errcode.IndexOptionsConflict, "Index already exists with a different name: %s", bsonx.Str(bsonx.Lookup(k, "name")))
		}
	}
	return false, nil
}

// sameSignature compares what lets two indexes with one key pattern stand side by
// side: collation and partial filter (MongoDB's manual, "createIndexes", "Multiple
// indexes with the same key pattern").
func sameSignature(a, b bsonx.Doc) bool {
	for _, f := range []string{"collation", "partialFilterExpression", "sparse", "unique", "wildcardProjection"} {
		if !bsonx.Equal(bsonx.Lookup(a, f), bsonx.Lookup(b, f)) {
			return false
		}
	}
	return true
}

func sameOptions(a, b bsonx.Doc) bool {
	for _, f := range []string{"unique", "sparse", "hidden", "expireAfterSeconds", "weights", "default_language"} {
		if !bsonx.Equal(bsonx.Lookup(a, f), bsonx.Lookup(b, f)) {
			return false
		}
	}
	return true
}

func isIDKey(key bsonx.Doc) bool {
	return bsonx.Len(key) == 1 && !bsonx.IsMissing(bsonx.Lookup(key, "_id"))
}

// finishSpecs gives specifications what they inherit from the collection and
// checks their partial filters.
func finishSpecs(t *target, specs []bsonx.Doc) ([]bsonx.Doc, error) {
	var collation bsonx.Doc
	if c, ok := t.coll.Collation.(*collate.Collation); ok && !c.Simple() {
		collation = c.Spec()
	}
	out := make([]bsonx.Doc, len(specs))
	for i, s := range specs {
		n, err := index.Inherit(s, collation)
		if err != nil {
			return nil, err
		}
		compiled, err := index.Compile(n)
		if err != nil {
			return nil, err
		}
		if compiled.Partial != nil {
			if err := exec.CheckPartial(compiled.Partial, compiled.Collator); err != nil {
				return nil, err
			}
		}
		if t.entry.Type == catalog.TypeTimeseries {
			if err := checkTimeseriesIndex(t.entry, compiled); err != nil {
				return nil, err
			}
		}
		out[i] = n
	}
	return out, nil
}
