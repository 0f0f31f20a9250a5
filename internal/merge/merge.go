package merge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// MergeOptions say how a branch is merged.
type MergeOptions struct {
	Options
	// Squash brings the changes as a commit of the target's own: the merge base
	// does not move, as with git's --squash.
	Squash bool
	// Token is of a plan that was kept: what is merged is what it showed, or
	// nothing, if the target has moved since.
	Token string
}

// Result is what came of a merge, a revert or a cherry-pick.
type Result struct {
	Plan Plan
	// Stamp is the commit's; LSN 0 when nothing was written: it was dry, or in
	// conflict.
	Stamp txn.Stamp
	// Token lets the plan of a merge be applied later.
	Token string
	// UpToDate: there was nothing to bring.
	UpToDate bool
}

// Merge brings what changed on source since the merge base into target, in one
// commit. With conflicts that nothing settles it writes nothing and returns the
// plan.
func (s *Service) Merge(ctx context.Context, source, target *branch.Ref, o MergeOptions) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if source.Timeline == target.Timeline && source.Branch == target.Branch {
		return nil, errcode.New(errcode.BadValue, "branch '%s' cannot be merged into itself", source.Branch)
	}
	if err := s.Branches.Related(source, target); err != nil {
		return nil, err
	}
	for n := range maxAttempts {
		r, err := s.mergeOnce(ctx, source, target, &o, n)
		if err == nil || !retry(err) {
			return r, err
		}
		if err := exec.Interrupted(ctx); err != nil {
			return nil, err
		}
		name := branch.Name{Project: target.Project, Branch: target.Branch}
		if target, err = s.Branches.ResolveName(ctx, name); err != nil {
			return nil, err
		}
	}
	return nil, errBusy()
}

func (s *Service) mergeOnce(ctx context.Context, source, target *branch.Ref, o *MergeOptions, attempt int) (*Result, error) {
	p, err := s.planner(ctx, &o.Options, target, attempt)
	if err != nil {
		return nil, err
	}
	defer p.close()
	at := p.tx.Snapshot()
	if o.Token != "" {
		if at, err = p.open(o.Token, source, target); err != nil {
			return nil, err
		}
	}
	from, err := s.Branches.At(source, at)
	if err != nil {
		return nil, err
	}
	defer s.Branches.Hold(from.Levels)()
	if p.source, err = p.side(from.Levels); err != nil {
		return nil, err
	}
	p.plan.Source = Version{Branch: source.Branch, Timeline: source.Timeline, LSN: at}
	res := &Result{}
	if res.UpToDate, err = s.Branches.Contains(p.target.levels, p.source.levels); err != nil {
		return nil, err
	}
	if err := p.merge(ctx, o, res.UpToDate); err != nil {
		return nil, err
	}
	res.Plan, res.Token = *p.plan, p.token()
	switch {
	case o.DryRun || p.plan.ConflictCount > 0:
		return res, nil
	case res.UpToDate:
		res.Stamp.LSN = p.plan.Target.LSN
		return res, nil
	}
	res.Stamp, err = p.apply(ctx, target.Levels, nsOf(target), func(ctx context.Context, v *txn.View) error {
		if o.Squash {
			s.Branches.LogOperation(v, "squashBranch", source.Branch)
			return nil
		}
		return s.Branches.RecordMerge(ctx, v, p.source.levels, source)
	})
	return res, err
}

// nsOf is a branch's database, as messages name it.
func nsOf(r *branch.Ref) string { return r.Project + "~" + r.Branch }

// merge plans a merge.
func (p *planner) merge(ctx context.Context, _ *MergeOptions, upToDate bool) error {
	bases, err := p.Branches.Bases(p.source.levels, p.target.levels)
	if err != nil {
		return err
	}
	for _, levels := range bases {
		b, err := p.side(levels)
		if err != nil {
			return err
		}
		p.bases = append(p.bases, b)
	}
	if len(bases) == 0 {
		return errcode.New(errcode.BadValue, "branches '%s' and '%s' have nothing in common", p.plan.Source.Branch, p.plan.Target.Branch)
	}
	p.plan.Base = Version{Timeline: bases[0][0].Timeline, LSN: bases[0][0].LSN}
	if upToDate {
		return nil
	}
	defer p.Branches.Hold(bases...)()
	p.triples = pair(p.bases[0].snap, p.source.snap, p.target.snap)
	for _, t := range p.triples {
		for i := 1; i < len(p.bases) && t.base == nil; i++ {
			t.base, t.baseAt = t.inBase(p.bases[i].snap), i
		}
	}
	if err := p.definitions(); err != nil {
		return err
	}
	for _, t := range p.triples {
		if t.skip || t.source == nil || t.source.ID == 0 {
			continue
		}
		if err := p.mergeDocs(ctx, t); err != nil {
			return err
		}
	}
	p.finish()
	return nil
}

