package command

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"syscall"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/txn"
)

// scanAll scans a whole collection.
var scanAll = txn.ScanOptions{}

// diskUsage is how much of the file system that holds dir is used, in bytes.
func diskUsage(dir string) (used, total int64) {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return 0, 0
	}
	total = int64(st.Blocks) * int64(st.Bsize)
	return total - int64(st.Bfree)*int64(st.Bsize), total
}

var validateCommand = &Spec{
	Name: "validate",
	Args: idl.Command("validate", idl.Field{Name: "validate", Types: idl.Any, Required: true}, idl.Field{Name: "full", Types: idl.Any},
		idl.Field{Name: "repair", Types: idl.Any}, idl.Field{Name: "fixMultikey", Types: idl.Any}, idl.Field{Name: "metadata", Types: idl.Any},
		idl.Field{Name: "background", Types: idl.Any}, idl.Field{Name: "checkBSONConformance", Types: idl.Any},
		idl.Field{Name: "enforceFastCount", Types: idl.Any}).Lenient(),
	Flags: Read, Privilege: onCollection(auth.Validate), Help: "checks a collection's documents and index entries", Run: runValidate,
}

// validateConflicts are options of validate that do not go together.
var validateConflicts = [][2]string{{"background", "full"}, {"background", "enforceFastCount"}, {"background", "repair"},
	{"repair", "enforceFastCount"}, {"repair", "checkBSONConformance"}, {"metadata", "background"}, {"metadata", "full"},
	{"metadata", "enforceFastCount"}, {"metadata", "repair"}, {"metadata", "checkBSONConformance"}}

func runValidate(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	on := func(n string) bool { return bsonx.Truthy(rq.Args.Get(n)) }
	for _, c := range validateConflicts {
		if on(c[0]) && on(c[1]) {
			return invalidOptions("Running the validate command with both { %s: true } and { %s: true } is not supported.", c[0], c[1])
		}
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.entry == nil {
		return errcode.New(errcode.NamespaceNotFound, "Collection '%s' does not exist to validate.", t.ns())
	}
	if err := mustBeCollection(t); err != nil {
		return err
	}
	v := &validation{s: s, t: t, keys: map[string]int64{}}
	if !on("metadata") {
		if err := v.run(ctx); err != nil {
			return err
		}
	}
	v.report(b)
	return nil
}

// validation is one run of validate.
type validation struct {
	s        *source
	t        *target
	records  int64
	invalid  int64
	keys     map[string]int64 // entries by index
	problems []string
}

const maxProblems = 20

func (v *validation) problem(text string) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, text)
	}
}

