package regex

import "strings"

// group reads what begins with a parenthesis.
func (p *parser) group() (*node, bool, error) {
	switch {
	case p.has("(?#"):
		return nil, false, p.comment()
	case p.has("(*"):
		return p.verb()
	case p.has("(?"):
		return p.special()
	}
	p.pos++
	if p.fl.noCapture {
		return p.body(&node{op: opGroup})
	}
	return p.capture()
}

func (p *parser) capture() (*node, bool, error) {
	p.groups++
	p.highest = max(p.highest, p.groups)
	if p.groups > maxGroupNum {
		return nil, false, p.fail("too many capturing groups (maximum 65535)")
	}
	return p.body(&node{op: opCapture, n: p.groups})
}

// body reads up to the group's closing parenthesis.
func (p *parser) body(n *node) (*node, bool, error) {
	sub, err := p.alternatives()
	if err != nil {
		return nil, false, err
	}
	if !p.skip(")") {
		return nil, false, p.fail("missing closing parenthesis")
	}
	n.subs = []*node{sub}
	if n.op == opLook && n.behind {
		return n, true, p.checkBehind(sub)
	}
	return n, true, nil
}

// checkBehind refuses a lookbehind whose length is not known: each alternative
// must match a fixed number of characters.
func (p *parser) checkBehind(sub *node) error {
	alts := []*node{sub}
	if sub.op == opAlternate {
		alts = sub.subs
	}
	for _, a := range alts {
		switch w := a.width(); {
		case w < 0:
			return p.fail("lookbehind assertion is not fixed length")
		case w > maxBehind:
			return p.fail("lookbehind assertion is too long")
		}
	}
	return nil
}

// openers are the groups that begin with "(?" or a verb and a fixed text.
var openers = []struct {
	text string
	node node
}{
	{"(?:", node{op: opGroup}},
	{"(?=", node{op: opLook}},
	{"(?!", node{op: opLook, negate: true}},
	{"(?<=", node{op: opLook, behind: true}},
	{"(?<!", node{op: opLook, behind: true, negate: true}},
	{"(?>", node{op: opAtomic}},
	{"(*pla:", node{op: opLook}},
	{"(*positive_lookahead:", node{op: opLook}},
	{"(*nla:", node{op: opLook, negate: true}},
	{"(*negative_lookahead:", node{op: opLook, negate: true}},
	{"(*plb:", node{op: opLook, behind: true}},
	{"(*positive_lookbehind:", node{op: opLook, behind: true}},
	{"(*nlb:", node{op: opLook, behind: true, negate: true}},
	{"(*negative_lookbehind:", node{op: opLook, behind: true, negate: true}},
	{"(*atomic:", node{op: opAtomic}},
}

// opener reads one of the groups of the table above.
func (p *parser) opener() (*node, bool, error) {
	for _, o := range openers {
		if p.skip(o.text) {
			n := o.node
			return p.body(&n)
		}
	}
	return nil, false, nil
}

// special reads what begins with "(?".
func (p *parser) special() (*node, bool, error) {
	if n, ok, err := p.opener(); n != nil || err != nil {
		return n, ok, err
	}
	for _, open := range []struct{ text, end string }{{"(?P<", ">"}, {"(?<", ">"}, {"(?'", "'"}} {
		if p.skip(open.text) {
			name, err := p.name(open.end)
			if err != nil {
				return nil, false, err
			}
			if p.reset {
				p.names[name] = p.groups + 1
			}
			return p.capture()
		}
	}
	if p.skip("(?P=") {
		n, err := p.namedRef(")")
		return n, true, err
	}
	if p.skip("(?|") {
		return p.branchReset()
	}
	if p.skip("(?(") {
		return p.condition()
	}
	p.pos += 2
	if c := p.peek(); c == 'R' || c == '&' || c == '+' || c >= '0' && c <= '9' || p.has("P>") || c == '-' && len(p.src) > p.pos+1 && p.src[p.pos+1] >= '0' && p.src[p.pos+1] <= '9' {
		n, err := p.call(")")
		return n, true, err
	}
	return p.options()
}

// branchReset reads "(?|…|…)": the captures of each alternative have the same
// numbers.
func (p *parser) branchReset() (*node, bool, error) {
	p.reset = true
	if p.depth++; p.depth > maxNesting {
		return nil, false, p.fail("parentheses are too deeply nested")
	}
	defer func() { p.depth-- }()
	outer, first, last := p.fl, p.groups, p.groups
	defer func() { p.fl = outer }()
	alt := &node{op: opAlternate}
	for {
		p.groups = first
		n, err := p.sequence()
		if err != nil {
			return nil, false, err
		}
		alt.subs = append(alt.subs, n)
		last = max(last, p.groups)
		if !p.skip("|") {
			break
		}
	}
	p.groups = last
	if !p.skip(")") {
		return nil, false, p.fail("missing closing parenthesis")
	}
	return &node{op: opGroup, subs: []*node{alt}}, true, nil
}

