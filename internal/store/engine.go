package store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// engineFormat is the format of Pebble's files: named, so that a new version of the
// library does not raise it unseen, because an upgrade cannot be undone. Pebble's
// default is an old one that loses synced data without a word when a bit flips in
// its log.
const engineFormat = pebble.FormatValueSeparation

// openEngine opens Pebble with the options that its users found the hard way:
// the comparer and key schema of versioned keys, bloom filters over prefixes on
// every level, a block property over LSNs, and room in L0 before writes stop.
func openEngine(s *Store, o Options) (*pebble.DB, error) {
	cacheBytes := o.CacheBytes
	if cacheBytes == 0 {
		cacheBytes = 256 << 20
	}
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	mem := o.MemTableBytes
	if mem == 0 {
		mem = 64 << 20
	}
	po := &pebble.Options{
		Cache:                       cache,
		Comparer:                    &cockroachkvs.Comparer,
		KeySchema:                   cockroachkvs.KeySchema.Name,
		KeySchemas:                  sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
		BlockPropertyCollectors:     cockroachkvs.BlockPropertyCollectors,
		FormatMajorVersion:          engineFormat,
		FS:                          o.FS,
		ReadOnly:                    o.ReadOnly,
		ErrorIfNotExists:            o.ReadOnly,
		MemTableSize:                mem,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                4096,
		Logger:                      engineLogger{s},
	}
	po.WALMinSyncInterval = s.syncInterval
	po.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		po.Levels[i].FilterType = pebble.TableFilter
		po.Levels[i].BlockSize = 16 << 10
		po.Levels[i].IndexBlockSize = 64 << 10
		po.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	po.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { s.log.Error("storage engine", "err", err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			_ = s.fail(fmt.Errorf("corrupt file %s: %w", i.Path, i.Details))
		},
	}
	return pebble.Open(o.Dir, po)
}

// engineLogger passes the engine's errors on. Its Fatalf must not return where
// the engine would go on with a lost write, and must not end the process of a
// test: it poisons the store and parks the engine's goroutine for good. (Where the
// engine panics with its mutex in hand, as when it cannot begin a new log file, the
// process ends whatever we do; a restart finds every acknowledged commit.)
type engineLogger struct{ s *Store }

// Infof drops the engine's chatter.
func (l engineLogger) Infof(format string, args ...any) {
	if l.s.log.Enabled(context.Background(), slog.LevelDebug) {
		l.s.log.Debug(fmt.Sprintf(format, args...))
	}
}

// Errorf logs.
func (l engineLogger) Errorf(format string, args ...any) {
	l.s.log.Error(fmt.Sprintf(format, args...))
}

// Fatalf poisons the store.
func (l engineLogger) Fatalf(format string, args ...any) {
	_ = l.s.fail(fmt.Errorf(format, args...))
	if strings.HasPrefix(format, "pebble: fatal commit error") {
		return // raised last thing in the commit, which looks at the poison itself
	}
	select {}
}

// syncInterval is how long the log waits from one sync to the next: nothing for
// few writers, so that none waits for company that does not come, and up to half a
// millisecond for many, who share a sync then. With 64 writers it takes an eighth
// of the server's time for a commit away (bench, insert-64).
func (s *Store) syncInterval() time.Duration {
	w := s.waiting.Load()
	if w < 8 {
		return 0
	}
	return time.Duration(min(w, 64)) * 8 * time.Microsecond
}
