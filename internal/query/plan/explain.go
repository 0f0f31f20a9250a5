package plan

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// Node is a stage of a plan as explain shows it.
type Node struct {
	Stage string
	// Filter is what the stage applies to its rows; nil for nothing.
	Filter bsonx.Doc
	// Describe writes the stage's own fields; nil for none.
	Describe func(b *bsonx.Builder)
	// Stats writes what the stage has counted; nil for none.
	Stats    func(b *bsonx.Builder)
	Returned func() int64
	Works    func() int64
	EOF      func() bool
	Inputs   []*Node
}

// Tree describes a plan's access path and the filter on it. rows counts the rows
// that passed the filter. What st counts is read when the tree is written.
func (p *Plan) Tree(st *exec.Stats, rows *int64) *Node {
	n := p.access(p.Access, st)
	if p.Filter == nil || p.Filter.MatchesAll() {
		return n
	}
	passed := func() int64 { return *rows }
	switch n.Stage {
	case "COLLSCAN", "FETCH", "EXPRESS_IXSCAN", "IXSCAN":
		n.Filter, n.Returned = FilterDoc(p.Filter.Root()), passed
		return n
	}
	return &Node{Stage: "FETCH", Filter: FilterDoc(p.Filter.Root()), Inputs: []*Node{n}, Returned: passed, Works: n.Works, EOF: n.EOF, Stats: fetched(st)}
}

// fetched writes what a FETCH counts over a path that may join others.
func fetched(st *exec.Stats) func(b *bsonx.Builder) {
	return func(b *bsonx.Builder) {
		b.Int32("docsExamined", int32(docsOf(st)))
		b.Int32("alreadyHasObj", 0)
	}
}

func docsOf(st *exec.Stats) int64 {
	n := st.DocsExamined
	for _, c := range st.Children {
		n += docsOf(c)
	}
	return n
}

func (p *Plan) access(a exec.Access, st *exec.Stats) *Node {
	return p.accessNode(a, func() *exec.Stats { return st })
}

// accessNode describes a path; what it counts is there once it was opened.
func (p *Plan) accessNode(a exec.Access, stats func() *exec.Stats) *Node {
	n := &Node{Returned: func() int64 { return stats().Returned }, Works: func() int64 { return stats().Works }, EOF: func() bool { return stats().EOF }}
	switch a := a.(type) {
	case *exec.CollScan:
		n.Stage = "COLLSCAN"
		n.Describe = func(b *bsonx.Builder) { b.String("direction", direction(a.Reverse)) }
		n.Stats = func(b *bsonx.Builder) { b.Int32("docsExamined", int32(stats().DocsExamined)) }
	case *exec.IndexScan:
		return p.indexNode(a, stats, n)
	case *exec.TextScan:
		return p.textNode(a, stats(), n)
	case *exec.NearScan:
		return nearNode(a, stats(), n)
	case *exec.Scoreless:
		return p.accessNode(a.Access, stats)
	case *exec.Union:
		children := make([]exec.Access, len(a.Children))
		copy(children, a.Children)
		return p.joined("OR", n, stats, children)
	case *exec.Merge:
		n.Describe = func(b *bsonx.Builder) { b.Doc("sortPattern", p.Query.Sort) }
		return p.joined("SORT_MERGE", n, stats, accesses(a.Children))
	case *exec.Intersect:
		return p.joined("AND_SORTED", n, stats, accesses(a.Children))
	default:
		n.Stage = "EOF"
	}
	return n
}

func accesses(scans []*exec.IndexScan) []exec.Access {
	out := make([]exec.Access, len(scans))
	for i, s := range scans {
		out[i] = s
	}
	return out
}

// joined describes a path that joins others: the fetch comes after it.
func (p *Plan) joined(stage string, n *Node, stats func() *exec.Stats, children []exec.Access) *Node {
	n.Stage = stage
	n.Stats = func(b *bsonx.Builder) {
		st := stats()
		if stage == "AND_SORTED" {
			b.Int32("failedAnd_0", 0)
			return
		}
		b.Int32("dupsTested", int32(st.DupsTested))
		b.Int32("dupsDropped", int32(st.DupsDropped))
	}
	for i, c := range children {
		in := p.accessNode(c, func() *exec.Stats {
			if st := stats(); i < len(st.Children) {
				return st.Children[i]
			}
			return &exec.Stats{}
		})
		for in.Stage == "FETCH" {
			in = in.Inputs[0]
		}
		n.Inputs = append(n.Inputs, in)
	}
	if p.Filter != nil && len(p.nodesOf()) > 0 {
		return n
	}
	return &Node{Stage: "FETCH", Inputs: []*Node{n}, Returned: n.Returned, Works: n.Works, EOF: n.EOF,
		Stats: func(b *bsonx.Builder) { fetched(stats())(b) }}
}

