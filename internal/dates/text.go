package dates

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a date in one of the usual notations, as $dateFromString does
// without a format: ISO 8601 and its compact and week forms, American
// month/day/year, day.month.year, month names in any place, with an optional
// time of day and zone; also "@seconds". Relative forms ("tomorrow") are
// refused. z is the zone of a text that names none.
func Parse(text string, z *Zone) (int64, error) {
	f := noFields()
	s := &scan{s: strings.Trim(text, " \t\n\v\f\r")}
	err := s.free(f)
	if err == nil && f.y != unset && f.m != unset && f.d == unset {
		f.d = 1 // "Jan 2024"
		if s.comma {
			err = errPartial
		}
	}
	if err == nil && f.y == unset && f.isoY == unset {
		err = errPartial
	}
	var ms int64
	if err == nil {
		ms, err = f.date(z)
	}
	if err != nil {
		return 0, fmt.Errorf("Error parsing date string '%s'; %d: %w", text, s.at, err)
	}
	return ms, nil
}

func (s *scan) fail() error {
	if !s.more() {
		return errPartial
	}
	return fmt.Errorf("Unexpected character '%c'", s.s[s.at])
}

// free reads the parts of a text in whatever order they come.
func (s *scan) free(f *fields) error {
	if s.peek() == '@' {
		return s.unix(f)
	}
	for s.more() {
		c := s.peek()
		switch {
		case c == ' ' || c == ',' || c == '\t':
			s.comma = s.comma || c == ','
			s.at++
		case isDigit(c):
			if err := s.number(f); err != nil {
				return err
			}
		case isLetter(c):
			if err := s.name(f); err != nil {
				return err
			}
		case (c == '+' || c == '-') && f.h != unset && f.zone == nil:
			z, err := s.zone()
			if err != nil {
				return err
			}
			f.zone = z
		case c == '(' && f.h != unset && strings.HasSuffix(s.s, ")"): // a zone's name after its offset
			s.at = len(s.s)
		default:
			return s.fail()
		}
	}
	return nil
}

func (s *scan) unix(f *fields) error {
	n, err := strconv.ParseInt(s.s[1:], 10, 64)
	if err != nil || n > 1<<40 || n < -1<<40 {
		return s.fail()
	}
	s.at = len(s.s)
	f.y, f.m, f.d, f.h, f.mi, f.s, f.zone = 1970, 1, 1, 0, 0, 0, UTC
	f.d += floorDiv(n, 86400)
	rest := n - floorDiv(n, 86400)*86400
	p := splitLocal((f.d-1)*Day, 0)
	f.y, f.m, f.d = int64(p.Year), int64(p.Month), int64(p.Day)
	f.h, f.mi, f.s = rest/3600, rest/60%60, rest%60
	return nil
}

// name reads a word: a month, a day of the week, am or pm, the T between date
// and time, or a zone.
func (s *scan) name(f *fields) error {
	at := s.at
	w := s.word()
	low := strings.ToLower(w)
	if m, ok := lookupMonth(w); ok && f.m == unset {
		f.m = int64(m)
		if s.peek() == '-' || s.peek() == '.' || s.peek() == '/' {
			s.at++
		}
		return nil
	}
	if d, ok := weekdayOf(low); ok && f.weekday == unset {
		f.weekday = d
		if s.peek() == '.' {
			s.at++
		}
		return nil
	}
	switch {
	case low == "of" && f.d != unset && f.m == unset:
		return nil
	case low == "t" && isDigit(s.peek()) && f.h == unset:
		f.joined = true
		return nil
	case s.meridian(low) != 0 && f.h != unset && f.zone == nil:
		return f.halfDay(s.meridian(low), s)
	}
	s.at = at
	if f.zone != nil || f.h == unset && f.y == unset && f.d == unset {
		return s.fail()
	}
	z, err := s.zone()
	if err != nil {
		return err
	}
	f.zone = z
	// "GMT+2" is an offset after a name.
	if c := s.peek(); (c == '+' || c == '-') && z.IsUTC() {
		f.zone, err = s.zone()
	}
	return err
}

// weekdayOf reads the name of a day and its usual short forms.
func weekdayOf(low string) (int, bool) {
	if low == "tues" || low == "wednes" || low == "thur" || low == "thurs" {
		low = low[:3]
	}
	return ParseWeekday(low)
}

