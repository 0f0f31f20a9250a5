// Package arch holds the rules of this code base as tests: which package may
// import which, how long a file or a function may be, and that every package
// says what it is for. ARCHITECTURE.md and CONTRIBUTING.md explain them.
package arch

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/argon-db/argon/"

// layers lists the internal packages from the top down. A package may import
// only packages of lower layers, or of its own line.
var layers = [][]string{
	{"cmd/argon"},
	{"internal/cli"},
	{"internal/daemon"},
	{"internal/rest"},
	{"internal/server"},
	{"internal/command"},
	{"internal/control", "internal/change", "internal/auth", "internal/merge"},
	{"internal/session"},
	{"internal/query/stage"},
	{"internal/query/plan", "internal/fsck"},
	{"internal/query/exec"},
	{"internal/query/update"},
	{"internal/query/index"},
	{"internal/query/project"},
	{"internal/query/match"},
	{"internal/query/expr"},
	{"internal/query/geo", "internal/query/text", "internal/regex", "internal/dates"},
	{"internal/branch", "internal/mask"},
	{"internal/catalog"},
	{"internal/txn"},
	{"internal/store"},
	{"internal/wal"},
	{"internal/idl", "internal/keyenc", "internal/script"},
	{"internal/collate"},
	{"internal/numeric", "internal/wire"},
	{"internal/bsonx"},
	{"internal/errcode", "internal/clock", "internal/version"},
}

// forbidden are imports that a package's layer would allow but its design does
// not: the query language knows neither the store nor the wire.
var forbidden = map[string][]string{
	"internal/query/": {"internal/store", "internal/wal", "internal/wire"},
	"internal/store":  {"internal/query/"},
	"internal/txn":    {"internal/query/"},
}

const (
	maxFileLines = 600
	maxFuncLines = 70
)

type source struct {
	path string // slash-separated, relative to the root
	dir  string
	text []byte
	file *ast.File
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, fset *token.FileSet) []source {
	t.Helper()
	base := root(t)
	var out []source
	err := filepath.WalkDir(base, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (strings.HasPrefix(name, ".") && p != base || name == "node_modules" || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(base, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		out = append(out, source{path: rel, dir: filepath.ToSlash(filepath.Dir(rel)), text: text, file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func isTest(s source) bool {
	return strings.HasSuffix(s.path, "_test.go") || strings.HasPrefix(s.path, "test/") || strings.HasPrefix(s.path, "bench/")
}

// TestImportsGoDown checks the layering.
func TestImportsGoDown(t *testing.T) {
	rank := map[string]int{}
	for i, line := range layers {
		for _, p := range line {
			rank[p] = i
		}
	}
	for _, s := range load(t, token.NewFileSet()) {
		if isTest(s) || !strings.HasPrefix(s.dir, "internal/") {
			continue
		}
		from, known := rank[s.dir]
		if !known && s.dir != "internal/arch" {
			t.Errorf("%s: package %s has no place in the layers of internal/arch", s.path, s.dir)
			continue
		}
		for _, imp := range s.file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			target, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			if to, ok := rank[target]; !ok || to <= from && target != s.dir {
				t.Errorf("%s imports %s, which is not below it", s.path, target)
			}
			for who, what := range forbidden {
				for _, w := range what {
					if strings.HasPrefix(s.dir, who) && strings.HasPrefix(target, w) {
						t.Errorf("%s imports %s: packages under %s must not", s.path, target, who)
					}
				}
			}
		}
	}
}

// TestSizes checks the caps on files and functions. exceptions.txt lists what is
// better long, with the reason; the list may only shrink, so a line that is no
// longer needed fails too.
func TestSizes(t *testing.T) {
	allowed := exceptions(t)
	used := map[string]bool{}
	fset := token.NewFileSet()
	for _, s := range load(t, fset) {
		if isTest(s) {
			continue
		}
		if n := strings.Count(string(s.text), "\n"); n > maxFileLines {
			report(t, allowed, used, s.path, fmt.Sprintf("has %d lines, more than %d", n, maxFileLines))
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFuncLines {
				report(t, allowed, used, s.path+":"+funcName(f), fmt.Sprintf("has %d lines, more than %d", n, maxFuncLines))
			}
		}
	}
	for k := range allowed {
		if !used[k] {
			t.Errorf("exceptions.txt: %s is within the caps now: delete its line", k)
		}
	}
}

func report(t *testing.T, allowed, used map[string]bool, key, what string) {
	t.Helper()
	if allowed[key] {
		used[key] = true
		return
	}
	t.Errorf("%s %s", key, what)
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if ix, ok := typ.(*ast.IndexExpr); ok {
		typ = ix.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

func exceptions(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]bool{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, " ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Errorf("exceptions.txt: %q needs a reason", line)
		}
		out[key] = true
	}
	return out
}

// TestPackages checks that every package has a doc comment and a name that says
// something.
func TestPackages(t *testing.T) {
	banned := map[string]bool{"util": true, "utils": true, "common": true, "helpers": true, "helper": true, "base": true, "misc": true}
	documented := map[string]bool{}
	for _, s := range load(t, token.NewFileSet()) {
		if banned[s.file.Name.Name] {
			t.Errorf("%s: package %s needs a name that says what it holds", s.path, s.file.Name.Name)
		}
		key := s.dir + " " + strings.TrimSuffix(s.file.Name.Name, "_test")
		documented[key] = documented[key] || s.file.Doc != nil
	}
	var keys []string
	for k := range documented {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if !documented[k] {
			t.Errorf("package %s has no doc comment", k)
		}
	}
}

// TestOneClock checks that only internal/clock asks the system for the time, and
// that nothing but main runs before main.
func TestOneClock(t *testing.T) {
	for _, s := range load(t, token.NewFileSet()) {
		if isTest(s) || s.dir == "internal/clock" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", s.path)
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since" || sel.Sel.Name == "Until") {
				t.Errorf("%s uses time.%s: take the time from internal/clock", s.path, sel.Sel.Name)
			}
			return true
		})
	}
}
