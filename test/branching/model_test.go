package branching

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/seed"
)

var (
	stepsFlag = flag.Int("steps", 250, "steps of the model test")
)

// TestModel does random things to branches (writes, drops, forks, merges, reverts,
// restores of all or one collection, resets, tags, copies without history, drops of
// branches, garbage collection, restarts) and to a model of them in memory, and compares: the plan of each merge and revert, the heads after every
// step, and at the end every point within the window.
func TestModel(t *testing.T) {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed.Of(t), 1)), dir: t.TempDir(), clk: clock.NewManual(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)),
		branches: map[string]*mbranch{}, tags: map[string]mtag{}}
	w.start()
	defer func() { w.stop() }()
	w.cmd("admin", bson.D{{Key: "ping", Value: 1}})
	w.cmd("m", bson.D{{Key: "createProject", Value: 1}})
	w.cmd("m", bson.D{{Key: "setRetention", Value: 3600}})
	root := &node{state: state{}}
	w.branches["main"] = &mbranch{head: root, root: root}
	w.write("main")
	for i := range *stepsFlag {
		w.step = i
		w.clk.Advance(time.Minute)
		w.act()
		if t.Failed() {
			return
		}
	}
	w.checkAll()
}

// doc is a document's fields; state is collections of documents by _id.
type (
	doc   map[string]int
	coll  map[int]doc
	state map[string]coll
)

// node is one commit of the model.
type node struct {
	state   state
	parents []*node
}

type point struct {
	lsn  int64
	time time.Time
	node *node
	own  bool // made on this branch, and so it can be reverted
	drop bool // a drop of a collection
}

type mbranch struct {
	head   *node
	points []point
	root   *node  // branches of one root have a history in common
	parent string // the branch it was made from
}

type world struct {
	t        *testing.T
	rnd      *rand.Rand
	dir      string
	clk      *clock.Manual
	srv      *daemon.Server
	c        *mongo.Client
	branches map[string]*mbranch
	tags     map[string]mtag
	step, n  int
	last     int64 // the newest LSN that the model knows
	doing    string
	about    string // the sides of a merge
}

func (w *world) start() {
	w.t.Helper()
	var err error
	w.srv, err = daemon.Start(daemon.Options{Dir: w.dir, Listen: "127.0.0.1:0", Clock: w.clk, LogTo: quiet{}, DrainTimeout: 5 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.c, err = mongo.Connect(options.Client().ApplyURI(w.srv.URI())); err != nil {
		w.t.Fatal(err)
	}
}

type quiet struct{}

func (quiet) Write(p []byte) (int, error) { return len(p), nil }

func (w *world) stop() {
	_ = w.c.Disconnect(w.t.Context())
	if err := w.srv.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) cmd(db string, cmd bson.D) bson.Raw {
	w.t.Helper()
	r, err := w.c.Database(db).RunCommand(w.t.Context(), cmd).Raw()
	if err != nil {
		w.t.Fatalf("step %d: %s: %v: %v", w.step, db, cmd, err)
	}
	return r
}

func (w *world) lsn() int64 {
	r := w.cmd("m", bson.D{{Key: "historyInfo", Value: "main"}})
	return r.Lookup("latestLsn").Int64()
}

// commit adds a commit of the model to a branch, at the newest LSN.
func (w *world) commit(name string, n *node, own, drop bool) {
	b := w.branches[name]
	lsn := w.lsn()
	if lsn == w.last { // a write that changed nothing made no commit
		n, own = b.head, false
	}
	b.head = n
	w.last = lsn
	b.points = append(b.points, point{lsn, w.clk.Now(), n, own, drop})
}

func (s state) clone() state {
	out := state{}
	for c, docs := range s {
		out[c] = coll{}
		for id, d := range docs {
			out[c][id] = maps.Clone(d)
		}
	}
	return out
}

func (w *world) pick() string {
	names := slices.Sorted(maps.Keys(w.branches))
	return names[w.rnd.IntN(len(names))]
}

func (w *world) act() {
	w.doing, w.last = "", w.lsn()
	name := w.pick()
	switch r := w.rnd.IntN(100); {
	case r < 50:
		w.write(name)
	case r < 53:
		w.drop(name)
	case r < 62 && len(w.branches) < 7:
		w.fork(name)
	case r < 82:
		w.merge(name, w.pick())
	case r < 91:
		w.revert(name)
	case r < 94:
		w.restore(name)
	case r < 96 && name != "main" && len(w.branches) > 4:
		w.remove(name)
	case r < 97:
		w.doing = "gc"
		w.cmd("admin", bson.D{{Key: "runGC", Value: 1}})
	case r < 99:
		w.doing = "restart"
		w.stop()
		w.start()
	}
	if testing.Verbose() {
		w.t.Logf("step %d, LSN %d: %s", w.step, w.lsn(), w.doing)
	}
	if w.rnd.IntN(6) == 0 {
		w.life(w.pick())
	}
	for _, n := range slices.Sorted(maps.Keys(w.branches)) {
		w.check("m~"+n, w.branches[n].head.state)
	}
}

func (w *world) doc() doc {
	return doc{"a": w.rnd.IntN(3), "b": w.rnd.IntN(3), "c": w.rnd.IntN(3), "o.x": w.rnd.IntN(3), "o.y": w.rnd.IntN(3)}
}

func (d doc) bson(id int) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "a", Value: d["a"]}, {Key: "b", Value: d["b"]}, {Key: "c", Value: d["c"]},
		{Key: "o", Value: bson.D{{Key: "x", Value: d["o.x"]}, {Key: "y", Value: d["o.y"]}}}}
}

