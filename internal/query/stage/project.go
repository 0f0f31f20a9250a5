package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/project"
)

// projectStage is each stage that makes one document of one: $project,
// $addFields/$set, $unset, $replaceRoot and $replaceWith.
type projectStage struct {
	named
	pc   *ParseContext
	proj *project.Projection
}

// projecting returns the parse function of one of these stages.
func projecting(n string, compile func(bsonx.Value, project.Options) (*project.Projection, error)) func(bsonx.Value, *ParseContext) ([]Stage, error) {
	return func(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
		p, err := compile(arg, project.Options{Scope: pc.Scope, Collation: pc.Collation})
		if err != nil {
			return nil, err
		}
		return []Stage{&projectStage{named: name(n, arg), pc: pc, proj: p}}, nil
	}
}

func compileProject(arg bsonx.Value, o project.Options) (*project.Projection, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(15969, "$project specification must be an object")
	}
	return project.Compile(bsonx.Doc(arg.Data), o)
}

// compileAddFields returns the compile function of $addFields or its alias.
func compileAddFields(n string) func(bsonx.Value, project.Options) (*project.Projection, error) {
	return func(arg bsonx.Value, o project.Options) (*project.Projection, error) {
		if arg.Type != bsonx.Object {
			return nil, errcode.New(40272, "%s specification stage must be an object, got %s", n, bsonx.TypeName(arg.Type))
		}
		return project.CompileAddFields(bsonx.Doc(arg.Data), o)
	}
}

func (s *projectStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	var buf []byte
	return &mapIter{in: in, env: oc.env(s.pc), fn: func(env *expr.Env, r exec.Row) (exec.Row, bool, error) {
		doc, err := s.proj.AppendTo(buf[:0], env, r.Doc)
		if err != nil {
			return exec.Row{}, false, err
		}
		buf = doc
		return exec.Row{Doc: doc, Meta: r.Meta}, true, nil
	}}, nil
}
