package index

import (
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
)

// TextOptions are the options of a text index.
type TextOptions struct {
	Weights         []Weight // sorted by path; "$**" stands for every string
	DefaultLanguage string
	LanguageField   string
	Version         int
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
	return t
}

// textKey turns the key pattern of a text index into the stored one: the text
// fields become _fts and _ftsx, their names go to the weights. For another
// index it returns the key as it is and no options.
func textKey(key, spec bsonx.Doc) (bsonx.Doc, *TextOptions, error) {
	text, after, stored := 0, false, false
	for it := bsonx.NewIter(key); it.Next(); {
		v := it.Value()
		isText := v.Type == bsonx.String && string(bsonx.Str(v)) == "text"
		switch {
		case isText && after:
			return nil, nil, cannot("'text' fields in index must all be adjacent")
		case isText:
			text++
			stored = stored || string(it.Key()) == "_fts"
		case text > 0:
			after = true
		}
	}
	if text == 0 {
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
	if w.Type == bsonx.Object {
		for it := bsonx.NewIter(w.Data); it.Next(); {
			if v := it.Value(); !bsonx.IsNumber(v) {
				return nil, nil, cannot("weight for '%s' must be a number", string(it.Key()))
			} else if n := numberInt(v); n < 1 || n > 1000000 {
				return nil, nil, cannot("text index weight must be in the range (0, 1000000), but the weight of '%s' is %d", string(it.Key()), n)
			}
		}
	}
	if !SupportedLanguage(t.DefaultLanguage) {
		return nil, nil, cannot("default_language: unsupported language: \"%s\"", t.DefaultLanguage)
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

// expandText: see tokenize.go, once there: no terms yet.
func (s *Spec) expandText(keys []Key, from, field int, doc bsonx.Doc) ([]Key, error) {
	return keys[:from], nil
}

// SupportedLanguage reports whether a text index can have this language.
func SupportedLanguage(name string) bool { return languages[name] }

var languages = map[string]bool{"none": true, "danish": true, "da": true, "dutch": true, "nl": true,
	"english": true, "en": true, "finnish": true, "fi": true, "french": true, "fr": true, "german": true, "de": true,
	"hungarian": true, "hu": true, "italian": true, "it": true, "norwegian": true, "nb": true, "portuguese": true, "pt": true,
	"romanian": true, "ro": true, "russian": true, "ru": true, "spanish": true, "es": true, "swedish": true, "sv": true,
	"turkish": true, "tr": true}
