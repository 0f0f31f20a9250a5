package command

import (
	"bytes"
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/query/update"
	"github.com/argon-db/argon/internal/txn"
)

// modification is one update or delete statement: an operation of the update,
// delete and bulkWrite commands, or a findAndModify.
type modification struct {
	filter, sort, collation, let bsonx.Doc
	hint                         bsonx.Value
	multi, upsert                bool
	most                         int64       // of a multi: stop after so many; 0: all
	update                       bsonx.Value // missing: delete
	constants                    bsonx.Doc
	arrayFilters                 []bsonx.Doc
	bypass                       bool
	// supplied is the new document of an upsert that the client has made itself.
	supplied bsonx.Doc
	// keep wants the document before or after the change (findAndModify).
	keepOld, keepNew bool
}

// modified is what a modification did.
type modified struct {
	matched, changed int64
	upserted         bsonx.Value
	// old and new are what keepOld and keepNew asked for; nil when there is none.
	old, new bsonx.Doc
}

// modifier runs a modification.
type modifier struct {
	*modification
	s      *source
	t      *target
	q      *query
	f      *match.Filter
	up     *update.Update
	w      exec.Writer
	in     update.Input
	result modified
}

// modify runs one statement in s on a target that may be written to.
func (s *source) modify(ctx context.Context, t *target, m *modification) (*modified, error) {
	if err := m.checkTimeseries(t); err != nil {
		return nil, err
	}
	if err := s.mayWriteInTxn(t, "change"); err != nil {
		return nil, err
	}
	x := &modifier{modification: m, s: s, t: t}
	if err := x.compile(ctx); err != nil {
		return nil, err
	}
	if t.coll == nil && !m.upsert {
		return &x.result, nil
	}
	if t.coll != nil {
		x.w = exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: x.q.env(), Bypass: m.bypass}
	}
	for attempt := 0; ; attempt++ {
		if err := x.scan(ctx); err != nil {
			return nil, err
		}
		if x.result.matched > 0 || !m.upsert {
			return &x.result, nil
		}
		sp := s.tx.Savepoint()
		err := x.insert(ctx)
		if err == nil {
			return &x.result, nil
		}
		// Another client may have inserted it just now: then it is an update.
		if attempt > 0 || s.about.inTxn || !errcode.Has(err, errcode.DuplicateKey) {
			return nil, err
		}
		s.tx.RollbackTo(sp)
		s.tx.Refresh()
		if t.db.snap = nil; s.refresh(t.db) != nil {
			return nil, err
		}
	}
}

func (x *modifier) compile(ctx context.Context) (err error) {
	if x.q, err = x.s.newQuery(ctx, x.t, x.collation, x.let); err != nil {
		return err
	}
	if x.f, err = x.q.filter(x.filter); err != nil {
		return err
	}
	if x.update.Type == bsonx.Missing {
		return nil
	}
	x.up, err = update.Compile(x.update, update.Options{ArrayFilters: x.arrayFilters, Collation: x.q.coll, Scope: x.q.scope, Constants: x.constants})
	if err != nil {
		return err
	}
	if x.multi && x.up.IsReplacement() {
		return errcode.New(errcode.FailedToParse, "multi update is not supported for replacement-style update")
	}
	x.in = update.Input{Now: x.q.q.Now, ClusterTime: x.q.q.ClusterTime}
	return nil
}

// scan finds the rows and changes each. Own changes are not seen by the scan.
func (x *modifier) scan(ctx context.Context) error {
	if x.t.coll == nil {
		return nil
	}
	it, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }()
	rows := splitRows{x: x}
	defer rows.close()
	for {
		row, err := it.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		done, err := rows.next(ctx, bytes.Clone(row.Key), row.Doc)
		if err != nil {
			return err
		}
		if done && (!x.multi || x.result.matched == x.most) {
			return nil
		}
	}
}

// plan finds the way to the rows.
func (x *modifier) plan(ctx context.Context) (*plan.Plan, error) {
	pq := &plan.Query{Filter: x.f, Vars: x.q.vars, Collation: x.q.coll, Hint: x.hint, All: true}
	if notEmpty(x.sort) != nil {
		if _, err := stage.CompileSort(x.sort, x.q.coll); err != nil && bsonx.IsMissing(bsonx.Lookup(x.sort, "$natural")) {
			return nil, err
		}
		pq.Sort = x.sort
	}
	if !x.multi {
		pq.Limit = 1
	}
	return x.q.choose(ctx, x.t, pq)
}

