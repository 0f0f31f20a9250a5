package index

import (
	"math"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
	"github.com/argon-db/argon/internal/query/geo"
)

// GeoOptions are the options of a geospatial index.
type GeoOptions struct {
	Bits     int
	Min, Max float64
	Version  int
}

func compileGeo(spec bsonx.Doc) *GeoOptions {
	g := &GeoOptions{Bits: 26, Min: -180, Max: 180, Version: 3}
	if v := bsonx.Lookup(spec, "bits"); bsonx.IsNumber(v) {
		g.Bits = int(numberInt(v))
	}
	if v := bsonx.Lookup(spec, "2dsphereIndexVersion"); bsonx.IsNumber(v) {
		g.Version = int(numberInt(v))
	}
	if v := bsonx.Lookup(spec, "min"); bsonx.IsNumber(v) {
		g.Min = numeric.ToFloat(v)
	}
	if v := bsonx.Lookup(spec, "max"); bsonx.IsNumber(v) {
		g.Max = numeric.ToFloat(v)
	}
	return g
}

// Grid numbers the points of a 2d index.
func (g *GeoOptions) Grid() *geo.Grid { return &geo.Grid{Min: g.Min, Max: g.Max} }

// expandGeo makes a key of each cell of a geospatial field's values. What is no
// geometry cannot be in the index; a field that is not there, null or an empty
// array is null.
func (s *Spec) expandGeo(keys []Key, from, field int, doc bsonx.Doc) ([]Key, error) {
	f := s.Fields[field]
	var cells []int64
	for _, v := range GeoValues(nil, bsonx.DocValue(doc), f.Parts) {
		if bsonx.IsNullish(v) || v.Type == bsonx.Array && bsonx.IsEmpty(v.Data) {
			continue
		}
		var err error
		if cells, err = s.cells(cells, f, v, 0); err != nil {
			return nil, err
		}
	}
	slices.Sort(cells)
	cells = slices.Compact(cells)
	base := append([]Key(nil), keys[from:]...)
	keys = keys[:from]
	for _, k := range base {
		if len(cells) == 0 {
			k.Values[field] = bsonx.NullValue
			k.None |= 1 << field
			keys = append(keys, k)
		}
		for i, c := range cells {
			vals := k.Values
			if i > 0 {
				vals = append([]bsonx.Value(nil), vals...)
			}
			vals[field] = bsonx.Int64Value(c)
			keys = append(keys, Key{vals, k.None &^ (1 << field)})
		}
	}
	return keys, nil
}

// sparseGeo drops the keys of a document that has none of the geospatial fields.
func (s *Spec) sparseGeo(keys []Key, from int) []Key {
	var fields uint64
	for i, f := range s.Fields {
		if f.Kind == Geo2d || f.Kind == Geo2dsphere {
			fields |= 1 << i
		}
	}
	if len(keys) > from && fields != 0 && keys[from].None&fields == fields {
		return keys[:from]
	}
	return keys
}

// GeoValues appends the values that a path leads to, through arrays of documents.
func GeoValues(dst []bsonx.Value, v bsonx.Value, path []string) []bsonx.Value {
	for i, name := range path {
		switch v.Type {
		case bsonx.Object:
			v = bsonx.Lookup(v.Data, name)
			continue
		case bsonx.Array:
			for it := bsonx.NewIter(v.Data); it.Next(); {
				if e := it.Value(); e.Type == bsonx.Object {
					dst = GeoValues(dst, e, path[i:])
				}
			}
		}
		return dst
	}
	if v.Type != bsonx.Missing {
		dst = append(dst, v)
	}
	return dst
}

// cells appends the cells of one value.
func (s *Spec) cells(dst []int64, f Field, v bsonx.Value, depth int) ([]int64, error) {
	if f.Kind == Geo2d {
		return s.flatCells(dst, f, v, depth)
	}
	g, ok := geo.Stored(v)
	if ok && g.Point != nil && (math.Abs(g.Point.X) > 180 || math.Abs(g.Point.Y) > 90) {
		ok = false
	}
	if !ok || !g.OnSphere() {
		return nil, errcode.New(16755, "Can't extract geo keys: the value of '%s' is no valid GeoJSON geometry or pair of coordinates", f.Path)
	}
	return append(dst, g.Cells()...), nil
}

// flatCells: a 2d index takes legacy points within its bounds, or arrays of them.
func (s *Spec) flatCells(dst []int64, f Field, v bsonx.Value, depth int) ([]int64, error) {
	if v.Type != bsonx.Array && v.Type != bsonx.Object || bsonx.IsEmpty(v.Data) {
		if depth > 0 && v.Type != bsonx.Array && v.Type != bsonx.Object {
			return nil, errcode.New(13654, "location object expected, location array not in correct format: '%s'", f.Path)
		}
		return dst, nil
	}
	if first := bsonx.NewIter(v.Data); depth == 0 && first.Next() && !bsonx.IsNumber(first.Value()) {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			var err error
			if dst, err = s.flatCells(dst, f, it.Value(), 1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	var p geo.Flat
	n := 0
	for it := bsonx.NewIter(v.Data); it.Next() && n < 2; n++ {
		if !bsonx.IsNumber(it.Value()) {
			return nil, errcode.New(13026, "geo values must be 'legacy coordinate pairs' for 2d indexes: '%s'", f.Path)
		}
		x := numeric.ToFloat(it.Value())
		if n == 0 {
			p.X = x
		} else {
			p.Y = x
		}
	}
	if n < 2 {
		return nil, errcode.New(13068, "geo field only has 1 element: '%s'", f.Path)
	}
	grid := s.GeoOpts.Grid()
	if !grid.Contains(p) {
		return nil, errcode.New(13027, "point not in interval of [ %g, %g ]", grid.Min, grid.Max)
	}
	return append(dst, grid.Cell(p)), nil
}
