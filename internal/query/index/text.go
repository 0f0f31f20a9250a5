package index

import (
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/text"
)

// TextOptions are the options of a text index.
type TextOptions struct {
	Weights         []Weight // sorted by path; "$**" stands for every string
	DefaultLanguage string
	LanguageField   string
	Version         int
	Fields          *text.Fields // the same, compiled
}

// Weight is the weight of a path in a text index.
type Weight struct {
	Path   string
	Weight float64
}

func compileText(spec bsonx.Doc) *TextOptions {
	t := &TextOptions{DefaultLanguage: "english", LanguageField: "language", Version: 3}
	if v := bsonx.Lookup(spec, "default_language"); v.Type == bsonx.String {
		t.DefaultLanguage = string(bsonx.Str(v))
	}
	if v := bsonx.Lookup(spec, "language_override"); v.Type == bsonx.String {
		t.LanguageField = string(bsonx.Str(v))
	}
	if v := bsonx.Lookup(spec, "textIndexVersion"); bsonx.IsNumber(v) {
		t.Version = int(numberInt(v))
	}
	if v := bsonx.Lookup(spec, "weights"); v.Type == bsonx.Object {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			t.Weights = append(t.Weights, Weight{string(it.Key()), float64(numberInt(it.Value()))})
		}
	}
	sort.Slice(t.Weights, func(i, j int) bool { return t.Weights[i].Path < t.Weights[j].Path })
	t.Fields = t.fields()
	return t
}

// textKey turns the key pattern of a text index into the stored one: the text
// fields become _fts and _ftsx, their names go to the weights. For another
// index it returns the key as it is and no options.
func textKey(key, spec bsonx.Doc) (bsonx.Doc, *TextOptions, error) {
	fields, after, stored := 0, false, false
	for it := bsonx.NewIter(key); it.Next(); {
		v := it.Value()
		isText := v.Type == bsonx.String && string(bsonx.Str(v)) == "text"
		switch {
		case isText && after:
			return nil, nil, cannot("'text' fields in index must all be adjacent")
		case isText:
			fields++
			stored = stored || string(it.Key()) == "_fts"
		case fields > 0:
			after = true
		}
	}
	if fields == 0 {
		return key, nil, nil
	}
	if c := bsonx.Lookup(spec, "collation"); c.Type == bsonx.Object {
		if l := bsonx.Lookup(c.Data, "locale"); l.Type == bsonx.String && string(bsonx.Str(l)) != "simple" {
			return nil, nil, cannot("Index type 'text' does not support collation: give collation {locale: \"simple\"}")
		}
	}
	if v := bsonx.Lookup(spec, "textIndexVersion"); !bsonx.IsMissing(v) {
		if n, ok := bsonx.IntegralOK(v); !ok || n < 1 || n > 3 {
			return nil, nil, cannot("bad textIndexVersion: %d, only versions 1, 2 and 3 are supported", numberInt(v))
		}
	}
	w := bsonx.Lookup(spec, "weights")
	if w.Type == bsonx.Array || w.Type == bsonx.String && string(bsonx.Str(w)) != "$**" {
		return nil, nil, cannot("'weights' must be an object")
	}
	t := compileText(spec)
	if err := checkWeights(w); err != nil {
		return nil, nil, err
	}
	if !SupportedLanguage(t.DefaultLanguage) {
		return nil, nil, cannot("default_language: unsupported language: \"%s\"", t.DefaultLanguage)
	}
	if l := t.LanguageField; l == "" || l[0] == '$' || strings.Contains(l, ".") {
		return nil, nil, cannot("language_override '%s' must be the name of a field: not empty, without '$' at its beginning and without dots", l)
	}
	if stored {
		return key, t, nil
	}
	b := bsonx.NewDoc(nil)
	done := false
	for it := bsonx.NewIter(key); it.Next(); {
		v := it.Value()
		if v.Type != bsonx.String || string(bsonx.Str(v)) != "text" {
			b.Element(it.Element())
			continue
		}
		t.add(string(it.Key()))
		if !done {
			b.String("_fts", "text")
			b.Int32("_ftsx", 1)
			done = true
		}
	}
	return b.Done(), t, nil
}

