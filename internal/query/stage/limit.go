package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// limitStage is $limit.
type limitStage struct {
	named
	n int64
}

func parseLimit(arg bsonx.Value, _ *ParseContext) ([]Stage, error) {
	n, err := wholeNumber(arg, "$limit", 5107201)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errcode.New(15958, "the limit must be positive")
	}
	return []Stage{newLimit(n)}, nil
}

func newLimit(n int64) *limitStage {
	return &limitStage{named{"$limit", bsonx.Int64Value(n)}, n}
}

// wholeNumber reads a number that is not negative and has no fraction.
func wholeNumber(v bsonx.Value, stage string, code errcode.Code) (int64, error) {
	switch n, ok := bsonx.IntegralOK(v); {
	case !bsonx.IsNumber(v):
		return 0, errcode.New(code, "invalid argument to %s stage: Expected a number in: %s", stage, bsonx.TypeName(v.Type))
	case !ok:
		return 0, errcode.New(code, "invalid argument to %s stage: Expected an integer that fits in 64 bits", stage)
	case n < 0:
		return 0, errcode.New(code, "invalid argument to %s stage: Expected a non-negative number, got %d", stage, n)
	default:
		return n, nil
	}
}

func (s *limitStage) Open(_ *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &limitIter{in: in, left: s.n}, nil
}

type limitIter struct {
	in   exec.Iterator
	left int64
}

func (it *limitIter) Next(ctx context.Context) (exec.Row, error) {
	if it.left <= 0 {
		return exec.Row{}, io.EOF
	}
	it.left--
	return it.in.Next(ctx)
}

func (it *limitIter) Close() error { return it.in.Close() }

// skipStage is $skip.
type skipStage struct {
	named
	n int64
}

func parseSkip(arg bsonx.Value, _ *ParseContext) ([]Stage, error) {
	n, err := wholeNumber(arg, "$skip", 5107200)
	if err != nil {
		return nil, err
	}
	return []Stage{newSkip(n)}, nil
}

func newSkip(n int64) *skipStage { return &skipStage{named{"$skip", bsonx.Int64Value(n)}, n} }

func (s *skipStage) Open(_ *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	if s.n == 0 {
		return in, nil
	}
	return &skipIter{in: in, left: s.n}, nil
}

type skipIter struct {
	in   exec.Iterator
	left int64
}

func (it *skipIter) Next(ctx context.Context) (exec.Row, error) {
	for ; it.left > 0; it.left-- {
		if _, err := it.in.Next(ctx); err != nil {
			return exec.Row{}, err
		}
	}
	return it.in.Next(ctx)
}

func (it *skipIter) Close() error { return it.in.Close() }
