package command

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var dropCommand = &Spec{
	Name:      "drop",
	Args:      idl.Command("drop", idl.Field{Name: "drop", Types: idl.Any, Required: true}),
	Flags:     DDL | APIv1,
	Privilege: onCollection(auth.DropCollection),
	Help:      "drops a collection or a view; the past still has it",
	Run:       runDrop,
}

var dropDatabaseCommand = &Spec{
	Name:      "dropDatabase",
	Args:      idl.Command("dropDatabase", idl.Field{Name: "dropDatabase", Types: idl.Number, Required: true, Check: checkOne}),
	Flags:     DDL | APIv1,
	Privilege: onDatabase(auth.DropDatabase),
	Help:      "drops every collection and view of a branch; the past still has them",
	Run:       runDropDatabase,
}

// checkOne is the one value that dropDatabase takes.
func checkOne(v bsonx.Value) error {
	if idl.ToInt64(v) != 1 {
		return errcode.New(5255100, "Have to pass 1 as 'drop' parameter")
	}
	return nil
}

func runDrop(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	var was *catalog.Collection
	err = rq.write(ctx, func(s *source) error {
		was = nil
		d, err := s.changeable(ctx, rq.DB)
		if err != nil {
			return err
		}
		if _, ok := d.snap.Collection(name); !ok {
			return s.dropShown(ctx, d, name)
		}
		was, err = s.sv.Catalog.Drop(ctx, d.view, name)
		return err
	})
	if err != nil || was == nil {
		return err
	}
	rq.Services.plans.forget(planKey{rq.DB, was.ID})
	if was.Type != catalog.TypeView {
		reply.Int32("nIndexesWas", int32(countIndexes(was)))
	}
	reply.String("ns", rq.NS(name))
	return nil
}

// dropShown drops what a namespace that is only shown stands for: system.views all
// views, system.buckets.X the time-series collection X.
func (s *source) dropShown(ctx context.Context, d *database, name string) error {
	of, buckets := strings.CutPrefix(name, bucketsPrefix)
	for _, n := range d.snap.Names() {
		e, _ := d.snap.Collection(n)
		if name == viewsNS && e.Type == catalog.TypeView || buckets && n == of && e.Type == catalog.TypeTimeseries {
			if _, err := s.sv.Catalog.Drop(ctx, d.view, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func runDropDatabase(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	switch rq.DB {
	case "admin", "config", "local":
		return errcode.New(errcode.IllegalOperation, "Dropping the '%s' database is prohibited.", rq.DB)
	}
	return rq.write(ctx, func(s *source) error {
		d, err := s.changeable(ctx, rq.DB)
		if err != nil || d.snap.Len() == 0 {
			return err
		}
		_, err = s.sv.Catalog.DropAll(ctx, d.view)
		return err
	})
}

// changeable resolves a database for a change of its catalog.
func (s *source) changeable(ctx context.Context, db string) (*database, error) {
	d, err := s.db(ctx, db)
	if err != nil {
		return nil, err
	}
	if d.ref.ReadOnly {
		return nil, branch.ErrReadOnly(d.ref)
	}
	return d, nil
}
