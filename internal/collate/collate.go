// Package collate makes sort keys of strings under a collation (MongoDB manual,
// "Collation"), by the Unicode collation algorithm of golang.org/x/text. Sort
// keys, never pairwise comparisons, are what indexes, sorts and matches use, so
// that all of them agree.
package collate

import (
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Collation is a compiled collation. It is a bsonx.Collator. Safe for concurrent use.
type Collation struct {
	spec  bsonx.Doc
	opts  options
	tag   language.Tag
	pools *sync.Pool
}

type options struct {
	locale      string
	caseLevel   bool
	caseFirst   string
	strength    int
	numeric     bool
	alternate   string
	maxVariable string
	normalize   bool
	backwards   bool
}

// Parse checks a collation document and compiles it. The codes are MongoDB's:
// 40414 without a locale, 14 for a wrong type, 2 for a value out of range,
// 40415 for an unknown field.
func Parse(spec bsonx.Doc) (*Collation, error) {
	o := options{caseFirst: "off", strength: 3, alternate: "non-ignorable", maxVariable: "punct"}
	if err := o.decode(spec); err != nil {
		return nil, err
	}
	c := &Collation{opts: o}
	if o.locale == "simple" {
		b := bsonx.NewDoc(nil)
		b.String("locale", "simple")
		c.spec = b.Done()
		return c, nil
	}
	if o.backwards && o.strength == 1 {
		return nil, errcode.New(errcode.BadValue, "'backwards' is invalid with 'strength' of 1")
	}
	tag, err := language.Parse(strings.ReplaceAll(strings.SplitN(o.locale, "@", 2)[0], "_", "-"))
	if err != nil || !known(tag) {
		return nil, errcode.New(errcode.BadValue, "Field 'locale' is invalid in: { locale: %q }", o.locale)
	}
	c.tag = tag
	c.spec = o.document()
	c.pools = &sync.Pool{New: func() any { return c.newKeyer() }}
	return c, nil
}

func known(tag language.Tag) bool {
	base, conf := tag.Base()
	if conf == language.No {
		return false
	}
	_, _, conf = collateMatcher().Match(tag)
	return conf != language.No || base.String() == "en"
}

var collateMatcher = sync.OnceValue(func() language.Matcher {
	return language.NewMatcher(collate.Supported())
})

func wrongType(k string, v bsonx.Value, want string) error {
	return errcode.New(errcode.TypeMismatch, "BSON field 'collation.%s' is the wrong type '%s', expected type '%s'",
		k, bsonx.TypeName(v.Type), want)
}

func (o *options) decode(spec bsonx.Doc) error {
	seen := false
	for it := bsonx.NewIter(spec); it.Next(); {
		k, v := string(it.Key()), it.Value()
		if v.Type == bsonx.Null && k != "locale" {
			continue
		}
		switch k {
		case "locale", "caseFirst", "alternate", "maxVariable", "version":
			if v.Type != bsonx.String {
				return wrongType(k, v, "string")
			}
		case "strength":
			if !bsonx.IsNumber(v) {
				return wrongType(k, v, "number")
			}
		case "caseLevel", "numericOrdering", "normalization", "backwards":
			if v.Type != bsonx.Bool {
				return wrongType(k, v, "bool")
			}
		default:
			return errcode.New(40415, "BSON field 'collation.%s' is an unknown field.", k)
		}
		switch k {
		case "locale":
			seen, o.locale = true, string(bsonx.Str(v))
		case "caseLevel":
			o.caseLevel = bsonx.Truthy(v)
		case "numericOrdering":
			o.numeric = bsonx.Truthy(v)
		case "normalization":
			o.normalize = bsonx.Truthy(v)
		case "backwards":
			o.backwards = bsonx.Truthy(v)
		case "strength":
			n, ok := bsonx.IntegralOK(v)
			if !ok || n < 1 || n > 5 {
				return errcode.New(51024, "BSON field 'strength' value must be >= 1 and <= 5")
			}
			o.strength = int(n)
		case "caseFirst":
			o.caseFirst = string(bsonx.Str(v))
			if err := oneOf(k, o.caseFirst, "off", "upper", "lower"); err != nil {
				return err
			}
		case "alternate":
			o.alternate = string(bsonx.Str(v))
			if err := oneOf(k, o.alternate, "non-ignorable", "shifted"); err != nil {
				return err
			}
		case "maxVariable":
			o.maxVariable = string(bsonx.Str(v))
			if err := oneOf(k, o.maxVariable, "punct", "space"); err != nil {
				return err
			}
		}
	}
	if !seen {
		return errcode.New(40414, "BSON field 'collation.locale' is missing but a required field")
	}
	return nil
}

func oneOf(field, s string, allowed ...string) error {
	for _, a := range allowed {
		if s == a {
			return nil
		}
	}
	return errcode.New(errcode.BadValue, "Enumeration value '%s' for field 'collation.%s' is not a valid value.", s, field)
}

func (o *options) document() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("locale", o.locale)
	b.Bool("caseLevel", o.caseLevel)
	b.String("caseFirst", o.caseFirst)
	b.Int32("strength", int32(o.strength))
	b.Bool("numericOrdering", o.numeric)
	b.String("alternate", o.alternate)
	b.String("maxVariable", o.maxVariable)
	b.Bool("normalization", o.normalize)
	b.Bool("backwards", o.backwards)
	b.String("version", "57.1")
	return b.Done()
}

// Spec returns the collation with every field filled in, as listCollections and
// listIndexes show it. It must not be changed.
func (c *Collation) Spec() bsonx.Doc { return c.spec }

// Simple reports whether strings compare as bytes.
func (c *Collation) Simple() bool { return c == nil || c.opts.locale == "simple" }

// Equal reports whether two collations, nil or simple ones included, are the same.
func Equal(a, b *Collation) bool {
	if a.Simple() || b.Simple() {
		return a.Simple() == b.Simple()
	}
	return string(a.spec) == string(b.spec)
}

// Collator returns c as a bsonx.Collator: nil for the simple one.
func (c *Collation) Collator() bsonx.Collator {
	if c.Simple() {
		return nil
	}
	return c
}

// keyer is a collator of x/text with its buffer: neither is safe for concurrent use.
type keyer struct {
	c   *collate.Collator
	buf collate.Buffer
}

func (c *Collation) newKeyer() *keyer {
	var opts []collate.Option
	if c.opts.strength < 3 {
		opts = append(opts, collate.IgnoreCase)
	}
	if c.opts.strength < 2 {
		opts = append(opts, collate.IgnoreDiacritics)
	}
	if c.opts.numeric {
		opts = append(opts, collate.Numeric)
	}
	return &keyer{c: collate.New(c.tag, opts...)}
}

// Key returns the sort key of s.
func (c *Collation) Key(s []byte) []byte {
	if c.Simple() {
		return s
	}
	k := c.pools.Get().(*keyer)
	key := append([]byte(nil), k.c.Key(&k.buf, s)...)
	k.buf.Reset()
	c.pools.Put(k)
	return key
}
