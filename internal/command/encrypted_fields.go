package command

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// The encryptedFields option of create describes what a client with queryable
// encryption keeps in the collection. The server stores ciphertexts as any other
// binary values; it checks the description and keeps it for clients to read.

var encryptedFieldsSpec = idl.New("encryptedFields",
	idl.Field{Name: "escCollection", Types: idl.String},
	idl.Field{Name: "eccCollection", Types: idl.String},
	idl.Field{Name: "ecocCollection", Types: idl.String},
	idl.Field{Name: "strEncodeVersion", Types: idl.Int32},
	idl.Field{Name: "fields", Types: idl.Array, Elems: idl.Object, Required: true})

var encryptedFieldSpec = idl.New("encryptedFields.fields",
	idl.Field{Name: "keyId", Types: idl.Binary, Required: true, Check: checkKeyID},
	idl.Field{Name: "path", Types: idl.String, Required: true},
	idl.Field{Name: "bsonType", Types: idl.String},
	idl.Field{Name: "queries", Types: idl.Object | idl.Array | idl.Null})

var queryTypes = []string{"equality", "range", "rangePreview", "substringPreview", "suffixPreview", "prefixPreview"}

const maxInt = 1<<31 - 1

var queryTypeSpec = idl.New("encryptedFields.fields.queries",
	idl.Field{Name: "queryType", Types: idl.String, Required: true, Enum: queryTypes},
	idl.Field{Name: "contention", Types: idl.Number, Check: exactly(0, idl.NoMax)},
	idl.Field{Name: "min", Types: idl.Any},
	idl.Field{Name: "max", Types: idl.Any},
	idl.Field{Name: "sparsity", Types: idl.Number, Check: exactly(1, 8)},
	idl.Field{Name: "precision", Types: idl.Number, Check: exactly(0, maxInt)},
	idl.Field{Name: "trimFactor", Types: idl.Number, Check: exactly(0, maxInt)},
	idl.Field{Name: "strMaxLength", Types: idl.Number, Check: exactly(1, maxInt)},
	idl.Field{Name: "strMinQueryLength", Types: idl.Number, Check: exactly(1, maxInt)},
	idl.Field{Name: "strMaxQueryLength", Types: idl.Number, Check: exactly(1, maxInt)},
	idl.Field{Name: "caseSensitive", Types: idl.Bool},
	idl.Field{Name: "diacriticSensitive", Types: idl.Bool})

// exactly takes whole numbers within bounds.
func exactly(low, high int64) func(bsonx.Value) error {
	return func(v bsonx.Value) error {
		n, ok := bsonx.IntegralOK(v)
		if !ok {
			return errcode.New(errcode.FailedToParse, "Expected an integer, but found a number with a fraction")
		}
		if n < low || n > high {
			return errcode.New(errcode.BadValue, "value must be between %d and %d, actual value '%d'", low, high, n)
		}
		return nil
	}
}

func checkKeyID(v bsonx.Value) error {
	sub, data := bsonx.Bin(v)
	if sub != 4 {
		return errcode.New(errcode.TypeMismatch, "BSON field 'encryptedFields.fields.keyId' is the wrong binData type, expected type 'UUID'")
	}
	if len(data) != 16 {
		return errcode.New(errcode.InvalidUUID, "uuid must be a 16-byte binary field with UUID (4) subtype")
	}
	return nil
}

func checkEncryptedFields(v bsonx.Value) error {
	var a idl.Args
	if err := encryptedFieldsSpec.Decode(v.Data, &a); err != nil {
		return err
	}
	var paths []string
	keys := map[string]bool{}
	for it := bsonx.NewIter(a.Array("fields")); it.Next(); {
		if it.Value().Type != bsonx.Object {
			continue
		}
		var f idl.Args
		if err := encryptedFieldSpec.Decode(it.Value().Data, &f); err != nil {
			return err
		}
		path := f.String("path", "")
		if err := checkEncryptedPath(path, paths); err != nil {
			return err
		}
		if err := checkEncryptedField(&f); err != nil {
			return err
		}
		key := string(f.Get("keyId").Data)
		if keys[key] {
			return errcode.New(6338401, "Duplicate key ids are not allowed")
		}
		keys[key] = true
		paths = append(paths, path)
	}
	return nil
}

