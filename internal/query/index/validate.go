package index

import (
	"math"
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// optionRule says which types an option of an index specification takes.
type optionRule struct {
	ok   func(v bsonx.Value) bool
	want string
	code errcode.Code
}

// Predicates on an option's type.
func isObject(v bsonx.Value) bool { return v.Type == bsonx.Object }
func isString(v bsonx.Value) bool { return v.Type == bsonx.String }
func isBool(v bsonx.Value) bool   { return v.Type == bsonx.Bool }
func isBoolish(v bsonx.Value) bool {
	return v.Type == bsonx.Bool || bsonx.IsNumber(v)
}
func isAny(bsonx.Value) bool { return true }

// optionRules are the fields that an index specification may have.
var optionRules = map[string]optionRule{
	"v":                       {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"key":                     {isObject, "object", errcode.TypeMismatch},
	"name":                    {isString, "string", errcode.TypeMismatch},
	"ns":                      {isString, "string", errcode.TypeMismatch},
	"unique":                  {isBoolish, "bool", errcode.TypeMismatch},
	"sparse":                  {isBoolish, "bool", errcode.TypeMismatch},
	"background":              {isAny, "bool", errcode.TypeMismatch},
	"dropDups":                {isAny, "bool", errcode.TypeMismatch},
	"hidden":                  {isBool, "bool", errcode.TypeMismatch},
	"prepareUnique":           {isBoolish, "bool", errcode.TypeMismatch},
	"clustered":               {isBoolish, "bool", errcode.TypeMismatch},
	"partialFilterExpression": {isObject, "object", errcode.TypeMismatch},
	"collation":               {isObject, "object", errcode.TypeMismatch},
	"storageEngine":           {isObject, "object", errcode.TypeMismatch},
	"wildcardProjection":      {isObject, "object", errcode.TypeMismatch},
	"expireAfterSeconds":      {bsonx.IsNumber, "number", errcode.CannotCreateIndex},
	"weights":                 {func(v bsonx.Value) bool { return isObject(v) || isString(v) || v.Type == bsonx.Array }, "object", errcode.TypeMismatch},
	"default_language":        {isString, "string", errcode.TypeMismatch},
	"language_override":       {isString, "string", errcode.TypeMismatch},
	"textIndexVersion":        {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"2dsphereIndexVersion":    {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"bits":                    {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"min":                     {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"max":                     {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"bucketSize":              {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"finestIndexedLevel":      {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"coarsestIndexedLevel":    {bsonx.IsNumber, "number", errcode.TypeMismatch},
	"originalSpec":            {isObject, "object", errcode.TypeMismatch},
}

// idOptions are what the specification of the _id index may have.
var idOptions = map[string]bool{"key": true, "name": true, "ns": true, "v": true, "collation": true,
	"clustered": true, "unique": true, "hidden": true, "sparse": true, "background": true, "dropDups": true}

// Normalize checks the specification that a client gave to createIndexes and
// returns it as it is stored and listed: v, key and name first, defaults of text
// and geospatial indexes filled in, what has no effect left out. A collation is expanded; {locale: "simple"} stays
// in it until Inherit has looked at it.
func Normalize(spec bsonx.Doc) (bsonx.Doc, error) {
	key := bsonx.Lookup(spec, "key")
	name := bsonx.Lookup(spec, "name")
	if err := checkOptions(spec, key, name); err != nil {
		return nil, err
	}
	if err := checkKeyPattern(key.Data); err != nil {
		return nil, err
	}
	if err := checkCombination(spec, key.Data, string(bsonx.Str(name))); err != nil {
		return nil, err
	}
	stored, text, err := textKey(key.Data, spec)
	if err != nil {
		return nil, err
	}
	b := bsonx.NewDoc(nil)
	b.Int32("v", 2)
	b.Doc("key", stored)
	b.Value("name", name)
	if err := appendOptions(b, spec, text != nil); err != nil {
		return nil, err
	}
	if text != nil {
		text.appendTo(b)
	}
	for it := bsonx.NewIter(key.Data); it.Next(); {
		if isString(it.Value()) && string(bsonx.Str(it.Value())) == "2dsphere" &&
			bsonx.IsMissing(bsonx.Lookup(spec, "2dsphereIndexVersion")) {
			b.Int32("2dsphereIndexVersion", 3)
			break
		}
	}
	return b.Done(), nil
}

// appendOptions appends the options that are stored, in the client's order.
func appendOptions(b *bsonx.Builder, spec bsonx.Doc, text bool) error {
	for it := bsonx.NewIter(spec); it.Next(); {
		k, v := string(it.Key()), it.Value()
		switch k {
		case "v", "key", "name", "ns", "dropDups", "originalSpec":
			continue
		case "background":
			if k == "background" && !isBool(v) {
				continue
			}
		case "unique", "sparse", "prepareUnique":
			if !bsonx.Truthy(v) {
				if k != "unique" || !isBool(v) {
					continue
				}
			}
			v = bsonx.BoolValue(bsonx.Truthy(v))
		case "hidden":
			if !bsonx.Truthy(v) {
				continue
			}
		case "collation":
			c, err := collate.Parse(v.Data)
			if err != nil {
				return err
			}
			v = bsonx.DocValue(c.Spec())
		case "weights", "default_language", "language_override", "textIndexVersion":
			if text {
				continue
			}
		case "expireAfterSeconds":
			if v.Type == bsonx.Double && math.IsNaN(bsonx.F64(v)) {
				v = bsonx.Int32Value(math.MaxInt32)
			} else if n, ok := bsonx.IntegralOK(v); v.Type == bsonx.Double || v.Type == bsonx.Int64 || v.Type == bsonx.Decimal128 {
				if !ok {
					n = numberInt(v)
				}
				v = bsonx.Int32Value(int32(n))
			}
		}
		b.Value(k, v)
	}
	return nil
}

func checkOptions(spec bsonx.Doc, key, name bsonx.Value) error {
	for it := bsonx.NewIter(spec); it.Next(); {
		k, v := string(it.Key()), it.Value()
		r, ok := optionRules[k]
		if !ok {
			return errcode.New(errcode.InvalidIndexSpecificationOption,
				"The field '%s' is not valid for an index specification. Remove it from the specification of the index", k)
		}
		if !r.ok(v) {
			if r.code == errcode.CannotCreateIndex {
				return errcode.New(r.code, "TTL index '%s' option must be numeric, but received a type of '%s'.", k, bsonx.TypeName(v.Type))
			}
			return errcode.New(r.code, "The field '%s' must be of type %s, but got %s", k, r.want, bsonx.TypeName(v.Type))
		}
	}
	if bsonx.IsMissing(key) {
		return errcode.New(errcode.FailedToParse, "The 'key' field is a required property of an index specification")
	}
	if bsonx.IsMissing(name) {
		return errcode.New(errcode.FailedToParse, "The 'name' field is a required property of an index specification")
	}
	return nil
}

func cannot(format string, args ...any) error {
	return errcode.New(errcode.CannotCreateIndex, format, args...)
}

// checkKeyPattern checks the names and values of a key pattern.
func checkKeyPattern(key bsonx.Doc) error {
	if bsonx.IsEmpty(key) {
		return cannot("Index keys cannot be an empty object.")
	}
	var seen []string
	wildcards, hashed := 0, 0
	plugin := ""
	for it := bsonx.NewIter(key); it.Next(); {
		path, v := string(it.Key()), it.Value()
		for _, s := range seen {
			if s == path {
				return errcode.New(errcode.BadValue, "Duplicate field '%s' in the index key pattern", path)
			}
		}
		seen = append(seen, path)
		if err := checkKeyValue(path, v); err != nil {
			return err
		}
		if isString(v) {
			switch p := string(bsonx.Str(v)); {
			case plugin != "" && plugin != p:
				return cannot("Can't use more than one index plugin for a single index: '%s' and '%s'", plugin, p)
			case p == "hashed":
				hashed++
				fallthrough
			default:
				plugin = p
			}
		} else if isWildcard(path) {
			wildcards++
		}
		if err := checkKeyPath(path, isString(v)); err != nil {
			return err
		}
	}
	if len(seen) > 32 {
		return errcode.New(13103, "An index key pattern may have at most 32 fields, but this one has %d", len(seen))
	}
	if hashed > 1 {
		return errcode.New(31303, "A maximum of one index field is allowed to be hashed but found %d", hashed)
	}
	if wildcards > 1 {
		return errcode.New(7246201, "Only one wildcard field is allowed in an index")
	}
	if wildcards > 0 && plugin != "" {
		return cannot("A wildcard index cannot have a field of type '%s'", plugin)
	}
	return nil
}

func checkKeyValue(path string, v bsonx.Value) error {
	switch {
	case bsonx.IsNumber(v):
		if v.Type == bsonx.Double && math.IsNaN(bsonx.F64(v)) || v.Type == bsonx.Decimal128 && bsonx.DecimalIsNaN(v) ||
			!bsonx.Truthy(v) {
			return cannot("Values in the index key pattern cannot be 0 or NaN.")
		}
	case isString(v):
		p := string(bsonx.Str(v))
		if _, ok := kinds[p]; !ok {
			return cannot("Unknown index plugin '%s'", p)
		}
		if isWildcard(path) && !(p == "text" && path == "$**") {
			return cannot("Index type '%s' cannot be used with a wildcard field", p)
		}
	default:
		return cannot("Values in v:2 index key pattern cannot be of type %s. Only numbers > 0, numbers < 0, and strings are allowed.",
			bsonx.TypeName(v.Type))
	}
	return nil
}

func checkKeyPath(path string, plugin bool) error {
	if path == "" {
		return cannot("Index keys cannot contain an empty field name.")
	}
	if path == "$**" {
		return nil
	}
	rest := strings.TrimSuffix(path, ".$**")
	if plugin {
		rest = path
	}
	for _, p := range strings.Split(rest, ".") {
		switch {
		case p == "":
			return cannot("Index keys cannot contain an empty field name.")
		case p[0] == '$' && (rest == p || p != "$id" && p != "$ref" && p != "$db"):
			return cannot("Index key contains an illegal field name: field name starts with '$'.")
		}
	}
	return nil
}

// checkCombination checks options against the key and against each other.
func checkCombination(spec, key bsonx.Doc, name string) error {
	if v := bsonx.Lookup(spec, "v"); !bsonx.IsMissing(v) {
		if n, ok := bsonx.IntegralOK(v); !ok || n != 1 && n != 2 {
			return cannot("Invalid index specification; cannot create an index with v=%d", numberInt(v))
		}
	}
	if name == "" {
		return cannot("The index name cannot be empty")
	}
	if name == "*" {
		return errcode.New(errcode.BadValue, "The index name '*' is not valid.")
	}
	p := patternOf(key)
	if p.isID {
		if err := checkIDOptions(spec); err != nil {
			return err
		}
	} else if name == "_id_" {
		return errcode.New(errcode.BadValue, "The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}")
	}
	if c := bsonx.Lookup(spec, "clustered"); bsonx.Truthy(c) && !p.isID {
		return errcode.New(errcode.InvalidIndexSpecificationOption, "The 'clustered' option may only be given for the _id index")
	}
	if c := bsonx.Lookup(spec, "collation"); isObject(c) && bsonx.IsEmpty(c.Data) {
		return errcode.New(errcode.BadValue, "The field 'collation' cannot be an empty object.")
	}
	partial := bsonx.Lookup(spec, "partialFilterExpression")
	if !bsonx.IsMissing(partial) && bsonx.Truthy(bsonx.Lookup(spec, "sparse")) {
		return cannot("cannot mix \"partialFilterExpression\" and \"sparse\" options")
	}
	if bsonx.Truthy(bsonx.Lookup(spec, "unique")) {
		switch {
		case p.plugin == "hashed":
			return errcode.New(16764, "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.")
		case p.wildcard:
			return cannot("Index type 'wildcard' does not support the unique option")
		}
	}
	if c := bsonx.Lookup(spec, "collation"); isObject(c) && p.plugin == "2d" {
		if l := bsonx.Lookup(c.Data, "locale"); !isString(l) || string(bsonx.Str(l)) != "simple" {
			return cannot("Index type '2d' does not support collation: give collation {locale: \"simple\"}")
		}
	}
	if err := checkTTL(spec, key, p); err != nil {
		return err
	}
	if err := checkWildcard(spec, key, p); err != nil {
		return err
	}
	return checkGeo(spec)
}

// pattern is what checkCombination wants to know of a key pattern.
type pattern struct {
	isID, wildcard bool
	plugin         string
	fields         int
}

func patternOf(key bsonx.Doc) (p pattern) {
	for it := bsonx.NewIter(key); it.Next(); {
		p.fields++
		v := it.Value()
		if isString(v) {
			p.plugin = string(bsonx.Str(v))
		} else if isWildcard(string(it.Key())) {
			p.wildcard = true
		}
		p.isID = p.fields == 1 && string(it.Key()) == "_id" && bsonx.IsNumber(v) && !negative(v)
	}
	return p
}

func checkIDOptions(spec bsonx.Doc) error {
	for it := bsonx.NewIter(spec); it.Next(); {
		k := string(it.Key())
		switch {
		case !idOptions[k]:
			return errcode.New(errcode.InvalidIndexSpecificationOption,
				"The field '%s' is not valid for an _id index specification", k)
		case k == "hidden" && bsonx.Truthy(it.Value()):
			return errcode.New(errcode.BadValue, "can't hide _id index")
		case k == "unique" && bsonx.IsMissing(bsonx.Lookup(spec, "clustered")):
			return errcode.New(errcode.InvalidIndexSpecificationOption,
				"The field 'unique' is not valid for an _id index specification")
		}
	}
	return nil
}

func checkTTL(spec, key bsonx.Doc, p pattern) error {
	v := bsonx.Lookup(spec, "expireAfterSeconds")
	if bsonx.IsMissing(v) {
		return nil
	}
	n := numberInt(v)
	switch {
	case n < 0:
		return cannot("TTL index 'expireAfterSeconds' option cannot be less than 0")
	case n > math.MaxInt32:
		return cannot("TTL index 'expireAfterSeconds' option must be within an acceptable range, at most %d", math.MaxInt32)
	case p.fields != 1:
		return cannot("TTL indexes are single-field indexes, compound indexes do not support TTL.")
	case p.wildcard:
		return cannot("Index type 'wildcard' cannot be a TTL index")
	}
	return nil
}

func checkWildcard(spec, key bsonx.Doc, p pattern) error {
	proj := bsonx.Lookup(spec, "wildcardProjection")
	if !p.wildcard {
		if !bsonx.IsMissing(proj) && !(p.plugin == "text") {
			return errcode.New(errcode.BadValue, "The field 'wildcardProjection' is only allowed in a wildcard index")
		}
		if !bsonx.IsMissing(proj) {
			return errcode.New(errcode.BadValue, "The field 'wildcardProjection' is only allowed in a wildcard index")
		}
		return nil
	}
	if bsonx.Truthy(bsonx.Lookup(spec, "sparse")) {
		return cannot("Index type 'wildcard' does not support the sparse option")
	}
	if v := bsonx.Lookup(spec, "v"); !bsonx.IsMissing(v) && numberInt(v) < 2 {
		return cannot("Index type 'wildcard' needs index version 2")
	}
	base, rooted := "", false
	var others []string
	for it := bsonx.NewIter(key); it.Next(); {
		if path := string(it.Key()); isWildcard(path) {
			base, rooted = strings.Join(wildcardBase(path), "."), path == "$**"
		} else {
			others = append(others, path)
		}
	}
	if bsonx.IsMissing(proj) {
		return checkCompoundWildcard(others, base, nil, rooted)
	}
	if !rooted {
		return errcode.New(errcode.FailedToParse, "The field 'wildcardProjection' is only allowed when the wildcard is at the root, \"$**\"")
	}
	if bsonx.IsEmpty(proj.Data) {
		return errcode.New(errcode.FailedToParse, "The field 'wildcardProjection' cannot be an empty object")
	}
	excluded, err := checkProjection(proj.Data)
	if err != nil {
		return err
	}
	return checkCompoundWildcard(others, base, excluded, rooted)
}

// checkProjection checks a wildcard projection and returns the excluded paths
// (nil for an inclusion, which no compound wildcard index needs to look at).
func checkProjection(proj bsonx.Doc) ([]string, error) {
	for it := bsonx.NewIter(proj); it.Next(); {
		if v := it.Value(); !isBoolish(v) && !isObject(v) {
			return nil, errcode.New(51271, "Bad projection specification, cannot use a value of type %s in a wildcardProjection: '%s'",
				bsonx.TypeName(v.Type), string(it.Key()))
		}
	}
	var in, out []string
	flattenProjection(proj, "", func(path string, include bool) {
		switch {
		case path == "_id":
		case include:
			in = append(in, path)
		default:
			out = append(out, path)
		}
	})
	all := append(append([]string(nil), in...), out...)
	sort.Strings(all)
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] || strings.HasPrefix(all[i], all[i-1]+".") {
			return nil, errcode.New(31249, "Path collision at %s", all[i])
		}
	}
	if len(in) > 0 && len(out) > 0 {
		return nil, errcode.New(31254, "Cannot do exclusion on field %s in inclusion projection", out[0])
	}
	return out, nil
}

// checkCompoundWildcard: no other field may lie under the wildcard.
func checkCompoundWildcard(others []string, base string, excluded []string, rooted bool) error {
	for _, o := range others {
		covered := rooted || o == base || strings.HasPrefix(o, base+".")
		for _, e := range excluded {
			if o == e || strings.HasPrefix(o, e+".") {
				covered = false
			}
		}
		if covered {
			return errcode.New(7246209, "The field '%s' of a compound wildcard index must be excluded by its wildcardProjection", o)
		}
	}
	return nil
}

func checkGeo(spec bsonx.Doc) error {
	if v := bsonx.Lookup(spec, "2dsphereIndexVersion"); !bsonx.IsMissing(v) {
		if n, ok := bsonx.IntegralOK(v); !ok || n < 1 || n > 3 {
			return cannot("unsupported geo index version { 2dsphereIndexVersion: %d }, only support versions: [1,2,3]", numberInt(v))
		}
	}
	if v := bsonx.Lookup(spec, "bits"); !bsonx.IsMissing(v) {
		if n := numberInt(v); n < 1 || n > 32 {
			return errcode.New(errcode.InvalidOptions, "bits for hash must be > 0 and <= 32, but %d bits were specified", n)
		}
	}
	flat := false
	for it := bsonx.NewIter(bsonx.Lookup(spec, "key").Data); it.Next(); {
		flat = flat || isString(it.Value()) && string(bsonx.Str(it.Value())) == "2d"
	}
	if !flat {
		return nil
	}
	return checkRegion(bsonx.Lookup(spec, "min"), bsonx.Lookup(spec, "max"))
}

// checkRegion: the coordinates of a 2d index lie between two finite numbers.
func checkRegion(lo, hi bsonx.Value) error {
	if bsonx.IsMissing(lo) {
		lo = bsonx.Int32Value(-180)
	}
	if bsonx.IsMissing(hi) {
		hi = bsonx.Int32Value(180)
	}
	if bsonx.IsNumber(lo) && bsonx.IsNumber(hi) && (bsonx.Compare(lo, hi) >= 0 || math.IsInf(numeric.ToFloat(lo), 0) || math.IsInf(numeric.ToFloat(hi), 0)) {
		return errcode.New(errcode.InvalidOptions, "region for hash must be valid and have positive area, but [%v, %v] was specified", numeric.ToFloat(lo), numeric.ToFloat(hi))
	}
	return nil
}

// Inherit gives a normalized specification the collection's default collation
// (nil: none) when it names none of its own, and removes an explicit simple one.
// Errors: CannotCreateIndex (67) for an index type without collations.
func Inherit(spec, collation bsonx.Doc) (bsonx.Doc, error) {
	own := bsonx.Lookup(spec, "collation")
	if own.Type == bsonx.Missing && collation == nil || own.Type == bsonx.Object && bsonx.Len(own.Data) > 1 {
		return spec, nil
	}
	b := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(spec); it.Next(); {
		if string(it.Key()) != "collation" {
			b.Element(it.Element())
		}
	}
	if own.Type == bsonx.Missing {
		for it := bsonx.NewIter(bsonx.Lookup(spec, "key").Data); it.Next(); {
			if v := it.Value(); isString(v) && (string(bsonx.Str(v)) == "text" || string(bsonx.Str(v)) == "2d") {
				return nil, cannot("Index type '%s' does not support the collection's default collation: give collation {locale: \"simple\"}", bsonx.Str(v))
			}
		}
		b.Doc("collation", collation)
	}
	return b.Done(), nil
}
