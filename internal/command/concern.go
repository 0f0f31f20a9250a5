package command

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// ReadConcern is a checked read concern.
type ReadConcern struct {
	Level string // "" when the client gave none
	// AtClusterTime is the snapshot to read; missing: now. AfterClusterTime is the
	// time that the read must not be older than.
	AtClusterTime, AfterClusterTime bsonx.Value
	Given                           bool
}

var readLevels = []string{"local", "majority", "linearizable", "available", "snapshot"}

var readConcernSpec = idl.New("readConcern",
	idl.Field{Name: "level", Types: idl.String, Enum: readLevels},
	idl.Field{Name: "afterClusterTime", Types: idl.Timestamp | idl.Null, Check: wantTimestamp("afterClusterTime")},
	idl.Field{Name: "atClusterTime", Types: idl.Timestamp | idl.Null, Check: wantTimestamp("atClusterTime")},
	idl.Field{Name: "afterOpTime", Types: idl.Object},
	idl.Field{Name: "provenance", Types: idl.String, Enum: []string{"clientSupplied", "implicitDefault", "customDefault", "getLastErrorDefaults", "internalWriteDefault"}},
	idl.Field{Name: "$replData", Types: idl.Any},
	idl.Field{Name: "allowTransactionTableSnapshot", Types: idl.Bool},
	idl.Field{Name: "waitLastStableRecoveryTimestamp", Types: idl.Bool},
)

// wantTimestamp refuses a null where MongoDB's argument table would take it as
// absent but its read concern parser does not.
func wantTimestamp(name string) func(bsonx.Value) error {
	return func(v bsonx.Value) error {
		if v.Type != bsonx.Timestamp {
			return errcode.New(errcode.TypeMismatch, "BSON field 'readConcern.%s' is the wrong type '%s', expected type 'timestamp'", name, bsonx.TypeName(v.Type))
		}
		return nil
	}
}

func parseReadConcern(doc bsonx.Doc, rq *Request) (rc ReadConcern, err error) {
	rc.Given = true
	var a idl.Args
	if err := readConcernSpec.Decode(doc, &a); err != nil {
		return rc, err
	}
	rc.Level = a.String("level", "")
	rc.AfterClusterTime, rc.AtClusterTime = a.Get("afterClusterTime"), a.Get("atClusterTime")
	switch {
	case rc.AfterClusterTime.Type != 0 && rc.AtClusterTime.Type != 0:
		return rc, errcode.New(errcode.InvalidOptions, "Can not specify both atClusterTime and afterClusterTime")
	case rc.AtClusterTime.Type != 0 && rc.Level != "snapshot":
		return rc, errcode.New(errcode.InvalidOptions, "readConcern level must be 'snapshot' to use atClusterTime")
	case rc.AtClusterTime.Type != 0 && timestampOf(rc.AtClusterTime).T() == 0 || isZeroTime(rc.AfterClusterTime):
		return rc, errcode.New(errcode.InvalidOptions, "a cluster time in readConcern must not be null")
	case rc.AfterClusterTime.Type != 0 && (rc.Level == "available" || rc.Level == "linearizable"):
		return rc, errcode.New(errcode.InvalidOptions, "afterClusterTime cannot be used with readConcern level '%s'", rc.Level)
	}
	return rc, rq.checkReadLevel(&rc)
}

// checkReadLevel checks what a level may be given to.
func (rq *Request) checkReadLevel(rc *ReadConcern) error {
	switch flags := rq.Spec.Flags; {
	case rc.Level == "" || rc.Level == "local" || rq.InTxn:
		return nil
	case flags&Read == 0 || rc.Level == "snapshot" && flags&Snapshot == 0:
		return errcode.New(errcode.InvalidOptions, "Command %s does not support { readConcern: { level: \"%s\" } }", rq.Name, rc.Level)
	}
	return nil
}

func isZeroTime(v bsonx.Value) bool { return v.Type == bsonx.Timestamp && bsonx.I64(v) == 0 }

var writeConcernSpec = idl.New("writeConcern",
	idl.Field{Name: "w", Types: idl.Any},
	idl.Field{Name: "j", Types: idl.SafeBool},
	idl.Field{Name: "wtimeout", Types: idl.Any},
	idl.Field{Name: "fsync", Types: idl.SafeBool},
	idl.Field{Name: "provenance", Types: idl.String, Enum: []string{"clientSupplied", "implicitDefault", "customDefault", "getLastErrorDefaults", "internalWriteDefault"}},
	idl.Field{Name: "wElectionId", Types: idl.ObjectID},
	idl.Field{Name: "wOpTime", Types: idl.Any},
	idl.Field{Name: "getLastError", Types: idl.Any},
)

// maxMembers is the most members of a replica set: the largest number for w.
const maxMembers = 50

// parseWriteConcern checks a write concern and returns the error that a reply
// reports beside its result, when a single server cannot give what it asks for.
func parseWriteConcern(doc bsonx.Doc) (unmet *errcode.Error, err error) {
	var a idl.Args
	if err := writeConcernSpec.Decode(doc, &a); err != nil {
		return nil, err
	}
	if t := a.Get("wtimeout"); bsonx.IsNumber(t) && idl.ToInt64(t) > 1<<31-1 {
		return nil, errcode.New(errcode.FailedToParse, "wtimeout must be at most 2147483647 ms")
	}
	return checkW(a.Get("w"))
}

// silent reports whether an insert, update or delete has write concern w: 0, whose
// reply says nothing but ok.
func (rq *Request) silent() bool {
	wc := rq.Args.Generic.Get(idl.WriteConcern)
	if wc.Type != bsonx.Object || rq.Name != "insert" && rq.Name != "update" && rq.Name != "delete" {
		return false
	}
	w := bsonx.Lookup(wc.Data, "w")
	return bsonx.IsNumber(w) && idl.ToInt64(w) == 0 && !bsonx.Truthy(bsonx.Lookup(wc.Data, "j"))
}

func checkW(w bsonx.Value) (unmet *errcode.Error, err error) {
	switch {
	case w.Type == bsonx.Missing || w.Type == bsonx.Null:
		return nil, nil
	case w.Type == bsonx.String:
		if mode := string(bsonx.Str(w)); mode != "majority" && mode != "" {
			return errcode.New(errcode.UnknownReplWriteConcern, "No write concern mode named '%s' found in replica set configuration", mode), nil
		}
		return nil, nil
	case bsonx.IsNumber(w):
		n := idl.ToInt64(w)
		if n < 0 || n > maxMembers || isNaN(w) {
			return nil, errcode.New(errcode.FailedToParse, "w has to be a non-negative number and not greater than %d; found: %d", maxMembers, n)
		}
		if n > 1 {
			return errcode.New(errcode.UnsatisfiableWriteConcern, "Not enough data-bearing nodes"), nil
		}
		return nil, nil
	case w.Type == bsonx.Object && !bsonx.IsEmpty(w.Data):
		for it := bsonx.NewIter(w.Data); it.Next(); {
			if !bsonx.IsNumber(it.Value()) {
				return nil, errcode.New(errcode.FailedToParse, "tags must be a single level document with only number values")
			}
		}
		return errcode.New(errcode.UnsatisfiableWriteConcern, "Not enough data-bearing nodes"), nil
	}
	return nil, errcode.New(errcode.FailedToParse, "w has to be a number, string, or object; found: %s", bsonx.TypeName(w.Type))
}

func isNaN(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Double:
		f := bsonx.F64(v)
		return f != f
	case bsonx.Decimal128:
		return bsonx.DecimalIsNaN(v)
	}
	return false
}
