package branching

import (
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// What the model does with branches beside writes and merges: tags, resets, restores
// of one collection, copies without history, drops.

// mtag is a tag: a point that stays readable, however old, and whatever becomes of
// its branch.
type mtag struct {
	head   *node
	points []point // of its branch, up to it
	root   *node
}

// life does one of these.
func (w *world) life(name string) {
	switch w.rnd.IntN(8) {
	case 0, 1:
		w.tag(name)
	case 2:
		w.dropTag()
	case 3:
		w.forkTag()
	case 4, 5:
		w.restoreCollection(name)
	case 6:
		w.reset(name)
	case 7:
		w.copy(name)
	}
}

func (w *world) tag(name string) {
	if len(w.tags) >= 6 {
		w.dropTag()
		return
	}
	b := w.branches[name]
	tag := mtag{head: b.head, points: slices.Clone(b.points), root: b.root}
	cmd := bson.D{{Key: "branch", Value: name}}
	if ps := w.within(name); len(ps) > 0 && w.rnd.IntN(2) == 0 {
		p := ps[w.rnd.IntN(len(ps))]
		x := mbranch{points: tag.points}
		x.cut(p)
		tag.head, tag.points = p.node, x.points
		cmd = append(cmd, bson.E{Key: "at", Value: p.lsn})
	}
	w.n++
	t := fmt.Sprintf("t%d", w.n)
	w.doing = fmt.Sprintf("tag %s of %s %v", t, name, cmd)
	w.cmd("m", append(bson.D{{Key: "createTag", Value: t}}, cmd...))
	w.tags[t] = tag
}

// pickTag returns a tag's name, "" when there is none.
func (w *world) pickTag() string {
	names := slices.Sorted(maps.Keys(w.tags))
	if len(names) == 0 {
		return ""
	}
	return names[w.rnd.IntN(len(names))]
}

func (w *world) dropTag() {
	if t := w.pickTag(); t != "" {
		w.doing = "drop tag " + t
		w.cmd("m", bson.D{{Key: "dropTag", Value: t}})
		delete(w.tags, t)
	}
}

// forkTag makes a branch of a tag, which may be older than the window.
func (w *world) forkTag() {
	t := w.pickTag()
	if t == "" || len(w.branches) >= 7 {
		return
	}
	tag := w.tags[t]
	from := "main"
	if tag.root != w.branches["main"].root { // a copy's: only a branch of its line knows it
		return
	}
	w.n++
	child := fmt.Sprintf("b%d", w.n)
	w.doing = fmt.Sprintf("fork %s from tag %s", child, t)
	w.cmd("m", bson.D{{Key: "createBranch", Value: child}, {Key: "from", Value: from}, {Key: "at", Value: t}})
	w.branches[child] = &mbranch{head: tag.head, points: slices.Clone(tag.points), root: tag.root, parent: from}
}

func (w *world) restoreCollection(name string) {
	ps := w.within(name)
	if len(ps) == 0 || len(w.branches) > 8 {
		return
	}
	p := ps[w.rnd.IntN(len(ps))]
	b := w.branches[name]
	c := []string{"p", "q"}[w.rnd.IntN(2)]
	if p.node.state[c] == nil || b.head.state[c] == nil {
		return // what is dropped or made by it has its own tests
	}
	w.n++
	backup := fmt.Sprintf("k%d", w.n)
	w.doing = fmt.Sprintf("restore %s.%s to %d, backup %s", name, c, p.lsn, backup)
	old := &mbranch{head: b.head, points: slices.Clone(b.points), root: b.root, parent: name}
	w.cmd("m", bson.D{{Key: "restoreBranch", Value: name}, {Key: "to", Value: p.lsn}, {Key: "collection", Value: c}, {Key: "backup", Value: backup}})
	s := b.head.state.clone()
	s[c] = state{c: p.node.state[c]}.clone()[c]
	w.commit(name, &node{s, []*node{b.head}}, false, false)
	w.branches[backup] = old
}

// reset sets a branch to its parent's head; its former state stays as a branch.
func (w *world) reset(name string) {
	b := w.branches[name]
	parent := w.branches[b.parent]
	if parent == nil || parent.root != b.root || len(w.branches) > 8 {
		return
	}
	w.n++
	backup := fmt.Sprintf("k%d", w.n)
	w.doing = fmt.Sprintf("reset %s to %s, backup %s", name, b.parent, backup)
	w.cmd("m", bson.D{{Key: "resetBranch", Value: name}, {Key: "backup", Value: backup}})
	w.branches[backup] = &mbranch{head: b.head, points: b.points, root: b.root, parent: b.parent}
	b.head, b.points = parent.head, slices.Clone(parent.points)
	w.commit(name, &node{parent.head.state, []*node{parent.head}}, false, false)
}

// copy makes a branch that shares no history: of masked documents, or without any.
func (w *world) copy(name string) {
	if len(w.branches) >= 7 {
		return
	}
	w.n++
	child := fmt.Sprintf("c%d", w.n)
	w.doing = "copy " + child + " of " + name
	s := w.branches[name].head.state.clone()
	cmd := bson.D{{Key: "createBranch", Value: child}, {Key: "from", Value: name}}
	if w.rnd.IntN(2) == 0 {
		cmd = append(cmd, bson.E{Key: "schemaOnly", Value: true})
		for c := range s {
			s[c] = coll{}
		}
	} else {
		cmd = append(cmd, bson.E{Key: "mask", Value: bson.D{{Key: "*", Value: bson.D{{Key: "a", Value: "redact"}, {Key: "o.x", Value: "redact"}}}}})
		for _, docs := range s {
			for _, d := range docs {
				d["a"], d["o.x"] = 0, 0
			}
		}
	}
	w.cmd("m", cmd)
	root := &node{state: s}
	w.branches[child] = &mbranch{head: root, root: root, parent: name}
}

// strangers checks that two branches that share no history do not merge.
func (w *world) strangers(source, target string) {
	w.doing = fmt.Sprintf("merge %s into the stranger %s", source, target)
	err := w.c.Database("m").RunCommand(w.t.Context(), bson.D{{Key: "mergeBranch", Value: source}, {Key: "into", Value: target}}).Err()
	if err == nil {
		w.t.Fatalf("step %d: %s: no error", w.step, w.doing)
	}
}
