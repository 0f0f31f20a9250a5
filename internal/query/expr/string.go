package expr

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// stringOperators are MongoDB's string expression operators. Case and character
// rules are ASCII's where the manual says so ($toLower, $toUpper, $strcasecmp).
func stringOperators() []operator {
	return []operator{
		{name: "$concat", min: 0, max: -1, assoc: neighbours, eval: concat},
		{name: "$indexOfBytes", min: 2, max: 4, eval: indexOfBytes},
		{name: "$indexOfCP", min: 2, max: 4, eval: indexOfCP},
		{name: "$ltrim", compile: trimmer(true, false)},
		{name: "$replaceAll", compile: replacer(-1)},
		{name: "$replaceOne", compile: replacer(1)},
		{name: "$rtrim", compile: trimmer(false, true)},
		{name: "$split", min: 2, max: 2, eval: split},
		{name: "$strLenBytes", min: 1, max: 1, eval: strLenBytes},
		{name: "$strLenCP", min: 1, max: 1, eval: strLenCP},
		{name: "$strcasecmp", min: 2, max: 2, eval: strcasecmp},
		{name: "$substr", min: 3, max: 3, eval: substrBytes},
		{name: "$substrBytes", min: 3, max: 3, eval: substrBytes},
		{name: "$substrCP", min: 3, max: 3, eval: substrCP},
		{name: "$toLower", min: 1, max: 1, eval: asciiCase('A', 'Z')},
		{name: "$toUpper", min: 1, max: 1, eval: asciiCase('a', 'z')},
		{name: "$trim", compile: trimmer(true, true)},
	}
}

func (env *Env) string(s string) (bsonx.Value, error) {
	if err := checkSize(len(s)); err != nil {
		return bsonx.Value{}, err
	}
	return env.Arena.String(s), nil
}

func concat(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	size := 0
	for _, v := range args {
		if bsonx.IsNullish(v) {
			return bsonx.NullValue, nil
		}
		if !isString(v) {
			return v, errcode.New(errcode.Code(16702), "$concat only supports strings, not %s", bsonx.TypeName(v.Type))
		}
		size += len(bsonx.Str(v))
	}
	if err := checkSize(size); err != nil {
		return bsonx.Value{}, err
	}
	var b strings.Builder
	b.Grow(size)
	for _, v := range args {
		b.Write(bsonx.Str(v))
	}
	return env.Arena.String(b.String()), nil
}

func strLenBytes(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	if !isString(args[0]) {
		return bsonx.Value{}, typeError(34473, "$strLenBytes", "a string argument", args[0])
	}
	return env.Arena.Int32(int32(len(bsonx.Str(args[0])))), nil
}

func strLenCP(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	if !isString(args[0]) {
		return bsonx.Value{}, typeError(34471, "$strLenCP", "a string argument", args[0])
	}
	return env.Arena.Int32(int32(utf8.RuneCount(bsonx.Str(args[0])))), nil
}

func strcasecmp(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	a, err := coerceString(args[0])
	if err != nil {
		return bsonx.Value{}, err
	}
	b, err := coerceString(args[1])
	if err != nil {
		return bsonx.Value{}, err
	}
	return env.Arena.Int32(int32(strings.Compare(flipCase(a, 'a', 'z'), flipCase(b, 'a', 'z')))), nil
}

// flipCase changes the case of the ASCII letters from lo to hi.
func flipCase(s string, lo, hi byte) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] >= lo && s[i] <= hi {
			if out == nil {
				out = []byte(s)
			}
			out[i] ^= 0x20
		}
	}
	if out == nil {
		return s
	}
	return string(out)
}

func asciiCase(lo, hi byte) evalFunc {
	return func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		s, err := coerceString(args[0])
		if err != nil {
			return bsonx.Value{}, err
		}
		return env.Arena.String(flipCase(s, lo, hi)), nil
	}
}

func split(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) {
		return bsonx.NullValue, nil
	}
	if !isString(args[0]) {
		return bsonx.Value{}, typeError(40085, "$split", "an expression that evaluates to a string as a first argument", args[0])
	}
	if !isString(args[1]) {
		return bsonx.Value{}, typeError(10503900, "$split", "an expression that evaluates to a string as a second argument", args[1])
	}
	sep := bsonx.Str(args[1])
	if len(sep) == 0 {
		return bsonx.Value{}, errcode.New(errcode.Code(40087), "$split requires a non-empty separator")
	}
	parts := bytes.Split(bsonx.Str(args[0]), sep)
	vals := make([]bsonx.Value, len(parts))
	for i, p := range parts {
		vals[i] = env.Arena.String(string(p))
	}
	return env.array(vals)
}

