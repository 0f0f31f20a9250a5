package regex

import (
	"fmt"
	"strconv"
	"strings"
)

// emitter writes a parsed pattern in the syntax of Go's regexp, or of the
// backtracking engine (Perl and .NET). It notes what Go's cannot do.
type emitter struct {
	b      strings.Builder
	back   bool // for the backtracking engine
	ucp    bool
	cannot bool // Go's engine has nothing for it
	// lastLine: the pattern looks at the end of a text that ends with a newline,
	// where Perl's rules and Go's differ.
	lastLine bool
	// context: the pattern looks at what is before the place where a search
	// begins, so that a text cannot be cut there.
	context bool

	// Groups that are written have numbers of their own: slots[n] are those of
	// the pattern's group n, keeps those of \K.
	groups int
	slots  [][]int
	keeps  []int

	// calls of groups are written out, up to a depth and a size.
	root     *node
	captures map[int]*node
	depth    int
	maxDepth int
	tooLong  bool
}

// maxWritten bounds what calls of groups may grow a pattern to, in bytes.
const maxWritten = 200_000

// depths are tried in turn for how often a group may call itself.
var depths = []int{20, 10, 5, 3}

// emit writes the tree for one of the engines.
func emit(tree *node, total int, back, ucp bool) *emitter {
	var e *emitter
	for _, d := range depths {
		e = &emitter{back: back, ucp: ucp, slots: make([][]int, total+1), root: tree, maxDepth: d}
		e.node(tree)
		if !e.tooLong {
			break
		}
	}
	return e
}

func (e *emitter) open(slot *[]int) {
	e.groups++
	*slot = append(*slot, e.groups)
	e.b.WriteByte('(')
}

// call writes a group's pattern once more; its captures are not reported.
func (e *emitter) call(n *node) {
	e.cannot = true
	if !e.back {
		return
	}
	if e.b.Len() > maxWritten {
		e.tooLong = true
	}
	if e.depth >= e.maxDepth || e.tooLong {
		e.b.WriteString("(?!)")
		return
	}
	target := e.root
	if n.n > 0 {
		if e.captures == nil {
			e.captures = map[int]*node{}
			collect(e.root, e.captures)
		}
		target = e.captures[n.n]
	}
	if target == nil {
		return
	}
	if target.op == opCapture {
		target = target.subs[0]
	}
	e.depth++
	e.b.WriteString("(?:")
	e.node(target)
	e.b.WriteByte(')')
	e.depth--
}

func collect(n *node, into map[int]*node) {
	if n.op == opCapture && into[n.n] == nil {
		into[n.n] = n
	}
	for _, s := range n.subs {
		collect(s, into)
	}
}

// reference writes which groups a number stands for; one that is not written
// yet will have the same number unless captures share one.
func (e *emitter) reference(n int) []int {
	if s := e.slots[n]; len(s) > 0 {
		return s
	}
	return []int{n}
}

const (
	goRepeatMax = 1000
	wordClass   = "[0-9A-Za-z_]"
)

func (e *emitter) node(n *node) {
	switch n.op {
	case opRune:
		e.leaf(n.fold, func() { e.rune(n.r) })
	case opClass:
		e.leaf(n.fold, func() { e.class(n.set) })
	case opCapture:
		if e.depth > 0 {
			e.group("(?:", n)
			return
		}
		e.open(&e.slots[n.n])
		e.node(n.subs[0])
		e.b.WriteByte(')')
	case opKeep:
		if e.depth == 0 {
			e.open(&e.keeps)
			e.b.WriteByte(')')
		}
	case opCall:
		e.call(n)
	case opGroup:
		e.group("(?:", n)
	case opAtomic:
		e.cannot = true
		e.group("(?>", n)
	case opLook:
		e.look(n)
	case opConcat:
		for _, s := range n.subs {
			e.node(s)
		}
	case opAlternate:
		e.alternate(n)
	case opRepeat:
		e.repeat(n)
	case opBackref:
		e.cannot = true
		e.leaf(n.fold, func() {
			e.b.WriteString("(?:")
			for i, g := range e.reference(n.n) {
				if i > 0 {
					e.b.WriteByte('|')
				}
				fmt.Fprintf(&e.b, `\%d`, g)
			}
			e.b.WriteByte(')')
		})
	case opCondition:
		e.condition(n)
	default:
		e.assertion(n)
	}
}

func (e *emitter) group(open string, n *node) {
	e.b.WriteString(open)
	e.node(n.subs[0])
	e.b.WriteByte(')')
}

func (e *emitter) leaf(fold bool, write func()) {
	if !fold {
		write()
		return
	}
	e.b.WriteString("(?i:")
	write()
	e.b.WriteByte(')')
}

func (e *emitter) alternate(n *node) {
	e.b.WriteString("(?:")
	for i, s := range n.subs {
		if i > 0 {
			e.b.WriteByte('|')
		}
		e.node(s)
	}
	e.b.WriteByte(')')
}

func (e *emitter) rune(r rune) {
	switch {
	case r < 0x20 || r == 0x7f:
		fmt.Fprintf(&e.b, `\x%02x`, r)
	case r < 0x80 && !isAlnum(byte(r)) && r != '_':
		e.b.WriteByte('\\')
		e.b.WriteRune(r)
	default:
		e.b.WriteRune(r)
	}
}

