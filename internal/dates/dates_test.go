package dates

import (
	"math"
	"testing"
)

func iso(t *testing.T, ms int64) string {
	t.Helper()
	s, err := FormatISO(ms)
	if err != nil {
		return err.Error()
	}
	return s
}

func zone(t *testing.T, name string) *Zone {
	t.Helper()
	z, err := ParseZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2017-02-08", "2017-02-08T00:00:00.000Z"},
		{"2017-2-8", "2017-02-08T00:00:00.000Z"},
		{"2017-02-08T12:10:40.787", "2017-02-08T12:10:40.787Z"},
		{"2017-02-08t12:10:40z", "2017-02-08T12:10:40.000Z"},
		{"2017-02-08T12:10Z", "2017-02-08T12:10:00.000Z"},
		{"2017-02-08 12:10:40+02", "2017-02-08T10:10:40.000Z"},
		{"2017-02-08T12:10:40+0530", "2017-02-08T06:40:40.000Z"},
		{"2017-02-08T12:10:40 -03:30", "2017-02-08T15:40:40.000Z"},
		{"2017-02-08T12:10:40.123456789Z", "2017-02-08T12:10:40.123Z"},
		{"2017-07-06 12:35:37 EST", "2017-07-06T17:35:37.000Z"},
		{"20170704", "2017-07-04T00:00:00.000Z"},
		{"20170704T115602", "2017-07-04T11:56:02.000Z"},
		{"20170704T1156", "2017-07-04T11:56:00.000Z"},
		{"2017-W27-2", "2017-07-04T00:00:00.000Z"},
		{"2017W272", "2017-07-04T00:00:00.000Z"},
		{"2017-185", "2017-07-04T00:00:00.000Z"},
		{"2017/07/04", "2017-07-04T00:00:00.000Z"},
		{"07/04/2017", "2017-07-04T00:00:00.000Z"},
		{"04.07.2017", "2017-07-04T00:00:00.000Z"},
		{"04-07-2017", "2017-07-04T00:00:00.000Z"},
		{"4-Jul-2017", "2017-07-04T00:00:00.000Z"},
		{"2017-Jul-04", "2017-07-04T00:00:00.000Z"},
		{"July 4th, 2017", "2017-07-04T00:00:00.000Z"},
		{"July 4th, 2017 12:39:30 BST", "2017-07-04T11:39:30.000Z"},
		{"4 July 2017", "2017-07-04T00:00:00.000Z"},
		{"Tue, 04 Jul 2017 11:56:02 +0200", "2017-07-04T09:56:02.000Z"},
		{"Tue Jul 4 11:56:02 2017", "2017-07-04T11:56:02.000Z"},
		{"jul 4 2017 3pm", "2017-07-04T15:00:00.000Z"},
		{"jul 4 2017 12:05 am", "2017-07-04T00:05:00.000Z"},
		{"10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36.000Z"},
		{"@1499169362", "2017-07-04T11:56:02.000Z"},
		{"  2017-07-04 ", "2017-07-04T00:00:00.000Z"},
		// A day of the week moves the date on to it.
		{"Tue, 01 Jan 2024 10:00:00 GMT", "2024-01-02T10:00:00.000Z"},
		{"Sun, 01 Jan 2024", "2024-01-07T00:00:00.000Z"},
		{"Mon, 01 Jan 2024", "2024-01-01T00:00:00.000Z"},
		{"Jan 2024", "2024-01-01T00:00:00.000Z"},
		{"2024 Jan", "2024-01-01T00:00:00.000Z"},
		{"2024-01-01T", "2024-01-01T07:00:00.000Z"}, // a zone of its own
		{"2024-01-01 22:30:00 IST", "2024-01-01T20:30:00.000Z"},
		{"2024-01-01 10:30 p.m.", "2024-01-01T22:30:00.000Z"},
		{"2024-01-01 10 pm", "2024-01-01T22:00:00.000Z"},
		{"2024-01-01 10:00 P", "2024-01-01T13:00:00.000Z"},
		{"10:00 PM 2024-01-01", "2024-01-01T22:00:00.000Z"},
		{"2024-01-01 10:00 PM +02:00", "2024-01-01T20:00:00.000Z"},
		{"22:00 2024-01-01", "2024-01-01T22:00:00.000Z"},
		{"Jan 1 10:00:00 2024", "2024-01-01T10:00:00.000Z"},
	} {
		ms, err := Parse(c.text, UTC)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		} else if got := iso(t, ms); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
	for _, bad := range []string{"", " ", "not-a-date", "2017-02-30", "2017-13-01", "July 4th", "12:50:53", "tomorrow", "2017-07-04T25:00:00", "2017-07-04Tx", "now", "2017-07-06 12:35:37 Europe/Amsterdam", "Jan, 2024", "2024-01-01T23:59:60", "2024-01-01 13:00 PM", "2024-01-01 0:30 am",
		"2024-01-01 10:00:30.5 pm", "2024-01-01T10:00 PM", "10:00 PM", "2024-01-01 22:30:00 SGT", "2024-01-01T00:00:00+25:00", "x", "2017-07-04 11:56:02 2017-07-05", "\u20002017-07-04"} {
		if ms, err := Parse(bad, UTC); err == nil {
			t.Errorf("%q was read as %s", bad, iso(t, ms))
		}
	}
	if _, err := Parse("2017-07-04T11:56:02+02", zone(t, "Europe/Paris")); err == nil {
		t.Error("two zones were accepted")
	}
}

