package command

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/plan"
)

// cachedPlan is what the planner's trials found best for the queries of one shape,
// where there was more than one plan with an index (MongoDB manual, "Query Plans").
// An entry is inactive until a second query has proved the plan at no more works;
// only an active one spares a trial.
type cachedPlan struct {
	shape, full       string // shapeOf, planShape
	indexes           string // what indexes there were: others make the entry void
	query, sort, proj bsonx.Doc
	identity          string
	works             int64
	active            bool
	created           int64 // ms
	used              int64 // planCache.clock when it was last asked for
	filtered          bool
	// plan, execs and scores are what $planCacheStats shows.
	plan   bsonx.Doc
	execs  []bsonx.Doc
	scores []float64
}

// Limits of the plan cache, and its rules: an entry's works may grow so much
// before another trial counts as no worse, and a run that works so many times as
// much is planned anew.
const (
	maxCachedPlans = 500
	growthOfWorks  = 2
	worksTooMany   = 10
)

// planCounts are serverStatus' figures of the plan cache.
type planCounts struct {
	hits, misses, skipped, replanned, replannedSame atomic.Int64
}

// indexSet names the indexes that a plan could use.
func indexSet(pq *plan.Query) string {
	var b strings.Builder
	for _, ix := range pq.Coll.Indexes {
		if !ix.Spec.Hidden && !ix.Building {
			b.WriteString(ix.Spec.Name)
			b.WriteByte(0)
			b.Write(ix.Spec.KeyPattern)
		}
	}
	return b.String()
}

// planShape is a query's shape with what else its plans depend on: a count and a
// distinct may be covered where a find is not.
func planShape(pq *plan.Query) string {
	s := shapeOf(pq)
	switch {
	case pq.Count:
		s += "|count"
	case pq.Distinct != "":
		s += "|distinct " + pq.Distinct
	case !pq.All:
		s += "|" + strings.Join(pq.Needed, ",")
	}
	return s
}

// planHashes are a query's planCacheShapeHash and planCacheKey.
func planHashes(pq *plan.Query) (shape, key string) {
	key = planShape(pq)
	if pq.Coll != nil {
		key += indexSet(pq)
	}
	return hexHash(shapeOf(pq)), hexHash(key)
}

func hexHash(s string) string { return fmt.Sprintf("%08X", hashOf(s)) }

func hashOf(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum32()
}

// lookup returns the plan to use for a shape, "" when there is none.
func (c *planCache) lookup(db string, pq *plan.Query) (identity string, works int64) {
	full := planShape(pq)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.plans[planKey{db, pq.Coll.ID}][hashOf(full)]
	if e == nil || !e.active || e.full != full || e.indexes != indexSet(pq) {
		c.counts.misses.Add(1)
		return "", 0
	}
	c.clock++
	e.used = c.clock
	c.counts.hits.Add(1)
	return e.identity, e.works
}

// holds reports whether the cache would use this plan.
func (c *planCache) holds(db string, pq *plan.Query, identity string) bool {
	full := planShape(pq)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.plans[planKey{db, pq.Coll.ID}][hashOf(full)]
	return e != nil && e.active && e.full == full && e.indexes == indexSet(pq) && e.identity == identity
}

// note remembers the outcome of a trial. replanned: the shape's plan has just
// proved to be bad, so that the new one is used at once.
func (c *planCache) note(db string, pq *plan.Query, p *plan.Plan, now int64, replanned bool) {
	if p.Trial == nil || len(p.Rejected) == 0 {
		return
	}
	full := planShape(pq)
	hash, key, set := hashOf(full), planKey{db, pq.Coll.ID}, indexSet(pq)
	id, works := p.Identity(), max(p.Trial.Works, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans == nil {
		c.plans = map[planKey]map[uint32]*cachedPlan{}
	}
	m := c.plans[key]
	if m == nil {
		m = map[uint32]*cachedPlan{}
		c.plans[key] = m
	}
	c.clock++
	if e := m[hash]; e != nil && e.full == full && e.indexes == set && !replanned {
		e.used = c.clock
		if works > e.works {
			e.works = min(e.works*growthOfWorks, works)
			return
		}
		active := *e
		active.active, active.identity, active.works = true, id, works
		active.show(p)
		m[hash] = &active
		return
	}
	if m[hash] == nil && len(m) >= maxCachedPlans {
		dropOldest(m)
	}
	e := &cachedPlan{shape: shapeOf(pq), full: full, indexes: set, sort: cloneDoc(pq.Sort), proj: cloneDoc(pq.Projection), query: bsonx.EmptyDoc, created: now,
		used: c.clock, filtered: pq.FilterSet, identity: id, works: works, active: replanned}
	if pq.Filter != nil {
		e.query = cloneDoc(pq.Filter.Spec())
	}
	e.show(p)
	m[hash] = e
}

// dropOldest makes room by the entry that was not used for longest.
func dropOldest(m map[uint32]*cachedPlan) {
	first := true
	var oldest uint32
	for h, e := range m {
		if first || e.used < m[oldest].used {
			oldest, first = h, false
		}
	}
	delete(m, oldest)
}

// drop forgets a shape whose plan has proved to be bad.
func (c *planCache) drop(db string, pq *plan.Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.plans[planKey{db, pq.Coll.ID}], hashOf(planShape(pq)))
}

