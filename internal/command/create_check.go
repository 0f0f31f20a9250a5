package command

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

func invalidOptions(format string, args ...any) error {
	return errcode.New(errcode.InvalidOptions, format, args...)
}

// conflict is a pair of options of create that do not go together: the code is
// MongoDB's.
type conflict struct {
	one, other string
	code       errcode.Code
}

// conflicts in MongoDB's order. An option is given when it is there and not false.
var conflicts = []conflict{
	{"clusteredIndex", "capped", 6127800},
	{"clusteredIndex", "size", 6049200},
	{"clusteredIndex", "max", 6049204},
	{"encryptedFields", "capped", 6367301},
	{"encryptedFields", "viewOn", 6346401},
	{"encryptedFields", "timeseries", 6346401},
	{"idIndex", "viewOn", errcode.InvalidOptions},
	{"idIndex", "autoIndexId", errcode.InvalidOptions},
	{"clusteredIndex", "viewOn", 6026500},
	{"clusteredIndex", "idIndex", errcode.InvalidOptions},
	{"recordPreImages", "changeStreamPreAndPostImages", errcode.InvalidOptions},
}

// notTimeseries are the options that time-series collections do not have, whatever
// their value; capped may be false.
var notTimeseries = []string{"autoIndexId", "idIndex", "size", "max", "validator", "validationLevel", "validationAction", "viewOn",
	"pipeline", "clusteredIndex", "changeStreamPreAndPostImages", "recordPreImages", "flags"}

// checkCreate checks the options of create against each other.
func checkCreate(rq *Request) error {
	a := &rq.Args
	images := a.Doc("changeStreamPreAndPostImages")
	enabled := images != nil && bsonx.Truthy(bsonx.Lookup(images, "enabled"))
	given := func(name string) bool {
		v := a.Get(name)
		switch {
		case name == "changeStreamPreAndPostImages":
			return enabled
		case name == "autoIndexId":
			return a.Has(name)
		case v.Type == bsonx.Bool:
			return bsonx.Truthy(v)
		}
		return !bsonx.IsMissing(v)
	}
	for _, c := range conflicts {
		if given(c.one) && given(c.other) {
			return errcode.New(c.code, "'%s' and '%s' cannot both be specified; leave one of them out", c.one, c.other)
		}
	}
	for _, n := range notTimeseries {
		if a.Has("timeseries") && (a.Has(n) || a.Bool("capped", false)) {
			return invalidOptions("'timeseries' is not allowed with '%s'", n)
		}
	}
	capped := a.Bool("capped", false)
	switch {
	case capped && !a.Has("size"):
		return invalidOptions("the 'size' field is required when 'capped' is true")
	case !capped && (a.Has("size") || a.Has("max")):
		return invalidOptions("the 'capped' field needs to be true when either the 'size' or 'max' fields are present")
	case a.Has("pipeline") && !a.Has("viewOn"):
		return invalidOptions("'pipeline' requires 'viewOn' to also be specified")
	case a.Bool("temp", false):
		return invalidOptions("the 'temp' field is an invalid option")
	case a.Has("autoIndexId") && !a.Bool("autoIndexId", true) && given("clusteredIndex"):
		return errcode.New(6026501, "The 'clusteredIndex' option does not support {autoIndexId: false}")
	case a.Has("autoIndexId") && !a.Bool("autoIndexId", true) && rq.DB != "local":
		return invalidOptions("autoIndexId:false is not allowed for collections in databases other than 'local'")
	case a.Has("viewOn") && enabled:
		return invalidOptions("option not supported on a view: changeStreamPreAndPostImages")
	case given("clusteredIndex") && a.Get("clusteredIndex").Type == bsonx.Bool:
		return errcode.New(5979703, "The 'clusteredIndex' legacy format {clusteredIndex: <bool>} is for internal collections only; give a document")
	}
	if err := checkExpire(rq); err != nil {
		return err
	}
	return checkValidator(rq.DB, a.Doc("validator"), a.Doc("collation"))
}

// checkExpire checks expireAfterSeconds of a time-series or clustered collection.
func checkExpire(rq *Request) error {
	a := &rq.Args
	if !a.Has("expireAfterSeconds") {
		return nil
	}
	if !a.Has("timeseries") && !a.Has("clusteredIndex") {
		return invalidOptions("'expireAfterSeconds' is only supported on time-series collections or when the 'clusteredIndex' option is specified")
	}
	return rq.checkExpireRange(a.Int64("expireAfterSeconds", 0))
}

// checkExpireRange: a time to live in seconds must not reach back before 1970.
func (rq *Request) checkExpireRange(n int64) error {
	if n < 0 {
		return invalidOptions("TTL index 'expireAfterSeconds' option cannot be less than 0")
	}
	if n > rq.Services.Clock.Now().Unix() {
		return invalidOptions("TTL index 'expireAfterSeconds' option must be within an acceptable range, try a lower number")
	}
	return nil
}

