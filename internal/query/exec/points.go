package exec

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/txn"
)

// Points yields the rows that have single values in the first field of an index,
// again and again for other values with one iterator over the index: what a join
// asks for. Values that an index does not hold as they are (null, arrays) are not
// for it. It must be closed; not safe for concurrent use.
type Points struct {
	v    *txn.View
	coll *Collection
	ix   *Index // nil: the rows themselves, by _id
	spec *index.Spec
	it   *txn.Iter

	prefixes [][]byte
	buf      []byte
	at       int
	on       bool                // the iterator stands within prefix at
	seen     map[string]struct{} // rows that were returned; nil when none can come twice
}

// NewPoints returns Points on an index whose first field is ordered.
func NewPoints(v *txn.View, c *Collection, ix *Index, spec *index.Spec) *Points {
	p := &Points{v: v, coll: c, ix: ix, spec: spec}
	if ix != nil {
		p.it = v.ScanIndex(c.ID, ix.ID, txn.ScanOptions{})
	}
	return p
}

// Find starts anew with other values. They are copied.
func (p *Points) Find(values []bsonx.Value) {
	p.prefixes, p.buf, p.at, p.on, p.seen = p.prefixes[:0], p.buf[:0], 0, false, nil
	for _, v := range values {
		from := len(p.buf)
		if p.spec.Descending(0) {
			p.buf = keyenc.AppendDesc(p.buf, v, p.spec.Collator)
		} else {
			p.buf = keyenc.AppendWith(p.buf, v, p.spec.Collator)
		}
		p.prefixes = append(p.prefixes, p.buf[from:len(p.buf):len(p.buf)])
	}
	if len(values) > 1 {
		slices.SortFunc(p.prefixes, bytes.Compare)
		p.prefixes = slices.CompactFunc(p.prefixes, bytes.Equal)
	}
	if p.ix != nil && (len(p.prefixes) > 1 || len(p.spec.Fields) > 1) {
		p.seen = map[string]struct{}{}
	}
}

// Next implements Iterator.
func (p *Points) Next(ctx context.Context) (Row, error) {
	for p.at < len(p.prefixes) {
		id, err := p.next()
		if err != nil {
			return Row{}, err
		}
		if id == nil {
			continue
		}
		if p.seen != nil {
			if _, dup := p.seen[string(id)]; dup {
				continue
			}
			p.seen[string(id)] = struct{}{}
		}
		doc, err := p.v.Get(ctx, p.coll.ID, id)
		if err != nil {
			return Row{}, err
		}
		if doc != nil {
			return Row{Key: id, Doc: doc}, nil
		}
	}
	return Row{}, io.EOF
}

// next returns the key of the next row; nil when it has moved to another value.
func (p *Points) next() ([]byte, error) {
	prefix := p.prefixes[p.at]
	if p.ix == nil {
		p.at++
		return prefix, nil
	}
	found := false
	if p.on {
		found = p.it.Next()
	} else {
		p.it.Rewind()
		found = p.it.Seek(prefix)
	}
	if !found {
		if err := p.it.Err(); err != nil {
			return nil, err
		}
	}
	if !found || !bytes.HasPrefix(p.it.Key(), prefix) {
		p.at, p.on = p.at+1, false
		return nil, nil
	}
	p.on = true
	key, n := p.it.Key(), 0
	for i := range p.spec.Fields {
		n += keyenc.Skip(key[n:], p.spec.Descending(i))
	}
	return key[n:], nil
}

// Close implements Iterator: it ends the values, not the iterator, which Release
// ends.
func (p *Points) Close() error { return nil }

// Release frees the iterator.
func (p *Points) Release() error {
	if p.it == nil {
		return nil
	}
	return p.it.Close()
}
