package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// documentsStage is $documents: the documents that an expression makes.
type documentsStage struct {
	named
	pc *ParseContext
	e  expr.Expr
}

func parseDocuments(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	e, err := expr.Compile(arg, pc.Scope)
	return one(&documentsStage{named: name("$documents", arg), pc: pc, e: e}, err)
}

func (s *documentsStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	return &lazy{open: func(context.Context) (exec.Iterator, error) {
		env := oc.env(s.pc)
		env.Root = bsonx.DocValue(bsonx.EmptyDoc)
		v, err := s.e.Eval(env)
		if err != nil {
			return nil, err
		}
		if v.Type != bsonx.Array {
			return nil, errcode.New(5858203, "an array is expected, but found %s", bsonx.TypeName(v.Type))
		}
		docs, err := docsOf(bsonx.Clone(v), 40228, "'newRoot' expression must evaluate to an object")
		return FromDocs(docs), err
	}}, nil
}
