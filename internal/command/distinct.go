package command

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
)

var distinctCommand = &Spec{
	Name: "distinct",
	Args: idl.Command("distinct",
		idl.Field{Name: "distinct", Types: idl.Any, Required: true},
		idl.Field{Name: "key", Types: idl.String, Required: true},
		idl.Field{Name: "query", Types: idl.Object},
		strictHint, idl.Field{Name: "collation", Types: idl.Object},
		idl.Field{Name: "collectionUUID", Types: idl.Binary}, idl.Field{Name: "querySettings", Types: idl.Object},
		idl.Field{Name: "includeQueryStatsMetrics", Types: idl.Bool}),
	Flags:     Read | Snapshot | TxnOK,
	Privilege: onCollection(auth.Find),
	Help:      "the different values of a field",
	Run:       runDistinct,
}

type distinctArgs struct {
	name, key        string
	query, collation bsonx.Doc
	hint             bsonx.Value
}

func runDistinct(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	a := &distinctArgs{name: name, key: rq.Args.String("key", ""), query: rq.Args.Doc("query"),
		collation: rq.Args.Doc("collation"), hint: rq.Args.Get("hint")}
	if strings.IndexByte(a.key, 0) >= 0 {
		return errcode.New(31032, "The key for 'distinct' cannot contain an embedded null byte")
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	arr := b.OpenArray("values")
	if err := src.distinct(ctx, a, b); err != nil {
		return err
	}
	b.Close(arr)
	appendSnapshotTime(b, rq.snapshotTime)
	return nil
}

// distinct appends the values to the open array.
func (s *source) distinct(ctx context.Context, a *distinctArgs, b *bsonx.Builder) error {
	t, err := s.target(ctx, s.about.db, a.name)
	if err != nil {
		return err
	}
	if err := t.checkUUID(s.about.uuid); err != nil {
		return err
	}
	q, err := s.newQuery(ctx, t, a.collation, nil)
	if err != nil {
		return err
	}
	var it exec.Iterator
	if t.isView() {
		if !q.given {
			q.setCollation(viewCollation(t))
		}
		it, err = s.aggregate(ctx, viewDistinct(t, a))
	} else {
		var p *plan.Plan
		if q, p, err = s.planDistinct(ctx, t, a); err == nil && p == nil {
			return nil
		}
		if err == nil {
			it = q.rows(t, p, &exec.Stats{})
		}
	}
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }()
	d := distinctValues{path: strings.Split(a.key, "."), coll: q.coll, seen: map[string]struct{}{}}
	for {
		row, err := it.Next(ctx)
		if err == io.EOF {
			d.appendTo(b)
			return nil
		}
		if err == nil {
			err = d.add(bsonx.DocValue(row.Doc), d.path, true)
		}
		if err != nil {
			return err
		}
	}
}

// viewDistinct is the pipeline whose documents a distinct on a view looks at.
func viewDistinct(t *target, a *distinctArgs) *aggregateArgs {
	return viewQuery(t, a.query, a.collation, a.hint)
}

func (s *source) planDistinct(ctx context.Context, t *target, a *distinctArgs) (*query, *plan.Plan, error) {
	q, err := s.newQuery(ctx, t, a.collation, nil)
	if err != nil {
		return nil, nil, err
	}
	q.withoutNow()
	f, err := q.filter(a.query)
	if err == nil {
		err = specialTarget(t, f)
	}
	if err != nil || t.coll == nil {
		return q, nil, err
	}
	p, err := q.choose(ctx, t, &plan.Query{Filter: f, Vars: q.vars, Collation: q.coll, Hint: a.hint, Needed: []string{a.key}, Distinct: a.key})
	return q, p, err
}

// distinctValues collects values that were not seen before.
type distinctValues struct {
	path []string
	coll bsonx.Collator
	seen map[string]struct{}
	vals []bsonx.Value
	size int
	key  []byte
}

// add collects what the path leads to: through arrays to each element, and an
// array at its end counts as its elements.
func (d *distinctValues) add(v bsonx.Value, path []string, _ bool) error {
	for len(path) > 0 {
		switch v.Type {
		case bsonx.Object:
			v, path = bsonx.Lookup(v.Data, path[0]), path[1:]
			continue
		case bsonx.Array:
			if i, ok := bsonx.ArrayIndex(path[0]); ok {
				if err := d.add(bsonx.LookupIndex(v.Data, i), path[1:], true); err != nil {
					return err
				}
			}
			for it := bsonx.NewIter(v.Data); it.Next(); {
				if e := it.Value(); e.Type == bsonx.Object {
					if err := d.add(e, path, true); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	if v.Type != bsonx.Array {
		return d.value(v)
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if err := d.value(it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (d *distinctValues) value(v bsonx.Value) error {
	if v.Type == bsonx.Missing {
		return nil
	}
	d.key = keyenc.AppendWith(d.key[:0], v, d.coll)
	if _, ok := d.seen[string(d.key)]; ok {
		return nil
	}
	d.seen[string(d.key)] = struct{}{}
	if d.size += len(v.Data) + 8; d.size > bsonx.MaxDocSize {
		return errcode.New(17217, "distinct too big, 16mb cap")
	}
	d.vals = append(d.vals, bsonx.Clone(v))
	return nil
}

// appendTo appends the values in their order, as MongoDB does.
func (d *distinctValues) appendTo(b *bsonx.Builder) {
	slices.SortFunc(d.vals, func(x, y bsonx.Value) int { return bsonx.CompareWith(x, y, d.coll) })
	for i, v := range d.vals {
		b.Value(bsonx.Index(i), v)
	}
}
