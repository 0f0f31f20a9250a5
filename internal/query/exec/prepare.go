package exec

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// PrepareInsert returns doc as it is stored: with _id as its first field (a new
// ObjectId where there is none) and null timestamps of the top level set.
// newID makes the 12 bytes of an ObjectId, now the present timestamp. The result
// is doc itself when nothing has to change. Errors: BSONObjectTooLarge (10334),
// InvalidIdField (53), BadValue (2).
func PrepareInsert(doc bsonx.Doc, newID func() [12]byte, now func() bsonx.Value) (bsonx.Doc, error) {
	if len(doc) > bsonx.MaxDocSize {
		return nil, errcode.New(errcode.BSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(doc), bsonx.MaxDocSize)
	}
	var id bsonx.Value
	first, fix := false, false
	n := 0
	for it := bsonx.NewIter(doc); it.Next(); n++ {
		k, v := it.Key(), it.Value()
		if v.Type == bsonx.Timestamp && bsonx.I64(v) == 0 && string(k) != "_id" {
			fix = true
		}
		if len(k) == 3 && string(k) == "_id" {
			if !bsonx.IsMissing(id) {
				return nil, errcode.New(errcode.BadValue, "can't have multiple _id fields in one document")
			}
			id, first = v, n == 0
		}
	}
	if !bsonx.IsMissing(id) {
		if err := CheckID(id); err != nil {
			return nil, err
		}
		if first && !fix {
			return doc, nil
		}
	}
	b := bsonx.NewDoc(make([]byte, 0, len(doc)+20))
	if bsonx.IsMissing(id) {
		oid := newID()
		id = bsonx.Value{Type: bsonx.ObjectID, Data: oid[:]}
	}
	b.Value("_id", id)
	for it := bsonx.NewIter(doc); it.Next(); {
		v := it.Value()
		switch {
		case string(it.Key()) == "_id":
		case v.Type == bsonx.Timestamp && bsonx.I64(v) == 0:
			b.ValueBytes(it.Key(), now())
		default:
			b.Element(it.Element())
		}
	}
	out := b.Done()
	if len(out) > bsonx.MaxDocSize+32 {
		return nil, errcode.New(errcode.BSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(out), bsonx.MaxDocSize)
	}
	return out, nil
}

// CheckID refuses values that cannot be an _id.
func CheckID(id bsonx.Value) error {
	switch id.Type {
	case bsonx.Array, bsonx.Regex, bsonx.Undefined:
		return errcode.New(errcode.InvalidIdField, "The '_id' value cannot be of type %s", bsonx.TypeName(id.Type))
	case bsonx.Object:
		for it := bsonx.NewIter(id.Data); it.Next(); {
			if k := string(it.Key()); strings.HasPrefix(k, "$") && k != "$ref" && k != "$id" && k != "$db" {
				return errcode.New(errcode.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '_id' is not allowed.", k)
			}
		}
	}
	return nil
}
