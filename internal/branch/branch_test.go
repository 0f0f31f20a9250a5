package branch

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

func num(n int) *int { return &n }

func TestResolveErrors(t *testing.T) {
	e := newEnv(t)
	r, err := e.s.Resolve(ctx, "shop")
	e.ok(err)
	if r.Exists || len(e.read("shop")) != 0 || len(e.read("shop~main")) != 0 {
		t.Fatal("a project that is not there")
	}
	_, err = e.s.Resolve(ctx, "shop~dev")
	wantCode(t, err, errcode.NamespaceNotFound, "project 'shop'")
	_, err = e.s.Resolve(ctx, "shop@5")
	wantCode(t, err, errcode.NamespaceNotFound, "project 'shop'")
	first := e.write("shop", map[string]*int{"c/1": num(1)})
	for in, want := range map[string]struct {
		code errcode.Code
		says string
	}{
		"shop~dev":                {errcode.NamespaceNotFound, "it has: main"},
		"shop@v1":                 {errcode.NamespaceNotFound, "tag 'v1'"},
		"shop@999":                {errcode.SnapshotUnavailable, "LSN 999 is outside"},
		"shop@20270101T000000Z":   {errcode.SnapshotUnavailable, "2027"},
		"shop@20200101T000000Z":   {errcode.SnapshotUnavailable, "2020"},
		"shop@-1w":                {errcode.SnapshotUnavailable, "to LSN"},
		"shop~a/b":                {errcode.InvalidNamespace, "a-b"},
		fmt.Sprintf("shop@%d", 9): {errcode.SnapshotUnavailable, "history"},
	} {
		_, err := e.s.Resolve(ctx, in)
		wantCode(t, err, want.code, want.says)
	}
	if got := e.read(fmt.Sprintf("shop@%d", first)); got["c/1"] != 1 {
		t.Fatal(got)
	}
	_, err = e.s.CreateProject(ctx, "Shop", true)
	wantCode(t, err, errcode.Code(13297), "different case")
	_, err = e.s.CreateProject(ctx, "shop", false)
	wantCode(t, err, errcode.NamespaceExists, "shop")
}

