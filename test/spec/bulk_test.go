package spec

import (
	"context"
	"fmt"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// model makes the driver's model of one write of bulkWrite.
func (r *run) model(kind string, d bson.D) (mongo.WriteModel, error) {
	var m mongo.WriteModel
	switch kind {
	case "insertOne":
		m = mongo.NewInsertOneModel()
	case "updateOne":
		m = mongo.NewUpdateOneModel()
	case "updateMany":
		m = mongo.NewUpdateManyModel()
	case "replaceOne":
		m = mongo.NewReplaceOneModel()
	case "deleteOne":
		m = mongo.NewDeleteOneModel()
	case "deleteMany":
		m = mongo.NewDeleteManyModel()
	default:
		return nil, fmt.Errorf("%s is no write of bulkWrite", kind)
	}
	return m, r.set(m, d)
}

func bulkWrite(ctx context.Context, r *run, c *mongo.Collection, a bson.D) (any, error) {
	o, err := opts(r, options.BulkWrite(), a, "requests")
	if err != nil {
		return nil, err
	}
	var models []mongo.WriteModel
	for _, v := range list(field(a, "requests")) {
		e := docOf(v)[0]
		m, err := r.model(e.Key, docOf(e.Value))
		if err != nil {
			return nil, &unknownError{err}
		}
		models = append(models, m)
	}
	res, err := c.BulkWrite(ctx, models, o)
	if res == nil || err == nil && !res.Acknowledged {
		return unacknowledged, err
	}
	ids := bson.D{}
	for i := range models {
		if id, ok := res.UpsertedIDs[int64(i)]; ok {
			ids = append(ids, bson.E{Key: fmt.Sprint(i), Value: id})
		}
	}
	return bson.D{{Key: "insertedCount", Value: res.InsertedCount}, {Key: "deletedCount", Value: res.DeletedCount}, {Key: "matchedCount", Value: res.MatchedCount},
		{Key: "modifiedCount", Value: res.ModifiedCount}, {Key: "upsertedCount", Value: res.UpsertedCount}, {Key: "upsertedIds", Value: ids}}, err
}

// clientModel makes the driver's model of one write of the client's bulkWrite.
func (r *run) clientModel(kind string, d bson.D) (mongo.ClientWriteModel, error) {
	var m mongo.ClientWriteModel
	switch kind {
	case "insertOne":
		m = mongo.NewClientInsertOneModel()
	case "updateOne":
		m = mongo.NewClientUpdateOneModel()
	case "updateMany":
		m = mongo.NewClientUpdateManyModel()
	case "replaceOne":
		m = mongo.NewClientReplaceOneModel()
	case "deleteOne":
		m = mongo.NewClientDeleteOneModel()
	case "deleteMany":
		m = mongo.NewClientDeleteManyModel()
	default:
		return nil, fmt.Errorf("%s is no write of bulkWrite", kind)
	}
	return m, r.set(m, d, "namespace")
}

func clientBulkWrite(ctx context.Context, r *run, c *clientEntity, a bson.D) (any, error) {
	o, err := opts(r, options.ClientBulkWrite(), a, "models")
	if err != nil {
		return nil, err
	}
	var writes []mongo.ClientBulkWrite
	for _, v := range list(field(a, "models")) {
		e := docOf(v)[0]
		m, err := r.clientModel(e.Key, docOf(e.Value))
		if err != nil {
			return nil, &unknownError{err}
		}
		db, coll := cut(lookup(docOf(e.Value), "namespace").(string))
		writes = append(writes, mongo.ClientBulkWrite{Database: db, Collection: coll, Model: m})
	}
	res, err := c.BulkWrite(ctx, writes, o)
	if res == nil || !res.Acknowledged {
		return unacknowledged, err
	}
	return clientBulkResult(res), err
}

func cut(ns string) (db, coll string) {
	for i := range ns {
		if ns[i] == '.' {
			return ns[:i], ns[i+1:]
		}
	}
	return ns, ""
}

func clientBulkResult(res *mongo.ClientBulkWriteResult) bson.D {
	d := bson.D{{Key: "insertedCount", Value: res.InsertedCount}, {Key: "upsertedCount", Value: res.UpsertedCount}, {Key: "matchedCount", Value: res.MatchedCount},
		{Key: "modifiedCount", Value: res.ModifiedCount}, {Key: "deletedCount", Value: res.DeletedCount}}
	if !res.HasVerboseResults {
		return d
	}
	inserts, updates, deletes := bson.D{}, bson.D{}, bson.D{}
	for _, i := range sorted(res.InsertResults) {
		inserts = append(inserts, bson.E{Key: fmt.Sprint(i), Value: bson.D{{Key: "insertedId", Value: res.InsertResults[i].InsertedID}}})
	}
	for _, i := range sorted(res.UpdateResults) {
		u := res.UpdateResults[i]
		one := bson.D{{Key: "matchedCount", Value: u.MatchedCount}, {Key: "modifiedCount", Value: u.ModifiedCount}}
		if u.UpsertedID != nil {
			one = append(one, bson.E{Key: "upsertedId", Value: u.UpsertedID})
		}
		updates = append(updates, bson.E{Key: fmt.Sprint(i), Value: one})
	}
	for _, i := range sorted(res.DeleteResults) {
		deletes = append(deletes, bson.E{Key: fmt.Sprint(i), Value: bson.D{{Key: "deletedCount", Value: res.DeleteResults[i].DeletedCount}}})
	}
	return append(d, bson.E{Key: "insertResults", Value: inserts}, bson.E{Key: "updateResults", Value: updates}, bson.E{Key: "deleteResults", Value: deletes})
}

func sorted[V any](m map[int]V) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	sort.Ints(keys)
	return keys
}
