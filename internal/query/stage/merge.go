package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/update"
)

func (s *mergeStage) target() Namespace { return s.ns }

func (s *mergeStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		if err := checkCreatable(s.ns); err != nil {
			return nil, err
		}
		target, err := oc.Collections.MergeInto(ctx, oc, s.ns)
		if err != nil {
			return nil, err
		}
		defer target.Close()
		m := &merger{s: s, oc: oc, env: oc.env(s.pc), target: target}
		if m.unique, err = target.UniqueOn(ctx, s.on, s.pc.Collation); err != nil {
			return nil, err
		}
		if m.unique == NotUnique {
			return nil, errcode.New(51183, "Cannot find index to verify that join fields will be unique")
		}
		return Empty{}, each(ctx, in, func(r exec.Row) error { return m.merge(ctx, r) })
	}}, nil
}

// merger writes the documents of one $merge.
type merger struct {
	s        *mergeStage
	oc       *OpenContext
	env      *expr.Env
	target   MergeTarget
	unique   Uniqueness
	pipeline *Pipeline // parsed with the first document, as MongoDB does
	vals     []bsonx.Value
}

func (m *merger) merge(ctx context.Context, r exec.Row) error {
	at(m.env, r)
	if m.s.matched == mergePipeline && m.pipeline == nil {
		if err := m.parse(); err != nil {
			return err
		}
	}
	if err := m.onValues(r.Doc); err != nil {
		return err
	}
	var sub *OpenContext
	if m.s.matched == mergePipeline {
		var err error
		if sub, err = m.bind(r.Doc); err != nil {
			return err
		}
	}
	return m.target.Upsert(ctx, m.s.on, m.vals, func(old bsonx.Doc) (bsonx.Doc, error) {
		if old == nil {
			return m.insert(r.Doc)
		}
		doc, err := m.change(ctx, sub, old, r.Doc)
		if err != nil || doc == nil {
			return nil, err
		}
		return doc, checkSameID(old, doc)
	})
}

// parse parses the pipeline of whenMatched, which may use only the stages of an
// update.
func (m *merger) parse() error {
	pc := m.s.pc.child(inMerge, m.s.ns)
	pc.Update, pc.Scope = true, m.s.scope
	p, err := parse(m.s.pipeline, pc)
	m.pipeline = p
	return err
}

// onValues reads the fields that documents are matched by.
func (m *merger) onValues(doc bsonx.Doc) error {
	m.vals = m.vals[:0]
	for i, p := range m.s.onPaths {
		v := get(doc, p)
		switch {
		case v.Type == bsonx.Array || arrayOnPath(doc, p):
			return errcode.New(51185, "$merge write error: 'on' field '%s' cannot be an array", m.s.on[i])
		case bsonx.IsNullish(v) && m.unique == UniqueNotNull:
			return errcode.New(51132, "$merge write error: 'on' field cannot be missing, null or undefined if supporting index is sparse")
		}
		m.vals = append(m.vals, v)
	}
	return nil
}

func arrayOnPath(doc []byte, path []string) bool {
	for i := range path {
		if get(doc, path[:i+1]).Type == bsonx.Array {
			return true
		}
	}
	return false
}

// bind evaluates let and sets $$new. A variable without a value counts as not
// defined.
func (m *merger) bind(doc bsonx.Doc) (*OpenContext, error) {
	sub, err := bindLet(m.oc, m.env, m.s.lets)
	if err != nil {
		return nil, err
	}
	for _, l := range m.s.lets {
		if sub.Vars[l.slot].Type == bsonx.Missing && correlated(m.s.raw, []letVar{l}) {
			return nil, errcode.New(17276, "Use of undefined variable: %s", l.name)
		}
	}
	for len(sub.Vars) <= m.s.newSlot {
		sub.Vars = append(sub.Vars, bsonx.Value{})
	}
	sub.Vars[m.s.newSlot] = bsonx.DocValue(doc)
	return sub, nil
}

