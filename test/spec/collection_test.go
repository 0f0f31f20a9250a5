package spec

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func isAbsent(v any) bool { _, no := v.(absent); return no }

var collectionOps = ops[*mongo.Collection]{
	"createChangeStream": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.ChangeStream(), a, "pipeline")
		if err != nil {
			return nil, err
		}
		return watch(c.Watch(ctx, list(lookup(a, "pipeline")), o))
	},
	"aggregate": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Aggregate(), a, "pipeline")
		if err != nil {
			return nil, err
		}
		cur, err := c.Aggregate(ctx, list(lookup(a, "pipeline")), o)
		return all(ctx, cur, err)
	},
	"find": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Find(), a, "filter")
		if err != nil {
			return nil, err
		}
		cur, err := c.Find(ctx, filter(a), o)
		return all(ctx, cur, err)
	},
	"createFindCursor": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Find(), a, "filter")
		if err != nil {
			return nil, err
		}
		cur, err := c.Find(ctx, filter(a), o)
		if err != nil {
			return nil, err
		}
		return &cursorEntity{cur}, nil
	},
	"findOne": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.FindOne(), a, "filter")
		if err != nil {
			return nil, err
		}
		return single(c.FindOne(ctx, filter(a), o))
	},
	"findOneAndDelete": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.FindOneAndDelete(), a, "filter")
		if err != nil {
			return nil, err
		}
		return single(c.FindOneAndDelete(ctx, filter(a), o))
	},
	"findOneAndReplace": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.FindOneAndReplace(), a, "filter", "replacement")
		if err != nil {
			return nil, err
		}
		return single(c.FindOneAndReplace(ctx, filter(a), field(a, "replacement"), o))
	},
	"findOneAndUpdate": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.FindOneAndUpdate(), a, "filter", "update")
		if err != nil {
			return nil, err
		}
		return single(c.FindOneAndUpdate(ctx, filter(a), field(a, "update"), o))
	},
	"countDocuments": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Count(), a, "filter")
		if err != nil {
			return nil, err
		}
		return c.CountDocuments(ctx, filter(a), o)
	},
	"estimatedDocumentCount": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.EstimatedDocumentCount(), a)
		if err != nil {
			return nil, err
		}
		return c.EstimatedDocumentCount(ctx, o)
	},
	"distinct": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Distinct(), a, "filter", "fieldName")
		if err != nil {
			return nil, err
		}
		res := c.Distinct(ctx, lookup(a, "fieldName").(string), filter(a), o)
		var out bson.A
		return out, decodeInto(res, &out)
	},
	"insertOne": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.InsertOne(), a, "document")
		if err != nil {
			return nil, err
		}
		res, err := c.InsertOne(ctx, field(a, "document"), o)
		if err != nil || !res.Acknowledged {
			return unacknowledged, err
		}
		return bson.D{{Key: "insertedId", Value: res.InsertedID}}, nil
	},
	"insertMany": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.InsertMany(), a, "documents")
		if err != nil {
			return nil, err
		}
		docs := list(field(a, "documents"))
		res, err := c.InsertMany(ctx, []any(docs), o)
		if res == nil {
			return nil, err
		}
		ids := bson.D{}
		for i, id := range res.InsertedIDs {
			ids = append(ids, bson.E{Key: fmt.Sprint(i), Value: id})
		}
		return bson.D{{Key: "insertedIds", Value: ids}}, err
	},
	"updateOne": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.UpdateOne(), a, "filter", "update")
		if err != nil {
			return nil, err
		}
		return updated(c.UpdateOne(ctx, filter(a), field(a, "update"), o))
	},
	"updateMany": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.UpdateMany(), a, "filter", "update")
		if err != nil {
			return nil, err
		}
		return updated(c.UpdateMany(ctx, filter(a), field(a, "update"), o))
	},
	"replaceOne": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Replace(), a, "filter", "replacement")
		if err != nil {
			return nil, err
		}
		return updated(c.ReplaceOne(ctx, filter(a), field(a, "replacement"), o))
	},
	"deleteOne": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.DeleteOne(), a, "filter")
		if err != nil {
			return nil, err
		}
		return deleted(c.DeleteOne(ctx, filter(a), o))
	},
	"deleteMany": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.DeleteMany(), a, "filter")
		if err != nil {
			return nil, err
		}
		return deleted(c.DeleteMany(ctx, filter(a), o))
	},
	"bulkWrite": bulkWrite,
	"createIndex": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.Index(), a, "keys", "commitQuorum", "maxTimeMS", "comment")
		if err != nil {
			return nil, err
		}
		co, err := opts(r, options.CreateIndexes(), only(a, "commitQuorum"))
		if err != nil {
			return nil, err
		}
		return c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: field(a, "keys"), Options: o}, co)
	},
	"dropIndex": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		if keys := lookup(a, "keys"); !isAbsent(keys) {
			return nil, c.Indexes().DropWithKey(ctx, keys)
		}
		return nil, c.Indexes().DropOne(ctx, lookup(a, "name").(string))
	},
	"dropIndexes": func(ctx context.Context, _ *run, c *mongo.Collection, _ bson.D) (any, error) {
		return nil, c.Indexes().DropAll(ctx)
	},
	"listIndexes": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		o, err := opts(r, options.ListIndexes(), a)
		if err != nil {
			return nil, err
		}
		cur, err := c.Indexes().List(ctx, o)
		return all(ctx, cur, err)
	},
	"listIndexNames": func(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
		specs, err := c.Indexes().ListSpecifications(ctx)
		names := bson.A{}
		for _, s := range specs {
			names = append(names, s.Name)
		}
		return names, err
	},
	"rename": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		db := c.Database().Name()
		cmd := bson.D{{Key: "renameCollection", Value: db + "." + c.Name()}, {Key: "to", Value: db + "." + lookup(a, "to").(string)}}
		if v := lookup(a, "dropTarget"); !isAbsent(v) {
			cmd = append(cmd, bson.E{Key: "dropTarget", Value: v})
		}
		return nil, c.Database().Client().Database("admin").RunCommand(ctx, cmd).Err()
	},
	"createSearchIndex": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		return c.SearchIndexes().CreateOne(ctx, searchModel(docOf(lookup(a, "model"))))
	},
	"createSearchIndexes": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		var models []mongo.SearchIndexModel
		for _, m := range list(lookup(a, "models")) {
			models = append(models, searchModel(docOf(m)))
		}
		return c.SearchIndexes().CreateMany(ctx, models)
	},
	"dropSearchIndex": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		return nil, c.SearchIndexes().DropOne(ctx, lookup(a, "name").(string))
	},
	"updateSearchIndex": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		return nil, c.SearchIndexes().UpdateOne(ctx, lookup(a, "name").(string), lookup(a, "definition"))
	},
	"listSearchIndexes": func(ctx context.Context, _ *run, c *mongo.Collection, a bson.D) (any, error) {
		o := options.SearchIndexes()
		if n, ok := lookup(a, "name").(string); ok {
			o.SetName(n)
		}
		cur, err := c.SearchIndexes().List(ctx, o)
		return all(ctx, cur, err)
	},
}

