// Package regex matches MongoDB's regular expressions, which are Perl's as the
// PCRE2 library reads them: over UTF-8, with classes like \w over ASCII unless
// the pattern begins with (*UCP).
//
// A pattern is parsed by PCRE's rules, so that what PCRE refuses is refused,
// and then written for Go's regexp, which takes linear time. What that engine
// lacks (lookaround, backreferences, atomic groups, …) is given to a
// backtracking engine under a time limit.
package regex

import (
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"

	"github.com/argon-db/argon/internal/errcode"
)

// MaxPattern is the longest pattern that MongoDB accepts, in bytes.
const MaxPattern = 16384

// matchTimeout ends a match whose backtracking explodes.
const matchTimeout = time.Second

// Flags are the letters that MongoDB accepts as options: case does not matter,
// ^ and $ at every line, dot matches newlines, blanks and comments in the
// pattern are skipped, and u, which changes nothing.
const Flags = "imsxu"

// InvalidFlag returns the first letter of options that is not one of Flags.
func InvalidFlag(options string) (rune, bool) {
	for _, c := range options {
		if !strings.ContainsRune(Flags, c) {
			return c, true
		}
	}
	return 0, false
}

// Regexp is a compiled pattern. It is safe for concurrent use.
type Regexp struct {
	re       *regexp.Regexp // nil when Go's engine cannot
	groups   int
	lastLine bool
	context  bool
	prefix   string
	exact    bool

	slots   [][]int // the engine's groups of each capture
	keeps   []int   // its groups where a \K may set the match's beginning
	written int     // how many groups the engine has

	perl     string
	backOnce sync.Once
	back     *regexp2.Regexp
	backErr  error
}

// Compile parses a pattern with options of Flags; letters that are not one of
// them are ignored, as MongoDB does in a BSON regular expression. An error is a
// *SyntaxError: callers give it the code of their operator.
func Compile(pattern, options string) (*Regexp, error) {
	if len(pattern) > MaxPattern {
		return nil, &SyntaxError{Message: "pattern string is longer than the limit set by the application"}
	}
	if !utf8.ValidString(pattern) {
		return nil, &SyntaxError{Message: "UTF-8 error: illegal byte in the pattern"}
	}
	p := &parser{src: pattern}
	for _, c := range options {
		switch c {
		case 'i':
			p.fl.fold = true
		case 'm':
			p.fl.multi = true
		case 's':
			p.fl.dotAll = true
		case 'x':
			p.fl.extended = true
		}
	}
	tree, err := p.parse()
	if err != nil {
		return nil, err
	}
	if tree.size() > maxCompiled {
		return nil, &SyntaxError{Message: "regular expression is too large"}
	}
	fast := emit(tree, p.total, false, p.ucp)
	perl := emit(tree, p.total, true, p.ucp)
	r := &Regexp{groups: p.total, lastLine: fast.lastLine, context: fast.context, perl: perl.b.String()}
	r.slots, r.keeps, r.written = perl.slots, perl.keeps, perl.groups
	r.prefix, r.exact = literalPrefix(tree)
	if !fast.cannot {
		r.re, _ = regexp.Compile(fast.b.String()) // too large for it: the other engine
	}
	if r.re == nil {
		if _, err := r.backtracker(); err != nil {
			return nil, &SyntaxError{Message: "pattern is not supported: " + err.Error()}
		}
	}
	return r, nil
}

func (r *Regexp) backtracker() (*regexp2.Regexp, error) {
	r.backOnce.Do(func() {
		r.back, r.backErr = regexp2.Compile(r.perl)
		if r.backErr == nil {
			r.back.MatchTimeout = matchTimeout
		}
	})
	return r.back, r.backErr
}

// Groups returns how many captures the pattern has.
func (r *Regexp) Groups() int { return r.groups }

// Prefix returns the text that every match must begin with at the start of the
// subject, and whether a subject with that prefix always matches. It is empty
// when the pattern is not anchored or ignores case.
func (r *Regexp) Prefix() (prefix string, exact bool) { return r.prefix, r.exact }

func (r *Regexp) useGo(s string, start int) bool {
	if r.re == nil || r.lastLine && strings.HasSuffix(s, "\n") {
		return false
	}
	return start == 0 || !r.context
}

// Match reports whether s has a match. An error means that the match took too
// long.
func (r *Regexp) Match(s string) (bool, error) {
	if r.useGo(s, 0) {
		return r.re.MatchString(s), nil
	}
	back, err := r.backtracker()
	if err != nil {
		return false, err
	}
	ok, err := back.MatchString(s)
	return ok, tooLong(err)
}

// tooLong is the error of a match that was given up.
func tooLong(err error) error {
	if err == nil {
		return nil
	}
	return errcode.Wrap(err, 51156, "Error occurred while executing the regular expression: match limit exceeded")
}

// FindSubmatchIndex finds the first match at or after the byte offset start.
// It returns pairs of byte offsets: of the match and of each capture, -1 for
// one that took no part; nil when there is no match.
func (r *Regexp) FindSubmatchIndex(s string, start int) ([]int, error) {
	if r.useGo(s, start) {
		loc := r.re.FindStringSubmatchIndex(s[start:])
		for i := range loc {
			if loc[i] >= 0 {
				loc[i] += start
			}
		}
		return r.captures(loc), nil
	}
	back, err := r.backtracker()
	if err != nil {
		return nil, err
	}
	m, err := back.FindStringMatchStartingAt(s, start)
	if err != nil || m == nil {
		return nil, tooLong(err)
	}
	loc := make([]int, 0, 2*(r.written+1))
	for i := 0; i <= r.written; i++ {
		g := m.GroupByNumber(i)
		if g == nil || len(g.Captures) == 0 {
			loc = append(loc, -1, -1)
			continue
		}
		at, n := g.ByteRange()
		loc = append(loc, at, at+n)
	}
	return r.captures(loc), nil
}

// captures turns the engine's groups into the pattern's.
func (r *Regexp) captures(loc []int) []int {
	if loc == nil || r.written == r.groups && len(r.keeps) == 0 {
		return loc
	}
	out := append(make([]int, 0, 2*(r.groups+1)), loc[:2]...)
	for _, k := range r.keeps {
		if loc[2*k] >= 0 {
			out[0] = loc[2*k]
		}
	}
	for n := 1; n <= r.groups; n++ {
		at, end := -1, -1
		for _, g := range r.slots[n] {
			if loc[2*g] >= 0 {
				at, end = loc[2*g], loc[2*g+1]
			}
		}
		out = append(out, at, end)
	}
	return out
}

// literalPrefix reads the letters after a leading ^ or \A.
func literalPrefix(n *node) (prefix string, exact bool) {
	items := []*node{n}
	if n.op == opConcat {
		items = n.subs
	}
	if len(items) == 0 || items[0].op != opTextStart {
		return "", false
	}
	var b strings.Builder
	for i, it := range items[1:] {
		if it.op != opRune || it.fold {
			// ".*" at the end without s could stop at a newline and still match.
			last := i == len(items)-2
			return b.String(), last && it.op == opRepeat && it.min == 0 && it.subs[0].op == opClass
		}
		b.WriteRune(it.r)
	}
	return b.String(), true
}
