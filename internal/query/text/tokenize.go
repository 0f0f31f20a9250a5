package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"golang.org/x/text/unicode/norm"
)

// mode is what terms keep of their words.
type mode struct{ letterCase, diacritics bool }

// delimiter reports whether a character stands between words: white space,
// dashes, quotation marks, terminal punctuation and what Unicode calls pattern
// syntax.
func (l *Language) delimiter(r rune) bool {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return false
		case r == '\'':
			return !l.apostrophe
		}
	}
	return unicode.In(r, unicode.White_Space, unicode.Dash, unicode.Hyphen, unicode.Quotation_Mark,
		unicode.Terminal_Punctuation, unicode.Pattern_Syntax)
}

// terms calls fn for each term of a string, in order, stop words left out.
func (l *Language) terms(s string, m mode, fn func(term string)) {
	stop := l.stop()
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return !l.delimiter(r) })
		if n < 0 {
			return
		}
		s = s[n:]
		if n = strings.IndexFunc(s, l.delimiter); n < 0 {
			n = len(s)
		}
		word := l.lower(s[:n])
		if _, ok := stop[word]; !ok {
			if m.letterCase {
				word = s[:n]
			}
			fn(l.term(word, m))
		}
		s = s[n:]
	}
}

// maxStem is the length in bytes above which a word is not stemmed: stemmers are
// quadratic, and no word is so long.
const maxStem = 1024

func (l *Language) term(word string, m mode) string {
	if l.stem != nil && len(word) <= maxStem {
		env := snowballstem.NewEnv(word)
		l.stem(env)
		word = env.Current()
	}
	if m.diacritics {
		return word
	}
	return stripDiacritics(word)
}

// lower folds the case of letters.
func (l *Language) lower(s string) string {
	if !l.turkic {
		return strings.ToLower(s)
	}
	return strings.ToLowerSpecial(unicode.TurkishCase, s)
}

// stripDiacritics leaves out what is added to base letters.
func stripDiacritics(s string) string {
	ascii := true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	var sb strings.Builder
	for _, r := range norm.NFD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			sb.WriteRune(r)
		}
	}
	return sb.String()
}

// fold brings a string to the form in which phrases are looked for.
func (l *Language) fold(s string, m mode) string {
	if !m.letterCase {
		s = l.lower(s)
	}
	if !m.diacritics {
		s = stripDiacritics(s)
	}
	return s
}
