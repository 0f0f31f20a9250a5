package geo

import (
	"math"

	"github.com/golang/geo/s2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/numeric"
)

// Region is a compiled $geoWithin or $geoIntersects. It is immutable and safe
// for concurrent use.
type Region struct {
	within bool
	flat   flatShape // one of these three
	geo    *Geometry
	cap    *sphereCap
}

type sphereCap struct {
	center s2.Point
	radius float64 // radians
}

// ParseRegion compiles the operand of op, "$geoWithin" or "$geoIntersects".
func ParseRegion(op string, arg bsonx.Value) (*Region, error) {
	if arg.Type != bsonx.Object {
		return nil, bad("%s must be given a geometry object, found: %s", op, bsonx.TypeName(arg.Type))
	}
	r := &Region{within: op == "$geoWithin"}
	found := false
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		name := string(it.Key())
		if name == "$uniqueDocs" { // of old; without meaning
			continue
		}
		found = true
		if err := r.parse(name, it.Value()); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, bad("geo query doesn't have any geometry")
	}
	if r.within && r.geo != nil && !r.geo.hasAreaOnly() {
		return nil, bad("$geoWithin not supported with provided geometry: it must be a Polygon or a MultiPolygon")
	}
	if !r.within && r.geo == nil {
		return nil, bad("$geoIntersects not supported with provided geometry: it must be a $geometry")
	}
	return r, nil
}

func (r *Region) parse(name string, v bsonx.Value) error {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return bad("geometry must be an object or an array, found: %s", bsonx.TypeName(v.Type))
	}
	switch name {
	case "$geometry":
		return r.parseGeometry(v)
	case "$box":
		ps, err := flatPoints(v)
		if err != nil {
			return err
		}
		if len(ps) < 2 {
			return bad("$box must have two points")
		}
		r.flat = newBox(ps[0], ps[1])
		return nil
	case "$polygon":
		ps, err := flatPoints(v)
		if err != nil {
			return err
		}
		if len(ps) < 3 {
			return bad("Polygon must have at least 3 points")
		}
		r.flat = flatPolygon(ps)
		return nil
	case "$center":
		p, radius, err := parseCircle(v)
		r.flat = circle{p, radius}
		return err
	case "$centerSphere":
		p, radius, err := parseCircle(v)
		if err == nil && !p.onSphere() {
			err = bad("longitude/latitude is out of bounds, lng: %g lat: %g", p.X, p.Y)
		}
		if err != nil {
			return err
		}
		r.cap = &sphereCap{p.sphere(), radius}
		return nil
	}
	return bad("unknown geo specifier: %s", name)
}

func (r *Region) parseGeometry(v bsonx.Value) error {
	if !isLegacy(v) {
		g, err := ParseGeoJSON(v)
		r.geo = g
		return err
	}
	p, err := flatPoint(v, v.Type == bsonx.Array)
	if err == nil && !p.onSphere() {
		err = bad("longitude/latitude is out of bounds, lng: %g lat: %g", p.X, p.Y)
	}
	if err != nil {
		return err
	}
	r.geo = legacyPoint(p)
	return nil
}

func flatPoints(v bsonx.Value) ([]Flat, error) {
	var ps []Flat
	for it := bsonx.NewIter(v.Data); it.Next(); {
		p, err := flatPoint(it.Value(), false)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// parseCircle reads [center, radius].
func parseCircle(v bsonx.Value) (Flat, float64, error) {
	vals := bsonx.Values(nil, v.Data)
	if len(vals) < 2 {
		return Flat{}, 0, bad("a circle must have a center and a radius")
	}
	p, err := flatPoint(vals[0], false)
	if err != nil {
		return p, 0, err
	}
	if !bsonx.IsNumber(vals[1]) {
		return p, 0, bad("radius must be a number")
	}
	radius := numeric.ToFloat(vals[1])
	if !(radius >= 0) {
		return p, 0, bad("radius must be a non-negative number")
	}
	if len(vals) > 2 {
		return p, 0, bad("Only 2 fields allowed for circular region")
	}
	return p, radius, nil
}

// Test reports whether a stored value meets the condition. A value that is no
// geometry does not.
func (r *Region) Test(v bsonx.Value) (bool, error) {
	g, ok := Stored(v)
	if !ok {
		return false, nil
	}
	switch {
	case r.flat != nil:
		return g.Point != nil && r.flat.contains(*g.Point), nil
	case r.cap != nil:
		return r.cap.radius >= math.Pi && g.onSphere() || g.withinCap(r.cap.center, r.cap.radius), nil
	case r.within:
		return r.geo.Within(g), nil
	}
	return r.geo.Intersects(g), nil
}
