package stage

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
)

// sourceStage is a stage whose documents come from what the server knows:
// Collections.Source makes them.
type sourceStage struct {
	named
	ns Namespace
}

// source returns the parse function of such a stage; check looks at its argument.
func source(n string, check func(arg bsonx.Value, pc *ParseContext) error) func(bsonx.Value, *ParseContext) ([]Stage, error) {
	return func(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
		return one(&sourceStage{named: name(n, arg), ns: pc.NS}, check(arg, pc))
	}
}

func (s *sourceStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	return &lazy{open: func(ctx context.Context) (exec.Iterator, error) {
		return oc.Collections.Source(ctx, oc, s.ns, s.name, s.spec)
	}}, nil
}

// onlyDatabase refuses a stage on a collection, even deep inside of a pipeline.
func onlyDatabase(n string, pc *ParseContext, code errcode.Code) error {
	if pc.NS.Coll == "" {
		return nil
	}
	return errcode.New(code, "%s must be run against the database with {aggregate: 1}, not a collection", n)
}

// decode checks an argument that must be an object of the fields of spec.
func decode(arg bsonx.Value, wrong errcode.Code, spec *idl.Spec) error {
	if arg.Type != bsonx.Object {
		return errcode.New(wrong, "%s must take an object but found: %s", spec.Name(), bsonx.TypeName(arg.Type))
	}
	var a idl.Args
	return spec.Decode(bsonx.Doc(arg.Data), &a)
}

// noNulls refuses null where a field of the argument has one.
func noNulls(arg bsonx.Value, want idl.TypeSet) error {
	if arg.Type != bsonx.Object {
		return nil
	}
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if it.Value().Type == bsonx.Null {
			return idl.WrongType(string(it.Key()), bsonx.Null, want)
		}
	}
	return nil
}

func checkCollStats(arg bsonx.Value, pc *ParseContext) error {
	if err := decode(arg, 5447000, collStatsSpec()); err != nil {
		return err
	}
	if pc.APIStrict {
		for it := bsonx.NewIter(arg.Data); it.Next(); {
			if string(it.Key()) != "count" {
				return errcode.New(errcode.APIStrictError, "$collStats supports only {count: {}} with 'apiStrict: true' in API Version 1")
			}
		}
	}
	if l := bsonx.Lookup(arg.Data, "latencyStats"); l.Type == bsonx.Object {
		if err := noNulls(l, idl.Bool); err != nil {
			return err
		}
		if err := decode(l, errcode.TypeMismatch, idl.New("$collStats.latencyStats", idl.Field{Name: "histograms", Types: idl.Bool})); err != nil {
			return err
		}
	}
	scale := bsonx.Value{}
	if st := bsonx.Lookup(arg.Data, "storageStats"); st.Type == bsonx.Object {
		spec := idl.New("$collStats.storageStats", idl.Field{Name: "scale", Types: idl.Number},
			idl.Field{Name: "verbose", Types: idl.SafeBool}, idl.Field{Name: "waitForLock", Types: idl.SafeBool},
			idl.Field{Name: "numericOnly", Types: idl.SafeBool})
		var a idl.Args
		if err := spec.Decode(bsonx.Doc(st.Data), &a); err != nil {
			return err
		}
		scale = a.Get("scale")
	}
	if scale.Type != bsonx.Missing && clampedLong(scale) < 1 {
		return errcode.New(errcode.BadValue, "BSON field 'scale' value must be >= 1, actual value '%d'", clampedLong(scale))
	}
	return nil
}

func collStatsSpec() *idl.Spec {
	return idl.New("$collStats",
		idl.Field{Name: "latencyStats", Types: idl.Object},
		idl.Field{Name: "storageStats", Types: idl.Object},
		idl.Field{Name: "count", Types: idl.Object},
		idl.Field{Name: "queryExecStats", Types: idl.Object},
		idl.Field{Name: "operationStats", Types: idl.Object},
		idl.Field{Name: "targetAllNodes", Types: idl.Bool})
}

