package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
)

// query is what the parts of one statement share: variables, collation and the
// command's constants.
type query struct {
	src   *source
	scope *expr.Scope
	q     *expr.Query
	vars  []bsonx.Value
	coll  bsonx.Collator // nil: bytes
	given bool           // the command named a collation
	// allowDisk lets blocking stages go on on disk.
	allowDisk bool
	// hint is an aggregate's, for the collection that it is on.
	hint    bsonx.Value
	hintFor stage.Namespace
	// wantKeys: something reads {$meta: "indexKey"}.
	wantKeys bool
	// trials: plans are always tried, never taken from the plan cache (explain).
	trials bool
	// used learns what the sort of a find holds, for explain.
	used *stage.Usage
	// wantSortKey: something reads {$meta: "sortKey"}.
	wantSortKey bool
}

// newQuery prepares a statement on a collection: collation is the command's own
// (nil: the collection's), let its variables.
func (s *source) newQuery(ctx context.Context, t *target, collation, let bsonx.Doc) (*query, error) {
	q := &query{src: s, allowDisk: true, trials: s.explain}
	if collation != nil && !bsonx.IsEmpty(collation) {
		c, err := collate.Parse(collation)
		if err != nil {
			return nil, err
		}
		q.coll, q.given = c.Collator(), true
	} else if t != nil && t.coll != nil {
		q.coll = t.coll.Collation
	}
	sec, inc := s.sv.ClusterTime()
	q.q = &expr.Query{
		Now:         s.about.now,
		ClusterTime: bsonx.TimestampValue(sec, inc),
		Collation:   q.coll,
		Interrupt:   func() error { return exec.Interrupted(ctx) },
	}
	if js := s.javaScript(ctx); js != nil {
		q.q.Script = js
	}
	q.scope = expr.NewScope(q.scopeOptions())
	return q, q.let(let)
}

func (q *query) scopeOptions() expr.ScopeOptions {
	sv := q.src.sv
	return expr.ScopeOptions{Collation: q.coll, NoFolding: sv.failPoints.unoptimized(), JavaScript: sv.Scripts != nil}
}

// setCollation gives the statement another collation, before anything of it is
// compiled.
func (q *query) setCollation(c bsonx.Collator) {
	q.coll = c
	eq := *q.q
	eq.Collation = c
	q.q = &eq
	if len(q.vars) == 0 {
		q.scope = expr.NewScope(q.scopeOptions())
	}
}

// withoutNow refuses $$NOW: MongoDB's count, distinct and listings have none.
func (q *query) withoutNow() {
	o := q.scopeOptions()
	o.NoNow = true
	q.scope = expr.NewScope(o)
}

// let evaluates the command's variables, which are constants.
func (q *query) let(let bsonx.Doc) error {
	for it := bsonx.NewIter(let); it.Next(); {
		name := string(it.Key())
		if err := expr.CheckVariableName(name); err != nil {
			return err
		}
		e, err := expr.Compile(it.Value(), q.scope)
		if err != nil {
			return err
		}
		env := q.env()
		env.Root = bsonx.DocValue(bsonx.EmptyDoc)
		v, err := e.Eval(env)
		if err != nil {
			return err
		}
		var slot int
		q.scope, slot = q.scope.Define(name)
		for len(q.vars) <= slot {
			q.vars = append(q.vars, bsonx.Value{})
		}
		q.vars[slot] = bsonx.Clone(v)
	}
	return nil
}

// env returns a new environment with the command's variables.
func (q *query) env() *expr.Env {
	env := expr.NewEnv(q.q, q.scope)
	for i, v := range q.vars {
		env.SetVar(i, v)
	}
	return env
}

// filter compiles a filter; nil for one that is empty.
func (q *query) filter(d bsonx.Doc) (*match.Filter, error) {
	if d == nil {
		d = bsonx.EmptyDoc
	}
	return match.Compile(d, match.Options{Scope: q.scope, Collation: q.coll})
}

// open is the context that pipeline stages run in.
func (q *query) open(ns stage.Namespace) *stage.OpenContext {
	m := q.src.sv.Params.memory(q.allowDisk)
	m.Used = q.used
	return &stage.OpenContext{Query: q.q, Vars: q.vars, Collections: &collections{q}, NS: ns, Memory: m}
}

// parse is the context that pipelines are parsed in.
func (q *query) parse(ns stage.Namespace) *stage.ParseContext {
	return &stage.ParseContext{NS: ns, Scope: q.scope, Collation: q.coll, Transaction: q.src.about.inTxn,
		APIStrict: q.src.about.apiStrict, Plain: q.src.sv.failPoints.unoptimized(), ReadConcern: q.src.about.readConcern}
}

// reader answers the planner's questions from a view.
type reader struct {
	db *database
	q  *query
}

// Multikey implements plan.Reader.
func (r reader) Multikey(ctx context.Context, c *exec.Collection, ix *exec.Index) (index.Multikey, error) {
	return exec.Multikey(ctx, r.db.view, c, ix)
}

// Open implements plan.Reader.
func (r reader) Open(a exec.Access, st *exec.Stats) exec.Iterator { return a.Open(r.db.view, st) }

// Env implements plan.Reader.
func (r reader) Env() *expr.Env { return r.q.env() }

