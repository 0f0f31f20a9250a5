package update

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/match"
)

// arrayFilter chooses the elements of "$[id]".
type arrayFilter struct {
	id     string
	filter *match.Filter
}

func compileFilters(docs []bsonx.Doc, coll bsonx.Collator) ([]arrayFilter, error) {
	var out []arrayFilter
	for _, doc := range docs {
		o := match.Plain()
		o.Collation = coll
		f, err := match.Compile(doc, o)
		if err != nil {
			e := *errcode.As(err)
			e.Message = "Error parsing array filter :: caused by :: " + e.Message
			return nil, &e
		}
		id, err := filterName("", doc, 0)
		if err != nil {
			return nil, err
		}
		if id == "" {
			return nil, failed("Cannot use an expression without a top-level field name in arrayFilters")
		}
		if !validIdentifier(id) {
			return nil, bad("Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '%s'", id)
		}
		for _, other := range out {
			if other.id == id {
				return nil, failed("Found multiple array filters with the same top-level field name %s", id)
			}
		}
		out = append(out, arrayFilter{id, f})
	}
	return out, nil
}

// filterName returns the one first component that a filter's paths have.
func filterName(id string, doc bsonx.Doc, depth int) (string, error) {
	for it := bsonx.NewIter(doc); it.Next(); {
		key := string(it.Key())
		if !strings.HasPrefix(key, "$") {
			first, _, _ := strings.Cut(key, ".")
			if id != "" && id != first {
				return "", failed("Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'", id, first)
			}
			id = first
			continue
		}
		if it.Value().Type != bsonx.Array {
			continue
		}
		for sub := bsonx.NewIter(it.Value().Data); sub.Next(); {
			if sub.Value().Type != bsonx.Object || depth > bsonx.MaxDepth {
				continue
			}
			var err error
			if id, err = filterName(id, sub.Value().Data, depth+1); err != nil {
				return "", err
			}
		}
	}
	return id, nil
}

// validIdentifier: letters and digits, a lower-case letter first.
func validIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		lower := c >= 'a' && c <= 'z'
		if !lower && (i == 0 || !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != ""
}

// chooses reports whether "$[id]" is about an element.
func (u *Update) chooses(id string, e bsonx.Value) (bool, error) {
	if id == "" {
		return true, nil
	}
	for i := range u.filters {
		if f := &u.filters[i]; f.id == id {
			return f.filter.Matches(nil, wrap(id, e))
		}
	}
	return false, nil
}

// wrap makes {name: v}.
func wrap(name string, v bsonx.Value) bsonx.Doc {
	b := bsonx.NewDoc(make([]byte, 0, len(v.Data)+len(name)+8))
	b.Value(name, v)
	return b.Done()
}
