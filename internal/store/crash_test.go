package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/wal"
	"github.com/argon-db/argon/test/seed"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// writeNumbered commits n rows of writer w, beginning with from, and counts what
// was acknowledged. Each commit also moves the writer's control record.
func writeNumbered(s *Store, w, from, n int, acked *atomic.Int64) error {
	for i := from; i < from+n; i++ {
		b := s.NewBatch()
		key := binary.BigEndian.AppendUint32([]byte{byte(w)}, uint32(i))
		if err := b.PutRow(1, 1, key, fmt.Appendf(nil, "value %d of %d, %0*d", i, w, i%700, 0), wal.Insert, 0); err != nil {
			return err
		}
		if err := b.PutEntry(1, 1, 1, append([]byte("e"), key...), nil); err != nil {
			return err
		}
		if err := b.SetControl([]byte{'w', byte(w)}, binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
			return err
		}
		if _, err := s.Commit(context.Background(), b, nil); err != nil {
			b.Close()
			return err
		}
		acked.Store(int64(i + 1))
	}
	return nil
}

// checkNumbered verifies that a writer's rows are 0 … n-1 with n at least acked,
// that entries and the control record agree, and that fsck finds nothing.
func checkNumbered(t *testing.T, s *Store, w int, acked int64) int {
	var lower = []byte{byte(w)}
	v := []Level{{1, Head}}
	it := s.NewIter(v, IterOptions{Space: Rows(1), Lower: lower, Upper: []byte{byte(w + 1)}})
	n := 0
	for ; it.Next(); n++ {
		require.Equal(t, binary.BigEndian.AppendUint32([]byte{byte(w)}, uint32(n)), it.Key())
		_, at, ok, err := s.Get(v, Entries(1, 1), append([]byte("e"), it.Key()...))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, it.LSN(), at)
	}
	require.NoError(t, it.Close())
	require.GreaterOrEqual(t, int64(n), acked, "an acknowledged commit is lost")
	c, ok, err := s.GetControl([]byte{'w', byte(w)})
	require.NoError(t, err)
	require.Equal(t, n > 0, ok)
	if ok {
		require.EqualValues(t, n-1, binary.BigEndian.Uint32(c))
	}
	return n
}

func fsck(t *testing.T, s *Store) {
	rep, err := s.Check(context.Background(), CheckOptions{Problem: func(p string) { t.Error(p) }})
	require.NoError(t, err)
	require.Zero(t, rep.Problems)
}

// TestCrash copies the file system as a power loss would leave it at random
// moments while four writers commit, and opens every copy. Some copies go on and
// are crashed again.
func TestCrash(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.Of(t), 7))
	const writers, rounds, crashes = 4, 12, 10
	for range rounds {
		fs := vfs.NewCrashableMem()
		s, err := Open(Options{Dir: "d", FS: fs, MemTableBytes: 32 << 10, CacheBytes: 1 << 20, Logger: quiet()})
		require.NoError(t, err)
		var acked [writers]atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := writeNumbered(s, w, 0, 150, &acked[w]); err != nil {
					t.Error(err)
				}
			}()
		}
		for range crashes {
			for k := acked[0].Load(); acked[0].Load() < min(150, k+int64(rng.IntN(20))); {
				_ = os.Getpid() // let the writers go on
			}
			var was [writers]int64
			for w := range writers {
				was[w] = acked[w].Load()
			}
			clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			reopen(t, clone, was[:], rng)
		}
		wg.Wait()
		require.NoError(t, s.Close())
	}
}

// reopen checks a crashed copy, writes to it, crashes it and checks it again.
func reopen(t *testing.T, fs *vfs.MemFS, acked []int64, rng *rand.Rand) {
	for again := range 2 {
		s, err := Open(Options{Dir: "d", FS: fs, MemTableBytes: 32 << 10, CacheBytes: 1 << 20, Logger: quiet()})
		require.NoError(t, err)
		fsck(t, s)
		last := s.Visible()
		for w := range acked {
			n := checkNumbered(t, s, w, acked[w])
			acked[w] = int64(n)
			if again == 0 {
				var a atomic.Int64
				require.NoError(t, writeNumbered(s, w, n, 3, &a))
				acked[w] = a.Load()
			}
		}
		if again == 0 {
			require.Equal(t, last.LSN+LSN(3*len(acked)), s.Visible().LSN)
			require.Greater(t, s.Visible().Timestamp, last.Timestamp)
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		require.NoError(t, s.Close())
		fs = clone
	}
}

// TestWriteErrors lets writes or syncs of the log fail from some moment on: the
// commit must fail, no later one may succeed, and what was acknowledged is there
// after a restart. The memtable is large enough never to be rotated: when the engine
// cannot begin a new log file it ends the process, which is as safe but no test.
func TestWriteErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.Of(t), 9))
	for _, kind := range []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileWrite} {
		for range 6 {
			var broken atomic.Bool
			mem := vfs.NewCrashableMem()
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
				isSync := kind == errorfs.OpFileSync || kind == errorfs.OpFileSyncData
				if broken.Load() && (op.Kind == kind || sync && isSync) {
					return errorfs.ErrInjected
				}
				return nil
			}))
			fatal := make(chan error, 1)
			s, err := Open(Options{
				Dir: "d", FS: fs, MemTableBytes: 4 << 20, Logger: quiet(),
				OnFatal: func(err error) { fatal <- err },
			})
			require.NoError(t, err)
			var acked atomic.Int64
			require.NoError(t, writeNumbered(s, 0, 0, rng.IntN(100), &acked))
			broken.Store(true)
			err = writeNumbered(s, 0, int(acked.Load()), 1000, &acked)
			require.ErrorIs(t, err, ErrPoisoned)
			require.ErrorIs(t, <-fatal, ErrPoisoned)
			broken.Store(false)
			b := s.NewBatch()
			_, err = s.Commit(context.Background(), b, nil)
			require.ErrorIs(t, err, ErrPoisoned)
			b.Close()
			require.ErrorIs(t, s.Close(), ErrPoisoned)
			again, err := Open(Options{Dir: "d", FS: mem.CrashClone(vfs.CrashCloneCfg{}), Logger: quiet()})
			require.NoError(t, err)
			fsck(t, again)
			checkNumbered(t, again, 0, acked.Load())
			require.NoError(t, again.Close())
		}
	}
}
