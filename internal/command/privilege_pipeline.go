package command

import (
	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
)

// The privileges of a pipeline are those of the namespaces it touches. A view is
// read by who may read the view: what it reads in turn was checked when it was
// made.

// sources are first stages that read something else than the collection's
// documents, or ask for more than find.
var sources = map[string]func(n *needs, db, coll string, arg bsonx.Value){
	"$documents": func(*needs, string, string, bsonx.Value) {},
	"$currentOp": func(n *needs, _, _ string, arg bsonx.Value) {
		if arg.Type == bsonx.Object && bsonx.Truthy(bsonx.Lookup(arg.Data, "allUsers")) {
			n.cluster(auth.Inprog)
		}
	},
	"$listSessions":      listSessionsNeeds,
	"$listLocalSessions": listSessionsNeeds,
	"$collStats":         stageNeeds(auth.CollStats),
	"$indexStats":        stageNeeds(auth.IndexStats),
	"$planCacheStats":    stageNeeds(auth.PlanCacheRead),
	"$listSearchIndexes": stageNeeds(auth.ListSearchIndexes),
	"$history":           stageNeeds(auth.Find, auth.ReadHistory),
	"$changeStream": func(n *needs, db, coll string, arg bsonx.Value) {
		if arg.Type == bsonx.Object && bsonx.Truthy(bsonx.Lookup(arg.Data, "allChangesForCluster")) {
			n.add(auth.AnyTarget(), auth.Find, auth.ChangeStream)
			return
		}
		n.collection(db, coll, auth.Find, auth.ChangeStream)
	},
	"$diff": func(n *needs, db, coll string, arg bsonx.Value) {
		n.collection(db, coll, auth.Find, auth.ReadHistory)
		if arg.Type == bsonx.Object {
			n.point(db, bsonx.Lookup(arg.Data, "from"))
			n.point(db, bsonx.Lookup(arg.Data, "to"))
			if v := bsonx.Lookup(arg.Data, "against"); v.Type == bsonx.String {
				t := auth.BranchTarget(db, string(bsonx.Str(v)))
				t.Collection = coll
				n.add(t, auth.Find, auth.ReadHistory)
			}
		}
	},
	"$listClusterCatalog": func(n *needs, db, _ string, _ bsonx.Value) {
		if db == "admin" {
			n.cluster(auth.ListClusterCatalog)
			return
		}
		n.add(auth.DatabaseTarget(db), auth.ListCollections)
	},
	"$listCatalog": func(n *needs, db, coll string, _ bsonx.Value) {
		if coll == "" {
			n.cluster(auth.ListClusterCatalog)
			return
		}
		n.collection(db, coll, auth.ListCollections)
	},
	"$queryStats":              clusterStageNeeds(auth.QueryStatsRead),
	"$querySettings":           clusterStageNeeds(auth.QuerySettings),
	"$listSampledQueries":      clusterStageNeeds(auth.ListSampledQueries),
	"$shardedDataDistribution": clusterStageNeeds(auth.ShardedDataDistribution),
	"$operationMetrics":        clusterStageNeeds(auth.OperationMetrics),
}

func stageNeeds(actions ...auth.Action) func(*needs, string, string, bsonx.Value) {
	return func(n *needs, db, coll string, _ bsonx.Value) { n.collection(db, coll, actions...) }
}

func clusterStageNeeds(a auth.Action) func(*needs, string, string, bsonx.Value) {
	return func(n *needs, _, _ string, _ bsonx.Value) { n.cluster(a) }
}

// listSessionsNeeds: one's own sessions anyone may list.
func listSessionsNeeds(n *needs, _, _ string, arg bsonx.Value) {
	if arg.Type != bsonx.Object {
		return
	}
	others := bsonx.Truthy(bsonx.Lookup(arg.Data, "allUsers"))
	if v := bsonx.Lookup(arg.Data, "users"); v.Type == bsonx.Array {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			u, db := bsonx.Lookup(it.Value().Data, "user"), bsonx.Lookup(it.Value().Data, "db")
			if u.Type != bsonx.String || db.Type != bsonx.String {
				continue // the stage itself says what is wrong
			}
			own := auth.Name{Name: string(bsonx.Str(u)), DB: string(bsonx.Str(db))}
			others = others || own.String() != n.rq.Conn.Info.User
		}
	}
	if others {
		n.cluster(auth.ListSessions)
	}
}

// pipeline asks for what a pipeline on a collection ("": on the database) touches.
func (n *needs) pipeline(db, coll string, stages bsonx.Arr) { n.stages(db, coll, stages, true) }

