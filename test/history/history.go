// Package history checks what concurrent clients have seen against snapshot
// isolation, by lists that transactions append to.
//
// Every appended value is unique, so that a list that somebody has read tells the
// order of all appends before: from the reads follows which transaction wrote what
// another read (wr), whose append followed whose (ww), and which append a reader
// did not see yet (rw). Snapshot isolation (strong: a transaction sees all that was
// acknowledged before it began) holds exactly when no cycle is left in which no two
// rw edges follow each other; the order in time counts as an edge like ww and wr.
// (Adya, "Weak Consistency", 1999; Cerone and Gotsman, "Analysing Snapshot
// Isolation", 2016.)
package history

import (
	"fmt"
	"slices"
	"sort"
)

// Status is what a transaction's client knows of its end.
type Status int

// The statuses of a transaction. Unknown: the reply to the commit was lost.
const (
	Committed Status = iota
	Aborted
	Unknown
)

// Op is one operation of a transaction: an append of Value to the list Key, or a
// read that saw List.
type Op struct {
	Key    string
	Append bool
	Value  int
	List   []int
}

// Txn is what a client did in one transaction, and when by one clock: from its
// call, in ns, to the reply to its commit.
type Txn struct {
	Ops        []Op
	Status     Status
	Start, End int64
}

// Anomaly is something that snapshot isolation forbids.
type Anomaly struct {
	// Kind is Adya's name: G0, G1a, G1b, G1c, G-SI; or "order" for reads of a list
	// that have no common order, "internal" for a transaction that does not see its
	// own writes, "lost" for an acknowledged append that is not there.
	Kind string
	Text string
}

func (a Anomaly) String() string { return a.Kind + ": " + a.Text }

type writer struct {
	txn int
	// last: the transaction's last append to the list.
	last bool
}

type checker struct {
	txns    []Txn
	writers map[string]map[int]writer // key → value → who appended it
	order   map[string][]int          // key → the longest list that was read
	found   []Anomaly
}

// Check returns the anomalies of a history; the last transactions should read all
// lists. At most 20 are listed.
func Check(txns []Txn) []Anomaly {
	c := &checker{txns: txns, writers: map[string]map[int]writer{}, order: map[string][]int{}}
	c.index()
	for i := range txns {
		if txns[i].Status == Committed {
			c.reads(i)
		}
	}
	if len(c.found) == 0 {
		c.lost()
		c.cycles()
	}
	return c.found[:min(len(c.found), 20)]
}

func (c *checker) add(kind, format string, args ...any) {
	c.found = append(c.found, Anomaly{kind, fmt.Sprintf(format, args...)})
}

// index finds who appended what, and the longest list of each key.
func (c *checker) index() {
	for i, t := range c.txns {
		own := map[string]int{}
		for _, op := range t.Ops {
			if !op.Append {
				if t.Status == Committed && len(op.List) > len(c.order[op.Key]) {
					c.order[op.Key] = op.List
				}
				continue
			}
			if c.writers[op.Key] == nil {
				c.writers[op.Key] = map[int]writer{}
			}
			if last, ok := own[op.Key]; ok {
				c.writers[op.Key][last] = writer{txn: i}
			}
			c.writers[op.Key][op.Value], own[op.Key] = writer{i, true}, op.Value
		}
	}
}

// reads checks each read of a transaction by itself.
func (c *checker) reads(i int) {
	own := map[string][]int{} // appended since the last read of the list
	seen := map[string][]int{}
	for _, op := range c.txns[i].Ops {
		if op.Append {
			own[op.Key] = append(own[op.Key], op.Value)
			continue
		}
		before, was := seen[op.Key]
		want := append(slices.Clip(before), own[op.Key]...)
		if n := len(own[op.Key]); was && !slices.Equal(op.List, want) || len(op.List) < n || !slices.Equal(op.List[len(op.List)-n:], own[op.Key]) {
			c.add("internal", "transaction %d reads %v of %s, after %v and its appends %v", i, op.List, op.Key, before, own[op.Key])
		}
		seen[op.Key], own[op.Key] = op.List, nil
		c.read(i, op)
	}
}

