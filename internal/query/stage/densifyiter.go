package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// densePart is one partition: how far the sequence was made.
type densePart struct {
	fields bsonx.Doc
	cur    bsonx.Value // the last value of the sequence; missing: none yet
}

// densifyIter yields the rows of in, and made ones between them.
type densifyIter struct {
	s     *densifyStage
	oc    *OpenContext
	in    exec.Iterator
	env   *expr.Env
	arEnv *expr.Env

	parts map[string]*densePart
	list  []*densePart // in the order they were seen
	key   []byte

	min, max bsonx.Value // of all rows so far, for "full"

	gen    *densePart  // for whom values are being made …
	next   bsonx.Value // … from here
	end    bsonx.Value // … and up to here, exclusive
	after  *exec.Row   // the row that comes then
	made   int
	eof    bool
	finish int // partitions that are complete, at the end
	buf    []byte
}

func (it *densifyIter) Next(ctx context.Context) (exec.Row, error) {
	for {
		if it.gen != nil {
			if bsonx.Compare(it.next, it.end) < 0 {
				return it.make(ctx)
			}
			it.gen = nil
		}
		if it.after != nil {
			r := *it.after
			it.after = nil
			return r, nil
		}
		if it.eof {
			if err := it.complete(); err != nil {
				return exec.Row{}, err
			}
			continue
		}
		r, err := it.in.Next(ctx)
		if err == io.EOF {
			it.eof = true
			continue
		}
		if err != nil {
			return exec.Row{}, err
		}
		row, ready, err := it.take(r)
		if err != nil || ready {
			return row, err
		}
	}
}

// make yields the next value of the sequence as a document.
func (it *densifyIter) make(ctx context.Context) (exec.Row, error) {
	if it.made++; it.made > maxDensified {
		return exec.Row{}, errcode.New(5897900, "Generated %d documents in $densify, which is over the limit of %d. Increase the 'internalQueryMaxAllowedDensifyDocs' parameter to allow more generated documents", it.made, maxDensified)
	}
	if it.made&1023 == 0 {
		if err := interrupted(ctx, it.oc.Query); err != nil {
			return exec.Row{}, err
		}
	}
	v := it.next
	it.gen.cur = v
	next, err := it.s.grid.move(it.arEnv, v, 1)
	if err != nil {
		return exec.Row{}, err
	}
	it.next = next
	it.buf = withField(it.buf[:0], it.gen.fields, it.s.field, v)
	return exec.Row{Doc: it.buf}, nil
}

// take looks at a row: it is passed on at once (ready), or kept until the values
// before it are made.
func (it *densifyIter) take(r exec.Row) (row exec.Row, ready bool, err error) {
	v := get(r.Doc, it.s.field)
	if bsonx.IsNullish(v) {
		return r, true, nil
	}
	if err := it.s.checkValue(v); err != nil {
		return r, false, err
	}
	v = bsonx.Clone(v)
	p, seen, err := it.part(r)
	if err != nil {
		return r, false, err
	}
	first := it.min.Type == bsonx.Missing
	if first {
		it.min = v
	}
	it.max = v
	switch {
	case it.s.explicit:
		return it.takeExplicit(p, r, v)
	case first || !seen && !it.s.full:
		p.cur = v
		return r, true, nil
	case !seen:
		if p.cur, err = it.s.grid.move(it.arEnv, it.min, -1); err != nil {
			return r, false, err
		}
	}
	return it.fillTo(p, r, v, v)
}

func (s *densifyStage) checkValue(v bsonx.Value) error {
	switch {
	case !bsonx.IsNumber(v) && v.Type != bsonx.Date:
		return errcode.New(5733201, "Densify field type must be numeric or a date, found %s", bsonx.TypeName(v.Type))
	case bsonx.IsNumber(v) && s.grid.hasUnit:
		return errcode.New(6053600, "Encountered numeric densify value in collection when step has a date unit.")
	case v.Type == bsonx.Date && !s.grid.hasUnit:
		return errcode.New(6053601, "Encountered date densify value in collection when step does not have a date unit.")
	}
	return nil
}