// stages walks a pipeline; reads says that it reads the collection itself. The
// depth of a document is bounded, and so is that of its pipelines.
func (n *needs) stages(db, coll string, list bsonx.Arr, reads bool) {
	for it := bsonx.NewIter(list); it.Next(); {
		if it.Value().Type != bsonx.Object {
			continue
		}
		f := bsonx.NewIter(it.Value().Data)
		if !f.Next() {
			continue
		}
		name, arg := string(f.Key()), f.Value()
		if source, ok := sources[name]; ok {
			source(n, db, coll, arg)
			reads = false
			continue
		}
		if reads && coll != "" && name != "$rankFusion" && name != "$scoreFusion" {
			n.collection(db, coll, auth.Find)
			reads = false
		}
		n.stage(db, coll, name, arg)
	}
	if reads && coll != "" {
		n.collection(db, coll, auth.Find)
	}
}

// stage asks for the other namespaces of one stage.
func (n *needs) stage(db, coll, name string, arg bsonx.Value) {
	switch name {
	case "$lookup", "$graphLookup":
		if arg.Type != bsonx.Object {
			return
		}
		fdb, from := namespaceOf(db, bsonx.Lookup(arg.Data, "from"))
		p := bsonx.Lookup(arg.Data, "pipeline")
		if p.Type == bsonx.Array && name == "$lookup" {
			n.pipeline(fdb, from, p.Data)
		} else if from != "" {
			n.collection(fdb, from, auth.Find)
		}
	case "$unionWith":
		udb, from := namespaceOf(db, arg)
		if arg.Type == bsonx.Object {
			if p := bsonx.Lookup(arg.Data, "pipeline"); p.Type == bsonx.Array {
				n.pipeline(udb, from, p.Data)
				return
			}
		}
		n.collection(udb, from, auth.Find)
	case "$facet":
		n.each(db, coll, arg, false)
	case "$rankFusion", "$scoreFusion":
		if in := bsonx.Lookup(objectOf(arg), "input"); in.Type == bsonx.Object {
			n.each(db, coll, bsonx.Lookup(in.Data, "pipelines"), true)
		}
	case "$out":
		odb, to := namespaceOf(db, arg)
		n.collection(odb, to, auth.Insert, auth.Remove)
		n.bypass(odb, to)
	case "$merge":
		n.merge(db, arg)
	}
}

// each walks the pipelines that are the fields of a document.
func (n *needs) each(db, coll string, v bsonx.Value, reads bool) {
	for it := bsonx.NewIter(objectOf(v)); it.Next(); {
		if it.Value().Type == bsonx.Array {
			n.stages(db, coll, it.Value().Data, reads)
		}
	}
}

func (n *needs) merge(db string, arg bsonx.Value) {
	into := arg
	if arg.Type == bsonx.Object {
		if v := bsonx.Lookup(arg.Data, "into"); v.Type != bsonx.Missing {
			into = v
		}
	}
	mdb, to := namespaceOf(db, into)
	matched, not := bsonx.Lookup(objectOf(arg), "whenMatched"), bsonx.Lookup(objectOf(arg), "whenNotMatched")
	if is(matched, "replace", "merge") || matched.Type == bsonx.Missing || matched.Type == bsonx.Array {
		n.collection(mdb, to, auth.Update)
	}
	if is(not, "insert") || not.Type == bsonx.Missing || is(matched, "replace", "merge") {
		n.collection(mdb, to, auth.Insert)
	}
	n.collection(mdb, to)
	n.bypass(mdb, to)
}

// bypass asks for bypassDocumentValidation where the command has it.
func (n *needs) bypass(db, coll string) {
	if bsonx.Truthy(bsonx.Lookup(n.rq.Body, "bypassDocumentValidation")) {
		n.collection(db, coll, auth.BypassDocumentValidation)
	}
}

func is(v bsonx.Value, words ...string) bool {
	if v.Type != bsonx.String {
		return false
	}
	for _, w := range words {
		if string(bsonx.Str(v)) == w {
			return true
		}
	}
	return false
}

func objectOf(v bsonx.Value) bsonx.Doc {
	if v.Type == bsonx.Object {
		return v.Data
	}
	return bsonx.EmptyDoc
}

// namespaceOf reads a collection's name or {db, coll}.
func namespaceOf(db string, v bsonx.Value) (string, string) {
	if v.Type == bsonx.String {
		return db, string(bsonx.Str(v))
	}
	d := objectOf(v)
	if o := bsonx.Lookup(d, "db"); o.Type == bsonx.String {
		db = string(bsonx.Str(o))
	}
	if c := bsonx.Lookup(d, "coll"); c.Type == bsonx.String {
		return db, string(bsonx.Str(c))
	}
	return db, ""
}