// write changes some documents of one collection in one commit.
func (w *world) write(name string) {
	s := w.branches[name].head.state.clone()
	c := []string{"p", "q"}[w.rnd.IntN(2)]
	w.doing = "write " + name + "." + c
	if s[c] == nil {
		// The first insert makes the collection; an index comes with it.
		s[c] = coll{}
		w.cmd("m~"+name, bson.D{{Key: "createIndexes", Value: c}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}}}}})
		w.commit(name, &node{s.clone(), []*node{w.branches[name].head}}, true, false)
	}
	var ops bson.A
	for range 1 + w.rnd.IntN(4) {
		id := w.rnd.IntN(8)
		d := s[c][id]
		switch {
		case d == nil:
			d = w.doc()
			s[c][id] = d
			ops = append(ops, bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: d.bson(id)}})
		case w.rnd.IntN(4) == 0:
			delete(s[c], id)
			ops = append(ops, bson.D{{Key: "delete", Value: 0}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}}})
		default:
			keys := slices.Sorted(maps.Keys(d))
			k := keys[w.rnd.IntN(len(keys))]
			d[k] = w.rnd.IntN(3)
			ops = append(ops, bson.D{{Key: "update", Value: 0}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}},
				{Key: "updateMods", Value: bson.D{{Key: "$set", Value: bson.D{{Key: k, Value: d[k]}}}}}})
		}
	}
	for _, op := range ops { // a commit each, of which the last is a point of the model
		w.cmd("admin", bson.D{{Key: "bulkWrite", Value: 1}, {Key: "ops", Value: bson.A{op}}, {Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "m~" + name + "." + c}}}}})
	}
	w.commit(name, &node{s, []*node{w.branches[name].head}}, len(ops) == 1, false)
}

func (w *world) drop(name string) {
	s := w.branches[name].head.state.clone()
	for _, c := range []string{"p", "q"} {
		if s[c] != nil {
			w.doing = "drop " + name + "." + c
			delete(s, c)
			w.cmd("m~"+name, bson.D{{Key: "drop", Value: c}})
			w.commit(name, &node{s, []*node{w.branches[name].head}}, true, true)
			return
		}
	}
}

// within returns the points of a branch that are surely in the window.
func (w *world) within(name string) (out []point) {
	for _, p := range w.branches[name].points {
		if w.clk.Now().Sub(p.time) < 55*time.Minute {
			out = append(out, p)
		}
	}
	return out
}

