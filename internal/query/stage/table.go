package stage

import (
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
)

// flags say where a stage may stand and what it is.
type flags uint32

const (
	mustBeFirst flags = 1 << iota
	mustBeLast
	notInFacet
	notInLookup
	notInUnion
	notInTransaction
	inUpdates    // allowed in a pipeline of an update
	onDatabase   // makes its own documents: {aggregate: 1}
	onCollection // with onDatabase: on a collection as well
	writes
	localOnly // only with the read concern "local"
	notInAPI  // not a part of the stable API version 1
)

// row is one stage of the table. parse may return several stages, for those
// that are a short form of others.
type row struct {
	name  string
	flags flags
	parse func(arg bsonx.Value, pc *ParseContext) ([]Stage, error)
}

// find returns the row of a name, nil if there is none.
func find(name string) *row {
	t := table()
	i := sort.Search(len(t), func(i int) bool { return t[i].name >= name })
	if i < len(t) && t[i].name == name {
		return &t[i]
	}
	return nil
}

// table lists every stage, sorted by name.
func table() []row {
	return []row{}
}