// maxWeight bounds a text index's weights: 1 to 99,999 (MongoDB manual, "Assign
// Weights to Text Search Results").
const maxWeight = 100_000

func checkWeights(w bsonx.Value) error {
	if w.Type != bsonx.Object {
		return nil
	}
	for it := bsonx.NewIter(w.Data); it.Next(); {
		path, v := string(it.Key()), it.Value()
		if !bsonx.IsNumber(v) {
			return cannot("weight for '%s' must be a number", path)
		}
		if n := numberInt(v); n < 1 || n >= maxWeight {
			return cannot("text index weight must be in the exclusive interval (0,%d), but the weight of '%s' is %d", maxWeight, path, n)
		}
		if err := checkWeightPath(path); err != nil {
			return err
		}
	}
	return nil
}

func checkWeightPath(path string) error {
	if path == "$**" {
		return nil
	}
	for _, part := range strings.Split(path, ".") {
		switch {
		case part == "":
			return cannot("the weight of '%s' cannot have an empty path component", path)
		case part[0] == '$':
			return cannot("the weight of '%s' cannot have a path component that begins with '$'", path)
		}
	}
	return nil
}

func (t *TextOptions) add(path string) {
	for _, w := range t.Weights {
		if w.Path == path {
			return
		}
	}
	t.Weights = append(t.Weights, Weight{path, 1})
	sort.Slice(t.Weights, func(i, j int) bool { return t.Weights[i].Path < t.Weights[j].Path })
}

func (t *TextOptions) appendTo(b *bsonx.Builder) {
	at := b.OpenDoc("weights")
	for _, w := range t.Weights {
		b.Int32(w.Path, int32(w.Weight))
	}
	b.Close(at)
	b.String("default_language", t.DefaultLanguage)
	b.String("language_override", t.LanguageField)
	b.Int32("textIndexVersion", int32(t.Version))
}

// fields is what the text package needs to know of an index.
func (t *TextOptions) fields() *text.Fields {
	f := &text.Fields{Default: text.LanguageOf(t.DefaultLanguage), Override: t.LanguageField}
	if f.Default == nil {
		f.Default = text.LanguageOf("none")
	}
	for _, w := range t.Weights {
		if w.Path == "$**" {
			f.Wildcard = true
		} else {
			f.Weights = append(f.Weights, text.Weight{Path: w.Path, Weight: w.Weight})
		}
	}
	return f
}

// expandText makes a key of each term: the term stands for _fts and its score
// for _ftsx, which follows it. A document without terms has no key.
func (s *Spec) expandText(keys []Key, from, field int, doc bsonx.Doc) ([]Key, error) {
	if len(keys) == from {
		return keys, nil
	}
	scores, err := s.TextOpts.Fields.Terms(doc)
	if err != nil {
		return nil, err
	}
	base := keys[from]
	keys = keys[:from]
	terms := make([]string, 0, len(scores))
	for t := range scores {
		terms = append(terms, t)
	}
	sort.Strings(terms)
	for _, t := range terms {
		vals := append([]bsonx.Value(nil), base.Values...)
		vals[field] = bsonx.StringValue(text.Key(t))
		vals[field+1] = bsonx.DoubleValue(scores[t])
		keys = append(keys, Key{vals, base.None &^ (3 << field)})
	}
	return keys, nil
}

// errTextArray: the other fields of a text index may not be arrays.
func (s *Spec) errTextArray(mk Multikey) error {
	for i, f := range s.Fields {
		if i < len(mk) && mk[i] != 0 {
			return errcode.New(errcode.CannotBuildIndexKeys, "Field '%s' of text index contains an array in document", f.Path)
		}
	}
	return nil
}

// SupportedLanguage reports whether a text index can have this language.
func SupportedLanguage(name string) bool { return text.LanguageOf(name) != nil }
