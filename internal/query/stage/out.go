package stage

import (
	"context"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
)

// maxNamespace is the longest "db.coll" of a collection, in bytes.
const maxNamespace = 255

// outStage is $out: the documents become all that a collection holds.
type outStage struct {
	named
	ns   Namespace
	opts OutputOptions
}

func outSpec() *idl.Spec {
	return idl.New("$out",
		idl.Field{Name: "db", Types: idl.String, Required: true},
		idl.Field{Name: "coll", Types: idl.String, Required: true},
		idl.Field{Name: "timeseries", Types: idl.Object})
}

func timeSeriesSpec() *idl.Spec {
	return idl.New("$out.timeseries",
		idl.Field{Name: "timeField", Types: idl.String, Required: true},
		idl.Field{Name: "metaField", Types: idl.String},
		idl.Field{Name: "granularity", Types: idl.String, Enum: []string{"seconds", "minutes", "hours"}},
		idl.Field{Name: "bucketMaxSpanSeconds", Types: idl.Number, Min: 1, Max: 31536000},
		idl.Field{Name: "bucketRoundingSeconds", Types: idl.Number, Min: 1, Max: 31536000})
}

func parseOut(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	s := &outStage{named: name("$out", arg), ns: Namespace{DB: pc.NS.DB}}
	switch arg.Type {
	case bsonx.String:
		s.ns.Coll, _ = stringOf(arg)
	case bsonx.Object:
		var a idl.Args
		if err := outSpec().Decode(bsonx.Doc(s.spec.Data), &a); err != nil {
			return nil, err
		}
		s.ns = Namespace{a.String("db", ""), a.String("coll", "")}
		if ts := a.Doc("timeseries"); ts != nil {
			var t idl.Args
			if err := timeSeriesSpec().Decode(ts, &t); err != nil {
				return nil, err
			}
			if t.Has("bucketMaxSpanSeconds") != t.Has("bucketRoundingSeconds") {
				return nil, errcode.New(errcode.InvalidOptions, "Timeseries 'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' must be set together")
			}
			s.opts.TimeSeries = ts
		}
	default:
		return nil, errcode.New(16990, "$out only supports a string or object argument, but found %s", bsonx.TypeName(arg.Type))
	}
	return one(s, checkTarget(s.ns, "$out", 17385, 31321))
}

// checkTarget checks a namespace that a stage writes to.
func checkTarget(ns Namespace, stage string, system, internal errcode.Code) error {
	if ns.DB == "" || strings.ContainsAny(ns.DB, "/\\. \"$\x00") {
		return errcode.New(errcode.InvalidNamespace, "Invalid %s target namespace: %s", stage, strings.ReplaceAll(ns.String(), "\x00", "\\0"))
	}
	if err := checkCollection(ns.DB, ns.Coll); err != nil {
		return err
	}
	if strings.HasPrefix(ns.Coll, "system.") {
		return errcode.New(system, "Can't %s to special collection: %s", stage, ns.Coll)
	}
	switch ns.DB {
	case "admin", "config", "local":
		return errcode.New(internal, "Can't %s to internal database: %s", stage, ns.DB)
	}
	return nil
}

// checkCreatable checks what MongoDB checks when a target is made.
func checkCreatable(ns Namespace) error {
	switch {
	case strings.Contains(ns.Coll, "$"):
		return errcode.New(errcode.IllegalOperation, "error with target namespace: Invalid collection name: %s", ns.Coll)
	case len(ns.String()) > maxNamespace:
		return errcode.New(errcode.IllegalOperation, "error with target namespace: Fully qualified namespace is too long. Namespace: %s Max: %d", ns, maxNamespace)
	}
	return nil
}

func (s *outStage) target() Namespace { return s.ns }

func (s *outStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &lazy{also: in, open: func(ctx context.Context) (exec.Iterator, error) {
		if err := checkCreatable(s.ns); err != nil {
			return nil, err
		}
		out, err := oc.Collections.Output(ctx, oc, s.ns, s.opts)
		if err != nil {
			return nil, err
		}
		defer out.Close()
		err = each(ctx, in, func(r exec.Row) error { return out.Write(ctx, r.Doc) })
		if err != nil {
			return nil, err
		}
		return Empty{}, out.Commit(ctx)
	}}, nil
}