// part returns the row's partition, and whether it was seen before.
func (it *densifyIter) part(r exec.Row) (p *densePart, seen bool, err error) {
	it.key = it.key[:0]
	fields := bsonx.EmptyDoc
	if it.s.partition != nil {
		at(it.env, r)
		v, err := it.s.partition.Eval(it.env)
		if err != nil {
			return nil, false, err
		}
		it.key = appendKey(it.key, v, it.s.pc.Collation)
		fields = bsonx.Doc(v.Data)
	}
	if p = it.parts[string(it.key)]; p != nil {
		return p, true, nil
	}
	p = &densePart{fields: clone(fields)}
	it.parts[string(it.key)] = p
	it.list = append(it.list, p)
	return p, false, it.s.checkPath(p.fields)
}

// checkPath refuses to write the field into an array or over a value.
func (s *densifyStage) checkPath(fields bsonx.Doc) error {
	for i := range s.field {
		switch v := get(fields, s.field[:i+1]); {
		case v.Type == bsonx.Array:
			return errcode.New(5733307, "$densify cannot generate fields nested inside arrays")
		case v.Type == bsonx.Missing:
			return nil
		case v.Type != bsonx.Object && i < len(s.field)-1:
			return errcode.New(5733308, "$densify cannot overwrite non-object values with objects")
		}
	}
	return nil
}

// fillTo makes the values between the partition's last one and end, and then
// yields the row. A row that lies on the sequence becomes its last value.
func (it *densifyIter) fillTo(p *densePart, r exec.Row, v, end bsonx.Value) (exec.Row, bool, error) {
	next, err := it.s.grid.move(it.arEnv, p.cur, 1)
	if err != nil {
		return r, false, err
	}
	if bsonx.Compare(v, next) <= 0 {
		if bsonx.Equal(v, next) {
			p.cur = v
		}
		return r, true, nil
	}
	on, err := it.s.grid.on(it.arEnv, next, v)
	if err != nil {
		return r, false, err
	}
	it.gen, it.next, it.end = &densePart{fields: p.fields}, next, end
	kept := cloneRow(r)
	it.after = &kept
	return r, false, it.advance(p, v, next, end, on)
}

// advance sets the partition's last value to what it is once all is made.
func (it *densifyIter) advance(p *densePart, v, next, end bsonx.Value, on bool) (err error) {
	if on {
		p.cur = v
		return nil
	}
	for bsonx.Compare(next, end) < 0 {
		p.cur = next
		if next, err = it.s.grid.move(it.arEnv, next, 1); err != nil {
			return err
		}
	}
	return nil
}

func (it *densifyIter) takeExplicit(p *densePart, r exec.Row, v bsonx.Value) (exec.Row, bool, error) {
	s := it.s
	switch c := bsonx.Compare(v, s.lo); {
	case c < 0:
		return r, true, nil
	case c == 0:
		p.cur = v
		return r, true, nil
	}
	if p.cur.Type == bsonx.Missing {
		var err error
		if p.cur, err = s.grid.move(it.arEnv, s.lo, -1); err != nil {
			return r, false, err
		}
	}
	end := v
	if bsonx.Compare(s.hi, v) < 0 {
		end = s.hi
		next, err := s.grid.move(it.arEnv, p.cur, 1)
		if err != nil || bsonx.Compare(next, s.hi) >= 0 {
			return r, true, err
		}
	}
	return it.fillTo(p, r, v, end)
}

// complete makes what is missing after the last rows; io.EOF when nothing is.
func (it *densifyIter) complete() error {
	s := it.s
	if s.explicit && s.partition == nil && len(it.list) == 0 {
		it.list = append(it.list, &densePart{fields: bsonx.EmptyDoc})
	}
	if it.finish >= len(it.list) || !s.explicit && (!s.full || s.partition == nil) {
		return io.EOF
	}
	p := it.list[it.finish]
	it.finish++
	next, err := bsonx.Value{}, error(nil)
	switch {
	case p.cur.Type != bsonx.Missing:
		next, err = s.grid.move(it.arEnv, p.cur, 1)
	default:
		next = s.lo
	}
	if err != nil {
		return err
	}
	end := s.hi
	if s.full {
		end = it.max
		on, err := s.grid.on(it.arEnv, it.min, it.max)
		if err != nil {
			return err
		}
		if on {
			if end, err = s.grid.move(it.arEnv, it.max, 1); err != nil {
				return err
			}
		}
	}
	it.gen, it.next, it.end = p, next, end
	return nil
}

func (it *densifyIter) Close() error { return it.in.Close() }
