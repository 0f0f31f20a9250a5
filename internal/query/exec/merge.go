package exec

import (
	"bytes"
	"container/heap"
	"context"
	"io"

	"github.com/argon-db/argon/internal/keyenc"
	"github.com/argon-db/argon/internal/txn"
)

// Merge yields the rows of index scans that are sorted by the same fields, in
// that order, each row once: what a $or with a sort and a $in before the sort's
// fields need instead of a sort.
type Merge struct {
	Children []*IndexScan
	// By are, for each child, the positions of the sort's fields in its key.
	By [][]int
	// Exploded: the children are one scan, once for each of its values.
	Exploded bool
	// Desc are the directions of the sort's fields.
	Desc []bool
}

// mergeChild is a child that stands on a key which was not returned yet.
type mergeChild struct {
	*indexScan
	by   []int
	key  []byte // of the index, valid until the child moves
	sort []byte // the sort's fields in an encoding that compares as the sort does
	n    int    // equal keys come in the order of the children
}

// mergeScan merges by a heap, so that a row costs the logarithm of the children.
type mergeScan struct {
	desc    []bool
	heap    []*mergeChild
	all     []*mergeChild
	started bool
	moved   bool // the top of the heap was returned and has to move on
	seen    map[string]struct{}
	st      *Stats
}

// Open implements Access.
func (m *Merge) Open(v *txn.View, st *Stats) Iterator {
	s := &mergeScan{desc: m.Desc, seen: map[string]struct{}{}, st: st}
	for i, c := range m.Children {
		cs := &Stats{}
		st.Children = append(st.Children, cs)
		it := c.Open(v, cs).(*indexScan)
		s.all = append(s.all, &mergeChild{indexScan: it, by: m.By[i], n: i})
	}
	return s
}

func (s *mergeScan) Len() int { return len(s.heap) }
func (s *mergeScan) Less(i, j int) bool {
	a, b := s.heap[i], s.heap[j]
	if c := bytes.Compare(a.sort, b.sort); c != 0 {
		return c < 0
	}
	return a.n < b.n
}
func (s *mergeScan) Swap(i, j int) { s.heap[i], s.heap[j] = s.heap[j], s.heap[i] }
func (s *mergeScan) Push(x any)    { s.heap = append(s.heap, x.(*mergeChild)) }
func (s *mergeScan) Pop() any {
	last := len(s.heap) - 1
	x := s.heap[last]
	s.heap = s.heap[:last]
	return x
}

// advance moves a child to its next key; false at its end.
func (s *mergeScan) advance(ctx context.Context, c *mergeChild) (bool, error) {
	key, err := c.nextKey(ctx)
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.key, c.sort = key, c.sort[:0]
	for i, at := range c.by {
		seg := segment(key, c.Spec.Descending, at)
		if c.Spec.Descending(at) == s.desc[i] {
			c.sort = append(c.sort, seg...)
			continue
		}
		for _, x := range seg { // the other direction's encoding is the complement
			c.sort = append(c.sort, ^x)
		}
	}
	return true, nil
}

// segment is the encoded field i of a key.
func segment(key []byte, desc func(int) bool, i int) []byte {
	at := 0
	for j := 0; ; j++ {
		n := keyenc.Skip(key[at:], desc(j))
		if j == i {
			return key[at : at+n]
		}
		at += n
	}
}

func (s *mergeScan) start(ctx context.Context) error {
	s.started = true
	for _, c := range s.all {
		ok, err := s.advance(ctx, c)
		if err != nil {
			return err
		}
		if ok {
			s.heap = append(s.heap, c)
		}
	}
	heap.Init(s)
	return nil
}

func (s *mergeScan) Next(ctx context.Context) (Row, error) {
	if !s.started {
		if err := s.start(ctx); err != nil {
			return Row{}, err
		}
	}
	for {
		if s.moved {
			s.moved = false
			ok, err := s.advance(ctx, s.heap[0])
			switch {
			case err != nil:
				return Row{}, err
			case ok:
				heap.Fix(s, 0)
			default:
				heap.Pop(s)
			}
		}
		s.st.Works++
		if len(s.heap) == 0 {
			s.st.EOF = true
			return Row{}, io.EOF
		}
		c := s.heap[0]
		s.moved = true
		id := c.key[c.check.valuesLen:]
		s.st.DupsTested++
		if _, dup := s.seen[string(id)]; dup {
			s.st.DupsDropped++
			continue
		}
		s.seen[string(id)] = struct{}{}
		row, ok, err := c.rowAt(ctx, c.key)
		if err != nil {
			return Row{}, err
		}
		if ok {
			s.st.Returned++
			return row, nil
		}
	}
}

func (s *mergeScan) Close() error {
	var first error
	for _, c := range s.all {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Intersect yields the rows that all children have. Each child is bounded to one
// value in all of its fields, so that its rows come in the order of their keys:
// whoever is behind seeks to the others.
type Intersect struct{ Children []*IndexScan }

type intersectScan struct {
	children []*indexScan
	prefix   [][]byte
	v        *txn.View
	st       *Stats
	done     bool
	buf      []byte
}

// Open implements Access.
func (x *Intersect) Open(v *txn.View, st *Stats) Iterator {
	s := &intersectScan{st: st, v: v}
	for _, c := range x.Children {
		cs := &Stats{}
		st.Children = append(st.Children, cs)
		it := c.Open(v, cs).(*indexScan)
		lower, _ := it.check.span()
		s.children = append(s.children, it)
		s.prefix = append(s.prefix, lower)
	}
	return s
}

// move brings a child to its next row, or, with a target, to the first that is
// not before it. The result is valid until the child moves again.
func (s *intersectScan) move(ctx context.Context, i int, target []byte) ([]byte, error) {
	c := s.children[i]
	if target != nil {
		c.beyond = append(append(c.beyond[:0], s.prefix[i]...), target...)
	}
	key, err := c.nextKey(ctx)
	if err != nil {
		return nil, err
	}
	return key[c.check.valuesLen:], nil
}

func (s *intersectScan) Next(ctx context.Context) (Row, error) {
	for !s.done {
		row, ok, err := s.step(ctx)
		if err == io.EOF {
			break
		}
		if ok || err != nil {
			return row, err
		}
	}
	s.done, s.st.EOF = true, true
	return Row{}, io.EOF
}

// step finds the next row that all children have.
func (s *intersectScan) step(ctx context.Context) (Row, bool, error) {
	s.st.Works++
	id, err := s.move(ctx, 0, nil)
	if err != nil {
		return Row{}, false, err
	}
	s.buf = append(s.buf[:0], id...)
	for agreed, i := 1, 1; agreed < len(s.children); i = (i + 1) % len(s.children) {
		id, err := s.move(ctx, i, s.buf)
		if err != nil {
			return Row{}, false, err
		}
		if bytes.Equal(id, s.buf) {
			agreed++
			continue
		}
		s.buf, agreed = append(s.buf[:0], id...), 1
	}
	doc, err := s.v.Get(ctx, s.children[0].Coll.ID, s.buf)
	if err != nil || doc == nil {
		return Row{}, false, err
	}
	s.st.DocsExamined++
	s.st.Returned++
	return Row{Key: s.buf, Doc: doc}, true, nil
}

func (s *intersectScan) Close() error {
	var first error
	for _, c := range s.children {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
