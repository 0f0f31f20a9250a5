package plan

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
)

// textNode shows a $text: the terms' index scans, what joins them, the fetch
// and the match of phrases and negations.
func (p *Plan) textNode(a *exec.TextScan, st *exec.Stats, n *Node) *Node {
	join := &Node{Stage: "OR", Works: n.Works, EOF: n.EOF}
	join.Returned = func() int64 {
		sum := int64(0)
		for _, c := range st.Children {
			sum += c.Returned
		}
		return sum
	}
	for i, t := range a.Terms {
		cs := &exec.Stats{}
		if i < len(st.Children) {
			cs = st.Children[i]
		}
		t := *t
		t.Covered = true // the fetch comes after the join
		join.Inputs = append(join.Inputs, p.indexNode(&t, func() *exec.Stats { return cs }, &Node{Returned: func() int64 { return cs.Returned },
			Works: func() int64 { return cs.Works }, EOF: func() bool { return cs.EOF }}))
	}
	if len(join.Inputs) == 1 {
		join = join.Inputs[0]
	}
	examined := func(b *bsonx.Builder) { b.Int32("docsExamined", int32(st.DocsExamined)) }
	fetch := &Node{Stage: "FETCH", Inputs: []*Node{join}, Returned: func() int64 { return st.DocsExamined }, Works: n.Works, EOF: n.EOF, Stats: examined}
	n.Stage, n.Inputs = "TEXT_MATCH", []*Node{fetch}
	n.Describe = func(b *bsonx.Builder) {
		b.Doc("indexPrefix", bsonx.EmptyDoc)
		b.String("indexName", a.Index.Spec.Name)
		parts := a.Query.Parts()
		at := b.OpenDoc("parsedTextQuery")
		stringArray(b, "terms", parts.Terms)
		stringArray(b, "negatedTerms", parts.Negated)
		stringArray(b, "phrases", parts.Phrases)
		stringArray(b, "negatedPhrases", parts.NegatedPhrases)
		b.Close(at)
		b.Int32("textIndexVersion", int32(a.Index.Spec.TextOpts.Version))
	}
	n.Stats = func(b *bsonx.Builder) { b.Int32("docsRejected", int32(st.DocsExamined-st.Returned)) }
	return n
}

func stringArray(b *bsonx.Builder, name string, vals []string) {
	at := b.OpenArray(name)
	for i, v := range vals {
		b.String(bsonx.Index(i), v)
	}
	b.Close(at)
}

// nearNode shows a search by distance; each circle is an index scan.
func nearNode(a *exec.NearScan, st *exec.Stats, n *Node) *Node {
	n.Stage = "GEO_NEAR_2DSPHERE"
	if a.Grid != nil {
		n.Stage = "GEO_NEAR_2D"
	}
	n.Describe = func(b *bsonx.Builder) {
		b.Doc("keyPattern", a.Index.Spec.KeyPattern)
		b.String("indexName", a.Index.Spec.Name)
		b.Int32("indexVersion", 2)
	}
	n.Stats = func(b *bsonx.Builder) {
		b.Int32("keysExamined", int32(st.KeysExamined))
		b.Int32("docsExamined", int32(st.DocsExamined))
	}
	return n
}
