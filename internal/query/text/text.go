// Package text splits strings into the terms of a text index, scores documents
// and decides about $text, by the rules of MongoDB's text indexes of version 3
// (MongoDB manual, "Text Indexes on Self-Managed Deployments").
//
// A term is a word in lower case, stemmed, without diacritics; stop words give
// none. What a document has are its terms with a score each: the more often a
// word stands in a string, and the shorter the string, the higher.
//
// The lists of stop words are those of the Snowball project (BSD licence).
package text

import (
	"embed"
	"strings"
	"sync"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

//go:embed stopwords
var stopwords embed.FS

// Language is how words of a language become terms. It is immutable.
type Language struct {
	Name string
	stem func(*snowballstem.Env) bool // nil: words stay as they are
	stop func() map[string]struct{}
	// apostrophes stand within words.
	apostrophe bool
	// turkic: the lower case of I has no dot.
	turkic bool
}

// LanguageOf returns the language of that name or two-letter code, in any case
// of letters; nil if a text index cannot have it.
func LanguageOf(name string) *Language { return languages[strings.ToLower(name)] }

var languages = table()

func table() map[string]*Language {
	out := map[string]*Language{"none": {Name: "none", stop: func() map[string]struct{} { return nil }}}
	for _, l := range []struct {
		name, code string
		stem       func(*snowballstem.Env) bool
	}{
		{"danish", "da", danish.Stem},
		{"dutch", "nl", dutch.Stem},
		{"english", "en", english.Stem},
		{"finnish", "fi", finnish.Stem},
		{"french", "fr", french.Stem},
		{"german", "de", german.Stem},
		{"hungarian", "hu", hungarian.Stem},
		{"italian", "it", italian.Stem},
		{"norwegian", "nb", norwegian.Stem},
		{"portuguese", "pt", portuguese.Stem},
		{"romanian", "ro", romanian.Stem},
		{"russian", "ru", russian.Stem},
		{"spanish", "es", spanish.Stem},
		{"swedish", "sv", swedish.Stem},
		{"turkish", "tr", turkish.Stem},
	} {
		lang := &Language{Name: l.name, stem: l.stem, apostrophe: l.code == "en", turkic: l.code == "tr",
			stop: sync.OnceValue(func() map[string]struct{} { return load(l.name) })}
		out[l.name], out[l.code] = lang, lang
	}
	return out
}

// load reads the stop words of a language, one a line.
func load(name string) map[string]struct{} {
	out := map[string]struct{}{}
	data, err := stopwords.ReadFile("stopwords/" + name + ".txt")
	if err != nil {
		return out
	}
	for word := range strings.FieldsSeq(string(data)) {
		out[word] = struct{}{}
	}
	return out
}
