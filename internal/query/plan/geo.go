package plan

import (
	"context"

	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
)

// Near asks for rows by their distance: $near of a filter, or $geoNear.
type Near struct {
	*geo.Near
	Path  string
	Scale float64 // of the distance that is reported
}

// ErrNearNatural is the error of an order by distance in the stored order.
func ErrNearNatural() error {
	return errcode.New(errcode.BadValue, "geoNear expression not allowed with a $natural hint or sort order")
}

// geoPlan adds a scan of a geospatial index for the cells of a region.
func (p *planner) geoPlan(ctx context.Context, ix *exec.Index, spec *index.Spec, forced bool) error {
	mk, err := p.r.Multikey(ctx, p.q.Coll, ix)
	if err != nil {
		return err
	}
	ib := assign(ix, spec, mk, p.preds, p.q.Collation)
	for i, f := range spec.Fields {
		if (f.Kind == index.Geo2d || f.Kind == index.Geo2dsphere) && len(ib.fields[i].preds) > 0 {
			p.addIndex(ib, forced)
			return nil
		}
	}
	return nil
}

// nearPlan is the plan for rows by distance, which needs a geospatial index: a
// 2dsphere index measures on the sphere, a 2d index takes legacy points only.
func (p *planner) nearPlan(ctx context.Context, near *Near) (*Plan, error) {
	h, err := p.hint()
	if err != nil {
		return nil, err
	}
	if h.natural != 0 {
		return nil, ErrNearNatural()
	}
	for _, ix := range p.q.Coll.Indexes {
		spec := ix.Spec
		if spec.GeoOpts == nil || ix.Building || h.spec != nil && h.ix != ix || spec.Hidden && h.ix != ix {
			continue
		}
		if ix.Partial != nil && !implied(ix.Partial.Root(), p.nodes) {
			continue
		}
		for i, f := range spec.Fields {
			if f.Path != near.Path || !serves(f.Kind, near.Near) {
				continue
			}
			return p.nearScan(ctx, ix, i, near)
		}
	}
	return nil, noPlan("unable to find index for $geoNear query")
}

// serves reports whether an index of that kind can be near a point.
func serves(k index.Kind, n *geo.Near) bool {
	switch k {
	case index.Geo2dsphere:
		return n.Sphere || n.Center.GeoJSON
	case index.Geo2d:
		return !n.Center.GeoJSON
	}
	return false
}

func (p *planner) nearScan(ctx context.Context, ix *exec.Index, field int, near *Near) (*Plan, error) {
	mk, err := p.r.Multikey(ctx, p.q.Coll, ix)
	if err != nil {
		return nil, err
	}
	ib := assign(ix, ix.Spec, mk, p.preds, p.q.Collation)
	sc := &exec.IndexScan{Coll: p.q.Coll, Index: ix, Spec: ix.Spec, Multikey: mk}
	for i, f := range ib.fields {
		if i == field {
			f.iv = allValues() // the circles are its bounds
		}
		sc.Bounds = append(sc.Bounds, encode(f.iv))
	}
	a := &exec.NearScan{Coll: p.q.Coll, Index: ix, Scan: sc, Field: field, Near: near.Near, Scale: near.Scale}
	if ix.Spec.Fields[field].Kind == index.Geo2d {
		a.Grid = ix.Spec.GeoOpts.Grid()
	}
	return &Plan{Query: p.q, Access: a, Filter: p.residual(nil), Sorted: len(p.q.Sort) == 0, label: ix.Spec.Name}, nil
}

// near is what the query asks for by distance; nil if nothing.
func (q *Query) near() *Near {
	if q.Near != nil || q.Filter == nil {
		return q.Near
	}
	if g := q.Filter.Near(); g != nil {
		return &Near{Near: g.Near, Path: g.Path.Name, Scale: 1}
	}
	return nil
}
