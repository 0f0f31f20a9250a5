package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/merge"
)

var collModCommand = &Spec{
	Name: "collMod",
	Args: idl.Command("collMod",
		idl.Field{Name: "collMod", Types: idl.Any, Required: true},
		idl.Field{Name: "index", Types: idl.Object, Check: checkModIndex},
		idl.Field{Name: "validator", Types: idl.Object},
		idl.Field{Name: "validationLevel", Types: idl.String, Enum: []string{"off", "strict", "moderate"}},
		idl.Field{Name: "validationAction", Types: idl.String, Enum: []string{"error", "warn", "errorAndLog"}},
		idl.Field{Name: merge.ModeOption, Types: idl.String, Enum: merge.ModeNames()},
		idl.Field{Name: "viewOn", Types: idl.String},
		idl.Field{Name: "pipeline", Types: idl.Array, Elems: idl.Object},
		idl.Field{Name: "expireAfterSeconds", Types: idl.Number | idl.String},
		idl.Field{Name: "timeseries", Types: idl.Object, Check: checkModTimeseries},
		idl.Field{Name: "changeStreamPreAndPostImages", Types: idl.Object, Check: checkPreImages},
		idl.Field{Name: "cappedSize", Types: idl.Number, Min: 1, Max: maxCappedSize},
		idl.Field{Name: "cappedMax", Types: idl.Number, Check: checkCappedMax},
		idl.Field{Name: "dryRun", Types: idl.SafeBool},
		idl.Field{Name: "recordPreImages", Types: idl.SafeBool},
		idl.Field{Name: "collectionUUID", Types: idl.Binary},
	),
	Flags:     DDL | APIv1,
	Privilege: onCollection(auth.CollMod).and(viewNeeds),
	Help:      "changes options of a collection, an index or a view",
	Run:       runCollMod,
}

func runCollMod(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	if rq.DB == "local" && name == "oplog.rs" {
		return invalidOptions("the oplog cannot be changed with collMod")
	}
	if err := checkDryRun(&rq.Args); err != nil {
		return err
	}
	var m *collMod
	err = rq.write(ctx, func(s *source) error {
		d, err := s.changeable(ctx, rq.DB)
		if err != nil {
			return err
		}
		t, err := s.target(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		if t.entry == nil {
			return errcode.New(errcode.NamespaceNotFound, "ns does not exist: %s", t.ns())
		}
		m = &collMod{rq: rq, s: s, t: t, options: t.entry.Options}
		if err := m.prepare(ctx); err != nil || m.dry {
			return err
		}
		if len(m.indexes) == 0 && bsonx.Equal(docValue(m.options), docValue(t.entry.Options)) {
			return nil
		}
		ch := catalog.Change{Op: catalog.OpModify, Detail: m.detail()}
		_, err = s.sv.Catalog.Update(ctx, d.view, name, ch, m.apply)
		return err
	})
	if err != nil || m.dry {
		return err
	}
	m.report(reply)
	return nil
}

// collMod is what one collMod command changes.
type collMod struct {
	rq      *Request
	s       *source
	t       *target
	options bsonx.Doc            // as they will be
	indexes map[string]bsonx.Doc // specifications that change, by name
	dry     bool
	changes []indexChange
}

// modOptions are the options by the types of namespaces that have them.
var modOptions = map[string]map[catalog.Type]bool{
	"index":                        {catalog.TypeCollection: true, catalog.TypeTimeseries: true},
	"validator":                    {catalog.TypeCollection: true},
	"validationLevel":              {catalog.TypeCollection: true},
	"validationAction":             {catalog.TypeCollection: true},
	merge.ModeOption:               {catalog.TypeCollection: true},
	"viewOn":                       {catalog.TypeView: true},
	"pipeline":                     {catalog.TypeView: true},
	"expireAfterSeconds":           {catalog.TypeCollection: true, catalog.TypeTimeseries: true},
	"timeseries":                   {catalog.TypeTimeseries: true},
	"changeStreamPreAndPostImages": {catalog.TypeCollection: true},
	"cappedSize":                   {catalog.TypeCollection: true},
	"cappedMax":                    {catalog.TypeCollection: true},
	"recordPreImages":              {catalog.TypeCollection: true},
}

// prepare checks the command against the collection and works out its changes.
func (m *collMod) prepare(ctx context.Context) error {
	a, e := &m.rq.Args, m.t.entry
	for _, f := range m.rq.Spec.Args.Fields() {
		types, ok := modOptions[f.Name]
		if ok && a.Has(f.Name) && !types[e.Type] {
			return invalidOptions("option not supported on a %s: %s", e.Type, f.Name)
		}
	}
	for _, step := range []func(context.Context) error{m.view, m.validation, m.capped, m.expire, m.timeseries, m.index} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if p := a.Doc("changeStreamPreAndPostImages"); p != nil {
		v := bsonx.Value{}
		if bsonx.Truthy(bsonx.Lookup(p, "enabled")) {
			v = bsonx.DocValue(p)
		}
		m.set("changeStreamPreAndPostImages", v)
	}
	return nil
}

// set replaces one option; a missing value removes it.
func (m *collMod) set(name string, v bsonx.Value) { m.options = withField(m.options, name, v) }

// withField returns a document with one field replaced, added at the end or, by a
// missing value, removed.
func withField(d bsonx.Doc, name string, v bsonx.Value) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	done := false
	for it := bsonx.NewIter(d); it.Next(); {
		if string(it.Key()) != name {
			b.Element(it.Element())
			continue
		}
		b.Value(name, v)
		done = true
	}
	if !done {
		b.Value(name, v)
	}
	return b.Done()
}

