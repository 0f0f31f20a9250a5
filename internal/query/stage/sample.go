package stage

import (
	"math/rand/v2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// sampleStage is $sample: a number of documents by chance, none twice.
type sampleStage struct {
	named
	size    int64
	wantKey bool // a later stage reads {$meta: "sortKey"}
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
	o := sorterOptions{stage: "$sample", limit: s.size, limited: true}
	return sortRows(oc, in, o, func(dst []byte, r *exec.Row) ([]byte, error) {
		n := rand.Uint64()
		if s.wantKey {
			r.Meta = withSortKey(r.Meta, []bsonx.Value{bsonx.DoubleValue(float64(n))})
		}
		return appendUint64(dst, n), nil
	}), nil
}
