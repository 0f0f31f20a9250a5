// Package index compiles index specifications and produces a document's index
// keys. It is pure: it reads no store. The planner reads a compiled Spec to
// decide what an index can answer; the writer calls Keys for the entries that a
// document has. The rules are those of MongoDB's manual, "Indexes".
package index

import (
	"bytes"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/collate"
)

// Kind is what an index does with a field.
type Kind uint8

// The kinds of index fields.
const (
	Ordered Kind = iota // 1 or -1
	Hashed
	Text
	Geo2d
	Geo2dsphere
	Wildcard // "$**" or "path.$**"
)

// Field is one field of a key pattern.
type Field struct {
	Path  string
	Parts []string
	Kind  Kind
	Desc  bool
}

// Spec is a compiled index specification, immutable and safe for concurrent use.
type Spec struct {
	Name       string
	Raw        bsonx.Doc // as listIndexes shows it
	KeyPattern bsonx.Doc
	Fields     []Field
	Unique     bool
	// PrepareUnique refuses new duplicates, while old ones may be there.
	PrepareUnique bool
	Sparse        bool
	Hidden        bool
	Clustered     bool
	IsID          bool // the index on _id that every collection has
	// Partial is the partialFilterExpression, or nil. Keys does not look at it:
	// who writes entries matches the document first.
	Partial bsonx.Doc
	// Collation is the collation as stored, nil for the simple one; Collator
	// makes its sort keys.
	Collation bsonx.Doc
	Collator  bsonx.Collator
	// ExpireAfter is the TTL in seconds; negative when there is none.
	ExpireAfter int64
	// TextOpts is set for a text index, GeoOpts for a geospatial one.
	TextOpts *TextOptions
	GeoOpts  *GeoOptions
	// Wildcard projection: the paths that are in, or out when WildcardExclude.
	WildcardPaths   []string
	WildcardExclude bool
	WildcardID      bool // _id is covered by the wildcard

	wildcardAt int // position in Fields, -1 for none
	textAt     int // position of _fts in Fields, -1 for none

	reads []string // see SameFields; nil when any field may matter
}

// Compile compiles a specification as Normalize returned it.
func Compile(spec bsonx.Doc) (*Spec, error) {
	s := &Spec{Raw: spec, ExpireAfter: -1, wildcardAt: -1, textAt: -1}
	for it := bsonx.NewIter(spec); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "name":
			s.Name = string(bsonx.Str(v))
		case "key":
			s.KeyPattern = bsonx.Doc(v.Data)
		case "unique":
			s.Unique = bsonx.Truthy(v)
		case "prepareUnique":
			s.PrepareUnique = bsonx.Truthy(v)
		case "sparse":
			s.Sparse = bsonx.Truthy(v)
		case "hidden":
			s.Hidden = bsonx.Truthy(v)
		case "clustered":
			s.Clustered = bsonx.Truthy(v)
		case "partialFilterExpression":
			s.Partial = bsonx.Doc(v.Data)
		case "expireAfterSeconds":
			s.ExpireAfter = numberInt(v)
		case "collation":
			c, err := collate.Parse(bsonx.Doc(v.Data))
			if err != nil {
				return nil, err
			}
			if !c.Simple() {
				s.Collation, s.Collator = c.Spec(), c
			}
		}
	}
	if err := s.compileKey(); err != nil {
		return nil, err
	}
	if s.textAt >= 0 {
		s.TextOpts = compileText(spec)
	}
	for _, f := range s.Fields {
		if f.Kind == Geo2d || f.Kind == Geo2dsphere {
			s.GeoOpts = compileGeo(spec)
		}
	}
	if s.wildcardAt >= 0 {
		s.compileWildcard(bsonx.Lookup(spec, "wildcardProjection"))
	}
	s.reads = s.topFields()
	return s, nil
}

// SameFields reports whether all that the index reads of a document, for its keys
// or its partial filter, is the same in both, so that the keys are. It looks at
// whole top-level fields: false may be a false alarm.
func (s *Spec) SameFields(a, b bsonx.Doc) bool {
	if s.reads == nil {
		return false
	}
	for _, name := range s.reads {
		x, y := bsonx.Lookup(a, name), bsonx.Lookup(b, name)
		if x.Type != y.Type || !bytes.Equal(x.Data, y.Data) {
			return false
		}
	}
	return true
}

