package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// redactStage is $redact: an expression decides for a document, and for each
// document within it, whether it is kept, left out, or looked into.
type redactStage struct {
	named
	pc      *ParseContext
	e       expr.Expr
	current int    // the slot of CURRENT
	slots   [3]int // of DESCEND, PRUNE, KEEP
}

// What $$DESCEND, $$PRUNE and $$KEEP are.
const (
	redactDescend = iota
	redactPrune
	redactKeep
)

// redactValues returns the values of the three variables.
func redactValues() [3]bsonx.Value {
	return [3]bsonx.Value{bsonx.StringValue("descend"), bsonx.StringValue("prune"), bsonx.StringValue("keep")}
}

func parseRedact(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	s := &redactStage{named: name("$redact", arg), pc: pc}
	sc, slot := pc.Scope.Define("CURRENT")
	s.current = slot
	for i, n := range []string{"DESCEND", "PRUNE", "KEEP"} {
		sc, s.slots[i] = sc.Define(n)
	}
	e, err := expr.Compile(arg, sc)
	s.e = e
	return one(s, err)
}

func (s *redactStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	env := oc.env(s.pc)
	vals := redactValues()
	for i, slot := range s.slots {
		env.SetVar(slot, vals[i])
	}
	rd := &redactor{s: s, env: env, vals: vals}
	return &mapIter{in: in, env: env, fn: func(_ *expr.Env, r exec.Row) (exec.Row, bool, error) {
		v, keep, err := rd.document(bsonx.DocValue(r.Doc))
		return exec.Row{Doc: bsonx.Doc(v.Data), Meta: r.Meta}, keep, err
	}}, nil
}

type redactor struct {
	s    *redactStage
	env  *expr.Env
	vals [3]bsonx.Value
}

// document decides about one document. Its depth is that of the stored one.
func (rd *redactor) document(d bsonx.Value) (out bsonx.Value, keep bool, err error) {
	rd.env.SetVar(rd.s.current, d)
	v, err := rd.s.e.Eval(rd.env)
	if err != nil {
		return v, false, err
	}
	switch {
	case bsonx.Equal(v, rd.vals[redactKeep]):
		return d, true, nil
	case bsonx.Equal(v, rd.vals[redactPrune]):
		return bsonx.Value{}, false, nil
	case bsonx.Equal(v, rd.vals[redactDescend]):
		out, err := rd.fields(d)
		return out, true, err
	}
	return v, false, errcode.New(17053, "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned %s", bsonx.TypeName(v.Type))
}

// fields looks into the fields of a document, or the elements of an array.
func (rd *redactor) fields(d bsonx.Value) (bsonx.Value, error) {
	b := bsonx.NewDoc(make([]byte, 0, len(d.Data)))
	n := 0
	for it := bsonx.NewIter(d.Data); it.Next(); {
		v, keep, err := it.Value(), true, error(nil)
		switch v.Type {
		case bsonx.Object:
			v, keep, err = rd.document(v)
		case bsonx.Array:
			v, err = rd.fields(v)
		}
		switch {
		case err != nil:
			return v, err
		case keep && d.Type == bsonx.Array:
			b.Value(bsonx.Index(n), v)
			n++
		case keep:
			b.ValueBytes(it.Key(), v)
		}
	}
	return bsonx.Value{Type: d.Type, Data: b.Done()}, nil
}
