package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/stage"
)

// Time-series collections keep one row a measurement, in the order of insertion:
// buckets are shown in listings only.

// maxBucketSpan is the longest span of a bucket, in seconds: a year.
const maxBucketSpan = 31_536_000

var granularities = []string{"seconds", "minutes", "hours"}

// bucketSpan is the span of buckets that a granularity implies, bucketRounding
// what their start is rounded to; both in seconds.
var (
	bucketSpan     = map[string]int64{"seconds": 3600, "minutes": 86_400, "hours": 2_592_000}
	bucketRounding = map[string]int64{"seconds": 60, "minutes": 3600, "hours": 86_400}
)

var timeseriesSpec = idl.New("timeseries",
	idl.Field{Name: "timeField", Types: idl.String, Required: true},
	idl.Field{Name: "metaField", Types: idl.String},
	idl.Field{Name: "granularity", Types: idl.String, Enum: granularities},
	idl.Field{Name: "bucketRoundingSeconds", Types: idl.Number, Min: 1, Max: maxBucketSpan},
	idl.Field{Name: "bucketMaxSpanSeconds", Types: idl.Number, Min: 1, Max: maxBucketSpan})

func checkTimeseries(v bsonx.Value) error {
	_, _, err := parseTimeseries(v.Data)
	return err
}

// bucketing is how a time-series collection groups measurements.
type bucketing struct {
	granularity       string // "" with a span of one's own
	rounding, maxSpan int64  // seconds; rounding is 0 with a granularity
}

// parseTimeseries checks create's timeseries option.
func parseTimeseries(d bsonx.Doc) (a *idl.Args, g bucketing, err error) {
	a = &idl.Args{}
	if err := timeseriesSpec.Decode(d, a); err != nil {
		return a, g, err
	}
	time, meta := a.String("timeField", ""), a.String("metaField", "")
	switch {
	case strings.ContainsRune(time, '.'):
		return a, g, invalidOptions("The 'timeField' cannot contain '.': %s", time)
	case strings.ContainsRune(meta, '.'):
		return a, g, invalidOptions("The 'metaField' cannot contain '.': %s", meta)
	case meta == "_id":
		return a, g, invalidOptions("'metaField' cannot be '_id'")
	case a.Has("metaField") && meta == time:
		return a, g, invalidOptions("'metaField' cannot be the same as 'timeField'")
	}
	g, err = parseBucketing(a)
	return a, g, err
}

func parseBucketing(a *idl.Args) (g bucketing, err error) {
	g = bucketing{granularity: a.String("granularity", ""), rounding: a.Int64("bucketRoundingSeconds", 0), maxSpan: a.Int64("bucketMaxSpanSeconds", 0)}
	switch {
	case g.granularity != "" && g.rounding != 0:
		return g, invalidOptions("bucketRoundingSeconds cannot be set with a granularity")
	case g.granularity != "" && g.maxSpan != 0 && g.maxSpan != bucketSpan[g.granularity]:
		return g, invalidOptions("Timeseries 'bucketMaxSpanSeconds' is not configurable to a value other than the default of %d for the provided granularity", bucketSpan[g.granularity])
	case g.granularity != "":
		g.maxSpan = bucketSpan[g.granularity]
		return g, nil
	case g.rounding == 0 && (g.maxSpan == 0 || g.maxSpan == bucketSpan["seconds"]):
		g.granularity, g.maxSpan = "seconds", bucketSpan["seconds"]
		return g, nil
	case g.rounding != g.maxSpan:
		return g, invalidOptions("Timeseries 'bucketRoundingSeconds' and 'bucketMaxSpanSeconds' must be both set, and equal")
	}
	return g, nil
}

// appendTimeseries appends the option as it is kept: with its defaults.
func appendTimeseries(b *bsonx.Builder, d bsonx.Doc) error {
	a, g, err := parseTimeseries(d)
	if err != nil {
		return err
	}
	at := b.OpenDoc("timeseries")
	b.Value("timeField", a.Get("timeField"))
	b.Value("metaField", a.Get("metaField"))
	g.append(b)
	b.Close(at)
	return nil
}

func (g bucketing) append(b *bsonx.Builder) {
	if g.granularity != "" {
		b.String("granularity", g.granularity)
	} else {
		b.Int32("bucketRoundingSeconds", int32(g.rounding))
	}
	b.Int32("bucketMaxSpanSeconds", int32(g.maxSpan))
}

// timeseriesIndex is the index that comes with a metaField.
func timeseriesIndex(options bsonx.Doc) bsonx.Doc {
	ts := bsonx.Lookup(options, "timeseries").Data
	meta, time := bsonx.Lookup(ts, "metaField"), bsonx.Lookup(ts, "timeField")
	if meta.Type != bsonx.String {
		return nil
	}
	b := bsonx.NewDoc(nil)
	b.Int32("v", 2)
	k := b.OpenDoc("key")
	b.Int32(string(bsonx.Str(meta)), 1)
	b.Int32(string(bsonx.Str(time)), 1)
	b.Close(k)
	b.String("name", string(bsonx.Str(meta))+"_1_"+string(bsonx.Str(time))+"_1")
	return b.Done()
}