func TestPointsInTime(t *testing.T) {
	e := newEnv(t)
	e.write("shop", map[string]*int{"c/1": num(1)})
	t1 := e.clk.Now()
	e.clk.Advance(time.Hour)
	lsn := e.write("shop", map[string]*int{"c/1": num(2)})
	e.clk.Advance(time.Hour)
	_, err := e.s.CreateTag(ctx, "shop", "v1", "", Point{}, "note")
	e.ok(err)
	_, err = e.s.CreateTag(ctx, "shop", "v1", "", Point{}, "again") // a lost reply
	e.ok(err)
	e.write("shop", map[string]*int{"c/1": num(3)})
	_, err = e.s.CreateTag(ctx, "shop", "v1", "", Point{}, "elsewhere")
	wantCode(t, err, errcode.NamespaceExists, "v1")
	for in, want := range map[string]int{
		"shop@" + t1.Format("20060102T150405Z"):               1,
		"shop@" + t1.Add(30*time.Minute).Format(time.RFC3339): 1,
		"shop@-90m":                 1,
		"shop@-59m":                 2,
		"shop@v1":                   2,
		fmt.Sprintf("shop@%d", lsn): 2,
		"shop@-0s":                  3,
	} {
		if got := e.read(in)["c/1"]; got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
	st, _, err := e.st.StampOf(lsn)
	e.ok(err)
	r, err := e.s.Resolve(ctx, "shop")
	e.ok(err)
	at, err := e.s.ResolveAt(ctx, r, st.Timestamp)
	e.ok(err)
	if at.LSN != lsn || !at.ReadOnly {
		t.Fatalf("%+v", at)
	}
	_, err = e.s.ResolveAt(ctx, r, st.Timestamp+(1<<52))
	wantCode(t, err, errcode.SnapshotUnavailable, "cluster time")
	wantCode(t, ErrReadOnly(at), errcode.CommandNotSupportedOnView, "createBranch")
	// The window moves on, and tags stay.
	e.clk.Advance(8 * 24 * time.Hour)
	_, err = e.s.Resolve(ctx, fmt.Sprintf("shop@%d", lsn))
	wantCode(t, err, errcode.SnapshotUnavailable, "history")
	if e.read("shop@v1")["c/1"] != 2 {
		t.Fatal("the tag is gone")
	}
	e.ok(e.s.SetRetention(ctx, "shop", Forever))
	e.restart()
	if e.read(fmt.Sprintf("shop@%d", lsn))["c/1"] != 2 {
		t.Fatal("kept forever")
	}
}

func TestBranchLife(t *testing.T) {
	e := newEnv(t)
	e.write("shop", map[string]*int{"c/1": num(1)})
	dev, err := e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{Note: "mine"})
	e.ok(err)
	if dev.Parent != "main" || dev.HeadLSN != dev.ForkLSN || dev.Note != "mine" {
		t.Fatalf("%+v", dev)
	}
	_, err = e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{})
	wantCode(t, err, errcode.NamespaceExists, "dev")
	same, err := e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{IfNotExists: true})
	e.ok(err)
	if same.Timeline != dev.Timeline {
		t.Fatal("another branch")
	}
	lsn := e.write("shop~dev", map[string]*int{"c/2": num(2)})
	_, err = e.s.CreateBranch(ctx, "shop", "kid", CreateOptions{From: "dev", TTL: time.Hour})
	e.ok(err)
	all, err := e.s.ListBranches(ctx, "shop")
	e.ok(err)
	if len(all) != 3 || all[0].Name != "dev" || all[0].OwnChanges != 1 || all[0].HeadLSN != lsn || all[0].OwnBytes == 0 || all[1].Depth != 2 {
		t.Fatalf("%+v", all)
	}
	_, err = e.s.DropBranch(ctx, "shop", "main", true)
	wantCode(t, err, errcode.CommandFailed, "default")
	_, err = e.s.DropBranch(ctx, "shop", "dev", false)
	wantCode(t, err, errcode.CommandFailed, "kid")
	_, err = e.s.UpdateBranch(ctx, "shop", "kid", Update{Protected: new(bool(true))})
	e.ok(err)
	_, err = e.s.DropBranch(ctx, "shop", "dev", true)
	wantCode(t, err, errcode.CommandFailed, "protected")
	_, err = e.s.Restore(ctx, "shop", "kid", RestoreOptions{To: Point{Kind: PointLSN, LSN: 1}})
	wantCode(t, err, errcode.CommandFailed, "protected")
	_, err = e.s.UpdateBranch(ctx, "shop", "kid", Update{Protected: new(bool(false))})
	e.ok(err)
	_, err = e.s.RenameBranch(ctx, "shop", "kid", "main")
	wantCode(t, err, errcode.NamespaceExists, "main")
	_, err = e.s.RenameBranch(ctx, "shop", "dev", "next")
	e.ok(err)
	e.restart()
	if e.read("shop~next")["c/2"] != 2 {
		t.Fatal("renamed")
	}
	e.clk.Advance(2 * time.Hour)
	_, err = e.s.Resolve(ctx, "shop~kid")
	wantCode(t, err, errcode.NamespaceNotFound, "expired")
	gone, err := e.s.DropExpired(ctx)
	e.ok(err)
	if !slices.Equal(gone["shop"], []string{"kid"}) {
		t.Fatal(gone)
	}
	_, err = e.s.UpdateBranch(ctx, "shop", "next", Update{Default: true})
	e.ok(err)
	e.restart()
	if e.read("shop")["c/2"] != 2 {
		t.Fatal("the default branch")
	}
	e.ok(e.s.DeleteProject(ctx, "shop"))
	e.restart()
	if r, err := e.s.Resolve(ctx, "shop"); err != nil || r.Exists {
		t.Fatal("deleted", r, err)
	}
	_, err = e.s.Sweep(ctx)
	e.ok(err)
	if len(e.s.timelines) != 0 {
		t.Fatalf("%d timelines are left", len(e.s.timelines))
	}
}

