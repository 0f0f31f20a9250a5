package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/session"
)

// indexBuild is one createIndexes command.
type indexBuild struct {
	rq            *Request
	name          string
	specs         []bsonx.Doc
	added         []string
	created       bool
	resumed       bool // of an earlier run of the server: when interrupted, the next one goes on
	staged        bool
	before, after int
}

// begin adds the indexes to the catalog and fills them if that is quick.
func (b *indexBuild) begin(ctx context.Context, s *source) error {
	b.added, b.created, b.staged = nil, false, false
	t, err := s.writable(ctx, b.rq.DB, b.name, false)
	if err != nil {
		return err
	}
	if t.coll == nil {
		if t, err = s.writable(ctx, b.rq.DB, b.name, true); err != nil {
			return err
		}
		b.created = true
	}
	b.before = countIndexes(t.entry)
	b.after = b.before
	specs, err := finishSpecs(t, b.specs)
	if err != nil {
		return err
	}
	missing, err := newIndexes(t.entry, specs)
	if err != nil || len(missing) == 0 {
		return err
	}
	if b.rq.InTxn && !b.created {
		if err := b.rq.mustBeNew(ctx, b.name); err != nil {
			return err
		}
	}
	if b.before+len(missing) > maxIndexes {
		return errcode.New(errcode.CannotCreateIndex, "add index fails, too many indexes for %s key:%s", t.ns(), bsonx.Lookup(missing[0], "key").Data)
	}
	n, _, err := t.db.view.Count(t.entry.ID)
	if err != nil {
		return err
	}
	add := s.sv.Catalog.AddIndexes
	if b.staged = n > smallBuild && !b.rq.InTxn; b.staged {
		add = s.sv.Catalog.BeginIndexes
	}
	entry, err := add(ctx, t.db.view, b.name, missing)
	if err != nil {
		return err
	}
	b.after = countIndexes(entry)
	for _, ix := range entry.Indexes[len(t.entry.Indexes):] {
		b.added = append(b.added, ix.Name)
	}
	if b.staged {
		return nil
	}
	coll, err := exec.Compile(entry)
	if err != nil {
		return err
	}
	return b.fillAll(ctx, s, t, coll)
}

// fillAll builds all new indexes within the transaction.
func (b *indexBuild) fillAll(ctx context.Context, s *source, t *target, coll *exec.Collection) error {
	q, err := s.newQuery(ctx, t, nil, nil)
	if err != nil {
		return err
	}
	w := &exec.Writer{View: t.db.view, Coll: coll, NS: t.ns(), Env: q.env()}
	for _, name := range b.added {
		if _, err := w.Fill(ctx, coll.Index(name), nil, 1<<62); err != nil {
			return err
		}
	}
	return nil
}

// fill builds the indexes step by step, each step a commit, and opens them to
// readers at the end. If a document cannot be indexed the indexes are dropped.
func (b *indexBuild) fill(ctx context.Context) error {
	var err error
	for _, name := range b.added {
		if err = b.fillOne(ctx, name); err != nil {
			break
		}
	}
	if err == nil {
		return b.rq.write(ctx, func(s *source) error {
			d, err := s.changeable(ctx, b.rq.DB)
			if err != nil {
				return err
			}
			_, err = s.sv.Catalog.FinishIndexes(ctx, d.view, b.name, b.added)
			return err
		})
	}
	if b.resumed && ctx.Err() != nil {
		return err
	}
	undo := b.rq.write(context.WithoutCancel(ctx), func(s *source) error {
		d, err := s.changeable(ctx, b.rq.DB)
		if err != nil {
			return err
		}
		_, err = s.sv.Catalog.DropIndexes(context.WithoutCancel(ctx), d.view, b.name, b.added)
		return err
	})
	if undo != nil {
		b.rq.Services.Log.Error("an index build failed and its indexes could not be dropped", "ns", b.rq.NS(b.name), "indexes", b.added, "error", undo)
	}
	return err
}

func (b *indexBuild) fillOne(ctx context.Context, name string) error {
	var next []byte
	for {
		var from []byte
		err := b.rq.write(ctx, func(s *source) error {
			t, err := s.writable(ctx, b.rq.DB, b.name, false)
			if err != nil {
				return err
			}
			ix := (*exec.Index)(nil)
			if t.coll != nil {
				ix = t.coll.Index(name)
			}
			if ix == nil {
				return errcode.New(errcode.IndexBuildAborted, "Index build failed: the collection or the index %s was dropped meanwhile", name)
			}
			q, err := s.newQuery(ctx, t, nil, nil)
			if err != nil {
				return err
			}
			w := &exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: q.env()}
			from, err = w.Fill(ctx, ix, next, buildStep)
			return err
		})
		if err != nil || from == nil {
			return err
		}
		next = from
	}
}

// ResumeIndexBuilds goes on with the index builds that the end of the last run of
// the server interrupted, on every branch: from the beginning, since an entry that
// is there already is written again as it is. It returns when all are done or ctx
// ends; what fails is logged, and its indexes are dropped.
func ResumeIndexBuilds(ctx context.Context, sv *Services) {
	for _, p := range sv.Branches.ListProjects() {
		branches, err := sv.Branches.ListBranches(ctx, p.Name)
		if err != nil {
			continue // the project was dropped just now
		}
		for _, br := range branches {
			if err := resumeBranch(ctx, sv, p.Name+"~"+br.Name); err != nil && ctx.Err() == nil {
				sv.Log.Error("interrupted index builds could not be resumed", "db", p.Name+"~"+br.Name, "error", err)
			}
		}
	}
}

// resumeBranch resumes the builds of one branch.
func resumeBranch(ctx context.Context, sv *Services, db string) error {
	rq := &Request{DB: db, Spec: createIndexesCommand, Services: sv, TxnNumber: -1, Conn: &Conn{Info: &session.ConnInfo{}}}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.db(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range d.snap.Names() {
		e, _ := d.snap.Collection(name)
		b := &indexBuild{rq: rq, name: name, resumed: true}
		for _, ix := range e.Indexes {
			if ix.Building {
				b.added = append(b.added, ix.Name)
			}
		}
		if len(b.added) == 0 {
			continue
		}
		sv.Log.Info("an interrupted index build goes on", "ns", rq.NS(name), "indexes", b.added)
		if err := b.fill(ctx); err != nil {
			return err
		}
	}
	return nil
}
