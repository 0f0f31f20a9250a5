package stage

import (
	"context"
	"math/rand/v2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// sampleStage is $sample: a number of documents by chance, none twice.
type sampleStage struct {
	named
	size int64
}

func parseSample(arg bsonx.Value, _ *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(28745, "the $sample stage specification must be an object")
	}
	s := &sampleStage{named: name("$sample", arg)}
	found := false
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if string(it.Key()) != "size" {
			return nil, errcode.New(28748, "unrecognized option to $sample: %s", it.Key())
		}
		n, err := sampleSize(it.Value())
		if err != nil {
			return nil, err
		}
		s.size, found = n, true
	}
	if !found {
		return nil, errcode.New(28749, "$sample stage must specify a size")
	}
	return []Stage{s}, nil
}

// sampleSize rounds towards zero and clamps to a long, as MongoDB does.
func sampleSize(v bsonx.Value) (int64, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(28746, "size argument to $sample must be a number")
	}
	n := clampedLong(v)
	if n < 0 {
		return 0, errcode.New(28747, "size argument to $sample must not be negative")
	}
	if n == 0 {
		return 0, errcode.New(28747, "size argument to $sample must be a positive integer")
	}
	return n, nil
}

// Open keeps a reservoir in the memory of the sample itself; a row gets a random
// key, and those with the largest stay (the sort that MongoDB does as well).
func (s *sampleStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		st := newSorter(oc, sorterOptions{stage: "$sample", limit: s.size, limited: true})
		defer in.Close()
		err := each(ctx, in, func(r exec.Row) error {
			return st.addKey(ctx, appendUint64(nil, rand.Uint64()), r)
		})
		if err != nil {
			st.Close()
			return nil, err
		}
		return st.finish(ctx)
	}}, nil
}
