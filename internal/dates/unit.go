package dates

import (
	"math"
	"strings"
)

// Unit is a unit of time.
type Unit int

// The units that MongoDB's date operators take.
const (
	UnitMillisecond Unit = iota
	UnitSecond
	UnitMinute
	UnitHour
	UnitDay
	UnitWeek
	UnitMonth
	UnitQuarter
	UnitYear
)

var unitNames = []string{"millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"}

// unitMillis are the lengths of the fixed units in milliseconds, and about those
// of the others.
var unitMillis = []int64{1, Second, Minute, Hour, Day, 7 * Day, 28 * Day, 90 * Day, 365 * Day}

// ParseUnit reads a unit's name, in lower case and singular.
func ParseUnit(s string) (Unit, bool) {
	for i, n := range unitNames {
		if n == s {
			return Unit(i), true
		}
	}
	return 0, false
}

// String returns the unit's name.
func (u Unit) String() string { return unitNames[u] }

// ParseWeekday reads a day's name or its first three letters, in any case:
// 0 is Sunday.
func ParseWeekday(s string) (int, bool) {
	s = strings.ToLower(s)
	for i, n := range weekdays {
		if s == n || s == n[:3] {
			return i, true
		}
	}
	return 0, false
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// months is the number of months in a unit of the calendar, else 0.
func (u Unit) months() int64 {
	switch u {
	case UnitMonth:
		return 1
	case UnitQuarter:
		return 3
	case UnitYear:
		return 12
	}
	return 0
}

// AmountFits reports whether adding so many units could stay within the range of
// dates at all.
func AmountFits(u Unit, amount int64) bool {
	const days = int64(math.MaxUint64/86_400_000) + 1
	const years = days/365 + 1
	limits := [...]int64{0, days * 86400, days * 1440, days * 24, days, days / 7, years * 12, years * 4, years}
	return u == UnitMillisecond || -limits[u] < amount && amount < limits[u]
}

// BinFits reports whether so many units, of hours or shorter, are a number of
// milliseconds.
func BinFits(u Unit, size int64) bool {
	_, ok := addMul(0, size, unitMillis[u])
	return ok
}

// Add adds units to a date; days and longer ones by the calendar of the zone: a
// month's last day takes the place of one that does not exist, and the local time
// of the day stays. False when the result is out of range.
func Add(ms int64, u Unit, amount int64, z *Zone) (int64, bool) {
	if u <= UnitHour {
		return addMul(ms, amount, unitMillis[u])
	}
	off := z.Offset(ms)
	t, ok := addMul(ms, int64(off), Second)
	if !ok {
		return 0, false
	}
	clock := t - floorDiv(t, Day)*Day
	if n := u.months(); n != 0 {
		p := splitLocal(ms, off)
		months, ok := addMul(int64(p.Year)*12+int64(p.Month-1), amount, n)
		if !ok {
			return 0, false
		}
		y := floorDiv(months, 12)
		m := months - y*12 + 1
		if y < -400_000_000 || y > 400_000_000 {
			return 0, false
		}
		d := min(int64(p.Day), daysInMonth(y, m))
		t, ok = addMul(clock, civilDays(y, m, d), Day)
		if !ok {
			return 0, false
		}
		return z.toUTC(t)
	}
	if t, ok = addMul(t, amount, unitMillis[u]); !ok {
		return 0, false
	}
	return z.toUTC(t)
}

// Diff counts the boundaries of a unit between two dates; weeks begin on the day
// start (0: Sunday). False when the result is out of range.
func Diff(from, to int64, u Unit, z *Zone, start int) (int64, bool) {
	switch u {
	case UnitMillisecond:
		d := to - from
		return d, (d > 0) == (to > from)
	case UnitSecond, UnitMinute:
		return floorDiv(to, unitMillis[u]) - floorDiv(from, unitMillis[u]), true
	}
	offFrom, offTo := int64(z.Offset(from)), int64(z.Offset(to))
	a, b := from+offFrom*Second, to+offTo*Second
	switch u {
	case UnitHour:
		return floorDiv(b, Hour) - floorDiv(a, Hour) - (offTo-offFrom)*Second/Hour, true
	case UnitDay:
		return floorDiv(b, Day) - floorDiv(a, Day), true
	case UnitWeek:
		return weekIndex(b, start) - weekIndex(a, start), true
	}
	return periodIndex(Split(to, z), u) - periodIndex(Split(from, z), u), true
}

// weekIndex numbers weeks from the epoch, a Thursday.
func weekIndex(localMS int64, start int) int64 {
	return floorDiv(floorDiv(localMS, Day)+4-int64(start), 7)
}

func periodIndex(p Parts, u Unit) int64 {
	return floorDiv(int64(p.Year)*12+int64(p.Month-1), u.months())
}

// reference is 2000-01-01, from which the bins of $dateTrunc are counted: as a
// day since the epoch. It was a Saturday.
const reference = int64(10957)

// Trunc returns the beginning of the bin of size units that a date is in. Bins
// begin at 2000-01-01 00:00 in the zone, those of weeks on the first day start on
// or after that. False when the result is out of range.
func Trunc(ms int64, u Unit, size int64, z *Zone, start int) (int64, bool) {
	if u <= UnitHour {
		bin, ok := addMul(0, size, unitMillis[u])
		if !ok {
			return 0, false
		}
		zero, _ := Join(2000, 1, 1, 0, 0, 0, 0, z)
		dist := ms - zero
		if (dist < ms) != (zero > 0) {
			return 0, false
		}
		return addMul(zero, floorDiv(dist, bin), bin)
	}
	p := Split(ms, z)
	if n := u.months(); n != 0 {
		bin, ok := addMul(0, size, n)
		if !ok {
			return 0, false
		}
		const zero = 2000 * 12
		at, ok := addMul(zero, floorDiv(int64(p.Year)*12+int64(p.Month-1)-zero, bin), bin)
		if !ok {
			return 0, false
		}
		return Join(floorDiv(at, 12), at-floorDiv(at, 12)*12+1, 1, 0, 0, 0, 0, z)
	}
	zero := reference
	bin := size
	if u == UnitWeek {
		zero += int64((start + 7 - 6) % 7)
		var ok bool
		if bin, ok = addMul(0, size, 7); !ok {
			return 0, false
		}
	}
	day := floorDiv(ms+int64(p.Offset)*Second, Day)
	at, ok := addMul(zero, floorDiv(day-zero, bin), bin)
	if !ok {
		return 0, false
	}
	if at, ok = addMul(0, at, Day); !ok {
		return 0, false
	}
	return z.toUTC(at)
}
