package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
)

var listDatabasesCommand = &Spec{
	Name: "listDatabases",
	Args: idl.Command("listDatabases",
		idl.Field{Name: "listDatabases", Types: idl.Any, Required: true},
		idl.Field{Name: "filter", Types: idl.Object},
		idl.Field{Name: "nameOnly", Types: idl.SafeBool},
		idl.Field{Name: "authorizedDatabases", Types: idl.SafeBool},
	),
	Flags:     AdminOnly | Read | APIv1,
	Privilege: forUsers(listDatabasesNeeds),
	Help:      "lists the projects whose default branch has collections",
	Run:       runListDatabases,
}

func runListDatabases(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	s, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	nameOnly := rq.Args.Bool("nameOnly", false)
	var docs []bsonx.Doc
	all := !rq.Args.Bool("authorizedDatabases", false) && rq.may(auth.ClusterTarget(), auth.ListDatabases)
	for _, p := range rq.Services.Branches.ListProjects() {
		if !all && !rq.mayWithin(p.Name, auth.All()) {
			continue
		}
		d, err := s.db(ctx, p.Name)
		if err != nil {
			return err
		}
		if d.snap.Len() == 0 {
			continue
		}
		size, err := d.dataSize()
		if err != nil {
			return err
		}
		b := bsonx.NewDoc(nil)
		b.String("name", p.Name)
		if !nameOnly {
			b.Int64("sizeOnDisk", size)
			b.Bool("empty", false)
		}
		docs = append(docs, b.Done())
	}
	if f := rq.Args.Doc("filter"); f != nil {
		if docs, err = rq.kept(ctx, f, docs); err != nil {
			return err
		}
	}
	var total int64
	list := reply.OpenArray("databases")
	for i, d := range docs {
		reply.Doc(bsonx.Index(i), d)
		if v := bsonx.Lookup(d, "sizeOnDisk"); v.Type == bsonx.Int64 {
			total += bsonx.I64(v)
		}
	}
	reply.Close(list)
	if !nameOnly {
		reply.Int64("totalSize", total)
		reply.Int64("totalSizeMb", total>>20)
	}
	return nil
}

// dataSize is the size of a database's documents in bytes.
func (d *database) dataSize() (int64, error) {
	var total int64
	for _, name := range d.snap.Names() {
		if c, ok := d.snap.Collection(name); ok && c.ID != 0 {
			_, size, err := d.view.Count(c.ID)
			if err != nil {
				return 0, err
			}
			total += size
		}
	}
	return total, nil
}
