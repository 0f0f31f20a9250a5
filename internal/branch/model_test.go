package branch

import (
	"context"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
	"github.com/argon-db/argon/test/seed"
)

var ctx = context.Background()

type env struct {
	t   testing.TB
	fs  vfs.FS
	clk *clock.Manual
	st  *store.Store
	m   *txn.Manager
	c   *catalog.Catalog
	s   *Service
}

func newEnv(t testing.TB) *env {
	e := &env{t: t, fs: vfs.NewMem(), clk: clock.NewManual(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))}
	e.open()
	t.Cleanup(func() { _ = e.st.Close() })
	return e
}

func (e *env) open() {
	e.t.Helper()
	var err error
	e.st, err = store.Open(store.Options{Dir: "d", FS: e.fs, Clock: e.clk, CacheBytes: 4 << 20, MemTableBytes: 1 << 20})
	e.ok(err)
	e.m, e.c = txn.NewManager(e.st, txn.Config{}), catalog.New(e.st)
	e.s, err = Open(e.st, e.m, e.c, e.clk)
	e.ok(err)
}

func (e *env) restart() {
	e.t.Helper()
	e.ok(e.st.Close())
	e.open()
}

func (e *env) ok(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// state is what a branch has: a value for each "collection/id".
type state map[string]int

// write makes one commit on a branch; nil values delete.
func (e *env) write(db string, changes map[string]*int) LSN {
	e.t.Helper()
	e.clk.Advance(time.Second)
	r, err := e.s.ResolveForWrite(ctx, db)
	e.ok(err)
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(r.Levels, true)
	for _, k := range slices.Sorted(maps.Keys(changes)) {
		coll, id, _ := strings.Cut(k, "/")
		c, err := e.c.Ensure(ctx, v, coll)
		e.ok(err)
		old, err := v.Get(ctx, c.ID, []byte(id))
		e.ok(err)
		switch n := changes[k]; {
		case n == nil && old == nil:
		case n == nil:
			e.ok(v.Delete(ctx, c.ID, []byte(id), old))
		case old == nil:
			e.ok(v.Insert(ctx, c.ID, []byte(id), doc(id, *n)))
		default:
			e.ok(v.Put(ctx, c.ID, []byte(id), old, doc(id, *n), txn.Replace, nil))
		}
	}
	st, err := tx.Commit(ctx, txn.CommitInfo{Actor: txn.Actor{AppName: "test"}})
	e.ok(err)
	return st.LSN
}

func doc(id string, n int) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("_id", id)
	b.Int64("n", int64(n))
	return b.Done()
}

// read returns all that a database name shows.
func (e *env) read(db string) state {
	e.t.Helper()
	r, err := e.s.Resolve(ctx, db)
	e.ok(err)
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(r.Levels, false)
	snap, err := e.c.Snapshot(v)
	e.ok(err)
	out := state{}
	for _, n := range snap.Names() {
		c, _ := snap.Collection(n)
		it := v.Scan(c.ID, txn.ScanOptions{})
		rows := int64(0)
		for it.Next() {
			out[n+"/"+string(it.Key())] = int(bsonx.I64(bsonx.Lookup(it.Doc(), "n")))
			rows++
		}
		e.ok(it.Close())
		if count, _, err := v.Count(c.ID); err != nil || count != rows {
			e.t.Fatalf("%s: collection %s has %d rows, counted %d, %v", db, n, rows, count, err)
		}
	}
	return out
}

// line is a branch's history in the model: its states, by ascending LSN.
type line []moment

type moment struct {
	lsn LSN
	s   state
}

func (l line) at(lsn LSN) state {
	s := state{}
	for _, m := range l {
		if m.lsn <= lsn {
			s = m.s
		}
	}
	return s
}

func (l line) until(lsn LSN) line {
	n := 0
	for n < len(l) && l[n].lsn <= lsn {
		n++
	}
	return slices.Clone(l[:n])
}

func (l line) last() state {
	if len(l) == 0 {
		return state{}
	}
	return l[len(l)-1].s
}

type mtag struct {
	s      state
	branch string
}

type model struct {
	e     *env
	r     *rand.Rand
	lines map[string]line
	kids  map[string]string // child → parent
	tags  map[string]mtag
	first LSN
	seq   int
}

func (m *model) pick() string {
	names := slices.Sorted(maps.Keys(m.lines))
	return names[m.r.Intn(len(names))]
}

func (m *model) name(prefix string) string {
	m.seq++
	return fmt.Sprintf("%s%d", prefix, m.seq)
}

// point returns a random LSN of the history.
func (m *model) point() LSN {
	last := m.e.st.Visible().LSN
	r, err := m.e.s.Resolve(ctx, "p")
	m.e.ok(err)
	h, err := m.e.s.HistoryInfo(ctx, r)
	m.e.ok(err)
	m.first = h.EarliestLSN
	return m.first + LSN(m.r.Int63n(int64(last-m.first)+1))
}

func (m *model) write() {
	b := m.pick()
	s := maps.Clone(m.lines[b].last())
	changes := map[string]*int{}
	for range 1 + m.r.Intn(4) {
		k := fmt.Sprintf("c%d/%d", m.r.Intn(3), m.r.Intn(12))
		if m.r.Intn(3) == 0 {
			changes[k] = nil
			delete(s, k)
			continue
		}
		n := m.r.Intn(1000)
		changes[k], s[k] = &n, n
	}
	m.lines[b] = append(m.lines[b], moment{m.e.write("p~"+b, changes), s})
	m.e.clk.Advance(10 * time.Second)
}

