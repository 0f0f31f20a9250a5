package regex

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// sets of the escapes that stand for a class, and their negations in upper case.
func (p *parser) escapedSet(c byte) *set {
	var s *set
	switch c | 0x20 {
	case 'd':
		s = p.unicodeOr("Nd", digitSet)
	case 's':
		s = p.unicodeOr("Xps", spaceSet)
	case 'w':
		s = p.unicodeOr("Xwd", wordSet)
	case 'h':
		s = horizSet
	case 'v':
		s = vertSet
	default:
		return nil
	}
	if c&0x20 == 0 {
		return &set{ranges: s.ranges, negate: true}
	}
	return s
}

func (p *parser) unicodeOr(name string, ascii *set) *set {
	if !p.ucp {
		return ascii
	}
	s, _ := property(name)
	return s
}

// escape reads an item that begins with a backslash.
func (p *parser) escape() (*node, bool, error) {
	if p.pos+1 >= len(p.src) {
		p.pos++
		return nil, false, p.fail("\\ at end of pattern")
	}
	if p.has(`\Q`) {
		return p.quoted()
	}
	c := p.src[p.pos+1]
	if a, ok := assertions[c]; ok {
		p.pos += 2
		return &node{op: a}, true, nil
	}
	if s := p.escapedSet(c); s != nil {
		p.pos += 2
		return &node{op: opClass, set: s}, true, nil
	}
	switch c {
	case 'E':
		p.pos += 2
		return nil, false, nil
	case 'N':
		p.pos += 2
		return &node{op: opClass, set: &set{ranges: newlineSet.ranges, negate: true}}, true, nil
	case 'p', 'P':
		s, err := p.propertyEscape()
		return &node{op: opClass, set: s}, true, err
	case 'K':
		p.pos += 2
		return &node{op: opKeep}, false, nil
	case 'C':
		p.pos += 2
		return nil, false, p.fail("using \\C is disabled in this PCRE2 library")
	case 'g', 'k':
		n, err := p.reference(c)
		return n, true, err
	}
	if c >= '1' && c <= '9' {
		if n, ok := p.numberedRef(); ok {
			return n, true, nil
		}
	}
	r, err := p.escapedRune()
	if err != nil {
		return nil, false, err
	}
	return p.literal(r), true, nil
}

var assertions = map[byte]op{
	'A': opTextStart, 'Z': opLastEnd, 'z': opTextEnd, 'b': opWordEdge, 'B': opNotWordEdge, 'G': opFrom, 'R': opNewline, 'X': opExtended,
}

// quoted reads \Q…\E, whose characters stand for themselves. The last of them
// is returned alone, because a quantifier would be about that one only.
func (p *parser) quoted() (*node, bool, error) {
	text, rest, _ := strings.Cut(p.src[p.pos+2:], `\E`)
	if text == "" {
		p.pos = len(p.src) - len(rest)
		return nil, false, nil
	}
	r, n := utf8.DecodeRuneInString(text)
	if len(text) == n {
		p.pos = len(p.src) - len(rest)
		return p.literal(r), true, nil
	}
	_, last := utf8.DecodeLastRuneInString(text)
	seq := &node{op: opConcat}
	for _, r := range text[:len(text)-last] {
		seq.subs = append(seq.subs, p.literal(r))
	}
	// Leave `\Q` and the last character to be read next.
	p.src = p.src[:p.pos] + `\Q` + text[len(text)-last:] + `\E` + rest
	return seq, false, nil
}

// numberedRef reads \1 … as a reference. One digit always is; a longer number
// only when there are so many groups, else it is an octal escape.
func (p *parser) numberedRef() (*node, bool) {
	i := p.pos + 1
	for i < len(p.src) && p.src[i] >= '0' && p.src[i] <= '9' {
		i++
	}
	n, _ := digits(p.src[p.pos+1 : i])
	if n >= 10 && n > p.total && p.src[p.pos+1] < '8' {
		return nil, false
	}
	p.backrefs = append(p.backrefs, pendingRef{at: p.pos, n: n})
	p.pos = i
	return &node{op: opBackref, n: n, fold: p.fl.fold}, true
}