// checkValidator checks a validator as collections of that database may have it.
func checkValidator(db string, validator, collation bsonx.Doc) error {
	if validator == nil || bsonx.IsEmpty(validator) {
		return nil
	}
	if project, _, _ := strings.Cut(db, "~"); project == "admin" || project == "config" || project == "local" {
		return invalidOptions("Document validators are not allowed on collections in the %s database", project)
	}
	o := match.Options{NoText: notInValidator("$text"), NoNear: notInValidator("$near"), NoWhere: notInValidator("$where"),
		Scope: expr.NewScope(expr.ScopeOptions{Validator: true})}
	if collation != nil {
		c, err := collate.Parse(collation)
		if err != nil {
			return err
		}
		o.Collation = c.Collator()
	}
	_, err := match.Compile(validator, o)
	return err
}

func notInValidator(op string) error {
	return errcode.New(errcode.QueryFeatureNotAllowed, "%s is not allowed in a collection validator", op)
}

func checkCappedMax(v bsonx.Value) error {
	if n := idl.ToInt64(v); n >= 1<<31 {
		return errcode.New(errcode.BadValue, "BSON field 'max' value must be < 2147483648, actual value '%d'", n)
	}
	return nil
}

func checkViewOnNotEmpty(v bsonx.Value) error {
	if len(bsonx.Str(v)) == 0 {
		return errcode.New(errcode.BadValue, "'viewOn' cannot be empty")
	}
	return nil
}

func checkCollation(v bsonx.Value) error {
	_, err := collate.Parse(v.Data)
	return err
}

var preImagesSpec = idl.New("changeStreamPreAndPostImages", idl.Field{Name: "enabled", Types: idl.Bool, Required: true})

func checkPreImages(v bsonx.Value) error {
	var a idl.Args
	return preImagesSpec.Decode(v.Data, &a)
}

// checkStorageEngine checks {ENGINE: {…}}. Argon's engine has no options; those of
// WiredTiger are accepted when they are empty, so that what others export can be
// imported.
func checkStorageEngine(v bsonx.Value) error {
	for it := bsonx.NewIter(v.Data); it.Next(); {
		engine, e := string(it.Key()), it.Value()
		if e.Type != bsonx.Object {
			return errcode.New(errcode.BadValue, "'storageEngine.%s' has to be an embedded document.", engine)
		}
		if engine != "wiredTiger" {
			return invalidOptions("%s is not a registered storage engine for this server", engine)
		}
		for f := bsonx.NewIter(e.Data); f.Next(); {
			if string(f.Key()) != "configString" {
				return invalidOptions("'%s' is not a supported option in storageEngine.wiredTiger", f.Key())
			}
			if f.Value().Type != bsonx.String {
				return errcode.New(errcode.TypeMismatch, "'configString' must be a string")
			}
			switch s := string(bsonx.Str(f.Value())); {
			case strings.ContainsRune(s, 0):
				return errcode.New(errcode.FailedToParse, "malformed 'configString' value: it holds a null byte")
			case !isEngineConfig(s):
				return errcode.New(errcode.BadValue, "unknown configuration key in 'configString': %s", s)
			}
		}
	}
	return nil
}

// engineKeys are WiredTiger's settings of a table that clients are known to give.
var engineKeys = map[string]bool{"": true, "block_compressor": true, "prefix_compression": true, "allocation_size": true,
	"leaf_page_max": true, "internal_page_max": true, "memory_page_max": true, "access_pattern_hint": true, "app_metadata": true,
	"assert": true, "cache_resident": true, "checksum": true, "collator": true, "columns": true, "dictionary": true, "encryption": true,
	"format": true, "key_format": true, "value_format": true, "log": true, "type": true, "split_pct": true, "verbose": true,
	"block_allocation": true, "huffman_key": true, "huffman_value": true, "ignore_in_memory_cache_size": true, "immutable": true,
	"internal_item_max": true, "internal_key_max": true, "internal_key_truncate": true, "leaf_item_max": true, "leaf_key_max": true,
	"leaf_value_max": true, "os_cache_max": true, "os_cache_dirty_max": true, "prefix_compression_min": true, "write_timestamp_usage": true}

func isEngineConfig(s string) bool {
	depth := 0
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != ',' || i < len(s) && depth > 0 {
			switch s[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			continue
		}
		key, _, _ := strings.Cut(s[start:i], "=")
		if !engineKeys[strings.TrimSpace(key)] {
			return false
		}
		start = i + 1
	}
	return depth == 0
}

var indexDefaultsSpec = idl.New("indexOptionDefaults", idl.Field{Name: "storageEngine", Types: idl.Object, Check: checkStorageEngine})

func checkIndexOptionDefaults(v bsonx.Value) error {
	var a idl.Args
	return indexDefaultsSpec.Decode(v.Data, &a)
}