func (m *merger) insert(doc bsonx.Doc) (bsonx.Doc, error) {
	switch m.s.absent {
	case absentDiscard:
		return nil, nil
	case absentFail:
		return nil, errcode.New(errcode.MergeStageNoMatchingDocument, "$merge could not find a matching document in the target collection for at least one document in the source collection")
	}
	if m.s.matched == mergeFields || m.s.matched == mergeKeep {
		return m.upserted(doc)
	}
	return doc, nil
}

// upserted makes the document that {$set: doc} makes of nothing when it is
// matched by the on fields: they come first, and null where there are none.
func (m *merger) upserted(doc bsonx.Doc) (bsonx.Doc, error) {
	base := bsonx.EmptyDoc
	for i, p := range m.s.onPaths {
		v := m.vals[i]
		if v.Type == bsonx.Missing && len(p) == 1 && p[0] == "_id" {
			continue
		}
		if v.Type == bsonx.Missing {
			v = bsonx.NullValue
		}
		base = withField(nil, base, p, v)
	}
	return m.set(base, doc, update.Input{IsInsert: true})
}

func (m *merger) change(ctx context.Context, sub *OpenContext, old, doc bsonx.Doc) (bsonx.Doc, error) {
	switch m.s.matched {
	case mergeKeep:
		return nil, nil
	case mergeFail:
		return nil, m.duplicate(old)
	case mergePipeline:
		return m.run(ctx, sub, old)
	case mergeReplace:
		if id := bsonx.Lookup(doc, "_id"); id.Type == bsonx.Missing {
			b := bsonx.NewDoc(nil)
			b.Value("_id", bsonx.Lookup(old, "_id"))
			for it := bsonx.NewIter(doc); it.Next(); {
				b.Element(it.Element())
			}
			return b.Done(), nil
		}
		return doc, nil
	}
	return m.set(old, doc, update.Input{})
}

// set updates old by {$set: doc}.
func (m *merger) set(old, doc bsonx.Doc, in update.Input) (bsonx.Doc, error) {
	set := bsonx.NewDoc(nil)
	set.Doc("$set", doc)
	u, err := update.Compile(bsonx.DocValue(set.Done()), update.Options{Scope: m.s.pc.Scope, Collation: m.s.pc.Collation})
	if err != nil {
		return nil, err
	}
	res, err := u.Apply(m.env, old, in)
	return res.Doc, err
}

func (m *merger) duplicate(old bsonx.Doc) error {
	kv, kp := bsonx.NewDoc(nil), bsonx.NewDoc(nil)
	for i, f := range m.s.on {
		kp.Int32(f, 1)
		kv.Value(f, m.vals[i])
	}
	info := bsonx.NewDoc(nil)
	info.Doc("keyPattern", kp.Done())
	info.Doc("keyValue", kv.Done())
	return errcode.New(errcode.DuplicateKey, "$merge write error: E11000 duplicate key error collection: %s", m.s.ns).WithInfo(info.Done())
}

// run applies the pipeline to the document that is there.
func (m *merger) run(ctx context.Context, sub *OpenContext, old bsonx.Doc) (bsonx.Doc, error) {
	it, err := m.pipeline.Open(sub, FromDocs([]bsonx.Doc{old}))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	r, err := it.Next(ctx)
	if err != nil {
		return nil, err
	}
	if bsonx.Lookup(r.Doc, "_id").Type == bsonx.Missing {
		b := bsonx.NewDoc(nil)
		b.Value("_id", bsonx.Lookup(old, "_id"))
		for f := bsonx.NewIter(r.Doc); f.Next(); {
			b.Element(f.Element())
		}
		return b.Done(), nil
	}
	return clone(r.Doc), nil
}

func checkSameID(old, doc bsonx.Doc) error {
	a, b := bsonx.Lookup(old, "_id"), bsonx.Lookup(doc, "_id")
	if bsonx.Equal(a, b) {
		return nil
	}
	return errcode.New(errcode.ImmutableField, "$merge failed to update the matching document, did you attempt to modify the _id or the shard key? :: caused by :: Performing an update on the path '_id' would modify the immutable field '_id'")
}
