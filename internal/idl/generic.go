package idl

import (
	"github.com/argon-db/argon/internal/bsonx"
)

// Generic are the arguments that every command takes. Values alias the command;
// missing when not given.
type Generic struct {
	vals [len(genericFields)]bsonx.Value
}

// The generic arguments that the server looks at.
const (
	LSID = iota
	TxnNumber
	Autocommit
	StartTransaction
	StmtID
	StmtIDs
	ReadConcern
	WriteConcern
	MaxTimeMS
	Comment
	ReadPreference
	ClusterTime
	APIVersion
	APIStrict
	APIDeprecationErrors
	DB
)

// genericFields is MongoDB's list of generic arguments; those without a
// constant above are accepted and ignored.
var genericFields = [...]Field{
	LSID: {Name: "lsid", Types: Object}, TxnNumber: {Name: "txnNumber", Types: Integer},
	Autocommit: {Name: "autocommit", Types: Bool}, StartTransaction: {Name: "startTransaction", Types: Bool},
	StmtID: {Name: "stmtId", Types: Int32}, StmtIDs: {Name: "stmtIds", Types: Array},
	ReadConcern: {Name: "readConcern", Types: Object}, WriteConcern: {Name: "writeConcern", Types: Object},
	MaxTimeMS: {Name: "maxTimeMS", Types: Any}, Comment: {Name: "comment", Types: Any},
	ReadPreference: {Name: "$readPreference", Types: Object}, ClusterTime: {Name: "$clusterTime", Types: Object},
	APIVersion: {Name: "apiVersion", Types: String}, APIStrict: {Name: "apiStrict", Types: Bool},
	APIDeprecationErrors: {Name: "apiDeprecationErrors", Types: Bool}, DB: {Name: "$db", Types: String},
	{Name: "maxTimeMSOpOnly", Types: Number}, {Name: "$audit", Types: Object}, {Name: "$client", Types: Object},
	{Name: "$configServerState", Types: Object}, {Name: "$configTime", Types: Any}, {Name: "$topologyTime", Types: Any},
	{Name: "$oplogQueryData", Types: Any}, {Name: "$queryOptions", Types: Object}, {Name: "$replData", Types: Any},
	{Name: "allowImplicitCollectionCreation", Types: Bool}, {Name: "databaseVersion", Types: Object},
	{Name: "shardVersion", Types: Any}, {Name: "help", Types: Any}, {Name: "coordinator", Types: Bool},
	{Name: "startOrContinueTransaction", Types: Bool}, {Name: "mayBypassWriteBlocking", Types: Bool},
	{Name: "$traceCtx", Types: Object}, {Name: "rawData", Types: Bool}, {Name: "serialization_context", Types: Object},
	{Name: "clientOperationKey", Types: Binary}, {Name: "expectPrefix", Types: Bool},
}

// Get returns one generic argument, missing when it was not given.
func (g *Generic) Get(i int) bsonx.Value { return g.vals[i] }

func (g *Generic) set(i int, v bsonx.Value) error {
	f := &genericFields[i]
	if !f.Types.Has(v.Type) {
		if v.Type == bsonx.Null || v.Type == bsonx.Undefined {
			return nil
		}
		return WrongType(f.Name, v.Type, f.Types)
	}
	g.vals[i] = v
	return nil
}

// IsGeneric reports whether every command takes an argument of that name.
func IsGeneric(name string) bool {
	for i := range genericFields {
		if genericFields[i].Name == name {
			return true
		}
	}
	return false
}
