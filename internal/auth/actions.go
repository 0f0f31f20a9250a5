package auth

import (
	"math/bits"
	"slices"
	"strings"
)

// Action is one thing that a privilege allows.
type Action uint8

// Set is a set of actions. The zero value is empty.
type Set [4]uint64

// Of returns the set of the given actions.
func Of(actions ...Action) Set {
	var s Set
	for _, a := range actions {
		s[a/64] |= 1 << (a % 64)
	}
	return s
}

// Has reports whether a is in the set.
func (s Set) Has(a Action) bool { return s[a/64]&(1<<(a%64)) != 0 }

// IsEmpty reports whether there is nothing in the set.
func (s Set) IsEmpty() bool { return s == Set{} }

// Union returns what is in either set.
func (s Set) Union(o Set) Set {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

// Minus returns what is in s but not in o.
func (s Set) Minus(o Set) Set {
	for i := range s {
		s[i] &^= o[i]
	}
	return s
}

// Intersects reports whether the sets share an action.
func (s Set) Intersects(o Set) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// Len returns how many actions there are.
func (s Set) Len() (n int) {
	for i := range s {
		n += bits.OnesCount64(s[i])
	}
	return n
}

// Names returns the names of the actions, sorted; anyAction stands for all.
func (s Set) Names() []string {
	if s.Has(AnyAction) {
		return []string{actionNames[AnyAction]}
	}
	var out []string
	for a := range actionNames {
		if s.Has(Action(a)) {
			out = append(out, actionNames[a])
		}
	}
	slices.Sort(out)
	return out
}

// String returns the names, for messages.
func (s Set) String() string { return strings.Join(s.Names(), ", ") }

// ParseAction returns the action of that name.
func ParseAction(name string) (Action, bool) {
	i := slices.Index(actionNames[:], name)
	return Action(max(i, 0)), i >= 0
}

// all is every action.
func all() Set {
	var s Set
	for a := range actionNames {
		s = s.Union(Of(Action(a)))
	}
	return s
}

// MongoDB's actions (its manual, "Privilege Actions").
const (
	AddShard Action = iota
	AdvanceClusterTime
	Analyze
	AnalyzeShardKey
	AnyAction
	AppendOplogNote
	ApplicationMessage
	ApplyOps
	AuditConfigure
	AuthSchemaUpgrade
	BypassDefaultMaxTimeMS
	BypassDocumentValidation
	BypassWriteBlockingMode
	ChangeCustomData
	ChangeOwnCustomData
	ChangeOwnPassword
	ChangePassword
	ChangeStream
	CheckFreeMonitoringStatus
	CheckMetadataConsistency
	CleanupOrphaned
	ClearJumboFlag
	CloseAllDatabases
	CollMod
	CollStats
	Compact
	CompactStructuredEncryptionData
	CleanupStructuredEncryptionData
	ConnPoolStats
	ConnPoolSync
	ConvertToCapped
	CpuProfiler
	CreateCollection
	CreateDatabase
	CreateIndex
	CreateRole
	CreateSearchIndexes
	CreateUser
	DbHash
	DbStats
	DropAllRoleFromDatabase
	DropCollection
	DropConnections
	DropDatabase
	DropIndex
	DropRole
	DropSearchIndex
	DropUser
	EnableProfiler
	EnableSharding
	Find
	FlushRouterConfig
	ForceUUID
	Fsync
	GetClusterParameter
	GetCmdLineOpts
	GetDatabaseVersion
	GetDefaultRWConcern
	GetLog
	GetParameter
	GetShardMap
	GetShardVersion
	GrantPrivilegesToRole
	GrantRole
	GrantRolesToRole
	GrantRolesToUser
	HostInfo
	Impersonate
	IndexStats
	Inprog
	Insert
	Internal
	InvalidateUserCache
	IssueDirectShardOperations
	KillAnyCursor
	KillAnySession
	KillCursors
	Killop
	ListCachedAndActiveUsers
	ListClusterCatalog
	ListCollections
	ListCursors
	ListDatabases
	ListIndexes
	ListSampledQueries
	ListSearchIndexes
	ListSessions
	ListShards
	LogRotate
	MoveChunk
	MoveCollection
	Netstat
	OidReset
	OidcListKeys
	OidcRefreshKeys
	OperationMetrics
	PlanCacheIndexFilter
	PlanCacheRead
	PlanCacheWrite
	QuerySettings
	QueryStatsRead
	QueryStatsReadTransformed
	ReIndex
	RefineCollectionShardKey
	Remove
	RemoveShard
	RenameCollection
	RenameCollectionSameDB
	ReplSetConfigure
	ReplSetGetConfig
	ReplSetGetStatus
	ReplSetHeartbeat
	ReplSetReconfig
	ReplSetResizeOplog
	ReplSetStateChange
	ReshardCollection
	Resync
	RevokePrivilegesFromRole
	RevokeRole
	RevokeRolesFromRole
	RevokeRolesFromUser
	RotateCertificates
	RunAsLessPrivilegedUser
	RunTenantMigration
	ServerStatus
	SetAuthenticationRestriction
	SetChangeStreamState
	SetClusterParameter
	SetDefaultRWConcern
	SetFeatureCompatibilityVersion
	SetFreeMonitoring
	SetParameter
	SetUserWriteBlockMode
	ShardCollection
	ShardedDataDistribution
	ShardingState
	Shutdown
	SplitChunk
	SplitVector
	StorageDetails
	Top
	Touch
	TransitionFromDedicatedConfigServer
	TransitionToDedicatedConfigServer
	Unlock
	UnshardCollection
	Update
	UpdateRole
	UpdateSearchIndex
	UpdateUser
	UseTenant
	UseUUID
	Validate
	ViewRole
	ViewUser
	WaitForFailPoint

	// Argon's own, for projects and branches.

	CreateBranch
	CreateProject
	CreateTag
	DropBranch
	DropProject
	DropTag
	ListBranches
	ListProjects
	ListTags
	MergeBranch
	ReadHistory
	RestoreBranch
	RevertCommits
	RunGC
	SetRetention
	UpdateBranch
	WriteProtectedBranch

	actionCount
)

var actionNames = [actionCount]string{
	AddShard:                            "addShard",
	AdvanceClusterTime:                  "advanceClusterTime",
	Analyze:                             "analyze",
	AnalyzeShardKey:                     "analyzeShardKey",
	AnyAction:                           "anyAction",
	AppendOplogNote:                     "appendOplogNote",
	ApplicationMessage:                  "applicationMessage",
	ApplyOps:                            "applyOps",
	AuditConfigure:                      "auditConfigure",
	AuthSchemaUpgrade:                   "authSchemaUpgrade",
	BypassDefaultMaxTimeMS:              "bypassDefaultMaxTimeMS",
	BypassDocumentValidation:            "bypassDocumentValidation",
	BypassWriteBlockingMode:             "bypassWriteBlockingMode",
	ChangeCustomData:                    "changeCustomData",
	ChangeOwnCustomData:                 "changeOwnCustomData",
	ChangeOwnPassword:                   "changeOwnPassword",
	ChangePassword:                      "changePassword",
	ChangeStream:                        "changeStream",
	CheckFreeMonitoringStatus:           "checkFreeMonitoringStatus",
	CheckMetadataConsistency:            "checkMetadataConsistency",
	CleanupOrphaned:                     "cleanupOrphaned",
	ClearJumboFlag:                      "clearJumboFlag",
	CloseAllDatabases:                   "closeAllDatabases",
	CollMod:                             "collMod",
	CollStats:                           "collStats",
	Compact:                             "compact",
	CompactStructuredEncryptionData:     "compactStructuredEncryptionData",
	CleanupStructuredEncryptionData:     "cleanupStructuredEncryptionData",
	ConnPoolStats:                       "connPoolStats",
	ConnPoolSync:                        "connPoolSync",
	ConvertToCapped:                     "convertToCapped",
	CpuProfiler:                         "cpuProfiler",
	CreateCollection:                    "createCollection",
	CreateDatabase:                      "createDatabase",
	CreateIndex:                         "createIndex",
	CreateRole:                          "createRole",
	CreateSearchIndexes:                 "createSearchIndexes",
	CreateUser:                          "createUser",
	DbHash:                              "dbHash",
	DbStats:                             "dbStats",
	DropAllRoleFromDatabase:             "dropAllRoleFromDatabase",
	DropCollection:                      "dropCollection",
	DropConnections:                     "dropConnections",
	DropDatabase:                        "dropDatabase",
	DropIndex:                           "dropIndex",
	DropRole:                            "dropRole",
	DropSearchIndex:                     "dropSearchIndex",
	DropUser:                            "dropUser",
	EnableProfiler:                      "enableProfiler",
	EnableSharding:                      "enableSharding",
	Find:                                "find",
	FlushRouterConfig:                   "flushRouterConfig",
	ForceUUID:                           "forceUUID",
	Fsync:                               "fsync",
	GetClusterParameter:                 "getClusterParameter",
	GetCmdLineOpts:                      "getCmdLineOpts",
	GetDatabaseVersion:                  "getDatabaseVersion",
	GetDefaultRWConcern:                 "getDefaultRWConcern",
	GetLog:                              "getLog",
	GetParameter:                        "getParameter",
	GetShardMap:                         "getShardMap",
	GetShardVersion:                     "getShardVersion",
	GrantPrivilegesToRole:               "grantPrivilegesToRole",
	GrantRole:                           "grantRole",
	GrantRolesToRole:                    "grantRolesToRole",
	GrantRolesToUser:                    "grantRolesToUser",
	HostInfo:                            "hostInfo",
	Impersonate:                         "impersonate",
	IndexStats:                          "indexStats",
	Inprog:                              "inprog",
	Insert:                              "insert",
	Internal:                            "internal",
	InvalidateUserCache:                 "invalidateUserCache",
	IssueDirectShardOperations:          "issueDirectShardOperations",
	KillAnyCursor:                       "killAnyCursor",
	KillAnySession:                      "killAnySession",
	KillCursors:                         "killCursors",
	Killop:                              "killop",
	ListCachedAndActiveUsers:            "listCachedAndActiveUsers",
	ListClusterCatalog:                  "listClusterCatalog",
	ListCollections:                     "listCollections",
	ListCursors:                         "listCursors",
	ListDatabases:                       "listDatabases",
	ListIndexes:                         "listIndexes",
	ListSampledQueries:                  "listSampledQueries",
	ListSearchIndexes:                   "listSearchIndexes",
	ListSessions:                        "listSessions",
	ListShards:                          "listShards",
	LogRotate:                           "logRotate",
	MoveChunk:                           "moveChunk",
	MoveCollection:                      "moveCollection",
	Netstat:                             "netstat",
	OidReset:                            "oidReset",
	OidcListKeys:                        "oidcListKeys",
	OidcRefreshKeys:                     "oidcRefreshKeys",
	OperationMetrics:                    "operationMetrics",
	PlanCacheIndexFilter:                "planCacheIndexFilter",
	PlanCacheRead:                       "planCacheRead",
	PlanCacheWrite:                      "planCacheWrite",
	QuerySettings:                       "querySettings",
	QueryStatsRead:                      "queryStatsRead",
	QueryStatsReadTransformed:           "queryStatsReadTransformed",
	ReIndex:                             "reIndex",
	RefineCollectionShardKey:            "refineCollectionShardKey",
	Remove:                              "remove",
	RemoveShard:                         "removeShard",
	RenameCollection:                    "renameCollection",
	RenameCollectionSameDB:              "renameCollectionSameDB",
	ReplSetConfigure:                    "replSetConfigure",
	ReplSetGetConfig:                    "replSetGetConfig",
	ReplSetGetStatus:                    "replSetGetStatus",
	ReplSetHeartbeat:                    "replSetHeartbeat",
	ReplSetReconfig:                     "replSetReconfig",
	ReplSetResizeOplog:                  "replSetResizeOplog",
	ReplSetStateChange:                  "replSetStateChange",
	ReshardCollection:                   "reshardCollection",
	Resync:                              "resync",
	RevokePrivilegesFromRole:            "revokePrivilegesFromRole",
	RevokeRole:                          "revokeRole",
	RevokeRolesFromRole:                 "revokeRolesFromRole",
	RevokeRolesFromUser:                 "revokeRolesFromUser",
	RotateCertificates:                  "rotateCertificates",
	RunAsLessPrivilegedUser:             "runAsLessPrivilegedUser",
	RunTenantMigration:                  "runTenantMigration",
	ServerStatus:                        "serverStatus",
	SetAuthenticationRestriction:        "setAuthenticationRestriction",
	SetChangeStreamState:                "setChangeStreamState",
	SetClusterParameter:                 "setClusterParameter",
	SetDefaultRWConcern:                 "setDefaultRWConcern",
	SetFeatureCompatibilityVersion:      "setFeatureCompatibilityVersion",
	SetFreeMonitoring:                   "setFreeMonitoring",
	SetParameter:                        "setParameter",
	SetUserWriteBlockMode:               "setUserWriteBlockMode",
	ShardCollection:                     "shardCollection",
	ShardedDataDistribution:             "shardedDataDistribution",
	ShardingState:                       "shardingState",
	Shutdown:                            "shutdown",
	SplitChunk:                          "splitChunk",
	SplitVector:                         "splitVector",
	StorageDetails:                      "storageDetails",
	Top:                                 "top",
	Touch:                               "touch",
	TransitionFromDedicatedConfigServer: "transitionFromDedicatedConfigServer",
	TransitionToDedicatedConfigServer:   "transitionToDedicatedConfigServer",
	Unlock:                              "unlock",
	UnshardCollection:                   "unshardCollection",
	Update:                              "update",
	UpdateRole:                          "updateRole",
	UpdateSearchIndex:                   "updateSearchIndex",
	UpdateUser:                          "updateUser",
	UseTenant:                           "useTenant",
	UseUUID:                             "useUUID",
	Validate:                            "validate",
	ViewRole:                            "viewRole",
	ViewUser:                            "viewUser",
	WaitForFailPoint:                    "waitForFailPoint",
	CreateBranch:                        "createBranch",
	CreateProject:                       "createProject",
	CreateTag:                           "createTag",
	DropBranch:                          "dropBranch",
	DropProject:                         "dropProject",
	DropTag:                             "dropTag",
	ListBranches:                        "listBranches",
	ListProjects:                        "listProjects",
	ListTags:                            "listTags",
	MergeBranch:                         "mergeBranch",
	ReadHistory:                         "readHistory",
	RestoreBranch:                       "restoreBranch",
	RevertCommits:                       "revertCommits",
	RunGC:                               "runGC",
	SetRetention:                        "setRetention",
	UpdateBranch:                        "updateBranch",
	WriteProtectedBranch:                "writeProtectedBranch",
}
