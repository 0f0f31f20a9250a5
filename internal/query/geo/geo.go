// Package geo reads GeoJSON and legacy coordinates, with MongoDB's validation,
// and answers whether a stored geometry lies within, intersects or is near
// another (MongoDB manual, "Geospatial Queries").
//
// GeoJSON geometries lie on the sphere and their edges are geodesics. Legacy
// shapes ($box, $center, $polygon) lie in the plane of their coordinates.
package geo

import (
	"math"

	"github.com/golang/geo/s2"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// EarthRadius is MongoDB's, in metres.
const EarthRadius = 6378100.0

// touching is the distance, in radians, within which a point counts as on a
// line or on an edge: about a centimetre, the size of the smallest S2 cell.
const touching = 1.5e-9

func bad(format string, args ...any) error { return errcode.New(errcode.BadValue, format, args...) }

// Flat is a point of the plane; of the sphere it is longitude and latitude in
// degrees.
type Flat struct{ X, Y float64 }

func (p Flat) onSphere() bool { return math.Abs(p.X) <= 180 && math.Abs(p.Y) <= 90 }

func (p Flat) sphere() s2.Point {
	return s2.PointFromLatLng(s2.LatLngFromDegrees(p.Y, p.X).Normalized())
}

// flatPoint reads two numbers from an array or a document. More elements are
// refused unless others is set.
func flatPoint(v bsonx.Value, others bool) (Flat, error) {
	if v.Type != bsonx.Array && v.Type != bsonx.Object {
		return Flat{}, bad("Point must be an array or object, instead got type %s", bsonx.TypeName(v.Type))
	}
	var xy [2]float64
	n := 0
	for it := bsonx.NewIter(v.Data); it.Next(); n++ {
		if n == 2 {
			if others {
				break
			}
			return Flat{}, bad("Point must only contain two numeric elements")
		}
		if !bsonx.IsNumber(it.Value()) {
			return Flat{}, bad("Point must only contain numeric elements")
		}
		xy[n] = numeric.ToFloat(it.Value())
		if math.IsNaN(xy[n]) || math.IsInf(xy[n], 0) {
			return Flat{}, bad("Point coordinates must be finite numbers")
		}
	}
	if n < 2 {
		return Flat{}, bad("Point must contain exactly two numeric elements")
	}
	return Flat{xy[0], xy[1]}, nil
}

// Geometry is a parsed geometry on the sphere. It is immutable.
type Geometry struct {
	// Point is set if the geometry is a single point, which also lies in the
	// plane; Legacy says that it was not GeoJSON.
	Point  *Flat
	Legacy bool

	points   []s2.Point
	lines    []*s2.Polyline
	polygons []*polygon
}

// polygon is an area: a shell with holes, or with strict winding the area to
// the left of one loop, which may be more than a hemisphere.
type polygon struct {
	area *s2.Polygon
	big  *s2.Loop
}

func (p *polygon) loops() []*s2.Loop {
	if p.big != nil {
		return []*s2.Loop{p.big}
	}
	return p.area.Loops()
}

// Stored parses a value of a document. ok is false when it is no geometry.
func Stored(v bsonx.Value) (g *Geometry, ok bool) {
	if v.Type != bsonx.Array && v.Type != bsonx.Object {
		return nil, false
	}
	if isLegacy(v) {
		p, err := flatPoint(v, true)
		if err != nil {
			return nil, false
		}
		return legacyPoint(p), true
	}
	if bsonx.Lookup(v.Data, "type").Type != bsonx.String {
		return nil, false // of a query it would be a point
	}
	g, err := parseGeoJSON(v, 0)
	return g, err == nil
}

// isLegacy: arrays, and documents that begin with a number.
func isLegacy(v bsonx.Value) bool {
	if v.Type == bsonx.Array {
		return true
	}
	it := bsonx.NewIter(v.Data)
	return it.Next() && bsonx.IsNumber(it.Value())
}

func legacyPoint(p Flat) *Geometry {
	g := &Geometry{Point: &p, Legacy: true}
	if p.onSphere() {
		g.points = []s2.Point{p.sphere()}
	}
	return g
}

// hasAreaOnly reports whether there is nothing but polygons.
func (g *Geometry) hasAreaOnly() bool {
	return len(g.polygons) > 0 && len(g.points) == 0 && len(g.lines) == 0
}
