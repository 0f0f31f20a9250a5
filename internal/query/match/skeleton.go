package match

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

type (
	regexMatcher interface{ Match(s []byte) (bool, error) }
	bitMask      struct{}
	geoTest      interface {
		Test(v bsonx.Value) (bool, error)
	}
	schema struct{}
)

func (*schema) match(*expr.Env, bsonx.Value) (bool, error)        { return true, nil }
func (bitMask) test(v bsonx.Value, all, set bool) bool            { return false }
func (n *Sample) match(*expr.Env, []byte, *details) (bool, error) { return true, nil }
func truncDecimal(v bsonx.Value) (int64, bool)                    { return 0, false }
func errWhere() error {
	return errcode.New(errcode.BadValue, "no globalScriptEngine in $where parsing")
}

// Compile compiles a filter document.
func Compile(filter bsonx.Doc, o Options) (*Filter, error) {
	return nil, errcode.New(errcode.NotImplemented, "filters are not there yet")
}

// CompileElement compiles the conditions of $pull or of an array filter's
// identifier: operators on the element itself ({$gt: 3}), for MatchesValue.
func CompileElement(cond bsonx.Value, o Options) (*Filter, error) {
	return nil, errcode.New(errcode.NotImplemented, "filters are not there yet")
}