func TestLog(t *testing.T) {
	e := newEnv(t)
	first := e.write("shop", map[string]*int{"a/1": num(1), "b/1": num(1)})
	e.write("other", map[string]*int{"a/1": num(1)})
	_, err := e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{})
	e.ok(err)
	e.write("shop", map[string]*int{"a/1": num(5)})
	e.write("shop~dev", map[string]*int{"a/1": num(2)})
	last := e.write("shop~dev", map[string]*int{"a/1": nil})
	list := func(db string, o LogOptions) string {
		t.Helper()
		r, err := e.s.Resolve(ctx, db)
		e.ok(err)
		l, err := e.s.Log(ctx, r, o)
		e.ok(err)
		defer l.Close()
		var out []string
		for {
			c, ok, err := l.Next(ctx)
			e.ok(err)
			if !ok {
				return strings.Join(out, " | ")
			}
			var ops []string
			for _, op := range c.Ops {
				s := op.Op + " " + op.NS
				if id, ok := op.ID.StringValueOK(); ok {
					s += "/" + id
				}
				ops = append(ops, s)
			}
			out = append(out, strings.Join(ops, ", "))
		}
	}
	one := "create shop.a, create shop.b, insert shop.a/1, insert shop.b/1"
	for _, c := range []struct {
		db   string
		o    LogOptions
		want string
	}{
		{"shop", LogOptions{}, "replace shop.a/1 | " + one},
		{"shop~dev", LogOptions{}, "delete shop.a/1 | replace shop.a/1 | " + one},
		{"shop~dev", LogOptions{Reverse: true, Limit: 2}, one + " | replace shop.a/1"},
		{"shop~dev", LogOptions{Collection: "b"}, one},
		{"shop~dev", LogOptions{Actor: "nobody"}, ""},
		{"shop~dev", LogOptions{DocID: bsonx.StringValue("1"), Limit: 1}, "delete shop.a/1"},
		{"shop~dev", LogOptions{Since: Point{Kind: PointLSN, LSN: last}}, "delete shop.a/1"},
		{"shop~dev", LogOptions{Until: Point{Kind: PointLSN, LSN: first}}, one},
		{"shop~dev", LogOptions{Since: Point{Kind: PointTime, Time: e.clk.Now()}}, "delete shop.a/1"},
		{"shop~dev", LogOptions{Since: Point{Kind: PointAge, Age: 1500 * time.Millisecond}}, "delete shop.a/1 | replace shop.a/1"},
		{fmt.Sprintf("shop~dev@%d", first), LogOptions{}, one},
	} {
		if got := list(c.db, c.o); got != c.want {
			t.Errorf("%s %+v: %s\nwant %s", c.db, c.o, got, c.want)
		}
	}
	r, _ := e.s.Resolve(ctx, "shop~dev")
	h, err := e.s.HistoryInfo(ctx, r)
	e.ok(err)
	if h.LatestLSN != last || h.Commits != 3 || h.Retention != DefaultRetention || h.EarliestTime.After(h.LatestTime) {
		t.Fatalf("%+v", h)
	}
}

func TestRestorePreview(t *testing.T) {
	e := newEnv(t)
	lsn := e.write("shop", map[string]*int{"a/1": num(1), "a/2": num(2), "b/1": num(1)})
	e.write("shop", map[string]*int{"a/1": num(9), "a/2": nil, "a/3": num(3), "c/1": num(1)})
	o := RestoreOptions{To: Point{Kind: PointLSN, LSN: lsn}, DryRun: true}
	dry, err := e.s.Restore(ctx, "shop", "main", o)
	e.ok(err)
	want := "{Name:a Inserts:1 Updates:1 Deletes:1} {Name:c Inserts:0 Updates:0 Deletes:1}"
	if got := fmt.Sprintf("%+v", dry.Collections); got != "["+want+"]" || dry.Commits != 1 || dry.Branch != nil {
		t.Fatalf("%+v", dry)
	}
	if len(dry.DDL) != 1 || dry.DDL[0].Op != "drop" || dry.DDL[0].Collection != "c" {
		t.Fatalf("%+v", dry.DDL)
	}
	if e.read("shop")["a/1"] != 9 {
		t.Fatal("a dry run changed something")
	}
	o.DryRun = false
	res, err := e.s.Restore(ctx, "shop", "main", o)
	e.ok(err)
	if res.Backup.Name != fmt.Sprintf("main-before-%d", res.FromLSN) || e.read("shop")["a/1"] != 1 || e.read("shop~" + res.Backup.Name)["a/1"] != 9 {
		t.Fatalf("%+v", res)
	}
	// Undone by the backup.
	_, err = e.s.Restore(ctx, "shop", "main", RestoreOptions{Source: res.Backup.Name})
	e.ok(err)
	if e.read("shop")["a/1"] != 9 {
		t.Fatal("undo")
	}
	_, err = e.s.Restore(ctx, "shop", "main", RestoreOptions{})
	wantCode(t, err, errcode.BadValue, "to:")
}