func checkEncryptedPath(path string, before []string) error {
	switch {
	case strings.ContainsRune(path, 0):
		return errcode.New(9867600, "Encrypted field paths may not hold null bytes")
	case path == "":
		return errcode.New(6316402, "Encrypted field must have a non-empty path")
	case path == "_id" || strings.HasPrefix(path, "_id."):
		return errcode.New(6316403, "Cannot encrypt _id or its subfields")
	}
	for _, p := range strings.Split(path, ".") {
		if p == "" {
			return errcode.New(6316402, "Encrypted field must have a non-empty path")
		}
	}
	for _, o := range before {
		if o == path {
			return errcode.New(6338402, "Duplicate paths are not allowed: %s", path)
		}
		if strings.HasPrefix(o, path+".") || strings.HasPrefix(path, o+".") {
			return errcode.New(6338403, "Conflicting index paths found as one is a prefix of another: %s and %s", path, o)
		}
	}
	return nil
}

// bsonTypes are the types that a field of a schema may have: whether an encrypted
// field may, and whether one with equality queries may.
var encryptedTypes = map[string]struct{ plain, equality bool }{
	"double": {true, false}, "string": {true, true}, "object": {true, false}, "array": {true, false}, "binData": {true, true},
	"undefined": {}, "objectId": {true, true}, "bool": {true, true}, "date": {true, true}, "null": {}, "regex": {true, true},
	"dbPointer": {true, true}, "javascript": {true, true}, "symbol": {true, true}, "javascriptWithScope": {true, false},
	"int": {true, true}, "timestamp": {true, true}, "long": {true, true}, "decimal": {true, false}, "minKey": {}, "maxKey": {},
}

func checkEncryptedField(f *idl.Args) error {
	queries := f.Get("queries")
	if queries.Type == bsonx.Null {
		return idl.WrongType("encryptedFields.fields.queries", bsonx.Null, idl.Array|idl.Object)
	}
	typ := f.String("bsonType", "")
	known, ok := encryptedTypes[typ]
	if f.Has("bsonType") && !ok {
		return errcode.New(errcode.BadValue, "Unknown type name: %s", typ)
	}
	if queries.Type == bsonx.Missing {
		if f.Has("bsonType") && !known.plain {
			return errcode.New(6338406, "Type '%s' is not a supported type for encryption", typ)
		}
		return nil
	}
	list := []bsonx.Value{queries}
	if queries.Type == bsonx.Array {
		list = bsonx.Values(nil, queries.Data)
	}
	var names []string
	for _, q := range list {
		if q.Type != bsonx.Object {
			return idl.WrongType("encryptedFields.fields.queries", q.Type, idl.Object)
		}
		var a idl.Args
		if err := queryTypeSpec.Decode(q.Data, &a); err != nil {
			return err
		}
		names = append(names, a.String("queryType", ""))
	}
	if err := checkQueryTypes(names); err != nil {
		return err
	}
	if typ == "" {
		return errcode.New(6412601, "The bsonType field needs to be specified for an indexed field")
	}
	for _, q := range list {
		var a idl.Args
		if err := queryTypeSpec.Decode(q.Data, &a); err != nil {
			return err
		}
		if err := checkQueryType(&a, typ, known.equality); err != nil {
			return err
		}
	}
	return nil
}

// checkQueryTypes checks how many kinds of queries a field has: one, or prefix
// and suffix together.
func checkQueryTypes(names []string) error {
	switch {
	case len(names) == 0:
		return errcode.New(9783412, "At least one query type must be specified for an encrypted field")
	case len(names) > 2:
		return errcode.New(9783413, "An encrypted field cannot have more than two query types")
	case len(names) == 2 && !(names[0] == "suffixPreview" && names[1] == "prefixPreview" || names[0] == "prefixPreview" && names[1] == "suffixPreview"):
		return errcode.New(9783414, "Multiple query types may only be suffixPreview and prefixPreview")
	}
	return nil
}

