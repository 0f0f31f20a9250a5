package stage

import (
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/project"
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
	return []row{
		{"$addFields", inUpdates, projecting("$addFields", compileAddFields("$addFields"))},
		{"$bucket", 0, parseBucket},
		{"$bucketAuto", 0, parseBucketAuto},
		{"$count", 0, parseCount},
		{"$documents", mustBeFirst | notInFacet | onDatabase, parseDocuments},
		{"$facet", notInFacet, parseFacet},
		{"$group", 0, parseGroup},
		{"$limit", 0, parseLimit},
		{"$lookup", 0, parseLookup},
		{"$match", 0, parseMatch},
		{"$merge", mustBeLast | notInFacet | notInLookup | notInUnion | notInTransaction | writes, parseMerge},
		{"$out", mustBeLast | notInFacet | notInLookup | notInUnion | notInTransaction | writes, parseOut},
		{"$project", inUpdates, projecting("$project", compileProject)},
		{"$redact", 0, parseRedact},
		{"$replaceRoot", inUpdates, projecting("$replaceRoot", project.CompileReplaceRoot)},
		{"$replaceWith", inUpdates, projecting("$replaceWith", project.CompileReplaceWith)},
		{"$sample", 0, parseSample},
		{"$set", inUpdates, projecting("$set", compileAddFields("$set"))},
		{"$skip", 0, parseSkip},
		{"$sort", 0, parseSort},
		{"$sortByCount", 0, parseSortByCount},
		{"$unionWith", 0, parseUnionWith},
		{"$unset", inUpdates, projecting("$unset", project.CompileUnset)},
		{"$unwind", 0, parseUnwind},
	}
}
