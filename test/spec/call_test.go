package spec

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// call runs an operation of an entity and returns its result as the format
// describes it.
func (r *run) call(ctx context.Context, op *operation) (any, error) {
	e, ok := r.entities[op.Object]
	if !ok {
		return nil, notKnown("no entity %s", op.Object)
	}
	a := op.Arguments
	switch x := e.(type) {
	case *clientEntity:
		if f, ok := clientOps[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	case *mongo.Database:
		if f, ok := databaseOps[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	case *mongo.Collection:
		if f, ok := collectionOps[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	case *sessionEntity:
		if f, ok := sessionOps()[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	case *cursorEntity:
		if f, ok := cursorOps[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	case *mongo.GridFSBucket:
		if f, ok := bucketOps[op.Name]; ok {
			return f(ctx, r, x, a)
		}
	}
	return nil, notKnown("%s of a %T is not known to the runner", op.Name, e)
}

// opts makes options of the arguments that are not the operation's own.
func opts[B any](r *run, builder B, a bson.D, taken ...string) (B, error) {
	if err := r.set(builder, a, append(taken, "timeoutMS")...); err != nil {
		return builder, &unknownError{err}
	}
	return builder, nil
}

// stream is a cursor or a change stream.
type stream interface {
	Next(context.Context) bool
	TryNext(context.Context) bool
	Close(context.Context) error
	Decode(any) error
	Err() error
}

// cursorEntity is a cursor with its context, which may have a session.
type cursorEntity struct{ stream }

func (c *cursorEntity) close(ctx context.Context) error { return c.Close(ctx) }

// all reads a cursor to its end.
func all(ctx context.Context, c *mongo.Cursor, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	docs := []bson.D{}
	if err := c.All(ctx, &docs); err != nil {
		return nil, err
	}
	out := bson.A{}
	for _, d := range docs {
		out = append(out, d)
	}
	return out, nil
}

type ops[E any] map[string]func(ctx context.Context, r *run, e E, a bson.D) (any, error)

var clientOps = ops[*clientEntity]{
	"createChangeStream": func(ctx context.Context, r *run, c *clientEntity, a bson.D) (any, error) {
		o, err := opts(r, options.ChangeStream(), a, "pipeline")
		if err != nil {
			return nil, err
		}
		return watch(c.Watch(ctx, list(lookup(a, "pipeline")), o))
	},
	"listDatabases": func(ctx context.Context, r *run, c *clientEntity, a bson.D) (any, error) {
		o, err := opts(r, options.ListDatabases(), a, "filter")
		if err != nil {
			return nil, err
		}
		res, err := c.ListDatabases(ctx, filter(a), o)
		out := bson.A{}
		for _, d := range res.Databases {
			out = append(out, bson.D{{Key: "name", Value: d.Name}})
		}
		return out, err
	},
	"listDatabaseNames": func(ctx context.Context, r *run, c *clientEntity, a bson.D) (any, error) {
		o, err := opts(r, options.ListDatabases(), a, "filter")
		if err != nil {
			return nil, err
		}
		return c.ListDatabaseNames(ctx, filter(a), o)
	},
	"clientBulkWrite": clientBulkWrite,
	"close": func(ctx context.Context, _ *run, c *clientEntity, _ bson.D) (any, error) {
		return nil, c.Disconnect(ctx)
	},
}

var databaseOps = ops[*mongo.Database]{
	"createChangeStream": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		o, err := opts(r, options.ChangeStream(), a, "pipeline")
		if err != nil {
			return nil, err
		}
		return watch(db.Watch(ctx, list(lookup(a, "pipeline")), o))
	},
	"runCommand": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		o := options.RunCmd()
		if rp := lookup(a, "readPreference"); !isAbsent(rp) {
			p, err := readPreference(rp)
			if err != nil {
				return nil, &unknownError{err}
			}
			o.SetReadPreference(p)
		}
		raw, err := db.RunCommand(ctx, lookup(a, "command"), o).Raw()
		return raw, err
	},
	"runCursorCommand": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		c, err := runCursor(ctx, db, a)
		return all(ctx, c, err)
	},
	"createCommandCursor": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		c, err := runCursor(ctx, db, a)
		if err != nil {
			return nil, err
		}
		return &cursorEntity{c}, nil
	},
	"aggregate": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		o, err := opts(r, options.Aggregate(), a, "pipeline")
		if err != nil {
			return nil, err
		}
		c, err := db.Aggregate(ctx, list(lookup(a, "pipeline")), o)
		return all(ctx, c, err)
	},
	"createCollection": createCollection,
	"dropCollection": func(ctx context.Context, _ *run, db *mongo.Database, a bson.D) (any, error) {
		return nil, db.Collection(lookup(a, "collection").(string)).Drop(ctx)
	},
	"listCollections": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		o, err := opts(r, options.ListCollections(), a, "filter")
		if err != nil {
			return nil, err
		}
		c, err := db.ListCollections(ctx, filter(a), o)
		return all(ctx, c, err)
	},
	"listCollectionNames": func(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
		o, err := opts(r, options.ListCollections(), a, "filter")
		if err != nil {
			return nil, err
		}
		return db.ListCollectionNames(ctx, filter(a), o)
	},
	"modifyCollection": func(ctx context.Context, _ *run, db *mongo.Database, a bson.D) (any, error) {
		cmd := bson.D{{Key: "collMod", Value: lookup(a, "collection")}}
		for _, e := range a {
			if e.Key != "collection" {
				cmd = append(cmd, e)
			}
		}
		return nil, db.RunCommand(ctx, cmd).Err()
	},
}

