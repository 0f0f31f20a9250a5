package dates

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones also where the system has none
)

// Zone is a time zone: a fixed offset or an Olson zone. It is immutable.
type Zone struct {
	loc    *time.Location // nil for a fixed offset
	offset int            // seconds east of UTC
}

// UTC is the zone without an offset.
var UTC = &Zone{}

// IsUTC reports whether z is UTC itself.
func (z *Zone) IsUTC() bool { return z.loc == nil && z.offset == 0 }

// Fixed returns the zone that is so many seconds east of UTC.
func Fixed(offset int) *Zone { return &Zone{offset: offset} }

// zones caches Olson zones by name; there are some 600.
var zones sync.Map

// ParseZone reads "Europe/Paris" (case matters), "+02", "-0330" or "+05:45".
func ParseZone(name string) (*Zone, error) {
	if z, ok := parseOffset(name); ok {
		return z, nil
	}
	if z, ok := zones.Load(name); ok {
		return z.(*Zone), nil
	}
	if !zoneName(name) {
		return nil, fmt.Errorf("unrecognized time zone identifier: %q", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unrecognized time zone identifier: %q", name)
	}
	z := &Zone{loc: loc}
	if name == "UTC" || name == "GMT" {
		z = UTC
	}
	zones.Store(name, z)
	return z, nil
}

// zoneName refuses what LoadLocation takes and Olson's list does not have.
func zoneName(name string) bool {
	return name != "" && name != "Local" && name[0] >= 'A' && name[0] <= 'Z' && !strings.Contains(name, "..") && !strings.HasSuffix(name, "/")
}

// parseOffset reads ±hh, ±hhmm and ±hh:mm; any two digits are taken.
func parseOffset(s string) (*Zone, bool) {
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	d := s[1:]
	if len(d) == 5 && d[2] == ':' {
		d = d[:2] + d[3:]
	}
	if len(d) != 2 && len(d) != 4 {
		return nil, false
	}
	n := 0
	for i := 0; i < len(d); i++ {
		if d[i] < '0' || d[i] > '9' {
			return nil, false
		}
		n = n*10 + int(d[i]-'0')
	}
	minutes := n * 60
	if len(d) == 4 {
		minutes = n/100*60 + n%100
	}
	if s[0] == '-' {
		minutes = -minutes
	}
	return &Zone{offset: minutes * 60}, true
}

// Offset returns the seconds that z is east of UTC at a date.
func (z *Zone) Offset(ms int64) int {
	if z.loc == nil {
		return z.offset
	}
	_, off := time.UnixMilli(ms).In(z.loc).Zone()
	return off
}

// toUTC turns local milliseconds into a date. A local time that the clock skips
// is read with the offset before the change; one that it repeats is read as
// timelib does, which looks up the zone as if the local time were UTC first.
func (z *Zone) toUTC(ms int64) (int64, bool) {
	off := int64(z.offset)
	if z.loc != nil {
		current := int64(z.Offset(ms))
		guess, ok := addMul(ms, -current, Second)
		if !ok {
			return 0, false
		}
		t := time.UnixMilli(guess).In(z.loc)
		_, after := t.Zone()
		off = int64(after)
		if off != current {
			at := ms - off*Second
			if start, _ := t.ZoneBounds(); !start.IsZero() {
				change := start.UnixMilli()
				if at >= change+(current-off)*Second && at < change {
					off = current
				}
			}
		}
	}
	return addMul(ms, -off, Second)
}
