package exec

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// validate applies the collection's validator to a document that is to be
// written; old is what it replaces, nil for an insert. Error: 121 with the
// document's _id and what failed in errInfo.
func (w *Writer) validate(doc, old bsonx.Doc) error {
	c := w.Coll
	if c.TimeField != "" && bsonx.Lookup(doc, c.TimeField).Type != bsonx.Date {
		return errcode.New(errcode.BadValue, "'%s' must be present and contain a valid BSON UTC datetime value", c.TimeField)
	}
	if c.Validator == nil || w.Bypass || c.ValidationLevel == "off" {
		return nil
	}
	ok, err := w.matches(doc)
	if err != nil || ok {
		return err
	}
	if c.ValidationLevel == "moderate" && old != nil {
		if was, err := w.matches(old); err != nil || !was {
			return err // it was invalid before
		}
	}
	if c.ValidationAction == "warn" {
		return nil
	}
	why, err := c.Validator.Why(w.Env, doc)
	if err != nil {
		return err
	}
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc("errInfo")
	b.Value("failingDocumentId", bsonx.Lookup(doc, "_id"))
	b.Doc("details", why)
	b.Close(at)
	return errcode.New(errcode.DocumentValidationFailure, "Document failed validation").WithInfo(b.Done())
}

func (w *Writer) matches(doc bsonx.Doc) (bool, error) {
	w.Env.Root = bsonx.DocValue(doc)
	return w.Coll.Validator.Matches(w.Env, doc)
}
