package collate

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/unicode/norm"
)

// keyer makes sort keys from x/text's, which have the levels 1 to 3, and adds what
// they lack: the case level, upper case first, variable characters that do not
// count, and the levels 4 and 5. It is not safe for concurrent use.
type keyer struct {
	opts options
	// upTo[i] ends with level i+1.
	upTo [3]*collate.Collator
	buf  collate.Buffer
	text []byte
	vars []byte
}

func (c *Collation) newKeyer() *keyer {
	k := &keyer{opts: c.opts}
	for i := range k.upTo {
		var o []collate.Option
		if i < 2 {
			o = append(o, collate.IgnoreCase)
		}
		if i < 1 {
			o = append(o, collate.IgnoreDiacritics)
		}
		if c.opts.numeric {
			o = append(o, collate.Numeric)
		}
		k.upTo[i] = collate.New(c.tag, o...)
	}
	return k
}

// Key returns the sort key of s.
func (c *Collation) Key(s []byte) []byte {
	if c.Simple() {
		return s
	}
	if c.opts.locale == "en_US_POSIX" && !c.opts.numeric {
		return s // the order of the characters' codes
	}
	k := c.pools.Get().(*keyer)
	key := k.key(make([]byte, 0, 4*len(s)+8), s)
	c.pools.Put(k)
	return key
}

func (k *keyer) key(dst, s []byte) []byte {
	whole := s
	if k.opts.alternate == "shifted" {
		s = k.strip(s)
	}
	if k.opts.numeric {
		s = splitDigits(s)
	}
	level := min(k.opts.strength, 3)
	cased := k.opts.caseLevel || k.opts.caseFirst != "off"
	if !cased {
		dst = k.levels(dst, s, level)
	} else {
		// The case level stands before the third one.
		dst = k.levels(dst, s, min(level, 2))
		n := len(dst)
		dst = appendCase(append(dst, 0, 0), s, k.opts.caseFirst == "upper")
		if level == 3 {
			m := len(dst)
			dst = k.levels(dst, s, 3)
			dst = append(dst[:m], dst[m+n:]...)
		}
	}
	if k.opts.strength >= 4 && k.opts.alternate == "shifted" {
		dst = append(append(dst, 0, 0), k.vars...)
	}
	if k.opts.strength >= 4 && strings.HasPrefix(k.opts.locale, "ja") {
		dst = appendKana(append(dst, 0, 0), s)
	}
	if k.opts.strength == 5 {
		dst = norm.NFD.Append(append(dst, 0, 0), whole...)
	}
	return dst
}

func (k *keyer) levels(dst, s []byte, level int) []byte {
	dst = append(dst, k.upTo[level-1].Key(&k.buf, s)...)
	k.buf.Reset()
	return dst
}

// maxDigits is the most digits that ICU reads as one number.
const maxDigits = 254

// splitDigits puts an ignorable character between numbers of maxDigits digits.
func splitDigits(s []byte) []byte {
	if len(s) <= maxDigits {
		return s
	}
	out, run := make([]byte, 0, len(s)+len(s)/maxDigits*2+2), 0
	for _, c := range s {
		switch {
		case c < '0' || c > '9':
			run = 0
		case c != '0' || run > 0: // leading zeros do not count
			if run == maxDigits {
				out, run = append(out, "\u00ad"...), 0
			}
			run++
		}
		out = append(out, c)
	}
	return out
}

// appendKana is the fourth level of Japanese: Hiragana before Katakana.
func appendKana(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		s = s[n:]
		switch {
		case unicode.Is(unicode.Hiragana, r):
			dst = append(dst, 1)
		case unicode.Is(unicode.Katakana, r):
			dst = append(dst, 2)
		}
	}
	return dst
}

// appendCase appends a byte for each letter: what has no case is as lower case.
func appendCase(dst, s []byte, upperFirst bool) []byte {
	lower, upper := byte(1), byte(2)
	if upperFirst {
		lower, upper = 2, 1
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		s = s[n:]
		switch {
		case unicode.Is(unicode.M, r):
		case unicode.IsUpper(r) || unicode.IsTitle(r):
			dst = append(dst, upper)
		default:
			dst = append(dst, lower)
		}
	}
	return dst
}

// strip leaves out the variable characters, and the marks on them. What it left
// out is the fourth level: its own keys, and 0xff for a character that stays.
func (k *keyer) strip(s []byte) []byte {
	k.text, k.vars = k.text[:0], k.vars[:0]
	after := false
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		c := s[:n]
		s = s[n:]
		switch {
		case k.variable(r):
			k.vars = k.levels(k.vars, c, 1)
			after = true
		case after && unicode.Is(unicode.M, r), unicode.Is(unicode.Cf, r), unicode.IsControl(r):
		default:
			k.text = append(k.text, c...)
			k.vars = append(k.vars, 0xff)
			after = false
		}
	}
	return k.text
}

// variable: white space that may be broken at, and punctuation unless maxVariable is "space".
func (k *keyer) variable(r rune) bool {
	switch r {
	case '\u00a0', '\u2007', '\u202f':
		return k.opts.maxVariable == "punct"
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Z, r) ||
		k.opts.maxVariable == "punct" && unicode.IsPunct(r)
}