func checkQueryType(a *idl.Args, typ string, equality bool) error {
	switch name := a.String("queryType", ""); name {
	case "equality":
		if !equality {
			return errcode.New(6338405, "Type '%s' is not a supported equality indexed type", typ)
		}
		return nil
	case "range", "rangePreview":
		return checkRangeQueries(a, typ)
	default:
		return checkTextQueries(a, typ, name == "substringPreview")
	}
}

func checkTextQueries(a *idl.Args, typ string, substring bool) error {
	if typ != "string" {
		return errcode.New(9783400, "Type '%s' is not a supported type for text search: it must be string", typ)
	}
	for _, f := range []struct {
		name string
		code errcode.Code
	}{{"strMaxLength", 9783401}, {"strMinQueryLength", 9783402}, {"strMaxQueryLength", 9783403}, {"caseSensitive", 9783404}, {"diacriticSensitive", 9783405}} {
		if !a.Has(f.name) && (substring || f.name != "strMaxLength") {
			return errcode.New(f.code, "The field '%s' is missing for a text search index", f.name)
		}
	}
	low, high := a.Int64("strMinQueryLength", 0), a.Int64("strMaxQueryLength", 0)
	switch {
	case low > high:
		return errcode.New(9783406, "strMinQueryLength cannot be greater than strMaxQueryLength")
	case substring && high > a.Int64("strMaxLength", 0):
		return errcode.New(9783407, "strMaxQueryLength cannot be greater than strMaxLength")
	}
	return nil
}

// rangeTypes are the types that have range queries, with how many bits they have.
var rangeTypes = map[string]struct {
	bson bsonx.Type
	bits int64
}{"int": {bsonx.Int32, 32}, "long": {bsonx.Int64, 64}, "date": {bsonx.Date, 64}, "double": {bsonx.Double, 64}, "decimal": {bsonx.Decimal128, 128}}

func checkRangeQueries(a *idl.Args, typ string) error {
	r, ok := rangeTypes[typ]
	if !ok {
		return errcode.New(6775201, "Type '%s' is not a supported range indexed type", typ)
	}
	low, high := a.Get("min"), a.Get("max")
	float := typ == "double" || typ == "decimal"
	switch {
	case low.Type != bsonx.Missing && low.Type != r.bson:
		return errcode.New(7018200, "Range field type '%s' does not match the type '%s' of min", typ, bsonx.TypeName(low.Type))
	case high.Type != bsonx.Missing && high.Type != r.bson:
		return errcode.New(7018201, "Range field type '%s' does not match the type '%s' of max", typ, bsonx.TypeName(high.Type))
	case low.Type != bsonx.Missing && high.Type != bsonx.Missing && bsonx.Compare(low, high) >= 0:
		return errcode.New(6720005, "The min value of a range field must be less than its max value")
	case float && (a.Has("precision") != (low.Type != bsonx.Missing) || a.Has("precision") != (high.Type != bsonx.Missing)):
		return errcode.New(6967100, "Precision, min, and max must all be specified together for floating point fields")
	case !float && a.Has("precision"):
		return errcode.New(6966801, "Precision can only be set for floating point fields")
	}
	bits := r.bits
	if l, ok := domain(low); ok {
		if h, ok := domain(high); ok && h > l {
			for bits = 1; bits < 64 && uint64(h-l)>>bits != 0; {
				bits++
			}
		}
	}
	if n := a.Int64("trimFactor", 0); n > 0 && n >= bits {
		return errcode.New(8574000, "trimFactor must be less than the number of bits of the field's domain, %d", bits)
	}
	return nil
}

func domain(v bsonx.Value) (int64, bool) {
	switch v.Type {
	case bsonx.Int32:
		return int64(bsonx.I32(v)), true
	case bsonx.Int64, bsonx.Date:
		return bsonx.I64(v), true
	}
	return 0, false
}