// choose plans a query on a target that is a collection.
func (q *query) choose(ctx context.Context, t *target, pq *plan.Query) (*plan.Plan, error) {
	pq.Coll = t.coll
	sv := t.db.sv
	sv.plans.restrict(t.db.name, pq)
	if bsonx.IsMissing(pq.Hint) && !q.trials {
		pq.Cached = func() (string, int64) { return sv.plans.lookup(t.db.name, pq) }
	}
	p, err := plan.Choose(ctx, pq, reader{t.db, q})
	if err != nil {
		return nil, err
	}
	if x, ok := p.Access.(*exec.IndexScan); ok {
		sv.uses.add(planKey{t.db.name, t.coll.ID}, x.Spec.Name)
	}
	if bsonx.IsMissing(pq.Hint) && !q.trials {
		sv.plans.note(t.db.name, pq, p, sv.Clock.Now().UnixMilli(), false)
	}
	return p, nil
}

// open starts a plan's access path.
func (q *query) access(t *target, p *plan.Plan, st *exec.Stats) exec.Iterator {
	a := p.Access
	if x, ok := a.(*exec.IndexScan); ok && q.wantKeys {
		c := *x
		c.KeyMeta, c.Covered = true, false
		a = &c
	}
	return a.Open(t.db.view, st)
}

// rows opens a plan's rows, filtered.
func (q *query) rows(t *target, p *plan.Plan, st *exec.Stats) exec.Iterator {
	if p.CachedWorks > 0 {
		return &cachedRows{Iterator: q.access(t, p, st), q: q, t: t, plan: p, st: st, env: q.env()}
	}
	it := q.access(t, p, st)
	if p.Filter != nil && !p.Filter.MatchesAll() {
		it = exec.NewFilter(it, p.Filter, q.env())
	}
	return it
}

// cachedRows are the rows of a plan that was not tried but taken from the plan
// cache. When it works much harder than it did then, and has not yielded a row
// yet, the query is planned anew.
type cachedRows struct {
	exec.Iterator
	q       *query
	t       *target
	plan    *plan.Plan
	st      *exec.Stats
	env     *expr.Env
	settled bool
}

// Next implements exec.Iterator.
func (c *cachedRows) Next(ctx context.Context) (exec.Row, error) {
	for {
		row, err := c.Iterator.Next(ctx)
		if err != nil {
			return row, err
		}
		if f := c.plan.Filter; f != nil {
			c.env.Root, c.env.Meta = bsonx.DocValue(row.Doc), row.Meta
			ok, err := f.Matches(c.env, row.Doc)
			c.env.Arena.Reset()
			if err != nil {
				return exec.Row{}, err
			}
			if !ok {
				if !c.settled && c.st.All() > worksTooMany*c.plan.CachedWorks {
					if err := c.again(ctx); err != nil {
						return exec.Row{}, err
					}
				}
				continue
			}
		}
		c.settled = true
		return row, nil
	}
}

// again plans the query anew and starts over.
func (c *cachedRows) again(ctx context.Context) error {
	c.settled = true
	sv, pq := c.t.db.sv, c.plan.Query
	p, err := c.plan.Again(ctx, reader{c.t.db, c.q})
	if err != nil {
		return err
	}
	sv.plans.counts.replanned.Add(1)
	if p.Identity() == c.plan.Identity() {
		sv.plans.counts.replannedSame.Add(1)
	}
	sv.plans.drop(c.t.db.name, pq)
	sv.plans.note(c.t.db.name, pq, p, sv.Clock.Now().UnixMilli(), true)
	if err := c.Iterator.Close(); err != nil {
		return err
	}
	*c.st = exec.Stats{}
	c.plan, c.Iterator = p, c.q.access(c.t, p, c.st)
	return nil
}

// sorted puts a sort behind it, of limit rows if that is not 0.
func (q *query) sorted(it exec.Iterator, ns stage.Namespace, sort bsonx.Doc, limit int64) (exec.Iterator, error) {
	return stage.OpenSort(q.open(ns), it, sort, q.coll, limit, q.wantSortKey)
}

// hintField takes a hint: a string or a document; other types are FailedToParse.
var hintField = idl.Field{Name: "hint", Types: idl.Any, Check: checkHint}

func checkHint(v bsonx.Value) error {
	switch v.Type {
	case bsonx.String:
		return nil
	case bsonx.Object:
		return checkHintDoc(v.Data)
	}
	return errcode.New(errcode.FailedToParse, "Hint must be a string or an object")
}

// checkHintDoc checks $natural: it stands alone and is 1 or -1.
func checkHintDoc(d bsonx.Doc) error {
	n := bsonx.Lookup(d, "$natural")
	if bsonx.IsMissing(n) {
		return nil
	}
	if bsonx.Len(d) != 1 {
		return errcode.New(errcode.BadValue, "$natural hint may not be combined with other fields")
	}
	if i, ok := bsonx.IntegralOK(n); !ok || i != 1 && i != -1 {
		return errcode.New(errcode.BadValue, "$natural hint must be 1 or -1")
	}
	return nil
}

// cursorRows turns rows into what a cursor yields, and closes the source with it.
type cursorRows struct {
	it  exec.Iterator
	src *source
}

// Next implements session.Iterator.
func (c *cursorRows) Next(ctx context.Context) (bsonx.Doc, error) {
	row, err := c.it.Next(ctx)
	return row.Doc, err
}

// Exhausted reports that no more documents follow.
func (c *cursorRows) Exhausted() bool { return exec.Exhausted(c.it) }

// Close implements session.Iterator.
func (c *cursorRows) Close() error {
	err := c.it.Close()
	c.src.close()
	return err
}
