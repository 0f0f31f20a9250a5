package wal

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func genRecord() *rapid.Generator[Record] {
	text := rapid.StringN(0, 12, -1)
	raw := rapid.SliceOfN(rapid.Byte(), 1, 12)
	return rapid.Custom(func(t *rapid.T) Record {
		r := Record{Txn: rapid.Bool().Draw(t, "txn")}
		r.LSN = LSN(rapid.Uint64Min(1).Draw(t, "lsn"))
		r.Time = rapid.Int64().Draw(t, "time")
		r.Timestamp = Timestamp(rapid.Uint64().Draw(t, "ts"))
		if rapid.Bool().Draw(t, "actor") {
			r.Actor = Actor{text.Draw(t, "user"), text.Draw(t, "app"), text.Draw(t, "client")}
		}
		if rapid.Bool().Draw(t, "comment") {
			r.Comment = raw.Draw(t, "c")
		}
		if rapid.Bool().Draw(t, "session") {
			r.Session = SessionInfo{raw.Draw(t, "id"), rapid.Int64().Draw(t, "n"), raw.Draw(t, "o")}
		}
		for range rapid.IntRange(0, 5).Draw(t, "ops") {
			r.Ops = append(r.Ops, Op{
				Timeline:   Timeline(rapid.Uint64Range(0, 300).Draw(t, "tl")),
				Collection: CollectionID(rapid.SampledFrom([]uint64{0, 1, 1 << 60}).Draw(t, "coll")),
				Kind:       Kind(rapid.IntRange(1, 5).Draw(t, "kind")),
				Key:        raw.Draw(t, "key"),
			})
			if op := &r.Ops[len(r.Ops)-1]; op.Kind == Update && rapid.Bool().Draw(t, "whole") {
				op.Whole = raw.Draw(t, "paths")
			}
		}
		return r
	})
}

func TestRecordRoundTrip(t *testing.T) {
	var got Record // used again, as an iterator does
	rapid.Check(t, func(t *rapid.T) {
		want := genRecord().Draw(t, "record")
		enc := want.Append(nil)
		if err := got.Decode(want.LSN, enc); err != nil {
			t.Fatal(err)
		}
		if len(got.Ops) == 0 {
			got.Ops = nil
		}
		require.Equal(t, want, got)
		for i := range enc { // no prefix is a record
			if err := new(Record).Decode(1, enc[:i]); err == nil {
				t.Fatalf("decoded %d of %d bytes", i, len(enc))
			}
		}
		if err := new(Record).Decode(1, append(enc, 0)); err == nil {
			t.Fatal("decoded a record with a byte too many")
		}
		next := want.Stamp.After(want.Time + 5)
		SetStamp(enc, next)
		st, err := DecodeStamp(next.LSN, enc)
		require.NoError(t, err)
		require.Equal(t, next, st)
	})
}

func FuzzDecode(f *testing.F) {
	r := Record{Actor: Actor{User: "u"}, Ops: []Op{{1, 2, Insert, []byte("k"), nil}, {1, 2, Update, []byte("l"), []byte("a.b")}}}
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if r.Decode(1, b) != nil {
			return
		}
		var again Record
		if err := again.Decode(1, r.Append(nil)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStamps(t *testing.T) {
	s := Stamp{}.After(5000)
	require.Equal(t, Stamp{1, 5000, MakeTimestamp(5, 1)}, s)
	s = s.After(5999)
	require.Equal(t, Stamp{2, 5999, MakeTimestamp(5, 2)}, s)
	s = s.After(1000) // the clock went back
	require.Equal(t, Stamp{3, 5999, MakeTimestamp(5, 3)}, s)
	s.Timestamp = MakeTimestamp(9, 7) // a client's cluster time was ahead
	s = s.After(7000)
	require.Equal(t, Stamp{4, 7000, MakeTimestamp(9, 8)}, s)
	require.Equal(t, MakeTimestamp(10, 1), s.After(10_000).Timestamp)
}

func TestWatch(t *testing.T) {
	var w Watch
	ctx, cancel := context.WithCancel(context.Background())
	const waiters, commits = 200, 100
	var wg sync.WaitGroup
	for range waiters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for at := LSN(0); at < commits; {
				s, err := w.Wait(ctx, at)
				if err != nil || s.LSN <= at {
					t.Errorf("%v after %d: %v", s, at, err)
					return
				}
				at = s.LSN
			}
		}()
	}
	for i := LSN(1); i <= commits; i++ {
		w.Publish(Stamp{LSN: i})
		w.Publish(Stamp{LSN: i - 1}) // late: changes nothing
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Wait()
	require.Equal(t, LSN(commits), w.Last().LSN)
	failed := make(chan error)
	go func() {
		_, err := w.Wait(ctx, commits)
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func TestKinds(t *testing.T) {
	require.Equal(t, "replace", Replace.String())
	require.Equal(t, "kind(9)", Kind(9).String())
	require.False(t, bytes.Equal((&Record{}).Append(nil), (&Record{Txn: true}).Append(nil)))
}
