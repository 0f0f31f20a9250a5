package harness

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Replica is a copy of a database that is made from nothing but the events of its
// change stream, as a client would make it: by collection and _id.
type Replica map[string]map[string]bson.D

// Event is what a Replica needs of a change event.
type Event struct {
	Op          string `bson:"operationType"`
	NS, To      struct{ Coll string }
	DocumentKey struct {
		ID bson.RawValue `bson:"_id"`
	} `bson:"documentKey"`
	FullDocument bson.D `bson:"fullDocument"`
	Update       *struct {
		Updated   bson.D   `bson:"updatedFields"`
		Removed   []string `bson:"removedFields"`
		Truncated []struct {
			Field   string
			NewSize int `bson:"newSize"`
		} `bson:"truncatedArrays"`
	} `bson:"updateDescription"`
}

// ID is the document's _id as text.
func (e *Event) ID() string { return e.DocumentKey.ID.String() }

// Apply applies an event. Errors: an event that cannot follow what came before.
func (r Replica) Apply(e *Event) error {
	c, id := r[e.NS.Coll], e.ID()
	if c == nil {
		c = map[string]bson.D{}
		r[e.NS.Coll] = c
	}
	_, there := c[id]
	switch e.Op {
	case "insert":
		if there {
			return fmt.Errorf("insert of %s into %s, which has it", id, e.NS.Coll)
		}
		c[id] = e.FullDocument
	case "replace":
		c[id] = e.FullDocument
	case "update":
		doc, err := e.updated(c[id])
		if err != nil {
			return err
		}
		c[id] = doc
	case "delete":
		delete(c, id)
	case "drop":
		delete(r, e.NS.Coll)
		return nil
	case "rename":
		delete(r, e.NS.Coll)
		r[e.To.Coll] = c
		return nil
	case "dropDatabase":
		clear(r)
		return nil
	default:
		return nil
	}
	if !there && e.Op != "insert" {
		return fmt.Errorf("%s of %s in %s, which is not there", e.Op, id, e.NS.Coll)
	}
	return nil
}

func (e *Event) updated(doc bson.D) (bson.D, error) {
	var v any = append(bson.D(nil), doc...)
	var err error
	for _, t := range e.Update.Truncated {
		v, err = change(v, strings.Split(t.Field, "."), func(old any, _ bool) (any, bool) {
			a, _ := old.(bson.A)
			return a[:min(t.NewSize, len(a))], true
		})
		if err != nil {
			return nil, err
		}
	}
	for _, f := range e.Update.Updated {
		if v, err = change(v, strings.Split(f.Key, "."), func(any, bool) (any, bool) { return f.Value, true }); err != nil {
			return nil, err
		}
	}
	for _, f := range e.Update.Removed {
		if v, err = change(v, strings.Split(f, "."), func(_ any, there bool) (any, bool) { return nil, !there }); err != nil {
			return nil, err
		}
	}
	return v.(bson.D), nil
}

// change returns a copy of a value with what is at a path replaced by what f
// returns; not keep removes it.
func change(v any, path []string, f func(old any, there bool) (new any, keep bool)) (any, error) {
	if len(path) == 0 {
		n, _ := f(v, true)
		return n, nil
	}
	switch v := v.(type) {
	case bson.D:
		out := append(bson.D(nil), v...)
		for i := range out {
			if out[i].Key != path[0] {
				continue
			}
			if len(path) == 1 {
				n, keep := f(out[i].Value, true)
				if !keep {
					return append(out[:i], out[i+1:]...), nil
				}
				out[i].Value = n
				return out, nil
			}
			n, err := change(out[i].Value, path[1:], f)
			out[i].Value = n
			return out, err
		}
		n, keep := f(nil, false)
		if len(path) > 1 || !keep {
			return nil, fmt.Errorf("a change of %v, which is not there", path)
		}
		return append(out, bson.E{Key: path[0], Value: n}), nil
	case bson.A:
		i, err := strconv.Atoi(path[0])
		if err != nil || i > len(v) {
			return nil, fmt.Errorf("a change of %v in an array of %d", path, len(v))
		}
		out := append(bson.A(nil), v...)
		if i == len(v) {
			out = append(out, nil)
		}
		out[i], err = change(out[i], path[1:], f)
		return out, err
	}
	return nil, fmt.Errorf("a change of %v in a %T", path, v)
}

// Compare compares the copy with the database; the order of fields is not a part
// of an update's description.
func (r Replica) Compare(ctx context.Context, db *mongo.Database) error {
	names, err := db.ListCollectionNames(ctx, bson.D{{Key: "type", Value: "collection"}})
	if err != nil {
		return err
	}
	total := 0
	for _, c := range r {
		total += len(c)
	}
	for _, n := range names {
		cur, err := db.Collection(n).Find(ctx, bson.D{})
		if err != nil {
			return err
		}
		for cur.Next(ctx) {
			var d bson.D
			if err := cur.Decode(&d); err != nil {
				return err
			}
			id := cur.Current.Lookup("_id").String()
			if !reflect.DeepEqual(loose(d), loose(r[n][id])) {
				return fmt.Errorf("%s of %s is %v, its copy %v", id, n, d, r[n][id])
			}
			total--
		}
		if err := cur.Err(); err != nil {
			return err
		}
	}
	if total != 0 {
		return fmt.Errorf("the copy has %d documents more", total)
	}
	return nil
}

// loose is a value without the order of its fields.
func loose(v any) any {
	switch v := v.(type) {
	case bson.D:
		m := map[string]any{}
		for _, e := range v {
			m[e.Key] = loose(e.Value)
		}
		return m
	case bson.A:
		out := make([]any, len(v))
		for i := range v {
			out[i] = loose(v[i])
		}
		return out
	}
	return v
}
