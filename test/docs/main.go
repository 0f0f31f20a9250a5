// Command docs writes docs/compatibility.md from the tables of operators, stages
// and commands, from what passes of the recorded cases, and from the list of what
// differs (differences.txt).
//
//	go run ./test/docs            writes the page
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
	"github.com/argon-db/argon/internal/query/stage"
	"github.com/argon-db/argon/internal/query/update"
)

const page = "docs/compatibility.md"

func main() {
	text, err := whole(".")
	if err == nil {
		err = os.WriteFile(page, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// whole returns the page; root is the module's folder.
func whole(root string) (string, error) {
	t, err := tables(root)
	if err != nil {
		return "", err
	}
	c, err := counted(root)
	return t + c, err
}

// tables is the part of the page that depends on nothing but the tables and the
// list of differences.
func tables(root string) (string, error) {
	diffs, err := differences(filepath.Join(root, "test/docs/differences.txt"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Compatibility with MongoDB\n\n<!-- Written by `make docs` from the server's tables; edit test/docs/differences.txt. -->\n\n" +
		"Argon speaks MongoDB's wire protocol and answers as MongoDB 8.2 does. This page\nlists what there is, what is not, and what differs.\n\n## What differs\n\n")
	section := ""
	for _, d := range diffs {
		if d.section != section {
			section = d.section
			fmt.Fprintf(&b, "### %s\n\n| | |\n|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", d.name, d.reason)
		if d.last {
			b.WriteString("\n")
		}
	}
	list := func(title string, names []string) {
		fmt.Fprintf(&b, "## %s (%d)\n\n", title, len(names))
		for i, n := range names {
			names[i] = "`" + n + "`"
		}
		b.WriteString(strings.Join(names, " ") + "\n\n")
	}
	list("Query operators", match.OperatorNames())
	list("Update operators", update.OperatorNames())
	list("Stages", stage.Names())
	list("Expressions", expr.OperatorNames())
	list("Accumulators", expr.AccumulatorNames())
	list("Window functions besides the accumulators", stage.WindowFunctionNames())
	b.WriteString("## Commands\n\n| command | what it does | since API version 1 |\n|---|---|---|\n")
	for _, c := range command.NewDispatcher(&command.Services{}).Specs() {
		if c.Flags&command.ForTests != 0 {
			continue
		}
		names, api := c.Name, ""
		if len(c.Aliases) > 0 {
			names += "`, `" + strings.Join(c.Aliases, "`, `")
		}
		if c.Flags&command.APIv1 != 0 {
			api = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", names, c.Help, api)
	}
	return b.String() + "\n", nil
}

type difference struct {
	section, name, reason string
	last                  bool
}

// differences reads sections ("# title") of lines "name: reason".
func differences(path string) (out []difference, err error) {
	section := ""
	err = eachLine(path, func(line string) error {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			section = title
			return nil
		}
		name, reason, ok := strings.Cut(line, ": ")
		if !ok || section == "" {
			return fmt.Errorf("%s: %q is neither a section nor a name and a reason", path, line)
		}
		out = append(out, difference{section: section, name: name, reason: reason})
		return nil
	})
	for i := range out {
		out[i].last = i+1 == len(out) || out[i+1].section != out[i].section
	}
	return out, err
}

// counted tells what passes of the recorded cases.
func counted(root string) (string, error) {
	var b strings.Builder
	total, families := 0, map[string]int{}
	err := eachLine(filepath.Join(root, "test/compat/counts.txt"), func(line string) error {
		if strings.HasPrefix(line, "#") {
			return nil
		}
		family, n, _ := strings.Cut(line, " ")
		passed, err := strconv.Atoi(n)
		area, _, _ := strings.Cut(family, "-")
		families[area] += passed
		total += passed
		return err
	})
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "## Recorded cases that pass\n\n`make conformance` replays what MongoDB 8.2 answered, case by case. At the last\ncount %d passed:\n\n| area | cases |\n|---|---|\n", total)
	for _, area := range sorted(families) {
		fmt.Fprintf(&b, "| %s | %d |\n", strings.ReplaceAll(area, "_", " "), families[area])
	}
	reasons := map[string]int{}
	err = eachLine(filepath.Join(root, "test/compat/known.txt"), func(line string) error {
		if _, reason, ok := strings.Cut(line, "\t"); ok {
			reasons[reason]++
		}
		return nil
	})
	b.WriteString("\nThese do not apply (`test/compat/known.txt` has them by name):\n\n| reason | cases |\n|---|---|\n")
	for _, reason := range sorted(reasons) {
		fmt.Fprintf(&b, "| %s | %d |\n", reason, reasons[reason])
	}
	return b.String(), err
}

func sorted(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func eachLine(path string, each func(string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if line := strings.TrimSpace(sc.Text()); line != "" {
			if err := each(line); err != nil {
				return err
			}
		}
	}
	return sc.Err()
}