// reference reads \g{…} \g1 \k<name> \k{name} \k'name'.
func (p *parser) reference(c byte) (*node, error) {
	at := p.pos
	p.pos += 2
	for _, q := range []struct{ open, end string }{{"{", "}"}, {"<", ">"}, {"'", "'"}} {
		if !p.has(q.open) {
			continue
		}
		if c == 'g' && q.open != "{" {
			p.pos++
			return p.call(q.end)
		}
		text, _, found := strings.Cut(p.src[p.pos+1:], q.end)
		if !found {
			return nil, p.fail("a numbered reference must not be zero")
		}
		if n, ok := p.relative(text); c == 'g' && ok {
			p.pos += len(text) + 2
			return p.refTo(at, n)
		}
		p.pos++
		return p.namedRef(q.end)
	}
	if c == 'k' {
		return nil, p.fail("\\k is not followed by a braced, angle-bracketed, or quoted name")
	}
	i := p.pos
	for i < len(p.src) && (p.src[i] >= '0' && p.src[i] <= '9' || i == p.pos && (p.src[i] == '-' || p.src[i] == '+')) {
		i++
	}
	n, ok := p.relative(p.src[p.pos:i])
	if !ok {
		return nil, p.fail("\\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number")
	}
	p.pos = i
	return p.refTo(at, n)
}

func (p *parser) relative(s string) (int, bool) {
	switch {
	case strings.HasPrefix(s, "-"):
		n, ok := digits(s[1:])
		return p.groups + 1 - n, ok
	case strings.HasPrefix(s, "+"):
		n, ok := digits(s[1:])
		return p.groups + n, ok
	}
	return digits(s)
}

func (p *parser) refTo(at, n int) (*node, error) {
	if n < 1 {
		return nil, p.fail("reference to non-existent subpattern")
	}
	p.backrefs = append(p.backrefs, pendingRef{at: at, n: n})
	return &node{op: opBackref, n: n, fold: p.fl.fold}, nil
}

// propertyEscape reads \p{…} \P{…} \pL.
func (p *parser) propertyEscape() (*set, error) {
	negate := p.src[p.pos+1] == 'P'
	p.pos += 2
	var name string
	switch {
	case p.peek() == '{':
		text, _, ok := strings.Cut(p.src[p.pos+1:], "}")
		if !ok {
			return nil, p.fail("malformed \\P or \\p sequence")
		}
		name = text
		p.pos += len(text) + 2
	case p.more():
		name = string(p.rune())
	default:
		return nil, p.fail("malformed \\P or \\p sequence")
	}
	s, ok := property(name)
	if !ok {
		return nil, p.fail("unknown property after \\P or \\p")
	}
	s.negate = s.negate != negate
	return s, nil
}

var controlEscapes = map[byte]rune{'a': 7, 'e': 27, 'f': 12, 'n': 10, 'r': 13, 't': 9}

// escapedRune reads an escape that stands for one character.
func (p *parser) escapedRune() (rune, error) {
	p.pos++
	c := p.peek()
	if r, ok := controlEscapes[c]; ok {
		p.pos++
		return r, nil
	}
	switch {
	case c == 'x':
		p.pos++
		return p.hexRune()
	case c == 'o':
		p.pos++
		text, _, ok := strings.Cut(p.src[p.pos:], "}")
		if !ok || !strings.HasPrefix(text, "{") {
			return 0, p.fail("missing opening brace after \\o")
		}
		p.pos += len(text) + 1
		return p.codePoint(text[1:], 8)
	case c == 'c':
		p.pos++
		if !p.more() || p.peek() < 32 || p.peek() > 126 {
			return 0, p.fail("\\c must be followed by a printable ASCII character")
		}
		x := p.peek()
		p.pos++
		return rune(strings.ToUpper(string(x))[0] ^ 64), nil
	case c >= '0' && c <= '7':
		i := p.pos
		for i < len(p.src) && i < p.pos+3 && p.src[i] >= '0' && p.src[i] <= '7' {
			i++
		}
		text := p.src[p.pos:i]
		p.pos = i
		return p.codePoint(text, 8)
	case isAlnum(c):
		return 0, p.fail("unrecognized character follows \\")
	case !p.more():
		return 0, p.fail("\\ at end of pattern")
	}
	return p.rune(), nil
}

func (p *parser) hexRune() (rune, error) {
	if p.peek() == '{' {
		text, _, ok := strings.Cut(p.src[p.pos+1:], "}")
		if !ok || text == "" {
			return 0, p.fail("digits missing after \\x or in \\x{} or \\o{} or \\N{U+}")
		}
		p.pos += len(text) + 2
		return p.codePoint(text, 16)
	}
	i := p.pos
	for i < len(p.src) && i < p.pos+2 && strings.IndexByte("0123456789abcdefABCDEF", p.src[i]) >= 0 {
		i++
	}
	text := p.src[p.pos:i]
	p.pos = i
	if text == "" {
		return 0, nil
	}
	return p.codePoint(text, 16)
}