// meridian returns 'a' or 'p' for "am", "pm", "a.m." and "p.m.", of which low is
// the first word, which was read; else 0.
func (s *scan) meridian(low string) byte {
	switch {
	case low == "am" || low == "pm":
		return low[0]
	case (low == "a" || low == "p") && strings.HasPrefix(strings.ToLower(s.s[s.at:]), ".m"):
		return low[0]
	}
	return 0
}

// halfDay applies am or pm to a clock of twelve hours.
func (f *fields) halfDay(half byte, s *scan) error {
	if f.h < 1 || f.h > 12 || f.joined || f.fraction {
		return s.fail()
	}
	if strings.HasPrefix(s.s[s.at:], ".") {
		s.at += 2
		if s.peek() == '.' {
			s.at++
		}
	}
	f.h %= 12
	if half == 'p' {
		f.h += 12
	}
	return nil
}

// number reads what begins with a digit: a time if a colon follows, a date if
// there is none yet.
func (s *scan) number(f *fields) error {
	n := s.run()
	next := byte(0)
	if s.at+n < len(s.s) {
		next = s.s[s.at+n]
	}
	switch {
	case n <= 2 && next == ':':
		return s.clock(f)
	case f.h == unset && n <= 2 && s.meridianFollows(n):
		return s.clock(f)
	case n == 4 && next == '-' && f.y == unset && f.m == unset:
		return s.yearFirst(f)
	case n == 4 && next == '/' && f.y == unset && f.m == unset:
		return s.ymdSlash(f)
	case n <= 2 && next == '/' && f.y == unset && f.m == unset:
		return s.american(f)
	case n <= 2 && (next == '-' || next == '.') && f.y == unset && f.d == unset:
		return s.dayFirst(f, next)
	case (n == 8 || n == 14) && f.y == unset && f.m == unset:
		return s.compact(f, n)
	case n == 7 && f.y == unset && f.m == unset:
		return s.compactYearDay(f)
	case (n == 6 || n == 4) && f.y != unset && f.h == unset:
		return s.compactClock(f, n)
	case n == 4 && f.y == unset:
		f.y, _ = s.digits(4, 4, "")
		if s.weekFollows() {
			return s.isoWeek(f)
		}
		return nil
	case n <= 2 && f.d == unset:
		return s.day(f)
	case n <= 2 && f.h == unset && f.y != unset && s.at > 0 && s.s[s.at-1]|0x20 == 't':
		f.h, _ = s.digits(1, 2, "")
		return nil
	}
	return s.fail()
}

func (s *scan) meridianFollows(n int) bool {
	rest := strings.ToLower(strings.TrimLeft(s.s[s.at+n:], " "))
	return strings.HasPrefix(rest, "am") || strings.HasPrefix(rest, "pm")
}

func (s *scan) weekFollows() bool {
	return s.peek()|0x20 == 'w' && s.at+1 < len(s.s) && isDigit(s.s[s.at+1])
}

// day reads a day of the month with "st", "nd", "rd" or "th".
func (s *scan) day(f *fields) (err error) {
	f.d, err = s.digits(1, 2, "Unexpected character")
	if err != nil {
		return err
	}
	if isLetter(s.peek()) {
		at := s.at
		switch strings.ToLower(s.word()) {
		case "st", "nd", "rd", "th":
		default:
			s.at = at
		}
	}
	if c := s.peek(); (c == '/' || c == '-' || c == '.') && f.y == unset {
		s.at++
	}
	return nil
}

// clock reads hh:mm[:ss[.fraction]] and am or pm.
func (s *scan) clock(f *fields) (err error) {
	if f.h != unset {
		return s.fail()
	}
	const problem = "Unexpected character"
	f.h, err = s.digits(1, 2, problem)
	if err != nil || s.peek() != ':' {
		return err
	}
	s.at++
	if f.mi, err = s.digits(1, 2, problem); err != nil {
		return err
	}
	if s.peek() != ':' {
		return nil
	}
	s.at++
	if f.s, err = s.digits(1, 2, problem); err != nil {
		return err
	}
	return s.fraction(f)
}

// fraction reads the digits of a second; those after the third are dropped.
func (s *scan) fraction(f *fields) error {
	if c := s.peek(); c != '.' && c != ',' || s.at+1 >= len(s.s) || !isDigit(s.s[s.at+1]) {
		return nil
	}
	s.at++
	f.fraction = true
	n := s.run()
	f.ms = 0
	for i := 0; i < 3; i++ {
		f.ms *= 10
		if i < n {
			f.ms += int64(s.s[s.at+i] - '0')
		}
	}
	s.at += n
	return nil
}

