package command

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/plan"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/txn"
)

// batchWriter writes for $out and $merge in commits of its own, each of many
// documents, while the pipeline reads from its snapshot.
type batchWriter struct {
	q   *query
	src *source
	n   int
}

// Limits of one commit of a batchWriter: documents, and bytes of keys and values.
const (
	batchDocs  = 1000
	batchBytes = 16 << 20
)

// source returns the open transaction.
func (w *batchWriter) source() *source {
	if w.src == nil {
		s := w.q.src
		if !s.owned {
			w.src = s // in a transaction: its own
			return s
		}
		w.src = &source{sv: s.sv, about: s.about, tx: s.sv.Txns.Begin(txn.Options{}), owned: true}
	}
	return w.src
}

// do runs fn in the open transaction and commits when enough has gathered. When
// something was outdated, fn runs again in a transaction of its own.
func (w *batchWriter) do(ctx context.Context, fn func(s *source) error) error {
	for attempt := 1; ; attempt++ {
		s := w.source()
		sp := s.tx.Savepoint()
		err := fn(s)
		if err == nil {
			w.n++
			if w.n >= batchDocs || s.tx.Size() > batchBytes {
				return w.flush(ctx)
			}
			return nil
		}
		s.tx.RollbackTo(sp)
		if !txn.IsStale(err) || attempt == maxAttempts {
			return err
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		if err := exec.Interrupted(ctx); err != nil {
			return err
		}
	}
}

// flush commits what was written.
func (w *batchWriter) flush(ctx context.Context) error {
	s := w.src
	if s == nil || !s.owned {
		return nil
	}
	w.src, w.n = nil, 0
	_, err := s.tx.Commit(ctx, s.about.commit)
	s.tx.Abort()
	return err
}

// discard gives up what was not committed.
func (w *batchWriter) discard() {
	if w.src != nil && w.src.owned {
		w.src.tx.Abort()
	}
	w.src = nil
}

// outTarget is $out: documents go to a collection of another name, which takes
// the target's place at the end.
type outTarget struct {
	w    batchWriter
	ns   stage.Namespace
	temp string
	done bool
}

// Output implements stage.Collections.
func (c *collections) Output(ctx context.Context, _ *stage.OpenContext, ns stage.Namespace, o stage.OutputOptions) (stage.Output, error) {
	id := objectIDs()
	out := &outTarget{w: batchWriter{q: c.q}, ns: ns, temp: "tmp.agg_out." + hex.EncodeToString(id[:])}
	err := out.w.do(ctx, func(s *source) error {
		if err := s.checkTimeseriesOut(ctx, ns, o.TimeSeries); err != nil {
			return err
		}
		t, err := s.writable(ctx, ns.DB, ns.Coll, false)
		if err != nil {
			return err
		}
		d, err := s.writeDB(ctx, ns.DB)
		if err != nil {
			return err
		}
		co := catalog.CreateOptions{}
		var specs []bsonx.Doc
		if t.entry != nil {
			if t.coll.Capped {
				return errcode.New(17152, "namespace '%s' is capped so it can't be used for $out", t.ns())
			}
			co = catalog.CreateOptions{Type: t.entry.Type, Options: t.entry.Options, IDSpec: t.entry.Indexes[0].Spec, ByRecordID: t.entry.ByRecordID}
			for _, ix := range t.entry.Indexes[1:] {
				specs = append(specs, ix.Spec)
			}
		}
		if o.TimeSeries != nil && t.entry == nil {
			if co, specs, err = timeseriesOptions(o.TimeSeries); err != nil {
				return err
			}
		}
		if _, err := s.sv.Catalog.Create(ctx, d.view, out.temp, co); err != nil {
			return err
		}
		if len(specs) > 0 {
			_, err = s.sv.Catalog.AddIndexes(ctx, d.view, out.temp, specs)
		}
		return err
	})
	if err == nil {
		err = out.w.flush(ctx)
	}
	if err != nil {
		out.w.discard()
		return nil, err
	}
	return out, nil
}

// Write implements stage.Output.
func (o *outTarget) Write(ctx context.Context, doc bsonx.Doc) error {
	doc, err := exec.PrepareInsert(doc, objectIDs, func() bsonx.Value { return o.w.q.q.ClusterTime })
	if err != nil {
		return err
	}
	doc = bytes.Clone(doc)
	return o.w.do(ctx, func(s *source) error {
		t, err := s.target(ctx, o.ns.DB, o.temp)
		if err != nil {
			return err
		}
		if t.coll == nil {
			return errcode.New(errcode.NamespaceNotFound, "the temporary collection of $out was dropped")
		}
		w := exec.Writer{View: t.db.view, Coll: t.coll, NS: o.ns.String(), Env: o.w.q.env()}
		return w.Insert(ctx, doc)
	})
}

// Commit implements stage.Output.
func (o *outTarget) Commit(ctx context.Context) error {
	if err := o.w.flush(ctx); err != nil {
		return err
	}
	err := o.w.do(ctx, func(s *source) error {
		d, err := s.writeDB(ctx, o.ns.DB)
		if err != nil {
			return err
		}
		_, err = s.sv.Catalog.Rename(ctx, d.view, o.temp, o.ns.Coll, true)
		return err
	})
	if err == nil {
		err = o.w.flush(ctx)
	}
	o.done = err == nil
	return err
}

// Close implements stage.Output.
func (o *outTarget) Close() error {
	o.w.discard()
	if o.done {
		return nil
	}
	o.done = true
	ctx := context.Background() // the command's own may be over
	err := o.w.do(ctx, func(s *source) error {
		d, err := s.writeDB(ctx, o.ns.DB)
		if err != nil {
			return err
		}
		_, err = s.sv.Catalog.Drop(ctx, d.view, o.temp)
		return err
	})
	if err == nil {
		err = o.w.flush(ctx)
	}
	o.w.discard()
	return err
}

// mergeTarget is $merge's.
type mergeTarget struct {
	w  batchWriter
	ns stage.Namespace
}

// MergeInto implements stage.Collections.
func (c *collections) MergeInto(ctx context.Context, _ *stage.OpenContext, ns stage.Namespace) (stage.MergeTarget, error) {
	m := &mergeTarget{w: batchWriter{q: c.q}, ns: ns}
	t, err := m.w.source().writable(ctx, ns.DB, ns.Coll, false)
	if err == nil && t.isTimeseries() {
		err = errcode.New(errcode.CommandNotSupportedOnView, "$merge cannot write to the time-series collection %s", t.ns())
	}
	if err != nil {
		m.w.discard()
		return nil, err
	}
	return m, nil
}

// UniqueOn implements stage.MergeTarget.
func (m *mergeTarget) UniqueOn(ctx context.Context, fields []string, coll bsonx.Collator) (stage.Uniqueness, error) {
	t, err := m.w.source().target(ctx, m.ns.DB, m.ns.Coll)
	if err != nil {
		return stage.NotUnique, err
	}
	if len(fields) == 1 && fields[0] == "_id" {
		return stage.FullyUnique, nil
	}
	if t.coll == nil {
		return stage.NotUnique, nil
	}
	best := stage.NotUnique
	for _, ix := range t.coll.Indexes {
		s := ix.Spec
		if !s.Unique || s.Partial != nil || ix.Building || !plan.SameCollation(s.Collator, coll) || !sameFields(s, fields) {
			continue
		}
		if !s.Sparse {
			return stage.FullyUnique, nil
		}
		best = stage.UniqueNotNull
	}
	return best, nil
}

func sameFields(s *index.Spec, fields []string) bool {
	have := s.FieldNames()
	if len(have) != len(fields) {
		return false
	}
	for _, f := range fields {
		if !slices.Contains(have, f) {
			return false
		}
	}
	return true
}

// Upsert implements stage.MergeTarget.
func (m *mergeTarget) Upsert(ctx context.Context, fields []string, values []bsonx.Value, change func(bsonx.Doc) (bsonx.Doc, error)) error {
	b := bsonx.NewDoc(nil)
	for i, f := range fields {
		v := values[i]
		if v.Type == bsonx.Missing {
			v = bsonx.NullValue
		}
		at := b.OpenDoc(f)
		b.Value("$eq", v)
		b.Close(at)
	}
	filter := b.Done()
	return m.w.do(ctx, func(s *source) error { return m.upsert(ctx, s, filter, change) })
}

func (m *mergeTarget) upsert(ctx context.Context, s *source, filter bsonx.Doc, change func(bsonx.Doc) (bsonx.Doc, error)) error {
	t, err := s.writable(ctx, m.ns.DB, m.ns.Coll, false)
	if err != nil {
		return err
	}
	q := m.w.q
	f, err := match.Compile(filter, match.Options{Scope: q.scope, Collation: q.coll})
	if err != nil {
		return err
	}
	if t.coll != nil {
		found, err := m.update(ctx, s, t, f, change)
		if err != nil || found {
			return err
		}
	}
	doc, err := change(nil)
	if err != nil || doc == nil {
		return err
	}
	if doc, err = exec.PrepareInsert(doc, objectIDs, func() bsonx.Value { return q.q.ClusterTime }); err != nil {
		return err
	}
	if t, err = s.writable(ctx, m.ns.DB, m.ns.Coll, true); err != nil {
		return err
	}
	w := exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: q.env()}
	return w.Insert(ctx, bytes.Clone(doc))
}