func (w *world) fork(name string) {
	w.n++
	child := fmt.Sprintf("b%d", w.n)
	w.doing = "fork " + child + " from " + name
	from := w.branches[name]
	cmd := bson.D{{Key: "createBranch", Value: child}, {Key: "from", Value: name}}
	b := &mbranch{head: from.head, points: slices.Clone(from.points), root: from.root, parent: name}
	if ps := w.within(name); len(ps) > 0 && w.rnd.IntN(2) == 0 {
		p := ps[w.rnd.IntN(len(ps))]
		w.doing += fmt.Sprintf(" at %d", p.lsn)
		cmd = append(cmd, bson.E{Key: "at", Value: p.lsn})
		b.cut(p)
	}
	w.cmd("m", cmd)
	w.branches[child] = b
}

func (b *mbranch) cut(p point) {
	b.head = p.node
	for i, q := range b.points {
		if q.lsn > p.lsn {
			b.points = slices.Clone(b.points[:i])
			return
		}
	}
}

func (w *world) remove(name string) {
	w.doing = "drop branch " + name
	r := w.cmd("m", bson.D{{Key: "dropBranch", Value: name}, {Key: "force", Value: true}})
	list, _ := r.Lookup("dropped").Array().Values()
	for _, v := range list {
		delete(w.branches, v.StringValue())
	}
}

func (w *world) restore(name string) {
	ps := w.within(name)
	if len(ps) == 0 || len(w.branches) > 8 {
		return
	}
	p := ps[w.rnd.IntN(len(ps))]
	w.n++
	backup := fmt.Sprintf("k%d", w.n)
	w.doing = fmt.Sprintf("restore %s to %d, backup %s", name, p.lsn, backup)
	b := w.branches[name]
	old := &mbranch{head: b.head, points: slices.Clone(b.points), root: b.root, parent: b.parent}
	if old.parent == "" {
		old.parent = name
	}
	w.cmd("m", bson.D{{Key: "restoreBranch", Value: name}, {Key: "to", Value: p.lsn}, {Key: "backup", Value: backup}})
	b.cut(p)
	w.commit(name, &node{p.node.state, []*node{p.node}}, false, false)
	w.branches[backup] = old
}

// ancestors of a node, itself included.
func (n *node) ancestors() map[*node]bool {
	out := map[*node]bool{}
	todo := []*node{n}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !out[x] {
			out[x] = true
			todo = append(todo, x.parents...)
		}
	}
	return out
}

// bases returns the best common ancestors.
func bases(a, b *node) []*node {
	x, y := a.ancestors(), b.ancestors()
	common := map[*node]bool{}
	for n := range x {
		if y[n] {
			common[n] = true
		}
	}
	worse := map[*node]bool{}
	for n := range common {
		for m := range n.ancestors() {
			if m != n {
				worse[m] = true
			}
		}
	}
	var out []*node
	for n := range common {
		if !worse[n] {
			out = append(out, n)
		}
	}
	return out
}

// merge3 merges by field; conflicts are named "collection" or "collection/id".
func merge3(base, source, target state, strategy string) (state, []string) {
	out := target.clone()
	var conflicts []string
	for _, c := range []string{"p", "q"} {
		b, s, t := base[c], source[c], target[c]
		switch {
		case b == nil && s == nil, s == nil && t == nil:
		case s == nil: // dropped there
			if !equalColl(b, t) {
				if conflicts = append(conflicts, c); strategy != "source" {
					continue
				}
			}
			delete(out, c)
		case t == nil && b != nil:
			if equalColl(b, s) {
				continue
			}
			if conflicts = append(conflicts, c); strategy == "source" {
				out[c] = state{c: s}.clone()[c]
			}
		default:
			if out[c] == nil {
				out[c] = coll{}
			}
			for id := range 8 {
				d, clash := mergeDoc(b[id], s[id], t[id], strategy)
				if clash {
					conflicts = append(conflicts, fmt.Sprintf("%s/%d", c, id))
				}
				if delete(out[c], id); d != nil {
					out[c][id] = maps.Clone(d)
				}
			}
		}
	}
	return out, conflicts
}

