package stage

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/match"
)

// maxGeoDepth is how deep the fields that $geoNear adds may be.
const maxGeoDepth = 199

// geoNearStage is $geoNear: documents by their distance from a point.
// Collections.GeoNear finds and orders them (rows with GeoDistance and GeoPoint
// in their meta); the stage adds the fields.
type geoNearStage struct {
	named
	pc       *ParseContext
	ns       Namespace
	distance []string // nil: not wanted
	locs     []string
	args     []geoArg
	filter   *match.Filter // nil: every document
}

// geoArg is one argument for the source.
type geoArg struct {
	name string
	e    expr.Expr
}

func parseGeoNear(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(10065, "invalid parameter: expected an object ($geoNear)")
	}
	s := &geoNearStage{named: name("$geoNear", arg), pc: pc, ns: pc.NS}
	for it := bsonx.NewIter(s.spec.Data); it.Next(); {
		if err := s.option(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	if bsonx.Lookup(arg.Data, "near").Type == bsonx.Missing {
		return nil, errcode.New(5860400, "$geoNear requires a 'near' argument")
	}
	return []Stage{s}, nil
}

func (s *geoNearStage) option(key string, v bsonx.Value) (err error) {
	switch key {
	case "near":
		return s.constant(key, v, 5860402, "$geoNear requires a constant near argument")
	case "distanceField":
		s.distance, err = geoPath(v, 16606, "$geoNear requires that the 'distanceField' option is a String")
	case "includeLocs":
		s.locs, err = geoPath(v, 16607, "$geoNear requires that 'includeLocs' option is a String")
	case "key":
		if v.Type != bsonx.String {
			return errcode.New(errcode.TypeMismatch, "$geoNear parameter 'key' must be of type string but found type: %s", bsonx.TypeName(v.Type))
		}
		if k, _ := stringOf(v); k == "" {
			return errcode.New(errcode.BadValue, "$geoNear parameter 'key' cannot be the empty string")
		}
		k, _ := stringOf(v)
		if parts, err := expr.SplitPath(k); err != nil {
			return err
		} else if len(parts) > bsonx.MaxDepth {
			return errcode.New(5729100, "$geoNear parameter 'key' is nested too deep: %d levels at most", bsonx.MaxDepth)
		}
		s.add(key, expr.Literal(v))
	case "minDistance":
		return s.constant(key, v, 7555701, "$geoNear requires a constant minDistance argument")
	case "maxDistance":
		return s.constant(key, v, 7555702, "$geoNear requires a constant maxDistance argument")
	case "distanceMultiplier":
		if !bsonx.IsNumber(v) {
			return errcode.New(errcode.TypeMismatch, "$geoNear parameter 'distanceMultiplier' must be a number")
		}
		if floatOf(v) < 0 {
			return errcode.New(errcode.BadValue, "$geoNear parameter 'distanceMultiplier' must not be negative")
		}
		s.add(key, expr.Literal(v))
	case "query":
		return s.query(v)
	case "spherical":
		s.add(key, expr.Literal(bsonx.BoolValue(bsonx.Truthy(v))))
	case "uniqueDocs":
	case "limit":
		return errcode.New(50858, "$geoNear no longer supports the 'limit' parameter. Use a $limit stage instead.")
	case "num":
		return errcode.New(50857, "$geoNear no longer supports the 'num' parameter. Use a $limit stage instead.")
	case "start":
		return errcode.New(50856, "$geoNear no longer supports the 'start' argument.")
	default:
		return errcode.New(errcode.Code(40415), "BSON field '$geoNear.%s' is an unknown field.", key)
	}
	return err
}

func (s *geoNearStage) add(key string, e expr.Expr) { s.args = append(s.args, geoArg{key, e}) }

func geoPath(v bsonx.Value, code errcode.Code, msg string) ([]string, error) {
	str, ok := stringOf(v)
	if !ok {
		return nil, errcode.New(code, "%s", msg)
	}
	return expr.SplitPath(str)
}

// constant takes an expression that reads no field; let variables are fine.
func (s *geoNearStage) constant(key string, v bsonx.Value, code errcode.Code, msg string) error {
	e, err := expr.Compile(v, s.pc.Scope)
	if err != nil {
		return err
	}
	if readsFields(v) {
		return errcode.New(code, "%s", msg)
	}
	s.add(key, e)
	if c, ok := expr.Constant(e); ok {
		return checkGeoArg(key, c)
	}
	return nil
}

// readsFields reports whether an expression reads fields of the document.
func readsFields(v bsonx.Value) bool {
	found := false
	visitStrings(v, func(key bool, s string) {
		if !key && len(s) > 1 && s[0] == '$' && s[1] != '$' {
			found = true
		}
	})
	return found
}

// checkGeoArg checks an evaluated argument.
func checkGeoArg(key string, v bsonx.Value) error {
	if key == "near" {
		if v.Type != bsonx.Object && v.Type != bsonx.Array {
			return errcode.New(5860401, "$geoNear requires near argument to be a GeoJSON object or a legacy coordinate pair, found %s", bsonx.TypeName(v.Type))
		}
		return nil
	}
	if key != "minDistance" && key != "maxDistance" {
		return nil
	}
	if !bsonx.IsNumber(v) {
		return errcode.New(errcode.TypeMismatch, "%s must be a number, found %s", key, bsonx.TypeName(v.Type))
	}
	if f := floatOf(v); !(f >= 0) {
		return errcode.New(errcode.BadValue, "%s must be non-negative", key)
	}
	return nil
}

// query checks the filter, which may not be near anything itself.
func (s *geoNearStage) query(v bsonx.Value) (err error) {
	if v.Type != bsonx.Object {
		return idl.WrongType("query", v.Type, idl.Object)
	}
	s.filter, err = match.Compile(bsonx.Doc(v.Data), match.Options{
		Scope: s.pc.Scope, Collation: s.pc.Collation,
		NoNear: errcode.New(errcode.BadValue, "$geoNear's query may not use $near or $nearSphere"),
	})
	return err
}

func (s *geoNearStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	return &lazy{open: func(ctx context.Context) (exec.Iterator, error) {
		if len(s.distance) > maxGeoDepth || len(s.locs) > maxGeoDepth {
			return nil, errcode.New(5984700, "$geoNear cannot add a field that is nested so deep")
		}
		env := oc.env(s.pc)
		b := bsonx.NewDoc(nil)
		for _, a := range s.args {
			v, err := a.e.Eval(env)
			if err == nil {
				err = checkGeoArg(a.name, v)
			}
			if err != nil {
				return nil, err
			}
			b.Value(a.name, v)
		}
		rows, err := oc.Collections.GeoNear(ctx, oc, s.ns, b.Done(), s.filter)
		if err != nil {
			return nil, err
		}
		return &mapIter{in: rows, env: env, fn: func(_ *expr.Env, r exec.Row) (exec.Row, bool, error) {
			return s.withFields(r), true, nil
		}}, nil
	}}, nil
}

func (s *geoNearStage) withFields(r exec.Row) exec.Row {
	if r.Meta == nil {
		return r
	}
	if s.distance != nil {
		r.Doc = withField(nil, r.Doc, s.distance, r.Meta.GeoDistance)
	}
	if s.locs != nil {
		r.Doc = withField(nil, r.Doc, s.locs, r.Meta.GeoPoint)
	}
	return r
}
