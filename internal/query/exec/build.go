package exec

import (
	"context"

	"github.com/argon-db/argon/internal/txn"
)

// Fill adds the entries of an index for the documents from the row key from on
// (nil: the first), until about limit bytes wait to be committed. It returns the
// key to go on from, nil when all documents are done.
//
// Each row is locked first, so that an entry is never made of a document that
// another statement is changing: that statement maintains the index itself.
// Errors: DuplicateKey for a unique index, those of index keys.
func (w *Writer) Fill(ctx context.Context, ix *Index, from []byte, limit int) (next []byte, err error) {
	it := w.View.Scan(w.Coll.ID, txn.ScanOptions{Lower: from})
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for size := 0; it.Next(); {
		if size >= limit {
			return append([]byte(nil), it.Key()...), nil
		}
		if err := Interrupted(ctx); err != nil {
			return nil, err
		}
		key := append([]byte(nil), it.Key()...)
		doc, _, err := w.View.LockRow(ctx, w.Coll.ID, key)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			continue
		}
		if err := w.addKeys(ctx, ix, doc, key); err != nil {
			return nil, err
		}
		size += fillCost + len(key)
	}
	return nil, it.Err()
}

// fillCost is about what one entry takes in memory until it is committed, in bytes.
const fillCost = 160
