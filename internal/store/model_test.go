package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/wal"
	"github.com/argon-db/argon/test/seed"
)

// model is the store in plain maps: for every timeline and key all versions.
type model struct {
	rows  map[Timeline]map[string][]modelVersion // ascending LSN
	forks map[Timeline]Level                     // a timeline's parent and fork LSN
	log   []Stamp
}

type modelVersion struct {
	lsn   LSN
	value string // "" is a tombstone
}

func (m *model) view(tl Timeline, lsn LSN) (v []Level) {
	for {
		v = append(v, Level{tl, lsn})
		p, ok := m.forks[tl]
		if !ok {
			return v
		}
		tl, lsn = p.Timeline, min(lsn, p.LSN)
	}
}

func (m *model) get(v []Level, key string) (modelVersion, bool) {
	for _, l := range v {
		vs := m.rows[l.Timeline][key]
		for i := len(vs) - 1; i >= 0; i-- {
			if vs[i].lsn <= l.LSN {
				return vs[i], true
			}
		}
	}
	return modelVersion{}, false
}

func (m *model) keys() []string {
	seen := map[string]bool{}
	for _, rows := range m.rows {
		for k := range rows {
			seen[k] = true
		}
	}
	out := make([]string, 0, len(seen))
	for k := range seen {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// scan returns what an iterator must return.
func (m *model) scan(v []Level, o IterOptions) (out []string) {
	for _, k := range m.keys() {
		x, ok := m.get(v, k)
		if !ok || x.lsn <= o.Since || x.value == "" && !o.Tombstones ||
			o.Lower != nil && k < string(o.Lower) || o.Upper != nil && k >= string(o.Upper) {
			continue
		}
		out = append(out, fmt.Sprintf("%s=%s@%d", k, x.value, x.lsn))
	}
	if o.Reverse {
		slices.Reverse(out)
	}
	return out
}

// modelRun drives the store and the model with the same random operations.
type modelRun struct {
	*testing.T
	rng   *rand.Rand
	fs    vfs.FS
	clock *clock.Manual
	s     *Store
	m     model
}

func newModelRun(t *testing.T) *modelRun {
	r := &modelRun{T: t, rng: rand.New(rand.NewPCG(seed.Of(t), 1)), fs: vfs.NewMem(), clock: clock.NewManual(time.Unix(1_000_000, 0))}
	r.m = model{rows: map[Timeline]map[string][]modelVersion{1: {}}, forks: map[Timeline]Level{}}
	r.open()
	return r
}

func (r *modelRun) open() {
	s, err := Open(Options{Dir: "d", FS: r.fs, Clock: r.clock, MemTableBytes: 64 << 10, CacheBytes: 1 << 20})
	require.NoError(r, err)
	s.folds.limits = foldLimits{after: 1, leafBytes: 1 << r.rng.IntN(16), leafKeys: 1 << r.rng.IntN(8), refs: 1 << r.rng.IntN(10)}
	r.s = s
}

func (r *modelRun) key() string {
	return []string{"a", "a\x00", "a\x00\x09", "b", "\x09", "\xff", "", "k"}[r.rng.IntN(8)] + fmt.Sprint(r.rng.IntN(12))
}

func (r *modelRun) timeline() Timeline { return Timeline(1 + r.rng.IntN(len(r.m.rows))) }

func (r *modelRun) commit() {
	b := r.s.NewBatch()
	lsn := LSN(len(r.m.log) + 1)
	for range 1 + r.rng.IntN(4) {
		tl, k := r.timeline(), r.key()
		prev, _ := r.m.get(r.m.view(tl, Head), k)
		vs := r.m.rows[tl][k]
		if len(vs) > 0 && vs[len(vs)-1].lsn == lsn {
			continue // once a key and batch
		}
		value := ""
		if r.rng.IntN(4) > 0 {
			value = fmt.Sprintf("value%d.%s", lsn, bytes.Repeat([]byte("x"), r.rng.IntN(400)))
		}
		switch {
		case value == "" && prev.value == "":
			continue
		case value == "":
			require.NoError(r, b.DeleteRow(tl, 1, []byte(k), len(prev.value)))
		case prev.value == "":
			require.NoError(r, b.PutRow(tl, 1, []byte(k), []byte(value), wal.Insert, 0))
		default:
			require.NoError(r, b.PutRow(tl, 1, []byte(k), []byte(value), wal.Update, len(prev.value)))
		}
		r.m.rows[tl][k] = append(vs, modelVersion{lsn, value})
	}
	r.clock.Advance(time.Duration(r.rng.IntN(1500)-200) * time.Millisecond) // also backwards
	st, err := r.s.Commit(context.Background(), b, nil)
	require.NoError(r, err)
	require.Equal(r, lsn, st.LSN)
	if n := len(r.m.log); n > 0 {
		require.Greater(r, st.Timestamp, r.m.log[n-1].Timestamp)
		require.GreaterOrEqual(r, st.Time, r.m.log[n-1].Time)
	}
	r.m.log = append(r.m.log, st)
}

func (r *modelRun) fork() {
	parent := r.timeline()
	tl := Timeline(len(r.m.rows) + 1)
	r.m.rows[tl] = map[string][]modelVersion{}
	r.m.forks[tl] = Level{parent, LSN(r.rng.IntN(len(r.m.log) + 1))}
}

// read compares a random read.
func (r *modelRun) read() {
	lsn := Head
	if r.rng.IntN(2) == 0 {
		lsn = LSN(r.rng.IntN(len(r.m.log) + 2))
	}
	v := r.m.view(r.timeline(), lsn)
	if r.rng.IntN(3) == 0 {
		k := r.key()
		want, found := r.m.get(v, k)
		got, at, ok, err := r.s.Get(v, Rows(1), []byte(k))
		require.NoError(r, err)
		require.Equal(r, found && want.value != "", ok)
		require.Equal(r, want.lsn, at)
		require.Equal(r, want.value, string(got))
		return
	}
	o := IterOptions{Space: Rows(1), Reverse: r.rng.IntN(2) == 0, Tombstones: r.rng.IntN(3) == 0}
	if r.rng.IntN(3) == 0 {
		o.Lower = []byte(r.key())
	}
	if r.rng.IntN(3) == 0 {
		o.Upper = []byte(r.key())
	}
	if r.rng.IntN(3) == 0 {
		o.Since = LSN(r.rng.IntN(len(r.m.log) + 1))
	}
	require.Equal(r, r.m.scan(v, o), scan(r, r.s, v, o), "view %v, %+v", v, o)
	r.seek(v, o)
	r.count(v)
}

// seek jumps around and reads a few keys after each jump.
func (r *modelRun) seek(v []Level, o IterOptions) {
	it := r.s.NewIter(v, o)
	defer it.Close()
	for range 3 {
		k := r.key()
		lim := o
		if o.Reverse && (o.Upper == nil || k < string(o.Upper)) {
			lim.Upper = []byte(k)
		} else if !o.Reverse && k > string(o.Lower) {
			lim.Lower = []byte(k)
		}
		want := r.m.scan(v, lim)
		it.Seek([]byte(k))
		for i := range 3 {
			ok := it.Next()
			require.NoError(r, it.Err())
			require.Equal(r, i < len(want), ok, "seek %q, %+v", k, o)
			if !ok {
				break
			}
			require.Equal(r, want[i], fmt.Sprintf("%s=%s@%d", it.Key(), it.Value(), it.LSN()))
		}
	}
}

func (r *modelRun) count(v []Level) {
	rd := r.s.NewReader()
	defer rd.Close()
	n, size, err := rd.Count(v, 1)
	require.NoError(r, err)
	var wantN, wantSize int64
	for _, k := range r.m.keys() {
		if x, ok := r.m.get(v, k); ok && x.value != "" {
			wantN++
			wantSize += int64(len(x.value))
		}
	}
	require.Equal(r, wantN, n)
	require.Equal(r, wantSize, size)
}

// history compares all versions of a key, newest first.
func (r *modelRun) history() {
	v := r.m.view(r.timeline(), Head)
	k := r.key()
	var want, got []string
	for _, l := range v {
		vs := r.m.rows[l.Timeline][k]
		for i := len(vs) - 1; i >= 0; i-- {
			if vs[i].lsn <= l.LSN {
				want = append(want, fmt.Sprint(l.Timeline, vs[i]))
			}
		}
	}
	rd := r.s.NewReader()
	defer rd.Close()
	require.NoError(r, rd.Versions(v, Rows(1), []byte(k), func(x Version) bool {
		got = append(got, fmt.Sprint(x.Timeline, modelVersion{x.LSN, string(x.Value)}))
		return true
	}))
	require.Equal(r, want, got)
}

// logs compares the log and its searches.
func (r *modelRun) logs() {
	if len(r.m.log) == 0 {
		return
	}
	i := r.rng.IntN(len(r.m.log))
	st, err := r.s.AtTimestamp(r.m.log[i].Timestamp)
	require.NoError(r, err)
	require.Equal(r, r.m.log[i], st)
	for i+1 < len(r.m.log) && r.m.log[i+1].Time == r.m.log[i].Time {
		i++
	}
	st, err = r.s.AtTime(r.m.log[i].Wall())
	require.NoError(r, err)
	require.Equal(r, r.m.log[i], st)
	n := LSN(1)
	l := r.s.Log(1, Head, false)
	for ; l.Next(); n++ {
		require.Equal(r, r.m.log[n-1], l.Record().Stamp)
	}
	require.NoError(r, l.Err())
	require.NoError(r, l.Close())
	require.Equal(r, len(r.m.log)+1, int(n))
}

func (r *modelRun) fsck() {
	rep, err := r.s.Check(context.Background(), CheckOptions{Problem: func(p string) { r.Error(p) }})
	require.NoError(r, err)
	require.EqualValues(r, len(r.m.log), rep.Commits)
	require.Zero(r, rep.Problems)
}

// collect drops history and compares what must still be readable.
func (r *modelRun) collect() {
	horizon := LSN(1 + r.rng.IntN(len(r.m.log)))
	tag := Level{r.timeline(), LSN(1 + r.rng.IntN(len(r.m.log)))}
	release := r.s.Pin(r.m.view(tag.Timeline, tag.LSN))
	defer release()
	var dropped int64
	for tl := range r.m.rows {
		o := CollectOptions{Timeline: tl, Horizon: horizon}
		_, o.HasParent = r.m.forks[tl]
		for other := range r.m.rows {
			for _, l := range r.m.view(other, Head) {
				if l.Timeline == tl {
					o.Keep = append(o.Keep, l.LSN)
				}
			}
		}
		st, err := r.s.Collect(context.Background(), o)
		require.NoError(r, err)
		dropped += st.Dropped
	}
	require.Positive(r, dropped)
	o := IterOptions{Space: Rows(1)}
	v := r.m.view(tag.Timeline, tag.LSN)
	require.Equal(r, r.m.scan(v, o), scan(r, r.s, v, o), "the pinned view")
	for tl := range r.m.rows {
		for _, lsn := range []LSN{horizon, horizon + LSN(r.rng.IntN(20)), Head} {
			v := r.m.view(tl, lsn)
			o.Reverse = !o.Reverse
			require.Equal(r, r.m.scan(v, o), scan(r, r.s, v, o), "view %v, horizon %d", v, horizon)
			r.count(v)
		}
	}
}

func TestModel(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newModelRun(t)
			defer func() { require.NoError(t, r.s.Close()) }()
			for range 1500 {
				switch n := r.rng.IntN(100); {
				case n < 50:
					r.commit()
				case n < 52 && len(r.m.rows) < 12:
					r.fork()
				case n < 80:
					r.read()
				case n < 96:
					r.history()
				case n < 97:
					r.logs()
				case n < 98:
					require.NoError(t, r.s.db.Flush())
				case n < 99:
					require.NoError(t, r.s.db.Compact(context.Background(), []byte{'A', 0}, []byte{'Z', 0}, true))
				default:
					require.NoError(t, r.s.Close())
					r.open()
				}
			}
			r.fsck()
			r.collect()
			r.fsck()
		})
	}
}