var clusteredIndexSpec = idl.New("clusteredIndex",
	idl.Field{Name: "v", Types: idl.Number},
	idl.Field{Name: "key", Types: idl.Object, Required: true},
	idl.Field{Name: "name", Types: idl.String},
	idl.Field{Name: "unique", Types: idl.SafeBool, Required: true})

func checkClusteredIndex(v bsonx.Value) error {
	if v.Type != bsonx.Object {
		return nil
	}
	var a idl.Args
	if err := clusteredIndexSpec.Decode(v.Data, &a); err != nil {
		return err
	}
	switch {
	case !a.Bool("unique", false):
		return errcode.New(5979700, "The clusteredIndex option requires unique: true to be specified")
	case !isIDKey(a.Doc("key")) || !isOne(bsonx.Lookup(a.Doc("key"), "_id")):
		return errcode.New(errcode.InvalidIndexSpecificationOption, "The clusteredIndex option supports only key: {_id: 1}")
	case a.Int64("v", 2) != 2:
		return errcode.New(5979704, "The clusteredIndex option supports only v: 2")
	}
	return nil
}

func isOne(v bsonx.Value) bool {
	n, ok := bsonx.IntegralOK(v)
	return ok && n == 1
}

// clusteredSpec is the option as it is kept: with its defaults.
func clusteredSpec(d bsonx.Doc) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("v", 2)
	k := b.OpenDoc("key")
	b.Int32("_id", 1)
	b.Close(k)
	name := bsonx.Lookup(d, "name")
	if name.Type != bsonx.String || len(bsonx.Str(name)) == 0 {
		name = bsonx.StringValue(catalog.IDIndexName)
	}
	b.Value("name", name)
	b.Bool("unique", true)
	return b.Done()
}

// idIndexSpec returns the specification of the index on _id as listIndexes shows
// it; nil for the default one. coll is the collection's full collation.
func idIndexSpec(a *idl.Args, coll bsonx.Doc) (bsonx.Doc, error) {
	if c := a.Get("clusteredIndex"); c.Type == bsonx.Object {
		b := bsonx.NewDoc(nil)
		for it := bsonx.NewIter(clusteredSpec(c.Data)); it.Next(); {
			b.Element(it.Element())
		}
		b.Bool("clustered", true)
		if coll != nil {
			b.Doc("collation", coll)
		}
		return b.Done(), nil
	}
	spec := a.Doc("idIndex")
	v := bsonx.Int32Value(2)
	if spec != nil {
		if err := checkIDIndex(spec, coll); err != nil {
			return nil, err
		}
		if given := bsonx.Lookup(spec, "v"); bsonx.IsNumber(given) {
			v = bsonx.Int32Value(int32(idl.ToInt64(given)))
		}
	} else if coll == nil {
		return nil, nil
	}
	b := bsonx.NewDoc(nil)
	b.Value("v", v)
	k := b.OpenDoc("key")
	b.Int32("_id", 1)
	b.Close(k)
	b.String("name", catalog.IDIndexName)
	if coll != nil {
		b.Doc("collation", coll)
	}
	return b.Done(), nil
}

// checkIDIndex checks create's idIndex.
func checkIDIndex(spec, coll bsonx.Doc) error {
	if bsonx.IsEmpty(spec) {
		return errcode.New(errcode.FailedToParse, "idIndex cannot be empty")
	}
	for it := bsonx.NewIter(spec); it.Next(); {
		switch string(it.Key()) {
		case "key", "name", "v", "ns", "collation":
		default:
			return errcode.New(errcode.InvalidIndexSpecificationOption, "The field '%s' is not valid for an _id index specification", it.Key())
		}
	}
	key := bsonx.Lookup(spec, "key")
	if key.Type == bsonx.Object && !(isIDKey(key.Data) && isOne(bsonx.Lookup(key.Data, "_id"))) {
		return errcode.New(errcode.BadValue, "The field 'key' for an _id index must be {_id: 1}, but got %s", bsonx.Doc(key.Data))
	}
	if v := bsonx.Lookup(spec, "v"); bsonx.IsNumber(v) {
		if _, ok := bsonx.IntegralOK(v); !ok {
			return errcode.New(errcode.BadValue, "Index version must be representable as a 32-bit integer, but got %v", idl.ToFloat64(v))
		}
	}
	if _, err := index.Normalize(spec); err != nil {
		return err
	}
	own, err := fullCollation(docOrNil(bsonx.Lookup(spec, "collation")))
	if err != nil {
		return err
	}
	if bsonx.Lookup(spec, "collation").Type == bsonx.Object && !bsonx.Equal(docValue(own), docValue(coll)) {
		return errcode.New(errcode.BadValue, "'idIndex' must have the same collation as the collection")
	}
	return nil
}

func docOrNil(v bsonx.Value) bsonx.Doc {
	if v.Type == bsonx.Object {
		return v.Data
	}
	return nil
}

func docValue(d bsonx.Doc) bsonx.Value {
	if d == nil {
		return bsonx.Value{}
	}
	return bsonx.DocValue(d)
}
