package match

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/geo"
	re "github.com/argon-db/argon/internal/regex"
)

// Node is a part of a filter's tree: one of the types of this package.
type Node interface {
	// match matches a document; d, if not nil, records array positions.
	match(env *expr.Env, doc []byte, d *details) (bool, error)
	// matchValue matches one value, without going through arrays: the leaf's
	// own test, or a combination of such.
	matchValue(env *expr.Env, v bsonx.Value) (bool, error)
}

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Lt
	Lte
	Gt
	Gte
)

// String returns the operator: "$eq", …
func (o Op) String() string { return opNames[o] }

var opNames = [...]string{Eq: "$eq", Lt: "$lt", Lte: "$lte", Gt: "$gt", Gte: "$gte"}

// Combinations. Pointers to them, as to all other types below, are nodes.
type (
	// And matches when all of its parts do. It has at least two.
	And struct{ Nodes []Node }
	// Or matches when one of its parts does. It has at least two.
	Or struct{ Nodes []Node }
	// Nor matches when none of its parts does.
	Nor struct{ Nodes []Node }
	// Not matches when its part does not. {$ne: x} is Not(Eq), {$nin: …} is
	// Not(In), {$exists: false} is Not(Exists).
	Not struct{ Node Node }
	// True matches everything, False nothing.
	True struct{}
	// False matches nothing.
	False struct{}
)

// Conditions on a path.
type (
	// Compare is $eq, $lt, $lte, $gt or $gte. Values of other classes of types
	// do not match.
	Compare struct {
		Path  Path
		Op    Op
		Value bsonx.Value
		coll  bsonx.Collator
	}
	// In matches one of Values, which are sorted and distinct, or one of
	// Regexes. {$in: [x]} becomes Compare.
	In struct {
		Path    Path
		Values  []bsonx.Value
		Regexes []*Regex
		coll    bsonx.Collator
		hasNull bool
	}
	// Exists matches when the path is there.
	Exists struct{ Path Path }
	// Type matches by type ($type).
	Type struct {
		Path  Path
		Types []bsonx.Type // sorted as given; "number" is its four types
		set   [256]bool
	}
	// Mod matches numbers whose whole part leaves a remainder.
	Mod struct {
		Path      Path
		Div, Rest int64
	}
	// Size matches arrays of a length.
	Size struct {
		Path Path
		Len  int64
	}
	// ElemMatchObject matches arrays of which one element, a document or an
	// array, matches Node.
	ElemMatchObject struct {
		Path Path
		Node Node
	}
	// ElemMatchValue matches arrays of which one element meets all Nodes, whose
	// own paths are empty.
	ElemMatchValue struct {
		Path  Path
		Nodes []Node
	}
	// Regex matches strings by a regular expression.
	Regex struct {
		Path    Path
		Pattern string
		Flags   string
		re      *re.Regexp
	}
	// Bits is $bitsAllSet and its kin.
	Bits struct {
		Path Path
		All  bool // all of the mask's bits, not any
		Set  bool // are set, not clear
		mask bitMask
	}
	// Geo is a condition on geometry. Near sorts, too.
	Geo struct {
		Path Path
		Op   string // "$geoWithin", "$geoIntersects", "$near", "$nearSphere"
		Arg  bsonx.Value
		Near *geo.Near // of $near and $nearSphere; measures and limits the distance
		test geoTest
	}
)

// Conditions on the whole document.
type (
	// Expr matches when an aggregation expression is true.
	Expr struct {
		Expr  expr.Expr
		Spec  bsonx.Value
		bytes Node // another condition, under a collation: see inByBytes
	}
	// Text is $text. It matches what the text index returned: in itself,
	// everything.
	Text struct {
		Search             string
		Language           string // empty: the index's default
		CaseSensitive      bool
		DiacriticSensitive bool
	}
	// Where is JavaScript that says whether the document matches.
	Where struct {
		Code string
	}
	// Sample matches at random ($sampleRate).
	Sample struct{ Rate float64 }
	// Schema is $jsonSchema.
	Schema struct {
		Spec   bsonx.Doc
		schema *schema
	}
)
