package exec

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/txn"
)

// Collection is a collection of one catalog snapshot, compiled: its indexes,
// validator and collation. It is immutable, shared and safe for concurrent use.
type Collection struct {
	ID   txn.CollectionID
	Name string
	UUID [16]byte
	// Catalog is what it was compiled from.
	Catalog *catalog.Collection
	// IDIndex is the specification of the index on _id. Rows are stored in its
	// order, so that it needs no entries of its own; a capped collection's rows
	// are in the order of insertion instead, and IDEntries is the index that
	// finds them by _id.
	IDIndex   *index.Spec
	IDEntries *Index
	// Indexes are the others, in the order of their creation.
	Indexes []*Index
	// Collation is the default of queries; nil for the simple one.
	Collation bsonx.Collator
	// Validator is nil when there is none. ValidatorSpec is its source.
	Validator     *match.Filter
	ValidatorSpec bsonx.Doc
	// ValidationLevel is "strict" or "moderate" or "off", ValidationAction
	// "error", "warn" or "errorAndLog".
	ValidationLevel, ValidationAction string
	// Capped collections keep at most CappedSize bytes and, if not 0, CappedMax
	// documents.
	Capped                bool
	CappedSize, CappedMax int64
	Clustered             bool
	// TimeField is what each document of a time-series collection must have a date
	// in; "" for other collections. Their _id need not be unique.
	TimeField string
}

// Index is an index of a collection.
type Index struct {
	ID      txn.IndexID
	Spec    *index.Spec
	Partial *match.Filter // nil: every document is in the index
	// Building: not yet to be read from, but to be written to.
	Building bool
}

// markers is the entry space that says where an index's paths have gone through
// arrays: one entry for each (field, component of its path). It is versioned as
// all entries are, so that every branch and every past moment knows its own.
func (ix *Index) markers() txn.IndexID { return ix.ID | 1<<31 }

// Index returns the index of that name, nil if there is none. The index on _id
// is not among them.
func (c *Collection) Index(name string) *Index {
	for _, ix := range c.Indexes {
		if ix.Spec.Name == name {
			return ix
		}
	}
	return nil
}

// HasPartial reports whether some index has a partial filter.
func (c *Collection) HasPartial() bool {
	for _, ix := range c.Indexes {
		if ix.Partial != nil {
			return true
		}
	}
	return false
}
