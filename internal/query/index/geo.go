package index

import (
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
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
		g.Min = float64(numberInt(v))
	}
	if v := bsonx.Lookup(spec, "max"); bsonx.IsNumber(v) {
		g.Max = float64(numberInt(v))
	}
	return g
}

// expandGeo checks the values of a geospatial field: what is no geometry cannot
// be in the index. The keys hold no cells: distances are measured on the rows.
// A document without the field has no key, if the field is the first one.
func (s *Spec) expandGeo(keys []Key, from, field int, doc bsonx.Doc) ([]Key, error) {
	f := s.Fields[field]
	vals := geoValues(nil, bsonx.DocValue(doc), f.Parts)
	for _, v := range vals {
		if v.Type == bsonx.Null || v.Type == bsonx.Undefined {
			continue
		}
		if err := s.checkGeo(f, v); err != nil {
			return nil, err
		}
	}
	if len(vals) == 0 && field == 0 {
		return keys[:from], nil
	}
	for i := range keys[from:] {
		keys[from+i].Values[field] = bsonx.NullValue
	}
	return keys, nil
}

// geoValues appends the values that a path leads to, through arrays of documents.
func geoValues(dst []bsonx.Value, v bsonx.Value, path []string) []bsonx.Value {
	for i, name := range path {
		switch v.Type {
		case bsonx.Object:
			v = bsonx.Lookup(v.Data, name)
			continue
		case bsonx.Array:
			for it := bsonx.NewIter(v.Data); it.Next(); {
				if e := it.Value(); e.Type == bsonx.Object {
					dst = geoValues(dst, e, path[i:])
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

func (s *Spec) checkGeo(f Field, v bsonx.Value) error {
	if f.Kind == Geo2d {
		return s.checkFlat(f, v)
	}
	g, ok := geo.Stored(v)
	if ok && g.Point != nil && (math.Abs(g.Point.X) > 180 || math.Abs(g.Point.Y) > 90) {
		ok = false
	}
	if !ok {
		return errcode.New(16755, "Can't extract geo keys: the value of '%s' is no valid GeoJSON geometry or pair of coordinates", f.Path)
	}
	return nil
}

// checkFlat: a 2d index takes legacy points within its bounds, or arrays of them.
func (s *Spec) checkFlat(f Field, v bsonx.Value) error {
	if v.Type == bsonx.Array && !bsonx.IsNumber(bsonx.LookupIndex(v.Data, 0)) {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if err := s.checkFlat(f, it.Value()); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Type != bsonx.Array && v.Type != bsonx.Object {
		return nil
	}
	g, ok := geo.Stored(v)
	if !ok || g.Point == nil {
		return nil
	}
	if o := s.GeoOpts; !(g.Point.X >= o.Min && g.Point.X <= o.Max && g.Point.Y >= o.Min && g.Point.Y <= o.Max) {
		return errcode.New(13027, "point not in interval of [ %g, %g ]", o.Min, o.Max)
	}
	return nil
}
