package geo

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// Center is the point that $near, $nearSphere and $geoNear measure from.
type Center struct {
	At      Flat
	GeoJSON bool // distances are metres, else radians or units of the plane
}

// ParseCenter reads a GeoJSON point, or legacy coordinates.
func ParseCenter(v bsonx.Value) (*Center, error) {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return nil, bad("near must be a point, found: %s", bsonx.TypeName(v.Type))
	}
	if isLegacy(v) {
		p, err := flatPoint(v, true)
		return &Center{At: p}, err
	}
	g, err := ParseGeoJSON(v)
	if err != nil {
		return nil, err
	}
	if g.Point == nil {
		return nil, bad("invalid point in geo near query: $near requires a point")
	}
	return &Center{At: *g.Point, GeoJSON: true}, nil
}

// Distance returns the distance to a stored value: in metres if the centre is
// GeoJSON, else in radians on the sphere, or in units of the plane. ok is false
// when the value is no geometry of that kind.
func (c *Center) Distance(v bsonx.Value, sphere bool) (d float64, ok bool) {
	g, ok := Stored(v)
	if !ok {
		return 0, false
	}
	if !sphere && !c.GeoJSON {
		if g.Point == nil {
			return 0, false
		}
		return flatDistance(c.At, *g.Point), true
	}
	if !c.At.onSphere() || !g.onSphere() {
		return 0, false
	}
	d = g.distance(c.At.sphere())
	if c.GeoJSON {
		d *= EarthRadius
	}
	return d, true
}

// Nearest is Distance for a value that may also be an array of geometries; it
// returns the one that is nearest, too.
func (c *Center) Nearest(v bsonx.Value, sphere bool) (d float64, loc bsonx.Value, ok bool) {
	if d, ok := c.Distance(v, sphere); ok || v.Type != bsonx.Array {
		return d, v, ok
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		if e, isGeo := c.Distance(it.Value(), sphere); isGeo && (!ok || e < d) {
			d, loc, ok = e, it.Value(), true
		}
	}
	return d, loc, ok
}

// Near is a compiled $near or $nearSphere.
type Near struct {
	Center Center
	// Sphere is whether distances are measured on the sphere whatever index there
	// is; a $near of legacy coordinates does so with a 2dsphere index only.
	Sphere   bool
	Min, Max float64 // in the unit of Center.Distance
}

// ParseNear compiles the document that a $near or $nearSphere stands in:
// {$near: {$geometry, $minDistance, $maxDistance}}, or {$near: coordinates,
// $minDistance, $maxDistance}.
func ParseNear(all bsonx.Doc) (*Near, error) {
	n := &Near{Max: math.Inf(1)}
	found := false
	for it := bsonx.NewIter(all); it.Next(); {
		var err error
		switch name := string(it.Key()); name {
		case "$near", "$nearSphere", "$geoNear":
			if found {
				return nil, bad("only one geo near expression is allowed for a field")
			}
			found = true
			n.Sphere = n.Sphere || name == "$nearSphere"
			err = n.parse(name, it.Value())
		case "$minDistance", "$maxDistance":
			err = n.limit(name, it.Value())
		default:
			err = errcode.New(errcode.Code(34413), "invalid argument in geo near query: %s", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Near) parse(op string, v bsonx.Value) error {
	if v.Type != bsonx.Object && v.Type != bsonx.Array {
		return bad("%s must be given a point, found: %s", op, bsonx.TypeName(v.Type))
	}
	if v.Type == bsonx.Array || isLegacy(v) {
		c, err := ParseCenter(v)
		if err != nil {
			return err
		}
		n.Center = *c
		if err := n.third(op, v); err != nil {
			return err
		}
		if n.Sphere && !c.At.onSphere() {
			return bad("Legacy point is out of bounds for spherical query")
		}
		return nil
	}
	found := false
	for it := bsonx.NewIter(v.Data); it.Next(); {
		var err error
		switch name := string(it.Key()); name {
		case "$geometry":
			found = true
			var c *Center
			if c, err = ParseCenter(it.Value()); err == nil {
				n.Center = *c
				if c.At.onSphere() {
					n.Center.GeoJSON, n.Sphere = true, true
				}
			}
		case "$minDistance", "$maxDistance":
			err = n.limit(name, it.Value())
		default:
			err = bad("invalid argument in geo near query: %s", name)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return bad("%s requires a point, given %s", op, v.DebugString())
	}
	return nil
}

// third is the largest distance, that may stand behind legacy coordinates.
func (n *Near) third(op string, v bsonx.Value) error {
	vals := bsonx.Values(nil, v.Data)
	switch {
	case len(vals) > 3:
		return bad("%s takes two coordinates and a distance at most, given %s", op, v.DebugString())
	case len(vals) == 3:
		return n.limit("$maxDistance", vals[2])
	}
	return nil
}

func (n *Near) limit(name string, v bsonx.Value) error {
	if !bsonx.IsNumber(v) {
		return bad("%s must be a number", name)
	}
	d := numeric.ToFloat(v)
	if !(d >= 0) {
		return bad("%s must be non-negative", name)
	}
	if name == "$minDistance" {
		n.Min = d
	} else {
		n.Max = d
	}
	return nil
}

// Distance returns the distance of a stored value, and whether it is a geometry
// within the limits. planar is for a 2d index.
func (n *Near) Distance(v bsonx.Value, planar bool) (float64, bool) {
	d, _, ok := n.Center.Nearest(v, n.Sphere || !planar)
	return d, ok && d >= n.Min && d <= n.Max
}
