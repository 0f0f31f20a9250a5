package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var dropIndexesCommand = &Spec{
	Name:    "dropIndexes",
	Aliases: []string{"deleteIndexes"},
	Args: idl.Command("dropIndexes",
		idl.Field{Name: "dropIndexes", Types: idl.Any, Required: true},
		idl.Field{Name: "index", Types: idl.Any, Required: true, Check: checkDropIndex},
	),
	Flags:     DDL | APIv1,
	Privilege: onCollection(auth.DropIndex),
	Help:      "drops indexes by name or key; the past still has them",
	Run:       runDropIndexes,
}

func checkDropIndex(v bsonx.Value) error {
	if v.Type != bsonx.String && v.Type != bsonx.Object && v.Type != bsonx.Array {
		return idl.WrongType("dropIndexes.index", v.Type, idl.String|idl.Object|idl.Array)
	}
	return nil
}

func runDropIndexes(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	var was int
	var all bool
	err = rq.write(ctx, func(s *source) error {
		d, err := s.changeable(ctx, rq.DB)
		if err != nil {
			return err
		}
		t := &target{db: d, name: name}
		t.entry, _ = d.snap.Collection(name)
		if err := mustBeCollection(t); err != nil {
			return err
		}
		was = countIndexes(t.entry)
		var names []string
		if names, all, err = indexesToDrop(t.entry, rq.Args.Get("index")); err != nil || len(names) == 0 {
			return err
		}
		_, err = s.sv.Catalog.DropIndexes(ctx, d.view, name, names)
		return err
	})
	if err != nil {
		return err
	}
	reply.Int32("nIndexesWas", int32(was))
	if all {
		reply.String("msg", "non-_id indexes dropped for collection")
	}
	return nil
}

// indexesToDrop turns a name, a key pattern, a list of names or "*" into names.
func indexesToDrop(c *catalog.Collection, v bsonx.Value) (names []string, all bool, err error) {
	switch v.Type {
	case bsonx.Array:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if it.Value().Type != bsonx.String {
				return nil, false, errcode.New(errcode.TypeMismatch, "dropIndexes expects an index name in every element of 'index'")
			}
			n, err := droppable(c, string(bsonx.Str(it.Value())))
			if err != nil {
				return nil, false, err
			}
			names = append(names, n)
		}
		return names, false, nil
	case bsonx.Object:
		for _, ix := range c.Indexes {
			if bsonx.Equal(bsonx.Lookup(ix.Spec, "key"), v) {
				names = append(names, ix.Name)
			}
		}
		switch len(names) {
		case 0:
			return nil, false, errcode.New(errcode.IndexNotFound, "can't find index with key: %s", v.Data)
		case 1:
			n, err := droppable(c, names[0])
			return []string{n}, false, err
		}
		return nil, false, errcode.New(errcode.AmbiguousIndexKeyPattern, "%d indexes found for key: %s, identify by name instead", len(names), v.Data)
	}
	if s := string(bsonx.Str(v)); s != "*" {
		n, err := droppable(c, s)
		return []string{n}, false, err
	}
	for _, ix := range c.Indexes {
		if ix.Name != catalog.IDIndexName {
			names = append(names, ix.Name)
		}
	}
	return names, true, nil
}

func droppable(c *catalog.Collection, name string) (string, error) {
	if isClustered(c) && (name == catalog.IDIndexName || name == string(bsonx.Str(bsonx.Lookup(c.Option("clusteredIndex").Data, "name")))) {
		return "", errcode.New(5979800, "It is illegal to drop the clusteredIndex")
	}
	if name == catalog.IDIndexName {
		return "", errcode.New(errcode.InvalidOptions, "cannot drop _id index")
	}
	if c.Index(name) == nil {
		return "", errcode.New(errcode.IndexNotFound, "index not found with name [%s]", name)
	}
	return name, nil
}