func runCursor(ctx context.Context, db *mongo.Database, a bson.D) (*mongo.Cursor, error) {
	c, err := db.RunCommandCursor(ctx, lookup(a, "command"))
	if err != nil {
		return nil, err
	}
	if n, ok := number(lookup(a, "batchSize")); ok {
		c.SetBatchSize(int32(n))
	}
	if ms, ok := number(lookup(a, "maxTimeMS")); ok {
		c.SetMaxAwaitTime(time.Duration(ms) * time.Millisecond)
	}
	if v := lookup(a, "comment"); !isAbsent(v) {
		c.SetComment(v)
	}
	return c, nil
}

func createCollection(ctx context.Context, r *run, db *mongo.Database, a bson.D) (any, error) {
	name := lookup(a, "collection").(string)
	if on, ok := lookup(a, "viewOn").(string); ok {
		return nil, db.CreateView(ctx, name, on, list(lookup(a, "pipeline")))
	}
	o, err := opts(r, options.CreateCollection(), a, "collection")
	if err != nil {
		return nil, err
	}
	return nil, db.CreateCollection(ctx, name, o)
}

func filter(a bson.D) any {
	if f := lookup(a, "filter"); !isAbsent(f) {
		return f
	}
	return bson.D{}
}

func watch(c *mongo.ChangeStream, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return &cursorEntity{c}, nil
}

// sessionOps is a function because withTransaction calls operations again.
func sessionOps() ops[*sessionEntity] {
	return ops[*sessionEntity]{
		"startTransaction": func(_ context.Context, r *run, s *sessionEntity, a bson.D) (any, error) {
			o := options.Transaction()
			if err := r.set(o, a, "maxCommitTimeMS"); err != nil {
				return nil, &unknownError{err}
			}
			return nil, s.StartTransaction(o)
		},
		"commitTransaction": func(ctx context.Context, _ *run, s *sessionEntity, _ bson.D) (any, error) {
			return nil, s.CommitTransaction(ctx)
		},
		"abortTransaction": func(ctx context.Context, _ *run, s *sessionEntity, _ bson.D) (any, error) {
			return nil, s.AbortTransaction(ctx)
		},
		"endSession": func(ctx context.Context, _ *run, s *sessionEntity, _ bson.D) (any, error) {
			s.EndSession(ctx)
			return nil, nil
		},
		"getSnapshotTime": func(_ context.Context, _ *run, s *sessionEntity, _ bson.D) (any, error) {
			return s.SnapshotTime(), nil
		},
		"withTransaction": func(ctx context.Context, r *run, s *sessionEntity, a bson.D) (any, error) {
			o := options.Transaction()
			if err := r.set(o, a, "callback", "maxCommitTimeMS"); err != nil {
				return nil, &unknownError{err}
			}
			_, err := s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
				return nil, r.callback(ctx, list(lookup(a, "callback")))
			}, o)
			return nil, err
		},
	}
}

