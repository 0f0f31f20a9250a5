// Package fsck checks a data directory: what the store can know of itself (keys,
// log, versions), and that the rows, index entries and counts of every
// collection agree at the head of every branch and at every tag.
package fsck

import (
	"context"
	"fmt"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// Options of a check.
type Options struct {
	// Problem is called for each broken invariant, at most MaxProblems times.
	Problem     func(string)
	MaxProblems int // 1000 when 0
}

// Report says what was looked at.
type Report struct {
	store.CheckReport
	Projects, Points, Collections, Documents, IndexEntries int64
}

// Dir checks the data directory dir, which no server may have open. The error is
// of the check itself; what is broken is counted in Report.Problems.
func Dir(ctx context.Context, dir string, o Options) (rep Report, err error) {
	s, err := store.Open(store.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		return rep, err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	return Store(ctx, s, o)
}

// Store checks an open store; commits may go on beside it.
func Store(ctx context.Context, s *store.Store, o Options) (Report, error) {
	if o.MaxProblems == 0 {
		o.MaxProblems = 1000
	}
	c := &checker{store: s, opts: o}
	var err error
	c.report.CheckReport, err = s.Check(ctx, store.CheckOptions{
		Document: bsonx.Validate, Problem: o.Problem, MaxProblems: o.MaxProblems,
	})
	if err != nil {
		return c.report, err
	}
	return c.report, c.collections(ctx)
}

type checker struct {
	store  *store.Store
	opts   Options
	report Report
}

func (c *checker) problem(format string, args ...any) {
	c.report.Problems++
	if c.opts.Problem != nil && c.report.Problems <= int64(c.opts.MaxProblems) {
		c.opts.Problem(fmt.Sprintf(format, args...))
	}
}

// collections checks every collection at every point that has a name.
func (c *checker) collections(ctx context.Context) error {
	m := txn.NewManager(c.store, txn.Config{})
	cat := catalog.New(c.store)
	branches, err := branch.Open(c.store, m, cat, clock.System{})
	if err != nil {
		return fmt.Errorf("branches: %w", err)
	}
	for _, p := range branches.ListProjects() {
		c.report.Projects++
		names, err := points(ctx, branches, p.Name)
		if err != nil {
			return err
		}
		for _, name := range names {
			c.report.Points++
			ref, err := branches.Resolve(ctx, name)
			if err != nil {
				c.problem("%s cannot be read: %v", name, err)
				continue
			}
			if err := c.point(ctx, m, cat, name, ref); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// points are the database names of a project's branches and tags.
func points(ctx context.Context, s *branch.Service, project string) ([]string, error) {
	var out []string
	list, err := s.ListBranches(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		out = append(out, project+"~"+b.Name)
	}
	tags, err := s.ListTags(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		out = append(out, project+"@"+t.Name)
	}
	return out, nil
}

// point checks the collections of one branch or tag.
func (c *checker) point(ctx context.Context, m *txn.Manager, cat *catalog.Catalog, name string, ref *branch.Ref) error {
	tx := m.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(ref.Levels, false)
	snap, err := cat.Snapshot(v)
	if err != nil {
		return err
	}
	for _, n := range snap.Names() {
		entry, _ := snap.Collection(n)
		if entry.Type == catalog.TypeView {
			continue
		}
		c.report.Collections++
		coll, err := exec.Compile(entry)
		if err != nil {
			c.problem("%s.%s: its catalog entry does not compile: %v", name, n, err)
			continue
		}
		if err := c.collection(ctx, v, coll, name+"."+n); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) collection(ctx context.Context, v *txn.View, coll *exec.Collection, ns string) error {
	x := &expected{coll: coll, w: exec.Writer{
		View: v, Coll: coll, NS: ns, Env: expr.NewEnv(&expr.Query{Collation: coll.Collation}, expr.NewScope(expr.ScopeOptions{})),
	}}
	rows, entries, err := c.store.CheckIndexes(ctx, v.Levels(), coll.ID, x.ids(), x, func(s string) { c.problem("%s: %s", ns, s) })
	if err != nil {
		return err
	}
	n, _, err := v.Count(coll.ID)
	if err != nil {
		return err
	}
	if n != rows {
		c.problem("%s: has %d documents, but counts %d", ns, rows, n)
	}
	c.report.Documents += rows
	for _, e := range entries {
		c.report.IndexEntries += e
	}
	return nil
}

// expected tells which entries a document must have. An index that was still
// being built is left out: it may lack entries.
type expected struct {
	coll *exec.Collection
	w    exec.Writer
}

func (x *expected) indexes() []*exec.Index {
	var out []*exec.Index
	if x.coll.IDEntries != nil {
		out = append(out, x.coll.IDEntries)
	}
	for _, ix := range x.coll.Indexes {
		if !ix.Building {
			out = append(out, ix)
		}
	}
	return out
}

func (x *expected) ids() []store.IndexID {
	var out []store.IndexID
	for _, ix := range x.indexes() {
		out = append(out, ix.ID)
	}
	return out
}

// Entries implements store.ExpectEntries.
func (x *expected) Entries(id, doc []byte, emit func(i store.IndexID, key []byte)) error {
	for _, ix := range x.indexes() {
		err := x.w.Entries(ix, doc, func(key, _ []byte) error {
			emit(ix.ID, append(append([]byte(nil), key...), id...))
			return nil
		})
		if err != nil {
			return fmt.Errorf("index %s: %w", ix.Spec.Name, err)
		}
	}
	return nil
}
