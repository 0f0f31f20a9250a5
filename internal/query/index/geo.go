package index

import "github.com/argon-db/argon/internal/bsonx"

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

// expandGeo replaces the geospatial field of each key by the cells of its
// value: none yet.
func (s *Spec) expandGeo(keys []Key, from, field int, doc bsonx.Doc) ([]Key, error) {
	for i := range keys[from:] {
		keys[from+i].Values[field] = bsonx.NullValue
	}
	return keys, nil
}