func (p *parser) codePoint(text string, base int) (rune, error) {
	n, err := strconv.ParseUint(text, base, 32)
	if err != nil {
		return 0, p.fail("non-hex character in \\x{} (closing brace missing?)")
	}
	if n > utf8.MaxRune {
		return 0, p.fail("character code point value in \\x{} or \\o{} is too large")
	}
	if n >= 0xd800 && n <= 0xdfff {
		return 0, p.fail("disallowed Unicode code point (>= 0xd800 && <= 0xdfff)")
	}
	return rune(n), nil
}

// class reads "[…]".
func (p *parser) class() (*node, error) {
	if p.has("[[:<:]]") || p.has("[[:>:]]") {
		p.pos += len("[[:<:]]")
		return &node{op: opWordEdge}, nil
	}
	p.pos++
	s := &set{}
	s.negate = p.skip("^")
	for first := true; ; first = false {
		if !p.more() {
			return nil, p.fail("missing terminating ] for character class")
		}
		if p.peek() == ']' && !first {
			p.pos++
			break
		}
		if err := p.classItem(s); err != nil {
			return nil, err
		}
	}
	return &node{op: opClass, set: s, fold: p.fl.fold}, nil
}

// classItem adds one member of a class, or a range of them.
func (p *parser) classItem(s *set) error {
	if p.fl.extendedMore && (p.peek() == ' ' || p.peek() == '\t') {
		p.pos++
		return nil
	}
	lo, whole, err := p.classAtom(s)
	if err != nil || whole {
		if err == nil && p.has("-") && !p.has("-]") && len(p.src) > p.pos+1 && lo == notRune {
			s.add('-', '-')
			p.pos++
		}
		return err
	}
	if !p.has("-") || p.has("-]") {
		s.add(lo, lo)
		return nil
	}
	p.pos++
	if !p.more() {
		return p.fail("missing terminating ] for character class")
	}
	hi, whole, err := p.classAtom(s)
	if err != nil {
		return err
	}
	if whole {
		return p.fail("invalid range in character class")
	}
	if hi < lo {
		return p.fail("range out of order in character class")
	}
	s.add(lo, hi)
	return nil
}

const notRune = -1

// classAtom reads one character of a class; whole says that it was a set or
// nothing, which was added.
func (p *parser) classAtom(s *set) (r rune, whole bool, err error) {
	if p.has("[:") || p.has("[.") || p.has("[=") {
		if set, size, err := p.posix(); size > 0 || err != nil {
			if err != nil {
				return 0, false, err
			}
			p.pos += size
			s.addSet(set)
			return notRune, true, nil
		}
	}
	if p.peek() != '\\' {
		return p.rune(), false, nil
	}
	if p.pos+1 >= len(p.src) {
		return 0, false, p.fail("\\ at end of pattern")
	}
	c := p.src[p.pos+1]
	if set := p.escapedSet(c); set != nil {
		p.pos += 2
		s.addSet(set)
		return notRune, true, nil
	}
	switch c {
	case 'p', 'P':
		set, err := p.propertyEscape()
		if err == nil {
			s.addSet(set)
		}
		return notRune, true, err
	case 'b':
		p.pos += 2
		return 8, false, nil
	case 'E':
		p.pos += 2
		return 0, true, nil
	case 'Q':
		text, rest, _ := strings.Cut(p.src[p.pos+2:], `\E`)
		for _, r := range text {
			s.add(r, r)
		}
		p.pos = len(p.src) - len(rest)
		return 0, true, nil
	case 'B', 'R', 'X', 'N':
		return 0, false, p.fail("escape sequence is invalid in character class")
	}
	r, err = p.escapedRune()
	return r, false, err
}

// posix reads "[:name:]"; size 0 means that it is not one.
func (p *parser) posix() (*set, int, error) {
	c := p.src[p.pos+1]
	end := strings.Index(p.src[p.pos+2:], string(c)+"]")
	if end < 0 {
		return nil, 0, nil
	}
	name := p.src[p.pos+2 : p.pos+2+end]
	if strings.ContainsAny(name, "]\\[") {
		return nil, 0, nil
	}
	if c != ':' {
		return nil, 0, p.fail("POSIX collating elements are not supported")
	}
	negate := strings.HasPrefix(name, "^")
	name = strings.TrimPrefix(name, "^")
	s, ok := posixSets[name]
	if !ok {
		return nil, 0, p.fail("unknown POSIX class name")
	}
	if prop, ok := posixProperties[name]; ok && p.ucp {
		s, _ = property(prop)
	}
	return &set{ranges: s.ranges, negate: negate}, end + 4, nil
}
