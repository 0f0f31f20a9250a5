// Package parsers fuzzes what reads a client's documents: whatever it is given, a
// parser ends in a result or in an error with one of MongoDB's codes, and so does
// what runs the result. The parsers of bytes (BSON, frames, keys, the log) and of
// texts (dates, regular expressions, names of databases) have their fuzz targets
// beside them.
//
// Inputs are Extended JSON, because changes of it stay documents more often than
// changes of BSON do. The seeds are the documents of test/cases and of the recorded
// cases, where these are there.
package parsers

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/change"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/geo"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/project"
	"github.com/argon-db/argon/internal/query/text"
	"github.com/argon-db/argon/internal/query/update"
	"github.com/argon-db/argon/test/cases"
	"github.com/argon-db/argon/test/ejson"
)

// commands calls each with the commands of our own cases, and with some of the
// recorded ones of each family.
func commands(f *testing.F, each func(cmd bsonx.Doc)) {
	f.Helper()
	files, err := filepath.Glob("../cases/testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no case files", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, cs, err := cases.Parse(string(content))
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range cs {
			for _, s := range c.Steps {
				each(bsonx.Doc(s.Command))
			}
		}
	}
	recorded, err := filepath.Glob("../../../shared/recorded/*.jsonl.gz")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range recorded {
		sample(f, file, each)
	}
}

// sample takes the commands of one case of fifty.
func sample(f *testing.F, file string, each func(cmd bsonx.Doc)) {
	f.Helper()
	r, err := os.Open(file)
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	z, err := gzip.NewReader(r)
	if err != nil {
		f.Fatal(err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 64<<20)
	for n := 0; sc.Scan(); n++ {
		if n%50 != 0 || len(sc.Bytes()) > 20_000 {
			continue
		}
		v, err := ejson.Parse(bytes.Clone(sc.Bytes()))
		if err != nil {
			continue
		}
		for it := bsonx.NewIter(bsonx.Lookup(v.Data, "steps").Data); it.Next(); {
			if cmd := bsonx.Lookup(it.Value().Data, "command"); cmd.Type == bsonx.Object {
				each(cmd.Data)
			}
		}
	}
}

// parse reads an input as the server reads a client's document.
func parse(in []byte) (bsonx.Doc, bool) {
	if len(in) > 20_000 {
		return nil, false
	}
	v, err := ejson.Parse(in)
	if err != nil || v.Type != bsonx.Object || bsonx.Validate(v.Data) != nil {
		return nil, false
	}
	return v.Data, true
}

// known fails on an error that tells a client nothing.
func known(t *testing.T, in []byte, err error) {
	t.Helper()
	if err != nil && errcode.As(err).Code == errcode.InternalError {
		t.Errorf("%s: %v", in, err)
	}
}

func samples(t testing.TB) []bsonx.Doc {
	t.Helper()
	var out []bsonx.Doc
	for _, s := range []string{
		`{"_id": 1, "a": [1, [2, null], {"b": 3}], "b": {"c": 1.5, "d": "x"}, "d": {"$date": "2021-03-28T01:30:00Z"}, "loc": [1, 2]}`,
		`{"_id": 2, "a": null, "b": [], "s": "Añ", "n": {"$numberDecimal": "NaN"}, "t": {"$timestamp": {"t": 1, "i": 2}}, "loc": {"type": "Point", "coordinates": [0, 0]}}`,
		`{}`,
	} {
		v, err := ejson.Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v.Data)
	}
	return out
}

// values adds every document below v as a seed.
func values(f *testing.F, v bsonx.Value, depth int) {
	if v.Type == bsonx.Object && len(v.Data) > 5 {
		f.Add([]byte(ejson.Format(v)))
	}
	if depth == 0 || v.Type != bsonx.Object && v.Type != bsonx.Array {
		return
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		values(f, it.Value(), depth-1)
	}
}

func seeds(f *testing.F, depth int, names ...string) {
	f.Helper()
	commands(f, func(cmd bsonx.Doc) {
		for _, name := range names {
			values(f, bsonx.Lookup(cmd, name), depth)
		}
	})
}

func FuzzMatch(f *testing.F) {
	seeds(f, 0, "filter", "query")
	seeds(f, 2, "pipeline", "updates", "deletes")
	docs := samples(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		sc := expr.NewScope(expr.ScopeOptions{})
		m, err := match.Compile(d, match.Options{Scope: sc})
		known(t, in, err)
		if err != nil {
			return
		}
		for _, doc := range docs {
			env := expr.NewEnv(&expr.Query{}, sc)
			env.Root = bsonx.DocValue(doc)
			_, err := m.Matches(env, doc)
			known(t, in, err)
			_, err = m.Why(env, doc)
			known(t, in, err)
		}
	})
}

func FuzzExpr(f *testing.F) {
	seeds(f, 3, "pipeline")
	docs := samples(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		sc := expr.NewScope(expr.ScopeOptions{})
		e, err := expr.Compile(bsonx.DocValue(d), sc)
		known(t, in, err)
		if err != nil {
			return
		}
		for _, doc := range docs {
			env := expr.NewEnv(&expr.Query{}, sc)
			env.Root = bsonx.DocValue(doc)
			v, err := e.Eval(env)
			known(t, in, err)
			if err == nil {
				b := bsonx.NewDoc(nil)
				b.Value("v", v)
				if err := bsonx.Validate(b.Done()); err != nil && v.Type != bsonx.Missing {
					t.Errorf("%s: the result %s is not valid: %v", in, ejson.Format(v), err)
				}
			}
		}
	})
}