func (m *collMod) view(ctx context.Context) error {
	a := &m.rq.Args
	if a.Has("viewOn") {
		if len(a.String("viewOn", "")) == 0 {
			return errcode.New(errcode.BadValue, "'viewOn' cannot be empty")
		}
		m.set("viewOn", a.Get("viewOn"))
	}
	if a.Has("pipeline") {
		m.set("pipeline", bsonx.ArrValue(withoutNulls(a.Array("pipeline"))))
	}
	if a.Has("viewOn") || a.Has("pipeline") {
		return m.s.checkView(ctx, m.t, m.options)
	}
	return nil
}

func (m *collMod) validation(context.Context) error {
	a := &m.rq.Args
	if a.Has("validator") {
		d := a.Doc("validator")
		if err := checkValidator(m.rq.DB, d, docOrNil(m.t.entry.Option("collation"))); err != nil {
			return err
		}
		v := bsonx.DocValue(d)
		if bsonx.IsEmpty(d) {
			v = bsonx.Value{}
		}
		m.set("validator", v)
	}
	for _, n := range []string{"validationLevel", "validationAction", merge.ModeOption} {
		if a.Has(n) {
			m.set(n, a.Get(n))
		}
	}
	return nil
}

func (m *collMod) capped(context.Context) error {
	a := &m.rq.Args
	for _, f := range []struct{ arg, option string }{{"cappedSize", "size"}, {"cappedMax", "max"}} {
		if !a.Has(f.arg) {
			continue
		}
		if !bsonx.Truthy(m.t.entry.Option("capped")) {
			return invalidOptions("option not supported on a non-capped collection: %s", f.arg)
		}
		b := bsonx.NewDoc(nil)
		if n := a.Int64(f.arg, 0); n > 0 {
			appendNumber(b, f.option, n)
		}
		m.set(f.option, bsonx.Lookup(b.Done(), f.option))
	}
	return nil
}

