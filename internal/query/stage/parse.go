package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

const (
	maxStages = 1000 // of one pipeline ("Aggregation Pipeline Limits" in MongoDB's manual)
	maxDepth  = 20   // of pipelines inside of pipelines
)

// sub says what a pipeline is a part of.
type sub uint8

const (
	inNothing sub = iota
	inFacet
	inLookup
	inUnion
	inMerge
)

// child returns the context of a sub-pipeline over ns.
func (pc *ParseContext) child(in sub, ns Namespace) *ParseContext {
	c := *pc
	c.inside = in
	c.depth++
	c.NS = ns
	c.FromView = 0
	return &c
}

// parse does what MongoDB does in two rounds: first the shape and the name of
// every stage, then the stages' own arguments in order, then the positions.
func parse(pipeline []bsonx.Doc, pc *ParseContext) (*Pipeline, error) {
	p, err := parseUnoptimized(pipeline, pc)
	if err != nil {
		return nil, err
	}
	return p.optimize(), nil
}

func parseUnoptimized(pipeline []bsonx.Doc, pc *ParseContext) (*Pipeline, error) {
	if len(pipeline) > maxStages {
		return nil, errcode.New(7749501, "Pipeline length must be no longer than %d stages.", maxStages)
	}
	if pc.depth > maxDepth {
		return nil, errcode.New(errcode.MaxSubPipelineDepthExceeded, "Maximum number of nested sub-pipelines exceeded. Limit is %d", maxDepth)
	}
	rows := make([]*row, len(pipeline))
	args := make([]bsonx.Value, len(pipeline))
	for i, d := range pipeline {
		r, arg, err := stageOf(d)
		if err != nil {
			return nil, err
		}
		rows[i], args[i] = r, arg
	}
	p := &Pipeline{pc: pc}
	for i, r := range rows {
		if err := allowed(r, pc); err != nil {
			return nil, err
		}
		st, err := r.parse(args[i], pc)
		if err != nil {
			return nil, err
		}
		if err := checkText(st, i, pc); err != nil {
			return nil, err
		}
		p.stages = append(p.stages, st...)
	}
	if pc.inside != inFacet && !pc.Update {
		if err := checkNamespace(rows, pc); err != nil {
			return nil, err
		}
	}
	if pc.inside == inNothing {
		if err := checkChangeStream(rows); err != nil {
			return nil, err
		}
	}
	if err := checkPositions(rows, pc); err != nil {
		return nil, err
	}
	p.noFacet = noFacet(rows, p)
	return p, checkMeta(pipeline, p)
}

// noFacet returns the name of a stage that keeps the pipeline, and what it is a
// part of, out of $facet; "" if there is none.
func noFacet(rows []*row, p *Pipeline) string {
	for _, r := range rows {
		if r.flags&notInFacet != 0 {
			return r.name
		}
	}
	for _, s := range p.stages {
		if h, ok := s.(holder); ok {
			for _, sub := range h.pipelines() {
				if sub.noFacet != "" {
					return s.Name()
				}
			}
		}
	}
	return ""
}

// holder is a stage with pipelines of its own.
type holder interface{ pipelines() []*Pipeline }

// stageOf finds the row of a stage document: exactly one field, a known name.
func stageOf(d bsonx.Doc) (*row, bsonx.Value, error) {
	it := bsonx.NewIter(d)
	if !it.Next() {
		return nil, bsonx.Value{}, errNotOneField()
	}
	name, arg := string(it.Key()), it.Value()
	if it.Next() {
		return nil, bsonx.Value{}, errNotOneField()
	}
	r := find(name)
	if r == nil {
		return nil, bsonx.Value{}, errcode.New(40324, "Unrecognized pipeline stage name: '%s'", name)
	}
	return r, arg, nil
}

func errNotOneField() error {
	return errcode.New(40323, "A pipeline stage specification object must contain exactly one field.")
}

// allowed checks what depends on one stage alone and comes before its
// arguments.
func allowed(r *row, pc *ParseContext) error {
	if pc.Update && r.flags&inUpdates == 0 {
		return errcode.New(errcode.InvalidOptions, "%s is not allowed to be used within an update", r.name)
	}
	if pc.APIStrict && r.flags&notInAPI != 0 {
		return errcode.New(errcode.APIStrictError, "stage %s is not allowed with 'apiStrict: true' in API Version 1", r.name)
	}
	return nil
}

