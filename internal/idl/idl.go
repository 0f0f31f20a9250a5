package idl

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Field is one argument.
type Field struct {
	Name string
	// Types are the BSON types that are accepted. A null for a field that does
	// not list Null (or Any) counts as absent, as in MongoDB.
	Types TypeSet
	// Required fields must be there (and not null).
	Required bool
	// Min and Max bound a number, inclusive; both zero: no bounds. Outside of
	// them the error is BadValue.
	Min, Max int64
	// Elems are the types of an array's elements; zero: any. Nulls are passed over,
	// as in MongoDB.
	Elems TypeSet
	// Enum lists the allowed values of a string; nil: any.
	Enum []string
	// Check is called with a value that is there and of an accepted type.
	Check func(v bsonx.Value) error
}

// NoMax is a Max that does not bound.
const NoMax = math.MaxInt64

// Spec is a compiled table of arguments. It is immutable and safe for
// concurrent use.
type Spec struct {
	name    string
	fields  []Field
	slots   map[string]int16 // own field: its index; generic argument: -1 - its index
	command bool             // the document's first field is the first slot, by whatever alias
	lenient bool
}

// New compiles the arguments of a stage or a nested document; name is what
// stands before the dot in messages ("$merge", "update.updates").
func New(name string, fields ...Field) *Spec {
	s := &Spec{name: name, fields: fields, slots: make(map[string]int16, len(fields))}
	for i, f := range fields {
		s.slots[f.Name] = int16(i)
	}
	return s
}

// Command compiles the arguments of a command: its own, the first of which is
// the command's name, and those that every command takes.
func Command(name string, fields ...Field) *Spec {
	s := New(name, fields...)
	s.command = true
	for i, g := range genericFields {
		if _, own := s.slots[g.Name]; !own {
			s.slots[g.Name] = int16(-1 - i)
		}
	}
	return s
}

// Lenient returns a copy that ignores unknown fields, as MongoDB's commands
// without a strict argument table do.
func (s *Spec) Lenient() *Spec {
	c := *s
	c.lenient = true
	return &c
}

// Name returns the name the spec was compiled with.
func (s *Spec) Name() string { return s.name }

// Fields returns the spec's own fields; do not change them.
func (s *Spec) Fields() []Field { return s.fields }

// Args are decoded arguments: raw values by field. Values alias the document.
// An Args can be used again with another Decode. Not safe for concurrent use.
type Args struct {
	spec *Spec
	vals []bsonx.Value
	seen uint64
	// Generic are the arguments that every command takes; only filled by a
	// Spec made with Command.
	Generic Generic
}

// Decode fills a from doc and checks it against the spec.
func (s *Spec) Decode(doc bsonx.Doc, a *Args) error { return s.DecodeWith(doc, a, nil) }

// DecodeWith is Decode for a command some of whose arguments came outside of
// the document (as document sequences): those named in outside count as given.
func (s *Spec) DecodeWith(doc bsonx.Doc, a *Args, outside func(name string) bool) error {
	a.reset(s)
	first := s.command
	for it := bsonx.NewIter(doc); it.Next(); {
		slot, ok := s.slots[string(it.Key())]
		if first {
			slot, ok, first = 0, true, false
		}
		if !ok {
			if s.lenient {
				continue
			}
			return errcode.New(40415, "BSON field '%s.%s' is an unknown field.", s.name, it.Key())
		}
		if slot < 0 {
			if err := a.Generic.set(int(-1-slot), it.Value()); err != nil {
				return err
			}
			continue
		}
		if err := s.set(a, int(slot), it.Value()); err != nil {
			return err
		}
	}
	for i := range s.fields {
		f := &s.fields[i]
		if f.Required && a.vals[i].Type == bsonx.Missing && (outside == nil || !outside(f.Name)) {
			return errcode.New(40414, "BSON field '%s.%s' is missing but a required field", s.name, f.Name)
		}
	}
	return nil
}

func (a *Args) reset(s *Spec) {
	a.spec, a.seen = s, 0
	if cap(a.vals) < len(s.fields) {
		a.vals = make([]bsonx.Value, len(s.fields))
	}
	a.vals = a.vals[:len(s.fields)]
	clear(a.vals)
	a.Generic = Generic{}
}

func (s *Spec) set(a *Args, i int, v bsonx.Value) error {
	f := &s.fields[i]
	if i < 64 {
		if a.seen&(1<<i) != 0 {
			return errcode.New(40413, "BSON field '%s.%s' is a duplicate field", s.name, f.Name)
		}
		a.seen |= 1 << i
	}
	if !f.Types.Has(v.Type) {
		if v.Type == bsonx.Null || v.Type == bsonx.Undefined {
			return nil
		}
		return WrongType(s.name+"."+f.Name, v.Type, f.Types)
	}
	if err := f.check(s.name, v); err != nil {
		return err
	}
	a.vals[i] = v
	return nil
}

func (f *Field) check(spec string, v bsonx.Value) error {
	if (f.Min != 0 || f.Max != 0) && bsonx.IsNumber(v) {
		if n := ToInt64(v); n < f.Min {
			return rangeError(f.Name, ">=", f.Min, n)
		} else if n > f.Max {
			return rangeError(f.Name, "<=", f.Max, n)
		}
	}
	if f.Elems != 0 && v.Type == bsonx.Array {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if t := it.Value().Type; !f.Elems.Has(t) && t != bsonx.Null && t != bsonx.Undefined {
				return WrongType(spec+"."+f.Name+"."+string(it.Key()), it.Value().Type, f.Elems)
			}
		}
	}
	if f.Enum != nil && v.Type == bsonx.String {
		if err := f.checkEnum(spec, v); err != nil {
			return err
		}
	}
	if f.Check != nil {
		return f.Check(v)
	}
	return nil
}

func (f *Field) checkEnum(spec string, v bsonx.Value) error {
	got := bsonx.Str(v)
	for _, e := range f.Enum {
		if e == string(got) {
			return nil
		}
	}
	return errcode.New(errcode.BadValue, "Enumeration value '%s' for field '%s.%s' is not a valid value.", got, spec, f.Name)
}

// WrongType is the error for a value of a type that its field does not take.
func WrongType(path string, got bsonx.Type, want TypeSet) error {
	return errcode.New(errcode.TypeMismatch, "BSON field '%s' is the wrong type '%s', %s", path, bsonx.TypeName(got), want.expected())
}

func rangeError(field, op string, bound, actual int64) error {
	return errcode.New(errcode.BadValue, "BSON field '%s' value must be %s %d, actual value '%d'", field, op, bound, actual)
}