func (m *model) branch() {
	from, o := m.pick(), CreateOptions{}
	o.From = from
	lsn := m.e.st.Visible().LSN
	if m.r.Intn(2) == 0 {
		lsn = m.point()
		o.At = Point{Kind: PointLSN, LSN: lsn}
	}
	name := m.name("b")
	i, err := m.e.s.CreateBranch(ctx, "p", name, o)
	m.e.ok(err)
	if i.ForkLSN != lsn || i.Parent != from {
		m.e.t.Fatalf("created %+v, want a fork of %s at %d", i, from, lsn)
	}
	m.lines[name], m.kids[name] = m.lines[from].until(lsn), from
}

func (m *model) tag() {
	b, lsn, name := m.pick(), m.point(), m.name("t")
	_, err := m.e.s.CreateTag(ctx, "p", name, b, Point{Kind: PointLSN, LSN: lsn}, "")
	m.e.ok(err)
	m.tags[name] = mtag{m.lines[b].at(lsn), b}
}

func (m *model) restore() {
	b, src, lsn := m.pick(), "", m.point()
	o := RestoreOptions{To: Point{Kind: PointLSN, LSN: lsn}, Backup: m.name("bak")}
	line := m.lines[b]
	if m.r.Intn(3) == 0 {
		src = m.pick()
		o.Source, o.At, o.To = src, o.To, Point{}
		line = m.lines[src]
	}
	now := m.e.st.Visible().LSN
	res, err := m.e.s.Restore(ctx, "p", b, o)
	m.e.ok(err)
	m.checkPreview(res.Preview, m.lines[b].last(), line.at(lsn))
	m.lines[o.Backup] = m.lines[b].until(now)
	m.kids[o.Backup] = m.kids[b]
	if m.kids[b] == "" {
		m.kids[o.Backup] = b
	}
	m.lines[b] = line.until(lsn)
}

func (m *model) checkPreview(p Preview, from, to state) {
	m.e.t.Helper()
	want := map[string]*CollectionChanges{}
	at := func(k string) *CollectionChanges {
		c, _, _ := strings.Cut(k, "/")
		if want[c] == nil {
			want[c] = &CollectionChanges{Name: c}
		}
		return want[c]
	}
	for k, n := range to {
		if old, ok := from[k]; !ok {
			at(k).Inserts++
		} else if old != n {
			at(k).Updates++
		}
	}
	for k := range from {
		if _, ok := to[k]; !ok {
			at(k).Deletes++
		}
	}
	got := map[string]*CollectionChanges{}
	for _, c := range p.Collections {
		got[c.Name] = &c
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		// A collection that two branches made on their own is counted as dropped
		// and created.
		if got[k] == nil || *got[k] != *want[k] && got[k].Inserts-got[k].Deletes != want[k].Inserts-want[k].Deletes {
			m.e.t.Fatalf("preview of %s: %+v, want %+v", k, got[k], want[k])
		}
	}
}

func (m *model) drop() {
	b := m.pick()
	if b == "main" {
		return
	}
	var want []string
	for queue := []string{b}; len(queue) > 0; queue = queue[1:] {
		want = append(want, queue[0])
		for kid, parent := range m.kids {
			if parent == queue[0] {
				queue = append(queue, kid)
			}
		}
	}
	if len(want) > 4 {
		return
	}
	if len(want) > 1 {
		if _, err := m.e.s.DropBranch(ctx, "p", b, false); err == nil {
			m.e.t.Fatalf("dropped %s with children", b)
		}
	}
	got, err := m.e.s.DropBranch(ctx, "p", b, true)
	m.e.ok(err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.e.t.Fatalf("dropped %v, want %v", got, want)
	}
	for _, n := range want {
		delete(m.lines, n)
		delete(m.kids, n)
	}
}

func (m *model) check() {
	m.e.t.Helper()
	eq := func(db string, want state) {
		m.e.t.Helper()
		if got := m.e.read(db); !maps.Equal(got, want) {
			m.e.t.Fatalf("%s: %v, want %v", db, got, want)
		}
	}
	for b, l := range m.lines {
		eq("p~"+b, l.last())
		lsn := m.point()
		eq(fmt.Sprintf("p~%s@%d", b, lsn), l.at(lsn))
	}
	for n, t := range m.tags {
		eq("p@"+n, t.s)
	}
}

// TestModel does random things to branches and compares every branch, tag and
// random points of the past with a model in memory.
func TestModel(t *testing.T) {
	for round := range 6 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			e := newEnv(t)
			_, err := e.s.CreateProject(ctx, "p", false)
			e.ok(err)
			m := &model{e: e, r: rand.New(rand.NewSource(int64(seed.Of(t)))), lines: map[string]line{"main": nil}, kids: map[string]string{}, tags: map[string]mtag{}}
			if round%2 == 1 { // a window that passes
				e.ok(e.s.SetRetention(ctx, "p", 90*time.Second))
			}
			steps := []func(){m.write, m.write, m.write, m.write, m.branch, m.branch, m.tag, m.restore, m.drop,
				func() { e.restart() }, func() { _, err := e.s.RunGC(ctx, ""); e.ok(err) }}
			for range 120 {
				steps[m.r.Intn(len(steps))]()
				if m.r.Intn(4) == 0 {
					m.check()
				}
			}
			m.check()
		})
	}
}

func wantCode(t *testing.T, err error, c errcode.Code, says string) {
	t.Helper()
	if !errcode.Has(err, c) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want code %d that says %q", err, c, says)
	}
}
