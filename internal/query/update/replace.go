package update

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/project"
)

func compileReplacement(doc bsonx.Doc) (*Update, error) {
	if err := checkNames(doc, bsonx.EmptyDoc, false); err != nil {
		return nil, err
	}
	return &Update{replace: doc}, nil
}

// replaced puts a new document in the place of an old one: it keeps its _id, at
// the front, and empty timestamps at the top level become the current one.
func replaced(old, doc bsonx.Doc, in Input) (bsonx.Doc, error) {
	id := bsonx.Lookup(doc, "_id")
	if id.Type == bsonx.Missing {
		id = bsonx.Lookup(old, "_id")
	}
	b := bsonx.NewDoc(make([]byte, 0, len(doc)+32))
	b.Value("_id", id)
	for it := bsonx.NewIter(doc); it.Next(); {
		v := it.Value()
		switch {
		case string(it.Key()) == "_id":
		case v.Type == bsonx.Timestamp && bsonx.I64(v) == 0 && in.ClusterTime.Type == bsonx.Timestamp:
			b.ValueBytes(it.Key(), in.ClusterTime)
		default:
			b.Element(it.Element())
		}
	}
	return b.Done(), nil
}

// pipeline is an update of stages.
type pipeline struct {
	stages []*project.Projection
	vars   []variable
}

// variable is a constant of the statement's "c".
type variable struct {
	slot int
	val  bsonx.Value
}

// compileStage compiles a stage's argument.
type compileStage func(arg bsonx.Value, o project.Options) (*project.Projection, error)

func updateStages() map[string]compileStage {
	ofDoc := func(name string, code errcode.Code, f func(bsonx.Doc, project.Options) (*project.Projection, error)) compileStage {
		return func(arg bsonx.Value, o project.Options) (*project.Projection, error) {
			if arg.Type != bsonx.Object {
				return nil, errcode.New(code, "%s specification must be an object, got %s", name, bsonx.TypeName(arg.Type))
			}
			return f(arg.Data, o)
		}
	}
	return map[string]compileStage{
		"$addFields":   ofDoc("$addFields", 40272, project.CompileAddFields),
		"$set":         ofDoc("$set", 40272, project.CompileAddFields),
		"$project":     ofDoc("$project", 15969, project.Compile),
		"$unset":       project.CompileUnset,
		"$replaceRoot": project.CompileReplaceRoot,
		"$replaceWith": project.CompileReplaceWith,
	}
}

// otherStages are stages that exist, but not in an update.
var otherStages = [...]string{
	"$bucket", "$bucketAuto", "$changeStream", "$collStats", "$count", "$currentOp", "$densify", "$diff",
	"$documents", "$facet", "$fill", "$geoNear", "$graphLookup", "$group", "$history", "$indexStats", "$limit",
	"$listLocalSessions", "$listSessions", "$lookup", "$match", "$merge", "$out", "$planCacheStats", "$redact",
	"$sample", "$search", "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unwind",
}

func compilePipeline(arr []byte, o Options) (*Update, error) {
	p := &pipeline{}
	sc := o.Scope
	if sc == nil {
		sc = expr.NewScope(expr.ScopeOptions{Collation: o.Collation})
	}
	for it := bsonx.NewIter(o.Constants); it.Next(); {
		name := string(it.Key())
		if err := expr.CheckVariableName(name); err != nil {
			return nil, err
		}
		var slot int
		sc, slot = sc.Define(name)
		p.vars = append(p.vars, variable{slot, it.Value()})
	}
	stages := updateStages()
	for it := bsonx.NewIter(arr); it.Next(); {
		v := it.Value()
		if v.Type != bsonx.Object {
			return nil, errcode.New(errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		s := bsonx.NewIter(v.Data)
		if bsonx.Len(v.Data) != 1 || !s.Next() {
			return nil, errcode.New(errcode.Code(40323), "A pipeline stage specification object must contain exactly one field.")
		}
		compile := stages[string(s.Key())]
		switch {
		case compile != nil:
		case slices.Contains(otherStages[:], string(s.Key())):
			return nil, errcode.New(errcode.InvalidOptions, "%s is not allowed to be used within an update", s.Key())
		default:
			return nil, errcode.New(errcode.Code(40324), "Unrecognized pipeline stage name: '%s'", s.Key())
		}
		st, err := compile(s.Value(), project.Options{Scope: sc, Collation: o.Collation})
		if err != nil {
			return nil, err
		}
		p.stages = append(p.stages, st)
	}
	return &Update{pipeline: p, coll: o.Collation}, nil
}

func (p *pipeline) apply(env *expr.Env, doc bsonx.Doc) (bsonx.Doc, error) {
	for _, v := range p.vars {
		env.SetVar(v.slot, v.val)
	}
	for _, s := range p.stages {
		var err error
		if doc, err = s.Apply(env, doc); err != nil {
			return nil, err
		}
	}
	return doc, nil
}
