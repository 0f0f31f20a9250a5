package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
)

// dateOperators are MongoDB's date expression operators. A date operand may also
// be a timestamp or an ObjectId, which stand for their seconds.
func dateOperators() []operator {
	ops := []operator{
		{name: "$dateAdd", compile: compileDateAdd},
		{name: "$dateDiff", compile: compileDateDiff},
		{name: "$dateFromParts", compile: compileDateFromParts},
		{name: "$dateFromString", compile: compileDateFromString},
		{name: "$dateSubtract", compile: compileDateAdd},
		{name: "$dateToParts", compile: compileDateToParts},
		{name: "$dateToString", compile: compileDateToString},
		{name: "$dateTrunc", compile: compileDateTrunc},
		{name: "$tsIncrement", min: 1, max: 1, eval: tsPart("$tsIncrement", 5687302, 0)},
		{name: "$tsSecond", min: 1, max: 1, eval: tsPart("$tsSecond", 5687301, 32)},
	}
	for _, p := range dateParts {
		ops = append(ops, operator{name: p.name, compile: datePart(p.get)})
	}
	return ops
}

// dateParts are the operators that read one field of a date.
var dateParts = []struct {
	name string
	get  func(env *Env, p dates.Parts) bsonx.Value
}{
	{"$dayOfMonth", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Day)) }},
	{"$dayOfWeek", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.DayOfWeek())) }},
	{"$dayOfYear", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.DayOfYear())) }},
	{"$hour", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Hour)) }},
	{"$isoDayOfWeek", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.ISODayOfWeek())) }},
	{"$isoWeek", func(env *Env, p dates.Parts) bsonx.Value { _, w := p.ISOWeek(); return env.Arena.Int32(int32(w)) }},
	{"$isoWeekYear", func(env *Env, p dates.Parts) bsonx.Value { y, _ := p.ISOWeek(); return env.Arena.Int64(int64(y)) }},
	{"$millisecond", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Millisecond)) }},
	{"$minute", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Minute)) }},
	{"$month", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Month)) }},
	{"$second", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Second)) }},
	{"$week", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Week())) }},
	{"$year", func(env *Env, p dates.Parts) bsonx.Value { return env.Arena.Int32(int32(p.Year)) }},
}

// datePart compiles {$year: date}, {$year: [date]} and {$year: {date, timezone}}.
func datePart(get func(env *Env, p dates.Parts) bsonx.Value) func(*call) (Expr, error) {
	return func(c *call) (Expr, error) {
		date, zone := c.arg, bsonx.Value{}
		switch {
		case c.arg.Type == bsonx.Array:
			if bsonx.Len(c.arg.Data) != 1 {
				return nil, errcode.New(errcode.Code(40536),
					"%s accepts exactly one argument if given an array, but was given %d", c.name, bsonx.Len(c.arg.Data))
			}
			date = bsonx.LookupIndex(c.arg.Data, 0)
		case c.arg.Type == bsonx.Object && !isOperatorDoc(c.arg):
			vals, err := c.named(&namedSpec{names: []string{"date", "timezone"}, unknown: 40535})
			if err != nil {
				return nil, err
			}
			if err := c.require(vals[0], "date", 40539); err != nil {
				return nil, err
			}
			date, zone = vals[0], vals[1]
		}
		args, err := compileAll([]bsonx.Value{date, zone}, c.sc)
		if err != nil {
			return nil, err
		}
		hasZone := zone.Type != bsonx.Missing
		return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			if bsonx.IsNullish(args[0]) {
				return bsonx.NullValue, nil
			}
			ms, err := coerceDate(args[0])
			if err != nil {
				return bsonx.Value{}, err
			}
			z, err := zoneArg(args[1], hasZone)
			if err != nil || z == nil {
				return bsonx.NullValue, err
			}
			return get(env, dates.Split(ms, z)), nil
		}, args, c.sc)
	}
}

func isOperatorDoc(v bsonx.Value) bool {
	it := bsonx.NewIter(v.Data)
	return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$'
}

