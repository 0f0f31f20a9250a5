package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// Namespace is a collection of a database; Coll is empty for an aggregation on
// the database itself ({aggregate: 1}).
type Namespace struct{ DB, Coll string }

// String returns "db.coll"; a database's own aggregation runs on
// "db.$cmd.aggregate", as MongoDB calls it.
func (n Namespace) String() string {
	if n.Coll == "" {
		return n.DB + ".$cmd.aggregate"
	}
	return n.DB + "." + n.Coll
}

// ParseContext is what a pipeline is parsed in. It is not changed by Parse.
type ParseContext struct {
	NS Namespace
	// Scope has the command's let variables, its collation and features.
	Scope *expr.Scope
	// Collation orders strings; nil compares bytes.
	Collation bsonx.Collator
	// Explain is set when the pipeline is only explained: $out and $merge are
	// parsed, and not run.
	Explain bool
	// Transaction is set inside of a multi-document transaction.
	Transaction bool
	// Update is set for a pipeline of an update or of $merge's whenMatched:
	// only the stages that make one document of one are allowed.
	Update bool
	// View is set for a view's own pipeline, which may not write.
	View bool
	// APIStrict is set with apiStrict: true of the stable API.
	APIStrict bool
	// FromView is how many of the first stages are a view's: $rankFusion may
	// follow them at once.
	FromView int
	// Plain leaves the pipeline as it is written: nothing is optimized.
	Plain bool
	// ReadConcern is the read concern's level, "" for the default.
	ReadConcern string

	inside sub // what the pipeline is a part of
	depth  int // sub-pipelines around this one
}

// Memory limits the blocking stages of one command.
type Memory struct {
	// MaxBytes is what one blocking stage may hold, in bytes; 0 means 100 MiB.
	MaxBytes int64
	// Sort and Window are what $sort and $setWindowFields may hold, in bytes, when
	// that is not MaxBytes; 0 means MaxBytes.
	Sort, Window int64
	// AllowDiskUse lets a stage that reaches MaxBytes go on on disk; otherwise
	// it fails with QueryExceededMemoryLimitNoDiskUseAllowed.
	AllowDiskUse bool
	// TempDir is where spilled files are made; "" is the system's.
	TempDir string
	// Used, if set, learns what a stage held and spilled, for explain.
	Used *Usage
}

// Usage is what a blocking stage held in memory and wrote to disk, in bytes.
type Usage struct {
	Bytes          int64 // of the rows that it took
	Peak           int64 // at most in memory
	Files          int64
	SpilledBytes   int64
	SpilledRecords int64
}

// took adds rows that a stage keeps.
func (u *Usage) took(n, held int64) {
	if u != nil {
		u.Bytes += n
		u.Peak = max(u.Peak, held)
	}
}

// OpenContext is what a pipeline runs in. It is shared by the pipeline's
// iterators and not safe for concurrent use.
type OpenContext struct {
	Query *expr.Query
	// Vars are the values of the scope's variables, by slot. An environment
	// that a stage makes begins with a copy of them.
	Vars        []bsonx.Value
	Collections Collections
	Memory      Memory
	// DB is the namespace that the command runs on.
	NS Namespace
}

// Collections is how stages reach other namespaces, implemented by whoever
// runs the command: it knows the snapshot, the privileges and the views.
type Collections interface {
	// Run opens a pipeline over the documents of ns: it plans the pipeline's
	// prefix (see Pipeline.Prefix) with the indexes of ns and puts the rest of
	// the pipeline behind. A view's own pipeline comes first; a namespace that
	// does not exist has no documents. oc carries the variables' values.
	Run(ctx context.Context, oc *OpenContext, ns Namespace, p *Pipeline) (exec.Iterator, error)
	// Prober returns a prober for equality on path when an index of ns serves
	// it under the collation, and nil when none does (or ns is a view).
	Prober(ctx context.Context, oc *OpenContext, ns Namespace, path string, coll bsonx.Collator) (Prober, error)
	// Source opens the documents of a stage that makes its own from what the
	// server knows: $collStats, $indexStats, $planCacheStats, $currentOp,
	// $listSessions, $listLocalSessions, $listClusterCatalog, $history, $diff,
	// … The stage has checked spec.
	Source(ctx context.Context, oc *OpenContext, ns Namespace, stage string, spec bsonx.Value) (exec.Iterator, error)
	// GeoNear opens the documents of ns that match a filter (nil: all of them) by
	// their distance. args are {near, minDistance, maxDistance, key, spherical,
	// distanceMultiplier} as far as given, with constants evaluated.
	GeoNear(ctx context.Context, oc *OpenContext, ns Namespace, args bsonx.Doc, filter *match.Filter) (exec.Iterator, error)
	// Output begins an $out into ns: nothing is visible before Commit.
	Output(ctx context.Context, oc *OpenContext, ns Namespace, o OutputOptions) (Output, error)
	// MergeInto begins a $merge into ns, which is created with the first
	// document that is inserted.
	MergeInto(ctx context.Context, oc *OpenContext, ns Namespace) (MergeTarget, error)
}

// Prober looks documents up by one value of an indexed path. Not safe for
// concurrent use.
type Prober interface {
	// Probe returns the documents that {path: {$in: values}} may match, each
	// once; the stage filters them again where it must. The iterator is valid
	// until the next Probe.
	Probe(ctx context.Context, values []bsonx.Value) (exec.Iterator, error)
	Close() error
}

// OutputOptions are $out's own.
type OutputOptions struct {
	// TimeSeries is $out's timeseries option; nil for an ordinary collection.
	TimeSeries bsonx.Doc
}

// Output receives the documents of an $out.
type Output interface {
	// Write adds a document; it gets an _id if it has none. doc is copied.
	Write(ctx context.Context, doc bsonx.Doc) error
	// Commit replaces the namespace's documents by those written; its indexes
	// and options stay.
	Commit(ctx context.Context) error
	// Close gives up what was not committed.
	Close() error
}

// Uniqueness is what an index guarantees of some fields together.
type Uniqueness uint8

// UniqueNotNull is what a sparse unique index gives: several documents may have
// none of the fields.
const (
	NotUnique Uniqueness = iota
	UniqueNotNull
	FullyUnique
)

// MergeTarget receives the documents of a $merge.
type MergeTarget interface {
	// UniqueOn says what a unique index on exactly these fields, in any order,
	// guarantees; partial indexes and those of another collation do not count.
	// A namespace that does not exist has the index on _id.
	UniqueOn(ctx context.Context, fields []string, coll bsonx.Collator) (Uniqueness, error)
	// Upsert finds the one document that is equal to values on fields and
	// writes what change makes of it, as one atomic step: change gets the
	// document, or nil when there is none, and returns the new one (an insert
	// gets an _id if it has none), or nil to leave things as they are. A missing
	// value is null. change may be called again after a conflict.
	Upsert(ctx context.Context, fields []string, values []bsonx.Value, change func(old bsonx.Doc) (bsonx.Doc, error)) error
	Close() error
}
