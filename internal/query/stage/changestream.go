package stage

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
)

// The names of the stages of change streams.
const (
	changeStreamName = "$changeStream"
	splitLargeName   = "$changeStreamSplitLargeEvent"
)

// changeStage stands for $changeStream: whoever opens the pipeline gives it the
// events as its input, see Pipeline.ChangeStream. $changeStreamSplitLargeEvent is
// one, too: whoever reads the pipeline's events splits them.
type changeStage struct{ named }

func (s *changeStage) Open(_ *OpenContext, in exec.Iterator) (exec.Iterator, error) { return in, nil }

var changeStreamSpec = idl.New(changeStreamName,
	idl.Field{Name: "resumeAfter", Types: idl.Object},
	idl.Field{Name: "startAfter", Types: idl.Object},
	idl.Field{Name: "startAtOperationTime", Types: idl.Timestamp},
	idl.Field{Name: "fullDocument", Types: idl.String, Enum: []string{"default", "updateLookup", "whenAvailable", "required"}},
	idl.Field{Name: "fullDocumentBeforeChange", Types: idl.String, Enum: []string{"off", "whenAvailable", "required"}},
	idl.Field{Name: "allChangesForCluster", Types: idl.Bool},
	idl.Field{Name: "showExpandedEvents", Types: idl.Bool},
	idl.Field{Name: "showSystemEvents", Types: idl.Bool},
	idl.Field{Name: "showMigrationEvents", Types: idl.Bool},
	idl.Field{Name: "showRawUpdateDescription", Types: idl.Bool},
	idl.Field{Name: "showCommitTimestamp", Types: idl.Bool},
	idl.Field{Name: "allowToRunOnConfigDB", Types: idl.Bool},
	idl.Field{Name: "allowToRunOnSystemNS", Types: idl.Bool},
	idl.Field{Name: "matchCollectionUUIDForUpdateLookup", Types: idl.Bool},
	idl.Field{Name: "ignoreRemovedShards", Types: idl.Bool},
	idl.Field{Name: "version", Types: idl.String, Enum: []string{"v1", "v2"}},
)

// DecodeChangeStream decodes the argument of a $changeStream with MongoDB's
// errors. The values alias spec.
func DecodeChangeStream(spec bsonx.Doc) (idl.Args, error) {
	var a idl.Args
	if err := changeStreamSpec.Decode(spec, &a); err != nil {
		return a, err
	}
	given := 0
	for _, name := range []string{"resumeAfter", "startAfter"} {
		t := a.Doc(name)
		if t == nil {
			continue
		}
		given++
		if err := checkTokenFields(t); err != nil {
			return a, err
		}
	}
	if given == 2 {
		return a, errcode.New(50865, "Do not specify both 'resumeAfter' and 'startAfter' in a $changeStream stage")
	}
	return a, nil
}

// checkTokenFields checks the types of a resume token's fields; what they say is
// the business of whoever made it.
func checkTokenFields(t bsonx.Doc) error {
	if bsonx.Lookup(t, "_data").Type != bsonx.String {
		return errcode.New(40647, "Bad resume token: _data of missing or of wrong type. Expected string, got %s", exec.Format(bsonx.DocValue(t)))
	}
	if v := bsonx.Lookup(t, "_typeBits"); v.Type != bsonx.Missing && v.Type != bsonx.Binary {
		return errcode.New(40648, "Bad resume token: _typeBits of wrong type %s", exec.Format(bsonx.DocValue(t)))
	}
	return nil
}

func parseChangeStream(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(6188500, "$changeStream must take a nested object but found: $changeStream: %s", exec.Format(arg))
	}
	if pc.APIStrict && bsonx.Lookup(arg.Data, "showExpandedEvents").Type != bsonx.Missing {
		return nil, errcode.New(errcode.APIStrictError, "$changeStream does not take showExpandedEvents with 'apiStrict: true' in API Version 1")
	}
	if err := changeStreamSpec.Decode(arg.Data, &idl.Args{}); err != nil {
		return nil, err
	}
	all := bsonx.Truthy(bsonx.Lookup(arg.Data, "allChangesForCluster"))
	if err := checkWatched(all, pc.NS); err != nil {
		return nil, err
	}
	_, err := DecodeChangeStream(arg.Data)
	return one(&changeStage{name(changeStreamName, arg)}, err)
}

// checkWatched: a cluster is watched from admin with {aggregate: 1}; nothing else
// of the server's own databases and collections is watched at all.
func checkWatched(all bool, ns Namespace) error {
	switch {
	case all && (ns.DB != "admin" || ns.Coll != ""):
		return errcode.New(errcode.InvalidOptions, "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database, and with no collection name; found %s", ns)
	case !all && (ns.DB == "admin" || ns.DB == "config" || ns.DB == "local"):
		return errcode.New(errcode.InvalidNamespace, "$changeStream may not be opened on the internal %s database", ns.DB)
	case strings.HasPrefix(ns.Coll, "system."):
		return errcode.New(errcode.InvalidNamespace, "$changeStream may not be opened on the internal %s collection", ns)
	}
	return nil
}

// checkChangeStream: a change stream's pipeline makes one event of one and knows
// no others ("Modify Change Stream Output" in MongoDB's manual).
func checkChangeStream(rows []*row) error {
	stream := len(rows) > 0 && rows[0].name == changeStreamName
	for i, r := range rows {
		switch {
		case stream && i > 0 && r.flags&inChangeStream == 0 && r.name != changeStreamName:
			return errcode.New(errcode.IllegalOperation, "%s is not permitted in a $changeStream pipeline", r.name)
		case !stream && r.name == splitLargeName:
			return errcode.New(errcode.IllegalOperation, "%s can only be used in a $changeStream pipeline", r.name)
		}
	}
	return nil
}

// IsChangeStream reports whether a pipeline as written begins with $changeStream.
func IsChangeStream(pipeline []bsonx.Doc) bool {
	if len(pipeline) == 0 {
		return false
	}
	it := bsonx.NewIter(pipeline[0])
	return it.Next() && string(it.Key()) == changeStreamName
}

// ChangeStream returns the argument of the pipeline's $changeStream, if it
// begins with one.
func (p *Pipeline) ChangeStream() (bsonx.Doc, bool) {
	if len(p.stages) > 0 {
		if c, ok := p.stages[0].(*changeStage); ok {
			return bsonx.Doc(c.spec.Data), true
		}
	}
	return nil, false
}

// SplitsLargeEvents reports whether the pipeline ends with
// $changeStreamSplitLargeEvent.
func (p *Pipeline) SplitsLargeEvents() bool {
	n := len(p.stages)
	return n > 0 && p.stages[n-1].Name() == splitLargeName
}

// parseSplitLarge parses $changeStreamSplitLargeEvent, which stands last in a
// change stream.
func parseSplitLarge(arg bsonx.Value, _ *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object || !bsonx.IsEmpty(arg.Data) {
		return nil, errcode.New(7182800, "$changeStreamSplitLargeEvent spec should be an empty object")
	}
	return []Stage{&changeStage{name(splitLargeName, arg)}}, nil
}
