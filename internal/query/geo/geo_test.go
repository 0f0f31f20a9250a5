package geo

import (
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// value reads Extended JSON.
func value(t *testing.T, s string) bsonx.Value {
	t.Helper()
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"v": `+s+`}`), false, &raw); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return bsonx.Lookup(raw, "v")
}

const (
	square = `{"type": "Polygon", "coordinates": [[[0,0],[10,0],[10,10],[0,10],[0,0]]]}`
	holed  = `{"type": "Polygon", "coordinates": [[[0,0],[10,0],[10,10],[0,10],[0,0]], [[4,4],[6,4],[6,6],[4,6],[4,4]]]}`
	strict = `, "crs": {"type": "name", "properties": {"name": "urn:x-mongodb:crs:strictwinding:EPSG:4326"}}}`
)

func TestRegions(t *testing.T) {
	for _, c := range []struct {
		op, arg, stored string
		want            bool
	}{
		{"$geoWithin", `{"$geometry": ` + square + `}`, `{"type": "Point", "coordinates": [5, 5]}`, true},
		{"$geoWithin", `{"$geometry": ` + square + `}`, `[5, 5]`, true},
		{"$geoWithin", `{"$geometry": ` + square + `}`, `[10, 5]`, true}, // on an edge
		{"$geoWithin", `{"$geometry": ` + square + `}`, `[11, 5]`, false},
		{"$geoWithin", `{"$geometry": ` + square + `}`, `[500, 5]`, false}, // not on the sphere
		{"$geoWithin", `{"$geometry": ` + holed + `}`, `[5, 5]`, false},
		{"$geoWithin", `{"$geometry": ` + square + `}`, `{"type": "LineString", "coordinates": [[1,1],[9,9]]}`, true},
		{"$geoWithin", `{"$geometry": ` + holed + `}`, `{"type": "LineString", "coordinates": [[1,1],[9,9]]}`, false},
		{"$geoWithin", `{"$geometry": ` + square + `}`, `{"type": "MultiPoint", "coordinates": [[1,1],[11,9]]}`, false},
		{"$geoWithin", `{"$geometry": ` + square + `}`, square, true},
		{"$geoWithin", `{"$geometry": {"type": "Polygon", "coordinates": [[[0,0],[0,10],[10,10],[10,0],[0,0]]]` + strict + `}`, `[50, 50]`, true},
		{"$geoWithin", `{"$geometry": {"type": "Polygon", "coordinates": [[[0,0],[0,10],[10,10],[10,0],[0,0]]]` + strict + `}`, `[5, 5]`, false},
		{"$geoIntersects", `{"$geometry": ` + square + `}`, `{"type": "LineString", "coordinates": [[5,5],[20,5]]}`, true},
		{"$geoIntersects", `{"$geometry": {"type": "LineString", "coordinates": [[-1,0],[1,0]]}}`, `[0, 0]`, true},
		{"$geoIntersects", `{"$geometry": {"type": "LineString", "coordinates": [[-1,1],[1,-1]]}}`, `{"type": "LineString", "coordinates": [[-1,-1],[1,1]]}`, true},
		{"$geoIntersects", `{"$geometry": [3, 4]}`, `{"x": 3, "y": 4}`, true},
		{"$geoIntersects", `{"$geometry": ` + square + `}`, `{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 1]}]}`, true},
		{"$geoIntersects", `{"$geometry": ` + holed + `}`, `{"type": "Polygon", "coordinates": [[[4.5,4.5],[5.5,4.5],[5,5.5],[4.5,4.5]]]}`, false},
		{"$geoWithin", `{"$box": [[10, 10], [0, 0]]}`, `[10, 0]`, true},
		{"$geoWithin", `{"$box": [[0, 0], [10, 10]]}`, square, false},
		{"$geoWithin", `{"$center": [[0, 0], 5]}`, `[3, 4]`, true},
		{"$geoWithin", `{"$center": [[0, 0], 5]}`, `[3, 4.1]`, false},
		{"$geoWithin", `{"$polygon": [[0,0],[10,10],[10,0]]}`, `[5, 1]`, true},
		{"$geoWithin", `{"$polygon": [[0,0],[10,10],[10,0]]}`, `[1, 5]`, false},
		{"$geoWithin", `{"$centerSphere": [[0, 0], 0.1]}`, `[5, 0]`, true},
		{"$geoWithin", `{"$centerSphere": [[0, 0], 0.1]}`, `[6, 0]`, false},
		{"$geoWithin", `{"$box": [[0, 0], [10, 10]]}`, `"text"`, false},
	} {
		r, err := ParseRegion(c.op, value(t, c.arg))
		if err != nil {
			t.Errorf("%s %s: %v", c.op, c.arg, err)
			continue
		}
		if got, err := r.Test(value(t, c.stored)); err != nil || got != c.want {
			t.Errorf("%s %s of %s: %v %v, want %v", c.op, c.arg, c.stored, got, err, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ op, arg string }{
		{"$geoWithin", `5`}, {"$geoWithin", `{}`}, {"$geoWithin", `{"$sphere": []}`},
		{"$geoWithin", `{"$geometry": {"type": "Point", "coordinates": [0, 0]}}`},
		{"$geoIntersects", `{"$box": [[0, 0], [1, 1]]}`},
		{"$geoIntersects", `{"$geometry": {"type": "Point", "coordinates": [181, 0]}}`},
		{"$geoIntersects", `{"$geometry": {"type": "LineString", "coordinates": [[0, 0]]}}`},
		{"$geoIntersects", `{"$geometry": {"type": "Polygon", "coordinates": [[[0,0],[2,2],[2,0],[0,2],[0,0]]]}}`},
		{"$geoIntersects", `{"$geometry": {"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,1]]]}}`},
		{"$geoIntersects", `{"$geometry": {"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,0]], [[5,5],[6,5],[6,6],[5,5]]]}}`},
		{"$geoIntersects", `{"$geometry": {"type": "GeometryCollection", "geometries": []}}`},
		{"$geoIntersects", `{"$geometry": {"type": "Point", "coordinates": [0, 0]` + strict + `}`},
		{"$geoWithin", `{"$centerSphere": [[0, 91], 1]}`}, {"$geoWithin", `{"$center": [[0, 0], -1]}`},
		{"$geoWithin", `{"$polygon": [[0, 0], [1, 1]]}`}, {"$geoWithin", `{"$box": [[0, 0]]}`},
	} {
		if _, err := ParseRegion(c.op, value(t, c.arg)); !errcode.Has(err, errcode.BadValue) {
			t.Errorf("%s %s: %v", c.op, c.arg, err)
		}
	}
	for arg, code := range map[string]errcode.Code{
		`{"$near": {"$geometry": ` + square + `}}`: errcode.BadValue,
		`{"$near": {}}`: errcode.BadValue, `{"$nearSphere": [200, 0]}`: errcode.BadValue, `{"$near": 5}`: errcode.BadValue,
		`{"$near": [0, 0], "$maxDistance": -1}`:                                                     errcode.BadValue,
		`{"$near": {"$geometry": {"type": "Point", "coordinates": [0, 0]}}, "$eq": 5}`:              34413,
		`{"$near": {"$geometry": {"type": "Point", "coordinates": [0, 0]}, "$maxDistance": "far"}}`: errcode.BadValue,
	} {
		if _, err := ParseNear(bsonx.Doc(value(t, arg).Data)); !errcode.Has(err, code) {
			t.Errorf("%s: %v, want %d", arg, err, code)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		near, stored string
		sphere       bool
		want         float64
	}{
		{`{"type": "Point", "coordinates": [0, 0]}`, `[1, 0]`, true, 111318.84502145034},
		{`[0, 0]`, `[1, 0]`, true, math.Pi / 180},
		{`[0, 0]`, `[3, 4]`, false, 5},
		{`{"type": "Point", "coordinates": [1, 0]}`, `{"type": "LineString", "coordinates": [[0,0],[2,0]]}`, true, 0},
		{`{"type": "Point", "coordinates": [5, 5]}`, square, true, 0},
		{`{"type": "Point", "coordinates": [11, 0]}`, square, true, 111318.84502145034},
	} {
		center, err := ParseCenter(value(t, c.near))
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := center.Distance(value(t, c.stored), c.sphere); !ok || math.Abs(d-c.want) > 1e-9*c.want {
			t.Errorf("%s to %s: %v %v, want %v", c.near, c.stored, d, ok, c.want)
		}
	}
	n, err := ParseNear(bsonx.Doc(value(t, `{"$near": {"$geometry": {"type": "Point", "coordinates": [0, 0]}, "$minDistance": 10, "$maxDistance": 120000}}`).Data))
	if err != nil {
		t.Fatal(err)
	}
	for stored, want := range map[string]bool{`[0, 0]`: false, `[1, 0]`: true, `[2, 0]`: false, `[[0, 50], [1, 0]]`: true, `"x"`: false} {
		if _, ok := n.Distance(value(t, stored), false); ok != want {
			t.Errorf("%s: %v, want %v", stored, ok, want)
		}
	}
	if d, loc, _ := n.Center.Nearest(value(t, `[[0, 50], [1, 0]]`), true); d > 120000 || bsonx.Len(loc.Data) != 2 {
		t.Errorf("nearest: %v %s", d, loc.DebugString())
	}
}