func (m *collMod) expire(context.Context) error {
	v := m.rq.Args.Get("expireAfterSeconds")
	if bsonx.IsMissing(v) {
		return nil
	}
	if m.t.entry.Type != catalog.TypeTimeseries && !isClustered(m.t.entry) {
		return invalidOptions("'expireAfterSeconds' is only supported on time-series and clustered collections")
	}
	if v.Type == bsonx.String {
		if s := string(bsonx.Str(v)); s != "off" {
			return invalidOptions("Invalid string value for the 'expireAfterSeconds' option. Got: '%s'. Accepted value is 'off'", s)
		}
		m.set("expireAfterSeconds", bsonx.Value{})
		return nil
	}
	n := idl.ToInt64(v)
	if err := m.rq.checkExpireRange(n); err != nil {
		return err
	}
	m.set("expireAfterSeconds", bsonx.Int64Value(n))
	return nil
}

var modTimeseriesSpec = idl.New("collMod.timeseries",
	idl.Field{Name: "granularity", Types: idl.String, Enum: granularities},
	idl.Field{Name: "bucketRoundingSeconds", Types: idl.Number, Min: 1, Max: maxBucketSpan},
	idl.Field{Name: "bucketMaxSpanSeconds", Types: idl.Number, Min: 1, Max: maxBucketSpan})

func checkModTimeseries(v bsonx.Value) error {
	var a idl.Args
	return modTimeseriesSpec.Decode(v.Data, &a)
}

// timeseries changes how measurements are grouped: only to longer spans.
func (m *collMod) timeseries(context.Context) error {
	d := m.rq.Args.Doc("timeseries")
	if d == nil {
		return nil
	}
	var a idl.Args
	if err := modTimeseriesSpec.Decode(d, &a); err != nil {
		return err
	}
	rounding, span := a.Int64("bucketRoundingSeconds", 0), a.Int64("bucketMaxSpanSeconds", 0)
	next := bucketing{granularity: a.String("granularity", ""), rounding: rounding, maxSpan: span}
	switch {
	case next.granularity == "" && rounding == 0 && span == 0:
		return nil
	case next.granularity != "" && (rounding != 0 || span != 0):
		return invalidOptions("The time-series 'granularity' cannot be changed together with 'bucketRoundingSeconds' or 'bucketMaxSpanSeconds'")
	case rounding != span:
		return invalidOptions("Timeseries 'bucketRoundingSeconds' and 'bucketMaxSpanSeconds' must be both set, and equal")
	}
	old := m.t.entry.Option("timeseries").Data
	was := bucketing{granularity: string(stringOr(bsonx.Lookup(old, "granularity"))),
		rounding: idl.ToInt64(bsonx.Lookup(old, "bucketRoundingSeconds")), maxSpan: idl.ToInt64(bsonx.Lookup(old, "bucketMaxSpanSeconds"))}
	if was.granularity != "" {
		was.rounding = bucketRounding[was.granularity]
	}
	if next.granularity != "" {
		next.rounding, next.maxSpan = bucketRounding[next.granularity], bucketSpan[next.granularity]
	}
	if next.maxSpan < was.maxSpan || next.rounding < was.rounding {
		return invalidOptions("Invalid transition for timeseries: the span of buckets can only grow; it is %d s", was.maxSpan)
	}
	b := bsonx.NewDoc(nil)
	b.Value("timeField", bsonx.Lookup(old, "timeField"))
	b.Value("metaField", bsonx.Lookup(old, "metaField"))
	next.append(b)
	m.set("timeseries", bsonx.DocValue(b.Done()))
	return nil
}

func stringOr(v bsonx.Value) []byte {
	if v.Type != bsonx.String {
		return nil
	}
	return bsonx.Str(v)
}

// apply makes the changes to the collection's entry.
func (m *collMod) apply(c *catalog.Collection) error {
	c.Options = m.options
	for i, ix := range c.Indexes {
		if spec, ok := m.indexes[ix.Name]; ok {
			n := *ix
			n.Spec = spec
			c.Indexes[i] = &n
		}
	}
	return nil
}

// detail is what the log keeps: the command's own arguments.
func (m *collMod) detail() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	for _, f := range m.rq.Spec.Args.Fields()[1:] {
		b.Value(f.Name, m.rq.Args.Get(f.Name))
	}
	return b.Done()
}
