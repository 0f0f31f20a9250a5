package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageIsCurrent looks at what depends on the tables; the counts change with
// the runs of `make conformance-update`.
func TestPageIsCurrent(t *testing.T) {
	root := "../.."
	want, err := tables(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), want) {
		t.Errorf("%s is not what the tables say: run `make docs`", page)
	}
	if _, err := counted(root); err != nil {
		t.Error(err)
	}
}
