package geo

import (
	"github.com/golang/geo/s2"

	"github.com/argon-db/argon/internal/bsonx"
)

// Coordinate reference systems. The last gives polygons a winding order.
var systems = map[string]bool{
	"EPSG:4326":                                 false,
	"urn:ogc:def:crs:OGC:1.3:CRS84":             false,
	"urn:x-mongodb:crs:strictwinding:EPSG:4326": true,
}

const maxCollectionDepth = 32

// shapes are the GeoJSON types with the reader of their coordinates.
var shapes = map[string]func(g *Geometry, c bsonx.Value) error{
	"Point":           readPoint,
	"LineString":      readLine,
	"Polygon":         readPolygon,
	"MultiPoint":      many(readPointOf),
	"MultiLineString": many(readLine),
	"MultiPolygon":    many(readPolygon),
}

// ParseGeoJSON parses a GeoJSON geometry. A document without a type is a point.
func ParseGeoJSON(v bsonx.Value) (*Geometry, error) { return parseGeoJSON(v, 0) }

func parseGeoJSON(v bsonx.Value, depth int) (*Geometry, error) {
	if v.Type != bsonx.Object {
		return nil, bad("geometry must be an object, instead got type %s", bsonx.TypeName(v.Type))
	}
	if depth > maxCollectionDepth {
		return nil, bad("GeometryCollections are nested too deeply")
	}
	t := bsonx.Lookup(v.Data, "type")
	name := "Point"
	if t.Type == bsonx.String {
		name = string(bsonx.Str(t))
	} else if t.Type != bsonx.Missing {
		return nil, bad("GeoJSON type must be a string, instead got type %s", bsonx.TypeName(t.Type))
	}
	strict, err := readSystem(v, name)
	if err != nil {
		return nil, err
	}
	g := &Geometry{}
	if name == "GeometryCollection" {
		return g, readCollection(g, v, depth)
	}
	read := shapes[name]
	if read == nil {
		return nil, bad("unknown GeoJSON type: %s", name)
	}
	coords := bsonx.Lookup(v.Data, "coordinates")
	if strict {
		return g, readBigPolygon(g, coords)
	}
	return g, read(g, coords)
}

func readSystem(v bsonx.Value, name string) (strict bool, err error) {
	crs := bsonx.Lookup(v.Data, "crs")
	if crs.Type == bsonx.Missing {
		return false, nil
	}
	if crs.Type != bsonx.Object {
		return false, bad("GeoJSON CRS must be an object")
	}
	kind, props := bsonx.Lookup(crs.Data, "type"), bsonx.Lookup(crs.Data, "properties")
	if kind.Type != bsonx.String || string(bsonx.Str(kind)) != "name" {
		return false, bad("GeoJSON CRS must have field \"type\": \"name\"")
	}
	if props.Type != bsonx.Object {
		return false, bad("CRS must have field \"properties\" which is an object")
	}
	n := bsonx.Lookup(props.Data, "name")
	if n.Type != bsonx.String {
		return false, bad("In CRS, \"properties.name\" must be a string")
	}
	strict, known := systems[string(bsonx.Str(n))]
	if !known {
		return false, bad("Unknown CRS name: %s", bsonx.Str(n))
	}
	if strict && name != "Polygon" {
		return false, bad("Strict winding order is only supported by Polygon, not by %s", name)
	}
	return strict, nil
}

func readCollection(g *Geometry, v bsonx.Value, depth int) error {
	list := bsonx.Lookup(v.Data, "geometries")
	if list.Type != bsonx.Array {
		return bad("GeometryCollection geometries must be an array, instead got type %s", bsonx.TypeName(list.Type))
	}
	n := 0
	for it := bsonx.NewIter(list.Data); it.Next(); n++ {
		sub, err := parseGeoJSON(it.Value(), depth+1)
		if err != nil {
			return err
		}
		g.points = append(g.points, sub.points...)
		g.lines = append(g.lines, sub.lines...)
		g.polygons = append(g.polygons, sub.polygons...)
	}
	if n == 0 {
		return bad("GeometryCollection geometries must have at least 1 element")
	}
	return nil
}

// many reads an array of at least one of what read takes.
func many(read func(g *Geometry, c bsonx.Value) error) func(*Geometry, bsonx.Value) error {
	return func(g *Geometry, c bsonx.Value) error {
		if c.Type != bsonx.Array || bsonx.IsEmpty(c.Data) {
			return bad("GeoJSON coordinates must be an array of at least one element")
		}
		for it := bsonx.NewIter(c.Data); it.Next(); {
			if err := read(g, it.Value()); err != nil {
				return err
			}
		}
		return nil
	}
}

