package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// unwindStage is $unwind: a document for every element of an array. A value
// that is no array counts as one element; null, missing and [] leave the
// document out unless it is to be preserved.
type unwindStage struct {
	named
	path     []string
	index    []string // includeArrayIndex; nil if not wanted
	preserve bool
}

func parseUnwind(arg bsonx.Value, _ *ParseContext) ([]Stage, error) {
	s := &unwindStage{named: name("$unwind", arg)}
	var path string
	switch arg.Type {
	case bsonx.String:
		path, _ = stringOf(arg)
	case bsonx.Object:
		var err error
		if path, err = s.parseOptions(arg.Data); err != nil {
			return nil, err
		}
	default:
		return nil, errcode.New(15981, "expected either a string or an object as specification for $unwind stage, got %s", bsonx.TypeName(arg.Type))
	}
	if path == "" {
		return nil, errcode.New(28812, "no path specified to $unwind stage")
	}
	p, ok, err := fieldPathOf(path)
	if !ok {
		return nil, errcode.New(28818, "path option to $unwind stage should be prefixed with a '$': %s", path)
	}
	s.path = p
	return one(s, err)
}

func (s *unwindStage) parseOptions(spec []byte) (path string, err error) {
	for it := bsonx.NewIter(spec); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "path":
			p, ok := stringOf(v)
			if !ok {
				return "", errcode.New(28808, "expected a string as the path for $unwind stage, got %s", bsonx.TypeName(v.Type))
			}
			path = p
		case "preserveNullAndEmptyArrays":
			if v.Type != bsonx.Bool {
				return "", errcode.New(28809, "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got %s", bsonx.TypeName(v.Type))
			}
			s.preserve = bsonx.Truthy(v)
		case "includeArrayIndex":
			if s.index, err = arrayIndexPath(v); err != nil {
				return "", err
			}
		default:
			return "", errcode.New(28811, "unrecognized option to $unwind stage: %s", it.Key())
		}
	}
	return path, nil
}

func arrayIndexPath(v bsonx.Value) ([]string, error) {
	p, ok := stringOf(v)
	if !ok || p == "" {
		return nil, errcode.New(28810, "expected a non-empty string for the includeArrayIndex option to $unwind stage, got %s", bsonx.TypeName(v.Type))
	}
	if p[0] == '$' {
		return nil, errcode.New(28822, "includeArrayIndex option to $unwind stage should not be prefixed with a '$': %s", p)
	}
	return expr.SplitPath(p)
}

func (s *unwindStage) Open(_ *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &unwindIter{s: s, in: in}, nil
}

type unwindIter struct {
	s    *unwindStage
	in   exec.Iterator
	row  exec.Row   // whose array is being unwound
	elem bsonx.Iter // the rest of the array
	open bool
	n    int64
	bufs [2][]byte
}

func (it *unwindIter) Next(ctx context.Context) (exec.Row, error) {
	for {
		if it.open {
			if it.elem.Next() {
				it.n++
				return it.row1(it.elem.Value(), bsonx.Int64Value(it.n-1)), nil
			}
			it.open = false
		}
		row, err := it.in.Next(ctx)
		if err != nil {
			return exec.Row{}, err
		}
		it.row = row
		v := get(row.Doc, it.s.path)
		switch {
		case v.Type == bsonx.Array && !bsonx.IsEmpty(v.Data):
			it.elem, it.n, it.open = bsonx.NewIter(v.Data), 0, true
		case v.Type == bsonx.Array:
			if it.s.preserve {
				return it.row1(bsonx.Value{}, bsonx.NullValue), nil
			}
		case !bsonx.IsNullish(v):
			return it.indexed(row, bsonx.NullValue), nil
		case it.s.preserve:
			return it.indexed(row, bsonx.NullValue), nil
		}
	}
}

// row1 returns the row with one element in the array's place.
func (it *unwindIter) row1(v, index bsonx.Value) exec.Row {
	it.bufs[0] = withField(it.bufs[0][:0], it.row.Doc, it.s.path, v)
	return it.indexed(exec.Row{Doc: it.bufs[0], Meta: it.row.Meta}, index)
}

func (it *unwindIter) indexed(r exec.Row, index bsonx.Value) exec.Row {
	if it.s.index == nil {
		return r
	}
	it.bufs[1] = withField(it.bufs[1][:0], r.Doc, it.s.index, index)
	return exec.Row{Doc: it.bufs[1], Meta: r.Meta}
}

func (it *unwindIter) Close() error { return it.in.Close() }