func (p *Plan) nodesOf() []match.Node {
	if p.Query.Filter == nil {
		return nil
	}
	return conjuncts(p.Query.Filter.Root())
}

func direction(reverse bool) string {
	if reverse {
		return "backward"
	}
	return "forward"
}

// indexNode is an index scan with its fetch, or the express path by _id.
func (p *Plan) indexNode(a *exec.IndexScan, stats func() *exec.Stats, n *Node) *Node {
	if a.Index == nil && len(p.nodesOf()) == 1 && len(a.Bounds) == 1 && len(a.Bounds[0]) == 1 && a.Min == nil && a.Max == nil &&
		p.Filter == nil && bsonx.Equal(a.Bounds[0][0].Lo, a.Bounds[0][0].Hi) && p.Query.Sort == nil {
		n.Stage = "EXPRESS_IXSCAN"
		n.Describe = func(b *bsonx.Builder) {
			b.String("keyPattern", "{ _id: 1 }")
			b.String("indexName", "_id_")
		}
		n.Stats = func(b *bsonx.Builder) {
			b.Int32("keysExamined", int32(stats().KeysExamined))
			b.Int32("docsExamined", int32(stats().DocsExamined))
		}
		return n
	}
	n.Stage = "IXSCAN"
	n.Describe = func(b *bsonx.Builder) { describeIndex(b, a) }
	n.Stats = func(b *bsonx.Builder) {
		st := stats()
		b.Int32("keysExamined", int32(st.KeysExamined))
		b.Int32("seeks", int32(st.Seeks+1))
		b.Int32("dupsTested", int32(st.DupsTested))
		b.Int32("dupsDropped", int32(st.DupsDropped))
	}
	if a.Covered {
		return n
	}
	return &Node{Stage: "FETCH", Inputs: []*Node{n}, Returned: n.Returned, Works: n.Works, EOF: n.EOF,
		Stats: func(b *bsonx.Builder) { fetched(stats())(b) }}
}

// CountScan describes an index scan whose keys are only counted.
func CountScan(n *Node, a *exec.IndexScan) {
	n.Stage = "COUNT_SCAN"
	n.Describe = func(b *bsonx.Builder) {
		describeKeys(b, a)
		at := b.OpenDoc("indexBounds")
		for _, end := range []string{"start", "end"} {
			in := b.OpenDoc(end + "Key")
			inclusive := true
			for i, rs := range a.Bounds {
				if len(rs) == 0 {
					continue
				}
				v, ok := rs[0].Lo, rs[0].LoIn
				if (end == "end") != a.Spec.Descending(i) {
					v, ok = rs[len(rs)-1].Hi, rs[len(rs)-1].HiIn
				}
				b.Value(a.FieldName(i), v)
				inclusive = inclusive && ok
			}
			b.Close(in)
			b.Bool(end+"KeyInclusive", inclusive)
		}
		b.Close(at)
	}
	stats := n.Stats
	n.Stats = func(b *bsonx.Builder) {
		own := bsonx.NewDoc(nil)
		stats(own)
		b.Value("keysExamined", bsonx.Lookup(own.Done(), "keysExamined"))
	}
}

func describeIndex(b *bsonx.Builder, a *exec.IndexScan) {
	describeKeys(b, a)
	b.String("direction", direction(a.Reverse))
	at := b.OpenDoc("indexBounds")
	for i, rs := range a.Bounds {
		arr := b.OpenArray(a.FieldName(i))
		for j, s := range boundStrings(rs, a.Spec.Descending(i) != a.Reverse) {
			b.String(bsonx.Index(j), s)
		}
		b.Close(arr)
	}
	b.Close(at)
}

func describeKeys(b *bsonx.Builder, a *exec.IndexScan) {
	b.Doc("keyPattern", a.Spec.KeyPattern)
	b.String("indexName", a.Spec.Name)
	if a.Spec.Collation != nil {
		b.Doc("collation", a.Spec.Collation)
	}
	b.Bool("isMultiKey", a.Multikey.Any())
	if a.Spec.Ordered() {
		at := b.OpenDoc("multiKeyPaths")
		for i, f := range a.Spec.Fields {
			multikeyPaths(b, f, bits(a.Multikey, i))
		}
		b.Close(at)
	}
	b.Bool("isUnique", a.Spec.Unique || a.Spec.IsID)
	b.Bool("isSparse", a.Spec.Sparse)
	b.Bool("isPartial", a.Spec.Partial != nil)
	b.Int32("indexVersion", 2)
}

