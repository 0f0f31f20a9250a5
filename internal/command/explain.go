package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// verbosity of explain.
type verbosity int

const (
	queryPlanner verbosity = iota
	executionStats
	allPlansExecution
)

func (rq *Request) explainAggregate(ctx context.Context, b *bsonx.Builder, a *aggregateArgs, v verbosity) error {
	return errcode.New(errcode.NotImplemented, "explain is not there yet")
}
