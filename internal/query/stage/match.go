package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// matchStage is $match: the documents that a filter lets through.
type matchStage struct {
	named
	pc     *ParseContext
	doc    bsonx.Doc
	filter *match.Filter
}

func parseMatch(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(15959, "the match filter must be an expression in an object")
	}
	return one(newMatch(clone(arg.Data), pc))
}

func newMatch(doc bsonx.Doc, pc *ParseContext) (*matchStage, error) {
	f, err := match.Compile(doc, match.Options{
		Scope: pc.Scope, Collation: pc.Collation,
		NoNear: errcode.New(5626500, "$geoNear, $near, and $nearSphere are not allowed in this context, as they sort by distance: use the $geoNear stage, or $geoWithin"),
	})
	if err != nil {
		return nil, err
	}
	return &matchStage{named: named{"$match", bsonx.DocValue(doc)}, pc: pc, doc: doc, filter: f}, nil
}

func (s *matchStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	if s.filter.MatchesAll() {
		return in, nil
	}
	return &mapIter{in: in, env: oc.env(s.pc), fn: func(env *expr.Env, r exec.Row) (exec.Row, bool, error) {
		ok, err := s.filter.Matches(env, r.Doc)
		return r, ok, err
	}}, nil
}
