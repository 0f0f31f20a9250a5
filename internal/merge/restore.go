package merge

import (
	"context"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/errcode"
)

// RestoreCollection gives one collection of a branch the state that it has at
// another point, in a commit of its own: documents, indexes and options. The
// branch's other collections, and its history, stay.
func (s *Service) RestoreCollection(ctx context.Context, target, point *branch.Ref, name string, o Options) (*Result, error) {
	if err := s.Branches.Related(target, point); err != nil {
		return nil, err
	}
	o.Strategy, o.Resolutions = Source, nil
	return s.replay(ctx, target, &o, "restoreCollection", func(ctx context.Context, p *planner) error {
		p.bases = []side{p.target}
		var err error
		if p.source, err = p.side(point.Levels); err != nil {
			return err
		}
		p.plan.Base = p.plan.Target
		p.plan.Source = Version{point.Branch, point.Timeline, point.LSN}
		now, then := p.target.snap.Only(name), p.source.snap.Only(name)
		if now.Len()+then.Len() == 0 {
			return errcode.New(errcode.NamespaceNotFound, "neither branch '%s' nor the point has a collection '%s'", target.Branch, name)
		}
		p.triples = pair(now, then, now)
		if err := p.definitions(); err != nil {
			return err
		}
		for _, t := range p.triples {
			if !t.skip && t.source != nil && t.source.ID != 0 {
				if err := p.mergeDocs(ctx, t); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
