package change

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/wal"
)

// Image says which images of documents an event carries.
type Image uint8

// The modes of fullDocument and fullDocumentBeforeChange.
const (
	ImageOff           Image = iota // "default" and "off"
	ImageLookup                     // "updateLookup": the document as it is now
	ImageWhenAvailable              // as of the event
	ImageRequired                   // as of the event, or an error
)

// Spec is the argument of a $changeStream.
type Spec struct {
	Cluster      bool
	FullDocument Image
	BeforeChange Image
	Expanded     bool // showExpandedEvents
	System       bool // showSystemEvents

	start   *token // resumeAfter or startAfter
	startAt wal.Timestamp
}

// ParseSpec reads the argument of a $changeStream, which the parsing of the
// pipeline has checked, and its resume token. Errors: as parseToken; 40674 for a
// token and a time; InvalidResumeToken for resumeAfter with the token of an
// invalidation.
func ParseSpec(spec bsonx.Doc) (*Spec, error) {
	a, err := stage.DecodeChangeStream(spec)
	if err != nil {
		return nil, err
	}
	s := &Spec{Cluster: a.Bool("allChangesForCluster", false), Expanded: a.Bool("showExpandedEvents", false), System: a.Bool("showSystemEvents", false)}
	modes := map[string]Image{"updateLookup": ImageLookup, "whenAvailable": ImageWhenAvailable, "required": ImageRequired}
	s.FullDocument, s.BeforeChange = modes[a.String("fullDocument", "")], modes[a.String("fullDocumentBeforeChange", "")]
	if v := a.Get("startAtOperationTime"); v.Type == bsonx.Timestamp {
		s.startAt = max(wal.Timestamp(bsonx.I64(v)), 1) // 0 is the beginning, too
	}
	for _, name := range []string{"resumeAfter", "startAfter"} {
		d := a.Doc(name)
		if d == nil {
			continue
		}
		t, err := parseToken(d)
		if err != nil {
			return nil, err
		}
		if s.startAt != 0 {
			return nil, errcode.New(40674, "Only one type of resume option is allowed, but multiple were found")
		}
		if name == "resumeAfter" && t.fromInvalidate() {
			return nil, errcode.New(errcode.InvalidResumeToken, "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification.")
		}
		s.start = &t
	}
	return s, nil
}
