package plan

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

// specialPlan is for wildcard, text and geospatial indexes.
func (p *planner) specialPlan(ctx context.Context, ix *exec.Index, spec *index.Spec, forced bool) error {
	if ix.Partial != nil && !forced && !implied(ix.Partial.Root(), p.nodes) {
		return nil
	}
	n := len(p.plans)
	if spec.WildcardAt() >= 0 {
		for _, q := range ofFilters(p.preds) {
			p.wildcardPlan(ix, spec, q)
		}
		if len(spec.Fields) > 1 && n == len(p.plans) {
			p.wildcardPrefix(ix, spec)
		}
	}
	if spec.GeoOpts != nil {
		if err := p.geoPlan(ctx, ix, spec, forced); err != nil {
			return err
		}
	}
	if forced && n == len(p.plans) {
		return errNoPlan()
	}
	return nil
}

// wildcardPlan adds a scan of a wildcard index for one condition. A document
// without the path has no key, so the condition must need it.
func (p *planner) wildcardPlan(ix *exec.Index, spec *index.Spec, q pred) {
	if !spec.WildcardCovers(q.path) || !needsField(q.node) || numericBase(spec) {
		return
	}
	b := builder{indexColl: spec.Collator, sameColl: SameCollation(spec.Collator, p.q.Collation), multikey: true}
	bd, ok := b.leaf(q.node)
	if !ok {
		return
	}
	below := wholeObject(q.node)
	if below {
		bd.iv = allValues()
	}
	var paths Intervals
	for _, v := range pathVariants(q.path) {
		if !spec.WildcardCovers(v) { // a number in the path that may be an array's position
			return
		}
		paths = append(paths, point(bsonx.StringValue(v)))
		if below { // an object is indexed by its fields
			paths = append(paths, Interval{bsonx.StringValue(v + "."), bsonx.StringValue(v + "/"), true, false})
		}
	}
	nested, ok := nestedArrays(spec, q.path)
	if !ok {
		return
	}
	if len(nested) > 0 {
		paths, bd.iv = append(paths, nested...), union(bd.iv, Intervals{bracket(bsonx.Array)})
	}
	p.addWildcard(ix, spec, normalize(paths), bd.iv, q.path, true)
}

// nestedArrays are the paths at which the index may hold an array inside of an
// array, as a whole, that a number in the condition's path leads into. ok is
// false when the index does not cover one of them.
func nestedArrays(spec *index.Spec, path string) (paths Intervals, ok bool) {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if _, numeric := bsonx.ArrayIndex(part); !numeric || i == 0 {
			continue
		}
		for _, v := range pathVariants(strings.Join(parts[:i], ".")) {
			if !spec.WildcardCovers(v) {
				return nil, false
			}
			paths = append(paths, point(bsonx.StringValue(v)))
		}
	}
	return paths, true
}

// wildcardPrefix adds a scan of a compound wildcard index by its other fields.
func (p *planner) wildcardPrefix(ix *exec.Index, spec *index.Spec) {
	p.addWildcard(ix, spec, allValues(), allValues(), "", false)
}

// numericBase reports whether the path before "$**" has a number in it, which
// the index takes for a field's name and a query for an array's index as well.
func numericBase(spec *index.Spec) bool {
	for i, part := range spec.Fields[spec.WildcardAt()].Parts {
		if _, ok := bsonx.ArrayIndex(part); ok && i > 0 {
			return true
		}
	}
	return false
}

func (p *planner) addWildcard(ix *exec.Index, spec *index.Spec, paths, vals Intervals, path string, bounded bool) {
	ib := assign(ix, spec, nil, ofFilters(p.preds), p.q.Collation)
	at := spec.WildcardAt()
	if (at > 0 || !bounded) && len(ib.fields[0].preds) == 0 {
		return
	}
	sc := &exec.IndexScan{Coll: p.q.Coll, Index: ix, Spec: spec, WildcardPath: path}
	s := 0
	for i, f := range ib.fields {
		if i == at {
			sc.Bounds = append(sc.Bounds, encode(paths), encode(vals))
			if bounded {
				s += 60 - width(vals)/100
			}
			continue
		}
		sc.Bounds = append(sc.Bounds, encode(f.iv))
		if len(f.preds) > 0 {
			s += 60
		}
	}
	p.plans = append(p.plans, &Plan{Query: p.q, Access: sc, Filter: p.residual(nil), Sorted: len(p.q.Sort) == 0,
		score: s*10 - len(spec.Fields) - 5, label: spec.Name})
}

// wholeObject reports whether a condition may match a document as a whole, which
// a wildcard index holds by its fields only.
func wholeObject(n match.Node) bool {
	switch n := n.(type) {
	case *match.Exists:
		return true
	case *match.Compare:
		if n.Op != match.Eq && (n.Value.Type == bsonx.Object || n.Value.Type == bsonx.Array) {
			return true
		}
		return objectInside(n.Value)
	case *match.In:
		for _, v := range n.Values {
			if objectInside(v) {
				return true
			}
		}
		return false
	case *match.Type:
		for _, t := range n.Types {
			if t == bsonx.Object || t == bsonx.Array {
				return true
			}
		}
		return false
	case *match.Regex, *match.Mod, *match.Bits:
		return false
	}
	return true
}

func objectInside(v bsonx.Value) bool {
	switch v.Type {
	case bsonx.Object:
		return !bsonx.IsEmpty(v.Data)
	case bsonx.Array:
		return bsonx.LookupIndex(v.Data, 0).Type == bsonx.Object
	case bsonx.MinKey, bsonx.MaxKey:
		return true
	}
	return false
}

// pathVariants are the paths under which a wildcard index may hold what a dotted
// path leads to: a number may be a field's name or an array's index, which is
// not part of the indexed path.
func pathVariants(path string) []string {
	out := []string{""}
	for i, part := range strings.Split(path, ".") {
		_, numeric := bsonx.ArrayIndex(part)
		n := len(out)
		for j := 0; j < n; j++ {
			if numeric && i > 0 && len(out) < 64 {
				out = append(out, out[j])
			}
			if i > 0 {
				out[j] += "."
			}
			out[j] += part
		}
	}
	return out
}
