package command

import (
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
)

// What commands need by their arguments. A check never fails for an argument that
// the command itself will refuse.

// bypassNeeds: bypassDocumentValidation is an action of its own.
func bypassNeeds(rq *Request, n *needs) error {
	n.bypass(rq.DB, string(firstString(rq)))
	return nil
}

// aggregateNeeds: those of the namespaces that the pipeline touches.
func aggregateNeeds(rq *Request, n *needs) error {
	n.pipeline(rq.DB, string(firstString(rq)), rq.Args.Array("pipeline"))
	return nil
}

// updateNeeds: an upsert inserts.
func updateNeeds(rq *Request, n *needs) error {
	coll := string(firstString(rq))
	for _, u := range rq.Docs("updates") {
		if bsonx.Truthy(bsonx.Lookup(u, "upsert")) {
			n.collection(rq.DB, coll, auth.Insert)
			break
		}
	}
	n.bypass(rq.DB, coll)
	return nil
}

func findAndModifyNeeds(rq *Request, n *needs) error {
	coll := string(firstString(rq))
	switch {
	case rq.Args.Bool("remove", false):
		n.collection(rq.DB, coll, auth.Remove)
	case rq.Args.Bool("upsert", false):
		n.collection(rq.DB, coll, auth.Update, auth.Insert)
	default:
		n.collection(rq.DB, coll, auth.Update)
	}
	n.bypass(rq.DB, coll)
	return nil
}

// bulkWriteNeeds: of each operation on its own namespace.
func bulkWriteNeeds(rq *Request, n *needs) error {
	ns := rq.Docs("nsInfo")
	asked := make([]auth.Set, len(ns))
	for _, op := range rq.Docs("ops") {
		it := bsonx.NewIter(op)
		if !it.Next() || !bsonx.IsNumber(it.Value()) {
			continue
		}
		i := idl.ToInt64(it.Value())
		if i < 0 || i >= int64(len(ns)) {
			continue
		}
		switch string(it.Key()) {
		case "insert":
			asked[i] = asked[i].Union(auth.Of(auth.Insert))
		case "update":
			asked[i] = asked[i].Union(auth.Of(auth.Update))
			if bsonx.Truthy(bsonx.Lookup(op, "upsert")) {
				asked[i] = asked[i].Union(auth.Of(auth.Insert))
			}
		case "delete":
			asked[i] = asked[i].Union(auth.Of(auth.Remove))
		}
	}
	for i, d := range ns {
		db, coll, _ := strings.Cut(stringOf(d, "ns"), ".")
		n.list = append(n.list, need{asked[i], auth.CollectionTarget(db, coll)})
		n.bypass(db, coll)
	}
	return nil
}

func stringOf(d bsonx.Doc, key string) string {
	if v := bsonx.Lookup(d, key); v.Type == bsonx.String {
		return string(bsonx.Str(v))
	}
	return ""
}

// viewNeeds: who makes a view has to be allowed to read what it reads, because
// others read the view without being asked for that.
func viewNeeds(rq *Request, n *needs) error {
	on, pipeline := stringOf(rq.Body, "viewOn"), bsonx.Lookup(rq.Body, "pipeline")
	if on == "" && pipeline.Type != bsonx.Array {
		return nil
	}
	if on != "" {
		n.collection(rq.DB, on, auth.Find)
	}
	if pipeline.Type == bsonx.Array {
		n.stages(rq.DB, on, pipeline.Data, false)
	}
	return nil
}

// cloneNeeds of cloneCollectionAsCapped.
func cloneNeeds(rq *Request, n *needs) error {
	n.collection(rq.DB, string(firstString(rq)), auth.Find)
	n.collection(rq.DB, stringOf(rq.Body, "toCollection"), auth.Insert, auth.CreateCollection, auth.ConvertToCapped)
	return nil
}

// renameNeeds: a rename must not show documents to who could not read them under
// the old name.
func renameNeeds(rq *Request, n *needs) error {
	fromDB, from, _ := strings.Cut(string(firstString(rq)), ".")
	toDB, to, _ := strings.Cut(rq.Args.String("to", ""), ".")
	drop := rq.Args.Get("dropTarget")
	if fromDB == toDB {
		n.collection(fromDB, from, auth.RenameCollectionSameDB)
		n.collection(fromDB, to, auth.RenameCollectionSameDB)
		if !rq.may(auth.CollectionTarget(fromDB, from), auth.Find) && rq.may(auth.CollectionTarget(toDB, to), auth.Find) {
			n.collection(fromDB, from, auth.Find)
		}
	} else {
		n.collection(fromDB, from, auth.Find, auth.DropCollection)
		n.collection(toDB, to, auth.Insert, auth.CreateIndex)
	}
	if drop.Type == bsonx.Binary || bsonx.Truthy(drop) {
		n.collection(toDB, to, auth.DropCollection)
	}
	return nil
}

func filemd5Needs(rq *Request, n *needs) error {
	root := stringOf(rq.Body, "root")
	if root == "" {
		root = "fs"
	}
	n.collection(rq.DB, root+".chunks", auth.Find)
	return nil
}

func dataSizeNeeds(rq *Request, n *needs) error {
	db, coll, _ := strings.Cut(string(firstString(rq)), ".")
	n.collection(db, coll, auth.Find)
	return nil
}

func validateMetadataNeeds(rq *Request, n *needs) error {
	if db := stringOf(rq.Body, "db"); db != "" {
		n.add(auth.DatabaseTarget(db), auth.Validate)
		return nil
	}
	n.add(auth.AnyTarget(), auth.Validate)
	return nil
}

