package stage

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// defaultMemory is what a blocking stage may hold in memory, in bytes.
const defaultMemory = 100 * 1024 * 1024

const spillBuffer = 64 * 1024

func (m Memory) limit() int64 {
	if m.MaxBytes > 0 {
		return m.MaxBytes
	}
	return defaultMemory
}

// of is the memory of a stage that has a limit of its own, if that is not 0.
func (m Memory) of(own int64) Memory {
	if own > 0 {
		m.MaxBytes = own
	}
	return m
}

// errMemory is the error of a stage that may not go on on disk.
func errMemory(stage string, limit int64) error {
	return errcode.New(errcode.QueryExceededMemoryLimitNoDiskUseAllowed,
		"%s exceeded the memory limit of %d bytes, but did not opt in to external sorting. Pass allowDiskUse:true to opt in.", stage, limit)
}

// errTooLarge stops a collection of documents that has reached its limit.
var errTooLarge = errcode.New(errcode.ExceededMemoryLimit, "the stage used more memory than it may and cannot spill to disk")

// spill is a temporary file of records. The file has no name once it is open,
// so that a crash leaves nothing behind. Not safe for concurrent use.
type spill struct {
	f    *os.File
	w    *bufio.Writer
	off  int64
	used *Usage // may be nil
}

func newSpill(m Memory) (*spill, error) {
	f, err := os.CreateTemp(m.TempDir, "argon-spill-*")
	if err != nil {
		return nil, errcode.Wrap(err, errcode.InternalError, "cannot make a temporary file to spill to: %v", err)
	}
	_ = os.Remove(f.Name()) // where open files cannot be removed, Close does it
	if m.Used != nil {
		m.Used.Files++
	}
	return &spill{f: f, w: bufio.NewWriterSize(f, spillBuffer), used: m.Used}, nil
}

// write appends a record: its length and its bytes.
func (s *spill) write(parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	var head [binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(n))
	s.off += int64(h + n)
	if s.used != nil {
		s.used.SpilledBytes += int64(h + n)
		s.used.SpilledRecords++
	}
	if _, err := s.w.Write(head[:h]); err != nil {
		return spillError(err)
	}
	for _, p := range parts {
		if _, err := s.w.Write(p); err != nil {
			return spillError(err)
		}
	}
	return nil
}

func spillError(err error) error {
	return errcode.Wrap(err, errcode.OutOfDiskSpace, "cannot spill to disk: %v", err)
}

// reader returns a reader of the records between two offsets, after all that
// was written has reached the file.
func (s *spill) reader(from, to int64) (*spillReader, error) {
	if err := s.w.Flush(); err != nil {
		return nil, spillError(err)
	}
	return &spillReader{r: bufio.NewReaderSize(io.NewSectionReader(s.f, from, to-from), spillBuffer)}, nil
}

// at returns the one record between two offsets, in memory of its own.
func (s *spill) at(from, to int64) ([]byte, error) {
	if s.w.Buffered() > 0 {
		if err := s.w.Flush(); err != nil {
			return nil, spillError(err)
		}
	}
	buf := make([]byte, to-from)
	if _, err := s.f.ReadAt(buf, from); err != nil {
		return nil, spillError(err)
	}
	_, k := binary.Uvarint(buf)
	return buf[k:], nil
}

func (s *spill) Close() error {
	if s == nil || s.f == nil {
		return nil
	}
	name := s.f.Name()
	err := s.f.Close()
	_ = os.Remove(name)
	s.f = nil
	return err
}

type spillReader struct {
	r   *bufio.Reader
	buf []byte
}

// next returns the next record, valid until the next call; io.EOF at the end.
func (r *spillReader) next() ([]byte, error) {
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		if err != io.EOF {
			err = spillError(err)
		}
		return nil, err
	}
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n+n/4)
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return nil, spillError(err)
	}
	return r.buf, nil
}

// appendMeta appends a row's metadata as a document; nothing if there is none.
func appendMeta(dst []byte, m *expr.Meta) []byte {
	if m == nil {
		return dst
	}
	var b bsonx.Builder
	b.Begin(dst)
	for i, f := range metaFields(m) {
		b.Value(bsonx.Index(i), *f)
	}
	b.Done()
	return b.Bytes()
}

// parseMeta reads what appendMeta wrote; the values are copied.
func parseMeta(b []byte) *expr.Meta {
	if len(b) == 0 {
		return nil
	}
	m := &expr.Meta{}
	fields := metaFields(m)
	for it := bsonx.NewIter(clone(b)); it.Next(); {
		if i, ok := bsonx.ArrayIndex(string(it.Key())); ok && i < len(fields) {
			*fields[i] = it.Value()
		}
	}
	return m
}

func metaFields(m *expr.Meta) [10]*bsonx.Value {
	return [...]*bsonx.Value{&m.TextScore, &m.GeoDistance, &m.GeoPoint, &m.SortKey, &m.RecordID,
		&m.IndexKey, &m.RandVal, &m.SearchScore, &m.Score, &m.ScoreInfo}
}

// cloneRow copies a row so that it outlives the iterator's next step.
func cloneRow(r exec.Row) exec.Row {
	return exec.Row{Doc: clone(r.Doc), Meta: cloneMeta(r.Meta)}
}

func cloneMeta(m *expr.Meta) *expr.Meta {
	if m == nil {
		return nil
	}
	c := *m
	for _, f := range metaFields(&c) {
		*f = bsonx.Clone(*f)
	}
	return &c
}