// yearFirst reads yyyy-mm-dd, yyyy-Www-d, yyyy-ddd and yyyy-Mon-dd.
func (s *scan) yearFirst(f *fields) (err error) {
	f.y, _ = s.digits(4, 4, "")
	s.at++
	switch {
	case s.weekFollows():
		return s.isoWeek(f)
	case s.run() == 3:
		f.yearDay, _ = s.digits(3, 3, "")
		f.yearDay--
		return nil
	case isLetter(s.peek()):
		if f.m, err = s.month(); err != nil {
			return err
		}
	default:
		if f.m, err = s.digits(1, 2, "Unexpected character"); err != nil {
			return err
		}
	}
	if s.peek() != '-' {
		f.d = 1 // yyyy-mm is its first day
		return nil
	}
	s.at++
	f.d, err = s.digits(1, 2, "Unexpected character")
	return err
}

// isoWeek reads what follows the year of an ISO week: "Www[-d]".
func (s *scan) isoWeek(f *fields) (err error) {
	f.isoY, f.y = f.y, unset
	s.at++
	if f.isoW, err = s.digits(2, 2, "Unexpected character"); err != nil {
		return err
	}
	if s.peek() == '-' {
		s.at++
	}
	if isDigit(s.peek()) {
		f.isoD, err = s.digits(1, 1, "Unexpected character")
	}
	return err
}

func (s *scan) ymdSlash(f *fields) (err error) {
	f.y, _ = s.digits(4, 4, "")
	s.at++
	if f.m, err = s.digits(1, 2, "Unexpected character"); err != nil {
		return err
	}
	if s.peek() != '/' {
		return s.fail()
	}
	s.at++
	f.d, err = s.digits(1, 2, "Unexpected character")
	return err
}

// american reads mm/dd/yyyy, and dd/Mon/yyyy as web servers write it.
func (s *scan) american(f *fields) (err error) {
	first, _ := s.digits(1, 2, "")
	s.at++
	if isLetter(s.peek()) {
		f.d = first
		if f.m, err = s.month(); err != nil {
			return err
		}
	} else {
		f.m = first
		if f.d, err = s.digits(1, 2, "Unexpected character"); err != nil {
			return err
		}
	}
	if s.peek() != '/' {
		return nil
	}
	s.at++
	n := s.run()
	if f.y, err = s.digits(1, 4, "Unexpected character"); err != nil {
		return err
	}
	f.y = century(f.y, n)
	if s.peek() == ':' && isDigit(byte(s.s[min(s.at+1, len(s.s)-1)])) {
		s.at++ // 10/Oct/2000:13:55:36
	}
	return nil
}

// century completes a year of two digits.
func century(y int64, digits int) int64 {
	switch {
	case digits > 2:
		return y
	case y < 70:
		return y + 2000
	}
	return y + 1900
}

// dayFirst reads dd-mm-yyyy, dd.mm.yyyy and dd-Mon-yyyy.
func (s *scan) dayFirst(f *fields, sep byte) (err error) {
	f.d, _ = s.digits(1, 2, "")
	s.at++
	if isLetter(s.peek()) {
		f.m, err = s.month()
	} else {
		f.m, err = s.digits(1, 2, "Unexpected character")
	}
	if err != nil {
		return err
	}
	if s.peek() != sep {
		return nil
	}
	s.at++
	n := s.run()
	f.y, err = s.digits(2, 4, "Unexpected character")
	f.y = century(f.y, n)
	return err
}

// compact reads yyyymmdd and yyyymmddhhmmss.
func (s *scan) compact(f *fields, n int) error {
	f.y, _ = s.digits(4, 4, "")
	f.m, _ = s.digits(2, 2, "")
	f.d, _ = s.digits(2, 2, "")
	if n == 14 {
		return s.compactClock(f, 6)
	}
	return nil
}

func (s *scan) compactYearDay(f *fields) error {
	f.y, _ = s.digits(4, 4, "")
	f.yearDay, _ = s.digits(3, 3, "")
	f.yearDay--
	return nil
}

// compactClock reads hhmmss and hhmm.
func (s *scan) compactClock(f *fields, n int) error {
	f.h, _ = s.digits(2, 2, "")
	f.mi, _ = s.digits(2, 2, "")
	if n == 6 {
		f.s, _ = s.digits(2, 2, "")
	}
	return s.fraction(f)
}
