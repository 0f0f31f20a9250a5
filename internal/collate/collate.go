// Package collate makes sort keys of strings under a collation (MongoDB manual,
// "Collation"), by the Unicode collation algorithm of golang.org/x/text. Sort
// keys, never pairwise comparisons, are what indexes, sorts and matches use, so
// that all of them agree.
package collate

import (
	"math"
	"sync"

	"golang.org/x/text/language"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// Collation is a compiled collation. It is a bsonx.Collator. Safe for concurrent use.
type Collation struct {
	spec  bsonx.Doc
	opts  options
	tag   language.Tag
	pools *sync.Pool // of *keyer
}

// icuVersion is the version that MongoDB stores with a collation; it refuses others.
const icuVersion = "57.1"

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
	o.localeDefaults(spec)
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
	if o.caseFirst != "off" && !o.caseLevel && o.strength < 3 {
		return nil, errcode.New(errcode.BadValue,
			"'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater than 2")
	}
	if o.backwards && o.strength == 1 {
		return nil, errcode.New(errcode.BadValue, "'backwards' is invalid with 'strength' of 1")
	}
	tag, ok := parseLocale(o.locale)
	if !ok {
		return nil, errcode.New(errcode.BadValue, "Field 'locale' is invalid in: { locale: %q }", o.locale)
	}
	if o.backwards {
		tag, _ = tag.SetTypeForKey("kb", "true")
	}
	c.tag = tag
	c.spec = o.document()
	c.pools = &sync.Pool{New: func() any { return c.newKeyer() }}
	return c, nil
}

func wrongType(k string, v bsonx.Value, want string) error {
	return errcode.New(errcode.TypeMismatch, "BSON field 'collation.%s' is the wrong type '%s', expected type '%s'",
		k, bsonx.TypeName(v.Type), want)
}

func (o *options) decode(spec bsonx.Doc) error {
	seen := false
	for it := bsonx.NewIter(spec); it.Next(); {
		k, v := string(it.Key()), it.Value()
		if v.Type == bsonx.Null && k != "locale" && k != "backwards" {
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
			n, ok := truncated(v)
			if !ok || n < 1 || n > 5 {
				return errcode.New(errcode.BadValue, "BSON field 'collation.strength' value must be >= 1 and <= 5")
			}
			o.strength = n
		case "version":
			if version := string(bsonx.Str(v)); version != icuVersion {
				return errcode.New(errcode.IncompatibleCollationVersion,
					"Requested collation version '%s', but only '%s' is available", version, icuVersion)
			}
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
	b.String("version", icuVersion)
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

// truncated returns a number without its fraction; false for NaN and infinities.
func truncated(v bsonx.Value) (int, bool) {
	f := numeric.ToFloat(v)
	if !(f > -1000 && f < 1000) {
		return 0, false
	}
	if v.Type == bsonx.Decimal128 { // MongoDB rounds these
		f = math.RoundToEven(f)
	}
	return int(f), true
}