// TestRestoreUnderWrites restores a branch again and again while writers insert:
// every acknowledged insert must be on the branch or on one of the backups.
func TestRestoreUnderWrites(t *testing.T) {
	e := newEnv(t)
	lsn := e.write("shop", map[string]*int{"c/base": num(1)})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	acked := make([][]string, 4)
	for w := range acked {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", w, i)
				for {
					r, err := e.s.Resolve(ctx, "shop")
					if err == nil {
						err = e.insert(r, id)
					}
					if err == nil {
						acked[w] = append(acked[w], id)
						break
					}
					if !txn.IsStale(err) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	names := []string{"shop"}
	for range 10 {
		time.Sleep(2 * time.Millisecond)
		res, err := e.s.Restore(ctx, "shop", "main", RestoreOptions{To: Point{Kind: PointLSN, LSN: lsn}})
		if err != nil {
			t.Error(err)
			break
		}
		names = append(names, "shop~"+res.Backup.Name)
	}
	close(stop)
	wg.Wait()
	have := state{}
	for _, n := range names {
		for k := range e.read(n) {
			have[k]++
		}
	}
	n := 0
	for _, ids := range acked {
		for _, id := range ids {
			n++
			if have["c/"+id] != 1 {
				t.Fatalf("insert of %s was acknowledged and is on %d branches", id, have["c/"+id])
			}
		}
	}
	if n == 0 {
		t.Fatal("no insert got through")
	}
}

func (e *env) insert(r *Ref, id string) error {
	tx := e.m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(r.Levels, true)
	c, err := e.c.Ensure(ctx, v, "c")
	if err == nil {
		err = v.Insert(ctx, c.ID, []byte(id), doc(id, 1))
	}
	if err == nil {
		_, err = tx.Commit(ctx, txn.CommitInfo{})
	}
	return err
}

func TestKeep(t *testing.T) {
	e := newEnv(t)
	lsn := e.write("shop", map[string]*int{"c/1": num(1)})
	e.write("shop", map[string]*int{"c/1": num(2)})
	_, err := e.s.CreateTag(ctx, "shop", "v1", "", Point{Kind: PointLSN, LSN: lsn}, "")
	e.ok(err)
	dev, err := e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{})
	e.ok(err)
	e.write("shop", map[string]*int{"c/1": num(3)})
	e.clk.Advance(30 * 24 * time.Hour)
	last := e.write("shop", map[string]*int{"c/1": num(4)})
	kept, err := e.s.Keep()
	e.ok(err)
	main, err := e.s.Resolve(ctx, "shop")
	e.ok(err)
	for _, k := range kept {
		if k.Timeline != main.Timeline {
			continue
		}
		slices.Sort(k.LSNs)
		if k.Horizon != last-1 || !slices.Equal(k.LSNs, []LSN{lsn, dev.ForkLSN}) {
			t.Fatalf("%+v", k)
		}
	}
}

// TestGC lets the window pass and collects: what tags, children and the window
// see stays, the rest goes, and a longer window does not bring it back.
func TestGC(t *testing.T) {
	e := newEnv(t)
	first := e.write("shop", map[string]*int{"c/1": num(1), "gone/1": num(1)})
	_, err := e.s.CreateTag(ctx, "shop", "v1", "", Point{}, "")
	e.ok(err)
	e.write("shop", map[string]*int{"c/1": num(2)})
	_, err = e.s.CreateBranch(ctx, "shop", "dev", CreateOptions{})
	e.ok(err)
	e.write("shop", map[string]*int{"c/1": num(3), "tmp/1": num(1)})
	r, err := e.s.Resolve(ctx, "shop")
	e.ok(err)
	tx := e.m.Begin(txn.Options{})
	v := tx.View(r.Levels, true)
	for _, n := range []string{"gone", "tmp"} {
		_, err := e.c.Drop(ctx, v, n)
		e.ok(err)
	}
	_, err = tx.Commit(ctx, txn.CommitInfo{})
	e.ok(err)
	_, err = e.s.CreateBranch(ctx, "shop", "brief", CreateOptions{})
	e.ok(err)
	e.write("shop~brief", map[string]*int{"c/1": num(9)})
	_, err = e.s.DropBranch(ctx, "shop", "brief", false)
	e.ok(err)
	e.clk.Advance(8 * 24 * time.Hour)
	e.write("shop", map[string]*int{"c/1": num(4)})
	last := e.write("shop", map[string]*int{"c/1": num(5)})
	st, err := e.s.RunGC(ctx, "")
	e.ok(err)
	if st.Collections != 1 || st.Dropped == 0 { // "tmp"; "gone" is in the tag
		t.Fatalf("%+v", st)
	}
	check := func() {
		t.Helper()
		for in, want := range map[string]int{"shop": 5, fmt.Sprintf("shop@%d", last-1): 4, "shop@v1": 1, "shop~dev": 2} {
			if got := e.read(in)["c/1"]; got != want {
				t.Errorf("%s: %d, want %d", in, got, want)
			}
		}
		if e.read("shop@v1")["gone/1"] != 1 {
			t.Error("a dropped collection is gone from a tag")
		}
	}
	check()
	e.restart()
	check()
	e.ok(e.s.SetRetention(ctx, "shop", Forever))
	_, err = e.s.Resolve(ctx, fmt.Sprintf("shop@%d", first+1))
	wantCode(t, err, errcode.SnapshotUnavailable, "history")
}

func BenchmarkCreateBranch(b *testing.B) {
	e := newEnv(b)
	e.write("shop", map[string]*int{"c/1": num(1)})
	for i := 0; b.Loop(); i++ {
		if _, err := e.s.CreateBranch(ctx, "shop", fmt.Sprint("b", i), CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	e := newEnv(b)
	e.write("shop", map[string]*int{"c/1": num(1)})
	for _, db := range []string{"shop", "shop~main", "shop@1", "shop@-0s"} {
		b.Run(db, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.s.Resolve(ctx, db); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
