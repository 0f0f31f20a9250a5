package auth

// The built-in roles, as MongoDB's manual has them ("Built-In Roles"); each of
// Argon's own actions stands with its like.

// Sets of actions that several roles have.
var (
	readActions = Of(ChangeStream, CollStats, DbHash, DbStats, Find, KillCursors, ListCollections, ListIndexes, ListSearchIndexes, PlanCacheRead,
		ListBranches, ListTags, ReadHistory)
	readWriteActions = readActions.Union(Of(ConvertToCapped, CreateCollection, DropCollection, CreateIndex, DropIndex, CreateSearchIndexes,
		DropSearchIndex, UpdateSearchIndex, Insert, Remove, RenameCollectionSameDB, Update, CompactStructuredEncryptionData,
		CleanupStructuredEncryptionData, CreateProject))
	userAdminActions = Of(ChangeCustomData, ChangePassword, CreateRole, CreateUser, DropRole, DropUser, GrantRole, RevokeRole,
		SetAuthenticationRestriction, ViewRole, ViewUser)
	dbAdminActions = Of(Analyze, BypassDocumentValidation, CollMod, CollStats, Compact, ConvertToCapped, CreateCollection, CreateIndex, CreateSearchIndexes,
		DbStats, DropCollection, DropDatabase, DropIndex, DropSearchIndex, EnableProfiler, IndexStats, ListCollections, ListIndexes, ListSearchIndexes,
		PlanCacheIndexFilter, PlanCacheRead, PlanCacheWrite, ReIndex, RenameCollectionSameDB, StorageDetails, UpdateSearchIndex, Validate,
		ListBranches, ListTags, ReadHistory)
	profileActions = Of(ChangeStream, CollStats, ConvertToCapped, CreateCollection, DbHash, DbStats, DropCollection, Find, KillCursors,
		ListCollections, ListIndexes, PlanCacheRead)
	// branchActions are what branchAdmin may do.
	branchActions = Of(CreateBranch, CreateProject, CreateTag, DropBranch, DropProject, DropTag, Find, ListBranches, ListCollections, ListIndexes,
		ListTags, MergeBranch, ReadHistory, RestoreBranch, RevertCommits, RunGC, SetRetention, UpdateBranch, WriteProtectedBranch)
	clusterMonitorActions = Of(CheckFreeMonitoringStatus, ConnPoolStats, GetClusterParameter, GetCmdLineOpts, GetDefaultRWConcern, GetLog, GetParameter,
		GetShardMap, HostInfo, Inprog, ListClusterCatalog, ListDatabases, ListProjects, ListSampledQueries, ListSessions, ListShards, Netstat,
		OperationMetrics, QueryStatsRead, QueryStatsReadTransformed, ReplSetGetConfig, ReplSetGetStatus, ServerStatus, SetFreeMonitoring,
		ShardedDataDistribution, ShardingState, Top, UseUUID)
	clusterManagerActions = Of(AddShard, AppendOplogNote, ApplicationMessage, CheckMetadataConsistency, CleanupOrphaned, FlushRouterConfig,
		GetClusterParameter, GetDefaultRWConcern, ListSessions, ListShards, QuerySettings, RemoveShard, ReplSetConfigure, ReplSetGetConfig,
		ReplSetGetStatus, ReplSetStateChange, Resync, SetChangeStreamState, SetClusterParameter, SetDefaultRWConcern,
		SetFeatureCompatibilityVersion, SetFreeMonitoring, SetUserWriteBlockMode, TransitionFromDedicatedConfigServer,
		TransitionToDedicatedConfigServer)
	clusterManagerAnyDB = Of(Analyze, AnalyzeShardKey, ClearJumboFlag, EnableSharding, MoveChunk, MoveCollection, RefineCollectionShardKey,
		ReshardCollection, ShardCollection, SplitChunk, SplitVector, UnshardCollection)
	hostManagerActions = Of(ApplicationMessage, AuditConfigure, CloseAllDatabases, ConnPoolSync, DropConnections, FlushRouterConfig, Fsync, GetParameter,
		InvalidateUserCache, KillAnyCursor, KillAnySession, Killop, LogRotate, OidcListKeys, OidcRefreshKeys, Resync, RotateCertificates,
		RunGC, SetParameter, Shutdown, Touch, Unlock)
	backupCluster  = Of(AppendOplogNote, GetParameter, ListDatabases, ListProjects, ServerStatus, SetUserWriteBlockMode)
	restoreCluster = Of(BypassWriteBlockingMode, GetParameter, ListDatabases, ListProjects, UseUUID)
	restoreAnyDB   = Of(BypassDocumentValidation, CollMod, ConvertToCapped, CreateCollection, CreateIndex, CreateProject, CreateSearchIndexes,
		DropCollection, DropProject, Find, Insert, ListCollections, Remove, Update).Union(userAdminActions)
)

// builtin is a built-in role. Its privileges are those of any of the parts.
type builtin struct {
	// onDB are allowed on the role's own database.
	onDB Set
	// profile: also on system.profile; scripts: onDB also on system.js.
	profile, scripts bool
	// adminOnly roles are there on admin alone; the other fields are theirs.
	adminOnly bool
	onCluster Set
	onAnyDB   Set
	// anyProfile, anyScripts: on the system collections of any database.
	anyProfile, anyScripts bool
	// onSystem are allowed on local and config, which "any database" leaves out.
	onSystem Set
	all      bool // everything
	inherits []string
}