func (c *checker) read(i int, op Op) {
	order := c.order[op.Key]
	twice := map[int]bool{}
	for k, v := range op.List {
		if twice[v] {
			c.add("order", "transaction %d reads %d twice in %s", i, v, op.Key)
		}
		twice[v] = true
		if order[k] != v {
			c.add("order", "transaction %d reads %v of %s, another %v", i, op.List, op.Key, order)
			return
		}
		w, ok := c.writers[op.Key][v]
		switch {
		case !ok:
			c.add("G1a", "transaction %d reads %d of %s, which nobody has appended", i, v, op.Key)
		case c.txns[w.txn].Status == Aborted:
			c.add("G1a", "transaction %d reads %d of %s, whose transaction %d was aborted", i, v, op.Key, w.txn)
		}
	}
	if n := len(op.List); n > 0 {
		if w := c.writers[op.Key][op.List[n-1]]; !w.last && w.txn != i {
			c.add("G1b", "transaction %d reads %d of %s, after which transaction %d appended more", i, op.List[n-1], op.Key, w.txn)
		}
	}
}

// lost checks that every acknowledged append is in the final list.
func (c *checker) lost() {
	for key, values := range c.writers {
		for v, w := range values {
			if c.txns[w.txn].Status == Committed && !slices.Contains(c.order[key], v) {
				c.add("lost", "%d, which transaction %d appended to %s, is in no list that was read", v, w.txn, key)
			}
		}
	}
}

// edges builds the dependencies between transactions that have committed, those of
// unknown end whose appends were read among them.
func (c *checker) edges() *graph {
	g := newGraph(len(c.txns))
	for key, order := range c.order {
		for k := 1; k < len(order); k++ {
			g.edge(c.writers[key][order[k-1]].txn, c.writers[key][order[k]].txn, ww)
		}
	}
	for i, t := range c.txns {
		if t.Status != Committed {
			continue
		}
		for _, op := range t.Ops {
			if op.Append {
				continue
			}
			order, n := c.order[op.Key], len(op.List)
			if n > 0 {
				g.edge(c.writers[op.Key][op.List[n-1]].txn, i, wr)
			}
			if n < len(order) {
				g.edge(i, c.writers[op.Key][order[n]].txn, rw)
			}
		}
	}
	c.times(g)
	return g
}

// times adds the order in time through a chain of moments, so that there are as
// many edges as transactions and not their square.
func (c *checker) times(g *graph) {
	type moment struct {
		at  int64
		txn int
		end bool
	}
	var all []moment
	for i, t := range c.txns {
		all = append(all, moment{t.Start, i, false})
		if t.Status == Committed {
			all = append(all, moment{t.End, i, true})
		}
	}
	// An end and a start of the same moment are not ordered: starts come first.
	sort.Slice(all, func(i, j int) bool {
		return all[i].at < all[j].at || all[i].at == all[j].at && !all[i].end && all[j].end
	})
	chain := -1
	for _, m := range all {
		switch {
		case m.end:
			next := g.node()
			if chain >= 0 {
				g.edge(chain, next, rt)
			}
			g.edge(m.txn, next, rt)
			chain = next
		case chain >= 0:
			g.edge(chain, m.txn, rt)
		}
	}
}

// cycles reports one forbidden cycle for each kind of edges that it needs.
func (c *checker) cycles() {
	g := c.edges()
	for _, k := range []struct {
		name string
		with kind
	}{{"G0", ww}, {"G1c", ww | wr | rt}, {"G-SI", ww | wr | rt | rw}} {
		if cycle := g.cycle(k.with); cycle != "" {
			c.add(k.name, "%s", cycle)
			return
		}
	}
}
