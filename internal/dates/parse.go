package dates

import (
	"errors"
	"fmt"
	"strings"
)

// unset marks a field that the text does not have.
const unset = -1 << 31

// fields are what was read from a text.
type fields struct {
	y, m, d          int64
	isoY, isoW, isoD int64
	yearDay          int64 // days after January 1
	h, mi, s, ms     int64
	zone             *Zone
	weekday          int  // the date moves on to it; 0 is Sunday, unset none
	joined           bool // date and time are joined by a T
	fraction         bool
}

func noFields() *fields {
	return &fields{y: unset, m: unset, d: unset, isoY: unset, isoW: unset, isoD: unset, yearDay: unset, h: unset, mi: unset, s: unset, ms: unset, weekday: unset}
}

// errDigits and the like are why a text is no date; callers add the text.
var (
	errTrailing = errors.New("Trailing data")
	errMore     = errors.New("Not enough data available to satisfy format")
	errInvalid  = errors.New("The parsed date was invalid")
	errPartial  = errors.New("an incomplete date/time string has been found, with elements missing")
	errMixed    = errors.New("Mixing of ISO dates with natural dates is not allowed")
	errTwoZones = errors.New("you cannot pass in a date/time string with time zone information together with a timezone argument")
)

// ParseFormat reads a text by a format that CheckReadFormat has accepted; z is
// the zone of a text that names none.
func ParseFormat(text, format string, z *Zone) (int64, error) {
	f := noFields()
	s := &scan{s: text}
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c == '%' && i+1 < len(format) && format[i+1] != '%' {
			i++
			if err := s.field(f, format[i]); err != nil {
				return 0, fmt.Errorf("Error parsing date string '%s'; %d: %w", text, s.at, err)
			}
			continue
		}
		if c == '%' {
			i++
		}
		if s.at >= len(text) {
			return 0, fmt.Errorf("Error parsing date string '%s'; %d: %w", text, s.at, errMore)
		}
		if text[s.at] != c {
			return 0, fmt.Errorf("Error parsing date string '%s'; %d: Format literal not found '%c'", text, s.at, text[s.at])
		}
		s.at++
	}
	if s.at < len(text) {
		return 0, fmt.Errorf("Error parsing date string '%s'; %d: %w '%c'", text, s.at, errTrailing, text[s.at])
	}
	ms, err := f.date(z)
	if err != nil {
		return 0, fmt.Errorf("Error parsing date string '%s'; %w", text, err)
	}
	return ms, nil
}

// field reads one specifier.
func (s *scan) field(f *fields, spec byte) (err error) {
	switch spec {
	case 'Y':
		f.y, err = s.digits(1, 4, "A four digit year could not be found")
	case 'm':
		f.m, err = s.digits(1, 2, "A two digit month could not be found")
	case 'd':
		f.d, err = s.digits(1, 2, "A two digit day could not be found")
	case 'H':
		f.h, err = s.digits(1, 2, "A two digit hour could not be found")
	case 'M':
		f.mi, err = s.digits(2, 2, "A two digit minute could not be found")
	case 'S':
		f.s, err = s.digits(2, 2, "A two digit second could not be found")
	case 'L':
		at := s.at
		f.ms, err = s.digits(1, 3, "A three digit millisecond could not be found")
		for n := s.at - at; err == nil && n < 3; n++ {
			f.ms *= 10
		}
	case 'j':
		if f.y == unset {
			return errors.New("A 'day of year' can only come after a year has been found")
		}
		f.yearDay, err = s.digits(1, 3, "A three digit day-of-year could not be found")
	case 'G':
		f.isoY, err = s.digits(4, 4, "A four digit ISO year could not be found")
	case 'V':
		f.isoW, err = s.digits(1, 2, "A two digit ISO week could not be found")
	case 'u':
		f.isoD, err = s.digits(1, 1, "A single digit ISO day of week could not be found")
	case 'b', 'B':
		f.m, err = s.month()
	case 'z':
		f.zone, err = s.zone()
	case 'Z':
		f.zone, err = s.minutesZone()
	}
	return err
}

func (s *scan) month() (int64, error) {
	w := s.word()
	m, ok := lookupMonth(w)
	if !ok {
		s.at -= len(w)
		return 0, errors.New("A textual month could not be found")
	}
	return int64(m), nil
}

// minutesZone reads an offset in minutes, with a sign.
func (s *scan) minutesZone() (*Zone, error) {
	neg := false
	if s.at < len(s.s) && (s.s[s.at] == '+' || s.s[s.at] == '-') {
		neg = s.s[s.at] == '-'
		s.at++
	}
	n, err := s.digits(1, 4, "A valid timezone offset in minutes could not be found")
	if err != nil {
		return nil, err
	}
	if neg {
		n = -n
	}
	return Fixed(int(n) * 60), nil
}