// dateOf returns the date that a date, timestamp or ObjectId stands for.
func dateOf(v bsonx.Value) (int64, bool) {
	switch v.Type {
	case bsonx.Date:
		return bsonx.I64(v), true
	case bsonx.Timestamp:
		return int64(uint64(bsonx.I64(v))>>32) * 1000, true
	case bsonx.ObjectID:
		d := v.Data
		return int64(int32(uint32(d[0])<<24|uint32(d[1])<<16|uint32(d[2])<<8|uint32(d[3]))) * 1000, true
	}
	return 0, false
}

func coerceDate(v bsonx.Value) (int64, error) {
	ms, ok := dateOf(v)
	if !ok {
		return 0, errcode.New(errcode.Code(16006), "can't convert from BSON type %s to Date", bsonx.TypeName(v.Type))
	}
	return ms, nil
}

// zoneArg reads a time zone operand; nil for a nullish one. One that was not
// given is UTC.
func zoneArg(v bsonx.Value, given bool) (*dates.Zone, error) {
	if !given {
		return dates.UTC, nil
	}
	if bsonx.IsNullish(v) {
		return nil, nil
	}
	if !isString(v) {
		return nil, errcode.New(errcode.Code(40517), "timezone must evaluate to a string, found %s", bsonx.TypeName(v.Type))
	}
	z, err := dates.ParseZone(string(bsonx.Str(v)))
	if err != nil {
		return nil, errcode.New(errcode.Code(40485), "%v", err)
	}
	return z, nil
}

func unitArg(op string, v bsonx.Value) (dates.Unit, error) {
	if !isString(v) {
		return 0, errcode.New(errcode.Code(5439013), "%s requires 'unit' to be a string, but got %s", op, bsonx.TypeName(v.Type))
	}
	u, ok := dates.ParseUnit(string(bsonx.Str(v)))
	if !ok {
		return 0, errcode.New(errcode.FailedToParse, "%s parameter 'unit' value cannot be recognized as a time unit: %s", op, bsonx.Str(v))
	}
	return u, nil
}

// weekdayArg reads 'startOfWeek'; Sunday if it was not given.
func weekdayArg(op string, v bsonx.Value, given bool) (int, error) {
	if !given {
		return 0, nil
	}
	if !isString(v) {
		return 0, errcode.New(errcode.Code(5439015), "%s requires 'startOfWeek' to be a string, but got %s", op, bsonx.TypeName(v.Type))
	}
	d, ok := dates.ParseWeekday(string(bsonx.Str(v)))
	if !ok {
		return 0, errcode.New(errcode.Code(5439016), "%s parameter 'startOfWeek' value cannot be recognized as a day of a week: %s", op, bsonx.Str(v))
	}
	return d, nil
}

// dateCall compiles an operator with named operands that are all evaluated.
func dateCall(c *call, s *namedSpec, required map[int]errcode.Code, eval func(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error)) (Expr, error) {
	vals, err := c.named(s)
	if err != nil {
		return nil, err
	}
	given := make([]bool, len(vals))
	for i, v := range vals {
		given[i] = v.Type != bsonx.Missing
		if code, must := required[i]; must {
			if err := c.require(v, s.names[i], code); err != nil {
				return nil, err
			}
		}
	}
	args, err := compileAll(vals, c.sc)
	if err != nil {
		return nil, err
	}
	e, err := foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		return eval(env, args, given)
	}, args, c.sc)
	if _, constant := Constant(e); err != nil || constant {
		return e, err
	}
	null, err := checkConstants(c.name, s, args, given)
	if err != nil {
		return nil, err
	}
	if null {
		return Literal(bsonx.NullValue), nil
	}
	return e, nil
}

