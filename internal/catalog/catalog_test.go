package catalog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

var ctx = context.Background()

type env struct {
	t *testing.T
	m *txn.Manager
	c *Catalog
}

func open(t *testing.T) *env {
	s, err := store.OpenMem()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &env{t, txn.NewManager(s, txn.Config{}), New(s)}
}

func at(ls ...uint64) []txn.Level {
	var out []txn.Level
	for i := 0; i < len(ls); i += 2 {
		out = append(out, txn.Level{Timeline: txn.Timeline(ls[i]), LSN: txn.LSN(ls[i+1])})
	}
	return out
}

const head = uint64(store.Head)

// change runs f as one statement on the head of timeline 1 and commits.
func (e *env) change(f func(v *txn.View) error) txn.LSN {
	e.t.Helper()
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	if err := f(tx.View(at(1, head), true)); err != nil {
		e.t.Fatal(err)
	}
	st, err := tx.Commit(ctx, txn.CommitInfo{})
	if err != nil {
		e.t.Fatal(err)
	}
	return st.LSN
}

// names lists what a view of those levels has: name and indexes.
func (e *env) names(levels []txn.Level) string {
	e.t.Helper()
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	return e.list(tx.View(levels, false))
}

func (e *env) list(v *txn.View) string {
	e.t.Helper()
	s, err := e.c.Snapshot(v)
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, n := range s.Names() {
		c, _ := s.Collection(n)
		for _, ix := range c.Indexes[1:] {
			n += fmt.Sprintf("+%s#%d", ix.Name, ix.ID)
		}
		out = append(out, n)
	}
	return strings.Join(out, " ")
}

func spec(name string) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("name", name)
	return b.Done()
}

// TestHistory changes a catalog step by step and looks at every step again, from
// head, from the past, from branches, and after a restart of the cache.
func TestHistory(t *testing.T) {
	e := open(t)
	create := func(n string) func(*txn.View) error {
		return func(v *txn.View) error { _, err := e.c.Create(ctx, v, n, CreateOptions{}); return err }
	}
	steps := []struct {
		do   func(*txn.View) error
		want string
	}{
		{create("b"), "b"},
		{create("a"), "a b"},
		{func(v *txn.View) error {
			_, err := e.c.AddIndexes(ctx, v, "a", []bsonx.Doc{spec("x"), spec("y")})
			return err
		}, "a+x#2+y#3 b"},
		{func(v *txn.View) error { _, err := e.c.DropIndexes(ctx, v, "a", []string{"x"}); return err }, "a+y#3 b"},
		{func(v *txn.View) error { _, err := e.c.AddIndexes(ctx, v, "a", []bsonx.Doc{spec("z")}); return err }, "a+y#3+z#4 b"},
		{func(v *txn.View) error { _, err := e.c.Rename(ctx, v, "a", "b", true); return err }, "b+y#3+z#4"},
		{func(v *txn.View) error { _, err := e.c.Ensure(ctx, v, "c"); return err }, "b+y#3+z#4 c"},
		{func(v *txn.View) error { _, err := e.c.Drop(ctx, v, "b"); return err }, "c"},
		{func(v *txn.View) error { _, err := e.c.DropAll(ctx, v); return err }, ""},
	}
	var lsns []uint64
	for i, s := range steps {
		lsns = append(lsns, uint64(e.change(s.do)))
		if got := e.names(at(1, head)); got != s.want {
			t.Fatalf("step %d: %q, want %q", i, got, s.want)
		}
	}
	for range 2 {
		for i, s := range steps {
			if got := e.names(at(1, lsns[i])); got != s.want {
				t.Errorf("step %d from the past: %q, want %q", i, got, s.want)
			}
			if got := e.names(at(10+uint64(i), head, 1, lsns[i])); got != s.want {
				t.Errorf("step %d on a branch: %q, want %q", i, got, s.want)
			}
		}
		e.c = New(e.m.Store())
	}
}