func multikeyPaths(b *bsonx.Builder, f index.Field, mk uint64) {
	arr := b.OpenArray(f.Path)
	n := 0
	for c := range f.Parts {
		if c < 64 && mk>>c&1 != 0 {
			b.String(bsonx.Index(n), strings.Join(f.Parts[:c+1], "."))
			n++
		}
	}
	b.Close(arr)
}

// boundStrings prints ranges in the order of the scan: "[1, 5)".
func boundStrings(rs []exec.Range, down bool) []string {
	var out []string
	for _, r := range rs {
		lo, hi, loIn, hiIn := r.Lo, r.Hi, r.LoIn, r.HiIn
		if down {
			lo, hi, loIn, hiIn = hi, lo, hiIn, loIn
		}
		open, end := "(", ")"
		if loIn {
			open = "["
		}
		if hiIn {
			end = "]"
		}
		out = append(out, open+boundValue(lo)+", "+boundValue(hi)+end)
	}
	if down {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out
}

func boundValue(v bsonx.Value) string {
	if v.Type == bsonx.Missing {
		return "undefined"
	}
	return exec.Format(v)
}

// FilterDoc shows a filter's tree as a document, as explain's parsedQuery.
func FilterDoc(n match.Node) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	appendFilter(b, n, 0)
	return b.Done()
}

func appendFilter(b *bsonx.Builder, n match.Node, depth int) {
	if depth > bsonx.MaxDepth {
		return
	}
	list := func(name string, nodes []match.Node) {
		arr := b.OpenArray(name)
		for i, c := range nodes {
			at := b.OpenDoc(bsonx.Index(i))
			appendFilter(b, c, depth+1)
			b.Close(at)
		}
		b.Close(arr)
	}
	switch n := n.(type) {
	case *match.And:
		list("$and", n.Nodes)
	case *match.Or:
		list("$or", n.Nodes)
	case *match.Nor:
		list("$nor", n.Nodes)
	case *match.False:
		b.Int32("$alwaysFalse", 1)
	case *match.True:
	case *match.Expr:
		b.Value("$expr", n.Spec)
	case *match.Where:
		b.Value("$where", bsonx.Value{Type: bsonx.JavaScript, Data: bsonx.AppendString(nil, n.Code)})
	case *match.Text:
		at := b.OpenDoc("$text")
		b.String("$search", n.Search)
		b.Close(at)
	case *match.Schema:
		b.Doc("$jsonSchema", n.Spec)
	default:
		if path, ok := anyPath(n); ok {
			at := b.OpenDoc(path)
			appendLeaf(b, n, depth+1)
			b.Close(at)
		}
	}
}

func anyPath(n match.Node) (string, bool) {
	switch n := n.(type) {
	case *match.Size:
		return n.Path.Name, true
	case *match.ElemMatchObject:
		return n.Path.Name, true
	case *match.Geo:
		return n.Path.Name, true
	case *match.Not:
		return anyPath(n.Node)
	}
	return pathOf(n)
}

func appendLeaf(b *bsonx.Builder, n match.Node, depth int) {
	switch n := n.(type) {
	case *match.Compare:
		b.Value(n.Op.String(), n.Value)
	case *match.In:
		arr := b.OpenArray("$in")
		for i, v := range n.Values {
			b.Value(bsonx.Index(i), v)
		}
		b.Close(arr)
	case *match.Exists:
		b.Bool("$exists", true)
	case *match.Type:
		arr := b.OpenArray("$type")
		for i, t := range n.Types {
			b.Int32(bsonx.Index(i), int32(t))
		}
		b.Close(arr)
	case *match.Mod:
		arr := b.OpenArray("$mod")
		b.Int64("0", n.Div)
		b.Int64("1", n.Rest)
		b.Close(arr)
	case *match.Size:
		b.Int64("$size", n.Len)
	case *match.Regex:
		b.String("$regex", n.Pattern)
		if n.Flags != "" {
			b.String("$options", n.Flags)
		}
	case *match.Geo:
		b.Value(n.Op, n.Arg)
	case *match.Not:
		at := b.OpenDoc("$not")
		appendLeaf(b, n.Node, depth+1)
		b.Close(at)
	case *match.ElemMatchObject:
		at := b.OpenDoc("$elemMatch")
		appendFilter(b, n.Node, depth+1)
		b.Close(at)
	case *match.ElemMatchValue:
		at := b.OpenDoc("$elemMatch")
		for _, c := range n.Nodes {
			appendLeaf(b, c, depth+1)
		}
		b.Close(at)
	}
}
