package command

import (
	"context"
	"io"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/session"
)

// cursorField is the {batchSize} option of the commands that list.
var cursorField = idl.Field{Name: "cursor", Types: idl.Object}

var cursorArgs = idl.New("cursor", idl.Field{Name: "batchSize", Types: idl.Number, Min: 0, Max: idl.NoMax})

var listCollectionsCommand = &Spec{
	Name: "listCollections",
	Args: idl.Command("listCollections",
		idl.Field{Name: "listCollections", Types: idl.Any, Required: true},
		cursorField,
		idl.Field{Name: "filter", Types: idl.Object},
		idl.Field{Name: "nameOnly", Types: idl.Bool},
		idl.Field{Name: "authorizedCollections", Types: idl.Bool},
	),
	Flags:     Read | APIv1,
	Privilege: forUsers(listCollectionsNeeds),
	Help:      "lists the collections and views of a branch, at its point",
	Run:       runListCollections,
}

func runListCollections(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.db(ctx, rq.DB)
	if err != nil {
		return err
	}
	nameOnly := rq.Args.Bool("nameOnly", false)
	docs := describeAll(d.snap)
	if nameOnly { // before the filter, which then sees no more than this
		for i := range docs {
			docs[i] = onlyName(docs[i])
		}
	}
	if p := rq.Conn.Auth.principal; nameOnly && rq.Args.Bool("authorizedCollections", false) && p != nil && rq.Services.AuthRequired {
		docs = slices.DeleteFunc(docs, func(d bsonx.Doc) bool {
			return !p.MaySee(auth.CollectionTarget(rq.DB, stringOf(d, "name")), rq.Services.defaultBranch)
		})
	}
	return rq.listed(ctx, reply, "$cmd.listCollections", docs)
}

// describeAll lists the namespaces of a database, those that are only shown
// included.
func describeAll(snap *catalog.Snapshot) []bsonx.Doc {
	var docs []bsonx.Doc
	views := false
	for _, name := range snap.Names() {
		e, _ := snap.Collection(name)
		docs = append(docs, describeCollection(e))
		if e.Type == catalog.TypeTimeseries {
			docs = append(docs, describeBuckets(e.Options, e.UUID, name))
		}
		views = views || e.Type != catalog.TypeCollection
	}
	if _, made := snap.Collection(viewsNS); views && !made {
		docs = append(docs, describeViews())
	}
	return docs
}

// describeViews is system.views, which is there for as long as there are views.
func describeViews() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("name", viewsNS)
	b.String("type", string(catalog.TypeCollection))
	b.Doc("options", bsonx.EmptyDoc)
	at := b.OpenDoc("info")
	b.Bool("readOnly", false)
	b.Binary("uuid", 4, make([]byte, 16))
	b.Close(at)
	b.Doc("idIndex", defaultIDIndex())
	return b.Done()
}

// defaultIDIndex is the index on _id of a collection without a collation.
func defaultIDIndex() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("v", 2)
	at := b.OpenDoc("key")
	b.Int32("_id", 1)
	b.Close(at)
	b.String("name", catalog.IDIndexName)
	return b.Done()
}

func onlyName(d bsonx.Doc) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Value("name", bsonx.Lookup(d, "name"))
	b.Value("type", bsonx.Lookup(d, "type"))
	return b.Done()
}

// describeCollection is a collection as listCollections shows it.
func describeCollection(c *catalog.Collection) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("name", c.Name)
	b.String("type", string(c.Type))
	b.Doc("options", c.Options)
	at := b.OpenDoc("info")
	b.Bool("readOnly", c.Type == catalog.TypeView)
	if c.Type == catalog.TypeCollection {
		b.Binary("uuid", 4, c.UUID[:])
	}
	b.Close(at)
	if c.Type == catalog.TypeCollection && !isClustered(c) {
		b.Doc("idIndex", c.Indexes[0].Spec)
	}
	return b.Done()
}

// listed answers with documents that were put together in memory: those that the
// command's filter takes, as a cursor.
func (rq *Request) listed(ctx context.Context, reply *bsonx.Builder, coll string, docs []bsonx.Doc) error {
	if f := rq.optionalDoc("filter"); f != nil {
		kept, err := rq.kept(ctx, f, docs)
		if err != nil {
			return err
		}
		docs = kept
	}
	return rq.inBatches(ctx, reply, coll, docs)
}

// inBatches answers with a cursor over documents that are in memory.
func (rq *Request) inBatches(ctx context.Context, reply *bsonx.Builder, coll string, docs []bsonx.Doc) error {
	batch, err := rq.cursorBatch()
	if err != nil {
		return err
	}
	return rq.FirstBatch(ctx, reply, session.NewCursor(rq.NS(coll), &docList{docs: docs}), batch, false)
}

// optionalDoc is a document argument of a command that may not have it at all.
func (rq *Request) optionalDoc(name string) bsonx.Doc {
	for _, f := range rq.Spec.Args.Fields() {
		if f.Name == name {
			return rq.Args.Doc(name)
		}
	}
	return nil
}

// cursorBatch returns the batch size of {cursor: {batchSize}}.
func (rq *Request) cursorBatch() (int, error) {
	c := rq.Args.Doc("cursor")
	if c == nil {
		return -1, nil
	}
	var a idl.Args
	if err := cursorArgs.Decode(c, &a); err != nil {
		return 0, err
	}
	return int(min(a.Int64("batchSize", -1), 1<<31-1)), nil
}

// kept returns the documents that a filter takes.
func (rq *Request) kept(ctx context.Context, filter bsonx.Doc, docs []bsonx.Doc) ([]bsonx.Doc, error) {
	s, err := rq.openSource(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	q, err := s.newQuery(ctx, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	q.withoutNow()
	f, err := match.Compile(filter, match.Options{Scope: q.scope})
	if err != nil {
		return nil, err
	}
	env := q.env()
	var out []bsonx.Doc
	for _, d := range docs {
		ok, err := f.Matches(env, d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return out, nil
}

// docList yields documents that are in memory already.
type docList struct{ docs []bsonx.Doc }

// Next implements session.Iterator.
func (l *docList) Next(context.Context) (bsonx.Doc, error) {
	if len(l.docs) == 0 {
		return nil, io.EOF
	}
	d := l.docs[0]
	l.docs = l.docs[1:]
	return d, nil
}

// Exhausted reports that nothing follows.
func (l *docList) Exhausted() bool { return len(l.docs) == 0 }

// Close implements session.Iterator.
func (l *docList) Close() error { return nil }