func checkIndexStats(arg bsonx.Value, _ *ParseContext) error {
	if arg.Type != bsonx.Object || !bsonx.IsEmpty(arg.Data) {
		return errcode.New(28803, "The $indexStats stage specification must be an empty object")
	}
	return nil
}

func checkPlanCacheStats(arg bsonx.Value, _ *ParseContext) error {
	if arg.Type != bsonx.Object {
		return errcode.New(errcode.FailedToParse, "$planCacheStats value must be an object. Found: %s", bsonx.TypeName(arg.Type))
	}
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if string(it.Key()) != "allHosts" {
			return errcode.New(errcode.FailedToParse, "$planCacheStats parameters object may contain only 'allHosts' field. Found: %s", it.Key())
		}
		if it.Value().Type != bsonx.Bool {
			return errcode.New(errcode.FailedToParse, "allHosts parameter to $planCacheStats must be a boolean. Found type: %s", bsonx.TypeName(it.Value().Type))
		}
		if bsonx.Truthy(it.Value()) {
			return errcode.New(4503200, "$planCacheStats stage supports allHosts parameter only for sharded clusters")
		}
	}
	return nil
}

func checkCurrentOp(arg bsonx.Value, pc *ParseContext) error {
	if arg.Type != bsonx.Object {
		return errcode.New(errcode.TypeMismatch, "$currentOp options must be specified in an object, but found: %s", bsonx.TypeName(arg.Type))
	}
	if pc.NS.DB != "admin" || pc.NS.Coll != "" {
		return errcode.New(errcode.InvalidNamespace, "$currentOp must be run against the 'admin' database with {aggregate: 1}")
	}
	if err := noNulls(arg, idl.Bool); err != nil {
		return err
	}
	fields := []idl.Field{}
	for _, f := range []string{"allUsers", "idleConnections", "idleCursors", "idleSessions", "localOps", "truncateOps", "targetAllNodes"} {
		fields = append(fields, idl.Field{Name: f, Types: idl.Bool})
	}
	if err := decode(arg, errcode.TypeMismatch, idl.New("$currentOp", fields...)); err != nil {
		return err
	}
	if bsonx.Truthy(bsonx.Lookup(arg.Data, "targetAllNodes")) {
		return errcode.New(errcode.FailedToParse, "$currentOp supports targetAllNodes parameter only for sharded clusters")
	}
	return nil
}

func checkListLocalSessions(arg bsonx.Value, pc *ParseContext) error {
	if err := onlyDatabase("$listLocalSessions", pc, errcode.InvalidNamespace); err != nil {
		return err
	}
	return checkSessions("$listLocalSessions", arg)
}

func checkListSessions(arg bsonx.Value, pc *ParseContext) error {
	if pc.NS.DB != "config" || pc.NS.Coll != "system.sessions" {
		return errcode.New(errcode.InvalidNamespace, "$listSessions may only be run against config.system.sessions")
	}
	return checkSessions("$listSessions", arg)
}

// checkSessions checks {allUsers} or {users: [{user, db}]}.
func checkSessions(n string, arg bsonx.Value) error {
	spec := idl.New(n, idl.Field{Name: "allUsers", Types: idl.Bool}, idl.Field{Name: "users", Types: idl.Array})
	if err := decode(arg, errcode.TypeMismatch, spec); err != nil {
		return err
	}
	user := idl.New(n+".users", idl.Field{Name: "user", Types: idl.String, Required: true}, idl.Field{Name: "db", Types: idl.String, Required: true})
	listed := 0
	for it := bsonx.NewIter(bsonx.Lookup(arg.Data, "users").Data); it.Next(); {
		if it.Value().Type == bsonx.Null {
			continue
		}
		if it.Value().Type != bsonx.Object {
			return idl.WrongType(n+".users", it.Value().Type, idl.Object)
		}
		if err := decode(it.Value(), errcode.TypeMismatch, user); err != nil {
			return err
		}
		listed++
	}
	if listed > 0 && bsonx.Truthy(bsonx.Lookup(arg.Data, "allUsers")) {
		return errcode.New(errcode.UnsupportedFormat, "%s may not specify {allUsers:true} and {users:[...]} at the same time", n)
	}
	return nil
}

