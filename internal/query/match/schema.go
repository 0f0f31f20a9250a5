package match

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

type schema struct{}

func (*schema) match(*expr.Env, bsonx.Value) (bool, error) { return true, nil }

func jsonSchema(c *compiler, _ string, v bsonx.Value) (Node, error) {
	return nil, errcode.New(errcode.NotImplemented, "$jsonSchema is not there yet")
}