func (s *Spec) topFields() []string {
	var paths []string
	for _, f := range s.Fields {
		switch {
		case f.Kind == Text:
			for _, w := range s.TextOpts.Weights {
				if isWildcard(w.Path) {
					return nil
				}
				paths = append(paths, w.Path)
			}
			paths = append(paths, s.TextOpts.LanguageField)
		case len(f.Parts) == 0: // every field
			return nil
		default:
			paths = append(paths, f.Parts[0])
		}
	}
	for it := bsonx.NewIter(s.Partial); s.Partial != nil && it.Next(); {
		if strings.HasPrefix(string(it.Key()), "$") { // a tree of conditions
			return nil
		}
		paths = append(paths, string(it.Key()))
	}
	for i, p := range paths {
		paths[i], _, _ = strings.Cut(p, ".")
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (s *Spec) compileKey() error {
	if err := checkKeyPattern(s.KeyPattern); err != nil {
		return err
	}
	for it := bsonx.NewIter(s.KeyPattern); it.Next(); {
		f := Field{Path: string(it.Key())}
		v := it.Value()
		if bsonx.IsNumber(v) {
			f.Desc = negative(v)
		} else {
			f.Kind = kinds[string(bsonx.Str(v))]
		}
		switch {
		case f.Kind == Ordered && isWildcard(f.Path):
			f.Kind = Wildcard
			s.wildcardAt = len(s.Fields)
			f.Parts = wildcardBase(f.Path)
		case f.Kind == Text:
			s.textAt = len(s.Fields)
			f.Parts = []string{f.Path}
		default:
			f.Parts = strings.Split(f.Path, ".")
		}
		if f.Kind == Geo2dsphere {
			s.Sparse = s.Sparse || len(s.Fields) == 0
		}
		s.Fields = append(s.Fields, f)
	}
	s.IsID = len(s.Fields) == 1 && s.Fields[0].Path == "_id" && s.Fields[0].Kind == Ordered && !s.Fields[0].Desc
	return nil
}

// kinds are the values of a key pattern that are not numbers.
var kinds = map[string]Kind{"hashed": Hashed, "text": Text, "2d": Geo2d, "2dsphere": Geo2dsphere}

// Ordered reports whether every field is ascending or descending, so that the
// index's order is the order of the fields' values.
func (s *Spec) Ordered() bool {
	for _, f := range s.Fields {
		if f.Kind != Ordered {
			return false
		}
	}
	return true
}

// Descending reports whether value i of a key is in descending order. A wildcard
// field has two values, its path and the value there.
func (s *Spec) Descending(i int) bool {
	if s.wildcardAt >= 0 && i > s.wildcardAt {
		i--
		if i == s.wildcardAt {
			return s.Fields[i].Desc
		}
	} else if i == s.wildcardAt {
		return false
	}
	return s.Fields[i].Desc
}

// WildcardAt returns the position of the wildcard field, or -1.
func (s *Spec) WildcardAt() int { return s.wildcardAt }

// TextAt returns the position of the text field (_fts), or -1.
func (s *Spec) TextAt() int { return s.textAt }

func isWildcard(path string) bool { return path == "$**" || strings.HasSuffix(path, ".$**") }

// wildcardBase returns the components before "$**".
func wildcardBase(path string) []string {
	if path == "$**" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(path, ".$**"), ".")
}

func (s *Spec) compileWildcard(proj bsonx.Value) {
	s.WildcardExclude = true // no projection: everything but _id
	if proj.Type != bsonx.Object {
		return
	}
	first := true
	flattenProjection(proj.Data, "", func(path string, include bool) {
		if path == "_id" {
			s.WildcardID = include
			return
		}
		if first {
			s.WildcardExclude = !include
			first = false
		}
		s.WildcardPaths = append(s.WildcardPaths, path)
	})
	if first && s.WildcardID { // only {_id: 1}: an inclusion of nothing else
		s.WildcardExclude = false
	}
}

// flattenProjection calls fn for every leaf of a projection, nested or dotted.
// A stored projection is at most MaxDepth deep.
func flattenProjection(doc []byte, prefix string, fn func(path string, include bool)) {
	for it := bsonx.NewIter(doc); it.Next(); {
		path := prefix + string(it.Key())
		if v := it.Value(); v.Type == bsonx.Object {
			flattenProjection(v.Data, path+".", fn)
		} else {
			fn(path, bsonx.Truthy(v))
		}
	}
}

// WildcardCovers reports whether the wildcard field indexes path.
func (s *Spec) WildcardCovers(path string) bool {
	if s.wildcardAt < 0 {
		return false
	}
	base := strings.Join(s.Fields[s.wildcardAt].Parts, ".")
	if base != "" {
		return path == base || strings.HasPrefix(path, base+".")
	}
	if path == "_id" || strings.HasPrefix(path, "_id.") {
		return s.WildcardID
	}
	for _, p := range s.WildcardPaths {
		if path == p || strings.HasPrefix(path, p+".") {
			return !s.WildcardExclude
		}
	}
	return s.WildcardExclude
}

func negative(v bsonx.Value) bool {
	return bsonx.Compare(v, bsonx.Int32Value(0)) < 0
}

// numberInt truncates a number to int64; 0 for what is none.
func numberInt(v bsonx.Value) int64 {
	if n, ok := bsonx.IntegralOK(v); ok {
		return n
	}
	if v.Type == bsonx.Double {
		f := bsonx.F64(v)
		switch {
		case f != f:
			return 0
		case f >= 9.2e18:
			return 1<<63 - 1
		case f <= -9.2e18:
			return -1 << 63
		}
		return int64(f)
	}
	return 0
}
