package branch

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// tracker knows how many commits each timeline has and which is its newest. It
// reads the log when it is asked, each record once. Before the log is trimmed what
// it knows is kept in control records:
//
//	branch/a timeline-id   a timeline's activity
//	branch/u               the LSN up to which these are
type tracker struct {
	store *store.Store
	mu    sync.Mutex
	upTo  LSN
	m     map[Timeline]*activity
}

// activity is what a timeline's own commits did.
type activity struct {
	first, last LSN
	old         LSN // the newest commit that the log no longer has
	commits     int64
	collections []txn.CollectionID
}

func (t *tracker) update() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updateLocked()
}

func (t *tracker) updateLocked() error {
	if t.m == nil {
		if err := t.load(); err != nil {
			return err
		}
	}
	it := t.store.Log(t.upTo+1, head-1, false)
	defer it.Close()
	for it.Next() {
		rec := it.Record()
		for i := range rec.Ops {
			op := &rec.Ops[i]
			a := t.m[op.Timeline]
			if a == nil {
				a = &activity{first: rec.LSN}
				t.m[op.Timeline] = a
			}
			if a.last != rec.LSN {
				a.last = rec.LSN
				a.commits++
			}
			if n := len(a.collections); op.Collection != 0 && (n == 0 || a.collections[n-1] != op.Collection) && !slices.Contains(a.collections, op.Collection) {
				a.collections = append(a.collections, op.Collection)
			}
		}
		t.upTo = rec.LSN
	}
	return it.Err()
}

// of returns a timeline's activity as of the last update.
func (t *tracker) of(tl Timeline) activity {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.m[tl]; a != nil {
		return *a
	}
	return activity{}
}

// last returns the newest commit of a timeline, 0 if there is none or the log
// cannot be read.
func (t *tracker) last(tl Timeline) LSN {
	if t.update() != nil {
		return 0
	}
	return t.of(tl).last
}

// forget drops collections that are no longer stored.
func (t *tracker) forget(tl Timeline, gone []txn.CollectionID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.m[tl]; a != nil {
		keep := make([]txn.CollectionID, 0, len(a.collections))
		for _, c := range a.collections {
			if !slices.Contains(gone, c) {
				keep = append(keep, c)
			}
		}
		a.collections = keep // a copy: of hands the old one out
	}
}

const (
	keyActivity = "branch/a"
	keyUpTo     = "branch/u"
)

func (a *activity) encode() []byte {
	b := bsonx.NewDoc(nil)
	b.Int64("first", int64(a.first))
	b.Int64("last", int64(a.last))
	b.Int64("old", int64(a.old))
	b.Int64("commits", a.commits)
	at := b.OpenArray("collections")
	for i, c := range a.collections {
		b.Int64(bsonx.Index(i), int64(c))
	}
	b.Close(at)
	return b.Done()
}

// load reads what was kept.
func (t *tracker) load() error {
	m := map[Timeline]*activity{}
	err := t.store.ScanControl([]byte(keyActivity), func(k, v []byte) error {
		if len(k) != len(keyActivity)+8 {
			return damaged(k)
		}
		f := fields{v}
		a := &activity{first: LSN(f.num("first")), last: LSN(f.num("last")), old: LSN(f.num("old")), commits: f.num("commits")}
		for it := bsonx.NewIter(bsonx.Lookup(v, "collections").Data); it.Next(); {
			n, _ := it.Value().Int64OK()
			a.collections = append(a.collections, txn.CollectionID(n))
		}
		m[Timeline(binary.BigEndian.Uint64(k[len(keyActivity):]))] = a
		return nil
	})
	if err == nil {
		err = t.store.ScanControl([]byte(keyUpTo), func(_, v []byte) error { t.upTo = LSN(fields{v}.num("upTo")); return nil })
	}
	if err == nil {
		t.m = m
	}
	return err
}

// trim returns the records to keep before the log is trimmed to an LSN; live says
// which timelines are still there.
func (t *tracker) trim(before LSN, live func(Timeline) bool) ([]kv, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.updateLocked(); err != nil {
		return nil, err
	}
	it := t.store.Log(1, min(before, t.upTo+1)-1, false)
	defer it.Close()
	for it.Next() {
		rec := it.Record()
		for i := range rec.Ops {
			if a := t.m[rec.Ops[i].Timeline]; a != nil {
				a.old = rec.LSN
			}
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	b := bsonx.NewDoc(nil)
	b.Int64("upTo", int64(t.upTo))
	out := []kv{{[]byte(keyUpTo), b.Done()}}
	for tl, a := range t.m {
		key := binary.BigEndian.AppendUint64([]byte(keyActivity), uint64(tl))
		if live(tl) {
			out = append(out, kv{key, a.encode()})
			continue
		}
		out = append(out, kv{key, nil})
		delete(t.m, tl)
	}
	return out, nil
}

// before returns a timeline's newest commit at or below an LSN; 0 when there is
// none. It needs an update before.
func (t *tracker) before(tl Timeline, lsn LSN) (LSN, error) {
	a := t.of(tl)
	switch {
	case a.last <= lsn:
		return a.last, nil
	case a.first > lsn:
		return 0, nil
	}
	it := t.store.Log(1, lsn, true)
	defer it.Close()
	for it.Next() {
		rec := it.Record()
		if rec.LSN <= a.old {
			break
		}
		for i := range rec.Ops {
			if rec.Ops[i].Timeline == tl {
				return rec.LSN, nil
			}
		}
	}
	if a.old <= lsn {
		return a.old, it.Err()
	}
	return lsn, it.Err() // in what the log no longer has
}
