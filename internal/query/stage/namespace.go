package stage

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// namespaceOf reads the from of $lookup, the coll of $unionWith and the like: a
// collection of the same database, or {db, coll} for another branch or point of
// the same project (or any branch or point that is named in full).
func namespaceOf(v bsonx.Value, stage, field string, pc *ParseContext) (Namespace, error) {
	if s, ok := stringOf(v); ok {
		return Namespace{pc.NS.DB, s}, checkCollection(pc.NS.DB, s)
	}
	if v.Type != bsonx.Object {
		return Namespace{}, errcode.New(errcode.FailedToParse, "%s '%s' field must be either a string or an object, but found %s", stage, field, bsonx.TypeName(v.Type))
	}
	var a idl.Args
	if err := idl.New(stage+"."+field, idl.Field{Name: "db", Types: idl.String}, idl.Field{Name: "coll", Types: idl.String}).Decode(bsonx.Doc(v.Data), &a); err != nil {
		return Namespace{}, err
	}
	ns := Namespace{a.String("db", pc.NS.DB), a.String("coll", "")}
	if !a.Has("coll") || !reachable(ns.DB, pc.NS.DB) {
		return Namespace{}, errcode.New(errcode.FailedToParse, "%s with syntax %s: {db:<>, coll:<>,..} is not supported for db: %s and coll: %s", stage, field, ns.DB, ns.Coll)
	}
	return ns, checkCollection(ns.DB, ns.Coll)
}

// reachable reports whether a pipeline on one database may read another: the
// same project, or a branch or point by its full name.
func reachable(db, from string) bool {
	return strings.ContainsAny(db, "~@") || db == projectOf(from)
}

func projectOf(db string) string {
	if i := strings.IndexAny(db, "~@"); i >= 0 {
		return db[:i]
	}
	return db
}

// checkCollection checks a collection's name as a part of a namespace.
func checkCollection(db, coll string) error {
	if coll == "" || coll[0] == '.' || strings.IndexByte(coll, 0) >= 0 {
		return errcode.New(errcode.InvalidNamespace, "Invalid namespace specified: '%s.%s'", db, strings.ReplaceAll(coll, "\x00", "\\0"))
	}
	return nil
}