func equalColl(a, b coll) bool {
	return maps.EqualFunc(a, b, func(x, y doc) bool { return maps.Equal(x, y) })
}

func equalDoc(a, b doc) bool { return (a == nil) == (b == nil) && maps.Equal(a, b) }

func mergeDoc(b, s, t doc, strategy string) (doc, bool) {
	pick := t
	if strategy == "source" {
		pick = s
	}
	switch {
	case equalDoc(b, s):
		return t, false
	case equalDoc(b, t):
		return s, false
	case s == nil && t == nil:
		return nil, false
	case b == nil && equalDoc(s, t):
		return t, false
	case b == nil || s == nil || t == nil:
		return pick, true
	}
	out, clash := doc{}, false
	for k := range b {
		switch {
		case b[k] == s[k]:
			out[k] = t[k]
		case b[k] == t[k]:
			out[k] = s[k]
		default:
			out[k], clash = pick[k], true
		}
	}
	return out, clash
}

func (w *world) merge(source, target string) {
	if source == target {
		return
	}
	if w.branches[source].root != w.branches[target].root {
		w.strangers(source, target)
		return
	}
	s, t := w.branches[source].head, w.branches[target].head
	strategy := []string{"abort", "source", "target"}[w.rnd.IntN(3)]
	w.doing = fmt.Sprintf("merge %s into %s, %s", source, target, strategy)
	r := w.cmd("m", bson.D{{Key: "mergeBranch", Value: source}, {Key: "into", Value: target}, {Key: "strategy", Value: strategy}})
	_, upToDate := r.Lookup("upToDate").BooleanOK()
	if upToDate != t.ancestors()[s] {
		w.t.Fatalf("step %d: %s: upToDate is %v", w.step, w.doing, upToDate)
	}
	if upToDate {
		return
	}
	base := bases(s, t)
	if len(base) > 1 {
		// They crossed: what comes of it is another test's; the model takes it over.
		if conflictCount(r) == 0 || strategy != "abort" {
			w.commit(target, &node{w.read("m~" + target), []*node{t, s}}, false, false)
		}
		return
	}
	out, conflicts := merge3(base[0].state, s.state, t.state, strategy)
	w.about = fmt.Sprintf("base %v\nsource %v\ntarget %v", base[0].state, s.state, t.state)
	w.same(r, conflicts, strategy)
	if len(conflicts) == 0 || strategy != "abort" {
		w.commit(target, &node{out, []*node{t, s}}, true, false)
	}
}

func conflictCount(r bson.Raw) int64 { return r.Lookup("plan", "conflictCount").Int64() }

// same compares the conflicts of a reply with the model's.
func (w *world) same(r bson.Raw, want []string, strategy string) {
	w.t.Helper()
	if strategy != "abort" {
		if n := r.Lookup("plan", "settled").Int64(); n != int64(len(want)) {
			w.t.Fatalf("step %d: %s: %d conflicts settled, want %q\n%s\n%s", w.step, w.doing, n, want, r, w.about)
		}
		return
	}
	var got []string
	list, _ := r.Lookup("plan", "conflicts").Array().Values()
	for _, v := range list {
		s := v.Document().Lookup("collection").StringValue()
		if id, ok := v.Document().Lookup("_id").AsInt64OK(); ok {
			s += fmt.Sprintf("/%d", id)
		}
		got = append(got, s)
	}
	sort.Strings(got)
	sort.Strings(want)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		w.t.Fatalf("step %d: %s: conflicts %q, want %q\n%s\n%s", w.step, w.doing, got, want, r, w.about)
	}
	if _, err := r.LookupErr("mergedLsn"); (err == nil) == (len(want) > 0) {
		w.t.Fatalf("step %d: %s: mergedLsn with conflicts, or none without: %s", w.step, w.doing, r)
	}
}

