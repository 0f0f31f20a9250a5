package exec

import (
	"bytes"
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/txn"
)

var errEOF = io.EOF

// Interrupted returns MongoDB's error for a context that is done, nil otherwise.
func Interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if e := errcode.As(cause); e.Code != errcode.InternalError {
		return e
	}
	if cause == context.DeadlineExceeded {
		return errcode.New(errcode.MaxTimeMSExpired, "operation exceeded time limit")
	}
	return errcode.New(errcode.Interrupted, "operation was interrupted")
}

// interruptEvery is how many rows a scan steps over between two looks at the
// context.
const interruptEvery = 128

// atEnd ends a scan: also a short one whose rows took their time does not exceed
// its limit unnoticed.
func atEnd(ctx context.Context) error {
	if err := Interrupted(ctx); err != nil {
		return err
	}
	return io.EOF
}

type collScan struct {
	it *txn.Iter
	st *Stats
}

// Open implements Access.
func (c *CollScan) Open(v *txn.View, st *Stats) Iterator {
	return &collScan{it: v.Scan(c.Coll.ID, txn.ScanOptions{Lower: c.Lower, Upper: c.Upper, Reverse: c.Reverse}), st: st}
}

func (s *collScan) Next(ctx context.Context) (Row, error) {
	s.st.Works++
	if s.st.Works%interruptEvery == 0 {
		if err := Interrupted(ctx); err != nil {
			return Row{}, err
		}
	}
	if !s.it.Next() {
		if err := s.it.Err(); err != nil {
			return Row{}, err
		}
		s.st.EOF = true
		return Row{}, atEnd(ctx)
	}
	s.st.DocsExamined++
	s.st.Returned++
	return Row{Doc: s.it.Doc(), Key: s.it.Key()}, nil
}

func (s *collScan) Close() error { return s.it.Close() }

// indexScan steps over an index's entries, jumping over those out of bounds.
type indexScan struct {
	*IndexScan
	v      *txn.View
	it     *txn.Iter
	check  *checker
	st     *Stats
	seen   map[string]struct{} // ids that were returned, for a multikey index
	seek   bool                // the iterator stands on a key that was not looked at
	beyond []byte              // where to seek for the next key; empty: the next one
	done   bool
	buf    []byte
	key    []byte
	vals   []bsonx.Value
	meta   expr.Meta
	single [][]byte // rows to get by key, instead of a scan: points on _id
	tree   []*coverNode
	dec    keyenc.Decoder
}

// Open implements Access.
func (x *IndexScan) Open(v *txn.View, st *Stats) Iterator {
	s := &indexScan{IndexScan: x, v: v, st: st, check: newChecker(x)}
	if x.Index == nil && len(x.Bounds) == 1 && x.Min == nil && x.Max == nil && !x.Reverse {
		if pts, ok := s.check.points(0); ok {
			s.single = pts
			return s
		}
	}
	o := txn.ScanOptions{Reverse: x.Reverse}
	o.Lower, o.Upper = s.check.span()
	if x.Index == nil {
		s.it = v.Scan(x.Coll.ID, o)
	} else {
		s.it = v.ScanIndex(x.Coll.ID, x.Index.ID, o)
	}
	if x.Multikey.Any() || x.Spec.WildcardAt() >= 0 {
		s.seen = map[string]struct{}{}
	}
	return s
}

func (s *indexScan) Close() error {
	if s.it != nil {
		return s.it.Close()
	}
	return nil
}

func (s *indexScan) Next(ctx context.Context) (Row, error) {
	if s.it == nil {
		return s.nextPoint(ctx)
	}
	for {
		key, err := s.nextKey(ctx)
		if err != nil {
			return Row{}, err
		}
		if s.Index == nil {
			return s.idRow(key)
		}
		if s.Distinct > 0 {
			s.skipEqual(key)
		}
		if s.seen != nil {
			id := key[s.check.valuesLen:]
			s.st.DupsTested++
			if _, dup := s.seen[string(id)]; dup {
				s.st.DupsDropped++
				continue
			}
			s.seen[string(id)] = struct{}{}
		}
		row, ok, err := s.rowAt(ctx, key)
		if ok || err != nil {
			return row, err
		}
	}
}

// rowAt makes the row of the current key; false when this transaction has
// deleted it since the scan began.
func (s *indexScan) rowAt(ctx context.Context, key []byte) (row Row, ok bool, err error) {
	row.Key = key[s.check.valuesLen:]
	if s.Covered || s.KeyMeta {
		if err := s.decode(key); err != nil {
			return Row{}, false, err
		}
	}
	if s.Covered {
		s.buf = s.document(s.buf[:0])
		row.Doc = s.buf
	} else {
		if row.Doc, err = s.v.Get(ctx, s.Coll.ID, row.Key); err != nil || row.Doc == nil {
			return Row{}, false, err
		}
		s.st.DocsExamined++
	}
	if s.KeyMeta {
		s.meta = expr.Meta{IndexKey: bsonx.DocValue(s.keyDoc())}
		row.Meta = &s.meta
	}
	s.st.Returned++
	return row, true, nil
}

