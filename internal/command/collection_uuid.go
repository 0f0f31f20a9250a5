package command

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// collectionUUID is the command's argument of that name: the collection is only
// to be used if it is the one with this UUID.
func (rq *Request) collectionUUID() bsonx.Value {
	if v := rq.Args.Find("collectionUUID"); v.Type == bsonx.Binary {
		return bsonx.Clone(v)
	}
	return bsonx.Value{}
}

// checkUUID compares a collection with the UUID that a command expects.
// Errors: CollectionUUIDMismatch (361), with the name that the UUID belongs to.
func (t *target) checkUUID(want bsonx.Value) error {
	if want.Type != bsonx.Binary {
		return nil
	}
	id := want.Data[5:] // after length and subtype
	if t.entry != nil && !t.isView() && bytes.Equal(t.entry.UUID[:], id) {
		return nil
	}
	b := bsonx.NewDoc(nil)
	b.String("db", t.db.name)
	b.Value("collectionUUID", want)
	b.String("expectedCollection", t.name)
	actual := bsonx.NullValue
	if t.db.snap != nil {
		for _, name := range t.db.snap.Names() {
			if e, ok := t.db.snap.Collection(name); ok && bytes.Equal(e.UUID[:], id) {
				actual = bsonx.StringValue(name)
			}
		}
	}
	b.Value("actualCollection", actual)
	return errcode.New(errcode.CollectionUUIDMismatch, "Collection UUID does not match that specified").WithInfo(bsoncore.Document(b.Done()))
}

// expectUUID is checkUUID for a namespace of the command.
func (s *source) expectUUID(ctx context.Context, db, coll string, want bsonx.Value) error {
	if want.Type != bsonx.Binary {
		return nil
	}
	t, err := s.target(ctx, db, coll)
	if err != nil {
		return err
	}
	return t.checkUUID(want)
}
