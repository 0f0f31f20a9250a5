package expr

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/regex"
)

func regexOperators() []operator {
	return []operator{
		{name: "$regexFind", compile: regexOperator(regexFind)},
		{name: "$regexFindAll", compile: regexOperator(regexFindAll)},
		{name: "$regexMatch", compile: regexOperator(regexMatch)},
	}
}

var regexSpec = namedSpec{names: []string{"input", "regex", "options"}, notObject: 51103, unknown: 31024}

// regexCall is an operator that searches its input with a regular expression,
// which was compiled once if it is constant.
type regexCall struct {
	name                 string
	input, regex, option Expr
	fixed                bool
	re                   *regex.Regexp // if fixed; nil when it is null
	run                  func(env *Env, name, s string, re *regex.Regexp, null bool) (bsonx.Value, error)
}

func regexOperator(run func(env *Env, name, s string, re *regex.Regexp, null bool) (bsonx.Value, error)) func(*call) (Expr, error) {
	return func(c *call) (Expr, error) {
		vals, err := c.named(&regexSpec)
		if err != nil {
			return nil, err
		}
		if err := c.require(vals[0], "input", 31022); err != nil {
			return nil, err
		}
		if err := c.require(vals[1], "regex", 31023); err != nil {
			return nil, err
		}
		args, err := compileAll(vals, c.sc)
		if err != nil {
			return nil, err
		}
		r := &regexCall{name: c.name, input: args[0], regex: args[1], option: args[2], run: run}
		pattern, fixed := Constant(r.regex)
		options, fixedToo := Constant(r.option)
		if fixed && fixedToo {
			if r.re, err = compileRegex(c.name, pattern, options); err != nil {
				return nil, err
			}
			r.fixed = true
		}
		return foldIf(r, args, c.sc)
	}
}

// Eval implements Expr.
func (r *regexCall) Eval(env *Env) (bsonx.Value, error) {
	input, err := r.input.Eval(env)
	if err != nil {
		return bsonx.Value{}, err
	}
	re := r.re
	if !r.fixed {
		pattern, err := r.regex.Eval(env)
		if err != nil {
			return bsonx.Value{}, err
		}
		options, err := r.option.Eval(env)
		if err != nil {
			return bsonx.Value{}, err
		}
		if re, err = compileRegex(r.name, pattern, options); err != nil {
			return bsonx.Value{}, err
		}
	}
	null := bsonx.IsNullish(input)
	if !null && !isString(input) {
		return bsonx.Value{}, errcode.New(errcode.Code(51104), "%s needs 'input' to be of type string", r.name)
	}
	if null || re == nil {
		return r.run(env, r.name, "", nil, true)
	}
	return r.run(env, r.name, string(bsonx.Str(input)), re, false)
}

// compileRegex compiles the 'regex' and 'options' operands; nil for null.
func compileRegex(name string, pattern, options bsonx.Value) (*regex.Regexp, error) {
	if !bsonx.IsNullish(pattern) && pattern.Type != bsonx.String && pattern.Type != bsonx.Regex {
		return nil, errcode.New(errcode.Code(51105), "%s needs 'regex' to be of type string or regex", name)
	}
	if !bsonx.IsNullish(options) && !isString(options) {
		return nil, errcode.New(errcode.Code(51106), "%s needs 'options' to be of type string", name)
	}
	if bsonx.IsNullish(pattern) {
		return nil, nil
	}
	var text, flags string
	if pattern.Type == bsonx.Regex {
		at := bytes.IndexByte(pattern.Data, 0)
		text, flags = string(pattern.Data[:at]), string(pattern.Data[at+1:len(pattern.Data)-1])
		if flags != "" && !bsonx.IsNullish(options) {
			return nil, errcode.New(errcode.Code(51107), "%s: found regex options specified in both 'regex' and 'options' fields", name)
		}
	} else {
		text = string(bsonx.Str(pattern))
	}
	if strings.IndexByte(text, 0) >= 0 {
		return nil, errcode.New(errcode.Code(51109), "%s: regular expression cannot contain an embedded null byte", name)
	}
	if !bsonx.IsNullish(options) {
		flags = string(bsonx.Str(options))
		if strings.IndexByte(flags, 0) >= 0 {
			return nil, errcode.New(errcode.Code(51110), "%s: regular expression options cannot contain an embedded null byte", name)
		}
		if c, bad := regex.InvalidFlag(flags); bad {
			return nil, errcode.New(errcode.Code(51108), "invalid flag in regex options: %c", c)
		}
	}
	re, err := regex.Compile(text, flags)
	if err != nil {
		return nil, errcode.New(errcode.Code(51111), "Invalid Regex in %s: %s", name, err.Error())
	}
	return re, nil
}

func matchFailed(name string, err error) error {
	return errcode.Wrap(err, errcode.Code(51156), "Error occurred while executing the regular expression in %s: match limit exceeded", name)
}

func regexMatch(_ *Env, name, s string, re *regex.Regexp, null bool) (bsonx.Value, error) {
	if null {
		return bsonx.False, nil
	}
	ok, err := re.Match(s)
	if err != nil {
		return bsonx.Value{}, matchFailed(name, err)
	}
	return bsonx.BoolValue(ok), nil
}

func regexFind(env *Env, name, s string, re *regex.Regexp, null bool) (bsonx.Value, error) {
	if null {
		return bsonx.NullValue, nil
	}
	loc, err := re.FindSubmatchIndex(s, 0)
	if err != nil {
		return bsonx.Value{}, matchFailed(name, err)
	}
	if loc == nil {
		return bsonx.NullValue, nil
	}
	return matchDoc(env, s, loc, utf8.RuneCountInString(s[:loc[0]])), nil
}

// matchDoc is {match, idx, captures}; idx counts characters.
func matchDoc(env *Env, s string, loc []int, idx int) bsonx.Value {
	return env.Arena.Doc(func(b *bsonx.Builder) {
		b.String("match", s[loc[0]:loc[1]])
		b.Int32("idx", int32(idx))
		at := b.OpenArray("captures")
		for i := 2; i < len(loc); i += 2 {
			if loc[i] < 0 {
				b.Null(bsonx.Index(i/2 - 1))
				continue
			}
			b.String(bsonx.Index(i/2-1), s[loc[i]:loc[i+1]])
		}
		b.Close(at)
	})
}

// regexFindAll searches on after each match; after an empty one, one character
// further.
func regexFindAll(env *Env, name, s string, re *regex.Regexp, null bool) (bsonx.Value, error) {
	var found []bsonx.Value
	size, start, counted, idx := 0, 0, 0, 0
	for more := !null; more; more = start < len(s) {
		if err := env.tick(); err != nil {
			return bsonx.Value{}, err
		}
		loc, err := re.FindSubmatchIndex(s, start)
		if err != nil {
			return bsonx.Value{}, matchFailed(name, err)
		}
		if loc == nil {
			break
		}
		idx += utf8.RuneCountInString(s[counted:loc[0]])
		counted = loc[0]
		v := matchDoc(env, s, loc, idx)
		if size += len(v.Data); size > maxResultSize {
			return bsonx.Value{}, errcode.New(errcode.Code(51151), "%s: the size of buffer to store output exceeded the 64MB limit", name)
		}
		found = append(found, v)
		start = loc[1]
		if loc[0] == loc[1] {
			_, n := utf8.DecodeRuneInString(s[start:])
			start += max(n, 1)
		}
	}
	return env.array(found)
}
