package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
)

// named is the part that all stages have: a name and an argument to show.
type named struct {
	name string
	spec bsonx.Value
}

func (n named) Name() string      { return n.name }
func (n named) Spec() bsonx.Value { return n.spec }

func name(n string, spec bsonx.Value) named { return named{name: n, spec: bsonx.Clone(spec)} }

// one returns a single stage as parse functions do.
func one(s Stage, err error) ([]Stage, error) {
	if err != nil {
		return nil, err
	}
	return []Stage{s}, nil
}
