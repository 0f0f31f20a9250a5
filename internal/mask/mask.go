// Package mask replaces values in documents by rules for their fields, so that a
// branch can be made of data that its users must not see.
package mask

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Rules are compiled from createBranch's mask:
//
//	{COLLECTION: {FIELD: RULE, …}, "*": {FIELD: RULE, …}}
//
// FIELD is a path with dots, which goes through arrays; RULE is "null", "remove",
// "redact", "hash", "fake", or {rule: "fake", as: KIND}. The collection "*" is
// every collection; its rules hold where the collection has none for the field.
// Rules are safe for concurrent use.
type Rules struct {
	key   []byte // of the hashes
	colls map[string]*node
	all   *node
}

// node is one step of the paths of a collection's rules.
type node struct {
	kids map[string]*node
	rule *rule
}

type rule struct {
	kind kind
	as   faker
}

type kind int

const (
	toNull kind = iota
	toNothing
	redact
	hash
	fake
)

var kinds = map[string]kind{"null": toNull, "remove": toNothing, "redact": redact, "hash": hash, "fake": fake}

// maxDepth bounds the depth of a path.
const maxDepth = 100

func bad(format string, args ...any) error { return errcode.New(errcode.BadValue, format, args...) }

// Compile reads the rules. The same value becomes the same value wherever it
// stands, so that joins and groups still work; secret, when not "", makes it so for
// several branches, else it holds within this one.
func Compile(spec bsonx.Doc, secret string) (*Rules, error) {
	r := &Rules{key: []byte(secret), colls: map[string]*node{}}
	if secret == "" {
		r.key = make([]byte, 32)
		_, _ = rand.Read(r.key) // never fails
	}
	for it := bsonx.NewIter(spec); it.Next(); {
		coll := string(it.Key())
		fields, ok := it.Value().DocumentOK()
		if !ok {
			return nil, bad("mask.%s must be a document of field: rule", coll)
		}
		root := &node{}
		for f := bsonx.NewIter(fields); f.Next(); {
			if err := root.add(coll, string(f.Key()), f.Value()); err != nil {
				return nil, err
			}
		}
		if coll == "*" {
			r.all = root
		} else {
			r.colls[coll] = root
		}
	}
	if r.all != nil {
		for _, n := range r.colls {
			n.inherit(r.all)
		}
	}
	if r.all == nil && len(r.colls) == 0 {
		return nil, bad("mask has no rules; write {COLLECTION: {FIELD: \"hash\"}}")
	}
	return r, nil
}

func (n *node) add(coll, path string, v bsonx.Value) error {
	ru, err := parseRule(coll+"."+path, v)
	if err != nil {
		return err
	}
	parts := strings.Split(path, ".")
	if len(parts) > maxDepth {
		return bad("mask: the path %q is too deep", path)
	}
	if parts[0] == "_id" && ru.kind != hash {
		return bad("mask: _id identifies a document; of the rules only \"hash\" can be for it")
	}
	for _, p := range parts {
		if p == "" {
			return bad("mask: %q is no path", path)
		}
		if n.rule != nil {
			return bad("mask: two rules for %s.%s and a part of it", coll, path)
		}
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		if n.kids[p] == nil {
			n.kids[p] = &node{}
		}
		n = n.kids[p]
	}
	if n.rule != nil || n.kids != nil {
		return bad("mask: two rules for %s.%s", coll, path)
	}
	n.rule = ru
	return nil
}

func parseRule(where string, v bsonx.Value) (*rule, error) {
	name, ok := v.StringValueOK()
	as := ""
	if d, is := v.DocumentOK(); is {
		for it := bsonx.NewIter(d); it.Next(); {
			s, isString := it.Value().StringValueOK()
			switch string(it.Key()) {
			case "rule":
				name, ok = s, isString
			case "as":
				as = s
			default:
				return nil, bad("mask: %s has an unknown field %q", where, it.Key())
			}
		}
	}
	k, known := kinds[name]
	if !ok || !known {
		return nil, bad("mask: the rule of %s must be \"null\", \"remove\", \"redact\", \"hash\" or \"fake\"", where)
	}
	ru := &rule{kind: k}
	if k == fake {
		if as == "" {
			as = guess(where)
		}
		if ru.as = fakers[as]; ru.as == nil {
			return nil, bad("mask: %s cannot be faked as %q; there are: %s", where, as, fakerNames())
		}
	} else if as != "" {
		return nil, bad("mask: 'as' is of the rule \"fake\", not of %q (%s)", name, where)
	}
	return ru, nil
}