func checkListClusterCatalog(arg bsonx.Value, pc *ParseContext) error {
	if err := onlyDatabase("$listClusterCatalog", pc, 9621301); err != nil {
		return err
	}
	if err := noNulls(arg, idl.Bool); err != nil {
		return err
	}
	return decode(arg, 9621302, idl.New("$listClusterCatalog",
		idl.Field{Name: "shards", Types: idl.Bool},
		idl.Field{Name: "tracked", Types: idl.Bool},
		idl.Field{Name: "balancingConfiguration", Types: idl.Bool}))
}

func checkListCatalog(arg bsonx.Value, pc *ParseContext) error {
	if arg.Type != bsonx.Object || !bsonx.IsEmpty(arg.Data) {
		return errcode.New(6200600, "The $listCatalog stage specification must be an empty object")
	}
	if pc.NS.Coll == "" && pc.NS.DB != "admin" {
		return errcode.New(errcode.InvalidNamespace, "Collectionless $listCatalog must be run against the 'admin' database with {aggregate: 1}")
	}
	return nil
}

func checkQuerySettings(arg bsonx.Value, _ *ParseContext) error {
	if arg.Type != bsonx.Object {
		return errcode.New(7746801, "$querySettings stage expects a document as argument")
	}
	return decode(arg, 7746801, idl.New("$querySettings", idl.Field{Name: "showDebugQueryShape", Types: idl.Bool}))
}

func checkListSampledQueries(arg bsonx.Value, pc *ParseContext) error {
	if err := onlyDatabase("$listSampledQueries", pc, errcode.InvalidNamespace); err != nil {
		return err
	}
	return decode(arg, 6876001, idl.New("$listSampledQueries", idl.Field{Name: "namespace", Types: idl.String}))
}

func checkQueryStats(arg bsonx.Value, pc *ParseContext) error {
	if arg.Type != bsonx.Object {
		return errcode.New(errcode.FailedToParse, "$queryStats value must be an object. Found: %s", bsonx.TypeName(arg.Type))
	}
	return onlyDatabase("$queryStats", pc, errcode.InvalidNamespace)
}

// NoSearchIndexes is the message of whatever asks for search indexes.
const NoSearchIndexes = "Using Atlas Search Database Commands and the $listSearchIndexes aggregation stage requires additional configuration. Please connect to Atlas or an AtlasCLI local deployment to enable. For more information on how to connect, see https://dochub.mongodb.org/core/atlas-cli-deploy-local-reqs"

// noSearch refuses the stages that need a search node, as MongoDB does that has
// none.
func noSearch(n string) func(bsonx.Value, *ParseContext) ([]Stage, error) {
	return func(bsonx.Value, *ParseContext) ([]Stage, error) {
		if n == "$listSearchIndexes" {
			return nil, errcode.New(errcode.SearchNotEnabled, NoSearchIndexes)
		}
		return nil, errcode.New(errcode.SearchNotEnabled, "Using %s requires additional configuration: there is no search node", strings.TrimPrefix(n, "$"))
	}
}

// checkHistory and checkDiff check Argon's own stages.
func checkHistory(arg bsonx.Value, _ *ParseContext) error {
	return decode(arg, errcode.TypeMismatch, idl.New("$history",
		idl.Field{Name: "since", Types: idl.Any}, idl.Field{Name: "until", Types: idl.Any}, idl.Field{Name: "id", Types: idl.Any}))
}

func checkDiff(arg bsonx.Value, _ *ParseContext) error {
	return decode(arg, errcode.TypeMismatch, idl.New("$diff",
		idl.Field{Name: "against", Types: idl.String}, idl.Field{Name: "from", Types: idl.Any}, idl.Field{Name: "to", Types: idl.Any}))
}
