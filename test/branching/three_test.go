package branching

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/test/ejson"
	"github.com/argon-db/argon/test/harness"
)

// The files of testdata/merge say of one document what it was (base), what became
// of it on two branches (source, target), and what a merge makes of it in each of
// the four mergeModes:
//
//	delete against update
//	  base     {"_id": 1, "x": 1}
//	  source   none
//	  target   {"_id": 1, "x": 2}
//	  conflict fieldTouched fieldDivergent: x     in these modes, at these paths
//	  conflict all:                               in all modes, with no paths
//	  merged   {"_id": 1, "x": 2}                 in the modes without a conflict
//	  source wins {…}                             with strategy source; "none": it is gone
//	  target wins {…}                             with strategy target
//
// "merged documentTouched: {…}" is the result in that mode alone. Lines that begin
// with # are comments. A result is compared to the byte: order of fields and types
// of numbers count. What -X gives is asked for where a mode has a conflict; where a
// mode is not named at "wins", the line is for all modes with a conflict.
type threeCase struct {
	file, name           string
	base, source, target bson.Raw // nil: there is none
	conflicts            map[string][]string
	merged               map[string]*bson.Raw // by mode; "" for the others
	wins                 map[string]*bson.Raw // by "source mode", "source "
}

var mergeModes = []string{"fieldTouched", "fieldDivergent", "documentTouched", "documentDivergent"}

func readThree(t *testing.T, file string) (out []*threeCase) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c *threeCase
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case line[0] != ' ':
			c = &threeCase{file: filepath.Base(file), name: line, conflicts: map[string][]string{}, merged: map[string]*bson.Raw{}, wins: map[string]*bson.Raw{}}
			out = append(out, c)
		default:
			if err := c.line(strings.TrimSpace(line)); err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *threeCase) line(s string) error {
	word, rest, _ := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	if (word == "source" || word == "target") && strings.HasPrefix(rest, "wins") {
		mode, text := modeAnd(strings.TrimSpace(strings.TrimPrefix(rest, "wins")))
		d, err := document(text)
		c.wins[word+" "+mode] = &d
		return err
	}
	var err error
	switch word {
	case "base":
		c.base, err = document(rest)
	case "source":
		c.source, err = document(rest)
	case "target":
		c.target, err = document(rest)
	case "merged":
		mode, text := modeAnd(rest)
		var d bson.Raw
		d, err = document(text)
		c.merged[mode] = &d
	case "conflict":
		modes, paths, ok := strings.Cut(rest, ":")
		if !ok {
			return fmt.Errorf("conflict needs a colon: %s", s)
		}
		list := strings.Fields(modes)
		if slices.Equal(list, []string{"all"}) {
			list = mergeModes
		}
		for _, m := range list {
			if !slices.Contains(mergeModes, m) {
				return fmt.Errorf("no mode %q", m)
			}
			c.conflicts[m] = strings.Fields(strings.ReplaceAll(paths, ",", " "))
		}
	default:
		return fmt.Errorf("unknown: %s", s)
	}
	return err
}

// modeAnd splits "MODE: text"; without a mode it is "".
func modeAnd(s string) (mode, text string) {
	if m, rest, ok := strings.Cut(s, ":"); ok && slices.Contains(mergeModes, m) {
		return m, strings.TrimSpace(rest)
	}
	return "", s
}

func document(s string) (bson.Raw, error) {
	if s == "none" {
		return nil, nil
	}
	v, err := ejson.Parse([]byte(s))
	if err != nil {
		return nil, err
	}
	return bson.Raw(v.Data), nil
}

