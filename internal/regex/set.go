package regex

import (
	"sort"
	"strings"
	"unicode"
)

// set is a set of characters: pairs of first and last, or all but those.
type set struct {
	ranges []rune
	negate bool
}

func (s *set) add(lo, hi rune) { s.ranges = append(s.ranges, lo, hi) }

// addSet adds the characters of o, which may be negated.
func (s *set) addSet(o *set) {
	rs := o.ranges
	if o.negate {
		rs = invert(rs)
	}
	s.ranges = append(s.ranges, rs...)
}

// invert returns the characters that are not in rs.
func invert(rs []rune) []rune {
	type pair struct{ lo, hi rune }
	ps := make([]pair, 0, len(rs)/2)
	for i := 0; i < len(rs); i += 2 {
		ps = append(ps, pair{rs[i], rs[i+1]})
	}
	sort.Slice(ps, func(i, j int) bool { return ps[i].lo < ps[j].lo })
	var out []rune
	next := rune(0)
	for _, p := range ps {
		if p.lo > next {
			out = append(out, next, p.lo-1)
		}
		next = max(next, p.hi+1)
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

// Classes that PCRE defines over ASCII alone unless (*UCP) is given.
var (
	digitSet   = &set{ranges: []rune{'0', '9'}}
	spaceSet   = &set{ranges: []rune{'\t', '\r', ' ', ' '}}
	wordSet    = &set{ranges: []rune{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}}
	horizSet   = &set{ranges: []rune{'\t', '\t', ' ', ' ', 0xa0, 0xa0, 0x1680, 0x1680, 0x180e, 0x180e, 0x2000, 0x200a, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000}}
	vertSet    = &set{ranges: []rune{'\n', '\r', 0x85, 0x85, 0x2028, 0x2029}}
	newlineSet = &set{ranges: []rune{'\n', '\n'}}
	anySet     = &set{ranges: []rune{0, unicode.MaxRune}}
)

// posixSets are the names of [[:name:]], over ASCII.
var posixSets = map[string]*set{
	"alpha":  {ranges: []rune{'A', 'Z', 'a', 'z'}},
	"lower":  {ranges: []rune{'a', 'z'}},
	"upper":  {ranges: []rune{'A', 'Z'}},
	"alnum":  {ranges: []rune{'0', '9', 'A', 'Z', 'a', 'z'}},
	"ascii":  {ranges: []rune{0, 127}},
	"blank":  {ranges: []rune{'\t', '\t', ' ', ' '}},
	"cntrl":  {ranges: []rune{0, 31, 127, 127}},
	"digit":  {ranges: []rune{'0', '9'}},
	"graph":  {ranges: []rune{33, 126}},
	"print":  {ranges: []rune{32, 126}},
	"punct":  {ranges: []rune{33, 47, 58, 64, 91, 96, 123, 126}},
	"space":  {ranges: []rune{'\t', '\r', ' ', ' '}},
	"word":   {ranges: []rune{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}},
	"xdigit": {ranges: []rune{'0', '9', 'A', 'F', 'a', 'f'}},
}

// posixProperties are what the names mean under (*UCP).
var posixProperties = map[string]string{
	"alpha": "L", "lower": "Ll", "upper": "Lu", "alnum": "Xan", "digit": "Nd", "space": "Xps", "word": "Xwd",
}

// property returns the set of \p{name}: a general category, a script, or one of
// PCRE's own names.
func property(name string) (*set, bool) {
	s := &set{}
	name = strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name)
	if strings.HasPrefix(name, "^") {
		s.negate = true
		name = name[1:]
	}
	tables := map[string][]*unicode.RangeTable{
		"Any": {}, "L&": {unicode.Lu, unicode.Ll, unicode.Lt}, "Xan": {unicode.L, unicode.N},
		"Xwd": {unicode.L, unicode.N}, "Xsp": {unicode.Z}, "Xps": {unicode.Z},
	}
	ts, ok := tables[name]
	switch {
	case name == "Any":
		s.addSet(anySet)
	case name == "Xwd":
		s.add('_', '_')
	case name == "Xsp" || name == "Xps":
		s.add('\t', '\r')
		s.add(0x85, 0x85)
	case !ok:
		t := lookupTable(name)
		if t == nil {
			return nil, false
		}
		ts = []*unicode.RangeTable{t}
	}
	for _, t := range ts {
		addTable(s, t)
	}
	return s, true
}

func lookupTable(name string) *unicode.RangeTable {
	if t, ok := unicode.Categories[name]; ok && len(name) <= 2 {
		return t
	}
	for script, t := range unicode.Scripts {
		if strings.EqualFold(strings.ReplaceAll(script, "_", ""), name) {
			return t
		}
	}
	return nil
}

func addTable(s *set, t *unicode.RangeTable) {
	for _, r := range t.R16 {
		addStride(s, rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		addStride(s, rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
}

func addStride(s *set, lo, hi, stride rune) {
	if stride == 1 {
		s.add(lo, hi)
		return
	}
	for r := lo; r <= hi; r += stride {
		s.add(r, r)
	}
}
