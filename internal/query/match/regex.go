package match

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	re "github.com/argon-db/argon/internal/regex"
)

// regexOf compiles a BSON regular expression.
func regexOf(p Path, v bsonx.Value) (*Regex, error) {
	pattern, flags, ok := v.RegexOK()
	if !ok {
		return nil, bad("the regular expression is malformed")
	}
	return newRegex(p, pattern, flags)
}

func newRegex(p Path, pattern, flags string) (*Regex, error) {
	switch {
	case strings.IndexByte(pattern, 0) >= 0:
		return nil, bad("Regular expression cannot contain an embedded null byte")
	case len(pattern) > re.MaxPattern:
		return nil, errcode.New(errcode.Code(51091), "Regular expression is invalid: pattern string is longer than the limit of %d bytes", re.MaxPattern)
	}
	if f, bad := re.InvalidFlag(flags); bad {
		return nil, errcode.New(errcode.Code(51108), "invalid flag in regex options: %c", f)
	}
	compiled, err := re.Compile(pattern, flags)
	if err != nil {
		return nil, errcode.Wrap(err, errcode.Code(51091), "Regular expression is invalid: %s", err)
	}
	return &Regex{Path: p, Pattern: pattern, Flags: flags, re: compiled}, nil
}

// regex is $regex with its $options, before or after it.
func regex(_ *compiler, o operand) (Node, error) {
	var pattern, flags string
	switch o.Value.Type {
	case bsonx.String:
		pattern = string(bsonx.Str(o.Value))
	case bsonx.Regex:
		pattern, flags, _ = o.Value.RegexOK()
	default:
		return nil, bad("$regex has to be a string")
	}
	seen := false
	for it := bsonx.NewIter(o.all); it.Next(); {
		switch string(it.Key()) {
		case "$regex":
			seen = true
		case "$options":
			v := it.Value()
			if v.Type != bsonx.String {
				return nil, bad("$options has to be a string")
			}
			if flags != "" {
				code := errcode.Code(51074)
				if seen {
					code = 51075
				}
				return nil, errcode.New(code, "options set in both $regex and $options")
			}
			flags = string(bsonx.Str(v))
		}
	}
	return newRegex(o.Path, pattern, flags)
}

func regexOptions(_ *compiler, o operand) (Node, error) {
	if bsonx.Lookup(o.all, "$regex").Type == bsonx.Missing {
		return nil, bad("$options needs a $regex")
	}
	return nil, nil
}
