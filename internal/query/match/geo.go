package match

import (
	"github.com/argon-db/argon/internal/bsonx"
)

// geoTest is a compiled geometry condition.
type geoTest interface {
	// Test reports whether a stored geometry meets the condition. A value that
	// is no geometry does not.
	Test(v bsonx.Value) (bool, error)
}

func isGeoNear(name string) bool {
	switch name {
	case "$near", "$nearSphere", "$geoNear":
		return true
	}
	return false
}

func geoShape(c *compiler, o operand) (Node, error) {
	name := o.name
	if name == "$within" {
		name = "$geoWithin"
	}
	return &Geo{Path: o.Path, Op: name, Arg: o.Value}, nil
}

func geoNear(c *compiler, o operand) (Node, error) {
	if c.NoNear != nil {
		return nil, c.NoNear
	}
	if c.need.near != nil {
		return nil, bad("Too many geoNear expressions")
	}
	n := &Geo{Path: o.Path, Op: o.name, Arg: bsonx.DocValue(o.all)}
	c.need.near = n
	return n, nil
}

// geoOption: $maxDistance and $minDistance belong to a $near beside them.
func geoOption(_ *compiler, o operand) (Node, error) {
	for it := bsonx.NewIter(o.all); it.Next(); {
		if isGeoNear(string(it.Key())) {
			return nil, nil
		}
	}
	return nil, bad("unknown operator: %s; it belongs to $near or $nearSphere", o.name)
}
