package exec

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/text"
	"github.com/argon-db/argon/internal/txn"
)

// TextScan yields the rows that a $text matches, each with its score as
// Meta.TextScore: the sum of the scores of its terms.
type TextScan struct {
	Coll  *Collection
	Index *Index
	// Terms are one scan of the index for each term to look up.
	Terms []*IndexScan
	Query *text.Query
}

type textScan struct {
	*TextScan
	v     *txn.View
	st    *Stats
	ids   []string // in the order in which they were found
	score map[string]float64
	at    int
	begun bool
	meta  expr.Meta
}

// Open implements Access.
func (x *TextScan) Open(v *txn.View, st *Stats) Iterator {
	return &textScan{TextScan: x, v: v, st: st, score: map[string]float64{}}
}

// gather reads all entries of all terms.
func (s *textScan) gather(ctx context.Context) error {
	s.begun = true
	at := s.Index.Spec.TextAt() + 1
	for _, t := range s.Terms {
		cs := &Stats{}
		s.st.Children = append(s.st.Children, cs)
		scan := t.Open(s.v, cs).(*indexScan)
		for {
			key, err := scan.nextKey(ctx)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = scan.decode(key)
			}
			if err != nil {
				_ = scan.Close()
				return err
			}
			cs.Returned++
			s.st.KeysExamined++
			id := key[scan.check.valuesLen:]
			old, seen := s.score[string(id)]
			if !seen {
				s.ids = append(s.ids, string(id))
			}
			s.score[string(id)] = old + bsonx.F64(scan.vals[at])
		}
		if err := scan.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Next implements Iterator.
func (s *textScan) Next(ctx context.Context) (Row, error) {
	if !s.begun {
		if err := s.gather(ctx); err != nil {
			return Row{}, err
		}
	}
	for ; s.at < len(s.ids); s.at++ {
		s.st.Works++
		if s.st.Works%interruptEvery == 0 {
			if err := Interrupted(ctx); err != nil {
				return Row{}, err
			}
		}
		id := s.ids[s.at]
		doc, err := s.v.Get(ctx, s.Coll.ID, []byte(id))
		if err != nil {
			return Row{}, err
		}
		if doc == nil {
			continue // written by this transaction since the scan began
		}
		s.st.DocsExamined++
		ok, err := s.Query.Matches(s.Index.Spec.TextOpts.Fields, doc)
		if err != nil {
			return Row{}, err
		}
		if !ok {
			continue
		}
		s.at++
		s.st.Returned++
		s.meta = expr.Meta{TextScore: bsonx.DoubleValue(s.score[id])}
		return Row{Doc: doc, Key: []byte(id), Meta: &s.meta}, nil
	}
	s.st.EOF = true
	return Row{}, io.EOF
}

// Close implements Iterator.
func (s *textScan) Close() error { return nil }

// Scoreless yields the rows of another access, in a query with $text in another
// branch of a $or: they have metadata, of which no score is part.
type Scoreless struct{ Access }

type scoreless struct {
	Iterator
	meta expr.Meta
}

// Open implements Access.
func (x *Scoreless) Open(v *txn.View, st *Stats) Iterator {
	return &scoreless{Iterator: x.Access.Open(v, st)}
}

// Next implements Iterator.
func (s *scoreless) Next(ctx context.Context) (Row, error) {
	row, err := s.Iterator.Next(ctx)
	if row.Meta == nil {
		row.Meta = &s.meta
	}
	return row, err
}
