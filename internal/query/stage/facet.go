package stage

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// maxFacetDoc is the largest document that $facet may build, in bytes.
const maxFacetDoc = 100 * 1024 * 1024

// facetStage is $facet: several pipelines over the same documents, their results
// as the fields of one document.
type facetStage struct {
	named
	pc     *ParseContext
	fields []facetField
}

type facetField struct {
	name string
	p    *Pipeline
}

func parseFacet(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object || bsonx.IsEmpty(arg.Data) {
		return nil, errcode.New(40169, "the $facet specification must be a non-empty object")
	}
	s := &facetStage{named: name("$facet", arg), pc: pc}
	for it := bsonx.NewIter(s.spec.Data); it.Next(); {
		n := string(it.Key())
		if err := expr.CheckFieldName(n); err != nil {
			return nil, err
		}
		if it.Value().Type != bsonx.Array {
			return nil, errcode.New(40170, "arguments to $facet must be arrays, %s is type %s", n, bsonx.TypeName(it.Value().Type))
		}
		docs, err := docsOf(it.Value(), 40171, "elements of arrays in $facet spec must be non-empty objects")
		if err != nil {
			return nil, err
		}
		p, err := parse(docs, pc.child(inFacet, pc.NS))
		if err != nil {
			return nil, err
		}
		if p.noFacet != "" {
			return nil, errcode.New(40600, "%s is not allowed to be used within a $facet stage", p.noFacet)
		}
		s.fields = append(s.fields, facetField{n, p})
	}
	return []Stage{s}, nil
}

func (s *facetStage) pipelines() []*Pipeline {
	var ps []*Pipeline
	for _, f := range s.fields {
		ps = append(ps, f.p)
	}
	return ps
}

func (s *facetStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		buf := newRowBuffer(oc.Memory)
		defer buf.Close()
		err := each(ctx, in, buf.add)
		if e := in.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, err
		}
		b := bsonx.NewDoc(nil)
		for _, f := range s.fields {
			if err := s.run(ctx, oc, f, buf, b); err != nil {
				return nil, err
			}
		}
		return FromDocs([]bsonx.Doc{b.Done()}), nil
	}}, nil
}

func (s *facetStage) run(ctx context.Context, oc *OpenContext, f facetField, buf *rowBuffer, b *bsonx.Builder) error {
	rows, err := buf.rows()
	if err != nil {
		return err
	}
	it, err := f.p.Open(oc, rows)
	if err != nil {
		return err
	}
	defer it.Close()
	at, n := b.OpenArray(f.name), 0
	err = each(ctx, it, func(r exec.Row) error {
		b.Doc(bsonx.Index(n), r.Doc)
		n++
		if b.Size() > maxFacetDoc {
			return errcode.New(4031700, "document constructed by $facet is %d bytes, which exceeds the limit of %d bytes", b.Size(), maxFacetDoc)
		}
		return nil
	})
	b.Close(at)
	return err
}

// rowBuffer keeps rows to be read several times: in memory up to the limit of a
// stage, and in a file beyond it. Not safe for concurrent use.
type rowBuffer struct {
	mem   Memory
	kept  []exec.Row
	bytes int64
	file  *spill
}

func newRowBuffer(m Memory) *rowBuffer { return &rowBuffer{mem: m} }

func (b *rowBuffer) add(r exec.Row) error {
	if b.file == nil && b.bytes+int64(len(r.Doc)) <= b.mem.limit() {
		b.kept = append(b.kept, cloneRow(r))
		b.bytes += int64(len(r.Doc)) + entryOverhead
		return nil
	}
	if b.file == nil {
		f, err := newSpill(b.mem)
		if err != nil {
			return err
		}
		b.file = f
	}
	return b.file.write(r.Doc, appendMeta(nil, r.Meta))
}

// rows returns an iterator over all rows, which does not close the buffer.
func (b *rowBuffer) rows() (exec.Iterator, error) {
	it := &bufferIter{b: b}
	if b.file != nil {
		rd, err := b.file.reader(0, b.file.off)
		if err != nil {
			return nil, err
		}
		it.rest = &spilledRows{r: rd}
	}
	return it, nil
}

func (b *rowBuffer) Close() error {
	b.kept = nil
	return b.file.Close()
}

type bufferIter struct {
	b    *rowBuffer
	pos  int
	rest *spilledRows
}

func (it *bufferIter) Next(ctx context.Context) (exec.Row, error) {
	if it.pos < len(it.b.kept) {
		it.pos++
		return it.b.kept[it.pos-1], nil
	}
	if it.rest == nil {
		return exec.Row{}, io.EOF
	}
	return it.rest.Next(ctx)
}

func (it *bufferIter) Close() error { return nil }
