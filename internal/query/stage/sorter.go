package stage

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"io"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// sorter sorts rows by keys that compare as bytes. It keeps what fits into the
// memory of a stage and spills sorted runs to disk beyond that. With a limit it
// keeps only the first rows. Rows with equal keys stay in their order.
type sorter struct {
	o     sorterOptions
	mem   Memory
	query *expr.Query
	seq   uint64
	bytes int64
	rows  []sorted // a max-heap once limited and full
	heap  bool
	file  *spill
	runs  []run
	key   []byte
}

type sorterOptions struct {
	stage   string // in errors
	limit   int64
	limited bool
}

// run is a sorted part of the file.
type run struct{ from, to int64 }

// sorted is a row with its key; the key's last 8 bytes are its number.
type sorted struct {
	key  []byte
	doc  bsonx.Doc
	meta *expr.Meta
}

// entryOverhead is about what an entry costs besides its bytes.
const entryOverhead = 96

func newSorter(oc *OpenContext, o sorterOptions) *sorter {
	return &sorter{o: o, mem: oc.Memory.of(oc.Memory.Sort), query: oc.Query}
}

func appendUint64(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }

// addKey takes a row with its key. Both are copied if they are kept.
func (s *sorter) addKey(ctx context.Context, key []byte, r exec.Row) error {
	s.seq++
	if s.seq&1023 == 0 {
		if err := interrupted(ctx, s.query); err != nil {
			return err
		}
	}
	s.key = appendUint64(append(s.key[:0], key...), s.seq)
	if s.o.limited && int64(len(s.rows)) >= s.o.limit {
		return s.replace(r)
	}
	buf := make([]byte, 0, len(s.key)+len(r.Doc))
	buf = append(append(buf, s.key...), r.Doc...)
	n := len(s.key)
	s.rows = append(s.rows, sorted{buf[:n:n], bsonx.Doc(buf[n:]), cloneMeta(r.Meta)})
	s.bytes += int64(len(buf)) + entryOverhead
	s.mem.Used.took(int64(len(r.Doc)), s.bytes)
	if s.bytes > s.mem.limit() {
		return s.spillRun()
	}
	return nil
}

// replace puts a row in the place of the last one, when it comes before it.
func (s *sorter) replace(r exec.Row) error {
	if s.o.limit == 0 {
		return nil
	}
	if !s.heap {
		s.heap = true
		heap.Init((*maxHeap)(&s.rows))
	}
	top := &s.rows[0]
	if bytes.Compare(s.key, top.key) >= 0 {
		return nil
	}
	s.bytes += int64(len(s.key) + len(r.Doc) - len(top.key) - len(top.doc))
	top.key = append(top.key[:0:cap(top.key)], s.key...)
	top.doc = append(top.doc[:0], r.Doc...)
	top.meta = cloneMeta(r.Meta)
	heap.Fix((*maxHeap)(&s.rows), 0)
	if s.bytes > s.mem.limit() {
		return s.spillRun()
	}
	return nil
}

func (s *sorter) sort() {
	slices.SortFunc(s.rows, func(a, b sorted) int { return bytes.Compare(a.key, b.key) })
}

func (s *sorter) spillRun() error {
	if !s.mem.AllowDiskUse {
		return errMemory(s.o.stage, s.mem.limit())
	}
	if s.file == nil {
		f, err := newSpill(s.mem)
		if err != nil {
			return err
		}
		s.file = f
	}
	s.sort()
	from := s.file.off
	var head, meta []byte
	for _, e := range s.rows {
		head = binary.AppendUvarint(head[:0], uint64(len(e.key)))
		head = append(head, e.key...)
		head = binary.AppendUvarint(head, uint64(len(e.doc)))
		meta = appendMeta(meta[:0], e.meta)
		if err := s.file.write(head, e.doc, meta); err != nil {
			return err
		}
	}
	s.runs = append(s.runs, run{from, s.file.off})
	clear(s.rows)
	s.rows, s.bytes, s.heap = s.rows[:0], 0, false
	return nil
}