// update changes the document that matches; found is false when there is none.
func (m *mergeTarget) update(ctx context.Context, s *source, t *target, f *match.Filter, change func(bsonx.Doc) (bsonx.Doc, error)) (found bool, err error) {
	q := m.w.q
	p, err := q.choose(ctx, t, &plan.Query{Filter: f, Collation: q.coll, All: true, Limit: 1})
	if err != nil {
		return false, err
	}
	it := q.rows(t, p, &exec.Stats{})
	defer func() { _ = it.Close() }()
	for {
		row, err := it.Next(ctx)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		key := bytes.Clone(row.Key)
		old, moved, err := t.db.view.LockRow(ctx, t.coll.ID, key)
		if err != nil {
			return false, err
		}
		w := exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: q.env()}
		if old == nil {
			continue
		}
		if moved {
			w.Env.Root = bsonx.DocValue(old)
			if ok, err := f.Matches(w.Env, old); err != nil {
				return false, err
			} else if !ok {
				continue
			}
		}
		doc, err := change(old)
		if err != nil || doc == nil || bytes.Equal(doc, old) {
			return true, err
		}
		if len(doc) > bsonx.MaxDocSize {
			return true, errcode.New(17419, "Resulting document after update is larger than %d", bsonx.MaxDocSize)
		}
		return true, w.Update(ctx, key, old, bytes.Clone(doc), txn.Update, nil)
	}
}

