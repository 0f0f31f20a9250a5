// Package dates is MongoDB's calendar: dates in milliseconds since the Unix
// epoch, time zones by Olson name or offset, arithmetic by calendar units, and
// the text forms that $dateToString writes and $dateFromString reads. The server
// that it follows uses timelib, whose rules for local times that a change of the
// clock skips or repeats are kept.
package dates

import (
	"math"
	"time"
)

// Milliseconds of the fixed units.
const (
	Second = int64(1000)
	Minute = 60 * Second
	Hour   = 60 * Minute
	Day    = 24 * Hour
)

// Parts are a date's fields in some zone. ISO fields follow ISO 8601.
type Parts struct {
	Year, Month, Day                  int // month from 1
	Hour, Minute, Second, Millisecond int
	Offset                            int // of the zone, in seconds
}

// Split returns a date's fields in a zone.
func Split(ms int64, z *Zone) Parts {
	off := z.Offset(ms)
	return splitLocal(ms, off)
}

func splitLocal(ms int64, off int) Parts {
	t := local(ms, off)
	y, m, d := t.Date()
	h, mi, s := t.Clock()
	return Parts{y, int(m), d, h, mi, s, t.Nanosecond() / 1e6, off}
}

// local returns a date shifted by an offset, as a UTC time. time.Time's range is
// wider than a long of milliseconds, so nothing overflows.
func local(ms int64, off int) time.Time {
	return time.UnixMilli(ms).UTC().Add(time.Duration(off) * time.Second)
}

// DayOfWeek is 1 (Sunday) to 7, DayOfYear 1 to 366.
func (p Parts) DayOfWeek() int { return int(p.date().Weekday()) + 1 }

// ISODayOfWeek is 1 (Monday) to 7.
func (p Parts) ISODayOfWeek() int { return (p.DayOfWeek()+5)%7 + 1 }

// DayOfYear is 1 to 366.
func (p Parts) DayOfYear() int { return p.date().YearDay() }

// Week is 0 to 53; weeks begin on Sundays, and week 1 with the year's first one.
func (p Parts) Week() int { return (p.DayOfYear() - 1 + 7 - (p.DayOfWeek() - 1)) / 7 }

// ISOWeek returns the ISO week's year and its number, 1 to 53.
func (p Parts) ISOWeek() (year, week int) { return p.date().ISOWeek() }

func (p Parts) date() time.Time {
	return time.Date(p.Year, time.Month(p.Month), p.Day, 0, 0, 0, 0, time.UTC)
}

// civilDays counts the days from 1970-01-01 to a date; months and days beyond
// their range carry over.
func civilDays(y, m, d int64) int64 {
	m--
	y += floorDiv(m, 12)
	m = m - floorDiv(m, 12)*12 + 1
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// addMul returns a + b*c, and whether it is in range.
func addMul(a, b, c int64) (int64, bool) {
	p := b * c
	if b != 0 && (p/b != c || b == -1 && c == math.MinInt64) {
		return 0, false
	}
	s := a + p
	return s, (s > a) == (p > 0)
}

// Join returns the date with these fields in a zone, which carry over when they
// are beyond their range; false when it is out of range.
func Join(y, m, d, h, mi, s, ms int64, z *Zone) (int64, bool) {
	const far = 400_000_000 // years: keeps the day count small enough
	if y < -far || y > far || m < -far || m > far || d < -far*366 || d > far*366 {
		return 0, false
	}
	return joinDays(civilDays(y, m, d), h, mi, s, ms, z)
}

// JoinISO is Join for ISO fields: the week's year, week and day of the week.
func JoinISO(y, w, d, h, mi, s, ms int64, z *Zone) (int64, bool) {
	const far = 400_000_000
	if y < -far || y > far || w < -far || w > far || d < -far || d > far {
		return 0, false
	}
	// The ISO year's first Monday is in the week of January 4.
	jan4 := civilDays(y, 1, 4)
	monday := jan4 - (jan4+3)%7
	if (jan4+3)%7 < 0 {
		monday -= 7
	}
	return joinDays(monday+(w-1)*7+d-1, h, mi, s, ms, z)
}

func joinDays(days, h, mi, s, ms int64, z *Zone) (int64, bool) {
	t, ok := addMul(ms, days, Day)
	for _, f := range []struct{ n, unit int64 }{{h, Hour}, {mi, Minute}, {s, Second}} {
		if !ok {
			return 0, false
		}
		t, ok = addMul(t, f.n, f.unit)
	}
	if !ok {
		return 0, false
	}
	return z.toUTC(t)
}

func daysInMonth(y, m int64) int64 { return civilDays(y, m+1, 1) - civilDays(y, m, 1) }
