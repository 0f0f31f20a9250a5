package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// explainModify plans the first statement of a write and changes nothing.
func (rq *Request) explainModify(ctx context.Context, b *bsonx.Builder, v verbosity) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	m, stageName, err := rq.firstModification()
	if err != nil {
		return err
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	t, err := src.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.isView() {
		return errcode.New(errcode.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", t.ns())
	}
	x := &explained{rq: rq, ns: t.ns()}
	mod := &modifier{modification: m, s: src, t: t}
	if err := mod.compile(ctx); err != nil {
		return err
	}
	if t.coll != nil {
		if x.plan, err = mod.plan(ctx); err != nil {
			return err
		}
	}
	x.base()
	if x.plan != nil {
		if !x.plan.Sorted && notEmpty(m.sort) != nil {
			x.over("SORT", nil, func(b *bsonx.Builder) { b.Doc("sortPattern", m.sort) })
		}
		n := int64(0)
		x.over(stageName, nil, nil)
		x.root.Stats = func(b *bsonx.Builder) {
			if stageName == "DELETE" {
				b.Int64("nWouldDelete", n)
				return
			}
			b.Int64("nMatched", n)
			b.Int64("nWouldModify", n)
			b.Int64("nWouldUpsert", 0)
		}
		if v != queryPlanner {
			limit := int64(1)
			if m.multi {
				limit = 0
			}
			if n, err = countRows(ctx, exec.NewWindow(exec.NewCounter(mod.q.rows(t, x.plan, &x.st), &x.rows), 0, limit)); err != nil {
				return err
			}
		}
	}
	return x.write(ctx, b, v)
}

// firstModification is the statement that explain looks at.
func (rq *Request) firstModification() (*modification, string, error) {
	switch rq.Name {
	case "findAndModify":
		m, err := rq.readFindAndModify()
		if err == nil && m.update.Type == bsonx.Missing {
			return m, "DELETE", nil
		}
		return m, "UPDATE", err
	case "update":
		mods, err := rq.readUpdates()
		if err == nil {
			err = checkBatch(len(mods))
		}
		if err != nil {
			return nil, "", err
		}
		return mods[0], "UPDATE", nil
	}
	mods, err := rq.readDeletes()
	if err == nil {
		err = checkBatch(len(mods))
	}
	if err != nil {
		return nil, "", err
	}
	return mods[0], "DELETE", nil
}
