package text

import (
	"sort"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Fields says which strings of a document are indexed. It is immutable.
type Fields struct {
	// Weights are the paths, sorted.
	Weights []Weight
	// Wildcard: every string is indexed.
	Wildcard bool
	// Default is the language of a document that does not name one in the field
	// Override.
	Default  *Language
	Override string
}

// Weight is the factor for the scores of a path.
type Weight struct {
	Path   string
	Weight float64
}

// maxTerms is how many terms a document may have.
const maxTerms = 400000

// Terms returns the terms of a document with their scores. Errors: 17262 for a
// language that is not there, 16732 for too many terms.
func (f *Fields) Terms(doc bsonx.Doc) (map[string]float64, error) {
	out := map[string]float64{}
	err := f.walk(doc, func(l *Language, s string, weight float64) bool {
		score(out, l, s, weight)
		return len(out) <= maxTerms
	})
	if err == nil && len(out) > maxTerms {
		err = errcode.New(16732, "too many unique keys for a single document to have a text index, max = %d", maxTerms)
	}
	return out, err
}

// score adds the terms of one string. Each further occurrence of a term counts
// half of the one before; a term that is a large part of its string counts more,
// and a string that is nothing but the term a little more.
func score(out map[string]float64, l *Language, s string, weight float64) {
	type tally struct{ exp, freq, count float64 }
	seen := map[string]*tally{}
	total := 0.0
	l.terms(s, mode{}, func(term string) {
		t := seen[term]
		if t == nil {
			t = &tally{exp: 0.5}
			seen[term] = t
		}
		t.exp *= 2
		t.freq += 1 / t.exp
		t.count++
		total++
	})
	for term, t := range seen {
		adjust := 1.0
		if len(s) == len(term) && strings.EqualFold(s, term) {
			adjust += 0.1
		}
		out[term] += weight * t.freq * (0.5*t.count/total + 0.5) * adjust
	}
}

// walker goes through the strings of a document.
type walker struct {
	f    *Fields
	each func(l *Language, s string, weight float64) bool
}

// walk calls each for every string that is indexed, until it returns false.
func (f *Fields) walk(doc bsonx.Doc, each func(l *Language, s string, weight float64) bool) error {
	lang, err := f.language(doc, f.Default)
	if err != nil {
		return err
	}
	w := walker{f, each}
	_, err = w.value(doc, lang, "", false)
	return err
}

// language is what a document says about itself and those within it.
func (f *Fields) language(doc []byte, outer *Language) (*Language, error) {
	v := bsonx.Lookup(doc, f.Override)
	if v.Type != bsonx.String || len(bsonx.Str(v)) == 0 {
		return outer, nil
	}
	name := string(bsonx.Str(v))
	l := LanguageOf(name)
	if l == nil {
		return nil, errcode.New(17262, "language override unsupported: %s", name)
	}
	return l, nil
}

// value walks a document or an array at a path; documents are at most MaxDepth
// deep. The result is false when each has had enough.
func (w *walker) value(data []byte, l *Language, path string, array bool) (more bool, err error) {
	for it := bsonx.NewIter(data); it.Next(); {
		name := string(it.Key())
		if w.f.Wildcard && name == w.f.Override {
			continue
		}
		p := path
		switch {
		case path == "":
			p = name
		case !array:
			p = path + "." + name
		}
		v := it.Value()
		weight, exact, below := w.f.weight(p, v.Type == bsonx.Object)
		if !w.f.Wildcard && !exact && !below {
			continue
		}
		more = true
		switch v.Type {
		case bsonx.String:
			if exact || w.f.Wildcard {
				more = w.each(l, string(bsonx.Str(v)), weight)
			}
		case bsonx.Object:
			inner, err := w.f.language(v.Data, l)
			if err != nil {
				return false, err
			}
			if more, err = w.value(v.Data, inner, p, false); err != nil {
				return false, err
			}
		case bsonx.Array:
			if !array || w.f.Wildcard {
				more, err = w.value(v.Data, l, p, true)
			}
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// weight looks a path up: whether it is indexed itself, and whether something
// below it is. Under a wildcard, a path without a weight of its own has that of
// the next in the order of paths, as MongoDB has it, or 1.
func (f *Fields) weight(path string, object bool) (weight float64, exact, below bool) {
	key := path
	if object {
		key += "."
	}
	i := sort.Search(len(f.Weights), func(i int) bool { return f.Weights[i].Path >= key })
	if i == len(f.Weights) {
		return 1, false, false
	}
	w := f.Weights[i]
	exact = w.Path == path
	return w.Weight, exact, strings.HasPrefix(w.Path, path+".")
}