func TestOwnChanges(t *testing.T) {
	e := open(t)
	e.change(func(v *txn.View) error { _, err := e.c.Create(ctx, v, "a", CreateOptions{}); return err })
	tx := e.m.Begin(txn.Options{Multi: true})
	v := tx.View(at(1, head), true)
	sp := tx.Savepoint()
	if _, err := e.c.Create(ctx, v, "b", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := e.list(v); got != "a b" {
		t.Fatal("own change not seen:", got)
	}
	if got := e.names(at(1, head)); got != "a" {
		t.Fatal("uncommitted change seen by another:", got)
	}
	other := e.m.Begin(txn.Options{Multi: true})
	if _, err := e.c.Create(ctx, other.View(at(1, head), true), "b", CreateOptions{}); !errcode.Has(err, errcode.WriteConflict) {
		t.Fatal("two transactions create the same name:", err)
	}
	other.Abort()
	tx.RollbackTo(sp)
	if got := e.list(v); got != "a" {
		t.Fatal("rolled back change still seen:", got)
	}
	tx.Abort()
	_, err := e.c.Create(ctx, e.m.Begin(txn.Options{}).View(at(1, head), true), "a", CreateOptions{})
	if !errcode.Has(err, errcode.NamespaceExists) {
		t.Fatal(err)
	}
}

// TestWritersAgainstDDL drops, recreates and indexes a collection while writers
// insert. Afterwards every row of the collection that is there must be in its
// index, and the collections that were dropped must have got no row after that.
func TestWritersAgainstDDL(t *testing.T) {
	e := open(t)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Appendf(nil, "%d-%d", w, i)
				for e.insertOnce(id) {
				}
			}
		})
	}
	dropped := map[txn.CollectionID]uint64{}
	for range 15 {
		e.retry(func(v *txn.View) error {
			c, err := e.c.Ensure(ctx, v, "c")
			if err != nil || c.Index("x") != nil {
				return err
			}
			if c, err = e.c.AddIndexes(ctx, v, "c", []bsonx.Doc{spec("x")}); err != nil {
				return err
			}
			it := v.Scan(c.ID, txn.ScanOptions{})
			defer it.Close()
			for it.Next() {
				id := append([]byte(nil), it.Key()...)
				if err := v.PutEntry(ctx, c.ID, c.Index("x").ID, []byte("v"), id, nil, false); err != nil {
					return err
				}
			}
			return it.Err()
		})
		e.checkIndex()
		var old *Collection
		lsn := e.retry(func(v *txn.View) (err error) { old, err = e.c.Drop(ctx, v, "c"); return err })
		dropped[old.ID] = uint64(lsn)
	}
	close(stop)
	wg.Wait()
	e.checkIndex()
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(at(1, head), false)
	for id, lsn := range dropped {
		it := v.Scan(id, txn.ScanOptions{})
		for it.Next() {
			if uint64(it.LSN()) > lsn {
				t.Errorf("collection %d was dropped at %d and got a row at %d", id, lsn, it.LSN())
			}
		}
		_ = it.Close()
	}
}

func (e *env) retry(f func(v *txn.View) error) txn.LSN {
	for {
		tx := e.m.Begin(txn.Options{})
		err := f(tx.View(at(1, head), true))
		if err == nil {
			var st txn.Stamp
			if st, err = tx.Commit(ctx, txn.CommitInfo{}); err == nil {
				return st.LSN
			}
		}
		tx.Abort()
		if !txn.IsStale(err) {
			e.t.Error(err)
			return 0
		}
	}
}

// insertOnce tries one insert and reports whether it has to be tried again.
func (e *env) insertOnce(id []byte) bool {
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(at(1, head), true)
	c, err := e.c.Ensure(ctx, v, "c")
	if err == nil {
		err = v.Insert(ctx, c.ID, id, spec("d"))
	}
	if err == nil && c.Index("x") != nil {
		err = v.PutEntry(ctx, c.ID, c.Index("x").ID, []byte("v"), id, nil, false)
	}
	if err == nil {
		_, err = tx.Commit(ctx, txn.CommitInfo{})
	}
	if err != nil && !txn.IsStale(err) {
		e.t.Error(err)
		return false
	}
	return err != nil
}

func (e *env) checkIndex() {
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(at(1, head), false)
	s, err := e.c.Snapshot(v)
	if err != nil {
		e.t.Fatal(err)
	}
	c, ok := s.Collection("c")
	if !ok || c.Index("x") == nil {
		return
	}
	count := func(it *txn.Iter) (n int64) {
		for it.Next() {
			n++
		}
		_ = it.Close()
		return n
	}
	rows, entries := count(v.Scan(c.ID, txn.ScanOptions{})), count(v.ScanIndex(c.ID, c.Index("x").ID, txn.ScanOptions{}))
	tally, _, _ := v.Count(c.ID)
	if rows != entries || rows != tally {
		e.t.Errorf("%d rows, %d entries, counted %d", rows, entries, tally)
	}
}