func (e *emitter) class(s *set) {
	if len(s.ranges) == 0 {
		if s.negate {
			s = anySet
		} else {
			e.b.WriteString(`[^\x00-\x{10FFFF}]`)
			return
		}
	}
	if s.ranges[0] == 0 && s.ranges[1] == anySet.ranges[1] {
		if s.negate {
			e.b.WriteString(`(?:[a]b{0}[^a])`)
			return
		}
		e.b.WriteString("(?s:.)")
		return
	}
	e.b.WriteByte('[')
	if s.negate {
		e.b.WriteByte('^')
	}
	for i := 0; i < len(s.ranges); i += 2 {
		lo, hi := s.ranges[i], s.ranges[i+1]
		if lo <= 0xdfff && hi >= 0xd800 { // surrogates cannot be written literally
			e.classRange(lo, 0xd7ff)
			e.classRange(0xe000, hi)
			continue
		}
		e.classRange(lo, hi)
	}
	e.b.WriteByte(']')
}

func (e *emitter) classRange(lo, hi rune) {
	if lo > hi {
		return
	}
	e.rune(lo)
	if hi != lo {
		e.b.WriteByte('-')
		e.rune(hi)
	}
}

func (e *emitter) look(n *node) {
	e.cannot = true
	open := "(?"
	if n.behind {
		open += "<"
		e.context = true
	}
	if n.negate {
		open += "!"
	} else {
		open += "="
	}
	e.group(open, n)
}

func (e *emitter) repeat(n *node) {
	if n.keep {
		e.cannot = true
		e.b.WriteString("(?>")
	}
	e.b.WriteString("(?:")
	e.node(n.subs[0])
	e.b.WriteByte(')')
	switch {
	case n.min == 0 && n.max == -1:
		e.b.WriteByte('*')
	case n.min == 1 && n.max == -1:
		e.b.WriteByte('+')
	case n.min == 0 && n.max == 1:
		e.b.WriteByte('?')
	case n.max == -1:
		fmt.Fprintf(&e.b, "{%d,}", n.min)
	default:
		fmt.Fprintf(&e.b, "{%d,%d}", n.min, n.max)
	}
	if n.min > goRepeatMax || n.max > goRepeatMax {
		e.cannot = true
	}
	if n.lazy && !n.keep {
		e.b.WriteByte('?')
	}
	if n.keep {
		e.b.WriteByte(')')
	}
}

func (e *emitter) condition(n *node) {
	e.cannot = true
	if len(n.subs) == 3 { // a lookaround decides: (?:(?=x)yes|(?!x)no)
		e.b.WriteString("(?:")
		e.look(n.subs[2])
		e.node(n.subs[0])
		e.b.WriteByte('|')
		not := *n.subs[2]
		not.negate = !not.negate
		e.look(&not)
		e.node(n.subs[1])
		e.b.WriteByte(')')
		return
	}
	e.b.WriteString("(?(" + strconv.Itoa(e.reference(n.n)[0]) + ")(?:")
	e.node(n.subs[0])
	e.b.WriteString(")|(?:")
	e.node(n.subs[1])
	e.b.WriteString("))")
}

// assertion writes the items that look at a place, and the few that stand for
// more than one character. Perl's "^" with m does not hold after a final
// newline; its "$" without m holds before one.
func (e *emitter) assertion(n *node) {
	switch n.op {
	case opLineStart:
		e.context, e.lastLine = true, true
		e.pick(`(?m:^)`, `(?:\A|(?<=\n)(?!\z))`)
	case opLineEnd:
		e.pick(`(?m:$)`, `(?=\n|\z)`)
	case opTextStart:
		e.context = true
		e.pick(`\A`, `\A`)
	case opTextEnd:
		e.pick(`\z`, `\z`)
	case opLastEnd:
		e.lastLine = true
		e.pick(`\z`, `(?=\n?\z)`)
	case opWordEdge, opNotWordEdge:
		e.wordEdge(n.op == opNotWordEdge)
	case opFrom:
		e.cannot, e.context = true, true
		e.b.WriteString(`\G`)
	case opNewline:
		e.cannot = true
		e.b.WriteString(`(?>\r\n|[\n-\r` + "\u0085\u2028\u2029" + `])`)
	case opExtended:
		e.cannot = true
		e.b.WriteString(`(?>\r\n|(?s:.)[\p{M}` + "\u200d" + `]*)`)
	case opFail:
		e.cannot = true
		e.b.WriteString(`(?!)`)
	}
}

func (e *emitter) wordEdge(negate bool) {
	e.context = true
	word := wordClass
	if e.ucp {
		e.cannot = true
		word = `[\p{L}\p{N}_]`
	}
	if negate {
		e.pick(`\B`, `(?:(?<=`+word+`)(?=`+word+`)|(?<!`+word+`)(?!`+word+`))`)
		return
	}
	e.pick(`\b`, `(?:(?<=`+word+`)(?!`+word+`)|(?<!`+word+`)(?=`+word+`))`)
}

func (e *emitter) pick(re2, perl string) {
	if e.back {
		e.b.WriteString(perl)
		return
	}
	e.b.WriteString(re2)
}
