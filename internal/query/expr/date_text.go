package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
)

// isoString writes a date in UTC with milliseconds and "Z".
func isoString(ms int64) (string, error) { return formatDate(ms, dates.ISOFormat, dates.UTC) }

func formatDate(ms int64, format string, z *dates.Zone) (string, error) {
	s, err := dates.Format(ms, format, z)
	if err != nil {
		return "", errcode.New(errcode.Code(18537), "%v", err)
	}
	return s, nil
}

func formatError(unknown bool, err error) error {
	if unknown {
		return errcode.New(errcode.Code(18536), "%v", err)
	}
	return errcode.New(errcode.Code(18535), "%v", err)
}

var dateToStringSpec = namedSpec{names: []string{"date", "format", "timezone", "onNull"}, notObject: 18629, unknown: 18534}

// compileDateToString validates a constant format at once, as MongoDB does.
func compileDateToString(c *call) (Expr, error) {
	return dateCall(c, &dateToStringSpec, map[int]errcode.Code{0: 18628}, dateToString)
}

func dateToString(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
	z, err := zoneArg(args[2], given[2])
	if err != nil {
		return bsonx.Value{}, err
	}
	format := dates.ISOFormat
	if z != nil && !z.IsUTC() {
		format = dates.LocalFormat
	}
	nullFormat := given[1] && bsonx.IsNullish(args[1])
	if given[1] && !nullFormat {
		if !isString(args[1]) {
			return bsonx.Value{}, typeError(18533, "$dateToString", "'format' to be a string", args[1])
		}
		format = string(bsonx.Str(args[1]))
		if unknown, err := dates.CheckWriteFormat(format); err != nil {
			return bsonx.Value{}, formatError(unknown, err)
		}
	}
	if bsonx.IsNullish(args[0]) {
		if given[3] {
			return args[3], nil
		}
		return bsonx.NullValue, nil
	}
	if nullFormat || z == nil {
		return bsonx.NullValue, nil
	}
	ms, err := coerceDate(args[0])
	if err != nil {
		return bsonx.Value{}, err
	}
	s, err := formatDate(ms, format, z)
	if err != nil {
		return bsonx.Value{}, err
	}
	return env.Arena.String(s), nil
}

var dateFromStringSpec = namedSpec{names: []string{"dateString", "format", "timezone", "onNull", "onError"}, notObject: 40540, unknown: 40541}

func compileDateFromString(c *call) (Expr, error) {
	return dateCall(c, &dateFromStringSpec, map[int]errcode.Code{0: 40542}, dateFromString)
}

// dateFromString: mistakes in the format and in the time zone count before a
// null date, a null date before other nulls, and only what cannot be converted
// goes to onError.
func dateFromString(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
	format := ""
	nullFormat := given[1] && bsonx.IsNullish(args[1])
	if given[1] && !nullFormat {
		if !isString(args[1]) {
			return bsonx.Value{}, typeError(40684, "$dateFromString", "that 'format' be a string", args[1])
		}
		format = string(bsonx.Str(args[1]))
		if unknown, err := dates.CheckReadFormat(format); err != nil {
			return bsonx.Value{}, formatError(unknown, err)
		}
	}
	z, err := zoneArg(args[2], given[2])
	if err != nil {
		return bsonx.Value{}, err
	}
	if bsonx.IsNullish(args[0]) {
		if given[3] {
			return args[3], nil
		}
		return bsonx.NullValue, nil
	}
	if !isString(args[0]) {
		err = errcode.New(errcode.ConversionFailure, "$dateFromString requires that 'dateString' be a string, found: %s", bsonx.TypeName(args[0].Type))
	}
	var ms int64
	switch {
	case err != nil:
	case z == nil || nullFormat:
		return bsonx.NullValue, nil
	case given[1]:
		ms, err = dates.ParseFormat(string(bsonx.Str(args[0])), format, z)
	default:
		ms, err = dates.Parse(string(bsonx.Str(args[0])), z)
	}
	if err != nil {
		if given[4] {
			return args[4], nil
		}
		return bsonx.Value{}, errcode.Wrap(err, errcode.ConversionFailure, "%v", err)
	}
	return env.Arena.Date(ms), nil
}

var dateToPartsSpec = namedSpec{names: []string{"date", "timezone", "iso8601"}, notObject: 40524, unknown: 40520}

func compileDateToParts(c *call) (Expr, error) {
	return dateCall(c, &dateToPartsSpec, map[int]errcode.Code{0: 40522}, dateToParts)
}

