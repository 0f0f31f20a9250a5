package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/wal"
)

func benchStore(b *testing.B) *Store {
	s, err := Open(Options{Dir: b.TempDir(), Logger: quiet()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func benchKey(i int) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x4c, 0, 0, 0, 0}, uint64(i))
}

// fill writes n rows of 300 bytes to a timeline, versions times each.
func fill(b *testing.B, s *Store, tl Timeline, n, versions int) {
	doc := make([]byte, 300)
	for v := range versions {
		for i := 0; i < n; {
			batch := s.NewBatch()
			for k := 0; k < 1000 && i < n; k++ {
				kind := wal.Update
				if v == 0 {
					kind = wal.Insert
				}
				binary.LittleEndian.PutUint64(doc, uint64(i*v))
				require.NoError(b, batch.PutRow(tl, 1, benchKey(i), doc, kind, 0))
				i++
			}
			_, err := s.Commit(context.Background(), batch, nil)
			require.NoError(b, err)
		}
	}
	require.NoError(b, s.db.Flush())
	require.NoError(b, s.db.Compact(context.Background(), []byte{'A', 0}, []byte{'Z', 0}, true))
}

// BenchmarkCommit: a row of 300 bytes, an index entry and the log record, synced.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := benchStore(b)
			doc := make([]byte, 300)
			var n atomic.Int64
			b.SetParallelism((writers + 1) / 2) // times two processors
			if writers == 1 {
				for i := 0; b.Loop(); i++ {
					commitOne(b, s, i, doc)
				}
				return
			}
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					commitOne(b, s, int(n.Add(1)), doc)
				}
			})
		})
	}
}

func commitOne(b *testing.B, s *Store, i int, doc []byte) {
	batch := s.NewBatch()
	key := benchKey(i)
	_ = batch.PutRow(1, 1, key, doc, wal.Insert, 0)
	_ = batch.PutEntry(1, 1, 1, append([]byte{0x2e, 1}, key...), nil)
	if _, err := s.Commit(context.Background(), batch, nil); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommitBatch: a thousand rows a commit; ns/op is of a row.
func BenchmarkCommitBatch(b *testing.B) {
	s := benchStore(b)
	doc := make([]byte, 300)
	for i := 0; i < b.N; {
		batch := s.NewBatch()
		for k := 0; k < 1000 && i < b.N; k++ {
			key := benchKey(i)
			_ = batch.PutRow(1, 1, key, doc, wal.Insert, 0)
			_ = batch.PutEntry(1, 1, 1, append([]byte{0x2e, 1}, key...), nil)
			i++
		}
		if _, err := s.Commit(context.Background(), batch, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// chain returns the view of a timeline with n ancestors, the oldest of which has
// the rows; the others have touched the collection when touched.
func chain(b *testing.B, s *Store, n int, touched bool) (v []Level) {
	for i := range n {
		tl := Timeline(1000 + n - i)
		if touched {
			batch := s.NewBatch()
			require.NoError(b, batch.PutRow(tl, 1, append([]byte{0x4d}, benchKey(i)...), []byte("value"), wal.Insert, 0))
			_, err := s.Commit(context.Background(), batch, nil)
			require.NoError(b, err)
		}
		v = append(v, Level{tl, Head})
	}
	v = append(v, Level{1, Head})
	for i := range v[1:] {
		v[i+1].LSN = s.Visible().LSN // ancestors do not change any more
	}
	return v
}

func BenchmarkGet(b *testing.B) {
	const rows = 200_000
	s := benchStore(b)
	fill(b, s, 1, rows, 1)
	get := func(b *testing.B, v []Level, one bool) {
		r := s.NewReader()
		defer r.Close()
		for b.Loop() {
			key := benchKey(rand.IntN(rows))
			var ok bool
			var err error
			if one {
				_, _, ok, err = r.Get(v, Rows(1), key)
			} else {
				_, _, ok, err = s.Get(v, Rows(1), key)
			}
			if err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	}
	b.Run("head", func(b *testing.B) { get(b, []Level{{1, Head}}, false) })
	b.Run("head/reader", func(b *testing.B) { get(b, []Level{{1, Head}}, true) })
	for _, n := range []int{1, 5, 20, 100} {
		b.Run(fmt.Sprintf("ancestors/%d", n), func(b *testing.B) { get(b, chain(b, s, n, true), false) })
	}
	b.Run("ancestors/100/untouched", func(b *testing.B) {
		v := chain(b, s, 100, false)
		for i := range v[:100] {
			v[i].Timeline += 1 << 20
		}
		get(b, v, false)
	})
	b.Run("old", func(b *testing.B) { // a random LSN of a key with many versions, which fit in the cache
		s := benchStore(b)
		fill(b, s, 1, 1000, 200)
		last := int(s.Visible().LSN)
		for b.Loop() {
			v := []Level{{1, LSN(1 + rand.IntN(last))}}
			if _, _, ok, err := s.Get(v, Rows(1), benchKey(rand.IntN(1000))); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	run := func(b *testing.B, s *Store, v []Level, rows int, reverse bool) {
		for b.Loop() {
			it := s.NewIter(v, IterOptions{Space: Rows(1), Reverse: reverse})
			n := 0
			for n < rows && it.Next() {
				_ = it.Value()
				n++
			}
			if err := it.Close(); err != nil || n != rows {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	}
	for _, versions := range []int{1, 10, 100} {
		rows := 100_000 / versions
		s := benchStore(b)
		fill(b, s, 1, rows, versions)
		v := []Level{{1, Head}}
		b.Run(fmt.Sprintf("versions/%d", versions), func(b *testing.B) { run(b, s, v, rows, false) })
		b.Run(fmt.Sprintf("versions/%d/reverse", versions), func(b *testing.B) { run(b, s, v, rows, true) })
		old := []Level{{1, (s.Visible().LSN + 1) / 2}}
		if versions > 1 {
			b.Run(fmt.Sprintf("versions/%d/old", versions), func(b *testing.B) { run(b, s, old, rows, false) })
			continue
		}
		for _, n := range []int{1, 5, 20, 100} {
			b.Run(fmt.Sprintf("ancestors/%d", n), func(b *testing.B) { run(b, s, chain(b, s, n, true), rows, false) })
			b.Run(fmt.Sprintf("ancestors/%d/first100", n), func(b *testing.B) { run(b, s, chain(b, s, n, true), 100, false) })
			b.Run(fmt.Sprintf("ancestors/%d/untouched/first100", n), func(b *testing.B) {
				v := chain(b, s, n, false)
				for i := range v[:n] {
					v[i].Timeline += 1 << 20
				}
				run(b, s, v, 100, false)
			})
		}
	}
}

func BenchmarkSince(b *testing.B) {
	s := benchStore(b)
	fill(b, s, 1, 200_000, 1)
	since := s.Visible().LSN
	batch := s.NewBatch()
	for range 1000 {
		_ = batch.PutRow(1, 1, benchKey(rand.IntN(200_000)), []byte("value"), wal.Update, 0)
	}
	_, err := s.Commit(context.Background(), batch, nil)
	require.NoError(b, err)
	for _, o := range []IterOptions{{Space: Rows(1), Since: since}, {Space: Rows(1)}} {
		b.Run(fmt.Sprintf("filter=%v", o.Since > 0), func(b *testing.B) {
			for b.Loop() {
				it := s.NewIter([]Level{{1, Head}}, o)
				n := 0
				for it.Next() {
					if it.LSN() > since {
						n++
					}
				}
				if err := it.Close(); err != nil || n < 900 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
