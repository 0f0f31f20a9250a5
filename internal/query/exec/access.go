package exec

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/txn"
)

// Access is a way to the rows of a collection, as the planner chose it. It is
// immutable; Open may be called more than once.
type Access interface {
	// Open starts it on a view. st counts what it does.
	Open(v *txn.View, st *Stats) Iterator
}

// Stats counts the work of an access path, for explain.
type Stats struct {
	Returned, KeysExamined, DocsExamined int64
	Works, Seeks                         int64
	DupsTested, DupsDropped              int64
	EOF                                  bool
	Children                             []*Stats // of a path that joins others
}

// All returns the works of an access path and of those that it joins.
func (st *Stats) All() int64 {
	if len(st.Children) == 0 {
		return st.Works
	}
	n := int64(0)
	for _, c := range st.Children {
		n += c.All()
	}
	return n
}

// Nothing yields no rows (a filter that cannot match).
type Nothing struct{}

// CollScan yields all rows in their stored order. Lower and Upper bound the row
// keys (a resumed or a tailable scan); nil: no bound.
type CollScan struct {
	Coll         *Collection
	Reverse      bool
	Lower, Upper []byte
}

// Range is a range of values of one index field, in the form that the index
// holds (sort keys instead of strings under a collation).
type Range struct {
	Lo, Hi     bsonx.Value
	LoIn, HiIn bool
}

// IndexScan yields the rows whose keys are in the bounds, in the index's order
// or the reverse. Each row comes once.
type IndexScan struct {
	Coll     *Collection
	Index    *Index // nil: the index on _id, which is the rows themselves
	Spec     *index.Spec
	Multikey index.Multikey
	Bounds   [][]Range // one list for each field
	// Min (inclusive) and Max (exclusive) bound whole keys; nil: no bound.
	Min, Max []bsonx.Value
	Reverse  bool
	// Covered: rows have the index's fields only and are not fetched.
	Covered bool
	// WildcardPath is the path that a scan of a wildcard index is about.
	WildcardPath string
	// Distinct, if not 0, is how many leading fields tell rows apart: of all keys
	// in bounds with the same values in them, one is enough. Where the last of them
	// is null, all come, because the field may be missing in one row and null in
	// another.
	Distinct int
	// KeyMeta: each row's Meta.IndexKey is its key (returnKey).
	KeyMeta bool
}

// FieldName names value i of a key. A wildcard field has two, its path and the
// value there.
func (x *IndexScan) FieldName(i int) string {
	switch w := x.Spec.WildcardAt(); {
	case w < 0 || i < w:
		return x.Spec.Fields[i].Path
	case i == w:
		return "$_path"
	case i == w+1:
		return x.WildcardPath
	}
	return x.Spec.Fields[i-1].Path
}

// Union yields the rows of all children, each once.
type Union struct{ Children []Access }

type nothing struct{}

// Open implements Access.
func (*Nothing) Open(*txn.View, *Stats) Iterator { return nothing{} }

func (nothing) Next(context.Context) (Row, error) { return Row{}, errEOF }
func (nothing) Close() error                      { return nil }

// FindKey returns the key of the row with that _id; nil when there is none.
func FindKey(ctx context.Context, v *txn.View, c *Collection, id bsonx.Value) ([]byte, error) {
	if c.IDEntries == nil {
		return c.RowKey(id), nil
	}
	key := c.RowKey(id)
	it := v.ScanIndex(c.ID, c.IDEntries.ID, txn.ScanOptions{Lower: key, Upper: append(key[:len(key):len(key)], 0xff)})
	defer func() { _ = it.Close() }()
	if !it.Next() {
		return nil, it.Err()
	}
	return append([]byte(nil), it.Key()[len(key):]...), nil
}
