package stage

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
)

// reads are the fields that something reads: dotted paths, or all.
type reads struct {
	all   bool
	paths []string
}

func (r *reads) add(path string) {
	if !slices.Contains(r.paths, path) {
		r.paths = append(r.paths, path)
	}
}

func (r *reads) join(o reads) {
	r.all = r.all || o.all
	for _, p := range o.paths {
		r.add(p)
	}
}

// touched reports whether a change reaches one of the fields.
func (r *reads) touched(c changeSet) bool {
	for _, p := range r.paths {
		if c.allBut {
			if !slices.Contains(c.paths, firstPart(p)) {
				return true
			}
			continue
		}
		if slices.ContainsFunc(c.paths, func(q string) bool { return related(p, q) }) {
			return true
		}
	}
	return false
}

func firstPart(path string) string {
	first, _, _ := strings.Cut(path, ".")
	return first
}

// related reports whether one path is the other or leads to it.
func related(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// filterReads returns what one part of a filter reads.
func filterReads(key []byte, v bsonx.Value) (r reads) {
	switch k := string(key); k {
	case "$and", "$or", "$nor":
		for it := bsonx.NewIter(v.Data); it.Next(); {
			for part := bsonx.NewIter(it.Value().Data); part.Next(); {
				r.join(filterReads(part.Key(), part.Value()))
			}
		}
	case "$expr":
		return exprReads(v)
	case "$comment":
	default:
		if strings.HasPrefix(k, "$") || k == "" {
			return reads{all: true}
		}
		r.add(k)
	}
	return r
}

// exprReads returns the fields that an expression may read, from its shape alone:
// whatever looks like "$path" counts as one.
func exprReads(v bsonx.Value) (r reads) {
	switch v.Type {
	case bsonx.String:
		s := string(bsonx.Str(v))
		switch {
		case s == "$$ROOT" || s == "$$CURRENT":
			r.all = true
		case strings.HasPrefix(s, "$$ROOT."), strings.HasPrefix(s, "$$CURRENT."):
			_, path, _ := strings.Cut(s, ".")
			r.add(path)
		case strings.HasPrefix(s, "$$"):
		case strings.HasPrefix(s, "$") && len(s) > 1:
			r.add(s[1:])
		}
	case bsonx.Array:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			r.join(exprReads(it.Value()))
		}
	case bsonx.Object:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			switch string(it.Key()) {
			case "$literal":
			case "$getField", "$setField", "$unsetField":
				r.all = true // they read the whole document unless told otherwise
			case "sortBy": // of $top and its like: names of fields, without "$"
				for k := bsonx.NewIter(it.Value().Data); k.Next(); {
					r.add(string(k.Key()))
				}
			default:
				r.join(exprReads(it.Value()))
			}
		}
	}
	return r
}

// needed returns the fields that the pipeline reads, nil for whole documents.
func (p *Pipeline) needed() []string {
	r, done := p.reads()
	if r.all || !done {
		return nil
	}
	if r.paths == nil {
		return []string{}
	}
	slices.Sort(r.paths)
	return r.paths
}

// reads adds up what the stages read until one makes new documents of what it
// read (done); otherwise whole documents leave the pipeline.
func (p *Pipeline) reads() (r reads, done bool) {
	for _, s := range p.stages {
		one, ends := stageReads(s)
		r.join(one)
		if ends || r.all {
			return r, true
		}
	}
	return r, false
}

// stageReads returns what one stage reads, and whether nothing else of a document
// comes through it.
func stageReads(s Stage) (r reads, ends bool) {
	switch s := s.(type) {
	case *matchStage:
		for it := bsonx.NewIter(s.doc); it.Next(); {
			r.join(filterReads(it.Key(), it.Value()))
		}
	case *sortStage:
		for it := bsonx.NewIter(s.order.Doc); it.Next(); {
			if it.Value().Type != bsonx.Object {
				r.add(string(it.Key()))
			}
		}
	case *limitStage, *skipStage:
	case *unwindStage:
		r.add(joinPath(s.path))
	case *groupStage:
		return groupReads(s.spec), true
	case *bucketAutoStage:
		return groupReads(s.spec), true
	case *projectStage:
		return projectReads(s)
	case *facetStage:
		for _, f := range s.fields {
			one, done := f.p.reads()
			r.join(one)
			r.all = r.all || !done
		}
		return r, true
	default:
		r.all = true
	}
	return r, false
}

// groupReads is about $group, $bucket and $bucketAuto: their fields' names are no
// paths.
func groupReads(spec bsonx.Value) (r reads) {
	for it := bsonx.NewIter(spec.Data); it.Next(); {
		r.join(exprReads(it.Value()))
	}
	return r
}

func projectReads(s *projectStage) (r reads, ends bool) {
	switch {
	case s.name == "$unset":
		return r, false
	case s.name == "$replaceRoot" || s.name == "$replaceWith":
		return exprReads(s.spec), true
	case s.name != "$project":
		return exprReads(s.spec), false
	case !s.proj.IsInclusion():
		return exprReads(s.spec), false
	}
	r.add("_id")
	r.join(included("", s.spec.Data))
	if id := bsonx.Lookup(s.spec.Data, "_id"); id.Type != bsonx.Missing && !bsonx.Truthy(id) {
		r.paths = slices.DeleteFunc(r.paths, func(p string) bool { return p == "_id" })
	}
	return r, true
}

// included returns the paths that an inclusion keeps, and what its expressions
// read.
func included(prefix string, spec []byte) (r reads) {
	for it := bsonx.NewIter(spec); it.Next(); {
		v, path := it.Value(), prefix+string(it.Key())
		switch {
		case v.Type == bsonx.Bool || bsonx.IsNumber(v):
			r.add(path)
		case v.Type == bsonx.Object && !isExpression(v):
			r.add(path) // computed within what is there
			r.join(included(path+".", v.Data))
		default:
			if strings.Contains(path, ".") {
				r.add(path)
			}
			r.join(exprReads(v))
		}
	}
	return r
}

// Namespaces returns the other collections that the pipeline reads, its
// sub-pipelines included, each once.
func (p *Pipeline) Namespaces() []Namespace {
	var out []Namespace
	for _, s := range p.stages {
		if n, ok := s.(interface{ namespaces() []Namespace }); ok {
			out = append(out, n.namespaces()...)
		}
		if h, ok := s.(holder); ok {
			for _, sub := range h.pipelines() {
				out = append(out, sub.Namespaces()...)
			}
		}
	}
	slices.SortFunc(out, func(a, b Namespace) int { return strings.Compare(a.String(), b.String()) })
	out = slices.DeleteFunc(out, func(n Namespace) bool { return n.Coll == "" })
	return slices.Compact(out)
}

// Target returns the collection that the pipeline writes, if it ends with $out or
// $merge.
func (p *Pipeline) Target() (ns Namespace, ok bool) {
	if len(p.stages) == 0 {
		return ns, false
	}
	t, ok := p.stages[len(p.stages)-1].(interface{ target() Namespace })
	if !ok {
		return ns, false
	}
	return t.target(), true
}

// Generates reports whether the first stage makes its own documents, so that
// there is nothing to read for it.
func (p *Pipeline) Generates() bool {
	if len(p.stages) == 0 {
		return false
	}
	switch p.stages[0].(type) {
	case *documentsStage, *sourceStage, *geoNearStage:
		return true
	}
	return false
}