// checkConstants validates constant operands even if no document is looked at,
// or they would not be looked at for it (startOfWeek with another unit than
// weeks); null says that one of them makes the whole null. MongoDB's optimizer
// does so.
func checkConstants(op string, s *namedSpec, args []Expr, given []bool) (null bool, err error) {
	arithmetic := false
	for i, name := range s.names {
		v, constant := Constant(args[i])
		if !given[i] || !constant {
			continue
		}
		nullish := bsonx.IsNullish(v)
		switch name {
		case "unit", "startOfWeek", "binSize":
			null = null || nullish
			arithmetic = true
		case "timezone":
			_, err = zoneArg(v, true)
		}
		if err == nil && !nullish {
			switch name {
			case "unit":
				_, err = unitArg(op, v)
			case "startOfWeek":
				_, err = weekdayArg(op, v, true)
			case "binSize":
				_, err = binArg(v)
			}
		}
		if err != nil {
			return false, err
		}
	}
	return null && arithmetic, nil
}

func binArg(v bsonx.Value) (int64, error) {
	size, ok := bsonx.IntegralOK(v)
	if !ok {
		return 0, errcode.New(errcode.Code(5439017), "$dateTrunc requires 'binSize' to be a 64-bit integer, but got a value of type %s", bsonx.TypeName(v.Type))
	}
	if size <= 0 {
		return 0, errcode.New(errcode.Code(5439018), "$dateTrunc requires 'binSize' to be greater than 0, but got value %d", size)
	}
	return size, nil
}

// units are the operands that the arithmetic operators share. null says that one
// of them is, and the later ones were not looked at.
type units struct {
	unit  dates.Unit
	start int
	zone  *dates.Zone
}

func (u *units) readUnit(op string, v bsonx.Value) (null bool, err error) {
	if bsonx.IsNullish(v) {
		return true, nil
	}
	u.unit, err = unitArg(op, v)
	return false, err
}

// readWeek reads 'startOfWeek', which is looked at for weeks only.
func (u *units) readWeek(op string, v bsonx.Value, given bool) (null bool, err error) {
	if u.unit != dates.UnitWeek || !given {
		return false, nil
	}
	if bsonx.IsNullish(v) {
		return true, nil
	}
	u.start, err = weekdayArg(op, v, true)
	return false, err
}

func (u *units) readZone(v bsonx.Value, given bool) (null bool, err error) {
	u.zone, err = zoneArg(v, given)
	return u.zone == nil, err
}

var dateAddSpec = namedSpec{names: []string{"startDate", "unit", "amount", "timezone"}, notObject: 5166400, unknown: 5166401}

// compileDateAdd compiles $dateAdd and $dateSubtract.
func compileDateAdd(c *call) (Expr, error) {
	name := c.name
	required := map[int]errcode.Code{0: 5166402, 1: 5166402, 2: 5166402}
	return dateCall(c, &dateAddSpec, required, func(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
		var u units
		if bsonx.IsNullish(args[0]) {
			return bsonx.NullValue, nil
		}
		if null, err := u.readUnit(name, args[1]); null || err != nil {
			return bsonx.NullValue, err
		}
		if bsonx.IsNullish(args[2]) {
			return bsonx.NullValue, nil
		}
		if null, err := u.readZone(args[3], given[3]); null || err != nil {
			return bsonx.NullValue, err
		}
		ms, ok := dateOf(args[0])
		if !ok {
			return bsonx.Value{}, errcode.New(errcode.Code(5166403), "%s requires startDate to be convertible to a date", name)
		}
		n, ok := bsonx.IntegralOK(args[2])
		if !ok {
			return bsonx.Value{}, errcode.New(errcode.Code(5166405), "%s expects integer amount of time units", name)
		}
		if name == "$dateSubtract" {
			if n == -n && n != 0 {
				return bsonx.Value{}, errcode.New(errcode.Code(6045000), "invalid $dateSubtract 'amount' parameter value: %d %s", n, u.unit)
			}
			n = -n
		}
		if !dates.AmountFits(u.unit, n) {
			return bsonx.Value{}, errcode.New(errcode.Code(5976500), "invalid dateAdd 'amount' parameter value: %d %s", n, u.unit)
		}
		out, ok := dates.Add(ms, u.unit, n, u.zone)
		if !ok {
			return bsonx.Value{}, errcode.New(errcode.Code(5166406), "%s overflowed", name)
		}
		return env.Arena.Date(out), nil
	})
}