func TestParseFormat(t *testing.T) {
	for _, c := range []struct{ text, format, want string }{
		{"2024 167", "%Y %j", "2024-06-16T00:00:00.000Z"}, // timelib counts from 0
		{"2024-W24-6", "%G-W%V-%u", "2024-06-15T00:00:00.000Z"},
		{"2024", "%G", "2024-01-01T00:00:00.000Z"},
		{"5/6/2018", "%d/%m/%Y", "2018-06-05T00:00:00.000Z"},
		{"2018-06-05 -90", "%Y-%m-%d %Z", "2018-06-05T01:30:00.000Z"},
		{"2018-06-05 EST", "%Y-%m-%d %z", "2018-06-05T05:00:00.000Z"},
		{"24-01-15", "%Y-%m-%d", "0024-01-15T00:00:00.000Z"},
		{"2023-366", "%Y-%j", "2024-01-02T00:00:00.000Z"},
		{"2018-06-05 1.5", "%Y-%m-%d %H.%L", "2018-06-05T01:00:00.500Z"},
		{"DEC 31 1999 %", "%b %d %Y %%", "1999-12-31T00:00:00.000Z"},
	} {
		ms, err := ParseFormat(c.text, c.format, UTC)
		if err != nil {
			t.Errorf("%q by %q: %v", c.text, c.format, err)
		} else if got := iso(t, ms); got != c.want {
			t.Errorf("%q by %q: %s, want %s", c.text, c.format, got, c.want)
		}
	}
	for _, c := range [][2]string{{"2018-06", "%Y-%m"}, {"2018-06-05x", "%Y-%m-%d"}, {"2018-06-", "%Y-%m-%d"}, {"2018-06-05 Europe/Dublin", "%Y-%m-%d %z"}, {"015-2024", "%j-%Y"}, {"2018-06-05 24 1", "%Y-%m-%d %V %u"}, {"2018-02-30", "%Y-%m-%d"}, {"Foo 1 2018", "%b %d %Y"}} {
		if ms, err := ParseFormat(c[0], c[1], UTC); err == nil {
			t.Errorf("%q by %q was read as %s", c[0], c[1], iso(t, ms))
		}
	}
}

func TestFormat(t *testing.T) {
	ms, _ := Join(2024, 1, 7, 3, 4, 5, 67, UTC)
	for _, c := range []struct{ format, zone, want string }{
		{"%Y-%m-%d %H:%M:%S.%L", "UTC", "2024-01-07 03:04:05.067"},
		{"%j %w %u %U %V %G", "UTC", "007 1 7 01 01 2024"},
		{"%z %Z %%", "-0330", "-0330 -210 %"},
		{"%b %B", "UTC", "Jan January"},
		{"%H %z", "America/New_York", "22 -0500"},
	} {
		got, err := Format(ms, c.format, zone(t, c.zone))
		if err != nil || got != c.want {
			t.Errorf("%q: %q %v, want %q", c.format, got, err, c.want)
		}
	}
}

// TestClockChanges: local times that do not exist or exist twice.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct {
		zone        string
		y, m, d, h  int64
		mi          int64
		want, local string
	}{
		{"America/New_York", 2024, 3, 10, 2, 30, "2024-03-10T07:30:00.000Z", "03:30"},
		{"America/New_York", 2024, 11, 3, 1, 30, "2024-11-03T05:30:00.000Z", "01:30"},
		{"Europe/Berlin", 2024, 3, 31, 2, 30, "2024-03-31T01:30:00.000Z", "03:30"},
		{"Europe/Berlin", 2024, 10, 27, 2, 30, "2024-10-27T01:30:00.000Z", "02:30"},
		{"Australia/Sydney", 2024, 7, 1, 0, 0, "2024-06-30T14:00:00.000Z", "00:00"},
	} {
		z := zone(t, c.zone)
		ms, ok := Join(c.y, c.m, c.d, c.h, c.mi, 0, 0, z)
		local, _ := Format(ms, "%H:%M", z)
		if got := iso(t, ms); !ok || got != c.want || local != c.local {
			t.Errorf("%s: %s %s, want %s %s", c.zone, got, local, c.want, c.local)
		}
	}
}

