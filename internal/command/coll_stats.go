package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/stage"
)

// usage is how much a collection holds: its documents, exactly; its indexes, as
// an estimate from their number of fields, because their entries are not counted.
type usage struct {
	count, size, indexSize int64
	indexes                int
}

// entryCost is about what an index entry takes, in bytes: key, row and versions'
// suffixes.
const entryCost = 32

// usageOf measures a collection.
func (d *database) usageOf(c *catalog.Collection) (u usage, err error) {
	if c.ID == 0 {
		return u, nil
	}
	if u.count, u.size, err = d.view.Count(c.ID); err != nil {
		return u, err
	}
	u.indexes = len(listedIndexes(c))
	if isClustered(c) {
		u.indexes--
	}
	u.indexSize = int64(u.indexes) * (4096 + u.count*entryCost)
	return u, nil
}

// collStatsDoc appends what storageStats and the collStats command have in common.
func (t *target) appendStorage(b *bsonx.Builder, scale int64) error {
	e := t.entry
	if e == nil {
		e = &catalog.Collection{Type: catalog.TypeCollection, Options: bsonx.EmptyDoc}
	}
	u, err := t.db.usageOf(e)
	if err != nil {
		return err
	}
	appendNumber(b, "size", u.size/scale)
	appendNumber(b, "count", u.count)
	if u.count > 0 {
		appendNumber(b, "avgObjSize", u.size/u.count)
	}
	b.Int32("numOrphanDocs", 0)
	appendNumber(b, "storageSize", u.size/scale)
	b.Int32("freeStorageSize", 0)
	capped := bsonx.Truthy(e.Option("capped"))
	b.Bool("capped", capped)
	if capped {
		appendNumber(b, "max", idl.ToInt64(e.Option("max")))
		appendNumber(b, "maxSize", idl.ToInt64(e.Option("size"))/scale)
	}
	b.Int32("nindexes", int32(u.indexes))
	at := b.OpenArray("indexBuilds")
	n := 0
	for _, ix := range e.Indexes {
		if ix.Building {
			b.String(bsonx.Index(n), ix.Name)
			n++
		}
	}
	b.Close(at)
	appendNumber(b, "totalIndexSize", u.indexSize/scale)
	appendNumber(b, "totalSize", (u.size+u.indexSize)/scale)
	at = b.OpenDoc("indexSizes")
	for _, ix := range listedIndexes(e) {
		appendNumber(b, ix.Name, u.indexSize/int64(max(u.indexes, 1))/scale)
	}
	b.Close(at)
	b.Int32("scaleFactor", int32(scale))
	return nil
}

// scaleOf reads a scale: 1 and more, cut at the end of an int.
func scaleOf(v bsonx.Value) int64 {
	if bsonx.IsMissing(v) {
		return 1
	}
	return min(max(idl.ToInt64(v), 1), 1<<31-1)
}

var collStatsCommand = &Spec{
	Name: "collStats",
	Args: idl.Command("collStats", idl.Field{Name: "collStats", Types: idl.Any, Required: true},
		idl.Field{Name: "scale", Types: idl.Number, Min: 1, Max: idl.NoMax}, idl.Field{Name: "verbose", Types: idl.SafeBool},
		idl.Field{Name: "waitForLock", Types: idl.SafeBool}, idl.Field{Name: "numericOnly", Types: idl.SafeBool}),
	Flags: Read, Privilege: onCollection(auth.CollStats), Help: "how much a collection holds", Run: runCollStats,
}

func runCollStats(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.isView() {
		return mustBeCollection(t)
	}
	b.String("ns", t.ns())
	return t.appendStorage(b, scaleOf(rq.Args.Get("scale")))
}

// Source implements stage.Collections.
func (c *collections) Source(ctx context.Context, _ *stage.OpenContext, ns stage.Namespace, name string, spec bsonx.Value) (exec.Iterator, error) {
	s := c.q.src
	switch name {
	case "$history":
		return c.history(ctx, ns, bsonx.Doc(spec.Data))
	case "$diff":
		return c.diff(ctx, ns, bsonx.Doc(spec.Data))
	case "$currentOp":
		return stage.FromDocs(s.sv.CurrentOps(s.currentOpOptions(spec.Data))), nil
	case "$listLocalSessions", "$listSessions":
		return stage.FromDocs(c.listSessions(spec)), nil
	case "$collStats", "$indexStats", "$planCacheStats":
	default:
		docs, err := s.serverDocs(ctx, ns, name, bsonx.Doc(spec.Data))
		return stage.FromDocs(docs), err
	}
	t, err := s.target(ctx, ns.DB, ns.Coll)
	if err != nil {
		return nil, err
	}
	if name != "$collStats" && t.isView() {
		if t, _, err = s.resolveView(ctx, t, nil, false); err != nil {
			return nil, err
		}
	}
	var docs []bsonx.Doc
	switch name {
	case "$collStats":
		docs, err = s.collStats(t, spec.Data)
	case "$indexStats":
		docs = s.indexStats(t)
	case "$planCacheStats":
		docs, err = s.planCacheStats(t)
	}
	return stage.FromDocs(docs), err
}

