package cases

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argon-db/argon/test/harness"
)

var rewrite = flag.Bool("rewrite", false, "write what the server answers into the files")

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no case files", err)
	}
	s := harness.Start(t)
	cl := s.Client(t)
	n := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		common, cs, err := Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out := head(string(text))
		for _, c := range cs {
			n++
			db := cl.Database(fmt.Sprintf("cases%d", n))
			t.Run(strings.TrimSuffix(filepath.Base(f), ".txt")+"/"+c.Name, func(t *testing.T) {
				setup := Case{Steps: common}
				for _, part := range []*Case{&setup, &c} {
					diff, err := part.Run(t.Context(), db, *rewrite)
					if err != nil {
						t.Fatal(err)
					}
					if diff != "" {
						t.Error(diff)
					}
				}
			})
			out += "\n" + c.Text()
		}
		if *rewrite {
			if err := os.WriteFile(f, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// head is a file's text before its first case, without the empty line.
func head(text string) string {
	blocks := strings.Split(text, "\n\n")
	for i, b := range blocks {
		if strings.HasPrefix(b, ">") || strings.Contains(b, "\n>") {
			return strings.Join(blocks[:i], "\n\n") + "\n"
		}
	}
	return text
}
