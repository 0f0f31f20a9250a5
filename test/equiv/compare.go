package equiv

import (
	"fmt"
	"slices"
	"strings"
)

// differ returns why two outcomes of an operation are not the same, "" if they
// are. What a side reads in another order may end in another error, and what it
// does not read at all in none.
func (s *side) differ(want, got outcome) string {
	switch {
	case want.code != 0 && (!s.same || want.code == got.code):
		return ""
	case want.code != 0:
		return fmt.Sprintf("error %d, and here %s", want.code, got)
	case got.code != 0 && s.lenient:
		return ""
	case got.code != 0:
		return fmt.Sprintf("no error, and here %s", got)
	case slices.Equal(want.docs, got.docs):
		return ""
	}
	if s.lenient { // constants may have changed places, and so which of equal numbers is first
		want, got = loose(want), loose(got)
		if slices.Equal(want.docs, got.docs) {
			return ""
		}
	}
	a := slices.DeleteFunc(slices.Clone(want.docs), func(l string) bool { return slices.Contains(got.docs, l) })
	b := slices.DeleteFunc(slices.Clone(got.docs), func(l string) bool { return slices.Contains(want.docs, l) })
	if len(a)+len(b) == 0 {
		a, b = want.docs, got.docs
	}
	return fmt.Sprintf("\n  %s\nand here\n  %s", strings.Join(a, "\n  "), strings.Join(b, "\n  "))
}

func loose(o outcome) outcome {
	o.docs = slices.Clone(o.docs)
	for i, l := range o.docs {
		o.docs[i] = loosely(l)
	}
	return o
}

func (o outcome) String() string {
	if o.code != 0 {
		return fmt.Sprintf("error %d", o.code)
	}
	return strings.Join(o.docs, "\n  ")
}

// first returns the first operation that differs, -1 if none does. After a write
// that failed on either side what both hold may differ, and nothing counts.
func (s *side) first(p *program, want, got []outcome) (at int, why string) {
	for i, o := range p.ops {
		if why := s.differ(want[i], got[i]); why != "" {
			return i, why
		}
		if o.write && (want[i].code != 0 || got[i].code != 0) && !s.same {
			return -1, ""
		}
	}
	return -1, ""
}