// checkPositions checks where a stage may stand, after all were parsed.
func checkPositions(rows []*row, pc *ParseContext) error {
	for i, r := range rows {
		switch {
		case pc.inside == inFacet && r.flags&notInFacet != 0:
			return errcode.New(40600, "%s is not allowed to be used within a $facet stage", r.name)
		case pc.inside == inLookup && r.flags&notInLookup != 0:
			return errcode.New(51047, "%s is not allowed within a $lookup's sub-pipeline", r.name)
		case pc.inside == inUnion && r.flags&notInUnion != 0:
			return errcode.New(31441, "%s is not allowed within a $unionWith's sub-pipeline", r.name)
		}
		if r.name == "$geoNear" && i != 0 {
			return errcode.New(40603, "$geoNear was not the first stage in the pipeline.")
		}
		if r.flags&mustBeFirst != 0 && i != 0 && !(r.flags&afterView != 0 && i == pc.FromView) {
			return errcode.New(40602, "%s is only valid as the first stage in a pipeline", r.name)
		}
		if r.flags&mustBeLast != 0 && i != len(rows)-1 {
			return errcode.New(40601, "%s can only be the final stage in the pipeline", r.name)
		}
		if r.name == splitLargeName && i != len(rows)-1 {
			return errcode.New(7182802, "%s must be the last stage in the pipeline", r.name)
		}
		if pc.Transaction && r.flags&notInTransaction != 0 {
			return errcode.New(errcode.OperationNotSupportedInTransaction, "Stage not supported inside of a multi-document transaction: %s", r.name)
		}
		if pc.View && r.flags&writes != 0 {
			return errcode.New(errcode.OptionNotSupportedOnView, "%s cannot be used in a view definition", r.name)
		}
		if err := checkReadConcern(r, pc); err != nil {
			return err
		}
	}
	return nil
}

// checkText: a $match with $text reads the text index, so it is where the rows
// come from.
func checkText(st []Stage, at int, pc *ParseContext) error {
	if len(st) == 0 {
		return nil
	}
	m, ok := st[0].(*matchStage)
	switch {
	case !ok || m.filter.Text() == nil:
		return nil
	case pc.inside == inFacet:
		return errcode.New(40600, "$match with $text is not allowed to be used within a $facet stage")
	case at != 0:
		return errcode.New(17313, "$match with $text is only allowed as the first pipeline stage")
	}
	return nil
}

// checkNamespace: {aggregate: 1} is for stages that make their own documents,
// and those are for {aggregate: 1} only.
func checkNamespace(rows []*row, pc *ParseContext) error {
	ns := pc.NS
	switch {
	case pc.inside != inNothing && (len(rows) == 0 || ns.Coll == ""):
		return nil
	case len(rows) == 0 && ns.Coll == "":
		return errcode.New(errcode.InvalidNamespace, "{aggregate: 1} is not valid for an empty pipeline.")
	case len(rows) == 0:
		return nil
	case ns.Coll == "" && rows[0].flags&onDatabase == 0:
		return errcode.New(errcode.InvalidNamespace, "{aggregate: 1} is not valid for '%s'; a collection is required.", rows[0].name)
	case ns.Coll != "" && rows[0].flags&onDatabase != 0 && rows[0].flags&onCollection == 0:
		return errcode.New(errcode.InvalidNamespace, "'%s' can only be run with {aggregate: 1}", rows[0].name)
	}
	return nil
}

// checkReadConcern: what the server knows of itself is read with "local" only;
// nothing is written with "linearizable"; changes are seen with "majority".
func checkReadConcern(r *row, pc *ParseContext) error {
	rc := pc.ReadConcern
	local := rc == "" || rc == "local"
	if r.flags&majorityOnly != 0 && rc != "" && rc != "majority" || r.flags&localOnly != 0 && !local || r.flags&writes != 0 && rc == "linearizable" {
		return errcode.New(errcode.InvalidOptions, "Aggregation stage %s cannot run with a readConcern level of '%s'", r.name, rc)
	}
	return nil
}
