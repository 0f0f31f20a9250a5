package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
)

var ctx = context.Background()

func open(t testing.TB) *Manager {
	t.Helper()
	s, err := store.OpenMem()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return NewManager(s, Config{})
}

func head(tl Timeline) []Level { return []Level{{Timeline: tl, LSN: store.Head}} }

func doc(n int32) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("n", n)
	return b.Done()
}

func num(d bsonx.Doc) int {
	if d == nil {
		return -1
	}
	return int(bsonx.I32(bsonx.Lookup(d, "n")))
}

func id(s string) []byte { return []byte(s) }

func commit(t testing.TB, tx *Txn) Stamp {
	t.Helper()
	st, err := tx.Commit(ctx, CommitInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func insert(t testing.TB, m *Manager, tl Timeline, coll CollectionID, key string, n int32) Stamp {
	t.Helper()
	tx := m.Begin(Options{})
	if err := tx.View(head(tl), true).Insert(ctx, coll, id(key), doc(n)); err != nil {
		t.Fatal(err)
	}
	return commit(t, tx)
}

func scan(t testing.TB, it *Iter) string {
	t.Helper()
	out := ""
	for it.Next() {
		out += fmt.Sprintf("%s=%d ", it.Key(), num(it.Doc()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOwnWritesInScans(t *testing.T) {
	m := open(t)
	for i, k := range []string{"a", "c", "e", "g"} {
		insert(t, m, 1, 1, k, int32(i))
	}
	tx := m.Begin(Options{Multi: true})
	defer tx.Abort()
	v := tx.View(head(1), true)
	must(t, v.Insert(ctx, 1, id("d"), doc(10)))
	must(t, v.Put(ctx, 1, id("c"), doc(1), doc(11), Update, nil))
	must(t, v.Delete(ctx, 1, id("e"), doc(2)))
	before := v.Scan(1, ScanOptions{})
	must(t, v.Insert(ctx, 1, id("z"), doc(12)))
	for _, c := range []struct {
		o    ScanOptions
		want string
	}{
		{ScanOptions{}, "a=0 c=11 d=10 g=3 z=12 "},
		{ScanOptions{Reverse: true}, "z=12 g=3 d=10 c=11 a=0 "},
		{ScanOptions{Lower: id("c"), Upper: id("g")}, "c=11 d=10 "},
		{ScanOptions{Lower: id("d"), Upper: id("zz"), Reverse: true}, "z=12 g=3 d=10 "},
	} {
		if got := scan(t, v.Scan(1, c.o)); got != c.want {
			t.Errorf("%v: %s, want %s", c.o, got, c.want)
		}
	}
	if got := scan(t, before); got != "a=0 c=11 d=10 g=3 " {
		t.Errorf("an open iterator sees %s", got)
	}
	n, _, err := v.Count(1)
	if err != nil || n != 5 {
		t.Errorf("count %d, %v", n, err)
	}
	it := v.Scan(1, ScanOptions{})
	defer it.Close()
	for _, c := range []struct{ seek, at string }{{"b", "c"}, {"c", "c"}, {"e", "g"}, {"a", "g"}, {"h", "z"}} {
		if !it.Seek(id(c.seek)) || string(it.Key()) != c.at {
			t.Errorf("seek %s: at %s, want %s", c.seek, it.Key(), c.at)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSavepoint(t *testing.T) {
	m := open(t)
	insert(t, m, 1, 1, "a", 1)
	tx := m.Begin(Options{Multi: true})
	v := tx.View(head(1), true)
	must(t, v.Put(ctx, 1, id("a"), doc(1), doc(2), Update, nil))
	sp := tx.Savepoint()
	must(t, v.Put(ctx, 1, id("a"), doc(2), doc(3), Update, nil))
	must(t, v.Insert(ctx, 1, id("b"), doc(4)))
	for i := range 20 {
		must(t, v.Insert(ctx, 1, id(fmt.Sprint(i)), doc(5)))
	}
	tx.RollbackTo(sp)
	must(t, v.Insert(ctx, 1, id("b"), doc(6)))
	if got := scan(t, v.Scan(1, ScanOptions{})); got != "a=2 b=6 " {
		t.Fatal(got)
	}
	st := commit(t, tx)
	tx = m.Begin(Options{})
	defer tx.Abort()
	if got := scan(t, tx.View(head(1), false).Scan(1, ScanOptions{})); got != "a=2 b=6 " {
		t.Fatal(got)
	}
	rec, _, err := m.store.RecordOf(st.LSN)
	must(t, err)
	if len(rec.Ops) != 2 || rec.Ops[0].Kind != Update || rec.Ops[1].Kind != Insert || !rec.Txn {
		t.Fatalf("log: %+v", rec)
	}
}

func TestConflicts(t *testing.T) {
	m := open(t)
	insert(t, m, 1, 1, "a", 1)
	a, b := m.Begin(Options{Multi: true}), m.Begin(Options{Multi: true})
	va, vb := a.View(head(1), true), b.View(head(1), true)
	must(t, va.Put(ctx, 1, id("a"), doc(1), doc(2), Update, nil))
	err := vb.Put(ctx, 1, id("a"), doc(1), doc(3), Update, nil)
	if !errcode.Has(err, errcode.WriteConflict) || errcode.As(err).Labels[0] != errcode.LabelTransientTransaction {
		t.Fatalf("an uncommitted write of another: %v", err)
	}
	// A single statement waits, and is then told of the newer version.
	single := m.Begin(Options{})
	vs := single.View(head(1), true)
	done := make(chan string)
	go func() {
		d, moved, err := vs.LockRow(ctx, 1, id("a"))
		done <- fmt.Sprint(num(d), moved, err)
	}()
	select {
	case r := <-done:
		t.Fatal("did not wait:", r)
	case <-time.After(10 * time.Millisecond):
	}
	commit(t, a)
	if got := <-done; got != "2 true <nil>" {
		t.Fatal(got)
	}
	must(t, vs.Put(ctx, 1, id("a"), doc(2), doc(4), Update, nil))
	commit(t, single)
	if err := vb.Put(ctx, 1, id("a"), doc(1), doc(3), Update, nil); !errcode.Has(err, errcode.WriteConflict) {
		t.Fatalf("a newer version than the snapshot: %v", err)
	}
	if d, _ := vb.Get(ctx, 1, id("a")); num(d) != 1 {
		t.Fatalf("the snapshot moved: %v", d)
	}
	if err := vb.Insert(ctx, 1, id("a"), doc(1)); !errcode.Has(err, errcode.WriteConflict) {
		t.Fatalf("insert of a key that changed: %v", err)
	}
	b.Abort()
	late := m.Begin(Options{})
	defer late.Abort()
	var dup *DuplicateError
	if err := late.View(head(1), true).Insert(ctx, 1, id("a"), doc(1)); !errors.As(err, &dup) {
		t.Fatalf("duplicate: %v", err)
	}
	late.Abort()
	if n := m.locks.held(); n != 0 {
		t.Fatalf("%d locks left", n)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	m := open(t)
	a := m.Begin(Options{Multi: true})
	must(t, a.View(head(1), true).Insert(ctx, 1, id("a"), doc(1)))
	c, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	b := m.Begin(Options{})
	err := b.View(head(1), true).Insert(c, 1, id("a"), doc(1))
	if !errcode.Has(err, errcode.MaxTimeMSExpired) {
		t.Fatal(err)
	}
	b.Abort()
	a.Abort()
	if n := m.locks.held(); n != 0 {
		t.Fatalf("%d locks left", n)
	}
}

func TestDeadlock(t *testing.T) {
	m := open(t)
	insert(t, m, 1, 1, "a", 1)
	insert(t, m, 1, 1, "b", 1)
	var wg sync.WaitGroup
	stale := make([]bool, 2)
	var ready sync.WaitGroup
	ready.Add(2)
	for i, keys := range [][]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			tx := m.Begin(Options{})
			defer tx.Abort()
			v := tx.View(head(1), true)
			if _, _, err := v.LockRow(ctx, 1, id(keys[0])); err != nil {
				t.Error(err)
			}
			ready.Done()
			ready.Wait()
			_, _, err := v.LockRow(ctx, 1, id(keys[1]))
			stale[i] = IsStale(err)
			if err != nil && !stale[i] {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stale[0] == stale[1] {
		t.Fatalf("one of the two must give way: %v", stale)
	}
}

func TestUnique(t *testing.T) {
	m := open(t)
	put := func(tx *Txn, key, val string) error {
		v := tx.View(head(1), true)
		if err := v.Insert(ctx, 1, id(key), doc(0)); err != nil {
			return err
		}
		return v.PutEntry(ctx, 1, 2, id(val), id(key), nil, true)
	}
	old := m.Begin(Options{Multi: true})
	tx := m.Begin(Options{})
	must(t, put(tx, "1", "x"))
	commit(t, tx)
	var dup *DuplicateError
	tx = m.Begin(Options{})
	if err := put(tx, "2", "x"); !errors.As(err, &dup) || string(dup.ID) != "1" || dup.Index != 2 {
		t.Fatal(err)
	}
	tx.Abort()
	if err := put(old, "3", "x"); !errcode.Has(err, errcode.WriteConflict) {
		t.Fatalf("taken after the snapshot: %v", err)
	}
	old.Abort()
	// In an ancestor, and freed on the child.
	fork := m.store.Visible().LSN
	child := []Level{{Timeline: 2, LSN: store.Head}, {Timeline: 1, LSN: fork}}
	tx = m.Begin(Options{})
	v := tx.View(child, true)
	must(t, v.Insert(ctx, 1, id("4"), doc(0)))
	if err := v.PutEntry(ctx, 1, 2, id("x"), id("4"), nil, true); !errors.As(err, &dup) {
		t.Fatal(err)
	}
	tx.Abort()
	tx = m.Begin(Options{})
	v = tx.View(child, true)
	must(t, v.Delete(ctx, 1, id("1"), doc(0)))
	must(t, v.DeleteEntry(ctx, 1, 2, id("x"), id("1")))
	must(t, v.Insert(ctx, 1, id("4"), doc(0)))
	must(t, v.PutEntry(ctx, 1, 2, id("x"), id("4"), nil, true))
	commit(t, tx)
	tx = m.Begin(Options{})
	defer tx.Abort()
	if n, _, _ := tx.View(child, false).Count(1); n != 1 {
		t.Fatalf("count on the child: %d", n)
	}
	if n, _, _ := tx.View(head(1), false).Count(1); n != 1 {
		t.Fatalf("count on the parent: %d", n)
	}
}

// TestUniqueRace lets many statements insert the same few unique values: exactly
// one of each may win.
func TestUniqueRace(t *testing.T) {
	m := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[int]int{}
	for w := range 8 {
		wg.Go(func() {
			for i := range 30 {
				tx := m.Begin(Options{Multi: w%2 == 0})
				v := tx.View(head(1), true)
				err := v.Insert(ctx, 1, id(fmt.Sprintf("%d-%d", w, i)), doc(0))
				if err == nil {
					err = v.PutEntry(ctx, 1, 2, id(fmt.Sprintf("%03d", i)), id(fmt.Sprintf("%d-%d", w, i)), nil, true)
				}
				if err == nil {
					_, err = tx.Commit(ctx, CommitInfo{})
				}
				tx.Abort()
				var dup *DuplicateError
				switch {
				case err == nil:
					mu.Lock()
					won[i]++
					mu.Unlock()
				case !errors.As(err, &dup) && !errcode.Has(err, errcode.WriteConflict):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 30 {
		if won[i] != 1 {
			t.Errorf("value %d was taken %d times", i, won[i])
		}
	}
}

// TestGates checks that a change of a collection waits for its writers, keeps
// new ones out, and is noticed by those that come with an older snapshot.
func TestGates(t *testing.T) {
	m := open(t)
	w := m.Begin(Options{Multi: true})
	must(t, w.View(head(1), true).Insert(ctx, 7, id("a"), doc(1)))
	ddl := m.Begin(Options{})
	locked := make(chan error)
	go func() { locked <- ddl.View(head(1), true).LockCollection(ctx, 7) }()
	select {
	case err := <-locked:
		t.Fatalf("did not wait for the writer: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	early := m.Begin(Options{}) // its snapshot is older than the change
	commit(t, w)
	must(t, <-locked)
	late := make(chan error)
	go func() { late <- early.View(head(1), true).Insert(ctx, 7, id("b"), doc(1)) }()
	multi := m.Begin(Options{Multi: true})
	if err := multi.View(head(1), true).Insert(ctx, 7, id("c"), doc(1)); !errcode.Has(err, errcode.LockTimeout) {
		t.Fatalf("a transaction waits at the gate: %v", err)
	}
	multi.Abort()
	must(t, ddl.View(head(1), true).PutMeta(ctx, []byte("x"), []byte("y")))
	commit(t, ddl)
	if err := <-late; !IsStale(err) {
		t.Fatalf("a writer with an old catalog: %v", err)
	}
	early.Abort()
	insert(t, m, 1, 7, "b", 1)
}

func TestRetire(t *testing.T) {
	m := open(t)
	insert(t, m, 1, 1, "a", 1)
	before := m.Begin(Options{})
	r := m.Begin(Options{})
	must(t, r.Retire(ctx, 1))
	r.PutControl([]byte("branch"), []byte("2"))
	commit(t, r)
	err := before.View(head(1), true).Insert(ctx, 1, id("b"), doc(1))
	var s *StaleError
	if !errors.As(err, &s) || !s.Branch {
		t.Fatalf("a write to a timeline that was left: %v", err)
	}
	before.Abort()
}
