package merge

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// Change is one document of a patch: from Before to After; nil is not there.
type Change struct {
	Collection    string
	Before, After bsonx.Doc
}

// Apply brings a patch to a branch, in one commit: each change is merged as a
// merge would, with the patch's own documents as base and source. A collection
// that is not there is made.
func (s *Service) Apply(ctx context.Context, target *branch.Ref, changes []Change, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	for i := range changes {
		if err := changes[i].check(); err != nil {
			return nil, err
		}
	}
	return s.replay(ctx, target, &o, "applyPatch", func(ctx context.Context, p *planner) error { return p.patch(ctx, changes) })
}

func (c *Change) check() error {
	before, after := bsonx.Lookup(c.Before, "_id"), bsonx.Lookup(c.After, "_id")
	switch {
	case c.Before == nil && c.After == nil:
		return errcode.New(errcode.BadValue, "a change of a patch has 'before', 'after', or both")
	case c.Before != nil && bsonx.IsMissing(before) || c.After != nil && bsonx.IsMissing(after):
		return errcode.New(errcode.BadValue, "the documents of a patch have an _id")
	case c.Before != nil && c.After != nil && !bsonx.Equal(before, after):
		return errcode.New(errcode.BadValue, "'before' and 'after' of a change have the same _id")
	case c.After != nil:
		return exec.CheckID(after)
	}
	return nil
}

func (p *planner) patch(ctx context.Context, changes []Change) error {
	byName := map[string]*triple{}
	seen := map[string]bool{}
	for _, c := range changes {
		id := idOfDoc(c.After, c.Before)
		k := c.Collection + "\x00" + string(append([]byte{byte(id.Type)}, id.Data...))
		if seen[k] {
			return errcode.New(errcode.BadValue, "the patch changes the document with _id %s of %s twice", exec.Format(id), c.Collection)
		}
		seen[k] = true
		t := byName[c.Collection]
		if t == nil {
			t = &triple{name: c.Collection}
			t.target, _ = p.target.snap.Collection(c.Collection)
			switch {
			case t.target == nil:
				t.create = true
				t.source = &catalog.Collection{Name: c.Collection, Type: catalog.TypeCollection, Options: bsonx.EmptyDoc}
				p.change(DDLChange{Op: "create", Collection: c.Collection, Type: string(catalog.TypeCollection), Options: bsonx.EmptyDoc})
			case t.target.ID == 0:
				return errcode.New(errcode.CommandNotSupportedOnView, "%s is a view, not a collection", c.Collection)
			}
			byName[c.Collection] = t
			p.triples = append(p.triples, t)
		}
		if err := p.decide(ctx, t, nil, []step{{base: c.Before, source: c.After}}); err != nil {
			return err
		}
	}
	return nil
}
