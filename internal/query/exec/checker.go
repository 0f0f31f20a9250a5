package exec

import (
	"bytes"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/keyenc"
)

// byteRange is a Range in the index's bytes: its direction is applied, so that
// lo is at or before hi as bytes.
type byteRange struct {
	lo, hi     []byte
	loIn, hiIn bool
}

// checker decides for a key whether it is in the bounds and, if it is not,
// where the next key that may be is. Each field of a key is a prefix-free,
// order-preserving piece of bytes, so that fields compare by their bytes and
// piece+0xff lies behind everything that begins with the piece.
type checker struct {
	fields    [][]byteRange
	desc      []bool
	reverse   bool
	min, max  []byte
	valuesLen int // of the last key that was looked at
	buf       []byte
}

func newChecker(x *IndexScan) *checker {
	c := &checker{reverse: x.Reverse}
	for i, rs := range x.Bounds {
		desc := x.Spec.Descending(i)
		c.desc = append(c.desc, desc)
		out := make([]byteRange, 0, len(rs))
		for _, r := range rs {
			lo, hi := appendKey(nil, r.Lo, desc), appendKey(nil, r.Hi, desc)
			b := byteRange{lo, hi, r.LoIn, r.HiIn}
			if desc {
				b = byteRange{hi, lo, r.HiIn, r.LoIn}
			}
			out = append(out, b)
		}
		if desc {
			for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
				out[a], out[b] = out[b], out[a]
			}
		}
		c.fields = append(c.fields, out)
	}
	for i, v := range x.Min {
		c.min = appendKey(c.min, v, x.Spec.Descending(i))
	}
	for i, v := range x.Max {
		c.max = appendKey(c.max, v, x.Spec.Descending(i))
	}
	return c
}

// points returns the encoded values of a field that is bounded by single values.
func (c *checker) points(field int) ([][]byte, bool) {
	var out [][]byte
	for _, r := range c.fields[field] {
		if !r.loIn || !r.hiIn || !bytes.Equal(r.lo, r.hi) {
			return nil, false
		}
		out = append(out, r.lo)
	}
	return out, true
}

// span returns the bounds of the scan as a whole: below the first and above the
// last key that can be in bounds.
func (c *checker) span() (lower, upper []byte) {
	point := true
	for _, rs := range c.fields {
		if len(rs) == 0 {
			return []byte{}, []byte{}
		}
		if !point {
			break
		}
		first, last := rs[0], rs[len(rs)-1]
		if bytes.Equal(lower, upper) {
			upper = append(append([]byte(nil), upper...), last.hi...)
		}
		lower = append(lower, first.lo...)
		point = len(rs) == 1 && bytes.Equal(first.lo, first.hi)
	}
	upper = append(upper, 0xff)
	if c.min != nil && bytes.Compare(c.min, lower) > 0 {
		lower = c.min
	}
	if c.max != nil && bytes.Compare(c.max, upper) < 0 {
		upper = c.max
	}
	return lower, upper
}

type verdict uint8

const (
	inBounds verdict = iota
	pastEnd
	jump // go on at the target
)

// look decides about a key. The target is valid until the next call.
func (c *checker) look(key []byte) (target []byte, v verdict) {
	at := 0
	for i := range c.fields {
		n := keyenc.Skip(key[at:], c.desc[i])
		if n < 0 {
			return nil, pastEnd // not an entry: fsck finds it
		}
		seg := key[at : at+n]
		target, v := c.field(i, key[:at], seg)
		if v != inBounds {
			return target, v
		}
		at += n
	}
	c.valuesLen = at
	return nil, inBounds
}

// field looks at one field of a key whose fields before it are prefix.
func (c *checker) field(i int, prefix, seg []byte) ([]byte, verdict) {
	rs := c.fields[i]
	if c.reverse {
		for j := len(rs) - 1; j >= 0; j-- {
			r := rs[j]
			lo := bytes.Compare(seg, r.lo)
			if lo < 0 || lo == 0 && !r.loIn {
				continue
			}
			hi := bytes.Compare(seg, r.hi)
			if hi < 0 || hi == 0 && r.hiIn {
				return nil, inBounds
			}
			c.buf = append(append(c.buf[:0], prefix...), r.hi...)
			if r.hiIn {
				c.buf = append(c.buf, 0xff)
			}
			return c.buf, jump
		}
		if i == 0 {
			return nil, pastEnd
		}
		c.buf = append(c.buf[:0], prefix...) // before all keys of this prefix
		return c.buf, jump
	}
	for _, r := range rs {
		hi := bytes.Compare(seg, r.hi)
		if hi > 0 || hi == 0 && !r.hiIn {
			continue
		}
		lo := bytes.Compare(seg, r.lo)
		if lo > 0 || lo == 0 && r.loIn {
			return nil, inBounds
		}
		c.buf = append(append(c.buf[:0], prefix...), r.lo...)
		if !r.loIn {
			c.buf = append(c.buf, 0xff)
		}
		return c.buf, jump
	}
	if i == 0 {
		return nil, pastEnd
	}
	c.buf = append(append(c.buf[:0], prefix...), 0xff)
	return c.buf, jump
}

// coverNode is a field of a covered row: a value of the key, or a document.
type coverNode struct {
	name     string
	value    int // -1: a document of children
	children []*coverNode
}

// coverTree is the shape of the rows that the index's fields make up.
func (s *indexScan) coverTree() []*coverNode {
	if s.tree == nil {
		root := &coverNode{}
		for i, f := range s.Spec.Fields {
			root.add(strings.Split(f.Path, "."), i)
		}
		s.tree = root.children
	}
	return s.tree
}

func (n *coverNode) add(parts []string, value int) {
	var c *coverNode
	for _, x := range n.children {
		if x.name == parts[0] {
			c = x
		}
	}
	if c == nil {
		c = &coverNode{name: parts[0], value: -1}
		n.children = append(n.children, c)
	}
	if len(parts) == 1 {
		c.value = value
		return
	}
	c.add(parts[1:], value)
}

func appendFields(b *bsonx.Builder, nodes []*coverNode, vals []bsonx.Value) {
	for _, n := range nodes {
		switch {
		case n.value >= 0:
			b.Value(n.name, vals[n.value])
		case anyValue(n.children, vals):
			at := b.OpenDoc(n.name)
			appendFields(b, n.children, vals)
			b.Close(at)
		}
	}
}

func anyValue(nodes []*coverNode, vals []bsonx.Value) bool {
	for _, n := range nodes {
		if n.value >= 0 && !bsonx.IsMissing(vals[n.value]) || n.value < 0 && anyValue(n.children, vals) {
			return true
		}
	}
	return false
}