// callback runs the operations of withTransaction's callback; what the driver
// reports goes back to the driver.
func (r *run) callback(ctx context.Context, operations bson.A) error {
	for _, v := range operations {
		op, err := toOperation(docOf(v))
		if err != nil {
			return err
		}
		res, err := r.call(ctx, op)
		if op.ExpectError != nil {
			if e := r.checkError(op.ExpectError, err, res); e != nil {
				return notKnown("%w", e)
			}
		}
		if err != nil {
			return err
		}
		if op.ExpectResult.Type != 0 {
			if err := r.matcher().match(decoded(op.ExpectResult), plain(res), true); err != nil {
				return notKnown("%w", err)
			}
		}
	}
	return nil
}

func toOperation(d bson.D) (*operation, error) {
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, err
	}
	op := &operation{}
	return op, bson.Unmarshal(raw, op)
}

var cursorOps = ops[*cursorEntity]{
	"iterateUntilDocumentOrError": func(ctx context.Context, _ *run, c *cursorEntity, _ bson.D) (any, error) {
		var d bson.D
		if !c.Next(ctx) {
			return nil, c.Err()
		}
		err := c.Decode(&d)
		return d, err
	},
	"iterateOnce": func(ctx context.Context, _ *run, c *cursorEntity, _ bson.D) (any, error) {
		var d bson.D
		if !c.TryNext(ctx) {
			return nil, c.Err()
		}
		err := c.Decode(&d)
		return d, err
	},
	"close": func(ctx context.Context, _ *run, c *cursorEntity, _ bson.D) (any, error) { return nil, c.Close(ctx) },
}

var bucketOps = ops[*mongo.GridFSBucket]{
	"delete": func(ctx context.Context, _ *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		return nil, b.Delete(ctx, lookup(a, "id"))
	},
	"rename": func(ctx context.Context, _ *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		return nil, b.Rename(ctx, lookup(a, "id"), lookup(a, "newFilename").(string))
	},
	"drop": func(ctx context.Context, _ *run, b *mongo.GridFSBucket, _ bson.D) (any, error) {
		return nil, b.Drop(ctx)
	},
	"download": func(ctx context.Context, _ *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		var out buffer
		_, err := b.DownloadToStream(ctx, lookup(a, "id"), &out)
		return bytesOf(&out), err
	},
	"downloadByName": func(ctx context.Context, r *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		o, err := opts(r, options.GridFSName(), a, "filename")
		if err != nil {
			return nil, err
		}
		var out buffer
		_, err = b.DownloadToStreamByName(ctx, lookup(a, "filename").(string), &out, o)
		return bytesOf(&out), err
	},
	"upload": func(ctx context.Context, r *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		o, err := opts(r, options.GridFSUpload(), a, "filename", "source", "contentType", "disableMD5")
		if err != nil {
			return nil, err
		}
		text, _ := lookup(docOf(lookup(a, "source")), "$$hexBytes").(string)
		data, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		return b.UploadFromStream(ctx, lookup(a, "filename").(string), strings.NewReader(string(data)), o)
	},
	"find": func(ctx context.Context, r *run, b *mongo.GridFSBucket, a bson.D) (any, error) {
		o, err := opts(r, options.GridFSFind(), a, "filter")
		if err != nil {
			return nil, err
		}
		c, err := b.Find(ctx, filter(a), o)
		return all(ctx, c, err)
	},
}

func bytesOf(b *buffer) bson.Binary { return bson.Binary{Data: b.Bytes()} }

// field returns an argument that has to be there.
func field(a bson.D, name string) any {
	v := lookup(a, name)
	if isAbsent(v) {
		panic(fmt.Sprintf("the argument %s is missing", name))
	}
	return v
}