func searchModel(d bson.D) mongo.SearchIndexModel {
	o := options.SearchIndexes()
	if n, ok := lookup(d, "name").(string); ok {
		o.SetName(n)
	}
	if n, ok := lookup(d, "type").(string); ok {
		o.SetType(n)
	}
	return mongo.SearchIndexModel{Definition: lookup(d, "definition"), Options: o}
}

func only(a bson.D, names ...string) bson.D {
	var out bson.D
	for _, e := range a {
		for _, n := range names {
			if e.Key == n {
				out = append(out, e)
			}
		}
	}
	return out
}

func decodeInto(res *mongo.DistinctResult, out *bson.A) error {
	if err := res.Err(); err != nil {
		return err
	}
	return res.Decode(out)
}

func single(res *mongo.SingleResult) (any, error) {
	var d bson.D
	err := res.Decode(&d)
	if err == mongo.ErrNoDocuments {
		return nil, nil
	}
	return d, err
}

// unacknowledged is the result of a write that no server has confirmed.
var unacknowledged = bson.D{{Key: "acknowledged", Value: false}}

func updated(res *mongo.UpdateResult, err error) (any, error) {
	if err != nil || !res.Acknowledged {
		return unacknowledged, err
	}
	d := bson.D{{Key: "matchedCount", Value: res.MatchedCount}, {Key: "modifiedCount", Value: res.ModifiedCount}, {Key: "upsertedCount", Value: res.UpsertedCount}}
	if res.UpsertedCount > 0 {
		d = append(d, bson.E{Key: "upsertedId", Value: res.UpsertedID})
	}
	return d, nil
}

func deleted(res *mongo.DeleteResult, err error) (any, error) {
	if err != nil || !res.Acknowledged {
		return unacknowledged, err
	}
	return bson.D{{Key: "deletedCount", Value: res.DeletedCount}}, nil
}