func (s *source) planCacheStats(t *target) ([]bsonx.Doc, error) {
	switch {
	case t.entry == nil:
		return nil, errcode.New(50933, "$planCacheStats: the collection '%s' does not exist", t.ns())
	case t.entry.Type == catalog.TypeTimeseries:
		return nil, errcode.New(40602, "$planCacheStats is only valid as the first stage in a pipeline, which it is not on a time-series collection")
	}
	return s.sv.plans.list(planKey{t.db.name, t.entry.ID}, s.sv.Host.Address), nil
}

func (s *source) collStats(t *target, spec bsonx.Doc) ([]bsonx.Doc, error) {
	given := func(n string) bool { return !bsonx.IsMissing(bsonx.Lookup(spec, n)) }
	if t.entry == nil && (given("storageStats") || given("count")) {
		return nil, errcode.New(errcode.NamespaceNotFound, "Unable to retrieve storageStats in $collStats stage :: caused by :: Collection [%s] not found.", t.ns())
	}
	b := bsonx.NewDoc(nil)
	b.String("ns", t.ns())
	b.String("host", s.sv.Host.Address)
	b.Date("localTime", s.sv.Clock.Now().UnixMilli())
	if l := bsonx.Lookup(spec, "latencyStats"); l.Type == bsonx.Object {
		at := b.OpenDoc("latencyStats")
		for _, n := range []string{"reads", "writes", "commands", "transactions"} {
			x := b.OpenDoc(n)
			if bsonx.Truthy(bsonx.Lookup(l.Data, "histograms")) {
				b.Close(b.OpenArray("histogram"))
			}
			b.Int64("latency", 0)
			b.Int64("ops", 0)
			b.Close(x)
		}
		b.Close(at)
	}
	if st := bsonx.Lookup(spec, "storageStats"); st.Type == bsonx.Object {
		at := b.OpenDoc("storageStats")
		if err := t.appendStorage(b, scaleOf(bsonx.Lookup(st.Data, "scale"))); err != nil {
			return nil, err
		}
		b.Close(at)
	}
	if given("count") {
		u, err := t.db.usageOf(t.entry)
		if err != nil {
			return nil, err
		}
		appendNumber(b, "count", u.count)
	}
	if given("queryExecStats") {
		at := b.OpenDoc("queryExecStats")
		x := b.OpenDoc("collectionScans")
		b.Int64("total", 0)
		b.Int64("nonTailable", 0)
		b.Close(x)
		b.Close(at)
	}
	return []bsonx.Doc{b.Done()}, nil
}

// indexStats lists the indexes; how often each was used is not counted.
func (s *source) indexStats(t *target) []bsonx.Doc {
	if t.entry == nil {
		return nil
	}
	var docs []bsonx.Doc
	for _, ix := range listedIndexes(t.entry) {
		b := bsonx.NewDoc(nil)
		b.String("name", ix.Name)
		b.Value("key", bsonx.Lookup(ix.Spec, "key"))
		b.String("host", s.sv.Host.Address)
		at := b.OpenDoc("accesses")
		b.Int64("ops", s.sv.uses.of(planKey{t.db.name, t.entry.ID}, ix.Name))
		b.Date("since", s.sv.Started.UnixMilli())
		b.Close(at)
		b.Doc("spec", ix.Spec)
		if ix.Building {
			b.Bool("building", true)
		}
		docs = append(docs, b.Done())
	}
	return docs
}

// clusterCatalog lists the namespaces of a database, of all with admin.
func (s *source) clusterCatalog(ctx context.Context, db string, shards bool) ([]bsonx.Doc, error) {
	names := []string{db}
	if db == "admin" {
		for _, p := range s.sv.Branches.ListProjects() {
			if p.Name != db {
				names = append(names, p.Name)
			}
		}
	}
	var docs []bsonx.Doc
	for _, n := range names {
		d, err := s.db(ctx, n)
		if err != nil {
			return nil, err
		}
		for _, c := range describeAll(d.snap) {
			b := bsonx.NewDoc(nil)
			b.String("ns", n+"."+string(bsonx.Str(bsonx.Lookup(c, "name"))))
			b.String("db", n)
			for it := bsonx.NewIter(c); it.Next(); {
				if string(it.Key()) != "name" {
					b.Element(it.Element())
				}
			}
			b.Bool("sharded", false)
			if shards {
				b.Close(b.OpenArray("shards"))
			}
			docs = append(docs, b.Done())
		}
	}
	return docs, nil
}

var dbStatsCommand = &Spec{
	Name: "dbStats",
	Args: idl.Command("dbStats", idl.Field{Name: "dbStats", Types: idl.Any},
		idl.Field{Name: "scale", Types: idl.Number, Min: 1, Max: idl.NoMax}, idl.Field{Name: "freeStorage", Types: idl.SafeBool}),
	Flags: Read, Privilege: onDatabase(auth.DbStats), Help: "how much a database holds", Run: runDBStats,
}

