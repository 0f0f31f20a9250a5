package regex

// op is the kind of a node of a parsed pattern.
type op uint8

const (
	opEmpty op = iota
	opRune
	opClass     // one character of a set
	opNewline   // \R: a line break of any kind
	opExtended  // \X: a character with its combining marks
	opLineStart // ^ with the m option
	opLineEnd   // $ with the m option
	opTextStart // \A, and ^ without m
	opTextEnd   // \z
	opLastEnd   // \Z, and $ without m: at the end or before a final newline
	opWordEdge
	opNotWordEdge
	opFrom    // \G
	opCapture // (…)
	opGroup   // (?:…)
	opAtomic  // (?>…)
	opLook    // lookahead and lookbehind
	opConcat
	opAlternate
	opRepeat
	opBackref
	opCondition // (?(…)yes|no)
	opFail      // (*FAIL)
	opKeep      // \K: the match begins here
	opCall      // (?R), (?1), (?&name): the group's pattern once more
)

// node is one item of a parsed pattern.
type node struct {
	op       op
	fold     bool // case does not matter
	negate   bool // lookaround: must not match
	behind   bool // lookaround: lookbehind
	lazy     bool // repeat: as few as possible
	keep     bool // repeat: possessive
	r        rune
	set      *set
	min, max int // repeat; max -1 is without limit
	n        int // capture: its number; backref, call and condition: of which group
	subs     []*node
}

// width returns the number of characters that every match of n has, or -1 when
// they differ. PCRE asks it of each alternative of a lookbehind.
func (n *node) width() int {
	switch n.op {
	case opRune, opClass:
		return 1
	case opNewline, opExtended, opBackref, opCall:
		return -1
	case opCapture, opGroup, opAtomic:
		return n.subs[0].width()
	case opConcat:
		w := 0
		for _, s := range n.subs {
			sw := s.width()
			if sw < 0 {
				return -1
			}
			w += sw
		}
		return w
	case opAlternate, opCondition:
		w := n.subs[0].width()
		for _, s := range n.subs[1:] {
			if s.op == opLook {
				continue
			}
			if s.width() != w {
				return -1
			}
		}
		return w
	case opRepeat:
		w := n.subs[0].width()
		if w < 0 || n.min != n.max {
			return -1
		}
		return w * n.min
	}
	return 0
}

// maxCompiled is how large PCRE's compiled form of a pattern may be, in bytes, and
// about what size tells of it.
const maxCompiled = 65_535

// size returns about how large PCRE's compiled form is, or a little less: it writes
// a group that repeats as often as it repeats.
func (n *node) size() int {
	total := 2
	switch n.op {
	case opCapture, opGroup, opAtomic, opLook:
		total = 6
	}
	for _, s := range n.subs {
		total = min(total+s.size(), 2*maxCompiled)
	}
	if n.op == opRepeat && n.subs[0].op != opRune && n.subs[0].op != opClass {
		total = min(total*max(n.min, n.max, 1), 2*maxCompiled)
	}
	return total
}
