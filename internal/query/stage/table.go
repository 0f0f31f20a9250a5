package stage

import (
	"sort"
	"sync"

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
	localOnly      // only with the read concern "local"
	afterView      // with mustBeFirst: may also follow a view's own stages
	notInAPI       // not a part of the stable API version 1
	inChangeStream // allowed behind $changeStream
	majorityOnly   // only with the read concern "majority"
)

// row is one stage of the table. parse may return several stages, for those
// that are a short form of others.
type row struct {
	name  string
	flags flags
	parse func(arg bsonx.Value, pc *ParseContext) ([]Stage, error)
}

// rows is the table, made at the first use: its rows refer to the parser, so it
// cannot be initialized statically. It never changes.
var rows struct {
	once  sync.Once
	table []row
}

// find returns the row of a name, nil if there is none.
func find(name string) *row {
	rows.once.Do(func() { rows.table = table() })
	t := rows.table
	i := sort.Search(len(t), func(i int) bool { return t[i].name >= name })
	if i < len(t) && t[i].name == name {
		return &t[i]
	}
	return nil
}

// What stages have in common that read what the server knows.
const (
	serverKnows = mustBeFirst | notInFacet | notInTransaction | localOnly | notInAPI
	target      = mustBeLast | notInFacet | notInLookup | notInUnion | notInTransaction | writes
	splitLarge  = notInFacet | notInLookup | notInUnion | notInTransaction | notInAPI | inChangeStream
	search      = mustBeFirst | notInFacet | notInAPI
)

// table lists every stage, sorted by name.
func table() []row {
	return []row{
		{"$addFields", inUpdates | inChangeStream, projecting("$addFields", compileAddFields("$addFields"))},
		{"$bucket", 0, parseBucket},
		{"$bucketAuto", 0, parseBucketAuto},
		{"$changeStream", mustBeFirst | notInFacet | notInLookup | notInUnion | notInTransaction | onDatabase | onCollection | majorityOnly, parseChangeStream},
		{"$changeStreamSplitLargeEvent", splitLarge, parseSplitLarge},
		{"$collStats", mustBeFirst | notInFacet | notInTransaction, source("$collStats", checkCollStats)},
		{"$count", 0, parseCount},
		{"$currentOp", serverKnows | onDatabase, source("$currentOp", checkCurrentOp)},
		{"$densify", 0, parseDensify},
		{"$diff", mustBeFirst | notInFacet | notInTransaction | notInAPI, source("$diff", checkDiff)},
		{"$documents", mustBeFirst | notInFacet | onDatabase, parseDocuments},
		{"$facet", notInFacet, parseFacet},
		{"$fill", inUpdates, parseFill},
		{"$geoNear", mustBeFirst | notInFacet, parseGeoNear},
		{"$graphLookup", 0, parseGraphLookup},
		{"$group", 0, parseGroup},
		{"$history", mustBeFirst | notInFacet | notInTransaction | notInAPI, source("$history", checkHistory)},
		{"$indexStats", mustBeFirst | notInFacet | notInTransaction | notInAPI, source("$indexStats", checkIndexStats)},
		{"$limit", 0, parseLimit},
		{"$listCatalog", serverKnows | onDatabase | onCollection, source("$listCatalog", checkListCatalog)},
		{"$listClusterCatalog", serverKnows | onDatabase, source("$listClusterCatalog", checkListClusterCatalog)},
		{"$listLocalSessions", serverKnows | onDatabase, source("$listLocalSessions", checkListLocalSessions)},
		{"$listSampledQueries", serverKnows | onDatabase, source("$listSampledQueries", checkListSampledQueries)},
		{"$listSearchIndexes", search, noSearch("$listSearchIndexes")},
		{"$listSessions", mustBeFirst | notInFacet | notInTransaction | notInAPI, source("$listSessions", checkListSessions)},
		{"$lookup", 0, parseLookup},
		{"$match", inChangeStream, parseMatch},
		{"$merge", target, parseMerge},
		{"$out", target, parseOut},
		{"$planCacheStats", mustBeFirst | notInFacet | notInTransaction | localOnly | notInAPI, source("$planCacheStats", checkPlanCacheStats)},
		{"$project", inUpdates | inChangeStream, projecting("$project", compileProject)},
		{"$querySettings", serverKnows | onDatabase, source("$querySettings", checkQuerySettings)},
		{"$queryStats", serverKnows | onDatabase, source("$queryStats", checkQueryStats)},
		{"$rankFusion", mustBeFirst | afterView | notInFacet | notInAPI, parseRankFusion},
		{"$redact", inChangeStream, parseRedact},
		{"$replaceRoot", inUpdates | inChangeStream, projecting("$replaceRoot", project.CompileReplaceRoot)},
		{"$replaceWith", inUpdates | inChangeStream, projecting("$replaceWith", project.CompileReplaceWith)},
		{"$sample", 0, parseSample},
		{"$scoreFusion", mustBeFirst | notInFacet | notInAPI, noSearch("$scoreFusion")},
		{"$search", search, noSearch("$search")},
		{"$searchMeta", search, noSearch("$searchMeta")},
		{"$set", inUpdates | inChangeStream, projecting("$set", compileAddFields("$set"))},
		{"$setWindowFields", 0, parseWindow},
		{"$skip", 0, parseSkip},
		{"$sort", 0, parseSort},
		{"$sortByCount", 0, parseSortByCount},
		{"$unionWith", 0, parseUnionWith},
		{"$unset", inUpdates | inChangeStream, projecting("$unset", project.CompileUnset)},
		{"$unwind", 0, parseUnwind},
		{"$vectorSearch", search, noSearch("$vectorSearch")},
	}
}
