package command

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/txn"
)

// planKey is a collection of one database: filters and remembered plans do not
// outlive it, and branches have their own.
type planKey struct {
	db   string
	coll txn.CollectionID
}

// planCache keeps the index filters that planCacheSetFilter made and the plans that
// trials found best (plan_entries.go). Nothing of it is stored. Safe for concurrent
// use; the zero value is empty.
type planCache struct {
	mu      sync.Mutex
	filters map[planKey][]*indexFilter
	any     atomic.Bool // there are filters
	plans   map[planKey]map[uint32]*cachedPlan
	clock   int64 // of uses
	counts  planCounts
}

// indexFilter lets queries of one shape use some indexes only.
type indexFilter struct {
	shape                              string
	query, sort, projection, collation bsonx.Doc
	indexes                            []bsonx.Value
}

// queryShape is what queries of one shape have in common: the filter without its
// values, the sort, the projection and the collation.
func queryShape(filter, sort, projection, collation bsonx.Doc) string {
	var b strings.Builder
	b.WriteString(filterShape(filter, 0))
	for _, d := range []bsonx.Doc{sort, projection, collation} {
		b.WriteByte('|')
		if d != nil && !bsonx.IsEmpty(d) {
			b.Write(d)
		}
	}
	return b.String()
}

// filterShape writes a filter's fields and operators, in the order of their names.
func filterShape(d bsonx.Doc, depth int) string {
	if depth > bsonx.MaxDepth {
		return ""
	}
	var parts []string
	for it := bsonx.NewIter(d); it.Next(); {
		key, v := string(it.Key()), it.Value()
		switch {
		case v.Type == bsonx.Object && (key[:min(1, len(key))] == "$" || operators(v.Data)):
			key += "{" + filterShape(v.Data, depth+1) + "}"
		case v.Type == bsonx.Array && (key == "$and" || key == "$or" || key == "$nor"):
			var inner []string
			for e := bsonx.NewIter(v.Data); e.Next(); {
				if e.Value().Type == bsonx.Object {
					inner = append(inner, filterShape(e.Value().Data, depth+1))
				}
			}
			sort.Strings(inner)
			key += "[" + strings.Join(inner, ",") + "]"
		default:
			key += "?"
		}
		parts = append(parts, key)
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

// operators reports whether a document is conditions, not a value.
func operators(d bsonx.Doc) bool {
	it := bsonx.NewIter(d)
	return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$'
}

func shapeOf(pq *plan.Query) string {
	var filter, coll bsonx.Doc
	if pq.Filter != nil {
		filter = pq.Filter.Spec()
	}
	if c, ok := pq.Collation.(*collate.Collation); ok && c != nil {
		coll = c.Spec()
	}
	return queryShape(filter, pq.Sort, pq.Projection, coll)
}

// restrict applies the index filter of the query's shape: the planner gets a
// collection that has only the indexes that the filter names, and no hint.
func (c *planCache) restrict(db string, pq *plan.Query) {
	if !c.any.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.filters[planKey{db, pq.Coll.ID}]
	if len(list) == 0 {
		return
	}
	shape := shapeOf(pq)
	i := slices.IndexFunc(list, func(f *indexFilter) bool { return f.shape == shape })
	if i < 0 {
		return
	}
	only := *pq.Coll
	only.Indexes = nil
	for _, ix := range pq.Coll.Indexes {
		if list[i].names(ix) {
			only.Indexes = append(only.Indexes, ix)
		}
	}
	pq.Coll, pq.Hint, pq.FilterSet = &only, bsonx.Value{}, true
}

func (f *indexFilter) names(ix *exec.Index) bool {
	for _, v := range f.indexes {
		if v.Type == bsonx.String && string(bsonx.Str(v)) == ix.Spec.Name ||
			v.Type == bsonx.Object && bsonx.Equal(v, bsonx.DocValue(ix.Spec.KeyPattern)) {
			return true
		}
	}
	return false
}

func cloneDoc(d bsonx.Doc) bsonx.Doc {
	if d == nil {
		return bsonx.EmptyDoc
	}
	return append(bsonx.Doc(nil), d...)
}

// forget drops all that is kept about a collection.
func (c *planCache) forget(key planKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.filters, key)
	delete(c.plans, key)
}

func badValue(format string, args ...any) error {
	return errcode.New(errcode.BadValue, format, args...)
}

// planArgs are the arguments that name a query shape. They are not checked by a
// table: MongoDB takes what it does not know.
func planArgs(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.Any, Required: true}, idl.Field{Name: "query", Types: idl.Any},
		idl.Field{Name: "sort", Types: idl.Any}, idl.Field{Name: "projection", Types: idl.Any}, idl.Field{Name: "collation", Types: idl.Any},
		idl.Field{Name: "indexes", Types: idl.Any}).Lenient()
}

// shapeArg reads the shape that a command names.
func shapeArg(rq *Request) (*indexFilter, error) {
	f := &indexFilter{}
	for _, a := range []struct {
		name string
		to   *bsonx.Doc
	}{{"query", &f.query}, {"sort", &f.sort}, {"projection", &f.projection}, {"collation", &f.collation}} {
		v := rq.Args.Get(a.name)
		switch {
		case bsonx.IsMissing(v) && a.name == "query":
			return nil, badValue("required field query missing")
		case bsonx.IsMissing(v):
			*a.to = bsonx.EmptyDoc
		case v.Type == bsonx.Array && a.name != "collation":
			*a.to = bsonx.EmptyDoc
		case v.Type != bsonx.Object:
			return nil, badValue("%s must be an object", a.name)
		default:
			*a.to = cloneDoc(v.Data)
		}
	}
	if rq.Args.Has("collation") {
		if bsonx.IsEmpty(f.collation) {
			return nil, badValue("collation cannot be an empty object")
		}
		full, err := fullCollation(f.collation)
		if err != nil {
			return nil, err
		}
		f.collation = cloneDoc(full)
	}
	f.shape = queryShape(f.query, f.sort, f.projection, f.collation)
	return f, nil
}

