package merge

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
)

// Mode says what counts as a conflict between two changes of one document.
type Mode struct {
	// Document: any two changes of the document; otherwise of the same field.
	Document bool
	// Divergent: only if the results differ. Otherwise (touched) two changes
	// conflict even if they are the same, so that compare-and-swap on a version
	// field, or two increments, are not taken for one.
	Divergent bool
}

// ModeOption is the name of the collection option, ModeNames its values.
const ModeOption = "mergeMode"

// modes are the values of the option; the first is the default.
var modes = []struct {
	name string
	mode Mode
}{
	{"fieldTouched", Mode{}},
	{"fieldDivergent", Mode{Divergent: true}},
	{"documentTouched", Mode{Document: true}},
	{"documentDivergent", Mode{Document: true, Divergent: true}},
}

// ModeNames returns the values that the option takes.
func ModeNames() []string {
	out := make([]string, len(modes))
	for i, m := range modes {
		out[i] = m.name
	}
	return out
}

// modeOf reads a collection's option.
func modeOf(c *catalog.Collection) Mode {
	if c != nil {
		s, _ := c.Option(ModeOption).StringValueOK()
		for _, m := range modes {
			if m.name == s {
				return m.mode
			}
		}
	}
	return Mode{}
}

// Strategy settles what is in conflict.
type Strategy string

// Strategies.
const (
	Abort  Strategy = "abort"
	Source Strategy = "source"
	Target Strategy = "target"
)

// Strategies returns the names of all.
func Strategies() []string { return []string{string(Abort), string(Source), string(Target)} }

// Resolution settles the conflict of one document, or without an ID those of a
// collection's definition.
type Resolution struct {
	Collection string
	ID         bsonx.Value
	// Take takes the whole of one side, "source", "target" or "base".
	Take string
	// Document is the result if Take is "": null is a deletion.
	Document bsonx.Value
}

// Takes are the values of Take.
func Takes() []string { return []string{"source", "target", "base"} }

// Check refuses what cannot be meant.
func (r *Resolution) Check() error {
	switch {
	case (r.Take == "") == bsonx.IsMissing(r.Document):
		return errcode.New(errcode.BadValue, "a resolution has either 'take' or 'document'")
	case r.Take != "" && !slices.Contains(Takes(), r.Take):
		return errcode.New(errcode.BadValue, "'take' is one of source, target and base, not '%s'", r.Take)
	case r.Take == "" && r.Document.Type != bsonx.Object && r.Document.Type != bsonx.Null:
		return errcode.New(errcode.BadValue, "'document' is a document, or null to delete it")
	case r.Take == "" && bsonx.IsMissing(r.ID):
		return errcode.New(errcode.BadValue, "a resolution with 'document' names the document by its '_id'")
	}
	return nil
}

// result is what a resolution by document makes of a document.
func (r *Resolution) result() (bsonx.Doc, error) {
	if r.Document.Type == bsonx.Null {
		return nil, nil
	}
	id := bsonx.Lookup(r.Document.Data, "_id")
	if bsonx.IsMissing(id) {
		b := bsonx.NewDoc(nil)
		b.Value("_id", r.ID)
		for it := bsonx.NewIter(r.Document.Data); it.Next(); {
			b.Element(it.Element())
		}
		return b.Done(), nil
	}
	if !bsonx.Equal(id, r.ID) {
		return nil, errcode.New(errcode.BadValue, "the document of a resolution must keep the _id of the one it stands for")
	}
	return bsonx.Doc(r.Document.Data), nil
}
