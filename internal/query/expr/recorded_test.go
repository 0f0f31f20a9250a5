package expr

import (
	"bufio"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// TestRecorded runs recorded cases that only insert and aggregate with simple
// stages, without a server. EXPR_RECORDED is a pattern of file names in the
// folder ../shared/recorded beside the project ("operator-expressions-*"), and
// EXPR_CASE a part of the cases' ids. It is a developer's loop: the conformance
// run is what counts.
func TestRecorded(t *testing.T) {
	pattern := os.Getenv("EXPR_RECORDED")
	if pattern == "" {
		t.Skip("EXPR_RECORDED is not set")
	}
	dir := recordedDir()
	files, _ := filepath.Glob(filepath.Join(dir, pattern+".jsonl.gz"))
	if dir == "" || len(files) == 0 {
		t.Skipf("no recorded cases %q in %q", pattern, dir)
	}
	part := os.Getenv("EXPR_CASE")
	for _, file := range files {
		runFile(t, file, part)
	}
}

func recordedDir() string {
	wd, _ := os.Getwd()
	for d := wd; ; d = filepath.Dir(d) {
		p := filepath.Join(d, "shared", "recorded")
		if st, err := os.Stat(p); err == nil && st.IsDir() {
			return p
		}
		if d == filepath.Dir(d) {
			return ""
		}
	}
}

func runFile(t *testing.T, file, part string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 256<<20)
	pass, fail, skip := 0, 0, 0
	for sc.Scan() {
		j, err := parseJSON(sc.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		c := j.(jsonObject)
		idv, _ := c.get("id")
		if id := idv.(string); part == "" || strings.Contains(id, part) {
			msg, ok := runCase(c)
			switch {
			case !ok:
				skip++
			case msg == "":
				pass++
			default:
				fail++
				t.Errorf("FAIL %s\n   %.600s", id, msg)
			}
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("RESULT %-50s pass %d fail %d skip %d", filepath.Base(file), pass, fail, skip)
}

var errSkip = errors.New("a stage or command that this harness does not know")

// runCase returns what is wrong, and whether the case could be run.
func runCase(c jsonObject) (string, bool) {
	steps, _ := c.get("steps")
	checks, _ := c.get("checks")
	var docs []bsonx.Value
	for i, s := range steps.([]any) {
		cmd, _ := s.(jsonObject).get("command")
		v := toBSON(cmd)
		it := bsonx.NewIter(v.Data)
		it.Next()
		var out []bsonx.Value
		var err error
		switch string(it.Key()) {
		case "insert":
			docs = append(docs, bsonx.Values(nil, bsonx.Lookup(v.Data, "documents").Data)...)
		case "create", "listCollections", "drop":
			if bsonx.Len(v.Data) > 4 {
				return "", false
			}
		case "aggregate":
			if coll := bsonx.Lookup(v.Data, "collation"); !bsonx.IsMissing(coll) {
				return "", false
			}
			out, err = runPipeline(docs, bsonx.Values(nil, bsonx.Lookup(v.Data, "pipeline").Data), v)
			if err == errSkip {
				return "", false
			}
		default:
			return "", false
		}
		checked := false
		for _, ch := range checks.([]any) {
			step, _ := ch.(jsonObject).get("step")
			if n := toBSON(step); int(bsonx.I32(n)) == i {
				checked = true
				msg, ok := verify(ch.(jsonObject), out, err)
				if !ok || msg != "" {
					return msg, ok
				}
			}
		}
		if !checked && err != nil {
			return "failed: " + err.Error(), true
		}
	}
	return "", true
}

func verify(ch jsonObject, out []bsonx.Value, err error) (string, bool) {
	if e, ok := ch.get("error"); ok {
		want := errcode.Code(bsonx.I32(toBSON(e)))
		if err == nil {
			return "want error " + want.Name() + ", got " + show(out), true
		}
		if got := errcode.As(err); got.Code != want {
			return "want error " + want.Name() + ", got " + got.Error(), true
		}
		return "", true
	}
	if err != nil {
		return "got error " + err.Error(), true
	}
	w, ok := ch.get("docs")
	if !ok {
		_, isOK := ch.get("ok")
		return "", isOK
	}
	want := bsonx.Values(nil, toBSON(w).Data)
	if u, _ := ch.get("unordered"); u == true {
		sortByText(want)
		sortByText(out)
	}
	if _, ok := ch.get("unorderedIn"); ok {
		sortLists(want)
		sortLists(out)
	}
	if len(want) != len(out) {
		return "want " + show(want) + "\n   got  " + show(out), true
	}
	for i := range want {
		if !sameValue(want[i], out[i]) {
			return "want " + show(want[i:i+1]) + "\n   got  " + show(out[i:i+1]), true
		}
	}
	return "", true
}

func sortByText(vs []bsonx.Value) {
	sort.SliceStable(vs, func(i, j int) bool { return bsonx.Compare(vs[i], vs[j]) < 0 })
}

// sortLists sorts the top-level arrays of documents.
func sortLists(vs []bsonx.Value) {
	for i, v := range vs {
		b := bsonx.NewDoc(nil)
		for it := bsonx.NewIter(v.Data); it.Next(); {
			f := it.Value()
			if f.Type == bsonx.Array {
				l := bsonx.Values(nil, f.Data)
				sortByText(l)
				f = bsonx.ArrValue(bsonx.AppendArray(nil, l))
			}
			b.ValueBytes(it.Key(), f)
		}
		vs[i] = bsonx.DocValue(b.Done())
	}
}

func show(vs []bsonx.Value) string {
	var sb strings.Builder
	for _, v := range vs {
		sb.WriteString(v.DebugString())
		sb.WriteByte(' ')
	}
	return sb.String()
}

func runPipeline(docs, stages []bsonx.Value, cmd bsonx.Value) ([]bsonx.Value, error) {
	sc := NewScope(ScopeOptions{})
	q := &Query{Now: 1_700_000_000_000, ClusterTime: bsonx.TimestampValue(1_700_000_000, 1)}
	if let := bsonx.Lookup(cmd.Data, "let"); !bsonx.IsMissing(let) {
		return nil, errSkip
	}
	// All stages are compiled before any runs, so that errors come as in a server.
	var run []func(docs []bsonx.Value) ([]bsonx.Value, error)
	for _, s := range stages {
		it := bsonx.NewIter(s.Data)
		if s.Type != bsonx.Object || !it.Next() {
			return nil, errSkip
		}
		f, err := compileStage(string(it.Key()), it.Value(), sc, q)
		if err != nil {
			return nil, err
		}
		run = append(run, f)
	}
	for _, f := range run {
		var err error
		if docs, err = f(docs); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

type stageFunc func(docs []bsonx.Value) ([]bsonx.Value, error)

func compileStage(name string, arg bsonx.Value, sc *Scope, q *Query) (stageFunc, error) {
	switch name {
	case "$documents":
		e, err := Compile(arg, sc)
		return func([]bsonx.Value) ([]bsonx.Value, error) {
			v, err := e.Eval(NewEnv(q, sc))
			return bsonx.Values(nil, v.Data), err
		}, err
	case "$project":
		return compileProject(arg, sc, q)
	case "$addFields", "$set":
		return compileAddFields(arg, sc, q)
	case "$match":
		ex := bsonx.Lookup(arg.Data, "$expr")
		if bsonx.IsMissing(ex) || bsonx.Len(arg.Data) != 1 {
			return nil, errSkip
		}
		e, err := Compile(ex, sc)
		return mapDocs(q, sc, func(env *Env) (bsonx.Value, error) {
			v, err := e.Eval(env)
			if err != nil || !bsonx.Truthy(v) {
				return bsonx.Value{}, err
			}
			return env.Root, nil
		}), err
	case "$replaceRoot", "$replaceWith":
		if name == "$replaceRoot" {
			arg = bsonx.Lookup(arg.Data, "newRoot")
		}
		e, err := Compile(arg, sc)
		return mapDocs(q, sc, func(env *Env) (bsonx.Value, error) { return e.Eval(env) }), err
	case "$limit":
		n, _ := bsonx.IntegralOK(arg)
		return func(d []bsonx.Value) ([]bsonx.Value, error) { return d[:min(int(n), len(d))], nil }, nil
	case "$sort":
		return compileSort(arg)
	case "$group":
		return compileGroup(arg, sc, q)
	}
	return nil, errSkip
}

func mapDocs(q *Query, sc *Scope, f func(*Env) (bsonx.Value, error)) stageFunc {
	return func(docs []bsonx.Value) ([]bsonx.Value, error) {
		var out []bsonx.Value
		env := NewEnv(q, sc)
		for _, d := range docs {
			env.Root = d
			v, err := f(env)
			if err != nil {
				return nil, err
			}
			if !bsonx.IsMissing(v) {
				out = append(out, bsonx.Clone(v))
			}
		}
		return out, nil
	}
}

func compileProject(arg bsonx.Value, sc *Scope, q *Query) (stageFunc, error) {
	keep, drop := map[string]bool{}, map[string]bool{}
	computed := map[string]Expr{}
	var order []string
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		k, v := string(it.Key()), it.Value()
		switch {
		case strings.Contains(k, "."):
			return nil, errSkip
		case (bsonx.IsNumber(v) || v.Type == bsonx.Bool) && bsonx.Truthy(v):
			keep[k] = true
		case bsonx.IsNumber(v) || v.Type == bsonx.Bool:
			drop[k] = true
		default:
			e, err := Compile(v, sc)
			if err != nil {
				return nil, err
			}
			computed[k] = e
			order = append(order, k)
		}
	}
	inclusion := len(keep)+len(computed) > 0
	return mapDocs(q, sc, func(env *Env) (bsonx.Value, error) {
		b := bsonx.NewDoc(nil)
		for it := bsonx.NewIter(env.Root.Data); it.Next(); {
			k := string(it.Key())
			if drop[k] || computed[k] != nil || inclusion && !keep[k] && k != "_id" {
				continue
			}
			b.Value(k, it.Value())
		}
		for _, k := range order {
			v, err := computed[k].Eval(env)
			if err != nil {
				return v, err
			}
			b.Value(k, v)
		}
		return bsonx.DocValue(b.Done()), nil
	}), nil
}

func compileAddFields(arg bsonx.Value, sc *Scope, q *Query) (stageFunc, error) {
	var keys []string
	var es []Expr
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if strings.Contains(string(it.Key()), ".") {
			return nil, errSkip
		}
		e, err := Compile(it.Value(), sc)
		if err != nil {
			return nil, err
		}
		keys, es = append(keys, string(it.Key())), append(es, e)
	}
	return mapDocs(q, sc, func(env *Env) (bsonx.Value, error) {
		b := bsonx.NewDoc(nil)
		set := map[string]bool{}
		for _, k := range keys {
			set[k] = true
		}
		for it := bsonx.NewIter(env.Root.Data); it.Next(); {
			if !set[string(it.Key())] {
				b.ValueBytes(it.Key(), it.Value())
			}
		}
		for i, k := range keys {
			v, err := es[i].Eval(env)
			if err != nil {
				return v, err
			}
			b.Value(k, v)
		}
		return bsonx.DocValue(b.Done()), nil
	}), nil
}

func compileSort(arg bsonx.Value) (stageFunc, error) {
	type key struct {
		path []string
		desc bool
	}
	var keys []key
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		n, _ := bsonx.IntegralOK(it.Value())
		keys = append(keys, key{strings.Split(string(it.Key()), "."), n < 0})
	}
	return func(docs []bsonx.Value) ([]bsonx.Value, error) {
		env := NewEnv(nil, nil)
		docs = append([]bsonx.Value(nil), docs...)
		sort.SliceStable(docs, func(i, j int) bool {
			for _, k := range keys {
				a, _ := Walk(env, docs[i], k.path)
				b, _ := Walk(env, docs[j], k.path)
				if c := bsonx.Compare(a, b); c != 0 {
					return (c < 0) != k.desc
				}
			}
			return false
		})
		return docs, nil
	}, nil
}

func compileGroup(arg bsonx.Value, sc *Scope, q *Query) (stageFunc, error) {
	id, err := Compile(bsonx.Lookup(arg.Data, "_id"), sc)
	if err != nil {
		return nil, err
	}
	var keys []string
	var accs []Accumulator
	for it := bsonx.NewIter(arg.Data); it.Next(); {
		if string(it.Key()) == "_id" {
			continue
		}
		op := bsonx.NewIter(it.Value().Data)
		if it.Value().Type != bsonx.Object || !op.Next() {
			return nil, errSkip
		}
		a, err := CompileAccumulator(string(op.Key()), op.Value(), sc)
		if err != nil {
			return nil, err
		}
		keys, accs = append(keys, string(it.Key())), append(accs, a)
	}
	type group struct {
		id     bsonx.Value
		states []State
	}
	return func(docs []bsonx.Value) ([]bsonx.Value, error) {
		env := NewEnv(q, sc)
		var groups []*group
		for _, d := range docs {
			env.Root = d
			k, err := id.Eval(env)
			if err != nil {
				return nil, err
			}
			var g *group
			for _, h := range groups {
				if bsonx.Equal(h.id, k) {
					g = h
				}
			}
			if g == nil {
				g = &group{id: bsonx.Clone(k)}
				for _, a := range accs {
					g.states = append(g.states, a.New())
				}
				groups = append(groups, g)
			}
			for _, s := range g.states {
				if err := s.Add(env); err != nil {
					return nil, err
				}
			}
			env.Arena.Reset()
		}
		var out []bsonx.Value
		for _, g := range groups {
			b := bsonx.NewDoc(nil)
			if bsonx.IsMissing(g.id) {
				g.id = bsonx.NullValue
			}
			b.Value("_id", g.id)
			for i, s := range g.states {
				v, err := s.Result(env)
				if err != nil {
					return nil, err
				}
				if bsonx.IsMissing(v) {
					v = bsonx.NullValue
				}
				b.Value(keys[i], v)
			}
			out = append(out, bsonx.DocValue(b.Done()))
		}
		return out, nil
	}, nil
}
