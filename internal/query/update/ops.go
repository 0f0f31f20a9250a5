package update

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// always is for operators that write where there was nothing, and for which a
// path that cannot exist is an error.
type always struct{}

func (always) creates(*applier) bool { return true }
func (always) lenient(*applier) bool { return false }

// existing is for operators that have nothing to do where there is nothing.
type existing struct{}

func (existing) creates(*applier) bool { return false }
func (existing) lenient(*applier) bool { return true }

// set is $set.
type set struct {
	always
	val bsonx.Value
}

func parseSet(_ *parser, _ string, v bsonx.Value) (operator, error) { return &set{val: v}, nil }

func (s *set) apply(a *applier, key string, _ bsonx.Value, _ bool) error {
	a.b.Value(key, s.val)
	return nil
}

// setOnInsert is $set for a document that an upsert makes.
type setOnInsert struct{ val bsonx.Value }

func parseSetOnInsert(_ *parser, _ string, v bsonx.Value) (operator, error) {
	return &setOnInsert{v}, nil
}

func (*setOnInsert) creates(a *applier) bool { return a.in.IsInsert }
func (*setOnInsert) lenient(a *applier) bool { return !a.in.IsInsert }

func (s *setOnInsert) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	if a.in.IsInsert {
		v = s.val
	}
	a.b.Value(key, v)
	return nil
}

// unset removes a field; an array's element becomes null.
type unset struct{ existing }

func parseUnset(*parser, string, bsonx.Value) (operator, error) { return &unset{}, nil }

func (*unset) apply(a *applier, key string, v bsonx.Value, inArray bool) error {
	if inArray && v.Type != bsonx.Missing {
		a.b.Null(key)
	}
	return nil
}

// minMax is $min (sign -1) and $max (sign 1).
type minMax struct {
	always
	sign int
	val  bsonx.Value
}

func parseMin(_ *parser, _ string, v bsonx.Value) (operator, error) {
	return &minMax{sign: -1, val: v}, nil
}

func parseMax(_ *parser, _ string, v bsonx.Value) (operator, error) {
	return &minMax{sign: 1, val: v}, nil
}

func (m *minMax) apply(a *applier, key string, v bsonx.Value, _ bool) error {
	if v.Type == bsonx.Missing || m.sign*bsonx.CompareWith(m.val, v, a.u.coll) > 0 {
		v = m.val
	}
	a.b.Value(key, v)
	return nil
}

// currentDate sets a date or a timestamp.
type currentDate struct {
	always
	timestamp bool
}

func parseCurrentDate(_ *parser, path string, v bsonx.Value) (operator, error) {
	switch v.Type {
	case bsonx.Bool:
		return &currentDate{}, nil
	case bsonx.Object:
	default:
		return nil, bad("%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).", bsonx.TypeName(v.Type))
	}
	found := false
	op := &currentDate{}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if string(it.Key()) != "$type" {
			return nil, bad("Unrecognized $currentDate option: %s", it.Key())
		}
		t := it.Value()
		if t.Type == bsonx.String {
			switch string(bsonx.Str(t)) {
			case "date":
				found = true
			case "timestamp":
				found, op.timestamp = true, true
			}
		}
	}
	if !found {
		return nil, bad("The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {%s: {$type: 'date'}}}", path)
	}
	return op, nil
}

func (c *currentDate) apply(a *applier, key string, _ bsonx.Value, _ bool) error {
	if !c.timestamp {
		a.b.Date(key, a.in.Now)
	} else if t := a.in.ClusterTime; t.Type == bsonx.Timestamp {
		a.b.Value(key, t)
	} else {
		a.b.Timestamp(key, uint32(a.in.Now/1000), 1)
	}
	return nil
}

// renameFrom removes the field that renameTo has moved.
type renameFrom struct{ existing }

func (*renameFrom) apply(*applier, string, bsonx.Value, bool) error { return nil }

// renameTo is a field's new place.
type renameTo struct{ from []string }

// source finds the value that is moved, in the document as it was.
func (r *renameTo) source(a *applier) (bsonx.Value, error) {
	v := bsonx.DocValue(a.doc)
	for i, name := range r.from {
		switch v.Type {
		case bsonx.Object:
			v = bsonx.Lookup(v.Data, name)
		case bsonx.Missing:
			return v, nil
		case bsonx.Array:
			if idx, ok := bsonx.ArrayIndex(name); ok {
				if bsonx.LookupIndex(v.Data, idx).Type == bsonx.Missing {
					return bsonx.Value{}, nil
				}
				return bsonx.Value{}, bad("The source field cannot be an array element, '%s' in doc with _id: %s has an array field called '%s'",
					dotted(r.from), show(bsonx.Lookup(a.doc, "_id")), dotted(r.from[:i]))
			}
			fallthrough
		default:
			return bsonx.Value{}, errcode.New(errcode.PathNotViable, "cannot use the part (%s of %s) to traverse the element (%s)",
				name, dotted(r.from), show(v))
		}
	}
	return v, nil
}

func (r *renameTo) creates(a *applier) bool {
	v, err := r.source(a)
	return err != nil || v.Type != bsonx.Missing
}

func (r *renameTo) lenient(a *applier) bool { return !r.creates(a) }

func (r *renameTo) apply(a *applier, key string, v bsonx.Value, inArray bool) error {
	src, err := r.source(a)
	if err != nil {
		return err
	}
	if src.Type == bsonx.Missing {
		a.b.Value(key, v)
		return nil
	}
	if a.path[0] == "_id" && v.Type != bsonx.Missing {
		return errcode.New(errcode.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	if inArray {
		return bad("The destination field cannot be an array element, '%s' in doc with _id: %s", a.where(), show(bsonx.Lookup(a.doc, "_id")))
	}
	a.b.Value(key, src)
	return nil
}
