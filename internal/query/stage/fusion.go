package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// rankConstant is the k of reciprocal rank fusion: weight / (k + rank).
const rankConstant = 60

// fusionStage is $rankFusion: several ranked pipelines over the same documents,
// joined by _id and ordered by their summed reciprocal ranks.
type fusionStage struct {
	named
	pc      *ParseContext
	inputs  []fusionInput
	details bool
}

type fusionInput struct {
	name   string
	weight float64
	p      *Pipeline
}

func fusionSpecs() (spec, input, combination *idl.Spec) {
	return idl.New("$rankFusion",
			idl.Field{Name: "input", Types: idl.Object, Required: true},
			idl.Field{Name: "combination", Types: idl.Object},
			idl.Field{Name: "scoreDetails", Types: idl.Bool}),
		idl.New("$rankFusion.input", idl.Field{Name: "pipelines", Types: idl.Object, Required: true}),
		idl.New("$rankFusion.combination", idl.Field{Name: "weights", Types: idl.Object})
}

func parseRankFusion(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "The $rankFusion stage specification must be an object, found %s", bsonx.TypeName(arg.Type))
	}
	s := &fusionStage{named: name("$rankFusion", arg), pc: pc}
	spec, input, combination := fusionSpecs()
	var a, in, comb idl.Args
	if err := spec.Decode(bsonx.Doc(s.spec.Data), &a); err != nil {
		return nil, err
	}
	if err := input.Decode(a.Doc("input"), &in); err != nil {
		return nil, err
	}
	if err := combination.Decode(a.Doc("combination"), &comb); err != nil {
		return nil, err
	}
	s.details = a.Bool("scoreDetails", false)
	for it := bsonx.NewIter(in.Doc("pipelines")); it.Next(); {
		if err := s.addInput(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	if len(s.inputs) == 0 {
		return nil, errcode.New(9834302, "$rankFusion must have at least one input pipeline")
	}
	return one(s, s.weights(comb.Doc("weights")))
}

func (s *fusionStage) addInput(n string, v bsonx.Value) error {
	if v.Type != bsonx.Array {
		return idl.WrongType("$rankFusion.input.pipelines."+n, v.Type, idl.Array)
	}
	docs, err := docsOf(v, errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
	if err != nil {
		return err
	}
	if n == "" || n[0] == '$' {
		return errcode.New(9921000, "$rankFusion pipeline names must not be empty or begin with '$': '%s'", n)
	}
	if err := checkRanked(n, docs); err != nil {
		return err
	}
	p, err := parseUnoptimized(docs, s.pc.child(inFacet, s.pc.NS))
	if err != nil {
		return err
	}
	for _, st := range p.stages {
		switch st := st.(type) {
		case *sortStage:
			st.wantKey = true
		case *sampleStage:
			st.wantKey = true
		}
	}
	s.inputs = append(s.inputs, fusionInput{n, 1, p})
	return nil
}

// checkRanked: a pipeline must order its documents and may only choose among
// them.
func checkRanked(n string, docs []bsonx.Doc) error {
	ranked := false
	for _, d := range docs {
		it := bsonx.NewIter(d)
		if !it.Next() {
			continue
		}
		switch k := string(it.Key()); k {
		case "$sort", "$geoNear", "$search", "$vectorSearch":
			ranked = true
		case "$match", "$limit", "$skip", "$sample":
		default:
			if find(k) != nil {
				return errcode.New(9191103, "Pipeline '%s' in $rankFusion must be a selection pipeline: stage %s is not allowed", n, k)
			}
		}
	}
	if !ranked {
		return errcode.New(9191100, "Pipeline '%s' in $rankFusion must be a ranked pipeline: it must have a $sort or begin with a stage that orders its output", n)
	}
	return nil
}

func (s *fusionStage) weights(w bsonx.Doc) error {
	for it := bsonx.NewIter(w); it.Next(); {
		n, found := string(it.Key()), false
		if !bsonx.IsNumber(it.Value()) {
			return idl.WrongType("$rankFusion.combination.weights."+n, it.Value().Type, idl.Number)
		}
		f := floatOf(it.Value())
		if !(f >= 0) {
			return errcode.New(9460300, "$rankFusion's weights must be non-negative, but got %g for pipeline '%s'", f, n)
		}
		for i := range s.inputs {
			if s.inputs[i].name == n {
				s.inputs[i].weight, found = f, true
			}
		}
		if !found {
			return errcode.New(9967500, "$rankFusion's weights name a pipeline that is not there: '%s'", n)
		}
	}
	return nil
}

func (s *fusionStage) pipelines() []*Pipeline {
	var ps []*Pipeline
	for _, in := range s.inputs {
		ps = append(ps, in.p)
	}
	return ps
}

// fused is one document with its score.
type fused struct {
	doc     bsonx.Doc
	score   float64
	details []fusedRank
}

type fusedRank struct {
	input *fusionInput
	rank  int64
}

func (s *fusionStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		buf := newRowBuffer(oc.Memory)
		defer buf.Close()
		err := each(ctx, in, buf.add)
		if e := in.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, err
		}
		byID := map[string]*fused{}
		var list []*fused
		for i := range s.inputs {
			if list, err = s.rank(ctx, oc, &s.inputs[i], buf, byID, list); err != nil {
				return nil, err
			}
		}
		return s.ordered(ctx, oc, list)
	}}, nil
}