func runDBStats(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.db(ctx, rq.DB)
	if err != nil {
		return err
	}
	var sum usage
	var collections, views int64
	for _, name := range d.snap.Names() {
		e, _ := d.snap.Collection(name)
		if e.Type == catalog.TypeView {
			views++
			continue
		}
		u, err := d.usageOf(e)
		if err != nil {
			return err
		}
		collections++
		sum.count += u.count
		sum.size += u.size
		sum.indexSize += u.indexSize
		sum.indexes += u.indexes
	}
	scale := scaleOf(rq.Args.Get("scale"))
	in := func(n int64) float64 { return float64(n) / float64(scale) }
	b.String("db", rq.DB)
	b.Int64("collections", collections)
	b.Int64("views", views)
	b.Int64("objects", sum.count)
	avg := 0.0
	if sum.count > 0 {
		avg = float64(sum.size) / float64(sum.count)
	}
	b.Double("avgObjSize", avg)
	b.Double("dataSize", in(sum.size))
	b.Double("storageSize", in(sum.size))
	if rq.Args.Bool("freeStorage", false) {
		b.Double("freeStorageSize", 0)
	}
	b.Int64("indexes", int64(sum.indexes))
	b.Double("indexSize", in(sum.indexSize))
	if rq.Args.Bool("freeStorage", false) {
		b.Double("indexFreeStorageSize", 0)
	}
	b.Double("totalSize", in(sum.size+sum.indexSize))
	if rq.Args.Bool("freeStorage", false) {
		b.Double("totalFreeStorageSize", 0)
	}
	b.Int64("scaleFactor", scale)
	used, total := diskUsage(rq.Services.Host.Dir)
	b.Double("fsUsedSize", in(used))
	b.Double("fsTotalSize", in(total))
	return nil
}

var dataSizeCommand = &Spec{
	Name: "dataSize",
	Args: idl.Command("dataSize", idl.Field{Name: "dataSize", Types: idl.String, Required: true},
		idl.Field{Name: "keyPattern", Types: idl.Object}, idl.Field{Name: "min", Types: idl.Object}, idl.Field{Name: "max", Types: idl.Object},
		idl.Field{Name: "estimate", Types: idl.SafeBool}),
	Flags: Read, Privilege: forUsers(dataSizeNeeds), Help: "how much a collection, or a range of it, holds", Run: runDataSize,
}

func runDataSize(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	a := &rq.Args
	db, coll, ok := strings.Cut(a.String("dataSize", ""), ".")
	if !ok || coll == "" || CheckDatabase(db) != nil {
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified '%s': it must be DATABASE.COLLECTION", a.String("dataSize", ""))
	}
	low, high := a.Doc("min"), a.Doc("max")
	switch {
	case (low == nil) != (high == nil):
		return badValue("min and max must both be set or neither")
	case low != nil && a.Doc("keyPattern") == nil && !(isIDKey(low) && isIDKey(high)):
		return errcode.New(errcode.OperationFailed, "couldn't find valid index containing key pattern")
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.target(ctx, db, coll)
	if err != nil {
		return err
	}
	if t.isView() {
		return mustBeCollection(t)
	}
	var u usage
	if t.entry != nil {
		if low == nil {
			u, err = t.db.usageOf(t.entry)
		} else {
			u, err = s.rangeSize(ctx, t, a.Doc("keyPattern"), low, high)
		}
		if err != nil {
			return err
		}
	}
	b.Bool("estimate", a.Bool("estimate", false))
	b.Int64("size", u.size)
	b.Int64("numObjects", u.count)
	b.Int64("millis", 0)
	return nil
}

// rangeSize measures the documents from low up to high, in the order of a key.
func (s *source) rangeSize(ctx context.Context, t *target, key, low, high bsonx.Doc) (u usage, err error) {
	if key == nil {
		key = defaultKey()
	}
	known := isIDKey(key)
	for _, ix := range t.entry.Indexes {
		known = known || bsonx.Equal(bsonx.Lookup(ix.Spec, "key"), bsonx.DocValue(key))
	}
	if !known {
		return u, errcode.New(errcode.OperationFailed, "couldn't find valid index containing key pattern")
	}
	it := t.db.view.Scan(t.entry.ID, scanAll)
	defer func() { _ = it.Close() }()
	for it.Next() {
		if err := exec.Interrupted(ctx); err != nil {
			return u, err
		}
		d := bsonx.Doc(it.Value())
		if compareKey(d, key, low) >= 0 && compareKey(d, key, high) < 0 {
			u.count++
			u.size += int64(len(d))
		}
	}
	return u, it.Err()
}

// compareKey compares a document's values with a bound of a key.
func compareKey(doc, key, bound bsonx.Doc) int {
	for it := bsonx.NewIter(key); it.Next(); {
		name := string(it.Key())
		if c := bsonx.Compare(bsonx.Lookup(doc, name), bsonx.Lookup(bound, name)); c != 0 {
			if bsonx.Compare(it.Value(), bsonx.Int32Value(0)) < 0 {
				return -c
			}
			return c
		}
	}
	return 0
}

func defaultKey() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("_id", 1)
	return b.Done()
}
