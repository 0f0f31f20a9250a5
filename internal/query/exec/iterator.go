// Package exec runs queries: iterators over rows, scans and fetches, and writes
// together with their index entries.
package exec

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// Row is one document on its way through a query, with what the query knows of
// it beyond its fields. Meta may be nil.
type Row struct {
	Doc  bsonx.Doc
	Meta *expr.Meta
	// Key is the row's key in its collection, as txn's views want it: set by
	// access paths, nil after stages that make new documents. Valid as Doc is.
	Key []byte
}

// Iterator yields rows one by one. A row's document is valid until the next
// call of Next or Close: whoever keeps it, copies it. Not safe for concurrent
// use.
type Iterator interface {
	// Next returns the next row, or io.EOF after the last one. After an error
	// every further call returns an error.
	Next(ctx context.Context) (Row, error)
	// Close frees what the iterator holds, its inputs included. It may be
	// called more than once, and at any time.
	Close() error
}
