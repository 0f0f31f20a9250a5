package stage

import (
	"math"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/expr"
)

// maxRounds bounds the optimizer: each round moves every stage at most one place.
const maxRounds = 64

// optimize returns an equivalent pipeline that does less work: filters move
// towards the front as far as what they read is not changed, neighbours are
// joined, limits reach the sort before them.
func (p *Pipeline) optimize() *Pipeline {
	q := &Pipeline{stages: slices.Clone(p.stages), pc: p.pc, noFacet: p.noFacet}
	if p.pc.Plain {
		return q
	}
	for i := 0; i < maxRounds && q.round(); i++ {
	}
	q.limitSorts()
	return q
}

// round makes one pass and reports whether anything changed.
func (p *Pipeline) round() bool {
	changed := false
	for i := 0; i+1 < len(p.stages); i++ {
		if p.join(i) {
			changed = true
			i--
			continue
		}
		changed = p.swap(i) || changed
	}
	return changed
}

// join makes one stage of stages i and i+1, if there is one for both.
func (p *Pipeline) join(i int) bool {
	var one Stage
	switch a := p.stages[i].(type) {
	case *matchStage:
		if b, ok := p.stages[i+1].(*matchStage); ok {
			one = joinMatches(a, b)
		}
	case *limitStage:
		if b, ok := p.stages[i+1].(*limitStage); ok {
			one = newLimit(min(a.n, b.n))
		}
	case *skipStage:
		if b, ok := p.stages[i+1].(*skipStage); ok && a.n <= math.MaxInt64-b.n {
			one = newSkip(a.n + b.n)
		}
	case *lookupStage:
		if b, ok := p.stages[i+1].(*unwindStage); ok && a.unwind == nil && slices.Equal(a.as, b.path) {
			c := *a
			c.unwind = b
			one = &c
		}
	}
	if one == nil {
		return false
	}
	p.stages[i] = one
	p.stages = slices.Delete(p.stages, i+1, i+2)
	return true
}

func joinMatches(a, b *matchStage) Stage {
	if b.filter.Text() != nil {
		return nil
	}
	if a.filter.MatchesAll() {
		return b
	}
	if b.filter.MatchesAll() {
		return a
	}
	doc := bsonx.NewDoc(nil)
	doc.Array("$and", bsonx.AppendArray(nil, []bsonx.Value{bsonx.DocValue(a.doc), bsonx.DocValue(b.doc)}))
	m, err := newMatch(doc.Done(), a.pc)
	if err != nil {
		return nil // as they are, they were fine
	}
	return m
}

// swap moves stage i+1, or a part of it, before stage i.
func (p *Pipeline) swap(i int) bool {
	switch b := p.stages[i+1].(type) {
	case *matchStage:
		return p.pushMatch(i, b)
	case *limitStage, *skipStage:
		if a, ok := p.stages[i].(*projectStage); ok {
			p.stages[i], p.stages[i+1] = b, a
			return true
		}
	}
	return false
}

// pushMatch moves the parts of a filter before stage i that read nothing of what
// the stage changes.
func (p *Pipeline) pushMatch(i int, m *matchStage) bool {
	if m.filter.MatchesAll() || m.filter.Text() != nil {
		return false
	}
	changes, ok := changesOf(p.stages[i])
	if !ok {
		return false
	}
	free, bound := bsonx.NewDoc(nil), bsonx.NewDoc(nil)
	nFree, nBound := 0, 0
	for it := bsonx.NewIter(m.doc); it.Next(); {
		if r := filterReads(it.Key(), it.Value()); !r.all && !r.touched(changes) {
			free.Element(it.Element())
			nFree++
			continue
		}
		bound.Element(it.Element())
		nBound++
	}
	if nFree == 0 {
		return false
	}
	front, err := newMatch(free.Done(), m.pc)
	if err != nil {
		return false
	}
	if nBound == 0 {
		p.stages[i], p.stages[i+1] = front, p.stages[i]
		return true
	}
	rest, err := newMatch(bound.Done(), m.pc)
	if err != nil {
		return false
	}
	p.stages[i+1] = rest
	p.stages = slices.Insert(p.stages, i, Stage(front))
	return true
}

// changeSet says which fields a stage may change: those named (and all within
// and around them), or all but those named.
type changeSet struct {
	paths  []string
	allBut bool
}