func (x *modifier) open(ctx context.Context) (exec.Iterator, error) {
	p, err := x.plan(ctx)
	if err != nil {
		return nil, err
	}
	it := x.q.rows(x.t, p, &exec.Stats{})
	if p.Query.Sort == nil || p.Sorted {
		return it, nil
	}
	// A sorted row has no key: it is found again by its _id.
	it, err = x.q.sorted(it, stage.Namespace{DB: x.t.db.name, Coll: x.t.name}, x.sort, 0)
	if err != nil {
		return nil, err
	}
	return exec.NewMap(it, func(r exec.Row) (exec.Row, error) {
		if r.Key == nil {
			r.Key, err = x.keyOf(ctx, r.Doc)
		}
		return r, err
	}), nil
}

// keyOf returns the row key of a document that was read.
func (x *modifier) keyOf(ctx context.Context, doc bsonx.Doc) ([]byte, error) {
	return exec.FindKey(ctx, x.t.db.view, x.t.coll, bsonx.Lookup(doc, "_id"))
}

// row locks a row, looks at it again if it has changed meanwhile, and changes it.
func (x *modifier) row(ctx context.Context, key []byte, doc bsonx.Doc) (done bool, err error) {
	now, moved, err := x.t.db.view.LockRow(ctx, x.t.coll.ID, key)
	if err != nil {
		return false, err
	}
	env := x.w.Env
	if moved || x.s.splits > 0 && !bytes.Equal(now, doc) {
		if now == nil {
			return false, nil
		}
		env.Root = bsonx.DocValue(now)
		if ok, err := x.f.Matches(env, now); err != nil || !ok {
			return false, err
		}
	}
	if now == nil { // deleted by an earlier step of this statement
		return false, nil
	}
	doc = now
	x.result.matched++
	if x.keepOld {
		x.result.old = bytes.Clone(doc)
	}
	if x.up == nil {
		return true, x.w.Delete(ctx, key, doc)
	}
	in := x.in
	if x.up.NeedsPosition() {
		env.Root = bsonx.DocValue(doc)
		if _, in.Pos, err = x.f.MatchesAt(env, doc); err != nil {
			return false, err
		}
	}
	env.Root = bsonx.DocValue(doc)
	res, err := x.up.Apply(env, doc, in)
	env.Arena.Reset()
	if err != nil {
		return false, err
	}
	if x.keepNew {
		x.result.new = res.Doc
	}
	if !res.Changed {
		return true, nil
	}
	if len(res.Doc) > bsonx.MaxDocSize {
		return false, errcode.New(17419, "Resulting document after update is larger than %d", bsonx.MaxDocSize)
	}
	x.result.changed++
	if x.s.about.inTxn {
		res.Doc = bytes.Clone(res.Doc) // outlives the message, which a replacement may be a part of
	}
	kind := txn.Update
	if x.up.IsReplacement() {
		kind = txn.Replace
	}
	return true, x.w.Update(ctx, key, doc, res.Doc, kind, res.Whole)
}

// insert makes the document of an upsert.
func (x *modifier) insert(ctx context.Context) error {
	if x.t.coll == nil {
		t, err := x.s.writable(ctx, x.t.db.name, x.t.name, true)
		if err != nil {
			return err
		}
		x.t = t
		x.w = exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: x.q.env(), Bypass: x.bypass}
	}
	doc, err := x.up.UpsertDoc(x.f)
	if err != nil {
		return err
	}
	if x.supplied != nil {
		doc = x.supplied
	} else {
		in := x.in
		in.IsInsert = true
		x.w.Env.Root = bsonx.DocValue(doc)
		res, err := x.up.Apply(x.w.Env, doc, in)
		x.w.Env.Arena.Reset()
		if err != nil {
			return err
		}
		doc = res.Doc
	}
	stamp := func() bsonx.Value { return x.in.ClusterTime }
	if doc, err = exec.PrepareInsert(doc, objectIDs, stamp); err != nil {
		return err
	}
	doc = bytes.Clone(doc)
	if err := x.w.Insert(ctx, doc); err != nil {
		return err
	}
	x.result.upserted = bsonx.Lookup(doc, "_id")
	if x.keepNew {
		x.result.new = doc
	}
	return nil
}
