package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
)

// rowStore keeps rows to be read in any order: in memory up to the limit of a
// stage, in a file beyond it. Not safe for concurrent use.
type rowStore struct {
	mem   Memory
	stage string
	kept  []exec.Row
	bytes int64
	file  *spill
	at    []int64 // where the rows after kept begin in the file
}

func (s *rowStore) len() int { return len(s.kept) + len(s.at) }

func (s *rowStore) add(r exec.Row) error {
	if s.file == nil && s.bytes+int64(len(r.Doc)) <= s.mem.limit() {
		s.kept = append(s.kept, cloneRow(r))
		s.bytes += int64(len(r.Doc)) + entryOverhead
		s.mem.Used.took(int64(len(r.Doc)), s.bytes)
		return nil
	}
	if !s.mem.AllowDiskUse {
		return errMemory(s.stage, s.mem.limit())
	}
	if s.file == nil {
		f, err := newSpill(s.mem)
		if err != nil {
			return err
		}
		s.file = f
	}
	s.at = append(s.at, s.file.off)
	return s.file.write(r.Doc, appendMeta(nil, r.Meta))
}

// row returns row i; it stays valid.
func (s *rowStore) row(i int) (exec.Row, error) {
	if i < len(s.kept) {
		return s.kept[i], nil
	}
	i -= len(s.kept)
	to := s.file.off
	if i+1 < len(s.at) {
		to = s.at[i+1]
	}
	rec, err := s.file.at(s.at[i], to)
	if err != nil {
		return exec.Row{}, err
	}
	n := docLen(rec)
	return exec.Row{Doc: bsonx.Doc(rec[:n]), Meta: parseMeta(rec[n:])}, nil
}

// reset drops all rows.
func (s *rowStore) reset() {
	s.file.Close()
	*s = rowStore{mem: s.mem, stage: s.stage, kept: s.kept[:0]}
}