// TestThreeWay runs all cases in all modes: a branch for each mode, with a
// collection for each case.
func TestThreeWay(t *testing.T) {
	files, err := filepath.Glob("testdata/merge/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var all []*threeCase
	for _, f := range files {
		all = append(all, readThree(t, f)...)
	}
	c := harness.Start(t).Client(t)
	for _, mode := range mergeModes {
		t.Run(mode, func(t *testing.T) {
			for i, tc := range all {
				r := &threeRun{t: t, c: c, tc: tc, mode: mode, db: fmt.Sprintf("%s%d", mode, i)}
				r.run()
			}
		})
	}
}

type threeRun struct {
	t        *testing.T
	c        *mongo.Client
	tc       *threeCase
	mode, db string
}

func (r *threeRun) errorf(format string, args ...any) {
	r.t.Helper()
	r.t.Errorf("%s: %s (%s): %s", r.tc.file, r.tc.name, r.mode, fmt.Sprintf(format, args...))
}

func (r *threeRun) on(branch string) *mongo.Collection {
	if branch == "main" {
		return r.c.Database(r.db).Collection("c")
	}
	return r.c.Database(r.db + "~" + branch).Collection("c")
}

// become makes a document of a branch what the case says.
func (r *threeRun) become(branch string, was, is bson.Raw) {
	var err error
	switch {
	case was == nil && is != nil:
		_, err = r.on(branch).InsertOne(r.t.Context(), is)
	case was != nil && is == nil:
		_, err = r.on(branch).DeleteOne(r.t.Context(), bson.D{{Key: "_id", Value: was.Lookup("_id")}})
	case was != nil && string(was) != string(is):
		_, err = r.on(branch).ReplaceOne(r.t.Context(), bson.D{{Key: "_id", Value: was.Lookup("_id")}}, is)
	}
	if err != nil {
		r.t.Fatalf("%s: %s: %v", r.tc.file, r.tc.name, err)
	}
}

func (r *threeRun) run() {
	t, tc, db := r.t, r.tc, r.c.Database(r.db)
	harness.Run(t, db, bson.D{{Key: "create", Value: "c"}, {Key: "mergeMode", Value: r.mode}})
	r.become("main", nil, tc.base)
	harness.Run(t, db, bson.D{{Key: "createBranch", Value: "dev"}})
	r.become("dev", tc.base, tc.source)
	r.become("main", tc.base, tc.target)
	paths, conflict := tc.conflicts[r.mode]
	for _, s := range []string{"source", "target"} {
		harness.Run(t, db, bson.D{{Key: "createBranch", Value: "by-" + s}})
		reply := harness.Run(t, db, bson.D{{Key: "mergeBranch", Value: "dev"}, {Key: "into", Value: "by-" + s}, {Key: "strategy", Value: s}})
		want := tc.result(r.mode)
		if conflict {
			if want = tc.wins[s+" "+r.mode]; want == nil {
				want = tc.wins[s+" "]
			}
		}
		r.compare("by-"+s, "with strategy "+s, want)
		settled, _ := reply.Lookup("plan", "settled").AsInt64OK()
		if (settled > 0) != conflict {
			r.errorf("strategy %s settled %d", s, settled)
		}
	}
	reply := harness.Run(t, db, bson.D{{Key: "mergeBranch", Value: "dev"}})
	r.plan(reply, conflict, paths)
	if conflict {
		r.compare("main", "after a merge in conflict", &tc.target)
		return
	}
	r.compare("main", "merged", tc.result(r.mode))
	// Once more brings nothing, and the way back is free.
	if up := harness.Run(t, db, bson.D{{Key: "mergeBranch", Value: "dev"}}).Lookup("upToDate"); up.Type == 0 {
		r.errorf("a second merge is not up to date")
	}
	harness.Run(t, db, bson.D{{Key: "mergeBranch", Value: "main"}, {Key: "into", Value: "dev"}})
	r.compare("dev", "merged back", tc.result(r.mode))
}

// result is what a merge without a conflict makes in a mode.
func (c *threeCase) result(mode string) *bson.Raw {
	if d := c.merged[mode]; d != nil {
		return d
	}
	return c.merged[""]
}

// plan checks the numbers and conflicts of the reply.
func (r *threeRun) plan(reply bson.Raw, conflict bool, paths []string) {
	list, _ := reply.Lookup("plan", "conflicts").Array().Values()
	if conflict != (len(list) == 1) || conflict != (reply.Lookup("mergedLsn").Type == 0) {
		r.errorf("%s", reply)
		return
	}
	if conflict {
		got := []string{}
		values, _ := list[0].Document().Lookup("paths").Array().Values()
		for _, v := range values {
			got = append(got, v.StringValue())
		}
		sort.Strings(got)
		sort.Strings(paths)
		if !slices.Equal(got, paths) {
			r.errorf("conflict at %q, want %q", got, paths)
		}
		for side, want := range map[string]bson.Raw{"base": r.tc.base, "source": r.tc.source, "target": r.tc.target} {
			got, _ := list[0].Document().Lookup(side).DocumentOK()
			if string(got) != string(want) {
				r.errorf("the conflict shows %s as %s", side, got)
			}
		}
		return
	}
	want := map[string]int64{"inserts": 0, "updates": 0, "deletes": 0}
	res := r.tc.result(r.mode)
	switch {
	case res == nil:
		r.errorf("no conflict, and the case has no result: %s", reply)
		return
	case r.tc.target == nil && *res != nil:
		want["inserts"] = 1
	case r.tc.target != nil && *res == nil:
		want["deletes"] = 1
	case string(r.tc.target) != string(*res):
		want["updates"] = 1
	}
	for k, n := range want {
		if got, _ := reply.Lookup("plan", k).AsInt64OK(); got != n {
			r.errorf("%s: %d, want %d", k, got, n)
		}
	}
}

func (r *threeRun) compare(branch, when string, want *bson.Raw) {
	r.t.Helper()
	if want == nil {
		r.errorf("%s: the case does not say what comes out", when)
		return
	}
	cur, err := r.on(branch).Find(r.t.Context(), bson.D{})
	if err != nil {
		r.t.Fatal(err)
	}
	var got []bson.Raw
	if err := cur.All(r.t.Context(), &got); err != nil {
		r.t.Fatal(err)
	}
	if *want == nil && len(got) == 0 || *want != nil && len(got) == 1 && string(got[0]) == string(*want) {
		return
	}
	r.errorf("%s: %s, want %s", when, got, *want)
}
