package spec

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// TestSpecs runs every file of testdata. A test that testdata/exceptions.txt lists
// must fail: the list says what does not hold, and nothing else.
func TestSpecs(t *testing.T) {
	srv := harness.StartWith(t, daemon.Options{Parameters: map[string]string{"enableTestCommands": "1"}})
	s := &suite{uri: srv.URI(), direct: srv.Client(t)}
	s.params = toD(harness.Run(t, s.direct.Database("admin"), bson.D{{Key: "getParameter", Value: "*"}}))
	files, err := filepath.Glob("testdata/*/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	exceptions := readExceptions(t)
	for _, path := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".yml")
		t.Run(name, func(t *testing.T) {
			f, err := readFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !s.meets(f.RunOnRequirements) {
				t.Skip("the file does not apply to this deployment")
			}
			for i := range f.Tests {
				tc := &f.Tests[i]
				t.Run(tc.Description, func(t *testing.T) {
					if tc.SkipReason != "" || !s.meets(tc.RunOnRequirements) {
						t.Skip(tc.SkipReason)
					}
					err := s.runTest(t.Context(), f, tc)
					reason, listed := exceptions[name+": "+tc.Description]
					delete(exceptions, name+": "+tc.Description)
					switch {
					case listed && err == nil:
						t.Errorf("holds now: remove it from testdata/exceptions.txt (%s)", reason)
					case listed:
						t.Logf("does not hold, as listed: %s", reason)
					case err != nil:
						t.Errorf("%.1500s", err.Error())
					}
				})
			}
		})
	}
	if f := t.Failed(); !f && !testing.Short() && os.Getenv("ARGON_SPEC_PART") == "" {
		for name := range exceptions {
			t.Errorf("testdata/exceptions.txt lists %q, which is no test that was run", name)
		}
	}
}

// readExceptions reads the list of what does not hold: "file: test | reason".
func readExceptions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	file, err := os.Open("testdata/exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for sc := bufio.NewScanner(file); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " | ")
		if !ok || reason == "" {
			t.Errorf("a line without a reason: %s", line)
		}
		out[name] = reason
	}
	return out
}
