package stage

import (
	"context"
	"hash/maphash"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// group is one group: its _id and its accumulators' states.
type group struct {
	key    string
	id     bsonx.Value
	states []expr.State
	// frozen: rows of this group were spilled, so that all later ones are too
	// (accumulators see their rows in order).
	frozen bool
}

const (
	groupOverhead   = 160 // about what a group costs besides its states, in bytes
	groupPartitions = 32
	maxSpillDepth   = 6 // partitions of partitions; beyond that all stays in memory
)

// groupIter reads all rows, then yields the groups in the order in which they
// were first seen. Beyond its memory it takes no new groups: their rows go to
// files by the hash of the group, which are grouped one after another later. A
// group that is in memory goes on there as long as it does not grow much.
type groupIter struct {
	s     *groupStage
	oc    *OpenContext
	in    exec.Iterator
	env   *expr.Env
	limit int64
	depth int
	seed  maphash.Seed

	index  map[string]int
	groups []group
	size   int64 // of the groups when they were last measured, in bytes
	fed    int64 // bytes of rows since then
	rows   int   // rows since then

	full   bool // no new groups
	frozen bool // no growth either
	parts  [groupPartitions]*spill

	ready bool
	pos   int
	part  int        // the partition that is being read back
	sub   *groupIter // over it
	key   []byte
	out   []byte
}

func (it *groupIter) Next(ctx context.Context) (exec.Row, error) {
	if !it.ready {
		if err := it.build(ctx); err != nil {
			return exec.Row{}, err
		}
		it.ready = true
	}
	if it.full {
		return it.nextSpilled(ctx)
	}
	if it.pos >= len(it.groups) {
		return exec.Row{}, io.EOF
	}
	it.pos++
	return it.result(&it.groups[it.pos-1])
}

func (it *groupIter) build(ctx context.Context) error {
	if it.index == nil {
		it.index = make(map[string]int)
		it.seed = maphash.MakeSeed()
	}
	if it.in == nil {
		return nil
	}
	n := 0
	err := each(ctx, it.in, func(r exec.Row) error {
		if n++; n&1023 == 0 {
			if err := interrupted(ctx, it.oc.Query); err != nil {
				return err
			}
		}
		at(it.env, r)
		return it.add(r)
	})
	if e := it.in.Close(); err == nil {
		err = e
	}
	it.in = nil
	if used := it.oc.Memory.Used; used != nil && err == nil && !it.full {
		err = it.measure()
	}
	return err
}

// add takes one row into its group.
func (it *groupIter) add(r exec.Row) error {
	id, err := it.s.id.Eval(it.env)
	if err != nil {
		return err
	}
	if id.Type == bsonx.Missing {
		id = bsonx.NullValue
	}
	it.key = appendKey(it.key[:0], id, it.s.pc.Collation)
	i, ok := it.index[string(it.key)]
	if !ok {
		if it.full {
			return it.spillRow(it.key, r)
		}
		if i, err = it.newGroup(string(it.key), id); err != nil {
			return err
		}
	}
	g := &it.groups[i]
	if it.frozen || g.frozen {
		g.frozen = true
		return it.spillRow(it.key, r)
	}
	for _, st := range g.states {
		if err := st.Add(it.env); err != nil {
			return err
		}
	}
	it.fed += int64(len(r.Doc))
	if it.rows++; it.rows > max(1024, len(it.groups)) || it.size+it.fed > it.limit && it.fed > it.limit/16 {
		return it.measure()
	}
	return nil
}

func (it *groupIter) newGroup(key string, id bsonx.Value) (int, error) {
	g := group{key: key, id: bsonx.Clone(id), states: make([]expr.State, len(it.s.fields))}
	for k, f := range it.s.fields {
		g.states[k] = f.acc.New()
		if err := startState(g.states[k], it.env, g.id); err != nil {
			return 0, err
		}
	}
	it.index[key] = len(it.groups)
	it.groups = append(it.groups, g)
	it.fed += int64(len(key)+len(id.Data)) + groupOverhead
	return len(it.groups) - 1, nil
}

// measure adds up the size of all groups and stops their growth.
func (it *groupIter) measure() error {
	it.size, it.fed, it.rows = 0, 0, 0
	for i := range it.groups {
		g := &it.groups[i]
		it.size += 2*int64(len(g.id.Data)) + groupOverhead
		for _, st := range g.states {
			it.size += int64(st.Size())
		}
	}
	it.oc.Memory.Used.took(0, it.size)
	if it.size <= it.limit || it.depth >= maxSpillDepth {
		return nil
	}
	if !it.oc.Memory.AllowDiskUse {
		return errMemory("$group", it.limit)
	}
	it.frozen = it.full && it.size > it.limit+it.limit/4
	it.full = true
	return nil
}

func (it *groupIter) partOf(key []byte) int {
	return int(maphash.Bytes(it.seed, key) % groupPartitions)
}

func (it *groupIter) spillRow(key []byte, r exec.Row) error {
	p := it.partOf(key)
	if it.parts[p] == nil {
		f, err := newSpill(it.oc.Memory)
		if err != nil {
			return err
		}
		it.parts[p] = f
	}
	return it.parts[p].write(r.Doc, appendMeta(nil, r.Meta))
}

// nextSpilled yields partition by partition: what is in memory of it goes on
// with the rows of its file.
func (it *groupIter) nextSpilled(ctx context.Context) (exec.Row, error) {
	for {
		if it.sub != nil {
			r, err := it.sub.Next(ctx)
			if err != io.EOF {
				return r, err
			}
			it.sub.Close()
			it.sub = nil
			it.part++
		}
		if it.part >= groupPartitions {
			return exec.Row{}, io.EOF
		}
		if err := it.openPart(); err != nil {
			return exec.Row{}, err
		}
	}
}

func (it *groupIter) openPart() error {
	sub := &groupIter{s: it.s, oc: it.oc, env: it.env, limit: it.limit, depth: it.depth + 1,
		seed: maphash.MakeSeed(), index: make(map[string]int)}
	for i := range it.groups {
		g := it.groups[i]
		if g.states == nil || int(maphash.String(it.seed, g.key)%groupPartitions) != it.part {
			continue
		}
		g.frozen = false
		sub.index[g.key] = len(sub.groups)
		sub.groups = append(sub.groups, g)
		it.groups[i] = group{}
		delete(it.index, g.key)
	}
	if f := it.parts[it.part]; f != nil {
		rd, err := f.reader(0, f.off)
		if err != nil {
			return err
		}
		sub.in = &spilledRows{file: f, r: rd}
		it.parts[it.part] = nil
	}
	it.sub = sub
	return nil
}

// result makes a group's document.
func (it *groupIter) result(g *group) (exec.Row, error) {
	it.env.Arena.Reset()
	var b bsonx.Builder
	b.Begin(it.out[:0])
	b.Value("_id", g.id)
	for i, f := range it.s.fields {
		v, err := g.states[i].Result(it.env)
		if err != nil {
			return exec.Row{}, err
		}
		if v.Type == bsonx.Missing {
			v = bsonx.NullValue
		}
		b.Value(f.name, v)
	}
	*g = group{}
	it.out = b.Done()
	return exec.Row{Doc: it.out}, checkDocSize(it.out)
}

func (it *groupIter) Close() error {
	var err error
	if it.in != nil {
		err = it.in.Close()
	}
	if it.sub != nil {
		it.sub.Close()
	}
	for i, f := range it.parts {
		f.Close()
		it.parts[i] = nil
	}
	it.index, it.groups, it.ready, it.full, it.in = nil, nil, true, false, nil
	return err
}

// spilledRows reads back rows that spillRow wrote.
type spilledRows struct {
	file *spill
	r    *spillReader
}

func (s *spilledRows) Next(context.Context) (exec.Row, error) {
	rec, err := s.r.next()
	if err != nil {
		return exec.Row{}, err
	}
	n := docLen(rec)
	return exec.Row{Doc: bsonx.Doc(rec[:n]), Meta: parseMeta(rec[n:])}, nil
}

func (s *spilledRows) Close() error { return s.file.Close() }
