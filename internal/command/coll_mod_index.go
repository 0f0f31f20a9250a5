package command

import (
	"context"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/txn"
)

var modIndexSpec = idl.New("collMod.index",
	idl.Field{Name: "name", Types: idl.String},
	idl.Field{Name: "keyPattern", Types: idl.Object},
	idl.Field{Name: "expireAfterSeconds", Types: idl.Number},
	idl.Field{Name: "hidden", Types: idl.SafeBool},
	idl.Field{Name: "unique", Types: idl.SafeBool},
	idl.Field{Name: "prepareUnique", Types: idl.SafeBool})

func checkModIndex(v bsonx.Value) error {
	var a idl.Args
	if err := modIndexSpec.Decode(v.Data, &a); err != nil {
		return err
	}
	switch {
	case a.Has("name") && a.Has("keyPattern"):
		return invalidOptions("Cannot specify both key pattern and name.")
	case !a.Has("name") && !a.Has("keyPattern"):
		return invalidOptions("Must specify either index name or key pattern.")
	case !a.Has("expireAfterSeconds") && !a.Has("hidden") && !a.Has("unique") && !a.Has("prepareUnique"):
		return invalidOptions("no expireAfterSeconds, hidden, unique, or prepareUnique field")
	case a.Has("unique") && !a.Bool("unique", false):
		return errcode.New(errcode.BadValue, "collMod does not support converting a unique index to a non-unique one")
	}
	return nil
}

// checkDryRun: only the conversion to a unique index can be tried.
func checkDryRun(a *idl.Args) error {
	if !a.Bool("dryRun", false) {
		return nil
	}
	if ix := a.Doc("index"); ix == nil || !bsonx.Truthy(bsonx.Lookup(ix, "unique")) {
		return invalidOptions("'dryRun' is only supported for the conversion of an index to a unique one")
	}
	return nil
}

// indexChange is a field of the reply: what an index's option was and is.
type indexChange struct {
	name     string
	old, now bsonx.Value // old may be missing
}

// report appends what changed.
func (m *collMod) report(reply *bsonx.Builder) {
	for _, c := range m.changes {
		reply.Value(c.name+"_old", c.old)
		reply.Value(c.name+"_new", c.now)
	}
}

// index works out the change of one index.
func (m *collMod) index(ctx context.Context) error {
	d := m.rq.Args.Doc("index")
	if d == nil {
		return nil
	}
	var a idl.Args
	if err := modIndexSpec.Decode(d, &a); err != nil {
		return err
	}
	ix, err := findIndex(m.t, &a)
	if err != nil {
		return err
	}
	m.dry = m.rq.Args.Bool("dryRun", false)
	x := &indexMod{a: &a, ix: ix, m: m, spec: ix.Spec}
	for _, step := range []func(context.Context) error{x.allowed, x.expire, x.hide, x.prepare, x.unique} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !bsonx.Equal(docValue(x.spec), docValue(ix.Spec)) {
		m.indexes = map[string]bsonx.Doc{ix.Name: x.spec}
	}
	return nil
}

// findIndex finds the index by its name or key pattern.
func findIndex(t *target, a *idl.Args) (*catalog.Index, error) {
	if a.Has("name") {
		name := a.String("name", "")
		for _, ix := range listedIndexes(t.entry) {
			if ix.Name == name || isClustered(t.entry) && ix.ID == catalog.IDIndex && name == string(stringOr(bsonx.Lookup(ix.Spec, "name"))) {
				return ix, nil
			}
		}
		return nil, errcode.New(errcode.IndexNotFound, "cannot find index %s for ns %s", name, t.ns())
	}
	key := a.Get("keyPattern")
	var found *catalog.Index
	for _, ix := range listedIndexes(t.entry) {
		if !bsonx.Equal(bsonx.Lookup(ix.Spec, "key"), key) {
			continue
		}
		if found != nil {
			return nil, errcode.New(errcode.AmbiguousIndexKeyPattern, "index keyPattern %s matches more than one index, please use a name instead", bsonx.Doc(key.Data))
		}
		found = ix
	}
	if found == nil {
		return nil, errcode.New(errcode.IndexNotFound, "cannot find index %s for ns %s", bsonx.Doc(key.Data), t.ns())
	}
	return found, nil
}

type indexMod struct {
	a    *idl.Args
	ix   *catalog.Index
	m    *collMod
	spec bsonx.Doc // as it will be
}

func (x *indexMod) option(name string) bsonx.Value { return bsonx.Lookup(x.ix.Spec, name) }

func (x *indexMod) changed(name string, old, now bsonx.Value) {
	x.m.changes = append(x.m.changes, indexChange{name, old, now})
}

func (x *indexMod) allowed(context.Context) error {
	e, isID := x.m.t.entry, x.ix.ID == catalog.IDIndex
	switch {
	case isID && isClustered(e) && x.a.Has("hidden"):
		return errcode.New(6011800, "The 'hidden' option is not supported for a clustered index")
	case isID && isClustered(e):
		return invalidOptions("The clustered index cannot be changed with collMod")
	case isID && x.a.Has("hidden"):
		return errcode.New(errcode.BadValue, "can't hide _id index")
	case isID:
		return invalidOptions("the _id index does not support expireAfterSeconds, unique or prepareUnique")
	case e.Type == catalog.TypeTimeseries && (x.a.Has("unique") || x.a.Has("prepareUnique")):
		return invalidOptions("collMod does not support converting an index of a time-series collection to a unique one")
	case x.a.Has("unique") && (x.a.Has("hidden") || x.a.Has("expireAfterSeconds")):
		return invalidOptions("the conversion to a unique index cannot be combined with other changes of the index")
	}
	return nil
}

