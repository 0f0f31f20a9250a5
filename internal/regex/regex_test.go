package regex

import (
	"fmt"
	"testing"
	"unicode/utf8"
)

// Matches: pattern, options, text, and the offsets of the match and captures.
var matchCases = []struct{ pattern, options, text, want string }{
	{"abc", "", "xabcx", "[1 4]"},
	{"abc", "i", "xABcx", "[1 4]"},
	{"É", "i", "xé", "[1 3]"},
	{"^b", "", "a\nb", "[]"},
	{"^b", "m", "a\nb", "[2 3]"},
	{"a$", "", "a\n", "[0 1]"},
	{"a$", "", "a\nb", "[]"},
	{"a$", "m", "a\nb", "[0 1]"},
	{`a\z`, "", "a\n", "[]"},
	{`a\Z`, "", "a\n", "[0 1]"},
	{"(?m)^$", "", "a\n", "[]"},
	{"a.b", "", "a\nb", "[]"},
	{"a.b", "s", "a\nb", "[0 3]"},
	{"a b # comment", "x", "ab", "[0 2]"},
	{`a\ b`, "x", "a b", "[0 3]"},
	{`\w+`, "", "éa1", "[2 4]"},
	{`(*UCP)\w+`, "", "éa1", "[0 4]"},
	{`\d+`, "", "x٣7", "[3 4]"},
	{`\bfoo\b`, "", "a foo b", "[2 5]"},
	{`(a)|(b)`, "", "b", "[0 1 -1 -1 0 1]"},
	{`(a)\1`, "", "xaa", "[1 3 1 2]"},
	{`(?<x>a)\k<x>`, "", "aa", "[0 2 0 1]"},
	{`(?P<x>a)(?P=x)`, "", "aa", "[0 2 0 1]"},
	{`(a)(b)\g{-1}`, "", "abb", "[0 3 0 1 1 2]"},
	{`foo(?=bar)`, "", "foobar", "[0 3]"},
	{`foo(?!bar)`, "", "foobar foobaz", "[7 10]"},
	{`(?<=\$)\d+`, "", "a1 $23", "[4 6]"},
	{`(?<!\$)\b\d+`, "", "$23 45", "[4 6]"},
	{`a++a`, "", "aaa", "[]"},
	{`(?>a+)b`, "", "aab", "[0 3]"},
	{`(a)?(?(1)b|c)`, "", "ab", "[0 2 0 1]"},
	{`(a)?(?(1)b|c)`, "", "c", "[0 1 -1 -1]"},
	{`a{2}`, "", "aaa", "[0 2]"},
	{`a{,2}`, "", "a{,2}", "[0 5]"},
	{`a{x`, "", "a{x", "[0 3]"},
	{`a{1500}`, "", "aaa", "[]"},
	{`[]a]+`, "", "]a", "[0 2]"},
	{`[^]a]`, "", "]ab", "[2 3]"},
	{`[[:alpha:]]+`, "", "12ab", "[2 4]"},
	{`[\d-x]+`, "", "a1-x", "[1 4]"},
	{`\p{Lu}`, "", "aÉ", "[1 3]"},
	{`\p{Greek}+`, "", "aαβ", "[1 5]"},
	{`\P{L}`, "", "a1", "[1 2]"},
	{`\x41\x{e9}`, "", "Aé", "[0 3]"},
	{`\Qa.b\E+`, "", "a.bb", "[0 4]"},
	{`\R`, "", "a\r\nb", "[1 3]"},
	{`a(?#note)b`, "", "ab", "[0 2]"},
	{`(?i)a(?-i)b`, "", "Ab", "[0 2]"},
	{`(?i)a(?-i)b`, "", "AB", "[]"},
	{`(?i:a)b`, "", "Ab", "[0 2]"},
	{`(?s).+`, "", "a\nb", "[0 3]"},
	{`日本`, "", "x日本", "[1 7]"},
	{`\101`, "", "A", "[0 1]"},
	{``, "", "abc", "[0 0]"},
	{`a|`, "", "b", "[0 0]"},
	{`(*UTF)é`, "", "é", "[0 2]"},
	{`^[a-z]+$`, "i", "ABC", "[0 3]"},
	{`\h+\H`, "", "a \t.", "[1 4]"},
	{`foo\Kbar`, "", "foobar", "[3 6]"},
	{`(a)\K(b)`, "", "ab", "[1 2 0 1 1 2]"},
	{`(?|(a)x|(b)y)\1`, "", "byb", "[0 3 0 1]"},
	{`(?|(a)|(b))(c)`, "", "bc", "[0 2 0 1 1 2]"},
	{`\((?:[^()]++|(?R))*\)`, "", "x(a(b)(c(d)))y", "[1 13]"},
	{`^(\((?:[^()]|(?1))*\))$`, "", "(a(b)c)", "[0 7 0 7]"},
	{`(?<n>\d+)-(?&n)`, "", "12-345", "[0 6 0 2]"},
	{`(\w)-\g<1>`, "", "a-b", "[0 3 0 1]"},
	{`(?:(?=(\w+))\1):`, "", "ab:", "[0 3 0 2]"},
	{`[\Q^]\E]+`, "", "^]", "[0 2]"},
}

