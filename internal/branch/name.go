package branch

import (
	"strconv"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/errcode"
)

// Name is a database name taken apart: PROJECT[~BRANCH][@POINT].
type Name struct {
	Project string
	Branch  string // "": the default branch
	Point   Point
}

// PointKind is a way to name a moment.
type PointKind int

// Kinds of points.
const (
	PointNow  PointKind = iota // the branch's head
	PointLSN                   // a position in the log
	PointTime                  // a time
	PointAge                   // so long ago
	PointTag                   // a tag
)

// Point is a moment of a branch, not yet resolved. The zero value is now.
type Point struct {
	Kind PointKind
	LSN  LSN
	Time time.Time
	Age  time.Duration
	Tag  string
}

// String writes the point as it stands after "@"; "" for now.
func (p Point) String() string {
	switch p.Kind {
	case PointLSN:
		return strconv.FormatUint(uint64(p.LSN), 10)
	case PointTime:
		return p.Time.UTC().Format("20060102T150405.999999999Z")
	case PointAge:
		return "-" + p.Age.String()
	case PointTag:
		return p.Tag
	}
	return ""
}

const maxName = 63

func invalid(format string, args ...any) error {
	return errcode.New(errcode.InvalidNamespace, format, args...)
}

// ParseName takes a database name apart. Errors are InvalidNamespace (73) with
// what would fit.
func ParseName(db string) (Name, error) {
	var n Name
	base, point, dated := strings.Cut(db, "@")
	project, branch, branched := strings.Cut(base, "~")
	if err := CheckProject(project); err != nil {
		return n, err
	}
	n.Project = project
	if branched {
		if err := CheckBranch(branch); err != nil {
			return n, err
		}
		n.Branch = branch
	}
	if !dated {
		return n, nil
	}
	if point == "" {
		return n, invalid("Invalid database name: '%s': nothing follows the '@'; write an LSN, a time, an age or a tag, as in %s@1600, %s@20261123T013000Z, %s@-15m, %s@v1",
			db, base, base, base, base)
	}
	p, err := ParsePoint(point)
	if err != nil {
		return n, err
	}
	n.Point = p
	return n, nil
}

// CheckProject checks a project's name: 1 to 63 bytes of what MongoDB allows in
// the name of a database, without "~" and "@".
func CheckProject(name string) error {
	switch {
	case name == "":
		return invalid("Invalid database name: '': a name has 1 to %d characters", maxName)
	case len(name) > maxName:
		return invalid("Invalid database name: '%s': it is longer than %d bytes", name, maxName)
	case strings.ContainsAny(name, "/\\. \"$\x00~@") && name != "$external":
		return invalid("Invalid database name: '%s'", name)
	}
	return nil
}

// CheckBranch checks the name of a branch: 1 to 63 of [A-Za-z0-9_-], beginning
// with a letter or a digit.
func CheckBranch(name string) error { return checkWord("branch", name, false) }

// CheckTag checks the name of a tag: as a branch's, beginning with a letter.
func CheckTag(name string) error { return checkWord("tag", name, true) }

func checkWord(what, name string, letterFirst bool) error {
	first := "a letter or a digit"
	if letterFirst {
		first = "a letter"
	}
	ok := name != "" && len(name) <= maxName && (isLetter(name[0]) || isDigit(name[0]) && !letterFirst)
	for i := 0; ok && i < len(name); i++ {
		ok = isLetter(name[i]) || isDigit(name[i]) || name[i] == '_' || name[i] == '-'
	}
	if ok {
		return nil
	}
	msg := "Invalid " + what + " name: '" + name + "': a name has 1 to 63 of A-Z a-z 0-9 _ - and begins with " + first
	if s := suggest(name, letterFirst); s != "" {
		msg += "; '" + s + "' would fit"
	}
	return invalid("%s", msg)
}

// suggest makes a name that would be accepted: feature/login → feature-login.
func suggest(name string, letterFirst bool) string {
	b := make([]byte, 0, len(name))
	for i := 0; i < len(name) && len(b) < maxName; i++ {
		c := name[i]
		switch {
		case isLetter(c), isDigit(c), c == '_':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	s := strings.Trim(string(b), "-_")
	if letterFirst && s != "" && !isLetter(s[0]) {
		s = "v" + s[:min(len(s), maxName-1)]
	}
	return s
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// timeForms are the accepted forms of a time, ISO 8601 basic and extended. A
// fraction may follow the seconds in any of them.
var timeForms = []string{
	"20060102T150405Z", "20060102T150405", "20060102T1504Z", "20060102T1504", "20060102T15Z",
	"2006-01-02T15:04:05Z", "2006-01-02T15:04:05", "2006-01-02T15:04Z", "2006-01-02T15:04", "2006-01-02Z", "2006-01-02",
	"2006-01-02T15:04:05Z07:00", "20060102T150405Z0700",
}

// ParsePoint reads what stands after "@": an LSN, a time, an age or a tag.
func ParsePoint(s string) (Point, error) {
	switch {
	case s == "":
	case s[0] == '-':
		if d, ok := parseAge(s[1:]); ok {
			return Point{Kind: PointAge, Age: d}, nil
		}
		return Point{}, invalid("'%s' is not an age: write '-' and a duration of the units w, d, h, m, s, ms, as in -15m, -2d or -1h30m", s)
	case isLetter(s[0]):
		if err := CheckTag(s); err != nil {
			return Point{}, err
		}
		return Point{Kind: PointTag, Tag: s}, nil
	case isDigit(s[0]) && strings.Trim(s, "0123456789") == "":
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return Point{}, invalid("'%s' is not an LSN: it is too large", s)
		}
		return Point{Kind: PointLSN, LSN: LSN(n)}, nil
	case isDigit(s[0]):
		for _, form := range timeForms {
			if t, err := time.Parse(form, s); err == nil {
				return Point{Kind: PointTime, Time: t.UTC()}, nil
			}
		}
		return Point{}, invalid("'%s' is not a time: write ISO 8601 in UTC, as in 20261123T013000Z or 2026-11-23T01:30:00.5Z", s)
	}
	return Point{}, invalid("'%s' is not a point: write an LSN (1600), a time (20261123T013000Z), an age (-15m) or a tag (v1)", s)
}

// ageUnits are Go's units of a duration and days and weeks.
var ageUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// parseAge reads a duration: one or more numbers with units.
func parseAge(s string) (time.Duration, bool) {
	total := 0.0
	for first := true; s != "" || first; first = false {
		n := 0
		for n < len(s) && (isDigit(s[n]) || s[n] == '.') {
			n++
		}
		u := n
		for u < len(s) && !isDigit(s[u]) && s[u] != '.' {
			u++
		}
		x, err := strconv.ParseFloat(s[:n], 64)
		unit, known := ageUnits[s[n:u]]
		if err != nil || !known {
			return 0, false
		}
		total += x * float64(unit)
		s = s[u:]
	}
	if total > float64(1<<62) {
		return 0, false
	}
	return time.Duration(total), true
}
