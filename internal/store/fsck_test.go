package store

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/wal"
)

// TestCheckFinds breaks one invariant after another behind the store's back.
func TestCheckFinds(t *testing.T) {
	row := func(key string, lsn LSN) []byte {
		return appendSuffix(appendPrefix(nil, 1, Rows(1), []byte(key)), lsn)
	}
	for _, c := range []struct {
		name, want string
		do         func(db *pebble.DB) error
	}{
		{"row lost", "not those that the log names", func(db *pebble.DB) error { return db.Delete(row("a", 2), nil) }},
		{"row invented", "not those that the log names", func(db *pebble.DB) error { return db.Set(row("zz", 2), []byte("value"), nil) }},
		{"tombstone revived", "not those that the log names", func(db *pebble.DB) error { return db.Set(row("b", 4), []byte("value"), nil) }},
		{"row of the future", "the log ends at 5", func(db *pebble.DB) error { return db.Set(row("a", 99), []byte("value"), nil) }},
		{"log gap", "no records between LSN 2 and 4", func(db *pebble.DB) error { return db.Delete(logKey(nil, 3), nil) }},
		{"log record cut", "log record 3", func(db *pebble.DB) error { return db.Set(logKey(nil, 3), []byte{1, 0}, nil) }},
		{"key of no space", "does not parse", func(db *pebble.DB) error { return db.Set([]byte{'Z', 0}, nil, nil) }},
		{"catalog without log", "without a DDL", func(db *pebble.DB) error {
			return db.Set(appendSuffix(appendPrefix(nil, 1, Meta(), []byte("m")), 2), []byte("x"), nil)
		}},
		{"tally cut", "tally has 1 bytes", func(db *pebble.DB) error {
			return db.Set(appendSuffix(appendPrefix(nil, 1, Space{kind: spaceTally, coll: 1}, nil), 2), []byte("x"), nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			for _, kv := range [][2]string{{"b", "value"}, {"a", "value"}, {"c", "value"}, {"b", ""}} {
				put(t, s, 1, kv[0], kv[1])
			}
			b := s.NewBatch()
			require.NoError(t, b.PutMeta(1, []byte("coll"), []byte("options")))
			b.LogDDL(1, 2, []byte("create"))
			_, err := s.Commit(context.Background(), b, nil)
			require.NoError(t, err)
			fsck(t, s)
			require.NoError(t, c.do(s.db))
			var found []string
			rep, err := s.Check(context.Background(), CheckOptions{Problem: func(p string) { found = append(found, p) }})
			if err != nil {
				found = append(found, err.Error())
			} else {
				require.Positive(t, rep.Problems)
			}
			require.Contains(t, strings.Join(found, "\n"), c.want)
		})
	}
}

type letters struct{}

func (letters) Entries(id, doc []byte, emit func(IndexID, []byte)) error {
	emit(1, append([]byte{doc[0]}, id...))
	return nil
}

func TestCheckIndexes(t *testing.T) {
	s := open(t)
	commit := func(f func(b *Batch) error) {
		b := s.NewBatch()
		require.NoError(t, f(b))
		_, err := s.Commit(context.Background(), b, nil)
		require.NoError(t, err)
	}
	check := func() (out []string) {
		_, _, err := s.CheckIndexes(context.Background(), []Level{{1, Head}}, 1, []IndexID{1}, letters{}, func(p string) { out = append(out, p) })
		require.NoError(t, err)
		return out
	}
	commit(func(b *Batch) error {
		_ = b.PutEntry(1, 1, 1, []byte("vk"), nil)
		return b.PutRow(1, 1, []byte("k"), []byte("value"), wal.Insert, 0)
	})
	require.Empty(t, check())
	commit(func(b *Batch) error { return b.PutEntry(1, 1, 1, []byte("wk"), nil) })
	require.Len(t, check(), 1)
	commit(func(b *Batch) error {
		_ = b.DeleteEntry(1, 1, 1, []byte("vk"))
		return b.DeleteEntry(1, 1, 1, []byte("wk"))
	})
	require.Len(t, check(), 1)
}

// TestDrop drops a collection and a timeline; nothing of theirs is left, others
// stay, and fsck knows why the log names rows that are gone.
func TestDrop(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	b := s.NewBatch()
	for tl := Timeline(1); tl <= 300; tl += 239 {
		for c := CollectionID(1); c < 3; c++ {
			require.NoError(t, b.PutRow(tl, c, []byte("k"), []byte("value"), wal.Insert, 0))
			require.NoError(t, b.PutEntry(tl, c, 1, []byte("e"), nil))
		}
	}
	_, err := s.Commit(ctx, b, nil)
	require.NoError(t, err)
	b = s.NewBatch()
	require.NoError(t, b.DropCollection(1, 2))
	require.NoError(t, b.DropTimeline(240))
	require.NoError(t, s.CommitControl(ctx, b))
	fsck(t, s)
	for _, c := range []struct {
		tl   Timeline
		coll CollectionID
		want int
	}{{1, 1, 1}, {1, 2, 0}, {240, 1, 0}, {240, 2, 0}} {
		v := []Level{{c.tl, Head}}
		require.Len(t, scan(t, s, v, IterOptions{Space: Rows(c.coll)}), c.want)
		require.Len(t, scan(t, s, v, IterOptions{Space: Entries(c.coll, 1)}), c.want)
		r := s.NewReader()
		n, _, err := r.Count(v, c.coll)
		require.NoError(t, err)
		require.EqualValues(t, c.want, n)
		require.NoError(t, r.Close())
	}
}
