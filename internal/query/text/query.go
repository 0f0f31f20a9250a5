package text

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
)

// Query is a compiled $text. It is immutable and safe for concurrent use.
type Query struct {
	// Terms are those to look up in the index, sorted: a document that matches
	// has one of them. Empty: nothing matches.
	Terms []string

	lang            *Language
	mode            mode
	positive        map[string]struct{} // in the mode of the query
	negative        map[string]struct{}
	phrases, unless []string // that have to stand in some string, or in none
}

// Parse compiles a $search: words, "phrases", and either with a - before it.
func Parse(search string, l *Language, caseSensitive, diacriticSensitive bool) *Query {
	q := &Query{lang: l, mode: mode{caseSensitive, diacriticSensitive},
		positive: map[string]struct{}{}, negative: map[string]struct{}{}}
	p := parser{s: search}
	p.run(q)
	l.terms(strings.Join(p.with, " "), mode{}, func(t string) { q.Terms = append(q.Terms, t) })
	slices.Sort(q.Terms)
	q.Terms = slices.Compact(q.Terms)
	l.terms(strings.Join(p.with, " "), q.mode, func(t string) { q.positive[t] = struct{}{} })
	l.terms(strings.Join(p.without, " "), q.mode, func(t string) { q.negative[t] = struct{}{} })
	return q
}

// parser splits a search string.
type parser struct {
	s             string
	with, without []string // words
}

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// run follows the string: a - after white space negates what follows it without
// white space, up to the next white space or the end of its phrase.
func (p *parser) run(q *Query) {
	negated, phrase, start := false, false, 0
	before := true // white space, or the beginning
	for i := 0; i < len(p.s); {
		c := p.s[i]
		switch {
		case space(c):
			before = true
			i++
			continue
		case c == '-':
			if !phrase && before {
				negated = true
			}
			i++
		case c == '"' && phrase:
			text := p.s[start:i]
			if negated {
				q.unless = append(q.unless, q.lang.fold(text, q.mode))
			} else {
				q.phrases = append(q.phrases, q.lang.fold(text, q.mode))
			}
			negated, phrase = false, false
			i++
		case c == '"':
			if before {
				negated = false
			}
			phrase, start = true, i+1
			i++
		default:
			end := i
			for end < len(p.s) && p.s[end] != '-' && p.s[end] != '"' && !space(p.s[end]) {
				end++
			}
			if !phrase && before {
				negated = false
			}
			switch {
			case phrase && negated:
			case negated:
				p.without = append(p.without, p.s[i:end])
			default:
				p.with = append(p.with, p.s[i:end])
			}
			i = end
		}
		before = false
	}
}

// Parts are what a query was taken apart into, for explain.
type Parts struct{ Terms, Negated, Phrases, NegatedPhrases []string }

// Parts returns what the query was taken apart into, each part sorted.
func (q *Query) Parts() Parts {
	return Parts{slices.Sorted(maps.Keys(q.positive)), slices.Sorted(maps.Keys(q.negative)), q.phrases, q.unless}
}

// Exact reports whether a document with one of the terms matches for sure.
func (q *Query) Exact() bool {
	return q.mode == mode{} && len(q.negative) == 0 && len(q.phrases) == 0 && len(q.unless) == 0
}

// Matches decides about a document that has one of the terms.
func (q *Query) Matches(f *Fields, doc bsonx.Doc) (bool, error) {
	if q.Exact() {
		return true, nil
	}
	has := q.mode == mode{}
	bad := false
	found := make([]bool, len(q.phrases))
	err := f.walk(doc, func(l *Language, s string, _ float64) bool {
		if !has || len(q.negative) > 0 {
			l.terms(s, q.mode, func(t string) {
				_, ok := q.positive[t]
				has = has || ok
				_, ok = q.negative[t]
				bad = bad || ok
			})
		}
		if len(q.phrases) > 0 || len(q.unless) > 0 {
			folded := l.fold(s, q.mode)
			for i, p := range q.phrases {
				found[i] = found[i] || strings.Contains(folded, p)
			}
			for _, p := range q.unless {
				bad = bad || strings.Contains(folded, p)
			}
		}
		return !bad
	})
	return err == nil && has && !bad && !slices.Contains(found, false), err
}

// The longest term that an index holds as it is, and how much of a longer one it
// holds before the digest that stands for the rest, in bytes.
const (
	maxKey    = 256
	keyPrefix = 224
)

// Key returns a term as it stands in the index.
func Key(term string) string {
	if len(term) <= maxKey {
		return term
	}
	sum := md5.Sum([]byte(term))
	return strings.ToValidUTF8(term[:keyPrefix], "") + hex.EncodeToString(sum[:])
}
