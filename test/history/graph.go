package history

import (
	"fmt"
	"strings"
)

// kind is why one transaction comes before another; kinds are a set.
type kind int

const (
	ww kind = 1 << iota // the second appended next after the first
	wr                  // the second read what the first appended
	rw                  // the second appended what the first did not see yet
	rt                  // the first was acknowledged before the second began
)

func (k kind) String() string { return map[kind]string{ww: "ww", wr: "wr", rw: "rw", rt: "time"}[k] }

type arc struct {
	to   int
	kind kind
}

// graph has the transactions as its first nodes, and moments as further ones.
type graph struct {
	txns int
	out  [][]arc
}

func newGraph(txns int) *graph { return &graph{txns, make([][]arc, txns)} }

func (g *graph) node() int {
	g.out = append(g.out, nil)
	return len(g.out) - 1
}

func (g *graph) edge(from, to int, k kind) {
	if from != to {
		g.out[from] = append(g.out[from], arc{to, k})
	}
}

// cycle returns a shortest one of the cycles over edges of these kinds in which no
// two rw edges follow each other; "" when there is none. A state of the search is a
// node and whether the edge that led there was an rw edge: 2·node, and 1.
func (g *graph) cycle(with kind) string {
	next := func(s int) []int {
		var to []int
		for _, a := range g.out[s/2] {
			switch {
			case a.kind&with == 0 || a.kind == rw && s&1 == 1:
			case a.kind == rw:
				to = append(to, 2*a.to+1)
			default:
				to = append(to, 2*a.to)
			}
		}
		return to
	}
	best := []int(nil)
	for _, component := range components(2*len(g.out), next) {
		if c := shortest(component, next); best == nil || len(c) < len(best) {
			best = c
		}
	}
	return g.text(best, with)
}

// text shows a cycle of states, moments left out.
func (g *graph) text(cycle []int, with kind) string {
	var b strings.Builder
	for i, s := range cycle {
		if s/2 < g.txns {
			fmt.Fprintf(&b, "transaction %d ", s/2)
		}
		t := cycle[(i+1)%len(cycle)]
		for _, a := range g.out[s/2] {
			if a.to == t/2 && a.kind&with != 0 && (a.kind == rw) == (t&1 == 1) && s/2 < g.txns {
				fmt.Fprintf(&b, "-%s-> ", a.kind)
				break
			}
		}
	}
	return strings.TrimSpace(b.String())
}

// components returns the strongly connected components of more than one state
// (Tarjan's algorithm, without recursion).
func components(n int, next func(int) []int) (found [][]int) {
	const unseen = -1
	index, low, on := make([]int, n), make([]int, n), make([]bool, n)
	for i := range index {
		index[i] = unseen
	}
	type frame struct {
		state int
		to    []int
	}
	var stack []int
	count := 0
	for root := range n {
		if index[root] != unseen {
			continue
		}
		var calls []frame
		enter := func(s int) {
			index[s], low[s], on[s] = count, count, true
			count++
			stack = append(stack, s)
			calls = append(calls, frame{s, next(s)})
		}
		for enter(root); len(calls) > 0; {
			f := &calls[len(calls)-1]
			if len(f.to) > 0 {
				t := f.to[0]
				f.to = f.to[1:]
				if index[t] == unseen {
					enter(t)
				} else if on[t] {
					low[f.state] = min(low[f.state], index[t])
				}
				continue
			}
			s := f.state
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				p := calls[len(calls)-1].state
				low[p] = min(low[p], low[s])
			}
			if low[s] != index[s] {
				continue
			}
			at := len(stack) - 1
			for stack[at] != s {
				at--
			}
			if len(stack)-at > 1 {
				found = append(found, append([]int(nil), stack[at:]...))
			}
			for _, t := range stack[at:] {
				on[t] = false
			}
			stack = stack[:at]
		}
	}
	return found
}

// shortest returns a shortest cycle through one of the first states of a component.
func shortest(component []int, next func(int) []int) []int {
	in := map[int]bool{}
	for _, s := range component {
		in[s] = true
	}
	var best []int
	for _, start := range component[:min(len(component), 50)] {
		from := map[int]int{start: start}
		queue := []int{start}
	search:
		for len(queue) > 0 {
			s := queue[0]
			queue = queue[1:]
			for _, t := range next(s) {
				if t == start {
					var cycle []int
					for ; s != start; s = from[s] {
						cycle = append([]int{s}, cycle...)
					}
					if cycle = append([]int{start}, cycle...); best == nil || len(cycle) < len(best) {
						best = cycle
					}
					break search
				}
				if _, seen := from[t]; !seen && in[t] {
					from[t] = s
					queue = append(queue, t)
				}
			}
		}
	}
	return best
}