// show keeps what $planCacheStats tells of the plan and its rivals.
func (e *cachedPlan) show(p *plan.Plan) {
	b := bsonx.NewDoc(nil)
	var n int64
	writeNode(b, p.Tree(p.Trial.Stats, &n), false, 0)
	e.plan, e.execs, e.scores = b.Done(), nil, nil
	for _, c := range append([]*plan.Plan{p}, p.Rejected...) {
		if c.Trial == nil {
			continue
		}
		b := bsonx.NewDoc(nil)
		writeTrial(b, c)
		e.execs = append(e.execs, b.Done())
		e.scores = append(e.scores, c.Trial.Score)
	}
}

// size estimates the memory of an entry.
func (e *cachedPlan) size() int64 {
	n := 256 + 2*len(e.full) + len(e.indexes) + len(e.query) + len(e.sort) + len(e.proj) + len(e.plan)
	for _, d := range e.execs {
		n += len(d)
	}
	return int64(n)
}

// list returns the remembered shapes as $planCacheStats shows them.
func (c *planCache) list(key planKey, host string) []bsonx.Doc {
	c.mu.Lock()
	defer c.mu.Unlock()
	var hashes []uint32
	for h := range c.plans[key] {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	var docs []bsonx.Doc
	for _, h := range hashes {
		docs = append(docs, c.plans[key][h].describe(host))
	}
	return docs
}

func (e *cachedPlan) describe(host string) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("version", "1")
	b.String("queryHash", hexHash(e.shape))
	b.String("planCacheShapeHash", hexHash(e.shape))
	b.String("planCacheKey", hexHash(e.full+e.indexes))
	b.Bool("isActive", e.active)
	b.Int64("works", e.works)
	b.String("worksType", "works")
	b.Date("timeOfCreation", e.created)
	at := b.OpenDoc("createdFromQuery")
	b.Doc("query", e.query)
	b.Doc("sort", e.sort)
	b.Doc("projection", e.proj)
	b.Close(at)
	b.Doc("cachedPlan", e.plan)
	at = b.OpenArray("creationExecStats")
	for i, d := range e.execs {
		b.Doc(bsonx.Index(i), d)
	}
	b.Close(at)
	at = b.OpenArray("candidatePlanScores")
	for i, s := range e.scores {
		b.Double(bsonx.Index(i), s)
	}
	b.Close(at)
	b.Bool("indexFilterSet", e.filtered)
	b.Int64("estimatedSizeBytes", e.size())
	b.String("host", host)
	return b.Done()
}

// status writes serverStatus' metrics.query.planCache.
func (c *planCache) status(b *bsonx.Builder) {
	c.mu.Lock()
	shapes, size := int64(0), int64(0)
	for _, m := range c.plans {
		for _, e := range m {
			shapes++
			size += e.size()
		}
	}
	c.mu.Unlock()
	b.Int64("totalQueryShapes", shapes)
	b.Int64("totalSizeEstimateBytes", size)
	at := b.OpenDoc("classic")
	b.Int64("hits", c.counts.hits.Load())
	b.Int64("misses", c.counts.misses.Load())
	b.Int64("skipped", c.counts.skipped.Load())
	b.Int64("replanned", c.counts.replanned.Load())
	b.Int64("replanned_plan_is_cached_plan", c.counts.replannedSame.Load())
	b.Close(at)
}