// FuzzUpdate: the input has u, and perhaps arrayFilters.
func FuzzUpdate(f *testing.F) {
	seeds(f, 1, "updates")
	commands(f, func(cmd bsonx.Doc) {
		if u := bsonx.Lookup(cmd, "update"); u.Type == bsonx.Object || u.Type == bsonx.Array {
			b := bsonx.NewDoc(nil)
			b.Value("u", u)
			f.Add([]byte(ejson.Format(bsonx.DocValue(b.Done()))))
		}
	})
	docs := samples(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		o := update.Options{}
		for it := bsonx.NewIter(bsonx.Lookup(d, "arrayFilters").Data); bsonx.Lookup(d, "arrayFilters").Type == bsonx.Array && it.Next(); {
			if it.Value().Type == bsonx.Object {
				o.ArrayFilters = append(o.ArrayFilters, it.Value().Data)
			}
		}
		arg := bsonx.Lookup(d, "u")
		if arg.Type != bsonx.Object && arg.Type != bsonx.Array {
			return
		}
		u, err := update.Compile(arg, o)
		known(t, in, err)
		if err != nil {
			return
		}
		for _, doc := range docs {
			env := expr.NewEnv(&expr.Query{}, expr.NewScope(expr.ScopeOptions{}))
			env.Root = bsonx.DocValue(doc)
			r, err := u.Apply(env, doc, update.Input{ClusterTime: bsonx.TimestampValue(1, 1)})
			known(t, in, err)
			if err == nil && r.Doc != nil && bsonx.Validate(r.Doc) != nil {
				t.Errorf("%s on %s: the result is not valid", in, ejson.Format(bsonx.DocValue(doc)))
			}
		}
	})
}

func FuzzProjection(f *testing.F) {
	seeds(f, 0, "projection", "fields")
	seeds(f, 2, "pipeline")
	docs := samples(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		for _, find := range []bool{true, false} {
			sc := expr.NewScope(expr.ScopeOptions{})
			p, err := project.Compile(d, project.Options{Find: find, Scope: sc})
			known(t, in, err)
			if err != nil {
				continue
			}
			for _, doc := range docs {
				env := expr.NewEnv(&expr.Query{}, sc)
				env.Root = bsonx.DocValue(doc)
				out, err := p.Apply(env, doc)
				known(t, in, err)
				if err == nil && bsonx.Validate(out) != nil {
					t.Errorf("%s on %s: the result is not valid", in, ejson.Format(bsonx.DocValue(doc)))
				}
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	seeds(f, 1, "indexes")
	docs := samples(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		s, err := index.Compile(d)
		known(t, in, err)
		if err != nil {
			return
		}
		for _, doc := range docs {
			_, _, err := s.Keys(nil, doc)
			known(t, in, err)
		}
	})
}

func FuzzGeo(f *testing.F) {
	seeds(f, 3, "filter", "query", "pipeline")
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		_, err := geo.ParseGeoJSON(bsonx.DocValue(d))
		known(t, in, err)
		for _, op := range []string{"$geoWithin", "$geoIntersects"} {
			r, err := geo.ParseRegion(op, bsonx.DocValue(d))
			known(t, in, err)
			if err != nil {
				continue
			}
			for _, doc := range samples(t) {
				_, _ = r.Test(bsonx.Lookup(doc, "loc"))
			}
		}
		n, err := geo.ParseNear(d)
		known(t, in, err)
		if err == nil {
			for _, doc := range samples(t) {
				_, _ = n.Distance(bsonx.Lookup(doc, "loc"), false)
			}
		}
		_, err = geo.ParseCenter(bsonx.DocValue(d))
		known(t, in, err)
	})
}

// FuzzChangeStream: the arguments of $changeStream, resume tokens included.
func FuzzChangeStream(f *testing.F) {
	seeds(f, 2, "pipeline")
	f.Add([]byte(`{"resumeAfter": {"_data": "82"}, "fullDocument": "updateLookup"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, ok := parse(in)
		if !ok {
			return
		}
		_, err := change.ParseSpec(d)
		known(t, in, err)
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{`coffee -"dark roast" café`, `"unclosed phrase`, "--a - \"\"", "don't running über", "\x00\xff"} {
		f.Add(s, "english", true)
	}
	docs := samples(f)
	f.Fuzz(func(t *testing.T, search, language string, flag bool) {
		if len(search) > 10_000 {
			return
		}
		l := text.LanguageOf(language)
		if l == nil {
			l = text.LanguageOf("english")
		}
		q := text.Parse(search, l, flag, !flag)
		fields := &text.Fields{Weights: []text.Weight{{Path: "s", Weight: 1}, {Path: "b.d", Weight: 2}}, Default: l, Override: "language"}
		for _, doc := range docs {
			_, err := q.Matches(fields, doc)
			known(t, []byte(search), err)
		}
	})
}