func position(v bsonx.Value) (Flat, error) {
	p, err := flatPoint(v, true)
	if err == nil && !p.onSphere() {
		err = bad("longitude/latitude is out of bounds, lng: %g lat: %g", p.X, p.Y)
	}
	return p, err
}

func readPoint(g *Geometry, c bsonx.Value) error {
	p, err := position(c)
	if err != nil {
		return err
	}
	g.Point = &p
	g.points = append(g.points, p.sphere())
	return nil
}

func readPointOf(g *Geometry, c bsonx.Value) error {
	p, err := position(c)
	g.points = append(g.points, p.sphere())
	return err
}

// positions reads an array of points, without repeats of the one before.
func positions(c bsonx.Value) (all []s2.Point, n int, err error) {
	if c.Type != bsonx.Array {
		return nil, 0, bad("GeoJSON coordinates must be an array of coordinates")
	}
	for it := bsonx.NewIter(c.Data); it.Next(); n++ {
		p, err := position(it.Value())
		if err != nil {
			return nil, 0, err
		}
		s := p.sphere()
		if len(all) == 0 || all[len(all)-1] != s {
			all = append(all, s)
		}
	}
	return all, n, nil
}

func readLine(g *Geometry, c bsonx.Value) error {
	all, n, err := positions(c)
	if err != nil {
		return err
	}
	if n < 2 || len(all) < 2 {
		return bad("GeoJSON LineString must have at least 2 vertices")
	}
	line := s2.Polyline(all)
	g.lines = append(g.lines, &line)
	return nil
}

// readLoop reads one ring of a polygon: closed, and not crossing itself.
func readLoop(c bsonx.Value) (*s2.Loop, error) {
	all, n, err := positions(c)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, bad("Loop has no vertices")
	}
	if all[0] != all[len(all)-1] {
		return nil, bad("Loop is not closed")
	}
	if n < 4 || len(all) < 4 {
		return nil, bad("Loop must have at least 3 different vertices")
	}
	all = all[:len(all)-1]
	if err := checkRing(all); err != nil {
		return nil, err
	}
	return s2.LoopFromPoints(all), nil
}

// checkRing refuses a ring that visits a vertex twice or whose edges cross.
func checkRing(ring []s2.Point) error {
	seen := make(map[s2.Point]bool, len(ring))
	for _, p := range ring {
		if seen[p] {
			return bad("Loop is not valid: duplicate vertices")
		}
		seen[p] = true
	}
	n := len(ring)
	boxes := make([]s2.Rect, n)
	for i := range ring {
		boxes[i] = edgeBound(ring[i], ring[(i+1)%n])
	}
	for i := 0; i < n; i++ {
		for j := i + 2; j < n; j++ {
			if i == 0 && j == n-1 || !boxes[i].Intersects(boxes[j]) {
				continue
			}
			if s2.CrossingSign(ring[i], ring[i+1], ring[j], ring[(j+1)%n]) == s2.Cross {
				return bad("Loop is not valid: Edges %d and %d cross", i, j)
			}
		}
	}
	return nil
}

func edgeBound(a, b s2.Point) s2.Rect {
	r := s2.NewRectBounder()
	r.AddPoint(a)
	r.AddPoint(b)
	return r.RectBound()
}

func readPolygon(g *Geometry, c bsonx.Value) error {
	if c.Type != bsonx.Array || bsonx.IsEmpty(c.Data) {
		return bad("Polygon coordinates must be an array of loops")
	}
	var loops []*s2.Loop
	for it := bsonx.NewIter(c.Data); it.Next(); {
		l, err := readLoop(it.Value())
		if err != nil {
			return err
		}
		l.Normalize() // the smaller side of a ring is its inside
		if len(loops) > 0 && !holeWithin(loops[0], l) {
			return bad("Secondary loops not contained by first exterior loop - secondary loops must be holes")
		}
		loops = append(loops, l)
	}
	g.polygons = append(g.polygons, &polygon{area: s2.PolygonFromLoops(loops)})
	return nil
}

// holeWithin: the vertices of a hole are inside of the shell or on its edges.
func holeWithin(shell, hole *s2.Loop) bool {
	outer := &polygon{area: s2.PolygonFromLoops([]*s2.Loop{shell})}
	for _, p := range hole.Vertices() {
		if !outer.covers(p) {
			return false
		}
	}
	return !crosses(outer.loops(), []*s2.Loop{hole})
}

func readBigPolygon(g *Geometry, c bsonx.Value) error {
	if c.Type != bsonx.Array || bsonx.Len(c.Data) != 1 {
		return bad("Only one simple loop is allowed in a big polygon")
	}
	l, err := readLoop(bsonx.LookupIndex(c.Data, 0))
	if err != nil {
		return err
	}
	g.polygons = append(g.polygons, &polygon{big: l})
	return nil
}