// mergeDocs plans the documents of one collection: those that the source has
// changed since the base, or since any of several bases.
func (p *planner) mergeDocs(ctx context.Context, t *triple) error {
	v, err := p.virtual(t)
	if err != nil {
		return err
	}
	if t.source.ByRecordID {
		return p.mergeByID(ctx, t, v)
	}
	for i := range p.bases {
		base := idOf(t.base)
		if v != nil {
			base = v.colls[i]
		} else if i > 0 {
			break
		}
		c := p.Branches.Changes(p.bases[i].levels, p.source.levels, base, t.source.ID)
		for n := 0; c.Next(); n++ {
			if n%256 == 0 {
				err = exec.Interrupted(ctx)
			}
			if err == nil {
				err = p.mergeDoc(ctx, t, v, i, c)
			}
			if err != nil {
				break
			}
		}
		if e := c.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) mergeDoc(ctx context.Context, t *triple, v *virtual, i int, c *branch.Changes) error {
	base, source := c.Before(), c.After()
	var shown bsonx.Doc
	if v != nil {
		shown = base
		seen, err := v.differsBefore(ctx, c.Key(), source, i)
		if err != nil || seen {
			return err
		}
		if base, err = v.doc(ctx, c.Key()); err != nil {
			return err
		}
		_, target, err := p.row(ctx, t, c.Key(), idOfDoc(source, c.Before()))
		if err != nil || equalDocs(source, target) {
			return err
		}
	}
	return p.decide(ctx, t, c.Key(), []step{{base, source, shown}})
}

func idOfDoc(docs ...bsonx.Doc) bsonx.Value {
	for _, d := range docs {
		if d != nil {
			return bsonx.Lookup(d, "_id")
		}
	}
	return bsonx.Value{}
}

// mergeByID is mergeDocs for collections whose rows are in the order of
// insertion: two branches give one row key to two documents, so that changes are
// put together by _id. In memory: of the order of the changes.
func (p *planner) mergeByID(ctx context.Context, t *triple, _ *virtual) error {
	list, err := byID(p.Branches.Changes(p.bases[0].levels, p.source.levels, idOf(t.base), t.source.ID))
	for _, s := range list {
		if err == nil {
			err = p.decide(ctx, t, nil, []step{s})
		}
	}
	return err
}

// byID gathers changes by the documents' _id and closes them.
func byID(c *branch.Changes) ([]step, error) {
	var list []step
	at := map[string]int{}
	put := func(d bsonx.Doc, set func(*step, bsonx.Doc)) {
		if d == nil {
			return
		}
		id := bsonx.Lookup(d, "_id")
		k := string(append([]byte{byte(id.Type)}, id.Data...))
		i, ok := at[k]
		if !ok {
			i = len(list)
			at[k] = i
			list = append(list, step{})
		}
		set(&list[i], append(bsonx.Doc(nil), d...))
	}
	for c.Next() {
		put(c.Before(), func(s *step, d bsonx.Doc) { s.base = d })
		put(c.After(), func(s *step, d bsonx.Doc) { s.source = d })
	}
	out := list[:0]
	for _, s := range list {
		if !equalDocs(s.base, s.source) {
			out = append(out, s)
		}
	}
	return out, c.Close()
}

// virtual is the base of a merge whose sides have several best common ancestors
// (they crossed): the merge of these, as git's recursive strategy has it. What is
// in conflict between them is no side's value, so that both sides have changed it.
type virtual struct {
	p     *planner
	colls []txn.CollectionID // the collection in each base, 0 where it is not there
	roots []side             // of bases 0 and i
	inner []txn.CollectionID // the collection there
	none  bsonx.Value
}

func (p *planner) virtual(t *triple) (*virtual, error) {
	if len(p.bases) < 2 || t.base == nil {
		return nil, nil
	}
	v := &virtual{p: p}
	for _, b := range p.bases {
		v.colls = append(v.colls, idOf(t.inBase(b.snap)))
	}
	mark := make([]byte, 16)
	_, _ = rand.Read(mark) // never fails
	b := bsonx.NewDoc(nil)
	b.Binary("", 0x80, mark)
	v.none = bsonx.Clone(bsonx.Lookup(b.Done(), ""))
	for i := 1; i < len(p.bases); i++ {
		roots, err := p.Branches.Bases(p.bases[0].levels, p.bases[i].levels)
		if err != nil {
			return nil, err
		}
		var root side
		var in txn.CollectionID
		if len(roots) > 0 {
			if root, err = p.side(roots[0]); err != nil {
				return nil, err
			}
			in = idOf(t.inBase(root.snap))
		}
		v.roots, v.inner = append(v.roots, root), append(v.inner, in)
	}
	return v, nil
}

// differsBefore reports whether an earlier base has shown the row already.
func (v *virtual) differsBefore(ctx context.Context, key []byte, source bsonx.Doc, i int) (bool, error) {
	for j := range i {
		d, err := get(ctx, v.p.bases[j].view, v.colls[j], key)
		if err != nil || !equalDocs(d, source) {
			return true, err
		}
	}
	return false, nil
}

// get reads a row of a collection that may not be there.
func get(ctx context.Context, v *txn.View, coll txn.CollectionID, key []byte) (bsonx.Doc, error) {
	if v == nil || coll == 0 {
		return nil, nil
	}
	return v.Get(ctx, coll, key)
}

// doc merges what the bases have of a row.
func (v *virtual) doc(ctx context.Context, key []byte) (bsonx.Doc, error) {
	out, err := get(ctx, v.p.bases[0].view, v.colls[0], key)
	for i := 1; i < len(v.p.bases) && err == nil; i++ {
		var next, root bsonx.Doc
		if next, err = get(ctx, v.p.bases[i].view, v.colls[i], key); err != nil {
			break
		}
		if root, err = get(ctx, v.roots[i-1].view, v.inner[i-1], key); err != nil {
			break
		}
		out = v.join(root, out, next)
	}
	return out, err
}

func (v *virtual) join(root, a, b bsonx.Doc) bsonx.Doc {
	m := threeWay(Mode{Divergent: true}, Abort, root, a, b)
	switch {
	case !m.conflict:
		return m.doc
	case root == nil || a == nil || b == nil:
		d := bsonx.NewDoc(nil)
		d.Value("_id", v.none)
		return d.Done()
	}
	x := fieldMerge{mode: Mode{Divergent: true}, instead: v.none}
	return x.doc("", root, a, b)
}

// token describes the plan's two ends.
func (p *planner) token() string {
	s := fmt.Sprintf("1 %d %d %d %d", p.plan.Source.Timeline, p.plan.Source.LSN, p.plan.Target.Timeline, p.plan.Target.LSN)
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}

// open reads a token and returns the source's LSN. A target or a source that is
// not the plan's is WriteConflict.
func (p *planner) open(token string, source, target *branch.Ref) (LSN, error) {
	var st, tt branch.Timeline
	var sl, tl LSN
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "1 %d %d %d %d", &st, &sl, &tt, &tl)
	}
	switch {
	case err != nil:
		return 0, errcode.New(errcode.BadValue, "'planToken' is not the token of a plan; take it from the reply of a mergeBranch with dryRun")
	case st != source.Timeline:
		return 0, errcode.New(errcode.WriteConflict, "branch '%s' is not the one that the plan was made for (it was restored or made anew); plan the merge again", source.Branch)
	case tt != target.Timeline || tl != p.plan.Target.LSN:
		return 0, errcode.New(errcode.WriteConflict, "branch '%s' has moved from LSN %d to LSN %d since the plan was made; nothing was merged, plan the merge again", target.Branch, tl, p.plan.Target.LSN)
	case sl > p.tx.Snapshot():
		return 0, errcode.New(errcode.BadValue, "the plan is of another server")
	}
	return sl, nil
}