func isContinuation(b byte) bool { return b&0xc0 == 0x80 }

func substrBytes(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	s, err := coerceString(args[0])
	if err != nil {
		return bsonx.Value{}, err
	}
	if !bsonx.IsNumber(args[1]) {
		return bsonx.Value{}, errcode.New(errcode.Code(16034),
			"$substrBytes: starting index must be a numeric type (is BSON type %s)", bsonx.TypeName(args[1].Type))
	}
	if !bsonx.IsNumber(args[2]) {
		return bsonx.Value{}, errcode.New(errcode.Code(16035),
			"$substrBytes: length must be a numeric type (is BSON type %s)", bsonx.TypeName(args[2].Type))
	}
	start, err := coerceLong(args[1])
	if err != nil {
		return bsonx.Value{}, err
	}
	n, err := coerceLong(args[2])
	if err != nil {
		return bsonx.Value{}, err
	}
	if start < 0 {
		return bsonx.Value{}, errcode.New(errcode.Code(50752), "$substrBytes: starting index must be non-negative (got: %d)", start)
	}
	if start >= int64(len(s)) {
		return env.Arena.String(""), nil
	}
	if isContinuation(s[start]) {
		return bsonx.Value{}, errcode.New(errcode.Code(28656), "$substrBytes: Invalid range, starting index is a UTF-8 continuation byte.")
	}
	end := int64(len(s))
	if n >= 0 && n < end-start {
		end = start + n
		if isContinuation(s[end]) {
			return bsonx.Value{}, errcode.New(errcode.Code(28657), "$substrBytes: Invalid range, ending index is in the middle of a UTF-8 character.")
		}
	}
	return env.Arena.String(s[start:end]), nil
}

func substrCP(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	s, err := coerceString(args[0])
	if err != nil {
		return bsonx.Value{}, err
	}
	start, err := countArg(args[1], "starting index", 34450, 34451)
	if err != nil {
		return bsonx.Value{}, err
	}
	n, err := countArg(args[2], "length", 34452, 34453)
	if err != nil {
		return bsonx.Value{}, err
	}
	if n < 0 {
		return bsonx.Value{}, errcode.New(errcode.Code(34454), "$substrCP: length must be a nonnegative integer.")
	}
	if start < 0 {
		return bsonx.Value{}, errcode.New(errcode.Code(34455), "$substrCP: the starting index must be nonnegative integer.")
	}
	return env.Arena.String(runesFrom(s, start, n)), nil
}

func countArg(v bsonx.Value, what string, notNumber, notIntegral errcode.Code) (int, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(notNumber, "$substrCP: %s must be a numeric type (is BSON type %s)", what, bsonx.TypeName(v.Type))
	}
	n, ok := integral32(v)
	if !ok {
		return 0, errcode.New(notIntegral, "$substrCP: %s cannot be represented as a 32-bit integral value", what)
	}
	return n, nil
}

// runesFrom returns n characters of s after the first start ones.
func runesFrom(s string, start, n int) string {
	from := runeOffset(s, start)
	return s[from : from+runeOffset(s[from:], n)]
}