// rank runs one pipeline and adds its ranks: rows with equal sort keys share one.
func (s *fusionStage) rank(ctx context.Context, oc *OpenContext, in *fusionInput, buf *rowBuffer, byID map[string]*fused, list []*fused) ([]*fused, error) {
	rows, err := buf.rows()
	if err != nil {
		return list, err
	}
	it, err := in.p.Open(oc, rows)
	if err != nil {
		return list, err
	}
	defer it.Close()
	var n, rank int64
	var last []byte
	err = each(ctx, it, func(r exec.Row) error {
		var key []byte
		if r.Meta != nil {
			key = appendKey(nil, r.Meta.SortKey, s.pc.Collation)
		}
		if n++; n == 1 || string(key) != string(last) {
			rank, last = n, key
		}
		id := string(appendKey(nil, bsonx.Lookup(r.Doc, "_id"), nil))
		f := byID[id]
		if f == nil {
			f = &fused{doc: clone(r.Doc)}
			byID[id] = f
			list = append(list, f)
		}
		f.score += in.weight / float64(rankConstant+rank)
		f.details = append(f.details, fusedRank{in, rank})
		return nil
	})
	return list, err
}

// ordered yields the documents by descending score, then by _id.
func (s *fusionStage) ordered(ctx context.Context, oc *OpenContext, list []*fused) (exec.Iterator, error) {
	st := newSorter(oc, sorterOptions{stage: "$rankFusion"})
	for _, f := range list {
		key := appendSortValue(nil, bsonx.DoubleValue(f.score), true, nil)
		key = appendSortValue(key, bsonx.Lookup(f.doc, "_id"), false, nil)
		m := &expr.Meta{Score: bsonx.DoubleValue(f.score)}
		if s.details {
			m.ScoreInfo = s.explainScore(f)
		}
		if err := st.addKey(ctx, key, exec.Row{Doc: f.doc, Meta: m}); err != nil {
			st.Close()
			return nil, err
		}
	}
	return st.finish(ctx)
}

// explainScore makes {$meta: "scoreDetails"}.
func (s *fusionStage) explainScore(f *fused) bsonx.Value {
	b := bsonx.NewDoc(nil)
	b.Double("value", f.score)
	b.String("description", "value output by reciprocal rank fusion algorithm, computed as sum of (weight * (1 / (60 + rank))) across input pipelines from which this document is output, from:")
	at := b.OpenArray("details")
	for i := range s.inputs {
		el := b.OpenDoc(bsonx.Index(i))
		b.String("inputPipelineName", s.inputs[i].name)
		found := false
		for _, d := range f.details {
			if d.input == &s.inputs[i] {
				b.Int64("rank", d.rank)
				b.Double("weight", d.input.weight)
				found = true
			}
		}
		if !found {
			b.String("rank", "NA")
			b.Double("weight", s.inputs[i].weight)
		}
		d := b.OpenArray("details")
		b.Close(d)
		b.Close(el)
	}
	b.Close(at)
	return bsonx.DocValue(b.Done())
}
