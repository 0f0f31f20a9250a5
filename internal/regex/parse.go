package regex

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a pattern: the nesting of its groups, the bounds of a repeat and
// the characters a lookbehind looks back (PCRE2's own).
const (
	maxNesting  = 250
	maxRepeat   = 65535
	maxBehind   = 65535
	maxGroupNum = 65535
)

// flags are the options in force at a place of a pattern.
type flags struct {
	fold, multi, dotAll, extended, extendedMore, ungreedy, noCapture, dupNames bool
}

// parser reads PCRE syntax.
type parser struct {
	src      string
	pos      int
	fl       flags
	depth    int
	groups   int            // captures opened so far
	total    int            // captures of the whole pattern
	names    map[string]int // of the whole pattern
	ucp      bool
	reset    bool // there is a branch reset group
	highest  int  // the largest number of a capture
	backrefs []pendingRef
}

// pendingRef is a reference that is checked when all groups are known.
type pendingRef struct{ at, n int }

// SyntaxError says what is wrong with a pattern, and where.
type SyntaxError struct {
	Message string
	Offset  int // in bytes
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Message }

func (p *parser) fail(msg string) error { return &SyntaxError{Message: msg, Offset: p.pos} }

func (p *parser) more() bool { return p.pos < len(p.src) }

func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) has(s string) bool { return strings.HasPrefix(p.src[p.pos:], s) }

func (p *parser) skip(s string) bool {
	if p.has(s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *parser) rune() rune {
	r, n := utf8.DecodeRuneInString(p.src[p.pos:])
	p.pos += n
	return r
}

// parse reads the whole pattern.
func (p *parser) parse() (*node, error) {
	if err := p.leadingVerbs(); err != nil {
		return nil, err
	}
	p.scanGroups()
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.more() {
		return nil, p.fail("unmatched closing parenthesis")
	}
	if p.reset { // alternatives that share numbers: there are fewer than parentheses
		p.total = p.highest
	}
	for _, r := range p.backrefs {
		if r.n > p.total {
			return nil, &SyntaxError{Message: "reference to non-existent subpattern", Offset: r.at}
		}
	}
	return n, nil
}

// leadingVerbs reads (*UTF), (*UCP) and the like, which stand first.
func (p *parser) leadingVerbs() error {
	for p.has("(*") {
		end := strings.IndexByte(p.src[p.pos:], ')')
		if end < 0 {
			return nil
		}
		verb, _, _ := strings.Cut(p.src[p.pos+2:p.pos+end], "=")
		switch verb {
		case "UCP":
			p.ucp = true
		case "UTF", "UTF8", "NO_AUTO_POSSESS", "NO_START_OPT", "NO_JIT", "NO_DOTSTAR_ANCHOR", "NOTEMPTY", "NOTEMPTY_ATSTART",
			"LIMIT_MATCH", "LIMIT_DEPTH", "LIMIT_RECURSION", "LIMIT_HEAP", "CR", "LF", "CRLF", "ANYCRLF", "ANY", "NUL", "BSR_ANYCRLF", "BSR_UNICODE":
		default:
			return nil
		}
		p.pos += end + 1
	}
	return nil
}

// scanGroups counts the captures and their names ahead, because a reference may
// stand before its group and because "\10" depends on how many there are.
func (p *parser) scanGroups() {
	p.names = map[string]int{}
	inClass := false
	for i := p.pos; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '\\':
			if strings.HasPrefix(p.src[i:], `\Q`) {
				if end := strings.Index(p.src[i:], `\E`); end >= 0 {
					i += end
				} else {
					return
				}
			}
			i++
		case inClass:
			if c == ']' {
				inClass = false
			}
		case c == '[':
			inClass = true
			if strings.HasPrefix(p.src[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(p.src[i+1:], "]") {
				i++
			}
		case strings.HasPrefix(p.src[i:], "(?(") && !strings.HasPrefix(p.src[i:], "(?(?"):
			i += 2 // the parenthesis of a condition captures nothing
		case c == '(':
			p.countGroup(i)
		}
	}
}

func (p *parser) countGroup(i int) {
	rest := p.src[i+1:]
	if strings.HasPrefix(rest, "*") {
		return
	}
	if !strings.HasPrefix(rest, "?") {
		p.total++
		return
	}
	for _, open := range []struct{ prefix, end string }{{"?P<", ">"}, {"?<", ">"}, {"?'", "'"}} {
		if strings.HasPrefix(rest, open.prefix) && !strings.HasPrefix(rest, "?<=") && !strings.HasPrefix(rest, "?<!") {
			p.total++
			name, _, _ := strings.Cut(rest[len(open.prefix):], open.end)
			if _, dup := p.names[name]; !dup {
				p.names[name] = p.total
			}
			return
		}
	}
}

// alternatives reads "a|b|c" up to a closing parenthesis or the end.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail("parentheses are too deeply nested")
	}
	defer func() { p.depth-- }()
	outer := p.fl
	defer func() { p.fl = outer }()
	alt := &node{op: opAlternate}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, n)
		if !p.skip("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *parser) sequence() (*node, error) {
	seq := &node{op: opConcat}
	for p.more() && p.peek() != '|' && p.peek() != ')' {
		if p.fl.extended && p.skipBlank() {
			continue
		}
		n, repeatable, err := p.item()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.quantified(n, repeatable); err != nil {
			return nil, err
		}
		seq.subs = append(seq.subs, n)
	}
	if len(seq.subs) == 1 {
		return seq.subs[0], nil
	}
	return seq, nil
}