// timeseriesOptions makes the options of a time-series collection, and the
// specification of the index that comes with it, from $out's option.
func timeseriesOptions(spec bsonx.Doc) (o catalog.CreateOptions, indexes []bsonx.Doc, err error) {
	b := bsonx.NewDoc(nil)
	if err := appendTimeseries(b, spec); err != nil {
		return o, nil, err
	}
	o = catalog.CreateOptions{Type: catalog.TypeTimeseries, Options: b.Done(), ByRecordID: true}
	if ix := timeseriesIndex(o.Options); ix != nil {
		indexes = []bsonx.Doc{ix}
	}
	return o, indexes, nil
}

// checkTimeseriesOut: $out's timeseries option must be that of a target that is
// there.
func (s *source) checkTimeseriesOut(ctx context.Context, ns stage.Namespace, spec bsonx.Doc) error {
	if spec == nil {
		return nil
	}
	t, err := s.target(ctx, ns.DB, ns.Coll)
	if err != nil || t.entry == nil {
		return err
	}
	if t.entry.Type != catalog.TypeTimeseries {
		return errcode.New(7268700, "Cannot create a time-series collection from a non time-series collection: %s", t.ns())
	}
	o, _, err := timeseriesOptions(spec)
	if err != nil {
		return err
	}
	if !bsonx.Equal(bsonx.Lookup(o.Options, "timeseries"), t.entry.Option("timeseries")) {
		return errcode.New(7406103, "Time field, meta field and granularity of $out must match those of the time-series collection %s", t.ns())
	}
	return nil
}

// checkTimeseriesIndex checks an index of a time-series collection: it is never
// unique or on text, documents expire by their time only, and a filter then looks
// at the meta field only.
func checkTimeseriesIndex(c *catalog.Collection, ix *index.Spec) error {
	ts := c.Option("timeseries").Data
	time, meta := string(stringOr(bsonx.Lookup(ts, "timeField"))), string(stringOr(bsonx.Lookup(ts, "metaField")))
	switch {
	case ix.Unique || ix.PrepareUnique:
		return invalidOptions("Unique indexes are not supported on time-series collections")
	case ix.TextAt() >= 0:
		return invalidOptions("Text indexes are not supported on time-series collections")
	case ix.Partial != nil && !bsonx.Equal(docValue(ix.Collation), docValue(docOrNil(c.Option("collation")))):
		return errcode.New(errcode.IndexOptionsConflict, "A partial index of a time-series collection must have the collection's collation")
	case ix.ExpireAfter < 0:
		return nil
	case bsonx.IsMissing(bsonx.Lookup(ix.KeyPattern, time)):
		return invalidOptions("TTL indexes on time-series collections must be on the time field '%s'", time)
	case ix.Partial == nil: // all documents expire by the collection's own option
		return invalidOptions("TTL indexes on time-series collections need a partialFilterExpression on the meta field")
	}
	for it := bsonx.NewIter(ix.Partial); it.Next(); {
		if field, _, _ := strings.Cut(string(it.Key()), "."); meta == "" || field != meta {
			return invalidOptions("The filter of a TTL index on a time-series collection may only be on the meta field")
		}
	}
	return nil
}

// describeBuckets is the collection behind a time-series collection, as
// listCollections shows it.
func describeBuckets(options bsonx.Doc, uuid [16]byte, name string) bsonx.Doc {
	time := string(bsonx.Str(bsonx.Lookup(bsonx.Lookup(options, "timeseries").Data, "timeField")))
	b := bsonx.NewDoc(nil)
	b.String("name", bucketsPrefix+name)
	b.String("type", "collection")
	o := b.OpenDoc("options")
	v := b.OpenDoc("validator")
	appendBucketSchema(b, time)
	b.Close(v)
	b.Bool("clusteredIndex", true)
	for it := bsonx.NewIter(options); it.Next(); {
		b.Element(it.Element())
	}
	b.Close(o)
	i := b.OpenDoc("info")
	b.Bool("readOnly", false)
	b.Binary("uuid", 4, uuid[:])
	b.Close(i)
	return b.Done()
}

func appendBucketSchema(b *bsonx.Builder, time string) {
	schema := b.OpenDoc("$jsonSchema")
	b.String("bsonType", "object")
	r := b.OpenArray("required")
	for i, f := range []string{"_id", "control", "data"} {
		b.String(bsonx.Index(i), f)
	}
	b.Close(r)
	p := b.OpenDoc("properties")
	for _, f := range []string{"control", "data", "meta"} {
		at := b.OpenDoc(f)
		if f != "meta" {
			b.String("bsonType", "object")
		}
		if f == "data" {
			req := b.OpenArray("required")
			b.String("0", time)
			b.Close(req)
		}
		b.Close(at)
	}
	b.Close(p)
	b.Bool("additionalProperties", false)
	b.Close(schema)
}