var dateDiffSpec = namedSpec{names: []string{"startDate", "endDate", "unit", "timezone", "startOfWeek"}, notObject: 5166301, unknown: 5166302}

func compileDateDiff(c *call) (Expr, error) {
	required := map[int]errcode.Code{0: 5166303, 1: 5166304, 2: 5166305}
	return dateCall(c, &dateDiffSpec, required, func(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
		var u units
		if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) {
			return bsonx.NullValue, nil
		}
		if null, err := u.readUnit("$dateDiff", args[2]); null || err != nil {
			return bsonx.NullValue, err
		}
		if null, err := u.readWeek("$dateDiff", args[4], given[4]); null || err != nil {
			return bsonx.NullValue, err
		}
		if null, err := u.readZone(args[3], given[3]); null || err != nil {
			return bsonx.NullValue, err
		}
		from, ok := dateOf(args[0])
		if !ok {
			return bsonx.Value{}, typeError(5166307, "$dateDiff", "'startDate' to be a date", args[0])
		}
		to, ok := dateOf(args[1])
		if !ok {
			return bsonx.Value{}, typeError(5166307, "$dateDiff", "'endDate' to be a date", args[1])
		}
		n, ok := dates.Diff(from, to, u.unit, u.zone, u.start)
		if !ok {
			return bsonx.Value{}, errcode.New(errcode.Code(5166308), "dateDiff overflowed")
		}
		return env.Arena.Int64(n), nil
	})
}

var dateTruncSpec = namedSpec{names: []string{"date", "unit", "binSize", "timezone", "startOfWeek"}, notObject: 5439007, unknown: 5439008}

// maxBin is the largest bin of days and longer units.
const maxBin = 100_000_000_000

func compileDateTrunc(c *call) (Expr, error) {
	return dateCall(c, &dateTruncSpec, map[int]errcode.Code{0: 5439009, 1: 5439010}, dateTrunc)
}

func dateTrunc(env *Env, args []bsonx.Value, given []bool) (bsonx.Value, error) {
	var u units
	if bsonx.IsNullish(args[0]) || given[2] && bsonx.IsNullish(args[2]) {
		return bsonx.NullValue, nil
	}
	size := int64(1)
	if given[2] {
		var err error
		if size, err = binArg(args[2]); err != nil {
			return bsonx.Value{}, err
		}
	}
	if null, err := u.readUnit("$dateTrunc", args[1]); null || err != nil {
		return bsonx.NullValue, err
	}
	if null, err := u.readWeek("$dateTrunc", args[4], given[4]); null || err != nil {
		return bsonx.NullValue, err
	}
	if null, err := u.readZone(args[3], given[3]); null || err != nil {
		return bsonx.NullValue, err
	}
	ms, ok := dateOf(args[0])
	if !ok {
		return bsonx.Value{}, typeError(5166307, "$dateTrunc", "'date' to be a date", args[0])
	}
	if u.unit > dates.UnitHour && size > maxBin {
		return bsonx.Value{}, errcode.New(errcode.Code(5439006), "dateTrunc unsupported binSize value")
	}
	if u.unit <= dates.UnitHour && !dates.BinFits(u.unit, size) {
		return bsonx.Value{}, errcode.New(errcode.Code(5439002), "dateTrunc overflowed")
	}
	out, ok := dates.Trunc(ms, u.unit, size, u.zone, u.start)
	if !ok {
		return bsonx.Value{}, errcode.New(errcode.Code(5439000), "dateTrunc overflowed")
	}
	return env.Arena.Date(out), nil
}

func tsPart(name string, code errcode.Code, shift uint) evalFunc {
	return func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.NullValue, nil
		}
		if args[0].Type != bsonx.Timestamp {
			return bsonx.Value{}, errcode.New(code, "Argument to %s must be a timestamp, but is %s", name, bsonx.TypeName(args[0].Type))
		}
		return env.Arena.Int64(int64(uint32(uint64(bsonx.I64(args[0])) >> shift))), nil
	}
}
