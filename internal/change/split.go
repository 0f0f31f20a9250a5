package change

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// fragmentRoom is what _id and splitEvent need in a fragment.
const fragmentRoom = 256

// cut splits an event into fragments, each of whole fields, the small ones first
// ("Split Large Change Stream Events" in MongoDB's manual). The first skip of them
// were seen before.
func (c *Cursor) cut(event bsonx.Doc, skip int) error {
	var fields [][]byte
	for it := bsonx.NewIter(event); it.Next(); {
		if string(it.Key()) != "_id" {
			fields = append(fields, it.Element())
		}
	}
	slices.SortStableFunc(fields, func(a, b []byte) int { return len(a) - len(b) })
	var groups [][][]byte
	room := 0
	for _, f := range fields {
		if len(f)+fragmentRoom > bsonx.MaxInternalDocSize {
			return errcode.New(errcode.BSONObjectTooLarge, "one field of a change event has %d bytes, which is too large for a fragment", len(f))
		}
		if len(groups) == 0 || len(f) > room {
			groups, room = append(groups, nil), bsonx.MaxInternalDocSize-fragmentRoom
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], f)
		room -= len(f)
	}
	if skip > 0 && (len(event) <= bsonx.MaxInternalDocSize || skip > len(groups)) {
		return errNotFound(*c.st.spec.start)
	}
	for i := skip; i < len(groups); i++ {
		t := c.st.token
		t.fragment = uint16(i + 1)
		b := bsonx.NewDoc(nil)
		b.Doc("_id", t.doc())
		at := b.OpenDoc("splitEvent")
		b.Int32("fragment", int32(i+1))
		b.Int32("of", int32(len(groups)))
		b.Close(at)
		for _, f := range groups[i] {
			b.Element(f)
		}
		c.frags = append(c.frags, b.Done())
	}
	c.n = skip + 1
	return nil
}
