package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// counts holds passed, failed and inapplicable cases by family.
type counts map[string]*count

type count struct{ passed, failed, known int }

// readKnown reads "id reason" lines: cases about what Argon does not have.
func readKnown(path string) (map[string]string, error) {
	out := map[string]string{}
	err := lines(path, func(line string) error {
		id, reason, ok := strings.Cut(line, "\t")
		if !ok || strings.TrimSpace(reason) == "" {
			return fmt.Errorf("%s: %q needs a tab and a reason", path, line)
		}
		out[id] = reason
		return nil
	})
	return out, err
}

func lines(path string, each func(string) error) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if line := sc.Text(); line != "" && !strings.HasPrefix(line, "#") {
			if err := each(line); err != nil {
				return err
			}
		}
	}
	return sc.Err()
}

func tally(results []result, known map[string]string) counts {
	t := counts{}
	for _, r := range results {
		c := t[r.c.file]
		if c == nil {
			c = &count{}
			t[r.c.file] = c
		}
		switch {
		case r.diff == "":
			c.passed++
		case known[r.c.id] != "":
			c.known++
		default:
			c.failed++
		}
	}
	return t
}

func (t counts) families() []string {
	var out []string
	for f := range t {
		out = append(out, f)
	}
	sort.Strings(out)
	return out
}

func (t counts) print(w io.Writer) {
	var all count
	for _, f := range t.families() {
		c := t[f]
		fmt.Fprintf(w, "%-60s %5d passed %5d failed %4d not applicable\n", f, c.passed, c.failed, c.known)
		all.passed += c.passed
		all.failed += c.failed
		all.known += c.known
	}
	n := all.passed + all.failed + all.known
	fmt.Fprintf(w, "%-60s %5d passed %5d failed %4d not applicable (%.2f%%)\n", "all", all.passed, all.failed, all.known, 100*float64(all.passed)/float64(max(n, 1)))
}

func (t counts) write(path string) error {
	var b strings.Builder
	b.WriteString("# Recorded cases that pass, by family. Written by `make conformance-update`; may only rise.\n")
	for _, f := range t.families() {
		fmt.Fprintf(&b, "%s %d\n", f, t[f].passed)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// compare reports whether no family passes fewer cases than the file says.
func (t counts) compare(w io.Writer, path string) (bool, error) {
	good := true
	err := lines(path, func(line string) error {
		var family string
		var n int
		if _, err := fmt.Sscan(line, &family, &n); err != nil {
			return fmt.Errorf("%s: %q: %w", path, line, err)
		}
		c := t[family]
		if c == nil {
			c = &count{}
		}
		if c.passed < n {
			good = false
			fmt.Fprintf(w, "FELL %s: %d passed, %d before\n", family, c.passed, n)
		} else if c.passed > n {
			fmt.Fprintf(w, "rose %s: %d passed, %d before\n", family, c.passed, n)
		}
		return nil
	})
	return good, err
}
