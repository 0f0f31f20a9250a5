package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// checkMeta checks that the metadata that stages read is made by the pipeline's
// first stage ($text, $geoNear, $rankFusion) and was not lost on the way.
func checkMeta(pipeline []bsonx.Doc, p *Pipeline) error {
	if p.pc.inside != inNothing && p.pc.inside != inLookup && p.pc.inside != inUnion {
		return nil // the pipeline around gives what it has
	}
	have := map[string]bool{}
	for i, d := range pipeline {
		it := bsonx.NewIter(d)
		it.Next()
		stage, arg := string(it.Key()), it.Value()
		if i == 0 || i == p.pc.FromView && stage == "$rankFusion" {
			have = madeBy(p, stage, arg)
		}
		if stage != "$facet" && stage != "$lookup" && stage != "$unionWith" {
			if m := missingMeta(arg, have); m != "" {
				return errcode.New(40218, "query requires %s metadata, but it is not available", m)
			}
		}
		switch stage {
		case "$group", "$bucket", "$bucketAuto", "$sortByCount", "$count", "$facet":
			have = map[string]bool{}
		}
	}
	if len(p.stages) > 1 {
		p.wantSortKey(pipeline)
	}
	return nil
}

// madeBy returns the metadata that a first stage gives its documents.
func madeBy(p *Pipeline, stage string, arg bsonx.Value) map[string]bool {
	switch stage {
	case "$geoNear":
		return map[string]bool{"geoNearDistance": true, "geoNearPoint": true}
	case "$rankFusion":
		return map[string]bool{"score": true, "scoreDetails": bsonx.Truthy(bsonx.Lookup(arg.Data, "scoreDetails"))}
	case "$match":
		if m, ok := p.stages[0].(*matchStage); ok && m.filter.Text() != nil {
			return map[string]bool{"textScore": true, "score": true}
		}
	}
	return map[string]bool{}
}

// missingMeta returns a kind of metadata that is read within v without being
// there; "" if there is none. Kinds that are merely empty when not known are no
// error.
func missingMeta(v bsonx.Value, have map[string]bool) string {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return ""
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if v.Type == bsonx.Object && string(it.Key()) == "$literal" {
			continue
		}
		if v.Type == bsonx.Object && string(it.Key()) == "$meta" {
			m, _ := stringOf(it.Value())
			switch m {
			case "textScore", "geoNearDistance", "geoNearPoint", "scoreDetails":
				if !have[m] {
					return m
				}
			}
			continue
		}
		if m := missingMeta(it.Value(), have); m != "" {
			return m
		}
	}
	return ""
}

// wantSortKey has sorts keep their keys when a later stage reads them.
func (p *Pipeline) wantSortKey(pipeline []bsonx.Doc) {
	read := false
	for _, d := range pipeline {
		visitStrings(bsonx.DocValue(d), func(key bool, s string) { read = read || !key && s == "sortKey" })
	}
	if !read {
		return
	}
	for _, st := range p.stages {
		if s, ok := st.(*sortStage); ok {
			s.wantKey = true
		}
	}
}