// keyDoc is the current key as a flat document, for returnKey.
func (s *indexScan) keyDoc() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	for i, v := range s.vals {
		if bsonx.IsMissing(v) {
			v = bsonx.NullValue
		}
		b.Value(s.FieldName(i), v)
	}
	return b.Done()
}

// idRow is the row itself, for a scan of the index on _id.
func (s *indexScan) idRow(key []byte) (Row, error) {
	doc := s.it.Doc()
	s.st.DocsExamined++
	s.st.Returned++
	row := Row{Doc: doc, Key: key}
	if s.KeyMeta {
		b := bsonx.NewDoc(nil)
		b.Value("_id", bsonx.Lookup(doc, "_id"))
		s.meta = expr.Meta{IndexKey: bsonx.DocValue(b.Done())}
		row.Meta = &s.meta
	}
	return row, nil
}

// nextPoint gets the next of the rows that were named by their keys.
func (s *indexScan) nextPoint(ctx context.Context) (Row, error) {
	for len(s.single) > 0 {
		key := s.single[0]
		s.single = s.single[1:]
		s.st.Works++
		doc, err := s.v.Get(ctx, s.Coll.ID, key)
		if err != nil {
			return Row{}, err
		}
		if doc == nil {
			continue
		}
		s.st.KeysExamined++
		s.st.DocsExamined++
		s.st.Returned++
		row := Row{Doc: doc, Key: key}
		if s.KeyMeta {
			b := bsonx.NewDoc(nil)
			b.Value("_id", bsonx.Lookup(doc, "_id"))
			s.meta = expr.Meta{IndexKey: bsonx.DocValue(b.Done())}
			row.Meta = &s.meta
		}
		return row, nil
	}
	s.st.EOF = true
	return Row{}, atEnd(ctx)
}

// nextKey moves to the next key in the bounds.
func (s *indexScan) nextKey(ctx context.Context) ([]byte, error) {
	for !s.done {
		s.st.Works++
		if s.st.Works%interruptEvery == 0 {
			if err := Interrupted(ctx); err != nil {
				return nil, err
			}
		}
		switch {
		case len(s.beyond) > 0:
			s.st.Seeks++
			found := s.it.Seek(s.beyond)
			s.beyond = s.beyond[:0]
			if !found {
				s.done = true
				continue
			}
		case !s.seek && !s.it.Next():
			s.done = true
			continue
		}
		s.seek = false
		s.st.KeysExamined++
		key := s.it.Key()
		target, verdict := s.check.look(key)
		switch verdict {
		case inBounds:
			return key, nil
		case pastEnd:
			s.done = true
		case jump:
			s.st.Seeks++
			before := append(s.key[:0], key...)
			s.key = before
			if !s.it.Seek(target) {
				s.done = true
				break
			}
			// A target at or before the key would not move the iterator.
			s.seek = !bytes.Equal(s.it.Key(), before)
		}
	}
	if err := s.it.Err(); err != nil {
		return nil, err
	}
	s.st.EOF = true
	return nil, io.EOF
}

// skipEqual makes the scan go on behind all keys that begin as this one does.
func (s *indexScan) skipEqual(key []byte) {
	at, last := 0, 0
	for i := range s.Distinct {
		last = at
		at += keyenc.Skip(key[at:], s.Spec.Descending(i))
	}
	if null := appendKey(nil, bsonx.NullValue, s.Spec.Descending(s.Distinct-1)); bytes.Equal(key[last:at], null) {
		return
	}
	s.beyond = append(s.beyond[:0], key[:at]...)
	if !s.Reverse {
		s.beyond = append(s.beyond, 0xff)
	}
}

// document builds a row from the key's values, nested where a path is dotted.
func (s *indexScan) document(dst []byte) bsonx.Doc {
	b := bsonx.NewDoc(dst)
	appendFields(b, s.coverTree(), s.vals)
	return b.Done()
}

// unionScan yields its children's rows one after the other, each row once.
type unionScan struct {
	children []Iterator
	seen     map[string]struct{}
	st       *Stats
	at       int
}

// Open implements Access.
func (u *Union) Open(v *txn.View, st *Stats) Iterator {
	s := &unionScan{seen: map[string]struct{}{}, st: st}
	for _, c := range u.Children {
		cs := &Stats{}
		st.Children = append(st.Children, cs)
		s.children = append(s.children, c.Open(v, cs))
	}
	return s
}

func (s *unionScan) Next(ctx context.Context) (Row, error) {
	for s.at < len(s.children) {
		row, err := s.children[s.at].Next(ctx)
		if err == io.EOF {
			s.at++
			continue
		}
		if err != nil {
			return Row{}, err
		}
		s.st.Works++
		s.st.DupsTested++
		if _, dup := s.seen[string(row.Key)]; dup {
			s.st.DupsDropped++
			continue
		}
		s.seen[string(row.Key)] = struct{}{}
		s.st.Returned++
		return row, nil
	}
	s.st.EOF = true
	return Row{}, io.EOF
}

func (s *unionScan) Close() error {
	var first error
	for _, c := range s.children {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
