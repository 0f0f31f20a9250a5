package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
)

// OpenSort puts a sort behind in that is not part of a pipeline: find's, of
// limit rows if that is not 0. With wantKey rows carry their sort key as
// metadata. Metadata that the sort reads is in's affair. On an error in is closed.
func OpenSort(oc *OpenContext, in exec.Iterator, sort bsonx.Doc, coll bsonx.Collator, limit int64, wantKey bool) (exec.Iterator, error) {
	o, err := CompileSort(sort, coll)
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	s := &sortStage{named: name("$sort", bsonx.DocValue(sort)), order: o, limit: limit, wantKey: wantKey}
	return s.Open(oc, in)
}
