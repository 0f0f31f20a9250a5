// Package update compiles and applies updates: operators with their modifiers,
// replacement documents and pipelines (MongoDB manual, "Update Operators" and
// "Updates with Aggregation Pipeline"). A document is rebuilt once.
package update

import (
	"bytes"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
)

// Options are what compiling an update needs besides the update itself.
type Options struct {
	// ArrayFilters are the filters of "$[identifier]".
	ArrayFilters []bsonx.Doc
	// Collation compares strings in $pull, $addToSet, array filters …; nil
	// compares bytes.
	Collation bsonx.Collator
	// Scope resolves the variables of a pipeline; nil is a new scope.
	Scope *expr.Scope
	// Constants is the statement's "c": variables for a pipeline. May be nil.
	Constants bsonx.Doc
}

// Update is a compiled update. It is immutable and safe for concurrent use.
type Update struct {
	// one of these three
	root     *node
	replace  bsonx.Doc
	pipeline *pipeline

	filters  []arrayFilter
	coll     bsonx.Collator
	position bool // a path has a "$"
}

// Input is what applying needs to know about the document.
type Input struct {
	// Pos is where the filter matched (match.Filter.MatchesAt): the "$".
	Pos []int
	// IsInsert is true for an upsert's new document: $setOnInsert applies, and
	// _id may be set.
	IsInsert bool
	// Now and ClusterTime are for $currentDate and empty timestamps:
	// milliseconds since the Unix epoch, and a timestamp.
	Now         int64
	ClusterTime bsonx.Value
}

// Result is an updated document.
type Result struct {
	// Doc is the new document; the old one if nothing changed.
	Doc bsonx.Doc
	// Changed is false when the new document is the old one, byte for byte.
	Changed bool
	// Whole lists the documents and arrays within the document that an operator gave
	// a new value as a whole, which a comparison of old and new cannot tell from
	// changes within them: paths with a 0 byte between them, for change streams.
	Whole []byte
}

// Compile compiles u: a document of operators, a replacement, or a pipeline (an
// array).
func Compile(u bsonx.Value, o Options) (*Update, error) {
	switch {
	case u.Type == bsonx.Array:
		if len(o.ArrayFilters) > 0 {
			return nil, failed("arrayFilters may not be specified for pipeline-style updates")
		}
		return compilePipeline(u.Data, o)
	case u.Type != bsonx.Object:
		return nil, failed("Update argument must be either an object or an array, not %s", bsonx.TypeName(u.Type))
	case len(o.Constants) > 0:
		return nil, failed("Constant values may only be specified for pipeline updates")
	case isReplacement(u.Data):
		if len(o.ArrayFilters) > 0 {
			return nil, failed("Cannot specify arrayFilters and a replacement")
		}
		return compileReplacement(u.Data)
	}
	return compileOperators(u.Data, o)
}

func failed(format string, args ...any) error {
	return errcode.New(errcode.FailedToParse, format, args...)
}

func bad(format string, args ...any) error {
	return errcode.New(errcode.BadValue, format, args...)
}

// isReplacement: the first field says what kind of update a document is.
func isReplacement(doc bsonx.Doc) bool {
	it := bsonx.NewIter(doc)
	return !it.Next() || len(it.Key()) == 0 || it.Key()[0] != '$'
}

// IsReplacement reports whether the update is a whole document.
func (u *Update) IsReplacement() bool { return u.root == nil && u.pipeline == nil }

// IsPipeline reports whether the update is a pipeline.
func (u *Update) IsPipeline() bool { return u.pipeline != nil }

// NeedsPosition reports whether Apply needs Input.Pos: a path has a "$".
func (u *Update) NeedsPosition() bool { return u.position }

// Apply updates doc. For an upsert doc is what UpsertDoc returned. env is needed
// by pipelines only. An error leaves no trace; its code is MongoDB's (28
// PathNotViable, 66 ImmutableField, 17419 for a result that is too large, …).
func (u *Update) Apply(env *expr.Env, doc bsonx.Doc, in Input) (Result, error) {
	var out bsonx.Doc
	var whole []byte
	var err error
	switch {
	case u.root != nil:
		out, whole, err = u.applyOperators(doc, in)
	case u.pipeline != nil:
		if out, err = u.pipeline.apply(env, doc); err == nil {
			out, err = replaced(doc, out, in)
		}
	default:
		out, err = replaced(doc, u.replace, in)
	}
	if err == nil {
		err = u.check(doc, out, in)
	}
	if err != nil {
		return Result{}, err
	}
	if bytes.Equal(out, doc) {
		return Result{Doc: doc}, nil
	}
	if in.IsInsert {
		out = idFirst(out)
	}
	return Result{Doc: out, Changed: true, Whole: whole}, nil
}

