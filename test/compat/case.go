package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/ejson"
)

// testCase is one recorded case: steps to send, and what must hold on replies.
type testCase struct {
	file   string // the family: the file's name without its ending
	id     string
	steps  []step
	checks map[int][]bsonx.Doc // by step
}

type step struct {
	db      string
	command bsonx.Doc
}

// loadCases reads the families of dir whose cases match run.
func loadCases(dir string, run *regexp.Regexp) ([]testCase, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	if len(files) == 0 {
		return nil, fmt.Errorf("no *.jsonl.gz in %s", dir)
	}
	var out []testCase
	for _, f := range files {
		out, err = loadFile(out, f, run)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	return out, nil
}

func loadFile(out []testCase, path string, run *regexp.Regexp) ([]testCase, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	family := strings.TrimSuffix(filepath.Base(path), ".jsonl.gz")
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		if !run.MatchString(family) && !run.Match(sc.Bytes()[:min(len(sc.Bytes()), 400)]) {
			continue
		}
		c, err := parseCase(family, sc.Bytes())
		if err != nil {
			return nil, err
		}
		if run.MatchString(family + " " + c.id) {
			out = append(out, c)
		}
	}
	return out, sc.Err()
}

func parseCase(family string, line []byte) (testCase, error) {
	v, err := ejson.Parse(line)
	if err != nil {
		return testCase{}, err
	}
	c := testCase{
		file:   family,
		id:     string(bsonx.Str(bsonx.Lookup(v.Data, "id"))),
		checks: map[int][]bsonx.Doc{},
	}
	for _, s := range bsonx.Values(nil, bsonx.Lookup(v.Data, "steps").Data) {
		c.steps = append(c.steps, step{
			db:      string(bsonx.Str(bsonx.Lookup(s.Data, "db"))),
			command: bsonx.Lookup(s.Data, "command").Data,
		})
	}
	for _, k := range bsonx.Values(nil, bsonx.Lookup(v.Data, "checks").Data) {
		n, _ := bsonx.IntegralOK(bsonx.Lookup(k.Data, "step"))
		c.checks[int(n)] = append(c.checks[int(n)], dropStep(k.Data))
	}
	return c, nil
}

func dropStep(check bsonx.Doc) bsonx.Doc {
	var b bsonx.Builder
	b.Begin(nil)
	for it := bsonx.NewIter(check); it.Next(); {
		if string(it.Key()) != "step" {
			b.Element(it.Element())
		}
	}
	return b.Done()
}

// listedBefore reports whether step i creates a collection that the step before it
// has listed: a client does not send the one when it has seen the collection in
// the other, but the recorder's stand-in showed it none.
func (c testCase) listedBefore(i int) bool {
	if i == 0 {
		return false
	}
	name := bsonx.Lookup(c.steps[i].command, "create")
	listed := c.steps[i-1].command
	return name.Type == bsonx.String && bsonx.Lookup(listed, "listCollections").Type != bsonx.Missing &&
		bsonx.Equal(bsonx.Lookup(bsonx.Lookup(listed, "filter").Data, "name"), name)
}

// isListIndexes: drivers take it as no indexes when there is no collection.
func isListIndexes(command bsonx.Doc) bool {
	return bsonx.Lookup(command, "listIndexes").Type != bsonx.Missing
}

// play runs one case on a server that nothing else uses at that time, and
// returns "" when all holds. The error is of the connection, not of the case.
func (c testCase) play(cl *client, timeout time.Duration) (string, error) {
	for i, s := range c.steps {
		reply, err := cl.run(s.db, s.command, timeout)
		if err != nil {
			return "", fmt.Errorf("step %d: %w", i, err)
		}
		checks := c.checks[i]
		if len(checks) == 0 {
			if code, failed := failure(reply); failed && !(code == 48 && c.listedBefore(i)) && !(code == 26 && isListIndexes(s.command)) {
				return fmt.Sprintf("step %d must succeed: error %d: %s", i, code, message(reply)), nil
			}
		}
		for _, k := range checks {
			if diff := holds(k, reply); diff != "" {
				return fmt.Sprintf("step %d: %s", i, diff), nil
			}
		}
	}
	return "", nil
}

// clean drops every database that a case may have left, users and roles too.
func (c testCase) clean(cl *client, timeout time.Duration) error {
	seen := map[string]bool{}
	for _, s := range append([]step{{db: "db"}}, c.steps...) { // bulkWrite names db.coll on admin
		if seen[s.db] || s.db == "admin" || s.db == "config" || s.db == "local" {
			continue
		}
		seen[s.db] = true
		for _, name := range []string{"dropAllUsersFromDatabase", "dropAllRolesFromDatabase", "dropDatabase"} {
			if name != "dropDatabase" && !strings.Contains(c.file, "security") && !strings.Contains(c.file, "administration") {
				continue
			}
			b := bsonx.NewDoc(nil)
			b.Int32(name, 1)
			if _, err := cl.run(s.db, b.Done(), timeout); err != nil {
				return err
			}
		}
	}
	return nil
}