func (x *indexMod) expire(context.Context) error {
	if !x.a.Has("expireAfterSeconds") {
		return nil
	}
	n := x.a.Int64("expireAfterSeconds", 0)
	if n < 0 {
		return invalidOptions("TTL index 'expireAfterSeconds' option cannot be less than 0")
	}
	n = min(n, math.MaxInt32)
	spec, err := index.Compile(x.ix.Spec)
	switch {
	case err != nil:
		return err
	case len(spec.Fields) != 1 || spec.TextAt() >= 0 || spec.WildcardAt() >= 0:
		return invalidOptions("TTL indexes are single-field indexes, compound, text and wildcard indexes do not support TTL.")
	case bsonx.Truthy(x.m.t.entry.Option("capped")):
		return invalidOptions("TTL indexes are not supported for capped collections.")
	}
	old := bsonx.Value{}
	if was := x.option("expireAfterSeconds"); bsonx.IsNumber(was) {
		old = bsonx.Int64Value(idl.ToInt64(was))
	}
	x.changed("expireAfterSeconds", old, bsonx.Int64Value(n))
	x.spec = withField(x.spec, "expireAfterSeconds", bsonx.Int32Value(int32(n)))
	return nil
}

func (x *indexMod) hide(context.Context) error {
	if !x.a.Has("hidden") {
		return nil
	}
	was, now := bsonx.Truthy(x.option("hidden")), x.a.Bool("hidden", false)
	if was == now {
		return nil
	}
	x.changed("hidden", bsonx.BoolValue(was), bsonx.BoolValue(now))
	v := bsonx.Value{}
	if now {
		v = bsonx.True
	}
	x.spec = withField(x.spec, "hidden", v)
	return nil
}

func (x *indexMod) prepare(context.Context) error {
	if !x.a.Has("prepareUnique") {
		return nil
	}
	was, now := bsonx.Truthy(x.option("prepareUnique")), x.a.Bool("prepareUnique", false)
	if was == now {
		return nil
	}
	if x.a.Has("hidden") || x.a.Has("expireAfterSeconds") || x.a.Has("unique") {
		return invalidOptions("a change of prepareUnique cannot be combined with other changes of the index")
	}
	x.changed("prepareUnique", bsonx.BoolValue(was), bsonx.BoolValue(now))
	v := bsonx.Value{}
	if now {
		v = bsonx.True
	}
	x.spec = withField(x.spec, "prepareUnique", v)
	return nil
}

func (x *indexMod) unique(ctx context.Context) error {
	if !x.a.Has("unique") || bsonx.Truthy(x.option("unique")) {
		return nil
	}
	if !x.m.dry && !bsonx.Truthy(x.option("prepareUnique")) {
		return invalidOptions("Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first: {index: {name: '%s', prepareUnique: true}}", x.ix.Name)
	}
	if !x.m.dry {
		// No writer may add a duplicate from here to the commit.
		if err := x.m.t.db.view.LockCollection(ctx, x.m.t.entry.ID); err != nil {
			return err
		}
	}
	if err := x.findDuplicates(ctx); err != nil || x.m.dry {
		return err
	}
	x.changed("unique", bsonx.Value{}, bsonx.True)
	x.spec = withField(withField(x.spec, "prepareUnique", bsonx.Value{}), "unique", bsonx.True)
	return nil
}

// maxViolations is how many duplicates the error lists.
const maxViolations = 100

// findDuplicates fails when two documents have the same key in the index: each
// document's entries are looked up.
func (x *indexMod) findDuplicates(ctx context.Context) error {
	t := x.m.t
	q, err := x.m.s.newQuery(ctx, t, nil, nil)
	if err != nil {
		return err
	}
	w := &exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: q.env()}
	ix := t.coll.Index(x.ix.Name)
	it := t.db.view.Scan(t.entry.ID, txn.ScanOptions{})
	defer func() { _ = it.Close() }()
	var violations [][]bsonx.Value // the _ids of documents with the same key
	for it.Next() && len(violations) < maxViolations {
		if err := exec.Interrupted(ctx); err != nil {
			return err
		}
		doc, row := append(bsonx.Doc(nil), it.Value()...), append([]byte(nil), it.Key()...)
		err := w.Entries(ix, doc, func(key, _ []byte) error {
			other := t.db.view.ScanIndex(t.entry.ID, ix.ID, txn.ScanOptions{Lower: key, Upper: append(key[:len(key):len(key)], 0xff)})
			defer func() { _ = other.Close() }()
			if !other.Next() || string(other.Key()[len(key):]) != string(row) {
				return other.Err() // a group is seen from its first document only
			}
			ids := []bsonx.Value{bsonx.Clone(bsonx.Lookup(doc, "_id"))}
			for other.Next() && len(ids) < maxViolations {
				same, err := t.db.view.Get(ctx, t.entry.ID, other.Key()[len(key):])
				if err != nil {
					return err
				}
				ids = append(ids, bsonx.Clone(bsonx.Lookup(same, "_id")))
			}
			if len(ids) > 1 {
				violations = append(violations, ids)
			}
			return other.Err()
		})
		if err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil || len(violations) == 0 {
		return err
	}
	b := bsonx.NewDoc(nil)
	at := b.OpenArray("violations")
	for i, ids := range violations {
		v := b.OpenDoc(bsonx.Index(i))
		b.Array("ids", bsonx.AppendArray(nil, ids))
		b.Close(v)
	}
	b.Close(at)
	return errcode.New(errcode.CannotConvertIndexToUnique, "Cannot convert the index to unique. Please resolve conflicting documents before running collMod again.").WithInfo(b.Done())
}
