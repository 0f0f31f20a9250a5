package store

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/stretchr/testify/require"

	"github.com/argon-db/argon/internal/wal"
)

func open(t testing.TB) *Store {
	s, err := OpenMem()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// put commits one row; an empty value deletes it.
func put(t testing.TB, s *Store, tl Timeline, key, value string) LSN {
	b := s.NewBatch()
	if value == "" {
		require.NoError(t, b.DeleteRow(tl, 1, []byte(key), 1))
	} else {
		require.NoError(t, b.PutRow(tl, 1, []byte(key), []byte(value), wal.Insert, 0))
	}
	st, err := s.Commit(context.Background(), b, nil)
	require.NoError(t, err)
	return st.LSN
}

func scan(t testing.TB, s *Store, v []Level, o IterOptions) (out []string) {
	if o.Space == (Space{}) {
		o.Space = Rows(1)
	}
	it := s.NewIter(v, o)
	for it.Next() {
		out = append(out, fmt.Sprintf("%s=%s@%d", it.Key(), it.Value(), it.LSN()))
	}
	require.NoError(t, it.Close())
	return out
}

func TestComparer(t *testing.T) {
	var prefixes [][]byte
	for _, tl := range []Timeline{1, 2, 239, 240, 1 << 40} {
		for _, k := range []string{"", "a", "a\x00", "a\xff", "b", "\x09"} {
			prefixes = append(prefixes, appendPrefix(nil, tl, Rows(3), []byte(k)))
		}
	}
	var suffixes [][]byte
	for _, l := range []LSN{1, 2, 255, 256, 1 << 33, Head - 1} {
		suffixes = append(suffixes, appendSuffix(nil, l))
	}
	// CheckComparer also tries the ends of prefixes; with the sentinel they are valid.
	require.NoError(t, pebble.CheckComparer(&cockroachkvs.Comparer, prefixes, suffixes))
}

// TestStoredNames pins what the engine stores in every data directory.
func TestStoredNames(t *testing.T) {
	require.Equal(t, "cockroach_comparator", cockroachkvs.Comparer.Name)
	require.Equal(t, "crdb1", cockroachkvs.KeySchema.Name)
	require.Equal(t, pebble.FormatNewest, engineFormat, "a newer format: raise engineFormat on purpose")
	s := open(t)
	require.Equal(t, engineFormat, s.db.FormatMajorVersion())
}

func TestVersionsAndBranches(t *testing.T) {
	s := open(t)
	a1 := put(t, s, 1, "a", "1")
	put(t, s, 1, "b", "1")
	fork := put(t, s, 1, "a\x00", "nul")
	put(t, s, 1, "c", "parent only, later")
	put(t, s, 1, "a", "2")
	put(t, s, 2, "b", "")
	put(t, s, 2, "d", "own")
	main, dev := []Level{{1, Head}}, []Level{{2, Head}, {1, fork}}

	require.Equal(t, []string{"a=2@5", "a\x00=nul@3", "b=1@2", "c=parent only, later@4"}, scan(t, s, main, IterOptions{}))
	require.Equal(t, []string{"a=1@1"}, scan(t, s, []Level{{1, a1}}, IterOptions{}))
	require.Equal(t, []string{"a=1@1", "a\x00=nul@3", "d=own@7"}, scan(t, s, dev, IterOptions{}))
	require.Equal(t, []string{"d=own@7", "a\x00=nul@3", "a=1@1"}, scan(t, s, dev, IterOptions{Reverse: true}))
	require.Equal(t, []string{"b=@6", "d=own@7"}, scan(t, s, dev[:1], IterOptions{Tombstones: true}))
	require.Equal(t, []string{"a=2@5", "c=parent only, later@4"}, scan(t, s, main, IterOptions{Since: fork}))
	require.Equal(t, []string{"a\x00=nul@3", "b=1@2"}, scan(t, s, main, IterOptions{Lower: []byte("a\x00"), Upper: []byte("c")}))

	v, at, ok, err := s.Get(dev, Rows(1), []byte("b"))
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, LSN(6), at)
	require.Empty(t, v)
	v, at, ok, err = s.Get(dev, Rows(1), []byte("a"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, a1, at)
	require.Equal(t, "1", string(v))

	r := s.NewReader()
	defer r.Close()
	n, size, err := r.Count(dev, 1)
	require.NoError(t, err)
	require.Equal(t, int64(3), n)
	require.Equal(t, int64(1+3+3), size)
}

// TestEntries: an index entry may be empty and is still there; its type bits come
// back as they went in; an index that only a child has built is the child's.
func TestEntries(t *testing.T) {
	s := open(t)
	put(t, s, 1, "k", "value")
	fork := put(t, s, 1, "l", "value")
	b := s.NewBatch()
	require.NoError(t, b.PutEntry(2, 1, 7, []byte("a"), nil))
	require.NoError(t, b.PutEntry(2, 1, 7, []byte("b"), []byte{5, 1}))
	require.NoError(t, b.PutEntry(2, 1, 8, []byte("other"), nil))
	st, err := s.Commit(context.Background(), b, nil)
	require.NoError(t, err)
	b = s.NewBatch()
	require.NoError(t, b.DeleteEntry(3, 1, 7, []byte("a")))
	_, err = s.Commit(context.Background(), b, nil)
	require.NoError(t, err)

	child := []Level{{2, Head}, {1, fork}}
	grandchild := []Level{{3, Head}, {2, st.LSN}, {1, fork}}
	seven := IterOptions{Space: Entries(1, 7)}
	require.Equal(t, []string{"a=@3", "b=\x05\x01@3"}, scan(t, s, child, seven))
	require.Equal(t, []string{"b=\x05\x01@3"}, scan(t, s, grandchild, seven))
	require.Empty(t, scan(t, s, child[1:], seven))
	bits, _, ok, err := s.Get(grandchild, Entries(1, 7), []byte("b"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []byte{5, 1}, bits)
	_, at, ok, err := s.Get(grandchild, Entries(1, 7), []byte("a"))
	require.NoError(t, err)
	require.False(t, ok)
	require.EqualValues(t, 4, at)
	fsck(t, s)
}
