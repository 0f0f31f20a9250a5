package txn

import (
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/wal"
)

func body() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Binary("b", 0, make([]byte, 280))
	return b.Done()
}

// openBench opens a store with the sizes that the server uses.
func openBench(b *testing.B) *Manager {
	s, err := store.Open(store.Options{Dir: "mem", FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return NewManager(s, Config{})
}

// BenchmarkInsert is an autocommit insert of one document by 64 clients, on a
// file system in memory: what remains is CPU. BenchmarkStoreCommit is its floor.
func BenchmarkInsert(b *testing.B) {
	m := openBench(b)
	d := body()
	var n atomic.Uint64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tx := m.Begin(Options{})
			v := tx.View(head(1), true)
			if err := v.Insert(ctx, 1, binary.BigEndian.AppendUint64(nil, n.Add(1)), d); err != nil {
				b.Error(err)
			}
			if _, err := tx.Commit(ctx, CommitInfo{}); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkStoreCommit(b *testing.B) {
	m := openBench(b)
	d := body()
	var n atomic.Uint64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			batch := m.store.NewBatch()
			if err := batch.PutRow(1, 1, binary.BigEndian.AppendUint64(nil, n.Add(1)), d, wal.Insert, 0); err != nil {
				b.Error(err)
			}
			if _, err := m.store.Commit(ctx, batch, nil); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkInsertBatch inserts 1,000 documents in one statement.
func BenchmarkInsertBatch(b *testing.B) {
	m := openBench(b)
	d := body()
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		tx := m.Begin(Options{})
		v := tx.View(head(1), true)
		for range 1000 {
			n++
			if err := v.Insert(ctx, 1, binary.BigEndian.AppendUint64(nil, n), d); err != nil {
				b.Fatal(err)
			}
		}
		commit(b, tx)
	}
}

func BenchmarkGet(b *testing.B) {
	m := openBench(b)
	insert(b, m, 1, 1, "a", 1)
	key := id("a")
	b.ReportAllocs()
	for b.Loop() {
		tx := m.Begin(Options{})
		if d, err := tx.View(head(1), false).Get(ctx, 1, key); err != nil || d == nil {
			b.Fatal(err)
		}
		tx.Abort()
	}
}