// finish returns the rows in order. The sorter belongs to the iterator then.
func (s *sorter) finish(context.Context) (exec.Iterator, error) {
	s.sort()
	if len(s.runs) == 0 {
		return &sortedIter{rows: s.rows}, nil
	}
	m := &mergeIter{file: s.file, left: s.o.limit, limited: s.o.limited}
	s.file = nil
	if len(s.rows) > 0 {
		m.heads = append(m.heads, &mergeHead{cur: s.rows[0], rest: s.rows[1:]})
	}
	for _, r := range s.runs {
		rd, err := m.file.reader(r.from, r.to)
		if err != nil {
			m.Close()
			return nil, err
		}
		h := &mergeHead{r: rd}
		if err := h.advance(); err != nil {
			m.Close()
			return nil, err
		}
		m.heads = append(m.heads, h)
	}
	heap.Init(&m.heads)
	return m, nil
}

func (s *sorter) Close() {
	s.file.Close()
	s.rows = nil
}

// maxHeap has the row that comes last at the top.
type maxHeap []sorted

func (h maxHeap) Len() int           { return len(h) }
func (h maxHeap) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) > 0 }
func (h maxHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are never called: the heap is fixed in place.
func (h *maxHeap) Push(any) {}

// Pop is never called.
func (h *maxHeap) Pop() any { return nil }

// sortedIter yields rows from memory.
type sortedIter struct {
	rows []sorted
	pos  int
}

func (it *sortedIter) Next(context.Context) (exec.Row, error) {
	if it.pos >= len(it.rows) {
		return exec.Row{}, io.EOF
	}
	e := it.rows[it.pos]
	if it.pos > 0 {
		it.rows[it.pos-1] = sorted{} // its memory is free
	}
	it.pos++
	return exec.Row{Doc: e.doc, Meta: e.meta}, nil
}

func (it *sortedIter) Close() error {
	it.rows = nil
	return nil
}

// mergeHead is the front of one run: in the file, or in memory.
type mergeHead struct {
	cur  sorted
	r    *spillReader
	rest []sorted
}

// advance moves to the next row of the run; io.EOF at its end.
func (h *mergeHead) advance() error {
	if h.r == nil {
		if len(h.rest) == 0 {
			return io.EOF
		}
		h.cur, h.rest = h.rest[0], h.rest[1:]
		return nil
	}
	rec, err := h.r.next()
	if err != nil {
		return err
	}
	n, k := binary.Uvarint(rec)
	rec = rec[k:]
	h.cur.key, rec = rec[:n], rec[n:]
	n, k = binary.Uvarint(rec)
	rec = rec[k:]
	h.cur.doc, h.cur.meta = bsonx.Doc(rec[:n]), parseMeta(rec[n:])
	return nil
}

type mergeHeap []*mergeHead

func (h mergeHeap) Len() int           { return len(h) }
func (h mergeHeap) Less(i, j int) bool { return bytes.Compare(h[i].cur.key, h[j].cur.key) < 0 }
func (h mergeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push adds a head.
func (h *mergeHeap) Push(x any) { *h = append(*h, x.(*mergeHead)) }

// Pop removes the last head.
func (h *mergeHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// mergeIter merges sorted runs. The head that gave the last row advances only
// with the next call, because the row aliases its memory.
type mergeIter struct {
	file    *spill
	heads   mergeHeap
	pending bool
	left    int64
	limited bool
}

func (m *mergeIter) Next(context.Context) (exec.Row, error) {
	if m.pending {
		m.pending = false
		switch err := m.heads[0].advance(); err {
		case nil:
			heap.Fix(&m.heads, 0)
		case io.EOF:
			heap.Pop(&m.heads)
		default:
			return exec.Row{}, err
		}
	}
	if len(m.heads) == 0 || m.limited && m.left == 0 {
		return exec.Row{}, io.EOF
	}
	m.left--
	m.pending = true
	c := m.heads[0].cur
	return exec.Row{Doc: c.doc, Meta: c.meta}, nil
}

func (m *mergeIter) Close() error {
	m.heads, m.pending = nil, false
	return m.file.Close()
}
