package branching

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/test/harness"
)

// A case is a list of steps. The first field of a step says what it is:
//
//	{fork: NAME, from: BRANCH}   makes a branch
//	{on: BRANCH, run: COMMAND}   runs a command on a branch ("main")
//	{docs: {COLLECTION: [documents]}, on: BRANCH}   compares what a branch has
//	{collections: [names], on: BRANCH}              and its collections
//
// A step with expect compares the reply: fields that are named must be equal, a
// list must have exactly those elements. code expects an error. save keeps a
// field of the reply under a name; "$NAME" stands for it later.
type testCase struct {
	Name  string     `bson:"name"`
	Steps []bson.Raw `bson:"steps"`
}

// TestCases runs the cases of testdata.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	c := harness.Start(t).Client(t)
	n := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var all struct {
			Cases []testCase `bson:"cases"`
		}
		if err := bson.UnmarshalExtJSON(data, false, &all); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, tc := range all.Cases {
			n++
			project := fmt.Sprintf("case%d", n)
			t.Run(strings.TrimSuffix(filepath.Base(f), ".json")+"/"+tc.Name, func(t *testing.T) {
				r := &runner{t: t, c: c, project: project, saved: map[string]any{}}
				for i, s := range tc.Steps {
					r.at = fmt.Sprintf("step %d %s", i+1, s)
					r.step(s)
				}
			})
		}
	}
}

type runner struct {
	t       *testing.T
	c       *mongo.Client
	project string
	saved   map[string]any
	at      string
}

func (r *runner) db(branch string) *mongo.Database {
	if branch == "" || branch == "main" {
		return r.c.Database(r.project)
	}
	return r.c.Database(r.project + "~" + branch)
}

func (r *runner) step(s bson.Raw) {
	r.t.Helper()
	on, _ := s.Lookup("on").StringValueOK()
	switch {
	case s.Lookup("fork").Type != 0:
		cmd := bson.D{{Key: "createBranch", Value: s.Lookup("fork")}}
		if from := s.Lookup("from"); from.Type != 0 {
			cmd = append(cmd, bson.E{Key: "from", Value: from})
		}
		r.run("main", cmd, s)
	case s.Lookup("run").Type != 0:
		var cmd bson.D
		if err := s.Lookup("run").Unmarshal(&cmd); err != nil {
			r.t.Fatal(err)
		}
		r.run(on, r.fill(cmd).(bson.D), s)
	case s.Lookup("docs").Type != 0:
		r.docs(on, s.Lookup("docs").Document())
	case s.Lookup("collections").Type != 0:
		names, err := r.db(on).ListCollectionNames(r.t.Context(), bson.D{})
		if err != nil {
			r.t.Fatal(err)
		}
		var want []string
		if err := s.Lookup("collections").Unmarshal(&want); err != nil {
			r.t.Fatal(err)
		}
		if strings.Join(names, " ") != strings.Join(want, " ") {
			r.t.Fatalf("%s: collections are %q", r.at, names)
		}
	default:
		r.t.Fatalf("%s: unknown", r.at)
	}
}

// fill puts saved values in the place of their names.
func (r *runner) fill(v any) any {
	switch x := v.(type) {
	case bson.D:
		out := make(bson.D, len(x))
		for i, e := range x {
			out[i] = bson.E{Key: e.Key, Value: r.fill(e.Value)}
		}
		return out
	case bson.A:
		for i := range x {
			x[i] = r.fill(x[i])
		}
	case string:
		if val, ok := r.saved[x]; ok {
			return val
		}
	}
	return v
}

func (r *runner) run(on string, cmd bson.D, s bson.Raw) {
	r.t.Helper()
	db := r.db(on)
	if cmd[0].Key == "renameCollection" { // with the names of one branch's collections
		for i := range cmd[:2] {
			cmd[i].Value = db.Name() + "." + fmt.Sprint(cmd[i].Value)
		}
		db = r.c.Database("admin")
	}
	reply, err := db.RunCommand(r.t.Context(), cmd).Raw()
	if code := s.Lookup("code"); code.Type != 0 {
		se, ok := err.(mongo.ServerError)
		if !ok || !se.HasErrorCode(int(code.AsInt64())) {
			r.t.Fatalf("%s: want error %v, got %v %s", r.at, code, err, reply)
		}
		if want, ok := s.Lookup("message").StringValueOK(); ok && !strings.Contains(err.Error(), want) {
			r.t.Fatalf("%s: the message is %q", r.at, err)
		}
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", r.at, err)
	}
	if w, err := reply.LookupErr("writeErrors"); err == nil {
		r.t.Fatalf("%s: %s", r.at, w)
	}
	if want, ok := s.Lookup("expect").DocumentOK(); ok {
		if d := differs("", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: want}, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: reply}); d != "" {
			r.t.Fatalf("%s:\n%s\nreply: %s", r.at, d, reply)
		}
	}
	if absent, ok := s.Lookup("absent").StringValueOK(); ok && reply.Lookup(absent).Type != 0 {
		r.t.Fatalf("%s: the reply has %s", r.at, absent)
	}
	if save, ok := s.Lookup("save").DocumentOK(); ok {
		elems, _ := save.Elements()
		for _, e := range elems {
			r.saved["$"+e.Key()] = reply.Lookup(strings.Split(e.Value().StringValue(), ".")...)
		}
	}
}

func (r *runner) docs(on string, want bson.Raw) {
	r.t.Helper()
	elems, err := want.Elements()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range elems {
		cur, err := r.db(on).Collection(e.Key()).Find(r.t.Context(), bson.D{})
		if err != nil {
			r.t.Fatal(err)
		}
		var got []bson.Raw
		if err := cur.All(r.t.Context(), &got); err != nil {
			r.t.Fatal(err)
		}
		list, _ := e.Value().Array().Values()
		text := func(d bson.Raw) string { return d.String() }
		ok := len(list) == len(got)
		for i := 0; ok && i < len(got); i++ {
			ok = text(got[i]) == text(list[i].Document()) // the order of fields counts
		}
		if !ok {
			r.t.Fatalf("%s: %s has %s", r.at, e.Key(), got)
		}
	}
}

// differs says where a reply is not as wanted.
func differs(path string, want, got bson.RawValue) string {
	switch want.Type {
	case bson.TypeEmbeddedDocument:
		if got.Type != bson.TypeEmbeddedDocument {
			return fmt.Sprintf("%s: %s instead of %s", path, got, want)
		}
		elems, _ := want.Document().Elements()
		for _, e := range elems {
			if d := differs(path+"."+e.Key(), e.Value(), got.Document().Lookup(e.Key())); d != "" {
				return d
			}
		}
		return ""
	case bson.TypeArray:
		a, _ := want.Array().Values()
		var b []bson.RawValue
		if got.Type == bson.TypeArray {
			b, _ = got.Array().Values()
		}
		if len(a) != len(b) {
			return fmt.Sprintf("%s: %s instead of %s", path, got, want)
		}
		for i := range a {
			if d := differs(fmt.Sprintf("%s.%d", path, i), a[i], b[i]); d != "" {
				return d
			}
		}
		return ""
	}
	if want.IsNumber() && got.IsNumber() && want.AsInt64() == got.AsInt64() || want.Equal(got) {
		return ""
	}
	return fmt.Sprintf("%s: %s instead of %s", path, got, want)
}
