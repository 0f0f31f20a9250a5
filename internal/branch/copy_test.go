package branch

import (
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

// fillCopy writes a collection into a copy's timeline.
func (e *env) fillCopy(c *Copy) {
	e.t.Helper()
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(c.Target, true)
	coll, err := e.c.Ensure(ctx, v, "c")
	e.ok(err)
	d := bsonx.NewDoc(nil)
	d.Int32("n", 7)
	e.ok(v.Insert(ctx, coll.ID, []byte("1"), d.Done()))
	_, err = tx.Commit(ctx, txn.CommitInfo{})
	e.ok(err)
}

// TestCopy: a copy that is given up, or that a crash interrupts, leaves nothing;
// garbage collection beside it takes nothing.
func TestCopy(t *testing.T) {
	e := newEnv(t)
	e.write("shop", map[string]*int{"c/1": num(1)})
	begin := func() *Copy {
		t.Helper()
		c, err := e.s.BeginCopy(ctx, "shop", "dev", CopyMasked, CreateOptions{})
		e.ok(err)
		return c
	}
	stored := func(c *Copy) int64 {
		t.Helper()
		n, _, err := e.st.Measure(ctx, c.Target[0].Timeline, 0)
		e.ok(err)
		return n
	}
	given := begin()
	e.fillCopy(given)
	e.ok(given.Close(ctx))
	if n := stored(given); n != 0 || len(e.s.timelines) != 1 {
		t.Fatalf("a copy that was given up has %d versions, %d timelines", n, len(e.s.timelines))
	}
	lost := begin()
	e.fillCopy(lost)
	_, err := e.s.CreateProject(ctx, "other", false)
	e.ok(err)
	e.ok(e.s.DeleteProject(ctx, "other")) // looks for timelines without use
	_, err = e.s.RunGC(ctx, "")
	e.ok(err)
	if stored(lost) == 0 {
		t.Fatal("a copy in the making was collected")
	}
	e.restart()
	_, err = e.s.Sweep(ctx)
	e.ok(err)
	if n := stored(lost); n != 0 || len(e.s.timelines) != 1 {
		t.Fatalf("an interrupted copy has %d versions, %d timelines", n, len(e.s.timelines))
	}
	c := begin()
	e.fillCopy(c)
	_, err = e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{})
	e.ok(err)
	_, err = c.Finish(ctx)
	wantCode(t, err, errcode.NamespaceExists, "dev")
	e.ok(c.Close(ctx))
	_, err = e.s.DropBranch(ctx, "shop", "dev", false)
	e.ok(err)
	c = begin()
	e.fillCopy(c)
	i, err := c.Finish(ctx)
	e.ok(err)
	e.ok(c.Close(ctx))
	e.restart()
	r, err := e.s.Resolve(ctx, "shop~dev")
	e.ok(err)
	if i.Copy != CopyMasked || len(r.Levels) != 1 || e.s.timelines[r.Timeline].copy != CopyMasked {
		t.Fatalf("%+v %+v", i, r)
	}
	_, err = e.s.Resolve(ctx, "shop~dev@1")
	wantCode(t, err, errcode.SnapshotUnavailable, "LSN 1")
	// The project's history still begins with its own first branch.
	if h, err := e.s.Earliest(r); err != nil || h != e.s.projects["shop"].born {
		t.Fatal(h, err)
	}
}
