package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/wal"
)

// TestCheckIsAtomic: of many writers that all increment one key and refuse to
// commit over a newer version, none loses an update.
func TestCheckIsAtomic(t *testing.T) {
	s := open(t)
	const writers, each = 8, 25
	key, v := []byte("n"), []Level{{1, Head}}
	conflict := errors.New("conflict")
	var wg sync.WaitGroup
	for range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for done := 0; done < each; {
				old, at, ok, err := s.Get(v, Rows(1), key)
				if err != nil {
					t.Error(err)
					return
				}
				n := byte(0)
				if ok {
					n = old[5]
				}
				b := s.NewBatch()
				_ = b.PutRow(1, 1, key, []byte{'v', 'a', 'l', 'u', 'e', n + 1}, wal.Update, len(old))
				_, err = s.Commit(context.Background(), b, func(Stamp) error {
					if newest, err := s.LatestLSN(1, Rows(1), key); err != nil || newest != at {
						return errors.Join(conflict, err)
					}
					return nil
				})
				switch {
				case err == nil:
					done++
				case errors.Is(err, conflict):
					b.Close()
				default:
					t.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	got, _, _, err := s.Get(v, Rows(1), key)
	require.NoError(t, err)
	require.EqualValues(t, writers*each, got[5])
	require.EqualValues(t, writers*each, s.Visible().LSN) // a refused commit takes no LSN
	fsck(t, s)
}

func TestRefusedBatchCanBeCommitted(t *testing.T) {
	s := open(t)
	b := s.NewBatch()
	require.NoError(t, b.PutRow(1, 1, []byte("k"), []byte("value"), wal.Insert, 0))
	no := errors.New("no")
	_, err := s.Commit(context.Background(), b, func(st Stamp) error {
		require.EqualValues(t, 1, st.LSN)
		return no
	})
	require.ErrorIs(t, err, no)
	require.Zero(t, s.Visible())
	require.Empty(t, scan(t, s, []Level{{1, Head}}, IterOptions{}))
	st, err := s.Commit(context.Background(), b, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, st.LSN)
	require.Equal(t, []string{"k=value@1"}, scan(t, s, []Level{{1, Head}}, IterOptions{}))
	fsck(t, s)
}

// TestRestart: ids, times, timestamps and LSNs go on; control records and drops
// stay; a read-only store reads and does not write.
func TestRestart(t *testing.T) {
	fs, c := vfs.NewMem(), clock.NewManual(time.Unix(100, 0))
	o := Options{Dir: "d", FS: fs, Clock: c, MemTableBytes: 1 << 20}
	s, err := Open(o)
	require.NoError(t, err)
	ids := map[uint64]bool{}
	newID := func() {
		id, err := s.NewID()
		require.NoError(t, err)
		require.NotZero(t, id)
		require.False(t, ids[id])
		ids[id] = true
	}
	for range 100 {
		newID()
	}
	s.AdvanceTimestamp(wal.MakeTimestamp(500, 3))
	put(t, s, 1, "a", "value")
	require.Equal(t, Stamp{LSN: 1, Time: 100_000, Timestamp: wal.MakeTimestamp(500, 4)}, s.Visible())
	b := s.NewBatch()
	require.NoError(t, b.SetControl([]byte("k/1"), []byte("one")))
	require.NoError(t, b.SetControl([]byte("k/2"), []byte("two")))
	require.NoError(t, b.SetControl([]byte("l"), []byte("other")))
	require.NoError(t, s.CommitControl(context.Background(), b))
	require.EqualValues(t, 1, s.Visible().LSN)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), ErrClosed)
	_, _, _, err = s.Get([]Level{{1, Head}}, Rows(1), []byte("a"))
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.NewIter([]Level{{1, Head}}, IterOptions{Space: Rows(1)}).Close(), ErrClosed)

	c.Set(time.Unix(50, 0)) // the clock went back
	s, err = Open(o)
	require.NoError(t, err)
	newID()
	put(t, s, 1, "b", "value")
	require.Equal(t, Stamp{LSN: 2, Time: 100_000, Timestamp: wal.MakeTimestamp(500, 5)}, s.Visible())
	require.NoError(t, s.TrimLog(2))
	first, err := s.FirstLogged()
	require.NoError(t, err)
	require.EqualValues(t, 2, first.LSN)
	require.NoError(t, s.Close())

	o.ReadOnly = true
	s, err = Open(o)
	require.NoError(t, err)
	defer s.Close()
	fsck(t, s)
	require.Equal(t, []string{"a=value@1", "b=value@2"}, scan(t, s, []Level{{1, Head}}, IterOptions{}))
	var keys []string
	require.NoError(t, s.ScanControl([]byte("k/"), func(k, v []byte) error {
		keys = append(keys, string(k)+"="+string(v))
		return nil
	}))
	require.Equal(t, []string{"k/1=one", "k/2=two"}, keys)
	_, err = s.Commit(context.Background(), s.NewBatch(), nil)
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = Open(Options{Dir: "nowhere", FS: fs, ReadOnly: true})
	require.Error(t, err)
}

// TestReaderIsStable: a reader and an iterator see what was visible when they were
// made, whatever comes later, and Wait wakes for it.
func TestReaderIsStable(t *testing.T) {
	s := open(t)
	put(t, s, 1, "a", "old")
	v := []Level{{1, Head}}
	r, it := s.NewReader(), s.NewIter(v, IterOptions{Space: Rows(1)})
	defer it.Close()
	defer r.Close()
	woken := make(chan Stamp)
	go func() {
		st, _ := s.Wait(context.Background(), 1)
		woken <- st
	}()
	put(t, s, 1, "a", "new")
	put(t, s, 1, "b", "new")
	require.GreaterOrEqual(t, (<-woken).LSN, LSN(2))
	got, _, ok, err := r.Get(v, Rows(1), []byte("a"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "old", string(got))
	require.True(t, it.Next())
	require.Equal(t, "old", string(it.Value()))
	require.False(t, it.Next())
	require.NoError(t, r.Refresh())
	_, at, _, err := r.Get(v, Rows(1), []byte("b"))
	require.NoError(t, err)
	require.EqualValues(t, 3, at)
	rec, ok, err := s.RecordOf(3)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []wal.Op{{Timeline: 1, Collection: 1, Kind: wal.Insert, Key: []byte("b")}}, rec.Ops)
}

// TestLargeBatch commits more than a memtable holds, which the engine treats in a
// way of its own, among small commits, and restarts.
func TestLargeBatch(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{Dir: "d", FS: fs, MemTableBytes: 64 << 10}
	s, err := Open(o)
	require.NoError(t, err)
	const rows = 3000
	for round := range 3 {
		put(t, s, 1, "small", "value")
		b := s.NewBatch()
		for i := range rows {
			require.NoError(t, b.PutRow(1, 1, benchKey(i), fmt.Appendf(nil, "value %d %0300d", round, i), wal.Update, 0))
		}
		st, err := s.Commit(context.Background(), b, nil)
		require.NoError(t, err)
		it := s.NewIter([]Level{{1, Head}}, IterOptions{Space: Rows(1), Upper: []byte("s")})
		n := 0
		for ; it.Next(); n++ {
			require.Equal(t, st.LSN, it.LSN())
			require.Equal(t, fmt.Sprintf("value %d %0300d", round, n), string(it.Value()))
		}
		require.NoError(t, it.Close())
		require.Equal(t, rows, n)
		fsck(t, s)
		if round == 1 {
			require.NoError(t, s.Close())
			s, err = Open(o)
			require.NoError(t, err)
			fsck(t, s)
		}
	}
	require.NoError(t, s.Close())
}
