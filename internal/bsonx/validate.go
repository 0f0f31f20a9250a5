package bsonx

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/argon-db/argon/internal/errcode"
)

// MaxMessageDepth is the deepest nesting of a message: a stored document's
// MaxDepth and room for the command around it, as MongoDB has it.
const MaxMessageDepth = 201

// Validate checks that doc is one whole well-formed BSON document: exact
// lengths, known types, UTF-8 names and strings, booleans 0 or 1, and at most
// MaxDepth levels. Array keys may be anything, as in MongoDB. It never recurses
// and does not allocate. Errors: InvalidBSON; Overflow when it is too deep.
func Validate(doc []byte) error { return ValidateDepth(doc, MaxDepth) }

// ValidateDepth is Validate with another limit of depth, at most MaxMessageDepth.
func ValidateDepth(doc []byte, depth int) error {
	if len(doc) < 5 || len(doc) > math.MaxInt32 {
		return invalid("document of %d bytes", len(doc))
	}
	if n := int(int32(binary.LittleEndian.Uint32(doc))); n != len(doc) {
		return invalid("document says %d bytes and has %d", n, len(doc))
	}
	v := validator{b: doc, depth: min(depth, MaxMessageDepth)}
	return v.run()
}

type validator struct {
	b     []byte
	depth int
	n     int // open documents
	// ends holds where each open document ends (the index of its last NUL).
	ends [MaxMessageDepth + 1]int32
}

// fixedSize is the size of a value by its type; -1: it has a length of its own,
// -2: there is no such type.
var fixedSize = func() (s [256]int8) {
	for i := range s {
		s[i] = -2
	}
	for t, n := range map[Type]int8{Double: 8, Date: 8, Timestamp: 8, Int64: 8, Int32: 4, Null: 0,
		Undefined: 0, MinKey: 0, MaxKey: 0, ObjectID: 12, Decimal128: 16, Bool: -1, String: -1, JavaScript: -1,
		Symbol: -1, Object: -1, Array: -1, JavaScriptWithScope: -1, Binary: -1, DBPointer: -1, Regex: -1} {
		s[t] = n
	}
	return s
}()

func (v *validator) run() error {
	b := v.b
	end := len(b) - 1
	if b[end] != 0 {
		return invalid("document without its final NUL")
	}
	pos := 4
	for {
		if pos == end {
			if v.n == 0 {
				return nil
			}
			v.n--
			pos++
			end = int(v.ends[v.n])
			continue
		}
		t := b[pos]
		pos++
		var high byte
		keyAt := pos
		for pos < end && b[pos] != 0 {
			high |= b[pos]
			pos++
		}
		if pos >= end {
			return invalid("field name without an end")
		}
		if high >= utf8.RuneSelf && !utf8.Valid(b[keyAt:pos]) {
			return invalid("field name that is not UTF-8")
		}
		pos++
		if n := fixedSize[t]; n >= 0 {
			if pos += int(n); pos > end {
				return invalid("field '%s' is cut off", shortKey(b[keyAt:end]))
			}
			continue
		}
		var err error
		if pos, end, err = v.value(Type(t), pos, end); err != nil {
			return err
		}
	}
}

// value checks a value of a type with a length of its own at pos; for a nested
// document it goes into it. It returns where to go on and where that ends.
func (v *validator) value(t Type, pos, end int) (int, int, error) {
	b := v.b
	switch t {
	case Bool:
		if pos >= end || b[pos] > 1 {
			return 0, 0, invalid("boolean that is neither 0 nor 1")
		}
		return pos + 1, end, nil
	case String, JavaScript, Symbol:
		next, err := v.str(pos, end)
		return next, end, err
	case Object, Array:
		return v.enter(pos, end)
	case Binary:
		n, ok := v.length(pos, end)
		if !ok || n > end-pos-5 {
			return 0, 0, invalid("binary with a wrong length")
		}
		return pos + 5 + n, end, nil
	case Regex:
		return v.regex(pos, end)
	case DBPointer:
		next, err := v.str(pos, end)
		if err == nil && next+12 > end {
			err = invalid("dbPointer that is cut off")
		}
		return next + 12, end, err
	case JavaScriptWithScope:
		return v.codeWithScope(pos, end)
	}
	return 0, 0, invalid("unknown BSON type 0x%02x", byte(t))
}

// length reads a length that must not be negative.
func (v *validator) length(pos, end int) (int, bool) {
	if end-pos < 4 {
		return 0, false
	}
	n := int(int32(binary.LittleEndian.Uint32(v.b[pos:])))
	return n, n >= 0
}

func (v *validator) str(pos, end int) (int, error) {
	n, ok := v.length(pos, end)
	if !ok || n < 1 || n > end-pos-4 {
		return 0, invalid("string with a wrong length")
	}
	pos += 4
	if v.b[pos+n-1] != 0 {
		return 0, invalid("string without its final NUL")
	}
	if !utf8.Valid(v.b[pos : pos+n-1]) {
		return 0, invalid("string that is not UTF-8")
	}
	return pos + n, nil
}

func (v *validator) regex(pos, end int) (int, int, error) {
	for range 2 {
		n := bytes.IndexByte(v.b[pos:end], 0)
		if n < 0 {
			return 0, 0, invalid("regular expression without an end")
		}
		if !utf8.Valid(v.b[pos : pos+n]) {
			return 0, 0, invalid("regular expression that is not UTF-8")
		}
		pos += n + 1
	}
	return pos, end, nil
}

// enter goes into the document at pos.
func (v *validator) enter(pos, end int) (int, int, error) {
	n, ok := v.length(pos, end)
	if !ok || n < 5 || n > end-pos || v.b[pos+n-1] != 0 {
		return 0, 0, invalid("nested document with a wrong length")
	}
	if v.n+1 >= v.depth {
		return 0, 0, errcode.New(errcode.Overflow, "BSONObj exceeds maximum nested object depth: %d", v.depth)
	}
	v.ends[v.n] = int32(end)
	v.n++
	return pos + 4, pos + n - 1, nil
}

// codeWithScope checks the code and goes into the scope, which must end where
// the whole value does.
func (v *validator) codeWithScope(pos, end int) (int, int, error) {
	n, ok := v.length(pos, end)
	if !ok || n < 14 || n > end-pos {
		return 0, 0, invalid("code with scope with a wrong length")
	}
	stop := pos + n
	at, err := v.str(pos+4, stop)
	if err != nil {
		return 0, 0, err
	}
	if size, ok := v.length(at, stop); !ok || at+size != stop {
		return 0, 0, invalid("code with scope with a wrong length")
	}
	return v.enter(at, end)
}

func invalid(format string, args ...any) error {
	return errcode.New(errcode.InvalidBSON, "Invalid BSON: "+format, args...)
}

// shortKey keeps a message readable whatever a broken name holds.
func shortKey(k []byte) []byte {
	if i := bytes.IndexByte(k, 0); i >= 0 {
		k = k[:i]
	}
	return bytes.ToValidUTF8(k[:min(len(k), 64)], []byte("?"))
}

// Depth returns how many levels doc has: 1 for a flat document. doc must be
// valid and no deeper than MaxMessageDepth.
func Depth(doc []byte) int {
	var ends [MaxMessageDepth + 1]Iter
	ends[0] = NewIter(doc)
	deepest, n := 1, 1
	for n > 0 {
		if !ends[n-1].Next() {
			n--
			continue
		}
		if v := ends[n-1].Value(); (v.Type == Object || v.Type == Array) && n < len(ends) {
			ends[n] = NewIter(v.Data)
			n++
			deepest = max(deepest, n)
		}
	}
	return deepest
}
