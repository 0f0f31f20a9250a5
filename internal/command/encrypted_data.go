package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// compactStructuredEncryptionDataCommand shrinks the index of queryable
// encryption. There is nothing to shrink without such a collection, and the state
// collections of one are left as the client has written them.
var compactStructuredEncryptionDataCommand = &Spec{
	Name: "compactStructuredEncryptionData",
	Args: idl.Command("compactStructuredEncryptionData",
		idl.Field{Name: "compactStructuredEncryptionData", Types: idl.Any, Required: true},
		idl.Field{Name: "compactionTokens", Types: idl.Object, Required: true},
		idl.Field{Name: "encryptionInformation", Types: idl.Object},
		idl.Field{Name: "anchorPaddingFactor", Types: idl.Double}),
	Flags: DDL | APIv1, Privilege: onCollection(auth.CompactStructuredEncryptionData), Help: "checks a collection with encrypted fields; nothing is compacted",
	Run: func(ctx context.Context, rq *Request, b *bsonx.Builder) error {
		name, err := rq.Collection()
		if err != nil {
			return err
		}
		s, err := rq.openSource(ctx)
		if err != nil {
			return err
		}
		defer s.close()
		t, err := s.target(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		if err := mustBeCollection(t); err != nil {
			return err
		}
		if t.entry.Option("encryptedFields").Type != bsonx.Object {
			return errcode.New(6346807, "Target namespace is not an encrypted collection")
		}
		at := b.OpenDoc("stats")
		for _, n := range []string{"ecoc", "esc"} {
			x := b.OpenDoc(n)
			for _, f := range []string{"read", "deleted", "inserted", "updated"} {
				if n == "esc" || f == "read" || f == "deleted" {
					b.Int64(f, 0)
				}
			}
			b.Close(x)
		}
		b.Close(at)
		return nil
	},
}