// run looks at each document: it must be well-formed, and each of its index
// entries must be there.
func (v *validation) run(ctx context.Context) error {
	t := v.t
	q, err := v.s.newQuery(ctx, t, nil, nil)
	if err != nil {
		return err
	}
	w := &exec.Writer{View: t.db.view, Coll: t.coll, NS: t.ns(), Env: q.env()}
	it := t.db.view.Scan(t.entry.ID, scanAll)
	defer func() { _ = it.Close() }()
	for it.Next() {
		if err := exec.Interrupted(ctx); err != nil {
			return err
		}
		v.records++
		doc, row := append(bsonx.Doc(nil), it.Value()...), append([]byte(nil), it.Key()...)
		if bsonx.Validate(doc) != nil {
			v.invalid++
			v.problem("a document is damaged")
			continue
		}
		for _, ix := range t.coll.Indexes {
			if ix.Building {
				continue
			}
			err := w.Entries(ix, doc, func(key, _ []byte) error {
				v.keys[ix.Spec.Name]++
				full := append(append([]byte(nil), key...), row...)
				e := t.db.view.ScanIndex(t.entry.ID, ix.ID, txn.ScanOptions{Lower: full, Upper: append(full[:len(full):len(full)], 0)})
				defer func() { _ = e.Close() }()
				if !e.Next() {
					v.problem("an entry of index " + ix.Spec.Name + " is missing")
				}
				return e.Err()
			})
			if err != nil {
				v.problem("index " + ix.Spec.Name + ": " + err.Error())
			}
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	n, _, err := t.db.view.Count(t.entry.ID)
	if err == nil && n != v.records {
		v.problem("the count of documents is wrong")
	}
	return err
}

func (v *validation) report(b *bsonx.Builder) {
	e := v.t.entry
	b.String("ns", v.t.ns())
	b.Binary("uuid", 4, e.UUID[:])
	appendNumber(b, "nInvalidDocuments", v.invalid)
	b.Int32("nNonCompliantDocuments", 0)
	appendNumber(b, "nrecords", v.records)
	b.Int32("nIndexes", int32(countIndexes(e)))
	keys := b.OpenDoc("keysPerIndex")
	for _, ix := range listedIndexes(e) {
		n := v.keys[ix.Name]
		if ix.ID == catalog.IDIndex {
			n = v.records
		}
		appendNumber(b, ix.Name, n)
	}
	b.Close(keys)
	details := b.OpenDoc("indexDetails")
	for _, ix := range listedIndexes(e) {
		at := b.OpenDoc(ix.Name)
		b.Bool("valid", true)
		b.Doc("spec", ix.Spec)
		b.Close(at)
	}
	b.Close(details)
	b.Bool("valid", len(v.problems) == 0)
	b.Bool("repaired", false)
	b.Bool("repairMode", false)
	b.Close(b.OpenArray("warnings"))
	errs := b.OpenArray("errors")
	for i, p := range v.problems {
		b.String(bsonx.Index(i), p)
	}
	b.Close(errs)
	for _, n := range []string{"extraIndexEntries", "missingIndexEntries", "corruptRecords"} {
		b.Close(b.OpenArray(n))
	}
}

var apiParametersSpec = idl.New("validateDBMetadata.apiParameters",
	idl.Field{Name: "version", Types: idl.String, Required: true},
	idl.Field{Name: "strict", Types: idl.Any, Check: wantBool("strict")},
	idl.Field{Name: "deprecationErrors", Types: idl.Any, Check: wantBool("deprecationErrors")})

func wantBool(name string) func(bsonx.Value) error {
	return func(v bsonx.Value) error {
		if v.Type != bsonx.Bool {
			return idl.WrongType("validateDBMetadata.apiParameters."+name, v.Type, idl.Bool)
		}
		return nil
	}
}

var validateDBMetadataCommand = &Spec{
	Name: "validateDBMetadata",
	Args: idl.Command("validateDBMetadata", idl.Field{Name: "validateDBMetadata", Types: idl.Any},
		idl.Field{Name: "db", Types: idl.String}, idl.Field{Name: "collection", Types: idl.String},
		idl.Field{Name: "apiParameters", Types: idl.Object, Required: true, Check: func(v bsonx.Value) error {
			var a idl.Args
			return apiParametersSpec.Decode(v.Data, &a)
		}}),
	Flags: Read, Privilege: forUsers(validateMetadataNeeds), Help: "finds what the stable API does not allow", Run: runValidateDBMetadata,
}

func runValidateDBMetadata(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	api := rq.Args.Doc("apiParameters")
	strict := bsonx.Truthy(bsonx.Lookup(api, "strict")) && string(bsonx.Str(bsonx.Lookup(api, "version"))) == "1"
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var dbs []string
	if rq.Args.Has("db") {
		dbs = []string{rq.Args.String("db", "")}
	} else {
		for _, p := range rq.Services.Branches.ListProjects() {
			dbs = append(dbs, p.Name)
		}
	}
	at := b.OpenArray("apiVersionErrors")
	n := 0
	for _, name := range dbs {
		if !strict || CheckDatabase(name) != nil {
			break
		}
		d, err := s.db(ctx, name)
		if err != nil {
			return err
		}
		for _, coll := range d.snap.Names() {
			if only := rq.Args.String("collection", coll); only != coll {
				continue
			}
			e, _ := d.snap.Collection(coll)
			n = appendAPIErrors(b, n, name, e)
		}
	}
	b.Close(at)
	return nil
}

// appendAPIErrors appends the indexes that API version 1 does not have: text and
// sparse ones.
func appendAPIErrors(b *bsonx.Builder, n int, db string, e *catalog.Collection) int {
	for _, ix := range e.Indexes {
		if !bsonx.Truthy(bsonx.Lookup(ix.Spec, "sparse")) && bsonx.IsMissing(bsonx.Lookup(ix.Spec, "textIndexVersion")) {
			continue
		}
		at := b.OpenDoc(bsonx.Index(n))
		b.String("ns", db+"."+e.Name)
		b.Int32("code", int32(errcode.APIStrictError))
		b.String("codeName", errcode.APIStrictError.Name())
		b.String("errmsg", "The index with name "+ix.Name+" is not allowed in API version 1.")
		b.Close(at)
		n++
	}
	return n
}

var dbHashCommand = &Spec{
	Name: "dbHash", Aliases: []string{"dbhash"},
	Args:  idl.Command("dbHash", idl.Field{Name: "dbHash", Types: idl.Any}, idl.Field{Name: "collections", Types: idl.Any}).Lenient(),
	Flags: Read, Privilege: onDatabase(auth.DbHash), Help: "hashes of a database's collections", Run: runDBHash,
}

func runDBHash(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	only := map[string]bool{}
	if v := rq.Args.Get("collections"); v.Type == bsonx.Array {
		for _, e := range bsonx.Values(nil, v.Data) {
			if e.Type != bsonx.String {
				return badValue("collections entries have to be strings")
			}
			only[string(bsonx.Str(e))] = true
		}
	}
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.db(ctx, rq.DB)
	if err != nil {
		return err
	}
	all := md5.New()
	sums := bsonx.NewDoc(nil)
	uuids := bsonx.NewDoc(nil)
	var capped []string
	for _, name := range d.snap.Names() {
		e, _ := d.snap.Collection(name)
		if e.ID == 0 || len(only) > 0 && !only[name] {
			continue
		}
		sum := md5.New()
		it := d.view.Scan(e.ID, scanAll)
		for it.Next() {
			_, _ = sum.Write(it.Value()) // never fails
		}
		err := it.Err()
		_ = it.Close()
		if err != nil {
			return err
		}
		text := hex.EncodeToString(sum.Sum(nil))
		sums.String(name, text)
		uuids.Binary(name, 4, e.UUID[:])
		if bsonx.Truthy(e.Option("capped")) {
			capped = append(capped, name)
		}
		_, _ = all.Write([]byte(name + text)) // never fails
	}
	b.String("host", rq.Services.Host.Address)
	b.Doc("collections", sums.Done())
	at := b.OpenArray("capped")
	for i, n := range capped {
		b.String(bsonx.Index(i), n)
	}
	b.Close(at)
	b.Doc("uuids", uuids.Done())
	b.String("md5", hex.EncodeToString(all.Sum(nil)))
	b.Int32("timeMillis", 0)
	return nil
}

var compactCommand = &Spec{
	Name: "compact",
	Args: idl.Command("compact", idl.Field{Name: "compact", Types: idl.Any, Required: true}, idl.Field{Name: "force", Types: idl.SafeBool},
		idl.Field{Name: "freeSpaceTargetMB", Types: idl.Number, Min: 1, Max: idl.NoMax}, idl.Field{Name: "dryRun", Types: idl.SafeBool}),
	Privilege: onCollection(auth.Compact),
	Help:      "nothing: the store compacts itself", Run: func(ctx context.Context, rq *Request, b *bsonx.Builder) error {
		name, err := rq.Collection()
		if err != nil {
			return err
		}
		s, err := rq.openSource(ctx)
		if err != nil {
			return err
		}
		defer s.close()
		t, err := s.target(ctx, rq.DB, name)
		if err != nil {
			return err
		}
		if t.entry == nil {
			return errcode.New(errcode.NamespaceNotFound, "collection does not exist")
		}
		if err := mustBeCollection(t); err != nil {
			return err
		}
		if rq.Args.Bool("dryRun", false) {
			b.Int32("estimatedBytesFreed", 0)
		} else {
			b.Int32("bytesFreed", 0)
		}
		return nil
	},
}

var reIndexCommand = &Spec{
	Name: "reIndex", Args: idl.Command("reIndex", idl.Field{Name: "reIndex", Types: idl.Any}).Lenient(), Flags: DDL,
	Privilege: onCollection(auth.ReIndex),
	Help:      "refused, as on a replica set",
	Run: func(context.Context, *Request, *bsonx.Builder) error {
		return errcode.New(errcode.IllegalOperation, "reIndex is only allowed on a standalone mongod instance. Drop the index and create it again")
	},
}
