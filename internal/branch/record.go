package branch

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Control records are documents under these keys; numbers in keys are big
// endian, 8 bytes.
//
//	branch/p PROJECT                 a project, with the id of its default branch
//	branch/b project-id branch-id    a branch and the timeline it points to
//	branch/t timeline-id             a timeline: parent and fork
//	branch/g project-id TAG          a tag
const (
	keyProject  = "branch/p"
	keyBranch   = "branch/b"
	keyTimeline = "branch/t"
	keyTag      = "branch/g"
)

func projectKey(name string) []byte { return append([]byte(keyProject), name...) }

func branchKey(project, branch uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte(keyBranch), project), branch)
}

func timelineKey(tl Timeline) []byte {
	return binary.BigEndian.AppendUint64([]byte(keyTimeline), uint64(tl))
}

func tagKey(project uint64, name string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte(keyTag), project), name...)
}

// Forever is a retention without end.
const Forever = time.Duration(math.MaxInt64)

// DefaultRetention is how far back a new project's history is kept.
const DefaultRetention = 7 * 24 * time.Hour

// project is one project in memory. It and all below is guarded by Service.mu;
// timelines and tags do not change once they are made.
type project struct {
	id        uint64
	name      string
	created   time.Time
	retention time.Duration
	born      LSN // nothing is before it
	collected LSN // garbage collection has taken what is before
	def       uint64
	branches  map[string]*branch
	byID      map[uint64]*branch
	tags      map[string]*tag

	horizon   LSN // as of horizonAt: what the retention window covers
	horizonAt time.Time
}

type branch struct {
	id        uint64
	name      string
	parent    uint64 // id of the branch it was made from; 0 for the first
	tl        *timeline
	created   time.Time
	expires   time.Time // zero: never
	protected bool
	note      string
	heads     *Ref // at head, by the full name
}

type timeline struct {
	id       Timeline
	project  uint64
	parent   *timeline
	parentID Timeline
	fork     LSN
	// commit is the parent's newest commit at the fork: what the fork has of it.
	commit   LSN
	forkTime time.Time
	levels   []Level  // at head
	copy     CopyKind // of a first timeline: what it was made of
}

type tag struct {
	name   string
	branch string
	tl     *timeline
	lsn    LSN
	time   time.Time
	note   string
}

func (p *project) encode() []byte {
	b := bsonx.NewDoc(nil)
	b.Int64("id", int64(p.id))
	b.Date("created", p.created.UnixMilli())
	b.Int64("retention", int64(p.retention))
	b.Int64("collected", int64(p.collected))
	b.Int64("default", int64(p.def))
	return b.Done()
}

func (br *branch) encode() []byte {
	b := bsonx.NewDoc(nil)
	b.String("name", br.name)
	b.Int64("parent", int64(br.parent))
	b.Int64("timeline", int64(br.tl.id))
	b.Date("created", br.created.UnixMilli())
	if !br.expires.IsZero() {
		b.Date("expires", br.expires.UnixMilli())
	}
	b.Bool("protected", br.protected)
	b.String("note", br.note)
	return b.Done()
}

func (tl *timeline) encode() []byte {
	b := bsonx.NewDoc(nil)
	b.Int64("project", int64(tl.project))
	b.Int64("parent", int64(tl.parentID))
	b.Int64("fork", int64(tl.fork))
	b.Int64("commit", int64(tl.commit))
	b.Date("forkTime", tl.forkTime.UnixMilli())
	if tl.copy != "" {
		b.String("copy", string(tl.copy))
	}
	return b.Done()
}

func (t *tag) encode() []byte {
	b := bsonx.NewDoc(nil)
	b.String("branch", t.branch)
	b.Int64("timeline", int64(t.tl.id))
	b.Int64("lsn", int64(t.lsn))
	b.Date("time", t.time.UnixMilli())
	b.String("note", t.note)
	return b.Done()
}

// fields reads a record's values; what is missing is zero.
type fields struct{ d bsonx.Doc }

func (f fields) num(k string) int64 { n, _ := bsonx.IntegralOK(bsonx.Lookup(f.d, k)); return n }

func (f fields) str(k string) string { s, _ := bsonx.Lookup(f.d, k).StringValueOK(); return s }

func (f fields) when(k string) time.Time {
	v := bsonx.Lookup(f.d, k)
	if v.Type != bsonx.Date {
		return time.Time{}
	}
	return time.UnixMilli(bsonx.I64(v)).UTC()
}

func damaged(key []byte) error {
	return errcode.New(errcode.InternalError, "the control record %q is damaged; run fsck", key)
}