func at(t *testing.T, s string) int64 {
	t.Helper()
	ms, err := Parse(s, UTC)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func TestAddDiffTrunc(t *testing.T) {
	ny := zone(t, "America/New_York")
	for _, c := range []struct {
		from string
		u    Unit
		n    int64
		z    *Zone
		want string
	}{
		{"2024-01-31", UnitMonth, 1, UTC, "2024-02-29T00:00:00.000Z"},
		{"2024-02-29", UnitYear, -1, UTC, "2023-02-28T00:00:00.000Z"},
		{"2024-11-30", UnitQuarter, 1, UTC, "2025-02-28T00:00:00.000Z"},
		{"2024-03-09T12:00:00Z", UnitDay, 1, ny, "2024-03-10T11:00:00.000Z"}, // 7:00 stays 7:00
		{"2024-03-09T12:00:00Z", UnitHour, 24, ny, "2024-03-10T12:00:00.000Z"},
		{"2024-03-09T12:00:00Z", UnitWeek, -1, UTC, "2024-03-02T12:00:00.000Z"},
	} {
		ms, ok := Add(at(t, c.from), c.u, c.n, c.z)
		if got := iso(t, ms); !ok || got != c.want {
			t.Errorf("%s + %d %s = %s, want %s", c.from, c.n, c.u, got, c.want)
		}
	}
	if _, ok := Add(math.MaxInt64, UnitDay, 1, UTC); ok {
		t.Error("no overflow of a day")
	}
	if _, ok := Add(0, UnitYear, math.MaxInt64, UTC); ok {
		t.Error("no overflow of years")
	}
	for _, c := range []struct {
		from, to string
		u        Unit
		z        *Zone
		start    int
		want     int64
	}{
		{"2023-12-31T23:59:59Z", "2024-01-01", UnitYear, UTC, 0, 1},
		{"2024-03-31", "2024-04-01", UnitQuarter, UTC, 0, 1},
		{"2024-01-06", "2024-01-07", UnitWeek, UTC, 0, 1},
		{"2024-01-06", "2024-01-07", UnitWeek, UTC, 1, 0},
		{"2024-01-07", "2024-01-06", UnitWeek, UTC, 0, -1},
		{"2024-01-01T04:00:00Z", "2024-01-01T06:00:00Z", UnitDay, ny, 0, 1},
		{"2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z", UnitHour, ny, 0, 1},
		{"2024-01-01T00:00:59Z", "2024-01-01T00:01:00Z", UnitMinute, UTC, 0, 1},
		{"1969-12-31T23:59:59.999Z", "1970-01-01", UnitSecond, UTC, 0, 1},
	} {
		if got, ok := Diff(at(t, c.from), at(t, c.to), c.u, c.z, c.start); !ok || got != c.want {
			t.Errorf("%s to %s in %ss = %d, want %d", c.from, c.to, c.u, got, c.want)
		}
	}
	for _, c := range []struct {
		from  string
		u     Unit
		size  int64
		z     *Zone
		start int
		want  string
	}{
		{"2024-05-15T13:45:30Z", UnitHour, 2, UTC, 0, "2024-05-15T12:00:00.000Z"},
		{"2024-05-15", UnitMonth, 5, UTC, 0, "2024-03-01T00:00:00.000Z"},
		{"2024-05-15", UnitQuarter, 1, UTC, 0, "2024-04-01T00:00:00.000Z"},
		{"1999-05-15", UnitYear, 10, UTC, 0, "1990-01-01T00:00:00.000Z"},
		{"2024-05-15", UnitWeek, 1, UTC, 1, "2024-05-13T00:00:00.000Z"},
		{"2024-05-15T02:00:00Z", UnitDay, 1, ny, 0, "2024-05-14T04:00:00.000Z"},
	} {
		ms, ok := Trunc(at(t, c.from), c.u, c.size, c.z, c.start)
		if got := iso(t, ms); !ok || got != c.want {
			t.Errorf("%s to %d %s = %s, want %s", c.from, c.size, c.u, got, c.want)
		}
	}
}

func TestZones(t *testing.T) {
	for _, bad := range []string{"", "Local", "utc", "america/new_york", "../UTC", "+1", "+100:00", "25:00", "123", "Etc/", "America/Nowhere", "+1:00"} {
		if _, err := ParseZone(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for name, want := range map[string]int{"+02": 7200, "-0330": -12600, "+05:45": 20700, "UTC": 0, "Etc/GMT+5": -18000, "EST5EDT": -18000, "+99:99": 362340} {
		if got := zone(t, name).Offset(0); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// FuzzParse: no text may panic.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"2017-02-08T12:10:40.787Z", "Tue, 04 Jul 2017 11:56:02 +0200", "2017-W27-2", "@1499169362", "jul 4 2017 3pm"} {
		f.Add(s, "%Y-%m-%dT%H:%M:%S.%L%z")
	}
	f.Fuzz(func(_ *testing.T, text, format string) {
		_, _ = Parse(text, UTC)
		if _, err := CheckReadFormat(format); err == nil {
			_, _ = ParseFormat(text, format, UTC)
		}
		if _, err := CheckWriteFormat(format); err == nil {
			_, _ = Format(int64(len(text))<<40, format, UTC)
		}
	})
}
