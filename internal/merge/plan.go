package merge

import (
	"context"
	"hash/maphash"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// Names of lower packages' types.
type (
	LSN   = branch.LSN
	Level = branch.Level
)

// Service merges. It is safe for concurrent use.
type Service struct {
	Branches *branch.Service
	Txns     *txn.Manager
	Catalog  *catalog.Catalog
	Clock    clock.Clock
}

// Version names a point that a plan is about.
type Version struct {
	Branch   string // "" for a base that no branch's own line has any more
	Timeline branch.Timeline
	LSN      LSN
}

// DDLChange is one change of the catalog that a plan makes.
type DDLChange struct {
	Op         string // create, drop, rename, modify, createIndexes, dropIndexes
	Collection string
	To         string // rename
	Indexes    []string
	Specs      []bsonx.Doc // createIndexes, modify: the specifications
	Type       string      // create: collection, view or timeseries
	Options    bsonx.Doc   // modify and create: the options that result
}

// Conflict is one document (or definition of a collection) that both sides have
// changed. A nil document is not there.
type Conflict struct {
	Collection string
	// DDL says what of a collection's definition is in conflict: drop, rename,
	// options or index; "" for a document.
	DDL                  string
	ID                   bsonx.Value
	Paths                []string
	Base, Source, Target bsonx.Doc
}

// Plan is what a merge, a revert or a cherry-pick does.
type Plan struct {
	Base, Source, Target      Version
	Inserts, Updates, Deletes int64
	Collections               []branch.CollectionChanges
	DDL                       []DDLChange
	// Conflicts that nothing settled, and how many there are; documents of very
	// many are not kept.
	Conflicts     []Conflict
	ConflictCount int64
	// Settled counts the conflicts that a strategy or a resolution decided.
	Settled int64
}

// Limits of what one plan holds in memory, in bytes.
const (
	maxConflictBytes = 6 << 20
	maxPlanBytes     = txn.DefaultMaxBytes
)

// Options are what a merge, a revert and a cherry-pick have in common.
type Options struct {
	Strategy    Strategy
	Resolutions []Resolution
	DryRun      bool
	Info        txn.CommitInfo
}

func (o *Options) check() error {
	if o.Strategy == "" {
		o.Strategy = Abort
	}
	for i := range o.Resolutions {
		if err := o.Resolutions[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// side is one of the points that a plan compares.
type side struct {
	levels []Level
	snap   *catalog.Snapshot
	view   *txn.View
}

// docOp is one document to write.
type docOp struct {
	t   *triple
	key []byte    // of the row on the target; nil: an insert finds it
	doc bsonx.Doc // nil: delete
	had uint64    // hash of the document that the target had; 0 for none
}

// planner makes one plan.
type planner struct {
	*Service
	o       *Options
	tx      *txn.Txn
	hold    *txn.Txn // keeps the target's writers out; nil: they may overtake
	bases   []side
	source  side
	target  side
	triples []*triple
	renamed []*triple // in the order in which it is done
	plan    *Plan
	ops     []docOp
	size    int
	held    int // bytes of conflicts
	seed    maphash.Seed
}

// planner begins a plan. attempt is how often one was overtaken by others' writes.
func (s *Service) planner(ctx context.Context, o *Options, target *branch.Ref, attempt int) (*planner, error) {
	var hold *txn.Txn
	if attempt >= freeAttempts && !o.DryRun {
		var err error
		if hold, err = s.shut(ctx, target); err != nil {
			return nil, err
		}
	}
	p, err := s.newPlanner(o, target, hold)
	if err != nil && hold != nil {
		hold.Abort()
	}
	return p, err
}

func (s *Service) newPlanner(o *Options, target *branch.Ref, hold *txn.Txn) (*planner, error) {
	headLSN, err := s.Branches.Head(target) // before the snapshot: what comes between is in the plan, and ends its token
	if err != nil {
		return nil, err
	}
	p := &planner{Service: s, o: o, plan: &Plan{}, seed: maphash.MakeSeed(), tx: s.Txns.Begin(txn.Options{}), hold: hold}
	p.plan.Target = Version{Branch: target.Branch, Timeline: target.Timeline, LSN: headLSN}
	if p.target, err = p.side(target.Levels); err != nil {
		p.tx.Abort()
		return nil, err
	}
	return p, nil
}

func (p *planner) close() {
	p.tx.Abort()
	if p.hold != nil {
		p.hold.Abort()
	}
}

func (p *planner) side(levels []Level) (side, error) {
	v := p.tx.View(levels, false)
	snap, err := p.Catalog.Snapshot(v)
	return side{levels: v.Levels(), snap: snap, view: v}, err
}

func (p *planner) hash(doc bsonx.Doc) uint64 { return hashOf(p.seed, doc) }

func hashOf(seed maphash.Seed, doc bsonx.Doc) uint64 {
	if doc == nil {
		return 0
	}
	return maphash.Bytes(seed, doc) | 1
}

// row finds the target's row and document for a document's _id. key is that of
// the source's row, which serves where both have one collection.
func (p *planner) row(ctx context.Context, t *triple, key []byte, id bsonx.Value) ([]byte, bsonx.Doc, error) {
	if t.target == nil {
		return nil, nil, nil
	}
	if t.coll == nil {
		var err error
		if t.coll, err = exec.Compile(t.target); err != nil {
			return nil, nil, err
		}
	}
	if key == nil || t.target.ID != idOf(t.source) && t.target.ID != idOf(t.base) || t.target.ByRecordID {
		var err error
		if key, err = exec.FindKey(ctx, p.target.view, t.coll, id); err != nil || key == nil {
			return nil, nil, err
		}
	}
	doc, err := p.target.view.Get(ctx, t.target.ID, key)
	return append([]byte(nil), key...), doc, err
}

// step is one change to bring to the target: from base to source.
type step struct {
	base, source bsonx.Doc
	// shown is the base in the report of a conflict, if not base.
	shown bsonx.Doc
}

func (s *step) root() bsonx.Doc {
	if s.shown != nil {
		return s.shown
	}
	return s.base
}

// decide merges the steps of one document into the target's and notes what is to
// be done.
func (p *planner) decide(ctx context.Context, t *triple, key []byte, steps []step) error {
	var id bsonx.Value
	for _, s := range steps {
		for _, d := range []bsonx.Doc{s.source, s.base} {
			if d != nil && bsonx.IsMissing(id) {
				id = bsonx.Lookup(d, "_id")
			}
		}
	}
	key, target, err := p.row(ctx, t, key, id)
	if err != nil {
		return err
	}
	m := merged{doc: target}
	var last step
	for _, s := range steps {
		r := threeWay(modeOf(t.target), p.o.Strategy, s.base, s.source, m.doc)
		m.doc = r.doc
		if r.conflict {
			m.conflict = true
			m.paths = append(m.paths, r.paths...)
			last = s
		}
	}
	if m.conflict {
		settled, err := p.conflict(t, id, &m, last, target)
		if err != nil || !settled {
			return err
		}
	}
	if equalDocs(m.doc, target) {
		return nil
	}
	return p.write(t, key, m.doc, target)
}

// write notes a write and counts it.
func (p *planner) write(t *triple, key []byte, doc, had bsonx.Doc) error {
	t.counts.Add(had != nil, doc != nil)
	switch {
	case had == nil:
		p.plan.Inserts++
	case doc == nil:
		p.plan.Deletes++
	default:
		p.plan.Updates++
	}
	if p.o.DryRun || p.plan.ConflictCount > 0 {
		return nil
	}
	if p.size += len(doc) + len(key); p.size > maxPlanBytes {
		return errcode.New(errcode.TransactionTooLarge,
			"the merge writes more than %d bytes, which is the limit of one commit; merge in parts: cherry-pick ranges of commits", maxPlanBytes)
	}
	op := docOp{t: t, key: key, had: p.hash(had)}
	if doc != nil {
		op.doc = append(bsonx.Doc(nil), doc...)
	}
	p.ops = append(p.ops, op)
	return nil
}

// conflict looks for what settles a conflict; settled: m.doc is the result.
func (p *planner) conflict(t *triple, id bsonx.Value, m *merged, s step, target bsonx.Doc) (settled bool, err error) {
	name := t.label()
	for i := range p.o.Resolutions {
		r := &p.o.Resolutions[i]
		if r.Collection != name || bsonx.IsMissing(r.ID) || !bsonx.Equal(r.ID, id) {
			continue
		}
		p.plan.Settled++
		switch r.Take {
		case "source":
			m.doc = s.source
		case "target":
			m.doc = target
		case "base":
			m.doc = s.root()
		default:
			m.doc, err = r.result()
		}
		return true, err
	}
	if p.o.Strategy != Abort {
		p.plan.Settled++
		return true, nil
	}
	p.report(Conflict{Collection: name, ID: id, Paths: m.paths, Base: s.root(), Source: s.source, Target: target})
	return false, nil
}

// report adds a conflict to the plan, with copies of its documents.
func (p *planner) report(c Conflict) {
	p.plan.ConflictCount++
	p.ops, p.size = nil, 0 // nothing will be written
	p.held += 256 + len(c.Base) + len(c.Source) + len(c.Target)
	if p.held > maxConflictBytes && len(p.plan.Conflicts) > 0 {
		return
	}
	cp := func(d bsonx.Doc) bsonx.Doc {
		if d == nil {
			return nil
		}
		return append(bsonx.Doc(nil), d...)
	}
	c.Base, c.Source, c.Target, c.ID = cp(c.Base), cp(c.Source), cp(c.Target), bsonx.Clone(c.ID)
	p.plan.Conflicts = append(p.plan.Conflicts, c)
}

// finish puts the counts into the plan.
func (p *planner) finish() {
	for _, t := range p.triples {
		if n := t.counts; n.Inserts+n.Updates+n.Deletes > 0 {
			n.Name = t.name
			if n.Name == "" {
				n.Name = t.label()
			}
			p.plan.Collections = append(p.plan.Collections, n)
		}
	}
}