func dateToParts(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
	z, err := zoneArg(args[1], given[1])
	if err != nil {
		return bsonx.Value{}, err
	}
	if z == nil {
		return bsonx.NullValue, nil
	}
	iso := false
	if given[2] {
		if bsonx.IsNullish(args[2]) {
			return bsonx.NullValue, nil
		}
		if args[2].Type != bsonx.Bool {
			return bsonx.Value{}, errcode.New(errcode.Code(40521), "iso8601 must evaluate to a bool, found %s", bsonx.TypeName(args[2].Type))
		}
		iso = bsonx.Truthy(args[2])
	}
	if bsonx.IsNullish(args[0]) {
		return bsonx.NullValue, nil
	}
	ms, err := coerceDate(args[0])
	if err != nil {
		return bsonx.Value{}, err
	}
	p := dates.Split(ms, z)
	return env.Arena.Doc(func(b *bsonx.Builder) {
		if iso {
			y, w := p.ISOWeek()
			b.Int32("isoWeekYear", int32(y))
			b.Int32("isoWeek", int32(w))
			b.Int32("isoDayOfWeek", int32(p.ISODayOfWeek()))
		} else {
			b.Int32("year", int32(p.Year))
			b.Int32("month", int32(p.Month))
			b.Int32("day", int32(p.Day))
		}
		b.Int32("hour", int32(p.Hour))
		b.Int32("minute", int32(p.Minute))
		b.Int32("second", int32(p.Second))
		b.Int32("millisecond", int32(p.Millisecond))
	}), nil
}

var dateFromPartsSpec = namedSpec{
	names:     []string{"year", "month", "day", "isoWeekYear", "isoWeek", "isoDayOfWeek", "hour", "minute", "second", "millisecond", "timezone"},
	notObject: 40519, unknown: 40518,
}

// Positions in dateFromPartsSpec.
const (
	partYear = iota
	partMonth
	partDay
	partISOYear
	partISOWeek
	partISODay
	partHour
	partMinute
	partSecond
	partMillisecond
	partZone
)

func compileDateFromParts(c *call) (Expr, error) {
	vals, err := c.named(&dateFromPartsSpec)
	if err != nil {
		return nil, err
	}
	has := func(i int) bool { return vals[i].Type != bsonx.Missing }
	switch {
	case !has(partYear) && !has(partISOYear):
		return nil, errcode.New(errcode.Code(40516), "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
	case has(partYear) && (has(partISOYear) || has(partISOWeek) || has(partISODay)):
		return nil, errcode.New(errcode.Code(40489), "$dateFromParts does not allow mixing natural dates with ISO dates")
	case has(partISOYear) && (has(partYear) || has(partMonth) || has(partDay)):
		return nil, errcode.New(errcode.Code(40525), "$dateFromParts does not allow mixing ISO dates with natural dates")
	}
	return dateCall(c, &dateFromPartsSpec, nil, dateFromParts)
}

func dateFromParts(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
	var n [partZone]int64
	null, err := readParts(&n, args, given, partHour, partMillisecond)
	if err != nil || null {
		return bsonx.NullValue, err
	}
	z, err := zoneArg(args[partZone], given[partZone])
	if err != nil || z == nil {
		return bsonx.NullValue, err
	}
	null, err = readParts(&n, args, given, partYear, partISODay)
	if err == nil && !null {
		err = checkYear(&n, given)
	}
	if err != nil || null {
		return bsonx.NullValue, err
	}
	var ms int64
	var ok bool
	if given[partYear] {
		ms, ok = dates.Join(n[partYear], n[partMonth], n[partDay], n[partHour], n[partMinute], n[partSecond], n[partMillisecond], z)
	} else {
		ms, ok = dates.JoinISO(n[partISOYear], n[partISOWeek], n[partISODay], n[partHour], n[partMinute], n[partSecond], n[partMillisecond], z)
	}
	if !ok {
		return bsonx.Value{}, errcode.New(errcode.DurationOverflow, "$dateFromParts: the date is out of range")
	}
	return env.Arena.Date(ms), nil
}

// readParts reads the parts from first to last in this order; null says that one
// of them is, and the later ones were not looked at.
func readParts(n *[partZone]int64, args []bsonx.Value, given []bool, first, last int) (null bool, err error) {
	for i := first; i <= last; i++ {
		if i == partMonth || i == partDay || i == partISOWeek || i == partISODay {
			n[i] = 1
		}
		if !given[i] {
			continue
		}
		if bsonx.IsNullish(args[i]) {
			return true, nil
		}
		v, ok := bsonx.IntegralOK(args[i])
		if !ok {
			return false, errcode.New(errcode.Code(40515), "'%s' must evaluate to an integer, found %s", dateFromPartsSpec.names[i], bsonx.TypeName(args[i].Type))
		}
		if err := checkPart(i, v); err != nil {
			return false, err
		}
		n[i] = v
	}
	return false, nil
}

// checkYear: a year has one to four digits.
func checkYear(n *[partZone]int64, given []bool) error {
	part, code := partYear, errcode.Code(40523)
	if given[partISOYear] {
		part, code = partISOYear, 31095
	}
	if v := n[part]; v < 1 || v > 9999 {
		return errcode.New(code, "'%s' must evaluate to an integer in the range 1 to 9999, found %d", dateFromPartsSpec.names[part], v)
	}
	return nil
}

// checkPart: all parts but years, seconds and milliseconds must fit 16 bits.
func checkPart(i int, v int64) error {
	switch i {
	case partYear, partISOYear, partSecond, partMillisecond:
	default:
		if v < -32768 || v > 32767 {
			return errcode.New(errcode.Code(31034), "'%s' must evaluate to a value in the range [-32768, 32767]; value %d is not in range", dateFromPartsSpec.names[i], v)
		}
	}
	return nil
}
