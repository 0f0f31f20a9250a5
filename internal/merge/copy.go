package merge

import (
	"context"
	"errors"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/mask"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/store"
	"github.com/argon-db/argon/internal/txn"
)

// One commit of a copy has about so much.
const (
	copyDocs  = 2000
	copyBytes = 8 << 20
)

// Copy makes a branch that shares no history with the one it is made from: with the
// same collections, views, options and indexes, and without documents, or, when
// there are rules, with masked ones. It is there when all of it is; until then
// nobody can read it, and a failed copy leaves nothing. Its time follows the data.
// The validators of the collections are not applied to masked documents; unique
// indexes are (11000).
func (s *Service) Copy(ctx context.Context, project, name string, rules *mask.Rules, o branch.CreateOptions, info txn.CommitInfo) (i branch.Info, err error) {
	kind := branch.CopySchema
	if rules != nil {
		kind = branch.CopyMasked
	}
	c, err := s.Branches.BeginCopy(ctx, project, name, kind, o)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	x := &copier{Service: s, c: c, rules: rules, info: info, ns: project + "~" + name + "."}
	if err := x.define(ctx); err != nil {
		return i, err
	}
	for _, name := range x.names {
		if err := x.documents(ctx, name); err != nil {
			return i, err
		}
	}
	return c.Finish(ctx)
}

type copier struct {
	*Service
	c     *branch.Copy
	rules *mask.Rules
	info  txn.CommitInfo
	ns    string
	names []string // of the collections whose documents are copied
}

// define copies the definitions, in one commit.
func (x *copier) define(ctx context.Context) error {
	snaps, err := x.Branches.Snapshots(x.c.Source)
	if err != nil {
		return err
	}
	tx := x.Txns.Begin(txn.Options{})
	defer tx.Abort()
	v := tx.View(x.c.Target, true)
	for _, name := range snaps[0].Names() {
		of, _ := snaps[0].Collection(name)
		if _, err := x.Catalog.Revive(ctx, v, name, of, true, false); err != nil {
			return err
		}
		if x.rules != nil && of.Type != catalog.TypeView {
			x.names = append(x.names, name)
		}
	}
	if !tx.HasWrites() {
		return nil
	}
	_, err = tx.Commit(ctx, x.info)
	return err
}

// documents copies the documents of a collection in the order of their rows, a
// part in a commit.
func (x *copier) documents(ctx context.Context, name string) error {
	snaps, err := x.Branches.Snapshots(x.c.Source)
	if err != nil {
		return err
	}
	of, _ := snaps[0].Collection(name)
	it := x.Branches.Scan(x.c.Source, of.ID)
	defer it.Close()
	for more := true; more; {
		tx := x.Txns.Begin(txn.Options{})
		if more, err = x.part(ctx, tx, name, it); err == nil && tx.HasWrites() {
			_, err = tx.Commit(ctx, x.info)
		}
		tx.Abort()
		if err != nil {
			return err
		}
	}
	return it.Close()
}

// part writes the next documents; more is false after the last.
func (x *copier) part(ctx context.Context, tx *txn.Txn, name string, it *store.Iter) (more bool, err error) {
	if err := exec.Interrupted(ctx); err != nil {
		return false, err
	}
	v := tx.View(x.c.Target, true)
	snap, err := x.Catalog.Snapshot(v)
	if err != nil {
		return false, err
	}
	c, _ := snap.Collection(name)
	coll, err := exec.Compile(c)
	if err != nil {
		return false, err
	}
	q := &expr.Query{Now: x.Clock.Now().UnixMilli(), Interrupt: func() error { return exec.Interrupted(ctx) }}
	w := &exec.Writer{View: v, Coll: coll, NS: x.ns + name, Env: expr.NewEnv(q, expr.NewScope(expr.ScopeOptions{})), Bypass: true}
	for size, n := 0, 0; n < copyDocs && size < copyBytes; n++ {
		if !it.Next() {
			return false, it.Err()
		}
		doc := x.rules.Apply(name, append(bsonx.Doc(nil), it.Value()...))
		if err := it.Err(); err != nil {
			return false, err
		}
		if err := w.Insert(ctx, doc); err != nil {
			return false, err
		}
		size += len(doc)
	}
	return true, nil
}
