package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
)

// lookupStage is $lookup: for every document an array of those of another
// collection that are equal in a field, or that a pipeline yields, or both.
type lookupStage struct {
	named
	pc      *ParseContext
	ns      Namespace
	as      []string
	local   []string // nil: no equality
	foreign string
	keys    *index.Spec // gives the values of foreign
	lets    []letVar
	p       *Pipeline // nil: no pipeline
	// correlated: the pipeline reads a variable of let, or differs from run to
	// run, so that its result cannot be kept.
	correlated bool
	unwind     *unwindStage // a $unwind of as that was joined to the stage
}

// letVar is a variable that a stage defines for its pipeline.
type letVar struct {
	name string
	slot int
	e    expr.Expr
}

func lookupSpec() *idl.Spec {
	return idl.New("$lookup",
		idl.Field{Name: "from", Types: idl.Any},
		idl.Field{Name: "as", Types: idl.String, Required: true},
		idl.Field{Name: "localField", Types: idl.String},
		idl.Field{Name: "foreignField", Types: idl.String},
		idl.Field{Name: "let", Types: idl.Object},
		idl.Field{Name: "pipeline", Types: idl.Array, Elems: idl.Object})
}

func parseLookup(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "the $lookup stage specification must be an object, but found %s", bsonx.TypeName(arg.Type))
	}
	spec := bsonx.Doc(arg.Data)
	docs, err := lookupPipeline(spec)
	if err != nil {
		return nil, err
	}
	// The namespace is looked at before everything else.
	s := &lookupStage{named: name("$lookup", arg), pc: pc}
	if s.ns, err = sourceOf(bsonx.Lookup(spec, "from"), docs, "$lookup", "from", pc); err != nil {
		return nil, err
	}
	var a idl.Args
	if err := lookupSpec().Decode(spec, &a); err != nil {
		return nil, err
	}
	if s.as, err = expr.SplitPath(a.String("as", "")); err != nil {
		return nil, err
	}
	if err := s.parseFields(&a); err != nil {
		return nil, err
	}
	if !a.Has("pipeline") {
		return []Stage{s}, nil
	}
	return one(s, s.parsePipeline(&a, docs))
}

// lookupPipeline returns the pipeline's documents if it has the right shape.
func lookupPipeline(spec bsonx.Doc) ([]bsonx.Doc, error) {
	v := bsonx.Lookup(spec, "pipeline")
	if v.Type != bsonx.Array {
		return nil, nil
	}
	return docsOf(v, errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
}

func (s *lookupStage) parseFields(a *idl.Args) (err error) {
	pipeline := a.Has("pipeline")
	switch {
	case a.Has("let") && !pipeline:
		return errcode.New(errcode.FailedToParse, "$lookup with a 'let' argument must also specify a 'pipeline'")
	case a.Has("localField") != a.Has("foreignField"):
		return errcode.New(errcode.FailedToParse, "$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
	case !a.Has("localField") && !pipeline:
		return errcode.New(errcode.FailedToParse, "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified")
	case !a.Has("localField"):
		return nil
	}
	if s.local, err = expr.SplitPath(a.String("localField", "")); err != nil {
		return err
	}
	s.foreign = a.String("foreignField", "")
	if _, err = expr.SplitPath(s.foreign); err != nil {
		return err
	}
	s.keys, err = keysOf(s.foreign)
	return err
}

// keysOf returns the specification of an index on one path.
func keysOf(path string) (*index.Spec, error) {
	key, spec := bsonx.NewDoc(nil), bsonx.NewDoc(nil)
	key.Int32(path, 1)
	spec.Doc("key", key.Done())
	return index.Compile(spec.Done())
}

func (s *lookupStage) parsePipeline(a *idl.Args, docs []bsonx.Doc) (err error) {
	sub := s.pc.child(inLookup, s.ns)
	if s.lets, sub.Scope, err = parseLet(a.Doc("let"), s.pc.Scope); err != nil {
		return err
	}
	s.p, err = parse(docs, sub)
	s.correlated = correlated(a.Get("pipeline"), s.lets)
	return err
}

// parseLet compiles a let: the values see the outer scope, not each other.
func parseLet(let bsonx.Doc, sc *expr.Scope) (vars []letVar, inner *expr.Scope, err error) {
	inner = sc
	for it := bsonx.NewIter(let); it.Next(); {
		n := string(it.Key())
		if err := expr.CheckVariableName(n); err != nil {
			return nil, nil, errcode.New(errcode.FailedToParse, "%s", errcode.As(err).Message)
		}
		e, err := expr.Compile(it.Value(), sc)
		if err != nil {
			return nil, nil, err
		}
		v := letVar{name: n, e: e}
		inner, v.slot = inner.Define(n)
		vars = append(vars, v)
	}
	return vars, inner, nil
}

// correlated reports whether a pipeline reads one of the variables, or has
// anything that differs from run to run.
func correlated(pipeline bsonx.Value, lets []letVar) bool {
	found := false
	visitStrings(pipeline, func(key bool, s string) {
		if key {
			found = found || s == "$rand" || s == "$sample" || s == "$function" || s == "$meta"
			return
		}
		for _, v := range lets {
			if len(s) >= len(v.name)+2 && s[:2] == "$$" && s[2:2+len(v.name)] == v.name &&
				(len(s) == len(v.name)+2 || s[len(v.name)+2] == '.') {
				found = true
			}
		}
	})
	return found
}

// visitStrings calls fn for every field name and every string within v.
func visitStrings(v bsonx.Value, fn func(key bool, s string)) {
	switch v.Type {
	case bsonx.String:
		fn(false, string(bsonx.Str(v)))
	case bsonx.Object, bsonx.Array:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if v.Type == bsonx.Object {
				fn(true, string(it.Key()))
			}
			visitStrings(it.Value(), fn)
		}
	}
}