// skipBlank skips white space and a comment of the x option.
func (p *parser) skipBlank() bool {
	switch p.peek() {
	case ' ', '\t', '\n', '\v', '\f', '\r':
		p.pos++
		return true
	case '#':
		if end := strings.IndexByte(p.src[p.pos:], '\n'); end >= 0 {
			p.pos += end + 1
		} else {
			p.pos = len(p.src)
		}
		return true
	}
	return false
}

// quantified reads the quantifiers after n.
func (p *parser) quantified(n *node, repeatable bool) (*node, error) {
	for {
		for p.fl.extended && p.more() && p.skipBlank() {
		}
		for p.has("(?#") {
			if err := p.comment(); err != nil {
				return nil, err
			}
		}
		lo, hi, ok, err := p.quantifier()
		if err != nil || !ok {
			return n, err
		}
		if !repeatable {
			return nil, p.fail("quantifier does not follow a repeatable item")
		}
		r := &node{op: opRepeat, min: lo, max: hi, lazy: p.fl.ungreedy, subs: []*node{n}}
		switch {
		case p.skip("?"):
			r.lazy = !r.lazy
		case p.skip("+"):
			r.keep = true
		}
		if n.op == opTextStart || n.op == opLineStart || n.op == opTextEnd || n.op == opLastEnd || n.op == opLineEnd || n.op == opFrom || n.op == opLook || n.op == opWordEdge || n.op == opNotWordEdge {
			r.max = min(max(r.max, 1), 1) // an assertion holds or not: more of it changes nothing
			r.min = min(r.min, 1)
		}
		n = r
		if p.peek() == '*' || p.peek() == '+' || p.peek() == '?' {
			return nil, p.fail("quantifier does not follow a repeatable item")
		}
	}
}

// quantifier reads one of * + ? {n} {n,} {n,m}; ok is false when there is none,
// because a brace that is no quantifier stands for itself.
func (p *parser) quantifier() (lo, hi int, ok bool, err error) {
	switch {
	case p.skip("*"):
		return 0, -1, true, nil
	case p.skip("+"):
		return 1, -1, true, nil
	case p.skip("?"):
		return 0, 1, true, nil
	}
	lo, hi, size, ok := braces(p.src[p.pos:])
	if !ok {
		return 0, 0, false, nil
	}
	p.pos += size
	if lo > maxRepeat || hi > maxRepeat {
		return 0, 0, false, p.fail("number too big in {} quantifier")
	}
	if hi >= 0 && hi < lo {
		return 0, 0, false, p.fail("numbers out of order in {} quantifier")
	}
	return lo, hi, true, nil
}

func braces(s string) (lo, hi, size int, ok bool) {
	if !strings.HasPrefix(s, "{") {
		return 0, 0, 0, false
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0, 0, 0, false
	}
	first, second, comma := strings.Cut(s[1:end], ",")
	lo, ok = digits(first)
	if !ok {
		return 0, 0, 0, false
	}
	switch hi = lo; {
	case comma && second == "":
		hi = -1
	case comma:
		if hi, ok = digits(second); !ok {
			return 0, 0, 0, false
		}
	}
	return lo, hi, end + 1, true
}

func digits(s string) (int, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	if s == "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		n = maxRepeat + 1
	}
	return n, true
}

// item reads one item; repeatable says whether a quantifier may follow.
func (p *parser) item() (n *node, repeatable bool, err error) {
	switch c := p.peek(); c {
	case '(':
		return p.group()
	case '[':
		n, err = p.class()
		return n, true, err
	case '\\':
		return p.escape()
	case '.':
		p.pos++
		if p.fl.dotAll {
			return &node{op: opClass, set: anySet}, true, nil
		}
		return &node{op: opClass, set: &set{ranges: newlineSet.ranges, negate: true}}, true, nil
	case '^':
		p.pos++
		if p.fl.multi {
			return &node{op: opLineStart}, true, nil
		}
		return &node{op: opTextStart}, true, nil
	case '$':
		p.pos++
		if p.fl.multi {
			return &node{op: opLineEnd}, true, nil
		}
		return &node{op: opLastEnd}, true, nil
	case '*', '+', '?':
		return nil, false, p.fail("quantifier does not follow a repeatable item")
	case '{':
		if _, _, _, ok := braces(p.src[p.pos:]); ok {
			return nil, false, p.fail("quantifier does not follow a repeatable item")
		}
	}
	return p.literal(p.rune()), true, nil
}

func (p *parser) literal(r rune) *node { return &node{op: opRune, r: r, fold: p.fl.fold} }

// comment skips "(?#…)".
func (p *parser) comment() error {
	end := strings.IndexByte(p.src[p.pos:], ')')
	if end < 0 {
		return p.fail("missing ) after (?# comment")
	}
	p.pos += end + 1
	return nil
}