func TestMatch(t *testing.T) {
	for _, c := range matchCases {
		re, err := Compile(c.pattern, c.options)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		loc, err := re.FindSubmatchIndex(c.text, 0)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
		}
		if got := fmt.Sprint(loc); got != c.want {
			t.Errorf("%q /%s on %q: %s, want %s", c.pattern, c.options, c.text, got, c.want)
		}
		if ok, _ := re.Match(c.text); ok != (c.want != "[]") {
			t.Errorf("%q on %q: Match %v", c.pattern, c.text, ok)
		}
	}
}

// TestBothEngines gives every pattern that Go's engine takes to the other one
// as well: they must agree.
func TestBothEngines(t *testing.T) {
	for _, c := range matchCases {
		re, err := Compile(c.pattern, c.options)
		if err != nil || re.re == nil {
			continue
		}
		re.re = nil
		loc, err := re.FindSubmatchIndex(c.text, 0)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
		}
		if got := fmt.Sprint(loc); got != c.want {
			t.Errorf("backtracking %q as %q on %q: %s, want %s", c.pattern, re.perl, c.text, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, p := range []string{
		"[a", "(a", "a)", "*a", "a**", "?", "(?<=a+)b", "(?<=a*)b", "[z-a]", `\`, "a{3,2}", `(?<n>a)\k<m>`, `\1`, "(?z)", "[[:foo:]]",
		`\p{Nope}`, "a{70000}", `\x{110000}`, "(?P<1a>x)", "(*NOPE)a", "(?(2)a|b)(c)", `\y`,
	} {
		if _, err := Compile(p, ""); err == nil {
			t.Errorf("%q was accepted", p)
		}
	}
}

func TestSearchFromOffset(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		start         int
		want          string
	}{
		{"^a", "aa", 1, "[]"},
		{"a*", "aab", 2, "[2 2]"},
		{`\bb`, "ab b", 1, "[3 4]"},
		{`(?<=a)b`, "ab", 1, "[1 2]"},
		{"é", "éé", 2, "[2 4]"},
	} {
		re, err := Compile(c.pattern, "")
		if err != nil {
			t.Fatal(err)
		}
		loc, err := re.FindSubmatchIndex(c.text, c.start)
		if got := fmt.Sprint(loc); err != nil || got != c.want {
			t.Errorf("%q on %q from %d: %s %v, want %s", c.pattern, c.text, c.start, got, err, c.want)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, c := range []struct {
		pattern, options, prefix string
		exact                    bool
	}{
		{"^abc", "", "abc", true}, {"^abc.*", "", "abc", true}, {"^abc$", "", "abc", false}, {"^ab+", "", "a", false},
		{"abc", "", "", false}, {"^abc", "i", "", false}, {"^abc", "m", "", false}, {`^a\.b`, "", "a.b", true}, {"^a|b", "", "", false},
	} {
		re, err := Compile(c.pattern, c.options)
		if err != nil {
			t.Fatal(err)
		}
		if p, x := re.Prefix(); p != c.prefix || x != c.exact {
			t.Errorf("%q: %q %v, want %q %v", c.pattern, p, x, c.prefix, c.exact)
		}
	}
}

// FuzzCompile: no pattern may panic, and offsets are within the text.
func FuzzCompile(f *testing.F) {
	for _, c := range matchCases {
		f.Add(c.pattern, c.text)
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 200 || !utf8.ValidString(text) {
			return
		}
		re, err := Compile(pattern, "")
		if err != nil {
			return
		}
		loc, err := re.FindSubmatchIndex(text, 0)
		if err != nil || loc == nil {
			return
		}
		if len(loc) != 2*(re.Groups()+1) || loc[0] < 0 || loc[1] > len(text) {
			t.Fatalf("%q on %q: %v", pattern, text, loc)
		}
	})
}