// date puts the fields together and checks them.
func (f *fields) date(z *Zone) (int64, error) {
	if f.zone != nil {
		if !z.IsUTC() {
			return 0, errTwoZones
		}
		z = f.zone
	}
	for _, t := range []*int64{&f.h, &f.mi, &f.s, &f.ms} {
		if *t == unset {
			*t = 0
		}
	}
	if f.h > 24 || f.mi > 59 || f.s > 59 || f.h == 24 && f.mi+f.s+f.ms > 0 {
		return 0, errInvalid
	}
	iso := f.isoY != unset || f.isoW != unset || f.isoD != unset
	natural := f.y != unset || f.m != unset || f.d != unset || f.yearDay != unset
	switch {
	case iso && natural:
		return 0, errMixed
	case iso:
		return f.isoDate(z)
	case f.yearDay != unset && f.y != unset:
		if f.m == unset && f.d == unset {
			return inRange(Join(f.y, 1, 1+f.yearDay, f.h, f.mi, f.s, f.ms, z))
		}
	}
	if f.y == unset || f.m == unset || f.d == unset {
		return 0, errPartial
	}
	if f.m < 1 || f.m > 12 || f.d < 1 || f.d > daysInMonth(f.y, f.m) {
		return 0, errInvalid
	}
	if f.weekday != unset {
		f.d += (int64(f.weekday) - (civilDays(f.y, f.m, f.d) + 4) + 7*1e9) % 7
	}
	return inRange(Join(f.y, f.m, f.d, f.h, f.mi, f.s, f.ms, z))
}

func (f *fields) isoDate(z *Zone) (int64, error) {
	if f.isoY == unset {
		return 0, errPartial
	}
	if f.isoW == unset {
		f.isoW = 1
	}
	if f.isoD == unset {
		f.isoD = 1
	}
	if f.isoW < 1 || f.isoW > 53 || f.isoD < 1 || f.isoD > 7 {
		return 0, errInvalid
	}
	return inRange(JoinISO(f.isoY, f.isoW, f.isoD, f.h, f.mi, f.s, f.ms, z))
}

func inRange(ms int64, ok bool) (int64, error) {
	if !ok {
		return 0, errors.New("the date is out of range")
	}
	return ms, nil
}

// scan reads a text from left to right.
type scan struct {
	s     string
	at    int
	comma bool // there was one
}

func (s *scan) more() bool { return s.at < len(s.s) }

func (s *scan) peek() byte {
	if s.at < len(s.s) {
		return s.s[s.at]
	}
	return 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// digits reads a number of at least lo and at most hi digits.
func (s *scan) digits(lo, hi int, problem string) (int64, error) {
	n, start := int64(0), s.at
	for s.at-start < hi && isDigit(s.peek()) {
		n = n*10 + int64(s.s[s.at]-'0')
		s.at++
	}
	if s.at-start < lo {
		s.at = start
		return 0, errors.New(problem)
	}
	return n, nil
}

// run counts the digits from here.
func (s *scan) run() int {
	i := s.at
	for i < len(s.s) && isDigit(s.s[i]) {
		i++
	}
	return i - s.at
}

func (s *scan) word() string {
	i := s.at
	for i < len(s.s) && isLetter(s.s[i]) {
		i++
	}
	w := s.s[s.at:i]
	s.at = i
	return w
}

func lookupMonth(w string) (int, bool) {
	w = strings.ToLower(w)
	for i, n := range monthNames {
		n = strings.ToLower(n)
		if w == n || w == n[:3] || w == "sept" && i == 8 {
			return i + 1, true
		}
	}
	return 0, false
}

// abbreviations of zones that timelib knows, by their offset in minutes; one
// letter is a military zone.
var abbreviations = map[string]int{
	"z": 0, "utc": 0, "uct": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60, "ist": 120, "idt": 180, "cet": 60, "cest": 120, "met": 60, "mest": 120,
	"eet": 120, "eest": 180, "msk": 180, "msd": 240, "ast": -240, "adt": -180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
	"mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600, "hdt": -540, "sst": -660,
	"jst": 540, "kst": 510, "hkt": 480, "pkt": 300, "aest": 600, "aedt": 660, "acst": 570, "acdt": 630, "awst": 480,
	"nzst": 720, "nzdt": 780, "sast": 120, "cat": 120, "eat": 180, "wat": 60, "wib": 420, "wita": 480, "wit": 540,
	"a": 60, "b": 120, "c": 180, "d": 240, "e": 300, "f": 360, "g": 420, "h": 480, "i": 540, "k": 600, "l": 660, "m": 720,
	"n": -60, "o": -120, "p": -180, "q": -240, "r": -300, "s": -360, "t": -420, "u": -480, "v": -540, "w": -600, "x": -660, "y": -720,
}

// zone reads an offset of up to 24 hours or an abbreviation. MongoDB does not
// take an Olson name within a date.
func (s *scan) zone() (*Zone, error) {
	if c := s.peek(); c == '+' || c == '-' {
		return s.offset()
	}
	at := s.at
	m, ok := abbreviations[strings.ToLower(s.word())]
	if !ok || s.peek() == '/' || s.peek() == '_' {
		s.at = at
		return nil, errors.New("passing a time zone identifier as part of the string is not allowed")
	}
	return Fixed(m * 60), nil
}

func (s *scan) offset() (*Zone, error) {
	at := s.at
	i := at + 1
	for i < len(s.s) && i-at < 6 && (isDigit(s.s[i]) || s.s[i] == ':' && i > at+1) {
		i++
	}
	d := s.s[at+1 : i]
	if j := strings.IndexByte(d, ':'); j == 1 || len(d) == 1 || j < 0 && len(d) == 3 {
		d = "0" + d // one digit is an hour, three are hmm
	}
	z, ok := parseOffset(s.s[at:at+1] + d)
	if !ok || abs(z.offset) > 24*3600+59*60 {
		return nil, errors.New("Unexpected character")
	}
	s.at = i
	return z, nil
}
