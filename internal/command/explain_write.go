package command

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/plan"
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
	src, err := rq.openExplain(ctx)
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
	x := &explained{rq: rq, db: t.db.name, ns: t.ns()}
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
	if x.plan == nil {
		return x.write(ctx, b, v)
	}
	x.query = x.plan.Query
	if notEmpty(m.sort) != nil {
		x.overIf(func(p *plan.Plan) string {
			if p.Sorted {
				return ""
			}
			return "SORT"
		}, &plan.Node{Describe: sortDescription(m.sort, 0)})
	}
	var matched, changed int64
	x.overIf(func(*plan.Plan) string { return stageName }, &plan.Node{Stats: func(b *bsonx.Builder) {
		if stageName == "DELETE" {
			b.Int64("nWouldDelete", matched)
			return
		}
		b.Int64("nMatched", matched)
		b.Int64("nWouldModify", changed)
		upserts := int64(0)
		if m.upsert && matched == 0 {
			upserts = 1
		}
		b.Int64("nWouldUpsert", upserts)
	}, Returned: func() int64 { return x.out }})
	if v != queryPlanner {
		if matched, changed, err = mod.dryRun(ctx, x); err != nil {
			return err
		}
		if rq.Name == "findAndModify" {
			x.out = matched
		}
	}
	return x.write(ctx, b, v)
}

// dryRun counts the rows that the statement would find and change.
func (x *modifier) dryRun(ctx context.Context, ex *explained) (matched, changed int64, err error) {
	it := exec.NewCounter(x.q.rows(x.t, ex.plan, &ex.st), &ex.rows)
	defer func() { _ = it.Close() }()
	env := x.q.env()
	for matched == 0 || x.multi {
		row, err := it.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		matched++
		if x.up == nil {
			continue
		}
		in := x.in
		env.Root = bsonx.DocValue(row.Doc)
		if x.up.NeedsPosition() {
			if _, in.Pos, err = x.f.MatchesAt(env, row.Doc); err != nil {
				return 0, 0, err
			}
		}
		res, err := x.up.Apply(env, row.Doc, in)
		env.Arena.Reset()
		if err != nil {
			return 0, 0, err
		}
		if res.Changed {
			changed++
		}
	}
	return matched, changed, nil
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