// revert undoes one commit of a branch.
func (w *world) revert(name string) {
	var ps []point
	for _, p := range w.within(name) {
		if p.own {
			ps = append(ps, p)
		}
	}
	if len(ps) == 0 {
		return
	}
	p := ps[w.rnd.IntN(len(ps))]
	t := w.branches[name].head
	before := p.node.parents[0].state
	for c := range before {
		if p.node.state[c] == nil && t.state[c] != nil {
			return // dropped there and made anew since: nothing tells what is meant
		}
	}
	strategy := []string{"abort", "source", "target"}[w.rnd.IntN(3)]
	w.doing = fmt.Sprintf("revert %d on %s, %s", p.lsn, name, strategy)
	out, conflicts := merge3(p.node.state, before, t.state, strategy)
	for _, c := range []string{"p", "q"} {
		if before[c] != nil && p.node.state[c] != nil && t.state[c] == nil {
			return // gone since: each document is a conflict of its own
		}
	}
	r := w.cmd("m", bson.D{{Key: "revertCommits", Value: name}, {Key: "from", Value: p.lsn}, {Key: "to", Value: p.lsn}, {Key: "strategy", Value: strategy}})
	w.same(r, conflicts, strategy)
	if r.Lookup("mergedLsn").Type != 0 {
		w.commit(name, &node{out, []*node{t}}, r.Lookup("upToDate").Type == 0, false)
	}
}

// read reads all of a branch, by scans and through the index.
func (w *world) read(db string) state {
	w.t.Helper()
	d := w.c.Database(db)
	names, err := d.ListCollectionNames(w.t.Context(), bson.D{})
	if err != nil {
		w.t.Fatalf("step %d: %s: %s: %v", w.step, w.doing, db, err)
	}
	out := state{}
	for _, n := range names {
		out[n] = w.find(d.Collection(n), options.Find())
		if byIndex := w.find(d.Collection(n), options.Find().SetHint("a_1")); !equalColl(out[n], byIndex) {
			w.t.Fatalf("step %d: %s: %s.%s: the index says %v, the documents %v", w.step, w.doing, db, n, byIndex, out[n])
		}
	}
	return out
}

func (w *world) find(c *mongo.Collection, o *options.FindOptionsBuilder) coll {
	w.t.Helper()
	cur, err := c.Find(w.t.Context(), bson.D{}, o)
	if err != nil {
		w.t.Fatalf("step %d: %s: %s: %v", w.step, w.doing, c.Name(), err)
	}
	var list []struct {
		ID      int `bson:"_id"`
		A, B, C int
		O       struct{ X, Y int }
	}
	if err := cur.All(w.t.Context(), &list); err != nil {
		w.t.Fatalf("step %d: %s: %s: %v", w.step, w.doing, c.Name(), err)
	}
	out := coll{}
	for _, d := range list {
		out[d.ID] = doc{"a": d.A, "b": d.B, "c": d.C, "o.x": d.O.X, "o.y": d.O.Y}
	}
	return out
}

func (w *world) check(db string, want state) {
	w.t.Helper()
	got := w.read(db)
	if !maps.EqualFunc(got, want, equalColl) {
		w.t.Fatalf("step %d: %s: %s has\n%v, want\n%v", w.step, w.doing, db, got, want)
	}
}

// checkAll reads every point within the window, before and after a collection of
// garbage and a restart.
func (w *world) checkAll() {
	w.doing = "the end"
	n := 0
	for range 2 {
		for name := range w.branches {
			for _, p := range w.within(name) {
				w.check(fmt.Sprintf("m~%s@%d", name, p.lsn), p.node.state)
				n++
			}
		}
		for name, tag := range w.tags {
			if tag.root == w.branches["main"].root {
				w.check("m@"+name, tag.head.state)
			}
		}
		w.cmd("admin", bson.D{{Key: "runGC", Value: 1}})
		w.stop()
		w.start()
	}
	w.t.Logf("%d points", n)
}