func (u *Update) applyOperators(doc bsonx.Doc, in Input) (out bsonx.Doc, whole []byte, err error) {
	a := applier{u: u, doc: doc, in: in}
	a.b.Begin(make([]byte, 0, len(doc)+128))
	if err := a.object(u.root, doc); err != nil {
		return nil, nil, err
	}
	return a.b.Done(), a.whole, nil
}

// check enforces what holds for every result.
func (u *Update) check(doc, out bsonx.Doc, in Input) error {
	if len(out) > bsonx.MaxDocSize {
		return errcode.New(errcode.Code(17419), "Resulting document after update is larger than %d", bsonx.MaxDocSize)
	}
	was, is := bsonx.Lookup(doc, "_id"), bsonx.Lookup(out, "_id")
	if was.Type != bsonx.Missing && bsonx.Compare(was, is) != 0 {
		if u.root != nil {
			return errcode.New(errcode.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
		}
		return errcode.New(errcode.ImmutableField, "After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", is)
	}
	if in.IsInsert {
		switch is.Type {
		case bsonx.Array, bsonx.Regex, bsonx.Undefined:
			return errcode.New(errcode.InvalidIdField, "The '_id' value cannot be of type %s", bsonx.TypeName(is.Type))
		}
	}
	if err := checkNames(out, doc, u.pipeline != nil || in.IsInsert); err != nil {
		return err
	}
	return checkDepth(out)
}

// checkNames refuses names with "$" at the top level, unless that is allowed,
// and within _id (MongoDB manual, "Field Names with Periods and Dollar Signs").
// What the old document had already is left alone.
func checkNames(out, old bsonx.Doc, topLevel bool) error {
	for it := bsonx.NewIter(out); it.Next(); {
		name := it.Key()
		if len(name) > 0 && name[0] == '$' && !topLevel && bsonx.Lookup(old, string(name)).Type == bsonx.Missing {
			return errcode.New(errcode.DollarPrefixedFieldName,
				"The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.", name, name)
		}
		if v := it.Value(); string(name) == "_id" && v.Type == bsonx.Object && !isReference(v.Data) {
			for sub := bsonx.NewIter(v.Data); sub.Next(); {
				if k := sub.Key(); len(k) > 0 && k[0] == '$' {
					return errcode.New(errcode.DollarPrefixedFieldName, "_id fields may not contain '$'-prefixed fields: %s is not valid for storage.", k)
				}
			}
		}
	}
	return nil
}

func isReference(doc []byte) bool {
	return bsonx.Lookup(doc, "$ref").Type == bsonx.String && bsonx.Lookup(doc, "$id").Type != bsonx.Missing
}

// checkDepth refuses documents that are nested more deeply than may be stored.
func checkDepth(doc bsonx.Doc) error {
	stack := append(make([]bsonx.Iter, 0, 16), bsonx.NewIter(doc))
	for len(stack) > 0 {
		it := &stack[len(stack)-1]
		if !it.Next() {
			stack = stack[:len(stack)-1]
			continue
		}
		if v := it.Value(); v.Type == bsonx.Object || v.Type == bsonx.Array {
			if len(stack) >= bsonx.MaxDepth {
				return errcode.New(errcode.Overflow, "Document exceeds maximum nested object depth of %d", bsonx.MaxDepth)
			}
			stack = append(stack, bsonx.NewIter(v.Data))
		}
	}
	return nil
}

// idFirst moves _id to the front.
func idFirst(doc bsonx.Doc) bsonx.Doc {
	it := bsonx.NewIter(doc)
	if !it.Next() || string(it.Key()) == "_id" {
		return doc
	}
	id := bsonx.Lookup(doc, "_id")
	if id.Type == bsonx.Missing {
		return doc
	}
	b := bsonx.NewDoc(make([]byte, 0, len(doc)))
	b.Value("_id", id)
	for it := bsonx.NewIter(doc); it.Next(); {
		if string(it.Key()) != "_id" {
			b.Element(it.Element())
		}
	}
	return b.Done()
}
