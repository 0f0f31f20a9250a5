package spec

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// setters are the driver's names of options where they are not the format's.
var setters = map[string]string{
	"maxAwaitTimeMS": "SetMaxAwaitTime", "showRecordId": "SetShowRecordID", "max": "SetMaxDocuments", "size": "SetSizeInBytes", "timeseries": "SetTimeSeriesOptions",
	"bucketName": "SetName", "new": "SetReturnDocument", "chunkSizeBytes": "SetChunkSizeBytes", "snapshotTime": "SetSnapshotTime",
}

// set calls builder's setter for each argument; those in taken are the
// operation's own.
func (r *run) set(builder any, args bson.D, taken ...string) error {
	b := reflect.ValueOf(builder)
next:
	for _, a := range args {
		for _, t := range append(taken, "session") {
			if t == a.Key {
				continue next
			}
		}
		m := b.MethodByName("Set" + strings.ToUpper(a.Key[:1]) + a.Key[1:])
		if !m.IsValid() && setters[a.Key] != "" {
			m = b.MethodByName(setters[a.Key])
		}
		if !m.IsValid() {
			return fmt.Errorf("the driver's %T has no option %s", builder, a.Key)
		}
		v, err := r.convert(a.Value, m.Type().In(0))
		if err != nil {
			return fmt.Errorf("option %s: %w", a.Key, err)
		}
		m.Call([]reflect.Value{v})
	}
	return nil
}

// convert makes v a value of the type that a setter takes.
func (r *run) convert(v any, t reflect.Type) (reflect.Value, error) {
	zero := reflect.New(t).Elem()
	switch zero.Interface().(type) {
	case *readconcern.ReadConcern:
		return reflect.ValueOf(readConcern(v)), nil
	case *writeconcern.WriteConcern:
		return reflect.ValueOf(writeConcern(v)), nil
	case *readpref.ReadPref:
		rp, err := readPreference(v)
		return reflect.ValueOf(rp), err
	case time.Duration:
		n, _ := number(v)
		return reflect.ValueOf(time.Duration(n) * time.Millisecond), nil
	case options.ReturnDocument:
		if v == "After" || v == "after" || v == true {
			return reflect.ValueOf(options.After), nil
		}
		return reflect.ValueOf(options.Before), nil
	case options.FullDocument:
		return reflect.ValueOf(options.FullDocument(v.(string))), nil
	case options.CursorType:
		return reflect.ValueOf(map[any]options.CursorType{"tailable": options.Tailable, "tailableAwait": options.TailableAwait, "nonTailable": options.NonTailable}[v]), nil
	case *options.Collation:
		c := &options.Collation{}
		raw, err := bson.Marshal(v)
		if err == nil {
			err = bson.Unmarshal(raw, c)
		}
		return reflect.ValueOf(c), err
	case *options.TransactionOptionsBuilder:
		o := options.Transaction()
		return reflect.ValueOf(o), r.set(o, docOf(v), "maxCommitTimeMS", "timeoutMS")
	case *options.TimeSeriesOptionsBuilder:
		o := options.TimeSeries()
		return reflect.ValueOf(o), r.set(o, docOf(v))
	case *options.SearchIndexesOptionsBuilder:
		return reflect.ValueOf(options.SearchIndexes()), nil
	case bson.Timestamp:
		if s, ok := v.(string); ok {
			v = r.entities[s]
		}
	case *bson.Timestamp:
		ts, ok := v.(bson.Timestamp)
		if !ok {
			return zero, fmt.Errorf("is not a timestamp: %v", v)
		}
		return reflect.ValueOf(&ts), nil
	}
	if f, ok := number(v); ok && t.Kind() != reflect.Interface {
		return reflect.ValueOf(f).Convert(t), nil
	}
	if a, ok := v.(bson.A); ok && t == reflect.TypeFor[[]any]() {
		return reflect.ValueOf([]any(a)), nil
	}
	x := reflect.ValueOf(v)
	switch {
	case v == nil:
		return zero, nil
	case x.Type().AssignableTo(t):
		return x, nil
	case x.Type().ConvertibleTo(t):
		return x.Convert(t), nil
	}
	return zero, fmt.Errorf("%v (%T) is not a %s", v, v, t)
}
