package dates

import (
	"errors"
	"fmt"
	"strconv"
)

// ISOFormat is what $dateToString writes in UTC, LocalFormat in another zone.
const (
	ISOFormat   = "%Y-%m-%dT%H:%M:%S.%LZ"
	LocalFormat = "%Y-%m-%dT%H:%M:%S.%L"
)

// ErrYear refuses a year that has not four digits.
var ErrYear = errors.New("Could not convert date to string: date component was outside the supported range of 0-9999: year")

// specifiers of formats: those of $dateToString, and of them those that
// $dateFromString reads as well.
const (
	writeSpecifiers = "%BGHLMSUVYZbdjmuwz"
	readSpecifiers  = "%BGHLMSVYZbdjmuz"
)

// CheckWriteFormat validates a format of $dateToString. unknown tells an unknown
// specifier from a lone "%" at the end.
func CheckWriteFormat(f string) (unknown bool, err error) { return checkFormat(f, writeSpecifiers) }

// CheckReadFormat validates a format of $dateFromString.
func CheckReadFormat(f string) (unknown bool, err error) { return checkFormat(f, readSpecifiers) }

func checkFormat(f, allowed string) (bool, error) {
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			continue
		}
		i++
		if i == len(f) {
			return false, errors.New("Unmatched '%' at end of format string")
		}
		found := false
		for j := 0; j < len(allowed); j++ {
			found = found || allowed[j] == f[i]
		}
		if !found {
			return true, fmt.Errorf("Invalid format character '%%%c' in format string", f[i])
		}
	}
	return false, nil
}

// Format writes a date by a format that CheckWriteFormat has accepted.
func Format(ms int64, format string, z *Zone) (string, error) {
	p := Split(ms, z)
	if p.Year < 0 || p.Year > 9999 {
		return "", ErrYear
	}
	b := make([]byte, 0, len(format)+16)
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		b = p.appendField(b, format[i])
	}
	return string(b), nil
}

// FormatISO writes a date in UTC with milliseconds and "Z".
func FormatISO(ms int64) (string, error) { return Format(ms, ISOFormat, UTC) }

func (p Parts) appendField(b []byte, spec byte) []byte {
	switch spec {
	case 'Y':
		return padded(b, p.Year, 4)
	case 'm':
		return padded(b, p.Month, 2)
	case 'd':
		return padded(b, p.Day, 2)
	case 'H':
		return padded(b, p.Hour, 2)
	case 'M':
		return padded(b, p.Minute, 2)
	case 'S':
		return padded(b, p.Second, 2)
	case 'L':
		return padded(b, p.Millisecond, 3)
	case 'j':
		return padded(b, p.DayOfYear(), 3)
	case 'w':
		return strconv.AppendInt(b, int64(p.DayOfWeek()), 10)
	case 'u':
		return strconv.AppendInt(b, int64(p.ISODayOfWeek()), 10)
	case 'U':
		return padded(b, p.Week(), 2)
	case 'V':
		_, w := p.ISOWeek()
		return padded(b, w, 2)
	case 'G':
		y, _ := p.ISOWeek()
		return padded(b, y, 4)
	case 'b':
		return append(b, monthNames[p.Month-1][:3]...)
	case 'B':
		return append(b, monthNames[p.Month-1]...)
	case 'z':
		off := p.Offset / 60
		b = append(b, sign(off))
		return padded(b, abs(off)/60*100+abs(off)%60, 4)
	case 'Z':
		return strconv.AppendInt(b, int64(p.Offset/60), 10)
	}
	return append(b, spec)
}

var monthNames = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

func sign(n int) byte {
	if n < 0 {
		return '-'
	}
	return '+'
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func padded(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for i := len(s); i < width; i++ {
		b = append(b, '0')
	}
	return append(b, s...)
}