// planTarget finds the collection that a plan cache command is about; nil when
// there is none. Errors: InvalidNamespace, CommandNotSupportedOnView.
func (rq *Request) planTarget(ctx context.Context) (*planKey, error) {
	name, err := rq.Collection()
	if err != nil {
		return nil, err
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	t, err := s.target(ctx, rq.DB, name)
	switch {
	case err != nil:
		return nil, err
	case t.entry == nil:
		return nil, nil
	case t.entry.Type != catalog.TypeCollection:
		return nil, errcode.New(errcode.CommandNotSupportedOnView, "Namespace %s is a view or a time-series collection", t.ns())
	}
	return &planKey{rq.DB, t.entry.ID}, nil
}

var planCacheSetFilterCommand = &Spec{
	Name: "planCacheSetFilter", Args: planArgs("planCacheSetFilter"), Privilege: onCollection(auth.PlanCacheIndexFilter), Help: "lets queries of a shape use these indexes only, until the server stops",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		key, err := rq.planTarget(ctx)
		if err != nil {
			return err
		}
		if key == nil {
			return badValue("no such collection")
		}
		f, err := shapeArg(rq)
		if err != nil {
			return err
		}
		v := rq.Args.Get("indexes")
		switch {
		case bsonx.IsMissing(v):
			return badValue("required field indexes missing")
		case v.Type != bsonx.Array:
			return badValue("required field indexes must be an array")
		case bsonx.IsEmpty(v.Data):
			return badValue("required field indexes must contain at least one index")
		}
		for _, e := range bsonx.Values(nil, v.Data) {
			switch {
			case e.Type == bsonx.Object && bsonx.IsEmpty(e.Data):
				return badValue("index specification cannot be empty")
			case e.Type != bsonx.Object && e.Type != bsonx.String:
				return badValue("each item in indexes must be an object or string")
			}
			f.indexes = append(f.indexes, bsonx.Clone(e))
		}
		rq.Services.plans.set(*key, f)
		return nil
	},
}

func (c *planCache) set(key planKey, f *indexFilter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filters == nil {
		c.filters = map[planKey][]*indexFilter{}
	}
	c.any.Store(true)
	delete(c.plans, key)
	for i, o := range c.filters[key] {
		if o.shape == f.shape {
			c.filters[key][i] = f
			return
		}
	}
	c.filters[key] = append(c.filters[key], f)
}

var planCacheListFiltersCommand = &Spec{
	Name: "planCacheListFilters", Args: planArgs("planCacheListFilters"), Flags: Read, Privilege: onCollection(auth.PlanCacheIndexFilter), Help: "lists the index filters of a collection",
	Run: func(ctx context.Context, rq *Request, b *bsonx.Builder) error {
		key, err := rq.planTarget(ctx)
		if err != nil {
			return err
		}
		at := b.OpenArray("filters")
		if key != nil {
			rq.Services.plans.appendFilters(*key, b)
		}
		b.Close(at)
		return nil
	},
}

func (c *planCache) appendFilters(key planKey, b *bsonx.Builder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range c.filters[key] {
		at := b.OpenDoc(bsonx.Index(i))
		b.Doc("query", f.query)
		b.Doc("sort", f.sort)
		b.Doc("projection", f.projection)
		if !bsonx.IsEmpty(f.collation) {
			b.Doc("collation", f.collation)
		}
		b.Array("indexes", bsonx.AppendArray(nil, f.indexes))
		b.Close(at)
	}
}

var planCacheClearFiltersCommand = &Spec{
	Name: "planCacheClearFilters", Args: planArgs("planCacheClearFilters"), Privilege: onCollection(auth.PlanCacheIndexFilter), Help: "drops the index filter of a shape, or all of a collection",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.clearShape(ctx, func(c *planCache, key planKey, shape string) {
			delete(c.plans, key)
			c.filters[key] = slices.DeleteFunc(c.filters[key], func(f *indexFilter) bool { return shape == "" || f.shape == shape })
		})
	},
}

var planCacheClearCommand = &Spec{
	Name: "planCacheClear", Args: planArgs("planCacheClear"), Privilege: onCollection(auth.PlanCacheWrite), Help: "forgets the plans of a shape, or all of a collection",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.clearShape(ctx, func(c *planCache, key planKey, shape string) {
			if shape == "" {
				delete(c.plans, key)
				return
			}
			maps.DeleteFunc(c.plans[key], func(_ uint32, e *cachedPlan) bool { return e.shape == shape })
		})
	},
}

// clearShape runs clear for the shape that the command names, "" for all of them.
func (rq *Request) clearShape(ctx context.Context, clear func(c *planCache, key planKey, shape string)) error {
	key, err := rq.planTarget(ctx)
	if err != nil || key == nil {
		return err
	}
	shape := ""
	if rq.Args.Has("query") && rq.Args.Get("query").Type != bsonx.Null {
		f, err := shapeArg(rq)
		if err != nil {
			return err
		}
		shape = f.shape
	} else {
		for _, n := range []string{"sort", "projection", "collation"} {
			if v := rq.Args.Get(n); !bsonx.IsNullish(v) {
				return badValue("sort, projection, and collation cannot be specified without query")
			}
		}
	}
	c := &rq.Services.plans
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filters == nil {
		c.filters = map[planKey][]*indexFilter{}
	}
	clear(c, *key, shape)
	return nil
}