// call reads which group's pattern to use once more: R, a number, a relative
// number, &name or P>name; the opening is read, end follows.
func (p *parser) call(end string) (*node, error) {
	at := p.pos
	if p.skip("P>") || p.skip("&") {
		ref, err := p.namedRef(end)
		if err != nil {
			return nil, err
		}
		return &node{op: opCall, n: ref.n}, nil
	}
	text, _, ok := strings.Cut(p.src[p.pos:], end)
	n, isNumber := p.relative(strings.TrimPrefix(text, "R"))
	if text == "R" {
		n, isNumber = 0, true
	}
	if !ok || n < 0 || isNumber && n == 0 && text != "R" && text != "0" {
		return nil, p.fail("digit expected after (?+ or (?-")
	}
	if !isNumber { // \g<name>
		ref, err := p.namedRef(end)
		if err != nil {
			return nil, err
		}
		return &node{op: opCall, n: ref.n}, nil
	}
	p.pos += len(text) + len(end)
	p.backrefs = append(p.backrefs, pendingRef{at: at, n: n})
	return &node{op: opCall, n: n}, nil
}

// name reads a group's name up to end.
func (p *parser) name(end string) (string, error) {
	i := strings.Index(p.src[p.pos:], end)
	if i < 0 {
		return "", p.fail("syntax error in subpattern name (missing terminator?)")
	}
	name := p.src[p.pos : p.pos+i]
	if name == "" {
		return "", p.fail("subpattern name expected")
	}
	if name[0] >= '0' && name[0] <= '9' {
		return "", p.fail("subpattern name must start with a non-digit")
	}
	if len(name) > 32 {
		return "", p.fail("subpattern name is too long (maximum 32 code units)")
	}
	for j := 0; j < len(name); j++ {
		if c := name[j]; c < 0x80 && c != '_' && !isAlnum(c) {
			return "", p.fail("syntax error in subpattern name (missing terminator?)")
		}
	}
	p.pos += i + len(end)
	return name, nil
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func (p *parser) namedRef(end string) (*node, error) {
	name, err := p.name(end)
	if err != nil {
		return nil, err
	}
	n, ok := p.names[name]
	if !ok {
		return nil, p.fail("reference to non-existent subpattern")
	}
	return &node{op: opBackref, n: n, fold: p.fl.fold}, nil
}

// options reads "(?imsx-imsx)" and "(?imsx-imsx:…)".
func (p *parser) options() (*node, bool, error) {
	fl, on := p.fl, true
	if p.skip("^") {
		fl = flags{}
	}
	for {
		if !p.more() {
			return nil, false, p.fail("missing closing parenthesis")
		}
		c := p.peek()
		p.pos++
		switch c {
		case 'i':
			fl.fold = on
		case 'm':
			fl.multi = on
		case 's':
			fl.dotAll = on
		case 'x':
			fl.extended, fl.extendedMore = on, on && p.skip("x")
		case 'n':
			fl.noCapture = on
		case 'U':
			fl.ungreedy = on
		case 'J':
			fl.dupNames = on
		case '-':
			if !on {
				return nil, false, p.fail("invalid hyphen in option setting")
			}
			on = false
		case ')':
			p.fl = fl // until the end of the enclosing group
			return nil, false, nil
		case ':':
			outer := p.fl
			p.fl = fl
			n, ok, err := p.body(&node{op: opGroup})
			p.fl = outer
			return n, ok, err
		default:
			return nil, false, p.fail("unrecognized character after (? or (?-")
		}
	}
}

// condition reads "(?(1)yes|no)", "(?(<name>)…)" and "(?(?=…)…)"; the opening
// "(?(" was read.
func (p *parser) condition() (*node, bool, error) {
	c := &node{op: opCondition}
	var look *node
	if p.peek() == '?' || p.peek() == '*' {
		p.pos--
		n, _, err := p.opener()
		if err != nil {
			return nil, false, err
		}
		if n == nil || n.op != opLook {
			return nil, false, p.fail("assertion expected after (?( or (?(?C)")
		}
		look = n
	} else {
		end := strings.IndexByte(p.src[p.pos:], ')')
		if end < 0 {
			return nil, false, p.fail("missing closing parenthesis for condition")
		}
		ref := strings.Trim(p.src[p.pos:p.pos+end], "<>'")
		n, ok := digits(ref)
		if !ok {
			n, ok = p.names[ref]
		}
		if !ok || n < 1 || n > p.total {
			return nil, false, p.fail("reference to non-existent subpattern")
		}
		c.n = n
		p.pos += end + 1
	}
	n, ok, err := p.body(&node{op: opGroup})
	if err != nil {
		return nil, false, err
	}
	yes, no := n.subs[0], &node{op: opEmpty}
	if yes.op == opAlternate {
		if len(yes.subs) > 2 {
			return nil, false, p.fail("conditional subpattern contains more than two branches")
		}
		yes, no = yes.subs[0], yes.subs[1]
	}
	c.subs = []*node{yes, no}
	if look != nil {
		c.subs = append(c.subs, look)
	}
	return c, ok, nil
}

// verb reads "(*NAME)" and the groups that are spelled so.
func (p *parser) verb() (*node, bool, error) {
	if n, ok, err := p.opener(); n != nil || err != nil {
		return n, ok, err
	}
	end := strings.IndexByte(p.src[p.pos:], ')')
	if end < 0 || p.pos+2 < len(p.src) && !isAlnum(p.src[p.pos+2]) && p.src[p.pos+2] != ':' {
		p.pos++
		return nil, false, p.fail("quantifier does not follow a repeatable item")
	}
	name, _, _ := strings.Cut(p.src[p.pos+2:p.pos+end], ":")
	p.pos += end + 1
	switch name {
	case "FAIL", "F":
		return &node{op: opFail}, false, nil
	case "ACCEPT", "COMMIT", "PRUNE", "SKIP", "THEN", "MARK", "":
		return nil, false, p.fail("backtracking control verbs are not supported")
	}
	return nil, false, p.fail("(*VERB) not recognized or malformed")
}
