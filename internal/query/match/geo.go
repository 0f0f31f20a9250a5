package match

import (
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/query/geo"
)

// geoTest is a compiled geometry condition.
type geoTest interface {
	// Test reports whether a stored geometry meets the condition. A value that
	// is no geometry does not.
	Test(v bsonx.Value) (bool, error)
}

// Region returns the region of $geoWithin and $geoIntersects; nil for the others.
func (n *Geo) Region() *geo.Region {
	r, _ := n.test.(*geo.Region)
	return r
}

func isGeoNear(name string) bool {
	switch name {
	case "$near", "$nearSphere", "$geoNear":
		return true
	}
	return false
}

// geoShape compiles $geoWithin and $geoIntersects, beside which nothing else may
// stand.
func geoShape(_ *compiler, o operand) (Node, error) {
	name := o.name
	if name == "$within" {
		name = "$geoWithin"
	}
	if bsonx.Len(o.all) > 1 {
		return nil, bad("can't parse extra field beside %s: %s", o.name, bsonx.DocValue(o.all).DebugString())
	}
	r, err := geo.ParseRegion(name, o.Value)
	if err != nil {
		return nil, err
	}
	return &Geo{Path: o.Path, Op: name, Arg: o.Value, test: r}, nil
}

// anyGeometry is the test of a $near: whoever sorts by the distance also looks
// at its limits, because their unit depends on the index.
type anyGeometry struct{}

func (anyGeometry) Test(v bsonx.Value) (bool, error) {
	_, ok := geo.Stored(v)
	return ok, nil
}

func geoNear(c *compiler, o operand) (Node, error) {
	if c.NoNear != nil {
		return nil, c.NoNear
	}
	if c.need.near != nil {
		return nil, bad("Too many geoNear expressions")
	}
	near, err := geo.ParseNear(o.all)
	if err != nil {
		return nil, err
	}
	n := &Geo{Path: o.Path, Op: o.name, Arg: bsonx.DocValue(o.all), Near: near, test: anyGeometry{}}
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

// checkPlaces: a $near sorts the whole result, so it stands at the top of the
// filter or in an $and there, and not with a $text. A $text gives the documents
// to look at, so it cannot be negated.
func (need *needs) checkPlaces(root Node) error {
	switch {
	case need.text != nil && negated(root, need.text, false):
		return bad("text expression not allowed in nor")
	case need.near == nil:
		return nil
	case need.text != nil:
		return bad("text and geoNear not allowed in same query")
	case !atTop(root, need.near):
		return bad("geoNear must be top-level expression")
	}
	return nil
}

func atTop(n Node, near *Geo) bool {
	if and, ok := n.(*And); ok {
		for _, sub := range and.Nodes {
			if atTop(sub, near) {
				return true
			}
		}
	}
	g, ok := n.(*Geo)
	return ok && g == near
}

// negated reports whether a $text stands below a negation.
func negated(n Node, t *Text, below bool) bool {
	sub := func(nodes []Node, below bool) bool {
		return slices.ContainsFunc(nodes, func(n Node) bool { return negated(n, t, below) })
	}
	switch n := n.(type) {
	case *Text:
		return below && n == t
	case *And:
		return sub(n.Nodes, below)
	case *Or:
		return sub(n.Nodes, below)
	case *Nor:
		return sub(n.Nodes, true)
	case *Not:
		return negated(n.Node, t, true)
	}
	return false
}