// load reads all control records.
func (s *Service) load() error {
	err := s.store.ScanControl([]byte(keyProject), func(k, v []byte) error {
		f := fields{v}
		p := newProject(uint64(f.num("id")), string(k[len(keyProject):]), f.when("created"))
		p.retention, p.def, p.collected = time.Duration(f.num("retention")), uint64(f.num("default")), LSN(f.num("collected"))
		s.projects[p.name], s.byID[p.id] = p, p
		return nil
	})
	if err != nil {
		return err
	}
	err = s.store.ScanControl([]byte(keyTimeline), func(k, v []byte) error {
		if len(k) != len(keyTimeline)+8 {
			return damaged(k)
		}
		f := fields{v}
		id := Timeline(binary.BigEndian.Uint64(k[len(keyTimeline):]))
		tl := &timeline{id: id, project: uint64(f.num("project")), parentID: Timeline(f.num("parent")),
			fork: LSN(f.num("fork")), commit: LSN(f.num("commit")), forkTime: f.when("forkTime"), copy: CopyKind(f.str("copy"))}
		if bsonx.IsMissing(bsonx.Lookup(v, "commit")) {
			tl.commit = tl.fork
		}
		s.timelines[id] = tl
		return nil
	})
	if err != nil {
		return err
	}
	for _, tl := range s.timelines {
		if tl.parentID != 0 {
			if tl.parent = s.timelines[tl.parentID]; tl.parent == nil {
				return damaged(timelineKey(tl.id))
			}
		}
	}
	for _, tl := range s.timelines {
		tl.levels = tl.headLevels()
		if p := s.byID[tl.project]; p != nil && tl.parent == nil && (p.born == 0 || tl.fork < p.born) {
			p.born = tl.fork
		}
	}
	if err := s.store.ScanControl([]byte(keyBranch), s.loadBranch); err != nil {
		return err
	}
	return s.store.ScanControl([]byte(keyTag), s.loadTag)
}

func (s *Service) loadBranch(k, v []byte) error {
	if len(k) != len(keyBranch)+16 {
		return damaged(k)
	}
	f := fields{v}
	p := s.byID[binary.BigEndian.Uint64(k[len(keyBranch):])]
	tl := s.timelines[Timeline(f.num("timeline"))]
	if p == nil || tl == nil {
		return damaged(k)
	}
	p.add(&branch{id: binary.BigEndian.Uint64(k[len(keyBranch)+8:]), name: f.str("name"), parent: uint64(f.num("parent")), tl: tl,
		created: f.when("created"), expires: f.when("expires"), protected: bsonx.Truthy(bsonx.Lookup(v, "protected")), note: f.str("note")})
	return nil
}

func (s *Service) loadTag(k, v []byte) error {
	if len(k) <= len(keyTag)+8 {
		return damaged(k)
	}
	f := fields{v}
	p := s.byID[binary.BigEndian.Uint64(k[len(keyTag):])]
	tl := s.timelines[Timeline(f.num("timeline"))]
	if p == nil || tl == nil {
		return damaged(k)
	}
	t := &tag{name: string(k[len(keyTag)+8:]), branch: f.str("branch"), tl: tl, lsn: LSN(f.num("lsn")), time: f.when("time"), note: f.str("note")}
	p.tags[t.name] = t
	return nil
}

func newProject(id uint64, name string, created time.Time) *project {
	return &project{id: id, name: name, created: created, retention: DefaultRetention,
		branches: map[string]*branch{}, byID: map[uint64]*branch{}, tags: map[string]*tag{}}
}

func (p *project) add(b *branch) {
	p.branches[b.name], p.byID[b.id] = b, b
}

// headLevels computes the levels of a timeline at its head.
func (tl *timeline) headLevels() []Level { return tl.levelsAt(head) }

// levelsAt computes the levels that see a timeline as of an LSN: before its fork
// it is its parent.
func (tl *timeline) levelsAt(lsn LSN) []Level {
	for tl.parent != nil && lsn <= tl.fork {
		tl = tl.parent
	}
	var out []Level
	for t := tl; t != nil; t = t.parent {
		out = append(out, Level{Timeline: t.id, LSN: lsn})
		lsn = min(lsn, t.fork)
		if lsn == 0 {
			break
		}
	}
	return out
}

// at returns the timeline of tl's line that a fork at lsn belongs to.
func (tl *timeline) at(lsn LSN) *timeline {
	for tl.parent != nil && lsn <= tl.fork {
		tl = tl.parent
	}
	return tl
}
