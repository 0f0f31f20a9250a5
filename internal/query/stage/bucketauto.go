package stage

import (
	"context"
	"io"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// bucketAutoStage is $bucketAuto: the documents in order of a value, in buckets
// of about the same size; equal values are in one bucket.
type bucketAutoStage struct {
	named
	pc      *ParseContext
	by      expr.Expr
	buckets int64
	rounder *rounder // nil: the boundaries are values of documents
	fields  []groupField
}

func parseBucketAuto(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(40240, "The argument to $bucketAuto must be an object, but found type: %s.", bsonx.TypeName(arg.Type))
	}
	s := &bucketAutoStage{named: name("$bucketAuto", arg), pc: pc}
	var output bsonx.Value
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		v := it.Value()
		var err error
		switch string(it.Key()) {
		case "groupBy":
			if !isExpression(v) {
				return nil, errcode.New(40239, "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression object")
			}
			s.by, err = expr.Compile(v, pc.Scope)
		case "buckets":
			s.buckets, err = bucketCount(v)
		case "output":
			if v.Type != bsonx.Object {
				return nil, errcode.New(40244, "The $bucketAuto 'output' field must be an object, but found type: %s.", bsonx.TypeName(v.Type))
			}
			output = v
		case "granularity":
			s.rounder, err = newRounder(v)
		default:
			return nil, errcode.New(40245, "Unrecognized option to $bucketAuto: %s.", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if s.by == nil || s.buckets == 0 {
		return nil, errcode.New(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified")
	}
	if output.Type != bsonx.Missing && bsonx.IsEmpty(output.Data) {
		output = bsonx.Value{}
	}
	g := &groupStage{pc: pc}
	err := g.addOutput(output)
	s.fields = g.fields
	return one(s, err)
}

func bucketCount(v bsonx.Value) (int64, error) {
	if !bsonx.IsNumber(v) {
		return 0, errcode.New(40241, "The $bucketAuto 'buckets' field must be a numeric value, but found type: %s.", bsonx.TypeName(v.Type))
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, errcode.New(40242, "The $bucketAuto 'buckets' field must be representable as a 32-bit integer.")
	}
	if n <= 0 {
		return 0, errcode.New(40243, "The $bucketAuto 'buckets' field must be greater than 0, but found: %d.", n)
	}
	return n, nil
}

func (s *bucketAutoStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	it := &bucketAutoIter{s: s, env: oc.env(s.pc)}
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		defer in.Close()
		st := newSorter(oc, sorterOptions{stage: "$bucketAuto"})
		var key []byte
		err := each(ctx, in, func(r exec.Row) error {
			v, err := it.value(r)
			if err != nil {
				return err
			}
			it.total++
			key = appendSortValue(key[:0], v, false, s.pc.Collation)
			return st.addKey(ctx, key, r)
		})
		if err != nil {
			st.Close()
			return nil, err
		}
		it.in, err = st.finish(ctx)
		return it, err
	}}, nil
}

type bucketAutoIter struct {
	s     *bucketAutoStage
	env   *expr.Env
	in    exec.Iterator
	total int64
	size  int64 // documents a bucket, about

	num     int64
	started bool
	next    bsonx.Value // of the row that next in begins with
	row     exec.Row
	more    bool
	prevMax bsonx.Value
}

// value evaluates groupBy; missing is null.
func (it *bucketAutoIter) value(r exec.Row) (bsonx.Value, error) {
	at(it.env, r)
	v, err := it.s.by.Eval(it.env)
	if err != nil {
		return v, err
	}
	if v.Type == bsonx.Missing {
		v = bsonx.NullValue
	}
	if it.s.rounder == nil {
		return v, nil
	}
	if !bsonx.IsNumber(v) {
		return v, errcode.New(40258, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: %s", bsonx.TypeName(v.Type))
	}
	switch f := floatOf(v); {
	case f != f:
		return v, errcode.New(40259, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a NaN")
	case f < 0:
		return v, errcode.New(40260, "$bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number")
	}
	return v, nil
}

// advance reads the next row.
func (it *bucketAutoIter) advance(ctx context.Context) error {
	r, err := it.in.Next(ctx)
	if err == io.EOF {
		it.more = false
		return nil
	}
	if err != nil {
		return err
	}
	v, err := it.value(r)
	it.row, it.next, it.more = r, bsonx.Clone(v), true
	return err
}

func (it *bucketAutoIter) Next(ctx context.Context) (exec.Row, error) {
	if !it.started {
		it.started = true
		it.size = max(1, int64(math.Round(float64(it.total)/float64(it.s.buckets))))
		if err := it.advance(ctx); err != nil {
			return exec.Row{}, err
		}
	}
	if !it.more {
		return exec.Row{}, io.EOF
	}
	it.num++
	b := &autoBucket{lo: it.next, hi: it.next, states: make([]expr.State, len(it.s.fields))}
	for i, f := range it.s.fields {
		b.states[i] = f.acc.New()
		if err := startState(b.states[i], it.env, bsonx.DocValue(bsonx.EmptyDoc)); err != nil {
			return exec.Row{}, err
		}
	}
	if it.s.rounder != nil {
		b.lo = it.prevMax
		if it.num == 1 {
			b.lo = it.s.rounder.down(it.next)
		}
	}
	n := it.size
	if it.num == it.s.buckets {
		n = math.MaxInt64
	}
	for i := int64(0); i < n && it.more; i++ {
		if err := it.take(ctx, b); err != nil {
			return exec.Row{}, err
		}
	}
	if err := it.finish(ctx, b); err != nil {
		return exec.Row{}, err
	}
	it.prevMax = b.hi
	return it.result(b)
}

// autoBucket is one bucket while it is filled.
type autoBucket struct {
	lo, hi bsonx.Value
	states []expr.State
}

// take puts the current row into a bucket and reads the next one.
func (it *bucketAutoIter) take(ctx context.Context, b *autoBucket) error {
	at(it.env, it.row)
	for _, st := range b.states {
		if err := st.Add(it.env); err != nil {
			return err
		}
	}
	b.hi = it.next
	return it.advance(ctx)
}

// finish sets the upper boundary, which is exclusive but for the last bucket,
// and takes the rows that it now covers.
func (it *bucketAutoIter) finish(ctx context.Context, b *autoBucket) error {
	covered := func() bool { return bsonx.CompareWith(it.next, b.hi, it.s.pc.Collation) == 0 }
	if it.s.rounder != nil {
		up := it.s.rounder.up(b.hi)
		covered = func() bool { return bsonx.Compare(it.next, up) < 0 }
		defer func() {
			b.hi = up
			if it.more && floatOf(up) == 0 {
				b.hi = it.s.rounder.down(it.next)
			}
		}()
	}
	for it.more && covered() {
		if err := it.take(ctx, b); err != nil {
			return err
		}
	}
	if it.s.rounder == nil && it.more {
		b.hi = it.next
	}
	return nil
}

func (it *bucketAutoIter) result(b *autoBucket) (exec.Row, error) {
	d := bsonx.NewDoc(nil)
	at := d.OpenDoc("_id")
	d.Value("min", b.lo)
	d.Value("max", b.hi)
	d.Close(at)
	for i, f := range it.s.fields {
		v, err := b.states[i].Result(it.env)
		if err != nil {
			return exec.Row{}, err
		}
		if v.Type == bsonx.Missing {
			v = bsonx.NullValue
		}
		d.Value(f.name, v)
	}
	doc := d.Done()
	return exec.Row{Doc: doc}, checkDocSize(doc)
}

func (it *bucketAutoIter) Close() error { return it.in.Close() }
