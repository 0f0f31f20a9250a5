package spec

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestSpecs runs every file of testdata, each folder against a server of its own. A
// test that testdata/exceptions.txt lists must fail: the list says what does not
// hold, and nothing else.
func TestSpecs(t *testing.T) {
	all, err := filepath.Glob("testdata/*/*.yml")
	if err != nil || len(all) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	folders := map[string][]string{}
	for _, path := range all {
		folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], path)
	}
	exceptions := readExceptions(t)
	names := map[string]bool{}
	for dir, files := range folders {
		parsed := map[string]*testFile{}
		for _, path := range files {
			f, err := readFile(path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".yml")
			parsed[name] = f
			for i := range f.Tests {
				names[name+": "+f.Tests[i].Description] = true
			}
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			runFolder(t, parsed, exceptions)
		})
	}
	for name := range exceptions {
		if !names[name] {
			t.Errorf("testdata/exceptions.txt lists %q, which is no test", name)
		}
	}
}

func runFolder(t *testing.T, files map[string]*testFile, exceptions map[string]string) {
	srv := harness.StartWith(t, daemon.Options{JavaScript: true, Parameters: map[string]string{"enableTestCommands": "1"}})
	s := &suite{uri: srv.URI(), direct: srv.Client(t)}
	s.params = toD(harness.Run(t, s.direct.Database("admin"), bson.D{{Key: "getParameter", Value: "*"}}))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		t.Run(filepath.Base(name), func(t *testing.T) {
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
					switch reason, listed := exceptions[name+": "+tc.Description]; {
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
