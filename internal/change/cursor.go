package change

import (
	"context"
	"errors"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/session"
)

// Cursor is a stream behind its pipeline, as a client's cursor reads it. It
// implements session.Iterator.
type Cursor struct {
	st     *Stream
	it     exec.Iterator
	split  bool
	frags  []bsonx.Doc // of a split event, still to be returned
	n      int         // of the fragment that comes next, from 1
	of     int
	last   token // of the document that was returned last
	before token // of the one before
	fresh  bool  // the last call returned a document
	first  bool  // no event was returned yet
}

// NewCursor reads a stream through a pipeline that was opened over it. The cursor
// closes both.
func NewCursor(st *Stream, it exec.Iterator, split bool) *Cursor {
	return &Cursor{st: st, it: it, split: split, last: st.token, before: st.token, first: true}
}

// Next implements session.Iterator. Errors: ChangeStreamFatalError for an event
// whose _id the pipeline has changed, BSONObjectTooLarge for one that is too large.
func (c *Cursor) Next(ctx context.Context) (bsonx.Doc, error) {
	c.st.work, c.st.more, c.fresh = maxWork, false, false
	for len(c.frags) == 0 {
		row, err := c.it.Next(ctx)
		if err != nil {
			if errors.Is(err, session.ErrWait) || err == io.EOF {
				c.last = c.st.token
			}
			return nil, err
		}
		id := bsonx.Lookup(row.Doc, "_id")
		if want := c.st.token.doc(); id.Type != bsonx.Object || string(id.Data) != string(want) {
			return nil, errModified(want, id)
		}
		skip := c.skip()
		if c.split && (skip > 0 || len(row.Doc) > bsonx.MaxInternalDocSize) {
			if err := c.cut(row.Doc, skip); err != nil {
				return nil, err
			}
			continue
		}
		if len(row.Doc) > bsonx.MaxInternalDocSize {
			return nil, errcode.New(errcode.BSONObjectTooLarge, "BSONObj size: %d is invalid. Size must be between 0 and %d; add $changeStreamSplitLargeEvent to the pipeline", len(row.Doc), bsonx.MaxInternalDocSize)
		}
		c.returned(c.st.token)
		return row.Doc, nil
	}
	d := c.frags[0]
	c.frags = c.frags[1:]
	t := c.st.token
	t.fragment = uint16(c.n)
	c.n++
	c.returned(t)
	return d, nil
}

// returned notes the token of a document.
func (c *Cursor) returned(t token) {
	c.before, c.last, c.fresh = c.last, t, true
}

// skip returns how many fragments of the first event were seen before.
func (c *Cursor) skip() int {
	if !c.first {
		return 0
	}
	c.first = false
	return int(c.st.fragment)
}

func errModified(want bsonx.Doc, got bsonx.Value) error {
	return errcode.New(errcode.ChangeStreamFatalError, "Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. Modifying the _id field of an event makes it impossible to resume the stream from that point. Only transformations that retain the unmodified _id field are allowed. Expected: %s but found: %s",
		exec.Format(bsonx.DocValue(want)), exec.Format(got))
}

// Wait implements what session.Iterator says of ErrWait.
func (c *Cursor) Wait(ctx context.Context) error { return c.st.wait(ctx) }

// Exhausted reports that the stream has ended with an invalidation.
func (c *Cursor) Exhausted() bool {
	return c.st.over && c.st.head == len(c.st.pending) && len(c.frags) == 0
}

// PostBatchToken returns the token from which the stream goes on after the batch;
// held says that the last document did not fit in it.
func (c *Cursor) PostBatchToken(held bool) bsonx.Doc {
	if held && c.fresh {
		return c.before.doc()
	}
	return c.last.doc()
}

// Close implements session.Iterator.
func (c *Cursor) Close() error {
	c.frags = nil
	return errors.Join(c.it.Close(), c.st.Close())
}