// Close implements stage.MergeTarget. What was written so far stays, as in
// MongoDB, when the pipeline fails later.
func (m *mergeTarget) Close() error {
	err := m.w.flush(context.Background())
	m.w.discard()
	return err
}

// prober looks up documents by an index for $lookup.
type prober struct {
	q      *query
	t      *target
	path   string
	coll   bsonx.Collator
	points *exec.Points
}

// Prober implements stage.Collections.
func (c *collections) Prober(ctx context.Context, _ *stage.OpenContext, ns stage.Namespace, path string, coll bsonx.Collator) (stage.Prober, error) {
	t, err := c.q.src.target(ctx, ns.DB, ns.Coll)
	if err != nil || t.coll == nil {
		return nil, err
	}
	p := &prober{q: c.q, t: t, path: path, coll: coll}
	if path == "_id" && t.coll.IDEntries == nil && plan.SameCollation(t.coll.IDIndex.Collator, coll) {
		p.points = exec.NewPoints(t.db.view, t.coll, nil, t.coll.IDIndex)
		return p, nil
	}
	var best *exec.Index
	for _, ix := range t.coll.Indexes {
		s := ix.Spec
		if f := s.Fields[0]; f.Path == path && f.Kind == index.Ordered && s.Ordered() && !s.Sparse && s.Partial == nil && !s.Hidden && !ix.Building &&
			plan.SameCollation(s.Collator, coll) && (best == nil || len(s.Fields) < len(best.Spec.Fields)) {
			best = ix
		}
	}
	if best == nil {
		return nil, nil
	}
	t.db.sv.uses.add(planKey{t.db.name, t.coll.ID}, best.Spec.Name)
	p.points = exec.NewPoints(t.db.view, t.coll, best, best.Spec)
	return p, nil
}

// Probe implements stage.Prober.
func (p *prober) Probe(ctx context.Context, values []bsonx.Value) (exec.Iterator, error) {
	if !slices.ContainsFunc(values, notAPoint) {
		p.points.Find(values)
		return p.points, nil
	}
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc(p.path)
	arr := b.OpenArray("$in")
	for i, v := range values {
		b.Value(bsonx.Index(i), v)
	}
	b.Close(arr)
	b.Close(at)
	f, err := match.Compile(b.Done(), match.Options{Scope: p.q.scope, Collation: p.coll})
	if err != nil {
		return nil, err
	}
	pl, err := p.q.choose(ctx, p.t, &plan.Query{Filter: f, Collation: p.coll, All: true})
	if err != nil {
		return nil, err
	}
	it := pl.Access.Open(p.t.db.view, &exec.Stats{})
	if x, ok := pl.Access.(*exec.IndexScan); ok && pl.Filter != nil && x.Spec.Fields[0].Kind == index.Hashed {
		return exec.NewFilter(it, pl.Filter, p.q.env()), nil // different numbers may have one hash
	}
	return it, nil
}

// notAPoint: an index holds null for what is not there too, and arrays by their
// elements.
func notAPoint(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Missing, bsonx.Null, bsonx.Undefined, bsonx.Array:
		return true
	}
	return false
}

// Close implements stage.Prober.
func (p *prober) Close() error { return p.points.Release() }