// explainNeeds: those of the command that is explained.
func explainNeeds(rq *Request, n *needs) error {
	inner, err := rq.explained()
	if err != nil {
		return err
	}
	return n.of(inner)
}

// currentOpNeeds: one's own operations anyone may list.
func currentOpNeeds(rq *Request, n *needs) error {
	if !bsonx.Truthy(bsonx.Lookup(rq.Body, "$ownOps")) {
		n.cluster(auth.Inprog)
	}
	return nil
}

// listDatabasesNeeds: without the privilege to list all, one sees one's own.
func listDatabasesNeeds(rq *Request, n *needs) error {
	if rq.Args.Has("authorizedDatabases") && !rq.Args.Bool("authorizedDatabases", true) {
		n.cluster(auth.ListDatabases)
	}
	return nil
}

// listCollectionsNeeds: with authorizedCollections and nameOnly, one sees one's own.
func listCollectionsNeeds(rq *Request, n *needs) error {
	own := rq.Args.Bool("authorizedCollections", false) && rq.Args.Bool("nameOnly", false)
	if p := rq.Conn.Auth.principal; own && p != nil && p.MaySome(rq.DB, rq.Services.defaultBranch) {
		return nil
	}
	n.add(auth.DatabaseTarget(rq.DB), auth.ListCollections)
	return nil
}

// createBranchNeeds: a branch shows the documents of the one it is made from.
func createBranchNeeds(rq *Request, n *needs) error {
	n.branch(rq.Args.String("from", ""), auth.Find)
	n.point(rq.DB, rq.Args.Get("at"))
	return nil
}

// listBranchesNeeds and listTagsNeeds: one sees those that one may list.
func listBranchesNeeds(rq *Request, n *needs) error { return n.within(auth.ListBranches) }
func listTagsNeeds(rq *Request, n *needs) error     { return n.within(auth.ListTags) }

// within asks for an action somewhere in the request's project.
func (n *needs) within(action auth.Action) error {
	if !n.rq.mayWithin(auth.HomeDB(n.rq.DB), auth.Of(action)) {
		n.add(auth.DatabaseTarget(n.rq.DB), action)
	}
	return nil
}

func createTagNeeds(rq *Request, n *needs) error {
	n.branch(rq.Args.String("branch", ""), auth.CreateTag)
	n.point(rq.DB, rq.Args.Get("at"))
	return nil
}

// dropBranchNeeds: force drops other branches too.
func dropBranchNeeds(rq *Request, n *needs) error {
	if rq.Args.Bool("force", false) {
		n.add(auth.ProjectTarget(rq.DB), auth.DropBranch)
	}
	return nil
}

func renameBranchNeeds(rq *Request, n *needs) error {
	n.branch(rq.Args.String("to", ""), auth.UpdateBranch)
	return n.protected(string(firstString(rq)))
}

// updateBranchNeeds: who takes a protection away could write then.
func updateBranchNeeds(rq *Request, n *needs) error {
	if rq.Args.Bool("default", false) {
		n.add(auth.ProjectTarget(rq.DB), auth.UpdateBranch)
	}
	if rq.Args.Has("protected") && !rq.Args.Bool("protected", true) {
		return n.protected(string(firstString(rq)))
	}
	return nil
}

// protected asks for writeProtectedBranch when the branch is protected.
func (n *needs) protected(name string) error {
	if b := n.rq.Services.Branches; b != nil {
		if _, is := b.Peek(auth.HomeDB(n.rq.DB), name); is {
			n.branch(name, auth.WriteProtectedBranch)
		}
	}
	return nil
}

// restoreNeeds: a branch that is restored to another one shows its documents, and
// the branch's former state becomes a branch of its own.
func restoreNeeds(rq *Request, n *needs) error {
	n.point(rq.DB, rq.Args.Find("to"))
	n.point(rq.DB, rq.Args.Find("at"))
	if s := stringOf(rq.Body, "source"); s != "" {
		n.branch(s, auth.Find)
	}
	if s := stringOf(rq.Body, "backup"); s != "" {
		n.branch(s, auth.CreateBranch)
	}
	return nil
}

// resetNeeds: a reset takes the state of the branch's parent.
func resetNeeds(rq *Request, n *needs) error {
	n.branch(n.parentOf(string(firstString(rq))), auth.Find)
	return restoreNeeds(rq, n)
}

// parentOf is the branch that a branch was made from; "", the default one, when
// there is none.
func (n *needs) parentOf(name string) string {
	if b := n.rq.Services.Branches; b != nil {
		return b.ParentName(auth.HomeDB(n.rq.DB), name)
	}
	return ""
}

func docHistoryNeeds(rq *Request, n *needs) error {
	t := auth.CollectionTarget(rq.DB, string(firstString(rq)))
	if b := rq.Args.String("branch", ""); b != "" {
		t.Branch = b
	}
	n.add(t, auth.Find, auth.ReadHistory)
	return nil
}

func diffNeeds(rq *Request, n *needs) error {
	name := string(firstString(rq))
	against := rq.Args.String("against", "")
	if against == "" {
		against = n.parentOf(name)
	}
	n.point(rq.DB, rq.Args.Get("from"))
	n.point(rq.DB, rq.Args.Get("to"))
	for _, b := range []string{name, against} {
		n.branch(b, auth.Find, auth.ReadHistory)
	}
	return nil
}

// mergeNeeds: the source is read, the target written.
func mergeNeeds(rq *Request, n *needs) error {
	name := string(firstString(rq))
	into := rq.Args.String("into", "")
	if into == "" {
		into = n.parentOf(name)
	}
	n.branch(name, auth.Find, auth.ReadHistory)
	n.branch(into, auth.Find, auth.MergeBranch)
	return nil
}