// changesOf returns what a stage changes when a filter may pass it at all.
func changesOf(s Stage) (changeSet, bool) {
	switch s := s.(type) {
	case *sortStage:
		return changeSet{}, s.limit == 0
	case *unwindStage:
		c := changeSet{paths: []string{joinPath(s.path)}}
		if s.index != nil {
			c.paths = append(c.paths, joinPath(s.index))
		}
		return c, true
	case *lookupStage:
		c := changeSet{paths: []string{joinPath(s.as)}}
		if s.unwind != nil && s.unwind.index != nil {
			c.paths = append(c.paths, joinPath(s.unwind.index))
		}
		return c, true
	case *graphStage:
		return changeSet{paths: []string{joinPath(s.as)}}, true
	case *projectStage:
		return projectChanges(s)
	}
	return changeSet{}, false
}

func projectChanges(s *projectStage) (changeSet, bool) {
	switch s.name {
	case "$addFields", "$set":
		c := changeSet{}
		for it := bsonx.NewIter(s.spec.Data); it.Next(); {
			c.paths = append(c.paths, firstPart(string(it.Key())))
		}
		return c, true
	case "$unset":
		return changeSet{paths: unsetPaths(s.spec)}, true
	case "$project":
		return selectChanges(s.spec.Data, s.proj.IsInclusion())
	}
	return changeSet{}, false
}

func unsetPaths(v bsonx.Value) []string {
	if s, ok := stringOf(v); ok {
		return []string{s}
	}
	var paths []string
	for it := bsonx.NewIter(v.Data); it.Next(); {
		s, _ := stringOf(it.Value())
		paths = append(paths, s)
	}
	return paths
}

// selectChanges: an inclusion keeps the whole top-level fields that it names with
// 1 or true (and _id), an exclusion changes what it names.
func selectChanges(spec []byte, inclusion bool) (changeSet, bool) {
	c := changeSet{allBut: inclusion}
	id := inclusion
	for it := bsonx.NewIter(spec); it.Next(); {
		k, v := string(it.Key()), it.Value()
		plain := v.Type == bsonx.Bool || bsonx.IsNumber(v)
		switch {
		case k == "_id" && plain && !bsonx.Truthy(v):
			id = false
			if !inclusion {
				c.paths = append(c.paths, k)
			}
		case !inclusion:
			c.paths = append(c.paths, firstPart(k))
		case plain && firstPart(k) == k:
			c.paths = append(c.paths, k)
		case k == "_id":
			id = false
		}
	}
	if id {
		c.paths = append(c.paths, "_id")
	}
	return c, true
}

// limitSorts tells each $sort how many rows the stages behind it take.
func (p *Pipeline) limitSorts() {
	for i, st := range p.stages {
		s, ok := st.(*sortStage)
		if !ok || s.limit != 0 {
			continue
		}
		if n := limitAfter(p.stages[i+1:]); n > 0 {
			c := *s
			c.limit = n
			p.stages[i] = &c
		}
	}
}

// limitAfter returns how many rows the leading $skip and $limit stages read; 0
// if there is no limit.
func limitAfter(stages []Stage) int64 {
	var skip int64
	for _, st := range stages {
		switch s := st.(type) {
		case *skipStage:
			skip += s.n
		case *limitStage:
			if s.n > math.MaxInt64-skip {
				return 0
			}
			return skip + s.n
		default:
			return 0
		}
		if skip < 0 {
			return 0
		}
	}
	return 0
}

// Prefix returns what a planner can serve of the pipeline's front.
func (p *Pipeline) Prefix() Prefix {
	var x Prefix
	i := 0
	for ; i < len(p.stages); i++ {
		m, ok := p.stages[i].(*matchStage)
		if !ok || x.Filter != nil {
			break
		}
		if !m.filter.MatchesAll() {
			x.Filter, x.Compiled = m.doc, m.filter
		}
	}
	x.AfterFilter, x.AfterSort, x.AfterLimit = i, i, i
	if i < len(p.stages) {
		if g, ok := p.stages[i].(*groupStage); ok && len(g.fields) == 0 {
			if path, ok := expr.FieldPath(g.id); ok {
				x.Distinct = strings.Join(path, ".")
			}
		}
	}
	if i < len(p.stages) {
		if s, ok := p.stages[i].(*sortStage); ok && !s.order.meta && !s.wantKey {
			x.Sort = s.order.Doc
			i++
			x.AfterSort, x.AfterLimit = i, i
		}
	}
	if i < len(p.stages) {
		if s, ok := p.stages[i].(*skipStage); ok {
			x.Skip = s.n
			i++
		}
	}
	if i < len(p.stages) {
		if l, ok := p.stages[i].(*limitStage); ok {
			x.Limit = l.n
			i++
			x.AfterLimit = i
		} else {
			x.Skip = 0
		}
	} else {
		x.Skip = 0
	}
	x.Needed = p.needed()
	return x
}
