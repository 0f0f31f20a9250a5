// Package store keeps every version of every key. A key is (timeline, space,
// bytes); a version is (key, LSN). It reads through a list of timelines (a branch
// and its ancestors) at any LSN, commits batches atomically and durably in the
// order of their LSNs, keeps the log of commits beside the data, and collects
// versions that nobody can see. It knows keys and LSNs, not MongoDB's query
// language. Underneath is one Pebble database.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/wal"
)

// Options of a store. The zero value of every field but Dir works.
type Options struct {
	// Dir is the data directory; it is created when it is not there.
	Dir string
	// FS is the file system; the machine's when nil.
	FS vfs.FS
	// Clock gives commit times; the system's when nil.
	Clock clock.Clock
	// CacheBytes is the size of the block cache (default 256 MiB).
	CacheBytes int64
	// MemTableBytes is the size of one memtable (default 64 MiB); up to four
	// may be in memory.
	MemTableBytes uint64
	// ReadOnly opens without writing; Commit fails. fsck uses it.
	ReadOnly bool
	// Logger gets the engine's errors; slog's default when nil.
	Logger *slog.Logger
	// OnFatal is called once, from any goroutine, when the store can no longer
	// be written to (a failed fsync, a corrupt file): see Store.Err. A server
	// should end its process: a restart recovers every acknowledged commit. It must
	// not call the store.
	OnFatal func(error)
}

// Store is an open data directory. All methods are safe for concurrent use.
type Store struct {
	db    *pebble.DB
	opt   Options
	clock clock.Clock
	log   *slog.Logger

	watch  wal.Watch    // visible commits
	poison atomic.Value // poisoned
	closed atomic.Bool

	// mu orders commits: LSNs are assigned and batches enter the engine's log
	// under it.
	mu       sync.Mutex
	last     Stamp              // the newest assigned
	floor    wal.Timestamp      // timestamps given out must be greater (AdvanceTimestamp)
	tallies  map[tallyKey]Tally // as of last; a cache
	pressure pressure

	waiting atomic.Int32 // commits that wait for the disk

	ids     sync.Mutex
	nextID  uint64
	limitID uint64

	pins    pinSet
	readers readerPool
	touches touchCache
	folds   foldCache
}

// Errors of the store.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("store: closed")
	// ErrBatchTooLarge is returned when a batch would exceed 1 GiB.
	ErrBatchTooLarge = errors.New("store: a commit may have 1 GiB at most")
	// ErrReadOnly is returned by writes to a store that was opened read-only.
	ErrReadOnly = errors.New("store: opened read-only")
	// ErrPoisoned is wrapped by every error of a commit after a write failed.
	ErrPoisoned = errors.New("store: a write has failed, nothing more is written until a restart")
)

// The store's own records, in the system space.
const (
	sysFormat = "format" // the format version, uvarint
	sysIDs    = "ids"    // the end of the reserved block of ids, uvarint

	formatVersion = 1
)

// Open opens or creates the store in o.Dir and continues its log.
func Open(o Options) (*Store, error) {
	s := &Store{opt: o, clock: o.Clock, log: o.Logger, tallies: map[tallyKey]Tally{}, folds: foldCache{limits: defaultFold}}
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	db, err := openEngine(s, o)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", o.Dir, err)
	}
	s.db = db
	if err := s.recover(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store: open %s: %w", o.Dir, err)
	}
	return s, nil
}

// OpenMem opens an empty store in memory, for tests.
func OpenMem() (*Store, error) {
	return Open(Options{Dir: "mem", FS: vfs.NewMem(), CacheBytes: 8 << 20, MemTableBytes: 4 << 20})
}

// recover reads the format version, the reserved ids and the end of the log.
func (s *Store) recover() error {
	v, ok, err := s.getUvarint(sysFormat)
	if err != nil {
		return err
	}
	switch {
	case ok && v != formatVersion:
		return fmt.Errorf("the data directory has format %d, this version reads %d", v, formatVersion)
	case !ok && !s.opt.ReadOnly:
		if err := s.setUvarint(sysFormat, formatVersion); err != nil {
			return err
		}
	}
	if s.nextID, _, err = s.getUvarint(sysIDs); err != nil {
		return err
	}
	if s.nextID == 0 {
		s.nextID = 1
	}
	s.limitID = s.nextID
	last, err := s.lastLogged()
	if err != nil {
		return err
	}
	s.last = last
	if last.LSN != 0 {
		s.watch.Publish(last)
	}
	return nil
}

// Close waits for nothing: whoever commits or iterates must have finished. It
// flushes what is in memory.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	if err := s.Err(); err != nil {
		// The engine cannot be trusted to finish; what was acknowledged is on disk.
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readers.drain(true); err != nil {
		return err
	}
	if !s.opt.ReadOnly {
		if err := s.db.Flush(); err != nil {
			return err
		}
	}
	return s.db.Close()
}

type poisoned struct{ err error }

// Err returns why the store is poisoned; nil when it is not.
func (s *Store) Err() error {
	if p, ok := s.poison.Load().(poisoned); ok {
		return p.err
	}
	return nil
}

// fail poisons the store: no commit is acknowledged any more.
func (s *Store) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrPoisoned, err)
	if s.poison.CompareAndSwap(nil, poisoned{err}) {
		s.log.Error("store failed", "err", err)
		if s.opt.OnFatal != nil {
			s.opt.OnFatal(err)
		}
	}
	return s.Err()
}

func (s *Store) writable() error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.opt.ReadOnly:
		return ErrReadOnly
	}
	return s.Err()
}

// Visible returns the newest visible commit: everything up to it is durable and
// can be read. The zero stamp before the first commit.
func (s *Store) Visible() Stamp { return s.watch.Last() }

// Wait blocks until a commit after LSN after is visible and returns the newest.
func (s *Store) Wait(ctx context.Context, after LSN) (Stamp, error) { return s.watch.Wait(ctx, after) }

// NewID returns a number that was never returned before, also across restarts:
// for timelines and collections. Starts at 1.
func (s *Store) NewID() (uint64, error) {
	const block = 64
	if err := s.writable(); err != nil {
		return 0, err
	}
	s.ids.Lock()
	defer s.ids.Unlock()
	if s.nextID >= s.limitID {
		if err := s.setUvarint(sysIDs, s.nextID+block); err != nil {
			return 0, err
		}
		s.limitID = s.nextID + block
	}
	s.nextID++
	return s.nextID - 1, nil
}

func (s *Store) getUvarint(key string) (n uint64, ok bool, err error) {
	v, ok, err := s.getPlain(spaceSystem, []byte(key))
	if err != nil || !ok {
		return 0, false, err
	}
	n, k := binary.Uvarint(v)
	if k <= 0 {
		return 0, false, fmt.Errorf("system record %q is corrupt", key)
	}
	return n, true, nil
}

func (s *Store) setUvarint(key string, n uint64) error {
	k := plainKey(nil, spaceSystem, []byte(key))
	return s.setSync(k, binary.AppendUvarint(nil, n))
}

// Metrics returns the engine's metrics.
func (s *Store) Metrics() *pebble.Metrics { return s.db.Metrics() }