var builtins = map[string]builtin{
	"read":        {onDB: readActions, scripts: true},
	"readWrite":   {onDB: readWriteActions, scripts: true},
	"userAdmin":   {onDB: userAdminActions},
	"dbAdmin":     {onDB: dbAdminActions, profile: true},
	"branchAdmin": {onDB: branchActions},
	"dbOwner": {onDB: readWriteActions.Union(dbAdminActions).Union(userAdminActions).Union(branchActions),
		profile: true, scripts: true},
	"enableSharding": {onDB: Of(EnableSharding, RefineCollectionShardKey, ReshardCollection, ShardCollection, SplitChunk, MoveChunk)},

	"clusterMonitor": {adminOnly: true, onCluster: clusterMonitorActions, onAnyDB: Of(CollStats, DbStats, GetDatabaseVersion, GetShardVersion,
		IndexStats, ListBranches, ListTags), anyProfile: true, onSystem: Of(CollStats, DbHash, DbStats, Find, GetShardVersion, IndexStats,
		ListCollections, ListIndexes)},
	"clusterManager": {adminOnly: true, onCluster: clusterManagerActions, onAnyDB: clusterManagerAnyDB,
		onSystem: readWriteActions.Union(Of(CollStats, DbHash, DbStats))},
	"hostManager": {adminOnly: true, onCluster: hostManagerActions, onAnyDB: Of(KillCursors)},
	"clusterAdmin": {adminOnly: true, onCluster: clusterMonitorActions.Union(clusterManagerActions).Union(hostManagerActions),
		onAnyDB: Of(DropDatabase, DropProject), inherits: []string{"clusterMonitor", "clusterManager", "hostManager"}},
	"readAnyDatabase":        {adminOnly: true, onCluster: Of(ListDatabases, ListProjects), onAnyDB: readActions, anyScripts: true},
	"readWriteAnyDatabase":   {adminOnly: true, onCluster: Of(ListDatabases, ListProjects), onAnyDB: readWriteActions, anyScripts: true},
	"dbAdminAnyDatabase":     {adminOnly: true, onCluster: Of(ListDatabases, ListProjects, ApplyOps), onAnyDB: dbAdminActions, anyProfile: true},
	"branchAdminAnyDatabase": {adminOnly: true, onCluster: Of(ListDatabases, ListProjects), onAnyDB: branchActions},
	"userAdminAnyDatabase": {adminOnly: true, onCluster: Of(AuthSchemaUpgrade, InvalidateUserCache, ListCachedAndActiveUsers, ListDatabases),
		onAnyDB: userAdminActions, onSystem: userAdminActions},
	"backup": {adminOnly: true, onCluster: backupCluster, onAnyDB: readActions, anyProfile: true, anyScripts: true,
		onSystem: Of(Find, Insert, Update, ListCollections, ListIndexes, CollStats)},
	"restore": {adminOnly: true, onCluster: restoreCluster, onAnyDB: restoreAnyDB, anyScripts: true, onSystem: restoreAnyDB},
	"root": {adminOnly: true, onCluster: Of(BypassDefaultMaxTimeMS), onAnyDB: Of(Validate, DbHash), onSystem: Of(Validate),
		inherits: []string{"readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "branchAdminAnyDatabase", "clusterAdmin",
			"restore", "backup"}},
	"directShardOperations": {adminOnly: true, onCluster: Of(IssueDirectShardOperations)},
	"__queryableBackup":     {adminOnly: true, onCluster: Of(ListDatabases), onAnyDB: readActions, onSystem: readActions},
	"__system":              {adminOnly: true, all: true},
}

// IsBuiltin reports whether a role is a built-in one of its database.
func IsBuiltin(n Name) bool {
	b, ok := builtins[n.Name]
	return ok && (!b.adminOnly || n.DB == "admin") && n.DB != ""
}

// builtinNames lists the built-in roles of a database, in no order.
func builtinNames(db string) []string {
	var out []string
	for n := range builtins {
		if IsBuiltin(Name{n, db}) {
			out = append(out, n)
		}
	}
	return out
}

// BuiltinPrivileges returns the privileges of a built-in role, inherited ones
// included.
func BuiltinPrivileges(n Name) []Privilege { return builtinPrivileges(n) }

// builtinPrivileges returns the privileges of a built-in role itself and of those
// it inherits.
func builtinPrivileges(n Name) []Privilege {
	b := builtins[n.Name]
	var out []Privilege
	add := func(r Resource, s Set) {
		if !s.IsEmpty() {
			out = merge(out, Privilege{r, s})
		}
	}
	if b.all {
		return []Privilege{{Resource{Kind: AnyResource}, all()}}
	}
	add(Resource{DB: n.DB}, b.onDB)
	if b.scripts {
		add(Resource{DB: n.DB, Collection: "system.js"}, b.onDB)
	}
	if b.profile {
		add(Resource{DB: n.DB, Collection: "system.profile"}, profileActions)
	}
	add(Resource{Kind: Cluster}, b.onCluster)
	add(Resource{}, b.onAnyDB)
	if b.anyScripts {
		add(Resource{Collection: "system.js"}, b.onAnyDB)
	}
	if b.anyProfile {
		add(Resource{Collection: "system.profile"}, profileActions)
	}
	add(Resource{DB: "config"}, b.onSystem)
	add(Resource{DB: "local"}, b.onSystem)
	for _, i := range b.inherits {
		for _, p := range builtinPrivileges(Name{i, n.DB}) {
			out = merge(out, p)
		}
	}
	return out
}
