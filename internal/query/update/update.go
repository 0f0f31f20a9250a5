// Package update compiles and applies updates: operators with their modifiers,
// replacement documents and pipelines (MongoDB manual, "Update Operators" and
// "Updates with Aggregation Pipeline"). A document is rebuilt once.
package update

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
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
type Update struct{}

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
}

// Compile compiles u: a document of operators, a replacement, or a pipeline (an
// array).
func Compile(u bsonx.Value, o Options) (*Update, error) {
	return nil, errcode.New(errcode.NotImplemented, "updates are not there yet")
}

// IsReplacement reports whether the update is a whole document.
func (u *Update) IsReplacement() bool { return false }

// IsPipeline reports whether the update is a pipeline.
func (u *Update) IsPipeline() bool { return false }

// NeedsPosition reports whether Apply needs Input.Pos: a path has a "$".
func (u *Update) NeedsPosition() bool { return false }

// Apply updates doc. For an upsert doc is what UpsertDoc returned, or {} for a
// replacement with nothing but _id.
func (u *Update) Apply(env *expr.Env, doc bsonx.Doc, in Input) (Result, error) {
	return Result{Doc: doc}, nil
}

// UpsertDoc returns the document that an upsert starts from: the fields that
// the filter says are equal to something.
func UpsertDoc(f *match.Filter) (bsonx.Doc, error) { return bsonx.EmptyDoc, nil }