// inherit adds the rules of all collections where there is none.
func (n *node) inherit(from *node) {
	for name, f := range from.kids {
		have := n.kids[name]
		switch {
		case have == nil:
			if n.kids == nil {
				n.kids = map[string]*node{}
			}
			n.kids[name] = f
		case have.rule == nil && f.rule == nil:
			have.inherit(f)
		case have.rule == nil:
			// The collection has rules for parts of it: what they do not name is masked
			// as a whole nowhere else, so the rule for all of it counts.
			n.kids[name] = f
		}
	}
}

// Has reports whether a collection has rules.
func (r *Rules) Has(coll string) bool { return r.colls[coll] != nil || r.all != nil }

// Apply returns a document of a collection with its values masked. The result may
// be doc itself.
func (r *Rules) Apply(coll string, doc bsonx.Doc) bsonx.Doc {
	n := r.colls[coll]
	if n == nil {
		n = r.all
	}
	if n == nil || len(n.kids) == 0 {
		return doc
	}
	b := bsonx.NewDoc(nil)
	r.fields(b, n, doc)
	return b.Done()
}

func (r *Rules) fields(b *bsonx.Builder, n *node, doc []byte) {
	for it := bsonx.NewIter(doc); it.Next(); {
		if kid := n.kids[string(it.Key())]; kid == nil {
			b.Element(it.Element())
		} else {
			r.value(b, string(it.Key()), kid, it.Value())
		}
	}
}

// value writes a value that a node is about. Its depth is that of a stored
// document, which is bounded.
func (r *Rules) value(b *bsonx.Builder, key string, n *node, v bsonx.Value) {
	switch {
	case n.rule != nil:
		r.masked(b, key, n.rule, v)
	case v.Type == bsonx.Object:
		at := b.OpenDoc(key)
		r.fields(b, n, v.Data)
		b.Close(at)
	case v.Type == bsonx.Array:
		at := b.OpenArray(key)
		for i, it := 0, bsonx.NewIter(v.Data); it.Next(); i++ {
			k := string(it.Key())
			// A path may name an element by its number, and else goes through all.
			switch el := it.Value(); {
			case n.kids[k] != nil:
				r.value(b, k, n.kids[k], el)
			case el.Type == bsonx.Object || el.Type == bsonx.Array:
				r.value(b, k, n, el)
			default:
				b.Value(k, el)
			}
		}
		b.Close(at)
	default:
		b.Value(key, v)
	}
}

// masked writes a value by a rule; of documents and arrays every value in them.
func (r *Rules) masked(b *bsonx.Builder, key string, ru *rule, v bsonx.Value) {
	switch {
	case ru.kind == toNull:
		b.Null(key)
	case ru.kind == toNothing:
	case v.Type == bsonx.Object:
		at := b.OpenDoc(key)
		for it := bsonx.NewIter(v.Data); it.Next(); {
			r.masked(b, string(it.Key()), ru, it.Value())
		}
		b.Close(at)
	case v.Type == bsonx.Array:
		at := b.OpenArray(key)
		for it := bsonx.NewIter(v.Data); it.Next(); {
			r.masked(b, string(it.Key()), ru, it.Value())
		}
		b.Close(at)
	case v.Type == bsonx.Null, v.Type == bsonx.Undefined, v.Type == bsonx.MinKey, v.Type == bsonx.MaxKey:
		b.Value(key, v)
	case ru.kind == redact:
		redacted(b, key, v)
	case ru.kind == fake && (v.Type == bsonx.String || v.Type == bsonx.Symbol):
		b.String(key, ru.as(&dice{sum: r.sum(v)}))
	default:
		r.hashed(b, key, v)
	}
}

// sum is what a value is made of.
func (r *Rules) sum(v bsonx.Value) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, r.key)
	_, _ = h.Write([]byte{byte(v.Type)})
	_, _ = h.Write(v.Data)
	h.Sum(out[:0])
	return out
}
