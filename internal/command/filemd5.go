package command

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
)

// filemd5Command hashes a GridFS file.
var filemd5Command = &Spec{
	Name: "filemd5",
	Args: idl.Command("filemd5", idl.Field{Name: "filemd5", Types: idl.Any, Required: true}, idl.Field{Name: "root", Types: idl.Any},
		idl.Field{Name: "partialOk", Types: idl.Any}, idl.Field{Name: "md5state", Types: idl.Any}).Lenient(),
	Flags: Read, Privilege: forUsers(filemd5Needs), Help: "the MD5 sum of a GridFS file's chunks", Run: runFileMD5,
}

// chunk is where a part of a file is: the row's key.
type chunk struct {
	n   int64
	row []byte
}

func runFileMD5(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	root := rq.Args.String("root", "fs")
	if err := CheckCollection(rq.DB, root); err != nil {
		return err
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.target(ctx, rq.DB, root+".chunks")
	if err != nil {
		return err
	}
	var chunks []chunk
	if t.coll != nil {
		if chunks, err = chunksOf(ctx, t, rq.Args.Get("filemd5")); err != nil {
			return err
		}
	}
	sum := md5.New()
	for i, c := range chunks {
		if c.n != int64(i) {
			return errcode.New(10040, "chunks out of order: found chunk %d in place of %d", c.n, i)
		}
		doc, err := t.db.view.Get(ctx, t.entry.ID, c.row)
		if err != nil {
			return err
		}
		if v := bsonx.Lookup(doc, "data"); v.Type == bsonx.Binary {
			_, data := bsonx.Bin(v)
			_, _ = sum.Write(data) // never fails
		}
	}
	b.Int32("numChunks", int32(len(chunks)))
	b.String("md5", hex.EncodeToString(sum.Sum(nil)))
	return nil
}

// chunksOf finds the chunks of a file in their order.
func chunksOf(ctx context.Context, t *target, id bsonx.Value) (chunks []chunk, err error) {
	it := t.db.view.Scan(t.entry.ID, scanAll)
	defer func() { _ = it.Close() }()
	for it.Next() {
		if err := exec.Interrupted(ctx); err != nil {
			return nil, err
		}
		d := bsonx.Doc(it.Value())
		if bsonx.Equal(bsonx.Lookup(d, "files_id"), id) {
			chunks = append(chunks, chunk{idl.ToInt64(bsonx.Lookup(d, "n")), append([]byte(nil), it.Key()...)})
		}
	}
	slices.SortFunc(chunks, func(a, b chunk) int { return int(a.n - b.n) })
	return chunks, it.Err()
}