// runeOffset returns the byte offset of the character n, at most len(s).
func runeOffset(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

// searchArgs are the checked operands of $indexOfBytes and $indexOfCP.
type searchArgs struct {
	null       bool
	text, part string
	start, end int // end -1: to the end
}

func search(op string, args []bsonx.Value, notText, notPart errcode.Code) (a searchArgs, err error) {
	if bsonx.IsNullish(args[0]) {
		a.null = true
		return a, nil
	}
	if !isString(args[0]) {
		return a, typeError(notText, op, "a string as the first argument", args[0])
	}
	if !isString(args[1]) {
		return a, typeError(notPart, op, "a string as the second argument", args[1])
	}
	a.text, a.part, a.end = string(bsonx.Str(args[0])), string(bsonx.Str(args[1])), -1
	if len(args) > 2 {
		if a.start, err = indexArg(op, "starting", args[2]); err != nil {
			return a, err
		}
	}
	if len(args) > 3 {
		a.end, err = indexArg(op, "ending", args[3])
	}
	return a, err
}

func indexArg(op, what string, v bsonx.Value) (int, error) {
	n, ok := integral32(v)
	if !ok {
		return 0, errcode.New(errcode.Code(40096), "%s requires an integral %s index, found a value of type: %s", op, what, bsonx.TypeName(v.Type))
	}
	if n < 0 {
		return 0, errcode.New(errcode.Code(40097), "%s requires a nonnegative %s index, found: %d", op, what, n)
	}
	return n, nil
}

func indexOfBytes(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	a, err := search("$indexOfBytes", args, 40091, 40092)
	if err != nil || a.null {
		return bsonx.NullValue, err
	}
	end := len(a.text)
	if a.end >= 0 {
		end = min(end, a.end)
	}
	if a.start > end {
		return env.Arena.Int32(-1), nil
	}
	at := strings.Index(a.text[a.start:end], a.part)
	if at >= 0 {
		at += a.start
	}
	return env.Arena.Int32(int32(at)), nil
}

func indexOfCP(env *Env, args []bsonx.Value) (bsonx.Value, error) {
	a, err := search("$indexOfCP", args, 40093, 40094)
	if err != nil || a.null {
		return bsonx.NullValue, err
	}
	// The search begins at a character before the end; what it finds may reach
	// beyond it.
	if a.text == "" && a.part == "" && a.start == 0 {
		return env.Arena.Int32(0), nil
	}
	at := runeOffset(a.text, a.start)
	for i := a.start; at < len(a.text) && (a.end < 0 || i < a.end); i++ {
		if strings.HasPrefix(a.text[at:], a.part) {
			return env.Arena.Int32(int32(i)), nil
		}
		_, n := utf8.DecodeRuneInString(a.text[at:])
		at += n
	}
	return env.Arena.Int32(-1), nil
}

var trimSpec = namedSpec{names: []string{"input", "chars"}, notObject: 50696, unknown: 50694}

// trimBlanks are the characters that $trim removes unless told others (the
// manual's table of white space).
const trimBlanks = "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

func trimmer(left, right bool) func(c *call) (Expr, error) {
	return func(c *call) (Expr, error) {
		vals, err := c.named(&trimSpec)
		if err != nil {
			return nil, err
		}
		if err := c.require(vals[0], "input", 50695); err != nil {
			return nil, err
		}
		hasChars := vals[1].Type != bsonx.Missing
		args, err := compileAll(vals, c.sc)
		if err != nil {
			return nil, err
		}
		name := c.name
		return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			return trim(env, name, args, hasChars, left, right)
		}, args, c.sc)
	}
}

func trim(env *Env, name string, args []bsonx.Value, hasChars, left, right bool) (bsonx.Value, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.NullValue, nil
	}
	if !isString(args[0]) {
		return bsonx.Value{}, typeError(50699, name, "its input to be a string", args[0])
	}
	chars := trimBlanks
	if hasChars {
		if bsonx.IsNullish(args[1]) {
			return bsonx.NullValue, nil
		}
		if !isString(args[1]) {
			return bsonx.Value{}, typeError(50700, name, "'chars' to be a string", args[1])
		}
		chars = string(bsonx.Str(args[1]))
	}
	s := string(bsonx.Str(args[0]))
	if left {
		s = strings.TrimLeft(s, chars)
	}
	if right {
		s = strings.TrimRight(s, chars)
	}
	return env.Arena.String(s), nil
}

var replaceSpec = namedSpec{names: []string{"input", "find", "replacement"}, notObject: 51751, unknown: 51750}

func replacer(count int) func(c *call) (Expr, error) {
	return func(c *call) (Expr, error) {
		vals, err := c.named(&replaceSpec)
		if err != nil {
			return nil, err
		}
		for i, code := range []errcode.Code{51749, 51748, 51747} {
			if err := c.require(vals[i], replaceSpec.names[i], code); err != nil {
				return nil, err
			}
		}
		args, err := compileAll(vals, c.sc)
		if err != nil {
			return nil, err
		}
		name := c.name
		return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
			return replace(env, name, args, count)
		}, args, c.sc)
	}
}

func replace(env *Env, name string, args []bsonx.Value, count int) (bsonx.Value, error) {
	null := false
	for i, code := range []errcode.Code{10503904, 10503901, 10503902} {
		switch {
		case bsonx.IsNullish(args[i]):
			null = true
		case !isString(args[i]):
			return bsonx.Value{}, typeError(code, name, "that '"+replaceSpec.names[i]+"' be a string", args[i])
		}
	}
	if null {
		return bsonx.NullValue, nil
	}
	text, find, by := string(bsonx.Str(args[0])), string(bsonx.Str(args[1])), string(bsonx.Str(args[2]))
	n := strings.Count(text, find)
	if count >= 0 {
		n = min(n, count)
	}
	if err := checkSize(len(text) + n*(len(by)-len(find))); err != nil {
		return bsonx.Value{}, err
	}
	return env.string(strings.Replace(text, find, by, count))
}
